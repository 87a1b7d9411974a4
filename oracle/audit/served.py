"""Fetching readings from reporters' servers, which may be silent, slow or hostile."""

from __future__ import annotations

import asyncio
from types import TracebackType
from typing import Self

import aiohttp
from aiolimiter import AsyncLimiter

from oracle.audit.readings import ReadingsProblem
from oracle.audit.report import ReadingsFault
from oracle.core import http
from oracle.core.formats import to_hex
from oracle.core.trust import Trust

__all__ = ["ReadingsClient"]

TIMEOUT_S = 10.0
"""Seconds for one request, from the connection to the last byte."""

RATE = 40
"""Requests a second to one server: fewer than it allows."""

_TRIES = 4
_LONGEST_PAUSE_S = 5.0


class ReadingsClient:
    """Fetches readings over kept-alive connections. It is an asynchronous context manager.

    Args:
        trusted: The authorities that are trusted for https.
        timeout_s: Seconds for one request.
    """

    def __init__(self, trusted: Trust = http.SYSTEM_TRUST, *, timeout_s: float = TIMEOUT_S) -> None:
        self._trusted = trusted
        self._timeout_s = timeout_s
        self._session: aiohttp.ClientSession | None = None
        self._rates: dict[str, AsyncLimiter] = {}

    async def __aenter__(self) -> Self:
        self._session = http.open_session(keep_alive=True, packed=False)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._session is not None:
            await self._session.close()

    async def fetch(self, url: str, wanted: bytes, most: int) -> bytes:
        """Return what a server has for a hash.

        Args:
            url: The server's base URL.
            wanted: The hash.
            most: The most bytes to read.

        Raises:
            ReadingsProblem: It has nothing, or gives no useful answer.
        """
        rate = self._rates.setdefault(url, AsyncLimiter(RATE, 1.0))
        address = f"{url.rstrip('/')}/v1/readings/{to_hex(wanted)}"
        for tried in range(_TRIES):
            await rate.acquire()
            try:
                async with asyncio.timeout(self._timeout_s):
                    status, pause, body = await self._ask(address, most)
            except http.BodyTooLarge:
                raise _useless(f"its answer is larger than the {most} bytes that readings can have") from None
            except TimeoutError:
                raise _useless(f"its server has not answered within {self._timeout_s:g} s") from None
            except (aiohttp.ClientError, OSError, ValueError) as error:
                raise _useless(f"its server can't be reached: {http.reason(error)}") from None
            if status not in (429, 503):
                break
            if tried < _TRIES - 1:
                await _pause(pause)
        if status == 404:
            raise ReadingsProblem(ReadingsFault.MISSING, "its server does not have what it signed")
        if status != 200:
            raise _useless(f"its server answers HTTP {status}")
        return body

    async def _ask(self, address: str, most: int) -> tuple[int, float, bytes]:
        """Return status, seconds after which the server may be asked again, and body of an answer."""
        assert self._session is not None
        headers = {"Accept": "application/json", "Accept-Encoding": "identity"}
        trusted = self._trusted.context if address.startswith("https:") else True
        request = self._session.get(
            address, headers=headers, proxy=http.proxy_for(address), allow_redirects=False, ssl=trusted
        )
        async with request as response:
            pause = response.headers.get("Retry-After", "")
            seconds = min(float(pause), _LONGEST_PAUSE_S) if pause.isdecimal() and len(pause) < 9 else 1.0
            if response.status != 200:
                response.close()  # nobody reads why
                return response.status, seconds, b""
            return 200, seconds, await http.read_body(response, most)


async def _pause(seconds: float) -> None:
    await asyncio.sleep(seconds)


def _useless(why: str) -> ReadingsProblem:
    return ReadingsProblem(ReadingsFault.UNREACHABLE, why)
