"""The JSON-RPC border: web3's, aiohttp's and the node's errors end here and become `oracle.core.errors`.

Requests go through a provider of web3's kind without its middleware. That keeps three things out of an oracle's way:
offchain look-ups (EIP-3668), with which any contract could make this process call a URL; name resolution; and per-call
chain id requests. Results are parsed here, strictly, as a node's answer is input like any other.
"""

from __future__ import annotations

import functools
import json
import re
import statistics
import sys
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from enum import Enum
from types import TracebackType
from typing import Any, Protocol, Self, TypeAlias
from urllib.parse import parse_qsl, unquote, urlsplit

from oracle.chain.fees import FeePolicy, Fees, Market
from oracle.core.errors import (
    AnswerNotBelieved,
    ChainUnavailable,
    ConfigError,
    ContractRejected,
    PayerEmpty,
    TransactionRejected,
    WrongChain,
)

BlockTag: TypeAlias = int | str
"""A block's number, or "latest", "pending", "earliest"."""

LOCAL_CHAIN_IDS = frozenset({31337, 1337})
_LOCAL_CLIENTS = ("anvil", "hardhat")
_RATE_LIMITED = -32005
_REVERTED = 3
_ERROR_STRING = bytes.fromhex("08c379a0")
_PANIC = bytes.fromhex("4e487b71")
_PANICS = {
    0x01: "an assertion failed",
    0x11: "arithmetic overflow",
    0x12: "division by zero",
    0x21: "a value outside its enum",
    0x32: "an index out of bounds",
    0x41: "too much memory",
}


@dataclass(frozen=True, slots=True)
class Revert:
    """Why a contract refused.

    Attributes:
        name: The custom error's name; None for `require` texts, panics and reverts without data.
        message: One readable line.
        feed_id: The feed that it is about, if it names one.
    """

    name: str | None
    message: str
    feed_id: bytes | None = None


ErrorDecoder: TypeAlias = Callable[[bytes], Revert | None]
"""Revert data to words; None where the data is none of the decoder's errors."""

Doubt: TypeAlias = Callable[[Any], str]
"""What is wrong with a result, so that another endpoint should be asked; empty: nothing."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header. `base_fee` is None on chains without EIP-1559. Times in unix seconds, fees in wei."""

    number: int
    timestamp: int
    base_fee: int | None
    gas_limit: int
    hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Log:
    """An event as the node has it."""

    address: str
    topics: tuple[bytes, ...]
    data: bytes
    block_number: int
    tx_hash: bytes
    log_index: int


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of a mined transaction."""

    tx_hash: bytes
    block_number: int
    succeeded: bool
    gas_used: int
    contract_address: str | None
    logs: tuple[Log, ...]
    block_hash: bytes = b""


@dataclass(frozen=True, slots=True)
class Transaction:
    """A transaction that the node knows; `block_number` is None while it is pending."""

    tx_hash: bytes
    sender: str
    to: str | None
    data: bytes
    nonce: int
    gas: int
    block_number: int | None


class Sent(Enum):
    """How a node took a signed transaction that it did not reject for good."""

    ACCEPTED = "accepted"
    KNOWN = "known"
    NONCE_USED = "nonce used"
    UNDERPRICED = "underpriced"
    """Another with this nonce is waiting, and this one does not pay enough more."""
    FEE_TOO_LOW = "fee too low"
    """The chain asks more by now."""


def mask_url(url: str) -> str:
    """`url` fit for messages and logs: without credentials, and without path and query, which carry API keys."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "?", parts.port
    except ValueError:
        return "<unreadable URL>"
    host = f"[{host}]" if ":" in host else host
    hidden = "/…" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme or '?'}://{host}{f':{port}' if port else ''}{hidden}"


def secrets_of(url: str) -> tuple[str, ...]:
    """What of a URL may be a key or a password, as it is written and as it is meant; the longest first."""
    try:
        parts = urlsplit(url)
        found = {parts.password or "", parts.username or "", parts.query, *parts.path.split("/")}
        found |= {value for _, value in parse_qsl(parts.query)}
    except ValueError:
        return (url,)
    found |= {unquote(each) for each in found}
    # Shorter words, such as a path's "v3" or "rpc", are no secrets, and would garble every message.
    return tuple(sorted((each for each in found if len(each) >= _SECRET_CHARACTERS), key=len, reverse=True))


