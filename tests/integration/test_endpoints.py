"""Tests of several endpoints as one: proxies that misbehave, in front of one real Anvil."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Iterator, Sequence
from contextlib import ExitStack
from typing import Any

import pytest
from structlog.testing import capture_logs

from oracle.chain.keys import keystore
from oracle.chain.listener import ChainListener
from oracle.chain.local.anvil import Anvil
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Receipt
from oracle.chain.transport.endpoints import Endpoints, PoolPolicy
from oracle.chain.transport.interface import BlockMissing, RateLimited
from oracle.chain.tx.sender import Sender
from oracle.core.errors import (
    AnswerNotBelieved,
    ChainUnavailable,
    ConfigError,
    ContractRejected,
    PayerEmpty,
    WrongChain,
)
from tests.chaos.proxy import Act, NodeProxy, answer, body, delay, drop, http_error, lose_answer, refuse, rewrite

SECRET = "s3cr3t-key"
TO = "0x000000000000000000000000000000000000dEaD"


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


class Heard(ChainListener):
    def __init__(self) -> None:
        self.failovers = self.disagreements = 0
        self.healthy: tuple[int, int] | None = None

    def failed_over(self) -> None:
        self.failovers += 1

    def disagreed(self) -> None:
        self.disagreements += 1

    def endpoints(self, healthy: int, configured: int) -> None:
        self.healthy = (healthy, configured)


class World:
    """Two or three proxies in front of one chain."""

    def __init__(self, chain: Anvil, proxies: list[NodeProxy]) -> None:
        self.chain = chain
        self.proxies = proxies
        self.clock = Clock()
        self.heard = Heard()
        self.opened: list[Rpc] = []

    def rpc(self, count: int = 2, *, timeout: float = 0.3, limit_pauses: Sequence[float] = (), **policy: Any) -> Rpc:
        self.pool = Endpoints(
            [f"{proxy.url}/v3/{SECRET}" for proxy in self.proxies[:count]],
            31337,
            PoolPolicy(**policy),
            listener=self.heard,
            timeout=timeout,
            limit_pauses=limit_pauses,
            clock=self.clock,
        )
        self.opened.append(Rpc(self.pool))
        return self.opened[-1]

    async def in_use(self) -> int:
        names = [proxy.url for proxy in self.proxies]
        return names.index(self.pool.name.removesuffix("/…"))


@pytest.fixture(scope="module")
def proxied(anvil: Callable[..., Anvil]) -> Iterator[tuple[Anvil, list[NodeProxy]]]:
    chain = anvil()
    chain.rpc("anvil_mine", "0x14")
    with ExitStack() as stack:
        yield chain, [stack.enter_context(NodeProxy(chain.rpc_url)) for _ in range(3)]


@pytest.fixture
async def world(proxied: tuple[Anvil, list[NodeProxy]]) -> AsyncIterator[World]:
    chain, proxies = proxied
    world = World(chain, proxies)
    yield world
    for rpc in world.opened:
        await rpc.close()
    for proxy in proxies:
        proxy.clear()
        proxy.seen.clear()


FAULTS: dict[str, Act] = {
    "drop": drop,
    "429": http_error(429),
    "503": http_error(503),
    "401": http_error(401),
    "late": delay(0.6),
    "html": body(b"<html>"),
    "rate limit": refuse("slow down", -32005),
}


@pytest.mark.parametrize("fault", FAULTS.values(), ids=FAULTS.keys())
async def test_another_is_asked_at_once_and_the_preferred_one_when_it_has_been_well_for_a_while(
    world: World, fault: Act
) -> None:
    rpc = world.rpc()
    preferred, other = world.proxies[:2]
    assert await rpc.balance(TO) == 0
    assert other.seen["eth_getBalance"] == 0
    preferred.on(None, fault)
    with capture_logs() as logs:
        assert await rpc.balance(TO) == 0
    assert await world.in_use() == 1 and world.heard.failovers == 1 and world.heard.healthy == (1, 2)
    assert SECRET not in str(logs)
    asked = preferred.seen.total()
    assert await rpc.balance(TO) == 0
    assert preferred.seen.total() == asked, "it is left alone"

    preferred.clear()
    await world.pool.check()
    assert world.heard.healthy == (2, 2)
    world.clock.now += 59
    assert await rpc.balance(TO) == 0 and await world.in_use() == 1
    world.clock.now += 2
    assert await rpc.balance(TO) == 0 and await world.in_use() == 0
    assert world.heard.failovers == 2


async def test_one_that_comes_and_goes_is_not_taken_again_until_it_stays(world: World) -> None:
    rpc = world.rpc()
    preferred = world.proxies[0]
    for _ in range(3):
        preferred.on(None, http_error(503))
        await world.pool.check()
        world.clock.now += 50
        preferred.clear()
        await world.pool.check()
        world.clock.now += 50
        assert await rpc.balance(TO) == 0 and await world.in_use() == 1
    assert world.heard.failovers == 1


async def test_a_head_that_lags_is_left_alone(world: World) -> None:
    rpc = world.rpc(max_lag=3)
    lagging = world.proxies[0]
    lagging.on("eth_blockNumber", rewrite(lambda params, head: hex(int(head, 16) - 3)))
    await world.pool.check()
    assert await world.in_use() == 0, "as much is allowed"
    lagging.on("eth_blockNumber", rewrite(lambda params, head: hex(int(head, 16) - 4)))
    first, second = await rpc.endpoints()
    assert first.problem == "its head, block 16, is 4 blocks behind the others" and second.in_use


async def test_one_that_claims_a_far_head_does_not_discredit_two_others(world: World) -> None:
    rpc = world.rpc(3)
    world.proxies[2].on("eth_blockNumber", answer(hex(10**9)))
    assert [state.problem for state in await rpc.endpoints()] == ["", "", ""]
    assert await world.in_use() == 0


async def test_one_of_another_chain_is_never_asked(world: World) -> None:
    rpc = world.rpc()
    foreign, right = world.proxies[:2]
    foreign.on("eth_chainId", answer("0x1"))
    assert await rpc.balance(TO) == 0
    right.on("eth_getBalance", http_error(503))
    with pytest.raises(ChainUnavailable, match="no RPC endpoint of 2 answers") as caught:
        await rpc.balance(TO)
    assert "serves chain 1, but chain 31337 is configured" in str(caught.value)
    assert foreign.seen["eth_getBalance"] == 0 and SECRET not in str(caught.value)
    right.on("eth_chainId", answer("0x5"))
    with pytest.raises(WrongChain):
        await world.rpc().balance(TO)


async def test_what_a_node_answers_to_a_transaction_is_not_asked_of_another(world: World) -> None:
    rpc = world.rpc()
    world.proxies[0].on("eth_sendRawTransaction", refuse("nonce too low", -32000))
    assert (await rpc.send_raw(b"\2")).value == "nonce used"
    assert world.proxies[1].seen["eth_sendRawTransaction"] == 0
    # A method that one endpoint does not have is requested from the other.
    world.proxies[0].on("eth_getBalance", refuse("method not found", -32601))
    assert await rpc.balance(TO) == 0 and await world.in_use() == 0


async def test_an_answer_that_is_lost_costs_no_second_transaction(world: World) -> None:
    rpc = world.rpc()
    sender = Sender(rpc, await keystore.local_chain_key(4, rpc), poll_s=0.01)
    signed = await sender.sign(TO, b"")
    world.proxies[0].on("eth_sendRawTransaction", lose_answer)
    await sender.broadcast(signed)
    receipt = await sender.watch(signed, 10)
    assert isinstance(receipt, Receipt) and receipt.tx_hash == signed.tx_hash
    assert await rpc.nonce(sender.address) == 1


def empty(found: Any) -> str:
    return "it is empty" if found == "0x" else ""


@pytest.mark.attack
@pytest.mark.parametrize("agreement", [1, 2])
async def test_an_answer_that_is_doubted_is_asked_of_others(world: World, agreement: int) -> None:
    rpc = world.rpc(3, agreement=agreement)
    for proxy in world.proxies:
        proxy.on("eth_getCode", answer("0x01"))
    world.proxies[0].on("eth_getCode", answer("0x"))
    assert await rpc.request("eth_getCode", TO, "latest", doubt=empty) == "0x01"
    assert await world.in_use() == 1
    states = await rpc.endpoints()
    assert [state.problem for state in states] == ["", "", ""], "its head is as it should be"
    # If all say so, none is believed; if one is merely down, nobody knows.
    for proxy in world.proxies:
        proxy.on("eth_getCode", answer("0x"))
    with pytest.raises(AnswerNotBelieved, match=r"(RPC endpoint \S+ is not believed: it is empty(; )?){3}$") as caught:
        await rpc.request("eth_getCode", TO, "latest", doubt=empty)
    assert SECRET not in str(caught.value)
    world.proxies[2].on("eth_getCode", http_error(503))
    with pytest.raises(ChainUnavailable) as unknown:
        await rpc.request("eth_getCode", TO, "latest", doubt=empty)
    assert not isinstance(unknown.value, AnswerNotBelieved)


# --- agreement -----------------------------------------------------------------------------------------------------


def lie(params: list[Any], found: Any) -> Any:
    return {**found, "status": "0x0"} if found is not None else None


async def test_two_that_agree(world: World) -> None:
    rpc = world.rpc(agreement=2)
    address = (await keystore.local_chain_key(5, rpc)).address
    assert await rpc.nonce(address) == 0
    assert [proxy.seen["eth_getTransactionCount"] for proxy in world.proxies[:2]] == [1, 1]
    assert await rpc.call(TO, b"") == b""
    sender = Sender(rpc, await keystore.local_chain_key(5, rpc), poll_s=0.01, confirmations=2)
    signed = await sender.sign(TO, b"")
    await sender.broadcast(signed)
    world.chain.rpc("anvil_mine", "0x2")
    assert isinstance(await sender.watch(signed, 10), Receipt)


@pytest.mark.attack
@pytest.mark.parametrize("liar", [0, 1, 2])
@pytest.mark.parametrize("lie", ["0xffffffff", "0x1"])
async def test_one_that_lies_about_the_time_of_the_next_block_misleads_nobody(
    world: World, liar: int, lie: str
) -> None:
    """A pending block of the far future would keep all reports back: this machine's clock would seem to be wrong."""
    rpc = world.rpc(3, agreement=2)
    world.proxies[liar].on("eth_getBlockByNumber", rewrite(lambda params, found: {**found, "timestamp": lie}))
    there = world.chain.rpc("eth_getBlockByNumber", "pending", False)
    assert abs((await rpc.block("pending")).timestamp - int(there["timestamp"], 16)) <= 5


