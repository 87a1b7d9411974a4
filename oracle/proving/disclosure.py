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


def _row_of_scores(extended: Extended, program: Program) -> str:
    """Return the name of the outputs as one row. Raises: ModelError: There is only one, which no other exceeds."""
    count = program.outputs
    if count < 2:
        raise ModelError("the largest of one output is not a verdict: state --threshold")
    return program.output if program.output_shape == (count,) else extended.add("Reshape", [program.output], (1, count))


def largest(program: Program) -> Program:
    """Return a program that publishes 1 for each output that no other exceeds, and 0 for each other.

    There is a single 1, unless the largest outputs are equal; argmax gives the first 1.

    Raises:
        ModelError: The program has one output only.
    """
    extended, count = Extended(program), program.outputs
    scores = _row_of_scores(extended, program)
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


_UPPER, _LOWER, _APART = "verdict_upper", "verdict_lower", "verdict_apart"


def decided_above(program: Program, threshold: float, band: float) -> Program:
    """Return a program that publishes 1, −1 or 0 for each output: above the threshold, below it, or undecided.

    Args:
        program: A program whose outputs are not exact.
        threshold: The threshold.
        band: The guard band. An output that is nearer to the threshold is undecided.
    """
    extended = Extended(program)
    shape = (1, *program.output_shape)
    for name, end in ((_UPPER, threshold + band), (_LOWER, threshold - band)):
        extended.constants[name] = np.full((1,) * len(shape), end)
    over = extended.add("Greater", [program.output, _UPPER], shape)
    under = extended.add("Less", [program.output, _LOWER], shape)
    extended.add("Sub", [over, under], shape)
    return extended.result(program.output_shape)


def decided_largest(program: Program, band: float) -> Program:
    """Return a program that publishes 1 for the output that exceeds all others by twice the band; 0 for each other.

    If there is none, all are 0, and the verdict is undecided.

    Args:
        program: A program of several outputs that are not exact.
        band: The guard band of each output.
    """
    extended, count = Extended(program), program.outputs
    scores = _row_of_scores(extended, program)
    extended.constants[_APART] = np.full((1, 1), 2 * band)
    lowered = extended.add("Sub", [scores, _APART], (1, count))
    verdicts = []
    for at in range(count):
        own = extended.add("Gather", [lowered], (1, 1), axis=1, indices=[at])
        others = [other for other in range(count) if other != at]
        rivals = extended.add("Gather", [scores], (1, count - 1), axis=1, indices=others)
        beaten = extended.add("Greater", [own, rivals], (1, count - 1))
        wins = extended.add("Gather", [beaten], (1, 1), axis=1, indices=[0])
        for other in range(1, count - 1):
            wins = extended.add(
                "Mul", [wins, extended.add("Gather", [beaten], (1, 1), axis=1, indices=[other])], (1, 1)
            )
        verdicts.append(wins)
    extended.add("Concat", verdicts, (1, count), axis=1)
    return extended.result((count,))


def band_of(circuit: Circuit) -> float | None:
    """Return the guard band within a circuit, rounded; None if it has none."""
    unit = float(2**circuit.param_scale)
    if _APART in circuit.constants:
        return _constant(circuit, _APART) / unit / 2
    if _UPPER in circuit.constants:
        return (_constant(circuit, _UPPER) - _constant(circuit, _LOWER)) / unit / 2
    return None


def _constant(circuit: Circuit, name: str) -> int:
    return int(circuit.constants[name].ravel()[0])


def limit(circuit: Circuit) -> float:
    """Return the threshold of a circuit made by `above`, rounded, and before an activation that was left off."""
    if _UPPER in circuit.constants:
        ends = _constant(circuit, _UPPER) + _constant(circuit, _LOWER)
        return float(ends / 2 ** (circuit.param_scale + 1))
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
