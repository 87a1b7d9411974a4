"""Tests of `Rpc` and its endpoint: every foreign error becomes one of ours, and says what is wrong without secrets."""

from __future__ import annotations

import json
import zlib
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_abi_to_4byte_selector, get_abi_input_types

from oracle.chain.hub import hub_interface
from oracle.chain.rpc import Rpc
from oracle.chain.transport.failures import RefusedByStatus
from oracle.chain.transport.interface import RateLimited
from oracle.chain.transport.pace import RequestPace
from oracle.chain.tx.fees import FeePolicy
from oracle.core import http
from oracle.core.errors import (
    ChainUnavailable,
    ConfigError,
    ContractRejected,
    WrongChain,
)
from tests.fakehttp import FakeSession, Reply

SECRET = "s3cr3t-key"
URL_WITH_SECRETS = f"https://user:{SECRET}@node.example:8545/v3/{SECRET}?key={SECRET}"
ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"

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
def rpc(monkeypatch: pytest.MonkeyPatch) -> Rpc:
    async def no_pause(seconds: float) -> None:
        assert seconds > 0

    monkeypatch.setattr("asyncio.sleep", no_pause)
    return Rpc(URL_WITH_SECRETS, 31337)


BOMB = zlib.compress(b" " * (65 << 20), level=1, wbits=31)
"""65 MiB of nothing, packed."""


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

    monkeypatch.setattr(http, "open_session", lambda **options: FakeSession(handle))
    return asked


def connect_error(inner: OSError) -> Exception:
    """Return aiohttp's error with another one as its cause, and with a URL in its text as some have it."""
    key: Any = SimpleNamespace(host=URL_WITH_SECRETS, port=8545, ssl=True)
    return aiohttp.ClientConnectorError(key, inner)


