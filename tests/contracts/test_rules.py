"""The Python mirror of the hub's rules against the hub itself, on random and hostile histories.

`core.encoding` derives the features and `core.gate` judges; a real hub does the same on a real chain. After each report
the feeds' states and rounds have to be equal. The verifier takes no proof but that of the statement that Python wrote,
so the features are compared, too. What the hub refuses, it has to refuse for the reason that a second list of its
checks names.

`ORACLE_FUZZ_REPORTS=20000 pytest tests/contracts/test_rules.py` tries more than the suite does.
"""

from __future__ import annotations

import asyncio
import os
from collections import Counter
from collections.abc import Callable
from dataclasses import astuple
from typing import Any

import pytest

from oracle.chain import compiled
from oracle.chain.hub import Hub, HubFeedConfig, hub_interface
from oracle.chain.local.anvil import Anvil
from oracle.chain.local.contracts import compile_contracts
from oracle.chain.rpc import Rpc
from oracle.core.encoding import calm_window
from oracle.core.errors import ContractRejected
from oracle.core.formats import to_hex
from oracle.core.gate import Verdict
from oracle.core.types import FeedState, HoldReason, Kind
from tests.attack.calldata import IF_NEWER, SUBMIT, encode
from tests.contracts.market import RELAYER, START, Market
from tests.contracts.mirror import (
    BATCHES,
    FEATURES,
    MEMBERS,
    MODEL_HASH,
    OUTPUTS,
    QUORUM,
    UNIT,
    Forger,
    Plan,
    World,
)

pytestmark = pytest.mark.attack

REPORTS = int(os.environ.get("ORACLE_FUZZ_REPORTS", "440"))
SEED = int(os.environ.get("ORACLE_FUZZ_SEED", "17"))
GAS = 15_000_000

REFUSALS = {
    "AnswerOutOfRange",
    "DuplicateReporter",
    "FeedsNotAscending",
    "MalformedSubmission",
    "ModelNotActive",
    "NoCircuitForBatch",
    "NotAReporter",
    "NotTheMedian",
    "NothingDue",
    "ObservationInFuture",
    "ObservationNotNewer",
    "ObservationTooOld",
    "PeerMissing",
    "ProofRejected",
    "ProofTooLong",
    "QuorumNotMet",
    "ScoreOutOfRange",
    "SpreadTooWide",
    "TooManySignatures",
    "UnknownCommittee",
    "UnknownFeed",
    "WrongCommittee",
    "WrongEpoch",
    "WrongRound",
}
"""The errors of a submission, without those that need a pause or a model that is not there."""


def in_order(terms: HubFeedConfig) -> tuple[Any, ...]:
    """Return the hub's `FeedConfig`."""
    return tuple(int(value) if isinstance(value, Kind) else value for value in astuple(terms))


@pytest.fixture
def market(anvil: Callable[..., Anvil]) -> Market:
    codes = {name: compiled.load(name) for name in compiled.SOURCES}
    mocks = {name: f"contracts/test/mocks/{name}.sol" for name in ("YesVerifier", "StubVerifier")}
    return Market(anvil(start_time=START), codes | compile_contracts(mocks))


def furnished(market: Market) -> World:
    """Return the hub with a model that sees everything, two committees and eight feeds."""
    # The model's probe is of no statement in particular. Then the verifiers get strict.
    verifiers = [market.deploy("YesVerifier").address for _ in BATCHES]
    market.send(market.hub, "addArchitecture", bytes(FEATURES), OUTPUTS, True, list(BATCHES), verifiers)
    probe = (calm_window(FEATURES), [0] * OUTPUTS, [b"any"] * len(BATCHES))
    market.send(market.hub, "addModel", MODEL_HASH, 2, bytes(31) + b"\1", UNIT, probe)
    for each in verifiers:
        market.chain.rpc("anvil_setCode", each, "0x" + market.codes["StubVerifier"].runtime.hex())
    accounts = market.chain.accounts
    for name, members in MEMBERS.items():
        market.send(market.hub, "addCommittee", [accounts[each].address for each in members], QUORUM[name])
    numbers = {name: number for number, name in enumerate(MEMBERS, 2)}
    now = int(market.chain.rpc("eth_getBlockByNumber", "latest", False)["timestamp"], 16) + 100
    keys = [each.key for each in accounts]
    world = World(market.chain.chain_id, market.hub.address, keys, numbers, 2, now, SEED)
    for terms in world.terms.values():
        market.send(market.hub, "addFeed", in_order(terms), 2)
    return world


