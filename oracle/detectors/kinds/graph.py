"""A writer of ONNX graphs that ezkl turns into circuits without rounding anything.

Weights are multiples of 2^-p and exact as 32-bit floats, so the float graph, the integer reference and the circuit are
one model. Only weights are constants with a value: ezkl hashes every constant with the weights, so any other would make
the model's hash depend on the batch, or on what the circuit publishes.

The writer gets data only, and knows no kind of detector.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from oracle.detectors.interface import Disclosure

OPSET = 13
IR_VERSION = 8


class GraphWriter:
    """A writer of one graph: input `x` float32 [batch, width], output `s` float32 [batch, outputs].

    A node that several outputs use is written once: nodes are known by the name of their output.

    Args:
        kind: The graph's name.
        model: The model's name, for error messages.
        batch: B, the number of windows.
        width: n, the numbers of a window.
        param_scale: p; weights are integers over 2^p.

    Raises:
        ValueError: The batch is below 1.
    """

    def __init__(self, kind: str, model: str, batch: int, width: int, param_scale: int) -> None:
        if batch < 1:
            raise ValueError(f"batch {batch} must be at least 1")
        self.kind = kind
        self.model = model
        self.batch = batch
        self.width = width
        self.param_scale = param_scale
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}
        self._written: set[str] = set()

    def node(self, kind: str, inputs: Sequence[str], output: str, **attributes: Any) -> str:
        """Write a node, unless it is there, and return the name of its output."""
        if output not in self._written:
            self._written.add(output)
            self._nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def indices(self, name: str, *values: int) -> str:
        """Write a constant of indices, unless it is there, and return its name."""
        self._constants.setdefault(name, numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def weights(self, name: str, values: Sequence[int], shape: tuple[int, ...] | None = None) -> str:
        """Write a constant of weights, and return its name.

        Args:
            name: The constant's name.
            values: Integers over 2^p.
            shape: Their shape; None: a column, [count, 1].

        Raises:
            ValueError: A weight is not exact as a 32-bit float.
        """
        exact = np.array([value / (1 << self.param_scale) for value in values], dtype=np.float64)
        single = exact.astype(np.float32)
        if not np.array_equal(exact, single.astype(np.float64)):
            raise ValueError(f"weights {name} of model {self.model} are not exact as 32-bit floats")
        self._constants[name] = numpy_helper.from_array(single.reshape(shape or (-1, 1)), name)
        return name

    def columns(self, output: str, at: str) -> str:
        """Write the columns of `x` that a constant of indices names, and return the name of the result."""
        # A slice would have a row for each number in the circuit; numbers that are gathered stay where they are.
        return self.node("Gather", ["x", at], output, axis=1)

    def column(self, output: str, index: int) -> str:
        """Write one column of `x`, [batch, 1], and return its name."""
        # ezkl's reader turns a gather of one number into a slice of all, with a row for each: so it gets two to slice.
        pair = self.columns(f"{output}_twice", self.indices(f"at_{output}", index, index))
        return self.node("Gather", [pair, self.indices("first", 0)], output, axis=1)

    def finish(self, scores: Sequence[str], disclosure: Disclosure, flags: Sequence[Sequence[str]] = ()) -> bytes:
        """Write what the circuit publishes, and return the serialised ONNX model.

        Args:
            scores: Names of the outputs' scores, each [batch, 1].
            disclosure: The scores; or one verdict, 1 where any of them is positive, else 0.
            flags: For each output, columns of 0 or 1 that its score is multiplied by.
        """
        verdict = disclosure is Disclosure.VERDICT
        parts = [self._positive(score) if verdict else score for score in scores]
        for at, names in enumerate(flags):
            for flag in names:
                parts[at] = self.node("Mul", [flag, parts[at]], f"{parts[at]}_{flag}")
        if verdict:
            self._any(parts)
        elif len(parts) > 1:
            self.node("Concat", parts, "s", axis=1)
        else:
            self._nodes[-1].output[0] = "s"
        graph = helper.make_graph(
            self._nodes,
            self.kind,
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [self.batch, self.width])],
            [helper.make_tensor_value_info("s", TensorProto.FLOAT, [self.batch, 1 if verdict else len(scores)])],
            list(self._constants.values()),
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(proto)
        return bytes(proto.SerializeToString(deterministic=True))

    def zeros(self, count: int) -> str:
        """Write computed zeros, [1, count], and return their name. Constants would be hashed with the weights."""
        pairs = self.node("Gather", ["x", self.indices("two_first", 0, 0)], "two_windows", axis=0)
        taken = self.node(
            "Gather", [pairs, self.indices(f"first_of_{count}", *[0] * max(count, 2))], f"taken{count}", axis=1
        )
        wide = self.node("Gather", [taken, self.indices("first", 0)], f"window{count}", axis=0)
        if count == 1:
            wide = self.node("Gather", [wide, self.indices("first", 0)], "number", axis=1)
        return self.node("Sub", [wide, wide], f"zeros{count}")

    def one(self) -> str:
        """Write a computed 1 at the scale of the inputs, [1, 1], and return its name."""
        return self._truth(self.zeros(1), self.zeros(1), "whole")

    def _positive(self, score: str) -> str:
        """Write |score| + score, which is 0 where the score is not positive, and return its name."""
        size = self.node("Abs", [score], f"{score}_size")
        return self.node("Add", [score, size], f"{score}_excess")

    def _any(self, excesses: Sequence[str]) -> None:
        """Write `s`: 1 where any of these numbers, none of which is negative, is not 0, else 0."""
        total = excesses[0]
        for at, each in enumerate(excesses[1:]):
            total = self.node("Add", [total, each], f"excess{at}")
        # Zero and one are computed: constants would be hashed with the weights, and change the model's identity.
        self.node("Sub", [total, total], "zero")
        self._truth(total, "zero", "passes")
        self._truth("zero", "zero", "one")
        self.node("Sub", ["one", "passes"], "s")

    def _truth(self, left: str, right: str, output: str) -> str:
        """Write 1 where two numbers are equal, and 0 where they are not, at their scale, and return its name."""
        self.node("Equal", [left, right], f"{output}_is")
        return self.node("Cast", [f"{output}_is"], output, to=TensorProto.FLOAT)
