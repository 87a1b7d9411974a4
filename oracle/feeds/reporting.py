"""The way of one report, top to bottom:

    decide → sign → derive → prove → simulate → send → confirm

    An offered report ends after the proof: it is kept, for whoever brings it. One that the hub would hold is sent, as
    nobody would bring it, and everybody has to see that an answer is in doubt.

`oracle.feeds.deciding` is the first step; the rest is `Reporting.report`. Each stage takes the previous stage's frozen
type and returns the next; the journal has it before the next begins. Each step that depends on the chain reads the
chain again: a proof is about the chain's history, not about what is remembered here.

A report is signed, proven and sent as a whole, and each of its observations has an end of its own. What can't be
reported is left out; see `oracle.feeds.parting`.
"""

from __future__ import annotations

import contextlib
import time
from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import structlog

from oracle.core import gate
from oracle.core.concurrency import together
from oracle.core.errors import ContractRejected, ModelMissing, OracleError, StateMoved
from oracle.core.report import SignedReport
from oracle.core.stages import Confirmed, Decided, Observed, OpenStage, Proven, Scored, Submitted, Unproven
from oracle.core.types import FeedState, Outcome
from oracle.feeds import deriving, parting
from oracle.feeds.interface import (
    FeedTerms,
    HubReader,
    OfferedReports,
    Permission,
    ProvingModel,
    ReportListener,
    ReportStep,
    Shadowing,
    Signers,
    SigningCommittee,
    StageJournal,
    TransactionSender,
)
from oracle.feeds.outlook import Outlook
from oracle.feeds.provers import Slot
from oracle.feeds.shelf import KEPT

__all__ = ["ATTEMPTS", "OVERTAKEN", "Again", "Reporting"]

log = structlog.get_logger(__name__)

ATTEMPTS = 3
"""The number of times that an observation is signed at most, because the feed moved during the proof before."""

ROUNDS_LOOKED_BACK = 100
"""The number of rounds that are searched for a report that somebody else submitted."""

OVERTAKEN = "a newer observation of the feed was due before this one was proven"

_BY_ANOTHER = "another's transaction carried it"


@dataclass(frozen=True, slots=True)
class Again:
    """Observations that have to be signed again.

    Attributes:
        decided: The observations.
        model: The model that judges them, if it is known.
        alone: True if each has to go by itself.
    """

    decided: Decided
    model: int | None = None
    alone: bool = False


