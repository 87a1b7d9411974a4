"""Bounds on what is divided by the root of its own squares, as normalisations do.

Interval arithmetic sees a dividend as large, and a divisor as small, as each of them can be. They can't be both: if
s² is at least A x², then x / s is at most 1 / √A, however large x is. And if a prover moves all x by up to d, the root
of the sum of n squares moves by up to √n · d, because no length changes by more than the vector does.

So each value is described, if it can be, by the squares that it is made of: a sum of squares of one value, times a
factor, plus a number, off by what roundings can do. Whatever is said here holds for the reference's values and for
those of every prover, who may round either way, and be a step beside the nearest root or reciprocal.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

from oracle.proving.lowering.program import FUNCTION
from oracle.proving.reference.steps import IntegerStep

_FROM_TRUE = Fraction(3, 2)
"""A root or a reciprocal that a prover claims is at most this far from the true one."""

Intervals = Mapping[str, tuple[Any, Any]]


@dataclass(frozen=True, slots=True)
class _Squares:
    """A value that is factor · Σ base² + plus, off by at most `off`.

    Attributes:
        base: Name of what is squared.
        count: Elements of it in each sum.
        factor: Positive.
        plus: What is added.
        off: What roundings can do.
        cut: The value is this number if it would be less; None: it is not cut.
    """

    base: str
    count: int = 1
    factor: Fraction = Fraction(1)
    plus: Fraction = Fraction(0)
    off: Fraction = Fraction(0)
    cut: Fraction | None = None

    def times(self, number: Fraction) -> _Squares | None:
        """Return what a product with a number is made of, if the number is positive."""
        if number <= 0:
            return None
        cut = None if self.cut is None else self.cut * number
        return _Squares(self.base, self.count, self.factor * number, self.plus * number, self.off * number, cut)

    def add(self, number: Fraction) -> _Squares:
        """Return what a sum with a number is made of."""
        return replace(self, plus=self.plus + number, cut=None if self.cut is None else self.cut + number)


@dataclass(frozen=True, slots=True)
class _Root:
    """A value that is at least the root of another one, at the scale of functions, less a number."""

    squares: _Squares
    scale: int
    less: Fraction


@dataclass(frozen=True, slots=True)
class _Inverse:
    """The reciprocal of a root, and the root's name."""

    root: _Root
    name: str


