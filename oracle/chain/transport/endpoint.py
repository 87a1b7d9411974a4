"""One endpoint: retries, the comparison of chain ids, and the mapping of what fails to `oracle.core.errors`.

A node's error is understood in `refusals`, whatever HTTP status it comes with. A rate limit is waited for, and the pace
of all requests is lowered; a node without a pending block is asked about the latest one instead.
"""

from __future__ import annotations

import asyncio
import functools
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

import structlog

from oracle.chain.transport import answers
from oracle.chain.transport.failures import AnswerTooLarge, NoJsonRpc, RefusedByStatus, Unreachable
from oracle.chain.transport.interface import (
    BlockMissing,
    Doubt,
    EndpointState,
    HistoryMissing,
    MethodMissing,
    NodeError,
    NullRound,
    RateLimited,
    TooMuchAsked,
)
from oracle.chain.transport.pace import LONGEST_PAUSE_S, RequestPace
from oracle.chain.transport.refusals import HEAVY, Meaning, Refusal, read_refusal
from oracle.chain.transport.reverts import ErrorDecoder, describe_revert
from oracle.chain.transport.urls import mask_url, secrets_of
from oracle.core.backoff import Backoff
from oracle.core.errors import (
    AnswerNotBelieved,
    ChainUnavailable,
    ConfigError,
    ContractRejected,
    PayerEmpty,
    TransactionRejected,
    WrongChain,
)

log = structlog.get_logger(__name__)

BLOCK_AT: Mapping[str, int] = {
    "eth_getBlockByNumber": 0,
    "eth_getCode": 1,
    "eth_getBalance": 1,
    "eth_getTransactionCount": 1,
    "eth_call": 1,
    "eth_estimateGas": 1,
    "eth_getStorageAt": 2,
    "eth_getProof": 2,
}
"""The methods that are asked about a block, with the position of the parameter that names it."""

_PASSING_STATUS = frozenset({408, 425, 500, 502, 503, 504, 520, 522, 523, 524, 529, 530})
_REDIRECT_STATUS = frozenset({301, 302, 303, 307, 308})
_OVERLOADED_STATUS = frozenset({408, 502, 503, 504, 520, 522, 524})
"""A gateway's answers if a node takes too long, or is gone."""

_BAD_REQUEST_STATUS = frozenset({400, 413, 422})
"""They are about one request, and not about the endpoint."""

_RECURSION_LIMIT = 1_000  # Python's own default
_TRY_PENDING_AGAIN_S = 600.0


class _Passing(ChainUnavailable):
    """A failure that is worth another attempt at once."""


