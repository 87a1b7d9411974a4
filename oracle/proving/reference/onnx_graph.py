"""The ONNX graph of a circuit, which ezkl reads."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from oracle.proving.lowering.program import COMPARISONS, Program
from oracle.proving.reference.comparison import compared, equal_to
from oracle.proving.reference.steps import IntegerStep

OPSET = 13
IR_VERSION = 8


def write_graph(
    program: Program,
    steps: Sequence[IntegerStep],
    constants: Mapping[str, Any],
    output: str,
    *,
    input_scale: int,
    param_scale: int,
    batch: int,
    salt: Sequence[int] = (),
) -> bytes:
    """Write a circuit as ONNX. Nothing in the graph can be folded, rounded or dropped on the way.

    Args:
        program: What the circuit was made from.
        steps: The circuit's operations, in order.
        constants: Integers, by name.
        output: Name of the result.
        input_scale: Windows are integers, of this scale.
        param_scale: Constants are multiples of 2^-param_scale.
        batch: Windows.
        salt: Integers that the hash of the weights commits to, and that change nothing.

    Raises:
        ValueError: The batch is below 1.
    """
    if batch < 1:
        raise ValueError(f"batch {batch} must be at least 1")
    return _Writer(batch, salt, param_scale).serialise(program, steps, constants, output, input_scale, param_scale)


class _Writer:
    def __init__(self, batch: int, salt: Sequence[int], param_scale: int) -> None:
        self.batch = batch
        self.salt = salt
        self.param_scale = param_scale
        self.is_salted = False
        self.nodes: list[Any] = []
        self.initializers: dict[str, Any] = {}

    def serialise(
        self,
        program: Program,
        steps: Sequence[IntegerStep],
        constants: Mapping[str, Any],
        output: str,
        input_scale: int,
        param_scale: int,
    ) -> bytes:
        value = "x"
        if input_scale:
            # Windows are integers. Scaling them down costs one row each in the circuit.
            self.initializers["unit"] = np.array([[2.0**-input_scale]], dtype=np.float32)
            value = self.node("Mul", [value, "unit"], "scaled")
        if len(program.input_shape) != 1:
            value = self.node("Reshape", [value, self.index("shape_x", (self.batch, *program.input_shape))], "shaped")
        names = {program.input: value}
        scales = {program.input: input_scale, **dict.fromkeys(constants, param_scale)}
        for step in steps:
            scales[step.op.output] = step.scale
            given = max(scales[name] for name in step.op.inputs)
            names[step.op.output] = self.step(step, [names.get(name, name) for name in step.op.inputs], given)
        result = names[output]
        if self.salt and not self.is_salted:
            result = self.salted(result, len(program.output_shape) + 1, scales[output])
        if len(program.output_shape) != 1:
            result = self.node("Reshape", [result, self.index("shape_s", (self.batch, program.outputs))], "flat")
        self.rename(result)
        for name, constant in constants.items():
            if any(name in node.input for node in self.nodes):
                exact = constant.astype(np.float64) / 2.0**param_scale
                self.initializers[name] = exact.astype(np.float32)
        graph = helper.make_graph(
            self.nodes,
            "circuit",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [self.batch, program.features])],
            [helper.make_tensor_value_info("s", TensorProto.FLOAT, [self.batch, program.outputs])],
            [onnx.numpy_helper.from_array(array, name) for name, array in sorted(self.initializers.items())],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(proto)
        return bytes(proto.SerializeToString(deterministic=True))

    def rename(self, result: str) -> None:
        for node in self.nodes:
            for names in (node.input, node.output):
                for at, name in enumerate(names):
                    if name == result:
                        names[at] = "s"

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        self.nodes.append(helper.make_node(kind, list(inputs), [output], name=output, **attributes))
        return output

    def index(self, name: str, values: Any) -> str:
        self.initializers[name] = np.array(values, dtype=np.int64)
        return name

    def zero(self) -> str:
        """Return a computed 0 of shape [1, 1]. A constant would be hashed with the weights."""
        if not any(node.name == "zero" for node in self.nodes):
            value = "x"
            # A gather of one number is read as a slice of all, with a row for each; two are sliced with few.
            for axis in (0, 1) if self.batch > 1 else (1,):
                pair = self.node("Gather", [value, self.index("two_of", [0, 0])], f"two_{axis}", axis=axis)
                value = self.node("Gather", [pair, self.index("one_of", [0])], f"one_{axis}", axis=axis)
            self.node("Sub", [value, value], "zero")
        return "zero"

    def unit(self, scale: int, rank: int) -> str:
        """Return a computed value that is the integer 1 at a scale."""
        name = f"unit_{scale}_{rank}"
        if any(node.output[0] == name for node in self.nodes):
            return name
        if not any(node.name == "whole" for node in self.nodes):
            self.nodes += equal_to(self.zero(), "whole")
        value = "whole"
        if scale:
            # To ezkl, a product with a power of two changes the scale alone.
            self.initializers[f"least_{scale}"] = np.full((1, 1), 2.0**-scale, dtype=np.float32)
            value = self.node("Mul", [value, f"least_{scale}"], f"whole_{scale}_{rank}")
        if self.salt and not self.is_salted and scale >= self.param_scale:
            value = self.salted(value, 2, scale)
        return self.node("Reshape", [value, self.index(f"ones_{rank}", (1,) * rank)], name)

    def salted(self, value: str, rank: int, scale: int) -> str:
        """Add 0 times the salt to a value, whose scale is not below that of the parameters."""
        if scale < self.param_scale:
            raise ValueError(f"a salt at scale {self.param_scale} would change a value at scale {scale}")
        self.is_salted = True
        zeros = self.node("Gather", [self.zero(), self.index("zeros_of", [0] * len(self.salt))], "zeros", axis=1)
        values = np.array(self.salt, dtype=np.float64).reshape(-1, 1) / 2.0**self.param_scale
        self.initializers["salt"] = values.astype(np.float32)
        nothing = self.node("MatMul", [zeros, "salt"], "salt_times_zero")
        shaped = self.node("Reshape", [nothing, self.index("salt_shape", (1,) * rank)], "salt_shaped")
        return self.node("Add", [value, shaped], "salted")

    def step(self, step: IntegerStep, inputs: list[str], scale: int) -> str:
        """Write one operation, whose largest scale of an input is `scale`, and return its result's name."""
        op = step.op
        name, given = op.output, op.attributes
        match op.kind:
            case "Halve":
                rank = len(op.shape)
                self.initializers[f"{name}_by"] = np.full((1,) * rank, 2.0 ** -given["by"], dtype=np.float32)
                return self.node("Mul", [*inputs, f"{name}_by"], name)
            case "Function":
                return self.node(given["name"], inputs, name)
            case "Reshape":
                shape = self.index(f"{name}_shape", (self.batch, *op.shape[1:]))
                return self.node("Reshape", [*inputs, shape], name)
            case "Gather":
                taken, indices = inputs[0], np.asarray(given["indices"])
                if indices.size == 1:
                    # ezkl's reader takes the gathering of one for a slice, with a row for each number, and slices what
                    # is before it. A constant that is 0 there would fall away, and the key would depend on it.
                    pair = self.index(f"{name}_pair", [int(indices.ravel()[0])] * 2)
                    taken, indices = self.node("Gather", [taken, pair], f"{name}_two", axis=given["axis"]), indices * 0
                return self.node("Gather", [taken, self.index(f"{name}_at", indices)], name, axis=given["axis"])
            case "ReduceSum":
                return self.node("ReduceSum", [*inputs, self.index(f"{name}_axes", given["axes"])], name, keepdims=1)
            case "Conv":
                return self.node("Conv", inputs, name, strides=list(given["strides"]), pads=list(given["pads"]))
            case "Transpose" | "Concat":
                return self.node(op.kind, inputs, name, **{k: list(v) if k == "perm" else v for k, v in given.items()})
            case _ if op.kind in COMPARISONS:
                unit = self.unit(scale, len(op.shape))
                self.nodes += compared(op.kind, inputs[0], inputs[1], unit, name)
                return name
        return self.node(op.kind, inputs, name)
