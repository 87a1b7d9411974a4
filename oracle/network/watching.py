"""Watch what transmitters bring to the chain: a task of every node, also of one that only signs.

Once a turn, the hub's events are read, and the calldata behind them. Together with what was heard, that shows whose
answers a transmitter brought, whom it left out, and what it withheld.

Who transmitted is told by the turn in which the report was observed: only its holder gets answers. A report that is
signed can be sent by anybody, though, so the account that sent it is kept, too.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import sqlalchemy as sa
import structlog

from oracle.audit.transactions import submissions_of
from oracle.chain.hub import RoundEvent, Submission
from oracle.chain.keys.signer import recover
from oracle.chain.rpc import Rpc
from oracle.core.documents import parse_json
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import OracleError
from oracle.core.report import Report, SignedReport
from oracle.feeds.interface import SigningCommittee
from oracle.feeds.journal.schema import network
from oracle.feeds.journal.store import Store
from oracle.network.choosing import SpreadTerms, spread_of
from oracle.network.collecting import LEAST_GRACE_S
from oracle.network.evidence import EvidenceSink, FaultKind, MemberFault
from oracle.network.ledger import HeardMessage, Ledger
from oracle.network.messages import AnswerMessage, contradict, report_hash
from oracle.network.standing import mean_ranks
from oracle.network.turns import Turns

__all__ = ["BroughtReport", "WatchedHub", "Watcher"]

log = structlog.get_logger(__name__)

SETTLED_BLOCKS = 16
"""The latest blocks are read again: a reorganisation may have changed them."""

WRITTEN_S = 1.5
"""Seconds after which what was heard is on the disk: it is looked at then."""

MOST_PAUSE_S = 60.0
"""Seconds between two looks, where turns are longer."""

MOST_BLOCKS = 20_000
"""The most blocks before the present one that are read after a pause."""


class WatchedHub(Protocol):
    """The part of the hub that is watched."""

    @property
    def rpc(self) -> Rpc:
        """The chain."""

    @property
    def address(self) -> str:
        """Checksummed."""

    async def logs(self, first: int, last: int) -> Sequence[RoundEvent]:
        """Return the event of every report in blocks `first` to `last`, both included, oldest first."""
        ...

    async def committee(self, number: int) -> SigningCommittee:
        """Return a committee as it is now."""
        ...

    async def feed_config(self, feed_id: bytes) -> SpreadTerms:
        """Return the feed's terms."""
        ...


@dataclass(frozen=True, slots=True)
class BroughtReport:
    """A report that came onto the chain.

    Attributes:
        tx_hash: The transaction's hash.
        block: Its block.
        observed_at: The report's time, unix seconds.
        account: The account that called the hub.
        signed: The report with its signatures; None: the calldata can't be read from here.
        reporters: The addresses that signed, in the order of the signatures.
    """

    tx_hash: bytes
    block: int
    observed_at: int
    account: str
    signed: SignedReport | None = None
    reporters: tuple[str, ...] = ()


