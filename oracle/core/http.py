"""The rules that all HTTP requests of this package keep, for aiohttp.

Compressed answers are unpacked up to a limit, whatever was asked for; statuses are told as what they are. No cookie is
kept. The environment is not read: neither proxies, unless `proxy_for` is asked, nor passwords from .netrc.
No text of aiohttp gets into messages, as it may hold the URL, and with it an API key: `reason` has words of its own.
"""

from __future__ import annotations

import asyncio
import os
import socket
import ssl
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from email.message import Message
from typing import Any, TypeVar
from urllib.parse import urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass
from weakref import WeakKeyDictionary

import aiohttp
from aiohttp.abc import ResolveResult
from aiohttp.connector import Connection
from aiohttp.tracing import Trace

from oracle.core.documents import NumberType, decode_text, parse_json
from oracle.core.formats import one_line
from oracle.core.packing import ACCEPTED, PackedTooLarge, PackedWrong, unpacked
from oracle.core.trust import Trust

__all__ = [
    "Answer",
    "BodyTooLarge",
    "BodyUnreadable",
    "ask",
    "authorities_for",
    "charset_of",
    "is_loopback",
    "open_connector",
    "open_session",
    "proxy_for",
    "read_body",
    "reason",
    "receive",
    "run",
]

LONGEST_USE_S = 60.0
"""Seconds after which a connection is not used again. A new one goes to the address that the name has by then, and is
shown the certificate that the server has by then."""

ADDRESSES_S = 10
"""Seconds for which the address of a name is kept."""

SYSTEM_TRUST = Trust()
"""The system's authorities for https, as they are now and not as they were at the start."""

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

_HINTS = {
    202: "the document is not ready yet",
    204: "there is no document",
    206: "a part of the document, which nobody asked for",
    401: "it wants credentials, or other ones: see 'headers'",
    403: "it refuses access: it may want credentials ('headers'), or not serve this machine's country",
    404: "there is no such document: is the URL right?",
    406: "it has no JSON there",
    407: "the proxy wants credentials",
    410: "the document is gone for good: configure another URL",
    429: "too many requests: a longer 'poll_interval' makes fewer",
    451: "it is withheld for legal reasons",
}
"""Words about statuses that are not 200, for who reads a document at a configured URL."""

Result = TypeVar("Result")

_clock = time.monotonic


class BodyTooLarge(Exception):
    """An answer's body is larger than is read, as it comes or unpacked."""


class BodyUnreadable(aiohttp.ClientPayloadError):
    """An answer's body can't be unpacked. The message says why, in words of ours."""


@dataclass(frozen=True, slots=True)
class Answer:
    """An answer that was read to its end.

    Attributes:
        status: The number.
        body: The body, unpacked.
        words: The words behind the status, the server's.
        content_type: The header, empty if there is none.
        location: The header; None if there is none.
        retry_after: The header; None if there is none.
    """

    status: int
    body: bytes
    words: str = ""
    content_type: str = ""
    location: str | None = None
    retry_after: str | None = None

    def text(self, charset: str = "") -> str:
        """Return the body as text. Raises `NotText`.

        Args:
            charset: The charset, whatever the answer states; empty: as it states.
        """
        return decode_text(self.body, charset or charset_of(self.content_type))

    def json(self, *, numbers: NumberType = NumberType.FLOAT, charset: str = "") -> Any:
        """Return the body's value. Raises `NotJson`.

        Args:
            numbers: The types that numbers get.
            charset: The charset, whatever the answer states; empty: as it states.
        """
        return parse_json(self.body, numbers=numbers, charset=charset or charset_of(self.content_type))

    def problem(self, url: str, show: Callable[[str], str]) -> str | None:
        """Say what is wrong with the status, where a document was asked for; None if nothing is.

        Args:
            url: The URL that was asked.
            show: Returns the form of a URL that may be shown.
        """
        if self.status == 200:
            return None
        said = f"HTTP {self.status} {one_line(self.words, 60)}".rstrip()
        if 300 <= self.status < 400:
            return f"{said}: {_elsewhere(self, url, show)}"
        hint = _HINTS.get(self.status, "")
        if self.retry_after and self.retry_after.strip().isdecimal():
            hint += f"{'; it' if hint else 'it'} asks to wait {one_line(self.retry_after.strip(), 12)} s"
        return f"{said}: {hint}" if hint else said


class _Resolver(aiohttp.ThreadedResolver):
    """The system's resolver. A name that can't be one is a name that is not known."""

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        try:
            return await super().resolve(host, port, family)
        except UnicodeError:  # an empty label, or one that is too long
            raise socket.gaierror(socket.EAI_NONAME, "Name or service not known") from None


