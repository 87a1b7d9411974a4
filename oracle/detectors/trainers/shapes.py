"""Shapes: outputs of a polynomial detector in sigmas, before their factors are set."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np

from oracle.core.encoding import Feature
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.polynomial_parts import STEP, Allowance, Limit, Linear, Output, Power, Sum, Term
from oracle.detectors.trainers.estimation import significant

PARAM_SCALE = 20
SIGNIFICANT_BITS = 12


@dataclass(frozen=True, slots=True)
class Part:
    """An addend of a shape's limit, from earlier values, in σ²: an `Allowance` with numbers instead of weights."""

    first: int
    end: int
    weights: tuple[float, ...]
    summed: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """An output in sigmas, whose factor is not set yet.

    Attributes:
        name: The output's name.
        measured: Sums, or weights of all values in 1/σ.
        floor: The limit of a calm market, in σ².
        parts: The parts that add up to it.
        gap: True if the limit grows with time.
    """

    name: str
    measured: tuple[Sum | tuple[float, ...], ...]
    floor: float = 1.0
    parts: tuple[Part, ...] = ()
    gap: bool = True

    def ratios(self, table: np.ndarray) -> np.ndarray:
        """Return what is measured over its limit, for windows in sigmas and heartbeats [count, n]."""
        measured = np.zeros(len(table))
        for form in self.measured:
            if isinstance(form, Sum):
                measured += table[:, form.first : form.end].sum(axis=1) ** 2
            else:
                measured += (table[:, :-1] @ np.array(form)) ** 2
        limit = np.full(len(table), self.floor)
        for part in self.parts:
            inside = table[:, part.first : part.end]
            if part.summed:
                limit += inside.sum(axis=1) ** 2 * part.weights[0]
            else:
                limit += inside**2 @ np.array(part.weights if len(part.weights) > 1 else part.weights * inside.shape[1])
        ratios: np.ndarray = measured / (limit * (table[:, -1] if self.gap else 1.0))
        return ratios


def fold(
    name: str,
    shapes: Sequence[Shape],
    factors: Sequence[float],
    features: tuple[Feature, ...],
    *,
    param_scale: int = PARAM_SCALE,
    salt: str = "",
) -> PolynomialModel:
    """Return the integer model of shapes and their factors.

    Squares of features are in 10^-6 σ² and the gap is in thousandths, so ω is 1,000 times the limit's floor, and the
    other weights are a thousandth of theirs; without the gap ω is 10^6 times the floor, and the others are as they are.

    Args:
        name: The model's name.
        shapes: Its outputs.
        factors: A factor of each shape's limit.
        features: Its feature list, with the gap last.
        param_scale: p.
        salt: Its salt; empty for a public model.
    """
    one = 1 << param_scale
    taken: set[tuple[int, ...]] = set()

    def distinct(group: tuple[int, ...]) -> tuple[int, ...]:
        # ezkl's reader merges equal constants; see `PolynomialModel`.
        while group in taken:
            last = group[-1]
            group = (*group[:-1], last + (STEP << max(0, last.bit_length() - SIGNIFICANT_BITS)))
        taken.add(group)
        return group

    def quantised(value: float) -> int:
        return STEP * significant(Fraction(value) * one / STEP, SIGNIFICANT_BITS)

    outputs = []
    for shape, factor in zip(shapes, factors, strict=True):
        measured: list[Term] = []
        for form in shape.measured:
            if isinstance(form, Sum):
                measured.append(form)
            else:
                signed = tuple(STEP * round(Fraction(weight) * one / STEP) for weight in form)
                measured.append(Linear(distinct(signed)))
        scale = factor / 1_000 if shape.gap else factor
        allowed = []
        for part in shape.parts:
            weights = tuple(quantised(scale * weight) for weight in part.weights)
            if any(part.weights):
                weights = weights if any(weights) else (STEP, *weights[1:])
                power = Power.SUM if part.summed else Power.SQUARES
                allowed.append(Allowance(part.first, part.end, weights, power))
        if allowed:
            *before, last = allowed
            count = len(last.weights)
            group = distinct(tuple(weight for each in allowed for weight in each.weights))
            allowed = [*before, replace(last, weights=group[-count:])]
        (floor,) = distinct((max(STEP, quantised(scale * shape.floor * 10**6)),))
        outputs.append(Output(shape.name, tuple(measured), Limit(floor, tuple(allowed), shape.gap)))
    return PolynomialModel(name, features, tuple(outputs), param_scale, salt=salt)
