"""Feeds side by side, each behind a gate of its own: `oracle.core.gate` on arrays, one report of each feed at a time.

Trials of faults are thousands of feeds for a few reports each. One by one in Python they would take hours; here each
step is some hundred operations on arrays, whatever the number of feeds. The tests compare it with the gate itself.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, fields
from typing import Any

import numpy as np

from oracle.core import encoding, gate
from oracle.core.encoding import CLIP, Feature
from oracle.core.types import FeedState, HoldReason, Kind
from oracle.detectors.evaluation.arrays import Column, answers_array, gaps, moves, near, peer_moves, variances
from oracle.detectors.evaluation.replay import Replay
from oracle.detectors.evaluation.settings import FeedSettings

__all__ = ["Arrived", "Derived", "Gates", "derive", "step"]


@dataclass(slots=True)
class Arrived:
    """One report of each feed.

    Attributes:
        answer: The answers.
        time: When they were observed.
        spread: See `Tick`.
        count: See `Tick`.
        peers: The answers of the peers, a column for each.
    """

    answer: Column
    time: Column
    spread: Column
    count: Column
    peers: tuple[Column, ...] = ()


@dataclass(slots=True)
class Derived:
    """The numbers that the hub derives for a report: all features, with what it needs besides."""

    move: Column
    gap: Column
    repeats: Column
    table: dict[Feature, Column]

    def windows(self, listed: Sequence[Feature]) -> np.ndarray:
        """Return the features of a list: int64 [feeds, features]. Features of a peer that no feed has are 0."""
        none = np.zeros(len(self.move), dtype=np.int64)
        return np.stack([self.table.get(feature, none) for feature in listed], axis=1)


@dataclass(slots=True)
class Gates:
    """The states of the feeds, each of which has accepted a report: an element for each feed; see `FeedState`.

    Attributes:
        reason: Why the latest answer is held; 0 if none is.
        first_answer: The held answer, and so on as in `HeldAnswer`; no meaning where nothing is held.
    """

    answer: Column
    observed_at: Column
    repeats: Column
    variance: Column
    returns: np.ndarray
    peers: tuple[Column, ...]
    reason: Column
    first_answer: Column
    first_at: Column
    confirmations: Column
    anomalies: Column
    since: Column
    first_gap: Column

    @staticmethod
    def of(states: Sequence[FeedState], *, small: bool = False) -> Gates:
        """Return the feeds with these states; the answers as int64 if they are small (see `arrays.fit_int64`)."""
        assert all(state.round_id for state in states), "a feed without a round has no moves"
        held = [state.held for state in states]
        return Gates(
            answer=answers_array([state.answer for state in states], small=small),
            observed_at=_whole(state.observed_at for state in states),
            repeats=_whole(state.repeats for state in states),
            variance=_whole(state.variance for state in states),
            returns=np.array([state.returns for state in states], dtype=np.int64).reshape(-1, encoding.RING_SIZE),
            peers=tuple(
                answers_array([state.peer_answers[number] for state in states], small=small)
                for number in range(len(states[0].peers) if states else 0)
            ),
            reason=_whole(each.reason if each else 0 for each in held),
            first_answer=answers_array([each.first_answer if each else 0 for each in held], small=small),
            first_at=_whole(each.first_observed_at if each else 0 for each in held),
            confirmations=_whole(each.confirmations if each else 0 for each in held),
            anomalies=_whole(each.anomalies if each else 0 for each in held),
            since=_whole(each.anomalous_since if each else 0 for each in held),
            first_gap=_whole(each.first_gap if each else 0 for each in held),
        )

    @staticmethod
    def at(clean: Replay, numbers: np.ndarray, *, small: bool) -> Gates:
        """Return the feed as it is before each of these reports of a replay, none of which is the first."""
        history = clean.history
        assert (numbers > 0).all(), "a feed without a round has no moves"
        before = numbers - 1
        none = np.zeros(len(numbers), dtype=np.int64)
        answers, *peers = history.answer_columns(small=small)
        found = Gates(
            answer=answers[before],
            observed_at=history.times[before],
            repeats=history.repeats_array[before],
            variance=clean.variances[numbers],
            returns=history.table(encoding.PAST)[numbers],
            peers=tuple(column[before] for column in peers),
            reason=none.copy(),
            first_answer=answers_array([0] * len(numbers), small=small),
            first_at=none.copy(),
            confirmations=none.copy(),
            anomalies=none.copy(),
            since=none.copy(),
            first_gap=none.copy(),
        )
        played = np.flatnonzero(np.isin(before, list(clean.steps)))
        if len(played):
            states = [clean.steps[number].state for number in before[played].tolist()]
            found.put(played, Gates.of(states, small=small))
        return found

    def take(self, rows: np.ndarray) -> Gates:
        """Return some of the feeds, as copies."""
        taken: dict[str, Any] = {field.name: _taken(getattr(self, field.name), rows) for field in fields(self)}
        return Gates(**taken)

    def put(self, rows: np.ndarray, others: Gates) -> None:
        """Put feeds in the places of some of these."""
        for field in fields(self):
            own, other = getattr(self, field.name), getattr(others, field.name)
            if isinstance(own, tuple):
                for column, new in zip(own, other, strict=True):
                    column[rows] = new
            else:
                own[rows] = other


def _whole(values: Iterable[int]) -> Column:
    return np.array(list(values), dtype=np.int64)


def _taken(values: Column | tuple[Column, ...], rows: np.ndarray) -> Column | tuple[Column, ...]:
    return tuple(column[rows] for column in values) if isinstance(values, tuple) else values[rows]


def derive(feed: FeedSettings, gates: Gates, arrived: Arrived) -> Derived:
    """Return what the hub derives for one report of each feed, as `encoding.features`."""
    move = moves(feed.kind, feed.sigma, arrived.answer, gates.answer)
    gap = gaps(arrived.time, gates.observed_at, feed.heartbeat)
    still = gates.reason == HoldReason.ANOMALOUS
    if still.any():
        still &= near(feed.kind, feed.sigma, arrived.answer, gates.first_answer, feed.policy.tolerance)
        gap = np.where(still, gates.first_gap, gap)
    same = (arrived.answer == gates.answer).astype(bool)
    table: dict[Feature, Column] = {
        Feature.MOVE: move,
        Feature.GAP: gap,
        Feature.SPREAD: arrived.spread,
        Feature.COUNT: arrived.count,
        Feature.VARIANCE: gates.variance >> encoding.VARIANCE_BITS,
        **{feature: gates.returns[:, age] for age, feature in enumerate(encoding.PAST)},
    }
    for terms, answer, kept, pair in zip(feed.peers, arrived.peers, gates.peers, encoding.PEER_FEATURES, strict=False):
        table[pair[0]], table[pair[1]] = peer_moves(terms.kind, terms.sigma, answer, kept)
    repeats = np.where(same, np.minimum(encoding.UINT8_MAX, gates.repeats + 1), 0)
    return Derived(move, gap, repeats, table)


def step(
    feed: FeedSettings, gates: Gates, arrived: Arrived, derived: Derived, objects: np.ndarray
) -> tuple[Gates, np.ndarray, Column]:
    """Apply one report to each feed, as `gate.judge` with the chain's clock at the reports' times.

    Args:
        feed: Terms and policy of the feeds.
        gates: Their states.
        arrived: The reports.
        derived: What the hub derives for them.
        objects: Where the model objects.

    Returns:
        The states afterwards; where a report is held; and why, or why it would be if it weren't confirmed.
    """
    policy, time = feed.policy, arrived.time
    clipped = np.abs(derived.move) == CLIP
    reason = np.where(objects | clipped, int(HoldReason.ANOMALOUS), 0)
    if policy.max_repeats:
        reason = np.where(derived.repeats > policy.max_repeats, int(HoldReason.REPEATED), reason)
    if feed.kind is Kind.RELATIVE:
        reason = np.where((arrived.answer <= 0).astype(bool), int(HoldReason.NOT_POSITIVE), reason)
    anomalous, before = reason == HoldReason.ANOMALOUS, gates.reason > 0
    anomalies = np.where(before, gates.anomalies, 0)
    since = np.where(anomalous & (anomalies == 0), time, np.where(before, gates.since, 0))
    anomalies = np.minimum(encoding.UINT16_MAX, anomalies + anomalous)
    goes_on = before & (gates.reason == reason) & (reason > 0)
    if goes_on.any():
        goes_on &= near(feed.kind, feed.sigma, arrived.answer, gates.first_answer, policy.tolerance)
    first_answer = np.where(goes_on, gates.first_answer, arrived.answer)
    first_at = np.where(goes_on, gates.first_at, time)
    confirmations = np.where(goes_on, np.minimum(encoding.UINT8_MAX, gates.confirmations + 1), 0)
    first_gap = np.where(goes_on, gates.first_gap, derived.gap)
    needed, delay = max(1, policy.confirmations), policy.confirm_delay
    level = (confirmations >= needed) & (time - first_at >= delay)
    outlasted = (anomalies >= gate.PATIENCE * (needed + 1)) & (time - since >= gate.PATIENCE * delay)
    held = (reason > 0) & ~(anomalous & (level | outlasted))
    ring = np.concatenate([derived.move[:, None], gates.returns[:, :-1]], axis=1)
    after = Gates(
        answer=np.where(held, gates.answer, arrived.answer),
        observed_at=np.where(held, gates.observed_at, time),
        repeats=np.where(held, gates.repeats, derived.repeats),
        variance=np.where(held, gates.variance, variances(gates.variance, derived.move, derived.gap)),
        returns=np.where(held[:, None], gates.returns, ring),
        peers=tuple(np.where(held, kept, now) for kept, now in zip(gates.peers, arrived.peers, strict=True)),
        reason=np.where(held, reason, 0),
        first_answer=first_answer,
        first_at=first_at,
        confirmations=confirmations,
        anomalies=anomalies,
        since=since,
        first_gap=first_gap,
    )
    return after, held, reason
