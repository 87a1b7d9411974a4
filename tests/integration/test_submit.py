"""Tests of reading the hub and sending to it, on a real Anvil. The verifier is a stub that looks at the first byte."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account import Account
from eth_account.signers.local import LocalAccount

from oracle.chain.deploy import CommitteePlan, Deployment, DeployPlan, FeedPlan, deploy
from oracle.chain.hub import (
    Hub,
    RoundAccepted,
    RoundHeld,
    Submission,
    decode_submission,
    encode_submission,
    hub_interface,
)
from oracle.chain.keys import keystore
from oracle.chain.keys.signer import LocalReporter
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.chain.tx.fees import FeePolicy
from oracle.chain.tx.policy import SendPolicy
from oracle.chain.tx.sender import Sender
from oracle.chain.tx.submit import Submitter
from oracle.core import gate
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import (
    ChainUnavailable,
    ContractRejected,
    DeploymentError,
    PayerEmpty,
    StateMoved,
    TransactionPending,
)
from oracle.core.report import Report, SignedReport
from oracle.core.stages import Confirmed, Decided, Observed, Proven, Scored, Submitted
from oracle.core.types import Kind, Outcome, Status
from tests.fakes import FakeHub
from tests.stubs import feed_config, stub_artifact

CALM, ANOMALOUS = (-1_000, -500), (-1_000, 2_500)
PROOF, BAD_PROOF = b"\1proof", b"\0proof"
START = 1_600_000_000
DEPLOYER, PAYER, REPORTERS = 0, 1, (2, 3, 4)


@dataclass
class World:
    """A chain with a time of its own, and a hub of three feeds."""

    chain: Anvil
    rpc: Rpc
    hub: Hub
    deployment: Deployment
    reporters: Sequence[LocalReporter]
    payer: LocalAccount
    submitter: Submitter
    now: int = START + 10_000

    def feed(self, name: str) -> bytes:
        return self.deployment.feeds[name].feed_id

    def at(self, time: int) -> int:
        """Set the time of the next block."""
        self.now = time
        self.chain.rpc("evm_setNextBlockTimestamp", time)
        return time

    async def signed(
        self,
        answers: Mapping[str, int],
        *,
        observed_at: int | None = None,
        round_id: int | None = None,
        signers: int | None = None,
        epoch: int | None = None,
        references: Collection[str] = (),
    ) -> SignedReport:
        """Return a report of feeds of one committee that enough reporters have signed, with the given deviations."""
        names = sorted(answers, key=self.feed)
        states = await self.hub.feed_states([self.feed(name) for name in names])
        committee = await self.hub.committee(states[0].committee)
        rounds = [state.round_id + 1 if round_id is None else round_id for state in states]
        report = Report(
            committee.number,
            committee.epoch if epoch is None else epoch,
            self.now if observed_at is None else observed_at,
            tuple(map(self.feed, names)),
            tuple(0 if name in references else each for name, each in zip(names, rounds, strict=True)),
        )
        count = committee.quorum if signers is None else signers
        values = [answers[name] for name in names]
        return SignedReport(report, tuple(each.sign_report(report, values) for each in self.reporters[:count]))

    async def proven(
        self,
        answers: Mapping[str, int],
        scores: tuple[int, ...] = CALM,
        *,
        proof: bytes = PROOF,
        model_number: int = 1,
        **deviations: Any,
    ) -> Proven:
        """Return a proven stage like the pipeline's, with the given deviations."""
        return self.prove(await self.signed(answers, **deviations), scores, proof=proof, model_number=model_number)

    def prove(
        self, signed: SignedReport, scores: tuple[int, ...] = CALM, *, proof: bytes = PROOF, model_number: int = 1
    ) -> Proven:
        names = {feed.feed_id: name for name, feed in self.deployment.feeds.items()}
        report = signed.report
        due = tuple(
            Observed(
                names[report.feed_ids[position]],
                report.feed_ids[position],
                signed.signatures[0].answers[position],
                report.observed_at,
            )
            for position in report.due
        )
        scored = Scored(Decided(report.committee, due), signed, model_number, ((0,),) * len(due), (scores,) * len(due))
        return Proven(scored, proof, "00" * 32, 0.1)

    async def submit(self, name: str, answer: int, scores: tuple[int, ...] = CALM, **deviations: Any) -> Submitted:
        submitted = await self.submitter.sign(await self.proven({name: answer}, scores, **deviations))
        await self.submitter.broadcast(submitted)
        return submitted


