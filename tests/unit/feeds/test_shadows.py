"""Tests of shadow reports: they continue, are made once and end in time, and no report ever depends on one."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from oracle.core.errors import (
    ChainUnavailable,
    FeesTooHigh,
    JournalError,
    JournalUnavailable,
    MemoryExceeded,
    PayerEmpty,
    ProofInvalid,
    ProverCrashed,
    StateMoved,
    TransactionRejected,
)
from oracle.core.metrics import Counter, Distribution, Gauge
from oracle.core.stages import Decided, Observed, Scored, Stage, Submitted, name_of
from oracle.core.types import Outcome
from oracle.feeds import shadows as module
from oracle.feeds.journal import StageName
from oracle.feeds.shadows import LATE
from tests.unit.feeds.market import NORMAL, FakeModel
from tests.unit.feeds.shadow_world import Tally, World


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.journal.close()


async def test_each_report_has_its_shadow_before_it_until_enough_were_compared(world: World) -> None:
    for at in range(1_000, 6_000, 1_000):
        await world.report(at)
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
    assert world.journal.counts() == {"open": 0, "accepted": 1, "held": 0, "offered": 0, "superseded": 0, "failed": 0}
    assert [entry.key for entry in world.journal.rows()] == ["eth@1000"]
    assert [entry.key for entry in world.journal.confirmed()] == ["eth@1000"]
    [shadow] = world.journal.rows("eth#2")
    assert (shadow.key, shadow.stage) == ("eth#2@1000", StageName.CONFIRMED)
    assert world.journal.check().problems == () and world.journal.check().outcomes == 2
    assert [key for key, *_ in world.heard.ends] == ["eth@1000"], "the reports' metrics hear nothing of it"


@pytest.mark.parametrize(
    "tally", [None, Tally(2, 0, 0), Tally(2, 2, 2), Tally(3, 0, 2)], ids=["none", "not asked", "enough", "not here"]
)
async def test_none_is_made_that_nobody_asks_for_or_that_can_not_be_proven_here(
    world: World, tally: Tally | None
) -> None:
    world.desk.tally = tally
    with capture_logs() as logs:
        for at in (1_000, 2_000):
            await world.report(at)
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
    await world.line.report_now(Decided(1, (Observed("eth", world.ids["eth"], NORMAL, 3_000),)))
    await world.settled()
    assert world.ends()[-1] == (Outcome.FAILED, "NothingDue: …")
    assert len(world.shadower.broadcasts) == 1


async def test_a_hub_that_does_not_answer_changes_nothing(world: World) -> None:
    await world.shadows.look("eth")
    world.desk.is_down = True
    await world.report(1_000)
    assert world.moments() == [1_000]


async def test_a_report_of_another_feed_has_none(world: World) -> None:
    await world.report(1_000, "btc")
    assert world.is_accepted
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
    async def fails(scored: Scored) -> None:
        raise error

    world.proposed.before = fails
    await world.report(1_000)
    assert world.is_accepted
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
    await world.report(1_000)
    assert world.is_accepted
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
    await world.report(1_000)
    assert world.is_accepted
    await world.settled()
    # It was sent after its report, so the hub refuses it.
    [(outcome, _)] = world.ends()
    assert outcome in (Outcome.FAILED, Outcome.SUPERSEDED)
    assert len(set(world.shadower.broadcasts)) == 1 and world.proposed.proofs == 1


async def test_a_report_waits_for_so_long_and_no_longer(world: World) -> None:
    world.wait_s = 0.05
    world.begin()
    hangs = asyncio.Event()

    async def hang(scored: Scored) -> None:
        await hangs.wait()

    world.proposed.before = hang
    await world.report(1_000)
    assert world.is_accepted
    count, waited = world.metrics.measured(Distribution.SHADOW_WAIT_SECONDS)
    assert count == 1 and 0.04 < waited < 60
    # Its proof may end: to stop the prover would leave a cold one for the next shadow.
    hangs.set()
    await world.settled()
    assert world.ends() == [(Outcome.SUPERSEDED, LATE)]
    assert world.shadower.broadcasts == []
    await world.report(2_000)
    assert world.moments() == [2_000] and world.is_accepted


async def test_a_report_that_would_become_too_old_does_not_wait(world: World) -> None:
    world.shadows._slack = lambda observed: -1.0
    hangs = asyncio.Event()

    async def hang(scored: Scored) -> None:
        await hangs.wait()

    world.proposed.before = hang
    async with asyncio.timeout(60):
        await world.report(1_000)
        assert world.is_accepted
    hangs.set()


async def test_under_load_the_shadow_goes_first_overboard(world: World) -> None:
    """There is one prover. The shadow of eth has it when btc is due, and loses it at once."""
    reached, hangs = asyncio.Event(), asyncio.Event()

    async def hang(scored: Scored) -> None:
        reached.set()
        await hangs.wait()

    world.proposed.before = hang
    eth = asyncio.create_task(world.report(1_000))
    async with asyncio.timeout(60):
        await reached.wait()
        await world.report(1_000, "btc")
        await eth
    assert world.is_accepted
    await world.settled()
    assert world.ends() == [(Outcome.SUPERSEDED, "a report needed its prover")]
    assert world.proposed.proofs == 0


async def test_a_shadow_is_not_proven_before_its_report_where_there_is_one_prover(world: World) -> None:
    order: list[str] = []

    async def tell(scored: Scored) -> None:
        order.append("shadow" if scored.model_number == 2 else "report")
        await asyncio.sleep(0)

    world.active.before = world.proposed.before = tell
    await world.report(1_000)
    assert order == ["report", "shadow"]


async def test_a_shadow_that_can_not_be_journalled_is_not_sent(world: World) -> None:
    record = world.journal.record

    def refuse(*stages: Stage, superseded: Mapping[str, str] | None = None) -> None:
        if stages[0].decided.feeds == ("eth#2",) and isinstance(stages[0], Submitted):
            raise JournalUnavailable("the disk is full")
        record(*stages, superseded=superseded or {})

    world.journal.record = refuse  # type: ignore[method-assign]
    await world.report(1_000)
    assert world.is_accepted
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

    async def fails(scored: Scored) -> None:
        raise ProverCrashed("panic")

    world.proposed.before = fails
    world.journal.finish = gone  # type: ignore[method-assign]
    await world.report(1_000)
    assert world.is_accepted
    await world.settled()
    assert [outcome for outcome, _ in world.ends()] == [Outcome.SUPERSEDED]


async def test_one_that_another_daemon_took_over_is_left_to_it(world: World) -> None:
    def lost(*stages: Stage, superseded: Mapping[str, str] | None = None) -> None:
        if stages[0].decided.feeds == ("eth#2",):
            raise JournalError("another daemon took over")
        record(*stages, superseded=superseded or {})

    record = world.journal.record
    world.journal.record = lost  # type: ignore[method-assign]
    with capture_logs() as logs:
        await world.report(1_000)
        assert world.is_accepted
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
        [stage] = world.journal.unfinished()
        await world.go_on(stage)
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
    async with asyncio.timeout(60):
        await dead.wait()
        reporting.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await reporting
    open_ = {stage.feeds[0]: stage for stage in world.journal.unfinished()}
    assert name_of(open_["eth#2"]) == ("proven" if step == "sign" else "submitted")
    running = await world.restart()
    assert await world.line.report(open_["eth"]) == ()
    await world.settled()
    running.cancel()
    assert world.moments() == [1_000] and world.ends() == [(Outcome.ACCEPTED, "")]
    assert (world.active.proofs, world.proposed.proofs) == (1, 1), "a finished proof is never made again"
    assert len(set(world.shadower.broadcasts)) == 1, "the same signed bytes"
    [event] = world.hub.events
    assert event.observed_at == 1_000


async def test_one_of_a_model_that_is_gone_is_left_after_a_restart(world: World) -> None:
    world.journal.record(Decided(1, (Observed("eth#9", world.ids["eth"], NORMAL, 1_000),)))
    with capture_logs() as logs:
        running = await world.restart()
        await world.settled()
        running.cancel()
    assert [entry["observations"] for entry in logs if "without circuits" in entry["event"]] == [["eth#9@1000"]]


# --- several feeds -------------------------------------------------------------------------------------------------


async def test_a_shadow_is_the_same_signed_report_and_judges_the_feeds_with_a_proposal(world: World) -> None:
    await world.report(1_000, "eth", "btc")
    await world.settled()
    assert world.is_accepted and world.moments() == [1_000]
    assert len(world.key.reports) == 1, "no second signature"
    assert world.proposed.batches == [("eth#2",)] and len(world.active.batches[0]) == 2
    [entry] = world.journal.rows("eth#2")
    assert entry.round_id == 1 and world.journal.rows("btc#2") == []


async def test_feeds_with_one_proposal_share_a_shadow_although_one_needs_no_more(world: World) -> None:
    """The hub judges all for which the model is proposed, so the shadow has to have scores of all."""
    world.desk.tallies[world.ids["btc"]] = Tally(2, 5, 5)
    await world.report(1_000, "eth", "btc")
    await world.settled()
    assert world.moments() == [1_000, 1_000] and len(world.shadower.mined) == 1
    assert sorted(world.proposed.batches[0]) == ["btc#2", "eth#2"]


async def test_each_proposed_model_has_a_shadow_of_its_own(world: World) -> None:
    third = FakeModel()
    world.shadows._models = {2: world.proposed, 3: third}
    world.desk.tallies[world.ids["btc"]] = Tally(3, 0, 5)
    await world.report(1_000, "eth", "btc")
    await world.settled()
    assert world.proposed.batches == [("eth#2",)] and third.batches == [("btc#3",)]
    assert world.ends("btc#3") == [(Outcome.ACCEPTED, "")] and len(world.key.reports) == 1


async def test_a_report_that_is_signed_again_has_no_second_shadow(world: World) -> None:
    moved = [StateMoved("its nonce is used up")]

    def before(step: str) -> None:
        if step == "sign" and moved:
            raise moved.pop()

    world.submitter.before = before
    await world.shadows.look("eth")
    await world.line.report_now(Decided(1, (Observed("eth", world.ids["eth"], NORMAL, 1_000),)))
    await world.settled()
    assert world.is_accepted and len(world.ends()) == 1 and world.proposed.proofs == 1
