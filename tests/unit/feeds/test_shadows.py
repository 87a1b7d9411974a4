"""Tests of shadow reports: they continue, are made once and end in time, and no report ever depends on one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from oracle.app.recorders import ShadowRecorder
from oracle.chain.hub import RoundAccepted, RoundEvent, decode_submission
from oracle.core.errors import (
    ChainUnavailable,
    ContractRejected,
    FeesTooHigh,
    JournalError,
    JournalUnavailable,
    MemoryExceeded,
    PayerEmpty,
    ProofInvalid,
    ProverCrashed,
    TransactionRejected,
)
from oracle.core.metrics import Counter, Distribution, Gauge, Metrics
from oracle.core.types import Observed, Outcome, Proven, Scored, Stage
from oracle.feeds import shadows as module
from oracle.feeds.batching import BatchPolicy, SpareProvers
from oracle.feeds.journal import Journal, StageName
from oracle.feeds.pipeline import Pipeline
from oracle.feeds.shadows import LATE, Shadows
from tests.fakes import FakeHub, FakeSubmitter, feed_config, reporter

NORMAL = 100_000_000
NAMES = ("eth", "btc")


class FakeModel:
    """A model that proves at once, unless something is to happen before."""

    features = 16
    spread = False

    def __init__(self) -> None:
        self.proofs = 0
        self.before: Callable[[], Awaitable[None]] | None = None

    def scores(self, features: Sequence[int]) -> tuple[int, ...]:
        return (-1, 0)

    def seconds(self) -> Mapping[int, float]:
        return {1: 1.0}

    async def prove(self, batch: Sequence[Scored]) -> list[Proven]:
        if self.before is not None:
            await self.before()
        self.proofs += 1
        return [Proven(each, b"\1" + self.proofs.to_bytes(4), "artifact", 0.1) for each in batch]


@dataclass
class Tally:
    model_number: int
    compared: int
    min_compared: int


class Desk:
    """The hub's `submitShadow` behind the interface of `submit`, and its tally, which is compared lazily."""

    def __init__(self, hub: FakeHub) -> None:
        self.hub = hub
        self.tally: Tally | None = Tally(2, 0, 2)
        self.taken: list[tuple[bytes, int, int]] = []
        self.pending: tuple[bytes, int, int] | None = None
        self.is_down = False

    async def shadow(self, feed_id: bytes) -> Tally | None:
        if self.is_down:
            raise ChainUnavailable("down")
        return self.tally if feed_id == next(iter(self.hub.configs)) else None

    async def feed_state(self, feed_id: bytes) -> Any:
        return await self.hub.feed_state(feed_id)

    async def round(self, feed_id: bytes, round_id: int) -> Any:
        return await self.hub.round(feed_id, round_id)

    def check(self, calldata: bytes) -> None:
        submission = decode_submission(calldata)
        for update in submission.updates:
            state, at = self.hub.states[update.feed_id], update.observations[0].observed_at
            if self.tally is None or submission.model_number != self.tally.model_number:
                raise ContractRejected("ModelNotProposed: …", "ModelNotProposed")
            if update.round_id != state.round_id + 1:
                raise ContractRejected("WrongRound: …", "WrongRound", update.feed_id)
            if at <= max([state.last_report_at, *(each[2] for each in self.taken if each[0] == update.feed_id)]):
                raise ContractRejected("ObservationNotNewer: …", "ObservationNotNewer", update.feed_id)

    def apply(self, calldata: bytes, *, block_number: int, tx_hash: bytes, now: int) -> list[RoundEvent]:
        self.check(calldata)
        submission = decode_submission(calldata)
        events: list[RoundEvent] = []
        for update in submission.updates:
            if self.pending is not None and self.tally is not None:
                self.tally.compared += self.pending in {
                    (event.feed_id, event.round_id, event.observed_at) for event in self.hub.events
                }
            [signed] = update.observations
            self.pending = (update.feed_id, update.round_id, signed.observed_at)
            self.taken.append(self.pending)
            about = (update.feed_id, update.round_id, signed.answer, signed.observed_at, submission.model_number)
            events.append(RoundAccepted(*about, update.scores, False, block_number, tx_hash, 0))
        return events


