"""Tests of reports side by side: who waits, who is overtaken, what is tried again, what a restart goes on with."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from oracle.core.errors import (
    ArtifactError,
    BudgetSpent,
    ChainUnavailable,
    JournalError,
    JournalUnavailable,
    PayerEmpty,
    ProverCrashed,
    Retryable,
    SignerUnavailable,
    TransactionPending,
)
from oracle.core.obstacles import Obstacle, ObstacleKind
from oracle.core.report import Report, SignedReport
from oracle.core.stages import Confirmed, Decided, Proven, Scored, Stage, Submitted
from oracle.feeds import desk as module
from oracle.feeds.interface import Permission, ReportStep, SigningCommittee
from oracle.feeds.provers import Provers
from oracle.feeds.reporting import OVERTAKEN
from oracle.feeds.signing import LocalSigners
from tests.unit.feeds.market import NORMAL, Market, Stands, settled, until

SOON = 0.001


@pytest.fixture
def market(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Market]:
    monkeypatch.setattr(module, "BACKOFF_FIRST_S", SOON)
    monkeypatch.setattr(module, "LOOK_AGAIN_S", SOON)
    made = Market(tmp_path)
    yield made
    made.journal.close()


class Gate:
    """Holds proofs back until a test lets them go."""

    def __init__(self, market: Market) -> None:
        self.proving: list[tuple[str, ...]] = []
        self._go = asyncio.Semaphore(0)
        market.model.before = self._wait

    async def _wait(self, scored: Scored) -> None:
        self.proving.append(scored.feeds)
        await self._go.acquire()

    def go(self, times: int = 1) -> None:
        for _ in range(times):
            self._go.release()


def now() -> float:
    return asyncio.get_running_loop().time()


# --- when reports leave --------------------------------------------------------------------------------------------


async def test_feeds_that_are_due_together_are_one_report(market: Market) -> None:
    market.start()
    market.offer()
    await market.until_idle()
    assert market.carried == ["abc"] and market.model.proofs == 1
    assert [told for _, told in market.notes.told] == ["well"] * 3
    await market.stop()


async def test_nobody_waits_for_feeds_that_can_not_become_due_within_the_window(market: Market) -> None:
    market.window_s = 3_600.0
    market.begin()
    market.start()
    market.offer("a", next_look=None)
    market.offer("b", next_look=now() + 10_000)
    await market.until_idle()
    assert len(market.hub.events) == 2
    await market.stop()


async def test_a_report_waits_for_the_next_look_and_is_joined_by_what_is_due_then(market: Market) -> None:
    market.window_s = 3_600.0
    market.model.circuits = {1: 1.0, 32: 2.0}
    market.begin()
    market.start()
    market.offer("a", next_look=now() + 1)
    await settled()
    assert market.model.proofs == 0
    # The next look, at which everything is due: one report, at that look's time.
    market.offer("abc", at=1_001, next_look=None)
    await market.until_idle()
    assert market.carried == ["abc"]
    assert market.ends["a@1000"] == "superseded" and market.reasons == {"a@1000": OVERTAKEN}
    await market.stop()


async def test_a_report_that_would_become_too_old_does_not_wait(market: Market) -> None:
    market.window_s, market.slack = 3_600.0, 1.5
    market.model.circuits = {1: 1.0, 32: 2.0}  # a proof may take longer than it has
    market.begin()
    market.start()
    market.offer("a", next_look=now() + 1)
    await market.until_idle()
    assert market.ends == {"a@1000": "accepted"}
    await market.stop()


async def test_the_window_keeps_its_end_when_the_report_is_renewed(market: Market) -> None:
    market.window_s = 0.05
    market.model.circuits = {1: 1.0, 32: 2.0}
    market.begin()
    market.start()
    began = now()
    at = 1_000
    while not market.hub.events:
        at += 1
        market.offer("a", at=at, next_look=now() + 0.001)
        await asyncio.sleep(0.005)
    assert now() - began > 0.045
    await market.stop()


# --- overtaking ----------------------------------------------------------------------------------------------------


async def test_while_a_report_is_proven_one_newer_waits_and_the_older_of_two_ends(market: Market) -> None:
    gate = Gate(market)
    market.start()
    market.offer("a")
    await until(lambda: len(gate.proving) == 1)
    for at in (1_001, 1_002, 1_003):
        market.offer("a", at=at)
    await settled()
    assert len(gate.proving) == 1, "one after the other"
    under_way, waiting = market.desk.under_way("a"), market.desk.waiting("a")
    assert under_way is not None and waiting is not None
    assert (under_way.observed_at, waiting.observed_at) == (1_000, 1_003)
    gate.go(2)
    await market.until_idle()
    assert market.ends == {
        "a@1000": "accepted", "a@1001": "superseded", "a@1002": "superseded", "a@1003": "accepted"
    }  # fmt: skip
    await market.stop()


async def test_a_feed_with_a_report_under_way_does_not_hold_up_the_others(market: Market) -> None:
    market.provers = Provers(2)
    market.begin()
    gate = Gate(market)
    market.start()
    market.offer("a")
    await until(lambda: gate.proving == [("a",)])
    market.offer("abc", at=1_001)
    await until(lambda: len(gate.proving) == 2)
    assert set(gate.proving[1]) == {"b", "c"}
    gate.go(3)
    await market.until_idle()
    assert market.ends["a@1001"] == "accepted"
    await market.stop()


async def test_overtaking_is_written_with_what_overtakes_or_not_at_all(market: Market) -> None:
    gate = Gate(market)
    market.start()
    market.offer("b")
    await until(lambda: len(gate.proving) == 1)
    market.offer("a")
    write = market.journal._writer.finish

    def fails(*arguments: object) -> None:
        market.journal._writer.finish = write  # type: ignore[method-assign]
        raise JournalUnavailable("locked")

    market.journal._writer.finish = fails  # type: ignore[method-assign, assignment]
    with pytest.raises(JournalUnavailable):
        market.offer("a", at=1_001)
    assert market.ends == {"b@1000": "open", "a@1000": "open"}
    market.offer("a", at=1_002)
    gate.go(2)
    await market.until_idle()
    assert market.ends == {"b@1000": "accepted", "a@1000": "superseded", "a@1002": "accepted"}
    await market.stop()


# --- fairness and provers ------------------------------------------------------------------------------------------


async def test_forty_feeds_take_turns_at_one_prover(tmp_path: Path) -> None:
    names = [f"f{number:02}" for number in range(40)]
    market = Market(tmp_path, *names)
    market.model.circuits = {1: 1.0, 16: 2.0}
    gate = Gate(market)
    market.start()
    for at in range(1_000, 1_008):
        market.offer(names, at=at)
        await until(lambda made=at - 999: len(gate.proving) == made)  # type: ignore[misc]
        gate.go()
        await settled(60)
    gate.go(100)
    await market.until_idle()
    counts = Counter(name for batch in gate.proving for name in batch)
    assert set(counts) == set(names) and max(counts.values()) - min(counts.values()) <= 1
    assert max(map(len, gate.proving)) == 16
    assert market.journal.counts()["open"] == 0
    await market.stop()
    market.journal.close()


async def test_a_prover_is_free_as_soon_as_the_proof_is_made(market: Market) -> None:
    market.submitter.mines = False  # the transaction is under way for long
    waits = asyncio.Event()
    confirm = market.submitter.confirm

    async def confirming(submitted: Submitted) -> object:
        await waits.wait()
        return await confirm(submitted)

    market.submitter.confirm = confirming  # type: ignore[method-assign, assignment]
    market.start()
    market.offer("a")
    await until(lambda: market.model.proofs == 1)
    market.offer("b", at=1_001)
    await until(lambda: market.model.proofs == 2)
    waits.set()
    await market.stop()


async def test_a_prover_that_is_given_back_is_taken_at_once_though_the_report_before_is_not_mined(
    market: Market,
) -> None:
    mined = asyncio.Event()
    confirm = market.submitter.confirm

    async def slowly(submitted: Submitted) -> Confirmed | Submitted:
        if submitted.feeds == ("a",):
            await mined.wait()
        return await confirm(submitted)

    market.submitter.confirm = slowly  # type: ignore[method-assign]
    market.start()
    market.offer("a")
    market.offer("b")
    await until(lambda: market.ends["b@1000"] == "accepted")
    assert market.ends["a@1000"] == "open"
    mined.set()
    await market.until_idle()
    await market.stop()


# --- failures ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["sign", "broadcast", "confirm"])
async def test_a_failure_that_passes_is_tried_again_from_the_furthest_stage(market: Market, step: str) -> None:
    failures = [ChainUnavailable("first"), ChainUnavailable("second")]

    def before(at: str) -> None:
        if at == step and failures:
            raise failures.pop(0)

    market.submitter.before = before
    market.start()
    market.offer()
    await market.until_idle()
    assert market.model.proofs == 1 and set(market.ends.values()) == {"accepted"}
    assert [told for feed, told in market.notes.told if feed == "a"] == ["failed: first", "failed: second", "well"]
    await market.stop()


async def test_what_is_not_proven_after_a_failure_is_overtaken_by_what_is_newer(market: Market) -> None:
    market.model.fails = [ProverCrashed("killed")]
    gate = Gate(market)
    market.start()
    market.offer("a")
    await until(lambda: len(gate.proving) == 1)
    market.offer("a", at=1_001)
    gate.go(2)
    await market.until_idle()
    assert market.ends == {"a@1000": "superseded", "a@1001": "accepted"}
    await market.stop()


async def test_feeds_that_left_in_parts_are_tried_again_in_the_same_parts(market: Market) -> None:
    """The journal has one decision of them. Each part goes on with its own feeds, and ends nothing of the others."""
    market.model.circuits = {1: 1.0}
    market.provers = Provers(3)
    failures = [SignerUnavailable("too few")] * 6

    class Signers(LocalSigners):
        async def collect(
            self, report: Report, answers: Mapping[bytes, int], committee: SigningCommittee
        ) -> SignedReport:
            if failures:
                raise failures.pop()
            return await super().collect(report, answers, committee)

    market.signers = Signers(market.keys)
    market.begin()
    market.start()
    market.offer()
    await market.until_idle()
    assert set(market.ends.values()) == {"accepted"} and market.desk.ended == {}
    assert sorted(market.carried) == ["a", "b", "c"]
    await market.stop()


async def test_a_crash_of_the_prover_parts_a_report_and_all_of_it_arrives(market: Market) -> None:
    market.model.fails = [ProverCrashed("killed")]
    market.start()
    market.offer()
    await market.until_idle()
    assert set(market.ends.values()) == {"accepted"} and sorted(map(len, market.model.batches)) == [1, 2]
    await market.stop()


async def test_a_fatal_error_ends_its_feed_and_no_other(market: Market) -> None:
    async def fail(scored: Scored) -> None:
        if "b" in scored.feeds:
            raise ArtifactError("the key is gone")

    market.model.before = fail
    market.start()
    market.offer()
    await until(lambda: "b" in market.desk.ended)
    await market.until_idle()
    assert market.ends == {"a@1000": "accepted", "b@1000": "open", "c@1000": "accepted"}
    assert list(market.desk.ended) == ["b"]
    assert ("b", "ended: the key is gone") in market.notes.told
    await market.stop()


async def test_a_journal_that_is_gone_for_a_while_loses_nothing(market: Market) -> None:
    unfinished, record = market.journal.unfinished, market.journal.record
    down = [JournalUnavailable("gone")] * 3

    def recording(*stages: Stage, superseded: Mapping[str, str] | None = None) -> None:
        if isinstance(stages[0], Proven) and down:
            raise down.pop()
        record(*stages, superseded=superseded or {})

    def reading() -> list[object]:
        if down:
            raise down.pop()
        return unfinished()  # type: ignore[return-value]

    market.journal.record, market.journal.unfinished = recording, reading  # type: ignore[method-assign, assignment]
    market.start()
    market.offer()
    await market.until_idle()
    assert set(market.ends.values()) == {"accepted"}
    await market.stop()


async def test_a_mistake_of_ours_ends_the_desk_and_is_not_swallowed(market: Market) -> None:
    async def mistake(scored: Scored) -> None:
        raise KeyError("a mistake")

    market.model.before = mistake
    market.start()
    market.offer()
    assert market.running is not None
    with pytest.raises(KeyError):
        await asyncio.wait_for(market.running, 60)
    market.running = None


# --- stopped and started again -------------------------------------------------------------------------------------


async def test_a_stop_lets_what_was_offered_finish_and_leaves_what_waits_behind_it(market: Market) -> None:
    gate = Gate(market)
    market.start()
    market.offer("a")
    await until(lambda: len(gate.proving) == 1)
    market.offer("ab", at=1_001)
    stopping = asyncio.ensure_future(market.desk.stop(5.0))
    await settled()
    gate.go(2)
    assert await stopping == 0
    assert market.ends == {"a@1000": "accepted", "a@1001": "open", "b@1001": "accepted"}


async def test_what_does_not_end_in_time_is_cut_off_and_counted(market: Market) -> None:
    gate = Gate(market)
    market.start()
    market.offer()
    await until(lambda: len(gate.proving) == 1)
    assert await market.desk.stop(0.01) == 1
    [stage] = market.open
    assert isinstance(stage, Scored)


@pytest.mark.parametrize("stage", [Decided, Scored, Proven, Submitted])
async def test_a_restart_goes_on_from_the_furthest_stage(market: Market, stage: type[Stage]) -> None:
    record = market.journal.record

    def die(*stages: Stage, superseded: Mapping[str, str] | None = None) -> None:
        record(*stages, superseded=superseded or {})
        if isinstance(stages[0], stage):
            raise RuntimeError("killed")

    market.journal.record = die  # type: ignore[method-assign]
    with pytest.raises(RuntimeError):
        await market.report()
    proofs = market.model.proofs
    await market.restart()
    market.desk.resume(market.feeds)
    market.start()
    await market.until_idle()
    assert set(market.ends.values()) == {"accepted"} and market.carried == ["abc"]
    assert market.model.proofs - proofs == (stage in (Decided, Scored))
    await market.stop()


async def test_a_restart_with_a_full_queue(market: Market) -> None:
    """Sent reports are followed up, and older ones end without a proof."""
    market.submitter.mines = False
    with pytest.raises(TransactionPending):
        await market.report("a")
    for at in (1_001, 1_002):
        market.reporting.decide([market.decided("ab", at=at)])
    await market.restart()
    market.submitter.mines = True
    market.desk.resume(market.feeds)
    market.start()
    await market.until_idle()
    assert market.ends == {
        "a@1000": "accepted", "a@1001": "superseded", "b@1001": "superseded", "a@1002": "accepted", "b@1002": "accepted"
    }  # fmt: skip
    await market.stop()


async def test_a_report_of_a_feed_that_is_not_configured_any_more_is_left(market: Market) -> None:
    market.reporting.decide([market.decided("a"), market.decided("b", at=1_001)])
    await market.restart()
    market.desk.resume(["a"])
    market.start()
    await market.until_idle()
    assert market.ends == {"a@1000": "accepted", "b@1001": "open"}
    await market.stop()


async def test_another_daemon_that_took_over_ends_the_feeds_here(market: Market) -> None:
    record = market.journal.record

    def lost(*stages: Stage, superseded: Mapping[str, str] | None = None) -> None:
        if isinstance(stages[0], Proven):
            raise JournalError("another daemon took over")
        record(*stages, superseded=superseded or {})

    market.journal.record = lost  # type: ignore[method-assign]
    market.start()
    market.offer()
    await until(lambda: len(market.desk.ended) == 3)
    assert market.submitter.broadcasts == []
    await market.stop()


async def test_a_report_renewed_with_other_answers_is_signed_with_these(market: Market) -> None:
    gate = Gate(market)
    market.start()
    market.offer("c")
    await until(lambda: len(gate.proving) == 1)
    market.offer("a", at=1_001)
    market.offer("ab", at=1_002, a=NORMAL + 9)
    gate.go(5)
    await market.until_idle()
    assert market.hub.states[market.ids["a"]].answer == NORMAL + 9
    await market.stop()


# --- obstacles -----------------------------------------------------------------------------------------------------


EMPTY = Obstacle(ObstacleKind.FUNDS, "", "the payer has 0 ether", "send it ether")


@pytest.fixture
def stands(market: Market) -> Stands:
    made = Stands()
    market.outlook = made.outlook
    market.begin()
    return made


async def test_a_transaction_that_nobody_can_pay_for_waits_in_silence_and_is_sent_once_somebody_can(
    market: Market, stands: Stands
) -> None:
    def refuse(at: str) -> None:
        if at == "broadcast" and stands.there:
            raise PayerEmpty("insufficient funds")

    market.submitter.before = refuse
    stands.there, stands.later = [EMPTY], []
    market.start()
    with capture_logs() as logs:
        market.offer("a")
        await until(lambda: any(isinstance(each, Submitted) for each in market.open))
        stands.later = None
        await until(lambda: market.notes.told.count(("a", f"waits: {EMPTY}")) > 10)
        stands.there = []
        await market.until_idle()
    assert market.ends == {"a@1000": "accepted"} and market.model.proofs == 1 and market.submitter.nonce == 1
    assert [entry for entry in logs if entry["log_level"] == "warning"] == [], "the obstacle is told by who reads it"
    await market.stop()


@pytest.mark.parametrize("is_scored", [False, True])
async def test_nothing_that_the_journal_has_open_is_signed_or_proven_while_something_stands_in_its_way(
    market: Market, stands: Stands, is_scored: bool
) -> None:
    decided = market.decided("a")
    market.reporting.decide([decided])
    if is_scored:
        market.model.fails = [ProverCrashed("killed")]
        with pytest.raises(ProverCrashed):
            await market.reporting.report(decided)
    signed = len(market.keys[0].reports)
    stands.there = [EMPTY]
    market.desk.resume(market.feeds)
    market.start()
    await until(lambda: len(market.notes.told) > 10)
    assert market.model.proofs == 0 and len(market.keys[0].reports) == signed
    assert market.provers.free == 1, "others can have the prover"
    stands.there = []
    await market.until_idle()
    assert market.ends == {"a@1000": "accepted"}
    await market.stop()


async def test_a_stop_does_not_wait_for_an_obstacle(market: Market, stands: Stands) -> None:
    stands.there = [EMPTY]
    market.start()
    market.offer("a")
    await until(lambda: bool(market.notes.told))
    async with asyncio.timeout(60):
        await market.desk.stop(3_600.0)
    assert market.ends == {"a@1000": "open"}
    await market.stop()


async def test_what_waits_for_an_obstacle_ends_when_it_may_not_be_gone_on_with(market: Market, stands: Stands) -> None:
    class Short(Permission):
        def left(self, decided: Decided) -> float:
            return 0.01 - now() + began

        def refusal(self, decided: Decided, step: ReportStep) -> str | None:
            return "the turn is over" if self.left(decided) <= 0 else None

    began = now()
    market.permission = Short()
    market.begin()
    stands.there = [EMPTY]
    market.start()
    market.offer("a")
    await market.until_idle()
    assert market.ends == {"a@1000": "superseded"} and market.model.proofs == 0 and market.keys[0].reports == []
    await market.stop()


async def test_a_model_without_an_artifact_ends_no_feed(market: Market, stands: Stands) -> None:
    model = market.models.pop(1)
    stands.there = [Obstacle(ObstacleKind.MODEL, "a", "its active model is 1, of which nothing is here", "bring it")]
    stands.later = []
    market.start()
    market.offer("a")
    await until(lambda: any("active model is number 1" in told for _, told in market.notes.told))
    stands.later = None
    await until(lambda: market.notes.told[-1][1].startswith("waits: its active model is 1"))
    market.models[1] = model
    stands.there = []
    await market.until_idle()
    assert market.ends == {"a@1000": "accepted"} and market.desk.ended == {}
    await market.stop()


async def test_an_obstacle_of_one_feed_of_a_report_costs_the_others_nothing(market: Market, stands: Stands) -> None:
    stands.there = [Obstacle(ObstacleKind.PAUSED, "b", "the feed is paused", "unpause it")]
    market.offer()
    market.start()
    await until(lambda: market.carried == ["ac"])
    assert market.ends == {"a@1000": "accepted", "b@1000": "open", "c@1000": "accepted"}
    assert all("b" not in batch for batch in market.model.batches)
    assert ("b", "well") not in market.notes.told
    stands.there = []
    await market.until_idle()
    assert market.ends["b@1000"] == "accepted"
    await market.stop()


@pytest.mark.parametrize("error", [TransactionPending("not mined yet"), BudgetSpent("a replacement costs too much")])
async def test_a_transaction_that_is_under_way_is_followed_whatever_stands_in_the_way_of_the_next(
    market: Market, stands: Stands, error: Retryable
) -> None:
    late = [error]

    def before(at: str) -> None:
        if at == "confirm" and late:
            stands.there = [EMPTY, Obstacle(ObstacleKind.PAUSED, "a", "the feed is paused", "unpause it")]
            raise late.pop()

    market.submitter.before = before
    market.start()
    market.offer("a")
    await market.until_idle()
    assert market.ends == {"a@1000": "accepted"} and stands.there, "the feed is still paused"
    await market.stop()
