"""Tests of the gate's mirror beside the hub on a real Anvil: both judge the same reports. Verifiers are stubs."""

from __future__ import annotations

import asyncio
import random
from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.deploy import Deployment, DeployPlan, FeedPlan, deploy, feed_id_of
from oracle.chain.hub import (
    Hub,
    HubFeedConfig,
    Proposals,
    RoundAccepted,
    RoundHeld,
    ShadowTally,
    encode_submission,
    hub_interface,
    round_event,
)
from oracle.chain.keys import keystore
from oracle.chain.keys.signer import LocalReporter
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.core import encoding, gate
from oracle.core.errors import ContractRejected
from oracle.core.types import FeedState, HoldReason, Kind, Observed, Outcome, Scored
from tests.fakes import feed_config, stub_artifact

NORMAL, ANOMALOUS = (-1_000, -500), (-1_000, 2_500)
PROOF = b"\1proof"
START = 1_600_000_000
DEPLOYER, OUTSIDER, REPORTER = 0, 1, 2
PRICE = feed_config("ETH / USD", max_repeats=2, confirm_delay=600)
METRIC = feed_config("TEMPERATURE", kind=Kind.ABSOLUTE, sigma=100, max_repeats=1, confirmations=1, confirm_delay=0)
OTHER_MODEL = 8


@dataclass
class World:
    """A hub on a chain where each report sets the next block's time."""

    chain: Anvil
    rpc: Rpc
    hub: Hub
    reporter: LocalReporter
    now: int = START + 10_000

    async def send(self, data: bytes, account: int = OUTSIDER) -> Receipt:
        """Send a report. Raises: ContractRejected with the hub's error."""
        sender = self.chain.accounts[account].address
        await self.rpc.call(self.hub.address, data, sender=sender, decode=hub_interface().decode_error)
        sent = {"from": sender, "to": self.hub.address, "data": "0x" + data.hex(), "gas": hex(2_000_000)}
        tx_hash = bytes.fromhex(self.chain.rpc("eth_sendTransaction", sent)[2:])
        async with asyncio.timeout(30):
            while (receipt := await self.rpc.receipt(tx_hash)) is None:
                pass  # mined some time after it is sent
        assert receipt.succeeded
        return receipt

    async def admin(self, function: str, *arguments: Any) -> Receipt:
        return await self.send(hub_interface().encode_call(function, *arguments), DEPLOYER)

    async def scored(self, config: HubFeedConfig, answer: int, scores: Sequence[int], model_number: int = 1) -> Scored:
        feed_id = feed_id_of(config.description)
        state = await self.hub.feed_state(feed_id)
        round_id = state.round_id + 1
        signed = self.reporter.sign_observation(feed_id, round_id, answer, self.now)
        features = encoding.features(state, answer, self.now, 16)
        assert await self.hub.features(feed_id, answer, self.now) == features
        observed = Observed(config.description, feed_id, answer, self.now)
        return Scored(observed, round_id, model_number, (signed,), features, tuple(scores))

    async def report(
        self, config: HubFeedConfig, answer: int, scores: Sequence[int], *, model_number: int = 1, shadow: bool = False
    ) -> Receipt:
        scored = await self.scored(config, answer, scores, model_number)
        return await self.send(encode_submission([scored], PROOF, shadow=shadow))

    def later(self, seconds: int) -> int:
        """Mine a block some seconds later, so that the next report is observed then."""
        self.now += seconds
        self.chain.rpc("evm_setNextBlockTimestamp", self.now)
        self.chain.rpc("evm_mine")
        return self.now


async def _deploy(chain: Anvil, path: Path) -> Deployment:
    async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
        reporters = (chain.accounts[REPORTER].address,)
        feeds = (FeedPlan("price", PRICE, reporters), FeedPlan("metric", METRIC, reporters))
        plan = DeployPlan(feeds, {"default": [stub_artifact()]}, change_delay=0)
        return await deploy(plan, rpc, await keystore.local_chain_key(DEPLOYER, rpc), path, poll_s=0.01)


@pytest.fixture(scope="module")
def deployed(
    anvil: Callable[..., Anvil], tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Anvil, Deployment]]:
    with anvil(start_time=START) as chain:
        yield chain, asyncio.run(_deploy(chain, tmp_path_factory.mktemp("chain") / "deployment.json"))


