"""The types of a graph's values, and which arithmetic on them is that of the numbers."""

from __future__ import annotations

import onnx
from onnx import TensorProto, shape_inference

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
    {"Abs", "ArgMax", "ArgMin", "ArrayFeatureExtractor", "Cast", "CastLike", "Clip", "Concat", "DepthToSpace"}
    | {"Dropout", "Expand", "Flatten", "Gather", "Identity", "Max", "MaxPool", "Min", "Pad", "ReduceMax", "ReduceMin"}
    | {"Relu", "Reshape", "Resize", "Slice", "SpaceToDepth", "Split", "Squeeze", "Tile", "Transpose", "Unsqueeze"}
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
    return f"of type {TensorProto.DataType.Name(kind).lower()}" if kind else "not a table of numbers"


def refuse_wrapping(operator: str, kind: int) -> None:
    """Make sure that an operator computes with integers as with numbers.

    Raises:
        OperatorRefused: Results of this type are rounded, or wrap around.
    """
    if kind not in INTEGERS or operator in _UNCHANGED:
        return
    if operator not in _WHOLE:
        raise OperatorRefused(
            f"its result is {type_name(kind)}, and rounded", "cast to float before it, or publish the value before it"
        )
    if kind not in _WIDE:
        raise OperatorRefused(f"its result is {type_name(kind)}, and may wrap around", "cast to float before it")
