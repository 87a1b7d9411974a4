"""Tests of the readings documents in the journal's database: SQLite and a real PostgreSQL."""

from __future__ import annotations

import json
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path

import pytest

from oracle.chain.keys.typed import readings_hash
from oracle.core.documents import canonical_json
from oracle.core.errors import JournalError, SourceUnavailable
from oracle.core.formats import from_hex, keccak
from oracle.core.report import NO_READINGS
from oracle.core.types import Kind
from oracle.feeds.journal import Journal
from oracle.feeds.journal.databases import PostgresDatabase
from oracle.feeds.journal.readings import ReadingsArchive, keep_documents, keep_signed
from oracle.sources.aggregate import AggregationPolicy, aggregate
from oracle.sources.interface import Collected, Reading
from oracle.sources.readings import ReadingsDocument, ReadingsRule, gather, parse
from tests.postgres import Postgres

REPORTER = "0x" + "7e" * 20
DAY = 86_400


class Clock:
    now = 1_000_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture(params=["sqlite", "postgresql"])
def journal(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Journal]:
    if request.param == "sqlite":
        where: Path | PostgresDatabase = tmp_path / "journal.db"
    else:
        server: Postgres = request.getfixturevalue("postgres")
        where = PostgresDatabase(server.url())
    with Journal(where) as opened:
        yield opened


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def archive(journal: Journal, clock: Clock) -> ReadingsArchive:
    return ReadingsArchive(journal.store, clock)


def document(feed: str, answer: int, at: int = 1_000, salt: bytes | None = None) -> ReadingsDocument:
    policy = AggregationPolicy(Kind.ABSOLUTE)
    readings = (Reading(Decimal(answer), at, "a"),)
    collected = Collected(readings, {"b": "why"}, (SourceUnavailable("why"),))
    rule = ReadingsRule.of(keccak(feed.encode()), feed, 0, policy)
    origins = {"a": "a.example", "b": "b.example"}
    return gather(rule, origins, collected, aggregate(readings, policy), answer).document(REPORTER, at, salt)


def test_what_was_kept_is_found_by_either_hash(archive: ReadingsArchive) -> None:
    eth, btc = document("ETH", 5), document("BTC", -(2**127 - 1))
    archive.keep([eth, btc])
    told = [(btc.feed_id, btc.answer), (b"\1" * 32, 7), (eth.feed_id, 5)]
    hashes = archive.hashes(REPORTER.upper().replace("0X", "0x"), 1_000, told)
    assert hashes == [btc.hash, NO_READINGS, eth.hash]
    signed = readings_hash(hashes)
    assert archive.find(signed) is None
    archive.sign(signed, hashes)
    found = archive.find(signed)
    assert found == b'{"feeds":[' + btc.encode() + b",null," + eth.encode() + b"]}"
    feeds = json.loads(found)["feeds"]
    assert [None if each is None else parse(canonical_json(each)) for each in feeds] == [btc, None, eth]
    assert archive.find(eth.hash) == eth.encode()
    assert archive.find(b"\7" * 32) is None


def test_an_answer_has_one_document_however_often_it_is_signed(archive: ReadingsArchive, journal: Journal) -> None:
    first, again, other = document("ETH", 5), document("ETH", 5), document("ETH", 6)
    assert first.hash != again.hash
    with journal.store.transaction() as connection:
        assert keep_documents(connection, [first, again, other], 1.0) == [first.hash, first.hash, other.hash]
    archive.keep([again])
    assert archive.find(again.hash) is None
    assert archive.hashes(REPORTER, 1_000, [(first.feed_id, 5), (first.feed_id, 6)]) == [first.hash, other.hash]
    assert archive.hashes(REPORTER, 1_001, [(first.feed_id, 5)]) == [NO_READINGS], "of another time"
    assert archive.hashes("0x" + "11" * 20, 1_000, [(first.feed_id, 5)]) == [NO_READINGS], "of another reporter"


def test_a_report_that_is_parted_has_the_documents_of_the_whole(archive: ReadingsArchive) -> None:
    eth, btc = document("ETH", 5), document("BTC", 6)
    archive.keep([eth, btc])
    for hashes in ([eth.hash, btc.hash], [eth.hash], [btc.hash], [eth.hash]):
        archive.sign(readings_hash(hashes), hashes)
    for hashes, documents in (([eth.hash, btc.hash], [eth, btc]), ([eth.hash], [eth]), ([btc.hash], [btc])):
        found = json.loads(archive.find(readings_hash(hashes)) or b"")
        assert [from_hex(each["feed_id"]) for each in found["feeds"]] == [each.feed_id for each in documents]


def test_a_signature_without_any_readings_is_told_as_such(archive: ReadingsArchive) -> None:
    signed = readings_hash([NO_READINGS, NO_READINGS])
    archive.sign(signed, [NO_READINGS, NO_READINGS])
    assert archive.find(signed) == b'{"feeds":[null,null]}'


def test_what_is_old_is_dropped_as_a_whole(archive: ReadingsArchive, clock: Clock) -> None:
    old, young = document("ETH", 5), document("BTC", 6)
    archive.keep([old])
    archive.sign(readings_hash([old.hash]), [old.hash])
    clock.now += 10 * DAY
    archive.keep([young])
    both = [old.hash, young.hash]
    archive.sign(readings_hash(both), both)
    assert archive.prune(11) == 0
    assert archive.prune(9) == 2
    assert archive.find(old.hash) is None and archive.find(readings_hash([old.hash])) is None
    assert archive.find(young.hash) == young.encode()
    assert archive.find(readings_hash(both)) is None, "a part of it would not be what was signed"
    assert archive.prune(9) == 0


def test_the_ledger_s_transaction_has_all_or_nothing(archive: ReadingsArchive, journal: Journal) -> None:
    made = document("ETH", 5)

    def fail() -> None:
        with journal.store.transaction() as connection:
            hashes = keep_documents(connection, [made], 1.0)
            keep_signed(connection, readings_hash(hashes), hashes, 1.0)
            raise ValueError

    with pytest.raises(ValueError):
        fail()
    assert archive.find(made.hash) is None and archive.find(readings_hash([made.hash])) is None


def test_a_reader_keeps_nothing(tmp_path: Path) -> None:
    path = tmp_path / "journal.db"
    made = document("ETH", 5)
    with Journal(path) as journal:
        ReadingsArchive(journal.store).keep([made])
    with Journal(path, read_only=True) as journal:
        archive = ReadingsArchive(journal.store)
        assert archive.find(made.hash) == made.encode()
        with pytest.raises(JournalError, match="reading only"):
            archive.keep([document("BTC", 6)])
