"""Tests of what one endpoint is asked again, or otherwise: the pending block, late blocks, and what is too much."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any

import pytest
from structlog.testing import capture_logs

from oracle.chain.rpc import Rpc
from oracle.chain.transport.endpoint import Endpoint
from oracle.chain.transport.endpoints import Endpoints, PoolPolicy
from oracle.chain.transport.failures import AnswerTooLarge, NoJsonRpc, RefusedByStatus
from oracle.chain.transport.interface import BlockMissing, TooMuchAsked
from oracle.core.errors import ChainUnavailable, ContractRejected, OracleError

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
HASH = b"\1" * 32
URL = "http://node.example"

Answer = Callable[[str, list[Any]], Any]


class Node:
    """A stand-in for the provider of an endpoint, with a clock."""

    def __init__(self) -> None:
        self.now = 0.0
        self.asked: list[tuple[str, list[Any]]] = []
        self.answer: Answer = lambda method, params: {"result": "0x1"}
        self.endpoint = Endpoint(URL, 31337, clock=lambda: self.now)
        self.endpoint._provider = self  # type: ignore[assignment]
        self.rpc = Rpc(self.endpoint)

    async def make_request(self, method: str, params: list[Any]) -> Any:
        if method == "eth_chainId":
            return {"result": "0x7a69"}
        self.asked.append((method, params))
        found = self.answer(method, params)
        if isinstance(found, Exception):
            raise found
        return found

    async def disconnect(self) -> None: ...

    def count(self, method: str) -> int:
        return sum(asked == method for asked, _ in self.asked)


@pytest.fixture
async def node(monkeypatch: pytest.MonkeyPatch) -> Node:
    async def no_pause(seconds: float) -> None: ...

    monkeypatch.setattr("asyncio.sleep", no_pause)
    return Node()


def refused(message: str, code: int = -32000, **more: Any) -> dict[str, Any]:
    return {"error": {"code": code, "message": message} | more}


# --- the pending block ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "answer",
    [
        refused("pending is not supported"),
        refused("invalid argument 1: hex string without 0x prefix", -32602),
        refused("words that nobody knows", -1),
        {"result": None},
    ],
)
async def test_without_a_pending_block_the_latest_is_used_and_pending_is_tried_again_later(
    node: Node, answer: Any
) -> None:
    node.answer = lambda method, params: answer if "pending" in params else {"result": "0x5"}
    with capture_logs() as logs:
        for _ in range(3):
            assert await node.rpc.nonce(ADDRESS, "pending") == 5
        assert not node.endpoint.has_pending
        assert await node.rpc.estimate_gas(ADDRESS, b"", sender=ADDRESS) == 5
        assert sum("pending" in params for _, params in node.asked) == 1
        node.now += 601
        assert await node.rpc.nonce(ADDRESS, "pending") == 5
    assert sum("pending" in params for _, params in node.asked) == 2
    assert [each["event"] for each in logs] == ["RPC endpoint has no pending block: the latest is used"]
    node.now += 601
    node.answer = lambda method, params: {"result": "0x6"}
    assert await node.rpc.nonce(ADDRESS, "pending") == 6 and node.endpoint.has_pending


async def test_a_refused_call_on_the_latest_block_is_an_answer_too(node: Node) -> None:
    node.answer = lambda method, params: (
        refused("no pending state") if "pending" in params else refused("execution reverted", 3, data="0x12345678")
    )
    with pytest.raises(ContractRejected, match="0x12345678"):
        await node.rpc.call(ADDRESS, b"", block="pending")
    assert not node.endpoint.has_pending


async def test_an_error_about_something_else_says_nothing_about_the_pending_block(node: Node) -> None:
    node.answer = lambda method, params: refused("invalid address")
    with pytest.raises(ChainUnavailable, match="invalid address"):
        await node.rpc.call(ADDRESS, b"", block="pending")
    node.answer = lambda method, params: {"result": None}
    with pytest.raises(ChainUnavailable, match="answers nothing"):
        await node.rpc.nonce(ADDRESS, "pending")
    assert node.endpoint.has_pending


async def test_an_estimate_on_no_block_but_the_node_s_own(node: Node) -> None:
    node.answer = lambda method, params: (
        {"result": "0x5"} if len(params) == 1 else refused("too many arguments, want at most 1", -32602)
    )
    assert await node.rpc.estimate_gas(ADDRESS, b"", sender=ADDRESS) == 5


# --- blocks that come late -----------------------------------------------------------------------------------------

BLOCK = {"number": "0x10", "timestamp": "0x1", "gasLimit": "0x1", "hash": "0x01"}


async def test_a_block_that_was_announced_is_waited_for(node: Node) -> None:
    answers = iter([None, None, BLOCK])
    node.answer = lambda method, params: {"result": "0xf" if method == "eth_blockNumber" else next(answers)}
    assert (await node.rpc.block(16)).number == 16
    errors = iter([refused("header not found"), refused("header not found"), {"result": "0x01"}])
    node.answer = lambda method, params: next(errors)
    assert await node.rpc.code(ADDRESS, 16) == b"\1"


async def test_a_block_that_nobody_announced_is_not_waited_for(node: Node) -> None:
    node.answer = lambda method, params: {"result": "0xf" if method == "eth_blockNumber" else None}
    with pytest.raises(BlockMissing, match="has no block 5000"):
        await node.rpc.block(5_000)
    assert node.count("eth_getBlockByNumber") == 1


# --- too much for one answer ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "failure",
    [TimeoutError(), RefusedByStatus(504), RefusedByStatus(524), RefusedByStatus(413), AnswerTooLarge(1 << 26)],
)
async def test_a_query_that_is_too_heavy_is_halved_while_the_node_is_well(node: Node, failure: Exception) -> None:
    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_blockNumber":
            return {"result": "0x63"}
        first, last = (int(params[0][key], 16) for key in ("fromBlock", "toBlock"))
        return failure if last - first >= 30 else {"result": []}

    node.answer = answer
    assert await node.rpc.logs(ADDRESS, 0, 99) == []
    assert node.count("eth_getLogs") <= 8


@pytest.mark.parametrize("status", [400, 422])
async def test_a_status_alone_may_be_about_the_request(node: Node, status: int) -> None:
    """A gateway refuses ranges, or "pending", with a status and without JSON."""
    node.answer = lambda method, params: (
        RefusedByStatus(status)
        if "pending" in params or (method == "eth_getLogs" and params[0]["fromBlock"] != params[0]["toBlock"])
        else {"result": [] if method == "eth_getLogs" else "0x5"}
    )
    assert await node.rpc.logs(ADDRESS, 0, 9) == []
    assert await node.rpc.nonce(ADDRESS, "pending") == 5


async def test_a_node_that_is_down_is_not_asked_for_less_and_less(node: Node) -> None:
    node.answer = lambda method, params: TimeoutError()
    with pytest.raises(ChainUnavailable, match="does not answer in time"):
        await node.rpc.logs(ADDRESS, 0, 99)
    assert node.count("eth_getLogs") == 3 and node.count("eth_blockNumber") == 3


async def test_one_block_that_is_too_heavy_ends_with_what_it_is(node: Node) -> None:
    node.answer = lambda method, params: {"result": "0x63"} if method == "eth_blockNumber" else TimeoutError()
    with pytest.raises(TooMuchAsked, match="does not answer in time, though it answers eth_blockNumber"):
        await node.rpc.logs(ADDRESS, 5, 5)


# --- traces --------------------------------------------------------------------------------------------------------

A, B, C = ("0x" + digit * 40 for digit in "abc")
NESTED = {
    "type": "CALL", "from": A, "to": B, "input": "0x01", "value": "0x0", "gas": "0x1",
    "calls": [
        {"type": "DELEGATECALL", "from": B, "to": C, "input": "0x02",
         "calls": [{"type": "STATICCALL", "from": B, "to": A, "input": "0x03"}]},
        {"type": "CREATE2", "from": B, "to": C, "input": "0x04"},
        {"type": "CALL", "from": B, "to": A, "input": "0x05", "error": "execution reverted",
         "calls": [{"type": "CALL", "from": A, "to": C, "input": "0x06"}]},
    ],
}  # fmt: skip


def flat(kind: str, place: list[int], sender: str, to: str, data: str, **more: Any) -> dict[str, Any]:
    action = {"callType": kind, "from": sender, "to": to, "input": data, "gas": "0x1", "value": "0x0"}
    return {"type": "call", "action": action, "result": {}, "traceAddress": place, "subtraces": 0} | more


FLAT = [
    flat("call", [], A, B, "0x01"),
    flat("delegatecall", [0], B, C, "0x02"),
    flat("staticcall", [0, 0], B, A, "0x03"),
    {"type": "create", "action": {"from": B, "init": "0x04", "creationMethod": "create2"}, "result": {"address": C},
     "traceAddress": [1]},
    flat("call", [2], B, A, "0x05", error="Reverted", result=None),
    flat("call", [2, 0], A, C, "0x06"),
]  # fmt: skip


async def test_both_kinds_of_traces_give_one_tree(node: Node) -> None:
    node.answer = lambda method, params: {"result": NESTED}
    nested = await node.rpc.trace(HASH)
    assert nested is not None and nested.sender == "0xaAaAaAaaAaAaAaaAaAAAAAAAAaaaAaAaAaaAaaAa"
    node.answer = lambda method, params: {"result": FLAT} if method == "trace_transaction" else refused("no", -32601)
    assert await node.rpc.trace(HASH) == nested
    assert [(frame.kind, frame.data[0]) for frame in nested.lasting()] == [
        ("call", 1), ("delegatecall", 2), ("staticcall", 3), ("create2", 4)
    ]  # fmt: skip


@pytest.mark.attack
@pytest.mark.parametrize(
    "failure", [NoJsonRpc(), AnswerTooLarge(1 << 26), TimeoutError(), refused("tracing timed out")]
)
async def test_a_transaction_that_can_t_be_traced_is_no_end(node: Node, failure: Any) -> None:
    """Whoever relays a report chooses what else its transaction does: calls nested too deep to be read, or too many."""

    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_blockNumber":
            return {"result": "0x63"}
        return failure if method == "debug_traceTransaction" or fails else {"result": FLAT}

    node.answer = answer
    fails = False
    assert await node.rpc.trace(HASH) is not None
    fails = True
    assert await node.rpc.trace(HASH) is None


async def test_a_deep_tree_is_read(node: Node) -> None:
    frames = [flat("call", [0] * depth, A, B, "0x") for depth in range(1_024)]
    node.answer = lambda method, params: {"result": frames} if method == "trace_transaction" else NoJsonRpc()
    found = await node.rpc.trace(HASH)
    assert found is not None and sum(1 for _ in found.lasting()) == 1_024


@pytest.mark.parametrize(
    "trace",
    [
        [],
        FLAT[1:],
        [FLAT[0], FLAT[2]],
        [FLAT[0], FLAT[0]],
        [FLAT[0], flat("call", [1], B, C, "0x")],
        [FLAT[0] | {"traceAddress": ["0"]}],
        [FLAT[0] | {"action": {}}],
        "0x",
    ],
)
async def test_a_malformed_trace_is_refused(node: Node, trace: Any) -> None:
    node.answer = lambda method, params: {"result": trace} if method == "trace_transaction" else refused("no", -32601)
    with pytest.raises(ChainUnavailable, match="the RPC endpoint answers"):
        await node.rpc.trace(HASH)
    assert node.count("trace_transaction") == 1


async def test_words_of_storage_come_in_the_order_in_which_they_were_asked_for(node: Node) -> None:
    node.answer = lambda method, params: {"result": hex(int(params[1], 16) * 2)}
    assert await node.rpc.storage(ADDRESS, [5, 0, 2**255 - 1], 7) == [each.to_bytes(32) for each in (10, 0, 2**256 - 2)]
    assert {params[2] for _, params in node.asked} == {"0x7"}


async def test_a_proof_where_the_node_has_none(node: Node) -> None:
    node.answer = lambda method, params: refused("method not found", -32601)
    assert await node.rpc.proof(ADDRESS, 7) is None


@pytest.mark.attack
async def test_an_answer_that_is_nested_deep_ends_no_process(node: Node) -> None:
    nested: Any = []
    for _ in range(5_000):
        nested = [nested]
    pool = Endpoints(["http://a.example", "http://b.example"], 31337, PoolPolicy(agreement=2), limit_pauses=())
    for member in pool._members:
        member.endpoint._provider = node  # type: ignore[assignment]
    for answer in ({"result": nested}, {"error": nested}, {"error": {"message": nested, "data": {"data": nested}}}):
        node.answer = lambda method, params, answer=answer: (  # type: ignore[misc]
            {"result": "0x1"} if method == "eth_blockNumber" else answer
        )
        for rpc in (node.rpc, Rpc(pool)):
            for ask in (
                rpc.nonce(ADDRESS), rpc.call(ADDRESS, b""), rpc.block(1), rpc.send_raw(b"\2"), rpc.logs(ADDRESS, 0, 1),
                rpc.trace(HASH), rpc.proof(ADDRESS), rpc.receipt(HASH), rpc.transaction(HASH),
            ):  # fmt: skip
                with contextlib.suppress(OracleError):
                    await ask
