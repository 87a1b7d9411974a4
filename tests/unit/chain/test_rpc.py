"""Tests of `Rpc` and its endpoint: every foreign error becomes one of ours, and says what is wrong without secrets."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator, Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_abi_to_4byte_selector, get_abi_input_types

from oracle.chain.hub import hub_interface
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Sent
from oracle.chain.transport.failures import RefusedByStatus
from oracle.chain.tx.fees import fees_now
from oracle.core import http
from oracle.core.errors import (
    ChainUnavailable,
    ConfigError,
    ContractRejected,
    PayerEmpty,
    TransactionRejected,
    WrongChain,
)
from tests.fakehttp import FakeSession, Reply

SECRET = "s3cr3t-key"
URL_WITH_SECRETS = f"https://user:{SECRET}@node.example:8545/v3/{SECRET}?key={SECRET}"
ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
RAW = b"\x02raw"

Answer = Callable[[str, list[Any]], Any]


class Node:
    """A stand-in for the provider, which answers as a test says and counts the requests."""

    def __init__(self, rpc: Rpc, answer: Answer, chain_id: int = 31337) -> None:
        self.calls: list[str] = []
        self.answer = answer
        self.chain_id = chain_id
        rpc.transport._provider.make_request = self.make_request  # type: ignore[attr-defined]

    async def make_request(self, method: str, params: list[Any]) -> Any:
        self.calls.append(method)
        if method == "eth_chainId":
            return {"result": hex(self.chain_id)}
        return self.answer(method, params)


@pytest.fixture
async def rpc(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rpc]:
    async def no_pause(seconds: float) -> None:
        assert seconds > 0

    monkeypatch.setattr("asyncio.sleep", no_pause)
    async with Rpc(URL_WITH_SECRETS, 31337) as rpc:
        yield rpc


def raising(error: Exception) -> Answer:
    def answer(method: str, params: list[Any]) -> Any:
        raise error

    return answer


def failing(**error: Any) -> Answer:
    return lambda method, params: {"error": error}


def over_http(monkeypatch: pytest.MonkeyPatch, outcome: Reply | Exception) -> list[str]:
    """Let every request end so, except those for the chain id. Return the list that requested methods are added to."""
    asked: list[str] = []

    def handle(body: bytes) -> Reply | Exception:
        asked.append(json.loads(body)["method"])
        if asked[-1] == "eth_chainId":
            return Reply(body=json.dumps({"result": hex(31337)}).encode())
        return outcome

    monkeypatch.setattr(http, "open_session", lambda: FakeSession(handle))
    return asked


def connect_error(inner: OSError) -> Exception:
    """Return aiohttp's error with another one as its cause, and with a URL in its text as some have it."""
    key: Any = SimpleNamespace(host=URL_WITH_SECRETS, port=8545, ssl=True)
    return aiohttp.ClientConnectorError(key, inner)


