"""Collecting: the holder of a turn asks all members for their answers at once, and waits for a quorum.

What a member signed for this report before, or told by itself, counts like an answer to the question. With a quorum for
each feed, the others have a short grace; then the report goes on. Whoever answers later is heard all the same: that
serves the next try, if there is one.
"""

from __future__ import annotations

import asyncio
import contextlib
import math
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from typing import Protocol

import structlog

from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import ContractRejected, DataError, SignerUnavailable
from oracle.core.formats import to_hex
from oracle.core.report import Report, SignedReport
from oracle.feeds.interface import SigningCommittee
from oracle.network.choosing import Chosen, SpreadTerms, choose, count_far, most_liars, short_of
from oracle.network.client import MemberInvalid, MemberSilent
from oracle.network.evidence import EvidenceSink, FaultKind, MemberFault
from oracle.network.heard import Heard
from oracle.network.ledger import Asked
from oracle.network.messages import AnswerMessage, RefusalCode, Refused, ReportRequest, SignedRequest
from oracle.network.rules import SignerRules
from oracle.network.telling import TOLD_AFTER_S

__all__ = ["AsksMember", "NetworkSigners", "OwnAnswers", "RequestKey"]

log = structlog.get_logger(__name__)

LEAST_GRACE_S = 0.05
"""Seconds for which the others are waited for at least, however fast the quorum was, unless it is configured."""

SENT_AT_LEAST_S = 0.05
"""Seconds that have to be left of a turn for a question to make sense."""

_IN_ORDER = frozenset(
    {
        RefusalCode.STARTING,
        RefusalCode.UNAVAILABLE,
        RefusalCode.NO_ANSWER,
        RefusalCode.WRONG_EPOCH,
        RefusalCode.WRONG_ROUND,
        RefusalCode.NOT_A_REPORTER,
        RefusalCode.PAUSED,
        RefusalCode.NOT_NEWER,
    }
)
"""Refusals that are no fault: its sources, its start, or a head of the chain that it sees earlier or later."""


class RequestKey(Protocol):
    """The key that signs this node's requests."""

    async def sign_request(self, report: Report, turn: int, deadline: int, terms: bytes) -> bytes:
        """Return the signature of a request, 65 bytes."""
        ...


class AsksMember(Protocol):
    """The way to one member; see `oracle.network.client.MemberClient`."""

    @property
    def name(self) -> str:
        """Its name in this node's configuration."""

    async def ask(self, signed: SignedRequest, timeout_s: float | None = None) -> AnswerMessage:
        """Return its answers to a report."""
        ...


class OwnAnswers(Protocol):
    """This node's own signer; see `oracle.network.member.Member`."""

    async def answer(self, signed: SignedRequest) -> AnswerMessage:
        """Return this node's answers to a report."""
        ...


@dataclass
class _Collection:
    """One report for which members are asked."""

    signed: SignedRequest
    committee: SigningCommittee
    terms: Mapping[bytes, SpreadTerms]
    began: float
    asked: tuple[str, ...] = ()
    own: AnswerMessage | None = None
    is_over: bool = False
    problems: dict[str, str] = field(default_factory=dict)
    wrong: dict[str, float] = field(default_factory=dict)
    """Members that gave this node a wrong answer, and until when each may tell its right one, which others may have."""

    @property
    def report(self) -> Report:
        return self.signed.request.report


