"""A detector behind the gate of a feed, replayed: accepted-only history, holds, confirmations, patience, repeat rule.

Each verdict is `gate.judge`'s own, with one exception: a report that the model accepts, to a feed that has accepted all
recent reports, can only be accepted. These are most of a recording. They are scored at once, and the gate is played
only from a held report on, report by report, until the feed is as if nothing had been.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Protocol, cast

import numpy as np

from oracle.core import encoding, gate
from oracle.core.encoding import Feature, PeerAnswer
from oracle.core.types import FeedState, HoldReason, Outcome
from oracle.detectors.evaluation.history import History
from oracle.detectors.evaluation.prepared import WARM_UP, Prepared
from oracle.detectors.evaluation.settings import FeedSettings, Tick
from oracle.detectors.interface import Explanation

__all__ = ["HOLDS", "Graded", "Judge", "Replay", "ReplayStep", "Scoring", "hopeless", "replay", "whys"]

Window = tuple[int, ...]

_AHEAD = 256
"""Reports that are judged at once while a variance forgets a hold."""

_ROUNDING = 1e-3
"""A severity in floats that is further from 1 is on the side of 1 on which the exact score is."""

HOLDS = ("anomalous", "clipped", "not_positive", "repeated")
"""The reasons of holds. A clipped move is held whatever the model says; the hub calls it anomalous."""


def whys(reasons: np.ndarray, moves: np.ndarray) -> np.ndarray:
    """Return why reports are held, as indices into HOLDS; where nothing is held, without meaning.

    Args:
        reasons: The hub's reasons.
        moves: The moves of the reports.
    """
    clipped = (reasons == HoldReason.ANOMALOUS) & (np.abs(moves) == encoding.CLIP)
    found: np.ndarray = np.where(clipped, 1, np.choose(np.clip(reasons, 0, 3), (0, 0, 2, 3)))
    return found


class Scoring(Protocol):
    """The part of a detector that its evaluation needs."""

    @property
    def name(self) -> str: ...

    @property
    def features(self) -> tuple[Feature, ...]: ...

    @property
    def score_unit(self) -> int: ...

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]: ...

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray: ...

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]: ...


class Graded(Protocol):
    """A detector that has the severities of many windows at once; see `scaling.severity`."""

    def severity_many(self, windows: np.ndarray) -> np.ndarray:
        """Return the severity of each window: int64 [count, n] to float64 [count]."""
        ...


@dataclass(frozen=True, slots=True)
class ReplayStep:
    """One report, and what the gate made of it.

    Attributes:
        tick: The row.
        window: The features.
        scores: The detector's.
        outcome: ACCEPTED or HELD.
        reason: Why it is held, or was until it was confirmed.
        state: The feed afterwards.
    """

    tick: Tick
    window: Window
    scores: tuple[int, ...]
    outcome: Outcome
    reason: HoldReason
    state: FeedState

    @property
    def held(self) -> bool:
        return self.outcome is Outcome.HELD


class Judge:
    """One detector, and the gate of one feed. It remembers the scores of windows that it has seen."""

    def __init__(self, detector: Scoring, feed: FeedSettings) -> None:
        self.detector = detector
        self.feed = feed
        self.sees_variance = Feature.VARIANCE in detector.features
        self._known: dict[Window, tuple[int, ...]] = {}

    def empty(self) -> FeedState:
        """Return the feed before its first report."""
        return self.feed.empty()

    def window(self, state: FeedState, tick: Tick) -> Window:
        """Return the features of a report."""
        assert tick.answer is not None
        return encoding.features(
            state,
            tick.answer,
            tick.time,
            self.detector.features,
            tolerance=self.feed.policy.tolerance,
            spread=tick.spread,
            count=tick.count,
            peers=[
                PeerAnswer(peer.kind, peer.sigma, answer)
                for peer, answer in zip(self.feed.peers, tick.peers, strict=True)
            ],
        )

    def score(self, windows: Sequence[Window]) -> list[tuple[int, ...]]:
        """Return the scores of each window."""
        for window in windows:
            if window not in self._known:
                self._known[window] = self.detector.score_int(window)
        return [self._known[window] for window in windows]

    def plain_window(self, history: History, number: int) -> Window:
        """Return the features of a report, as if all before it had been accepted."""
        return history.window(number, self.detector.features)

    def objections(self, history: History, first: int) -> list[bool]:
        """Return for each report if the detector objects, as if all before had been accepted; False before `first`."""
        own: list[bool] = self.objects(history.table(self.detector.features)[first:]).tolist()
        return [False] * first + own

    def objects(self, windows: np.ndarray) -> np.ndarray:
        """Return for each window of a table if the detector objects: by floats, and exactly where they are near 1."""
        if not hasattr(self.detector, "severity_many"):
            return self._scored(windows)
        severities = cast(Graded, self.detector).severity_many(windows)
        found: np.ndarray = severities > 1
        near = np.flatnonzero(np.abs(severities - 1) < _ROUNDING)
        found[near] = self._scored(windows[near])
        return found

    def _scored(self, windows: np.ndarray) -> np.ndarray:
        if not len(windows):
            return np.zeros(0, dtype=bool)
        scores = np.asarray(self.detector.score_many(windows))
        found: np.ndarray = np.any((scores.reshape(len(windows), -1) > 0).astype(bool), axis=1)
        return found

    def step(self, state: FeedState, tick: Tick, window: Window, scores: tuple[int, ...]) -> ReplayStep:
        """Apply a scored report to a feed."""
        assert tick.answer is not None
        verdict = gate.judge(
            state,
            self.feed.policy,
            tick.answer,
            tick.time,
            scores,
            score_unit=self.detector.score_unit,
            published_at=tick.time,
            spread=tick.spread,
            count=tick.count,
            peer_answers=tick.peers,
        )
        return ReplayStep(tick, window, scores, verdict.outcome, verdict.reason, verdict.state)


@dataclass(frozen=True)
class Replay:
    """A recording behind the gate.

    Attributes:
        judge: The detector and the feed's gate.
        history: The feed as if each report had been accepted.
        first: Number of the first report that was played.
        begin: Number of the first report that counts.
        steps: By report number, where the feed was not as if all before had been accepted, or where this
            report was held; all others were accepted by the model.
        variances: The stored variance before each report, and after the last one: it remembers a hold for hundreds of
            reports, when all else is as if nothing had been.
        bad: Indices of ticks that are known to be wrong.
    """

    judge: Judge
    history: History
    first: int
    begin: int
    steps: Mapping[int, ReplayStep]
    variances: np.ndarray
    bad: frozenset[int] = frozenset()

    @property
    def numbers(self) -> range:
        """The numbers of the reports that count."""
        return range(self.begin, len(self.history))

    def held(self, number: int) -> bool:
        """Return True if a report is held."""
        step = self.steps.get(number)
        return step is not None and step.held

    def reason(self, number: int) -> HoldReason:
        """Return why a report is held, or was until it was confirmed."""
        step = self.steps.get(number)
        return HoldReason.NONE if step is None else step.reason

    def window(self, number: int) -> Window:
        """Return the features of a report."""
        step = self.steps.get(number)
        if step is not None:
            return step.window
        listed, kept = self.judge.detector.features, int(self.variances[number]) >> encoding.VARIANCE_BITS
        plain = self.history.window(number, listed)
        return tuple(
            kept if feature is Feature.VARIANCE else value for feature, value in zip(listed, plain, strict=True)
        )

    def table(self) -> np.ndarray:
        """Return the features of all reports: int64 [reports, features]."""
        listed = self.judge.detector.features
        found = self.history.table(listed)
        if Feature.VARIANCE in listed:
            found[:, listed.index(Feature.VARIANCE)] = self.variances[:-1] >> encoding.VARIANCE_BITS
        for number, step in self.steps.items():
            found[number] = step.window
        return found

    def state(self, number: int) -> FeedState:
        """Return the feed before a report."""
        step = self.steps.get(number - 1)
        if step is not None:
            return step.state
        return replace(self.history.state(number), variance=int(self.variances[number]))

    def why(self, number: int) -> str:
        """Return why a report is held, as one of HOLDS; no meaning if it isn't."""
        step = self.steps[number]
        move = step.window[self.judge.detector.features.index(Feature.MOVE)]
        return HOLDS[int(whys(np.array([step.reason]), np.array([move]))[0])]

    @cached_property
    def excused(self) -> frozenset[int]:
        """The numbers of reports that count, but whose holds are no false ones.

        They are in a stretch that is known to be wrong, or continue a hold that began there.
        """
        found = {number for number in self.numbers if self.history.indices[number] in self.bad}
        for number in self.numbers:
            if number - 1 in found and self.held(number - 1) and self.held(number):
                found.add(number)
        return frozenset(found)

    @property
    def counted(self) -> int:
        """The number of reports whose holds would be false ones."""
        return len(self.numbers) - len(self.excused)

    def holds(self) -> int:
        """Return how many of the reports that count are held falsely: without those of `excused`."""
        return sum(
            step.held and number not in self.excused for number, step in self.steps.items() if number >= self.begin
        )


