"""`Rpc`: one chain by JSON-RPC, as typed questions with checked answers."""

from __future__ import annotations

import asyncio
import statistics
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias

from oracle.chain.transport import answers, traces
from oracle.chain.transport.answers import AccountProof, Block, Log, Market, Receipt, Sent, Transaction
from oracle.chain.transport.endpoint import Endpoint
from oracle.chain.transport.interface import BlockMissing, Doubt, EndpointState, NodeError, Transport
from oracle.chain.transport.logs import Ranges, Topics, read_logs
from oracle.chain.transport.reverts import ErrorDecoder
from oracle.chain.transport.sending import read_sent
from oracle.chain.transport.traces import CallFrame
from oracle.core.concurrency import together
from oracle.core.errors import ChainUnavailable
from oracle.core.formats import to_hex

BlockTag: TypeAlias = int | str
"""A block's number, or "latest", "pending", "safe", "finalized", "earliest"."""

LOCAL_CHAIN_IDS = frozenset({31337, 1337})
_LOCAL_CLIENTS = ("anvil", "hardhat")
_FEE_BLOCKS = 10
_AT_ONCE = 16
"""Requests under way at once, where one question takes many."""

_ANNOUNCED_S = (0.2, 0.5, 1.0)
"""Pauses before a block that was announced, and is not here yet, is asked for again."""

_AHEAD = 2
"""Blocks by which an announced block may be ahead of what the endpoint calls the latest one."""

_FINAL = ("safe", "finalized")
_NOT_FINAL = "RPC endpoint {} has no {} block ({}): name a block by its number, or take latest"

LOG_BLOCKS = 5_000
"""Blocks to ask for at once, where a node takes as many."""