async def test_they_are_asked_of_the_same_block(world: World) -> None:
    rpc = world.rpc(agreement=2)
    asked: list[str] = []

    def note(params: Any, found: Any) -> Any:
        asked.append(params[1])
        return found

    for proxy in world.proxies[:2]:
        proxy.on("eth_call", rewrite(note))
    world.proxies[1].on("eth_blockNumber", rewrite(lambda params, head: hex(int(head, 16) - 2)))
    await rpc.call(TO, b"")
    head = int(world.chain.rpc("eth_blockNumber"), 16)
    assert asked == [hex(head - 2)] * 2
    assert await rpc.block_number() == head - 2


@pytest.mark.parametrize(
    ("method", "change", "ask"),
    [
        ("eth_call", lambda params, found: "0x01", lambda rpc, mined: rpc.call(TO, b"")),
        ("eth_getTransactionCount", lambda params, found: "0x63", lambda rpc, mined: rpc.nonce(TO)),
        ("eth_getTransactionReceipt", lie, lambda rpc, mined: rpc.receipt(mined)),
        ("eth_getTransactionReceipt", lambda params, found: None, lambda rpc, mined: rpc.receipt(mined)),
    ],
    ids=["state", "nonce", "receipt", "no receipt"],
)
@pytest.mark.attack
async def test_one_of_two_that_lies_is_not_believed_and_both_are_named(
    world: World, method: str, change: Any, ask: Any
) -> None:
    rpc = world.rpc(agreement=2)
    sender = Sender(world.rpc(1), await keystore.local_chain_key(6, rpc), poll_s=0.01)
    signed = await sender.sign(TO, b"")
    await sender.broadcast(signed)
    await sender.watch(signed, 10)
    world.proxies[1].on(method, rewrite(change))
    rpc = world.rpc(agreement=2)
    with pytest.raises(ChainUnavailable, match=f"disagree about {method}") as caught:
        await ask(rpc, signed.tx_hash)
    assert all(f"{proxy.url}/… says" in str(caught.value) for proxy in world.proxies[:2])
    assert SECRET not in str(caught.value) and world.heard.disagreements == 1
    # Of three, the lying endpoint is outvoted and avoided; one without a receipt may only be late.
    three = world.rpc(3, agreement=2)
    found = await ask(three, signed.tx_hash)
    asked = world.proxies[1].seen[method]
    assert await ask(three, signed.tx_hash) == found
    assert (world.proxies[1].seen[method] == asked) == (change([], {}) is not None)
    world.proxies[1].clear()
    assert found == await ask(rpc, signed.tx_hash)


