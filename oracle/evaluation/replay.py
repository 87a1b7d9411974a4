"""A detector behind the gate of a feed, replayed: accepted-only history, holds, confirmations, patience, repeat rule.

Each verdict is `oracle.gate.judge`'s own. What is fast here is the scoring: many runs go side by side, tick by tick,
and their windows are scored at once; and those of a history in which nothing is held are scored before it begins.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from oracle import encoding, gate
from oracle.detectors.interface import Explanation
from oracle.errors import DataError
from oracle.evaluation.recording import WARM_UP, Feed, Prepared, Tick
from oracle.types import FeedState, HoldReason, Outcome

__all__ = ["Judge", "Run", "Scoring", "Step", "replay", "replay_all", "windows_of"]

_FEW = 24
"""Windows up to which one by one is faster than at once."""

Window = tuple[int, ...]


class Scoring(Protocol):
    """The part of a detector that its evaluation needs."""

    @property
    def name(self) -> str: ...

    @property
    def features(self) -> int: ...

    @property
    def spread(self) -> bool: ...

    @property
    def score_unit(self) -> int: ...

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]: ...

    def score_many(self, windows: Sequence[Sequence[int]]) -> Iterable[Iterable[int]]: ...

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]: ...


@dataclass(frozen=True, slots=True)
class Step:
    """What became of a report.

    Attributes:
        window: The features.
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
    """One detector, and the gate of one feed. Remembers the scores of windows that it has seen.

    Raises:
        DataError: The detector needs features that no feed has.
    """

    def __init__(self, detector: Scoring, feed: Feed) -> None:
        past = detector.features - (3 if detector.spread else 2)
        if not 1 <= past <= encoding.RING_SIZE:
            raise DataError(
                f"model {detector.name} has {detector.features} features; a feed has a move, 1 to {encoding.RING_SIZE} "
                "past ones, the gap, and for some models the spread"
            )
        self.detector = detector
        self.feed = feed
        self._past = past
        self._known: dict[Window, tuple[int, ...]] = {}

    def empty(self) -> FeedState:
        """The feed before its first report."""
        return gate.empty_feed(bytes(32), self.feed.kind, self.feed.sigma, self.feed.heartbeat, model_number=1)

    def window(self, state: FeedState, tick: Tick) -> Window:
        """The features of a report."""
        assert tick.answer is not None
        window = encoding.features(state, tick.answer, tick.time, self._past + 2)
        return (*window[:-1], tick.spread, window[-1]) if self.detector.spread else window

    def score(self, windows: Sequence[Window]) -> list[tuple[int, ...]]:
        """The scores of each window."""
        unknown = [window for window in dict.fromkeys(windows) if window not in self._known]
        if len(unknown) <= _FEW:
            for window in unknown:
                self._known[window] = self.detector.score_int(window)
        else:
            for window, scores in zip(unknown, self.detector.score_many(unknown), strict=True):
                self._known[window] = tuple(int(score) for score in scores)
        return [self._known[window] for window in windows]

    def step(self, state: FeedState, tick: Tick, window: Window, scores: tuple[int, ...]) -> Step:
        """Apply a scored report."""
        assert tick.answer is not None
        verdict = gate.judge(
            state,
            self.feed.policy,
            tick.answer,
            tick.time,
            scores,
            score_unit=self.detector.score_unit,
            published_at=tick.time,
        )
        return Step(tick, window, scores, verdict.outcome, verdict.reason, verdict.state)


@dataclass(slots=True)
class Run:
    """Reports one after another to a feed.

    Attributes:
        state: The feed; moves on.
        ticks: What is reported.
        least: After so many ticks the first accepted report ends the run.
        steps: One for each tick so far; None where nothing was reported.
    """

    state: FeedState
    ticks: Sequence[Tick]
    least: int
    steps: list[Step | None] = field(default_factory=list)

    @property
    def ended(self) -> bool:
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


def windows_of(judge: Judge, ticks: Sequence[Tick]) -> list[Window]:
    """The window of each tick, had all before it been accepted."""
    state = judge.empty()
    windows = []
    for tick in ticks:
        if tick.answer is None:
            continue
        window = judge.window(state, tick)
        windows.append(window)
        step = judge.step(state, tick, window, (-1,))
        state = step.state if not step.held else state
    return windows


def replay(judge: Judge, prepared: Prepared) -> list[Step | None]:
    """The recording as it is: one step for each tick from the first that counts on.

    The ticks before give the feed its history.
    """
    first = max(0, prepared.begin - WARM_UP)
    ticks = prepared.ticks[first:]
    judge.score(windows_of(judge, ticks))
    run = Run(judge.empty(), ticks, len(ticks))
    replay_all(judge, [run])
    return run.steps[prepared.begin - first :]
