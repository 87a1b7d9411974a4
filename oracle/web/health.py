"""What a running oracle knows about itself, and what of it is bad enough to say so.

Alive means that a restart would not help: every feed still takes its turns. Ready means that a report could be made
now: the chain answers with a fresh head, the payer can pay, each feed's sources answer.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

NOT_YET = "nothing is known yet"


@dataclass(frozen=True, slots=True)
class Check:
    """One thing that was looked at.

    Attributes:
        name: What.
        ok: Whether it is as it should be.
        detail: For people: what is wrong, or what was found.
    """

    name: str
    ok: bool
    detail: str


@dataclass(slots=True)
class _Feed:
    turned_at: float
    succeeded_at: float | None = None
    failure: str = NOT_YET
    ended: str | None = None


@dataclass(slots=True)
class _Chain:
    answered_at: float | None = None
    failure: str = NOT_YET
    head_age: float = 0.0
    reports_left: int | None = None
    doubt: str = ""


@dataclass
class Health:
    """State of one oracle's health. To be told by its loops, on one event loop.

    Attributes:
        patience: Seconds that a feed's turn may take, by feed: what its sources, proof and transaction may take.
        heartbeats: Seconds that a feed may be without a usable reading, by feed.
        chain_patience: Seconds that the chain may be silent.
        max_head_age: Seconds that the latest block may be old; None: not looked at.
        min_reports: Submissions that the payer must be able to pay for.
        clock: Monotonic seconds.
    """

    patience: dict[str, float]
    heartbeats: dict[str, float]
    chain_patience: float = 60.0
    max_head_age: float | None = None
    min_reports: int = 20
    clock: Callable[[], float] = time.monotonic
    _standby: str | None = field(init=False, default=None)
    _feeds: dict[str, _Feed] = field(init=False)
    _chain: _Chain = field(init=False, default_factory=_Chain)

    def __post_init__(self) -> None:
        self._begin()

    def _begin(self) -> None:
        self._feeds = {name: _Feed(self.clock()) for name in self.patience}

    # --- told by the daemon's loops ---

    def stands_by(self, leader: str) -> None:
        """Another daemon writes to the journal, and this one waits for its end."""
        self._standby = leader

    def leads(self) -> None:
        """This daemon writes to the journal; from now on its feeds are to take turns."""
        if self._standby is not None:
            self._standby = None
            self._begin()

    def turned(self, feed: str) -> None:
        """A feed has finished a turn: its sources answered, and what was due was reported."""
        of, now = self._feeds[feed], self.clock()
        of.turned_at, of.succeeded_at, of.failure = now, now, ""

    def failed(self, feed: str, reason: str) -> None:
        """A feed's turn ended with something that is tried again."""
        of = self._feeds[feed]
        of.turned_at, of.failure = self.clock(), reason

    def ended(self, feed: str, reason: str | None) -> None:
        """A feed has ended: by an error, or, with None, because its recording has."""
        self._feeds[feed].ended = reason or ""

    def answered(self, head_age: float, reports_left: int | None) -> None:
        """The chain answered."""
        self._chain = _Chain(self.clock(), "", head_age, reports_left)

    def silent(self, reason: str) -> None:
        """The chain did not answer."""
        self._chain.failure = reason

    def disbelieved(self, reason: str) -> None:
        """What the chain's endpoints answer can't be believed: unlike a silence, that is not waited out."""
        self._chain.doubt = reason

    # --- asked from outside ---

    def alive(self) -> Sequence[Check]:
        """Whether every feed takes its turns; a daemon that stands by has none to take."""
        if self._standby is not None:
            return [Check("standby", True, f"waits for the end of {self._standby}")]
        return [self._turns(name, of) for name, of in self._feeds.items()]

    def ready(self) -> Sequence[Check]:
        """Whether a report of each feed could be made now."""
        if self._standby is not None:
            return [Check("leader", False, f"stands by: {self._standby} leads")]
        return [*self.alive(), *self._chain_checks(), *(self._readings(name, of) for name, of in self._feeds.items())]

    def _turns(self, name: str, of: _Feed) -> Check:
        what = f"feed {name}"
        if of.ended is not None:
            return Check(what, not of.ended, of.ended or "its recording has ended")
        since = self.clock() - of.turned_at
        limit = self.patience[name]
        if since > limit:
            return Check(what, False, f"it is stuck: its turn takes {since:.0f} s, and may take {limit:.0f} s")
        return Check(what, True, f"its last turn ended {since:.0f} s ago")

    def _readings(self, name: str, of: _Feed) -> Check:
        what = f"reports of {name}"
        if of.ended is not None:
            return Check(what, not of.ended, of.ended or "its recording has ended")
        if of.succeeded_at is None:
            return Check(what, False, of.failure)
        since = self.clock() - of.succeeded_at
        limit = self.heartbeats[name]
        if of.failure and since > limit:
            return Check(what, False, f"none could be made for {since:.0f} s: {of.failure}")
        return Check(what, True, f"one could be made {since:.0f} s ago")

    def _chain_checks(self) -> list[Check]:
        chain = self._chain
        if chain.doubt:
            return [Check("chain", False, chain.doubt)]
        if chain.answered_at is None:
            return [Check("chain", False, chain.failure)]
        since = self.clock() - chain.answered_at
        if since > self.chain_patience:
            return [Check("chain", False, f"it has not answered for {since:.0f} s: {chain.failure or 'no one asked'}")]
        checks = [Check("chain", True, f"it answered {since:.0f} s ago")]
        if self.max_head_age is not None:
            fresh = chain.head_age <= self.max_head_age
            checks.append(Check("head", fresh, f"the latest block is {chain.head_age:.0f} s old"))
        if chain.reports_left is not None:
            enough = chain.reports_left >= self.min_reports
            checks.append(Check("balance", enough, f"the payer can pay for {chain.reports_left:,} more submissions"))
        return checks
