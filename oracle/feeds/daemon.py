"""The daemon: all committees side by side, with the clock, the signals and the back-off.

What a report is, and what becomes of it, is decided in the modules before this one.

Each committee looks at the sources of its feeds together, while its reports are on their way. A source, a proof or a
feed that fails never stops another feed. A retryable failure is tried again, later each time. A fatal one ends the feed
and, when all have ended, the daemon. Of a feed in whose way an obstacle stands, nothing is begun until it is gone.
"""

from __future__ import annotations

import asyncio
import contextlib
import signal
from collections.abc import Awaitable, Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field

import structlog

from oracle.core.backoff import Backoff
from oracle.core.concurrency import together
from oracle.core.errors import Fatal, Retryable
from oracle.core.signals import handled
from oracle.core.stages import KeptReport
from oracle.core.types import FeedState
from oracle.feeds.deciding import Decision, Look, decide
from oracle.feeds.desk import BACKOFF_FIRST_S, BACKOFF_LAST_S, LOOK_AGAIN_S, Desk, FeedListener
from oracle.feeds.interface import Permission
from oracle.feeds.looking import Looking, Looks, Rows
from oracle.feeds.outlook import Outlook
from oracle.feeds.shelf import Shelf
from oracle.sources.aggregate import DuePolicy
from oracle.sources.readings import FeedReadings

__all__ = ["GRACE_S", "CommitteeFeeds", "observe", "run"]

log = structlog.get_logger(__name__)

GRACE_S = 10.0
"""Seconds that reports have to end when the daemon is stopped."""


@dataclass(frozen=True)
class CommitteeFeeds:
    """The feeds of a committee that the daemon runs.

    Attributes:
        feeds: Their ids, by name.
        looks: Looks at their sources.
        policy: Returns the rules by which a feed is due.
        shelf: Has what is kept for whoever brings it; None: every report is sent.
        keep: Called with the time of a report that is due and the readings of its feeds, before the report is
            journalled; None: whoever signs keeps them.
        number: The committee's number on the hub.
        permission: Says when this node may report.
        outlook: Knows what stands in the way of a report.
    """

    feeds: Mapping[str, bytes]
    looks: Looks | Rows
    policy: Callable[[str], DuePolicy]
    shelf: Shelf | None = None
    keep: Callable[[int, Sequence[FeedReadings]], None] | None = None
    number: int = 0
    permission: Permission = field(default_factory=Permission)
    outlook: Outlook = field(default_factory=Outlook)


