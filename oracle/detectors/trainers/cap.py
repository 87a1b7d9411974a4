"""The trainer of the type `cap`."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.core.encoding import Feature
from oracle.detectors.interface import Detector, Lesson
from oracle.detectors.kinds.polynomial_parts import Sum
from oracle.detectors.trainers.calibration import calibrated
from oracle.detectors.trainers.shapes import Shape
from oracle.detectors.trainers.windows import check_lesson


@dataclass(frozen=True, slots=True)
class Cap:
    """A trainer of a limit on |move|, the honest baseline.

    Attributes:
        gap_scaled: True if the limit grows with the time since the last accepted value.
    """

    gap_scaled: bool = True

    def fit(self, name: str, lesson: Lesson) -> Detector:
        """Fit a cap; see `Trainer`."""
        check_lesson(lesson)
        shape = Shape("cap", (Sum(0, 1),), gap=self.gap_scaled)
        return calibrated(name, [shape], (Feature.MOVE, Feature.GAP), lesson)