async def _deploy(chain: Anvil, path: Path) -> Deployment:
    async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
        addresses = tuple(chain.accounts[index].address for index in REPORTERS)
        committees = (CommitteePlan("default", addresses), CommitteePlan("three", addresses, 3))
        feeds = (
            FeedPlan("price", feed_config("ETH / USD")),
            FeedPlan("metric", feed_config("TEMPERATURE", kind=Kind.ABSOLUTE, sigma=100)),
            FeedPlan("quorum", feed_config("BTC / USD"), committee="three"),
        )
        models = {"default": [stub_artifact(), stub_artifact(batch=2)]}
        plan = DeployPlan(committees, feeds, models, change_delay=0)
        return await deploy(plan, rpc, await keystore.local_chain_key(DEPLOYER, rpc), path, poll_s=0.01)


@pytest.fixture(scope="module")
def deployed(
    anvil: Callable[..., Anvil], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Anvil, Deployment]]:
    """Deploy one chain for all tests here; each test finds it as the deployment left it."""
    with anvil(start_time=START) as chain:
        yield chain, asyncio.run(_deploy(chain, tmp_path_factory.mktemp("chain") / "deployment.json"))


@pytest.fixture
async def world(deployed: tuple[Anvil, Deployment]) -> AsyncIterator[World]:
    chain, deployment = deployed
    snapshot = chain.snapshot()
    async with Rpc(chain.rpc_url, chain.chain_id, attempts=1) as rpc:
        signers = [await keystore.local_chain_key(index, rpc) for index in REPORTERS]
        payer = await keystore.local_chain_key(PAYER, rpc)
        hub = Hub(rpc, deployment.hub)
        reporters = [LocalReporter(signer, chain.chain_id, deployment.hub) for signer in signers]
        submitter = Submitter(hub, Sender(rpc, payer, poll_s=0.01), deadline_s=60, clock=lambda: 5.0)
        world = World(chain, rpc, hub, deployment, reporters, payer, submitter)
        world.at(world.now)
        yield world
    chain.rpc("evm_setAutomine", True)
    chain.rpc("anvil_dropAllTransactions")
    chain.revert(snapshot)


async def end(submitter: Submitter, submitted: Submitted) -> Confirmed:
    """Return how a transaction ended that needs no higher fees."""
    result = await submitter.confirm(submitted)
    assert isinstance(result, Confirmed)
    return result


async def confirmed(world: World, submitted: Submitted) -> Outcome:
    (outcome,) = (await end(world.submitter, submitted)).outcomes
    return outcome


# --- the way to a round --------------------------------------------------------------------------------------------


async def test_accepted(world: World) -> None:
    state = await world.hub.feed_state(world.feed("price"))
    assert state == gate.empty_feed(world.feed("price"), Kind.RELATIVE, 10_000, 3_600, 1)

    submitted = await world.submit("price", 2_000)
    result = await end(world.submitter, submitted)

    assert result.outcomes == (Outcome.ACCEPTED,)
    assert result.submitted == submitted
    assert result.confirmed_at == 5.0
    assert result.block_number == await world.rpc.block_number()
    assert 100_000 < result.gas_used < 300_000
    state = await world.hub.feed_state(world.feed("price"))
    assert (state.status, state.round_id, state.answer, state.held) == (Status.OK, 1, 2_000, None)
    assert (state.observed_at, state.published_at, state.last_report_at) == (world.now, world.now, world.now)
    (written,) = await world.hub.rounds(world.feed("price"))
    assert (written.answer, written.observed_at, written.model_number) == (2_000, world.now, 1)
    assert written.score_ratio == -500
    assert await world.hub.round(world.feed("price"), 2) is None


