"""A lowered model: a list of operations on numbers; and the problems that keep a model from becoming one."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from oracle.proving.lowering.tails import Tail

FUNCTION = "Function"
"""The kind of operations that look a function up, or check it. Their attribute `name` is the ONNX operator's."""

CHECKED = frozenset({"Reciprocal", "Sqrt"})
"""Functions without a table."""

GAIN = "gain"
"""The attribute of operations whose constant is multiplied by a gain, or by its square: 1 or 2.

A gain's product comes first, and what has its square follows before the next one.
"""

COMPARISONS = {"Greater", "Less", "GreaterOrEqual", "LessOrEqual"}
DECOMPOSED = COMPARISONS | {"Relu", "Abs"}
"""Kinds of operation that take numbers apart into digits."""

KINDS = COMPARISONS | {
    "Add",
    "Sub",
    "Mul",
    "MatMul",
    "Conv",
    "Relu",
    "Abs",
    "ReduceSum",
    "Reshape",
    "Transpose",
    "Concat",
    "Gather",
    "Function",
}
"""Kinds of operation that a program has."""

DEFAULT_SEGMENTS = 16
"""Pieces of the piecewise linear function that stands for a smooth activation."""


@dataclass(frozen=True, slots=True)
class Problem:
    """A reason why a model can't be proven as it is.

    Attributes:
        node: The ONNX node or tensor, as a person finds it in a viewer.
        what: What is wrong with it.
        change: What to change.
    """

    node: str
    what: str
    change: str

    def __str__(self) -> str:
        return f"{self.node}: {self.what}; {self.change}"


def told(problems: Sequence[Problem]) -> list[str]:
    """Return problems as lines. Nodes of one operator that are refused for one reason share a line."""
    groups: dict[tuple[str, str, str], list[Problem]] = {}
    for problem in problems:
        operator = problem.node.rpartition(" (")[2] if problem.node.endswith(")") else problem.node
        groups.setdefault((operator, problem.what, problem.change), []).append(problem)
    return [
        str(first) if not others else f"{first.node} and {len(others)} more: {first.what}; {first.change}"
        for first, *others in groups.values()
    ]


@dataclass(frozen=True, slots=True)
class Op:
    """One operation.

    Attributes:
        kind: One of `KINDS`.
        inputs: Names of values or constants.
        output: Name of the result.
        node: The ONNX node that it comes from.
        shape: Shape of the result; axis 0 is the batch, and 1 here.
        attributes: axes, perm, shape, indices and the like, without the batch.
    """

    kind: str
    inputs: tuple[str, ...]
    output: str
    node: str
    shape: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ModelInput:
    """One of a model's inputs.

    Attributes:
        name: Its name in the model.
        shape: Its shape in the model, for one window.
        kind: The ONNX type of its elements.
    """

    name: str
    shape: tuple[int, ...]
    kind: int

    @property
    def size(self) -> int:
        """Numbers in it."""
        return math.prod(self.shape)


@dataclass(frozen=True, slots=True)
class Program:
    """A lowered model.

    Attributes:
        input: Name of the input.
        input_shape: Shape of one window, without the batch.
        output: Name of the output.
        output_shape: Shape of the output for one window, without the batch.
        ops: The operations, in order.
        constants: By name, float64.
        dropped: The final activation that was left off, or "".
        approximated: Activations that became piecewise linear, as "node (operator)".
        order_only: Reason why only the order of the outputs is that of the model, or "".
        source: Name of the ONNX value that the output is; that before an activation or a ZipMap that was left off.
        notes: Choices that were made for the user, to be told.
        inputs: The model's inputs, whose numbers follow each other in a window.
        labels: The texts that the output's numbers stand for, if it is a label of text.
        looked_up: Nodes that no exact circuit has, as "node (operator)": functions are looked up, or checked.
        tail: The functions at the end that were left off, if a threshold can be taken back through them.
        is_label: True if the output says which of several was chosen.
        shifts: A window has x · 2^(input scale + shift) of each feature x; none: all shifts are 0.
    """

    input: str
    input_shape: tuple[int, ...]
    output: str
    output_shape: tuple[int, ...]
    ops: tuple[Op, ...]
    constants: Mapping[str, Any] = field(repr=False)
    dropped: str = ""
    approximated: tuple[str, ...] = ()
    order_only: str = ""
    source: str = ""
    notes: tuple[str, ...] = ()
    inputs: tuple[ModelInput, ...] = ()
    labels: tuple[str, ...] = ()
    looked_up: tuple[str, ...] = ()
    tail: Tail | None = None
    is_label: bool = False
    shifts: tuple[int, ...] = ()

    @property
    def features(self) -> int:
        """Numbers in a window."""
        return math.prod(self.input_shape)

    @property
    def outputs(self) -> int:
        """Numbers in the output for a window."""
        return math.prod(self.output_shape)

    @property
    def weights(self) -> int:
        """Numbers in the constants."""
        return sum(constant.size for constant in self.constants.values())
