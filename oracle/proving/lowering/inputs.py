"""The inputs of a model: their types, and their shapes, of which samples may tell the sizes that are left open."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import onnx
from onnx import TensorProto, helper

from oracle.core import encoding

Dims = list[int | str]
"""A shape, in which a size that is left open is a name."""


def shape_of(value: onnx.ValueInfoProto) -> Dims | None:
    """Return an input's shape; None if it has none."""
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None
    return [each.dim_value if each.HasField("dim_value") else str(each.dim_param or "?") for each in tensor.shape.dim]


def sized(shapes: Sequence[Dims | None], sample: Sequence[int] | None) -> list[tuple[int, ...] | str]:
    """Return shapes in which every size is known, or in place of a shape the reason why it is not.

    Axis 0 is the batch if it is left open, and 1 then. Other sizes that are open are those of the sample, if it has as
    many axes; or the only open one is as large as the number of the sample's elements demands.

    Args:
        shapes: The shapes of all inputs.
        sample: Shape of one sample; None if there is none.
    """
    known = [
        None if each is None else [1 if at == 0 and is_open(dim) else dim for at, dim in enumerate(each)]
        for each in shapes
    ]
    if len(known) == 1 and known[0] is not None and sample:
        known = [_filled(known[0], tuple(sample))]
    found: list[tuple[int, ...] | str] = []
    for dims in known:
        if dims is None:
            found.append("it has no shape")
            continue
        text = "×".join(map(str, dims))
        is_unknown = [is_open(dim) for dim in dims]
        if any(is_unknown):
            axis = is_unknown.index(True)
            found.append(f"axis {axis} of {text} is dynamic ({dims[axis]!r})")
        else:
            found.append(tuple(int(dim) for dim in dims))
    return found


def is_open(dim: int | str) -> bool:
    """Return True if a size is left open."""
    return isinstance(dim, str) or dim < 1


def _filled(dims: Dims, sample: tuple[int, ...]) -> Dims:
    """Return a shape whose open sizes are those that a sample tells."""
    places = [at for at, dim in enumerate(dims) if is_open(dim)]
    for axes in (sample, (1, *sample)):
        if len(axes) == len(dims) and all(is_open(dim) or dim == size for dim, size in zip(dims, axes, strict=True)):
            return list(axes)
    fixed = math.prod(int(dim) for dim in dims if not is_open(dim))
    size = math.prod(sample)
    if len(places) == 1 and size and size % fixed == 0:
        return [size // fixed if at in places else dim for at, dim in enumerate(dims)]
    return dims


def range_of_type(kind: int) -> tuple[float, float]:
    """Return bounds on the numbers of an input of a type; no window has larger ones."""
    if kind == TensorProto.BOOL:
        return 0.0, 1.0
    given = helper.tensor_dtype_to_np_dtype(kind)
    most = float(encoding.CLIP)
    return (
        (-most, most) if given.kind not in "iu" else (max(-most, np.iinfo(given).min), min(most, np.iinfo(given).max))
    )