async def test_held_and_confirmed(world: World) -> None:
    await confirmed(world, await world.submit("price", 2_000))
    for index, expected in enumerate((Outcome.HELD, Outcome.HELD, Outcome.ACCEPTED)):
        world.at(world.now + 3_600)
        assert await confirmed(world, await world.submit("price", 4_000 + index, ANOMALOUS)) is expected
        state = await world.hub.feed_state(world.feed("price"))
        if expected is Outcome.HELD:
            assert state.status is Status.HELD
            assert state.held is not None
            assert (state.held.answer, state.held.first_answer, state.held.confirmations) == (
                4_000 + index,
                4_000,
                index,
            )
            assert state.held.score_ratio == 2_500
            assert (state.answer, state.round_id) == (2_000, 1)
    assert (state.status, state.answer, state.round_id, state.held) == (Status.OK, 4_002, 2, None)
    events = await world.hub.logs(0, await world.rpc.block_number())
    assert [type(event) for event in events] == [RoundAccepted, RoundHeld, RoundHeld, RoundAccepted]
    last, before = events[-1], events[-2]
    assert isinstance(last, RoundAccepted)
    assert isinstance(before, RoundHeld)
    assert last.confirmed
    assert last.scores == ANOMALOUS
    assert before.confirmations == 1


async def test_several_reporters(world: World) -> None:
    report = (await world.signed({"quorum": 2_010})).report
    rows = zip(world.reporters, (2_030, 2_000, 2_010), strict=True)
    signed = SignedReport(report, tuple(each.sign_report(report, [answer]) for each, answer in rows))
    submitted = await world.submitter.sign(world.prove(signed))
    await world.submitter.broadcast(submitted)
    assert await confirmed(world, submitted) is Outcome.ACCEPTED
    (written,) = await world.hub.rounds(world.feed("quorum"))
    assert (written.answer, written.count, written.spread) == (2_010, 3, 1_500)


async def test_several_feeds_of_a_report_end_each_by_itself(world: World) -> None:
    """One of them is held, another one accepted."""
    await confirmed(world, await world.submit("price", 2_000))
    world.at(world.now + 3_600)
    proven = await world.proven({"price": 2_000, "metric": -3})
    scores = tuple(ANOMALOUS if each.feed == "price" else CALM for each in proven.due)
    submitted = await world.submitter.sign(replace(proven, scored=replace(proven.scored, scores=scores)))
    await world.submitter.broadcast(submitted)
    result = await end(world.submitter, submitted)
    assert dict(zip(result.feeds, result.outcomes, strict=True)) == {
        "price": Outcome.HELD,
        "metric": Outcome.ACCEPTED,
    }
    assert result.feeds == tuple(sorted(result.feeds, key=world.feed))
    assert result.gas_share * 2 <= result.gas_used


async def test_a_reference_has_no_end(world: World) -> None:
    submitted = await world.submitter.sign(await world.proven({"price": 2_000, "metric": 5}, references=["price"]))
    await world.submitter.broadcast(submitted)
    result = await end(world.submitter, submitted)
    assert (result.feeds, result.outcomes) == (("metric",), (Outcome.ACCEPTED,))
    assert (await world.hub.feed_state(world.feed("price"))).round_id == 0


async def test_feeds_side_by_side(world: World) -> None:
    """One key sends for several feeds at once. Its sender takes care of the nonces."""
    names = ("price", "metric", "quorum")
    provens = [await world.proven({name: 2_000 + index}) for index, name in enumerate(names)]
    world.chain.rpc("evm_setAutomine", False)
    submitted = await asyncio.gather(*(world.submitter.sign(each) for each in provens))
    await asyncio.gather(*(world.submitter.broadcast(each) for each in reversed(submitted)))
    world.chain.rpc("evm_mine")
    results = await asyncio.gather(*(end(world.submitter, each) for each in submitted))
    assert [result.outcomes for result in results] == [(Outcome.ACCEPTED,)] * 3
    assert sorted(each.nonce for each in submitted) == [0, 1, 2]
    assert {result.feeds for result in results} == {(name,) for name in names}


