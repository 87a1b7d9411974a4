"""Shadow reports: what a proposed model says of each report, before the active model's report is sent.

While a proposal demands compared reports (`oracle feed propose-model --min-compared`), each observation of its feed is
proven twice. The hub takes a shadow only before its report, and compares the two afterwards:

    report    score → prove ────────────────────→ wait, `wait_s` at most → simulate → send → confirm
    shadow    score → prove, on a spare prover  → simulate → send ┘ → confirm

A report never depends on its shadow; it only goes after it. A shadow gets a prover that no report needs, and loses it
when one does. An account of its own pays for it, so its nonce holds up nothing. If anything goes wrong, it is given up,
unless it was signed: then it is followed to its end. It takes the pipeline's way, with journal entries of its own,
under the feed `eth#2` for eth as model 2 judges it. So each shadow is made once, whatever happens.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Protocol

import structlog

from oracle.core.backoff import Backoff
from oracle.core.errors import JournalError, JournalUnavailable, OracleError, Retryable
from oracle.core.types import (
    SHADOW,
    Confirmed,
    FeedState,
    Observed,
    OpenStage,
    Outcome,
    Proven,
    Scored,
    Stage,
    Submitted,
)
from oracle.feeds.batching import BatchPolicy, Preempted, SpareProvers
from oracle.feeds.interface import (
    AcceptedRound,
    HubReader,
    ProvingModel,
    Shadowing,
    Signer,
    StageJournal,
    TransactionSender,
)
from oracle.feeds.pipeline import Pipeline

log = structlog.get_logger(__name__)

AGAIN_FIRST_S = 1.0
AGAIN_LAST_S = 60.0
"""Seconds between two tries to follow a signed shadow, or to reach the journal: the first pause, and the longest."""

TOGETHER_S = 0.05
"""Seconds for which a shadow waits for the shadows of the reports that share a proof with its report."""

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


class KeyedJournal(StageJournal, Protocol):
    """A journal that says which observations it has."""

    def has(self, key: str) -> bool:
        """Return whether this observation was journalled, open or ended."""
        ...


class ShadowListener:
    """Hears what becomes of shadow reports; override what is of interest. Must not raise."""

    def looked(self, feed: str, compared: int, demanded: int) -> None:
        """A feed's proposal was read: how many reports were compared, of how many; 0 of 0: none is demanded."""

    def waited(self, seconds: float) -> None:
        """A proven report has waited this many seconds for its shadow to go first."""

    def reached(self, stage: Stage, outcome: Outcome | None, reason: str) -> None:
        """A shadow has reached a stage, or its end. See `oracle.feeds.interface.Watch`."""


class _ReportWentFirst(OracleError):
    """A shadow is of no use any more, because its report went first."""


@dataclass(eq=False)
class _Shadow:
    """A shadow that is under way.

    Attributes:
        of: The feed of its report.
        observed: Its observation, of the feed as the proposed model judges it.
        decided: Set once its report need not wait for it: it is sent, or never will be.
        is_late: True if its report went first.
    """

    of: str
    observed: Observed
    decided: asyncio.Event = field(default_factory=asyncio.Event)
    is_late: bool = False
    task: asyncio.Task[None] | None = field(default=None)


