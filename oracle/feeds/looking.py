"""Looking: the sources of all feeds of a committee are read together, so that one time holds for all answers.

`Looks` is for sources that have a value at any time. A feed whose sources are slow or fail costs the others nothing: it
is missing from this look, and its answer counts in the next one. `Rows` is for recordings that give their next row at
each look: rows of one time make one look, and no row is lost.

The time of a look is that of its newest reading, and never ahead of this machine's clock. So no answer is called newer
than a source says that it is. In a network it is this machine's clock, so that it says in whose turn the look was made.
"""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from oracle.core.backoff import Backoff
from oracle.core.errors import Fatal, OracleError, Retryable, SourceExhausted, SourceUnavailable
from oracle.feeds.deciding import Look
from oracle.feeds.observe import Sighting

__all__ = ["BACKOFF_FIRST_S", "BACKOFF_LAST_S", "LookedAt", "Looking", "Looks", "Rows"]

log = structlog.get_logger(__name__)

BACKOFF_FIRST_S = 1.0
BACKOFF_LAST_S = 60.0
"""Seconds before a source that failed is looked at again: the first pause, and the longest."""

_FIGURES = re.compile(r"[\d.,]+")

PATIENCE_S = 1.0
"""Seconds for which a look waits for slow sources, once others may have answered."""

TOGETHER_S = 0.25
"""Seconds by which a feed is looked at early, at most, so that feeds with one interval are looked at together."""


@dataclass(frozen=True)
class LookedAt:
    """A feed whose sources are looked at.

    Attributes:
        name: The feed's name.
        observe: Looks at its sources. See `oracle.feeds.observe.Observers`.
        poll_interval: Seconds between two looks.
        max_age: How many seconds old an answer may be.
        is_recorded: True if the readings' times are those of a recording, which may be ahead of the clock.
    """

    name: str
    observe: Callable[[], Awaitable[Sighting]]
    poll_interval: float
    max_age: float = float("inf")
    is_recorded: bool = False


@dataclass
class Looking:
    """One look, and what went wrong at it.

    Attributes:
        look: What the sources said; None: nothing that counts.
        failed: Why a feed has no answer. It is looked at again, later each time.
        ended: The feeds whose sources have ended; with the error, if it is not that a recording is over.
    """

    look: Look | None = None
    failed: dict[str, Retryable] = field(default_factory=dict)
    ended: dict[str, Fatal | None] = field(default_factory=dict)


class _Eye:
    """The state of one feed's sources."""

    def __init__(self, feed: LookedAt) -> None:
        self.feed = feed
        self.next_at = 0.0
        self.reading: asyncio.Task[Sighting] | None = None
        self.backoff = Backoff(BACKOFF_FIRST_S, BACKOFF_LAST_S)
        self.seen: Sighting | None = None
        self.row: Sighting | None = None
        self.is_over = False
        self.told = ""

    async def read(self) -> Sighting:
        structlog.contextvars.bind_contextvars(feed=self.feed.name)
        return await self.feed.observe()

    def harvest(self, outcome: Sighting | BaseException, now: float, into: Looking) -> Sighting | None:
        """Take note of what a look at the sources gave, and return the sighting, if there is one."""
        if isinstance(outcome, Sighting):
            self.backoff.reset()
            if self.told:
                log.info("has an answer again", feed=self.feed.name)
            self.told = ""
            return outcome
        if isinstance(outcome, Fatal):
            self.is_over = True
            into.ended[self.feed.name] = None if isinstance(outcome, SourceExhausted) else outcome
            log.info("source ended", feed=self.feed.name, reason=str(outcome))
        elif isinstance(outcome, Retryable):
            pause = self.backoff.pause()
            self.next_at = now + pause
            into.failed[self.feed.name] = outcome
            # The same reason is said once, whatever its figures are by now. Health and metrics show that it lasts.
            reason = _FIGURES.sub("", str(outcome))
            say = log.debug if reason == self.told else log.warning
            say(
                "will try again",
                feed=self.feed.name,
                error=str(outcome),
                kind=type(outcome).__name__,
                seconds=pause,
            )
            self.told = reason
        else:
            raise outcome
        return None