class Reporting:
    """Takes reports of any committee of one hub to the chain."""

    def __init__(
        self,
        hub: HubReader,
        signers: Signers,
        models: Mapping[int, ProvingModel],
        sender: TransactionSender,
        journal: StageJournal,
        listener: ReportListener | None = None,
        shadows: Shadowing | None = None,
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
        shelf: OfferedReports | None = None,
        permission: Permission | None = None,
        outlook: Outlook | None = None,
    ) -> None:
        """Put the parts together.

        Args:
            hub: Reads feeds, rounds and committees from the chain.
            signers: Sign each report.
            models: The models, by the numbers that the hub gave them.
            sender: Signs, sends and follows transactions.
            journal: Has each stage before the next begins.
            listener: Hears what becomes of reports, for metrics and tables.
            shadows: Makes shadow reports beside the reports.
            clock: Seconds, to measure with.
            now: Unix seconds.
            shelf: Keeps offered reports; None: they are sent as all others.
            permission: Says when this node may report; None: always.
            outlook: Told of what the hub has refused; None: nobody is.
        """
        self._hub = hub
        self._signers = signers
        self._models = models
        self._sender = sender
        self._journal = journal
        self._listener = listener or ReportListener()
        self._shadows = shadows or Shadowing()
        self._clock = clock
        self._now = now
        self._shelf = shelf
        self._permission = permission or Permission()
        self._outlook = outlook or Outlook()
        self._failures: Counter[str] = Counter()
        self._moved: Counter[str] = Counter()
        self._parted: Counter[str] = Counter()

    # --- the way ---

    async def report(self, stage: OpenStage, slot: Slot | None = None) -> Sequence[Again]:
        """Take a report from its furthest stage to its end. A transaction that was signed is followed, not made again.

        Args:
            stage: The stage.
            slot: The prover that is kept free for it, if it has to be proven. It is given back after the proof.

        Returns:
            The observations that have to be signed again. All others have ended.

        Raises:
            Retryable: Nothing more can be done now. The journal has how far it came.
            Fatal: A person has to change something before it can go on.
        """
        reached = stage
        try:
            with slot or contextlib.nullcontext():
                reached = await self._sign(reached)
                self._begin_shadows(reached)
                reached = await self._prove(reached)
            if await self._offer(reached):
                return ()
            await self._let_shadows_ahead(reached)
            reached = await self._simulate(reached)
            await self._send_and_confirm(reached)
        except _SignAgain as again:
            return again.parts
        except OracleError as error:
            return await self._part(reached, error)
        return ()

    async def _sign(self, stage: OpenStage) -> Scored | Proven | Submitted:
        """Sign the report for the feeds' next rounds, and derive the statements from the feeds' states."""
        if isinstance(stage, Submitted):
            return stage
        with self._timing(ReportStep.SIGN):
            decided = stage.decided
            committee, states, terms = await self._read(decided)
            await self._require_due(stage, states, terms)
            self._require_permission(stage, ReportStep.SIGN if isinstance(stage, Decided) else ReportStep.PROVE)
            model_number = self._one_model(decided, states)
            model, report = self._model(model_number), deriving.report(decided, committee, states)
            if not isinstance(stage, Decided):
                scored = stage.scored if isinstance(stage, Proven) else stage
                if (scored.decided, scored.model_number, scored.signed.report) == (decided, model_number, report):
                    features = deriving.features(decided, scored.signed, states, terms, model)
                    if features == scored.features:
                        return stage
            if isinstance(stage, Proven):
                raise _SignAgain(Again(decided, model_number))  # which takes a prover
            signed = await self._signers.collect(report, decided.answers, committee)
            self._require_quorum(decided, signed, committee)
            features = deriving.features(decided, signed, states, terms, model)
            scored = Scored(decided, signed, model_number, features, tuple(model.scores(each) for each in features))
            self._journal.record(scored)
        self._listener.reached(scored)
        return scored

    async def _prove(self, stage: Scored | Proven | Submitted) -> Proven | Submitted:
        """Prove all statements with one proof, which the prover verifies. A finished proof is never made again."""
        if not isinstance(stage, Scored):
            return stage
        self._require_permission(stage, ReportStep.PROVE)
        with self._timing(ReportStep.PROVE):
            proven = await self._model(stage.model_number).prove(stage)
            self._journal.record(proven)
        self._listener.reached(proven)
        return proven

    async def _offer(self, stage: Proven | Submitted) -> bool:
        """Keep an offered report, which ends it. Return False if it has to be sent."""
        if self._shelf is None or not stage.decided.is_offered or isinstance(stage, Submitted):
            return False
        with self._timing(ReportStep.OFFER):
            _, states, terms = await self._read(stage.decided)
            if any(map(partial(_would_hold, stage, states, terms), stage.due)):
                log.info("sent, as the hub would hold it", observations=list(stage.keys))
                return False
            await self._shelf.put(stage)
        for observed in stage.due:
            self._ended(observed, Outcome.OFFERED, KEPT, None)
        return True

    async def _simulate(self, stage: Proven | Submitted) -> Submitted:
        """Simulate and sign the transaction. The journal has it before the network does."""
        if isinstance(stage, Submitted):
            return stage
        self._require_permission(stage, ReportStep.SIMULATE)
        with self._timing(ReportStep.SIMULATE):
            submitted = await self._sender.sign(stage)
            self._journal.record(submitted)
        self._listener.reached(submitted)
        return submitted

    async def _send_and_confirm(self, submitted: Submitted) -> None:
        """Send, or send again, and wait for the end on the chain. A replacement is journalled, then sent."""
        with self._timing(ReportStep.SEND):
            await self._sender.broadcast(submitted)
        with self._timing(ReportStep.CONFIRM):
            while isinstance(reached := await self._sender.confirm(submitted), Submitted):
                submitted = reached
                self._journal.record(submitted)
                await self._sender.broadcast(submitted)
            self._journal.record(reached)
        self._listener.reached(reached)
        for observed, outcome in zip(reached.due, reached.outcomes, strict=True):
            self._ended(observed, outcome, "", reached)

    def _begin_shadows(self, stage: Scored | Proven | Submitted) -> None:
        if not isinstance(stage, Submitted) and not stage.decided.is_offered:
            self._shadows.begin(stage.scored if isinstance(stage, Proven) else stage)

    async def _let_shadows_ahead(self, stage: Proven | Submitted) -> None:
        if isinstance(stage, Proven) and not stage.decided.is_offered:
            with self._timing(ReportStep.SHADOW):
                await self._shadows.ahead(stage)

    # --- what is still to be reported ---

    async def _read(
        self, decided: Decided
    ) -> tuple[SigningCommittee, Mapping[bytes, FeedState], Mapping[bytes, FeedTerms]]:
        """Read the committee, the state of each feed that is due, and the terms of these and of their peers."""
        ids = [each.feed_id for each in decided.due]
        committee, found = await together(self._hub.committee(decided.committee), self._hub.feed_states(ids))
        states = dict(zip(ids, found, strict=True))
        terms = {each: await self._hub.feed_config(each) for each in {*ids, *deriving.peers(states.values())}}
        return committee, states, terms

    async def _require_due(
        self, stage: Unproven | Proven, states: Mapping[bytes, FeedState], terms: Mapping[bytes, FeedTerms]
    ) -> None:
        """Require that all observations can be reported now. The others end, and the rest is signed again."""
        decided, left = stage.decided, []
        youngest = min(terms[observed.feed_id].max_age for observed in decided.due)
        # By the chain's time, as that of a recording may be years ago. Nobody asks for it while an observation is new.
        head = await self._hub.head_time() if self._now() - decided.observed_at > youngest else 0
        for observed in decided.due:
            state, max_age = states[observed.feed_id], terms[observed.feed_id].max_age
            if observed.observed_at <= state.last_report_at:
                self._end([observed], *await self._relayed(observed, state, deriving.answers(stage, observed)))
            elif state.paused:
                self._end([observed], Outcome.FAILED, "the feed is paused")
            elif head - observed.observed_at > max_age:
                reason = (
                    f"observed {head - observed.observed_at:,} s ago: the feed takes nothing older than {max_age:,} s"
                )
                self._end([observed], Outcome.FAILED, reason)
            elif any(peer not in decided.answers for peer in state.peers):
                self._end([observed], Outcome.FAILED, "a peer of the feed has no answer")
            else:
                left.append(observed.key)
        if len(left) < len(decided.due):
            raise _SignAgain(*([_again(decided, left)] if left else []))

    def _require_permission(self, stage: Unproven | Proven, step: ReportStep) -> None:
        """Require that this node may still report. If not, all ends: what is due is reported by whoever may."""
        reason = self._permission.refusal(stage.decided, step)
        if reason is not None:
            self._end(stage.due, Outcome.SUPERSEDED, reason)
            raise _SignAgain

    def _one_model(self, decided: Decided, states: Mapping[bytes, FeedState]) -> int:
        """Return the model that judges all observations; they part if there are several, or too many for one proof."""
        by_model: dict[int, list[str]] = {}
        for each in decided.due:
            by_model.setdefault(states[each.feed_id].model_number, []).append(each.key)
        [number, *others] = by_model
        here = self._models.get(number)
        most = len(decided.due) if here is None else max(here.seconds())
        if others or len(decided.due) > most:
            parts = [(model, keys[first : first + most]) for model, keys in by_model.items()
                     for first in range(0, len(keys), most)]  # fmt: skip
            raise _SignAgain(*(_again(decided, keys, model) for model, keys in parts))
        return number

    def _model(self, number: int) -> ProvingModel:
        try:
            return self._models[number]
        except KeyError:
            known = ", ".join(str(known) for known in sorted(self._models)) or "none"
            raise ModelMissing(
                f"the feed's active model is number {number}, but there are artifacts of model {known} only: "
                "build or copy the model's artifact, name it in the deployment file, and start again"
            ) from None

    def _require_quorum(self, decided: Decided, signed: SignedReport, committee: SigningCommittee) -> None:
        """Require a quorum for each feed. What lacks one ends; the rest is signed again."""
        short = {signed.report.feed_ids[position] for position in signed.short_of(committee.quorum)}
        if not short:
            return
        lacking = [each for each in decided.due if each.feed_id in short]
        if not lacking:  # peers lack it
            raise StateMoved(f"too few reporters have an answer for a peer of {', '.join(decided.feeds)}")
        self._end(lacking, Outcome.FAILED, f"fewer reporters than the quorum of {committee.quorum} have an answer")
        rest = decided.only([each.key for each in decided.due if each not in lacking])
        raise _SignAgain(*([] if rest is None else [Again(rest)]))

    async def _relayed(self, observed: Observed, state: FeedState, answers: Collection[int]) -> tuple[Outcome, str]:
        """Return how an observation ended without our transaction: anyone may submit a signed report."""
        held = state.held
        if held is not None and held.observed_at == observed.observed_at and held.answer in answers:
            return Outcome.HELD, _BY_ANOTHER
        for round_id in range(state.round_id, max(0, state.round_id - ROUNDS_LOOKED_BACK), -1):
            found = await self._hub.round(observed.feed_id, round_id)
            if found is None or found.observed_at < observed.observed_at:
                break
            if found.observed_at == observed.observed_at and found.answer in answers:
                return Outcome.ACCEPTED, _BY_ANOTHER
        return Outcome.SUPERSEDED, f"the feed has a report observed at {state.last_report_at}, not before this one"

    # --- what went wrong ---

    async def _part(self, stage: OpenStage, error: OracleError) -> Sequence[Again]:
        """Return what is signed again after an error. Raise it if it is nobody's."""
        peers = {
            each: (await self._hub.feed_config(each)).peers for each in [observed.feed_id for observed in stage.due]
        }
        parts = parting.part(stage.decided, error, peers)
        if parts is None:
            raise error
        event = "state moved" if isinstance(error, StateMoved) else "report parted"
        log.info(event, observations=list(stage.keys), reason=str(error))
        if isinstance(stage, Submitted):
            left = stage.decided.only(await self._not_on_chain(stage))
            if left is None:
                return ()
            if left.keys != stage.keys:
                parts = parting.part(left, error, peers) or parting.Parts(None, (left,))
        at_fault = () if parts.at_fault is None else parts.at_fault.due
        again = [each for observed in at_fault for each in await self._at_fault(stage, observed, error)]
        for rest in parts.rest:
            self._parted.update(rest.keys)
            alone = any(self._parted[key] >= ATTEMPTS for key in rest.keys)
            again.append(Again(rest, alone=alone))
        return again

    async def _not_on_chain(self, submitted: Submitted) -> Collection[str]:
        """End the observations that the chain has, and return the keys of the others.

        The transaction may have been mined, and only its receipt be missing. What is signed again waits, and a newer
        observation that overtakes it ends it without asking the chain.
        """
        states = await self._hub.feed_states([each.feed_id for each in submitted.due])
        left = []
        for observed, state in zip(submitted.due, states, strict=True):
            if observed.observed_at <= state.last_report_at:
                self._end([observed], *await self._relayed(observed, state, deriving.answers(submitted, observed)))
            else:
                left.append(observed.key)
        return left

    async def _at_fault(self, stage: OpenStage, observed: Observed, error: OracleError) -> Sequence[Again]:
        """End an observation that made its report fail, or let it go by itself, if its feed has moved."""
        if not isinstance(error, StateMoved):
            await self._fail(stage, observed, str(error))
            return ()
        self._moved[observed.key] += 1
        if self._moved[observed.key] >= ATTEMPTS:
            await self._fail(stage, observed, f"the feed moved under each of {ATTEMPTS} proofs")
            return ()
        # A feed that moves often must not hold up others.
        return (_again(stage.decided, [observed.key], alone=True),)

    async def _fail(self, stage: OpenStage, observed: Observed, reason: str) -> None:
        """End an observation as failed, unless somebody else brought it to the chain."""
        with contextlib.suppress(ContractRejected):
            state = await self._hub.feed_state(observed.feed_id)
            if observed.observed_at <= state.last_report_at:
                outcome, how = await self._relayed(observed, state, deriving.answers(stage, observed))
                if outcome is not Outcome.SUPERSEDED:
                    self._end([observed], outcome, how)
                    return
        if isinstance(stage, Proven | Submitted):
            self._failures[observed.feed] += 1
        self._end([observed], Outcome.FAILED, reason)

    # --- ends ---

    def failures(self, feed: str) -> int:
        """Return how many of a feed's observations were refused with their proofs, since the last one that was not."""
        return self._failures[feed]

    async def report_now(self, decided: Decided) -> None:
        """Take a fresh report all the way, without a desk: nothing else is under way. Raises as `report`."""
        self.decide([decided])
        left: list[Decided] = [decided]
        while left:
            left += [again.decided for again in await self.report(left.pop(0))]

    def decide(self, decisions: Sequence[Decided], overtaken: Sequence[Observed] = ()) -> None:
        """Journal that reports are due. From here on, each of their observations has to end.

        Args:
            decisions: The reports.
            overtaken: Observations that end at the same moment, because newer ones of their feeds are in the reports.
        """
        self._journal.record(*decisions, superseded={each.key: OVERTAKEN for each in overtaken})
        for decided in decisions:
            self._listener.decided(decided)
        for observed in overtaken:
            self._ended(observed, Outcome.SUPERSEDED, OVERTAKEN, None)

    def overtake(self, observed: Sequence[Observed]) -> None:
        """End observations that are not being proven, because newer ones of their feeds are due."""
        self._end(observed, Outcome.SUPERSEDED, OVERTAKEN)

    def _end(self, observed: Sequence[Observed], outcome: Outcome, reason: str) -> None:
        if observed:
            self._journal.finish([each.key for each in observed], outcome, reason)
        for each in observed:
            self._ended(each, outcome, reason, None)

    def _ended(self, observed: Observed, outcome: Outcome, reason: str, confirmed: Confirmed | None) -> None:
        self._moved.pop(observed.key, None)
        self._parted.pop(observed.key, None)
        if outcome is Outcome.FAILED:
            self._outlook.doubt()
        elif outcome is not Outcome.SUPERSEDED:
            self._failures.pop(observed.feed, None)
        self._listener.ended(observed, outcome, reason, confirmed)

    @contextlib.contextmanager
    def _timing(self, step: ReportStep) -> Iterator[None]:
        began = self._clock()
        yield
        self._listener.took(step, self._clock() - began)


class _SignAgain(OracleError):
    """Some observations have to be signed again; with none, all have ended."""

    def __init__(self, *parts: Again) -> None:
        super().__init__("signed again")
        self.parts = parts


def _again(decided: Decided, keys: Collection[str], model: int | None = None, *, alone: bool = False) -> Again:
    found = decided.only(keys)
    assert found is not None
    return Again(found, model, alone)


def _would_hold(
    proven: Proven, states: Mapping[bytes, FeedState], terms: Mapping[bytes, FeedTerms], observed: Observed
) -> bool:
    """Return whether the hub would hold a feed's answer; True as well if it holds one already."""
    scored, feed_id = proven.scored, observed.feed_id
    answer = scored.signed.median(scored.signed.report.feed_ids.index(feed_id))
    scores = scored.scores[proven.due.index(observed)]
    state = states[feed_id]
    return state.held is not None or gate.would_hold(state, terms[feed_id].max_repeats, answer, scores)
