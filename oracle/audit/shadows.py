"""Replay the shadow periods of proposed models: their tallies decide whether a model may be activated. Pure."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oracle.chain.hub import CHANGE_WINDOW, ShadowScored
from oracle.core.types import FeedState, Round


@dataclass
class ShadowPeriod:
    """A model's proposal for a feed, with the tally of its shadow period.

    Attributes:
        model_number: The proposed model.
        active_from: From when on it can be activated, unix seconds.
        min_compared: How many compared reports an activation needs.
        max_disagreements: How many disagreements an activation allows.
        compared: Reports that both models judged.
        disagreements: Those of them that only one model accepts.
        pending: The last report that the proposed model judged, until it is compared.
        last_at: The time of that report, unix seconds; it stays when the report is compared.
    """

    model_number: int
    active_from: int
    min_compared: int
    max_disagreements: int
    compared: int = 0
    disagreements: int = 0
    pending: ShadowScored | None = None
    last_at: int = 0

    def compare(self, state: FeedState, rounds: Mapping[tuple[bytes, int], Round]) -> bool | None:
        """Compare the pending report with what it became under the active model, and count it.

        Args:
            state: The feed now.
            rounds: The rounds of all feeds, by feed and number.

        Returns:
            True if the models agree, False if they do not; None if there is nothing to compare.
        """
        event, self.pending = self.pending, None
        if event is None:
            return None
        found, held = rounds.get((event.feed_id, event.round_id)), state.held
        if found is not None and (found.observed_at, found.answer) == (event.observed_at, event.answer):
            ratio = found.score_ratio
        elif held is not None and (held.observed_at, held.answer) == (event.observed_at, event.answer):
            ratio = held.score_ratio
        else:
            return None
        agrees = (max(event.scores, default=0) > 0) == (ratio > 0)
        self.compared += 1
        self.disagreements += not agrees
        return agrees

    def record(self, event: ShadowScored) -> None:
        """Take over a report that the proposed model judged."""
        self.pending, self.last_at = event, event.observed_at

    def activation_problem(self, block_time: int) -> str:
        """Return why the model must not be activated at a time; empty if it may be.

        Args:
            block_time: Unix seconds; 0: it is not known.
        """
        if block_time and block_time < self.active_from:
            return f"before {self.active_from}, from when on its proposal allows it"
        if block_time and block_time > self.active_from + CHANGE_WINDOW:
            return f"after {self.active_from + CHANGE_WINDOW}, when its proposal had expired"
        if not self.min_compared:
            return ""
        if self.compared < self.min_compared:
            return f"with {self.compared} compared reports, where its proposal demands {self.min_compared}"
        if self.disagreements > self.max_disagreements:
            return f"with {self.disagreements} disagreements, where its proposal allows {self.max_disagreements}"
        return ""
