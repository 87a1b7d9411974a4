"""The daemon: all feeds side by side, with the clock, the signals and the back-off.

What an observation is, and what becomes of it, is decided in the modules before this one.

Each feed runs by itself: a source, a proof or a feed that fails never stops another feed. A feed looks at its sources
while its reports are on their way, one after the other. At most one observation waits behind the one that is on its
way: when a newer one is due, those that are not being proven yet end. A retryable failure is tried again, later each
time. A fatal one ends the feed and, when all have ended, the daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from oracle.core.backoff import Backoff
from oracle.core.errors import Fatal, Retryable, SourceExhausted
from oracle.core.types import Observed, Scored
from oracle.feeds.pipeline import Pipeline

log = structlog.get_logger(__name__)

BACKOFF_FIRST_S = 1.0
BACKOFF_LAST_S = 60.0
"""Seconds before a failure is tried again: the first pause, and the longest."""

GRACE_S = 10.0
"""Seconds that a feed has to finish its report when the daemon is stopped."""


@dataclass(frozen=True)
class DaemonFeed:
    """A feed that the daemon runs.

    Attributes:
        name: The feed's name.
        observe: Looks at the sources, given the feed's newest observation that has not ended. Returns an observation
            that is due, or None, and raises `SourceExhausted` when there will be none any more. See
            `oracle.feeds.observe`.
        poll_interval: Seconds between two looks.
        ahead: True to look while a report is on its way. A recording gives its next row at each look, and none may
            be lost: there it is False.
    """

    name: str
    observe: Callable[[Observed | None], Awaitable[Observed | None]]
    poll_interval: float
    ahead: bool = True


class Turns(Protocol):
    """Called at the end of each turn of a feed: a look at its sources, and the report that followed, if one was due."""

    def turned(self, feed: str) -> None:
        """A turn ended well."""

    def failed(self, feed: str, reason: str) -> None:
        """A turn ended with an error, and is tried again."""

    def ended(self, feed: str, reason: str | None) -> None:
        """The feed takes no more turns: because of a fatal error, or, with None, because its sources have ended."""


async def run(
    feeds: Sequence[DaemonFeed],
    pipeline: Pipeline,
    stop: asyncio.Event | None = None,
    *,
    turns: Turns | None = None,
    reload: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Run feeds until they end, or SIGTERM, SIGINT or `stop` asks to stop.

    A report that is on its way has `GRACE_S` seconds to end; after that it is cut off, which loses nothing, because the
    journal has how far it came.

    Args:
        feeds: The feeds.
        pipeline: Takes their observations to the chain.
        stop: Set to stop.
        turns: Called at the end of each turn of a feed; must not raise.
        reload: Called on SIGHUP; must not raise.

    Raises:
        Fatal: Every feed has ended because of a fatal error; the first of them.
    """
    stop = stop or asyncio.Event()
    with _signals(stop, reload):
        work = [asyncio.create_task(_run_feed(feed, pipeline, stop, turns), name=feed.name) for feed in feeds]
        ended = asyncio.create_task(asyncio.wait(work))
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({ended, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        _, cut_off = await asyncio.wait(work, timeout=GRACE_S)
        for task in cut_off:
            task.cancel()
        results = await asyncio.gather(*work, return_exceptions=True)
        await ended
    log.info("stopped", cut_off=len(cut_off))
    errors = [result for result in results if isinstance(result, Exception)]
    for error in errors:
        if not isinstance(error, Fatal):
            raise error
    if errors and len(errors) == len(feeds):
        raise errors[0]


async def _run_feed(feed: DaemonFeed, pipeline: Pipeline, stop: asyncio.Event, turns: Turns | None) -> None:
    """Run one feed until it ends: its looks, and its reports beside them. If one of these fails for good, both end."""
    structlog.contextvars.bind_contextvars(feed=feed.name)
    reports = _Reports(feed.name, pipeline, stop, turns)
    reporting = asyncio.create_task(reports.run())
    looking = asyncio.create_task(_look(feed, reports, stop, turns))
    try:
        await asyncio.wait({reporting, looking}, return_when=asyncio.FIRST_EXCEPTION)
    finally:
        for task in (reporting, looking):
            task.cancel()  # harmless where it has ended
        results = await asyncio.gather(reporting, looking, return_exceptions=True)
    failures = [error for error in results if isinstance(error, Exception)]
    if not failures:
        return
    if isinstance(failures[0], Fatal):
        log.error("feed ended", error=str(failures[0]), kind=type(failures[0]).__name__)
        if turns is not None:
            turns.ended(feed.name, str(failures[0]))
    raise failures[0]


async def _look(feed: DaemonFeed, reports: _Reports, stop: asyncio.Event, turns: Turns | None) -> None:
    """Look at the sources until they end, and hand over what is due."""
    backoff = Backoff(BACKOFF_FIRST_S, BACKOFF_LAST_S)
    await reports.begun.wait()
    while not stop.is_set():
        try:
            if not feed.ahead:
                await reports.idle.wait()
            observed = await feed.observe(reports.newest)
            if observed is not None and not stop.is_set():
                reports.offer(observed)
            if not feed.ahead:
                await reports.idle.wait()
            backoff.reset()
            if turns is not None and reports.idle.is_set():
                # A report that is on its way ends the turn itself. One that never ends is thus noticed.
                turns.turned(feed.name)
            await _sleep(stop, feed.poll_interval)
        except SourceExhausted as error:
            await reports.idle.wait()
            log.info("source ended", reason=str(error))
            if turns is not None:
                turns.ended(feed.name, None)
            break
        except Retryable as error:
            await _again(feed.name, error, backoff.pause(), stop, turns)
    reports.close()


class _Reports:
    """A feed's reports, one after the other. What the journal has open, from a crash or a failure, comes first.

    Attributes:
        begun: Set once the observations that the journal had open have ended.
        idle: Set while there is nothing to report.
    """

    def __init__(self, feed: str, pipeline: Pipeline, stop: asyncio.Event, turns: Turns | None) -> None:
        self._feed = feed
        self._pipeline = pipeline
        self._stop = stop
        self._turns = turns
        self._current: Observed | None = None
        self._next: Observed | None = None
        self._work = asyncio.Event()
        self._closed = False
        self.begun = asyncio.Event()
        self.idle = asyncio.Event()

    @property
    def newest(self) -> Observed | None:
        """The newest observation that has not ended."""
        return self._next or self._current

    def offer(self, observed: Observed) -> None:
        """Take an observation that is due. Those before it that are not being proven yet end."""
        self._pipeline.admit(observed)
        self.idle.clear()
        if self._current is None:
            self._current = observed  # under way from here on, even if the daemon is stopped before it begins
        else:
            self._pipeline.overtake_waiting(self._feed)
            if self._next is not None:
                self._pipeline.overtake(self._next)
            self._next = observed
        self._work.set()

    def close(self) -> None:
        """End after the reports that are there: no further observation comes."""
        self._closed = True
        self._work.set()

    async def run(self) -> None:
        """Report until it is closed or stopped."""
        backoff = Backoff(BACKOFF_FIRST_S, BACKOFF_LAST_S)
        try:
            while True:
                try:
                    await self._finish_open()
                    self.begun.set()
                    backoff.reset()
                    await self._report()
                    return
                except Retryable as error:
                    await _again(self._feed, error, backoff.pause(), self._stop, self._turns)
                    if self._stop.is_set():
                        return
        finally:
            self.begun.set()
            self.idle.set()

    async def _finish_open(self) -> None:
        self._current, self._next, stages = None, None, self._pipeline.unfinished(self._feed)
        for stage in stages:
            if isinstance(stage, Observed | Scored) and stage is not stages[-1]:
                self._pipeline.overtake(stage.observed)
                continue
            if self._stop.is_set():
                return
            log.info("going on", observation=stage.observed.key, stage=type(stage).__name__.lower())
            self._current = stage.observed
            await self._pipeline.resume(stage)
            self._current = None

    async def _report(self) -> None:
        while True:
            if self._current is None and not self._stop.is_set():
                self._current, self._next = self._next, None
            if self._current is None:
                self.idle.set()
                if self._closed or self._stop.is_set():
                    return
                self._work.clear()
                await self._work.wait()
                continue
            await self._pipeline.resume(self._current)
            self._current = None
            if self._turns is not None:
                self._turns.turned(self._feed)


async def _again(feed: str, error: Retryable, pause: float, stop: asyncio.Event, turns: Turns | None) -> None:
    """Log what failed, tell `turns`, and wait before it is tried again."""
    log.warning("will try again", error=str(error), kind=type(error).__name__, seconds=pause)
    if turns is not None:
        turns.failed(feed, str(error))
    await _sleep(stop, pause)


@contextlib.contextmanager
def _signals(stop: asyncio.Event, reload: Callable[[], Awaitable[None]] | None) -> Iterator[None]:
    loop = asyncio.get_running_loop()
    reloading: set[asyncio.Future[None]] = set()

    def start_reload() -> None:
        assert reload is not None
        # Kept, or it might be collected before it is done.
        task = asyncio.ensure_future(reload())
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    wanted: list[tuple[int, Callable[[], None]]] = [(signal.SIGTERM, stop.set), (signal.SIGINT, stop.set)]
    if reload is not None and hasattr(signal, "SIGHUP"):
        wanted.append((signal.SIGHUP, start_reload))
    handled = []
    for number, handler in wanted:
        # Only the main thread can handle signals, and not on every platform.
        with contextlib.suppress(NotImplementedError, ValueError, RuntimeError):
            loop.add_signal_handler(number, handler)
            handled.append(number)
    try:
        yield
    finally:
        for number in handled:
            loop.remove_signal_handler(number)


async def _sleep(stop: asyncio.Event, seconds: float) -> None:
    with contextlib.suppress(TimeoutError):
        await asyncio.wait_for(stop.wait(), seconds)