async def test_calldata_can_be_audited(world: World) -> None:
    submitted = await world.submit("price", 2_000)
    found = await world.rpc.transaction(submitted.tx_hash)
    assert found is not None
    assert (found.sender, found.to, found.nonce) == (world.payer.address, world.hub.address, submitted.nonce)
    submission = decode_submission(found.data)
    assert submission.proof == PROOF
    assert submission.signed == submitted.proven.scored.signed
    assert submission.scores == submitted.proven.scored.scores
    assert await world.rpc.transaction(b"\0" * 32) is None


# --- sent again, sent late -----------------------------------------------------------------------------------------


async def test_signing_sends_nothing(world: World) -> None:
    submitted = await world.submitter.sign(await world.proven({"price": 2_000}))
    assert await world.rpc.nonce(world.payer.address, "pending") == 0
    with pytest.raises(TransactionPending, match=r"not mined after 0\.05 s"):
        await world.submitter.wait(submitted.tx_hash, 0.05)


async def test_sending_again_is_harmless(world: World) -> None:
    world.chain.rpc("evm_setAutomine", False)
    submitted = await world.submit("price", 2_000)
    await world.submitter.broadcast(submitted)  # known
    world.chain.rpc("evm_mine")
    await world.submitter.broadcast(submitted)  # mined
    # A process that was started anew does the same.
    other = Submitter(world.hub, Sender(world.rpc, world.payer, poll_s=0.01), deadline_s=60)
    await other.broadcast(submitted)
    assert (await end(other, submitted)).outcomes == (Outcome.ACCEPTED,)
    assert (await world.hub.feed_state(world.feed("price"))).round_id == 1
    assert await world.rpc.nonce(world.payer.address) == 1


async def test_confirmations_are_waited_for(world: World) -> None:
    patient = Submitter(world.hub, Sender(world.rpc, world.payer, poll_s=0.01, confirmations=3), deadline_s=0.2)
    submitted = await world.submit("price", 2_000)
    await world.submitter.wait(submitted.tx_hash, 10)  # mined
    with pytest.raises(TransactionPending, match="without 3 confirmations"):
        await patient.confirm(submitted)
    world.chain.rpc("anvil_mine", "0x2")
    assert (await end(patient, submitted)).outcomes == (Outcome.ACCEPTED,)


async def test_a_nonce_that_another_transaction_took(world: World) -> None:
    submitted = await world.submitter.sign(await world.proven({"price": 2_000}))
    other = Submitter(world.hub, Sender(world.rpc, world.payer, poll_s=0.01), deadline_s=60)
    rival = await other.sign(await world.proven({"metric": 5}))
    await other.broadcast(rival)
    await other.confirm(rival)
    with pytest.raises(StateMoved, match="nonce 0 is used up"):
        await world.submitter.broadcast(submitted)
    # The sender has learned from it.
    world.at(world.now + 1)
    assert await confirmed(world, await world.submit("price", 2_000)) is Outcome.ACCEPTED


async def test_a_rival_that_is_still_waiting(world: World) -> None:
    world.chain.rpc("evm_setAutomine", False)
    submitted = await world.submitter.sign(await world.proven({"price": 2_000}))
    other = Submitter(world.hub, Sender(world.rpc, world.payer, poll_s=0.01), deadline_s=60)
    await other.broadcast(await other.sign(await world.proven({"metric": 5})))
    with pytest.raises(StateMoved, match="another with nonce 0"):
        await world.submitter.broadcast(submitted)