@pytest.mark.parametrize(
    ("outcome", "says", "attempts"),
    [
        (Reply(503), "HTTP 503", 3),
        (Reply(429), "HTTP 429", 3),
        (Reply(401), "HTTP 401", 1),
        (TimeoutError(), "in time", 3),
        (aiohttp.ServerDisconnectedError(f"disconnected: {SECRET}"), "can't be reached: the server closed", 3),
        (aiohttp.InvalidURL(URL_WITH_SECRETS), "can't be reached: the URL is invalid", 3),
        (aiohttp.ClientError(SECRET), "can't be reached: ClientError", 3),
        (connect_error(ConnectionRefusedError(111, "Connect call")), "can't be reached: Connection refused", 3),
        (ConnectionRefusedError(111, "Connection refused"), "can't be reached: Connection refused", 3),
        (Reply(body=f"<html>{SECRET}".encode()), "not JSON-RPC", 1),
        (Reply(body=b"\xff"), "not JSON-RPC", 1),
        (Reply(body=b"[" * 100_000), "not JSON-RPC", 1),
    ],
)
async def test_transport_errors(
    rpc: Rpc,
    outcome: Reply | Exception,
    says: str,
    attempts: int,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level("DEBUG")
    asked = over_http(monkeypatch, outcome)
    with pytest.raises(ChainUnavailable, match=says) as caught:
        await rpc.block_number()
    assert SECRET not in str(caught.value) and SECRET not in caplog.text
    assert "https://node.example:8545/…" in str(caught.value)
    assert caught.value.__cause__ is None
    assert asked.count("eth_blockNumber") == attempts


async def test_a_passing_transport_error_is_not_noticed(rpc: Rpc) -> None:
    outcomes: list[Any] = [TimeoutError(), RefusedByStatus(502), {"result": "0x10"}]

    def answer(method: str, params: list[Any]) -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    Node(rpc, answer)
    assert await rpc.block_number() == 16


async def test_rate_limits_are_tried_again(rpc: Rpc) -> None:
    node = Node(rpc, failing(code=-32005, message="slow down"))
    with pytest.raises(ChainUnavailable, match="slow down"):
        await rpc.block_number()
    assert node.calls.count("eth_blockNumber") == 3


@pytest.mark.parametrize("answer", ["<html>", [], {}, {"jsonrpc": "2.0"}, None])
async def test_answers_that_are_no_answers(rpc: Rpc, answer: Any) -> None:
    Node(rpc, lambda method, params: answer)
    with pytest.raises(ChainUnavailable, match="not JSON-RPC"):
        await rpc.block_number()


@pytest.mark.parametrize("result", [None, "0xzz", 5, {}, []])
async def test_results_of_the_wrong_type(rpc: Rpc, result: Any) -> None:
    Node(rpc, lambda method, params: {"result": result})
    for ask in (rpc.block_number, rpc.block, lambda: rpc.code(ADDRESS), lambda: rpc.call(ADDRESS, b"")):
        with pytest.raises(ChainUnavailable, match=r"the RPC endpoint answers|has no block"):
            await ask()


async def test_an_incomplete_block(rpc: Rpc) -> None:
    Node(rpc, lambda method, params: {"result": {"number": "0x1", "gasLimit": "0x1"}})
    with pytest.raises(ChainUnavailable, match="without timestamp"):
        await rpc.block()


async def test_an_unknown_method_is_not_tried_again(rpc: Rpc) -> None:
    node = Node(rpc, failing(code=-32601, message="method not found"))
    with pytest.raises(ChainUnavailable, match="refuses eth_gasPrice: method not found"):
        await rpc.request("eth_gasPrice")
    assert node.calls.count("eth_gasPrice") == 1


async def test_another_chain(rpc: Rpc) -> None:
    Node(rpc, lambda method, params: {"result": "0x1"}, chain_id=1)
    with pytest.raises(WrongChain, match="chain 1, but chain 31337 is configured"):
        await rpc.block_number()


async def test_the_chain_is_looked_at_again_after_a_lost_connection(rpc: Rpc) -> None:
    node = Node(rpc, lambda method, params: {"result": "0x1"})
    assert await rpc.block_number() == 1
    node.answer = raising(TimeoutError())
    with pytest.raises(ChainUnavailable):
        await rpc.block_number()
    node.answer, node.chain_id = lambda method, params: {"result": "0x1"}, 5
    with pytest.raises(WrongChain):
        await rpc.block_number()


@pytest.mark.parametrize(
    ("chain_id", "version", "local"),
    [
        (31337, "anvil/v1.7.1", True),
        (1337, "HardhatNetwork/2.22.0/@nomicfoundation", True),
        (31337, "Geth/v1.14", False),
        (1, "anvil/v1.7.1", False),
    ],
)
async def test_local_by_id_and_by_client(chain_id: int, version: str, local: bool) -> None:
    async with Rpc("http://127.0.0.1:1") as rpc:
        Node(rpc, lambda method, params: {"result": version}, chain_id)
        assert await rpc.is_local() is local


# --- reverts -------------------------------------------------------------------------------------------------------


def wrong_round() -> bytes:
    entry = next(each for each in hub_interface().abi if each.get("name") == "WrongRound")
    return function_abi_to_4byte_selector(entry) + encode(get_abi_input_types(entry), [b"\x07" * 32, 5, 6])  # type: ignore[arg-type]


@pytest.mark.parametrize(
    "error",
    [
        {"code": 3, "message": "execution reverted", "data": "0x" + wrong_round().hex()},
        {"code": 3, "message": "execution reverted: custom error", "data": "0x" + wrong_round().hex()},
        {"code": -32603, "message": "reverted", "data": {"message": "x", "data": "0x" + wrong_round().hex()}},
        {"code": -32015, "message": "VM execution error.", "data": "Reverted 0x" + wrong_round().hex()},
    ],
)
async def test_a_revert_in_each_nodes_wording(rpc: Rpc, error: dict[str, Any]) -> None:
    node = Node(rpc, failing(**error))
    with pytest.raises(ContractRejected) as caught:
        await rpc.call(ADDRESS, b"", decode=hub_interface().decode_error)
    assert caught.value.name == "WrongRound"
    assert str(caught.value) == "WrongRound: signed for round 5, the feed expects 6"
    assert node.calls.count("eth_call") == 1


async def test_reverts_without_data(rpc: Rpc) -> None:
    Node(rpc, failing(code=-32000, message="execution reverted"))
    with pytest.raises(ContractRejected, match="without a reason") as caught:
        await rpc.estimate_gas(ADDRESS, b"", sender=ADDRESS)
    assert caught.value.name is None


# --- sending -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("said", "sent"),
    [
        ("already known", Sent.KNOWN),
        ("transaction already imported", Sent.KNOWN),
        ("known transaction: 0xabc", Sent.KNOWN),
        ("nonce too low: next nonce 5, tx nonce 3", Sent.NONCE_USED),
        ("replacement transaction underpriced", Sent.UNDERPRICED),
        ("max fee per gas less than block base fee: address", Sent.FEE_TOO_LOW),
        ("transaction underpriced: tip needed 1, tip permitted 0", Sent.FEE_TOO_LOW),
    ],
)
async def test_what_nodes_say_to_transactions(rpc: Rpc, said: str, sent: Sent) -> None:
    Node(rpc, failing(code=-32000, message=said))
    assert await rpc.send_raw(RAW) is sent


