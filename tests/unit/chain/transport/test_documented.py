"""Tests of docs/chains.md: each message in it exists, and each kind of node that is tested is in its table."""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest

from oracle.chain.rpc import Rpc
from oracle.chain.transport.endpoints import Endpoints, PoolPolicy
from oracle.chain.transport.failures import NoJsonRpc, RefusedByStatus
from oracle.core.errors import OracleError
from tests.nodes.corpus import recorded
from tests.nodes.dialects import DIALECTS
from tests.unit.chain.transport.test_logs import event

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
HASH = b"\1" * 32
PAGE = "docs/chains.md"


def failing(code: int, message: str, data: Any = None) -> dict[str, Any]:
    return {"error": {"code": code, "message": message, "data": data}}


RECEIPT = {"transactionHash": "0x01", "blockNumber": "0x1", "blockHash": "0x01", "gasUsed": "0x1", "logs": []}
TWO_BLOCKS = (
    "RPC endpoint … gives events of two blocks with number …, … and …: the chain was reorganised meanwhile, or the "
    "endpoint contradicts itself; try again"
)
NO_STATUS = (
    "the RPC endpoint answers a receipt without status, so nobody can say if the transaction succeeded: use "
    "another node"
)


async def another_chain(rpc: Rpc) -> None:
    rpc.transport._provider = Provider(None, "0x1")  # type: ignore[attr-defined]
    await rpc.block_number()


async def disagreeing(rpc: Rpc) -> None:
    pool = Endpoints(["http://a.example", "http://b.example"], 31337, PoolPolicy(agreement=2))
    for member, balance in zip(pool._members, ("0x1", "0x2"), strict=True):
        member.endpoint._provider = Provider({"result": balance})  # type: ignore[assignment]
    await Rpc(pool).balance(ADDRESS)


ASKS: dict[str, Callable[[Rpc], Any]] = {
    "another chain": another_chain,
    "block": lambda rpc: rpc.block(10_000),
    "call": lambda rpc: rpc.call(ADDRESS, b""),
    "code": lambda rpc: rpc.code(ADDRESS, 1),
    "disagree": disagreeing,
    "estimate": lambda rpc: rpc.estimate_gas(ADDRESS, b"", sender=ADDRESS),
    "finalized": lambda rpc: rpc.block("finalized"),
    "logs": lambda rpc: rpc.logs(ADDRESS, 12, 12),
    "nonce": lambda rpc: rpc.nonce(ADDRESS),
    "receipt": lambda rpc: rpc.receipt(HASH),
}
REFUSED: dict[str, tuple[str, Any]] = {
    "RPC endpoint … limits the rate of requests: …": ("call", failing(429, "slow down")),
    "RPC endpoint … limits the rate of requests: … (it asks to wait … s)": ("call", RefusedByStatus(429, 3_600.0)),
    "RPC endpoint … refuses eth_getLogs: …": ("logs", failing(-32005, "query returned more than 10000 results")),
    "RPC endpoint … refuses …: …: it lacks the history; use an archive node": (
        "code", failing(-32000, "missing trie node"),
    ),
    "RPC endpoint … refuses …: …: the chain has no such block; name another": (
        "code", failing(12, "requested epoch was a null round (1)"),
    ),
    "RPC endpoint … has no finalized block (…): name a block by its number, or take latest": (
        "finalized", failing(-39001, "Unknown block"),
    ),
    "RPC endpoint … does not serve this client (HTTP …): …; check the URL and the key in it": (
        "call", RefusedByStatus(401, None, failing(-32600, "Must be authenticated!")),
    ),
    "RPC endpoint … refuses …: …: the account that would pay has too little": (
        "estimate", failing(-32000, "insufficient funds for transfer"),
    ),
    TWO_BLOCKS: ("logs", {"result": [event(12), event(12, 1, blockHash="0x05")]}),
    "RPC endpoint … contradicts itself: it gives two different events … of block …, in transactions … and …": (
        "logs", {"result": [event(12), event(12, data="0x05")]},
    ),
    "RPC endpoints disagree about …: …": ("disagree", None),
    NO_STATUS: ("receipt", {"result": RECEIPT}),
    "the RPC endpoint answers a … without …": ("receipt", {"result": {"blockNumber": "0x1"}}),
    "the RPC endpoint answers … where … needs a number": ("nonce", {"result": "10"}),
    "RPC endpoint … answers something that is not JSON-RPC": ("nonce", {"neither": 1}),
    "RPC endpoint … answers something that is not JSON-RPC: it …": ("nonce", NoJsonRpc("it is empty")),
    "RPC endpoint … answers HTTP …, a redirect, which is not followed: configure the URL it leads to": (
        "nonce", RefusedByStatus(302),
    ),
    "RPC endpoint … does not answer in time": ("nonce", TimeoutError()),
    "… has no block …": ("block", {"result": None}),
    "… serves chain …, but chain … is configured: correct the RPC URL or the chain id": ("another chain", None),
}  # fmt: skip


class Provider:
    """A stand-in for the provider of an endpoint."""

    def __init__(self, answer: Any, chain_id: str = "0x7a69") -> None:
        self._answer = answer
        self._chain_id = chain_id

    async def make_request(self, method: str, params: list[Any]) -> Any:
        if method == "eth_chainId":
            return {"result": self._chain_id}
        if method == "eth_blockNumber":
            return {"result": "0x63"}
        if isinstance(self._answer, Exception):
            raise self._answer
        return self._answer

    async def disconnect(self) -> None: ...


@pytest.fixture
async def rpc(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Rpc]:
    async def no_pause(seconds: float) -> None: ...

    monkeypatch.setattr("asyncio.sleep", no_pause)
    async with Rpc("http://node.example", 31337) as rpc:
        yield rpc


def documented(project_root: Any) -> list[str]:
    text = (project_root / PAGE).read_text(encoding="utf-8")
    part = text[text.index("## What is refused") : text.index("## By client")]
    return re.findall(r"^\| `(.+?)` \|", part, re.MULTILINE)


def test_each_message_is_tested_and_each_tested_one_is_documented(project_root: Any) -> None:
    assert documented(project_root) == list(REFUSED)


@pytest.mark.parametrize("message", REFUSED)
async def test_a_documented_message_is_what_is_said(rpc: Rpc, message: str) -> None:
    ask, answer = REFUSED[message]
    rpc.transport._provider = Provider(answer)  # type: ignore[attr-defined]
    with pytest.raises(OracleError) as caught:
        await ASKS[ask](rpc)
    assert re.fullmatch(".+".join(map(re.escape, message.split("…"))), str(caught.value)), str(caught.value)


def test_each_kind_of_node_is_in_the_table(project_root: Any) -> None:
    text = (project_root / PAGE).read_text(encoding="utf-8")
    table = re.findall(r"^\| ([^|]+) \|", text[text.index("## By client") :], re.MULTILINE)
    named = {name.strip() for row in table for name in row.split(",")}
    assert {dialect.name for dialect in DIALECTS} <= named
    for status in (400, 413, 429, 500):
        assert any(entry["status"] == status for entry in recorded("refusals"))