async def test_a_receipt_that_one_has_not_seen_yet_is_none_yet(world: World) -> None:
    rpc = world.rpc(agreement=2)
    world.chain.rpc("anvil_mine", "0x1")
    sender = Sender(world.rpc(1), await keystore.local_chain_key(7, rpc), poll_s=0.01)
    signed = await sender.sign(TO, b"")
    await sender.broadcast(signed)
    await sender.watch(signed, 10)
    rpc = world.rpc(agreement=2)
    world.proxies[1].on("eth_blockNumber", rewrite(lambda params, head: hex(int(head, 16) - 1)))
    world.proxies[1].on("eth_getTransactionReceipt", answer(None))
    assert await rpc.receipt(signed.tx_hash) is None


async def test_one_alone_is_not_enough(world: World) -> None:
    rpc = world.rpc(agreement=2)
    world.proxies[0].on(None, http_error(503))
    with pytest.raises(ChainUnavailable, match=r"2 RPC endpoints have to agree, and 1 answer .*HTTP 503"):
        await rpc.nonce(TO)
    with pytest.raises(ConfigError, match="3 RPC endpoints have to agree, but only 2"):
        world.rpc(agreement=3)


# --- secrets -------------------------------------------------------------------------------------------------------

TELLING: dict[str, Act] = FAULTS | {
    "error with the key": refuse(f"key {SECRET} is over its limit", -32000),
    "revert with the key": refuse(f"revert of {SECRET}", 3),
    "result is the key": answer(SECRET),
    "result has the key": answer({"number": SECRET}),
    "403 with the key": http_error(403, SECRET.encode()),
    "body is the key": body(f'"{SECRET}"'.encode()),
}