def checksum_address(text: str, where: str) -> str:
    """`text` as a checksummed address.

    Args:
        where: What the address is, for the message.

    Raises:
        ConfigError: It is no address, or one with a wrong checksum.
    """
    from eth_utils.address import is_hex_address, to_checksum_address

    if isinstance(text, str) and text.startswith("0x") and is_hex_address(text):
        found = str(to_checksum_address(text))
        if text == found or text[2:] in (text[2:].lower(), text[2:].upper()):
            return found
    raise ConfigError(f"{where}: {text!r} is not an address: 0x and 40 hex digits (mixed case must be its checksum)")


def describe_revert(data: bytes, decode: ErrorDecoder | None = None) -> Revert:
    """Revert data in words: custom errors by `decode`, then Solidity's own.

    Args:
        data: As the contract returned it; may be empty.
    """
    found = decode(data) if decode is not None else None
    if found is not None:
        return found
    if not data:
        return Revert(None, "reverted without a reason")
    if data[:4] == _ERROR_STRING:
        return Revert(None, _error_string(data[4:]))
    if data[:4] == _PANIC and len(data) == 36:
        code = int.from_bytes(data[4:])
        return Revert(None, f"panic {code:#04x}: {_PANICS.get(code, 'see the Solidity manual')}")
    return Revert(None, f"unknown error 0x{data[:4].hex()}")


@functools.cache
def _restore_recursion_limit() -> None:
    """Undo what importing web3 does: py_ecc, which it loads, raises the limit beyond what the stack bears.

    With it raised, a hostile endpoint or source could end this process by an answer that is nested deep.
    """
    import py_ecc  # noqa: F401  # now, so that no later import raises it again

    sys.setrecursionlimit(_RECURSION_LIMIT)


@dataclass(frozen=True, slots=True)
class EndpointState:
    """An endpoint as it was found.

    Attributes:
        name: Its URL without what may be secret in it.
        problem: What is wrong with it; empty: nothing is.
        head: Number of its latest block; None if it does not say.
        in_use: Whether it is the one that is asked now.
    """

    name: str
    problem: str
    head: int | None
    in_use: bool


class Transport(Protocol):
    """What takes requests to a chain: one endpoint, or several."""

    @property
    def name(self) -> str:
        """For messages: no secrets in it."""

    async def chain_id(self) -> int: ...
    async def request(
        self, method: str, params: list[Any], decode: ErrorDecoder | None = None, doubt: Doubt | None = None
    ) -> Any: ...
    async def states(self) -> Sequence[EndpointState]: ...
    async def close(self) -> None: ...