async def run(
    committees: Sequence[CommitteeFeeds],
    desk: Desk,
    states: Callable[[Sequence[bytes]], Awaitable[Sequence[FeedState]]],
    known: Callable[[str], bool],
    stop: asyncio.Event | None = None,
    *,
    listener: FeedListener | None = None,
    reload: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Run feeds until they end, or SIGTERM, SIGINT or `stop` asks to stop.

    A report that is on its way has `GRACE_S` seconds to end; after that it is cut off, which loses nothing, because the
    journal has how far it came.

    Args:
        committees: The committees with their feeds.
        desk: Takes their reports to the chain.
        states: Reads the states of feeds from the chain.
        known: Returns whether the journal has an observation with this key.
        stop: Set to stop.
        listener: Hears how each feed is; must not raise.
        reload: Called on SIGHUP; must not raise.

    Raises:
        Fatal: Every feed has ended because of a fatal error; the first of them.
    """
    stop = stop or asyncio.Event()
    feeds = [feed for each in committees for feed in each.feeds]
    with _signals(stop, reload):
        await _resume(desk, feeds, stop)
        sending = asyncio.create_task(desk.run(), name="desk")
        watches = [_Watch(each, desk, states, known, listener) for each in committees]
        observing = asyncio.create_task(together(*(each.run() for each in watches)), name="looks")
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({sending, observing, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        observing.cancel()
        await asyncio.wait({observing})
        cut_off = await desk.stop(GRACE_S)
        await asyncio.wait({sending})
        for each in committees:
            await each.looks.close()
    log.info("stopped", cut_off=cut_off)
    for task in (sending, observing):
        if not task.cancelled():
            task.result()  # raises what was a mistake of ours
    if desk.ended and len(desk.ended) == len(feeds):
        raise next(iter(desk.ended.values()))


async def observe(
    committees: Sequence[CommitteeFeeds],
    stop: asyncio.Event | None = None,
    *,
    listener: FeedListener | None = None,
    reload: Callable[[], Awaitable[None]] | None = None,
) -> None:
    """Look at the sources of feeds until they end, or until asked to stop; nothing is reported.

    The arguments are those of `run`.

    Raises:
        Fatal: The sources of every feed have ended because of a fatal error; the first of them.
    """
    stop = stop or asyncio.Event()
    ended: dict[str, Fatal] = {}
    with _signals(stop, reload):
        looking = asyncio.create_task(together(*(_observe(each, listener, ended) for each in committees)), name="looks")
        stopping = asyncio.create_task(stop.wait())
        await asyncio.wait({looking, stopping}, return_when=asyncio.FIRST_COMPLETED)
        stopping.cancel()
        looking.cancel()
        await asyncio.wait({looking})
        for each in committees:
            await each.looks.close()
    log.info("stopped")
    if not looking.cancelled():
        looking.result()  # raises what was a mistake of ours
    if ended and len(ended) == sum(len(each.feeds) for each in committees):
        raise next(iter(ended.values()))


async def _observe(committee: CommitteeFeeds, listener: FeedListener | None, ended: dict[str, Fatal]) -> None:
    while (found := await committee.looks.next()) is not None:
        for feed, error in found.ended.items():
            if error is not None:
                ended[feed] = error
            if listener is not None:
                listener.ended(feed, None if error is None else str(error))
        if listener is not None:
            for feed, failure in found.failed.items():
                listener.failed(feed, str(failure))
            for feed in found.look.fresh if found.look is not None else ():
                listener.well(feed)


async def _resume(desk: Desk, feeds: Sequence[str], stop: asyncio.Event) -> None:
    """Go on with what the journal has open, however long it takes to answer."""
    backoff = Backoff(BACKOFF_FIRST_S, BACKOFF_LAST_S)
    while not stop.is_set():
        try:
            desk.resume(feeds)
            return
        except Retryable as error:
            pause = backoff.pause()
            log.warning("will try again", error=str(error), kind=type(error).__name__, seconds=pause)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(stop.wait(), pause)


@dataclass
class _Watch:
    """Looks at the sources of one committee's feeds, and offers what is due."""

    committee: CommitteeFeeds
    desk: Desk
    states: Callable[[Sequence[bytes]], Awaitable[Sequence[FeedState]]]
    known: Callable[[str], bool]
    listener: FeedListener | None
    backoff: Backoff = field(default_factory=lambda: Backoff(BACKOFF_FIRST_S, BACKOFF_LAST_S))
    reported: dict[str, tuple[int, int]] = field(default_factory=dict)
    offered: dict[str, int] = field(default_factory=dict)
    over: set[str] = field(default_factory=set)
    told: dict[str, str] = field(default_factory=dict)
    left_out: Mapping[str, str] = field(default_factory=dict)
    paused: dict[str, bool] = field(default_factory=dict)
    obstructed: dict[str, str] = field(default_factory=dict)
    peers: dict[bytes, Sequence[bytes]] = field(default_factory=dict)
    listed: dict[bytes, int] = field(default_factory=dict)

    @property
    def waits_for_reports(self) -> bool:
        """True if a look may be made only once all reports have ended: each row of a recording is reported."""
        return isinstance(self.committee.looks, Rows)

    async def run(self) -> None:
        """Look until the sources end, or all feeds have ended."""
        while not all(feed in self.desk.ended for feed in self.committee.feeds):
            if self.waits_for_reports:
                await self.desk.until_idle(self.committee.feeds)
            found = await self.committee.looks.next()
            if found is None:
                break
            self._take_note(found)
            while found.look is not None and not await self._report(found.look) and self.waits_for_reports:
                pass
            self._tell_well(found)
        await self.desk.until_idle(self.committee.feeds)
        self._end_over()

    async def _report(self, look: Look) -> bool:
        """Offer what is due after a look. Return False if that failed, and has been waited for."""
        seen_at = asyncio.get_running_loop().time()
        try:
            decision = await self._decide(look)
            if decision.reports:
                self.desk.offer(decision.reports, self.committee.looks.next_at, seen_at)
        except Retryable as error:
            pause = self.backoff.pause()
            log.warning("will try again", error=str(error), kind=type(error).__name__, seconds=pause)
            self._failed(dict.fromkeys(look.fresh, str(error)))
            await asyncio.sleep(pause)
            return False
        except Fatal as error:
            for feed in look.fresh:
                self.desk.end(feed, error)
            return True
        self.backoff.reset()
        for _, decided in decision.reports:
            for each in decided.due:
                self.listed |= dict.fromkeys((each.feed_id, *self.peers[each.feed_id]), each.observed_at)
                self.reported[each.feed] = (each.observed_at, look.sightings[each.feed].read_at)
                if decided.is_offered:
                    self.offered[each.feed] = each.observed_at
                why = decision.reasons[each.feed]
                log.info("due", feed=each.feed, reason=why.value if why else "waits", answer=each.answer,
                         sources=look.sightings[each.feed].sources)  # fmt: skip
        for feed, reason in decision.left_out.items():
            if self.left_out.get(feed) != reason:
                log.warning("left out of the report", feed=feed, reason=reason)
        self.left_out = decision.left_out
        self._failed(decision.left_out)
        self._wait_for(self.obstructed)
        if self.waits_for_reports and any(not self.paused[feed] for feed in self.obstructed):
            await asyncio.sleep(LOOK_AGAIN_S)
            return False  # no row is lost, but for those of a feed that is paused
        return True

    async def _decide(self, look: Look) -> Decision:
        """Decide what is due, with the states of all feeds read at once, and with the answers of all their peers."""
        self.obstructed = {}
        live = [feed for feed in look.fresh if feed not in self.desk.ended and not self._is_known(feed, look)]
        permitted = self._may_decide(look)
        if not live or not (permitted or self.committee.shelf is not None):
            return Decision()
        found = await self.states([look.sightings[feed].feed_id for feed in live])
        states = {each.feed_id: each for each in found}
        self.peers |= {each.feed_id: each.peers for each in found}
        for feed in live:
            self._warn(feed, look, states[look.sightings[feed].feed_id])
        if self.committee.shelf is not None:
            self.committee.shelf.looked((feed, states[look.sightings[feed].feed_id]) for feed in live)
        await self._note_paused({feed: states[look.sightings[feed].feed_id].paused for feed in live})
        if not permitted:
            return Decision()
        decision = self._decision(look, states)
        if decision.reasons:
            offered = {feed for _, decided in decision.reports if decided.is_offered for feed in decided.feeds}
            await self._note_obstacles(decision.reasons, offered)
            if self.obstructed:
                decision = self._decision(look, states)
        names = {feed_id: name for name, feed_id in self.committee.feeds.items()}
        wanted = {
            names[peer]
            for feed in (*decision.reasons, *decision.left_out)
            for peer in states[look.sightings[feed].feed_id].peers
            if peer in names
        }
        if not wanted <= look.fresh:
            completed = await self.committee.looks.again(look, wanted - look.fresh)
            self._take_note(completed)
            assert completed.look is not None
            look = completed.look
            decision = self._decision(look, states) if self._may_decide(look) else Decision()
        self._keep(decision, look, states)
        return decision

    async def _note_paused(self, paused: Mapping[str, bool]) -> None:
        """Take note of feeds that are paused. That a feed is paused, or no more, shows at each look: at once."""
        if any(self.paused.get(feed, False) != is_paused for feed, is_paused in paused.items()):
            self.committee.outlook.doubt()
        self.paused |= paused
        feeds = [feed for feed, is_paused in paused.items() if is_paused]
        if feeds:
            await self._note_obstacles(feeds)
            self.obstructed = {**dict.fromkeys(feeds, "the feed is paused"), **self.obstructed}

    async def _note_obstacles(self, feeds: Collection[str], offered: Collection[str] = ()) -> None:
        """Take note of what stands in the way of feeds that are due, some to be offered: they are not reported."""
        outlook = self.committee.outlook
        await outlook.renew(feeds)
        found = {feed: outlook.obstacle(feed, is_offered=feed in offered) for feed in feeds}
        self.obstructed |= {feed: str(obstacle) for feed, obstacle in found.items() if obstacle is not None}

    def _keep(self, decision: Decision, look: Look, states: Mapping[bytes, FeedState]) -> None:
        """Keep the readings behind all answers that may be signed: of the feeds that are due, and of their peers."""
        if self.committee.keep is None or not decision.reports:
            return
        due = {each.feed_id for _, decided in decision.reports for each in decided.due}
        signed = due.union(*(states[feed_id].peers for feed_id in due))
        found = [each.readings for each in look.sightings.values() if each.feed_id in signed]
        self.committee.keep(look.observed_at, [each for each in found if each is not None])

    def _decision(self, look: Look, states: Mapping[bytes, FeedState]) -> Decision:
        feeds = [
            name
            for name, seen in look.sightings.items()
            if (state := states.get(seen.feed_id)) is not None
            and not self._is_known(name, look)
            and not self._is_spent(state, look)
            and name not in self.obstructed
            and (self.waits_for_reports or not self.desk.rests(name))
        ]
        states = {look.sightings[name].feed_id: states[look.sightings[name].feed_id] for name in feeds}
        waiting = {feed: each for feed in feeds if (each := self.desk.waiting(feed)) is not None}
        under_way = {feed: each for feed in feeds if (each := self.desk.under_way(feed)) is not None}
        policies = {feed: self.committee.policy(feed) for feed in feeds}
        # A reading counts as reported once the chain has the report: one that failed, for a clock that was wrong, may
        # be newer than all that follow.
        reported = {
            feed: read_at
            for feed, (observed_at, read_at) in self.reported.items()
            if feed in feeds and states[look.sightings[feed].feed_id].last_report_at >= observed_at
        }
        newest = under_way | waiting
        return decide(
            look,
            states,
            policies,
            waiting=waiting,
            under_way=under_way,
            reported=reported,
            kept=self._kept(feeds),
            offering={feed for feed, each in newest.items() if each.observed_at == self.offered.get(feed)},
        )

    def _may_decide(self, look: Look) -> bool:
        return self.committee.permission.may_decide(self.committee.number, look.observed_at)

    def _is_spent(self, state: FeedState, look: Look) -> bool:
        """Return whether the reporters can't sign the feed, or one of its peers, as of this look, after another one."""
        before = [self.listed.get(each) for each in (state.feed_id, *state.peers)]
        before.append(state.last_report_at)
        permission, number = self.committee.permission, self.committee.number
        return any(at is not None and permission.is_spent(number, at, look.observed_at) for at in before)

    def _kept(self, feeds: Collection[str]) -> Mapping[str, KeptReport]:
        shelf = self.committee.shelf
        return {} if shelf is None else {feed: each for feed in feeds if (each := shelf.kept(feed)) is not None}

    def _is_known(self, feed: str, look: Look) -> bool:
        """Return whether an observation of the feed at this time was journalled, whatever became of it."""
        return self.known(f"{feed}@{look.observed_at}")

    # --- what is said ---

    def _warn(self, feed: str, look: Look, state: FeedState) -> None:
        """Warn, once, when a feed's readings are older than its latest report."""
        behind = state.last_report_at - look.observed_at
        if behind > 0:
            self._tell(
                feed,
                "reading is older than the feed's last report",
                seconds=behind,
                hint="check this machine's clock, and the sources'",
            )
        else:
            self.told.pop(feed, None)

    def _tell(self, feed: str, event: str, **more: object) -> None:
        if self.told.get(feed) != event:
            log.warning(event, feed=feed, **more)
        self.told[feed] = event

    def _take_note(self, found: Looking) -> None:
        for feed, error in found.ended.items():
            if error is None:
                self.over.add(feed)
            else:
                self.desk.end(feed, error)
        self._failed({feed: str(error) for feed, error in found.failed.items()})

    def _failed(self, reasons: Mapping[str, str]) -> None:
        if self.listener is not None:
            for feed, reason in reasons.items():
                self.listener.failed(feed, reason)

    def _wait_for(self, reasons: Mapping[str, str]) -> None:
        if self.listener is not None:
            for feed, reason in reasons.items():
                self.listener.waits(feed, reason)

    def _tell_well(self, found: Looking) -> None:
        """Tell that feeds with nothing to report are well. One whose report never ends is thus noticed."""
        if self.listener is not None and found.look is not None:
            for feed in found.look.fresh.difference(self.desk.ended, self.left_out, self.obstructed):
                if self.desk.is_idle(feed):
                    self.listener.well(feed)
        self._end_over()

    def _end_over(self) -> None:
        for feed in sorted(self.over):
            if self.desk.is_idle(feed):
                self.over.discard(feed)
                if self.listener is not None:
                    self.listener.ended(feed, None)


@contextlib.contextmanager
def _signals(stop: asyncio.Event, reload: Callable[[], Awaitable[None]] | None) -> Iterator[None]:
    reloading: set[asyncio.Future[None]] = set()

    def start_reload() -> None:
        assert reload is not None
        # Kept, or it might be collected before it is done.
        task = asyncio.ensure_future(reload())
        reloading.add(task)
        task.add_done_callback(reloading.discard)

    handlers: dict[int, Callable[[], None]] = {signal.SIGTERM: stop.set, signal.SIGINT: stop.set}
    if reload is not None and hasattr(signal, "SIGHUP"):
        handlers[signal.SIGHUP] = start_reload
    with handled(handlers):
        yield
