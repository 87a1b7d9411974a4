"""`POST /push/FEED/SOURCE`, on a listener of its own: what is not configured is not there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog
from aiohttp import web

from oracle.sources.push import PushSource, Refused, Why
from oracle.web.listener import Certificate, Limits, listening

log = structlog.get_logger(__name__)

BODY_DEADLINE_S = 5.0
LOGGED_EACH_S = 60.0

_STATUS = {
    Why.MALFORMED: 400,
    Why.NOT_AUTHENTIC: 401,
    Why.REPEATED: 409,
    Why.NOT_BELIEVED: 422,
    Why.TOO_MANY: 429,
}


def serve_pushes(
    listen: tuple[str, int],
    find: Callable[[str, str], PushSource | None],
    max_body: int,
    *,
    certificate: Certificate | None = None,
    limits: Limits | None = None,
) -> AbstractAsyncContextManager[int]:
    """Takes pushes while the context is open; gives the port.

    Args:
        find: The source of a feed's and a source's name; asked anew for each push, as sources can be replaced.
        max_body: Bytes.
        certificate: Without it, there is no TLS.

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
            return _told(404, "there is no such source")
        try:
            body = await _body(request, max_body)
            reading = await source.take(request.headers, body)
        except Refused as refused:
            refusals.count(feed, name, refused.why)
            return _told(_STATUS[refused.why], refused.reason)
        except _TooLarge:
            return _told(413, f"the body is larger than {max_body} bytes")
        except TimeoutError:
            return _told(408, f"the body did not arrive within {BODY_DEADLINE_S:g} s")
        log.debug("pushed", feed=feed, source=name, value=str(reading.value), observed_at=reading.observed_at)
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/push/{feed}/{source}", push)
    return application


class _TooLarge(Exception):
    pass


async def _body(request: web.Request, most: int) -> bytes:
    """The body, read up to a limit and within a deadline: whoever sends it has not shown yet who it is."""
    if (request.content_length or 0) > most:
        raise _TooLarge
    body = bytearray()
    async with asyncio.timeout(BODY_DEADLINE_S):
        async for chunk in request.content.iter_any():
            body += chunk
            if len(body) > most:
                raise _TooLarge
    return bytes(body)


def _told(status: int, reason: str) -> web.Response:
    headers = {"Retry-After": "60"} if status == 429 else {}
    return web.json_response({"error": reason}, status=status, headers=headers)


class _Refusals:
    """Logs refused pushes, each kind once in a while: whoever sends many shall not fill the disk."""

    def __init__(self) -> None:
        self._counted: dict[tuple[str, str, Why], int] = {}
        self._logged: dict[tuple[str, str, Why], float] = {}

    def count(self, feed: str, source: str, why: Why) -> None:
        key = (feed, source, why)
        self._counted[key] = self._counted.get(key, 0) + 1
        now = asyncio.get_running_loop().time()
        if now - self._logged.get(key, -LOGGED_EACH_S) >= LOGGED_EACH_S:
            self._logged[key] = now
            log.warning("push refused", feed=feed, source=source, why=why.value, times=self._counted.pop(key))