@pytest.mark.attack
@pytest.mark.parametrize("fault", TELLING.values(), ids=TELLING.keys())
async def test_no_error_and_no_log_has_the_key_of_a_url(world: World, fault: Act) -> None:
    proxy = world.proxies[0]
    url = f"{proxy.url.replace('://', f'://user:{SECRET}@')}/v3/{SECRET}?key={SECRET}"
    proxy.on(None, fault)
    with capture_logs() as logs:
        for where in (url, Endpoints([url, f"{url}2"], 31337, timeout=0.1, limit_pauses=())):
            async with Rpc(where, 31337, timeout=0.1, attempts=1) as rpc:
                for ask in (rpc.block, lambda rpc=rpc: rpc.send_raw(b"\2")):
                    with pytest.raises((ChainUnavailable, WrongChain)) as caught:
                        await ask()
                    assert SECRET not in f"{caught.value!r} {caught.value.__cause__} {rpc!r}"
                assert SECRET not in str(await rpc.endpoints())
    assert SECRET not in str(logs)


# --- nodes of several kinds ----------------------------------------------------------------------------------------


async def test_a_refused_call_is_an_answer_whatever_its_status_and_no_reason_to_ask_another(world: World) -> None:
    rpc = world.rpc()
    error = b'{"jsonrpc":"2.0","id":1,"error":{"code":3,"message":"execution reverted","data":"0x12345678"}}'
    world.proxies[0].on("eth_call", http_error(400, error))
    with pytest.raises(ContractRejected, match="0x12345678"):
        await rpc.call(TO, b"")
    assert await world.in_use() == 0 and world.proxies[1].seen["eth_call"] == 0


async def test_if_all_limit_the_rate_they_are_asked_again_after_a_while(world: World) -> None:
    rpc = world.rpc(limit_pauses=(0.01, 0.01))
    for proxy in world.proxies[:2]:
        proxy.on("eth_getBalance", refuse("too many requests", 429), times=1)
    assert await rpc.balance(TO) == 0
    with_agreement = world.rpc(agreement=2, limit_pauses=(0.01, 0.01))
    world.proxies[1].on("eth_getBalance", refuse("too many requests", 429), times=2)
    assert await with_agreement.balance(TO) == 0
    world.proxies[0].on("eth_getBalance", http_error(429))
    with pytest.raises(RateLimited, match=r"2 RPC endpoints have to agree, and 1 answer .*limits the rate"):
        await with_agreement.balance(TO)


