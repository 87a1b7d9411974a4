"""Tests of a report that fails in part, that the chain has already, or whose transaction is replaced."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from oracle.chain.tx.submit import STATE_ERRORS
from oracle.core.errors import (
    ChainUnavailable,
    ContractRejected,
    MemoryExceeded,
    ModelMissing,
    OracleError,
    ProofInvalid,
    ProverCrashed,
    StateMoved,
    TransactionPending,
)
from oracle.core.stages import Decided, Proven, Scored, Submitted
from tests.unit.feeds.market import ANOMALOUS, NORMAL, FakeModel, Market


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    made = Market(tmp_path)
    yield made
    made.journal.close()


# --- a feed at fault -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", ["prove", "sign", "broadcast"])
async def test_one_whose_state_moved_goes_by_itself_and_the_others_are_signed_without_it(
    market: Market, step: str
) -> None:
    """The simulation finds it or, if the state moves after the simulation, the mined revert does."""
    moves = [1]

    async def move(at: str) -> None:
        if at == step and moves:
            moves.pop()
            await market.rival("b")

    async def proving(scored: Scored) -> None:
        await move("prove")

    sign, broadcast = market.submitter.sign, market.submitter.broadcast

    async def signing(proven: Proven) -> Submitted:
        await move("sign")
        return await sign(proven)

    async def sending(submitted: Submitted) -> None:
        await move("broadcast")
        await broadcast(submitted)

    market.model.before = proving
    market.submitter.sign, market.submitter.broadcast = signing, sending  # type: ignore[method-assign]
    await market.report()
    assert set(market.ends.values()) == {"accepted"}
    assert sorted(market.carried) == ["ac", "b"]
    assert [entry.attempts for entry in market.journal.rows()] == [2, 2, 2]
    assert market.round_of("b") == 2


async def test_one_that_always_moves_fails_by_itself(market: Market) -> None:
    sign = market.submitter.sign

    async def signing(proven: Proven) -> Submitted:
        if "b" in proven.feeds:
            raise StateMoved("WrongRound", market.ids["b"])
        return await sign(proven)

    market.submitter.sign = signing  # type: ignore[method-assign]
    await market.report()
    assert market.ends == {"a@1000": "accepted", "b@1000": "failed", "c@1000": "accepted"}
    assert market.carried == ["ac"] and market.reasons["b@1000"] == "the feed moved under each of 3 proofs"
    assert market.model.batches.count(("b",)) == 2


async def test_one_that_is_paused_fails_without_a_proof_and_the_others_do_not(market: Market) -> None:
    market.hub.pause(market.ids["c"])
    await market.report()
    assert market.ends == {"a@1000": "accepted", "b@1000": "accepted", "c@1000": "failed"}
    assert market.reasons == {"c@1000": "the feed is paused"} and market.model.proofs == 1


async def test_one_that_is_paused_under_the_proof_is_named_by_the_hub(market: Market) -> None:
    async def pause(scored: Scored) -> None:
        market.hub.pause(market.ids["c"])

    market.model.before = pause
    await market.report()
    assert market.ends == {"a@1000": "accepted", "b@1000": "accepted", "c@1000": "failed"}
    assert market.carried == ["ab"]


async def test_one_whose_model_changed_is_judged_by_the_new_one(market: Market) -> None:
    other = FakeModel()
    market.models[2] = other
    market.hub.models[2] = market.hub.models[1]

    async def activate(scored: Scored) -> None:
        market.model.before = None
        feed_id = market.ids["b"]
        market.hub.states[feed_id] = replace(market.hub.states[feed_id], model_number=2)

    market.model.before = activate
    await market.report()
    assert set(market.ends.values()) == {"accepted"} and sorted(market.carried) == ["ac", "b"]
    assert other.batches == [("b",)]


@pytest.mark.parametrize(
    "error", [ProverCrashed("panic"), ProofInvalid("the witness disagrees"), MemoryExceeded("too large")]
)
async def test_a_proof_of_several_that_fails_is_halved_until_the_one_at_fault_is_alone(
    tmp_path: Path, error: OracleError
) -> None:
    market = Market(tmp_path, *"abcdefgh")

    async def fail(scored: Scored) -> None:
        if "d" in scored.feeds:
            raise error

    market.model.before = fail
    with pytest.raises(type(error)):
        await market.report()
    [left] = [stage for stage in market.open if "d" in stage.feeds]
    assert left.feeds == ("d",)
    for stage in market.open:
        if stage is not left and "d" not in stage.feeds:
            again = list(await market.reporting.report(stage))
            assert again == []
    accepted = {key for key, end in market.ends.items() if end == "accepted"}
    assert accepted == {f"{name}@1000" for name in "abcefgh"}
    market.journal.close()


async def test_what_nobody_is_named_for_parts_and_what_the_contract_refuses_alone_fails(market: Market) -> None:
    sign = market.submitter.sign

    async def signing(proven: Proven) -> Submitted:
        if "b" in proven.feeds:
            raise ContractRejected("ProofRejected: …", "ProofRejected")
        return await sign(proven)

    market.submitter.sign = signing  # type: ignore[method-assign]
    await market.report()
    assert market.ends == {"a@1000": "accepted", "b@1000": "failed", "c@1000": "accepted"}


async def test_a_transaction_whose_nonce_is_gone_is_made_again_for_all(market: Market) -> None:
    gone = [StateMoved("its nonce is used up")]

    def before(at: str) -> None:
        if at == "broadcast" and gone:
            raise gone.pop()

    market.submitter.before = before
    await market.report()
    assert market.carried == ["abc"] and set(market.ends.values()) == {"accepted"}


async def test_what_was_mined_without_a_receipt_ends_at_once(market: Market) -> None:
    """Signed again, it would wait, and a newer observation could end it as superseded though the chain has it."""

    async def confirm(submitted: Submitted) -> Submitted:
        await confirming(submitted)  # it is mined
        raise StateMoved("its nonce went to another one")

    confirming, market.submitter.confirm = market.submitter.confirm, confirm  # type: ignore[method-assign]
    decided = market.decided()
    market.reporting.decide([decided])
    assert await market.reporting.report(decided) == ()
    assert market.carried == ["abc"] and set(market.ends.values()) == {"accepted"}


@pytest.mark.parametrize("stage", ["decided", "scored"])
async def test_what_is_too_old_by_now_is_neither_signed_nor_proven(market: Market, stage: str) -> None:
    decided = market.decided(at=1_000)
    market.reporting.decide([decided])
    if stage == "scored":
        market.model.fails = [ProverCrashed("the power is gone")] * 3
        with pytest.raises(ProverCrashed):
            await market.reporting.report(market.decided("a", at=1_000))
        market.model.fails = []
    signed, max_age = len(market.keys[0].reports), market.hub.configs[market.ids["a"]].max_age
    market.hub.time = 1_000 + max_age + 1
    for found in market.open:
        assert await market.reporting.report(found) == ()
    assert market.model.proofs == 0 and len(market.keys[0].reports) == signed
    assert set(market.reasons.values()) == {"observed 3,601 s ago: the feed takes nothing older than 3,600 s"}


async def test_a_recording_of_years_ago_is_not_too_old_for_a_chain_of_its_time(market: Market) -> None:
    market.hub.time = 1_000
    await market.report(at=1_000)
    assert set(market.ends.values()) == {"accepted"}


async def test_the_chain_is_not_asked_for_its_time_while_an_observation_is_new(market: Market) -> None:
    async def ask() -> int:
        raise AssertionError("nobody needs it")

    market.hub.head_time = ask  # type: ignore[method-assign]
    market.reporting._now = lambda: 1_000 + 3_600
    await market.report(at=1_000)
    assert set(market.ends.values()) == {"accepted"}


async def test_a_model_without_an_artifact_here_is_an_error_that_names_it_and_may_pass(market: Market) -> None:
    market.models.clear()
    market.models[2] = FakeModel()
    with pytest.raises(ModelMissing, match="active model is number 1, but there are artifacts of model 2 only"):
        await market.report("a")
    assert len(market.open) == 1


async def test_a_report_that_is_larger_than_the_circuits_is_made_in_parts(market: Market) -> None:
    market.model.circuits = {1: 1.0, 2: 1.0}
    await market.report()
    assert sorted(map(len, market.model.batches)) == [1, 2] and set(market.ends.values()) == {"accepted"}


# --- the chain has it ----------------------------------------------------------------------------------------------


async def test_an_observation_older_than_the_feed_is_superseded_and_the_others_go_on(market: Market) -> None:
    await market.rival("b", at=2_000)
    await market.report(at=1_500, b=NORMAL + 5)
    assert market.ends == {"a@1500": "accepted", "b@1500": "superseded", "c@1500": "accepted"}
    assert "not before this one" in market.reasons["b@1500"]
    assert market.model.batches == [tuple(sorted("ac", key=lambda name: market.ids[name]))]


@pytest.mark.parametrize(("answer", "outcome"), [(NORMAL + 7, "accepted"), (ANOMALOUS, "held")])
async def test_a_report_that_another_relayed_ends_as_the_chain_has_it(
    market: Market, answer: int, outcome: str
) -> None:
    await market.report()

    def front_run(at: str) -> None:
        if at == "broadcast":
            [submitted] = market.open
            market.submitter.before = lambda step: None
            calldata = submitted.raw_transaction[4:]  # type: ignore[union-attr]
            market.hub.apply(calldata, block_number=9, tx_hash=b"\xff" * 32, now=2_001)

    market.submitter.before = front_run
    await market.report(at=2_000, a=answer)
    assert market.ends["a@2000"] == outcome and market.ends["b@2000"] == "accepted"
    assert set(market.reasons.values()) == {"another's transaction carried it"}
    assert len(market.hub.events) == 6


async def test_a_relayed_report_is_found_in_the_history_too(market: Market) -> None:
    """Somebody else relayed our report, and a further report was accepted before we asked."""
    await market.rival("a", at=2_000)
    await market.rival("a", at=3_000)
    await market.report("a", at=2_000, a=NORMAL + 1)
    await market.report("a", at=2_500)
    assert market.ends == {"a@2500": "superseded", "a@2000": "accepted"}


@pytest.mark.parametrize("name", ["WrongRound", "ObservationNotNewer", "ObservationTooOld", "FeedPaused"])
@pytest.mark.parametrize("step", ["sign", "confirm"])
async def test_a_report_that_the_chain_has_is_no_failure_whatever_it_answers(
    market: Market, name: str, step: str
) -> None:
    """Somebody else relays the same report at each step, just before us."""
    relayed: list[str] = []

    def before(at: str) -> None:
        if at != step or relayed:
            return
        relayed.append(at)
        [stage] = market.open
        assert isinstance(stage, Proven | Submitted)
        proven = stage if isinstance(stage, Proven) else stage.proven
        if not market.submitter.mined:
            calldata = market.submitter.calldata(proven)
            market.hub.apply(calldata, block_number=1, tx_hash=b"\7" * 32, now=1_000)
        error = ContractRejected(f"{name}: …", name, market.ids["b"])
        raise StateMoved(str(error), error.feed_id) if name in STATE_ERRORS else error

    market.submitter.before = before
    await market.report()
    assert set(market.ends.values()) == {"accepted"} and len(market.hub.events) == 3


async def test_a_finished_proof_is_made_again_only_for_those_that_it_still_helps(market: Market) -> None:
    """While the daemon was down, somebody else relayed one of the three."""

    def before(at: str) -> None:
        market.submitter.before = lambda at: None
        raise ChainUnavailable("down")

    market.submitter.before = before
    with pytest.raises(ChainUnavailable):
        await market.report()
    await market.rival("a", at=1_500)
    await market.restart()
    [stage] = market.open
    again = await market.reporting.report(stage)
    assert [each.decided.feeds for each in again] == [tuple(feed for feed in stage.feeds if feed != "a")]
    await market.restart()
    [stage] = market.open
    assert isinstance(stage, Decided), "the old signatures are of no use"
    assert await market.reporting.report(stage) == ()
    assert market.ends == {"a@1000": "superseded", "b@1000": "accepted", "c@1000": "accepted"}


# --- replaced ------------------------------------------------------------------------------------------------------


async def test_a_replacement_is_journalled_before_it_is_sent(market: Market) -> None:
    market.submitter.mines = False
    market.submitter.stuck = 2
    with pytest.raises(TransactionPending):
        await market.report()
    await market.restart()
    [stage] = market.open
    assert isinstance(stage, Submitted)
    assert list(stage.hashes) == market.submitter.broadcasts, "oldest first, each kept and then sent"
    assert len({*stage.hashes}) == 3
    assert [each.tx_hash for each in market.journal.signed()] == list(reversed(stage.hashes))
    assert {entry.attempts for entry in market.journal.rows()} == {1}


@pytest.mark.parametrize("mined", [0, 1, 2])
async def test_whichever_is_mined_counts_also_after_a_restart(market: Market, mined: int) -> None:
    market.submitter.mines = False
    market.submitter.stuck = 2
    with pytest.raises(TransactionPending):
        await market.report()
    await market.restart()
    [stage] = market.open
    assert isinstance(stage, Submitted)
    raw = market.journal.signed()[mined]
    market.submitter.mines = True
    await market.submitter.broadcast(Submitted(stage.proven, raw.tx_hash, raw.raw, raw.nonce))
    market.submitter.mines = False
    assert await market.reporting.report(stage) == ()
    assert market.submitter.broadcasts[-1] == stage.tx_hash, "the best paid is sent again"
    assert {entry.tx_hash for entry in market.journal.rows()} == {raw.tx_hash}


async def test_killed_between_the_journal_and_the_network_the_replacement_is_sent_and_not_signed_again(
    market: Market,
) -> None:
    market.submitter.mines = False
    market.submitter.stuck = 1

    def before(step: str) -> None:
        if step == "broadcast" and market.submitter.broadcasts:
            raise RuntimeError("killed")

    market.submitter.before = before
    with pytest.raises(RuntimeError):
        await market.report()
    await market.restart()
    market.submitter.before = lambda step: None
    market.submitter.mines = True
    [stage] = market.open
    assert isinstance(stage, Submitted) and len(stage.replaced) == 1
    assert await market.reporting.report(stage) == ()
    assert market.submitter.broadcasts == [stage.replaced[0], stage.tx_hash]
