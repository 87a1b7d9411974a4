"""The reader of a feed's history: the chain's events joined with the journal's observations, as entries."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any

from oracle.app.history.backwards import EventsBackwards, ObservationsBackwards
from oracle.app.history.entries import HoldEnd, Journalled, PastAttempt, PastEntry, PastHold, PastReport, PastRound
from oracle.chain.hub import Hub, RoundAccepted, RoundEvent
from oracle.chain.rpc import Rpc
from oracle.core.concurrency import together
from oracle.core.encoding import answer_text
from oracle.core.errors import ChainUnavailable
from oracle.core.formats import from_hex, to_hex
from oracle.core.types import HoldReason, Outcome
from oracle.feeds.journal import Entry

__all__ = ["Costs", "HistoryTeller"]

_AT_ONCE = 8
_KNOWN = 512
"""Transactions that are remembered: feeds of one transaction, and reports of one block, follow each other."""

_ON_CHAIN = (Outcome.ACCEPTED, Outcome.HELD)


@dataclass
class HistoryTeller:
    """Joins a feed's events with the journal's observations.

    Both are in the order of the reports' times: the hub takes none that is not later than the one before.

    Attributes:
        decimals: Decimal places of the feed's answers.
        own: The address of this node's payer; empty if it is not known.
        members: Members of the network by the accounts that bring their reports, as far as this node has seen them.
        events: The chain's events; None if the chain can't be read.
        observations: The journal's observations; None if there is no journal here.
    """

    decimals: int
    own: str
    events: EventsBackwards | None
    observations: ObservationsBackwards | None
    members: Mapping[str, str] = field(default_factory=dict)

    async def entries(self) -> AsyncIterator[PastEntry]:
        """Yield the entries, newest first. A hold is at the place of its latest report."""
        hold: PastHold | None = None
        waiting: list[PastAttempt] = []
        newer: PastRound | PastHold | None = None
        async for found in self._reports():
            if isinstance(found, PastAttempt):
                if hold is None:
                    yield found
                else:
                    waiting.append(found)  # within the hold, as far as is known
                continue
            continues = (
                isinstance(found, PastHold)
                and hold is not None
                and (found.round_id, found.reason) == (hold.round_id, hold.reason)
            )
            if isinstance(found, PastHold) and hold is not None and continues:
                hold = replace(hold, reports=(*hold.reports, *found.reports))
                continue
            if hold is not None:
                yield (newer := hold)
                for each in waiting:
                    yield each
                hold, waiting = None, []
            if isinstance(found, PastHold):
                ended, at = self._end(newer)
                hold = replace(found, ended=ended, ended_at=at)
            else:
                newer = found
                yield found
        if hold is not None:
            yield hold
        for each in waiting:
            yield each

    def _end(self, newer: PastRound | PastHold | None) -> tuple[HoldEnd, int | None]:
        """Return how a hold ended, from what the chain has after it."""
        if newer is None:
            return (HoldEnd.UNKNOWN if self.events is None else HoldEnd.OPEN), None
        if next(iter(_reports_of(newer))).model is None:  # only the journal tells of it: others may have come between
            return HoldEnd.UNKNOWN, None
        if isinstance(newer, PastHold):
            return HoldEnd.REPLACED, newer.reports[-1].observed_at
        return (HoldEnd.CONFIRMED if newer.confirmed else HoldEnd.CLEARED), newer.report.observed_at

    async def _reports(self) -> AsyncIterator[PastRound | PastHold | PastAttempt]:
        """Yield rounds, holds of one report each, and observations that are not on the chain."""
        noted = _Ahead(self.observations or ())
        if self.events is not None:
            async for event in self.events:
                for entry in noted.newer_than(event.observed_at):
                    yield self._alone(entry)
                same = list(noted.newer_than(event.observed_at - 1))
                mine = next((each for each in same if each.outcome in _ON_CHAIN), None)
                mine = mine or next((each for each in same if each.answer == event.answer), None)
                for entry in same:
                    if entry is not mine:
                        yield self._alone(entry)
                yield self._judged(event, mine)
        for entry in noted.rest():
            yield self._alone(entry)

    def _judged(self, event: RoundEvent, entry: Entry | None) -> PastRound | PastHold:
        report = PastReport(
            answer=self._value(event.answer),
            raw=event.answer,
            observed_at=event.observed_at,
            published_at=None,
            block=event.block_number,
            tx_hash=to_hex(event.tx_hash),
            transmitter=event.submitter,
            member=self.members.get(event.submitter, ""),
            own=event.submitter == self.own,
            model=event.model_number,
            confirmations=0 if isinstance(event, RoundAccepted) else event.confirmations,
            gas=None,
            shared_by=1,
            journal=None if entry is None else _journalled(entry),
        )
        if isinstance(event, RoundAccepted):
            return PastRound(event.round_id, event.confirmed, report)
        return PastHold(event.round_id, event.reason.name.lower(), HoldEnd.UNKNOWN, None, (report,))

    def _alone(self, entry: Entry) -> PastRound | PastHold | PastAttempt:
        """Return an observation of which the chain shows nothing, or can't be asked."""
        outcome = "open" if entry.outcome is None else entry.outcome.value
        reason = entry.reason
        if entry.outcome in _ON_CHAIN:
            if self.events is None or self.events.failure:
                return self._from_journal(entry)
            where = "" if entry.tx_hash is None else f" in transaction {to_hex(entry.tx_hash)}"
            reason = f"the journal says {outcome}{where}, but the chain has no such report"
            outcome = "lost"
        return PastAttempt(
            outcome=outcome,
            reason=reason,
            answer=self._value(entry.answer),
            raw=entry.answer,
            observed_at=entry.observed_at,
            finished_at=None if entry.finished_at is None else int(entry.finished_at),
            round_id=entry.round_id,
            stage=entry.stage.name.lower(),
            attempts=entry.attempts,
            tx_hash="" if entry.tx_hash is None else to_hex(entry.tx_hash),
        )

    def _from_journal(self, entry: Entry) -> PastRound | PastHold:
        """Return a report as the journal has it: the chain can't be asked."""
        report = PastReport(
            answer=self._value(entry.answer),
            raw=entry.answer,
            observed_at=entry.observed_at,
            published_at=None,
            block=entry.block_number,
            tx_hash="" if entry.tx_hash is None else to_hex(entry.tx_hash),
            transmitter="",
            member="",
            own=True,
            model=None,
            confirmations=0,
            gas=entry.gas_used,
            shared_by=1,
            journal=_journalled(entry),
        )
        if entry.outcome is Outcome.ACCEPTED:
            return PastRound(entry.round_id or 0, False, report)
        return PastHold(entry.round_id or 0, HoldReason.NONE.name.lower(), HoldEnd.UNKNOWN, None, (report,))

    def _value(self, answer: int) -> str:
        return answer_text(answer, self.decimals)


