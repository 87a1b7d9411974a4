"""A detector behind the gate of a feed, replayed: accepted-only history, holds, confirmations, patience, repeat rule.

Each verdict is `gate.judge`'s own, with one exception: a report that the model accepts, to a feed that has accepted all
recent reports, can only be accepted. These are most of a recording. They are scored at once, and the gate is played
only from a held report on, report by report, until the feed is as if nothing had been. Faults are played side by side,
so that their windows too are scored at once.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from oracle.core import encoding, gate
from oracle.core.encoding import Feature, PeerAnswer
from oracle.core.errors import DataError
from oracle.core.types import FeedState, HoldReason, Outcome
from oracle.detectors.evaluation.prepared import WARM_UP, FeedSettings, History, Prepared, Tick
from oracle.detectors.interface import Explanation

__all__ = ["Judge", "Replay", "ReplayStep", "Run", "Scoring", "replay", "replay_all"]

_FEW = 24
"""Up to this many windows, scoring one by one is faster than at once."""

Window = tuple[int, ...]


class Scoring(Protocol):
    """The part of a detector that its evaluation needs."""

    @property
    def name(self) -> str: ...

    @property
    def features(self) -> tuple[Feature, ...]: ...

    @property
    def score_unit(self) -> int: ...

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]: ...

    def score_many(self, windows: Sequence[Sequence[int]]) -> Iterable[Iterable[int]]: ...

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]: ...


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
    """One detector, and the gate of one feed. It remembers the scores of windows that it has seen.

    Raises:
        DataError: The detector needs features that no feed has.
    """

    def __init__(self, detector: Scoring, feed: FeedSettings) -> None:
        needed = encoding.peers_needed(detector.features)
        if needed > len(feed.peers):
            raise DataError(
                f"model {detector.name} judges a feed beside {needed} of its peers; the recording has {len(feed.peers)}"
            )
        self.detector = detector
        self.feed = feed
        self._has_variance = Feature.VARIANCE in detector.features
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
        unknown = [window for window in dict.fromkeys(windows) if window not in self._known]
        if len(unknown) <= _FEW:
            for window in unknown:
                self._known[window] = self.detector.score_int(window)
        else:
            for window, scores in zip(unknown, self.detector.score_many(unknown), strict=True):
                self._known[window] = tuple(int(score) for score in scores)
        return [self._known[window] for window in windows]

    def plain_window(self, history: History, number: int) -> Window:
        """Return the features of a report, as if all before it had been accepted."""
        return history.window(number, self.detector.features)

    def objections(self, history: History, first: int) -> list[bool]:
        """Return for each report if the detector objects, as if all before had been accepted; False before `first`."""
        windows = [self.plain_window(history, number) for number in range(first, len(history))]
        return [False] * first + [max(scores) > 0 for scores in self.score(windows)]

    def forgot(self, state: FeedState, history: History, number: int) -> bool:
        """Return True if nothing that was held before a report has a part in what comes.

        A variance remembers for hundreds of reports, but matters only to a model that sees it.
        """
        after = history.is_at(state, number)
        return after and (not self._has_variance or state.variance == history.variances[number])

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


@dataclass(slots=True)
class Run:
    """Reports one after another to a feed.

    Attributes:
        state: The feed now.
        ticks: What is reported.
        least: After this many ticks, the first accepted report ends the run.
        steps: A step for each tick so far; None where nothing was reported.
    """

    state: FeedState
    ticks: Sequence[Tick]
    least: int
    steps: list[ReplayStep | None] = field(default_factory=list)

    @property
    def ended(self) -> bool:
        """True if nothing more has to be reported."""
        done = len(self.steps)
        if done >= len(self.ticks):
            return True
        last = self.steps[-1] if done > self.least else None
        return last is not None and not last.held


def replay_all(judge: Judge, runs: Sequence[Run]) -> None:
    """Play runs side by side to their ends."""
    going = [run for run in runs if not run.ended]
    while going:
        due: list[tuple[Run, Tick, Window]] = []
        for run in going:
            tick = run.ticks[len(run.steps)]
            if tick.answer is None:
                run.steps.append(None)
            else:
                due.append((run, tick, judge.window(run.state, tick)))
        scored = judge.score([window for _, _, window in due])
        for (run, tick, window), scores in zip(due, scored, strict=True):
            step = judge.step(run.state, tick, window, scores)
            run.state = step.state
            run.steps.append(step)
        going = [run for run in going if not run.ended]


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
    """

    judge: Judge
    history: History
    first: int
    begin: int
    steps: Mapping[int, ReplayStep]

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
        return self.judge.plain_window(self.history, number) if step is None else step.window

    def state(self, number: int) -> FeedState:
        """Return the feed before a report."""
        step = self.steps.get(number - 1)
        return self.history.state(number) if step is None else step.state

    def holds(self) -> int:
        """Return how many of the reports that count are held."""
        return sum(step.held for number, step in self.steps.items() if number >= self.begin)


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
    policy = judge.feed.policy
    suspect = [
        number
        for number in range(first, len(history))
        if objections[number]
        or abs(history.moves[number]) == encoding.CLIP
        or (policy.max_repeats and history.repeats[number] > policy.max_repeats)
    ]
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
            if not step.held and judge.forgot(state, history, number):
                break
        done = number
    return Replay(judge, history, first, history.number(prepared.begin), steps)