async def test_the_feed_moves_under_a_sent_transaction(world: World) -> None:
    """Two reports for one round were both good when they were signed. The second one reverts in the block."""
    world.chain.rpc("evm_setAutomine", False)
    first = await world.submitter.sign(await world.proven({"price": 2_000}))
    rival_key = await keystore.local_chain_key(5, world.rpc)
    other = Submitter(world.hub, Sender(world.rpc, rival_key, poll_s=0.01), deadline_s=60)
    second = await other.sign(await world.proven({"price": 2_001}))
    await world.submitter.broadcast(first)
    await other.broadcast(second)
    world.chain.rpc("evm_mine")
    outcomes = await asyncio.gather(world.submitter.confirm(first), other.confirm(second), return_exceptions=True)
    lost = [each for each in outcomes if isinstance(each, StateMoved)]
    assert len(lost) == 1
    assert str(lost[0]) == "WrongRound: signed for round 1, the feed expects 2"


async def test_a_transaction_that_ran_out_of_gas(world: World) -> None:
    proven = await world.proven({"price": 2_000})
    submitted = await world.submitter.sign(proven)
    scored = proven.scored
    data = encode_submission(Submission.of(scored.model_number, scored.signed, scored.scores, PROOF))
    fields: dict[str, Any] = {"to": world.hub.address, "data": "0x" + data.hex(), "nonce": 0}
    fees = FeePolicy().fresh(await world.rpc.market()).fields()
    signed = world.payer.sign_transaction(fields | fees | {"gas": 60_000, "chainId": world.chain.chain_id, "value": 0})
    starved = replace(submitted, tx_hash=bytes(signed.hash), raw_transaction=bytes(signed.raw_transaction))
    await world.submitter.broadcast(starved)
    with pytest.raises(StateMoved, match="needed more gas than was estimated"):
        await world.submitter.confirm(starved)


async def test_an_endpoint_that_goes_away(world: World, anvil: Callable[..., Anvil]) -> None:
    submitted = await world.submitter.sign(await world.proven({"price": 2_000}))
    with anvil() as other:
        url = other.rpc_url
    async with Rpc(url, 31337, attempts=2) as gone:
        with pytest.raises(ChainUnavailable, match="can't be reached"):
            await Submitter(Hub(gone, world.hub.address), Sender(gone, world.payer)).broadcast(submitted)


async def test_a_payer_without_funds(world: World) -> None:
    account = Account.from_key("0x" + "42" * 32)
    poor = Submitter(world.hub, Sender(world.rpc, account, poll_s=0.01), deadline_s=60)
    submitted = await poor.sign(await world.proven({"price": 2_000}))
    with pytest.raises(PayerEmpty, match=r"(?i)insufficient funds"):
        await poor.broadcast(submitted)
    # It is sent more, and the same transaction continues.
    world.chain.rpc("anvil_setBalance", account.address, hex(10**18))
    await poor.broadcast(submitted)
    assert isinstance(await poor.confirm(submitted), Confirmed)


async def test_a_stuck_submission_is_replaced_and_either_is_confirmed(world: World) -> None:
    policy = SendPolicy(poll_s=0.01, replace_after_s=0.05)
    submitter = Submitter(world.hub, Sender(world.rpc, world.payer, policy=policy), deadline_s=60)
    world.chain.rpc("evm_setAutomine", False)
    first = await submitter.sign(await world.proven({"price": 2_000}))
    await submitter.broadcast(first)
    second = await submitter.confirm(first)
    assert isinstance(second, Submitted)
    assert (second.proven, second.nonce, second.replaced) == (first.proven, first.nonce, (first.tx_hash,))
    # It is not sent yet, and the older one is mined.
    world.chain.rpc("evm_mine")
    await submitter.broadcast(second)
    result = await submitter.confirm(second)
    assert isinstance(result, Confirmed)
    assert (result.outcomes, result.tx_hash) == ((Outcome.ACCEPTED,), first.tx_hash)


