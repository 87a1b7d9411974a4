"""Static caps: the baseline that each detector is compared with."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from oracle.core import encoding
from oracle.detectors.evaluation.prepared import Prepared
from oracle.detectors.evaluation.replay import Judge, hopeless, replay
from oracle.detectors.interface import Explanation


@dataclass(frozen=True, slots=True)
class StaticCap:
    """A detector that objects to any move above a limit, whatever the market does: the honest baseline.

    Attributes:
        limit: The limit, in thousandths of sigma.
        name: The detector's name.
        features: The feature list.
    """

    limit: int
    name: str = "cap"
    features: tuple[encoding.Feature, ...] = (encoding.Feature.MOVE,)

    @property
    def score_unit(self) -> int:
        return self.limit

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        return (abs(features[0]) - self.limit,)

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        scores: np.ndarray = np.abs(np.asarray(windows)[:, :1]) - self.limit
        return scores

    def severity_many(self, windows: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.abs(windows[:, 0]) / self.limit
        return found

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        score = abs(features[0]) / self.limit - 1
        return (Explanation("cap", score, {}, abs(features[0]) / 1_000, self.limit / 1_000, "the move now"),)


def matching_cap(prepared: Prepared, holds: int) -> StaticCap:
    """Return the lowest cap with at most this many held reports on the same ticks: no cap does better on these."""
    low, high = 1, encoding.CLIP
    moves = np.array(prepared.history.moves)
    while low < high:
        middle = (low + high) // 2
        judge, objections = Judge(StaticCap(middle), prepared.feed), np.abs(moves) > middle
        if not hopeless(prepared, objections, holds) and replay(judge, prepared, objections.tolist()).holds() <= holds:
            high = middle
        else:
            low = middle + 1
    return StaticCap(low)
