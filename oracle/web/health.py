"""The health of a running oracle, as its loops report it, and the checks that `/healthz` and `/readyz` answer with.

A daemon is alive if every feed still goes on; a restart would not help it. It is ready if a report could be made now,
and the chain would take it: the chain answers with a fresh head, no obstacle stands in the way of any feed's next
report, the payer can pay for some more, and each feed's sources answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

from oracle.core.obstacles import Obstacle, obstacles_for

NOT_YET = "nothing is known yet"


@dataclass(frozen=True, slots=True)
class HealthCheck:
    """One thing that was checked.

    Attributes:
        name: The thing.
        ok: True if it is as it should be.
        detail: What is wrong, or what was found, for people.
    """

    name: str
    ok: bool
    detail: str


@dataclass(slots=True)
class _FeedHealth:
    heard_at: float
    succeeded_at: float | None = None
    failure: str = NOT_YET
    ended: str | None = None


@dataclass(slots=True)
class _ChainHealth:
    answered_at: float | None = None
    failure: str = NOT_YET
    head_age: float = 0.0
    reports_left: int | None = None
    doubt: str = ""


@dataclass
class Health:
    """The health of one oracle. Its loops report to it, all on one event loop.

    Attributes:
        patience: By feed, how many seconds a report may take: its sources, its proof and its transaction together.
        heartbeats: By feed, how many seconds it may be without a usable reading.
        chain_patience: How many seconds the chain may be silent.
        max_head_age: How many seconds old the latest block may be; None: any age.
        min_reports: How many submissions the payer must be able to pay for.
        clock: Returns monotonic seconds.
    """

    patience: dict[str, float]
    heartbeats: dict[str, float]
    chain_patience: float = 60.0
    max_head_age: float | None = None
    min_reports: int = 20
    clock: Callable[[], float] = time.monotonic
    _standby: str | None = field(init=False, default=None)
    _feeds: dict[str, _FeedHealth] = field(init=False)
    _chain: _ChainHealth = field(init=False, default_factory=_ChainHealth)
    _obstacles: tuple[Obstacle, ...] | None = field(init=False, default=None)

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._feeds = {name: _FeedHealth(self.clock()) for name in self.patience}

    # --- reported by the daemon's loops ---

    def stands_by(self, leader: str) -> None:
        """Note that another daemon writes to the journal, and that this one waits for its end."""
        self._standby = leader

    def leads(self) -> None:
        """Note that this daemon writes to the journal; from now on its feeds must go on."""
        if self._standby is not None:
            self._standby = None
            self._begin()

    def well(self, feed: str) -> None:
        """Note that a feed is well: its sources answered, and whatever was due was reported."""
        known, now = self._feeds[feed], self.clock()
        known.heard_at, known.succeeded_at, known.failure = now, now, ""

    def failed(self, feed: str, reason: str) -> None:
        """Note that a feed's look or report failed, and will be tried again."""
        known = self._feeds[feed]
        known.heard_at, known.failure = self.clock(), reason

    def ended(self, feed: str, reason: str | None) -> None:
        """Note that a feed ended: by an error, or, if `reason` is None, because its recording ended."""
        self._feeds[feed].ended = reason or ""

    def answered(self, head_age: float, reports_left: int | None) -> None:
        """Note that the chain answered."""
        self._chain = _ChainHealth(self.clock(), "", head_age, reports_left)

    def obstacles(self, found: Sequence[Obstacle]) -> None:
        """Note why the chain would not take the next reports of feeds; none: it would take all of them."""
        self._obstacles = tuple(found)

    def silent(self, reason: str) -> None:
        """Note that the chain did not answer."""
        self._chain.failure = reason

    def disbelieved(self, reason: str) -> None:
        """Note that the endpoints' answers can't be believed. Unlike silence, this counts at once."""
        self._chain.doubt = reason

    # --- asked from outside ---

    def alive(self) -> Sequence[HealthCheck]:
        """Check that every feed goes on; a daemon that stands by has none."""
        if self._standby is not None:
            return [HealthCheck("standby", True, f"waits for the end of {self._standby}")]
        return [self._goes_on(name, known) for name, known in self._feeds.items()]

    def ready(self) -> Sequence[HealthCheck]:
        """Check that a report of each feed could be made now."""
        if self._standby is not None:
            return [HealthCheck("leader", False, f"stands by: {self._standby} leads")]
        return [
            *self.alive(),
            *self._chain_checks(),
            *(self._next_report(name) for name in self._feeds if self._obstacles is not None),
            *(self._readings(name, known) for name, known in self._feeds.items()),
        ]

    def _goes_on(self, name: str, known: _FeedHealth) -> HealthCheck:
        what = f"feed {name}"
        if known.ended is not None:
            return HealthCheck(what, not known.ended, known.ended or "its recording has ended")
        since = self.clock() - known.heard_at
        limit = self.patience[name]
        if since > limit:
            return HealthCheck(
                what, False, f"it is stuck: nothing came of it for {since:.0f} s, and its report may take {limit:.0f} s"
            )
        return HealthCheck(what, True, f"its sources were looked at, or its report ended, {since:.0f} s ago")

    def _next_report(self, name: str) -> HealthCheck:
        found = obstacles_for(name, self._obstacles or ())
        detail = ". ".join(each.told for each in found) or "the chain would take it"
        return HealthCheck(f"next report of {name}", not found, detail)

    def _readings(self, name: str, known: _FeedHealth) -> HealthCheck:
        what = f"reports of {name}"
        if known.ended is not None:
            return HealthCheck(what, not known.ended, known.ended or "its recording has ended")
        if known.succeeded_at is None:
            return HealthCheck(what, False, known.failure)
        since = self.clock() - known.succeeded_at
        limit = self.heartbeats[name]
        if known.failure and since > limit:
            return HealthCheck(what, False, f"none could be made for {since:.0f} s: {known.failure}")
        return HealthCheck(what, True, f"one could be made {since:.0f} s ago")

    def _chain_checks(self) -> list[HealthCheck]:
        chain = self._chain
        if chain.doubt:
            return [HealthCheck("chain", False, chain.doubt)]
        if chain.answered_at is None:
            return [HealthCheck("chain", False, chain.failure)]
        since = self.clock() - chain.answered_at
        if since > self.chain_patience:
            return [
                HealthCheck("chain", False, f"it has not answered for {since:.0f} s: {chain.failure or 'no one asked'}")
            ]
        checks = [HealthCheck("chain", True, f"it answered {since:.0f} s ago")]
        if self.max_head_age is not None:
            fresh = chain.head_age <= self.max_head_age
            checks.append(HealthCheck("head", fresh, f"the latest block is {chain.head_age:.0f} s old"))
        if chain.reports_left is not None:
            enough = chain.reports_left >= self.min_reports
            checks.append(
                HealthCheck("balance", enough, f"the payer can pay for {chain.reports_left:,} more submissions")
            )
        return checks