class Comparison:
    """Sends reports to the hub, and compares."""

    def __init__(self, market: Market, rpc: Rpc) -> None:
        self.world = furnished(market)
        self._forger = Forger(self.world)
        self._rpc = rpc
        self._hub = Hub(rpc, market.hub.address)
        self._call = {"from": market.chain.accounts[RELAYER].address, "to": market.hub.address, "gas": hex(GAS)}

    async def one(self) -> None:
        """Try one report."""
        world, rng = self.world, self.world.rng
        plan = world.plan()
        if rng.random() < 0.3:
            plan = self._forger.altered(plan)
        made, expected = world.calldata(plan), world.refusal(plan)
        if not expected and rng.random() < 0.15:
            made, expected = self._forger.broken(plan, made)
        if expected:
            world.seen[expected] += 1
            assert await self._refusal(encode(made), plan.at) == expected, plan
        else:
            await self._taken(plan, encode(made, rng.choice([SUBMIT, IF_NEWER])))

    async def _refusal(self, data: bytes, at: int) -> str | None:
        """Return the error with which the hub refuses a submission in a block of this time; None if it takes it."""
        call = {**self._call, "data": to_hex(data)}
        try:
            decode = hub_interface().decode_error
            await self._rpc.request("eth_call", call, "latest", {}, {"time": hex(at)}, decode=decode)
        except ContractRejected as error:
            return error.name
        return None

    async def _taken(self, plan: Plan, data: bytes) -> None:
        """Mine a submission, and compare all states, and the rounds that it wrote."""
        world = self.world
        verdicts = world.verdicts(plan)
        tx_hash = await self._rpc.request("eth_sendTransaction", {**self._call, "data": to_hex(data)})
        await self._rpc.request("evm_mine", {"timestamp": plan.at})
        receipt = await self._rpc.request("eth_getTransactionReceipt", tx_hash)
        assert receipt["status"] == "0x1", (plan, await self._refusal(data, plan.at))
        world.now = plan.at
        self._forger.sent(plan)
        for feed_id, verdict in verdicts.items():
            self._count(world.states[feed_id], verdict)
            world.states[feed_id] = verdict.state
            if verdict.round:
                assert await self._hub.round(feed_id, verdict.round.round_id) == verdict.round
        states = await self._hub.feed_states(list(verdicts))
        assert states == tuple(verdict.state for verdict in verdicts.values()), plan

    async def all_feeds(self) -> None:
        """Compare the feeds that reports listed or left out."""
        assert await self._hub.feed_states(list(self.world.states)) == tuple(self.world.states.values())

    def _count(self, before: FeedState, verdict: Verdict) -> None:
        how = "confirmed" if verdict.confirmed else str(verdict.outcome)
        self.world.seen[f"{how} {verdict.reason.name}"] += 1
        held, after = before.held, verdict.state.held
        self.world.seen["confirmation"] += bool(after and after.confirmations)
        self.world.seen["released"] += bool(held and not after and not verdict.confirmed)
        self.world.seen["outlasted"] += bool(verdict.confirmed and held and held.anomalies > 4 * held.confirmations + 4)


def test_the_gate_and_the_hub_come_to_the_same_states_and_refusals(market: Market) -> None:
    async def play() -> Counter[str]:
        async with Rpc(market.chain.rpc_url, market.chain.chain_id) as rpc:
            comparison = Comparison(market, rpc)
            await rpc.request("evm_setAutomine", False)
            for number in range(REPORTS):
                await comparison.one()
                if number % 20 == 0:
                    await comparison.all_feeds()
            await comparison.all_feeds()
        return comparison.world.seen

    seen = asyncio.run(play())
    reasons = {HoldReason.ANOMALOUS, HoldReason.NOT_POSITIVE, HoldReason.REPEATED}
    wanted = {
        "accepted NONE",
        "confirmed ANOMALOUS",
        "confirmation",
        "released",
        *(f"held {each.name}" for each in reasons),
    }
    if SEED == 17:
        assert wanted <= seen.keys(), wanted - seen.keys()
        assert seen.keys() >= REFUSALS, f"nothing tried that ends in {REFUSALS - seen.keys()}"
    assert seen.keys() <= REFUSALS | wanted | {"outlasted"}
