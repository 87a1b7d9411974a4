"""Conformance tests of the whole chain layer with every kind of node: one hub on a real Anvil, behind a proxy that
answers as each of them does."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from structlog.testing import capture_logs

from oracle.app.checks import failures
from oracle.app.node_checks import node_checks
from oracle.audit.endpoints import pin
from oracle.audit.fetch import HistoryReader
from oracle.audit.pinned import read_pinned
from oracle.audit.progress import unwatched
from oracle.audit.record import AuditRecord
from oracle.audit.report import ReportDraft
from oracle.chain.abilities import survey
from oracle.chain.deploy import CommitteePlan, Deployment, DeployPlan, FeedPlan, deploy
from oracle.chain.deploy.check import code_problems
from oracle.chain.hub import Hub, hub_interface
from oracle.chain.keys import keystore
from oracle.chain.keys.signer import LocalReporter
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Log, Receipt
from oracle.chain.transport.endpoint import Endpoint
from oracle.chain.transport.endpoints import Endpoints
from oracle.chain.transport.interface import BlockMissing
from oracle.chain.tx.fees import FeePolicy
from oracle.chain.tx.sender import Sender
from oracle.chain.tx.submit import Submitter
from oracle.config import load
from oracle.core.errors import ContractRejected
from oracle.core.report import Report, SignedReport
from oracle.core.stages import Confirmed, Decided, Observed, Proven, Scored
from oracle.core.types import Outcome
from tests.chaos.proxy import NodeProxy
from tests.nodes.dialects import DIALECTS, Dialect
from tests.stubs import feed_config, stub_artifact
from tests.unit.config.texts import MINIMAL

DEPLOYER, PAYER, REPORTER = 0, 1, 2
BLOCKS = 30
CANCEL = hub_interface().encode_call("cancelReporters", 1)


@dataclass
class World:
    """A hub with some history, and a proxy in front of its node."""

    chain: Anvil
    proxy: NodeProxy
    plan: DeployPlan
    deployment: Deployment
    file: Path
    expected: list[Log]

    @property
    def feed_id(self) -> bytes:
        return self.deployment.feeds["price"].feed_id


async def _build(chain: Anvil, file: Path) -> tuple[DeployPlan, Deployment, list[Log]]:
    async with Rpc(chain.rpc_url, chain.chain_id) as rpc:
        committee = CommitteePlan("default", (chain.accounts[REPORTER].address,))
        feeds = (FeedPlan("price", feed_config("ETH / USD")),)
        plan = DeployPlan((committee,), feeds, {"default": [stub_artifact()]}, change_delay=0)
        key = await keystore.local_chain_key(DEPLOYER, rpc)
        deployment = await deploy(plan, rpc, key, file, poll_s=0.01)
        sender = Sender(rpc, key, poll_s=0.01)
        for _ in range(2):
            await _send(sender, deployment.hub, _proposing(chain))
            await _send(sender, deployment.hub, CANCEL)
        chain.rpc("anvil_mine", hex(BLOCKS))
        head = await rpc.block_number()
        return plan, deployment, await rpc.logs(deployment.hub, 0, head)


def _proposing(chain: Anvil) -> bytes:
    return hub_interface().encode_call("proposeReporters", 1, [chain.accounts[REPORTER].address], 1)


async def _send(sender: Sender, to: str, data: bytes) -> Receipt:
    signed = await sender.sign(to, data, hub_interface().decode_error)
    await sender.broadcast(signed)
    receipt = await sender.watch(signed, 20)
    assert isinstance(receipt, Receipt)
    return receipt


@pytest.fixture(scope="module")
def built(anvil: Callable[..., Anvil], tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    file = tmp_path_factory.mktemp("chain") / "deployment.json"
    with ExitStack() as stack:
        chain = stack.enter_context(anvil())
        plan, deployment, expected = asyncio.run(_build(chain, file))
        yield World(chain, stack.enter_context(NodeProxy(chain.rpc_url)), plan, deployment, file, expected)


@pytest.fixture(params=DIALECTS, ids=lambda dialect: dialect.name)
def dialect(request: pytest.FixtureRequest) -> Dialect:
    found: Dialect = request.param
    return found


@pytest.fixture
async def rpc(built: World, dialect: Dialect) -> AsyncIterator[Rpc]:
    built.proxy.clear()
    built.proxy.seen.clear()
    built.proxy.on(None, dialect.act())
    async with Rpc(built.proxy.url, built.chain.chain_id) as rpc:
        yield rpc
    built.proxy.clear()


async def test_everything_is_read_and_done_as_with_any_other_node(built: World, rpc: Rpc, dialect: Dialect) -> None:
    hub = Hub(rpc, built.deployment.hub)
    # Reading: state, code, storage, at the head and at a block.
    head = await rpc.block_number()
    state = await hub.feed_state(built.feed_id)
    assert state == await hub.feed_state(built.feed_id, head)
    assert await code_problems(rpc, hub.address) == []
    assert (await rpc.block(head)).number == head and (await rpc.block()).number == head
    words = await rpc.storage(hub.address, range(8), head)
    async with Rpc(built.chain.rpc_url) as direct:
        assert words == await direct.storage(hub.address, range(8), head)
        proven = await direct.proof(hub.address, head)
    assert await rpc.proof(hub.address, head) == (None if "proof" in dialect.lacks else proven)
    # Events over a range, whatever it takes at once.
    assert await rpc.logs(hub.address, 0, BLOCKS) == [each for each in built.expected if each.block_number <= BLOCKS]
    await _refused(built, rpc)
    await _sent(built, rpc, dialect)
    await _reported(built, rpc, hub, state.round_id)
    await _tags(rpc, dialect)
    await _surveyed(built, dialect)
    await _history(built, rpc)


async def _refused(built: World, rpc: Rpc) -> None:
    """A refused call is decoded, and is no reason to leave the endpoint for another."""
    data, admin = CANCEL, built.chain.accounts[DEPLOYER].address
    decode = hub_interface().decode_error
    pool = Endpoints([built.proxy.url, built.chain.rpc_url], built.chain.chain_id)
    async with Rpc(pool) as several:
        for asked in (rpc, several):
            with pytest.raises(ContractRejected) as caught:
                await asked.call(built.deployment.hub, data, sender=admin, decode=decode)
            assert caught.value.name == "NothingProposed"
            with pytest.raises(ContractRejected) as caught:
                await asked.estimate_gas(built.deployment.hub, data, sender=admin, decode=decode)
            assert caught.value.name == "NothingProposed"


async def _sent(built: World, rpc: Rpc, dialect: Dialect) -> None:
    """A transaction is estimated, priced, sent, sent again, and waited for; a used nonce is said."""
    assert FeePolicy().fresh(await rpc.market()).max_fee > 0
    key = await keystore.local_chain_key(DEPLOYER, rpc)
    before = await rpc.nonce(key.address)
    sender = Sender(rpc, key, poll_s=0.01)
    built.chain.rpc("evm_setAutomine", False)
    signed = await sender.sign(built.deployment.hub, _proposing(built.chain))
    await sender.broadcast(signed)
    await sender.broadcast(signed)
    assert await rpc.nonce(key.address, "pending") == before + (0 if "pending" in dialect.lacks else 1)
    built.chain.rpc("anvil_mine", "0x1")
    built.chain.rpc("evm_setAutomine", True)
    receipt = await sender.watch(signed, 20)
    assert isinstance(receipt, Receipt) and receipt.succeeded and receipt.contract_address is None
    assert await rpc.nonce(key.address) == before + 1
    sent = await rpc.transaction(receipt.tx_hash)
    assert sent is not None and (sent.sender, sent.nonce) == (key.address, before)
    await sender.broadcast(signed)  # it is mined
    assert (await _send(sender, built.deployment.hub, CANCEL)).succeeded
    trace = await rpc.trace(receipt.tx_hash)
    if "trace" in dialect.lacks:
        assert trace is None
    else:
        assert trace is not None and (trace.to, trace.data) == (built.deployment.hub, sent.data)


async def _reported(built: World, rpc: Rpc, hub: Hub, round_id: int) -> None:
    """A report goes the daemon's way."""
    payer = await keystore.local_chain_key(PAYER, rpc)
    reporter = LocalReporter(await keystore.local_chain_key(REPORTER, rpc), built.chain.chain_id, hub.address)
    state = await hub.feed_state(built.feed_id)
    now = max((await rpc.block()).timestamp, state.last_report_at + 1)
    report = Report(1, (await hub.committee(1)).epoch, now, (built.feed_id,), (round_id + 1,))
    signed = SignedReport(report, (reporter.sign_report(report, [2_000]),))
    due = (Observed("price", built.feed_id, 2_000, now),)
    scored = Scored(Decided(1, due), signed, 1, ((0,),), ((-1_000, -500),))
    submitter = Submitter(hub, Sender(rpc, payer, poll_s=0.01), deadline_s=60)
    submitted = await submitter.sign(Proven(scored, b"\1proof", "00" * 32, 0.1))
    await submitter.broadcast(submitted)
    ended = await submitter.confirm(submitted)
    assert isinstance(ended, Confirmed) and ended.outcomes == (Outcome.ACCEPTED,)
    assert (await hub.feed_state(built.feed_id)).round_id == round_id + 1
    (event,) = await hub.logs(ended.block_number, ended.block_number)
    assert event.round_id == round_id + 1


