"""The trainer of the type `mahalanobis`."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from oracle.core.encoding import RING_SIZE, window_features
from oracle.detectors.interface import Detector, Lesson
from oracle.detectors.trainers.calibration import calibrated
from oracle.detectors.trainers.estimation import MOST_SIGMAS, missing
from oracle.detectors.trainers.shapes import Shape
from oracle.detectors.trainers.windows import check_lesson, cut, in_sigmas


@dataclass(frozen=True, slots=True)
class Mahalanobis:
    """A trainer of the move's distance from what the past moves let one expect, by their covariance.

    It is the Mahalanobis distance of the window less that of its past. The distance of the full window would count a
    jump in every window that has it, and would need so wide a limit for that that it would see little.

    Attributes:
        features: n, the length of its standard window.
    """

    features: int = RING_SIZE + 2

    def fit(self, name: str, lesson: Lesson) -> Detector:
        """Fit the distance; see `Trainer`."""
        check_lesson(lesson)
        try:
            from sklearn.covariance import LedoitWolf  # an extra
        except ImportError as error:
            raise missing() from error
        features = window_features(self.features)
        moves = np.clip(in_sigmas(cut(lesson.fit, lesson.features, features))[:, :-1], -MOST_SIGMAS, MOST_SIGMAS)
        precision = LedoitWolf(assume_centered=True).fit(moves).precision_
        # The row of the precision's Cholesky factor that has the move now: (x_0 − E[x_0 | past]) / its deviation.
        row = precision[0] / math.sqrt(precision[0, 0])
        weights = tuple(round(float(value) * 64) / 64 for value in row)
        return calibrated(name, [Shape("distance", (weights,))], features, lesson, param_scale=12)
