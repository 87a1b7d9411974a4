"""Tests of the gate's mirror beside the hub on a real Anvil: both judge the same reports. Verifiers are stubs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.deploy import CommitteePlan, Deployment, DeployPlan, FeedPlan, deploy, feed_id_of
from oracle.chain.hub import (
    CHANGE_WINDOW,
    Hub,
    HubFeedConfig,
    Proposals,
    RoundAccepted,
    RoundHeld,
    ShadowTally,
    Submission,
    SubmitCall,
    encode_submission,
    hub_interface,
    round_event,
)
from oracle.chain.keys import keystore
from oracle.chain.keys.signer import LocalReporter, recover
from oracle.chain.keys.typed import readings_hash, report_digest
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.core import encoding, gate
from oracle.core.encoding import NO_ANSWER, Feature, PeerAnswer
from oracle.core.errors import ContractRejected
from oracle.core.report import Report, SignedReport
from oracle.core.types import FeedState, HoldReason, Kind, Outcome
from tests.stubs import feed_config, stub_artifact
from tests.transactions import mined

NORMAL, ANOMALOUS = (-1_000, -500), (-1_000, 2_500)
PROOF = b"\1proof"
START = 1_600_000_000
DEPLOYER, OUTSIDER, *REPORTERS = range(5)
PRICE = feed_config("ETH / USD", max_repeats=2, confirm_delay=600)
METRIC = feed_config("TEMPERATURE", kind=Kind.ABSOLUTE, sigma=100, max_repeats=1, confirmations=1, confirm_delay=1)
INDEX = feed_config("INDEX", confirm_delay=60, peers=(feed_id_of(METRIC.description), feed_id_of(PRICE.description)))
CONFIGS = {feed_id_of(each.description): each for each in (PRICE, METRIC, INDEX)}
ALONE = tuple(each for each in Feature if each not in {part for pair in encoding.PEER_FEATURES for part in pair})
"""All features of a feed without peers."""

OTHER_MODEL = 8
SHADOW = SubmitCall.SUBMIT_SHADOW


@dataclass
class World:
    """A hub on a chain where each report sets the next block's time."""

    chain: Anvil
    rpc: Rpc
    hub: Hub
    reporters: tuple[LocalReporter, ...]
    now: int = START + 10_000

    async def send(self, data: bytes, account: int = OUTSIDER) -> Receipt:
        """Send a report. Raises: ContractRejected with the hub's error."""
        sender = self.chain.accounts[account].address
        await self.rpc.call(self.hub.address, data, sender=sender, decode=hub_interface().decode_error)
        sent = {"from": sender, "to": self.hub.address, "data": "0x" + data.hex(), "gas": hex(2_000_000)}
        receipt = await self.rpc.receipt(bytes.fromhex(mined(self.chain.rpc, sent)["transactionHash"][2:]))
        assert receipt is not None
        assert receipt.succeeded
        return receipt

    async def admin(self, function: str, *arguments: Any) -> Receipt:
        return await self.send(hub_interface().encode_call(function, *arguments), DEPLOYER)

    async def signed(
        self, answers: Mapping[HubFeedConfig, Sequence[int]], due: Sequence[HubFeedConfig]
    ) -> SignedReport:
        """Return a report of some feeds, each with the answers of as many reporters."""
        by_id = sorted((feed_id_of(config.description), config) for config in answers)
        states = await self.hub.feed_states([feed_id for feed_id, _ in by_id])
        rounds = [state.round_id + 1 if config in due else 0 for state, (_, config) in zip(states, by_id, strict=True)]
        report = Report(1, 1, self.now, tuple(feed_id for feed_id, _ in by_id), tuple(rounds))
        rows = max(len(each) for each in answers.values())
        return SignedReport(
            report,
            tuple(
                reporter.sign_report(report, [(*answers[config], *[NO_ANSWER] * rows)[row] for _, config in by_id])
                for row, reporter in enumerate(self.reporters[:rows])
            ),
        )

    async def report(
        self,
        answers: Mapping[HubFeedConfig, Sequence[int]],
        scores: Sequence[int],
        *,
        due: Sequence[HubFeedConfig] | None = None,
        model_number: int = 1,
        call: SubmitCall = SubmitCall.SUBMIT,
    ) -> Receipt:
        """Report answers of reporters to feeds, all with the same scores, all of them due unless some are named."""
        signed = await self.signed(answers, [*answers] if due is None else due)
        submission = Submission.of(model_number, signed, [scores] * len(signed.report.due), PROOF)
        return await self.send(encode_submission(submission, call))

    def later(self, seconds: int) -> int:
        """Mine a block some seconds later, so that the next report is observed then."""
        self.now += seconds
        self.chain.rpc("evm_setNextBlockTimestamp", self.now)
        self.chain.rpc("evm_mine")
        return self.now


