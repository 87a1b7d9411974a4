"""The trainer of the type `arch`."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.detectors.interface import Detector, Lesson
from oracle.detectors.kinds.polynomial_parts import Sum
from oracle.detectors.trainers.calibration import calibrated
from oracle.detectors.trainers.estimation import FLOOR, arch_weights
from oracle.detectors.trainers.shapes import Part, Shape
from oracle.detectors.trainers.windows import STANDARD, check_lesson


@dataclass(frozen=True, slots=True)
class Arch:
    """A trainer of ARCH(12) with a floor of σ²/2."""

    def fit(self, name: str, lesson: Lesson) -> Detector:
        """Fit an ARCH detector; see `Trainer`."""
        check_lesson(lesson)
        weights = arch_weights(lesson)
        shape = Shape("spike", (Sum(0, 1),), float(FLOOR), (Part(1, 1 + len(weights), weights),))
        return calibrated(name, [shape], STANDARD, lesson)
