"""The node cases of onnx's own backend suite, as models of one input: other inputs are constants, the batch is 1."""

from __future__ import annotations

import importlib
import pkgutil
import warnings
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import numpy as np
import onnx
from onnx import helper, numpy_helper

_NUMBERS = "fiub"


@dataclass(frozen=True)
class NodeCase:
    """One case with one of its inputs left open.

    Attributes:
        name: The case's name in onnx, and the input that is open.
        model: The model.
        sample: The case's value of the open input.
    """

    name: str
    model: onnx.ModelProto
    sample: np.ndarray


def collected() -> list[Any]:
    """Return onnx's cases. Its reference results of pooling, which take most of the time, are left out."""
    from onnx.backend.test.case import base, node
    from onnx.reference.ops import op_pool_common

    def no_pool(padded: Any, x_shape: Any, *_: Any, **__: Any) -> np.ndarray:
        return np.zeros((1,) * len(x_shape), dtype=np.float32)

    with (
        mock.patch.object(op_pool_common, "pool", no_pool),
        mock.patch.object(base, "process_snippet", return_value=("", "")),
        mock.patch.object(node, "function_testcase_helper", return_value=([], 0)),
        warnings.catch_warnings(),
    ):
        warnings.simplefilter("ignore")
        for module in pkgutil.iter_modules(node.__path__):
            if "image_decoder" not in module.name:
                importlib.import_module(f"{node.__name__}.{module.name}")
    return list(node._NodeTestCases)


def opened(case: Any) -> Iterator[NodeCase]:
    """Yield a case's models: each of its first inputs that has numbers is the open one once.

    It is open as it is; and once more with a batch of 1, if it has another axis 0. Then the first row is taken of it,
    and of constants that have as many rows. An input of one axis gets another before it. The results are then others
    than onnx's; both sides compute them anew.
    """
    given = case.data_sets[0][0]
    for at, value in enumerate(given[:3]):
        if not isinstance(value, np.ndarray) or value.size == 0 or value.dtype.kind not in _NUMBERS:
            continue
        row = value if value.shape[:1] == (1,) else value[:1] if value.ndim > 1 else value.reshape(1, -1)
        for sample in [row] if row is value else [row, value]:
            if made := _model(case, at, sample):
                yield NodeCase(f"{case.name}[{case.model.graph.input[at].name}, {sample.shape}]", made, sample)


def _model(case: Any, at: int, sample: np.ndarray) -> onnx.ModelProto | None:
    """Return a case's model with one open input, or None if others can't be constants."""
    given = case.data_sets[0][0]
    value, names = given[at], [each.name for each in case.model.graph.input]
    model = onnx.ModelProto()
    model.CopyFrom(case.model)
    model.ir_version = max(model.ir_version, 8)  # constants need not be inputs
    graph = model.graph
    kind = graph.input[at].type.tensor_type.elem_type
    constants = []
    for other, (name, array) in enumerate(zip(names, given, strict=False)):
        if other == at:
            continue
        if not isinstance(array, np.ndarray):
            return None
        is_cut = (
            sample.shape != value.shape
            and array.ndim > 0
            and array.shape[:1] == value.shape[:1]
            and array.ndim == value.ndim
        )
        constants.append(numpy_helper.from_array(array[:1] if is_cut else array, name))
    del graph.input[:]
    graph.input.append(helper.make_tensor_value_info(names[at], kind, sample.shape))
    graph.initializer.extend(constants)
    # The shapes of the outputs are those of all rows.
    for output in graph.output:
        for axis, dim in enumerate(output.type.tensor_type.shape.dim):
            dim.dim_param = f"d{axis}"
    return model