async def deployed_hub(chain: Anvil, path: Path) -> Deployment:
    """Deploy a hub with three feeds: two alone, and one that has them as its peers."""
    async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
        committee = CommitteePlan("default", tuple(chain.accounts[each].address for each in REPORTERS))
        feeds = (
            FeedPlan("price", PRICE, model="alone"),
            FeedPlan("metric", METRIC, model="alone"),
            FeedPlan("index", INDEX, model="peers"),
        )
        models = {
            "alone": [stub_artifact(name="alone", features=ALONE, batch=batch) for batch in (1, 2)],
            "peers": [stub_artifact(name="peers", features=tuple(Feature))],
        }
        plan = DeployPlan((committee,), feeds, models, change_delay=0)
        return await deploy(plan, rpc, await keystore.local_chain_key(DEPLOYER, rpc), path, poll_s=0.01)


@pytest.fixture(scope="module")
def deployed(
    anvil: Callable[..., Anvil], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Anvil, Deployment]]:
    with anvil(start_time=START) as chain:
        yield chain, asyncio.run(deployed_hub(chain, tmp_path_factory.mktemp("chain") / "deployment.json"))


@pytest.fixture
async def world(deployed: tuple[Anvil, Deployment]) -> AsyncIterator[World]:
    chain, deployment = deployed
    snapshot = chain.snapshot()
    async with Rpc(chain.rpc_url, chain.chain_id, attempts=1) as rpc:
        keys = [await keystore.local_chain_key(each, rpc) for each in REPORTERS]
        reporters = tuple(LocalReporter(key, chain.chain_id, deployment.hub) for key in keys)
        world = World(chain, rpc, Hub(rpc, deployment.hub), reporters)
        world.later(0)
        yield world
    chain.revert(snapshot)


async def published_at(world: World, receipt: Receipt) -> int:
    return (await world.rpc.block(receipt.block_number)).timestamp


# --- the gate ---


def empty(config: HubFeedConfig, model_number: int = 1) -> FeedState:
    return gate.empty_feed(
        feed_id_of(config.description), config.kind, config.sigma, config.heartbeat, model_number, peers=config.peers
    )


def policy_of(config: HubFeedConfig) -> gate.HoldPolicy:
    return gate.HoldPolicy(config.confirmations, config.confirm_delay, config.tolerance, config.max_repeats)


