"""Tests of how adapters are deployed, on a real Anvil, for a hub that a test can put into every state."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from oracle.chain import compiled
from oracle.chain.abi.interface import Interface
from oracle.chain.compiled import Compiled
from oracle.chain.contract import read
from oracle.chain.deploy import feed_id_of
from oracle.chain.deploy.adapters import (
    PLAIN,
    AdapterMode,
    AdapterPlace,
    AdapterTerms,
    deploy_adapter,
    factory_interface,
)
from oracle.chain.deploy.create2 import Creation
from oracle.chain.deploy.steps import Steps
from oracle.chain.hub import aggregator_interface
from oracle.chain.keys import keystore
from oracle.chain.local import contracts
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.chain.tx.sender import Sender
from oracle.core.errors import DeploymentError

FEED = "ETH / USD"
STRICT = AdapterTerms(AdapterMode.STRICT)
LAST_GOOD = AdapterTerms(AdapterMode.LAST_GOOD, 7_200)
MOCKS = {"MockHub": "contracts/test/mocks/MockHub.sol", "MockUptimeFeed": "contracts/mocks/MockUptimeFeed.sol"}


@pytest.fixture(scope="session")
def mocks() -> dict[str, Compiled]:
    return contracts.compile_contracts(MOCKS)


@pytest.fixture
def chain(anvil: Callable[..., Anvil]) -> Iterator[Anvil]:
    with anvil() as chain:
        yield chain


@pytest.fixture
async def rpc(chain: Anvil) -> AsyncIterator[Rpc]:
    async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
        yield rpc


@dataclass
class Bench:
    """A mock of a hub, a feed of a sequencer's uptime, and the factory."""

    steps: Steps
    place: AdapterPlace
    uptime: str
    said: list[str]

    async def deploy(self, terms: AdapterTerms = PLAIN) -> str:
        return await deploy_adapter(self.steps, compiled.load("ZkAggregator"), self.place, terms)

    async def read(self, address: str, function: str, *arguments: Any) -> Any:
        return await read(self.steps.rpc, aggregator_interface(), address, function, *arguments)


@pytest.fixture
async def bench(rpc: Rpc, mocks: dict[str, Compiled], tmp_path: Path) -> Bench:
    account: LocalAccount = await keystore.local_chain_key(0, rpc)
    said: list[str] = []
    steps = Steps(rpc, Sender(rpc, account, poll_s=0.01), tmp_path / "31337.json", said.append, 20)
    await steps.open()
    arguments = Interface(mocks["MockHub"].abi).encode_constructor(feed_id_of(FEED), 4_200)
    hub = await steps.contract("hub", Creation("MockHub", mocks["MockHub"].bytecode, arguments))
    uptime = await steps.contract("uptime feed", Creation("MockUptimeFeed", mocks["MockUptimeFeed"].bytecode))
    code = compiled.load("ZkAggregatorFactory").bytecode
    factory = await steps.contract("factory", Creation("ZkAggregatorFactory", code))
    return Bench(steps, AdapterPlace(factory, hub, feed_id_of(FEED), FEED, 8), uptime, said)


async def test_each_terms_have_an_adapter_of_their_own(bench: Bench) -> None:
    guarded = replace(LAST_GOOD, uptime_feed=bench.uptime, grace=60)
    every = (PLAIN, STRICT, LAST_GOOD, replace(LAST_GOOD, bound=7_201), guarded)
    addresses = [await bench.deploy(terms) for terms in every]
    assert len(set(addresses)) == len(every)
    for terms, address in zip(every, addresses, strict=True):
        found = await bench.read(address, "terms")
        assert tuple(found.values()) == terms.values
        assert await bench.read(address, "hub") == bench.place.hub
        assert await bench.read(address, "description") == FEED
    steps = [step for step in bench.steps.file.steps if "aggregator of" in step]
    assert steps == [
        "aggregator of ETH / USD",
        "strict aggregator of ETH / USD",
        "last-good 7200 s aggregator of ETH / USD",
        "last-good 7201 s aggregator of ETH / USD",
        f"last-good 7200 s guarded by {bench.uptime} (60 s) aggregator of ETH / USD",
    ]