class Endpoint:
    """One JSON-RPC endpoint of one chain.

    Transport errors are retried a few times, with backoff; what the node says is not. The chain id is compared before
    the first request, and again after each loss of connection, as another node may answer then.

    Args:
        url: http or https; may hold credentials, which appear in no message.
        expected_chain_id: None takes any chain: for tools that only want to know.
        timeout: Seconds for one attempt of one request.
        attempts: How often a request is tried.

    Raises:
        ConfigError: The URL is not one.
    """

    def __init__(
        self, url: str, expected_chain_id: int | None = None, *, timeout: float = 15.0, attempts: int = 3
    ) -> None:
        parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"RPC URL {mask_url(str(url))} is not one: it must be http:// or https:// and a host")
        from oracle.chain.transport.jsonrpc import JsonRpc

        self._name = mask_url(url)
        self._secrets = secrets_of(url)
        self.expected_chain_id = expected_chain_id
        self._attempts = attempts
        self._chain_id: int | None = None
        _restore_recursion_limit()
        self._provider = JsonRpc(url, timeout)

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r}, {self.expected_chain_id})"

    @property
    def name(self) -> str:
        return self._name

    async def close(self) -> None:
        """Close its connections. It may be used again."""
        await self._provider.disconnect()

    async def chain_id(self, *, again: bool = False) -> int:
        """As `Rpc.chain_id`.

        Args:
            again: Ask, even if the answer is known.
        """
        if self._chain_id is None or again:
            found = _number(await self._retrying("eth_chainId", []), "eth_chainId")
            if self.expected_chain_id is not None and found != self.expected_chain_id:
                self._chain_id = None
                raise WrongChain(
                    f"{self.name} serves chain {found}, but chain {self.expected_chain_id} is configured: "
                    "correct the RPC URL or the chain id"
                )
            self._chain_id = found
        return self._chain_id

    async def head(self) -> int:
        """Number of its latest block; its chain is compared anew."""
        await self.chain_id(again=True)
        return _number(await self._retrying("eth_blockNumber", []), "eth_blockNumber")

    async def states(self) -> Sequence[EndpointState]:
        """What there is to say of it now."""
        try:
            return [EndpointState(self.name, "", await self.head(), True)]
        except (ChainUnavailable, WrongChain) as error:
            return [EndpointState(self.name, str(error), None, True)]

    async def request(
        self, method: str, params: list[Any], decode: ErrorDecoder | None = None, doubt: Doubt | None = None
    ) -> Any:
        """As `Rpc.request`."""
        await self.chain_id()
        found = await self._retrying(method, params, decode)
        if doubt is not None and (problem := doubt(found)):
            raise AnswerNotBelieved(f"RPC endpoint {self.name} is not believed: {problem}")
        return found

    async def _retrying(self, method: str, params: list[Any], decode: ErrorDecoder | None = None) -> Any:
        from tenacity import (
            AsyncRetrying,
            retry_if_exception_type,
            stop_after_attempt,
            wait_exponential,
            wait_random,
        )

        attempts = AsyncRetrying(
            retry=retry_if_exception_type(_Transport),
            stop=stop_after_attempt(self._attempts),
            wait=wait_exponential(multiplier=0.1, max=2.0) + wait_random(0, 0.1),
            reraise=True,
        )
        return await attempts(self._once, method, params, decode)

    async def _once(self, method: str, params: list[Any], decode: ErrorDecoder | None) -> Any:
        import aiohttp
        from web3.exceptions import Web3Exception
        from web3.types import RPCEndpoint

        from oracle.chain.transport import jsonrpc

        try:
            answer: Any = await self._provider.make_request(RPCEndpoint(method), params)
        # No cause is kept of the library's errors: their texts hold the URL, which may hold an API key.
        except aiohttp.ClientResponseError as error:
            redirect = ", a redirect, which is not followed: configure the URL it leads to"
            what = f"answers HTTP {error.status}{redirect if 300 <= error.status < 400 else ''}"
            raise self._unreachable(what, again=error.status in _PASSING_STATUS) from None
        except jsonrpc.AnswerTooLarge:
            said = f"answers {method} with more than {jsonrpc.MAX_BODY >> 20} MiB"
            if method == "eth_getLogs":  # for fewer blocks it may be less
                raise NodeError(f"RPC endpoint {self.name} {said}", said) from None
            raise self._unreachable(said, again=False) from None
        except TimeoutError:
            raise self._unreachable("does not answer in time", again=True) from None
        except (aiohttp.ClientError, OSError) as error:
            raise self._unreachable(
                f"can't be reached: {_reason(error)}; check the URL, and that the node is running", again=True
            ) from None
        except (json.JSONDecodeError, UnicodeDecodeError, RecursionError, Web3Exception, ValueError):
            raise self._unreachable("answers something that is not JSON-RPC", again=False) from None
        if not isinstance(answer, Mapping) or ("result" not in answer and "error" not in answer):
            raise self._unreachable("answers something that is not JSON-RPC", again=False)
        failure = answer.get("error")
        if failure is None:
            return answer.get("result")
        raise self._failure(method, failure, decode)

    def _unreachable(self, what: str, *, again: bool) -> ChainUnavailable:
        self._chain_id = None
        return (_Transport if again else ChainUnavailable)(f"RPC endpoint {self.name} {what}")

    def _without_secrets(self, said: str) -> str:
        """A node may repeat the key by which it was asked."""
        for secret in self._secrets:
            said = said.replace(secret, "…")
        return said

    def _failure(self, method: str, failure: Any, decode: ErrorDecoder | None) -> Exception:
        """The error that a node's error object stands for."""
        code = failure.get("code") if isinstance(failure, Mapping) else None
        said = self._without_secrets(str(failure.get("message") if isinstance(failure, Mapping) else failure))
        said = " ".join(said.split())[:300]
        if method in ("eth_call", "eth_estimateGas"):
            data = _revert_data(failure)
            if data is not None or code == _REVERTED or "revert" in said.lower():
                revert = describe_revert(data or b"", decode)
                return ContractRejected(revert.message, revert.name, revert.feed_id)
        if code == _RATE_LIMITED or "rate limit" in said.lower():
            return _Transport(f"RPC endpoint {self.name} limits the rate of requests: {said}")
        return NodeError(f"RPC endpoint {self.name} refuses {method}: {said}", said)


