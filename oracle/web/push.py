"""The server of `POST /push/FEED/SOURCE`. It has a listener of its own, and runs only if it is configured."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog
from aiohttp import web

from oracle.core.errors import DataError
from oracle.sources.push.authentication import PushRefused, RefusalReason
from oracle.sources.push.source import PushSource
from oracle.web.bodies import BODY_DEADLINE_S, BodyLarge, RefusalLog, read_request
from oracle.web.listener import Limits, listening
from oracle.web.tls import Certificate

log = structlog.get_logger(__name__)

_STATUS = {
    RefusalReason.MALFORMED: 400,
    RefusalReason.NOT_AUTHENTIC: 401,
    RefusalReason.REPEATED: 409,
    RefusalReason.NOT_BELIEVED: 422,
    RefusalReason.TOO_MANY: 429,
    RefusalReason.NO_SECRET: 503,
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
    refusals = RefusalLog("push refused")

    async def push(request: web.Request) -> web.Response:
        feed, name = request.match_info["feed"], request.match_info["source"]
        source = find(feed, name)
        if source is None:
            return _refused(404, "there is no such source")
        try:
            body = await read_request(request, max_body)
            reading = await source.take(request.headers, body)
        except PushRefused as refused:
            refusals.count(feed=feed, source=name, why=refused.why.value)
            return _refused(_STATUS[refused.why], refused.reason)
        except DataError as error:
            refusals.count(feed=feed, source=name, why=RefusalReason.MALFORMED.value)
            return _refused(_STATUS[RefusalReason.MALFORMED], str(error))
        except BodyLarge:
            return _refused(413, f"the body is larger than {max_body} bytes")
        except TimeoutError:
            return _refused(408, f"the body did not arrive within {BODY_DEADLINE_S:g} s")
        log.debug("pushed", feed=feed, source=name, value=str(reading.value), observed_at=reading.observed_at)
        return web.Response(status=204)

    application = web.Application()
    application.router.add_post("/push/{feed}/{source}", push)
    return application


def _refused(status: int, reason: str) -> web.Response:
    headers = {"Retry-After": "60"} if status == 429 else {}
    return web.json_response({"error": reason}, status=status, headers=headers)
