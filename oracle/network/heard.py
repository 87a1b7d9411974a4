"""Answer messages of all members, as this node hears them: verified, each once, and compared with each other.

Members tell all others what they sign. So everybody sees whom a transmitter leaves out, and who says one thing to one
and another to another. What is heard is in memory for the latest turns, and on disk a moment later.
"""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Awaitable, Callable, Iterator, Mapping, Set

import structlog

from oracle.core.errors import DataError, OracleError
from oracle.core.formats import to_hex
from oracle.core.report import Report
from oracle.network.evidence import EvidenceSink, FaultKind, MemberFault
from oracle.network.ledger import Asked, HeardMessage, Ledger, TurnShare, stored
from oracle.network.messages import AnswerMessage, RefusalCode, Refused, contradict, report_hash
from oracle.network.rules import SignerRules

__all__ = ["Heard"]

log = structlog.get_logger(__name__)

KEPT_TURNS = 3
"""The turns before the present one of which messages are still taken, and kept in memory."""

WRITTEN_EACH_S = 1.0
"""Seconds after which what was heard is written, together: the report that is under way needs the disk first."""

MOST_WAITING = 4_096
"""The most messages that wait to be written; further ones are in memory only."""


class _Turn:
    """The messages of one turn."""

    def __init__(self) -> None:
        self.by_report: dict[bytes, dict[str, AnswerMessage]] = {}
        self.observed: dict[tuple[str, bytes], AnswerMessage] = {}
        self.digests: set[tuple[str, bytes]] = set()
        self.shares: dict[str, TurnShare] = {}
        self.contradicting: set[str] = set()


