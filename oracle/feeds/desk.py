"""The desk: reports wait for a prover here, go on their way side by side, and are tried again after failures.

A feed has one report under way, and at most one observation that waits behind it: when a newer one is due, what is not
being proven yet ends. What the journal has open, from a crash or a failure, goes on first.

While an obstacle stands in the way of a report, nothing of it is signed or proven, and nothing is said again: it goes
on once the obstacle is gone. A feed whose report the hub refuses for another reason rests a while, longer after each.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import Protocol

import structlog

from oracle.core.backoff import Backoff
from oracle.core.errors import (
    ChainUnavailable,
    Fatal,
    Obstructed,
    OracleError,
    PayerEmpty,
    Retryable,
)
from oracle.core.obstacles import Obstacle
from oracle.core.stages import SHADOW, Decided, Observed, OpenStage, Proven, Scored, Submitted, name_of
from oracle.feeds.interface import Permission, ProvingModel, ReportListener, ReportStep, StageJournal
from oracle.feeds.outlook import Outlook
from oracle.feeds.provers import Provers, Slot
from oracle.feeds.reporting import Reporting
from oracle.feeds.waiting import BatchPolicy, Queue, Waiting

__all__ = ["BACKOFF_FIRST_S", "BACKOFF_LAST_S", "Desk", "FeedListener"]

log = structlog.get_logger(__name__)

BACKOFF_FIRST_S = 1.0
BACKOFF_LAST_S = 60.0
"""Seconds after a failure before a report is tried again, or its feed's next one is begun: the first, and the most."""

LOOK_AGAIN_S = 0.5
"""Seconds between two questions whether an obstacle is gone; the outlook itself reads more rarely."""


class FeedListener(Protocol):
    """Hears how each feed is: after a look at its sources, and after the report that followed, if one was due."""

    def well(self, feed: str) -> None:
        """Its sources have answered, and what was due was reported."""

    def failed(self, feed: str, reason: str) -> None:
        """There was an error, and it is tried again."""

    def waits(self, feed: str, reason: str) -> None:
        """A report of it is due, and not begun or not gone on with: the chain would not take it now."""

    def ended(self, feed: str, reason: str | None) -> None:
        """It is looked at no more: because of a fatal error, or, with None, because its sources have ended."""


