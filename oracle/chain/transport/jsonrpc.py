"""JSON-RPC over HTTP: web3 encodes, our strict reader decodes, and a session of our own carries the requests.

This is not web3's own HTTP provider, because that one hangs. web3 8's `AsyncHTTPProvider` guards its cache of sessions
with one lock for the whole process, which it takes in another thread. A request that is cancelled while it waits for
the lock leaves the lock taken, and from then on no request of the process ends. An oracle cancels requests all the
time: those that take too long, and those whose answer nobody needs any more.

`tests/integration/test_rpc_hostile.py` shows both: that requests through `JsonRpc` may be cancelled at any moment, and
that web3's provider still hangs. Once the second test fails, `JsonRpc` can go.
"""

from __future__ import annotations

import asyncio
import contextlib
import datetime as dt
from email.utils import parsedate_to_datetime
from typing import Any, cast

import aiohttp
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

from oracle.chain.transport.failures import AnswerTooLarge, NoJsonRpc, RefusedByStatus, Unreachable
from oracle.core import http
from oracle.core.documents import NotJson, NumberType, parse_json

__all__ = ["MAX_BODY", "JsonRpc"]

MAX_BODY = 64 << 20
"""The largest answer that is read, in bytes."""

_MAX_REFUSAL = 1 << 20
"""The largest body of an answer with an error status that is read, in bytes."""

_HEADERS = {"Content-Type": "application/json"}


class JsonRpc(AsyncJSONBaseProvider):
    """A provider for one endpoint. It follows no redirect, and ignores proxies that the environment names.

    Each request has a connection of its own, which belongs to no event loop and leaves nothing to close. Between
    `keep_open` and `disconnect`, connections are kept for further requests of one event loop.

    Args:
        url: http or https.
        timeout: Seconds for one request, all in all.
    """

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__()
        self._url = url
        self._timeout = timeout
        self._keeps = False
        self._kept: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def keep_open(self) -> None:
        """Keep connections from now on, until `disconnect`."""
        self._keeps = True

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
        except TimeoutError:
            raise
        # No cause is kept of the library's errors: their texts hold the URL, which may hold an API key.
        except (aiohttp.ClientError, OSError) as error:
            raise Unreachable(http.reason(error)) from None
        try:
            return _decoded(answer)
        except NotJson as error:
            raise NoJsonRpc(str(error)) from None

    async def disconnect(self) -> None:
        """Close the connections that are kept, and keep none from now on."""
        self._keeps = False
        kept, self._kept = self._kept, None
        if kept is not None and self._loop is asyncio.get_running_loop():
            await kept.close()

    async def _post(self, body: bytes) -> bytes:
        if self._keeps:
            if self._kept is None:
                self._kept, self._loop = http.open_session(keep_alive=True), asyncio.get_running_loop()
            if self._loop is asyncio.get_running_loop():
                try:
                    return await self._post_in(self._kept, body)
                except aiohttp.ClientConnectorError:
                    raise
                except (aiohttp.ServerDisconnectedError, aiohttp.ClientOSError):
                    # The other side may have closed the connection while it was idle. Any request may be repeated.
                    pass
        async with http.open_session() as session:
            return await self._post_in(session, body)

    async def _post_in(self, session: aiohttp.ClientSession, body: bytes) -> bytes:
        async with session.post(
            self._url, data=body, headers=_HEADERS, ssl=http.authorities_for(self._url), allow_redirects=False
        ) as response:
            if response.status >= 300:
                raise await self._refused(response)
            try:
                return await http.read_body(response, MAX_BODY)
            except http.BodyTooLarge:
                raise AnswerTooLarge(MAX_BODY) from None

    async def _refused(self, response: aiohttp.ClientResponse) -> RefusedByStatus:
        """Return the failure of a request that was answered with an error status. Its body may say why."""
        answer = None
        if response.status >= 400:
            with contextlib.suppress(http.BodyTooLarge, aiohttp.ClientError, NotJson):
                answer = _decoded(await http.read_body(response, _MAX_REFUSAL))
        return RefusedByStatus(response.status, _seconds(response.headers.get("Retry-After")), answer)


def _decoded(answer: bytes) -> RPCResponse:
    """Return an answer. web3's own decoder takes the last of two keys, and any constant for a number."""
    return cast(RPCResponse, parse_json(answer, numbers=NumberType.EXACT))


def _seconds(said: str | None) -> float | None:
    """Return the seconds that a Retry-After header asks to wait: it has a number of them, or a date."""
    if said is None:
        return None
    if said.strip().isdecimal():
        return float(said)
    try:
        until = parsedate_to_datetime(said)
        return max(0.0, (until - dt.datetime.now(dt.UTC)).total_seconds())
    except (ValueError, TypeError, OverflowError):
        return None
