"""JSON-RPC over HTTP: web3's encoding, a session of our own.

web3's own HTTP provider has one lock for all requests of a process, which it takes in another thread. A request that is
cancelled while it waits for the lock leaves it taken, and from then on no request ends. An oracle cancels requests all
the time: those that take too long, those whose answer nobody needs any more. So only the encoding is web3's here.
"""

from __future__ import annotations

import asyncio
from typing import Any

import aiohttp
from web3.providers.async_base import AsyncJSONBaseProvider
from web3.types import RPCEndpoint, RPCResponse

__all__ = ["MAX_BODY", "AnswerTooLarge", "JsonRpc"]

MAX_BODY = 64 << 20
"""Bytes of an answer that are read at most."""


class AnswerTooLarge(Exception):
    """An answer of more than `MAX_BODY` bytes."""


class JsonRpc(AsyncJSONBaseProvider):
    """One endpoint.

    Args:
        url: http or https.
        timeout: Seconds for one request, all in all.
    """

    def __init__(self, url: str, timeout: float) -> None:
        super().__init__()
        self._url = url
        self._timeout = aiohttp.ClientTimeout(total=timeout)
        self._session: aiohttp.ClientSession | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    async def make_request(self, method: RPCEndpoint, params: Any) -> RPCResponse:
        """One request.

        Raises:
            AnswerTooLarge: See there.
            aiohttp.ClientError, OSError: There is no connection, or another status than 2xx. Redirects are not
                followed.
            TimeoutError: No answer in time.
            ValueError, RecursionError, Web3Exception: The answer is not JSON.
        """
        body = self.encode_rpc_request(method, params)
        headers = {"Content-Type": "application/json"}
        async with self._opened().post(self._url, data=body, headers=headers, allow_redirects=False) as response:
            if response.status >= 300:
                raise aiohttp.ClientResponseError(
                    response.request_info, response.history, status=response.status, message=str(response.reason)
                )
            answer = bytearray()
            async for chunk in response.content.iter_any():
                answer += chunk
                if len(answer) > MAX_BODY:
                    response.close()
                    raise AnswerTooLarge
        return self.decode_rpc_response(bytes(answer))

    async def disconnect(self) -> None:
        """Close the connections. The next request opens others."""
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    def _opened(self) -> aiohttp.ClientSession:
        loop = asyncio.get_running_loop()
        if self._session is None or self._loop is not loop:
            # A connection for each request: one that the other side closed meanwhile is never taken for a good one.
            connector = aiohttp.TCPConnector(force_close=True)
            self._session, self._loop = aiohttp.ClientSession(connector=connector, timeout=self._timeout), loop
        return self._session