@pytest.mark.parametrize(
    ("outcome", "says", "attempts"),
    [
        (Reply(503), "HTTP 503", 3),
        (Reply(429), "limits the rate of requests: HTTP 429", 5),
        (Reply(401), "HTTP 401", 1),
        (TimeoutError(), "in time", 3),
        (aiohttp.ServerDisconnectedError(f"disconnected: {SECRET}"), "can't be reached: the server closed", 3),
        (aiohttp.InvalidURL(URL_WITH_SECRETS), "can't be reached: the URL is invalid", 3),
        (aiohttp.ClientError(SECRET), "can't be reached: ClientError", 3),
        (connect_error(ConnectionRefusedError(111, "Connect call")), "can't be reached: Connection refused", 3),
        (ConnectionRefusedError(111, "Connection refused"), "can't be reached: Connection refused", 3),
        (Reply(body=f"<html>{SECRET}".encode()), "not JSON-RPC", 1),
        (Reply(body=b"\xff"), "not JSON-RPC", 1),
        (Reply(body=b"[" * 100_000), "not JSON-RPC: it is nested deeper", 1),
        (Reply(body=b""), "not JSON-RPC: it is empty", 1),
        (Reply(body=b'{"result": "0x10", "result": "0x11"}'), "not JSON-RPC: it has the key 'result' twice", 1),
        (Reply(body=b'{"result": {"number": "0x1", "number": "0x2"}}'), "it has the key 'number' twice", 1),
        (Reply(body=b'{"result": NaN}'), "not JSON-RPC: it has NaN, which is not a number in JSON", 1),
        (Reply(body=b"{}", headers={"Content-Encoding": "gzip"}), "the answer is no gzip, though it says so", 3),
        (Reply(body=b"{}", headers={"Content-Encoding": "zstd"}), "the answer is compressed as 'zstd'", 3),
        (Reply(body=BOMB, headers={"Content-Encoding": "gzip"}), "with more than 64 MiB", 1),
        (Reply(304), "answers HTTP 304$", 1),
        (Reply(302), "answers HTTP 302, a redirect", 1),
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


@pytest.mark.parametrize(
    "reply",
    [
        Reply(body=zlib.compress(b'{"result": "0x10"}', wbits=31), headers={"Content-Encoding": "gzip"}),
        Reply(body=zlib.compress(b'{"result": "0x10"}'), headers={"Content-Encoding": "deflate"}),
        Reply(body='{"result": "0x10"}'.encode("utf-8-sig")),
    ],
)
async def test_an_answer_that_is_packed_or_marked_is_read(
    rpc: Rpc, reply: Reply, monkeypatch: pytest.MonkeyPatch
) -> None:
    over_http(monkeypatch, reply)
    assert await rpc.block_number() == 16


async def test_a_passing_transport_error_is_not_noticed(rpc: Rpc) -> None:
    outcomes: list[Any] = [TimeoutError(), RefusedByStatus(502), {"result": "0x10"}]

    def answer(method: str, params: list[Any]) -> Any:
        outcome = outcomes.pop(0)
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    Node(rpc, answer)
    assert await rpc.block_number() == 16


async def test_rate_limits_are_waited_for(rpc: Rpc) -> None:
    node = Node(rpc, failing(code=-32005, message="slow down"))
    with pytest.raises(RateLimited, match="slow down"):
        await rpc.block_number()
    assert node.calls.count("eth_blockNumber") == 5


@pytest.mark.parametrize("status", [200, 429, 503])
async def test_the_wait_is_as_long_as_the_endpoint_asks_but_not_longer_than_15_seconds(
    rpc: Rpc, monkeypatch: pytest.MonkeyPatch, status: int
) -> None:
    slept: list[float] = []

    async def sleep(seconds: float) -> None:
        slept.append(seconds)

    monkeypatch.setattr("asyncio.sleep", sleep)
    limit = {"error": {"code": 429, "message": "compute units per second", "data": {"rate": {"backoff_seconds": 7}}}}
    header = {} if status == 200 else {"Retry-After": "7"}
    asked = over_http(monkeypatch, Reply(status, json.dumps(limit).encode(), headers=header))
    with pytest.raises(RateLimited):
        await rpc.block_number()
    assert asked.count("eth_blockNumber") == 5 and max(slept) >= 7
    slept.clear()
    asked = over_http(monkeypatch, Reply(429, headers={"Retry-After": "3600"}))
    with pytest.raises(RateLimited, match=r"it asks to wait 3,600 s"):
        await rpc.block_number()
    assert asked.count("eth_blockNumber") == 1 and max(slept, default=0) < 16


async def test_a_limited_endpoint_is_asked_more_slowly_and_after_a_while_faster_again() -> None:
    now = [0.0]
    pace = RequestPace(lambda: now[0])
    assert await pace.turn() == 0.0
    for _ in range(16):  # they were under way together
        assert 0.5 <= pace.limited(0.0, 1, None) < 0.7
    assert pace._space == 0.02
    now[0] = 10.0
    pace.limited(9.0, 2, None)
    assert pace._space == 0.04
    pace.answered()
    assert pace._space == 0.04, "one answer is not enough"
    for now[0] in (11.0, 12.0):
        pace.answered()
    assert pace._space == 0.0


def test_an_endpoint_that_was_as_slow_as_can_be_is_asked_at_full_pace_within_22_seconds() -> None:
    now = [0.0]
    pace = RequestPace(lambda: now[0])
    for now[0] in range(1, 10):
        pace.limited(now[0] - 0.5, 1, None)
    assert pace._space == 1.0
    while pace._space and now[0] < 100:
        now[0] += pace._space
        pace.answered()
    assert now[0] <= 9 + 22


@pytest.mark.parametrize("answer", ["<html>", [], {}, {"jsonrpc": "2.0"}, None])
async def test_answers_that_are_no_answers(rpc: Rpc, answer: Any) -> None:
    Node(rpc, lambda method, params: answer)
    with pytest.raises(ChainUnavailable, match="not JSON-RPC"):
        await rpc.block_number()


@pytest.mark.parametrize("result", [None, "0xzz", 5.0, True, -1, 2**256, "5", "0x", {}, []])
async def test_results_of_the_wrong_type(rpc: Rpc, result: Any) -> None:
    Node(rpc, lambda method, params: {"result": result})
    asks: list[Callable[[], Any]] = [
        rpc.block_number,
        rpc.block,
        lambda: rpc.nonce(ADDRESS),
        lambda: rpc.balance(ADDRESS),
    ]
    for ask in asks:
        with pytest.raises(ChainUnavailable, match=r"the RPC endpoint answers|has no block"):
            await ask()


@pytest.mark.parametrize("result", [None, "0xzz", 5, "5", "0x123", {}, []])
async def test_bytes_of_the_wrong_type(rpc: Rpc, result: Any) -> None:
    Node(rpc, lambda method, params: {"result": result})
    asks: list[Callable[[], Any]] = [lambda: rpc.code(ADDRESS), lambda: rpc.call(ADDRESS, b"")]
    for ask in asks:
        with pytest.raises(ChainUnavailable, match="the RPC endpoint answers"):
            await ask()


@pytest.mark.attack
@pytest.mark.parametrize("before", [0, 280, 295, 1_190])
async def test_a_secret_that_is_cut_off_is_not_shown(rpc: Rpc, before: int) -> None:
    """A node's words are cut: what is left of a key at their end is a part of the key."""
    for said in ("x" * before + SECRET, SECRET * 200 + "x"):
        Node(rpc, failing(code=-32000, message=said, data=said))
        with pytest.raises(ChainUnavailable) as caught:
            await rpc.request("eth_gasPrice")
        assert SECRET[:4] not in str(caught.value)


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


# --- fees ----------------------------------------------------------------------------------------------------------


async def test_fees_without_eip_1559(rpc: Rpc) -> None:
    block = {"number": "0x1", "timestamp": "0x1", "gasLimit": "0x1"}
    Node(rpc, lambda method, params: {"result": block if method == "eth_getBlockByNumber" else "0x9"})
    assert FeePolicy().fresh(await rpc.market()).fields() == {"gasPrice": 9}


async def test_fees_where_the_tip_has_to_be_worked_out(rpc: Rpc) -> None:
    block = {"number": "0x1", "timestamp": "0x1", "gasLimit": "0x1", "baseFeePerGas": "0x64"}

    def answer(method: str, params: list[Any]) -> Any:
        if method == "eth_maxPriorityFeePerGas":
            return {"error": {"code": -32601, "message": "method not found"}}
        return {"result": block if method == "eth_getBlockByNumber" else hex(107)}

    Node(rpc, answer)
    assert FeePolicy().fresh(await rpc.market()).fields() == {"type": 2, "maxFeePerGas": 207, "maxPriorityFeePerGas": 7}


# --- input ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("url", ["", "node.example", "ws://node.example", f"file:///{SECRET}", "http://"])
def test_urls_that_are_none(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        Rpc(url, 1)
    assert SECRET not in str(caught.value)


def test_no_secret_in_its_name() -> None:
    assert SECRET not in repr(Rpc(URL_WITH_SECRETS, 1))
