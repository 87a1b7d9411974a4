"""Readings of a model's outputs: programs of integers that claims are about.

Of an approximate model, claims are about *intervals*: the least and the largest that the float model's output can be,
given the guard band. The two ends are outputs of one program, all lower ends first.
"""

from __future__ import annotations

from enum import Enum

import numpy as np

from oracle.core.errors import ModelError
from oracle.proving.disclosure import Extended
from oracle.proving.lowering.program import Program

_BAND, _LAST = "claim_band", "claim_last_class"


class OutputReading(Enum):
    """A reading of a model's outputs.

    Attributes:
        NUMBERS: Each output as it is.
        LARGEST: The number of the largest output, which is the class.
        MARGINS: How far each output is above the largest other one.
    """

    NUMBERS = "numbers"
    LARGEST = "largest"
    MARGINS = "margins"

    def of(self, program: Program) -> Program:
        """Return a program that gives what the claims are about."""
        if self is OutputReading.LARGEST:
            return first_largest(program)
        if self is OutputReading.MARGINS:
            return margins(program)
        return program


def first_largest(program: Program) -> Program:
    """Return a program that gives the number of its largest output, counted from 0; the first of several equal ones."""
    extended = Extended(program)
    each = _numbers(extended, program)
    most, number = each[0], ""
    for at in range(1, len(each)):
        extended.constants[f"class_{at}"] = np.full((1, 1), float(at))
        is_larger = extended.add("Greater", [each[at], most], (1, 1))
        if not number:
            number = extended.add("Mul", [is_larger, f"class_{at}"], (1, 1))
        else:
            step = extended.add("Sub", [f"class_{at}", number], (1, 1))
            number = extended.add("Add", [number, extended.add("Mul", [is_larger, step], (1, 1))], (1, 1))
        if at < len(each) - 1:
            most = _larger(extended, most, each[at])
    return extended.result((1,))


def margins(program: Program) -> Program:
    """Return a program that gives how far each output is above the largest other one, and below 0 where it is not."""
    extended = Extended(program)
    each = _numbers(extended, program)
    if len(each) < 2:
        raise ModelError(f"a model of {len(each)} output has no margin over another")
    above = []
    for at, value in enumerate(each):
        most, *others = [other for index, other in enumerate(each) if index != at]
        for other in others:
            most = _larger(extended, most, other)
        above.append(extended.add("Sub", [value, most], (1, 1)))
    found = above[0]
    for at, value in enumerate(above[1:], start=2):
        found = extended.add("Concat", [found, value], (1, at), axis=1)
    return extended.result((len(each),))


def banded(program: Program, band: float) -> Program:
    """Return a program that gives each output less the guard band, then each output and the guard band.

    Args:
        program: A program whose outputs are not exact.
        band: The guard band of each output.
    """
    extended, count = Extended(program), program.outputs
    row = _row(extended, program)
    extended.constants[_BAND] = np.full((1, 1), band)
    ends = [extended.add(kind, [row, _BAND], (1, count)) for kind in ("Sub", "Add")]
    extended.add("Concat", ends, (1, 2 * count), axis=1)
    return extended.result((2 * count,))


def candidates(program: Program, band: float) -> Program:
    """Return a program that gives the first and the last class that may be the largest output, counted from 0.

    A class may be it unless another output is above its own by more than twice the guard band.

    Args:
        program: A program of several outputs that are not exact.
        band: The guard band of each output.

    Raises:
        ModelError: It has one output.
    """
    extended, count = Extended(program), program.outputs
    if count < 2:
        raise ModelError("of one output none is the largest")
    row = _row(extended, program)
    extended.constants |= {_BAND: np.full((1, 1), 2 * band), _LAST: np.full((1, 1), float(count - 1))}
    most, *others = _numbers(extended, program)
    for other in others:
        most = _larger(extended, most, other)
    raised = extended.add("Add", [row, _BAND], (1, count))
    beaten = extended.add("Greater", [most, raised], (1, count))
    each = [extended.add("Gather", [beaten], (1, 1), axis=1, indices=[at]) for at in range(count)]
    # As many classes as are beaten before the first candidate, or behind the last.
    before, behind = _run_length(extended, each[:-1]), _run_length(extended, each[:0:-1])
    after = extended.add("Sub", [_LAST, before], (1, 1))
    ends = [extended.add("Sub", [_LAST, after], (1, 1)), extended.add("Sub", [_LAST, behind], (1, 1))]
    extended.add("Concat", ends, (1, 2), axis=1)
    return extended.result((2,))


def _run_length(extended: Extended, bits: list[str]) -> str:
    """Return how many bits are 1 before the first that is 0."""
    run = total = bits[0]
    for bit in bits[1:]:
        run = extended.add("Mul", [run, bit], (1, 1))
        total = extended.add("Add", [total, run], (1, 1))
    return total


def _row(extended: Extended, program: Program) -> str:
    """Return the outputs as one row."""
    count = program.outputs
    return program.output if program.output_shape == (count,) else extended.add("Reshape", [program.output], (1, count))


def _numbers(extended: Extended, program: Program) -> list[str]:
    """Return the outputs one by one."""
    scores = _row(extended, program)
    return [extended.add("Gather", [scores], (1, 1), axis=1, indices=[at]) for at in range(program.outputs)]


def _larger(extended: Extended, one: str, other: str) -> str:
    """Return the larger of two numbers: one, and by how much the other exceeds it."""
    excess = extended.add("Relu", [extended.add("Sub", [other, one], (1, 1))], (1, 1))
    return extended.add("Add", [one, excess], (1, 1))
