"""The pages of the claims service for its operator's monitoring: `/metrics`, `/healthz` and `/readyz`."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractAsyncContextManager

from aiohttp import web

from oracle.web.listener import listening

__all__ = ["serve_monitoring"]

_TEXT = "text/plain; version=0.0.4; charset=utf-8"


def serve_monitoring(
    listen: tuple[str, int], exposition: Callable[[], bytes], is_ready: Callable[[], bool]
) -> AbstractAsyncContextManager[int]:
    """Serve the pages while the context is open; the context's value is the port.

    Args:
        listen: Host and port; port 0 takes any free one.
        exposition: Returns the metrics in Prometheus's format.
        is_ready: Returns whether a claim would be taken now.

    Raises:
        ConfigError: The address can't be bound.
    """

    async def metrics(request: web.Request) -> web.Response:
        return web.Response(body=exposition(), headers={"Content-Type": _TEXT})

    async def health(request: web.Request) -> web.Response:
        return web.json_response({"ok": True})

    async def ready(request: web.Request) -> web.Response:
        ok = is_ready()
        return web.json_response({"ok": ok}, status=200 if ok else 503)

    application = web.Application(client_max_size=1_024)
    application.router.add_get("/metrics", metrics)
    application.router.add_get("/healthz", health)
    application.router.add_get("/readyz", ready)
    return listening(application, listen, "server.monitoring")
