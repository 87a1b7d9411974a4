"""Tests of transactions on a real Anvil that mines on demand: stuck, replaced, forgotten, reorganised, overtaken."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import pytest
from eth_account.signers.local import LocalAccount

from oracle.chain.keys import keystore
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.chain.transport.heads import Heads
from oracle.chain.tx import transactions
from oracle.chain.tx.fees import GWEI, FeePolicy
from oracle.chain.tx.policy import SendPolicy
from oracle.chain.tx.sender import Sender
from oracle.core.errors import FeesTooHigh, StateMoved
from oracle.core.types import SignedTransaction
from tests.chaos.proxy import NodeProxy

TO = "0x000000000000000000000000000000000000dEaD"


@dataclass
class World:
    """An Anvil that mines when it is told to, and one key."""

    chain: Anvil
    rpc: Rpc
    account: LocalAccount
    journal: list[SignedTransaction] = field(default_factory=list)

    def sender(self, **policy: Any) -> Sender:
        """Return the sender of a process that has just been started."""
        times = {"poll_s": 0.01, "replace_after_s": 0.1, "resend_s": 0.05}
        return Sender(self.rpc, self.account, policy=SendPolicy(**(times | policy)), known=lambda: self.journal)

    async def send(self, sender: Sender, data: bytes = b"") -> SignedTransaction:
        signed = await sender.sign(TO, data)
        self.journal.append(signed)
        await sender.broadcast(signed)
        return signed

    async def replacement(self, sender: Sender, of: SignedTransaction) -> SignedTransaction:
        reached = await sender.watch(of, 20)
        assert isinstance(reached, SignedTransaction)
        self.journal.append(reached)
        await sender.broadcast(reached, (of.tx_hash,))
        return reached

    async def receipt(self, sender: Sender, of: SignedTransaction, *replaced: bytes) -> Receipt:
        reached = await sender.watch(of, 20, replaced=replaced, may_replace=False)
        assert isinstance(reached, Receipt)
        return reached

    def pool(self) -> set[str]:
        """Return the hashes of waiting transactions."""
        found = self.chain.rpc("txpool_content")["pending"]
        return {each["hash"] for waiting in found.values() for each in waiting.values()}

    def mine(self, blocks: int = 1) -> None:
        self.chain.rpc("anvil_mine", hex(blocks))


@pytest.fixture(scope="module")
def chain(anvil: Callable[..., Anvil]) -> Anvil:
    return anvil()


@pytest.fixture
async def world(chain: Anvil) -> AsyncIterator[World]:
    snapshot = chain.snapshot()
    chain.rpc("evm_setAutomine", False)
    async with Rpc(chain.rpc_url, chain.chain_id, attempts=1) as rpc:
        yield World(chain, rpc, await keystore.local_chain_key(3, rpc))
    chain.rpc("anvil_dropAllTransactions")
    chain.rpc("evm_setAutomine", True)
    chain.revert(snapshot)


def shown(transaction: SignedTransaction) -> str:
    return f"0x{transaction.tx_hash.hex()}"


async def test_a_stuck_transaction_is_replaced_and_the_replacement_mined(world: World) -> None:
    sender = world.sender()
    first = await world.send(sender)
    second = await world.replacement(sender, first)
    assert world.pool() == {shown(second)}, "the node has taken it in the other's place"
    world.mine()
    receipt = await world.receipt(sender, second, first.tx_hash)
    assert (receipt.tx_hash, receipt.succeeded) == (second.tx_hash, True)
    assert await world.rpc.nonce(world.account.address) == 1


async def test_a_risen_base_fee_is_followed(world: World) -> None:
    sender = world.sender()
    first = await world.send(sender)
    world.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
    world.mine()
    assert await world.rpc.receipt(first.tx_hash) is None, "it pays too little by now"
    second = await world.replacement(sender, first)
    assert transactions.read(second.raw)[1].max_fee >= 100 * GWEI
    world.mine()
    assert (await world.receipt(sender, second, first.tx_hash)).tx_hash == second.tx_hash
    world.chain.rpc("anvil_setNextBlockBaseFeePerGas", hex(100 * GWEI))
    with pytest.raises(FeesTooHigh):
        await world.sender(fees=FeePolicy(max_fee=2 * GWEI)).sign(TO, b"")


async def test_the_older_of_two_hashes_is_mined(world: World) -> None:
    """Another node had the older one, and built the block."""
    sender = world.sender()
    first = await world.send(sender)
    second = await world.replacement(sender, first)
    world.chain.rpc("anvil_dropTransaction", shown(second))
    await world.rpc.send_raw(first.raw)
    world.mine()
    assert (await world.receipt(sender, second, first.tx_hash)).tx_hash == first.tx_hash
    # A process that was started anew knows both, and sends neither as a new one.
    again = world.sender()
    await again.broadcast(second, (first.tx_hash,))
    assert (await world.receipt(again, second, first.tx_hash)).tx_hash == first.tx_hash
    assert (await again.sign(TO, b"")).nonce == 1


async def test_a_dropped_transaction_is_sent_again(world: World) -> None:
    sender = world.sender(replace_after_s=60)
    first = await world.send(sender)
    watching = asyncio.create_task(world.receipt(sender, first))
    await asyncio.sleep(0)
    world.chain.rpc("anvil_dropTransaction", shown(first))
    await until(world.pool)
    assert world.pool() == {shown(first)}
    world.mine()
    assert (await watching).tx_hash == first.tx_hash


@pytest.mark.parametrize("depth", [1, 3, 12])
async def test_a_reorganisation_before_the_confirmations(world: World, depth: int) -> None:
    sender = world.sender(confirmations=depth + 1, replace_after_s=60)
    first = await world.send(sender)
    world.mine(depth)
    watching = asyncio.create_task(world.receipt(sender, first))
    await until(lambda: sender._nonces.records[0].seen)
    world.chain.rpc("anvil_reorg", depth, [])
    async with asyncio.timeout(60):
        while await world.rpc.receipt(first.tx_hash) is None:
            world.mine()
            await asyncio.sleep(0.02)
        while not watching.done():
            world.mine()
            await asyncio.sleep(0.01)
    assert (await watching).tx_hash == first.tx_hash
    assert await world.rpc.nonce(world.account.address) == 1


async def test_a_nonce_that_another_took(world: World) -> None:
    sender = world.sender()
    first = await world.send(sender)
    world.chain.rpc("anvil_dropTransaction", shown(first))
    rival = await Sender(world.rpc, world.account, poll_s=0.01).sign(TO, b"\1")
    await world.rpc.send_raw(rival.raw)
    world.mine()
    with pytest.raises(StateMoved, match="nonce 0"):
        await sender.watch(first, 20)
    assert (await sender.sign(TO, b"")).nonce == 1


async def test_the_lowest_is_replaced_first_and_the_later_follow(world: World) -> None:
    sender = world.sender()
    lower, upper = await world.send(sender), await world.send(sender, b"\2")
    watching = asyncio.create_task(world.receipt(sender, upper))
    second = await world.replacement(sender, lower)
    world.mine()
    assert (await world.receipt(sender, second, lower.tx_hash)).tx_hash == second.tx_hash
    assert (await watching).tx_hash == upper.tx_hash


async def test_a_gap_is_filled_and_a_kept_one_is_sent_again(world: World) -> None:
    before = world.sender()
    await before.sign(TO, b"never kept")
    kept = await world.send(before)
    assert kept.nonce == 1
    world.chain.rpc("anvil_dropAllTransactions")
    after = world.sender()
    # The next transaction that is signed fills the gap; this one is not sent either.
    assert (await after.sign(TO, b"never kept")).nonce == 0
    later = await world.send(after, b"\3")
    assert later.nonce == 2
    world.chain.rpc("evm_setAutomine", True)
    assert (await world.receipt(after, later)).succeeded
    assert (await world.rpc.receipt(kept.tx_hash)) is not None
    assert await world.rpc.nonce(world.account.address) == 3


async def test_blocks_are_told_by_websocket_and_asked_for_without(world: World) -> None:
    with NodeProxy(world.chain.rpc_url) as proxy:
        heads = Heads(proxy.ws_url, reconnect_s=0.05)
        policy = SendPolicy(poll_s=30.0)  # a sender that only asks at intervals would be late
        sender = Sender(world.rpc, world.account, policy=policy, heads=heads)
        try:
            await heads.wait(0.0, 0)
            await until(lambda: heads.is_live)
            first = await world.send(sender)
            watching = asyncio.create_task(world.receipt(sender, first))
            await until(lambda: bool(sender._nonces.records[0].watchers))
            world.mine()
            async with asyncio.timeout(25):
                assert (await watching).tx_hash == first.tx_hash
            assert heads.count >= 1
            proxy.cut()
            await until(lambda: not heads.is_live)
            await until(lambda: heads.is_live)  # the connection is open again
        finally:
            await heads.close()


async def until(holds: Callable[[], object]) -> None:
    async with asyncio.timeout(60):
        while not holds():  # noqa: ASYNC110  # others' state, which has no event
            await asyncio.sleep(0.005)