class Looks:
    """Looks at sources that have a value at any time, each feed at its interval."""

    def __init__(
        self,
        feeds: Sequence[LookedAt],
        *,
        now: Callable[[], float] = time.time,
        by_clock: bool = False,
        until_all: Callable[[], float | None] = lambda: None,
    ) -> None:
        """Prepare to look.

        Args:
            feeds: The feeds of one committee.
            now: Unix seconds.
            by_clock: True if the time of a look is that of the clock, not that of the newest reading.
            until_all: Returns the seconds until all feeds are looked at, whatever their intervals; None: never.
        """
        self._eyes = {feed.name: _Eye(feed) for feed in feeds}
        self._now = now
        self._by_clock = by_clock
        self._until_all = until_all
        self._tried: set[str] = set()

    @property
    def next_at(self) -> float | None:
        """When the next look begins, by the event loop's clock; None: all sources have ended."""
        return min((eye.next_at for eye in self._live if eye.reading is None), default=None)

    async def next(self) -> Looking | None:
        """Wait for the time of the next look, and look. None: all sources have ended."""
        if not self._live:
            return None
        seconds = self._until_all()
        if seconds is not None:
            latest = asyncio.get_running_loop().time() + seconds
            for eye in self._live:
                eye.next_at = min(eye.next_at, latest)
        await self._wait()
        loop = asyncio.get_running_loop()
        now = loop.time()
        ripe = [eye for eye in self._live if eye.reading is None and eye.next_at <= now + self._early(eye)]
        self._tried = set()
        return await self._read(ripe, Looking(), {})

    async def again(self, before: Look, feeds: Collection[str]) -> Looking:
        """Look at feeds that were not looked at, as their answers are needed beside those of a look.

        Args:
            before: The look.
            feeds: The feeds. Those that were tried at that look are not tried again.
        """
        eyes = [self._eyes[name] for name in feeds if name in self._eyes and name not in self._tried]
        eyes = [eye for eye in eyes if eye.reading is None and not eye.is_over]
        found = await self._read(eyes, Looking(), dict(before.sightings))
        found.look = found.look or before
        return found

    async def close(self) -> None:
        """Stop looking."""
        tasks = [eye.reading for eye in self._eyes.values() if eye.reading is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    @property
    def _live(self) -> list[_Eye]:
        return [eye for eye in self._eyes.values() if not eye.is_over]

    @staticmethod
    def _early(eye: _Eye) -> float:
        return min(TOGETHER_S, eye.feed.poll_interval / 10)

    async def _wait(self) -> None:
        """Wait until a feed's time has come, or a slow one has answered."""
        slow = [eye.reading for eye in self._live if eye.reading is not None]
        next_at = self.next_at
        pause = None if next_at is None else max(0.0, next_at - asyncio.get_running_loop().time())
        if slow:
            await asyncio.wait(slow, timeout=pause, return_when=asyncio.FIRST_COMPLETED)
        else:
            await asyncio.sleep(pause or 0.0)

    async def _read(self, eyes: Sequence[_Eye], into: Looking, sightings: dict[str, Sighting]) -> Looking:
        """Read these feeds, take in what slow ones have answered meanwhile, and make one look of it."""
        for eye in eyes:
            eye.reading = asyncio.create_task(eye.read(), name=f"look at {eye.feed.name}")
        self._tried |= {eye.feed.name for eye in eyes}
        if eyes:  # those that were begun before, and are slow, are not waited for
            await asyncio.wait([eye.reading for eye in eyes if eye.reading is not None], timeout=PATIENCE_S)
        now = asyncio.get_running_loop().time()
        for eye in self._live:
            task = eye.reading
            if task is None or not task.done():
                continue
            eye.reading = None
            eye.next_at = now + eye.feed.poll_interval
            seen = eye.harvest(task.exception() or task.result(), now, into)
            if seen is not None:
                sightings[eye.feed.name] = seen
        into.look = self._look(sightings, into)
        return into

    def _look(self, sightings: Mapping[str, Sighting], into: Looking) -> Look | None:
        """Return the look: its time, and all answers that are not too old then."""
        clock = int(self._now())
        times = {
            name: each.read_at if self._eyes[name].feed.is_recorded else min(clock, each.read_at)
            for name, each in sightings.items()
        }
        if not times:
            return None
        observed_at = clock if self._by_clock else max(times.values())
        young = {}
        for name, each in sightings.items():
            age = observed_at - each.read_at
            if age <= self._eyes[name].feed.max_age:
                young[name] = each
            else:
                into.failed[name] = SourceUnavailable(f"{name}: the newest reading is {age} s old, which is too old")
        return Look(observed_at, young, frozenset(young), self._by_clock)


class Rows:
    """Steps through recordings: each look is the rows of the next time."""

    def __init__(self, feeds: Sequence[LookedAt]) -> None:
        """Prepare to look.

        Args:
            feeds: The feeds of one committee whose sources give their next row at each look.
        """
        self._eyes = [_Eye(feed) for feed in feeds]
        self._feeds = {feed.name: feed for feed in feeds}

    @property
    def next_at(self) -> None:
        """No time: the next look is when what is due has ended."""
        return None

    async def next(self) -> Looking | None:
        """Return the rows of the next time; None: all recordings have ended.

        A feed without a row at that time keeps its last answer, for others that have it as a peer.
        """
        found = Looking()
        for eye in self._eyes:
            while eye.row is None and not eye.is_over:
                eye.row = await self._row(eye, found)
        rows = {eye.feed.name: eye.row for eye in self._eyes if eye.row is not None}
        if not rows:
            return found if found.ended else None
        at = min(row.read_at for row in rows.values())
        for eye in self._eyes:
            if eye.row is not None and eye.row.read_at == at:
                eye.seen, eye.row = eye.row, None
        known = {eye.feed.name: eye.seen for eye in self._eyes if eye.seen is not None}
        young = {name: each for name, each in known.items() if at - each.read_at <= self._feeds[name].max_age}
        found.look = Look(at, young, frozenset(name for name, each in young.items() if each.read_at == at))
        return found

    async def again(self, before: Look, feeds: Collection[str]) -> Looking:
        """Return the same: a recording has nothing else to say."""
        return Looking(before)

    async def close(self) -> None:
        """Stop looking: there is nothing to stop."""

    @staticmethod
    async def _row(eye: _Eye, found: Looking) -> Sighting | None:
        loop = asyncio.get_running_loop()
        try:
            outcome: Sighting | OracleError = await asyncio.create_task(eye.read())
        except OracleError as error:
            outcome = error
        row = eye.harvest(outcome, loop.time(), found)
        if row is None and not eye.is_over:
            await asyncio.sleep(eye.next_at - loop.time())
        return row
