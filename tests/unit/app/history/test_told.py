"""Tests of a feed's history: holds and their ends, the join with the journal, and what can't be read."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from oracle.app.history import backwards, told
from oracle.app.history.backwards import EventsBackwards, ObservationsBackwards
from oracle.app.history.entries import EntryKind, HoldEnd, PastAttempt, PastEntry, PastHold, PastRound
from oracle.app.history.opening import FeedHistory
from oracle.app.history.told import Costs, HistoryTeller
from oracle.chain.hub import Hub, RoundAccepted, RoundEvent, RoundHeld
from oracle.chain.transport.interface import BlockMissing, HistoryMissing
from oracle.core.errors import ChainUnavailable
from oracle.core.formats import to_hex
from oracle.core.stages import Decided, Observed
from oracle.core.types import HoldReason, Outcome
from oracle.feeds.journal import Entry, Journal, StageName

FEED = b"\1" * 32
ME, OTHER = "0x" + "aa" * 20, "0x" + "bb" * 20


def accepted(
    round_id: int, at: int, *, confirmed: bool = False, by: str = ME, block: int | None = None
) -> RoundAccepted:
    """Return a round: observed at `at`, mined in the block of the same number."""
    number = at if block is None else block
    return RoundAccepted(FEED, round_id, 100 * at, at, 1, (-1,), confirmed, by, number, _tx(at), 0)


def held(round_id: int, at: int, reason: HoldReason = HoldReason.ANOMALOUS, confirmations: int = 0) -> RoundHeld:
    return RoundHeld(FEED, round_id, 100 * at, at, 1, (1,), reason, confirmations, ME, at, _tx(at), 0)


def entry(at: int, outcome: Outcome | None, reason: str = "", *, tx: bool = True) -> Entry:
    return Entry(
        f"eth-{at}", "eth", FEED, 100 * at, at, StageName.SUBMITTED, 1, float(at), outcome, reason,
        None if outcome is None else at + 2.0, 1, (), 0.5, _tx(at) if tx else None, at, 90_000,
    )  # fmt: skip


def _tx(at: int) -> bytes:
    return at.to_bytes(32, "big")


@dataclass
class PastHub(Hub):
    """A hub that has these events, on a node that may refuse old blocks or ranges that are too large."""

    events: Sequence[RoundEvent] = ()
    pruned_before: int = 0
    silent: bool = False
    asked: list[tuple[int, int]] = field(default_factory=list)
    receipts: list[bytes] = field(default_factory=list)

    def __post_init__(self) -> None:
        super().__init__(self._rpc(), OTHER)

    def _rpc(self) -> Any:
        async def block(number: int) -> Any:
            return SimpleNamespace(timestamp=number)

        async def receipt(tx_hash: bytes) -> Any:
            self.receipts.append(tx_hash)
            return SimpleNamespace(gas_used=100_001, tx_hash=tx_hash)

        return SimpleNamespace(name="http://node", block=block, receipt=receipt)

    def decode_outcome(self, receipt: Any) -> list[RoundEvent]:
        same = [each for each in self.events if each.tx_hash == receipt.tx_hash]
        return [*same, *same]  # the transaction also has a report of another feed

    async def feed_logs(self, feed_id: bytes, first: int, last: int) -> list[RoundEvent]:
        assert feed_id == FEED and first <= last
        self.asked.append((first, last))
        if self.silent:
            raise ChainUnavailable("http://node: no answer")
        if first < self.pruned_before:
            raise HistoryMissing("http://node: it has no logs of these blocks", "pruned")
        return [each for each in self.events if first <= each.block_number <= last]


class Pages:
    """A journal that gives these observations a page at a time."""

    def __init__(self, entries: Sequence[Entry]) -> None:
        self._entries = sorted(entries, key=lambda each: (-each.observed_at, each.key))

    def __iter__(self) -> Any:
        return iter(self._entries)


def tell(hub: PastHub | None, entries: Sequence[Entry] = (), last: int = 1_000, since: int | None = None) -> Any:
    events = None if hub is None else EventsBackwards(hub, FEED, 0, last, since, 5)
    observations: Any = Pages(entries)

    async def all_of_them() -> list[PastEntry]:
        return [each async for each in HistoryTeller(2, ME, events, observations).entries()]

    return asyncio.run(all_of_them()), events


@pytest.mark.parametrize(
    ("after", "ended", "ended_at"),
    [
        ([accepted(2, 50, confirmed=True)], HoldEnd.CONFIRMED, 50),
        ([accepted(2, 50)], HoldEnd.CLEARED, 50),
        ([held(2, 50, HoldReason.REPEATED), accepted(2, 60)], HoldEnd.REPLACED, 50),
        ([], HoldEnd.OPEN, None),
    ],
)
def test_a_hold_is_one_entry_that_says_how_it_ended(
    after: list[RoundEvent], ended: HoldEnd, ended_at: int | None
) -> None:
    found, _ = tell(PastHub([accepted(1, 10), held(2, 20), held(2, 30, confirmations=1), *after]))
    hold = found[-2]
    assert isinstance(hold, PastHold) and isinstance(found[-1], PastRound)
    assert [report.observed_at for report in hold.reports] == [30, 20]
    assert [report.confirmations for report in hold.reports] == [1, 0]
    assert (hold.round_id, hold.reason, hold.ended, hold.ended_at) == (2, "anomalous", ended, ended_at)
    assert [each.kind for each in found].count(EntryKind.HOLD) == 1 + (ended is HoldEnd.REPLACED)


def test_answers_are_in_the_feeds_own_units_and_the_transmitter_is_named() -> None:
    found, _ = tell(PastHub([accepted(1, 10), accepted(2, 20, by=OTHER)]))
    assert [(each.report.answer, each.report.raw, each.report.own) for each in found] == [
        ("20.00", 2_000, False),
        ("10.00", 1_000, True),
    ]
    assert (found[0].report.transmitter, found[0].report.member) == (OTHER, "")
    events = EventsBackwards(PastHub([accepted(1, 10, by=OTHER)]), FEED, 0, 100, None, 5)
    teller = HistoryTeller(2, ME, events, None, {OTHER: "beta"})

    async def members() -> list[str]:
        return [each.report.member async for each in teller.entries() if isinstance(each, PastRound)]

    assert asyncio.run(members()) == ["beta"]


def test_what_never_came_to_the_chain_is_in_its_place_with_its_reason() -> None:
    journal = [
        entry(10, Outcome.ACCEPTED),
        entry(15, Outcome.FAILED, "no prover"),
        entry(20, Outcome.HELD),
        entry(25, Outcome.SUPERSEDED, "a newer one", tx=False),
        entry(40, None),
    ]
    found, _ = tell(PastHub([accepted(1, 10), held(2, 20), held(2, 30)]), journal)
    assert [(each.kind.value, getattr(each, "outcome", "")) for each in found] == [
        ("other", "open"),
        ("hold", ""),
        ("other", "superseded"),
        ("failure", "failed"),
        ("round", ""),
    ]
    failure, old = found[3], found[4]
    assert isinstance(failure, PastAttempt) and isinstance(old, PastRound)
    assert (failure.reason, failure.answer, failure.round_id, failure.stage) == ("no prover", "15.00", 1, "submitted")
    assert old.report.journal is not None and old.report.journal.prove_seconds == 0.5
    # The later report of the hold was brought by somebody else's observation.
    assert [report.journal is None for report in found[1].reports] == [True, False]


def test_what_the_journal_has_on_the_chain_and_the_chain_has_not_is_said() -> None:
    found, _ = tell(PastHub([accepted(1, 10)]), [entry(10, Outcome.ACCEPTED), entry(20, Outcome.ACCEPTED)])
    lost = found[0]
    assert (lost.kind, lost.outcome) == (EntryKind.FAILURE, "lost")
    assert (
        lost.reason == f"the journal says accepted in transaction {to_hex(_tx(20))}, but the chain has no such report"
    )


def test_a_report_that_somebody_else_brought_keeps_what_became_of_it_here() -> None:
    found, _ = tell(PastHub([accepted(1, 10, by=OTHER)]), [entry(10, Outcome.OFFERED, "kept", tx=False)])
    (only,) = found
    assert only.report.journal is not None
    assert (only.report.journal.outcome, only.report.journal.reason) == ("offered", "kept")


def test_without_the_chain_the_journal_tells_its_part() -> None:
    found, _ = tell(None, [entry(10, Outcome.ACCEPTED), entry(20, Outcome.HELD), entry(30, Outcome.FAILED, "why")])
    assert [each.kind.value for each in found] == ["failure", "hold", "round"]
    assert (found[1].ended, found[1].reports[0].gas, found[2].report.block) == (HoldEnd.UNKNOWN, 90_000, 10)


def test_a_node_without_old_blocks_gives_what_it_has_and_the_journal_goes_on() -> None:
    hub = PastHub([accepted(each, 100 * each) for each in range(1, 101)], pruned_before=4_000)
    found, events = tell(hub, [entry(100, Outcome.ACCEPTED), entry(9_000, Outcome.ACCEPTED)], last=10_000)
    assert "blocks 0 to " in events.failure and "it has no logs of these blocks" in events.failure
    rounds = [each.round_id for each in found if each.report.transmitter]
    # All but the last range of blocks, which is the smallest that is asked for.
    assert rounds == list(range(100, 100 - len(rounds), -1)) and 40 <= rounds[-1] <= 43
    assert found[-1].report.transmitter == "" and found[-1].report.observed_at == 100


def test_a_silent_node_is_asked_once() -> None:
    hub = PastHub([accepted(1, 10)], silent=True)
    found, events = tell(hub, last=100_000)
    assert (found, len(hub.asked)) == ([], 1)
    assert "no answer" in events.failure


def test_only_as_many_blocks_are_read_as_are_needed() -> None:
    hub = PastHub([accepted(each, each) for each in range(1, 20_001)])
    history = FeedHistory("eth", to_hex(FEED), 2, OTHER, 1, _chain=hub, _last=20_000)

    async def first(count: int) -> list[PastEntry]:
        return [each async for each in history.entries(limit=count)]

    found = asyncio.run(first(50))
    assert [each.round_id for each in found if isinstance(each, PastRound)] == list(range(20_000, 19_950, -1))
    assert sum(until - since + 1 for since, until in hub.asked) == 256
    assert len(hub.receipts) == 50
    report = found[0].report  # type: ignore[union-attr]
    assert (report.gas, report.shared_by, report.published_at) == (50_000, 2, 20_000)


def test_since_ends_the_reading_although_there_is_nothing() -> None:
    hub = PastHub([accepted(1, 10), accepted(2, 99_000)])
    found, _ = tell(hub, last=100_000, since=98_000)
    assert [each.round_id for each in found] == [2]
    assert min(since for since, _ in hub.asked) > 90_000
    # What is observed later than its block, by as much as the feed allows, is still found.
    assert [each.round_id for each in tell(PastHub([accepted(1, 1_003, block=1_000)]), since=1_003)[0]] == [1]


def test_a_hold_that_began_before_since_is_told_with_all_its_reports() -> None:
    hub = PastHub([accepted(1, 10), *(held(2, at) for at in range(1_000, 99_000, 1_000)), accepted(2, 99_500)])
    found, _ = tell(hub, last=100_000, since=97_500)
    assert [each.kind.value for each in found[:2]] == ["round", "hold"]
    assert len(found[1].reports) == 98


def test_a_block_that_nobody_made_is_not_taken_for_the_end(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = PastHub([accepted(1, 9_000), accepted(2, 99_500)])

    async def missing(number: int) -> Any:
        if number > 50_000:
            raise BlockMissing("http://node has no block of this number", "null round")
        return SimpleNamespace(timestamp=number)

    monkeypatch.setattr(hub.rpc, "block", missing)
    found, events = tell(hub, last=100_000, since=45_000)
    assert (found[0].round_id, events.failure) == (2, "")
    assert min(since for since, _ in hub.asked) < 45_000


def test_empty_ranges_become_wider() -> None:
    hub = PastHub([accepted(1, 10)])
    tell(hub, last=1_000_000)
    assert len(hub.asked) < 40
    assert max(until - since + 1 for since, until in hub.asked) == backwards._MOST_BLOCKS


def test_kinds_and_since_leave_out_and_what_is_not_read_is_told(monkeypatch: pytest.MonkeyPatch) -> None:
    hub = PastHub([accepted(1, 10), held(2, 20), accepted(2, 30)])

    async def gone(tx_hash: bytes) -> None:
        return None

    monkeypatch.setattr(hub.rpc, "receipt", gone)

    async def all_of(**how: Any) -> list[PastEntry]:
        history = FeedHistory("eth", to_hex(FEED), 2, OTHER, 1, _chain=hub, _last=100)
        found = [each async for each in history.entries(**how)]
        unread.append(history.unread)
        return found

    unread: list[list[str]] = []
    assert [each.kind.value for each in asyncio.run(all_of(kinds=(EntryKind.HOLD,)))] == ["hold"]
    assert [each.kind.value for each in asyncio.run(all_of(since=20, with_costs=False))] == ["round", "hold"]
    asked_until = asyncio.run(all_of(until=20, with_costs=False))
    assert [each.kind.value for each in asked_until] == ["hold", "round"]
    assert [each.kind.value for each in asyncio.run(all_of(until=20, with_costs=False, limit=1))] == ["hold"]
    assert unread[0] == [
        f"gas and times of 1 reports can't be read: http://node no longer has the receipt of {to_hex(_tx(20))}"
    ]
    assert unread[1] == []


def test_a_journal_is_read_a_page_at_a_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backwards, "_FIRST_PAGE", 2)
    monkeypatch.setattr(backwards, "_LARGEST_PAGE", 4)
    order = [5, 3, 8, 1, 7, 2, 6, 4]
    with Journal(tmp_path / "journal.db") as journal:
        for at in order:
            journal.record(Decided(1, (Observed("eth", FEED, at, at), Observed("btc", b"\2" * 32, at, at))))
        pages: list[int] = []
        page = journal.page

        def counted(*given: Any, **more: Any) -> list[Entry]:
            pages.append(len(page(*given, **more)))
            return page(*given, **more)

        monkeypatch.setattr(journal, "page", counted)
        of = [each.observed_at for each in ObservationsBackwards(journal, "eth", 2)]
        assert (of, pages) == ([8, 7, 6, 5, 4, 3, 2], [2, 4, 1])
        broken = ObservationsBackwards(journal, "eth", None)
        journal.close()
        assert list(broken) == [] and broken.failure


def test_costs_are_asked_for_once_for_each_transaction() -> None:
    hub = PastHub([accepted(1, 10)])
    costs = Costs(hub)
    of = tell(hub)[0]

    async def twice() -> None:
        await costs.add(of)
        await costs.add(of)

    asyncio.run(twice())
    assert len(hub.receipts) == 1
    many = tell(PastHub([accepted(each, each) for each in range(1, 900)]))[0]
    asyncio.run(costs.add(many))
    assert len(costs._gas) == told._KNOWN
