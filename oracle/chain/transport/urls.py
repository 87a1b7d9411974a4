"""URLs of endpoints, fit for messages: an endpoint's URL may hold a password or an API key."""

from __future__ import annotations

from urllib.parse import parse_qsl, unquote, urlsplit

_SECRET_CHARACTERS = 6
"""Shorter words, such as a path's "v3" or "rpc", are not secrets, and hiding them would garble every message."""


def mask_url(url: str) -> str:
    """Return `url` for messages and logs: without credentials, and without path and query, which carry API keys."""
    try:
        parts = urlsplit(url)
        host, port = parts.hostname or "?", parts.port
    except ValueError:
        return "<unreadable URL>"
    host = f"[{host}]" if ":" in host else host
    hidden = "/…" if parts.path.strip("/") or parts.query else ""
    return f"{parts.scheme or '?'}://{host}{f':{port}' if port else ''}{hidden}"


def secrets_of(url: str) -> tuple[str, ...]:
    """Return the parts of a URL that may be a key or a password, both as written and decoded; the longest first."""
    try:
        parts = urlsplit(url)
        found = {parts.password or "", parts.username or "", parts.query, *parts.path.split("/")}
        found |= {value for _, value in parse_qsl(parts.query)}
    except ValueError:
        return (url,)
    found |= {unquote(each) for each in found}
    return tuple(sorted((each for each in found if len(each) >= _SECRET_CHARACTERS), key=len, reverse=True))
