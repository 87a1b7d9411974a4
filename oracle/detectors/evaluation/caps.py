"""Static caps: the baseline that each detector is compared with."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oracle.core import encoding
from oracle.detectors.evaluation.prepared import Prepared
from oracle.detectors.evaluation.replay import Judge, replay
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

    def score_many(self, windows: Sequence[Sequence[int]]) -> Iterable[Iterable[int]]:
        return [self.score_int(window) for window in windows]

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        score = abs(features[0]) / self.limit - 1
        return (Explanation("cap", score, {}, abs(features[0]) / 1_000, self.limit / 1_000, "the move now"),)


def matching_cap(prepared: Prepared, holds: int) -> StaticCap:
    """Return the lowest cap with at most this many held reports on the same ticks: no cap does better on these."""
    low, high = 1, encoding.CLIP
    while low < high:
        middle = (low + high) // 2
        objections = [abs(move) > middle for move in prepared.history.moves]
        if replay(Judge(StaticCap(middle), prepared.feed), prepared, objections).holds() <= holds:
            high = middle
        else:
            low = middle + 1
    return StaticCap(low)
