"""One series of a training, as its detector and its card see it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.detectors.training.data import TrainingData
from oracle.detectors.training.reports import FIRST_WINDOW, Reports, Terms


@dataclass(frozen=True)
class LearntSeries:
    """A series that a detector was trained on.

    Attributes:
        data: Where it comes from: name, configuration, notes.
        reports: Its reports, with their peers, as the detector sees them.
        terms: Sigma and heartbeat.
        windows: The window of each report from `FIRST_WINDOW` on, bad ones too.
        counted: For each report, if it counts; see `oracle.detectors.training.reports.counted`.
        ends: Rows at which the training and the validation split end.
    """

    data: TrainingData
    reports: Reports
    terms: Terms
    windows: Sequence[tuple[int, ...]]
    counted: Sequence[bool]
    ends: tuple[int, int]

    @property
    def name(self) -> str:
        """The series' name."""
        return self.data.name

    def places(self, begin: int, end: int) -> list[int]:
        """Return the indices of the reports from `begin` to `end` that count."""
        return [at for at in range(begin, end) if self.counted[at]]

    def seen(self, begin: int, end: int) -> list[tuple[int, ...]]:
        """Return the windows of these reports."""
        return [self.windows[at - FIRST_WINDOW] for at in self.places(begin, end)]
