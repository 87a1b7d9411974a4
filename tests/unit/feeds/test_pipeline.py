"""Tests of the way of one observation, with fakes of the chain and the prover and a real journal."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.deploy import feed_id_of
from oracle.chain.hub import encode_submission
from oracle.chain.tx.submit import STATE_ERRORS
from oracle.core import encoding
from oracle.core.errors import (
    ArtifactError,
    ChainUnavailable,
    ContractRejected,
    JournalError,
    ProofInvalid,
    ProverCrashed,
    StateMoved,
    TransactionPending,
)
from oracle.core.types import Observed, OpenStage, Outcome, Proven, Scored, SignedObservation, Stage, Submitted
from oracle.feeds.batching import BatchPolicy
from oracle.feeds.journal import Journal
from oracle.feeds.pipeline import OVERTAKEN, Pipeline
from tests.fakes import FakeHub, FakeSubmitter, feed_config, reporter

NORMAL, ANOMALOUS = 100_000_000, 900_000_000


class FakeModel:
    """A model that holds everything at or above five hundred million, and proves at once."""

    features = 16
    spread = False

    def __init__(self) -> None:
        self.proofs = 0
        self.circuits: Mapping[int, float] = {1: 1.0}
        self.fails: list[Exception] = []
        self.before: Callable[[], None] = lambda: None

    def scores(self, features: Sequence[int]) -> tuple[int, ...]:
        return (1 if abs(features[0]) > 20_000 else -1, 0)

    def seconds(self) -> Mapping[int, float]:
        return self.circuits

    async def prove(self, batch: Sequence[Scored]) -> list[Proven]:
        self.before()
        if self.fails:
            raise self.fails.pop(0)
        self.proofs += 1
        proof = b"\1" + self.proofs.to_bytes(4)
        keys = tuple(each.observed.key for each in batch) if len(batch) > 1 else ()
        return [Proven(each, proof, "artifact", 0.1, keys) for each in batch]


class World:
    """Everything that a pipeline needs, and a record of what it did."""

    def __init__(self, path: Path) -> None:
        self.hub = FakeHub()
        self.feed_id = next(iter(self.hub.configs))
        self.model = FakeModel()
        self.submitter = FakeSubmitter(self.hub)
        self.journal = Journal(path / "journal.db")
        self.seen: list[tuple[Stage, str]] = []
        self.path = path

    def pipeline(self, model_number: int = 1) -> Pipeline:
        return Pipeline(
            self.hub,
            [reporter()],
            {model_number: self.model},
            self.submitter,
            self.journal,
            watch=lambda stage, outcome, reason: self.seen.append((stage, reason)),
        )

    def observed(self, answer: int = NORMAL, at: int = 1_000) -> Observed:
        return Observed("eth", self.feed_id, answer, at)

    def restart(self) -> None:
        """Restart after a crash: only the journal's file is left."""
        self.journal.close()
        self.journal = Journal(self.path / "journal.db")

    @property
    def reasons(self) -> list[str]:
        return [reason for _, reason in self.seen if reason]


@pytest.fixture
def world(tmp_path: Path) -> Iterator[World]:
    made = World(tmp_path)
    yield made
    made.journal.close()


async def test_a_normal_value_becomes_a_round_and_every_stage_is_journalled(world: World) -> None:
    assert await world.pipeline().report(world.observed()) is Outcome.ACCEPTED
    assert (await world.hub.feed_state(world.feed_id)).round_id == 1
    assert [type(stage).__name__ for stage, _ in world.seen] == [
        "Observed",
        "Scored",
        "Proven",
        "Submitted",
        "Confirmed",
    ]
    assert world.journal.counts()["accepted"] == 1
    assert world.journal.unfinished() == []


async def test_an_anomalous_value_is_held_with_a_proof(world: World) -> None:
    pipeline = world.pipeline()
    await pipeline.report(world.observed())
    assert await pipeline.report(world.observed(ANOMALOUS, 2_000)) is Outcome.HELD
    assert world.model.proofs == 2
    assert world.journal.counts()["held"] == 1
    assert (await world.hub.feed_state(world.feed_id)).answer == NORMAL


