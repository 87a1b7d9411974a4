"""A member's signer: what it signs, and what never, whoever asks and whatever happened before.

1. Requests of this network, of the turn's holder, of now: `oracle.network.rules`.
2. After a start, nothing that could have been signed before and forgotten. A step of the clock counts as a start, too:
   a machine that is set back to an earlier state keeps its memory, but not the time.
3. One observation for each feed and turn, never an older one after a newer one: `oracle.network.ledger` holds it.
   Signing it again, with other feeds or for another round, is allowed, as reports are parted after failures. That a
   feed has no answer is an observation, too.
4. Own answers only: of the latest sighting of own sources, or none.
5. What is signed is on disk before it leaves. Then all members are told.
6. A message of the own key that is not in the ledger means that somebody else has the key, or that the ledger is old.
   In the first case nothing is signed any more.
"""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

import structlog

from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import JournalError, OracleError, Retryable
from oracle.core.formats import to_hex
from oracle.core.report import NO_READINGS, Report, ReporterSignature
from oracle.network.chain_view import ChainView
from oracle.network.evidence import EvidenceSink, FaultKind, MemberFault
from oracle.network.ledger import Ledger, OtherwiseSigned, SignedObservation, TurnShare, stored
from oracle.network.messages import (
    AnswerMessage,
    RefusalCode,
    Refused,
    ReportRequest,
    SignedRequest,
    report_hash,
)
from oracle.network.rules import RequestFault, SignerRules
from oracle.network.sightings import Sightings
from oracle.sources.readings import ReadingsDocument

__all__ = ["Member", "SigningKey"]

log = structlog.get_logger(__name__)

LONGEST_S = 20.0
"""Seconds that an answer may take here, whatever deadline is asked for."""

LEAST_S = 1.0
"""Seconds that it may take at least: the requester's clock may be behind this one."""

REMEMBERED = 64
"""The latest answer messages that are given again without asking the disk."""


class SigningKey(Protocol):
    """A reporter's key for one hub."""

    @property
    def address(self) -> str:
        """Checksummed."""

    async def sign_report(self, report: Report, answers: list[int], readings: list[bytes]) -> ReporterSignature:
        """Sign that these are the reporter's answers to a report."""
        ...


@dataclass(frozen=True, slots=True)
class _Answers:
    """The answers to sign for each feed of a report, and the documents that are new."""

    answers: list[int]
    readings: list[bytes]
    documents: list[ReadingsDocument]