async def _tags(rpc: Rpc, dialect: Dialect) -> None:
    if "finalized" in dialect.lacks:
        with pytest.raises(BlockMissing, match=r"has no finalized block \(.+\): name a block by its number, or take"):
            await rpc.block("finalized")
    else:
        assert (await rpc.block("finalized")).number >= 0


async def _history(built: World, rpc: Rpc) -> None:
    """An audit reads the same history, with the calls that reported, and the same counts."""

    async def read(through: Rpc) -> Any:
        draft = ReportDraft()
        pinned, _ = await pin([through], "latest", draft)
        hub = Hub(through, built.deployment.hub)
        reader = HistoryReader(
            [through], hub, pinned, draft, AuditRecord(None, built.chain.chain_id, hub.address), unwatched
        )
        events = await reader.events(max(0, pinned.number - 20))
        entries = [entry async for entry in reader.entries(events)]
        return pinned.number, [each.log for each in events], entries, await read_pinned(hub, pinned.number), draft

    async with Rpc(built.chain.rpc_url) as direct:
        assert await read(rpc) == await read(direct)


async def _surveyed(built: World, dialect: Dialect) -> None:
    """The abilities that it lacks are found out."""
    endpoint = Endpoint(built.proxy.url, built.chain.chain_id)
    can = await survey(endpoint, built.deployment.hub, built.deployment.block)
    lacks = {"pending": can.has_pending, "finalized": can.has_finalized, "trace": can.traces, "proof": can.has_proofs}
    assert {name for name, has in lacks.items() if not has} == dialect.lacks
    assert can.keeps_logs and can.keeps_state
    if dialect.blocks is not None:
        assert can.log_limit is not None and max(1, dialect.blocks // 2) <= can.log_limit <= dialect.blocks


async def test_the_missing_pending_block_is_said_once(built: World, rpc: Rpc, dialect: Dialect) -> None:
    with capture_logs() as logs:
        for _ in range(3):
            await rpc.nonce(built.deployment.hub, "pending")
            await rpc.call(built.deployment.hub, hub_interface().encode_call("lens"), block="pending")
    said = [each for each in logs if "no pending block" in each["event"]]
    assert len(said) == ("pending" in dialect.lacks)


async def test_a_hub_that_is_there_is_recognised_and_not_deployed_again(
    built: World, rpc: Rpc, dialect: Dialect
) -> None:
    key = await keystore.local_chain_key(DEPLOYER, rpc)
    before = await rpc.nonce(key.address)
    assert (await deploy(built.plan, rpc, key, built.file, poll_s=0.01)).hub == built.deployment.hub
    assert await rpc.nonce(key.address) == before


async def test_a_hub_is_deployed_through_the_worst_of_them(built: World, tmp_path: Path) -> None:
    """A gateway that limits, renames and reorders, and has no pending block."""
    worst = next(each for each in DIALECTS if each.name == "a gateway")
    built.proxy.clear()
    built.proxy.on(None, worst.act())
    async with Rpc(built.proxy.url, built.chain.chain_id) as rpc:
        key = await keystore.local_chain_key(5, rpc)
        deployed = await deploy(built.plan, rpc, key, tmp_path / "deployment.json", poll_s=0.01)
        assert await code_problems(rpc, deployed.hub) == []
    built.proxy.clear()


def test_the_doctor_says_what_the_node_can_t_do(built: World, tmp_path: Path) -> None:
    worst = next(each for each in DIALECTS if each.name == "a gateway")
    built.proxy.clear()
    built.proxy.on(None, worst.act())
    text = MINIMAL.replace("http://127.0.0.1:8545", f"{built.proxy.url}/v3/s3cr3t-key")
    (tmp_path / "oracle.toml").write_text(text.replace("deployments/31337.json", str(built.file)))
    found = asyncio.run(node_checks(load(tmp_path / "oracle.toml", {})))
    built.proxy.clear()
    assert {check.name for check in found} == {"node", "node: pending block", "node: finalized block", "node: events"}
    assert not failures(found) and all(check.where == f"{built.proxy.url}/…" for check in found)
