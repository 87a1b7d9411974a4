"""The server of `/metrics`, `/healthz`, `/readyz`, `/sources` and `/network`.

It runs on the daemon's own event loop, so that a daemon that hangs does not answer. It changes nothing and shows
nothing secret; even so, bind it to an address that only your monitoring can reach.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import asdict

from aiohttp import web

from oracle.core.metrics import Gauge, Metrics
from oracle.web.board import Board
from oracle.web.health import Health, HealthCheck
from oracle.web.listener import listening

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def serve(listen: tuple[str, int], health: Health, metrics: Metrics, board: Board) -> AbstractAsyncContextManager[int]:
    """Serve while the context is open; the context's value is the port.

    Args:
        listen: Host and port; port 0 takes any free one.

    Raises:
        ConfigError: The address can't be bound.
    """
    return listening(_application(health, metrics, board), listen, "web")


def _application(health: Health, metrics: Metrics, board: Board) -> web.Application:
    async def show(request: web.Request) -> web.Response:
        metrics.set(Gauge.READY, all(check.ok for check in health.ready()))
        return web.Response(body=metrics.exposition(), headers={"Content-Type": _TEXT})

    async def sources(request: web.Request) -> web.Response:
        return web.json_response(board.document())

    async def network(request: web.Request) -> web.Response:
        if board.network is None:
            return web.json_response({"error": "there is no network here, or nothing of it is known yet"}, status=404)
        return web.json_response(board.network)

    application = web.Application(client_max_size=1_024)
    application.router.add_get("/metrics", show)
    application.router.add_get("/sources", sources)
    application.router.add_get("/network", network)
    application.router.add_get("/healthz", _answering(health.alive))
    application.router.add_get("/readyz", _answering(health.ready))
    return application


def _answering(look: Callable[[], Sequence[HealthCheck]]) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
    async def answer(request: web.Request) -> web.StreamResponse:
        checks = look()
        ok = all(check.ok for check in checks)
        body = {"ok": ok, "checks": [asdict(check) for check in checks]}
        return web.json_response(body, status=200 if ok else 503)

    return answer
