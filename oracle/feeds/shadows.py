"""Shadow reports: what a proposed model says of each report, before the active model's report is sent.

While a proposal demands compared reports (`oracle feed propose-model --min-compared`), each report with its feed is
proven twice. The hub takes a shadow only before its report, and compares the two afterwards:

    report    sign → derive → prove ────────────────→ wait, `wait_s` at most → simulate → send → confirm
    shadow         └ derive → prove, on a spare prover  → simulate → send ┘ → confirm

The shadow is the same signed report, with another proof. The hub judges those of its feeds for which this model is
proposed, and takes the others as references. A report never depends on its shadow; it only goes after it. A shadow gets
a prover that no report needs, and loses it when one does. An account of its own pays for it, so its nonce holds up
nothing. If anything goes wrong, it is given up, unless its transaction was signed: then that is followed to its end. It
has journal entries of its own, under the feed `eth#2` for eth as model 2 judges it. So each shadow is made once,
whatever happens.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from oracle.core.backoff import Backoff
from oracle.core.errors import JournalError, JournalUnavailable, OracleError, Retryable, StateMoved
from oracle.core.stages import SHADOW, Decided, Observed, OpenStage, Proven, Scored, Submitted, name_of
from oracle.core.types import Outcome
from oracle.feeds import deriving
from oracle.feeds.interface import (
    HubReader,
    ProvingModel,
    ReportListener,
    Shadowing,
    StageJournal,
    TransactionSender,
)
from oracle.feeds.provers import Preempted, Provers

__all__ = ["LATE", "ShadowListener", "Shadows", "Tally", "TallyReader"]

log = structlog.get_logger(__name__)

AGAIN_FIRST_S = 1.0
AGAIN_LAST_S = 60.0
"""Seconds between two tries to follow a signed shadow, or to reach the journal: the first pause, and the longest."""

LATE = "its report went first"
"""The reason why a shadow is given up that was not ready in time."""


class Tally(Protocol):
    """The comparison of a proposed model with the active one, as the hub has it."""

    @property
    def model_number(self) -> int:
        """The proposed model."""

    @property
    def compared(self) -> int:
        """The number of reports that both models have judged."""

    @property
    def min_compared(self) -> int:
        """The number of reports that both have to judge before the model can become active; 0: none."""


class TallyReader(HubReader, Protocol):
    """A hub that tells how far the comparison of a proposed model has come."""

    async def shadow(self, feed_id: bytes) -> Tally | None:
        """Return the comparison of the model proposed for a feed; None if none is proposed."""
        ...


class ShadowListener(ReportListener):
    """Hears what becomes of shadow reports; override what is of interest. Must not raise."""

    def looked(self, feed: str, compared: int, demanded: int) -> None:
        """A feed's proposal was read: how many reports were compared, of how many; 0 of 0: none is demanded."""

    def waited(self, seconds: float) -> None:
        """A proven report has waited this many seconds for its shadow to go first."""


class _ReportWentFirst(OracleError):
    """A shadow is of no use any more, because its report went first."""


@dataclass(eq=False)
class _Shadow:
    """A shadow that is under way.

    Attributes:
        decided: Its observations, of the feeds as the proposed model judges them.
        model_number: That model.
        gone: Set once its report need not wait for it: it is sent, or never will be.
        is_late: True if its report went first.
    """

    decided: Decided
    model_number: int
    gone: asyncio.Event = field(default_factory=asyncio.Event)
    is_late: bool = False
    task: asyncio.Task[None] | None = field(default=None)

    @property
    def of(self) -> set[str]:
        """The feeds that it judges, as the configuration names them."""
        return {feed.rpartition(SHADOW)[0] for feed in self.decided.feeds}


