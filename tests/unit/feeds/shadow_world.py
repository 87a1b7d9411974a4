"""A hub that takes shadows in memory, and reports with shadows beside them."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.app.report_recorders import ShadowRecorder
from oracle.chain.hub import RoundAccepted, RoundEvent, Submission, SubmitCall, decode_submission, encode_submission
from oracle.core.errors import (
    ChainUnavailable,
    ContractRejected,
    StateMoved,
)
from oracle.core.metrics import Metrics
from oracle.core.stages import Decided, Observed, Proven
from oracle.core.types import Outcome
from oracle.feeds.journal import Journal
from oracle.feeds.provers import Provers
from oracle.feeds.reporting import Reporting
from oracle.feeds.shadows import Shadows
from oracle.feeds.signing import LocalSigners
from tests.fakes import SUBMITTER, FakeHub, FakeKey, FakeSubmitter, feed_config
from tests.unit.feeds.market import NORMAL, FakeModel, Heard

NAMES = ("eth", "btc")


@dataclass
class Tally:
    model_number: int
    compared: int
    min_compared: int


class Desk:
    """The hub's `submitShadow` behind the interface of `submit`, and its tallies, which are compared lazily."""

    def __init__(self, hub: FakeHub) -> None:
        self.hub = hub
        self.tallies: dict[bytes, Tally] = {next(iter(hub.configs)): Tally(2, 0, 2)}
        self.taken: list[tuple[bytes, int, int]] = []
        self.pending: dict[bytes, tuple[bytes, int, int]] = {}
        self.is_down = False

    @property
    def tally(self) -> Tally | None:
        return self.tallies.get(next(iter(self.hub.configs)))

    @tally.setter
    def tally(self, tally: Tally | None) -> None:
        self.tallies.pop(next(iter(self.hub.configs)), None)
        if tally is not None:
            self.tallies[next(iter(self.hub.configs))] = tally

    async def shadow(self, feed_id: bytes) -> Tally | None:
        if self.is_down:
            raise ChainUnavailable("down")
        return self.tallies.get(feed_id)

    def __getattr__(self, name: str) -> Any:
        return getattr(self.hub, name)

    def judged(self, submission: Submission) -> list[tuple[bytes, int, int]]:
        """Return the due feeds for which the model is proposed: feed, round and time."""
        report = submission.signed.report
        return [
            (report.feed_ids[position], report.round_ids[position], report.observed_at)
            for position in report.due
            if (tally := self.tallies.get(report.feed_ids[position])) is not None
            and tally.model_number == submission.model_number
        ]

    def check(self, calldata: bytes) -> None:
        submission = decode_submission(calldata, (SubmitCall.SUBMIT_SHADOW,), 2)
        judged = self.judged(submission)
        if not judged:
            raise ContractRejected("NothingDue: …", "NothingDue")
        if len(judged) != len(submission.scores):
            raise ContractRejected("MalformedSubmission: …", "MalformedSubmission")
        for feed_id, round_id, at in judged:
            state = self.hub.states[feed_id]
            if round_id != state.round_id + 1:
                raise StateMoved("WrongRound: …", feed_id)
            if at <= max([state.last_report_at, *(each[2] for each in self.taken if each[0] == feed_id)]):
                raise ContractRejected("ObservationNotNewer: …", "ObservationNotNewer", feed_id)

    def apply(self, calldata: bytes, *, block_number: int, tx_hash: bytes, now: int) -> list[RoundEvent]:
        self.check(calldata)
        submission = decode_submission(calldata, (SubmitCall.SUBMIT_SHADOW,), 2)
        events: list[RoundEvent] = []
        for each in self.judged(submission):
            feed_id, round_id, at = each
            pending = self.pending.get(feed_id)
            self.tallies[feed_id].compared += pending in {
                (event.feed_id, event.round_id, event.observed_at) for event in self.hub.events
            }
            self.pending[feed_id] = each
            self.taken.append(each)
            about = (feed_id, round_id, NORMAL, at, submission.model_number, (-1, 0), False, SUBMITTER)
            events.append(RoundAccepted(*about, block_number, tx_hash, 0))
        return events


class ShadowSubmitter(FakeSubmitter):
    """A submitter of shadows."""

    @staticmethod
    def calldata(proven: Proven) -> bytes:
        scored = proven.scored
        submission = Submission.of(scored.model_number, scored.signed, scored.scores, proven.proof)
        return encode_submission(submission, SubmitCall.SUBMIT_SHADOW)


class World:
    """Reports with shadows, and a record of what both did."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hub = FakeHub(*(feed_config(f"{name} / USD") for name in NAMES))
        self.ids = dict(zip(NAMES, self.hub.configs, strict=True))
        self.desk = Desk(self.hub)
        self.key = FakeKey()
        self.active, self.proposed = FakeModel(), FakeModel()
        self.submitter = FakeSubmitter(self.hub)
        self.shadower = ShadowSubmitter(self.desk)  # type: ignore[arg-type]
        self.journal = Journal(path / "journal.db")
        self.can_pay = True
        self.wait_s = 3_600.0
        self.metrics = Metrics()
        self.heard = Heard()
        self.begin()

    def begin(self) -> None:
        self.provers, models = Provers(1), {1: self.active, 2: self.proposed}

        async def can_pay() -> bool:
            return self.can_pay

        self.shadows = Shadows(
            self.desk, self.ids, {2: self.proposed}, self.shadower, self.journal, self.provers,
            can_pay=can_pay, slack=lambda observed: 1e9, wait_s=self.wait_s, listener=ShadowRecorder(self.metrics),
        )  # fmt: skip
        self.line = Reporting(
            self.hub, LocalSigners([self.key]), models, self.submitter, self.journal, self.heard, self.shadows
        )

    async def report(self, at: int, *names: str) -> None:
        """Report feeds, eth if none is named, with the prover that a report takes."""
        for name in NAMES:
            await self.shadows.look(name)
        due = [Observed(name, self.ids[name], NORMAL + at, at) for name in names or ("eth",)]
        decided = Decided(1, tuple(sorted(due, key=lambda each: each.feed_id)))
        self.line.decide([decided])
        await self.go_on(decided)

    async def go_on(self, stage: Any) -> None:
        await self.provers.until_free()
        assert await self.line.report(stage, self.provers.take()) == ()

    async def settled(self) -> None:
        """Wait until no shadow is in progress."""
        async with asyncio.timeout(60):
            while self.shadows._under_way:
                await asyncio.gather(*(each.task for each in self.shadows._under_way if each.task))
                await asyncio.sleep(0)

    async def restart(self) -> asyncio.Task[None]:
        """Restart after a crash: only the journal's file is left."""
        await self.shadows.close()
        self.journal.close()
        self.journal = Journal(self.path / "journal.db")
        self.shadower.before = self.submitter.before = lambda step: None
        self.begin()
        running = asyncio.create_task(self.shadows.run(60))
        await asyncio.sleep(0)
        return running

    def moments(self) -> list[int]:
        """Return the times of the shadows that the hub has taken."""
        return [at for _, _, at in self.desk.taken]

    def ends(self, feed: str = "eth#2") -> list[tuple[Outcome | None, str]]:
        return [(entry.outcome, entry.reason) for entry in reversed(self.journal.rows(feed))]

    @property
    def is_accepted(self) -> bool:
        """Return whether all reports were accepted."""
        return {entry.outcome for entry in self.journal.rows()} == {Outcome.ACCEPTED}
