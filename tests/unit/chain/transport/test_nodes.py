"""Tests of everything that we know nodes to answer: each means the same as from any other node."""

from __future__ import annotations

import json
from typing import Any

import pytest
from eth_abi.abi import encode
from eth_utils.abi import function_abi_to_4byte_selector, get_abi_input_types

from oracle.chain.hub import hub_interface
from oracle.chain.rpc import Rpc
from oracle.chain.transport.answers import Sent
from oracle.chain.transport.interface import (
    BlockMissing,
    HistoryMissing,
    MethodMissing,
    NodeError,
    NullRound,
    RateLimited,
    TooMuchAsked,
)
from oracle.chain.transport.refusals import Meaning, read_refusal
from oracle.chain.transport.sending import read_sent
from oracle.core import http
from oracle.core.errors import ChainUnavailable, ContractRejected, OracleError, PayerEmpty, TransactionRejected
from tests.fakehttp import FakeSession, Reply
from tests.nodes.corpus import named, recorded, with_data

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
HASH = b"\xab" * 32

REFUSALS = recorded("refusals")
ERRORS: dict[str, type[OracleError]] = {
    "TOO_MUCH": TooMuchAsked,
    "RATE": RateLimited,
    "HISTORY": HistoryMissing,
    "METHOD": MethodMissing,
    "BLOCK": BlockMissing,
    "NULL_ROUND": NullRound,
    "FUNDS": PayerEmpty,
    "PASSING": NodeError,
    "OTHER": NodeError,
    "DENIED": ChainUnavailable,
}


@pytest.fixture
def rpc(monkeypatch: pytest.MonkeyPatch) -> Rpc:
    async def no_pause(seconds: float) -> None: ...

    monkeypatch.setattr("asyncio.sleep", no_pause)
    return Rpc("http://node.example", 31337)


def answering(monkeypatch: pytest.MonkeyPatch, body: Any, status: int = 200) -> list[str]:
    """Let every request end so, except those for the chain id. Return the list that requested methods are added to."""
    asked: list[str] = []

    def handle(sent: bytes) -> Reply:
        asked.append(json.loads(sent)["method"])
        if asked[-1] == "eth_chainId":
            return Reply(body=b'{"result": "0x7a69"}')
        return Reply(status, json.dumps(body).encode())

    monkeypatch.setattr(http, "open_session", lambda **options: FakeSession(handle))
    return asked


# --- refusals ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", REFUSALS, ids=map(named, REFUSALS))
def test_the_meaning_of_an_error(entry: dict[str, Any]) -> None:
    found = read_refusal(entry["method"], entry["error"], entry["status"])
    assert found.meaning is Meaning[entry["meaning"]]
    assert "\n" not in found.said and len(found.said) <= 300
    if "sizes" in entry:
        assert list(found.sizes) == entry["sizes"]
    assert found.suggested == (tuple(entry["suggested"]) if "suggested" in entry else None)
    assert found.pause == entry.get("pause")


@pytest.mark.parametrize("entry", REFUSALS, ids=map(named, REFUSALS))
async def test_the_meaning_does_not_depend_on_the_status(
    rpc: Rpc, monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any]
) -> None:
    """The body counts, whether it comes with HTTP 200, with 400, or in a list."""
    wanted = ERRORS.get(entry["meaning"])
    if wanted is None:  # gas: what is raised depends on the method
        wanted = ContractRejected if entry["method"] == "eth_call" else TransactionRejected
    body = {"jsonrpc": "2.0", "id": 1, "error": entry["error"]}
    for status, answer in ((entry["status"], body), (200, body), (400, [body])):
        if entry["meaning"] in ("RATE", "DENIED", "PASSING") and status != entry["status"]:
            continue  # there, the status may be what says it
        asked = answering(monkeypatch, answer, status)
        with pytest.raises(wanted) as caught:
            await rpc.request(entry["method"], "", "", "")
        if isinstance(caught.value, NodeError):
            assert type(caught.value) is wanted
        limited, passes = entry["meaning"] == "RATE", entry["meaning"] in ("PASSING", "BLOCK")
        once = not limited and not passes
        waits = caught.value.pause if isinstance(caught.value, RateLimited) else None
        assert asked.count(entry["method"]) == (1 if once or (waits or 0) > 15 else 5 if limited else 3)


