"""Bodies of requests whose sender nobody knows yet, and the log of those that are refused: both bounded."""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from typing import Any

import structlog
from aiohttp import web

from oracle.core.errors import DataError
from oracle.core.packing import PackedTooLarge, PackedWrong, unpacked
from oracle.web.listener import LOGGED_EACH_S

__all__ = ["BODY_DEADLINE_S", "LINES_AT_ONCE", "BodyLarge", "RefusalLog", "read_request"]

log = structlog.get_logger(__name__)

BODY_DEADLINE_S = 5.0
"""Seconds within which a body has to arrive."""

_KINDS = 1_024
"""The most kinds of refusals that are told apart; the oldest gives way."""


LINES_AT_ONCE = 64
"""The most lines about refusals within `LOGGED_EACH_S`, however many kinds there are: senders choose what they send."""


class BodyLarge(Exception):
    """The body is larger than allowed."""


async def read_request(request: web.Request, limit: int) -> bytes:
    """Return the body of a request, unpacked. There is a limit and a deadline: nobody knows yet who its sender is.

    Args:
        request: The request.
        limit: The most bytes, as they come and unpacked.

    Raises:
        BodyLarge: It has more bytes.
        DataError: It is compressed in a way that can't be read.
        TimeoutError: It did not arrive within `BODY_DEADLINE_S`.
    """
    if (request.content_length or 0) > limit:
        raise BodyLarge
    try:
        async with asyncio.timeout(BODY_DEADLINE_S):
            return await unpacked(request.content.iter_any(), request.headers.get("Content-Encoding", ""), limit)
    except PackedTooLarge:
        raise BodyLarge from None
    except PackedWrong as error:
        raise DataError(f"the body is {error}") from None


class RefusalLog:
    """A log of refusals, each kind once in a while, so that a sender of many can't fill the disk."""

    def __init__(self, event: str) -> None:
        """Begin with none.

        Args:
            event: What is logged.
        """
        self._event = event
        self._kinds: OrderedDict[tuple[tuple[str, Any], ...], tuple[int, float]] = OrderedDict()
        self._lines, self._lines_since = 0, float("-inf")

    def count(self, **kind: Any) -> None:
        """Count a refusal of a kind, and log how many there were since the last time, if that is long ago."""
        key = tuple(kind.items())
        times, told_at = self._kinds.pop(key, (0, float("-inf")))
        now = asyncio.get_running_loop().time()
        if now - told_at >= LOGGED_EACH_S and self._has_line(now):
            log.warning(self._event, **kind, times=times + 1)
            times, told_at = -1, now
        self._kinds[key] = (times + 1, told_at)
        while len(self._kinds) > _KINDS:
            self._kinds.popitem(last=False)

    def _has_line(self, now: float) -> bool:
        """Return whether one more line may be logged now; say so, once, if not."""
        if now - self._lines_since >= LOGGED_EACH_S:
            self._lines, self._lines_since = 0, now
        self._lines += 1
        if self._lines == LINES_AT_ONCE + 1:
            log.warning(self._event, hint=f"further kinds of refusals are not shown for {LOGGED_EACH_S:g} s")
        return self._lines <= LINES_AT_ONCE
