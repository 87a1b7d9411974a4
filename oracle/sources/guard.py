"""The guard between a feed and a live source: a deadline, attempts, a limit on requests, and a breaker.

A source that fails is tried again, with a longer pause each time, as long as its deadline allows. A source that fails
`suspend_after` readings in a row is suspended: it is not asked for `suspend_for` seconds, then asked once. Only the
beginning and the end of a suspension are reported, not every reading that does not take place.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol, Self

from aiolimiter import AsyncLimiter
from tenacity import retry_if_exception_type

from oracle.core.backoff import attempts
from oracle.core.errors import DataError, SourceSuspended, SourceUnavailable
from oracle.core.times import utc
from oracle.sources.config import LiveSourceConfig
from oracle.sources.interface import Reading, Source, closed
from oracle.sources.trace import Trace, Traceable

__all__ = ["Guard", "GuardedSource", "SuspensionListener"]

RETRY_FIRST_S = 0.2
RETRY_LAST_S = 2.0
MINUTE = 60.0


class SuspensionListener(Protocol):
    """A listener that is told when a source is suspended, and when it answers again. Its methods must not raise."""

    def suspended(self, source: str, seconds: float, reason: str) -> None: ...
    def resumed(self, source: str) -> None: ...


@dataclass(frozen=True, slots=True)
class Guard:
    """The limits within which a live source is asked. See `LiveSourceConfig`."""

    timeout: float
    attempts: int
    max_per_minute: int | None
    suspend_after: int
    suspend_for: float
    retry_first_s: float = RETRY_FIRST_S

    @classmethod
    def of(cls, config: LiveSourceConfig) -> Self:
        """Return the guard that a source's configuration asks for."""
        return cls(config.timeout, config.attempts, config.max_per_minute, config.suspend_after, config.suspend_for)


class GuardedSource:
    """A source behind its guard.

    Args:
        source: The source, which is closed with this one.
        guard: Its limits.
        listener: Notified of suspensions.
        clock: Monotonic seconds, for the breaker.
        wall: Unix seconds, to say until when it is suspended.
    """

    def __init__(
        self,
        source: Source,
        guard: Guard,
        listener: SuspensionListener | None = None,
        clock: Callable[[], float] = time.monotonic,
        wall: Callable[[], float] = time.time,
    ) -> None:
        self._source = source
        self._guard = guard
        self._listener = listener
        self._clock = clock
        self._wall = wall
        self._limit = None if guard.max_per_minute is None else AsyncLimiter(guard.max_per_minute, MINUTE)
        self._failures = 0
        self._reason = ""
        self._asked_from: float | None = None
        self._probing = False
        self._closed = False

    @property
    def name(self) -> str:
        """See `Source.name`."""
        return self._source.name

    async def read(self) -> Reading:
        """See `Source.read`.

        Raises:
            SourceSuspended: The source is suspended, and is not asked now.
        """
        if self._closed:
            raise closed(self.name)
        if self._asked_from is not None:
            left = self._asked_from - self._clock()
            if left > 0 or self._probing:
                until = utc(math.ceil(self._wall() + max(0.0, left)))
                raise SourceSuspended(
                    f"{self.name}: suspended until {until} after {self._failures} failures, the last: {self._reason}"
                )
            self._probing = True
        try:
            reading = await self._within_deadline()
        except (SourceUnavailable, DataError) as error:
            self._failed(str(error))
            raise
        finally:
            self._probing = False
        self._answered()
        return reading

    async def read_traced(self, trace: Trace) -> Reading:
        """See `Traceable.read_traced`. It is one request within the deadline, and does not count for a suspension."""
        if self._closed:
            raise closed(self.name)
        source = self._source
        try:
            async with asyncio.timeout(self._guard.timeout):
                return await (source.read_traced(trace) if isinstance(source, Traceable) else source.read())
        except TimeoutError:
            raise self._no_answer() from None

    async def close(self) -> None:
        """See `Source.close`."""
        self._closed = True
        await self._source.close()

    async def _within_deadline(self) -> Reading:
        try:
            async with asyncio.timeout(self._guard.timeout):
                return await self._with_attempts()
        except TimeoutError:
            raise self._no_answer() from None

    def _no_answer(self) -> SourceUnavailable:
        return SourceUnavailable(f"{self.name}: no answer within {self._guard.timeout:g} s")

    async def _with_attempts(self) -> Reading:
        # A probe of a suspended source is one request.
        tries = attempts(
            self._guard.attempts if self._asked_from is None else 1,
            retry=retry_if_exception_type(SourceUnavailable),  # a wrong answer does not get better at once
            first_s=self._guard.retry_first_s,
            last_s=RETRY_LAST_S,
            jitter_s=self._guard.retry_first_s,
        )
        return await tries(self._once)

    async def _once(self) -> Reading:
        if self._limit is not None:
            await self._limit.acquire()
        return await self._source.read()

    def _failed(self, reason: str) -> None:
        self._failures += 1
        self._reason = reason.removeprefix(f"{self.name}: ")
        was_suspended = self._asked_from is not None
        if was_suspended or self._failures >= self._guard.suspend_after:
            self._asked_from = self._clock() + self._guard.suspend_for
            if not was_suspended and self._listener is not None:
                self._listener.suspended(self.name, self._guard.suspend_for, reason)

    def _answered(self) -> None:
        was_suspended, self._asked_from, self._failures = self._asked_from is not None, None, 0
        if was_suspended and self._listener is not None:
            self._listener.resumed(self.name)
