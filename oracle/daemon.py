"""The daemon: clock, signals and backoff. What an observation is and what becomes of it is decided elsewhere.

Each feed runs by itself: a source, a proof or a feed that fails never stops another. A retryable failure is tried
again, later each time; a fatal one ends the feed and, when all have ended, the daemon.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from oracle.errors import Fatal, Retryable, SourceExhausted
from oracle.pipeline import Pipeline
from oracle.types import Observed

log = structlog.get_logger(__name__)

BACKOFF_FIRST_S = 1.0
BACKOFF_LAST_S = 60.0
GRACE_S = 10.0


@dataclass(frozen=True)
class Feed:
    """A feed as the daemon sees it.

    Attributes:
        observe: Reads the sources, aggregates and decides: an observation that is due, or None. Raises
            `SourceExhausted` when there will be none any more.
        poll_interval: Seconds between two looks.
    """

    name: str
    observe: Callable[[], Awaitable[Observed | None]]
    poll_interval: float


class Turns(Protocol):
    """Is told how each feed's turns end: one look at its sources, and the report that followed, if one was due."""

    def turned(self, feed: str) -> None: ...
    def failed(self, feed: str, reason: str) -> None: ...
    def ended(self, feed: str, reason: str | None) -> None: ...


async def run(
    feeds: Sequence[Feed],
    pipeline: Pipeline,
    stop: asyncio.Event | None = None,
    *,
    turns: Turns | None = None,
    reload: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Run feeds until they end, or SIGTERM, SIGINT or `stop` asks to stop.

    What is in the middle of an observation may finish it for `GRACE_S` seconds; after that it is cut off, which loses
    nothing: the journal has how far it came.

    Args:
        turns: Told how each turn of a feed ends; must not raise.
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


async def _run_feed(feed: Feed, pipeline: Pipeline, stop: asyncio.Event, turns: Turns | None) -> None:
    """One feed until it ends. Whatever is open in the journal, from a crash or a failure, is finished first."""
    structlog.contextvars.bind_contextvars(feed=feed.name)
    delay = BACKOFF_FIRST_S
    while not stop.is_set():
        try:
            for stage in pipeline.unfinished(feed.name):
                log.info("going on", observation=stage.observed.key, stage=type(stage).__name__.lower())
                await pipeline.resume(stage)
            observed = await feed.observe()
            if observed is not None:
                await pipeline.report(observed)
            delay = BACKOFF_FIRST_S
            if turns is not None:
                turns.turned(feed.name)
            await _sleep(stop, feed.poll_interval)
        except SourceExhausted as error:
            log.info("source ended", reason=str(error))
            if turns is not None:
                turns.ended(feed.name, None)
            return
        except Retryable as error:
            log.warning("will try again", error=str(error), kind=type(error).__name__, seconds=delay)
            if turns is not None:
                turns.failed(feed.name, str(error))
            await _sleep(stop, delay)
            delay = min(BACKOFF_LAST_S, 2 * delay)
        except Fatal as error:
            log.error("feed ended", error=str(error), kind=type(error).__name__)
            if turns is not None:
                turns.ended(feed.name, str(error))
            raise


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