class Shadows(Shadowing):
    """Makes shadow reports of feeds with a proposed model."""

    def __init__(
        self,
        hub: TallyReader,
        feeds: Mapping[str, bytes],
        models: Mapping[int, ProvingModel],
        sender: TransactionSender,
        journal: StageJournal,
        provers: Provers,
        *,
        can_pay: Callable[[], Awaitable[bool]],
        slack: Callable[[Observed], float],
        wait_s: float,
        listener: ShadowListener | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            hub: The hub.
            feeds: Ids of the feeds, by name.
            models: Models that this daemon has circuits of, by their numbers.
            sender: Signs and sends shadows, from an account that pays for no report.
            journal: Has each stage before the next begins.
            provers: Lends the provers that no report needs.
            can_pay: Returns whether that account can pay for a shadow.
            slack: Returns the seconds until an observation is too old for its feed.
            wait_s: Seconds for which a proven report waits at most for its shadow to go first.
            listener: Notified of what becomes of shadows.
        """
        self._hub = hub
        self._feeds = feeds
        self._models = models
        self._sender = sender
        self._journal = journal
        self._provers = provers
        self._can_pay = can_pay
        self._slack = slack
        self._wait_s = wait_s
        self._listener = listener or ShadowListener()
        self._proposed: dict[str, int] = {}
        self._wanted: dict[str, int] = {}
        self._told: dict[str, str] = {}
        self._under_way: list[_Shadow] = []

    # --- beside a report ---

    def begin(self, scored: Scored) -> None:
        """Begin the shadows of a report that is signed. See `Shadowing`."""
        busy = {feed for shadow in self._under_way for feed in shadow.of}
        for number in sorted({self._wanted[feed] for feed in scored.feeds if feed in self._wanted}):
            # The hub judges all feeds for which the model is proposed, wanted or not.
            due = tuple(each for each in scored.due if self._proposed.get(each.feed) == number)
            # One at a time: if a feed's has not ended when its next report is due, that report has no shadow.
            if busy.isdisjoint(each.feed for each in due):
                decided = Decided(scored.decided.committee, tuple(each.shadow(number) for each in due))
                self._start(_Shadow(decided, number), scored)

    async def ahead(self, proven: Proven) -> None:
        """Let the shadows of a proven report go first, if they are ready in time. See `Shadowing`."""
        shadows = [
            each
            for each in self._under_way
            if each.decided.observed_at == proven.decided.observed_at and not each.of.isdisjoint(proven.feeds)
        ]
        if not shadows:
            return
        clock = asyncio.get_running_loop().time
        began = clock()
        patience = min(self._wait_s, *(self._slack(each) / 2 for each in proven.due))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                for shadow in shadows:
                    await shadow.gone.wait()
        for shadow in shadows:
            shadow.is_late = not shadow.gone.is_set()
        self._listener.waited(clock() - began)

    # --- what is wanted ---

    async def run(self, interval: float) -> None:
        """Go on with the shadows that the journal has open, and look at the feeds' proposals, until it is cancelled."""
        is_resumed = False
        while True:
            try:
                if not is_resumed:
                    self._resume(self._journal.unfinished())
                is_resumed = True
            except OracleError as error:
                log.warning("open shadows not read", reason=str(error))
            for feed in self._feeds:
                await self.look(feed)
            await asyncio.sleep(interval)

    async def look(self, feed: str) -> None:
        """Find out whether a feed's proposal demands more compared reports. If that fails, the next look is in time."""
        try:
            tally = await self._hub.shadow(self._feeds[feed])
            is_wanted = tally is not None and tally.compared < tally.min_compared
            problem = await self._problem(tally) if tally is not None and is_wanted else ""
        except OracleError as error:
            log.debug("proposal not read", feed=feed, reason=str(error))
            return
        if problem and problem != self._told.get(feed):
            log.warning("no shadow reports", feed=feed, reason=problem)
        self._told[feed] = problem
        before = self._wanted.pop(feed, None)
        self._proposed.pop(feed, None)
        if tally is not None:
            self._proposed[feed] = tally.model_number
            if is_wanted and not problem:
                self._wanted[feed] = tally.model_number
        if self._wanted.get(feed) != before:
            log.info("shadow reports", feed=feed, model=self._wanted.get(feed, "of none any more"))
        demanded = 0 if tally is None else tally.min_compared
        self._listener.looked(feed, 0 if tally is None else tally.compared, demanded)

    async def _problem(self, tally: Tally) -> str:
        """Return why no shadow can be made for a proposal; empty if one can."""
        if tally.model_number not in self._models:
            return (
                f"model {tally.model_number} is proposed, and this daemon has no circuits of it: "
                "restart it with the deployment file that `oracle deploy --add-model` wrote"
            )
        return "" if await self._can_pay() else "[keys] shadow has too little to pay for one: send it some ether"

    # --- one shadow ---

    def _resume(self, stages: Iterable[OpenStage]) -> None:
        for stage in stages:
            marks = {feed.rpartition(SHADOW)[1:] for feed in stage.feeds}
            if len(marks) != 1 or not (mark := marks.pop())[0]:
                continue
            _, number = mark
            if number.isdecimal() and int(number) in self._models and not isinstance(stage, Decided):
                log.info("going on with a shadow", observations=list(stage.keys), stage=name_of(stage))
                self._start(_Shadow(stage.decided, int(number)), stage)
            else:
                log.warning("a shadow of a model without circuits here is left", observations=list(stage.keys))

    def _start(self, shadow: _Shadow, stage: Scored | Proven | Submitted) -> None:
        self._under_way.append(shadow)
        shadow.task = asyncio.create_task(self._follow(shadow, stage))
        shadow.task.add_done_callback(lambda task: self._ended(shadow))

    def _ended(self, shadow: _Shadow) -> None:
        shadow.gone.set()
        if shadow in self._under_way:
            self._under_way.remove(shadow)

    async def _follow(self, shadow: _Shadow, stage: Scored | Proven | Submitted) -> None:
        """Take a shadow to its end. None of its errors reaches anybody else."""
        backoff = Backoff(AGAIN_FIRST_S, AGAIN_LAST_S)
        try:
            if not self._journal.has(shadow.decided.keys[0]):
                stage = await self._derive(shadow, stage)
            elif stage.decided != shadow.decided:
                return  # its report is signed again, and a shadow is made once
        except OracleError as error:
            event = "a shadow is left" if isinstance(error, JournalError) else "no shadow is made"
            log.warning(event, observations=list(shadow.decided.keys), reason=str(error))
            return
        failure: OracleError | None = None
        while True:
            try:
                if failure is not None:
                    found = self._open(shadow)
                    if found is None:
                        break
                    if not isinstance(found, Submitted) or _is_final(failure):
                        self._give_up(shadow, failure)
                        break
                    log.info("a shadow is looked after again", observations=list(found.keys), reason=str(failure))
                    stage = found
                await self._report(shadow, stage)
                break
            except JournalError as error:
                log.warning("a shadow is left", observations=list(shadow.decided.keys), reason=str(error))
                return
            except OracleError as error:
                # The first failure says how it ends; the journal's only that it is written down later.
                failure = failure if failure is not None and isinstance(error, JournalUnavailable) else error
                shadow.gone.set()
                is_sent = isinstance(stage, Submitted) or isinstance(error, JournalUnavailable)
            if is_sent:
                await asyncio.sleep(backoff.pause())
        for feed in shadow.of & set(self._feeds):
            await self.look(feed)

    async def _derive(self, shadow: _Shadow, of: Scored | Proven | Submitted) -> Scored:
        """Derive what the proposed model says of a signed report."""
        assert isinstance(of, Scored)
        ids = [each.feed_id for each in shadow.decided.due]
        states = dict(zip(ids, await self._hub.feed_states(ids), strict=True))
        terms = {each: await self._hub.feed_config(each) for each in {*ids, *deriving.peers(states.values())}}
        model = self._models[shadow.model_number]
        features = deriving.features(shadow.decided, of.signed, states, terms, model)
        scores = tuple(model.scores(each) for each in features)
        scored = Scored(shadow.decided, of.signed, shadow.model_number, features, scores)
        self._journal.record(shadow.decided, scored)
        self._listener.decided(shadow.decided)
        return scored

    async def _report(self, shadow: _Shadow, stage: Scored | Proven | Submitted) -> None:
        """Take a shadow from a stage to its end: prove → simulate → send → confirm."""
        if isinstance(stage, Scored):
            scored = stage

            async def prove() -> Proven:
                self._require_in_time(shadow)
                return await self._models[shadow.model_number].prove(scored)

            stage = await self._provers.use_spare(prove)
            self._journal.record(stage)
        if isinstance(stage, Proven):
            self._require_in_time(shadow)
            stage = await self._sender.sign(stage)
            self._journal.record(stage)
        await self._sender.broadcast(stage)
        shadow.gone.set()
        while isinstance(reached := await self._sender.confirm(stage), Submitted):
            stage = reached
            self._journal.record(stage)
            await self._sender.broadcast(stage)
        self._journal.record(reached)
        for observed, outcome in zip(reached.due, reached.outcomes, strict=True):
            self._listener.ended(observed, outcome, "", reached)

    def _open(self, shadow: _Shadow) -> OpenStage | None:
        """Return the stage of a shadow that the journal has open."""
        return next((each for each in self._journal.unfinished() if set(each.keys) & set(shadow.decided.keys)), None)

    def _give_up(self, shadow: _Shadow, error: OracleError) -> None:
        lost = isinstance(error, _ReportWentFirst | Preempted | Retryable)
        outcome = Outcome.SUPERSEDED if lost else Outcome.FAILED
        self._journal.finish(shadow.decided.keys, outcome, str(error))
        for observed in shadow.decided.due:
            self._listener.ended(observed, outcome, str(error), None)

    @staticmethod
    def _require_in_time(shadow: _Shadow) -> None:
        if shadow.is_late:
            raise _ReportWentFirst(LATE)

    async def close(self) -> None:
        """Cut off what is under way. The journal has how far it came."""
        tasks = [shadow.task for shadow in self._under_way if shadow.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def _is_final(error: OracleError) -> bool:
    """Return whether a signed shadow can't be taken any more after an error."""
    return isinstance(error, StateMoved) or not isinstance(error, Retryable)