class Rpc:
    """One chain, by JSON-RPC.

        async with Rpc("http://127.0.0.1:8545", 31337) as rpc:
            print((await rpc.block()).number)

    Args:
        where: The URL of an endpoint, or what takes requests to several of them.
        expected_chain_id: As of `Endpoint`, as are the others; for a URL only.
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

    def __repr__(self) -> str:
        return f"Rpc({self.transport!r})"

    @property
    def name(self) -> str:
        """Of the endpoint, for messages."""
        return self.transport.name

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close its connections. It may be used again."""
        await self.transport.close()

    async def endpoints(self) -> Sequence[EndpointState]:
        """Its endpoints, as they are now."""
        return await self.transport.states()

    # --- the chain ---------------------------------------------------------------------------------------------

    async def chain_id(self) -> int:
        """The chain's id, once it was compared with the expected one.

        Raises:
            WrongChain: It is another one.
            ChainUnavailable: No answer.
        """
        return await self.transport.chain_id()

    async def client_version(self) -> str:
        """What the node calls itself, for instance "anvil/v1.7.1"."""
        return str(await self.request("web3_clientVersion"))

    async def is_local(self) -> bool:
        """Whether this is a development chain, by its id *and* by what the node is.

        Only there are well-known keys and a locally generated SRS let through.
        """
        if await self.chain_id() not in LOCAL_CHAIN_IDS:
            return False
        return (await self.client_version()).lower().startswith(_LOCAL_CLIENTS)

    async def block(self, which: BlockTag = "latest") -> Block:
        """A block's header. Raises: ChainUnavailable if the node does not have it."""
        found = await self.request("eth_getBlockByNumber", _tag(which), False)
        if found is None:
            raise ChainUnavailable(f"{self.name} has no block {which}")
        base_fee = _field(found, "baseFeePerGas", "block", optional=True)
        return Block(
            number=_number(_field(found, "number", "block"), "block"),
            timestamp=_number(_field(found, "timestamp", "block"), "block"),
            base_fee=None if base_fee is None else _number(base_fee, "block"),
            gas_limit=_number(_field(found, "gasLimit", "block"), "block"),
            # A pending block has none.
            hash=b"" if found.get("hash") is None else _bytes(found["hash"], "block"),
        )

    async def block_number(self) -> int:
        """Number of the latest block."""
        return _number(await self.request("eth_blockNumber"), "eth_blockNumber")

    # --- accounts and contracts --------------------------------------------------------------------------------

    async def code(self, address: str) -> bytes:
        """Runtime code at an address; empty if there is none."""
        return _bytes(await self.request("eth_getCode", address, "latest"), "eth_getCode")

    async def balance(self, address: str) -> int:
        """Wei that an account has."""
        return _number(await self.request("eth_getBalance", address, "latest"), "eth_getBalance")

    async def nonce(self, address: str, which: BlockTag = "latest") -> int:
        """Transactions that an account has sent; with "pending", those waiting in the node's pool included."""
        return _number(await self.request("eth_getTransactionCount", address, _tag(which)), "nonce")

    async def call(
        self,
        to: str,
        data: bytes,
        *,
        sender: str | None = None,
        block: BlockTag = "latest",
        decode: ErrorDecoder | None = None,
        doubt: Callable[[bytes], str] | None = None,
    ) -> bytes:
        """Execute a call without a transaction.

        Args:
            block: On whose state. "pending" has the time that the next block will have.
            decode: For the contract's custom errors.
            doubt: See `Doubt`.

        Raises:
            ContractRejected: It reverted; the message is the decoded reason.
            AnswerNotBelieved: Every endpoint that answers answers what there is a doubt of.
            ChainUnavailable: No answer.
        """
        request = _call_object(to, data, sender)
        of_bytes = None if doubt is None else lambda found: doubt(_bytes(found, "eth_call"))
        return _bytes(await self.request("eth_call", request, _tag(block), decode=decode, doubt=of_bytes), "eth_call")

    async def estimate_gas(
        self,
        to: str | None,
        data: bytes,
        *,
        sender: str,
        block: BlockTag = "pending",
        decode: ErrorDecoder | None = None,
    ) -> int:
        """Gas that a transaction would need. Raises as `call` does."""
        request = _call_object(to, data, sender)
        return _number(await self.request("eth_estimateGas", request, _tag(block), decode=decode), "eth_estimateGas")

    # --- transactions ------------------------------------------------------------------------------------------

    async def market(self) -> Market:
        """What the chain asks for gas: the next block's base fee, and the tip that half of the gas was paid of late."""
        block = await self.block()
        if block.base_fee is None:
            return Market(None, _number(await self.request("eth_gasPrice"), "eth_gasPrice"))
        try:
            history = await self.request("eth_feeHistory", hex(_FEE_BLOCKS), "latest", [50])
            tips = [_number(each[0], "eth_feeHistory") for each in _items(_field(history, "reward", "fee history"))]
            ahead = _number(_items(_field(history, "baseFeePerGas", "fee history"))[-1], "eth_feeHistory")
            # Empty blocks say nothing of what is paid.
            paid = [tip for tip in tips if tip]
            if paid:
                return Market(max(block.base_fee, ahead), int(statistics.median(paid)))
        except (ChainUnavailable, LookupError, TypeError):
            ahead = 0
        try:
            tip = _number(await self.request("eth_maxPriorityFeePerGas"), "eth_maxPriorityFeePerGas")
        except ChainUnavailable:
            # Not every node has the method: what the gas price is above the base fee is its tip.
            tip = max(0, _number(await self.request("eth_gasPrice"), "eth_gasPrice") - block.base_fee)
        return Market(max(block.base_fee, ahead), tip)

    async def fees(self) -> Fees:
        """Fees for a transaction that is to be mined soon: they bear six full blocks' rise of the base fee."""
        return FeePolicy().fresh(await self.market())

    async def send_raw(self, raw: bytes) -> Sent:
        """Give a signed transaction to the network. Safe to repeat.

        Raises:
            PayerEmpty: The account has too little.
            TransactionRejected: The node will never take it: too much gas, malformed.
            ChainUnavailable: No answer; the node may have taken it or not.
        """
        try:
            await self.request("eth_sendRawTransaction", "0x" + raw.hex())
        except NodeError as error:
            said = error.said.lower()
            for words, meaning in _SEND_ANSWERS:
                if any(word in said for word in words):
                    return meaning
            if _NO_FUNDS in said:
                raise PayerEmpty(f"{self.name} refuses the transaction: {error.said}") from None
            if any(word in said for word in _SEND_REFUSALS):
                raise TransactionRejected(f"{self.name} refuses the transaction: {error.said}") from None
            raise
        return Sent.ACCEPTED

    async def transaction(self, tx_hash: bytes) -> Transaction | None:
        """A transaction that the node knows, mined or not; None if it does not."""
        found = await self.request("eth_getTransactionByHash", "0x" + tx_hash.hex())
        if found is None:
            return None
        what = "transaction"
        block = _field(found, "blockNumber", what, optional=True)
        to = _field(found, "to", what, optional=True)
        return Transaction(
            tx_hash=_bytes(_field(found, "hash", what), what),
            sender=_address(_field(found, "from", what), what),
            to=None if to is None else _address(to, what),
            data=_bytes(_field(found, "input", what), what),
            nonce=_number(_field(found, "nonce", what), what),
            gas=_number(_field(found, "gas", what), what),
            block_number=None if block is None else _number(block, what),
        )

    async def receipt(self, tx_hash: bytes) -> Receipt | None:
        """A mined transaction's receipt; None while there is none."""
        found = await self.request("eth_getTransactionReceipt", "0x" + tx_hash.hex())
        if found is None or _field(found, "blockNumber", "receipt", optional=True) is None:
            return None
        created = _field(found, "contractAddress", "receipt", optional=True)
        return Receipt(
            tx_hash=_bytes(_field(found, "transactionHash", "receipt"), "receipt"),
            block_number=_number(_field(found, "blockNumber", "receipt"), "receipt"),
            succeeded=_number(_field(found, "status", "receipt"), "receipt") == 1,
            gas_used=_number(_field(found, "gasUsed", "receipt"), "receipt"),
            contract_address=None if created is None else _address(created, "receipt"),
            logs=tuple(_log(log) for log in _items(_field(found, "logs", "receipt"))),
            block_hash=_bytes(_field(found, "blockHash", "receipt"), "receipt"),
        )

    async def logs(
        self, address: str, first: int, last: int, topics: Sequence[Sequence[bytes] | None] = (), chunk: int = 5_000
    ) -> list[Log]:
        """All events of a contract in blocks `first` to `last`, both included, oldest first.

        Asked for in chunks of blocks, halved where the node finds one too large.

        Args:
            topics: Per position, the values that match; None matches all.
        """
        wanted = [None if any_of is None else ["0x" + topic.hex() for topic in any_of] for any_of in topics]
        found: list[Log] = []
        while first <= last:
            until = min(last, first + chunk - 1)
            query = {"address": address, "fromBlock": hex(first), "toBlock": hex(until), "topics": wanted}
            try:
                answer = await self.request("eth_getLogs", query)
            except NodeError:
                if chunk == 1:
                    raise
                chunk = max(1, chunk // 2)
                continue
            found.extend(_log(log) for log in _items(answer))
            first = until + 1
        return found

    async def request(
        self, method: str, *params: Any, decode: ErrorDecoder | None = None, doubt: Doubt | None = None
    ) -> Any:
        """One JSON-RPC request; its raw result.

        Raises:
            AnswerNotBelieved: There is a doubt of what is answered.
            ContractRejected: A call reverted.
            WrongChain: The endpoint serves another chain than expected.
            ChainUnavailable: No answer, or an error as the answer.
        """
        return await self.transport.request(method, list(params), decode, doubt)


class _Transport(ChainUnavailable):
    """Worth another attempt at once."""


class NodeError(ChainUnavailable):
    """The node answered with an error that is no revert."""

    def __init__(self, message: str, said: str) -> None:
        super().__init__(message)
        self.said = said


_QUANTITY = re.compile(r"0x[0-9a-fA-F]{1,64}")
_DATA = re.compile(r"0x(?:[0-9a-fA-F]{2})*")
_FEE_BLOCKS = 10
_SECRET_CHARACTERS = 6
_RECURSION_LIMIT = 1_000  # Python's own default

_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})

