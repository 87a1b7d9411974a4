"""The rules that all HTTP requests of this package keep, for aiohttp.

No cookie is kept. The environment is not read: neither proxies, unless `proxy_for` is asked, nor passwords from .netrc.
No text of aiohttp gets into messages, as it may hold the URL, and with it an API key: `reason` has words of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
from collections.abc import Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any, TypeVar
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

import aiohttp
from aiohttp.abc import ResolveResult

__all__ = ["Answer", "BodyTooLarge", "ask", "is_loopback", "open_session", "proxy_for", "read_body", "reason", "run"]

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_LONGEST_HEADER = 64 << 10

_REASONS: tuple[tuple[type[BaseException], str], ...] = (
    (TimeoutError, "no answer in time"),
    (aiohttp.InvalidURL, "the URL is invalid"),
    (aiohttp.ServerDisconnectedError, "the server closed the connection without an answer"),
    (aiohttp.ClientPayloadError, "the answer is cut off or malformed"),
    (aiohttp.ClientHttpProxyError, "the proxy refuses the connection"),
    (aiohttp.ClientResponseError, "the answer is not HTTP"),
    (aiohttp.ClientConnectorError, "no connection"),
    (ValueError, "a header is invalid"),
)

Result = TypeVar("Result")


class BodyTooLarge(Exception):
    """An answer's body is larger than is read."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read to its end."""

    status: int
    body: bytes


class _Resolver(aiohttp.ThreadedResolver):
    """The system's resolver. A name that can't be one is a name that is not known."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        try:
            return await super().resolve(host, port, family)
        except UnicodeError:  # an empty label, or one that is too long
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None


def open_session(*, keep_alive: bool = False, decompress: bool = True, idle_s: float = 15.0) -> aiohttp.ClientSession:
    """Return a session for requests without a timeout: the caller limits the whole of a request.

    Args:
        keep_alive: Use a connection for several requests. Otherwise, a connection that the other side has closed
            meanwhile is never taken for a good one.
        decompress: Unpack compressed answers.
        idle_s: Seconds for which a connection without a request is kept, if any is.
    """
    if keep_alive:
        connector = aiohttp.TCPConnector(keepalive_timeout=idle_s, resolver=_Resolver())
    else:
        connector = aiohttp.TCPConnector(force_close=True, resolver=_Resolver())
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(),
        auto_decompress=decompress,
        # The address of a redirect is used as it is written: it may be signed.
        requote_redirect_url=False,
        max_line_size=_LONGEST_HEADER,
        max_field_size=_LONGEST_HEADER,
    )


async def ask(
    method: str, url: str, *, timeout_s: float, max_body: int, json: Any = None, proxy: str | None = None
) -> Answer:
    """Make one request, with a connection of its own, and return the answer. No redirect is followed.

    Args:
        timeout_s: Seconds for the whole request.
        max_body: The most bytes of the answer.
        json: What to send; None: nothing.
        proxy: See `proxy_for`.

    Raises:
        TimeoutError: The answer is not complete in time.
        BodyTooLarge: The answer is too large.
        aiohttp.ClientError, OSError: There is no answer. See `reason`.
    """
    async with (
        asyncio.timeout(timeout_s),
        open_session() as session,
        session.request(method, url, json=json, proxy=proxy, allow_redirects=False) as response,
    ):
        return Answer(response.status, await read_body(response, max_body))


async def read_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the body of an answer. Raises `BodyTooLarge` as soon as there are more than `most` bytes."""
    body = bytearray()
    async for chunk in response.content.iter_any():
        body += chunk
        if len(body) > most:
            response.close()
            raise BodyTooLarge
    return bytes(body)


def is_loopback(url: str) -> bool:
    """Return True if a URL leads to this machine."""
    try:
        return urlsplit(url).hostname in _LOOPBACK
    except ValueError:
        return False


def proxy_for(url: str) -> str | None:
    """Return the proxy that the environment names for a URL; None if it names none."""
    try:
        parts = urlsplit(url)
        if not parts.hostname or proxy_bypass(parts.hostname):
            return None
    except ValueError:
        return None
    proxies = getproxies()
    found = proxies.get(parts.scheme) or proxies.get("all")
    return found if not found or "://" in found else f"http://{found}"


def reason(error: BaseException) -> str:
    """Say why a request failed, in the system's words where there are any."""
    inner = getattr(error, "os_error", None) or getattr(error, "certificate_error", None) or error
    if isinstance(inner, (ssl.SSLError, socket.gaierror)) and inner.strerror:
        return str(inner.strerror)
    if isinstance(inner, OSError) and inner.errno:
        # The error's own text is asyncio's, with an address in it.
        return os.strerror(inner.errno)
    return next((words for kind, words in _REASONS if isinstance(error, kind)), type(error).__name__)


def run(request: Coroutine[Any, Any, Result]) -> Result:
    """Run a coroutine to its end from synchronous code.

    An event loop that runs in this thread, as in a notebook, is blocked meanwhile: another thread does the work.
    """
    try:
        asyncio.get_running_loop()
    except RuntimeError:
        return asyncio.run(request)
    with ThreadPoolExecutor(1) as pool:
        return pool.submit(asyncio.run, request).result()