class Biased:
    """A reporter that sees another price than the one that it should sign."""

    def __init__(self, bias: int) -> None:
        self._bias, self._reporter = bias, reporter()

    def sign_observation(self, feed_id: bytes, round_id: int, answer: int, observed_at: int) -> SignedObservation:
        return self._reporter.sign_observation(feed_id, round_id, answer + self._bias, observed_at)


async def test_a_model_that_sees_the_spread_is_given_that_of_the_signed_answers(world: World) -> None:
    world.model.spread = True
    await world.pipeline().report(world.observed())
    reporters = [Biased(-NORMAL // 100), Biased(0), Biased(NORMAL // 50)]
    models = {1: world.model}
    state = await world.hub.feed_state(world.feed_id)
    pipeline = Pipeline(world.hub, reporters, models, world.submitter, world.journal, world.pipeline()._watch)
    await pipeline.report(world.observed(at=2_000))
    alone, together = [stage.features for stage, _ in world.seen if isinstance(stage, Scored)]
    assert alone[-2] == 0
    assert together[-2] == encoding.spread(state.kind, state.sigma, NORMAL * 99 // 100, NORMAL * 102 // 100) > 0
    assert (*together[1:-2], together[-1]) == (*state.returns[:13], together[-1])


@pytest.mark.parametrize("step", ["sign", "broadcast", "confirm"])
async def test_a_chain_that_fails_at_any_step_costs_no_second_proof_and_no_second_round(
    world: World, step: str
) -> None:
    failures = [ChainUnavailable("down")]

    def before(at: str) -> None:
        if at == step and failures:
            raise failures.pop()

    world.submitter.before = before
    with pytest.raises(ChainUnavailable):
        await world.pipeline().report(world.observed())
    world.restart()
    (stage,) = world.journal.unfinished()
    assert await world.pipeline().resume(stage) is Outcome.ACCEPTED
    assert world.model.proofs == 1
    assert len(world.hub.events) == 1
    assert len(set(world.submitter.broadcasts)) == 1, "the same signed bytes, or it could be mined twice"


async def test_a_prover_that_dies_is_asked_again_and_nothing_is_lost(world: World) -> None:
    world.model.fails = [ProverCrashed("killed")]
    with pytest.raises(ProverCrashed):
        await world.pipeline().report(world.observed())
    (stage,) = world.journal.unfinished()
    assert isinstance(stage, Scored)
    assert await world.pipeline().resume(stage) is Outcome.ACCEPTED


async def test_a_transaction_that_is_not_mined_is_waited_for_not_replaced(world: World) -> None:
    world.submitter.mines = False
    with pytest.raises(TransactionPending):
        await world.pipeline().report(world.observed())
    world.restart()
    world.submitter.mines = True
    (stage,) = world.journal.unfinished()
    assert await world.pipeline().resume(stage) is Outcome.ACCEPTED
    assert len(set(world.submitter.broadcasts)) == 1


async def test_a_feed_that_moves_under_the_proof_is_derived_and_proven_anew(world: World) -> None:
    other = world.pipeline()
    first = iter([True])

    async def interfere() -> None:
        await other.report(Observed("rival", world.feed_id, NORMAL + 1, 900))

    async def prove(batch: Sequence[Scored]) -> list[Proven]:
        [scored] = batch
        if scored.observed.feed == "eth" and next(first, False):
            await interfere()
        return [Proven(scored, b"\1mine", "artifact", 0.1)]

    world.model.prove = prove  # type: ignore[method-assign]
    assert await world.pipeline().report(world.observed()) is Outcome.ACCEPTED
    state = await world.hub.feed_state(world.feed_id)
    assert (state.round_id, state.answer) == (2, NORMAL)


async def test_an_observation_older_than_the_feed_is_superseded(world: World) -> None:
    pipeline = world.pipeline()
    await pipeline.report(world.observed(at=2_000))
    assert await pipeline.report(world.observed(NORMAL + 5, at=1_500)) is Outcome.SUPERSEDED
    assert "not before this one" in world.reasons[0]
    assert world.model.proofs == 1


@pytest.mark.parametrize(("answer", "outcome"), [(NORMAL + 7, Outcome.ACCEPTED), (ANOMALOUS, Outcome.HELD)])
async def test_a_report_that_another_relayed_ends_as_the_chain_has_it(
    world: World, answer: int, outcome: Outcome
) -> None:
    await world.pipeline().report(world.observed())
    observed = world.observed(answer, 2_000)

    def front_run(at: str) -> None:
        if at == "broadcast" and observed.key not in {stage.observed.key for stage, why in world.seen if why}:
            submitted = world.journal.unfinished()[0]
            calldata = submitted.raw_transaction[4:]  # type: ignore[union-attr]
            world.submitter.before = lambda step: None
            world.hub.apply(calldata, block_number=9, tx_hash=b"\xff" * 32, now=2_001)

    world.submitter.before = front_run
    assert await world.pipeline().report(observed) is outcome
    assert world.reasons == ["another's transaction carried it"]
    assert len(world.hub.events) == 2


async def test_a_relayed_report_is_found_in_the_history_too(world: World) -> None:
    """Somebody else relayed our report, and a further report was accepted before we asked."""
    mine, later = world.observed(NORMAL + 7, 2_000), Observed("rival", world.feed_id, NORMAL + 9, 3_000)
    rival = Pipeline(world.hub, [reporter()], {1: world.model}, FakeSubmitter(world.hub), _Forgetful())
    await rival.report(Observed("rival", world.feed_id, mine.answer, mine.observed_at))
    await rival.report(later)
    assert await world.pipeline().report(mine) is Outcome.ACCEPTED
    assert await world.pipeline().report(world.observed(NORMAL + 8, 2_500)) is Outcome.SUPERSEDED


class _Forgetful:
    """A journal that keeps nothing."""

    def record(self, *stages: Stage) -> None: ...
    def finish(self, key: str, outcome: Outcome, reason: str) -> None: ...
    def unfinished(self) -> list[OpenStage]:
        return []


async def test_what_the_contract_refuses_for_good_fails_with_its_reason(world: World) -> None:
    world.hub.pause(world.feed_id)
    assert await world.pipeline().report(world.observed()) is Outcome.FAILED
    assert "paused" in world.reasons[0]
    assert world.journal.counts()["failed"] == 1


async def test_a_feed_that_always_moves_is_given_up_after_some_attempts(world: World) -> None:
    def before(at: str) -> None:
        if at == "sign":
            raise StateMoved("WrongRound")

    world.submitter.before = before
    assert await world.pipeline().report(world.observed()) is Outcome.FAILED
    assert world.model.proofs == 3


async def test_a_model_without_an_artifact_here_is_a_fatal_error_that_names_it(world: World) -> None:
    with pytest.raises(ArtifactError, match="active model is number 1, but there are artifacts of model 2 only"):
        await world.pipeline(model_number=2).report(world.observed())
    assert len(world.journal.unfinished()) == 1


async def test_an_invalid_proof_is_never_sent(world: World) -> None:
    world.model.fails = [ProofInvalid("the witness disagrees")]
    with pytest.raises(ProofInvalid):
        await world.pipeline().report(world.observed())
    assert world.submitter.broadcasts == []


async def test_what_can_not_be_journalled_is_not_sent(world: World) -> None:
    record = world.journal.record

    def refuse(*stages: Stage) -> None:
        if isinstance(stages[0], Submitted):
            raise JournalError("the disk is full")
        record(*stages)

    world.journal.record = refuse  # type: ignore[method-assign]
    with pytest.raises(JournalError):
        await world.pipeline().report(world.observed())
    assert world.submitter.broadcasts == []


# --- several feeds together ---

FEEDS = ("a", "b", "c", "d")


class Market:
    """Four feeds of one hub, whose reports may share a proof."""

    window_s = 3_600.0

    def __init__(self, path: Path) -> None:
        self.path = path
        self.hub = FakeHub(*(feed_config(f"{name} / USD") for name in FEEDS))
        self.ids = {name: feed_id_of(f"{name} / USD") for name in FEEDS}
        self.model = FakeModel()
        self.model.circuits = {1: 1.0, 4: 1.1}
        self.submitter = FakeSubmitter(self.hub)
        self.journal = Journal(path / "journal.db")
        self.seen: list[tuple[Stage, str]] = []
        self.line = self.pipeline()

    def pipeline(self) -> Pipeline:
        return Pipeline(
            self.hub, [reporter()], {1: self.model}, self.submitter, self.journal,
            watch=lambda stage, outcome, reason: self.seen.append((stage, reason)),
            batching=BatchPolicy(window_s=self.window_s, provers=4, feeds=len(FEEDS)),
        )  # fmt: skip

    def observed(self, name: str, at: int = 1_000, answer: int = NORMAL) -> Observed:
        return Observed(name, self.ids[name], answer, at)

    async def report(self, *observed: Observed) -> list[Outcome | BaseException]:
        return await asyncio.gather(*(self.line.report(each) for each in observed), return_exceptions=True)

    async def resume(self) -> list[Outcome]:
        """Resume like a daemon that is started again, and return the outcomes."""
        self.journal.close()
        self.journal = Journal(self.path / "journal.db")
        self.line = self.pipeline()
        return await asyncio.gather(*(self.line.resume(stage) for stage in self.journal.unfinished()))

    def carried(self) -> list[set[str]]:
        """Return the feeds of each submission that was mined."""
        names = {feed_id: name for name, feed_id in self.ids.items()}
        found = [events for events in self.submitter.mined.values() if isinstance(events, list)]
        return [{names[event.feed_id] for event in events} for events in found]


@pytest.fixture
def market(tmp_path: Path) -> Iterator[Market]:
    made = Market(tmp_path)
    yield made
    made.journal.close()


async def test_feeds_that_are_due_together_share_a_proof_and_a_transaction(market: Market) -> None:
    held = market.observed("c", 2_000, ANOMALOUS)
    await market.report(*(market.observed(name) for name in FEEDS))
    assert market.carried() == [set(FEEDS)]
    results = await market.report(held, *(market.observed(name, 2_000) for name in "abd"))
    assert results == [Outcome.HELD, *[Outcome.ACCEPTED] * 3]
    assert market.model.proofs == 2 and len(market.submitter.broadcasts) == 2
    entries = market.journal.rows()
    assert [entry.attempts for entry in entries] == [1] * 8
    assert len({entry.tx_hash for entry in entries}) == 2
    assert market.journal.counts()["open"] == 0


async def rival(market: Market, name: str, at: int = 900) -> None:
    """Return another daemon's report of a feed."""
    other = Pipeline(market.hub, [reporter()], {1: FakeModel()}, FakeSubmitter(market.hub), _Forgetful())
    await other.report(Observed(f"rival-{name}", market.ids[name], NORMAL + 1, at))


@pytest.mark.parametrize("step", ["sign", "broadcast"])
async def test_one_whose_state_moved_goes_by_itself_and_the_others_without_it(market: Market, step: str) -> None:
    """The simulation finds it, or, if the state moves after the simulation, the mined revert does."""
    moves = [1]
    sign = market.submitter.sign_batch
    broadcast = market.submitter.broadcast

    async def slow_sign(batch: Sequence[Proven]) -> list[Submitted]:
        if step == "sign" and moves:
            moves.pop()
            await rival(market, "b")
        return await sign(batch)

    async def slow_broadcast(submitted: Submitted) -> None:
        if step == "broadcast" and moves:
            moves.pop()
            await rival(market, "b")
        await broadcast(submitted)

    market.submitter.sign_batch = slow_sign  # type: ignore[method-assign]
    market.submitter.broadcast = slow_broadcast  # type: ignore[method-assign]
    assert await market.report(*(market.observed(name) for name in FEEDS)) == [Outcome.ACCEPTED] * 4
    assert sorted(map(sorted, market.carried())) == [["a", "c", "d"], ["b"]]
    attempts = {entry.feed: entry.attempts for entry in market.journal.rows()}
    assert attempts == dict.fromkeys(FEEDS, 2)
    assert (await market.hub.feed_state(market.ids["b"])).round_id == 2


async def test_one_that_always_moves_fails_by_itself(market: Market) -> None:
    sign = market.submitter.sign_batch

    async def signing(batch: Sequence[Proven]) -> list[Submitted]:
        if any(each.observed.feed == "b" for each in batch):
            raise StateMoved("WrongRound", market.ids["b"])
        return await sign(batch)

    market.submitter.sign_batch = signing  # type: ignore[method-assign]
    results = await market.report(*(market.observed(name) for name in FEEDS))
    assert results == [Outcome.ACCEPTED, Outcome.FAILED, Outcome.ACCEPTED, Outcome.ACCEPTED]
    assert market.carried() == [{"a", "c", "d"}]


async def test_one_that_the_contract_refuses_fails_and_the_others_do_not(market: Market) -> None:
    market.window_s = 0.3  # when one has ended, the others can't know that it will not come
    market.line = market.pipeline()
    market.hub.pause(market.ids["c"])
    results = await market.report(*(market.observed(name) for name in FEEDS))
    assert results == [Outcome.ACCEPTED, Outcome.ACCEPTED, Outcome.FAILED, Outcome.ACCEPTED]
    [entry] = market.journal.rows("c")
    assert "paused" in entry.reason
    assert market.carried() == [{"a", "b", "d"}]


@pytest.mark.parametrize("error", [ProverCrashed("panic"), ProofInvalid("the witness disagrees")])
async def test_a_proof_of_several_that_fails_is_tried_for_each(market: Market, error: Exception) -> None:
    """The one at fault then fails by itself."""
    prove = market.model.prove

    async def proving(batch: Sequence[Scored]) -> list[Proven]:
        if any(each.observed.feed == "d" for each in batch):
            raise error
        return await prove(batch)

    market.model.prove = proving  # type: ignore[method-assign]
    *others, last = await market.report(*(market.observed(name) for name in FEEDS))
    assert others == [Outcome.ACCEPTED] * 3
    assert last is error
    assert sorted(map(sorted, market.carried())) == [["a"], ["b"], ["c"]]


@pytest.mark.parametrize("step", ["sign", "broadcast", "confirm"])
async def test_a_crash_anywhere_costs_a_batch_no_second_proof_and_no_second_transaction(
    market: Market, step: str
) -> None:
    down = [1]

    def before(at: str) -> None:
        if at == step and down:
            down.pop()
            raise ChainUnavailable("down")

    market.submitter.before = before
    assert all(isinstance(each, ChainUnavailable) for each in await market.report(*map(market.observed, FEEDS)))
    open_before = market.journal.unfinished()
    assert {type(stage) for stage in open_before} == {Proven if step == "sign" else Submitted}
    assert await market.resume() == [Outcome.ACCEPTED] * 4
    assert market.model.proofs == 1
    assert len(set(market.submitter.broadcasts)) == 1
    assert market.carried() == [set(FEEDS)]
    [tx_hash] = {entry.tx_hash for entry in market.journal.rows()}
    assert all(stage.tx_hash == tx_hash for stage in open_before if isinstance(stage, Submitted))


async def test_a_crash_after_some_members_were_confirmed(market: Market, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.feeds.batching.COMPANIONS_S", 0.01)
    count = [0]

    def before(at: str) -> None:
        if at == "confirm":
            count[0] += 1
            if count[0] == 3:
                raise ChainUnavailable("down")

    market.submitter.before = before
    results = await market.report(*map(market.observed, FEEDS))
    assert sorted(type(each).__name__ for each in results) == ["ChainUnavailable"] * 2 + ["Outcome"] * 2
    assert await market.resume() == [Outcome.ACCEPTED] * 2
    assert len(set(market.submitter.broadcasts)) == 1 and market.carried() == [set(FEEDS)]


async def test_a_finished_proof_is_made_again_only_for_those_that_it_still_helps(
    market: Market, monkeypatch: pytest.MonkeyPatch
) -> None:
    """While the daemon was down, somebody else relayed one of the four."""
    monkeypatch.setattr("oracle.feeds.batching.COMPANIONS_S", 0.01)

    def before(at: str) -> None:
        market.submitter.before = lambda at: None
        raise ChainUnavailable("down")

    market.submitter.before = before
    await market.report(*map(market.observed, FEEDS))
    await rival(market, "a", at=1_500)
    monkeypatch.setattr(Market, "pipeline", lambda self: Pipeline(
        self.hub, [reporter()], {1: self.model}, self.submitter, self.journal,
        batching=BatchPolicy(window_s=0.01, provers=4, feeds=4),
    ))  # fmt: skip
    results = await market.resume()
    assert sorted(results) == [Outcome.ACCEPTED] * 3 + [Outcome.SUPERSEDED]
    assert market.journal.counts()["superseded"] == 1
    assert [entry.feed for entry in market.journal.rows() if entry.outcome is Outcome.SUPERSEDED] == ["a"]


async def test_what_waits_is_overtaken_with_the_reason(market: Market) -> None:
    first = asyncio.ensure_future(market.line.report(market.observed("a")))
    while market.journal.counts()["open"] == 0 or not isinstance(market.journal.unfinished()[0], Scored):  # noqa: ASYNC110
        await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert market.line.overtake_waiting("a")
    assert await first is Outcome.SUPERSEDED
    [entry] = market.journal.rows("a")
    assert entry.reason == OVERTAKEN
    assert not market.line.overtake_waiting("a")
    assert market.model.proofs == 0


async def test_a_batch_that_can_not_be_journalled_is_not_sent_and_none_of_it_is_kept(market: Market) -> None:
    record = market.journal._writer.write

    def refuse(connection: Any, stage: Stage) -> None:
        if isinstance(stage, Submitted) and stage.observed.feed == "c":
            raise JournalError("the disk is full")
        record(connection, stage)

    market.journal._writer.write = refuse  # type: ignore[method-assign]
    results = await market.report(*map(market.observed, FEEDS))
    assert all(isinstance(each, JournalError) for each in results)
    assert market.submitter.broadcasts == []
    assert {type(stage) for stage in market.journal.unfinished()} == {Proven}


# --- replaced ------------------------------------------------------------------------------------------------------


async def test_a_replacement_is_journalled_before_it_is_sent(world: World) -> None:
    world.submitter.mines = False
    world.submitter.stuck = 2
    with pytest.raises(TransactionPending):
        await world.pipeline().report(world.observed())
    world.restart()
    (stage,) = world.journal.unfinished()
    assert isinstance(stage, Submitted)
    assert list(stage.hashes) == world.submitter.broadcasts, "oldest first, each kept and then sent"
    assert len({*stage.hashes}) == 3
    assert [each.tx_hash for each in world.journal.signed()] == list(reversed(stage.hashes))
    assert world.journal.rows()[0].attempts == 1


@pytest.mark.parametrize("mined", [0, 1, 2])
async def test_whichever_is_mined_counts_also_after_a_restart(world: World, mined: int) -> None:
    world.submitter.mines = False
    world.submitter.stuck = 2
    with pytest.raises(TransactionPending):
        await world.pipeline().report(world.observed())
    world.restart()
    (stage,) = world.journal.unfinished()
    assert isinstance(stage, Submitted)
    raw = world.journal.signed()[mined] if mined == 0 else world.journal.signed()[-mined]
    world.submitter.mines = True
    await world.submitter.broadcast(Submitted(stage.proven, raw.tx_hash, raw.raw, raw.nonce))
    world.submitter.mines = False
    assert await world.pipeline().resume(stage) is Outcome.ACCEPTED
    assert world.submitter.broadcasts[-1] == stage.tx_hash, "the best paid is sent again"
    [entry] = world.journal.rows()
    assert entry.tx_hash == raw.tx_hash


async def test_killed_between_the_journal_and_the_network_the_replacement_is_sent_and_not_signed_again(
    world: World,
) -> None:
    world.submitter.mines = False
    world.submitter.stuck = 1

    def before(step: str) -> None:
        if step == "broadcast" and world.submitter.broadcasts:
            raise RuntimeError("killed")

    world.submitter.before = before
    with pytest.raises(RuntimeError):
        await world.pipeline().report(world.observed())
    world.restart()
    world.submitter.before = lambda step: None
    world.submitter.mines = True
    (stage,) = world.journal.unfinished()
    assert isinstance(stage, Submitted) and len(stage.replaced) == 1
    assert await world.pipeline().resume(stage) is Outcome.ACCEPTED
    assert world.submitter.broadcasts == [stage.replaced[0], stage.tx_hash]


async def test_a_replacement_of_several_is_journalled_for_each_of_them_at_once(market: Market) -> None:
    market.submitter.mines = False
    market.submitter.stuck = 2
    results = await market.report(*map(market.observed, FEEDS))
    assert all(isinstance(each, TransactionPending) for each in results)
    open_ = [stage for stage in market.journal.unfinished() if isinstance(stage, Submitted)]
    [hashes] = {stage.hashes for stage in open_}
    assert len(open_) == 4 and len(hashes) == 3 and list(hashes) == market.submitter.broadcasts
    market.submitter.mines = True
    assert await market.resume() == [Outcome.ACCEPTED] * 4
    assert market.carried() == [set(FEEDS)]
    assert {entry.tx_hash for entry in market.journal.rows()} == {hashes[-1]}


# --- the chain has it ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["WrongRound", "ObservationNotNewer", "ObservationTooOld", "FeedPaused"])
@pytest.mark.parametrize("step", ["sign", "confirm"])
async def test_a_report_that_the_chain_has_is_no_failure_whatever_it_answers(
    world: World, name: str, step: str
) -> None:
    """Somebody else relays the same report at each step, just before us."""
    relayed: list[str] = []

    def before(at: str) -> None:
        if at != step or relayed:
            return
        relayed.append(at)
        (stage,) = world.journal.unfinished()
        assert isinstance(stage, (Proven, Submitted))
        proven = stage if isinstance(stage, Proven) else stage.proven
        if not world.submitter.mined:
            calldata = encode_submission([proven.scored], proven.proof)
            world.hub.apply(calldata, block_number=1, tx_hash=b"\7" * 32, now=1_000)
        error = ContractRejected(f"{name}: …", name)
        raise StateMoved(str(error)) if name in STATE_ERRORS else error

    world.submitter.before = before
    assert await world.pipeline().report(world.observed()) is Outcome.ACCEPTED
    assert (await world.hub.feed_state(world.feed_id)).round_id == 1


async def test_a_report_that_the_chain_has_after_all_attempts(world: World) -> None:
    def before(at: str) -> None:
        if at == "sign":
            world.attempts = getattr(world, "attempts", 0) + 1  # type: ignore[attr-defined]
            if world.attempts == 3:  # type: ignore[attr-defined]
                (stage,) = world.journal.unfinished()
                assert isinstance(stage, Proven)
                calldata = encode_submission([stage.scored], stage.proof)
                world.hub.apply(calldata, block_number=1, tx_hash=b"\7" * 32, now=1_000)
            raise StateMoved("WrongRound")

    world.submitter.before = before
    assert await world.pipeline().report(world.observed()) is Outcome.ACCEPTED
    assert "another's transaction carried it" in world.reasons
