"""The server of the explorer's pages: files that are in memory before the first request, and nothing else.

The pages ask endpoints by themselves, and check in the browser what they are told. All that this server learns of its
readers is which of its files they fetch.
"""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from aiohttp import web

from oracle.web.listener import Limits, listening

__all__ = ["policy", "serve_explorer"]

_TYPES = {
    ".css": "text/css; charset=utf-8",
    ".html": "text/html; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".json": "application/json",
    ".png": "image/png",
    ".svg": "image/svg+xml",
    ".woff2": "font/woff2",
}

_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "Referrer-Policy": "no-referrer",
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=(), payment=(), usb=()",
}

_LOOPBACK = ("http://127.0.0.1:*", "http://localhost:*")
"""Endpoints without TLS that a page may ask, besides those that are named."""


def serve_explorer(
    listen: tuple[str, int], files: Mapping[str, bytes], endpoints: Sequence[str] = ()
) -> AbstractAsyncContextManager[int]:
    """Serve files while the context is open; the context's value is the port.

    Args:
        listen: Host and port; port 0 takes any free one.
        files: Contents by path, such as "index.html", which is also served as "/".
        endpoints: URLs of RPC endpoints that the pages may ask, besides all that have TLS, and those of this machine.

    Raises:
        ConfigError: The address can't be bound.
    """
    headers = {**_HEADERS, "Content-Security-Policy": policy(endpoints)}
    tags = {path: hashlib.sha256(body).hexdigest()[:32] for path, body in files.items()}

    async def answer(request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"] or "index.html"
        body = files.get(path)
        if body is None:
            text = f"there is no file {path!r} here\n"
            return web.Response(status=404, text=text, headers={**headers, "Cache-Control": "no-store"})
        # A browser asks each time: names stay when contents change.
        kept = {**headers, "Cache-Control": "no-cache", "ETag": f'"{tags[path]}"'}
        if any(each.value == tags[path] for each in request.if_none_match or ()):
            return web.Response(status=304, headers=kept)
        kind = _TYPES.get(PurePosixPath(path).suffix, "application/octet-stream")
        return web.Response(body=body, headers={**kept, "Content-Type": kind})

    application = web.Application(client_max_size=1_024)
    application.router.add_get("/{path:.*}", answer)
    return listening(application, listen, "explore", limits=Limits(idle_s=5.0))


def policy(endpoints: Sequence[str] = ()) -> str:
    """Return the content security policy of the pages: only their own files run, and only endpoints are asked.

    An endpoint with TLS may be any: a reader chooses it, because the operator's could lie.
    """
    parts = [urlsplit(each) for each in endpoints]
    named = sorted({f"{each.scheme}://{each.netloc}" for each in parts if each.scheme == "http"})
    return "; ".join(
        (
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "img-src 'self' data:",
            "font-src 'self'",
            "worker-src 'self'",
            " ".join(("connect-src 'self' https:", *_LOOPBACK, *named)),
            "base-uri 'none'",
            "form-action 'none'",
            "frame-ancestors 'none'",
        )
    )
