"""The ledger: its rule holds in the transaction that writes, and old rows go without taking the rule with them."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from oracle.core.errors import JournalError
from oracle.core.report import Report
from oracle.feeds.journal import Journal
from oracle.feeds.journal.databases import PostgresDatabase
from oracle.feeds.journal.schema import network
from oracle.network.ledger import Asked, HeardMessage, Ledger, OtherwiseSigned, SignedObservation
from oracle.network.messages import AnswerMessage, report_hash
from tests.postgres import Postgres
from tests.unit.network.node import Clock
from tests.unit.network.signed import CHAIN_ID, COMMITTEE, FEEDS, HUB, MEMBERS, TURN_S, answer, report

TURN = 28_333_400
NOW = TURN * TURN_S + 10
DAY = 86_400
ME = MEMBERS[1]


@pytest.fixture(params=["sqlite", "postgresql"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    server: Postgres | None = request.getfixturevalue("postgres") if request.param == "postgresql" else None
    with Journal(tmp_path / "journal.sqlite" if server is None else PostgresDatabase(server.url())) as made:
        yield made


@pytest.fixture
def clock() -> Clock:
    return Clock(NOW)


@pytest.fixture
def ledger(journal: Journal, clock: Clock) -> Ledger:
    return Ledger(journal.store, chain_id=CHAIN_ID, hub=HUB, committee=COMMITTEE, clock=clock)


def message(observed_at: int = NOW, answers: tuple[int | None, ...] = (1, 2), **more: Any) -> AnswerMessage:
    return answer(ME, report(observed_at, FEEDS[: len(answers)], **more), answers)


def rows(journal: Journal, table: sa.Table) -> int:
    with journal.store.transaction(read=True) as connection:
        return int(connection.scalar(sa.select(sa.func.count()).select_from(table)) or 0)


def test_what_is_signed_is_found_again(ledger: Ledger, journal: Journal) -> None:
    first = message(answers=(1, None))
    assert ledger.given(report_hash(first.report)) is None and not ledger.is_signed(first)
    ledger.sign(first, MEMBERS[0], FEEDS)
    assert ledger.given(report_hash(first.report)) == first and ledger.is_signed(first)
    assert ledger.observations(TURN, FEEDS) == {
        FEEDS[0]: SignedObservation(NOW, 1, first.readings[0]),
        FEEDS[1]: SignedObservation(NOW, -(2**127), first.readings[1]),
    }
    assert ledger.observations(TURN + 1, FEEDS) == {} and ledger.share(TURN).messages == 1
    assert [each.message for each in ledger.heard(TURN)] == [first]


def test_an_observation_may_be_signed_again_but_no_other(ledger: Ledger, journal: Journal) -> None:
    ledger.sign(message(), MEMBERS[0], FEEDS)
    ledger.sign(message(rounds=(8, 0)), MEMBERS[0], FEEDS)
    ledger.sign(message(answers=(1, 2, 3)), MEMBERS[0], FEEDS)
    others = [message(NOW + 1), message(answers=(1, 3), epoch=2), message(answers=(None, 2), epoch=3)]
    others.append(answer(ME, report(NOW, epoch=4), (1, 2), (b"\x09" * 32, b"\2" * 32)))
    for each in others:
        with pytest.raises(OtherwiseSigned) as refused:
            ledger.sign(each, MEMBERS[0], FEEDS)
        assert not refused.value.is_older
    assert (rows(journal, network.signings), rows(journal, network.signed_reports)) == (3, 3)
    assert rows(journal, network.heard) == 3, "what may not leave was not written either"


def test_nothing_is_signed_after_something_newer(ledger: Ledger) -> None:
    ledger.sign(message(NOW + TURN_S), MEMBERS[0], FEEDS)
    for observed_at in (NOW, NOW - 1_000_000):
        with pytest.raises(OtherwiseSigned) as refused:
            ledger.sign(message(observed_at, (1,)), MEMBERS[0], FEEDS)
        assert refused.value.is_older and refused.value.feed_id == FEEDS[0]
    ledger.sign(answer(ME, report(NOW, FEEDS[2:]), (3, 4)), MEMBERS[0], FEEDS)


def test_the_length_of_turns_may_change_and_time_still_decides(ledger: Ledger) -> None:
    ledger.sign(message(NOW), MEMBERS[0], FEEDS)
    turn = (NOW + 5) // 30  # a number that is twice as high
    later = answer(ME, report(NOW + 25), (1, 2))
    object.__setattr__(later, "turn", turn)
    ledger.sign(later, MEMBERS[0], FEEDS)
    for seconds in (0, 20, 25):
        earlier = answer(ME, report(NOW + seconds, epoch=2), (1, 9))
        object.__setattr__(earlier, "turn", turn + 1)
        with pytest.raises(OtherwiseSigned):
            ledger.sign(earlier, MEMBERS[0], FEEDS)


def test_feeds_that_are_not_known_here_take_no_place(ledger: Ledger, journal: Journal) -> None:
    ledger.sign(message(), MEMBERS[0], FEEDS[:1])
    assert rows(journal, network.signings) == 1


def test_a_lost_message_is_adopted_once_and_never_against_what_is_there(ledger: Ledger) -> None:
    lost = message()
    ledger.sign(message(NOW + TURN_S), MEMBERS[0], FEEDS)
    assert ledger.adopt(lost, FEEDS) and not ledger.adopt(lost, FEEDS)
    assert ledger.given(report_hash(lost.report)) == lost
    with pytest.raises(OtherwiseSigned):
        ledger.adopt(message(answers=(1, 3)), FEEDS)
    with pytest.raises(OtherwiseSigned):
        ledger.adopt(message(answers=(1, 3), epoch=2), FEEDS)


def test_what_is_heard_is_kept_once(ledger: Ledger, journal: Journal) -> None:
    heard = [HeardMessage(answer(each, report(NOW), (1, 2)), True, NOW) for each in MEMBERS]
    ledger.note([*heard, heard[0]], [Asked(MEMBERS[0], TURN, NOW, "answered", 0.1, NOW)])
    ledger.note([HeardMessage(heard[1].message, False, NOW + 9)])
    ledger.note([])
    assert ledger.heard(TURN) == heard and ledger.heard(TURN + 1) == [] and ledger.heard(TURN - 3, TURN - 1) == []
    assert rows(journal, network.asked) == 1


def test_old_rows_go_but_never_a_feed_s_newest_signing(ledger: Ledger, journal: Journal, clock: Clock) -> None:
    ledger.sign(message(answers=(1, 2, 3)), MEMBERS[0], FEEDS)
    for turn in range(1, 4):
        clock.to(NOW + turn * TURN_S)
        ledger.sign(message(NOW + turn * TURN_S), MEMBERS[0], FEEDS)
    ledger.note([], [Asked(MEMBERS[0], TURN, NOW, "silent", 0.1, NOW)])
    clock.to(NOW + 10 * DAY)
    while ledger.forget(NOW + 9 * DAY):
        pass
    assert rows(journal, network.signings) == 3, "the newest of each of three feeds"
    left = [rows(journal, each) for each in (network.signed_reports, network.heard, network.asked)]
    assert left == [1, 0, 0]
    for observed_at in (NOW, NOW + TURN_S, NOW + 3 * TURN_S - 1):
        with pytest.raises(OtherwiseSigned):
            ledger.sign(message(observed_at, epoch=2), MEMBERS[0], FEEDS)
    with pytest.raises(OtherwiseSigned):
        ledger.sign(answer(ME, report(NOW, FEEDS[2:3], epoch=2), (4,)), MEMBERS[0], FEEDS)


def test_reports_of_a_day_are_kept_whatever_else_goes(ledger: Ledger, journal: Journal, clock: Clock) -> None:
    ledger.sign(message(), MEMBERS[0], FEEDS)
    ledger.sign(message(NOW + TURN_S), MEMBERS[0], FEEDS)
    clock.to(NOW + DAY - 60)
    ledger.forget(NOW + DAY - 60)
    assert rows(journal, network.signed_reports) == 2


@pytest.mark.parametrize(
    "statement",
    ["UPDATE signings SET answer = '9'", "UPDATE signed_reports SET message = ''", "DELETE FROM signings",
     "DELETE FROM signed_reports", f"DELETE FROM signings WHERE turn = {TURN + 1}",
     f"DELETE FROM signed_reports WHERE turn = {TURN + 1}"],
)  # fmt: skip
def test_the_database_itself_keeps_a_signer_s_memory(ledger: Ledger, journal: Journal, statement: str) -> None:
    ledger.sign(message(), MEMBERS[0], FEEDS)
    ledger.sign(message(NOW + TURN_S), MEMBERS[0], FEEDS)
    with pytest.raises(JournalError, match="append-only"), journal.store.transaction() as connection:
        connection.exec_driver_sql(statement)
    assert (rows(journal, network.signings), rows(journal, network.signed_reports)) == (4, 2)
    with journal.store.transaction() as connection:
        connection.exec_driver_sql(f"DELETE FROM signings WHERE turn = {TURN}")
        connection.exec_driver_sql(f"DELETE FROM signed_reports WHERE turn = {TURN}")
    assert rows(journal, network.signings) == 2


def test_a_daemon_that_does_not_lead_signs_nothing(tmp_path: Path, clock: Clock) -> None:
    with Journal(tmp_path / "journal.sqlite"), Journal(tmp_path / "journal.sqlite", standby=True) as other:
        ledger = Ledger(other.store, chain_id=CHAIN_ID, hub=HUB, committee=COMMITTEE, clock=clock)
        with pytest.raises(JournalError, match="another daemon writes"):
            ledger.sign(message(), MEMBERS[0], FEEDS)


def test_a_report_is_of_one_time() -> None:
    assert isinstance(report(NOW), Report) and NOW // TURN_S == TURN