class Rpc:
    """One chain, by JSON-RPC. Within `async with`, connections are kept from one request to the next.

        async with Rpc("http://127.0.0.1:8545", 31337) as rpc:
            print((await rpc.block()).number)

    Args:
        where: The URL of an endpoint, or a transport to several of them.
        expected_chain_id: See `Endpoint`; unused with a transport.
        timeout: Likewise.
        attempts: Likewise.
    """

    def __init__(
        self,
        where: str | Transport,
        expected_chain_id: int | None = None,
        *,
        timeout: float = 15.0,
        attempts: int = 3,
    ) -> None:
        self.transport: Transport = (
            Endpoint(where, expected_chain_id, timeout=timeout, attempts=attempts) if isinstance(where, str) else where
        )
        self._ranges = Ranges()

    def __repr__(self) -> str:
        return f"Rpc({self.transport!r})"

    @property
    def name(self) -> str:
        """The endpoint's name, for messages."""
        return self.transport.name

    async def __aenter__(self) -> Self:
        self.transport.keep_open()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections. It may be used again."""
        await self.transport.close()

    async def endpoints(self) -> Sequence[EndpointState]:
        """Return the state of its endpoints, looked at now."""
        return await self.transport.states()

    # --- the chain ---------------------------------------------------------------------------------------------

    async def chain_id(self) -> int:
        """Return the chain's id, once it was compared with the expected one.

        Raises:
            WrongChain: It is another one.
            ChainUnavailable: No answer.
        """
        return await self.transport.chain_id()

    async def client_version(self) -> str:
        """Return the node's name for itself, for instance "anvil/v1.7.1"."""
        return str(await self.request("web3_clientVersion"))

    async def is_local(self) -> bool:
        """Return True if this is a development chain, by its id *and* by the node's software.

        Well-known keys and a locally generated SRS are allowed on such a chain only.
        """
        if await self.chain_id() not in LOCAL_CHAIN_IDS:
            return False
        return (await self.client_version()).lower().startswith(_LOCAL_CLIENTS)

    async def block(self, which: BlockTag = "latest") -> Block:
        """Return a block's header.

        A block that was announced may not be there yet, as several nodes answer for one endpoint: it is waited for.

        Raises:
            BlockMissing: The node does not have it, or has no such block ("safe", "finalized").
            ChainUnavailable: No answer.
        """
        for pause in (*_ANNOUNCED_S, None):
            try:
                found = await self.request("eth_getBlockByNumber", _tag(which), False)
            except NodeError as error:
                if which not in _FINAL:
                    raise
                raise BlockMissing(_NOT_FINAL.format(self.name, which, error.said), error.said) from None
            if found is not None:
                return answers.block(found)
            if not isinstance(which, int) or pause is None or which > await self.block_number() + _AHEAD:
                break
            await asyncio.sleep(pause)
        if which in _FINAL:
            raise BlockMissing(_NOT_FINAL.format(self.name, which, "it answers nothing"), "")
        raise BlockMissing(f"{self.name} has no block {which}", "")

    async def block_number(self) -> int:
        """Return the number of the latest block."""
        return answers.number(await self.request("eth_blockNumber"), "eth_blockNumber")

    # --- accounts and contracts --------------------------------------------------------------------------------

    async def code(self, address: str, block: BlockTag = "latest") -> bytes:
        """Return the runtime code at an address; empty if there is none."""
        return answers.data(await self.request("eth_getCode", address, _tag(block)), "eth_getCode")

    async def balance(self, address: str, block: BlockTag = "latest") -> int:
        """Return an account's balance in wei."""
        return answers.number(await self.request("eth_getBalance", address, _tag(block)), "eth_getBalance")

    async def nonce(self, address: str, block: BlockTag = "latest") -> int:
        """Return how many transactions an account has sent; with "pending", those in the node's pool included."""
        return answers.number(await self.request("eth_getTransactionCount", address, _tag(block)), "nonce")

    async def storage(self, address: str, slots: Sequence[int], block: BlockTag = "latest") -> list[bytes]:
        """Return 32-byte words of a contract's storage, in the order of `slots`. Several are asked for at a time.

        Name a block's number if the words have to belong together.
        """

        async def word(slot: int) -> bytes:
            found = await self.request("eth_getStorageAt", address, f"{slot:#066x}", _tag(block))
            return answers.word(found, "eth_getStorageAt")

        return list(await together(*map(word, slots), at_once=_AT_ONCE))

    async def proof(self, address: str, block: BlockTag = "latest") -> AccountProof | None:
        """Return an account's code hash and storage root at a block; None if the node has no `eth_getProof`."""
        try:
            return answers.proof(await self.request("eth_getProof", address, [], _tag(block)))
        except NodeError:
            return None

    async def call(
        self,
        to: str,
        data: bytes,
        *,
        sender: str | None = None,
        block: BlockTag = "latest",
        gas: int | None = None,
        decode: ErrorDecoder | None = None,
        doubt: Callable[[bytes], str] | None = None,
    ) -> bytes:
        """Execute a call without a transaction.

        Args:
            gas: The gas that it may use; None: as much as the node allows.
            block: The block on whose state the call is executed. "pending" has the time that the next block will have.
            decode: Decodes the contract's custom errors.
            doubt: See `Doubt`.

        Raises:
            ContractRejected: It reverted; the message is the decoded reason.
            AnswerNotBelieved: There is a doubt of each answer that came.
            ChainUnavailable: No answer.
        """
        request = _call_object(to, data, sender)
        if gas is not None:
            request["gas"] = hex(gas)
        of_bytes = None if doubt is None else lambda found: doubt(answers.data(found, "eth_call"))
        return answers.data(
            await self.request("eth_call", request, _tag(block), decode=decode, doubt=of_bytes), "eth_call"
        )

    async def estimate_gas(
        self,
        to: str | None,
        data: bytes,
        *,
        sender: str,
        block: BlockTag = "pending",
        decode: ErrorDecoder | None = None,
    ) -> int:
        """Return the gas that a transaction would need. Raises as `call` does."""
        request = _call_object(to, data, sender)
        return answers.number(
            await self.request("eth_estimateGas", request, _tag(block), decode=decode), "eth_estimateGas"
        )

    # --- transactions ------------------------------------------------------------------------------------------

    async def market(self) -> Market:
        """Return the price of gas: the next block's base fee, and the median of the tips in recent blocks."""
        block = await self.block()
        if block.base_fee is None:
            return Market(None, answers.number(await self.request("eth_gasPrice"), "eth_gasPrice"))
        try:
            history = await self.request("eth_feeHistory", hex(_FEE_BLOCKS), "latest", [50])
            tips = [
                answers.number(each[0], "eth_feeHistory")
                for each in answers.items(answers.field(history, "reward", "fee history"))
            ]
            ahead = answers.number(
                answers.items(answers.field(history, "baseFeePerGas", "fee history"))[-1], "eth_feeHistory"
            )
            # Empty blocks do not show what is paid.
            paid = [tip for tip in tips if tip]
            if paid:
                return Market(max(block.base_fee, ahead), int(statistics.median(paid)))
        except (ChainUnavailable, LookupError, TypeError):
            ahead = 0
        try:
            tip = answers.number(await self.request("eth_maxPriorityFeePerGas"), "eth_maxPriorityFeePerGas")
        except ChainUnavailable:
            # Not every node has the method. The tip is the gas price's excess over the base fee.
            tip = max(0, answers.number(await self.request("eth_gasPrice"), "eth_gasPrice") - block.base_fee)
        return Market(max(block.base_fee, ahead), tip)

    async def send_raw(self, raw: bytes) -> Sent:
        """Give a signed transaction to the network. Safe to repeat.

        Raises:
            PayerEmpty: The account has too little.
            TransactionRejected: The node will never take it: too much gas, malformed.
            ChainUnavailable: No answer; the node may have taken it or not.
        """
        try:
            await self.request("eth_sendRawTransaction", to_hex(raw))
        except NodeError as error:
            sent = read_sent(error.said, self.name)
            if sent is None:
                raise
            return sent
        return Sent.ACCEPTED

    async def transaction(self, tx_hash: bytes) -> Transaction | None:
        """Return a transaction, mined or not; None if the node does not know it."""
        found = await self.request("eth_getTransactionByHash", to_hex(tx_hash))
        if found is None:
            return None
        return answers.transaction(found)

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """Return a mined transaction's receipt; None while there is none."""
        found = await self.request("eth_getTransactionReceipt", to_hex(tx_hash))
        if found is None or answers.field(found, "blockNumber", "receipt", optional=True) is None:
            return None
        return answers.receipt(found)

    async def trace(self, tx_hash: bytes) -> CallFrame | None:
        """Return the calls that a mined transaction made, as a tree.

        None if the node has neither `debug_traceTransaction` nor `trace_transaction`, or can't trace this transaction.
        """
        try:
            return traces.call_tracer(
                await self.request("debug_traceTransaction", to_hex(tx_hash), {"tracer": "callTracer"})
            )
        except NodeError:
            pass
        try:
            return traces.parity(await self.request("trace_transaction", to_hex(tx_hash)))
        except NodeError:
            return None

    async def logs(
        self, address: str, first: int, last: int, topics: Topics = (), chunk: int = LOG_BLOCKS
    ) -> list[Log]:
        """Return the events of a contract in blocks `first` to `last`, both included: each once, in the chain's order.

        They are asked for in chunks of blocks. A chunk that is too large for the node is halved, or becomes as large as
        the node says; the next call begins with that size.

        Args:
            topics: For each position, the values that match; None matches all.
            chunk: The most blocks to ask for at once.

        Raises:
            AnswerNotBelieved: The node says two things about one event.
            ChainUnavailable: No answer, or a malformed one.
        """
        return await read_logs(self._ask_logs, self.name, self._ranges, address, first, last, topics, chunk)

    async def _ask_logs(self, query: dict[str, Any]) -> Any:
        return await self.request("eth_getLogs", query)

    async def request(
        self, method: str, *params: Any, decode: ErrorDecoder | None = None, doubt: Doubt | None = None
    ) -> Any:
        """Make one JSON-RPC request and return its raw result.

        Raises:
            AnswerNotBelieved: There is a doubt of the answer.
            ContractRejected: A call reverted.
            WrongChain: The endpoint serves another chain than expected.
            ChainUnavailable: No answer, or an error as the answer.
        """
        return await self.transport.request(method, list(params), decode, doubt)


def _tag(which: BlockTag) -> str:
    return hex(which) if isinstance(which, int) else which


def _call_object(to: str | None, data: bytes, sender: str | None) -> dict[str, str]:
    request = {"data": to_hex(data)}
    if to is not None:
        request["to"] = to
    if sender is not None:
        request["from"] = sender
    return request