class Watcher:
    """Watches one committee's reports."""

    def __init__(
        self,
        hub: WatchedHub,
        store: Store,
        ledger: Ledger,
        evidence: EvidenceSink,
        *,
        chain_id: int,
        committee: int,
        feed_ids: Collection[bytes],
        pulled: Collection[bytes] = (),
        turns: Turns,
        own: str,
        clock: Callable[[], float],
        after: Callable[[int], None] = lambda turn: None,
    ) -> None:
        """Begin to watch.

        Args:
            hub: The hub.
            store: The journal's database.
            ledger: Has what was heard.
            evidence: Takes note of faults.
            chain_id: The hub's chain.
            committee: The committee's number.
            feed_ids: Its feeds.
            pulled: Those of them whose reports may be kept unsent, for whoever pulls them.
            turns: The network's turns.
            own: The address of this node's reporter key: its own faults are not noted.
            clock: Unix seconds.
            after: Called in a thread after each look, with the latest turn that is over.
        """
        self._hub = hub
        self._store = store
        self._ledger = ledger
        self._evidence = evidence
        self._chain_id = chain_id
        self._committee = committee
        self._feed_ids = frozenset(feed_ids)
        self._pulled = frozenset(pulled)
        self._turns = turns
        self._own = own
        self._clock = clock
        self._after = after
        self._heard_in: dict[int, Sequence[HeardMessage]] = {}
        self._next_block: int | None = None
        self._next_turn = turns.at(clock()) + 1

    async def run(self) -> None:
        """Look when a turn is over, until cancelled. A failure is logged, and the next look tries again."""
        while True:
            try:
                await self.look()
            except OracleError as error:
                log.warning("the chain is not watched now, will try again", error=str(error))
            except Exception:  # what anybody may write onto the chain must not end a node
                log.exception("the chain is not watched now, because of a mistake in the program; will try again")
            now, turns = self._clock() - self._turns.clock_bound - WRITTEN_S, self._turns
            await asyncio.sleep(min(MOST_PAUSE_S, max(0.1, turns.end(turns.at(now)) - now)))

    async def look(self) -> None:
        """Read what came onto the chain since the last look, and judge the turns that are long over.

        Raises:
            OracleError: The chain can't be read, or the journal can't be written.
        """
        last = await self._hub.rpc.block_number()
        first = await asyncio.to_thread(self._first_block, last) if self._next_block is None else self._next_block
        transactions: dict[bytes, list[RoundEvent]] = {}
        for event in await self._hub.logs(first, last):
            if event.feed_id in self._feed_ids:
                transactions.setdefault(event.tx_hash, []).append(event)
        known = await asyncio.to_thread(self._known, transactions)
        self._heard_in = {}  # more may have been heard since the last look
        quorum = (await self._hub.committee(self._committee)).quorum
        for tx_hash, events in transactions.items():
            if tx_hash not in known:
                await self._take(await self._read(tx_hash, events), quorum)
        self._next_block = max(first, last + 1 - SETTLED_BLOCKS)
        # A report that was sent at the end of a turn may be mined in the next one, so that has to be over, too.
        over = self._turns.at(self._clock() - self._turns.clock_bound) - 2
        if self._next_turn <= over:
            await asyncio.to_thread(self._find_withheld, range(max(self._next_turn, over - 1_000), over + 1), quorum)
            self._next_turn = over + 1
        await asyncio.to_thread(self._after, self._turns.at(self._clock()) - 1)

    # --- what was brought ---

    async def _read(self, tx_hash: bytes, events: Sequence[RoundEvent]) -> BroughtReport:
        """Return the report behind the events of a transaction, as far as its calldata shows it."""
        event = events[0]
        try:
            submissions = await submissions_of(self._hub.rpc, self._hub.address, tx_hash, [event])
            members = set((await self._hub.committee(self._committee)).reporters)
            for found in (each.signed for each in submissions if self._is_of(each, event)):
                reporters = await asyncio.to_thread(self._reporters, found)
                # A relay's input may have anything else beside the report, even something like it.
                if len(submissions) == 1 or members.issuperset(reporters):
                    break
            else:
                raise ValueError("no submission of its transaction is of these reporters")
        except (OracleError, ValueError) as error:
            log.info("whose answers a report has can't be read from here", tx=tx_hash.hex(), reason=str(error))
            return BroughtReport(tx_hash, event.block_number, event.observed_at, event.submitter)
        return BroughtReport(tx_hash, event.block_number, event.observed_at, event.submitter, found, tuple(reporters))

    def _is_of(self, submission: Submission, event: RoundEvent) -> bool:
        report = submission.signed.report
        return (
            report.committee == self._committee
            and report.observed_at == event.observed_at
            and event.feed_id in report.feed_ids
        )

    def _reporters(self, signed: SignedReport) -> list[str]:
        """Return who signed, in the order of the signatures. What was heard needs no recovery."""
        heard = {(each.message.r, each.message.vs): reporter for reporter, each in self._heard(signed.report).items()}
        return [
            heard.get((each.r, each.vs)) or recover(self._chain_id, self._hub.address, signed.report, each)
            for each in signed.signatures
        ]

    async def _take(self, brought: BroughtReport, quorum: int) -> None:
        """Note a report that came onto the chain, and whom it lacks."""
        turn = self._turns.at(brought.observed_at)
        transmitter = self._turns.holder(turn) or brought.account
        details: dict[str, Any] = {"account": brought.account, "block": brought.block}
        omitted: list[HeardMessage] = []
        if brought.signed is not None:
            report = brought.signed.report
            terms = {feed_id: await self._hub.feed_config(feed_id) for feed_id in report.feed_ids}
            heard = await asyncio.to_thread(self._heard, report)
            doubtful = await asyncio.to_thread(self._contradicting, turn)
            doubtful.add(self._own)  # its own answer is here at once, and says nothing of when others had it
            others = {reporter: each for reporter, each in heard.items() if reporter not in doubtful}
            omitted = _left_out(others, brought, terms, quorum)
            details |= {"reporters": list(brought.reporters), "heard": sorted(heard), **_ranks(heard, brought)}
            details["left_out"] = [each.message.reporter for each in omitted]
        await asyncio.to_thread(self._write, brought, transmitter, turn, details)
        if omitted and transmitter != self._own:
            self._evidence.note(
                MemberFault(
                    FaultKind.LEFT_OUT,
                    transmitter,
                    turn,
                    f"left out {', '.join(details['left_out'])}, whose answers were heard here in time",
                    answers=tuple(each.message.to_json() for each in omitted),
                    details={"transaction": f"0x{brought.tx_hash.hex()}", "account": brought.account},
                )
            )

    def _messages(self, turn: int) -> Sequence[HeardMessage]:
        """Return what was heard of a turn. The latest one is remembered: its reports come one after the other."""
        if turn not in self._heard_in:
            self._heard_in = {turn: self._ledger.heard(turn, turn)}
        return self._heard_in[turn]

    def _heard(self, report: Report) -> Mapping[str, HeardMessage]:
        """Return the answers to a report that were heard, by reporter."""
        found: dict[str, HeardMessage] = {}
        for each in self._messages(self._turns.at(report.observed_at)):
            if each.message.report == report:
                found.setdefault(each.message.reporter, each)
        return found

    def _contradicting(self, turn: int) -> set[str]:
        """Return the members that signed two observations of one feed in a turn: they may be left out."""
        first: dict[tuple[str, bytes], AnswerMessage] = {}
        return {
            message.reporter
            for message in (each.message for each in self._messages(turn))
            for feed_id in message.report.feed_ids
            if contradict(first.setdefault((message.reporter, feed_id), message), message, feed_id)
        }

    def _known(self, hashes: Collection[bytes]) -> set[bytes]:
        table = network.brought
        with self._store.transaction(read=True) as connection:
            found = connection.scalars(sa.select(table.c.tx_hash).where(table.c.tx_hash.in_(list(hashes))))
            return {bytes(each) for each in found}

    def _write(self, brought: BroughtReport, transmitter: str, turn: int, details: Mapping[str, Any]) -> None:
        with self._store.transaction() as connection:
            connection.execute(
                network.brought.insert().values(
                    tx_hash=brought.tx_hash,
                    transmitter=transmitter,
                    turn=turn,
                    observed_at=brought.observed_at,
                    details=json.dumps(details, separators=(",", ":")),
                    at=self._clock(),
                )
            )

    def _first_block(self, last: int) -> int:
        """Return the block to begin with: that of the latest report that was noted before this start."""
        table = network.brought
        with self._store.transaction(read=True) as connection:
            found = connection.scalar(sa.select(table.c.details).order_by(table.c.id.desc()).limit(1))
        known = last if found is None else int(parse_json(found)["block"])
        return max(0, last - MOST_BLOCKS, min(known, last) - SETTLED_BLOCKS)

    # --- what was withheld ---

    def _find_withheld(self, turns: range, quorum: int) -> None:
        """Note the holders of turns that had a quorum's answers, of which nothing came onto the chain."""
        table = network.brought
        with self._store.transaction(read=True) as connection:
            query = sa.select(table.c.turn).where(table.c.turn.between(turns.start, turns.stop - 1))
            brought = set(connection.scalars(query))
        for turn in turns:
            holder = self._turns.holder(turn)
            if turn not in brought and holder is not None and holder != self._own:
                self._look_for_withheld(turn, holder, quorum)

    def _look_for_withheld(self, turn: int, holder: str, quorum: int) -> None:
        by_report: dict[bytes, list[AnswerMessage]] = {}
        for each in self._ledger.heard(turn, turn):
            by_report.setdefault(report_hash(each.message.report), []).append(each.message)
        for messages in by_report.values():
            if not self._could_be_sent(messages, quorum):
                continue
            report = messages[0].report
            self._evidence.note(
                MemberFault(
                    FaultKind.WITHHELD,
                    holder,
                    turn,
                    f"{len(messages)} members answered a report of {report.observed_at} in its turn, and nothing came "
                    "onto the chain",
                    answers=tuple(each.to_json() for each in messages),
                )
            )

    def _could_be_sent(self, messages: Sequence[AnswerMessage], quorum: int) -> bool:
        """Return whether a feed that is due, and not only kept for whoever pulls it, has a quorum's answers."""
        report = messages[0].report
        return any(
            sum(each.answers[position] != NO_ANSWER for each in messages) >= quorum
            for position in report.due
            if report.feed_ids[position] not in self._pulled
        )