@pytest.mark.parametrize("config", [PRICE, METRIC, INDEX], ids=["relative", "absolute", "with-peers"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_the_hub_and_the_gate_agree_on_every_report(world: World, config: HubFeedConfig, seed: int) -> None:
    """Few different answers, so that they repeat, agree and contradict; any verdict; every outcome has to occur."""
    rng = random.Random(seed)
    feed_id = feed_id_of(config.description)
    number, listed = (2, tuple(Feature)) if config.peers else (1, ALONE)
    mirror = empty(config, number)
    assert await world.hub.feed_state(feed_id) == mirror
    levels = [10_000, 10_010, 20_000, 20_010, -5, 0]
    seen: set[tuple[Outcome, HoldReason]] = set()
    answer = 10_000
    for _ in range(100):
        answer = answer if rng.random() < 0.6 else rng.choice(levels)
        if mirror.round_id == 0:
            answer = 10_000
        world.later(rng.choice([1, 60, 400, 5_000]))
        scores = rng.choice([NORMAL, NORMAL, ANOMALOUS])
        # Up to three reporters, of whom the middle one, or the upper of two, is the median.
        answers = {config: rng.choice([[answer], [answer, answer - 7], [answer + 3, answer, answer - 9]])}
        answers |= {CONFIGS[peer]: [rng.choice([9_000, 10_000, 30_000])] for peer in config.peers}
        signed = await world.signed(answers, [config])
        position = signed.report.position(feed_id)
        assert position is not None and signed.median(position) == answer
        spread, count = signed.spread(position, config.kind, config.sigma), signed.count(position)
        assert count == len(answers[config])
        peer_answers = [answers[CONFIGS[peer]][0] for peer in config.peers]
        peers = [
            PeerAnswer(CONFIGS[peer].kind, CONFIGS[peer].sigma, each)
            for peer, each in zip(config.peers, peer_answers, strict=True)
        ]
        assert await world.hub.features(
            feed_id, answer, world.now, spread=spread, count=count, peer_answers=peer_answers
        ) == encoding.features(
            mirror, answer, world.now, listed, tolerance=config.tolerance, spread=spread, count=count, peers=peers
        )
        receipt = await world.report(answers, scores, due=[config], model_number=number)
        verdict = gate.judge(
            mirror,
            policy_of(config),
            answer,
            world.now,
            scores,
            score_unit=1_000,
            published_at=await published_at(world, receipt),
            spread=spread,
            count=count,
            peer_answers=peer_answers,
        )
        mirror = verdict.state
        seen.add((verdict.outcome, verdict.reason))
        assert await world.hub.feed_state(feed_id) == mirror
        (event,) = world.hub.decode_outcome(receipt)
        assert event.submitter == world.chain.accounts[OUTSIDER].address
        if verdict.outcome is Outcome.HELD:
            assert mirror.held is not None
            assert isinstance(event, RoundHeld)
            assert (event.reason, event.confirmations) == (mirror.held.reason, mirror.held.confirmations)
        else:
            assert isinstance(event, RoundAccepted)
            assert event.confirmed is verdict.confirmed
            assert await world.hub.round(feed_id, mirror.round_id) == verdict.round
    held = {reason for outcome, reason in seen if outcome is Outcome.HELD}
    possible = {HoldReason.ANOMALOUS}
    possible |= {HoldReason.REPEATED} if config.max_repeats else set()
    possible |= {HoldReason.NOT_POSITIVE} if config.kind is Kind.RELATIVE else set()
    assert held == possible
    accepted = {reason for outcome, reason in seen if outcome is Outcome.ACCEPTED}
    assert accepted == {HoldReason.NONE, HoldReason.ANOMALOUS}, "confirmed ones among them"


async def test_all_due_feeds_of_a_report_are_judged_and_references_are_not(world: World) -> None:
    receipt = await world.report({PRICE: [10_000, 10_004], METRIC: [-7]}, NORMAL)
    assert {(each.feed_id, each.answer) for each in world.hub.decode_outcome(receipt)} == {
        (feed_id_of("ETH / USD"), 10_004),
        (feed_id_of("TEMPERATURE"), -7),
    }
    world.later(60)
    before = await world.hub.feed_state(feed_id_of("ETH / USD"))
    receipt = await world.report({PRICE: [20_000], METRIC: [-8]}, NORMAL, due=[METRIC])
    assert [each.feed_id for each in world.hub.decode_outcome(receipt)] == [feed_id_of("TEMPERATURE")]
    assert await world.hub.feed_state(feed_id_of("ETH / USD")) == before


async def test_a_report_that_is_there_already_is_brought_once(world: World) -> None:
    signed = await world.signed({PRICE: [10_000]}, [PRICE])
    calldata = encode_submission(Submission.of(1, signed, [NORMAL], PROOF), SubmitCall.SUBMIT_IF_NEWER)
    receipt = await world.send(calldata)
    assert len(world.hub.decode_outcome(receipt)) == 1
    assert (await world.send(calldata)).logs == ()
    with pytest.raises(ContractRejected, match="WrongRound"):
        await world.send(encode_submission(Submission.of(1, signed, [NORMAL], PROOF)))


@pytest.mark.attack
async def test_a_peer_is_never_left_out(world: World) -> None:
    with pytest.raises(
        ContractRejected, match=f"does not list 0x{feed_id_of('TEMPERATURE').hex()}, a peer of"
    ) as caught:
        await world.report({INDEX: [10_000], PRICE: [10_000]}, NORMAL, due=[INDEX], model_number=2)
    assert caught.value.name == "PeerMissing"


@pytest.mark.attack
async def test_a_quorum_is_of_answers_for_each_feed(world: World) -> None:
    """A signature without an answer counts for nothing, of a reference too."""
    answers = {INDEX: [10_000], PRICE: [10_000], METRIC: [5, 6]}
    signed = await world.signed(answers, [INDEX])
    silent = [reporter.sign_report(signed.report, [NO_ANSWER] * 3) for reporter in world.reporters[:1]]
    submission = Submission(2, SignedReport(signed.report, tuple(silent)), (NORMAL,), (0, 0, 0), PROOF)
    with pytest.raises(
        ContractRejected, match=r"QuorumNotMet: 0 reporters have an answer for feed 0x.*, the quorum is 1"
    ):
        await world.send(encode_submission(submission))
    await world.report(answers, NORMAL, due=[INDEX], model_number=2)


@pytest.mark.attack
async def test_a_row_that_is_not_the_median_is_refused(world: World) -> None:
    signed = await world.signed({METRIC: [5, 9, 7]}, [METRIC])
    for row in (0, 1):
        with pytest.raises(ContractRejected, match="NotTheMedian"):
            await world.send(encode_submission(Submission(1, signed, (NORMAL,), (row,), PROOF)))
    await world.send(encode_submission(Submission(1, signed, (NORMAL,), (2,), PROOF)))


async def test_the_digest_is_the_lens_s(world: World) -> None:
    signed = await world.signed({PRICE: [10_000, 10_001], METRIC: [5]}, [METRIC])
    readings = readings_hash([b"\1" * 32, bytes(32)])
    for reporter, signature in zip(world.reporters, signed.signatures, strict=False):
        theirs = await world.hub.report_digest(signed.report, signature.answers, readings)
        chain_id, hub = world.chain.chain_id, world.hub.address
        assert theirs == report_digest(chain_id, hub, signed.report, signature.answers, readings)
        assert recover(chain_id, hub, signed.report, signature) == reporter.address


@pytest.mark.parametrize(("score", "ratio"), [(2**126, 2**23 - 1), (8_388_607, 2**23 - 1), (8_388_606, 2**23 - 2)])
async def test_a_score_ratio_saturates_at_24_bits(world: World, score: int, ratio: int) -> None:
    feed_id = feed_id_of(METRIC.description)
    await world.report({METRIC: [5]}, (-score, -score))
    found = await world.hub.round(feed_id, 1)
    expected = encoding.score_ratio([-score, -score], 1_000)
    assert found is not None and found.score_ratio == expected
    world.later(60)
    await world.report({METRIC: [6]}, (score, score))
    held = (await world.hub.feed_state(feed_id)).held
    assert held is not None and held.score_ratio == ratio == encoding.score_ratio([score, score], 1_000)


@pytest.mark.parametrize("unit", [0, 1, 2**40 - 1, 2**40, 2**40 + 1, 2**41 - 1, (2**40 - 1) << 88, 2**128 - 1])
async def test_the_hub_takes_the_score_units_that_fit(world: World, unit: int) -> None:
    probe = (encoding.calm_window(ALONE), (-1, -1), [PROOF] * 2)
    add = world.admin("addModel", OTHER_MODEL, 1, bytes(32), unit, probe)
    if not encoding.is_score_unit(unit):
        with pytest.raises(ContractRejected, match="scoreUnit"):
            await add
        return
    await add
    assert (await world.hub.model(3)).score_unit == unit


async def test_the_terms_come_back_as_they_were_given(world: World) -> None:
    for config in (PRICE, METRIC, INDEX):
        assert await world.hub.feed_config(feed_id_of(config.description)) == config


# --- a shadow period ---


async def propose(world: World, feed_id: bytes, *, compared: int = 2, disagreements: int = 0) -> None:
    probe = (encoding.calm_window(ALONE), (-1, -1), [PROOF] * 2)
    await world.admin("addModel", OTHER_MODEL, 1, bytes(32), 1_000, probe)
    await world.admin("proposeModel", feed_id, 3, compared, disagreements)


async def test_a_shadow_period_as_the_reader_sees_it(world: World) -> None:
    feed_id = feed_id_of(PRICE.description)
    await world.report({PRICE: [10_000]}, NORMAL)
    nothing = Proposals(None, None, None, None, None)
    assert await world.hub.proposals(feed_id) == nothing
    assert await world.hub.shadow(feed_id) is None
    with pytest.raises(ContractRejected, match="the model is proposed for none of them") as caught:
        await world.report({PRICE: [10_010]}, NORMAL, call=SHADOW)
    assert caught.value.name == "NothingDue"

    await propose(world, feed_id, disagreements=1)
    proposed = await world.hub.proposals(feed_id)
    assert (proposed.model, proposed.previous_model) == (3, None)
    assert await world.hub.shadow(feed_id) == ShadowTally(3, 0, 0, 0, 2, 1)

    world.later(60)
    before = await world.hub.feed_state(feed_id)
    receipt = await world.report({PRICE: [10_010]}, ANOMALOUS, model_number=3, call=SHADOW)
    assert await world.hub.feed_state(feed_id) == before, "nothing is written"
    (log,) = receipt.logs
    assert round_event(log) is None
    assert world.hub.decode_outcome(receipt) == []
    decoded = hub_interface().decode_log(log)
    assert decoded is not None and decoded[0] == "ShadowScored"
    assert (decoded[1]["answer"], decoded[1]["modelNumber"], decoded[1]["scores"]) == (10_010, 3, ANOMALOUS)
    await world.report({PRICE: [10_010]}, NORMAL)
    assert await world.hub.shadow(feed_id) == ShadowTally(3, 1, 0, 0, 2, 1), "compared with the next one"

    with pytest.raises(ContractRejected, match="1 compared reports, its proposal demands 2"):
        await world.admin("activateModel", feed_id)
    world.later(60)
    receipt = await world.report({PRICE: [10_020]}, NORMAL, model_number=3, call=SHADOW)
    names = [found[0] for log in receipt.logs if (found := hub_interface().decode_log(log)) is not None]
    assert names == ["ShadowCompared", "ShadowScored"]
    assert await world.hub.shadow(feed_id) == ShadowTally(3, 2, 1, 1, 2, 1)

    await world.report({PRICE: [10_020]}, NORMAL)
    await world.admin("activateModel", feed_id)
    assert (await world.hub.feed_state(feed_id)).model_number == 3
    proposed = await world.hub.proposals(feed_id)
    assert (proposed.model, proposed.previous_model) == (None, 1)
    assert proposed.previous_until is not None and 0 <= proposed.previous_until - world.now - CHANGE_WINDOW < 60


async def test_a_model_whose_verdicts_differ_too_often_is_not_activated(world: World) -> None:
    feed_id = feed_id_of(PRICE.description)
    await propose(world, feed_id, compared=1)
    # The smallest score above zero is anomalous.
    await world.report({PRICE: [10_000]}, (1, -1), model_number=3, call=SHADOW)
    await world.report({PRICE: [10_000]}, (0, 0))
    with pytest.raises(ContractRejected, match="on 1 reports, its proposal allows 0"):
        await world.admin("activateModel", feed_id)
