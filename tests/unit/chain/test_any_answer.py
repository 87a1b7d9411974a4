"""Tests of any JSON as the answer to any method: it is understood, or refused with an error of this package."""

from __future__ import annotations

import asyncio
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.chain.hub import Hub, hub_interface
from oracle.chain.rpc import Rpc
from oracle.chain.transport.endpoints import Endpoints, PoolPolicy
from oracle.chain.tx.sender import Sender
from oracle.core.errors import OracleError

# The first one sets the recursion limit, and hypothesis warns if that changes during a test.
Rpc("http://node.example")

ADDRESS = "0x5FbDB2315678afecb367f032d93F642f64180aa3"

words = st.sampled_from(
    ["0x", "0x0", "0x1", "0x7a69", "0x" + "00" * 32, "0x" + "ff" * 33, "0xzz", "-0x1", "0x1_0", "latest", ADDRESS]
)
keys = st.sampled_from(
    ["result", "error", "code", "message", "data", "number", "timestamp", "gasLimit", "baseFeePerGas", "hash",
     "status",
     "blockNumber", "blockHash", "gasUsed", "logs", "topics", "address", "transactionHash", "logIndex", "reward",
     "from", "to", "input", "nonce", "gas", "contractAddress"]
)  # fmt: skip
documents = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=8) | words,
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(keys, inner, max_size=12),
    max_leaves=24,
)
answers = documents | st.builds(lambda result: {"jsonrpc": "2.0", "id": 1, "result": result}, documents)
errors = st.builds(lambda error: {"jsonrpc": "2.0", "id": 1, "error": error}, documents)


class Fuzzed:
    """A stand-in for web3's provider."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    async def make_request(self, method: str, params: list[Any]) -> Any:
        return {"result": "0x7a69"} if method == "eth_chainId" else self.answer

    async def disconnect(self) -> None: ...


@settings(max_examples=15)
@given(st.lists(answers | errors, min_size=2, max_size=2))
def test_any_answers_of_two_that_have_to_agree(both: list[Any]) -> None:
    async def run() -> None:
        pool = Endpoints(["http://a.example", "http://b.example"], 31337, PoolPolicy(agreement=2))
        for member, answer in zip(pool._members, both, strict=True):
            member.endpoint._provider = Fuzzed(answer)  # type: ignore[assignment]
        rpc = Rpc(pool)
        for ask in (
            rpc.block, rpc.block_number, rpc.market, rpc.endpoints, rpc.chain_id,
            lambda: rpc.nonce(ADDRESS), lambda: rpc.call(ADDRESS, b""), lambda: rpc.receipt(b"\1" * 32),
        ):  # fmt: skip
            refused = ""
            try:
                await ask()
            except OracleError as error:
                refused = str(error)
            assert "\n" not in refused
        await pool.close()

    asyncio.run(run())


@settings(max_examples=50)
@given(answers | errors)
def test_any_answer_to_any_request(answer: Any) -> None:
    async def run() -> None:
        from eth_account import Account

        rpc = Rpc("http://node.example", 31337, attempts=1)
        rpc.transport._provider = Fuzzed(answer)  # type: ignore[attr-defined]
        sender = Sender(rpc, Account.from_key("0x" + "11" * 32))
        hub = Hub(rpc, ADDRESS)
        decode = hub_interface().decode_error
        for ask in (
            rpc.client_version, rpc.is_local, rpc.block, rpc.block_number, rpc.market, rpc.endpoints,
            lambda: rpc.code(ADDRESS), lambda: rpc.balance(ADDRESS), lambda: rpc.nonce(ADDRESS),
            lambda: rpc.call(ADDRESS, b"", decode=decode), lambda: rpc.estimate_gas(ADDRESS, b"", sender=ADDRESS),
            lambda: rpc.send_raw(b"\2"), lambda: rpc.transaction(b"\1" * 32), lambda: rpc.receipt(b"\1" * 32),
            lambda: rpc.logs(ADDRESS, 0, 1, chunk=1), lambda: hub.feed_state(b"\1" * 32), lambda: hub.logs(0, 0),
            lambda: hub.feed_ids(), lambda: sender.sign(ADDRESS, b""),
        ):  # fmt: skip
            refused = ""
            try:
                await ask()
            except OracleError as error:
                refused = str(error)
            assert "\n" not in refused

    asyncio.run(run())
