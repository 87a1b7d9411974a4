"""A feed as if each report so far had been accepted: most of a replay, known in advance."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import replace
from functools import cached_property
from itertools import pairwise

import numpy as np

from oracle.core import encoding
from oracle.core.encoding import Feature
from oracle.core.types import FeedState, Status
from oracle.detectors.evaluation.arrays import Column, answers_array
from oracle.detectors.evaluation.settings import FeedSettings, Tick

__all__ = ["History"]


class History:
    """A feed as if each report so far had been accepted: most of a replay, known in advance.

    Reports are counted from 0: report number k is that of the k-th tick with an answer.
    """

    def __init__(self, feed: FeedSettings, ticks: Sequence[Tick]) -> None:
        self.feed = feed
        self._columns: dict[Feature, np.ndarray] = {}
        self._answers: dict[bool, tuple[Column, ...]] = {}
        self.indices = [index for index, tick in enumerate(ticks) if tick.answer is not None]
        self.ticks = [ticks[index] for index in self.indices]
        self.answers = [tick.answer for tick in self.ticks if tick.answer is not None]
        self.moves, self.gaps, self.repeats = [0], [encoding.GAP_ONE], [0]
        self.variances = [encoding.VARIANCE_START] * 2
        """The stored variance before each report, and after the last one."""
        for earlier, later in pairwise(range(len(self.ticks))):
            before, now = self.answers[earlier], self.answers[later]
            self.moves.append(encoding.move(feed.kind, feed.sigma, now, before))
            self.gaps.append(encoding.gap(self.ticks[later].time, self.ticks[earlier].time, feed.heartbeat))
            self.repeats.append(min(encoding.UINT8_MAX, self.repeats[-1] + 1) if now == before else 0)
            self.variances.append(encoding.variance(self.variances[-1], self.moves[-1], self.gaps[-1]))

    def answer_columns(self, *, small: bool) -> tuple[Column, ...]:
        """Return the answers of all reports, and those of each peer, as int64 if they are small."""
        if small not in self._answers:
            peers = [[tick.peers[index] for tick in self.ticks] for index in range(len(self.feed.peers))]
            self._answers[small] = tuple(answers_array(column, small=small) for column in (self.answers, *peers))
        return self._answers[small]

    @cached_property
    def repeats_array(self) -> np.ndarray:
        """`repeats` as an array."""
        return np.array(self.repeats, dtype=np.int64)

    @cached_property
    def times(self) -> np.ndarray:
        """The time of each report: int64."""
        return np.array([tick.time for tick in self.ticks], dtype=np.int64)

    def __len__(self) -> int:
        return len(self.ticks)

    def number(self, index: int) -> int:
        """Return the number of the first report at or after a tick."""
        return bisect_left(self.indices, index)

    def returns(self, number: int) -> tuple[int, ...]:
        """Return the ring of moves before a report."""
        newest = self.moves[max(0, number - encoding.RING_SIZE) : number][::-1]
        return (*newest, *(0,) * (encoding.RING_SIZE - len(newest)))

    def window(self, number: int, listed: Sequence[Feature]) -> tuple[int, ...]:
        """Return these features of a report."""
        tick = self.ticks[number]
        values = {
            Feature.MOVE: self.moves[number],
            Feature.GAP: self.gaps[number],
            Feature.SPREAD: tick.spread,
            Feature.COUNT: tick.count,
            Feature.VARIANCE: self.variances[number] >> encoding.VARIANCE_BITS,
            **dict(zip(encoding.PAST, self.returns(number), strict=True)),
        }
        for index, (moved, seen) in enumerate(encoding.PEER_FEATURES):
            values[moved], values[seen] = self._peer(number, index)
        return tuple(values[feature] for feature in listed)

    def _peer(self, number: int, index: int) -> tuple[int, int]:
        """Return how far a peer moved since the report before, and if that could be measured."""
        if number == 0 or index >= len(self.feed.peers):
            return 0, 0
        terms = self.feed.peers[index]
        now = encoding.PeerAnswer(terms.kind, terms.sigma, self.ticks[number].peers[index])
        return encoding.peer_move(now, self.ticks[number - 1].peers[index])

    def table(self, listed: Sequence[Feature]) -> np.ndarray:
        """Return these features of all reports: int64 [reports, features]."""
        return np.stack([self._column(feature) for feature in listed], axis=1)

    def _column(self, feature: Feature) -> np.ndarray:
        if feature not in self._columns:
            self._columns[feature] = np.array(self._values(feature), dtype=np.int64)
        return self._columns[feature]

    def _values(self, feature: Feature) -> Sequence[int]:
        if feature is Feature.MOVE:
            return self.moves
        if feature is Feature.GAP:
            return self.gaps
        if feature is Feature.SPREAD:
            return [tick.spread for tick in self.ticks]
        if feature is Feature.COUNT:
            return [tick.count for tick in self.ticks]
        if feature is Feature.VARIANCE:
            return [each >> encoding.VARIANCE_BITS for each in self.variances[: len(self)]]
        if feature in encoding.PAST:
            age = feature - Feature.PAST_0 + 1
            return [0] * min(age, len(self)) + self.moves[: max(0, len(self) - age)]
        index = next(index for index, pair in enumerate(encoding.PEER_FEATURES) if feature in pair)
        part = encoding.PEER_FEATURES[index].index(feature)
        return [self._peer(number, index)[part] for number in range(len(self))]

    def state(self, number: int) -> FeedState:
        """Return the feed before a report."""
        empty = self.feed.empty()
        if number == 0:
            return empty
        last = self.ticks[number - 1]
        return replace(
            empty,
            status=Status.OK,
            round_id=number,
            answer=self.answers[number - 1],
            observed_at=last.time,
            published_at=last.time,
            last_report_at=last.time,
            repeats=self.repeats[number - 1],
            variance=self.variances[number],
            returns=self.returns(number),
            peer_answers=last.peers,
        )

    def is_at(self, state: FeedState, number: int) -> bool:
        """Return True if the feed is as it would be here, except for its variance and the count of its rounds."""
        return (
            state.held is None
            and state.answer == self.answers[number - 1]
            and state.observed_at == self.ticks[number - 1].time
            and state.repeats == self.repeats[number - 1]
            and state.returns == self.returns(number)
            and state.peer_answers == self.ticks[number - 1].peers
        )
