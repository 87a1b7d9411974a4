"""Programs that publish their verdicts instead of their outputs, so that the outputs reveal no private weight.

All rules are comparisons inside the circuit, and exact like everything before them: an output that is equal to the
threshold is not above it, and a prover has no say in that (`oracle.proving.reference.comparison`). No rule adds a
constant where none is needed, because constants are hashed with the weights.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from oracle.core.errors import ModelError
from oracle.proving.lowering.program import Op, Program
from oracle.proving.reference.circuit import Circuit

_NODE = "verdict"
_THRESHOLD = "verdict_threshold"

NEGLIGIBLE = 1e-9
"""A threshold below this counts as 0: it is finer than any scale that tuning tries."""


def above(program: Program, threshold: float) -> Program:
    """Return a program that publishes 1 for each output above the threshold, and 0 for each other.

    The threshold is rounded to the parameters' scale, like a weight.
    """
    extended = Extended(program)
    shape = (1, *program.output_shape)
    if abs(threshold) < NEGLIGIBLE:
        compared = extended.add("Sub", [program.output, program.output], shape)
    else:
        compared = _THRESHOLD
        # One number for all outputs: each costs rows.
        extended.constants[compared] = np.full((1,) * len(shape), threshold)
    extended.add("Greater", [program.output, compared], shape)
    return extended.result(program.output_shape)


def any_above(program: Program) -> Program:
    """Return a program that publishes one number: 1 if any output is above 0, and 0 if none is."""
    extended, count = Extended(program), program.outputs
    scores = program.output
    if program.output_shape != (count,):
        scores = extended.add("Reshape", [scores], (1, count))
    shape = (1, count)
    answers = extended.add("Greater", [scores, extended.add("Sub", [scores, scores], shape)], shape)
    held = extended.add("Gather", [answers], (1, 1), axis=1, indices=[0])
    for at in range(1, count):
        # a or b is a + b − a b.
        other = extended.add("Gather", [answers], (1, 1), axis=1, indices=[at])
        both = extended.add("Mul", [held, other], (1, 1))
        held = extended.add("Sub", [extended.add("Add", [held, other], (1, 1)), both], (1, 1))
    return extended.result((1,))


def largest(program: Program) -> Program:
    """Return a program that publishes 1 for each output that no other exceeds, and 0 for each other.

    There is a single 1, unless the largest outputs are equal; argmax gives the first 1.

    Raises:
        ModelError: The program has one output only.
    """
    count = program.outputs
    if count < 2:
        raise ModelError("the largest of one output is not a verdict: state --threshold")
    extended = Extended(program)
    scores = program.output
    if program.output_shape != (count,):
        scores = extended.add("Reshape", [scores], (1, count))
    if count == 2:
        other = extended.add("Gather", [scores], (1, 2), axis=1, indices=[1, 0])
    else:
        other = _most(extended, scores, count)
    extended.add("GreaterOrEqual", [scores, other], (1, count))
    return extended.result((count,))


def _most(extended: Extended, scores: str, count: int) -> str:
    """Add the largest of `count` scores: the larger half of each round's pairs goes on to the next.

    All pairs of a round are one operation, because gathering scores one by one costs as many rows as there are scores.
    """
    while count > 1:
        pairs = (count + 1) // 2
        left, right = (
            extended.add("Gather", [scores], (1, pairs), axis=1, indices=[min(at, count - 1) for at in side])
            for side in (range(0, count, 2), range(1, count + 1, 2))
        )
        excess = extended.add("Relu", [extended.add("Sub", [left, right], (1, pairs))], (1, pairs))
        scores, count = extended.add("Add", [right, excess], (1, pairs)), pairs
    return scores


def limit(circuit: Circuit) -> float:
    """Return the threshold of a circuit made by `above`, rounded, and before an activation that was left off."""
    rounded = circuit.constants.get(_THRESHOLD)
    return 0.0 if rounded is None else int(rounded.ravel()[0]) / 2**circuit.param_scale


class Extended:
    """A program to which operations are added.

    Args:
        program: The program at the beginning.

    Attributes:
        constants: By name; further ones may be put in.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._ops = list(program.ops)
        self.constants = dict(program.constants)

    def add(self, kind: str, inputs: Sequence[str], shape: tuple[int, ...], **attributes: Any) -> str:
        """Add an operation and return the name of its result."""
        name = f"{_NODE}_{len(self._ops)}"
        self._ops.append(Op(kind, tuple(inputs), name, _NODE, shape, attributes))
        return name

    def result(self, shape: tuple[int, ...]) -> Program:
        """Return the program, whose output is now that of the last operation."""
        return replace(
            self._program,
            ops=tuple(self._ops),
            constants=self.constants,
            output=self._ops[-1].output,
            output_shape=shape,
        )