async def test_a_stuck_submission_that_came_too_late_is_not_replaced(world: World) -> None:
    """Somebody else's report was mined meanwhile, so a higher fee would only pay for a revert."""
    policy = SendPolicy(poll_s=0.01, replace_after_s=0.05)
    submitter = Submitter(world.hub, Sender(world.rpc, world.payer, policy=policy), deadline_s=60)
    world.chain.rpc("evm_setAutomine", False)
    first = await submitter.sign(await world.proven({"price": 2_000}))
    await submitter.broadcast(first)
    world.chain.rpc("anvil_dropAllTransactions")
    other = Sender(world.rpc, await keystore.local_chain_key(5, world.rpc), poll_s=0.01)
    rival = Submitter(world.hub, other, deadline_s=60)
    submitted = await rival.sign(await world.proven({"price": 2_001}))
    await rival.broadcast(submitted)
    world.chain.rpc("evm_mine")
    await rival.confirm(submitted)
    with pytest.raises(StateMoved, match="WrongRound"):
        await submitter.confirm(first)


# --- refused before it is sent -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("deviations", "error", "name"),
    [
        ({"round_id": 7}, StateMoved, "WrongRound: signed for round 7, the feed expects 1"),
        ({"epoch": 2}, StateMoved, "WrongEpoch: signed for epoch 2, committee 1 is in epoch 1"),
        ({"model_number": 9}, StateMoved, "ModelNotActive: proven with model 9, the feed's active model is 1"),
        ({"proof": BAD_PROOF}, ContractRejected, "ProofRejected"),
        ({"answer": 0}, ContractRejected, "AnswerOutOfRange"),
        ({"answer": NO_ANSWER, "medians": (0,)}, ContractRejected, "QuorumNotMet: 0 reporters have an answer"),
        ({"scores": (1,)}, ContractRejected, "MalformedSubmission"),
        ({"scores": (0, -(2**127))}, ContractRejected, "ScoreOutOfRange"),
        ({"observed_at": START + 20_000}, ContractRejected, "ObservationInFuture"),
        ({"observed_at": START}, ContractRejected, "ObservationTooOld"),
    ],
)
async def test_refused_with_the_reason(
    world: World, deviations: dict[str, Any], error: type[Exception], name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    changes = {"answer": 2_000, **deviations}
    if medians := changes.pop("medians", None):
        # A relayer that names a row although nobody has an answer.
        monkeypatch.setattr(
            Submission, "of", lambda model, signed, scores, proof: Submission(model, signed, scores, medians, proof)
        )
    proven = await world.proven({"price": changes.pop("answer")}, **changes)
    with pytest.raises(error, match=name):
        await world.submitter.sign(proven)
    assert await world.rpc.nonce(world.payer.address, "pending") == 0


@pytest.mark.attack
async def test_fewer_than_the_quorum(world: World) -> None:
    with pytest.raises(
        ContractRejected, match=r"QuorumNotMet: 2 reporters have an answer for feed 0x.*, the quorum is 3"
    ):
        await world.submitter.sign(await world.proven({"quorum": 2_000}, signers=2))


async def test_a_report_that_is_not_newer(world: World) -> None:
    await confirmed(world, await world.submit("price", 2_000))
    observed_at = world.now
    world.at(world.now + 60)
    with pytest.raises(StateMoved, match="ObservationNotNewer"):
        await world.submitter.sign(await world.proven({"price": 2_000}, observed_at=observed_at))


@pytest.mark.attack
async def test_altered_after_signing(world: World) -> None:
    proven = await world.proven({"price": 2_000})
    signed = proven.scored.signed
    (good,) = signed.signatures
    for bad in (
        replace(signed, signatures=(replace(good, answers=(2_001,)),)),
        replace(signed, signatures=(replace(good, readings=b"\1" * 32),)),
        replace(signed, signatures=(replace(good, vs=bytes([good.vs[0] ^ 1]) + good.vs[1:]),)),
        replace(signed, signatures=(replace(good, vs=bytes([good.vs[0] ^ 128]) + good.vs[1:]),)),
        replace(signed, report=replace(signed.report, observed_at=signed.report.observed_at - 1)),
    ):
        with pytest.raises(ContractRejected, match="NotAReporter: the signature is of 0x"):
            await world.submitter.sign(world.prove(bad))


async def test_a_paused_feed(world: World) -> None:
    deployer = Sender(world.rpc, await keystore.local_chain_key(DEPLOYER, world.rpc), poll_s=0.01)
    pause = await deployer.sign(world.hub.address, hub_interface().encode_call("pause", world.feed("price")))
    await deployer.broadcast(pause)
    await deployer.wait(pause.tx_hash, 10)
    assert (await world.hub.feed_state(world.feed("price"))).paused
    with pytest.raises(ContractRejected, match="paused by its guardian"):
        await world.submitter.sign(await world.proven({"price": 2_000}))


async def test_there_is_no_hub(world: World) -> None:
    nowhere = Hub(world.rpc, "0x000000000000000000000000000000000000dEaD")
    with pytest.raises(DeploymentError, match="there is no contract"):
        await nowhere.feed_ids()
    verifier = Hub(world.rpc, world.deployment.verifiers[0].address)
    with pytest.raises(DeploymentError, match="names no lens, so it is no hub"):
        await verifier.feed_ids()
    with pytest.raises(ContractRejected, match="UnknownFeed"):
        await world.hub.feed_state(b"\0" * 32)


# --- the fake ------------------------------------------------------------------------------------------------------


async def test_the_fake_hub_does_as_the_hub_does(world: World) -> None:
    """The same reports give both the same states and the same events."""
    fake = await fake_of(world)
    reports = [("price", 2_000, CALM), ("price", 2_900, ANOMALOUS), ("metric", -5, CALM), ("price", 2_010, CALM)]
    reports += [("metric", 900, ANOMALOUS), ("metric", 901, ANOMALOUS), ("quorum", 7, CALM), ("metric", 902, ANOMALOUS)]
    for name, answer, scores in reports:
        world.at(world.now + 3_600)
        submitted = await world.submit(name, answer, scores)
        result = await end(world.submitter, submitted)
        found = await world.rpc.transaction(submitted.tx_hash)
        receipt = await world.rpc.receipt(submitted.tx_hash)
        assert found is not None
        assert receipt is not None
        events = fake.apply(found.data, block_number=result.block_number, tx_hash=submitted.tx_hash, now=world.now)
        real = world.hub.decode_outcome(receipt)
        payer = world.payer.address
        assert [replace(each, log_index=0, submitter=payer) for each in events] == [
            replace(each, log_index=0) for each in real
        ]
        feed_id = world.feed(name)
        assert await fake.feed_state(feed_id) == await world.hub.feed_state(feed_id)
        assert await fake.rounds(feed_id) == await world.hub.rounds(feed_id)
    assert await fake.feed_ids() == await world.hub.feed_ids()


async def fake_of(world: World) -> FakeHub:
    """Return a fake of the world's hub, with its feeds and committees."""
    fake = FakeHub(*[await world.hub.feed_config(feed.feed_id) for feed in world.deployment.feeds.values()])
    fake.address = world.hub.address
    fake.committees = {number: await world.hub.committee(number) for number in (1, 2)}
    return fake


async def test_the_fake_hub_refuses_as_the_hub_does(world: World) -> None:
    fake = await fake_of(world)
    deviations: list[dict[str, Any]] = [{"round_id": 7}, {"proof": BAD_PROOF}, {"answer": 0}, {"epoch": 3}]
    deviations += [{"model_number": 2}, {"feed": "quorum", "signers": 2}]
    for each in deviations:
        changes: dict[str, Any] = {"answer": 2_000, "feed": "price"} | each
        proven = await world.proven({changes.pop("feed"): changes.pop("answer")}, **changes)
        with pytest.raises((ContractRejected, StateMoved)) as real:
            await world.submitter.sign(proven)
        scored = proven.scored
        submission = Submission.of(scored.model_number, scored.signed, scored.scores, proven.proof)
        with pytest.raises(ContractRejected) as faked:
            fake.check(encode_submission(submission))
        assert str(real.value).split(":")[0] == faked.value.name