async def test_an_adapter_that_is_there_is_found(bench: Bench, rpc: Rpc) -> None:
    """Anyone may have deployed it."""
    address = await bench.deploy(LAST_GOOD)
    other = Sender(rpc, await keystore.local_chain_key(1, rpc), poll_s=0.01)
    steps = Steps(rpc, other, bench.steps.path.with_name("other.json"), bench.said.append, 20)
    await steps.open()
    nonce = await rpc.nonce(other.address)
    assert await deploy_adapter(steps, compiled.load("ZkAggregator"), bench.place, LAST_GOOD) == address
    assert await rpc.nonce(other.address) == nonce


async def test_an_uptime_feed_is_checked_before_anything_is_sent(bench: Bench, rpc: Rpc) -> None:
    nonce = await rpc.nonce(bench.steps.sender.address)
    for feed, what in (
        ("0x70997970C51812dc3A010C7d01b50e0d17dc79C8", "there is no contract at"),
        (bench.place.factory, "is no feed of a sequencer's uptime"),
    ):
        with pytest.raises(DeploymentError, match=what):
            await bench.deploy(replace(STRICT, uptime_feed=feed, grace=60))
    assert await rpc.nonce(bench.steps.sender.address) == nonce


async def test_a_feed_that_lets_no_contract_read_it_is_told(bench: Bench, mocks: dict[str, Compiled], rpc: Rpc) -> None:
    """A call from outside can read it: only a simulated deployment shows that the adapter can't."""
    interface = Interface(mocks["MockUptimeFeed"].abi)

    async def refuses() -> bool | None:
        nonce = await rpc.nonce(bench.steps.sender.address)
        return True if nonce > before else None

    before = await rpc.nonce(bench.steps.sender.address)
    await bench.steps.once("refusal", bench.uptime, interface.encode_call("refuseContracts"), refuses)
    with pytest.raises(DeploymentError, match=r"does not let the adapter read it.* name the proxy"):
        await bench.deploy(replace(STRICT, uptime_feed=bench.uptime, grace=60))
    assert await rpc.nonce(bench.steps.sender.address) == before + 1


async def test_a_feed_of_a_price_is_no_uptime_feed(bench: Bench, mocks: dict[str, Compiled], rpc: Rpc) -> None:
    accept = Interface([each for each in mocks["MockHub"].abi if each.get("name") == "accept"][:1])
    adapter = await bench.deploy()

    async def answer() -> int | None:
        return await bench.read(adapter, "latestAnswer") or None

    arguments = (2_000 * 10**8,) if len(accept.abi[0]["inputs"]) == 1 else (2_000 * 10**8, 1_700_000_000)
    await bench.steps.once("round", bench.place.hub, accept.encode_call("accept", *arguments), answer)
    with pytest.raises(DeploymentError, match=f"{adapter} answers 200000000000, but a feed of a sequencer's uptime"):
        await bench.deploy(replace(STRICT, uptime_feed=adapter, grace=60))


async def test_other_decimals_than_the_configurations_are_told(bench: Bench) -> None:
    bench.place = replace(bench.place, decimals=6)
    with pytest.raises(DeploymentError, match=r"aggregator of ETH / USD at 0x\w+: decimals is 8, not 6"):
        await bench.deploy()


async def test_something_else_at_the_address_is_told(bench: Bench, chain: Anvil, rpc: Rpc) -> None:
    arguments = (bench.place.hub, bench.place.feed_id, STRICT.values)
    address = await read(rpc, factory_interface(), bench.place.factory, "addressOf", *arguments)
    chain.rpc("anvil_setCode", address, "0x00")
    with pytest.raises(DeploymentError, match="is not the ZkAggregator of this release"):
        await bench.deploy(STRICT)
