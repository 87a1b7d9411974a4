"""One endpoint: retries, the comparison of chain ids, and the mapping of what fails to `oracle.core.errors`."""

from __future__ import annotations

import functools
import sys
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import urlsplit

from tenacity import retry_if_exception_type

from oracle.chain.transport import answers
from oracle.chain.transport.failures import AnswerTooLarge, NoJsonRpc, RefusedByStatus, Unreachable
from oracle.chain.transport.interface import Doubt, EndpointState, NodeError
from oracle.chain.transport.reverts import ErrorDecoder, describe_revert, revert_data
from oracle.chain.transport.urls import mask_url, secrets_of
from oracle.core import backoff
from oracle.core.errors import AnswerNotBelieved, ChainUnavailable, ConfigError, ContractRejected, WrongChain

_RATE_LIMITED = -32005
_REVERTED = 3
_PASSING_STATUS = frozenset({408, 425, 429, 500, 502, 503, 504})
_RECURSION_LIMIT = 1_000  # Python's own default


class _Passing(ChainUnavailable):
    """A failure that is worth another attempt at once."""


class Endpoint:
    """One JSON-RPC endpoint of one chain.

    Transport errors are retried a few times, with backoff; errors that the node answers are not. The chain id is
    compared before the first request, and again after each loss of connection, when another node may answer.

    Requests go through a provider of web3's kind without its middleware. That keeps three things out of an oracle's
    way: offchain look-ups (EIP-3668), with which any contract could make this process call a URL; name resolution; and
    a chain id request with each call.

    Args:
        url: http or https; may hold credentials, which appear in no message.
        expected_chain_id: None takes any chain: for tools that only want to know.
        timeout: Seconds for one attempt of one request.
        attempts: The number of times that a request is tried.

    Raises:
        ConfigError: The URL is not one.
    """

    def __init__(
        self, url: str, expected_chain_id: int | None = None, *, timeout: float = 15.0, attempts: int = 3
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
        found = await self._retrying(method, params, decode)
        if doubt is not None and (problem := doubt(found)):
            raise AnswerNotBelieved(f"RPC endpoint {self.name} is not believed: {problem}")
        return found

    async def _retrying(self, method: str, params: list[Any], decode: ErrorDecoder | None = None) -> Any:
        passing = retry_if_exception_type(_Passing)
        tries = backoff.attempts(self._attempts, retry=passing, first_s=0.1, last_s=2.0, jitter_s=0.1)
        return await tries(self._once, method, params, decode)

    async def _once(self, method: str, params: list[Any], decode: ErrorDecoder | None) -> Any:
        try:
            # The method's type is web3's own, a string by another name.
            answer: Any = await self._provider.make_request(method, params)  # type: ignore[arg-type]
        except RefusedByStatus as error:
            redirect = ", a redirect, which is not followed: configure the URL it leads to"
            what = f"answers HTTP {error.status}{redirect if 300 <= error.status < 400 else ''}"
            raise self._unreachable(what, again=error.status in _PASSING_STATUS) from None
        except AnswerTooLarge as error:
            said = f"answers {method} with more than {error.limit >> 20} MiB"
            if method == "eth_getLogs":  # for fewer blocks it may be less
                raise NodeError(f"RPC endpoint {self.name} {said}", said) from None
            raise self._unreachable(said, again=False) from None
        except TimeoutError:
            raise self._unreachable("does not answer in time", again=True) from None
        except Unreachable as error:
            raise self._unreachable(
                f"can't be reached: {error}; check the URL, and that the node is running", again=True
            ) from None
        except NoJsonRpc:
            raise self._unreachable("answers something that is not JSON-RPC", again=False) from None
        if not isinstance(answer, Mapping) or ("result" not in answer and "error" not in answer):
            raise self._unreachable("answers something that is not JSON-RPC", again=False)
        failure = answer.get("error")
        if failure is None:
            return answer.get("result")
        raise self._failure(method, failure, decode)

    def _unreachable(self, what: str, *, again: bool) -> ChainUnavailable:
        self._chain_id = None
        return (_Passing if again else ChainUnavailable)(f"RPC endpoint {self.name} {what}")

    def _without_secrets(self, said: str) -> str:
        """Hide the URL's secrets in a node's message: a node may repeat the key by which it was asked."""
        for secret in self._secrets:
            said = said.replace(secret, "…")
        return said

    def _failure(self, method: str, failure: Any, decode: ErrorDecoder | None) -> Exception:
        """Return the error that a node's error object stands for."""
        code = failure.get("code") if isinstance(failure, Mapping) else None
        said = self._without_secrets(str(failure.get("message") if isinstance(failure, Mapping) else failure))
        said = " ".join(said.split())[:300]
        if method in ("eth_call", "eth_estimateGas"):
            data = revert_data(failure)
            if data is not None or code == _REVERTED or "revert" in said.lower():
                revert = describe_revert(data or b"", decode)
                return ContractRejected(revert.message, revert.name, revert.feed_id)
        if code == _RATE_LIMITED or "rate limit" in said.lower():
            return _Passing(f"RPC endpoint {self.name} limits the rate of requests: {said}")
        return NodeError(f"RPC endpoint {self.name} refuses {method}: {said}", said)


@functools.cache
def _restore_recursion_limit() -> None:
    """Undo what importing web3 does: py_ecc, which it loads, raises the limit beyond what the stack bears.

    With the limit raised, a hostile endpoint or source could end this process by an answer that is nested deep.
    """
    import py_ecc  # noqa: F401  # now, so that no later import raises it again

    sys.setrecursionlimit(_RECURSION_LIMIT)