class Endpoint:
    """One JSON-RPC endpoint of one chain.

    What may pass is retried a few times, with backoff; what the node refuses is not. The chain id is compared before
    the first request, and again after each loss of connection, when another node may answer.

    Requests go through a provider of web3's kind without its middleware. That keeps three things out of an oracle's
    way: offchain look-ups (EIP-3668), with which any contract could make this process call a URL; name resolution; and
    a chain id request with each call.

    Args:
        url: http or https; may hold credentials, which appear in no message.
        expected_chain_id: None takes any chain: for tools that only want to know.
        timeout: Seconds for one attempt of one request.
        attempts: The number of times that a request is tried. Where the rate is limited, it is tried more often,
            unless this is 1.
        clock: Monotonic seconds.

    Raises:
        ConfigError: The URL is not one.
    """

    def __init__(
        self,
        url: str,
        expected_chain_id: int | None = None,
        *,
        timeout: float = 15.0,
        attempts: int = 3,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        parts = urlsplit(url) if isinstance(url, str) else urlsplit("")
        if parts.scheme not in ("http", "https") or not parts.hostname:
            raise ConfigError(f"RPC URL {mask_url(str(url))} is not one: it must be http:// or https:// and a host")
        # Imported here because web3 takes a second. Callers that only read calldata or a file do not need it.
        from oracle.chain.transport.jsonrpc import JsonRpc

        self._name = mask_url(url)
        self._secrets = secrets_of(url)
        self.expected_chain_id = expected_chain_id
        self._attempts = attempts
        self._chain_id: int | None = None
        self._clock = clock
        self._pace = RequestPace(clock)
        self._no_pending_until: float | None = None
        _restore_recursion_limit()
        self._provider = JsonRpc(url, timeout)

    def __repr__(self) -> str:
        return f"Endpoint({self.name!r}, {self.expected_chain_id})"

    @property
    def name(self) -> str:
        return self._name

    def keep_open(self) -> None:
        """Keep its connections for further requests until `close`, in one event loop."""
        self._provider.keep_open()

    async def close(self) -> None:
        """Close its connections. It may be used again."""
        await self._provider.disconnect()

    async def chain_id(self, *, again: bool = False) -> int:
        """Return the chain's id. Raises as `Rpc.chain_id`.

        Args:
            again: Ask, even if the answer is known.
        """
        if self._chain_id is None or again:
            found = answers.number(await self._retrying("eth_chainId", []), "eth_chainId")
            if self.expected_chain_id is not None and found != self.expected_chain_id:
                self._chain_id = None
                raise WrongChain(
                    f"{self.name} serves chain {found}, but chain {self.expected_chain_id} is configured: "
                    "correct the RPC URL or the chain id"
                )
            self._chain_id = found
        return self._chain_id

    async def head(self) -> int:
        """Return the number of its latest block, after comparing its chain anew."""
        await self.chain_id(again=True)
        return answers.number(await self._retrying("eth_blockNumber", []), "eth_blockNumber")

    async def states(self) -> Sequence[EndpointState]:
        """Return its state, looked at now."""
        try:
            return [EndpointState(self.name, "", await self.head(), True)]
        except (ChainUnavailable, WrongChain) as error:
            return [EndpointState(self.name, str(error), None, True)]

    async def request(
        self, method: str, params: list[Any], decode: ErrorDecoder | None = None, doubt: Doubt | None = None
    ) -> Any:
        """Make one request. Raises as `Rpc.request`."""
        await self.chain_id()
        found = await self._about_a_block(method, params, decode)
        if doubt is not None and (problem := doubt(found)):
            raise AnswerNotBelieved(f"RPC endpoint {self.name} is not believed: {problem}")
        return found

    # --- the pending block -------------------------------------------------------------------------------------

    @property
    def has_pending(self) -> bool:
        """True unless the node was found to have no pending block not long ago."""
        return self._no_pending_until is None or self._clock() >= self._no_pending_until

    async def _about_a_block(self, method: str, params: list[Any], decode: ErrorDecoder | None) -> Any:
        """Make a request. One about the pending block is made about the latest, where the node has none."""
        at = BLOCK_AT.get(method)
        if at is None or len(params) <= at or params[at] != "pending":
            return await self._retrying(method, params, decode)
        latest = [*params[:at], "latest", *params[at + 1 :]]
        if not self.has_pending:
            return await self._on_latest(method, latest, decode)
        try:
            found = await self._retrying(method, params, decode)
            if found is not None:
                return found
            refusal = "it answers nothing"
        except NodeError as error:
            refusal = error.said
        # If this fails too, the refusal was about something else.
        try:
            found = await self._on_latest(method, latest, decode)
        except (ContractRejected, PayerEmpty, TransactionRejected):
            self._note_no_pending(refusal)
            raise
        if found is not None:
            self._note_no_pending(refusal)
        return found

    async def _on_latest(self, method: str, params: list[Any], decode: ErrorDecoder | None) -> Any:
        try:
            return await self._retrying(method, params, decode)
        except NodeError:
            if method != "eth_estimateGas":
                raise
            return await self._retrying(method, params[:1], decode)  # some estimate on no block but their own

    def _note_no_pending(self, refusal: str) -> None:
        if self._no_pending_until is None:
            log.warning("RPC endpoint has no pending block: the latest is used", endpoint=self.name, reason=refusal)
        self._no_pending_until = self._clock() + _TRY_PENDING_AGAIN_S

    # --- requests and their failures ---------------------------------------------------------------------------

    async def _retrying(self, method: str, params: list[Any], decode: ErrorDecoder | None = None) -> Any:
        pauses, failures, limits = Backoff(0.1, 2.0), 0, 0
        while True:
            began = await self._pace.turn()
            try:
                found = await self._once(method, params, decode)
            except RateLimited as error:
                limits += 1
                # One that is tried only once has another endpoint beside it.
                if limits >= 2 * self._attempts - 1 or (error.pause or 0) > LONGEST_PAUSE_S:
                    raise
                await asyncio.sleep(self._pace.limited(began, limits, error.pause))
            except ChainUnavailable as error:
                failures += 1
                if failures >= self._attempts or not _is_passing(error):
                    raise
                await asyncio.sleep(pauses.pause())
            else:
                self._pace.answered()
                return found

    async def _once(self, method: str, params: list[Any], decode: ErrorDecoder | None) -> Any:
        status, pause = 200, None
        try:
            # The method's type is web3's own, a string by another name.
            answer: Any = await self._provider.make_request(method, params)  # type: ignore[arg-type]
        except RefusedByStatus as error:
            status, pause, answer = error.status, error.retry_after, _only(error.answer)
            if not isinstance(answer, Mapping) or not isinstance(answer.get("error"), Mapping):
                raise await self._refused(method, error) from None
        except AnswerTooLarge as error:
            said = f"answers {method} with more than {error.limit >> 20} MiB"
            if method in HEAVY:  # for fewer blocks it may be less
                raise TooMuchAsked(f"RPC endpoint {self.name} {said}", said) from None
            raise self._unreachable(said, again=False) from None
        except TimeoutError:
            raise await self._overloaded(method, "does not answer in time") from None
        except Unreachable as error:
            raise self._unreachable(
                f"can't be reached: {error}; check the URL, and that the node is running", again=True
            ) from None
        except NoJsonRpc as error:
            said = f"answers something that is not JSON-RPC: {error}".removesuffix(": ")
            if method in HEAVY and method != "eth_getLogs":  # calls that are nested too deep to be read
                raise NodeError(f"RPC endpoint {self.name} {said}", said) from None
            raise self._unreachable(said, again=False) from None
        answer = _only(answer)
        if not isinstance(answer, Mapping) or ("result" not in answer and "error" not in answer):
            raise self._unreachable("answers something that is not JSON-RPC", again=False)
        failure = answer.get("error")
        if failure is None:
            return answer.get("result")
        refusal = read_refusal(method, failure, status, pause, self._without_secrets)
        raise self._failure(method, refusal, status, decode)

    async def _refused(self, method: str, error: RefusedByStatus) -> ChainUnavailable:
        """Return the error for an HTTP status without a JSON-RPC error in the body."""
        what = f"answers HTTP {error.status}"
        if error.status == 429:
            return self._rate_limited(
                f"RPC endpoint {self.name} limits the rate of requests: HTTP 429", error.retry_after
            )
        if error.status == 413 and method in HEAVY:
            return TooMuchAsked(f"RPC endpoint {self.name} refuses {method}: HTTP 413", "HTTP 413")
        if error.status in _OVERLOADED_STATUS:
            return await self._overloaded(method, what)
        if error.status in _BAD_REQUEST_STATUS:
            return NodeError(f"RPC endpoint {self.name} refuses {method}: HTTP {error.status}", f"HTTP {error.status}")
        if error.status in _REDIRECT_STATUS:
            what += ", a redirect, which is not followed: configure the URL it leads to"
        return self._unreachable(what, again=error.status in _PASSING_STATUS)

    async def _overloaded(self, method: str, what: str) -> ChainUnavailable:
        """Return the error for an answer that did not come. The node may be well, and only this too much for it."""
        if method in HEAVY:
            try:
                await self._once("eth_blockNumber", [], None)
            except ChainUnavailable:
                pass
            else:
                return TooMuchAsked(f"RPC endpoint {self.name} {what}, though it answers eth_blockNumber", what)
        return self._unreachable(what, again=True)

    def _unreachable(self, what: str, *, again: bool) -> ChainUnavailable:
        self._chain_id = None
        return (_Passing if again else ChainUnavailable)(f"RPC endpoint {self.name} {what}")

    def _rate_limited(self, message: str, pause: float | None) -> RateLimited:
        if pause is not None and pause > LONGEST_PAUSE_S:
            message += f" (it asks to wait {pause:,.0f} s)"
        return RateLimited(message, pause)

    def _without_secrets(self, said: str) -> str:
        """Hide the URL's secrets in a node's message: a node may repeat the key by which it was asked."""
        for secret in self._secrets:
            said = said.replace(secret, "…")
        return said

    def _failure(self, method: str, refusal: Refusal, status: int, decode: ErrorDecoder | None) -> Exception:
        """Return the error that a node's refusal stands for."""
        said = refusal.said
        message = f"RPC endpoint {self.name} refuses {method}: {said}"
        match refusal.meaning:
            case Meaning.REVERT:
                revert = describe_revert(refusal.data, decode, said)
                return ContractRejected(revert.message, revert.name, revert.feed_id)
            case Meaning.FUNDS:
                return PayerEmpty(f"{message}: the account that would pay has too little")
            case Meaning.GAS:
                # Simulated with as much gas as another needed, it may only need more.
                return ContractRejected(f"out of gas: {said}") if method == "eth_call" else TransactionRejected(message)
            case Meaning.RATE:
                return self._rate_limited(
                    f"RPC endpoint {self.name} limits the rate of requests: {said}", refusal.pause
                )
            case Meaning.TOO_MUCH:
                return TooMuchAsked(message, said, sizes=refusal.sizes, suggested=refusal.suggested)
            case Meaning.HISTORY:
                return HistoryMissing(f"{message}: it lacks the history; use an archive node", said)
            case Meaning.METHOD:
                return MethodMissing(message, said)
            case Meaning.NULL_ROUND:
                return NullRound(f"{message}: the chain has no such block; name another", said)
            case Meaning.BLOCK:
                return BlockMissing(message, said, again=True)
            case Meaning.DENIED:
                http = "" if status == 200 else f" (HTTP {status})"
                return self._unreachable(
                    f"does not serve this client{http}: {said}; check the URL and the key in it", again=False
                )
            case Meaning.PASSING:
                return NodeError(message, said, again=True)
            case _:
                return NodeError(message, said)


def _is_passing(error: ChainUnavailable) -> bool:
    return isinstance(error, _Passing) or (isinstance(error, NodeError) and error.again)


def _only(answer: Any) -> Any:
    """Return the one answer in a list of one: some providers answer errors as if a batch was sent."""
    return answer[0] if isinstance(answer, list) and len(answer) == 1 else answer


@functools.cache
def _restore_recursion_limit() -> None:
    """Undo what importing web3 does: py_ecc, which it loads, raises the limit beyond what the stack bears.

    With the limit raised, a hostile endpoint or source could end this process by an answer that is nested deep.
    """
    import py_ecc  # noqa: F401  # now, so that no later import raises it again

    sys.setrecursionlimit(_RECURSION_LIMIT)