def hopeless(prepared: Prepared, objections: np.ndarray, holds: int) -> bool:
    """Return True if a replay could only have more false holds than this: then it need not be played.

    A hold ends within the bound of patience, and a ring of moves later nothing but the variance remembers it. So each
    hold explains few windows that are objected to as if all before had been accepted.
    """
    history = prepared.history
    counted = np.flatnonzero(objections[history.number(prepared.begin) :]) + history.number(prepared.begin)
    explained = gate.PATIENCE * (prepared.feed.policy.confirmations + 1) + 2 * encoding.RING_SIZE
    false = sum(history.indices[number] not in prepared.bad for number in counted.tolist())
    return false > explained * (holds + 1)


def replay(judge: Judge, prepared: Prepared, objections: Sequence[bool] | None = None) -> Replay:
    """Replay the recording as it is.

    Args:
        judge: The detector behind the gate.
        prepared: The recording. WARM_UP ticks before the part that counts are played too, from a feed that has accepted
            all before them.
        objections: For each report, True if the detector objects, as if all before had been accepted; None asks it.
    """
    history = prepared.history
    first = history.number(max(0, prepared.begin - WARM_UP))
    if objections is None:
        objections = judge.objections(history, first)
    policy, moves, repeats = judge.feed.policy, np.array(history.moves), history.repeats_array
    ruled = np.abs(moves) == encoding.CLIP
    if policy.max_repeats:
        ruled |= repeats > policy.max_repeats
    variances = np.array(history.variances, dtype=np.int64)
    suspect = [number for number in range(first, len(history)) if objections[number] or ruled[number]]
    steps: dict[int, ReplayStep] = {}
    done = first
    for number in suspect:
        # All before `done` were accepted, or were played below.
        if number < done:
            continue
        state = history.state(number)
        while number < len(history):
            tick = history.ticks[number]
            window = judge.window(state, tick)
            step = judge.step(state, tick, window, judge.score([window])[0])
            steps[number] = step
            state = step.state
            number += 1
            variances[number] = state.variance
            if step.held or not history.is_at(state, number):
                continue
            if not judge.sees_variance:
                variances[number:] = history.variances[number:]
                break
            number = _glide(judge, history, number, ruled, variances)
            if number == len(history) or variances[number] == history.variances[number]:
                break
            state = replace(history.state(number), variance=int(variances[number]))
        done = number
    return Replay(judge, history, first, history.number(prepared.begin), steps, variances, prepared.bad)


def _glide(judge: Judge, history: History, number: int, ruled: np.ndarray, variances: np.ndarray) -> int:
    """Accept reports to a feed of which only the variance remembers a hold, until it forgets or one is suspect.

    Args:
        judge: The detector behind the gate.
        history: The feed as if each report had been accepted.
        number: The first report; the variance before it is known.
        ruled: Reports that are suspect whatever the model says.
        variances: The variance before each report; it is filled in.

    Returns:
        The number of the first report that was not accepted here.
    """
    listed = judge.detector.features
    table, column = history.table(listed), listed.index(Feature.VARIANCE)
    while number < len(history):
        end, kept = number, int(variances[number])
        while end < min(len(history), number + _AHEAD) and kept != history.variances[end]:
            variances[end] = kept
            kept = encoding.variance(kept, history.moves[end], history.gaps[end])
            end += 1
        windows = table[number:end]
        windows[:, column] = variances[number:end] >> encoding.VARIANCE_BITS
        suspect = np.flatnonzero(judge.objects(windows) | ruled[number:end])
        if len(suspect):
            return number + int(suspect[0])
        variances[end] = kept
        number = end
        if kept == history.variances[end]:
            variances[end:] = history.variances[end:]
            break
    return number