def refused_call() -> bytes:
    entry = next(each for each in hub_interface().abi if each.get("name") == "WrongRound")
    return function_abi_to_4byte_selector(entry) + encode(get_abi_input_types(entry), [b"\x07" * 32, 5, 6])  # type: ignore[arg-type]


@pytest.mark.parametrize("entry", recorded("reverts"), ids=lambda entry: entry["node"])
@pytest.mark.parametrize("status", [None, 200, 400, 403, 413, 429, 500])
async def test_a_revert_in_each_node_s_form_is_decoded_whatever_the_status(
    rpc: Rpc, monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any], status: int | None
) -> None:
    error = with_data(entry["error"], refused_call())
    asked = answering(monkeypatch, {"id": 1, "error": error}, status or entry["status"])
    decode = hub_interface().decode_error
    for ask in (rpc.call(ADDRESS, b"", decode=decode), rpc.estimate_gas(ADDRESS, b"", sender=ADDRESS, decode=decode)):
        with pytest.raises(ContractRejected) as caught:
            await ask
        assert caught.value.name == "WrongRound"
        assert str(caught.value) == "WrongRound: signed for round 5, the feed expects 6"
    assert [asked.count(method) for method in ("eth_call", "eth_estimateGas")] == [1, 1]


@pytest.mark.parametrize("entry", recorded("reverts_without_data"), ids=named)
async def test_a_revert_without_data(rpc: Rpc, monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any]) -> None:
    answering(monkeypatch, {"id": 1, "error": entry["error"]})
    with pytest.raises(ContractRejected) as caught:
        await rpc.call(ADDRESS, b"")
    assert str(caught.value).startswith(entry["says"]) and caught.value.name is None


@pytest.mark.parametrize("text", ["0x" + "11" * 20, "0x" + "11" * 32])
def test_an_address_or_a_hash_in_a_message_is_not_a_revert_s_data(text: str) -> None:
    found = read_refusal("eth_call", {"code": 3, "message": f"execution reverted at {text}"})
    assert found.meaning is Meaning.REVERT and found.data == b""
    assert read_refusal("eth_call", {"code": -32000, "message": "header not found", "data": text}).data == b""


@pytest.mark.parametrize("entry", recorded("sending"), ids=named)
async def test_what_nodes_say_to_transactions(rpc: Rpc, monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any]) -> None:
    for status in (200, 400, 500):
        answering(monkeypatch, {"id": 1, "error": {"code": -32000, "message": entry["said"]}}, status)
        if entry["sent"] in Sent.__members__:
            assert await rpc.send_raw(b"\2") is Sent[entry["sent"]]
            continue
        with pytest.raises(OracleError) as caught:
            await rpc.send_raw(b"\2")
        if entry["sent"] == "ChainUnavailable":
            assert isinstance(caught.value, NodeError) and read_sent(entry["said"], "") is None
        else:
            assert type(caught.value).__name__ == entry["sent"]


# --- results -------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("entry", recorded("results"), ids=named)
async def test_results_in_each_node_s_form(rpc: Rpc, monkeypatch: pytest.MonkeyPatch, entry: dict[str, Any]) -> None:
    answering(monkeypatch, {"id": 1, "result": entry["result"]})
    ask: Any = {
        "block": rpc.block,
        "receipt": lambda: rpc.receipt(HASH),
        "transaction": lambda: rpc.transaction(HASH),
        "storage": lambda: rpc.storage(ADDRESS, [0]),
    }[entry["method"]]
    if "refused" in entry:
        with pytest.raises(ChainUnavailable) as caught:
            await ask()
        assert entry["refused"] in str(caught.value)
        return
    found = await ask()
    if entry["method"] == "storage":
        assert found == [entry["reads"]["value"].to_bytes(32)]
        return
    assert {key: getattr(found, key) for key in entry["reads"]} == entry["reads"]
