"""The trainer of the type `arch+window`."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.detectors.interface import Detector, Lesson
from oracle.detectors.kinds.polynomial_parts import Sum
from oracle.detectors.trainers.calibration import calibrated
from oracle.detectors.trainers.estimation import DRIFT_FLOOR, FLOOR
from oracle.detectors.trainers.shapes import Part, Shape
from oracle.detectors.trainers.windows import MOVES, STANDARD, check_lesson

NEAR = 4
"""Past moves of the near output; the far output has the others."""

PERSISTENCE = 0.9
"""Share of the past variance that an output expects to go on, beside the floor."""


@dataclass(frozen=True, slots=True)
class ArchWindow:
    """A trainer of two outputs on the move now, a near and a far one, and one on the window's sum.

    The near output predicts from the last four moves, the far one from the eight before them. A move passes if both let
    it: one jump is in one of the two pasts only, so it does not make the model lenient; a volatile market is in both.
    The third output compares the square of the window's sum with the window's variance, and sees slow drift.

    Attributes:
        drift: True if the detector has the third output.
    """

    drift: bool = True

    def fit(self, name: str, lesson: Lesson) -> Detector:
        """Fit the outputs; see `Trainer`."""
        check_lesson(lesson)
        return calibrated(name, self.shapes(), STANDARD, lesson)

    def shapes(self) -> list[Shape]:
        """Return the outputs before calibration."""
        floor, far = float(FLOOR), MOVES - NEAR - 1
        now = (Sum(0, 1),)
        shapes = [
            Shape("near", now, floor, (Part(1, 1 + NEAR, (PERSISTENCE / NEAR,)),)),
            Shape("far", now, floor, (Part(1 + NEAR, MOVES, (PERSISTENCE / far,)),)),
        ]
        if self.drift:
            variance = Part(1, MOVES, (1 / (MOVES - 1),))
            shapes.append(Shape("drift", (Sum(0, MOVES),), float(DRIFT_FLOOR), (variance,)))
        return shapes
