"""The server of `POST /push/FEED/SOURCE`. It has a listener of its own, and runs only if it is configured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog
from aiohttp import web

from oracle.sources.push.authentication import PushRefused, RefusalReason
from oracle.sources.push.source import PushSource
from oracle.web.listener import Limits, listening
from oracle.web.tls import Certificate

log = structlog.get_logger(__name__)

BODY_DEADLINE_S = 5.0
LOGGED_EACH_S = 60.0

_STATUS = {
    RefusalReason.MALFORMED: 400,
    RefusalReason.NOT_AUTHENTIC: 401,
    RefusalReason.REPEATED: 409,
    RefusalReason.NOT_BELIEVED: 422,
    RefusalReason.TOO_MANY: 429,
}


def serve_pushes(
    listen: tuple[str, int],
    find: Callable[[str, str], PushSource | None],
    max_body: int,
    *,
    certificate: Certificate | None = None,
    limits: Limits | None = None,
) -> AbstractAsyncContextManager[int]:
    """Take pushes while the context is open; the context's value is the port.

    Args:
        listen: Host and port; port 0 takes any free one.
        find: Returns the source for the names of a feed and a source, or None. It is called for each push, because
            sources can be replaced.
        max_body: The largest body, in bytes.
        certificate: None: plain HTTP.

    Raises:
        ConfigError: The address can't be bound.
    """
    application = _application(find, max_body)
    return listening(application, listen, "push", certificate=certificate, limits=limits)


def _application(find: Callable[[str, str], PushSource | None], max_body: int) -> web.Application:
    refusals = _Refusals()

    async def push(request: web.Request) -> web.Response:
        feed, name = request.match_info["feed"], request.match_info["source"]
        source = find(feed, name)
        if source is None:
            return _refused(404, "there is no such source")
        try:
            body = await _body(request, max_body)
            reading = await source.take(request.headers, body)
        except PushRefused as refused:
            refusals.count(feed, name, refused.why)
            return _refused(_STATUS[refused.why], refused.reason)
        except _TooLarge:
            return _refused(413, f"the body is larger than {max_body} bytes")
        except TimeoutError:
            return _refused(408, f"the body did not arrive within {BODY_DEADLINE_S:g} s")
        log.debug("pushed", feed=feed, source=name, value=str(reading.value), observed_at=reading.observed_at)
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/push/{feed}/{source}", push)
    return application


class _TooLarge(Exception):
    """The body is larger than allowed."""


async def _body(request: web.Request, limit: int) -> bytes:
    """Return the body. There is a limit and a deadline, because the sender has not shown yet who it is."""
    if (request.content_length or 0) > limit:
        raise _TooLarge
    body = bytearray()
    async with asyncio.timeout(BODY_DEADLINE_S):
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > limit:
                raise _TooLarge
    return bytes(body)


def _refused(status: int, reason: str) -> web.Response:
    headers = {"Retry-After": "60"} if status == 429 else {}
    return web.json_response({"error": reason}, status=status, headers=headers)


class _Refusals:
    """A log of refused pushes, each kind once in a while, so that a sender of many can't fill the disk."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str, RefusalReason], int] = {}
        self._logged: dict[tuple[str, str, RefusalReason], float] = {}

    def count(self, feed: str, source: str, why: RefusalReason) -> None:
        key = (feed, source, why)
        self._counted[key] = self._counted.get(key, 0) + 1
        now = asyncio.get_running_loop().time()
        if now - self._logged.get(key, -LOGGED_EACH_S) >= LOGGED_EACH_S:
            self._logged[key] = now
            log.warning("push refused", feed=feed, source=source, why=why.value, times=self._counted.pop(key))
