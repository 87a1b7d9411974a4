"""Sums and means over axes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_var, axis_of
from oracle.proving.lowering.table import handles, handles_each


def reduce(builder: ProgramBuilder, value: Var, axes: Sequence[int], keepdims: bool, *, mean: bool) -> Var:
    """Append a sum, or a mean, over some axes; over all of them if none are given."""
    rank = len(value.shape)
    axes = tuple(sorted(axis_of(int(axis), rank) for axis in axes)) or tuple(range(rank))
    if 0 in axes:
        raise OperatorRefused("it reduces the batch", "reduce other axes than 0")
    kept = tuple(1 if axis in axes else dim for axis, dim in enumerate(value.shape))
    result = builder.emit("ReduceSum", value, shape=kept, axes=axes)
    if mean:
        count = math.prod(value.shape[axis] for axis in axes)
        result = builder.binary("Mul", result, np.array([1 / count]))
    if keepdims:
        return result
    return builder.reshape(result, [dim for axis, dim in enumerate(value.shape) if axis not in axes])


@handles_each("ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL1")
def _sums(operator: str, builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    axes = arguments[1] if len(arguments) > 1 and arguments[1] is not None else attributes.get("axes", ())
    value = as_var(arguments[0], "input")
    if operator == "ReduceSumSquare":
        value = builder.binary("Mul", value, value)
    if operator == "ReduceL1":
        value = builder.emit("Abs", value, shape=value.shape)
    keep = bool(attributes.get("keepdims", 1))
    return reduce(builder, value, [int(axis) for axis in axes], keep, mean=operator == "ReduceMean")


@handles("ReduceMax", "ReduceMin")
def _reduce_extreme(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    raise OperatorRefused("it is a maximum over an axis", "publish the values: whoever reads them sees the largest")