@pytest.fixture
async def world(deployed: tuple[Anvil, Deployment]) -> AsyncIterator[World]:
    chain, deployment = deployed
    snapshot = chain.rpc("evm_snapshot")
    async with Rpc(chain.rpc_url, chain.chain_id, attempts=1) as rpc:
        reporter = LocalReporter(await keystore.local_chain_key(REPORTER, rpc), chain.chain_id, deployment.hub)
        world = World(chain, rpc, Hub(rpc, deployment.hub), reporter)
        world.later(0)
        yield world
    assert chain.rpc("evm_revert", snapshot)


async def published_at(world: World, receipt: Receipt) -> int:
    return (await world.rpc.block(receipt.block_number)).timestamp


# --- the gate ---


@pytest.mark.parametrize("config", [PRICE, METRIC], ids=["relative", "absolute"])
@pytest.mark.parametrize("seed", [1, 2])
async def test_the_hub_and_the_gate_agree_on_every_report(world: World, config: HubFeedConfig, seed: int) -> None:
    """Few different answers, so that they repeat, agree and contradict; any verdict; every outcome has to occur."""
    rng = random.Random(seed)
    feed_id = feed_id_of(config.description)
    policy = gate.HoldPolicy(config.confirmations, config.confirm_delay, config.tolerance, config.max_repeats)
    mirror: FeedState = gate.empty_feed(feed_id, config.kind, config.sigma, config.heartbeat, 1)
    assert await world.hub.feed_state(feed_id) == mirror
    answers = [10_000, 10_010, 20_000, 20_010, -5, 0]
    seen: set[tuple[Outcome, HoldReason]] = set()
    answer = 10_000
    for _ in range(45):
        answer = answer if rng.random() < 0.6 else rng.choice(answers)
        if mirror.round_id == 0:
            answer = 10_000
        world.later(rng.choice([1, 60, 400, 5_000]))
        scores = rng.choice([NORMAL, NORMAL, ANOMALOUS])
        receipt = await world.report(config, answer, scores)
        verdict = gate.judge(
            mirror,
            policy,
            answer,
            world.now,
            scores,
            score_unit=1_000,
            published_at=await published_at(world, receipt),
        )
        mirror = verdict.state
        seen.add((verdict.outcome, verdict.reason))
        assert await world.hub.feed_state(feed_id) == mirror
        (event,) = world.hub.decode_outcome(receipt)
        if verdict.outcome is Outcome.HELD:
            assert mirror.held is not None
            assert isinstance(event, RoundHeld)
            assert (event.reason, event.confirmations) == (mirror.held.reason, mirror.held.confirmations)
        else:
            assert isinstance(event, RoundAccepted)
            assert event.confirmed is verdict.confirmed
    held = {reason for outcome, reason in seen if outcome is Outcome.HELD}
    not_positive = {HoldReason.NOT_POSITIVE} if config.kind is Kind.RELATIVE else set()
    assert held == {HoldReason.ANOMALOUS, HoldReason.REPEATED} | not_positive
    accepted = {reason for outcome, reason in seen if outcome is Outcome.ACCEPTED}
    assert accepted == {HoldReason.NONE, HoldReason.ANOMALOUS}, "confirmed ones among them"


@pytest.mark.parametrize(("score", "ratio"), [(2**126, 2**23 - 1), (8_388_607, 2**23 - 1), (8_388_606, 2**23 - 2)])
async def test_a_score_ratio_saturates_at_24_bits(world: World, score: int, ratio: int) -> None:
    feed_id = feed_id_of(METRIC.description)
    await world.report(METRIC, 5, (-score, -score))
    found = await world.hub.round(feed_id, 1)
    expected = encoding.score_ratio([-score, -score], 1_000)
    assert found is not None and found.score_ratio == expected
    world.later(60)
    await world.report(METRIC, 6, (score, score))
    held = (await world.hub.feed_state(feed_id)).held
    assert held is not None and held.score_ratio == ratio == encoding.score_ratio([score, score], 1_000)


