"""The estimates of the type `peers`: one limit for all outputs, each peer's slope, and tails of what is measured."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from oracle.core.errors import DataError
from oracle.detectors.trainers.estimation import COEFFICIENT_STEP, missing
from oracle.detectors.trainers.peers_data import Columns, Floats

LEAST_WEIGHT = 0.05
"""The least constant part of an expectation, in sigma²: it must not be 0 when everything stood still."""

FLOOR_SHARE = 0.2
"""The least share of the mean square that a limit's constant part is: jumps come in calm times too."""

LEAST_SEEN = 50
"""With fewer windows in which a peer is seen, it has no slope."""

TAIL_SHARE, TAIL_LEAST = 0.02, 30
"""A tail is the largest windows: this share of them, and at least so many."""

SLOPE_STEP = Fraction(1, 100)


@dataclass(frozen=True)
class MoveLimit:
    """The expectation of the own move's square: gap × (floor + near · mean square of the last moves + far · variance).

    Attributes:
        floor: In sigma².
        near: Weight of the mean square of the last accepted moves.
        far: Weight of the running variance.
        count: How many moves are the last ones.
    """

    floor: float
    near: float
    far: float
    count: int

    def of(self, data: Columns) -> Floats:
        """Return the limit of each window, in sigma²."""
        return data.gap * (self.floor + self.near * data.near(self.count) + self.far * data.variance)


def rounded(value: float, step: Fraction = COEFFICIENT_STEP) -> float:
    """Return the nearest multiple of a coarse step: machines that differ in the last digit then agree."""
    return float(round(Fraction(value) / step) * step)


def variance_weights(square: Floats, terms: Floats) -> list[float]:
    """Return the weights of the terms that predict squares best, by Gaussian quasi-maximum likelihood.

    Args:
        square: The squares.
        terms: Terms of their expectation [count, terms], none negative; the first is the constant one.

    Raises:
        ToolMissing: scipy is not installed.
    """
    try:
        from scipy.optimize import minimize  # an extra
    except ImportError as error:
        raise missing() from error

    def loss(weights: Floats) -> tuple[float, Floats]:
        limit = terms @ weights
        ratio = square / limit
        return float(np.mean(np.log(limit) + ratio)), terms.T @ ((1 - ratio) / limit) / len(square)

    start = np.full(terms.shape[1], 1 / terms.shape[1])
    bounds = [(LEAST_WEIGHT, None), *[(0.0, None)] * (terms.shape[1] - 1)]
    found = minimize(loss, start, jac=True, bounds=bounds, method="L-BFGS-B", options={"ftol": 1e-12, "gtol": 1e-8})
    return [rounded(float(value)) for value in found.x]


def limit_of(data: Columns, count: int) -> MoveLimit:
    """Fit the limit of a feed's own move.

    Args:
        data: Windows, moves cut.
        count: How many moves are the last ones.

    Raises:
        DataError: Nothing moved.
    """
    if not data.move.any():
        raise DataError("no move in the training split is other than 0: there is nothing to learn from")
    terms = data.gap[:, None] * np.stack([np.ones(len(data)), data.near(count), data.variance], axis=1)
    floor, near, far = variance_weights(data.move**2, terms)
    least = rounded(FLOOR_SHARE * float((data.move**2 / data.gap).mean()))
    return MoveLimit(max(floor, least), near, far, count)


def spread_limit(data: Columns) -> tuple[float, float]:
    """Return what is expected of the spread's square: a constant part, and the weight of the variance."""
    terms = np.stack([np.ones(len(data)), data.variance], axis=1)
    floor, far = variance_weights(data.spread**2, terms)
    return floor, far


def slopes(data: Columns) -> list[float]:
    """Return for each peer how far the feed moves with it, in its sigmas; 0 for one that is hardly ever seen."""
    found = []
    for peer in range(data.peers.shape[1]):
        seen = data.seen[:, peer]
        own, beside = data.move[seen], data.peers[seen, peer]
        square = float(beside @ beside)
        found.append(rounded(float(own @ beside) / square, SLOPE_STEP) if len(own) >= LEAST_SEEN and square else 0.0)
    return found


def tail(ratios: Floats, share: float) -> float:
    """Return the value that this share of the ratios is expected to exceed, as their largest ones tell (Hill 1975).

    Far fewer windows than 1 / share are enough, where an empirical quantile would be the largest of them alone.
    """
    ordered = np.sort(ratios)[::-1]
    count = min(max(TAIL_LEAST, int(len(ordered) * TAIL_SHARE)), len(ordered) // 3)
    edge = float(ordered[count])
    if edge <= 0:
        # Hardly anything is measured at all: whatever is the largest has to do.
        return max(float(ordered[0]), 1e-6)
    index = float(np.log(ordered[:count] / edge).mean())
    return edge * float((count / len(ordered) / share) ** index)