class World:
    """A pipeline with shadows, and a record of what both did."""

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hub = FakeHub(*(feed_config(f"{name} / USD") for name in NAMES))
        self.ids = dict(zip(NAMES, self.hub.configs, strict=True))
        self.desk = Desk(self.hub)
        self.active, self.proposed = FakeModel(), FakeModel()
        self.submitter = FakeSubmitter(self.hub)
        self.shadower = FakeSubmitter(self.desk)  # type: ignore[arg-type]
        self.journal = Journal(path / "journal.db")
        self.can_pay = True
        self.wait_s = 5.0
        self.provers = 1
        self.metrics = Metrics()
        self.seen: list[Stage] = []
        self.begin()

    def begin(self) -> None:
        spare, models = SpareProvers(), {1: self.active, 2: self.proposed}
        feeds = len(self.ids)

        async def can_pay() -> bool:
            return self.can_pay

        self.shadows = Shadows(
            self.desk, self.ids, [reporter()], {2: self.proposed}, self.shadower, self.journal, spare,
            can_pay=can_pay, slack=lambda observed: 1e9, wait_s=self.wait_s, listener=ShadowRecorder(self.metrics),
        )  # fmt: skip
        self.line = Pipeline(
            self.hub, [reporter()], models, self.submitter, self.journal,
            watch=lambda stage, outcome, reason: self.seen.append(stage), shadows=self.shadows, spare=spare,
            batching=BatchPolicy(provers=self.provers, feeds=feeds),
        )  # fmt: skip

    async def report(self, at: int, name: str = "eth") -> Outcome:
        await self.shadows.look("eth")
        return await self.line.report(Observed(name, self.ids[name], NORMAL + at, at))

    async def settled(self) -> None:
        """Wait until no shadow is in progress."""
        async with asyncio.timeout(10):
            while self.shadows._under_way:
                await asyncio.gather(*(each.task for each in self.shadows._under_way.values() if each.task))
                await asyncio.sleep(0)

    async def restart(self) -> asyncio.Task[None]:
        """Restart after a crash: only the journal's file is left."""
        await self.shadows.close()
        await self.line.close()
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


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.journal.close()


async def test_each_report_has_its_shadow_before_it_until_enough_were_compared(world: World) -> None:
    for at in range(1_000, 6_000, 1_000):
        assert await world.report(at) is Outcome.ACCEPTED
        await world.settled()
    # The hub compares a shadow when the next one comes.
    assert world.moments() == [1_000, 2_000, 3_000]
    assert world.desk.tally == Tally(2, 2, 2)
    assert (world.active.proofs, world.proposed.proofs) == (5, 3)
    assert world.ends() == [(Outcome.ACCEPTED, "")] * 3
    assert world.metrics.counted(Counter.SHADOWS, "eth") == 3
    assert world.metrics.measured(Distribution.SHADOW_GAS, "eth") == (3, 1_500_000)
    assert world.metrics.measured(Distribution.SHADOW_WAIT_SECONDS)[0] == 3
    assert [world.metrics.shown(each, "eth") for each in (Gauge.SHADOWS_COMPARED, Gauge.SHADOWS_DEMANDED)] == [2, 2]


async def test_shadows_are_in_the_journal_and_in_no_report_of_it(world: World) -> None:
    await world.report(1_000)
    await world.settled()
    assert world.journal.counts() == {"open": 0, "accepted": 1, "held": 0, "superseded": 0, "failed": 0}
    assert [entry.key for entry in world.journal.rows()] == ["eth@1000"]
    assert [entry.key for entry in world.journal.confirmed()] == ["eth@1000"]
    [shadow] = world.journal.rows("eth#2")
    assert (shadow.key, shadow.stage) == ("eth#2@1000", StageName.CONFIRMED)
    assert world.journal.check().problems == () and world.journal.check().outcomes == 2
    assert all(stage.observed.feed == "eth" for stage in world.seen), "the reports' metrics hear nothing of it"


@pytest.mark.parametrize(
    "tally", [None, Tally(2, 0, 0), Tally(2, 2, 2), Tally(3, 0, 2)], ids=["none", "not asked", "enough", "not here"]
)
async def test_none_is_made_that_nobody_asks_for_or_that_can_not_be_proven_here(
    world: World, tally: Tally | None
) -> None:
    world.desk.tally = tally
    with capture_logs() as logs:
        for at in (1_000, 2_000):
            assert await world.report(at) is Outcome.ACCEPTED
    assert world.moments() == [] and world.ends() == []
    told = [entry["reason"] for entry in logs if entry["event"] == "no shadow reports"]
    assert len(told) == (tally is not None and tally.model_number == 3)
    assert all("model 3 is proposed, and this daemon has no circuits of it: restart it" in each for each in told)


async def test_none_is_made_without_money_and_it_is_said_once(world: World) -> None:
    world.can_pay = False
    with capture_logs() as logs:
        for at in (1_000, 2_000):
            await world.report(at)
    assert world.moments() == []
    assert [entry["reason"] for entry in logs if entry["event"] == "no shadow reports"] == [
        "[keys] shadow has too little to pay for one: send it some ether"
    ]
    world.can_pay = True
    await world.report(3_000)
    assert world.moments() == [3_000]