# No standard says how these are worded: geth, nethermind, erigon, besu, reth, anvil and hardhat are covered.
_SEND_ANSWERS: tuple[tuple[tuple[str, ...], Sent], ...] = (
    (("already known", "already imported", "known transaction", "alreadyknown", "already in the pool"), Sent.KNOWN),
    (("nonce too low", "nonce is too low", "nonce_too_low", "oldnonce"), Sent.NONCE_USED),
    # "transaction underpriced" is below what the node takes at all; one that would replace another is called so.
    (("replacement", "replace existing", "could not replace"), Sent.UNDERPRICED),
    (("underpriced", "less than block base fee", "feetoolow", "fee too low", "gas price too low"), Sent.FEE_TOO_LOW),
)
_NO_FUNDS = "insufficient funds"
_SEND_REFUSALS = (
    "exceeds block gas limit",
    "gas limit",
    "intrinsic gas",
    "invalid sender",
    "invalid signature",
    "chain id",
    "chainid",
    "rlp",
    "failed to decode",
    "initcode",
)


def _reason(error: Exception) -> str:
    """Why a connection failed, without the URL that aiohttp's texts hold."""
    inner = getattr(error, "os_error", None) or error
    text = getattr(inner, "strerror", None)
    return str(text) if text else type(error).__name__


