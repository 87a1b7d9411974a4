"""The operations of a circuit: those of a program, at chosen scales and with the bounds of their results."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from oracle.proving.lowering.program import DECOMPOSED, Op

MAX_BITS = 126
"""ezkl's integers are 128 bits wide, with a sign; one bit is kept in reserve."""

EXACT_QUOTIENT_BITS = 52
"""ezkl divides 64-bit floats, which must hold a dividend and its half exactly."""

MAX_LIFT = 63
"""ezkl gives two values one scale by a factor of 64 bits. A larger factor it leaves off, in silence, but for a
constant that is used once."""


@dataclass(frozen=True, slots=True)
class IntegerStep:
    """An operation on integers.

    Attributes:
        op: The operation; its inputs are renamed if operations before it fell away.
        scale: Scale of the result.
        lifts: By how many bits each input is shifted left first.
        drop: The result is divided by 2^drop last, and rounded.
        reach: No element of the result exceeds it, over all clipped windows.
        largest: No value on the way to the result exceeds it.
        apart: No value that is taken apart exceeds it; 0 if nothing is taken apart.
        table: The least and the largest argument that is looked up; None if there is no table.
        slack: No prover can take an element of the result further from the reference's.
    """

    op: Op
    scale: int
    lifts: tuple[int, ...]
    drop: int = 0
    reach: int = 0
    largest: int = 0
    apart: int = 0
    table: tuple[int, int] | None = None
    slack: int = 0


@dataclass(frozen=True, slots=True)
class Reached:
    """The numbers that the elements of a value can be, over all clipped windows and whatever a prover chooses.

    Attributes:
        low: The least, in an array of Python's integers.
        high: The largest.
        slack: How far a prover can take each from the reference's.
    """

    low: Any
    high: Any
    slack: Any


def fingerprints(constants: Mapping[str, Any]) -> dict[str, tuple[int, int]]:
    """Return for each constant a number that equal constants share, and its largest magnitude."""
    flat = {name: tuple(constant.ravel()) for name, constant in constants.items()}
    return {name: (hash(numbers), int(max(map(abs, numbers), default=0))) for name, numbers in flat.items()}


def decomposed(steps: Sequence[IntegerStep], constants: Mapping[str, tuple[int, int]]) -> int:
    """Return a bound on what these steps take apart; 0 if nothing is.

    ezkl takes apart each constant that is used more than once, too. Its reader makes one constant of equal ones.

    Args:
        steps: The steps.
        constants: The fingerprints of their constants.
    """
    uses = Counter(constants[name] for step in steps for name in step.op.inputs if name in constants)
    shared = [largest for (_, largest), count in uses.items() if count > 1]
    return max([*shared, *(step.apart for step in steps)], default=0)


def decompositions(steps: Sequence[IntegerStep]) -> int:
    """Return how many numbers these steps take apart, per window."""
    return sum(math.prod(step.op.shape) * ((step.op.kind in DECOMPOSED) + (step.drop > 0)) for step in steps)