class Normalised:
    """The values of a circuit that are made of squares of one value.

    Args:
        intervals: Bounds on all values and constants, filled in as operations are taken.
        slacks: How far a prover can take each, filled in as operations are taken.
    """

    def __init__(self, intervals: Intervals, slacks: Mapping[str, Any]) -> None:
        self._intervals = intervals
        self._slacks = slacks
        self._facts: dict[str, _Squares | _Root | _Inverse] = {}
        self._same: dict[str, str] = {}

    def take(self, step: IntegerStep, more: int) -> None:
        """Note what is known of a result.

        Args:
            step: The operation.
            more: What is rounded more than once is off by so many steps more.
        """
        name, value = step.op.output, step.op.inputs[0]
        if _is_same(step, self._intervals):
            self._same[name] = self._same.get(value, value)
        fact = self._fact(step)
        if step.drop and isinstance(fact, _Squares) and fact.cut is None:
            fact = fact.times(Fraction(1, 1 << step.drop))
            fact = fact and replace(fact, off=fact.off + 1 + more)
        elif step.drop:
            fact = None
        if fact is not None:
            self._facts[name] = fact

    def _fact(self, step: IntegerStep) -> _Squares | _Root | _Inverse | None:
        op = step.op
        if op.kind == "Mul" and op.inputs[0] == op.inputs[1]:
            return _Squares(self._same.get(op.inputs[0], op.inputs[0]))
        at = next((at for at, name in enumerate(op.inputs) if name in self._facts), None)
        if at is None:
            return None
        fact = self._facts[op.inputs[at]]
        if op.kind == FUNCTION:
            if isinstance(fact, _Squares) and op.attributes["name"] == "Sqrt":
                return _Root(fact, step.scale, _FROM_TRUE)
            if isinstance(fact, _Root) and op.attributes["name"] == "Reciprocal":
                return _Inverse(fact, op.inputs[0])
            return None
        if op.kind == "Halve" or op.output in self._same:
            return fact
        if isinstance(fact, _Inverse):
            return None
        if op.kind == "Relu":
            return fact if isinstance(fact, _Root) else replace(fact, cut=max(Fraction(0), fact.cut or Fraction(0)))
        if op.kind == "ReduceSum" and isinstance(fact, _Squares) and fact.cut is None:
            low, _ = self._intervals[op.inputs[0]]
            count = math.prod(low.shape[axis] for axis in op.attributes["axes"])
            return replace(fact, count=fact.count * count, plus=fact.plus * count, off=fact.off * count)
        if op.kind not in ("Add", "Sub", "Mul"):
            return None
        lift = Fraction(1 << step.lifts[at])
        if op.kind == "Add" and op.inputs[0] == op.inputs[1]:
            return fact.times(2 * lift) if isinstance(fact, _Squares) else None
        number = self._number(op.inputs[1 - at], step.lifts[1 - at])
        if number is None or (op.kind == "Sub" and at == 1):
            return None
        if isinstance(fact, _Root):
            if op.kind == "Mul" or lift != 1:
                return None
            return replace(fact, less=fact.less - (number if op.kind == "Add" else -number))
        if op.kind == "Mul":
            return fact.times(number)
        lifted = fact.times(lift)
        return lifted and lifted.add(number if op.kind == "Add" else -number)

    def _number(self, name: str, lift: int) -> Fraction | None:
        """Return the number that all elements of a value are, or None."""
        low, high = self._intervals[name]
        first = low.flat[0]
        return Fraction(int(first) << lift) if (low == first).all() and (high == first).all() else None

    def quotient(self, step: IntegerStep) -> tuple[int, int] | None:
        """Return bounds on a product with a reciprocal, before it is divided; None if nothing is known.

        With x the dividend, t the divisor, R its reciprocal, and marks for a prover's: |x| / t is at most that of the x
        at which t leaves its least. Then |x R| ≤ |x| 2^2T / t + 3/2 |x|, and
        |x R − x' R'| ≤ |x − x'| R' + |x| |R − R'|, where |R − R'| ≤ 2^2T |t − t'| / (t t') + 2.

        Returns:
            The largest magnitude, and how far a prover can take it.
        """
        if step.op.kind != "Mul":
            return None
        for value, other in (step.op.inputs, step.op.inputs[::-1]):
            fact = self._facts.get(other)
            if not isinstance(fact, _Inverse) or self._same.get(value, value) != fact.root.squares.base:
                continue
            root, squares, unit = fact.root, fact.root.squares, 1 << fact.root.scale
            least = int(self._intervals[fact.name][0].min())
            low, high = self._intervals[value]
            if least <= 0 or step.op.shape != low.shape:
                continue
            most = max(int(abs(low).max()), int(abs(high).max()))
            beyond = max(Fraction(0), squares.off - squares.plus) * unit
            turn = ((least + max(root.less, Fraction(0))) ** 2 + beyond) / (squares.factor * unit)
            largest = min(most, _root_above(turn))
            inverse = self._intervals[other]
            steepest = max(int(abs(inverse[0]).max()), int(abs(inverse[1]).max()))
            moved, divisor = int(self._slacks[value].max()), int(self._slacks[fact.name].max())
            size = -(-(largest * unit * unit) // least)
            return size + 2 * most, moved * steepest + -(-size * divisor // least) + 2 * most
        return None

    def root_slack(self, step: IntegerStep) -> int | None:
        """Return how far a prover can take a root; None if nothing is known.

        No length changes by more than its vector. What roundings do to the squares counts most where these are cut:
        |√a − √b| = |a − b| / (√a + √b).
        """
        if step.op.kind != FUNCTION or step.op.attributes["name"] != "Sqrt":
            return None
        squares = self._facts.get(step.op.inputs[0])
        if not isinstance(squares, _Squares) or squares.plus < 0 or not squares.cut or squares.cut < 0:
            return None
        unit = 1 << step.scale
        moved = int(self._slacks[squares.base].max())
        length = _root_above(squares.factor * unit * squares.count * moved**2) if moved else 0
        return length + _root_above(squares.off**2 * unit / squares.cut) + 2


def _root_above(number: Fraction) -> int:
    """Return an integer that is not below the root of a number."""
    return math.isqrt(math.ceil(number)) + 1


def _is_same(step: IntegerStep, intervals: Intervals) -> bool:
    """Return True if an operation changes nothing but how many axes of one element are first."""
    if step.op.kind != "Reshape" or step.op.inputs[0] not in intervals:
        return False
    return _without_ones(step.op.shape) == _without_ones(intervals[step.op.inputs[0]][0].shape)


def _without_ones(shape: tuple[int, ...]) -> tuple[int, ...]:
    first = next((at for at, size in enumerate(shape) if size != 1), len(shape))
    return shape[first:]
