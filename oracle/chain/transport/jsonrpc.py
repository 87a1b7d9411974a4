"""JSON-RPC over HTTP: web3 encodes and decodes, and an httpx client of our own carries the requests.

This is not web3's own HTTP provider, because that one hangs. web3 8's `AsyncHTTPProvider` guards its cache of sessions
with one lock for the whole process, which it takes in another thread. A request that is cancelled while it waits for
the lock leaves the lock taken, and from then on no request of the process ends. An oracle cancels requests all the
time: those that take too long, and those whose answer nobody needs any more.

`tests/integration/test_rpc_hostile.py` shows both: that requests through `JsonRpc` may be cancelled at any moment, and
that web3's provider still hangs. Once the second test fails, `JsonRpc` can go.
"""

from __future__ import annotations

import asyncio
import logging
import ssl
from functools import cache
from typing import Any

import httpx
from web3.exceptions import Web3Exception
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from oracle.chain.transport.failures import AnswerTooLarge, NoJsonRpc, RefusedByStatus, Unreachable

__all__ = ["MAX_BODY", "JsonRpc"]

MAX_BODY = 64 << 20
"""The largest answer that is read, in bytes."""

_HEADERS = {"Content-Type": "application/json", "Connection": "close"}


class JsonRpc(AsyncJSONBaseProvider):
    """A provider for one endpoint. It follows no redirect, and ignores proxies that the environment names.

    Args:
        url: http or https.
        timeout: Seconds for one request, all in all.
    """

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__()
        # httpx logs each request with its URL, which may hold an API key.
        logging.getLogger("httpx").setLevel(logging.WARNING)
        self._url = url
        self._timeout = timeout

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """Make one request.

        Raises:
            TimeoutError: There is no answer in time.
            RequestFailed: See `oracle.chain.transport.failures`.
        """
        body = self.encode_rpc_request(method, params)
        try:
            async with asyncio.timeout(self._timeout):
                answer = await self._post(body)
        # No cause is kept of the library's errors: their texts hold the URL, which may hold an API key.
        except (httpx.HTTPError, httpx.InvalidURL, OSError) as error:
            if isinstance(error, TimeoutError):
                raise
            raise Unreachable(_reason(error)) from None
        try:
            return self.decode_rpc_response(answer)
        except (ValueError, RecursionError, Web3Exception):
            raise NoJsonRpc from None

    async def disconnect(self) -> None:
        """Do nothing: no connection outlives its request."""

    async def _post(self, body: bytes) -> bytes:
        async with (
            self._client() as client,
            client.stream("POST", self._url, content=body, headers=_HEADERS) as response,
        ):
            if response.status_code >= 300:
                raise RefusedByStatus(response.status_code)
            answer = bytearray()
            async for chunk in response.aiter_bytes():
                answer += chunk
                if len(answer) > MAX_BODY:
                    raise AnswerTooLarge(MAX_BODY)
        return bytes(answer)

    def _client(self) -> httpx.AsyncClient:
        """Return a client for one request, and so for one connection.

        A connection that the other side has closed meanwhile is never taken for a good one. Nor does a client keep the
        connections of requests that were cancelled, as httpcore's pools do: it closes them when the request ends.
        """
        # `timeout=None`: httpx limits each step of a request, `make_request` limits the whole of it.
        return httpx.AsyncClient(timeout=None, verify=_tls(), trust_env=False)


@cache
def _tls() -> ssl.SSLContext:
    """Return one context for all requests, with the certificates that this system trusts."""
    return ssl.create_default_context()


def _reason(error: BaseException | None) -> str:
    """Say why a connection failed, in the system's words where there are any."""
    kind = type(error).__name__
    while error is not None:
        if isinstance(error, OSError) and error.strerror:
            return str(error.strerror)
        error = error.__cause__ or error.__context__
    return kind
