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
from collections.abc import Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass

from aiohttp import web

from oracle.core.formats import to_hex
from oracle.core.stages import KeptReport
from oracle.web.bodies import RefusalLog
from oracle.web.callers import BearerCallers, RequestRefused
from oracle.web.listener import Limits, listening
from oracle.web.tls import Certificate

__all__ = ["NothingNewer", "NothingNow", "ServedUpdate", "UpdateEvents", "serve_updates"]

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
    window = _Window(dict(feeds), find, BearerCallers(callers, max_per_minute), events or UpdateEvents())
    application = web.Application(client_max_size=1_024)
    application.router.add_get("/v1/update/{feed}", window.answer)
    return listening(application, listen, "updates", certificate=certificate, limits=limits)


class _Window:
    """Answers requests."""

    def __init__(
        self,
        feeds: Mapping[str, bytes],
        find: Callable[[str], Awaitable[ServedUpdate]],
        callers: BearerCallers,
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
                raise RequestRefused(404, f"no such feed is pulled; these are: {', '.join(sorted(self._names)[:64])}")
        except RequestRefused as refused:
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