class Shadows(Shadowing):
    """Makes shadow reports of feeds with a proposed model."""

    def __init__(
        self,
        hub: TallyReader,
        feeds: Mapping[str, bytes],
        reporters: Sequence[Signer],
        models: Mapping[int, ProvingModel],
        submitter: TransactionSender,
        journal: KeyedJournal,
        spare: SpareProvers,
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
            reporters: Their signatures go into each shadow.
            models: Models that this daemon has circuits of, by their numbers.
            submitter: Signs and sends shadows, from an account that pays for no report.
            journal: Has each stage before the next begins.
            spare: The provers that no report needs.
            can_pay: Returns whether that account can pay for a shadow.
            slack: Returns the seconds until an observation is too old for its feed.
            wait_s: Seconds for which a proven report waits at most for its shadow to go first.
            listener: Notified of what becomes of shadows.
        """
        self._hub = hub
        self._feeds = feeds
        self._journal = journal
        self._can_pay = can_pay
        self._slack = slack
        self._wait_s = wait_s
        self._listener = listener or ShadowListener()
        self._lines = {
            number: Pipeline(
                _HubWithModel(hub, number),
                reporters,
                {number: _ModelOnSpareProvers(model, spare, self._require_in_time)},
                _ShadowSender(submitter, self._require_in_time, self._sent),
                journal,
                self._listener.reached,
                attempts=1,
                batching=BatchPolicy(window_s=TOGETHER_S, feeds=len(feeds)),
            )
            for number, model in models.items()
        }
        self._wanted: dict[str, int] = {}
        self._told: dict[str, str] = {}
        self._under_way: dict[str, _Shadow] = {}

    # --- beside a report ---

    def begin(self, observed: Sequence[Observed]) -> None:
        """Begin the shadows of a report that is on its way. See `Shadowing`."""
        for each in observed:
            number = self._wanted.get(each.feed)
            # One at a time: if it has not ended when the next report is due, that report has no shadow.
            if number is not None and all(shadow.of != each.feed for shadow in self._under_way.values()):
                self._start(each.shadow(number), None)

    async def ahead(self, observed: Sequence[Observed]) -> None:
        """Let the shadows of a proven report go first, if they are ready in time. See `Shadowing`."""
        moments = {(each.feed, each.observed_at) for each in observed}
        shadows = [each for each in self._under_way.values() if (each.of, each.observed.observed_at) in moments]
        if not shadows:
            return
        clock = asyncio.get_running_loop().time
        began = clock()
        patience = min(self._wait_s, *(self._slack(each) / 2 for each in observed))
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(patience):
                for shadow in shadows:
                    await shadow.decided.wait()
        for shadow in shadows:
            shadow.is_late = not shadow.decided.is_set()
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
        if tally is not None and is_wanted and not problem:
            self._wanted[feed] = tally.model_number
        if self._wanted.get(feed) != before:
            log.info("shadow reports", feed=feed, model=self._wanted.get(feed, "of none any more"))
        demanded = 0 if tally is None else tally.min_compared
        self._listener.looked(feed, 0 if tally is None else tally.compared, demanded)

    async def _problem(self, tally: Tally) -> str:
        """Return why no shadow can be made for a proposal; empty if one can."""
        if tally.model_number not in self._lines:
            return (
                f"model {tally.model_number} is proposed, and this daemon has no circuits of it: "
                "restart it with the deployment file that `oracle deploy --add-model` wrote"
            )
        return "" if await self._can_pay() else "[keys] shadow has too little to pay for one: send it some ether"

    # --- one shadow ---

    def _resume(self, stages: Iterable[OpenStage]) -> None:
        for stage in stages:
            _, mark, number = stage.observed.feed.rpartition(SHADOW)
            if not mark:
                continue
            if number.isdecimal() and int(number) in self._lines:
                log.info("going on with a shadow", observation=stage.observed.key, stage=type(stage).__name__.lower())
                self._start(stage.observed, stage)
            else:
                log.warning("a shadow of a model without circuits here is left", observation=stage.observed.key)

    def _start(self, observed: Observed, stage: OpenStage | None) -> None:
        of, _, number = observed.feed.rpartition(SHADOW)
        shadow = _Shadow(of, observed)
        self._under_way[observed.key] = shadow
        shadow.task = asyncio.create_task(self._follow(shadow, self._lines[int(number)], stage))
        shadow.task.add_done_callback(lambda task: self._ended(shadow))

    def _ended(self, shadow: _Shadow) -> None:
        shadow.decided.set()
        self._under_way.pop(shadow.observed.key, None)

    async def _follow(self, shadow: _Shadow, line: Pipeline, stage: OpenStage | None) -> None:
        """Take a shadow to its end. None of its errors reaches anybody else."""
        failure: OracleError | None = None
        backoff = Backoff(AGAIN_FIRST_S, AGAIN_LAST_S)
        while True:
            try:
                if failure is not None:
                    stage = next(iter(line.unfinished(shadow.observed.feed)), None)
                    if stage is None:
                        break
                    if not (isinstance(stage, Submitted) and isinstance(failure, Retryable)):
                        lost = isinstance(failure, _ReportWentFirst | Preempted | Retryable)
                        line.give_up(stage.observed, Outcome.SUPERSEDED if lost else Outcome.FAILED, str(failure))
                        break
                    log.info("a shadow is looked after again", observation=shadow.observed.key, reason=str(failure))
                if stage is not None:
                    await line.resume(stage)
                elif not self._journal.has(shadow.observed.key):
                    await line.report(shadow.observed)
                break
            except JournalError as error:
                log.warning("a shadow is left", observation=shadow.observed.key, reason=str(error))
                return
            except OracleError as error:
                failure = error
                shadow.decided.set()
            if isinstance(stage, Submitted) or isinstance(failure, JournalUnavailable):
                await asyncio.sleep(backoff.pause())
        if shadow.of in self._feeds:
            await self.look(shadow.of)

    def _require_in_time(self, batch: Sequence[Scored | Proven]) -> None:
        for each in batch:
            shadow = self._under_way.get(each.observed.key)
            if shadow is not None and shadow.is_late:
                raise _ReportWentFirst(LATE)

    def _sent(self, observed: Observed) -> None:
        shadow = self._under_way.get(observed.key)
        if shadow is not None:
            shadow.decided.set()

    async def close(self) -> None:
        """Cut off what is under way. The journal has how far it came."""
        tasks = [shadow.task for shadow in self._under_way.values() if shadow.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        for line in self._lines.values():
            await line.close()


@dataclass(frozen=True)
class _HubWithModel:
    """A hub as if a proposed model were active.

    It has no rounds: a shadow comes before its report, so no round can be the shadow's.
    """

    hub: HubReader
    number: int

    async def feed_state(self, feed_id: bytes) -> FeedState:
        return replace(await self.hub.feed_state(feed_id), model_number=self.number, held=None)

    async def round(self, feed_id: bytes, round_id: int) -> AcceptedRound | None:
        return None


@dataclass(frozen=True)
class _ModelOnSpareProvers:
    """A model whose proofs are made on spare provers."""

    model: ProvingModel
    spare: SpareProvers
    require_in_time: Callable[[Sequence[Scored]], None]

    @property
    def features(self) -> int:
        return self.model.features

    @property
    def spread(self) -> bool:
        return self.model.spread

    def scores(self, features: Sequence[int]) -> tuple[int, ...]:
        return self.model.scores(features)

    def seconds(self) -> Mapping[int, float]:
        return self.model.seconds()

    async def prove(self, batch: Sequence[Scored]) -> Sequence[Proven]:
        async def work() -> Sequence[Proven]:
            self.require_in_time(batch)
            return await self.model.prove(batch)

        return await self.spare.use(work)


@dataclass(frozen=True)
class _ShadowSender:
    """A submitter that signs no late shadow, and says when it has sent one."""

    submitter: TransactionSender
    require_in_time: Callable[[Sequence[Proven]], None]
    sent: Callable[[Observed], None]

    async def sign_batch(self, batch: Sequence[Proven]) -> Sequence[Submitted]:
        self.require_in_time(batch)
        return await self.submitter.sign_batch(batch)

    async def broadcast(self, submitted: Submitted) -> None:
        await self.submitter.broadcast(submitted)
        self.sent(submitted.observed)

    async def confirm(self, submitted: Submitted) -> Confirmed | Submitted:
        return await self.submitter.confirm(submitted)