class Heard:
    """The answer messages of the latest turns."""

    def __init__(
        self,
        rules: SignerRules,
        ledger: Ledger,
        evidence: EvidenceSink,
        *,
        clock: Callable[[], float],
        feeds: int,
        own: str = "",
        heard_own: Callable[[AnswerMessage], Awaitable[None]] | None = None,
        tell: Callable[[AnswerMessage], None] = lambda message: None,
    ) -> None:
        """Begin with what the ledger has of the latest turns, once `load` is called.

        Args:
            rules: The configuration to judge by.
            ledger: Keeps what is heard.
            evidence: Takes note of contradictions.
            clock: Unix seconds.
            feeds: The number of feeds of the network, which bounds the messages that a member may have in a turn.
            own: The address of this node's reporter key, checksummed.
            heard_own: Called with a message of that key that somebody else has sent.
            tell: Tells all members messages that contradict each other: so none of them takes a transmitter that leaves
                their signer out for one that chooses, and the signer learns if somebody else has its key.
        """
        self._rules = rules
        self._ledger = ledger
        self._evidence = evidence
        self._clock = clock
        self._most = TurnShare.most(feeds)
        self._own = own
        self._heard_own = heard_own
        self._tell = tell
        self._turns: dict[int, _Turn] = {}
        self._watched: dict[bytes, set[asyncio.Event]] = {}
        self._waiting: list[HeardMessage] = []
        self._asked: list[Asked] = []
        self._wake = asyncio.Event()

    # --- what comes in ---

    async def load(self) -> None:
        """Read what was heard of the latest turns before this node started.

        Raises:
            OracleError: It can't be read.
        """
        first = self._rules.turns.at(self._clock()) - KEPT_TURNS
        for each in await asyncio.to_thread(self._ledger.heard, first):
            self._index(each.message)

    async def take(self, message: AnswerMessage, *, told: bool) -> bool:
        """Take an answer message. Return False if it was heard before.

        Args:
            message: The message. Nothing of it is believed yet.
            told: True if it came by itself, False if this node had asked for it.

        Raises:
            Refused: It is not taken.
        """
        self._require_ours(message)
        turn = self._turns.get(message.turn) or _Turn()
        key = message.reporter, message.digest(self._rules.chain_id, self._rules.hub)
        if key in turn.digests:
            return False
        self._require_signed(message)
        if message.reporter == self._own:
            if self._heard_own is not None:
                await self._look_at_own(message)
            return False
        if not turn.shares.get(message.reporter, TurnShare()).has_room(self._most):
            self._flooded(message)
        self._index(message)
        self._queue(HeardMessage(message, told, self._clock()))
        return True

    def signed(self, message: AnswerMessage) -> None:
        """Take a message that this node itself has signed, and that is on disk."""
        self._index(message)

    def asked(self, asked: Asked) -> None:
        """Take note of how a member that was asked has answered; it is on disk a moment later."""
        if len(self._asked) < MOST_WAITING:
            self._asked.append(asked)
            self._wake.set()

    # --- what was heard ---

    def of(self, report: Report) -> Mapping[str, AnswerMessage]:
        """Return the answers to a report that were heard so far, by the address of their reporter.

        Their signatures are those of members that this node does not ignore.
        """
        for turn in self._turns.values():
            found = turn.by_report.get(report_hash(report))
            if found is not None:
                return dict(found)
        return {}

    @contextlib.contextmanager
    def watch(self, report: Report) -> Iterator[asyncio.Event]:
        """Give an event that is set whenever a further answer to a report is heard, while the context is open."""
        key, event = report_hash(report), asyncio.Event()
        self._watched.setdefault(key, set()).add(event)
        try:
            yield event
        finally:
            self._watched[key].discard(event)
            if not self._watched[key]:
                del self._watched[key]

    def messages(self, turn: int) -> list[AnswerMessage]:
        """Return all messages of a turn that are still in memory."""
        found = self._turns.get(turn)
        return [] if found is None else [each for answers in found.by_report.values() for each in answers.values()]

    def contradicting(self, turn: int) -> Set[str]:
        """Return the members that have signed two observations of one feed in a turn."""
        found = self._turns.get(turn)
        return frozenset() if found is None else frozenset(found.contradicting)

    # --- what is written ---

    async def run(self) -> None:
        """Write what was heard, in a thread, until cancelled; then once more."""
        try:
            while True:
                await self._wake.wait()
                await asyncio.sleep(WRITTEN_EACH_S)
                self._wake.clear()
                try:
                    await self.flush()
                except OracleError as error:
                    log.warning("what was heard is not written, will try again", error=str(error))
                    self._wake.set()
        finally:
            with contextlib.suppress(OracleError):
                self._ledger.note(self._waiting, self._asked)

    async def flush(self) -> None:
        """Write what was heard and is not on disk yet.

        Raises:
            OracleError: It can't be written; it is tried again with the next call.
        """
        heard, asked = self._waiting, self._asked
        self._waiting, self._asked = [], []
        try:
            if heard or asked:
                await asyncio.to_thread(self._ledger.note, heard, asked)
        except OracleError:
            self._waiting = (heard + self._waiting)[:MOST_WAITING]
            self._asked = (asked + self._asked)[:MOST_WAITING]
            raise

    # --- details ---

    def _require_ours(self, message: AnswerMessage) -> None:
        """Require what can be seen without its signature: it costs nothing."""
        rules, turns = self._rules, self._rules.turns
        if message.reporter not in rules.members:
            raise Refused(RefusalCode.UNKNOWN_MEMBER, f"{message.reporter} is no member here")
        if message.reporter in rules.ignored:
            raise Refused(RefusalCode.IGNORED, "this node ignores you: ask its operator")
        if message.report.committee != rules.committee:
            detail = f"this node is of committee {rules.committee}, not {message.report.committee}"
            raise Refused(RefusalCode.WRONG_COMMITTEE, detail)
        if turns.at(message.report.observed_at) != message.turn:
            detail = f"the time {message.report.observed_at} is not in turn {message.turn}"
            raise Refused(RefusalCode.MALFORMED, detail)
        now = self._clock()
        if not turns.at(now) - KEPT_TURNS <= message.turn <= turns.at(now + turns.clock_bound):
            raise Refused(RefusalCode.NOT_NOW, f"turn {message.turn} is not now: it is turn {turns.at(now)}")

    def _require_signed(self, message: AnswerMessage) -> None:
        # Anybody can send a message under a member's name, so a wrong signature is nobody's fault here.
        try:
            signer = message.signer(self._rules.chain_id, self._rules.hub)
        except DataError as error:
            raise Refused(RefusalCode.MALFORMED, str(error)) from None
        if signer != message.reporter:
            detail = f"the signature is not {message.reporter}'s, or it is for another chain or hub"
            raise Refused(RefusalCode.UNKNOWN_MEMBER, detail)

    async def _look_at_own(self, message: AnswerMessage) -> None:
        assert self._heard_own is not None
        try:
            await self._heard_own(message)
        except OracleError as error:
            log.warning("a message of our own key can't be compared with the ledger", error=str(error))

    def _flooded(self, message: AnswerMessage) -> None:
        detail = f"more different messages in turn {message.turn} than anybody needs"
        self._evidence.note(
            MemberFault(FaultKind.FLOOD, message.reporter, message.turn, detail, answers=(message.to_json(),))
        )
        raise Refused(RefusalCode.TOO_MANY, detail)

    def _index(self, message: AnswerMessage) -> None:
        """Keep a message in memory, and compare it with what its signer said before."""
        turn = self._turns.setdefault(message.turn, _Turn())
        turn.shares[message.reporter] = turn.shares.get(message.reporter, TurnShare()) + stored(message)
        turn.digests.add((message.reporter, message.digest(self._rules.chain_id, self._rules.hub)))
        for feed_id in message.report.feed_ids:
            before = turn.observed.setdefault((message.reporter, feed_id), message)
            if contradict(before, message, feed_id):
                self._contradicted(turn, before, message, feed_id)
        key = report_hash(message.report)
        # The first of two answers to one report stays: what comes later does not change what was used.
        turn.by_report.setdefault(key, {}).setdefault(message.reporter, message)
        for event in self._watched.get(key, ()):
            event.set()
        first = self._rules.turns.at(self._clock()) - KEPT_TURNS
        for old in [each for each in self._turns if each < first]:
            del self._turns[old]

    def _contradicted(self, turn: _Turn, before: AnswerMessage, after: AnswerMessage, feed_id: bytes) -> None:
        reporter = after.reporter
        first, second = before.observation(feed_id), after.observation(feed_id)
        summary = (
            f"signed two observations of feed {to_hex(feed_id)}: {first[1]} of {first[0]}, {second[1]} of {second[0]}"
        )
        fault = MemberFault(
            FaultKind.CONTRADICTION,
            reporter,
            after.turn,
            summary,
            feed_id=feed_id,
            answers=(before.to_json(), after.to_json()),
        )
        self._evidence.note(fault)
        if reporter not in turn.contradicting:
            turn.contradicting.add(reporter)
            self._tell(before)
            self._tell(after)

    def _queue(self, heard: HeardMessage) -> None:
        if len(self._waiting) < MOST_WAITING:
            self._waiting.append(heard)
            self._wake.set()
