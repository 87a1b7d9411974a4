"""Checking members' readings while they are fresh: in each turn, those behind one answer of one other member.

Whoever signs without readings, or loses or changes them, is thus found in a few turns, long before an audit.
"""

from __future__ import annotations

import asyncio
import random
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence

import structlog

from oracle.audit.readings import (
    FetchReadings,
    ReadingsProblem,
    ReadingsTerms,
    check_served,
    document_at,
    served_at_most,
)
from oracle.audit.report import ReadingsFault
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import OracleError
from oracle.core.formats import to_hex
from oracle.network.evidence import EvidenceSink, FaultKind, MemberFault
from oracle.network.ledger import Ledger
from oracle.network.messages import AnswerMessage
from oracle.network.turns import Turns

__all__ = ["ReadingChecks"]

log = structlog.get_logger(__name__)

_CHANCE = random.SystemRandom()


class ReadingChecks:
    """Looks at the readings behind what other members have signed."""

    def __init__(
        self,
        ledger: Ledger,
        urls: Mapping[str, str],
        terms: Callable[[bytes], Awaitable[ReadingsTerms]],
        fetch: FetchReadings,
        evidence: EvidenceSink,
        *,
        feed_ids: Collection[bytes],
        turns: Turns,
        clock: Callable[[], float],
        choose: Callable[[Sequence[AnswerMessage]], AnswerMessage] = _CHANCE.choice,
    ) -> None:
        """Prepare to look.

        Args:
            ledger: Has the messages that were heard.
            urls: The base URL of each other member, by its reporter.
            terms: Returns the terms of a feed.
            fetch: Fetches what a member serves.
            evidence: Is told of readings that do not stand behind a signature.
            feed_ids: The feeds that are deployed, as far as is known here. A report can list any.
            turns: The network's turns.
            clock: Unix seconds.
            choose: Chooses a message of each member, and then one of these. Nobody can know which.
        """
        self._ledger = ledger
        self._urls = urls
        self._terms = terms
        self._fetch = fetch
        self._evidence = evidence
        self._feed_ids = frozenset(feed_ids)
        self._turns = turns
        self._clock = clock
        self._choose = choose

    async def run(self) -> None:
        """Look once in each turn, until cancelled. A failure is logged, and the next turn's look tries again."""
        while True:
            now = self._clock()
            turn_ends_in = self._turns.end(self._turns.at(now)) - now
            # At a moment that nobody can know, so that no member looks good for it.
            await asyncio.sleep(turn_ends_in + _CHANCE.uniform(0, self._turns.seconds / 2))
            try:
                await self.look()
            except OracleError as error:
                log.warning("no member's readings are checked now, will try again", error=str(error))

    async def look(self) -> None:
        """Check the readings behind one answer of the turn before.

        Raises:
            OracleError: The journal or the chain can't be read.
        """
        last = self._turns.at(self._clock()) - 1
        heard = await asyncio.to_thread(self._ledger.heard, last, last)
        others: dict[str, list[AnswerMessage]] = {}
        for each in heard:
            if self._is_checked(each.message):
                others.setdefault(each.message.reporter, []).append(each.message)
        if not others:
            return
        # Whoever signs much must not keep the others from being looked at.
        message = self._choose([self._choose(messages) for messages in others.values()])
        report, signature = message.report, message.signature
        terms = {feed_id: await self._terms(feed_id) for feed_id in report.feed_ids if feed_id in self._feed_ids}
        body = b""
        try:
            most = served_at_most(len(report.feed_ids))
            body = await self._fetch(self._urls[message.reporter], signature.readings, most)
            problems = check_served(body, message.reporter, report, signature, terms)[1]
        except ReadingsProblem as unfit:
            problems = [unfit]
        for problem in problems:
            self._note(message, signature.readings, problem, body)

    def _is_checked(self, message: AnswerMessage) -> bool:
        return message.reporter in self._urls and any(answer != NO_ANSWER for answer in message.answers)

    def _note(self, message: AnswerMessage, signed: bytes, problem: ReadingsProblem, body: bytes) -> None:
        if problem.fault is ReadingsFault.UNREACHABLE:
            log.info("a member's readings can't be fetched", member=message.reporter, reason=str(problem))
            return
        details = {"fault": problem.fault.value, "problem": str(problem), "readings": to_hex(signed)}
        feed_id = None
        if problem.position is not None:
            feed_id = message.report.feed_ids[problem.position]
            # Its hash is in the signature: whoever has it can see that the answer does not follow from it.
            document = document_at(body, len(message.report.feed_ids), problem.position)
            details["document"] = "" if document is None else document.decode("ascii")
        self._evidence.note(
            MemberFault(
                FaultKind.READINGS,
                message.reporter,
                message.turn,
                f"its readings are {problem.fault.value}: {problem}",
                feed_id,
                answers=(message.to_json(),),
                details=details,
            )
        )