@pytest.mark.parametrize("unit", [0, 1, 2**40 - 1, 2**40, 2**40 + 1, 2**41 - 1, (2**40 - 1) << 88, 2**128 - 1])
async def test_the_hub_takes_the_score_units_that_fit(world: World, unit: int) -> None:
    probe = ((0,) * 15 + (encoding.GAP_ONE,), (-1, -1), [PROOF])
    add = world.admin("addModel", OTHER_MODEL, 1, bytes(32), unit, probe)
    if not encoding.is_score_unit(unit):
        with pytest.raises(ContractRejected, match="scoreUnit"):
            await add
        return
    await add
    assert (await world.hub.model(2)).score_unit == unit


async def test_the_terms_come_back_as_they_were_given(world: World) -> None:
    assert await world.hub.feed_config(feed_id_of(PRICE.description)) == PRICE
    assert await world.hub.feed_config(feed_id_of(METRIC.description)) == METRIC


# --- a shadow period ---


async def propose(world: World, feed_id: bytes, *, compared: int = 2, distance: int = 1_000) -> None:
    probe = ((0,) * 15 + (encoding.GAP_ONE,), (-1, -1), [PROOF])
    await world.admin("addModel", OTHER_MODEL, 1, bytes(32), 1_000, probe)
    await world.admin("proposeModel", feed_id, 2, compared, distance)


async def test_a_shadow_period_as_the_reader_sees_it(world: World) -> None:
    feed_id = feed_id_of(PRICE.description)
    await world.report(PRICE, 10_000, NORMAL)
    nothing = Proposals(None, None, (), None, None, None, None)
    assert await world.hub.proposals(feed_id) == nothing
    assert await world.hub.shadow(feed_id) is None
    with pytest.raises(ContractRejected, match=r"model 1, the feed's proposed model is 0") as caught:
        await world.report(PRICE, 10_010, NORMAL, shadow=True)
    assert caught.value.name == "ModelNotProposed"

    await propose(world, feed_id)
    proposed = await world.hub.proposals(feed_id)
    assert (proposed.model, proposed.previous_model, proposed.reporters) == (2, None, ())
    assert await world.hub.shadow(feed_id) == ShadowTally(2, 0, 0, 0, 0, 2, 1_000)

    world.later(60)
    before = await world.hub.feed_state(feed_id)
    receipt = await world.report(PRICE, 10_010, ANOMALOUS, model_number=2, shadow=True)
    assert await world.hub.feed_state(feed_id) == before, "nothing is written"
    (log,) = receipt.logs
    assert round_event(log) is None
    assert world.hub.decode_outcome(receipt) == []
    decoded = hub_interface().decode_log(log)
    assert decoded is not None and decoded[0] == "ShadowScored"
    assert (decoded[1]["answer"], decoded[1]["modelNumber"], decoded[1]["scores"]) == (10_010, 2, ANOMALOUS)
    await world.report(PRICE, 10_010, NORMAL)
    assert await world.hub.shadow(feed_id) == ShadowTally(2, 1, 0, 0, 0, 2, 1_000), "compared with the next one"

    with pytest.raises(ContractRejected, match="1 compared reports, its proposal demands 2"):
        await world.admin("activateModel", feed_id)
    world.later(60)
    receipt = await world.report(PRICE, 10_020, NORMAL, model_number=2, shadow=True)
    names = [found[0] for log in receipt.logs if (found := hub_interface().decode_log(log)) is not None]
    assert names == ["ShadowCompared", "ShadowScored"]
    assert await world.hub.shadow(feed_id) == ShadowTally(2, 2, 1, 1, 3_000, 2, 1_000)

    await world.report(PRICE, 10_020, NORMAL)
    await world.admin("activateModel", feed_id)
    assert (await world.hub.feed_state(feed_id)).model_number == 2
    assert await world.hub.proposals(feed_id) == Proposals(None, None, (), None, None, None, 1)


async def test_a_model_that_scores_too_differently_is_not_activated(world: World) -> None:
    feed_id = feed_id_of(PRICE.description)
    await propose(world, feed_id, compared=1, distance=2_999)
    await world.report(PRICE, 10_000, ANOMALOUS, model_number=2, shadow=True)
    await world.report(PRICE, 10_000, NORMAL)
    with pytest.raises(ContractRejected, match=r"3000 thousandths .* allows 2999"):
        await world.admin("activateModel", feed_id)
