"""Tests of the audit of readings: what stands behind a signature is told from everything else, whoever serves it."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from dataclasses import replace
from decimal import Decimal

import pytest

from oracle.audit.history import AuditedFeed, AuditedReport
from oracle.audit.readings import ReadingsPlace, ReadingsProblem, audit_readings, served_at_most
from oracle.audit.report import ReadingsFault, ReadingsReport
from oracle.chain.keys.typed import readings_hash
from oracle.core.documents import canonical_json
from oracle.core.encoding import NO_ANSWER
from oracle.core.formats import keccak
from oracle.core.gate import HoldPolicy
from oracle.core.report import NO_READINGS, Report, ReporterSignature, SignedReport
from oracle.core.times import utc
from oracle.core.types import Kind
from oracle.sources.aggregate import AggregationPolicy, aggregate
from oracle.sources.interface import Collected, Reading
from oracle.sources.readings import MAX_DOCUMENT, ReadingsDocument, ReadingsRule, gather

ALICE, BOB = "0x" + "Aa" * 20, "0x" + "Bb" * 20
NAMES = ("ETH / USD", "BTC / USD")
IDS = sorted(keccak(name.encode()) for name in NAMES)
FEEDS = {
    keccak(name.encode()): AuditedFeed(
        keccak(name.encode()), name, Kind.RELATIVE, 2, 10_000, 3_600, 600, 30, 0, HoldPolicy(2, 60, 500), 1, (), 1
    )
    for name in NAMES
}
AT = 1_000


def document(
    feed_id: bytes, *values: str, reporter: str = ALICE, at: int = AT, decimals: int = 2, kind: Kind = Kind.RELATIVE
) -> ReadingsDocument:
    policy = AggregationPolicy(kind, 1, Decimal(10_000))
    readings = tuple(Reading(Decimal(value), at - 10 * place, f"s{place}") for place, value in enumerate(values))
    value = aggregate(readings, policy)
    name = FEEDS[feed_id].description
    rule = ReadingsRule.of(feed_id, name, decimals, policy)
    origins = {each.source: "a.example" for each in readings}
    found = gather(rule, origins, Collected(readings, {}, ()), value, int(value.value * 10**decimals))
    return found.document(reporter, at, bytes(16))


GOOD = [document(IDS[0], "100", "100.01", "100.02"), document(IDS[1], "7")]


def body(documents: Sequence[ReadingsDocument | None]) -> bytes:
    return b'{"feeds":[' + b",".join(b"null" if each is None else each.encode() for each in documents) + b"]}"


def signed(
    documents: Sequence[ReadingsDocument | None],
    answers: Sequence[int] | None = None,
    readings: bytes | None = None,
) -> ReporterSignature:
    told = [NO_ANSWER if each is None else each.answer for each in documents] if answers is None else answers
    hashes = [NO_READINGS if each is None else each.hash for each in documents]
    return ReporterSignature(tuple(told), readings or readings_hash(hashes), bytes(32), bytes(32))


def report(*signatures: ReporterSignature, reporters: Sequence[str] = (ALICE,)) -> AuditedReport:
    about = Report(1, 1, AT, tuple(IDS), (3, 0))
    return AuditedReport("0xabc", AT + 5, SignedReport(about, signatures), tuple(reporters))


async def audited(
    *reports: AuditedReport, served: bytes | ReadingsProblem | Callable[[str, bytes, int], bytes]
) -> ReadingsReport:
    async def fetch(url: str, wanted: bytes, most: int) -> bytes:
        if isinstance(served, ReadingsProblem):
            raise served
        return served if isinstance(served, bytes) else served(url, wanted, most)

    return await audit_readings(reports, FEEDS, lambda reporter: ReadingsPlace("al", "http://a.example"), fetch)


async def fault(signature: ReporterSignature, served: bytes) -> tuple[ReadingsFault, str, str]:
    found = await audited(report(signature), served=served)
    assert not found.ok
    [each] = found.findings
    assert (each.reporter, each.name, each.tx_hash, each.observed_at) == (ALICE, "al", "0xabc", AT)
    assert found.reporters[0].verified == 0
    return each.fault, each.feed, each.problem


async def test_readings_from_which_the_answers_follow_are_verified() -> None:
    found = await audited(report(signed(GOOD)), report(signed([None, GOOD[1]])), served=_of_hash(GOOD, [None, GOOD[1]]))
    assert found.ok and found.findings == ()
    [mine] = found.reporters
    assert (mine.reporter, mine.name, mine.signatures, mine.verified, mine.answers) == (ALICE, "al", 2, 2, 3)
    assert (mine.sources_least, mine.sources_mean, mine.oldest_s) == (1, 1.67, 20)


def _of_hash(*served: Sequence[ReadingsDocument | None]) -> Callable[[str, bytes, int], bytes]:
    known = {signed(each).readings: body(each) for each in served}

    def find(url: str, wanted: bytes, most: int) -> bytes:
        assert most == served_at_most(2) > 2 * MAX_DOCUMENT
        return known[wanted]

    return find


async def test_blanks_and_order_of_what_is_served_do_not_matter() -> None:
    loose = json.dumps({"more": 1, "feeds": [json.loads(each.encode()) for each in GOOD]}, indent=2).encode()
    assert (await audited(report(signed(GOOD)), served=loose)).ok


# --- what is not what was signed ---


@pytest.mark.parametrize(
    ("what", "served"),
    [
        ("another salt", [replace(GOOD[0], salt=b"\1" * 16), GOOD[1]]),
        ("another value", [document(IDS[0], "100", "100.01", "100.03"), GOOD[1]]),
        ("another order", list(reversed(GOOD))),
        ("one is missing", [None, GOOD[1]]),
        ("another reporter's", [document(IDS[0], "100", "100.01", "100.02", reporter=BOB), GOOD[1]]),
    ],
)
async def test_what_was_not_signed_is_different(what: str, served: list[ReadingsDocument | None]) -> None:
    assert await fault(signed(GOOD), body(served)) == (
        ReadingsFault.DIFFERENT,
        "",
        "what is served is not what was signed",
    ), what


async def test_a_document_with_a_fraction_is_different() -> None:
    found = body(GOOD).replace(b'"decimals":2', b'"decimals":2.5', 1)
    assert b"2.5" in found
    assert (await fault(signed(GOOD), found))[0] is ReadingsFault.DIFFERENT


async def test_readings_of_another_number_of_feeds_are_different() -> None:
    kind, _, text = await fault(signed(GOOD), body(GOOD[:1]))
    assert (kind, text) == (ReadingsFault.DIFFERENT, "the readings of 1 feeds are served, where 2 were signed")


@pytest.mark.parametrize(
    "served",
    [
        b"",
        b"<html>",
        b"null",
        b"[]",
        b'{"feeds":{}}',
        b'{"error":"no"}',
        b"\xff\xfe",
        b'{"feeds":[NaN,null]}',
        b'{"feeds":[1e999,null]}',
        b'{"feeds":[' + b"9" * 5_000 + b",null]}",
        b"[" * 500_000,
        b'{"feeds":[' + b'{"a":' * 100_000,
        '{"feeds":["é",null]}'.encode(),
    ],
)
async def test_garbage_is_named_as_such(served: bytes) -> None:
    kind, feed, text = await fault(signed(GOOD), served)
    assert (kind, feed) == (ReadingsFault.UNREACHABLE, "")
    assert text == "its server answers something else than readings"


# --- what was signed, but is wrong ---


@pytest.mark.parametrize(
    ("wrong", "text"),
    [
        (document(IDS[0], "100", reporter=BOB), f"reporter is {BOB.lower()}, but {ALICE.lower()} was signed"),
        (document(IDS[1], "100"), f"feed is 0x{IDS[1].hex()}, but 0x{IDS[0].hex()} was signed"),
        (document(IDS[0], "100", at=AT - 1), f"time is {utc(AT - 1)}, but {utc(AT)} was signed"),
        (document(IDS[0], "10", decimals=3), "decimals is 3, but 2 was signed"),
        (document(IDS[0], "100", kind=Kind.ABSOLUTE), "kind is ABSOLUTE, but RELATIVE was signed"),
    ],
)
async def test_a_document_about_something_else_is_different(wrong: ReadingsDocument, text: str) -> None:
    kind, feed, problem = await fault(signed([wrong, GOOD[1]], [10_000, 700]), body([wrong, GOOD[1]]))
    assert (kind, feed) == (ReadingsFault.DIFFERENT, FEEDS[IDS[0]].description)
    assert problem == f"the document's {text}"


async def test_another_answer_than_that_of_the_readings_is_different() -> None:
    kind, _, problem = await fault(signed(GOOD, [10_002, 700]), body(GOOD))
    assert (kind, problem) == (ReadingsFault.DIFFERENT, "the document's answer is 100.01, but 100.02 was signed")
    kind, _, problem = await fault(signed(GOOD, [10_001, NO_ANSWER]), body(GOOD))
    assert (kind, problem) == (ReadingsFault.DIFFERENT, "the document's answer is 7.00, but none was signed")


async def test_an_answer_without_readings_is_missing_them() -> None:
    kind, feed, problem = await fault(signed([None, GOOD[1]], [5, 700]), body([None, GOOD[1]]))
    assert (kind, feed) == (ReadingsFault.MISSING, FEEDS[IDS[0]].description)
    assert problem == "it signed an answer without any readings"


async def test_a_signed_document_that_does_not_derive_its_answer_is_named() -> None:
    lie = json.loads(GOOD[0].encode()) | {"answer": "10002"}
    served = [canonical_json(lie), GOOD[1].encode()]
    readings = readings_hash(keccak(each) for each in served)
    kind, feed, problem = await fault(signed(GOOD, [10_002, 700], readings), b'{"feeds":[' + b",".join(served) + b"]}")
    assert (kind, feed) == (ReadingsFault.NOT_DERIVABLE, FEEDS[IDS[0]].description)
    assert problem == "the answer that follows from the readings is 10001, not 10002"


async def test_signed_garbage_is_not_derivable() -> None:
    served = [canonical_json({"a": "b"}), GOOD[1].encode()]
    readings = readings_hash(keccak(each) for each in served)
    kind, _, problem = await fault(signed(GOOD, None, readings), b'{"feeds":[' + b",".join(served) + b"]}")
    assert kind is ReadingsFault.NOT_DERIVABLE and "is not an object with exactly" in problem


async def test_each_wrong_feed_is_named() -> None:
    others = [document(IDS[0], "100", at=1), document(IDS[1], "7", at=1)]
    found = await audited(report(signed(others)), served=body(others))
    assert [each.feed for each in found.findings] == [FEEDS[feed_id].description for feed_id in IDS]


# --- who does not serve them ---


async def test_a_signature_without_any_readings_is_named_and_nobody_is_asked() -> None:
    none = signed(GOOD, None, readings_hash([NO_READINGS] * 2))

    def ask(url: str, wanted: bytes, most: int) -> bytes:
        raise AssertionError

    found = await audited(report(none), served=ask)
    assert [(each.fault, each.problem) for each in found.findings] == [
        (ReadingsFault.MISSING, "it signed without any readings")
    ]


async def test_a_reporter_whose_place_is_not_known_is_named() -> None:
    async def fetch(url: str, wanted: bytes, most: int) -> bytes:
        return body(GOOD)

    both = report(signed(GOOD), signed(GOOD), reporters=(ALICE, BOB))
    place = {ALICE: ReadingsPlace("al", "http://a.example")}
    found = await audit_readings([both], FEEDS, place.get, fetch)
    assert [(each.reporter, each.fault) for each in found.findings] == [(BOB, ReadingsFault.UNKNOWN)]
    assert [(each.reporter, each.name, each.verified) for each in found.reporters] == [(ALICE, "al", 1), (BOB, "", 0)]


async def test_a_server_that_fails_again_and_again_is_asked_no_more_and_costs_the_others_nothing() -> None:
    asked: list[str] = []

    async def fetch(url: str, wanted: bytes, most: int) -> bytes:
        asked.append(url)
        if "bob" in url:
            raise ReadingsProblem(ReadingsFault.UNREACHABLE, "its server is gone")
        return body(GOOD)

    bobs = [document(feed_id, "7", reporter=BOB) for feed_id in IDS]
    reports = [report(signed(GOOD), signed(bobs), reporters=(ALICE, BOB)) for _ in range(30)]
    found = await audit_readings(
        reports, FEEDS, lambda who: ReadingsPlace("", "http://alice" if who == ALICE else "http://bob"), fetch
    )
    assert [(each.reporter, each.verified) for each in found.reporters] == [(ALICE, 30), (BOB, 0)]
    assert 5 <= asked.count("http://bob") <= 7
    assert len(found.findings) == 30
    assert found.findings[-1].problem == "its server is not asked any more, as it failed 5 times in a row"


async def test_readings_that_are_only_missing_do_not_end_the_asking() -> None:
    missing = ReadingsProblem(ReadingsFault.MISSING, "its server does not have what it signed")
    found = await audited(*[report(signed(GOOD))] * 12, served=missing)
    assert {each.fault for each in found.findings} == {ReadingsFault.MISSING}
    assert len(found.findings) == 12
