"""A lowered model: a list of operations on numbers, and what keeps a model from becoming one."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

COMPARISONS = {"Greater", "Less", "GreaterOrEqual", "LessOrEqual"}


DECOMPOSED = COMPARISONS | {"Relu", "Abs"}
"""Operations that take numbers apart into digits."""


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
}


DEFAULT_SEGMENTS = 16


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a model can't be proven as it is.

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


@dataclass(frozen=True, slots=True)
class Op:
    """One operation.

    Attributes:
        kind: Of `KINDS`.
        inputs: Names of values or constants.
        output: Name of the value.
        node: The ONNX node it comes from.
        shape: Of the output; axis 0 is the batch, and 1 here.
        attributes: axes, perm, shape, indices and the like, without the batch.
    """

    kind: str
    inputs: tuple[str, ...]
    output: str
    node: str
    shape: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Program:
    """A lowered model.

    Attributes:
        input: Name of the input.
        input_shape: Of one window, without the batch.
        output: Name of the output.
        output_shape: Of one window, without the batch.
        ops: In order.
        constants: By name, float64.
        dropped: The final activation that was left off, or "".
        approximated: Activations that became piecewise linear, as "node (operator)".
        order_only: Why only the order of the outputs is that of the model, or "".
    """

    input: str
    input_shape: tuple[int, ...]
    output: str
    output_shape: tuple[int, ...]
    ops: tuple[Op, ...]
    constants: Mapping[str, Any]
    dropped: str = ""
    approximated: tuple[str, ...] = ()
    order_only: str = ""

    @property
    def features(self) -> int:
        return math.prod(self.input_shape)

    @property
    def outputs(self) -> int:
        return math.prod(self.output_shape)

    @property
    def weights(self) -> int:
        """Numbers in the constants."""
        return sum(constant.size for constant in self.constants.values())