async def test_a_proposal_that_is_withdrawn_or_activated_ends_it(world: World) -> None:
    await world.report(1_000)
    await world.settled()
    world.desk.tally = None
    await world.report(2_000)
    assert world.moments() == [1_000]
    # It becomes known too late: the hub refuses it, and nothing is sent.
    world.desk.tally = Tally(2, 0, 5)
    await world.shadows.look("eth")
    world.desk.tally = Tally(3, 0, 5)
    assert await world.line.report(Observed("eth", world.ids["eth"], NORMAL, 3_000)) is Outcome.ACCEPTED
    await world.settled()
    assert world.ends()[-1] == (Outcome.FAILED, "ModelNotProposed: …")
    assert len(world.shadower.broadcasts) == 1


async def test_a_hub_that_does_not_answer_changes_nothing(world: World) -> None:
    await world.shadows.look("eth")
    world.desk.is_down = True
    await world.report(1_000)
    assert world.moments() == [1_000]


async def test_a_report_of_another_feed_has_none(world: World) -> None:
    assert await world.report(1_000, "btc") is Outcome.ACCEPTED
    assert world.moments() == []


# --- no report depends on a shadow ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "outcome"),
    [
        (ProverCrashed("panic"), Outcome.SUPERSEDED),
        (ProofInvalid("the witness disagrees"), Outcome.FAILED),
        (MemoryExceeded("too large"), Outcome.FAILED),
    ],
)
async def test_a_shadow_that_can_not_be_proven_is_given_up(world: World, error: Exception, outcome: Outcome) -> None:
    async def fails() -> None:
        raise error

    world.proposed.before = fails
    assert await world.report(1_000) is Outcome.ACCEPTED
    await world.settled()
    assert world.ends() == [(outcome, str(error))]
    assert world.metrics.counted(Counter.SHADOWS_DROPPED, "eth") == 1
    world.proposed.before = None
    await world.report(2_000)
    assert world.moments() == [2_000], "the next one is tried"


@pytest.mark.parametrize("error", [ChainUnavailable("down"), FeesTooHigh("dear"), TransactionRejected("no")])
async def test_a_shadow_that_can_not_be_signed_is_given_up(world: World, error: Exception) -> None:
    def before(step: str) -> None:
        if step == "sign":
            raise error

    world.shadower.before = before
    assert await world.report(1_000) is Outcome.ACCEPTED
    await world.settled()
    assert [reason for _, reason in world.ends()] == [str(error)]
    assert world.shadower.broadcasts == []


@pytest.mark.parametrize("error", [ChainUnavailable("down"), PayerEmpty("too little")])
async def test_a_shadow_that_was_signed_is_followed_to_its_end(
    world: World, error: Exception, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "AGAIN_FIRST_S", 0.01)
    failures = [error] * 3

    def before(step: str) -> None:
        if step == "broadcast" and failures:
            raise failures.pop()

    world.shadower.before = before
    assert await world.report(1_000) is Outcome.ACCEPTED, "and the report did not wait for it"
    await world.settled()
    # It was sent after its report, so the hub refuses it.
    [(outcome, _)] = world.ends()
    assert outcome in (Outcome.FAILED, Outcome.SUPERSEDED)
    assert len(set(world.shadower.broadcasts)) == 1 and world.proposed.proofs == 1


async def test_a_report_waits_for_so_long_and_no_longer(world: World) -> None:
    world.wait_s = 0.05
    world.begin()
    hangs = asyncio.Event()

    async def hang() -> None:
        await hangs.wait()

    world.proposed.before = hang
    assert await world.report(1_000) is Outcome.ACCEPTED
    count, waited = world.metrics.measured(Distribution.SHADOW_WAIT_SECONDS)
    assert count == 1 and 0.04 < waited < 1
    # Its proof may end: to stop the prover would leave a cold one for the next shadow.
    hangs.set()
    await world.settled()
    assert world.ends() == [(Outcome.SUPERSEDED, LATE)]
    assert world.shadower.broadcasts == []
    assert (await world.report(2_000), world.moments()) == (Outcome.ACCEPTED, [2_000])


async def test_a_report_that_would_become_too_old_does_not_wait(world: World) -> None:
    world.shadows._slack = lambda observed: -1.0
    hangs = asyncio.Event()

    async def hang() -> None:
        await hangs.wait()

    world.proposed.before = hang
    async with asyncio.timeout(2):
        assert await world.report(1_000) is Outcome.ACCEPTED
    hangs.set()


async def test_under_load_the_shadow_goes_first_overboard(world: World) -> None:
    """There is one prover. The shadow of eth has it when btc is due, and loses it at once."""
    reached, hangs = asyncio.Event(), asyncio.Event()

    async def hang() -> None:
        reached.set()
        await hangs.wait()

    world.proposed.before = hang
    eth = asyncio.create_task(world.report(1_000))
    async with asyncio.timeout(5):
        await reached.wait()
        assert await world.report(1_000, "btc") is Outcome.ACCEPTED
        assert await eth is Outcome.ACCEPTED
    await world.settled()
    assert world.ends() == [(Outcome.SUPERSEDED, "a report needed its prover")]
    assert world.proposed.proofs == 0