def _revert_data(failure: Any) -> bytes | None:
    """A revert's data, wherever this node puts it; None if there is none."""
    data = failure.get("data") if isinstance(failure, Mapping) else None
    if isinstance(data, Mapping):  # Hardhat
        data = data.get("data") or data.get("result")
    if not isinstance(data, str):
        return None
    text = data.removeprefix("Reverted ").removeprefix("0x")  # "Reverted 0x…": OpenEthereum's way
    try:
        return bytes.fromhex(text)
    except ValueError:
        return None


def _error_string(data: bytes) -> str:
    from eth_abi.abi import decode
    from eth_abi.exceptions import DecodingError

    try:
        return f"reverted: {decode(['string'], data)[0]}"
    except (DecodingError, UnicodeDecodeError):
        return "reverted with a malformed reason"


def _tag(which: BlockTag) -> str:
    return hex(which) if isinstance(which, int) else which


def _call_object(to: str | None, data: bytes, sender: str | None) -> dict[str, str]:
    request = {"data": "0x" + data.hex()}
    if to is not None:
        request["to"] = to
    if sender is not None:
        request["from"] = sender
    return request


def _field(found: Any, key: str, what: str, optional: bool = False) -> Any:
    if not isinstance(found, Mapping) or (found.get(key) is None and not optional):
        raise ChainUnavailable(f"the RPC endpoint answers a {what} without {key}")
    return found.get(key)


