"""Random small models, for properties that hold whatever the graph."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from hypothesis import strategies as st
from onnx import TensorProto, helper

from tests.models import model, weights

NUMBERS = st.sampled_from([0.0, 1.0, -1.0, 0.5, 0.25, 2.0, -0.5, 0.3, -1.7, 0.01, 3.14159])
OPERATORS = (
    "MatMul Gemm AddConstant SubConstant MulConstant MulNumber Relu Abs Neg Sum Mean Add Sub Mul Max Min Concat Slice "
    "Gather Compare CompareConstant Where Clip Reshape Transpose Leaky Square"
)


@st.composite
def graphs(draw: st.DrawFn) -> bytes:
    """Draw a graph of up to eight operators on up to six features; each takes one of the last three values."""
    features = draw(st.integers(2, 6))
    nodes: list[onnx.NodeProto] = []
    constants: list[onnx.TensorProto] = []
    values: list[tuple[str, tuple[int, ...]]] = [("x", (1, features))]

    def constant(shape: tuple[int, ...]) -> str:
        size = int(np.prod(shape))
        # A slice behind a constant that is neutral in part could cut it to that part, and it would then be dropped.
        chosen = draw(
            st.one_of(
                NUMBERS.map(lambda v: [v] * size),
                st.lists(NUMBERS.filter(lambda v: v not in (0, 1)), min_size=size, max_size=size),
            )
        )
        constants.append(weights(f"w{len(constants)}", np.reshape(chosen, shape)))
        return constants[-1].name

    def index(*at: int) -> str:
        constants.append(weights(f"w{len(constants)}", at, np.int64))
        return constants[-1].name

    def add(kind: str, inputs: list[str], shape: tuple[int, ...], **attributes: Any) -> None:
        name = f"y{len(nodes)}"
        nodes.append(helper.make_node(kind, inputs, [name], name=name, **attributes))
        values.append((name, shape))

    def compare(inputs: list[str], shape: tuple[int, ...]) -> str:
        add(draw(st.sampled_from(["Greater", "Less", "GreaterOrEqual", "LessOrEqual"])), inputs, shape)
        return values.pop()[0]

    for _ in range(draw(st.integers(1, 8))):
        name, shape = draw(st.sampled_from(values[-3:]))
        rank, last, row = len(shape), shape[-1], (*(1 for _ in shape[1:]), shape[-1])
        other = draw(st.sampled_from([value for value, its in values if its == shape]))
        match draw(st.sampled_from(OPERATORS.split())):
            case "MatMul":
                out = draw(st.integers(1, 4))
                add("MatMul", [name, constant((last, out))], (*shape[:-1], out))
            case "Gemm" if rank == 2:
                out = draw(st.integers(1, 4))
                add("Gemm", [name, constant((out, last)), constant((out,))], (1, out), transB=1, alpha=0.5)
            case "AddConstant" | "SubConstant" | "MulConstant" as kind:
                add(kind.removesuffix("Constant"), [name, constant(row)], shape)
            case "MulNumber":
                add("Mul", [constant((1,) * rank), name], shape)
            case "Relu" | "Abs" | "Neg" as kind:
                add(kind, [name], shape)
            case "Leaky":
                add("LeakyRelu", [name], shape, alpha=0.25)
            case "Sum":
                add("ReduceSum", [name, index(rank - 1)], (*shape[:-1], 1), keepdims=1)
            case "Mean":
                add("ReduceMean", [name], (*shape[:-1], 1), axes=[rank - 1])
            case "Square":
                add("Mul", [name, name], shape)
            case "Add" | "Sub" | "Mul" | "Max" | "Min" as kind:
                add(kind, [name, other], shape)
            case "Concat":
                add("Concat", [name, other], (*shape[:-1], 2 * last), axis=rank - 1)
            case "Slice" if last > 1:
                start = draw(st.integers(0, last - 2))
                end = draw(st.integers(start + 1, last))
                add("Slice", [name, index(start), index(end), index(rank - 1)], (*shape[:-1], end - start))
            case "Gather":
                at = draw(st.lists(st.integers(-last, last - 1), min_size=1, max_size=4))
                add("Gather", [name, index(*at)], (*shape[:-1], len(at)), axis=rank - 1)
            case "Compare":
                add("Cast", [compare([name, other], shape)], shape, to=TensorProto.FLOAT)
            case "CompareConstant":
                add("Cast", [compare([name, constant(row)], shape)], shape, to=TensorProto.FLOAT)
            case "Where":
                add("Where", [compare([name, other], shape), name, other], shape)
            case "Clip":
                add("Clip", [name, constant(()), constant(())], shape)
            case "Reshape" if rank == 2:
                add("Reshape", [name, index(1, last, 1)], (1, last, 1))
            case "Reshape" if rank == 3:
                add("Reshape", [name, index(1, shape[1] * last)], (1, shape[1] * last))
            case "Transpose" if rank == 3:
                add("Transpose", [name], (1, last, shape[1]), perm=[0, 2, 1])
    if not nodes:
        add("Relu", ["x"], (1, features))
    return model(nodes, ["N", features], constants, [values[-1][0]])
