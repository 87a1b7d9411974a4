"""The outlook: obstacles are known before a report is begun, so that nothing is signed or proven in vain.

`Outlook` is asked whenever a feed is due. `ReadOutlook` has read the obstacles a moment ago. While a feed waits, it
reads again, later each time and at least every `READ_LAST_S` seconds: so a feed goes on that long after its obstacle is
gone, at most. Each obstacle is told when it begins and when it ends, however often it was read between.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence

import structlog

from oracle.core.backoff import Backoff
from oracle.core.errors import OracleError
from oracle.core.obstacles import Obstacle, ObstacleKind

__all__ = ["FRESH_S", "READ_FIRST_S", "READ_LAST_S", "ObstacleListener", "Outlook", "ReadOutlook"]

log = structlog.get_logger(__name__)

FRESH_S = 2.0
"""Seconds for which what was read counts, while there is no obstacle and nothing was refused."""

READ_FIRST_S = 1.0
READ_LAST_S = 10.0
"""Seconds between two readings while there are obstacles: the first pause, and the longest."""


class Outlook:
    """Says what stands in the way of feeds' reports. This base class knows of nothing, ever."""

    def obstacle(self, feed: str, *, is_offered: bool = False) -> Obstacle | None:
        """Return what stands in the way of a feed's next report, as it was read last; None: nothing that is known.

        Args:
            feed: The feed's name.
            is_offered: True if the report is kept for whoever brings it: then this node pays nothing.
        """
        return None

    async def renew(self, feeds: Collection[str]) -> None:
        """Read again what stands in the way of feeds that are due, if it is time to. Must not raise.

        Then `obstacle` says what was found. Feeds that have an obstacle are read again with back-off; for one that has
        none, what was read must be fresh.
        """

    def doubt(self) -> None:
        """Take note that a report was refused, or that something has changed: the next `renew` reads in any case."""


class ObstacleListener:
    """Hears what stands in the way of feeds' reports; override what is of interest. Must not raise."""

    def began(self, obstacles: Sequence[Obstacle]) -> None:
        """These obstacles are there, and were not before."""

    def ended(self, obstacles: Sequence[tuple[Obstacle, float]]) -> None:
        """These obstacles are gone, each after so many seconds."""

    def found(self, obstacles: Sequence[Obstacle]) -> None:
        """These are all obstacles that there are, after each reading."""


class ReadOutlook(Outlook):
    """Obstacles as they are read from the chain and this machine."""

    def __init__(
        self,
        read: Callable[[], Awaitable[Sequence[Obstacle]]],
        listener: ObstacleListener | None = None,
        clock: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin without having read anything.

        Args:
            read: Reads all obstacles of the configured feeds.
            listener: Hears of obstacles.
            clock: Monotonic seconds.
        """
        self._read = read
        self._listener = listener or ObstacleListener()
        self._clock = clock
        self._backoff = Backoff(READ_FIRST_S, READ_LAST_S)
        self._fresh_until = self._again_at = float("-inf")
        self._doubts = self._told = 0
        self._reading: asyncio.Task[None] | None = None
        self._there: dict[tuple[ObstacleKind, str], tuple[Obstacle, float]] = {}

    @property
    def obstacles(self) -> Sequence[Obstacle]:
        """All obstacles, as they were read last."""
        return [obstacle for obstacle, _ in self._there.values()]

    @property
    def mark(self) -> tuple[int, int]:
        """The number of times that obstacles were told, and doubted: for `learn`."""
        return self._told, self._doubts

    def obstacle(self, feed: str, *, is_offered: bool = False) -> Obstacle | None:
        """See `Outlook`. A chain that can't be read is none here: whatever asks it next says so, and tries again."""
        concerning = (each for each in self.obstacles if each.concerns(feed) and each.kind.stops_reports)
        return next(
            (
                each
                for each in concerning
                if each.kind is not ObstacleKind.CHAIN and not (is_offered and each.kind.is_of_payer)
            ),
            None,
        )

    async def renew(self, feeds: Collection[str]) -> None:
        """See `Outlook`. Several callers wait for one reading."""
        is_open = any(self.obstacle(feed) is None for feed in feeds)
        if self._reading is None:
            if self._clock() < (self._fresh_until if is_open else self._again_at):
                return
            self._reading = asyncio.create_task(self._read_now(), name="outlook")
        # The reading goes on if this caller is cancelled: others wait for it.
        await asyncio.shield(self._reading)

    def doubt(self) -> None:
        """See `Outlook`."""
        self._doubts += 1
        self._fresh_until = self._again_at = float("-inf")

    async def close(self) -> None:
        """Stop reading."""
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.gather(self._reading, return_exceptions=True)

    async def _read_now(self) -> None:
        doubts = self._doubts
        try:
            found = await self._read()
        except OracleError as error:
            # What is due asks the same chain, and is tried again with back-off. Nothing that was there counts as gone.
            log.debug("obstacles not read", error=str(error), kind=type(error).__name__)
            self._fresh_until = self._again_at = self._clock() + FRESH_S
            return
        except Exception:  # a node may answer what nobody thought of, and that must end no feed
            log.exception("obstacles not read")
            self._fresh_until = self._again_at = self._clock() + READ_LAST_S
            return
        finally:
            self._reading = None
        self._learn(found)
        if doubts != self._doubts:
            self._fresh_until = self._again_at = float("-inf")

    def learn(self, found: Sequence[Obstacle], mark: tuple[int, int]) -> None:
        """Take note of all obstacles, as they were just read elsewhere, unless something was read or doubted meanwhile.

        Two readings at once may come in another order than they saw the chain: an obstacle that is gone would come
        back with the older one, or one that is there would go.

        Args:
            found: The obstacles.
            mark: The value of `mark` before they were read.
        """
        if mark == self.mark and self._reading is None:
            self._learn(found)

    def _learn(self, found: Sequence[Obstacle]) -> None:
        self._told += 1
        self._take(found)
        now = self._clock()
        self._fresh_until = now + FRESH_S
        if not found:
            self._backoff.reset()
            self._again_at = now + FRESH_S
        elif now >= self._again_at:
            self._again_at = now + self._backoff.pause()

    def _take(self, found: Iterable[Obstacle]) -> None:
        """Tell what has begun and what has ended."""
        now, before = self._clock(), self._there
        there = {(each.kind, each.feed): each for each in found}
        if any(kind is ObstacleKind.CHAIN for kind, _ in there):  # nothing else was read
            there = {key: each for key, (each, _) in before.items()} | there
        self._there = {key: (each, before[key][1] if key in before else now) for key, each in there.items()}
        gone = [(obstacle, now - since) for key, (obstacle, since) in before.items() if key not in there]
        if gone:
            self._listener.ended(gone)
        new = [obstacle for key, obstacle in there.items() if key not in before]
        if new:
            self._backoff.reset()
            self._again_at = now
            self._listener.began(new)
        self._listener.found(list(there.values()))
