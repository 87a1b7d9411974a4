"""The types of a graph's values, and which arithmetic on them is that of the numbers."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, shape_inference

from oracle.proving.lowering.builder import OperatorRefused

FLOATS = frozenset({TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.FLOAT16, TensorProto.BFLOAT16})
"""Types that hold numbers with fractions."""

NUMBERS = FLOATS | {
    TensorProto.BOOL,
    *(TensorProto.INT8, TensorProto.INT16, TensorProto.INT32, TensorProto.INT64),
    *(TensorProto.UINT8, TensorProto.UINT16, TensorProto.UINT32, TensorProto.UINT64),
}
"""Types that an input may have."""

INTEGERS = NUMBERS - FLOATS - {TensorProto.BOOL}
"""Types that hold whole numbers."""

_WIDE = (TensorProto.INT32, TensorProto.INT64)
_WHOLE = frozenset(
    {"Add", "Sub", "Mul", "Sum", "Neg", "MatMul", "Gemm", "Pow", "ReduceSum", "ReduceSumSquare", "ReduceL1"}
)
"""Arithmetic whose results are whole if its operands are."""

_UNCHANGED = frozenset(
    {
        "Abs",
        "ArgMax",
        "ArgMin",
        "ArrayFeatureExtractor",
        "BitShift",
        "Cast",
        "CastLike",
        "Clip",
        "Concat",
        "DepthToSpace",
    }
    | {"Div", "Dropout", "Expand", "Flatten", "Gather", "GatherElements", "GatherND", "GlobalMaxPool", "Hardmax"}
    | {"LinearClassifier", "Mod", "OneHot", "ScatterElements", "ScatterND", "Sign", "SVMClassifier", "TopK"}
    | {"TreeEnsembleClassifier", "Trilu", "Identity", "Max", "MaxPool", "Min", "Pad", "ReduceMax", "ReduceMin"}
    | {"Relu", "Reshape", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"}
    | {"Where"}
)
"""Operators whose results are among their operands, or are computed as the numbers are."""


def types_of(model: onnx.ModelProto) -> dict[str, int]:
    """Return the type of the elements of each value whose type is known."""
    try:
        graph = shape_inference.infer_shapes(model).graph
    except Exception:  # the inference of a single operator may fail, and raises classes of its own
        graph = model.graph
    types = {each.name: each.type.tensor_type.elem_type for each in (*graph.value_info, *graph.output, *graph.input)}
    return {name: kind for name, kind in types.items() if kind} | {
        each.name: each.data_type for each in graph.initializer
    }


def type_name(kind: int) -> str:
    """Return a type's name as a message says it."""
    if kind not in TensorProto.DataType.values():
        return f"of an unknown type, {kind}"
    return f"of type {TensorProto.DataType.Name(kind).lower()}" if kind else "not a table of numbers"


def largest_result(operator: str, arguments: Sequence[Any], limits: Sequence[float | None]) -> float | None:
    """Return a bound on the magnitudes of an operator's result, given those of its arguments; None if there is none."""
    known = [limit for limit in limits if limit is not None]
    if operator == "BitShift":
        # To the left; to the right, it is less.
        return known[0] * 2.0 ** min(known[1], 64.0) if len(known) == len(limits) else None
    if operator == "OneHot":
        return limits[-1]
    if operator in _UNCHANGED:
        if operator in ("Where", "Max", "Min", "Clip", "Concat", "Pad", "ScatterElements", "ScatterND"):
            return max(known) if len(known) == len(limits) else None
        return limits[0]
    if not known or len(known) != len(limits):
        return None
    match operator:
        case "Neg":
            return known[0]
        case "Add" | "Sub" | "Sum":
            return math.fsum(known)
        case "Mul":
            return math.prod(known)
        case "Pow":
            return float(max(known[0], 1.0) ** min(known[1], 64.0))
        case "MatMul":
            constant = next((each for each in arguments if isinstance(each, np.ndarray)), None)
            if constant is None or constant.ndim < 2:
                return float(math.prod(known) * arguments[0].shape[-1])
            axis = -2 if constant is arguments[1] else -1
            other = known[0] if constant is arguments[1] else known[1]
            return other * float(np.abs(constant.astype(np.float64)).sum(axis=axis).max())
        case "ReduceSum":
            return float(known[0] * math.prod(arguments[0].shape))
    return None


def refuse_wrapping(operator: str, kind: int, limit: float | None) -> None:
    """Make sure that an operator computes with integers as with numbers.

    Args:
        operator: Its name in ONNX.
        kind: The type of its result.
        limit: A bound on the magnitudes of its result; None if none is known.

    Raises:
        OperatorRefused: Results of this type are rounded, or may wrap around.
    """
    if kind not in INTEGERS or operator in _UNCHANGED:
        return
    if operator not in _WHOLE:
        raise OperatorRefused(
            f"its result is {type_name(kind)}, and rounded", "cast to float before it, or publish the value before it"
        )
    most = np.iinfo(helper.tensor_dtype_to_np_dtype(kind)).max
    if kind in _WIDE and (limit is None or limit <= most):
        return
    if limit is None or limit > most or _is_unsigned(kind, operator):
        raise OperatorRefused(f"its result is {type_name(kind)}, and may wrap around", "cast to float before it")


def _is_unsigned(kind: int, operator: str) -> bool:
    """Return True if a result below 0 would wrap around."""
    return operator in ("Sub", "Neg") and TensorProto.DataType.Name(kind).startswith("U")