# --- details -------------------------------------------------------------------------------------------------------


def _left_out(
    heard: Mapping[str, HeardMessage], brought: BroughtReport, terms: Mapping[bytes, SpreadTerms], quorum: int
) -> list[HeardMessage]:
    """Return the answers that could have been brought, too: heard here while the transmitter has to wait.

    It has to wait for a quorum, and a moment longer. Who is slow on the way to it, and not on the way to here, seems to
    be left out, as well: that is why this proves nothing.

    Args:
        heard: The answers to the report that were heard here, by reporter, without this node's own.
        brought: The report.
        terms: The feeds' terms, by their ids.
        quorum: How many have to answer.
    """
    assert brought.signed is not None
    used = sorted(heard[each].at for each in brought.reporters if each in heard)
    # This node's own answer may be one of the quorum's, so one less need have come here.
    complete = used[: max(1, quorum - (len(brought.reporters) - len(used)))]
    return [
        each
        for reporter, each in heard.items()
        if reporter not in brought.reporters
        and complete
        and each.at <= complete[-1] + LEAST_GRACE_S
        and any(each.message.answers[position] != NO_ANSWER for position in brought.signed.report.due)
        and not _beyond_spread(each.message, brought.signed, terms)
    ]


def _beyond_spread(message: AnswerMessage, signed: SignedReport, terms: Mapping[bytes, SpreadTerms]) -> bool:
    """Return whether the hub would refuse the report with this member's answers in it, too."""
    for position, feed_id in enumerate(signed.report.feed_ids):
        bound, answer = terms[feed_id], message.answers[position]
        if not bound.max_spread or answer == NO_ANSWER:
            continue
        if spread_of(bound, [answer, *signed.answers(position)]) > bound.max_spread:
            return True
    return False


def _ranks(heard: Mapping[str, HeardMessage], brought: BroughtReport) -> dict[str, float]:
    """Return the mean rank of the answers that were brought, and the mean of all: over the feeds that were due."""
    assert brought.signed is not None
    found = []
    for position in brought.signed.report.due:
        answers = {reporter: each.message.answers[position] for reporter, each in heard.items()}
        answers |= {
            reporter: each.answers[position]
            for reporter, each in zip(brought.reporters, brought.signed.signatures, strict=True)
        }
        ranks = mean_ranks(answers, brought.reporters)
        if ranks is not None:
            found.append(ranks)
    if not found:
        return {}
    return {
        "rank": sum(rank for rank, _ in found) / len(found),
        "even": sum(even for _, even in found) / len(found),
    }