@pytest.mark.parametrize("said", ["exceeds block gas limit", "rlp: bad"])
async def test_transactions_that_no_node_takes(rpc: Rpc, said: str) -> None:
    Node(rpc, failing(code=-32000, message=said))
    with pytest.raises(TransactionRejected, match="refuses the transaction"):
        await rpc.send_raw(RAW)


async def test_a_payer_without_funds_can_be_sent_more(rpc: Rpc) -> None:
    Node(rpc, failing(code=-32000, message="insufficient funds for gas * price + value"))
    with pytest.raises(PayerEmpty, match="insufficient funds"):
        await rpc.send_raw(RAW)


async def test_other_answers_to_transactions_are_passing(rpc: Rpc) -> None:
    Node(rpc, failing(code=-32000, message="txpool is full"))
    with pytest.raises(ChainUnavailable, match="txpool is full"):
        await rpc.send_raw(RAW)


async def test_fees_without_eip_1559(rpc: Rpc) -> None:
    block = {"number": "0x1", "timestamp": "0x1", "gasLimit": "0x1"}
    Node(rpc, lambda method, params: {"result": block if method == "eth_getBlockByNumber" else "0x9"})
    assert (await fees_now(rpc)).fields() == {"gasPrice": 9}


async def test_fees_where_the_tip_has_to_be_worked_out(rpc: Rpc) -> None:
    block = {"number": "0x1", "timestamp": "0x1", "gasLimit": "0x1", "baseFeePerGas": "0x64"}

    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_maxPriorityFeePerGas":
            return {"error": {"code": -32601, "message": "method not found"}}
        return {"result": block if method == "eth_getBlockByNumber" else hex(107)}

    Node(rpc, answer)
    assert (await fees_now(rpc)).fields() == {"type": 2, "maxFeePerGas": 207, "maxPriorityFeePerGas": 7}


async def test_event_queries_shrink_until_the_node_takes_them(rpc: Rpc) -> None:
    asked: list[tuple[int, int]] = []

    def answer(method: str, params: list[Any]) -> Any:
        first, last = int(params[0]["fromBlock"], 16), int(params[0]["toBlock"], 16)
        if last - first >= 3:
            return {"error": {"code": -32602, "message": "block range too large"}}
        asked.append((first, last))
        return {"result": []}

    Node(rpc, answer)
    assert await rpc.logs(ADDRESS, 10, 20, chunk=8) == []
    assert [block for first, last in asked for block in range(first, last + 1)] == list(range(10, 21))


# --- input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["", "node.example", "ws://node.example", f"file:///{SECRET}", "http://"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Rpc(url, 1)
    assert SECRET not in str(caught.value)


def test_no_secret_in_its_name() -> None:
    assert SECRET not in repr(Rpc(URL_WITH_SECRETS, 1))