async def test_a_shadow_is_not_proven_before_its_report_where_there_is_one_prover(world: World) -> None:
    order: list[str] = []

    async def tell(name: str) -> None:
        order.append(name)
        await asyncio.sleep(0)

    world.active.before = lambda: tell("report")
    world.proposed.before = lambda: tell("shadow")
    await world.report(1_000)
    assert order == ["report", "shadow"]


async def test_a_shadow_that_can_not_be_journalled_is_not_sent(world: World) -> None:
    record = world.journal.record

    def refuse(*stages: Stage) -> None:
        if stages[0].observed.feed == "eth#2" and type(stages[0]).__name__ == "Submitted":
            raise JournalUnavailable("the disk is full")
        record(*stages)

    world.journal.record = refuse  # type: ignore[method-assign]
    assert await world.report(1_000) is Outcome.ACCEPTED
    await world.settled()
    assert world.shadower.broadcasts == []
    assert world.ends() == [(Outcome.SUPERSEDED, "the disk is full")]


async def test_a_journal_that_is_gone_for_a_while_is_waited_for(world: World, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "AGAIN_FIRST_S", 0.01)
    finish, failures = world.journal.finish, [JournalUnavailable("gone")] * 2

    def gone(*arguments: Any, **more: Any) -> None:
        if failures:
            raise failures.pop()
        finish(*arguments, **more)

    async def fails() -> None:
        raise ProverCrashed("panic")

    world.proposed.before = fails
    world.journal.finish = gone  # type: ignore[method-assign]
    assert await world.report(1_000) is Outcome.ACCEPTED
    await world.settled()
    assert [outcome for outcome, _ in world.ends()] == [Outcome.SUPERSEDED]


async def test_one_that_another_daemon_took_over_is_left_to_it(world: World) -> None:
    def lost(*stages: Stage) -> None:
        if stages[0].observed.feed == "eth#2":
            raise JournalError("another daemon took over")
        record(*stages)

    record = world.journal.record
    world.journal.record = lost  # type: ignore[method-assign]
    with capture_logs() as logs:
        assert await world.report(1_000) is Outcome.ACCEPTED
        await world.settled()
    assert "another daemon took over" in [entry["reason"] for entry in logs if entry["event"] == "a shadow is left"]


async def test_a_report_that_is_tried_again_has_one_shadow(world: World) -> None:
    failures = [ChainUnavailable("down")]

    def before(step: str) -> None:
        if step == "sign" and failures:
            raise failures.pop()

    world.submitter.before = before
    with capture_logs() as logs:
        with pytest.raises(ChainUnavailable):
            await world.report(1_000)
        await world.settled()
        [stage] = world.line.unfinished("eth")
        assert await world.line.resume(stage) is Outcome.ACCEPTED
        await world.settled()
    assert world.moments() == [1_000] and world.proposed.proofs == 1
    assert [entry for entry in logs if entry["event"] == "a shadow is left"] == []


# --- killed --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["sign", "broadcast", "confirm"])
async def test_killed_at_any_step_it_is_neither_lost_nor_made_twice(world: World, step: str) -> None:
    """The report is killed right after it: it had waited for the shadow, or was about to be sent."""
    dead = asyncio.Event()

    def before(at: str) -> None:
        if at == step:
            dead.set()
            raise asyncio.CancelledError

    def die(at: str) -> None:
        raise asyncio.CancelledError

    world.shadower.before, world.submitter.before = before, die
    reporting = asyncio.create_task(world.report(1_000))
    async with asyncio.timeout(5):
        await dead.wait()
        reporting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reporting
    open_ = {stage.observed.feed: stage for stage in world.journal.unfinished()}
    assert type(open_["eth#2"]).__name__ == ("Proven" if step == "sign" else "Submitted")
    running = await world.restart()
    assert await world.line.resume(open_["eth"]) is Outcome.ACCEPTED
    await world.settled()
    running.cancel()
    assert world.moments() == [1_000] and world.ends() == [(Outcome.ACCEPTED, "")]
    assert (world.active.proofs, world.proposed.proofs) == (1, 1), "a finished proof is never made again"
    assert len(set(world.shadower.broadcasts)) == 1, "the same signed bytes"
    [event] = world.hub.events
    assert event.observed_at == 1_000


async def test_one_of_a_model_that_is_gone_is_left_after_a_restart(world: World) -> None:
    world.journal.record(Observed("eth#9", world.ids["eth"], NORMAL, 1_000))
    with capture_logs() as logs:
        running = await world.restart()
        await world.settled()
        running.cancel()
    assert [entry["observation"] for entry in logs if "without circuits" in entry["event"]] == ["eth#9@1000"]