class _Connector(aiohttp.TCPConnector):
    """Connections that are given up after a while, however busy they are."""

    def __init__(self, **options: Any) -> None:
        super().__init__(**options)
        self._since: WeakKeyDictionary[object, float] = WeakKeyDictionary()

    async def connect(
        self, req: aiohttp.ClientRequest, traces: list[Trace], timeout: aiohttp.ClientTimeout
    ) -> Connection:
        """Return a connection that is not too old."""
        while True:
            connection = await super().connect(req, traces, timeout)
            now = _clock()
            if now - self._since.setdefault(connection.protocol, now) < LONGEST_USE_S:
                return connection
            connection.close()


def open_connector(*, idle_s: float | None = 15.0, authorities: ssl.SSLContext | bool = True) -> aiohttp.TCPConnector:
    """Return what opens the connections of a session, and keeps none for longer than `LONGEST_USE_S`.

    Args:
        idle_s: Seconds for which a connection without a request is kept; None: it is closed after each request.
        authorities: Those for https, for requests that name none themselves.
    """
    kept: dict[str, Any] = {"force_close": True} if idle_s is None else {"keepalive_timeout": idle_s}
    return _Connector(ttl_dns_cache=ADDRESSES_S, resolver=_Resolver(), ssl=authorities, **kept)


def open_session(*, keep_alive: bool = False, packed: bool = True, idle_s: float = 15.0) -> aiohttp.ClientSession:
    """Return a session for requests without a timeout: the caller limits the whole of a request.

    Bodies come as they were sent. `receive` and `read_body` unpack them.

    Args:
        keep_alive: Use a connection for several requests, for `LONGEST_USE_S` at most. Otherwise, a connection that
            the other side has closed meanwhile is never taken for a good one.
        packed: Ask for compressed answers.
        idle_s: Seconds for which a connection without a request is kept, if any is.
    """
    connector = open_connector(idle_s=idle_s if keep_alive else None)
    return aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        timeout=aiohttp.ClientTimeout(),
        headers={"Accept-Encoding": ACCEPTED if packed else "identity"},
        # The library's own unpacking knows no limit on the whole.
        auto_decompress=False,
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
        session.request(
            method, url, json=json, proxy=proxy, ssl=authorities_for(url), allow_redirects=False
        ) as response,
    ):
        return await receive(response, max_body)


async def receive(response: aiohttp.ClientResponse, most: int) -> Answer:
    """Return an answer, with its body, unpacked. Raises as `read_body`."""
    headers = response.headers
    return Answer(
        response.status,
        await read_body(response, most),
        response.reason or "",
        headers.get("Content-Type", ""),
        headers.get("Location"),
        headers.get("Retry-After"),
    )


async def read_body(response: aiohttp.ClientResponse, most: int) -> bytes:
    """Return the body of an answer, unpacked.

    Args:
        response: The answer, of a session of `open_session`.
        most: The most bytes, as they come and unpacked.

    Raises:
        BodyTooLarge: There are more. Reading stops at once.
        BodyUnreadable: It is compressed in a way that can't be read.
    """
    try:
        return await unpacked(response.content.iter_any(), response.headers.get("Content-Encoding", ""), most)
    except PackedTooLarge:
        response.close()
        raise BodyTooLarge from None
    except PackedWrong as error:
        response.close()
        raise BodyUnreadable(f"the answer is {error}") from None


def charset_of(content_type: str) -> str:
    """Return the charset that a Content-Type header states; empty if it states none."""
    if "charset" not in content_type.lower():
        return ""
    header = Message()
    header["Content-Type"] = content_type
    found = header.get_param("charset", "")
    return found if isinstance(found, str) else ""


def is_loopback(url: str) -> bool:
    """Return True if a URL leads to this machine."""
    try:
        return urlsplit(url).hostname in _LOOPBACK
    except ValueError:
        return False


def authorities_for(url: str) -> ssl.SSLContext | bool:
    """Return the option `ssl` of a request to a URL: the system's authorities, as they are now."""
    return SYSTEM_TRUST.context if url.startswith("https:") else True


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
    if isinstance(error, BodyUnreadable):
        return str(error)
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


# --- details -------------------------------------------------------------------------------------------------------


def _elsewhere(answer: Answer, url: str, show: Callable[[str], str]) -> str:
    """Say what an answer with a status of 3xx is: not each of them is a redirect."""
    if answer.status == 304:
        return "it says that nothing has changed, though nobody asked for changes; a cache on the way may be wrong"
    if answer.location is None:
        if answer.status == 300:
            return "it offers several documents and names none; configure the address of one"
        return "it sends elsewhere and does not say where to"
    try:
        target = urljoin(url, answer.location)
        if target == url:
            return "a redirect to itself, as servers do that want a cookie or other headers; see 'headers'"
        shown = show(target)
    except ValueError:
        shown = "an invalid URL"
    return f"a redirect to {shown}, which is not followed; configure the final address"
