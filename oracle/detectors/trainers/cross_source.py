"""The trainer of the type `cross-source`."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from oracle.core.encoding import window_features
from oracle.core.errors import DataError
from oracle.detectors.interface import Detector, Lesson
from oracle.detectors.kinds.polynomial_parts import Sum
from oracle.detectors.trainers.arch_window import ArchWindow
from oracle.detectors.trainers.calibration import calibrated
from oracle.detectors.trainers.estimation import MOST_SIGMAS, missing, rounded_up
from oracle.detectors.trainers.shapes import Part, Shape
from oracle.detectors.trainers.windows import MOVES, check_lesson, cut, in_sigmas


@dataclass(frozen=True, slots=True)
class CrossSource:
    """A trainer of the outputs of `ArchWindow`, and of one on the spread between the sources of a round.

    How far sources are apart depends on how much the market moves, the move now included; it does not depend on the
    time since the last accepted value.
    """

    def fit(self, name: str, lesson: Lesson) -> Detector:
        """Fit the outputs; see `Trainer`."""
        check_lesson(lesson)
        if not lesson.spread:
            raise DataError("a cross-source detector needs several value columns: the spread between them is a feature")
        features = window_features(MOVES + 2, spread=True)
        table = np.minimum(in_sigmas(cut(lesson.fit, lesson.features, features)) ** 2, MOST_SIGMAS**2)
        squares, spread = table[:, :-2].mean(axis=1), table[:, -2]
        if not spread.any():
            raise DataError("the sources never differ: there is no spread to learn from")
        try:
            from scipy.optimize import nnls  # an extra
        except ImportError as error:
            raise missing() from error
        (calm, slope), _ = nnls(np.stack([np.ones(len(table)), squares], axis=1), spread)
        # Without a floor a quiet stretch would allow no spread at all.
        floor = max(rounded_up(float(calm)), rounded_up(float(spread.mean()) / 4))
        part = Part(0, MOVES, (rounded_up(float(slope)) / MOVES,)) if slope > 0 else None
        shape = Shape("sources", (Sum(MOVES, MOVES + 1),), floor, (part,) if part else (), gap=False)
        return calibrated(name, [*ArchWindow().shapes(), shape], features, lesson)
