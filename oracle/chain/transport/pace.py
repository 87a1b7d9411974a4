"""The pace of requests to one endpoint: none of its own, until the endpoint limits the rate."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable

__all__ = ["LONGEST_PAUSE_S", "RequestPace"]

LONGEST_PAUSE_S = 15.0
"""The longest pause that is waited for, where an endpoint asks for one."""

_FIRST_PAUSE_S, _LAST_PAUSE_S = 0.5, 4.0
_FIRST_INTERVAL_S, _LAST_INTERVAL_S = 0.02, 1.0
_SPACES_UNTIL_FASTER, _S_UNTIL_FASTER = 10, 1.0


class RequestPace:
    """Spaces the requests of all who share an endpoint.

    The first request that is limited sets a space between requests; each later one doubles it. Once answers have come
    for ten spaces, and for a second at least, it is halved: after the widest space, all is as before in 22 seconds.

    Args:
        clock: Monotonic seconds.
    """

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._space = 0.0
        self._next = 0.0
        self._changed = float("-inf")
        self._slow_since = float("-inf")

    async def turn(self) -> float:
        """Wait for the turn of a request, and return the time at which it begins."""
        now = self._clock()
        at = max(now, self._next)
        if self._space:
            self._next = at + self._space
        if at > now:
            await asyncio.sleep(at - now)
        return max(now, at)

    def limited(self, began: float, times: int, asked: float | None) -> float:
        """Slow down, and return the seconds to wait before the limited request is made again.

        Args:
            began: When it began.
            times: How often it was limited so far.
            asked: The pause that the endpoint asks for.
        """
        # Requests that were under way together are limited together: that is one reason to slow down, not many.
        if began > self._changed:
            self._space = min(max(2 * self._space, _FIRST_INTERVAL_S), _LAST_INTERVAL_S)
            self._changed = self._slow_since = self._clock()
        pause = asked if asked is not None else min(_FIRST_PAUSE_S * 2 ** (times - 1), _LAST_PAUSE_S)
        pause = min(pause, LONGEST_PAUSE_S)
        self._next = max(self._next, self._clock() + pause)
        return max(pause, 0.05) + random.uniform(0, 0.1)

    def answered(self) -> None:
        """Take note of an answer; where they come for a while, become faster."""
        now = self._clock()
        if self._space and now - self._slow_since >= max(_S_UNTIL_FASTER, _SPACES_UNTIL_FASTER * self._space):
            self._space = 0.0 if self._space <= _FIRST_INTERVAL_S else self._space / 2
            self._slow_since = now
