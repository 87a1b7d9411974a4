"""Callers with bearer tokens: who asks, and who asks too often."""

from __future__ import annotations

import hashlib
import hmac
import math
from collections.abc import Callable, Mapping

from aiohttp import web

from oracle.web.rates import Rates, client_at

__all__ = ["MINUTE", "BearerCallers", "RequestRefused", "bearer_of"]

MINUTE = 60.0

_SCHEME = b"Bearer "


class RequestRefused(Exception):
    """A request is not answered as it wished.

    Attributes:
        status: The status of the answer.
        reason: Why, for the caller.
        headers: Headers of the answer.
    """

    def __init__(self, status: int, reason: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(reason)
        self.status, self.reason, self.headers = status, reason, dict(headers or {})


class BearerCallers:
    """Says who asks, and refuses who asks too often.

    A caller who is known has a share of its own, which strangers can't use up.
    """

    def __init__(self, callers: Mapping[str, Callable[[], bytes | None]], max_per_minute: int) -> None:
        """Begin with no request.

        Args:
            callers: Return the tokens of those who may ask, by name, or None while there is none.
            max_per_minute: How often each caller may ask in a minute; each address, without a token.
        """
        self.are_known = bool(callers)
        self._callers = callers
        self._rates = Rates(max_per_minute, MINUTE)
        self._retry = {"Retry-After": str(math.ceil(MINUTE / max_per_minute))}

    async def admit(self, request: web.Request) -> None:
        """Refuse a request without a known token, if there are callers, and one that is one too many.

        Raises:
            RequestRefused: It is refused.
        """
        caller = await self.counted(request)
        if self.are_known and caller is None:
            raise self.unknown()

    async def counted(self, request: web.Request) -> str | None:
        """Count a request, and return its caller; None if it has no known token.

        Raises:
            RequestRefused: It is one too many.
        """
        caller = self._caller(request)
        client = f"address {client_at(request.remote)}" if caller is None else f"caller {caller}"
        if not await self._rates.allow(client):
            raise RequestRefused(429, "too many requests; ask again later", self._retry)
        return caller

    @staticmethod
    def unknown() -> RequestRefused:
        """Return the refusal of a request without a known token."""
        return RequestRefused(401, "the bearer token is missing or wrong", {"WWW-Authenticate": "Bearer"})

    def _caller(self, request: web.Request) -> str | None:
        given = _digest(_authorization(request))
        # All tokens are compared, and each in constant time, so that the time tells nothing of them.
        tokens = {name: token() for name, token in self._callers.items()}
        found = [
            name
            for name, token in tokens.items()
            if token is not None and hmac.compare_digest(given, _digest(_SCHEME + token))
        ]
        return found[0] if found else None


def bearer_of(request: web.Request) -> bytes | None:
    """Return the bearer token of a request; None if it has none."""
    given = _authorization(request)
    return given[len(_SCHEME) :] if given.startswith(_SCHEME) else None


def _authorization(request: web.Request) -> bytes:
    return request.headers.get("Authorization", "").encode("utf-8", "surrogateescape")


def _digest(text: bytes) -> bytes:
    """Return a hash: of one length, whatever was given."""
    return hashlib.sha256(text).digest()
