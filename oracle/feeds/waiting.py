"""Reports that wait for a prover, and which of them goes next. Nothing here waits: the caller has the clock.

A report leaves when a prover is free and it has waited for the window, for feeds that may become due soon; at once if
it fills the largest circuit, goes alone, or would become too old. A report that is larger than the circuits leaves in
parts. The feed that left longest ago leaves first: so no feed waits for a slow one, or is pushed aside by one that
is often due.
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass

from oracle.core.stages import Observed, Unproven

__all__ = ["MOST_DUE", "BatchPolicy", "Queue", "Waiting", "group_sizes"]

MOST_DUE = 32
"""The most feeds that are due in one report. With two peers each, it has the 96 feeds that the hub reads."""


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """The rules by which reports wait for further feeds.

    Attributes:
        window_s: Seconds for which a report waits at most for feeds that become due soon.
        slack: Returns the seconds until an observation is too old for its feed.
    """

    window_s: float = 0.0
    slack: Callable[[Observed], float] = lambda observed: float("inf")


@dataclass(eq=False)
class Waiting:
    """A report that waits for a prover.

    Attributes:
        stage: What is to be signed, or is signed already and has to be proven.
        model: The model that judges it; None if that is not known yet, after a restart.
        alone: True if each of its feeds goes by itself, because one of them made others fail.
        leave_by: The time until which it waits for further feeds, by the event loop's clock.
        decided_at: When it was decided, by the same clock.
    """

    stage: Unproven
    model: int | None = None
    alone: bool = False
    leave_by: float = 0.0
    decided_at: float = 0.0


def group_sizes(waiting: int, seconds: Mapping[int, float]) -> tuple[int, ...]:
    """Divide feeds among proofs so that the provers need the least time for all of them.

    Args:
        waiting: How many feeds there are; at least one.
        seconds: Seconds of a proof, by the windows of its circuit. A proof of fewer feeds takes as long.

    Returns:
        How many feeds each proof takes, largest first. Of divisions that take the same time, the one with the fewest
        proofs is chosen, because each proof is a transaction.
    """
    best: list[tuple[float, int, tuple[int, ...]]] = [(0.0, 0, ())]
    for count in range(1, waiting + 1):
        options = []
        for circuit, cost in seconds.items():
            taken = min(circuit, count, MOST_DUE)
            total, proofs, sizes = best[count - taken]
            options.append((total + cost, proofs + 1, (taken, *sizes)))
        best.append(min(options))
    return tuple(sorted(best[waiting][2], reverse=True))


class Queue:
    """Reports that wait. Each feed is in one of them at most."""

    def __init__(self, seconds: Callable[[int | None], Mapping[int, float]]) -> None:
        """Begin with none.

        Args:
            seconds: Returns, for the model with this number, the seconds of a proof by the windows of its circuit.
        """
        self._seconds = seconds
        self._waiting: list[Waiting] = []
        # A feed's place is when it came first, or left last.
        self._places: dict[str, int] = {}
        self._clock = itertools.count()

    def __len__(self) -> int:
        """Return how many reports wait."""
        return len(self._waiting)

    def observed(self, feed: str) -> Observed | None:
        """Return the observation of a feed that waits."""
        return next((each for waiting in self._waiting for each in waiting.stage.due if each.feed == feed), None)

    def leave_by(self, feed: str) -> float:
        """Return until when a feed's observation waits for others; infinity if there is none."""
        return min((each.leave_by for each in self._waiting if feed in each.stage.feeds), default=float("inf"))

    def add(self, waiting: Waiting) -> None:
        """Let a report wait. Its feeds have to be in no other one: `take_out` comes first."""
        for feed in waiting.stage.feeds:
            assert self.observed(feed) is None, f"{feed} waits already"
            self._places.setdefault(feed, next(self._clock))
        self._waiting.append(waiting)

    def take_out(self, feeds: Collection[str]) -> list[Observed]:
        """Take the observations of feeds out, and return them. The feeds keep their places."""
        out = []
        for waiting in list(self._waiting):
            mine = [each for each in waiting.stage.due if each.feed in feeds]
            if mine:
                out += mine
                self._leave_others(waiting, mine)
        return out

    def hurry(self) -> None:
        """Let no report wait for further feeds any more: none come."""
        for waiting in self._waiting:
            waiting.leave_by = 0.0

    def next(self, now: float, busy: Collection[str] = ()) -> Waiting | None:
        """Take out the report that leaves next; None: none leaves now.

        Args:
            now: The time, by the event loop's clock.
            busy: Feeds that have a report under way: a feed's next one waits for its end.
        """
        ripe = []
        for waiting in self._waiting:
            free = sorted((each for each in waiting.stage.due if each.feed not in busy), key=self._place)
            if free and self._may_leave(waiting, len(free), now):
                ripe.append((self._place(free[0]), waiting, free))
        if not ripe:
            return None
        _, waiting, free = min(ripe, key=lambda each: each[0])
        count = 1 if waiting.alone else group_sizes(len(free), self._seconds(waiting.model))[0]
        leaving = free[:count]
        self._leave_others(waiting, leaving)
        for each in leaving:
            self._places[each.feed] = next(self._clock)
        if len(leaving) == len(waiting.stage.due):
            return waiting
        part = waiting.stage.decided.only([each.key for each in leaving])
        assert part is not None
        return Waiting(part, waiting.model, waiting.alone, waiting.leave_by, waiting.decided_at)

    def next_time(self, now: float) -> float | None:
        """Return when the next report has waited enough; None: those that still wait do so for a prover, or a feed."""
        return min((each.leave_by for each in self._waiting if each.leave_by > now), default=None)

    def _may_leave(self, waiting: Waiting, count: int, now: float) -> bool:
        return waiting.alone or waiting.leave_by <= now or count >= min(max(self._seconds(waiting.model)), MOST_DUE)

    def _place(self, observed: Observed) -> int:
        return self._places[observed.feed]

    def _leave_others(self, waiting: Waiting, leaving: Collection[Observed]) -> None:
        """Let only those of a report wait that do not leave. They have to be signed by themselves."""
        rest = waiting.stage.decided.only([each.key for each in waiting.stage.due if each not in leaving])
        index = self._waiting.index(waiting)
        self._waiting[index : index + 1] = (
            [] if rest is None else [Waiting(rest, waiting.model, waiting.alone, waiting.leave_by, waiting.decided_at)]
        )
