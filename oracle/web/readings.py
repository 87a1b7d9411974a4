"""The server of `GET /v1/readings/HASH`: what stands behind a signature or an answer, for everybody who asks.

What a hash stands for never changes, so answers may be cached for ever. Anybody may ask, so nobody may ask too often.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

import structlog
from aiohttp import web

from oracle.core.errors import OracleError
from oracle.core.formats import from_hex
from oracle.web.listener import Limits, listening
from oracle.web.rates import Rates, client_at
from oracle.web.tls import Certificate

__all__ = ["readings_routes", "serve_readings"]

log = structlog.get_logger(__name__)

CLIENT_RATE = 50
"""Requests a second of one client's address."""

TOTAL_RATE = 200
"""Requests a second of all clients."""

_AT_ONCE = 4
_HASH = re.compile(r"0x[0-9a-fA-F]{64}\Z")

_OPEN = {"Access-Control-Allow-Origin": "*", "X-Content-Type-Options": "nosniff"}
_FOR_EVER = {**_OPEN, "Cache-Control": "public, max-age=31536000, immutable"}
_NOT_KEPT = {**_OPEN, "Cache-Control": "no-store"}


def readings_routes(find: Callable[[bytes], bytes | None]) -> list[web.RouteDef]:
    """Return the routes of an application that serves readings.

    Args:
        find: Returns what is served for a hash, as JSON; None if it is not known. It is called in a thread.
    """
    rates = Rates(CLIENT_RATE, 1.0, TOTAL_RATE)
    reading = asyncio.Semaphore(_AT_ONCE)

    async def readings(request: web.Request) -> web.Response:
        if not await rates.allow(client_at(request.remote)):
            return _refused(429, "too many requests; ask again later", {"Retry-After": "1"})
        wanted = request.match_info["hash"]
        if not _HASH.match(wanted):
            return _refused(400, "a hash is 0x and 64 hexadecimal digits")
        try:
            async with reading:
                found = await asyncio.to_thread(find, from_hex(wanted))
        except OracleError as error:
            log.warning("readings not served", reason=str(error))
            return _refused(503, "they can't be read now; ask again later", {"Retry-After": "5"})
        if found is None:
            return _refused(404, "no readings with this hash were signed here, or they are not kept any more")
        return web.Response(body=found, content_type="application/json", headers=_FOR_EVER)

    return [web.get("/v1/readings/{hash}", readings)]


def serve_readings(
    listen: tuple[str, int],
    find: Callable[[bytes], bytes | None],
    *,
    certificate: Certificate | None = None,
    limits: Limits | None = None,
) -> AbstractAsyncContextManager[int]:
    """Serve readings while the context is open; the context's value is the port.

    Args:
        listen: Host and port; port 0 takes any free one.
        find: See `readings_routes`.
        certificate: None: plain HTTP.
        limits: None: the default ones.

    Raises:
        ConfigError: The address can't be bound.
    """
    application = web.Application(client_max_size=1_024)
    application.router.add_routes(readings_routes(find))
    return listening(application, listen, "readings", certificate=certificate, limits=limits)


def _refused(status: int, reason: str, headers: dict[str, str] | None = None) -> web.Response:
    return web.json_response({"error": reason}, status=status, headers=_NOT_KEPT | (headers or {}))
