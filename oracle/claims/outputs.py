"""Readings of a model's outputs: programs of integers that claims are about."""

from __future__ import annotations

from enum import Enum

import numpy as np

from oracle.core.errors import ModelError
from oracle.proving.disclosure import Extended
from oracle.proving.lowering.program import Program


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


def _numbers(extended: Extended, program: Program) -> list[str]:
    """Return the outputs one by one."""
    count, scores = program.outputs, program.output
    if program.output_shape != (count,):
        scores = extended.add("Reshape", [scores], (1, count))
    return [extended.add("Gather", [scores], (1, 1), axis=1, indices=[at]) for at in range(count)]


def _larger(extended: Extended, one: str, other: str) -> str:
    """Return the larger of two numbers: one, and by how much the other exceeds it."""
    excess = extended.add("Relu", [extended.add("Sub", [other, one], (1, 1))], (1, 1))
    return extended.add("Add", [one, excess], (1, 1))
