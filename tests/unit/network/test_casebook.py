"""Evidence is kept once, and never more of it than fits; the rest is counted."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from pathlib import Path

import pytest

from oracle.core.errors import JournalUnavailable
from oracle.core.types import SECONDS_A_DAY
from oracle.feeds.journal import Journal
from oracle.feeds.journal.store import Store
from oracle.network import casebook
from oracle.network.casebook import KEPT_A_DAY, Case, Casebook, count_faults, read_cases
from oracle.network.evidence import FaultKind, MemberFault

ALPHA = "0x7E5F4552091A69125d5DfCb7b8C2659029395Bdf"
BRAVO = "0x2B5AD5c4795c026514f8317c7a215E218DcCD6cF"
STRANGER = "0x6813Eb9362372EEF6200f3b1dbC3f819671cBA69"
FEED = bytes(31) + b"\1"
MONDAY = 1_700_000_000.0


class Clock:
    """A clock that a test sets."""

    def __init__(self) -> None:
        self.now = MONDAY

    def __call__(self) -> float:
        """Return the time."""
        return self.now


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Journal(tmp_path / "journal.sqlite") as journal:
        yield journal._store


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(store: Store, clock: Clock) -> Casebook:
    return Casebook(store, [ALPHA, BRAVO], clock=clock)


def fault(turn: int = 7, kind: FaultKind = FaultKind.FOREIGN, member: str = ALPHA, **more: object) -> MemberFault:
    return MemberFault(kind, member, turn, f"{kind} in turn {turn}", **more)  # type: ignore[arg-type]


def cases(store: Store, **wanted: object) -> list[Case]:
    with store.transaction(read=True) as connection:
        return read_cases(connection, **wanted)  # type: ignore[arg-type]


def counts(store: Store) -> dict[str, dict[FaultKind, int]]:
    with store.transaction(read=True) as connection:
        return count_faults(connection)


def test_a_fault_is_kept_with_what_proves_it(book: Casebook, store: Store) -> None:
    message = {"reporter": ALPHA, "answers": ["12", None]}
    book.note(fault(feed_id=FEED, answers=(message,), request={"turn": 7}, details={"seconds": 1.5}))
    book.flush()
    (found,) = cases(store)
    assert (found.kind, found.member, found.turn, found.at) == (FaultKind.FOREIGN, ALPHA, 7, MONDAY)
    assert found.document == {
        "feed": "0x" + FEED.hex(),
        "answers": [message],
        "request": {"turn": 7},
        "details": {"seconds": 1.5},
    }


def test_a_fault_is_kept_once_also_by_a_node_that_was_started_again(book: Casebook, store: Store, clock: Clock) -> None:
    book.note(fault())
    book.note(fault(member=ALPHA.lower()))
    book.flush()
    book.note(fault())
    book.flush()
    again = Casebook(store, [ALPHA], clock=clock)
    again.note(fault())
    again.flush()
    assert len(cases(store)) == 1
    assert counts(store) == {ALPHA: {FaultKind.FOREIGN: 4}}


def test_another_turn_member_kind_or_feed_is_another_fault(book: Casebook, store: Store) -> None:
    for each in (
        fault(),
        fault(turn=8),
        fault(member=BRAVO),
        fault(kind=FaultKind.SILENCE),
        fault(feed_id=FEED),
    ):
        book.note(each)
    book.flush()
    assert len(cases(store)) == 5
    assert len(cases(store, member=BRAVO)) == 1
    assert len(cases(store, kind=FaultKind.SILENCE)) == 1
    assert cases(store, since=MONDAY + 1) == []


def test_a_flood_of_faults_does_not_fill_the_disk_but_is_counted(book: Casebook, store: Store) -> None:
    for turn in range(1_000):
        book.note(fault(turn))
        if turn % 100 == 0:
            book.flush()
    book.flush()
    assert len(cases(store)) == KEPT_A_DAY
    assert counts(store) == {ALPHA: {FaultKind.FOREIGN: 1_000}}
    # Another member's faults, and those of another kind, still have room.
    book.note(fault(member=BRAVO))
    book.note(fault(kind=FaultKind.CONTRADICTION))
    book.flush()
    assert len(cases(store)) == KEPT_A_DAY + 2


def test_a_few_huge_faults_do_not_fill_the_disk_either(book: Casebook, store: Store) -> None:
    blob = {"text": "x" * (casebook.BYTES_A_DAY // 3)}
    for turn in range(5):
        book.note(fault(turn, details=blob))
    book.flush()
    assert len(cases(store)) == 2
    assert counts(store) == {ALPHA: {FaultKind.FOREIGN: 5}}


def test_each_day_has_room_of_its_own(book: Casebook, store: Store, clock: Clock) -> None:
    for day in range(3):
        clock.now = MONDAY + day * SECONDS_A_DAY
        for turn in range(KEPT_A_DAY + 5):
            book.note(fault(1_000 * day + turn))
        book.flush()
    assert len(cases(store)) == 3 * KEPT_A_DAY


def test_a_stranger_has_no_room_at_all(book: Casebook, store: Store) -> None:
    book.note(fault(member=STRANGER))
    book.flush()
    assert cases(store) == []
    assert counts(store) == {}


def test_whoever_notes_a_fault_is_not_disturbed(book: Casebook, store: Store) -> None:
    book.note(fault(details={"not": object()}))
    book.note(MemberFault(FaultKind.FLOOD, ALPHA, 2**80, "a turn that fits no database"))
    book.flush()
    book.note(fault())
    book.flush()
    assert len(cases(store)) == 1


def test_what_could_not_be_written_is_written_later(
    book: Casebook, store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(connection: object) -> None:
        raise JournalUnavailable("the disk is full")

    book.note(fault())
    with monkeypatch.context() as patched:
        patched.setattr(store, "fence", broken)
        with pytest.raises(JournalUnavailable):
            book.flush()
    book.note(fault(turn=8))
    book.flush()
    assert len(cases(store)) == 2
    assert counts(store) == {ALPHA: {FaultKind.FOREIGN: 2}}


def test_old_evidence_is_dropped(book: Casebook, store: Store, clock: Clock) -> None:
    book.note(fault())
    book.flush()
    clock.now += 10 * SECONDS_A_DAY
    book.note(fault(turn=9))
    book.flush()
    book.forget(clock.now - SECONDS_A_DAY)
    assert [each.turn for each in cases(store)] == [9]
    assert counts(store) == {ALPHA: {FaultKind.FOREIGN: 1}}


async def test_it_is_written_by_itself_and_at_the_end(store: Store, clock: Clock) -> None:
    told: list[FaultKind] = []
    written, loop = asyncio.Event(), asyncio.get_running_loop()

    class Telling(Casebook):
        def flush(self) -> None:
            super().flush()
            loop.call_soon_threadsafe(written.set)

    book = Telling(store, [ALPHA], clock=clock, on_fault=lambda member, kind: told.append(kind))
    task = asyncio.create_task(book.run())
    await asyncio.sleep(0)
    book.note(fault())
    async with asyncio.timeout(60):
        await written.wait()
    assert len(cases(store)) == 1
    book.note(fault(turn=8))
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert len(cases(store)) == 2
    assert told == [FaultKind.FOREIGN, FaultKind.FOREIGN]