def _shown(value: Any) -> str:
    """A node's answer for messages. Only what looks like data is repeated: the rest may be the key of the URL."""
    if isinstance(value, str) and value.startswith("0x"):
        return repr(value[:40])
    return "nothing" if value is None else f"a {type(value).__name__}"


def _items(value: Any) -> list[Any]:
    if not isinstance(value, list):
        raise ChainUnavailable(f"the RPC endpoint answers {_shown(value)} where a list is needed")
    return value


def _number(value: Any, what: str) -> int:
    """At most 256 bits, and never negative."""
    if not isinstance(value, str) or _QUANTITY.fullmatch(value) is None:
        raise ChainUnavailable(f"the RPC endpoint answers {_shown(value)} where {what} needs a number")
    return int(value, 16)


def _bytes(value: Any, what: str) -> bytes:
    if not isinstance(value, str) or _DATA.fullmatch(value) is None:
        raise ChainUnavailable(f"the RPC endpoint answers {_shown(value)} where {what} needs bytes")
    return bytes.fromhex(value[2:])


def _address(value: Any, what: str) -> str:
    from eth_utils.address import to_checksum_address

    raw = _bytes(value, what)
    if len(raw) != 20:
        raise ChainUnavailable(f"the RPC endpoint answers {_shown(value)} where {what} needs an address")
    return str(to_checksum_address(raw))


def _log(found: Any) -> Log:
    return Log(
        address=_address(_field(found, "address", "log"), "log"),
        topics=tuple(_bytes(topic, "log") for topic in _items(_field(found, "topics", "log"))),
        data=_bytes(_field(found, "data", "log"), "log"),
        block_number=_number(_field(found, "blockNumber", "log"), "log"),
        tx_hash=_bytes(_field(found, "transactionHash", "log"), "log"),
        log_index=_number(_field(found, "logIndex", "log"), "log"),
    )
