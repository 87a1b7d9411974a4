"""Windows as trainers use them: with a detector's features only, in sigmas, and enough of them."""

from __future__ import annotations

import math
from collections.abc import Sequence
from fractions import Fraction

import numpy as np

from oracle.core.encoding import RING_SIZE, Feature, window_features
from oracle.core.errors import DataError
from oracle.detectors.interface import Lesson

MOVES = RING_SIZE + 1
"""Moves of the longest window: the one now, and all that the hub keeps."""

STANDARD = window_features(MOVES + 1)
"""The longest standard feature list: the moves and the gap."""

LEAST_WINDOWS = 200
"""With fewer windows, a fit would not hold tomorrow."""


def cut(
    windows: Sequence[Sequence[int]], features: Sequence[Feature], wanted: Sequence[Feature]
) -> list[tuple[int, ...]]:
    """Return windows as a detector of other features takes them.

    Args:
        windows: The windows.
        features: Their feature list.
        wanted: The detector's.

    Raises:
        DataError: The windows lack a feature.
    """
    if missing := [feature for feature in wanted if feature not in features]:
        raise DataError(f"the data have no feature {missing[0].name.lower()!r}, which the model needs")
    places = [features.index(feature) for feature in wanted]
    return [tuple(window[place] for place in places) for window in windows]


def in_sigmas(windows: Sequence[Sequence[int]]) -> np.ndarray:
    """Return windows as floats [count, n], in sigmas and heartbeats."""
    return np.array(windows, dtype=np.float64) / 1_000


def check_lesson(lesson: Lesson) -> None:
    """Raise an error if the data can't carry a fit, or the budget is finer than they can resolve.

    Raises:
        DataError: They can't; the message says what would do.
    """
    for name, windows in (("fit", lesson.fit), ("calibration", lesson.calibrate)):
        if len(windows) < LEAST_WINDOWS:
            raise DataError(f"too few rows: {len(windows)} {name} windows, and at least {LEAST_WINDOWS} are needed")
    if not 0 < lesson.budget < Fraction(1, 20):
        raise DataError("impossible budget: it must be above 0 and below 500 false holds per 10,000")
    if len(lesson.calibrate) * lesson.budget < 1:
        least = math.ceil(1 / lesson.budget)
        raise DataError(
            f"impossible budget: {float(lesson.budget * 10_000):g} false holds per 10,000 are less than one of the "
            f"{len(lesson.calibrate)} calibration windows; it takes {least} windows, or a budget of at least "
            f"{math.ceil(10_000 / len(lesson.calibrate))}"
        )