@dataclass
class Costs:
    """Reads what only transactions and blocks tell: the gas of reports, and when they were mined.

    Attributes:
        missing: How many reports it could not read this of.
        why: The first reason.
    """

    hub: Hub
    missing: int = 0
    why: str = ""
    _gas: dict[str, tuple[int, int]] = field(default_factory=dict)
    _times: dict[int, int] = field(default_factory=dict)

    async def add(self, entries: Iterable[PastEntry]) -> list[PastEntry]:
        """Return entries with gas and times, as far as they can be read. Several are asked for at a time."""
        entries = list(entries)
        of = [self._read(report) for each in entries for report in _reports_of(each)]
        read = iter(await together(*of, at_once=_AT_ONCE))
        _forget_oldest(self._gas)
        _forget_oldest(self._times)
        return [_with_reports(each, [next(read) for _ in _reports_of(each)]) for each in entries]

    async def _read(self, report: PastReport) -> PastReport:
        if report.block is None or not report.tx_hash:
            return report
        rpc: Rpc = self.hub.rpc
        try:
            if report.tx_hash not in self._gas:
                receipt = await rpc.receipt(from_hex(report.tx_hash))
                if receipt is None:
                    raise ChainUnavailable(f"{rpc.name} no longer has the receipt of {report.tx_hash}")
                self._gas[report.tx_hash] = receipt.gas_used, max(1, len(self.hub.decode_outcome(receipt)))
            if report.block not in self._times:
                self._times[report.block] = (await rpc.block(report.block)).timestamp
        except ChainUnavailable as error:
            self.missing += 1
            self.why = self.why or str(error)
            return report
        gas, shared_by = self._gas[report.tx_hash]
        return replace(report, gas=gas // shared_by, shared_by=shared_by, published_at=self._times[report.block])


def _forget_oldest(known: dict[Any, Any]) -> None:
    for key in list(known)[: max(0, len(known) - _KNOWN)]:
        del known[key]


class _Ahead:
    """The observations, of which the next one can be looked at before it is taken."""

    def __init__(self, entries: Iterable[Entry]) -> None:
        self._entries = iter(entries)
        self._next = next(self._entries, None)

    def newer_than(self, observed_at: int) -> Iterator[Entry]:
        """Take the observations that are newer."""
        while self._next is not None and self._next.observed_at > observed_at:
            yield self._take(self._next)

    def rest(self) -> Iterator[Entry]:
        """Take all others."""
        while self._next is not None:
            yield self._take(self._next)

    def _take(self, entry: Entry) -> Entry:
        self._next = next(self._entries, None)
        return entry


def _journalled(entry: Entry) -> Journalled:
    outcome = "" if entry.outcome is None else entry.outcome.value
    return Journalled(outcome, entry.reason, entry.attempts, entry.prove_seconds, entry.latency)


def _reports_of(entry: PastEntry) -> list[PastReport]:
    if isinstance(entry, PastAttempt):
        return []
    return [entry.report] if isinstance(entry, PastRound) else list(entry.reports)


def _with_reports(entry: PastEntry, reports: list[PastReport]) -> PastEntry:
    if isinstance(entry, PastAttempt):
        return entry
    return replace(entry, report=reports[0]) if isinstance(entry, PastRound) else replace(entry, reports=tuple(reports))
