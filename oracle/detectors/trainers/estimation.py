"""The estimates that trainers share: ARCH coefficients, floors, and the rounding that makes machines agree."""

from __future__ import annotations

import math
import warnings
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from oracle.core.errors import DataError, ToolMissing
from oracle.detectors.interface import Lesson
from oracle.detectors.kinds.quadratic import PAST

FLOOR = Fraction(1, 2)
"""Least predicted variance, in σ²."""

DRIFT_FLOOR = Fraction(1)
"""Added to the window's own variance, in σ²."""

COEFFICIENT_STEP = Fraction(1, 200)
"""ARCH coefficients are rounded to multiples of this."""

MOST_SIGMAS = 10.0
"""Moves are cut to this before coefficients are fitted: one fault in a recording must not decide them."""


def arch_coefficients(moves: Sequence[float]) -> tuple[float, ...]:
    """Return α_1 … α_12 of an ARCH(12) with zero mean, by quasi-maximum likelihood.

    Args:
        moves: The moves in standard deviations, oldest first.

    Raises:
        ToolMissing: `arch` is not installed.
    """
    try:
        from arch import arch_model  # an extra
    except ImportError as error:
        raise ToolMissing("training needs the arch package: pip install 'verifiable-oracle[train]'") from error
    with warnings.catch_warnings():
        # A coefficient at its bound of zero makes the covariance singular; it is not used.
        warnings.simplefilter("ignore")
        model = arch_model(np.asarray(moves), mean="Zero", vol="ARCH", p=PAST, rescale=False)
        result = model.fit(disp="off", tol=1e-10, options={"maxiter": 2_000})
    return tuple(float(value) for value in result.params.to_numpy()[1:])


def arch_weights(lesson: Lesson) -> tuple[float, ...]:
    """Return α_1 … α_12 of a lesson's moves, rounded to multiples of 1/200."""
    coefficients = arch_coefficients(_scaled_moves(lesson))
    return tuple(float(round(Fraction(value) / COEFFICIENT_STEP) * COEFFICIENT_STEP) for value in coefficients)


def _scaled_moves(lesson: Lesson) -> list[float]:
    """Return the fit's moves in sigmas, oldest first, each over the root of its gap, outliers cut."""
    found = []
    for window in lesson.fit:
        value = window[0] / 1_000 / math.sqrt(window[-1] / 1_000)
        found.append(max(-MOST_SIGMAS, min(MOST_SIGMAS, value)))
    if not any(found):
        raise DataError("no move in the training split is other than 0: there is nothing to learn from")
    return found


def significant(value: Fraction, bits: int) -> int:
    """Return the integer nearest to `value` that has at most this many significant bits."""
    shift = max(0, math.floor(value).bit_length() - bits)
    return round(value / (1 << shift)) << shift


def rounded_up(value: float) -> float:
    """Return a factor rounded up to three significant digits; 1 if it is not positive."""
    if value <= 0:
        return 1.0
    digits = 2 - math.floor(math.log10(value))
    scale: float = 10.0**digits
    return math.ceil(value * scale - 1e-9) / scale


def missing() -> ToolMissing:
    """Return the error that says how to install what trainers need."""
    return ToolMissing("training needs scikit-learn and scipy: pip install 'verifiable-oracle[train]'")
