"""The server of `GET /v1/update/FEED`: the newest proven report of a pulled feed, for whoever brings it to the chain.

    200  the report, as calldata of the hub's `submitIfNewer`
    204  there is none that is newer than what the chain has: read the chain
    304  it is the one that the caller has (`If-None-Match`)
    401  only callers with a token may ask, and this is none
    404  no such feed is pulled
    429  too many requests
    503  there is none now: none was made yet, or the chain would not take it, or can't be asked

Whoever brings a report can be anybody: the hub checks signatures and proof. So a report is no secret, but of a private
model each verdict tells something. Then only callers with a token may ask, and nothing is cached on the way.
"""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from aiohttp import web

from oracle.core.formats import to_hex
from oracle.core.stages import KeptReport
from oracle.web.bodies import RefusalLog
from oracle.web.listener import Limits, listening
from oracle.web.rates import Rates, client_at
from oracle.web.tls import Certificate

__all__ = ["NothingNewer", "NothingNow", "ServedUpdate", "UpdateEvents", "serve_updates"]

MINUTE = 60.0
RETRY_S = 2
"""Seconds after which to ask again where there is no report now."""

_CORS = {"Access-Control-Allow-Origin": "*"}
_PUBLIC = {**_CORS, "Cache-Control": "public, max-age=1", "X-Content-Type-Options": "nosniff"}
_PRIVATE = {"Cache-Control": "private, no-store", "Vary": "Authorization", "X-Content-Type-Options": "nosniff"}


class NothingNewer(Exception):
    """The chain has what is kept of the feed, or something newer."""


class NothingNow(Exception):
    """Nothing can be served of the feed now; the message says why, for the caller."""


@dataclass(frozen=True, slots=True)
class ServedUpdate:
    """A report that the chain takes now.

    Attributes:
        kept: The report.
        good_until: The chain's time until which it takes the report, unix seconds, as far as is known.
        hub: The address of the hub.
        chain_id: The id of the chain.
    """

    kept: KeptReport
    good_until: int
    hub: str
    chain_id: int

    def document(self) -> Mapping[str, object]:
        """Return the report as JSON has it. Large integers are text."""
        return {
            "feedId": to_hex(self.kept.feed_id),
            "roundId": self.kept.round_id,
            "answer": str(self.kept.answer),
            "observedAt": self.kept.observed_at,
            "goodUntil": self.good_until,
            "hub": self.hub,
            "chainId": self.chain_id,
            "calldata": to_hex(self.kept.calldata),
            "value": "0",
        }


class UpdateEvents:
    """Hears what is asked; override what is of interest. Must not raise."""

    def served(self, feed: str) -> None:
        """A kept report of a feed was served."""

    def refused(self) -> None:
        """A request was refused: it had no token, was one too many, or was for no pulled feed."""


def serve_updates(
    listen: tuple[str, int],
    feeds: Mapping[str, bytes],
    find: Callable[[str], Awaitable[ServedUpdate]],
    *,
    callers: Mapping[str, Callable[[], bytes | None]],
    max_per_minute: int,
    events: UpdateEvents | None = None,
    certificate: Certificate | None = None,
    limits: Limits | None = None,
) -> AbstractAsyncContextManager[int]:
    """Serve reports while the context is open; the context's value is the port.

    Args:
        listen: Host and port; port 0 takes any free one.
        feeds: The ids of the feeds that are pulled, by name.
        find: Returns what is served of a feed, or raises `NothingNewer` or `NothingNow`.
        callers: Return the tokens of those who may ask, by name, or None while there is none; empty: anyone may.
        max_per_minute: How often each caller may ask in a minute; without callers, each address.
        events: Notified of what is asked.
        certificate: None: plain HTTP.
        limits: None: the default ones.

    Raises:
        ConfigError: The address can't be bound.
    """
    window = _Window(dict(feeds), find, _Callers(callers, max_per_minute), events or UpdateEvents())
    application = web.Application(client_max_size=1_024)
    application.router.add_get("/v1/update/{feed}", window.answer)
    return listening(application, listen, "updates", certificate=certificate, limits=limits)


class _Refused(Exception):
    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, dict(headers or {})


class _Callers:
    """Says who asks, and who asks too often.

    A caller who is known has a share of its own, which strangers can't use up.
    """

    def __init__(self, callers: Mapping[str, Callable[[], bytes | None]], max_per_minute: int) -> None:
        self.are_known = bool(callers)
        self._callers = callers
        self._rates = Rates(max_per_minute, MINUTE)
        self._retry = {"Retry-After": str(math.ceil(MINUTE / max_per_minute))}

    async def admit(self, request: web.Request) -> None:
        """Raises: _Refused."""
        caller = self._caller(request)
        if not await self._rates.allow(caller or f"address {client_at(request.remote)}"):
            raise _Refused(429, "too many requests; ask again later", self._retry)
        if self.are_known and caller is None:
            raise _Refused(401, "the bearer token is missing or wrong", {"WWW-Authenticate": "Bearer"})

    def _caller(self, request: web.Request) -> str | None:
        given = _digest(request.headers.get("Authorization", "").encode("utf-8", "surrogateescape"))
        # All tokens are compared, and each in constant time, so that the time tells nothing of them.
        tokens = {name: token() for name, token in self._callers.items()}
        found = [
            name
            for name, token in tokens.items()
            if token is not None and hmac.compare_digest(given, _digest(b"Bearer " + token))
        ]
        return f"caller {found[0]}" if found else None


class _Window:
    """Answers requests."""

    def __init__(
        self,
        feeds: Mapping[str, bytes],
        find: Callable[[str], Awaitable[ServedUpdate]],
        callers: _Callers,
        events: UpdateEvents,
    ) -> None:
        self._names = {name: name for name in feeds} | {to_hex(feed_id): name for name, feed_id in feeds.items()}
        self._find = find
        self._callers = callers
        self._events = events
        self._headers = _PRIVATE if callers.are_known else _PUBLIC
        self._refusals = RefusalLog("requests for updates refused")

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """Return the feed's report, or why there is none."""
        try:
            await self._callers.admit(request)
            feed = self._names.get(request.match_info["feed"])
            if feed is None:
                raise _Refused(404, f"no such feed is pulled; these are: {', '.join(sorted(self._names)[:64])}")
        except _Refused as refused:
            self._events.refused()
            self._refusals.count(status=refused.status)
            return self._error(refused.status, refused.reason, refused.headers)
        try:
            update = await self._find(feed)
        except NothingNewer:
            return web.Response(status=204, headers=self._unkept())
        except NothingNow as reason:
            return self._error(503, str(reason), {"Retry-After": str(RETRY_S)})
        tag = hashlib.sha256(update.kept.calldata).hexdigest()[:32]
        given = request.if_none_match or ()
        if any(each.value in (tag, "*") for each in given):
            return web.Response(status=304, headers={**self._headers, "ETag": f'"{tag}"'})
        self._events.served(feed)
        return web.json_response(update.document(), headers={**self._headers, "ETag": f'"{tag}"'})

    def _error(self, status: int, reason: str, headers: Mapping[str, str]) -> web.Response:
        return web.json_response({"error": reason}, status=status, headers={**self._unkept(), **headers})

    def _unkept(self) -> dict[str, str]:
        """Return the headers of an answer that may be another one immediately."""
        return {**self._headers, "Cache-Control": "no-store"}


def _digest(text: bytes) -> bytes:
    """Return a hash: of one length, whatever was given."""
    return hashlib.sha256(text).digest()