class Member:
    """The signer of one node."""

    def __init__(
        self,
        rules: SignerRules,
        key: SigningKey,
        ledger: Ledger,
        sightings: Sightings,
        view: ChainView,
        evidence: EvidenceSink,
        *,
        clock: Callable[[], float],
        signed: Callable[[AnswerMessage], None] = lambda message: None,
        allow: Callable[[str], Awaitable[bool]] | None = None,
        monotonic: Callable[[], float] = time.monotonic,
    ) -> None:
        """Begin to sign. Only the journal's leader may: its ledger has all that was signed.

        Args:
            rules: The configuration to judge by.
            key: The reporter's key.
            ledger: All that was signed.
            sightings: The latest answers of this node's sources.
            view: The chain.
            evidence: Takes note of requests that nobody may make.
            clock: Unix seconds.
            signed: Told of each new answer message, when it is on disk: tells the members.
            allow: Returns whether a member may ask for something new now, by its address; None: always.
            monotonic: A clock in seconds that is never set.
        """
        self._rules = rules
        self._key = key
        self._ledger = ledger
        self._sightings = sightings
        self._view = view
        self._evidence = evidence
        self._clock = clock
        self._signed = signed
        self._allow = allow
        self._monotonic = monotonic
        self._lock = asyncio.Lock()
        self._writing: set[asyncio.Task[None]] = set()
        self._given: OrderedDict[bytes, AnswerMessage] = OrderedDict()
        self._allowed: OrderedDict[bytes, None] = OrderedDict()
        self._counted: tuple[int, TurnShare] = (-1, TurnShare())
        self._terms: dict[str, tuple[bytes, int]] = {}
        self._started_at = clock()
        self._drift = clock() - monotonic()
        self._problem = ""

    @property
    def address(self) -> str:
        """The reporter's address, checksummed."""
        return self._key.address

    @property
    def problem(self) -> str:
        """Why this node signs nothing any more; empty if it does."""
        return self._problem

    async def answer(self, signed: SignedRequest) -> AnswerMessage:
        """Return this node's answers to a report, signed; the same again if it was asked before.

        Args:
            signed: The request, of another member or of this one.

        Raises:
            Refused: It signs nothing; the code says why.
        """
        now = self._now()
        try:
            requester = self._rules.admit(signed, now)
        except RequestFault as fault:
            self._note(fault.requester, signed, fault.detail)
            raise
        self._compare(requester, signed.request)
        if self._problem:
            raise Refused(RefusalCode.ANOTHER_INSTANCE, self._problem)
        request = signed.request
        seconds = min(LONGEST_S, max(LEAST_S, request.deadline + self._rules.turns.clock_bound - now))
        try:
            async with asyncio.timeout(seconds):
                return await self._answer(signed, requester)
        except TimeoutError:
            raise Refused(RefusalCode.UNAVAILABLE, f"no answer was ready within {seconds:.1f} s") from None
        except OracleError as error:
            told = log.warning if isinstance(error, Retryable) else log.error
            told("can't sign", error=str(error), kind=type(error).__name__)
            raise Refused(RefusalCode.UNAVAILABLE, _said(error)) from None

    async def heard_own(self, message: AnswerMessage) -> None:
        """Look at a message that this node's own key has signed, and that somebody else has sent.

        If the ledger does not have it, either the ledger was set back, or another process signs with the key.

        Args:
            message: The message; its signature is the key's.

        Raises:
            OracleError: The ledger can't be read.
        """
        if await asyncio.to_thread(self._ledger.is_signed, message):
            return
        self._now()  # this machine may have been set back: then this node has just started
        bound = self._rules.turns.clock_bound
        if message.report.observed_at <= self._started_at + bound:
            try:
                if await asyncio.to_thread(self._ledger.adopt, message, self._known(message.report)):
                    log.error(
                        "the ledger had lost a report of our key: was it restored from a backup?",
                        turn=message.turn,
                        observed_at=message.report.observed_at,
                    )
                return
            except OtherwiseSigned:
                pass
        self._problem = (
            f"another process signs with the reporter key {self.address}: it signed a report observed at "
            f"{message.report.observed_at} that this node did not. Stop one of them, then start this one again"
        )
        log.error("nothing is signed any more", reason=self._problem, turn=message.turn)

    async def close(self) -> None:
        """Wait until what is being written is on disk."""
        await asyncio.gather(*self._writing, return_exceptions=True)

    # --- details ---

    async def _answer(self, signed: SignedRequest, requester: str) -> AnswerMessage:
        report, turn = signed.request.report, signed.request.turn
        found = await self._given_before(report)
        if found is not None:
            return found
        if not await self._may_ask(requester, report):
            detail = "too many different requests: wait a little"
            self._note(requester, signed, detail, FaultKind.FLOOD)
            raise Refused(RefusalCode.TOO_MANY, detail)
        self._rules.require_after_start(report, turn, self._started_at)
        await self._require_chain(report)
        async with self._lock:
            # Another request for the same may have been before this one.
            return await self._given_before(report) or await self._sign(signed, requester)

    async def _sign(self, signed: SignedRequest, requester: str) -> AnswerMessage:
        report, turn = signed.request.report, signed.request.turn
        known = self._known(report)
        there = await asyncio.to_thread(self._ledger.observations, turn, known)
        for feed_id, found in there.items():
            if found.observed_at != report.observed_at:
                detail = f"feed {to_hex(feed_id)}: in turn {turn}, the time {found.observed_at} was asked for already"
                if signed.request.terms == self._rules.terms:
                    self._note(requester, signed, detail)
                raise Refused(RefusalCode.SIGNED_ALREADY, detail)
        now = self._now()
        if len(there) < len(known) or not known:
            self._rules.require_recent(report, now)
            # The clock may have been set meanwhile.
            self._rules.require_after_start(report, turn, self._started_at)
        chosen = self._choose(report, there, now)
        if all(each == NO_ANSWER for each in chosen.answers):
            raise Refused(RefusalCode.NO_ANSWER, self._why_none(report, now))
        await self._require_few(turn)
        signature = await self._key.sign_report(report, chosen.answers, chosen.readings)
        message = AnswerMessage(
            reporter=self.address,
            turn=turn,
            terms=self._rules.terms,
            report=report,
            answers=tuple(chosen.answers),
            readings=tuple(chosen.readings),
            r=signature.r,
            vs=signature.vs,
        )
        # Once begun, the writing ends, also if whoever asked has gone: then the message is told to all.
        writing = asyncio.create_task(self._write(message, requester, chosen.documents), name="signing")
        self._writing.add(writing)
        writing.add_done_callback(self._written)
        await asyncio.shield(writing)
        return message

    async def _write(self, message: AnswerMessage, requester: str, documents: Sequence[ReadingsDocument]) -> None:
        """Write a message down; then it may leave."""

        def write() -> None:
            self._ledger.sign(message, requester, self._known(message.report), documents)

        try:
            await asyncio.to_thread(write)
        except OtherwiseSigned as error:
            code = RefusalCode.NOT_NEWER if error.is_older else RefusalCode.SIGNED_ALREADY
            raise Refused(code, str(error)) from None
        self._counted = (message.turn, self._counted[1] + stored(message))
        self._remember(message)
        self._signed(message)

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        if not task.cancelled() and (error := task.exception()) is not None:
            log.debug("not signed", reason=str(error))  # whoever asked was told, if it still was there

    def _choose(self, report: Report, there: Mapping[bytes, SignedObservation], now: float) -> _Answers:
        """Return what to sign for each feed: what was signed in this turn, or else what the sources say now."""
        chosen = _Answers([], [], [])
        for feed_id in report.feed_ids:
            answer, readings = NO_ANSWER, NO_READINGS
            found = there.get(feed_id)
            sighting = self._sightings.usable(feed_id, now) if found is None else None
            if found is not None:
                answer, readings = found.answer, found.readings
            elif sighting is not None and feed_id in self._view.states:
                answer = sighting.answer
                if sighting.readings is not None:
                    document = sighting.readings.document(self.address, report.observed_at)
                    chosen.documents.append(document)
                    readings = document.hash
            chosen.answers.append(answer)
            chosen.readings.append(readings)
        return chosen

    async def _require_chain(self, report: Report) -> None:
        """Require that the hub could take a report. If it seems that it could not, read the chain once more."""
        view, is_read = self._view, False
        while True:
            committee = view.committee
            try:
                if committee is None:
                    raise Refused(RefusalCode.STARTING, f"the chain was not read yet: {view.problem}")
                self._rules.require_chain(report, committee, view.states, view.reported_at_first, self.address)
                return
            except Refused:
                if is_read:
                    raise
            await view.refresh()
            is_read = True

    async def _require_few(self, turn: int) -> None:
        """Require that not too many different reports of one turn are signed: each takes its place on the disk."""
        if self._counted[0] != turn:
            self._counted = (turn, await asyncio.to_thread(self._ledger.share, turn))
        if not self._counted[1].has_room(TurnShare.most(len(self._sightings.feeds))):
            detail = f"{self._counted[1].messages} reports of turn {turn} are signed already, which is enough"
            raise Refused(RefusalCode.TOO_MANY, detail)

    async def _may_ask(self, requester: str, report: Report) -> bool:
        """Return whether a member may ask for a report that was not signed. Each is counted once.

        Whoever was asked can send the question on, as often as the server lets it: that is not the requester's doing.
        """
        key = report_hash(report)
        if self._allow is None or key in self._allowed:
            return True
        if not await self._allow(requester):
            return False
        self._allowed[key] = None
        while len(self._allowed) > REMEMBERED:
            self._allowed.popitem(last=False)
        return True

    async def _given_before(self, report: Report) -> AnswerMessage | None:
        key = report_hash(report)
        found = self._given.get(key) or await asyncio.to_thread(self._ledger.given, key)
        if found is not None:
            self._remember(found)
        return found

    def _remember(self, message: AnswerMessage) -> None:
        key = report_hash(message.report)
        self._given[key] = message
        self._given.move_to_end(key)
        while len(self._given) > REMEMBERED:
            self._given.popitem(last=False)

    def _known(self, report: Report) -> set[bytes]:
        return {feed_id for feed_id in report.feed_ids if feed_id in self._sightings.feeds}

    def _why_none(self, report: Report, now: float) -> str:
        reasons = dict.fromkeys(self._sightings.problem(feed_id, now) for feed_id in report.feed_ids)
        return "; ".join(each for each in reasons if each)[:400] or "its sources have given no answer"

    def _compare(self, requester: str, request: ReportRequest) -> None:
        """Say, once a turn at most, that a member has other terms than this node; or that they are the same again."""
        terms = request.terms
        said, turn = self._terms.get(requester, (self._rules.terms, -1))
        if said == terms or turn == request.turn:
            return
        if terms == self._rules.terms:
            log.info("a member has our terms now", member=requester)
        else:
            log.warning(
                "a member has other terms of the network in its configuration",
                member=requester,
                hint="oracle doctor shows whose",
            )
        self._terms[requester] = terms, request.turn

    def _note(
        self, requester: str, signed: SignedRequest, detail: str, kind: FaultKind = FaultKind.BAD_REQUEST
    ) -> None:
        if requester != self.address:
            self._evidence.note(MemberFault(kind, requester, signed.request.turn, detail, request=signed.to_json()))

    def _now(self) -> float:
        """Return the time. If the clock was set, that counts as a start."""
        now = self._clock()
        drift = now - self._monotonic()
        if abs(drift - self._drift) > max(1.0, self._rules.turns.clock_bound):
            log.warning("the clock was set: nothing new of this turn is signed", seconds=round(drift - self._drift, 1))
            self._started_at = now
            self._view.forget()
        self._drift = drift
        return now


def _said(error: OracleError) -> str:
    """Return what others are told of an error: not where things are on this machine."""
    return (
        "its journal can't be written" if isinstance(error, JournalError) else f"it can't now: {type(error).__name__}"
    )