class Desk:
    """Takes decided reports to their ends."""

    def __init__(
        self,
        reporting: Reporting,
        journal: StageJournal,
        models: Mapping[int, ProvingModel],
        provers: Provers,
        policy: BatchPolicy | None = None,
        feeds: FeedListener | None = None,
        listener: ReportListener | None = None,
        permission: Permission | None = None,
        outlook: Outlook | None = None,
    ) -> None:
        """Open a desk, without work.

        Args:
            reporting: Takes one report on its way.
            journal: Has what is open.
            models: The models, by number: their circuits say how many feeds share a proof.
            provers: The provers.
            policy: The rules by which reports wait for further feeds.
            feeds: Hears how each feed is; must not raise.
            listener: Hears how long a report has waited.
            permission: Says for how long a report may be tried again; None: as long as it takes.
            outlook: Knows what stands in the way of a report; None: nothing ever does.
        """
        self._reporting = reporting
        self._journal = journal
        self._models = models
        self._provers = provers
        self._policy = policy or BatchPolicy()
        self._feeds = feeds
        self._listener = listener or ReportListener()
        self._permission = permission or Permission()
        self._outlook = outlook or Outlook()
        self._queue = Queue(self._seconds)
        self._under_way: dict[str, Observed] = {}
        self._tasks: set[asyncio.Task[None]] = set()
        self._backoffs: dict[str, Backoff] = {}
        self._rests: dict[str, tuple[int, Backoff, float]] = {}
        self._news = asyncio.Event()
        self._changed = asyncio.Event()
        self._crash: BaseException | None = None
        self._stopping = asyncio.Event()
        self._is_closed = False
        self.ended: dict[str, Fatal] = {}
        """The feeds that a fatal error has ended."""

    # --- what comes in ---

    def waiting(self, feed: str) -> Observed | None:
        """Return the feed's observation that waits for a prover."""
        return self._queue.observed(feed)

    def under_way(self, feed: str) -> Observed | None:
        """Return the feed's newest observation that is being reported."""
        return self._under_way.get(feed)

    def rests(self, feed: str) -> bool:
        """Return whether a feed's next report is not to be begun yet, because its latest ones have failed."""
        _, _, until = self._rests.get(feed, (0, None, 0.0))
        return asyncio.get_running_loop().time() < until

    def is_idle(self, feed: str) -> bool:
        """Return whether the feed has nothing to report."""
        return feed not in self._under_way and self._queue.observed(feed) is None

    def offer(
        self, reports: Sequence[tuple[int, Decided]], next_look: float | None = None, seen_at: float | None = None
    ) -> None:
        """Take reports that are due. Of their feeds, what waits for a prover ends: newer observations are there.

        Args:
            reports: The reports, each with the model that judges it.
            next_look: When the committee's sources are looked at next, by the event loop's clock: further feeds may
                become due then. None: they can't.
            seen_at: When the sources had answered, by the same clock; None: now.

        Raises:
            JournalError, JournalUnavailable: They can't be written down; then nothing is taken.
        """
        now = asyncio.get_running_loop().time()
        feeds = [feed for _, decided in reports for feed in decided.feeds]
        until = {feed: self._queue.leave_by(feed) for feed in feeds}
        overtaken = [each for feed in feeds if (each := self._queue.observed(feed)) is not None]
        self._reporting.decide([decided for _, decided in reports], overtaken)
        self._queue.take_out(feeds)
        for model, decided in reports:
            leave_by = min(self._leave_by(model, decided, now, next_look), *(until[feed] for feed in decided.feeds))
            self._queue.add(Waiting(decided, model, leave_by=leave_by, decided_at=now))
            if seen_at is not None:
                self._listener.took(ReportStep.DECIDE, now - seen_at)
        self._news.set()

    def resume(self, feeds: Collection[str]) -> None:
        """Go on with what the journal has open of these feeds.

        Raises:
            JournalError, JournalUnavailable: It can't be read.
        """
        stages = [stage for stage in self._journal.unfinished() if not any(SHADOW in feed for feed in stage.feeds)]
        mine = [stage for stage in stages if set(stage.feeds) <= set(feeds)]
        for stage in stages:
            if stage not in mine:
                log.warning("a report of a feed that is not configured is left", observations=list(stage.keys))
        self._go_on(mine)

    async def until_idle(self, feeds: Collection[str]) -> None:
        """Wait until these feeds have nothing to report, or the desk stops."""
        while not all(map(self.is_idle, feeds)) and not self._stopping.is_set():
            await self._changed.wait()

    # --- what goes out ---

    async def run(self) -> None:
        """Send reports on their way until the desk is stopped."""
        loop = asyncio.get_running_loop()
        while not self._is_closed:
            if self._crash is not None:
                raise self._crash
            self._news.clear()
            waiting = self._queue.next(loop.time(), self._under_way) if self._provers.free else None
            if waiting is not None:
                self._listener.took(ReportStep.WAIT, loop.time() - waiting.decided_at)
                self._start(waiting.stage, self._provers.take(self._news.set))
                continue
            next_time = self._queue.next_time(loop.time())
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout_at(next_time):
                    await self._news.wait()

    async def stop(self, grace_s: float) -> int:
        """Take no further report, and give those that are here some time to end.

        Returns:
            How many were cut off. That loses nothing: the journal has how far they came.
        """
        self._stopping.set()
        self._queue.take_out(list(self._under_way))  # these would begin only after another report's end
        self._queue.hurry()
        self._tell()
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(grace_s):
                while self._tasks or (len(self._queue) and not self._is_closed):
                    await self._changed.wait()
        self._is_closed = True
        self._tell()
        cut_off = list(self._tasks)
        for task in cut_off:
            task.cancel()
        await asyncio.gather(*cut_off, return_exceptions=True)
        return len(cut_off)

    def _start(self, stage: OpenStage, slot: Slot | None) -> None:
        for observed in stage.due:
            self._under_way[observed.feed] = observed
        task = asyncio.create_task(self._follow(stage, slot), name=f"report {stage.keys[0]}")
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and task.exception() is not None:
            self._crash = self._crash or task.exception()  # a mistake of ours: `run` raises it
        self._tell()

    async def _follow(self, stage: OpenStage, slot: Slot | None) -> None:
        """Take a report to its end, again after each failure."""
        structlog.contextvars.bind_contextvars(report=",".join(stage.feeds))
        again: Sequence[Waiting] = ()
        try:
            with slot or contextlib.nullcontext():
                again = await self._parted(stage)
                if not again:
                    found = await self._reporting.report(stage, slot)
                    again = [Waiting(each.decided, each.model, each.alone) for each in found]
            self._let_wait(again)
        except Retryable as error:
            await self._try_again(stage, error)
            return
        except Fatal as error:
            self._end(stage.feeds, error)
        self._forget(stage)
        unfinished = {feed for each in again for feed in each.stage.feeds}
        for feed in stage.feeds:
            self._backoffs.pop(feed, None)
            self._let_rest(feed)
            if self._feeds is not None and feed not in self.ended and feed not in unfinished:
                self._feeds.well(feed)

    async def _parted(self, stage: OpenStage) -> Sequence[Waiting]:
        """Return the parts of a report that is still to be proven, if something stands in the way of some of its feeds.

        Raises:
            Obstructed: Something stands in the way of all of them.
        """
        if isinstance(stage, Proven | Submitted) or self._permission.left(stage.decided) <= 0:
            return ()
        await self._outlook.renew(stage.feeds)
        obstacle = self._obstacle(stage)
        if obstacle is not None:
            raise Obstructed(str(obstacle))
        waits = [each.key for each in stage.due if self._obstacle_of(each.feed, stage) is not None]
        goes_on = [each.key for each in stage.due if each.key not in waits]
        parts = [stage.decided.only(keys) for keys in (goes_on, waits)] if waits else []
        return [Waiting(each) for each in parts if each is not None]

    def _obstacle(self, stage: OpenStage) -> Obstacle | None:
        """Return what stands in the way of all feeds of a report; None if one of them can go on."""
        found = [self._obstacle_of(feed, stage) for feed in stage.feeds]
        return None if None in found else found[0]

    def _obstacle_of(self, feed: str, stage: OpenStage) -> Obstacle | None:
        is_signed = isinstance(stage, Submitted)
        found = self._outlook.obstacle(feed, is_offered=stage.decided.is_offered and not is_signed)
        # A transaction that is signed is sent and followed whatever the hub would say now.
        return found if found is None or found.kind.is_of_payer or not is_signed else None

    def _let_rest(self, feed: str) -> None:
        """Let a feed rest after a report that failed, longer after each further one."""
        failures = self._reporting.failures(feed)
        before, backoff, _ = self._rests.get(feed, (0, _backoff(), 0.0))
        if not failures:
            self._rests.pop(feed, None)
        elif failures > before:
            pause = backoff.pause()
            self._rests[feed] = failures, backoff, asyncio.get_running_loop().time() + pause

    async def _try_again(self, stage: OpenStage, error: Retryable) -> None:
        """Wait after a failure, later each time, and go on from what the journal has.

        What was begun may have been committed or not, so the journal is read again before anything is done.
        """
        if not isinstance(error, Obstructed | ChainUnavailable):
            self._outlook.doubt()
        reached = self._reached(stage)
        while not self._stopping.is_set():
            if not await self._waited(reached, error):
                pause = max(self._backoffs.setdefault(feed, _backoff()).pause() for feed in stage.feeds)
                left = self._left(reached)
                pause = min(pause, left) if left > 0 else pause
                log.warning("will try again", error=str(error), kind=type(error).__name__, seconds=pause)
                if self._feeds is not None:
                    for feed in stage.feeds:
                        self._feeds.failed(feed, str(error))
                await self._pause(pause)
            if self._stopping.is_set():
                return
            again = self._go_on_with(stage)
            if again is None:
                return
            error = again

    def _reached(self, stage: OpenStage) -> OpenStage:
        """Return how far the journal has a report that began at this stage; the stage itself if that can't be said."""
        with contextlib.suppress(OracleError):  # whoever reads the journal next says so
            found = [_of(each, stage) for each in self._journal.unfinished()]
            return next((each for each in found if each is not None and each.keys == stage.keys), stage)
        return stage

    async def _waited(self, stage: OpenStage, error: Retryable) -> bool:
        """Wait while something stands in the way of a report, but only as long as it may be gone on with.

        Returns:
            False if nothing does: then the error has another cause.
        """
        if isinstance(error, ChainUnavailable):  # the obstacles can't be read either
            return False
        if isinstance(stage, Submitted) and not isinstance(error, PayerEmpty):  # it may be mined meanwhile
            return False
        waited = isinstance(error, Obstructed)
        await self._outlook.renew(stage.feeds)
        while (obstacle := self._obstacle(stage)) is not None and not self._stopping.is_set():
            waited = True
            if self._feeds is not None:
                for feed in stage.feeds:
                    self._feeds.waits(feed, str(obstacle))
            left = self._left(stage)
            if left <= 0:
                break  # then it ends, and its feeds are free for the next one
            await self._pause(min(LOOK_AGAIN_S, left))
            await self._outlook.renew(stage.feeds)
        return waited

    def _left(self, stage: OpenStage) -> float:
        """Return for how many seconds a report may still wait; a transaction is followed however long it takes."""
        return float("inf") if isinstance(stage, Submitted) else self._permission.left(stage.decided)

    async def _pause(self, seconds: float) -> None:
        """Wait so long, or until the desk is stopped."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._stopping.wait()

    def _go_on_with(self, stage: OpenStage) -> Retryable | None:
        """Go on with what the journal has of a report. Return the error if it can't be read now."""
        try:
            found = [_of(each, stage) for each in self._journal.unfinished()]
            stages = [each for each in found if each is not None]
            self._forget(stage)
            self._go_on(stages)
        except Retryable as error:
            return error
        except Fatal as fatal:
            self._forget(stage)
            self._end(stage.feeds, fatal)
        return None

    def _forget(self, stage: OpenStage) -> None:
        for observed in stage.due:
            if self._under_way.get(observed.feed) == observed:
                del self._under_way[observed.feed]

    def _go_on(self, stages: Iterable[OpenStage]) -> None:
        """Go on with what was open: at once with what is proven. The rest waits, or ends if a newer one is due."""
        proven: list[OpenStage] = []
        waiting: list[Waiting] = []
        for stage in stages:
            if isinstance(stage, Proven | Submitted):
                proven.append(stage)
            else:
                waiting.append(Waiting(stage, stage.model_number if isinstance(stage, Scored) else None))
        self._let_wait(waiting)
        for stage in proven:
            self._start(stage, None)
        for stage in (*proven, *(each.stage for each in waiting)):
            log.info("going on", observations=list(stage.keys), stage=name_of(stage))
        self._tell()

    def _let_wait(self, waiting: Sequence[Waiting]) -> None:
        """Let reports wait, oldest first, but for feeds that have a newer observation, or are at their end."""
        overtaken: list[Observed] = []
        kept: list[Waiting] = []
        newer: set[str] = set()
        for each in reversed(waiting):
            over = [one for one in each.stage.due if one.feed in newer or self._queue.observed(one.feed) is not None]
            newer.update(each.stage.feeds)
            overtaken += over
            rest = each.stage.decided.only(
                [one.key for one in each.stage.due if one not in over and one.feed not in self.ended]
            )
            if rest is not None:
                stage = each.stage if len(rest.due) == len(each.stage.due) else rest
                kept.append(Waiting(stage, each.model, each.alone, 0.0, asyncio.get_running_loop().time()))
        self._reporting.overtake(overtaken)
        for each in reversed(kept):
            self._queue.add(each)

    def _end(self, feeds: Collection[str], error: Fatal) -> None:
        for feed in feeds:
            log.error("feed ended", feed=feed, error=str(error), kind=type(error).__name__)
            self.ended.setdefault(feed, error)
            self._queue.take_out([feed])
            if self._feeds is not None:
                self._feeds.ended(feed, str(error))

    def end(self, feed: str, error: Fatal) -> None:
        """End a feed whose sources can't be read any more."""
        self._end([feed], error)
        self._tell()

    # --- details ---

    def _leave_by(self, model: int, decided: Decided, now: float, next_look: float | None) -> float:
        """Return until when a report waits for feeds that may become due at the committee's next look."""
        if next_look is None or next_look > now + self._policy.window_s:
            return now
        slack = min(map(self._policy.slack, decided.due)) - max(self._seconds(model).values())
        return now + max(0.0, min(self._policy.window_s, slack))

    def _seconds(self, model: int | None) -> Mapping[int, float]:
        here = self._models.get(model) if model is not None else next(iter(self._models.values()), None)
        return {1: 0.0} if here is None else here.seconds()

    def _tell(self) -> None:
        self._news.set()
        self._changed.set()
        self._changed = asyncio.Event()


def _of(found: OpenStage, mine: OpenStage) -> OpenStage | None:
    """Return what the journal has of a report's observations; None if these are others.

    A decision can leave in several parts, which the journal does not know. The others go on by themselves.
    """
    return found if set(found.keys) <= set(mine.keys) else found.decided.only(mine.keys)


def _backoff() -> Backoff:
    return Backoff(BACKOFF_FIRST_S, BACKOFF_LAST_S)