async def test_history_that_one_lacks_is_asked_of_another(world: World) -> None:
    rpc = world.rpc()
    world.proxies[0].on("eth_getLogs", refuse("pruned history unavailable", 4444))
    world.proxies[0].on("eth_getCode", refuse("missing trie node"))
    assert await rpc.logs(TO, 0, 3) == []
    assert await rpc.code(TO, 3) == b""
    assert await world.in_use() == 0, "it is well for everything else"
    # A range that is too large for it is made smaller, and not asked of another.
    world.proxies[0].clear()
    world.proxies[0].on("eth_getLogs", refuse("block range too large", -32005), times=1)
    asked = world.proxies[1].seen["eth_getLogs"]
    assert await rpc.logs(TO, 0, 3) == []
    assert world.proxies[1].seen["eth_getLogs"] == asked


@pytest.mark.parametrize(
    ("method", "change", "ask"),
    [
        ("eth_getBalance", lambda params, found: f"0x{int(found, 16):064X}", lambda rpc: rpc.balance(TO)),
        ("eth_getTransactionCount", lambda params, found: int(found, 16), lambda rpc: rpc.nonce(TO)),
        ("eth_getStorageAt", lambda params, found: "0x0", lambda rpc: rpc.storage(TO, [1])),
        ("eth_getBlockByNumber", lambda params, found: found | {"l1BlockNumber": "0x1"}, lambda rpc: rpc.block(3)),
        ("eth_getBlockByNumber", lambda params, found: found | {"timestamp": int(found["timestamp"], 16)},
         lambda rpc: rpc.block("finalized")),
    ],
)  # fmt: skip
async def test_two_that_write_the_same_in_other_ways_agree(world: World, method: str, change: Any, ask: Any) -> None:
    rpc = world.rpc(agreement=2)
    expected = await ask(rpc)
    world.proxies[1].on(method, rewrite(change))
    assert await ask(rpc) == expected and world.heard.disagreements == 0


@pytest.mark.attack
@pytest.mark.parametrize(
    ("method", "change", "ask"),
    [
        ("eth_getStorageAt", lambda params, found: "0x1", lambda rpc: rpc.storage(TO, [1])),
        ("eth_getBlockByNumber", lambda params, found: found | {"hash": "0x" + "00" * 32}, lambda rpc: rpc.block(3)),
        ("eth_getBlockByNumber", lambda params, found: found | {"timestamp": "0x1"}, lambda rpc: rpc.block()),
        ("eth_getProof", lambda params, found: found | {"storageHash": "0x" + "00" * 32}, lambda rpc: rpc.proof(TO, 3)),
    ],
)
async def test_one_that_lies_about_storage_or_a_block_is_not_believed(
    world: World, method: str, change: Any, ask: Any
) -> None:
    rpc = world.rpc(agreement=2)
    world.proxies[1].on(method, rewrite(change))
    with pytest.raises(ChainUnavailable, match=f"disagree about {method}"):
        await ask(rpc)


@pytest.mark.attack
async def test_one_that_says_the_payer_has_nothing_is_outvoted(world: World) -> None:
    three = world.rpc(3, agreement=2)
    world.proxies[1].on("eth_call", refuse("insufficient funds for gas * price + value"))
    assert await three.call(TO, b"") == b""
    world.proxies[2].on("eth_call", refuse("insufficient funds for transfer"))
    with pytest.raises(PayerEmpty):
        await world.rpc(3, agreement=2).call(TO, b"")


async def test_finalized_is_the_block_that_all_call_so(world: World) -> None:
    rpc = world.rpc(agreement=2)
    for proxy, number in zip(world.proxies[:2], ("0x5", "0x3"), strict=True):
        proxy.on(
            "eth_getBlockByNumber",
            lambda call, number=number: (  # type: ignore[misc]
                call.forward([number, False]) if call.params[0] == "finalized" else None
            ),
        )
    assert (await rpc.block("finalized")).number == 3
    world.proxies[1].on(
        "eth_getBlockByNumber", lambda call: call.refuse("Unknown block", -39001) if call.params[0] == "safe" else None
    )
    with pytest.raises(BlockMissing, match="no safe block"):
        await rpc.block("safe")