class NetworkSigners:
    """Collects the answers of a network's members. See `oracle.feeds.interface.Signers`."""

    def __init__(
        self,
        rules: SignerRules,
        key: RequestKey,
        members: Mapping[str, AsksMember],
        heard: Heard,
        evidence: EvidenceSink,
        terms: Callable[[bytes], Awaitable[SpreadTerms]],
        *,
        clock: Callable[[], float],
        timeout_s: float,
        grace_s: float | None,
        own: OwnAnswers | None = None,
    ) -> None:
        """Prepare to collect.

        Args:
            rules: The configuration: turns, members, and whom this node ignores.
            key: Signs the requests.
            members: The ways to the other members, by the addresses of their reporters, checksummed.
            heard: Has what members have told.
            evidence: Takes note of faults.
            terms: Returns the terms of a feed, by its id.
            clock: Unix seconds.
            timeout_s: Seconds for which a member is waited for.
            grace_s: Seconds for which the others are waited for, once there is a quorum; None: half of what the quorum
                took, and `LEAST_GRACE_S` at least.
            own: This node's signer; None: it gives no answers of its own.
        """
        self._rules = rules
        self._key = key
        self._members = {reporter: each for reporter, each in members.items() if reporter not in rules.ignored}
        self._heard = heard
        self._evidence = evidence
        self._terms = terms
        self._clock = clock
        self._timeout_s = timeout_s
        self._grace_s = grace_s
        self._own = own
        self._late: set[asyncio.Task[None]] = set()
        self._of_other_terms: set[str] = set()

    async def collect(self, report: Report, answers: Mapping[bytes, int], committee: SigningCommittee) -> SignedReport:
        """Return the report with the signatures of a quorum of the members, or of more.

        Each member answers by its own rules, this node included: it says what its sources say, not what was decided.

        Raises:
            SignerUnavailable: Too few have signed in time.
            ContractRejected: The answers to a feed are too far apart, whoever is left out; the error names the feed.
        """
        turns = self._rules.turns
        turn, now = turns.at(report.observed_at), self._clock()
        seconds = min(self._timeout_s, turns.left(turn, now))
        if seconds < SENT_AT_LEAST_S:
            raise SignerUnavailable(f"turn {turn} is over: nobody is asked any more")
        deadline = math.ceil(now + seconds)
        signature = await self._key.sign_request(report, turn, deadline, self._rules.terms)
        signed = SignedRequest(ReportRequest(report, turn, deadline, self._rules.terms), signature)
        terms = {feed_id: await self._terms(feed_id) for feed_id in report.feed_ids}
        collection = _Collection(signed, committee, terms, asyncio.get_running_loop().time())
        try:
            chosen = await self._gather(collection, seconds)
        finally:
            collection.is_over = True
        return self._signed(collection, chosen)

    async def close(self) -> None:
        """Wait for nobody any more."""
        late = list(self._late)
        for task in late:
            task.cancel()
        await asyncio.gather(*late, return_exceptions=True)

    # --- asking ---

    async def _gather(self, collection: _Collection, seconds: float) -> Chosen:
        """Ask all who have not answered yet. Return what is chosen of their answers once there is enough of them."""
        loop = asyncio.get_running_loop()
        until, in_grace = collection.began + seconds, False
        with self._heard.watch(collection.report) as news:
            before = self._found(collection)
            reporters = {each.lower() for each in collection.committee.reporters}
            collection.asked = tuple(each for each in self._members if each not in before and each.lower() in reporters)
            asking = [self._ask(each, collection, seconds) for each in collection.asked]
            tasks = [asyncio.create_task(each, name="ask") for each in asking]
            if self._own is not None:
                tasks.append(asyncio.create_task(self._ask_own(collection), name="own answer"))
            self._late.update(tasks)
            for task in tasks:
                task.add_done_callback(self._late.discard)
            while True:
                news.clear()
                chosen = self._choose(collection)
                pending = [task for task in tasks if not task.done()]
                if not in_grace and self._is_enough(collection, chosen):
                    until, in_grace = min(until, loop.time() + self._grace(collection)), True
                told = self._told_by(collection)
                left = min(max(until if pending else told, told), collection.began + seconds) - loop.time()
                if left <= 0:
                    break
                listening = asyncio.ensure_future(news.wait())
                try:
                    await asyncio.wait([*pending, listening], timeout=left, return_when=asyncio.FIRST_COMPLETED)
                finally:
                    listening.cancel()
        for task in tasks:
            if task.done() and not task.cancelled():
                task.result()  # raises what is a mistake of ours
        return chosen

    def _grace(self, collection: _Collection) -> float:
        """Return the seconds for which the others are waited for now, as there is a quorum."""
        if self._grace_s is not None:
            return self._grace_s
        return max(LEAST_GRACE_S, (asyncio.get_running_loop().time() - collection.began) / 2)

    def _told_by(self, collection: _Collection) -> float:
        """Return until when to wait for what those who gave a wrong answer here tell all: others have it, too.

        A transmitter that went on at once would look to all others as if it had left them out.
        """
        there = self._found(collection)
        return max((until for reporter, until in collection.wrong.items() if reporter not in there), default=-math.inf)

    async def _ask(self, reporter: str, collection: _Collection, seconds: float) -> None:
        """Ask a member. Its answer is heard, or what is wrong is noted."""
        client, request = self._members[reporter], collection.signed.request
        outcome, problem = "answered", ""
        try:
            problem = await self._take(reporter, await client.ask(collection.signed, seconds), collection)
            if problem:
                outcome = "invalid"
                collection.wrong[reporter] = asyncio.get_running_loop().time() + TOLD_AFTER_S + LEAST_GRACE_S
            elif collection.is_over:
                outcome = "late"
        except MemberSilent as error:
            outcome, problem = "silent", f"gave no answer: {error}"
            self._note(FaultKind.SILENCE, reporter, collection, problem)
        except MemberInvalid as error:
            outcome, problem = "invalid", f"gave what is no answer: {error}"
            self._note(FaultKind.SILENCE, reporter, collection, problem)
        except Refused as error:
            outcome, problem = f"refused:{error.code.value}", f"refused: {error}"
            if error.code not in _IN_ORDER:
                self._note(FaultKind.REFUSAL, reporter, collection, problem)
        if problem:
            collection.problems[reporter] = problem
            log.info("a member did not answer", member=client.name, outcome=outcome, reason=problem)
        seconds = asyncio.get_running_loop().time() - collection.began
        observed_at = request.report.observed_at
        self._heard.asked(Asked(reporter, request.turn, observed_at, outcome, seconds, self._clock()))

    async def _ask_own(self, collection: _Collection) -> None:
        assert self._own is not None
        try:
            collection.own = await self._own.answer(collection.signed)
        except Refused as error:
            collection.problems["this node"] = f"refused: {error}"
            log.info("this node gives no answer of its own", reason=str(error))

    async def _take(self, reporter: str, message: AnswerMessage, collection: _Collection) -> str:
        """Hear an answer, if it is what the member was asked for. Return what is wrong with it, or nothing."""
        try:
            signer = message.signer(self._rules.chain_id, self._rules.hub)
        except DataError as error:
            signer = str(error)
        if not reporter == message.reporter == signer:
            problem = "its answer is not signed by its key, or for another chain or hub"
            self._note(FaultKind.INVALID_SIGNATURE, reporter, collection, problem, message)
            return problem
        if message.report != collection.report:
            problem = f"its answer is to another report: {_differing(message.report, collection.report)}"
            self._note(FaultKind.FOREIGN, reporter, collection, problem, message)
            with contextlib.suppress(Refused):
                await self._heard.take(message, told=False)  # it may contradict what it told others
            return problem
        if message.terms != self._rules.terms and reporter not in self._of_other_terms:
            log.warning("a member has other terms in its configuration", member=self._name(reporter))
        (self._of_other_terms.discard if message.terms == self._rules.terms else self._of_other_terms.add)(reporter)
        try:
            await self._heard.take(message, told=False)
        except Refused as error:
            return f"its answer is not taken: {error}"
        return ""

    # --- choosing ---

    def _found(self, collection: _Collection) -> dict[str, AnswerMessage]:
        """Return the answers to the report that are here, of reporters of the committee as the chain has it."""
        reporters = {each.lower() for each in collection.committee.reporters}
        found = dict(self._heard.of(collection.report))
        if collection.own is not None:
            found.setdefault(collection.own.reporter, collection.own)
        return {each: message for each, message in sorted(found.items()) if each.lower() in reporters}

    def _choose(self, collection: _Collection) -> Chosen:
        report, quorum = collection.report, collection.committee.quorum
        found = self._found(collection)
        # Whoever said one thing to one and another to another is left out, if the others are enough.
        doubtful = self._heard.contradicting(collection.signed.request.turn)
        clear = [message for reporter, message in found.items() if reporter not in doubtful]
        all_of_them = list(found.values())
        if len(clear) < quorum or short_of(report, clear, quorum) != short_of(report, all_of_them, quorum):
            clear = all_of_them
        return choose(report, clear, quorum, collection.terms)

    def _is_enough(self, collection: _Collection, chosen: Chosen) -> bool:
        report, quorum = collection.report, collection.committee.quorum
        return len(chosen.used) >= quorum and not chosen.too_wide and not short_of(report, chosen.used, quorum)

    def _signed(self, collection: _Collection, chosen: Chosen) -> SignedReport:
        """Return the report with what was chosen; say who was left out, and why."""
        request, quorum = collection.signed.request, collection.committee.quorum
        for each in chosen.beyond:
            problem = (
                f"the answers to feed {to_hex(each.feed_id)} are {each.spread} thousandths of sigma apart with its "
                f"answer, {collection.terms[each.feed_id].max_spread} are allowed"
            )
            collection.problems[each.message.reporter] = problem
            log.warning("a member's answers are left out", member=self._name(each.message.reporter), reason=problem)
            _, answer = each.message.observation(each.feed_id)
            others = [one for one in chosen.used if one.observation(each.feed_id)[1] != NO_ANSWER]
            far = count_far(
                collection.terms[each.feed_id], answer, (one.observation(each.feed_id)[1] for one in others)
            )
            if far > most_liars(quorum):
                self._note(FaultKind.BEYOND_SPREAD, each.message.reporter, collection, problem, each.message, *others,
                           feed_id=each.feed_id)  # fmt: skip
        log.info(
            "collected",
            turn=request.turn,
            signatures=len(chosen.used),
            seconds=round(asyncio.get_running_loop().time() - collection.began, 3),
        )
        if len(chosen.used) < quorum:
            there = {each.reporter for each in chosen.used}
            slow = [each for each in collection.asked if each not in there and each not in collection.problems]
            problems = {**collection.problems, **dict.fromkeys(slow, "did not answer in time")}
            why = "; ".join(f"{self._name(each)} {problem}" for each, problem in problems.items())
            raise SignerUnavailable(
                f"turn {request.turn}: {len(chosen.used)} members have signed, {quorum} are needed"
                + (f": {why}" if why else "")
            )
        for feed_id, spread in chosen.too_wide.items():
            raise ContractRejected(
                f"feed {to_hex(feed_id)}: the members are {spread} thousandths of sigma apart, the feed allows "
                f"{collection.terms[feed_id].max_spread}, and without some of them the quorum of {quorum} is not met",
                "SpreadTooWide",
                feed_id,
            )
        return SignedReport(request.report, tuple(each.signature for each in chosen.used))

    # --- details ---

    def _name(self, reporter: str) -> str:
        return self._members[reporter].name if reporter in self._members else reporter

    def _note(
        self,
        kind: FaultKind,
        reporter: str,
        collection: _Collection,
        summary: str,
        *messages: AnswerMessage,
        feed_id: bytes | None = None,
    ) -> None:
        if reporter in self._members:
            self._evidence.note(
                MemberFault(
                    kind,
                    reporter,
                    collection.signed.request.turn,
                    summary,
                    feed_id=feed_id,
                    answers=tuple(each.to_json() for each in messages),
                    request=collection.signed.to_json(),
                )
            )


def _differing(found: Report, wanted: Report) -> str:
    names = ("committee", "epoch", "observed_at", "feed_ids", "round_ids")
    return ", ".join(name for name in names if getattr(found, name) != getattr(wanted, name))
