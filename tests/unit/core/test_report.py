"""Tests of reports: the bounds, and the median, count and spread, against independent definitions."""

from __future__ import annotations

import statistics
from collections.abc import Callable
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.core import encoding
from oracle.core.encoding import INT128_MAX, NO_ANSWER
from oracle.core.errors import DataError
from oracle.core.report import MAX_FEEDS, MAX_REPORTERS, Report, ReporterSignature, SignedReport
from oracle.core.types import Kind

IDS = tuple(bytes([number]) * 32 for number in range(MAX_FEEDS + 1))
REPORT = Report(committee=1, epoch=1, observed_at=1_700_000_000, feed_ids=IDS[:3], round_ids=(1, 0, 7))
SIGNATURE = ReporterSignature((1, 2, 3), bytes(32), bytes(32), bytes(32))

answers = st.integers(NO_ANSWER + 1, INT128_MAX) | st.integers(-3, 3) | st.just(NO_ANSWER)


def one_feed(*values: int) -> SignedReport:
    """Return a report of one feed with an answer of each reporter."""
    report = Report(1, 1, 0, IDS[:1], (1,))
    return SignedReport(report, tuple(ReporterSignature((value,), bytes(32), bytes(32), bytes(32)) for value in values))


def test_due_feeds_and_references_are_told_apart() -> None:
    assert (REPORT.due, REPORT.references) == ((0, 2), (1,))
    assert [REPORT.position(feed_id) for feed_id in IDS[:4]] == [0, 1, 2, None]


def test_the_bounds_are_the_contracts() -> None:
    most = 2**32 - 1
    Report(most, most, most, IDS[:MAX_FEEDS], (most,) * MAX_FEEDS)
    ReporterSignature((NO_ANSWER, INT128_MAX), bytes(32), bytes(32), bytes(32))
    SignedReport(REPORT, (SIGNATURE,) * MAX_REPORTERS)


@pytest.mark.parametrize(
    ("make", "what"),
    [
        (lambda: replace(REPORT, committee=0), "committee is 0, but the contract takes 1 to"),
        (lambda: replace(REPORT, committee=2**32), "committee is 4294967296"),
        (lambda: replace(REPORT, epoch=0), "epoch is 0"),
        (lambda: replace(REPORT, observed_at=2**32), "observed_at is 4294967296"),
        (lambda: replace(REPORT, observed_at=-1), "observed_at is -1"),
        (lambda: replace(REPORT, feed_ids=(), round_ids=()), "1 to 96 feeds, not 0"),
        (lambda: replace(REPORT, feed_ids=IDS, round_ids=(1,) * len(IDS)), "1 to 96 feeds, not 97"),
        (lambda: replace(REPORT, round_ids=(1, 2)), "3 feeds, but 2 rounds"),
        (lambda: replace(REPORT, round_ids=(1, -1, 0)), "round of the report is -1"),
        (lambda: replace(REPORT, round_ids=(0, 0, 0)), "no feed of the report is due"),
        (lambda: replace(REPORT, feed_ids=(IDS[0], IDS[0], IDS[1])), "do not ascend"),
        (lambda: replace(REPORT, feed_ids=(IDS[1], IDS[0], IDS[2])), "do not ascend"),
        (lambda: replace(REPORT, feed_ids=(b"", IDS[0], IDS[1])), "0 bytes, not 32"),
        (lambda: replace(SIGNATURE, answers=(NO_ANSWER - 1,)), "an answer is -"),
        (lambda: replace(SIGNATURE, answers=(INT128_MAX + 1,)), "an answer is 1"),
        (lambda: replace(SIGNATURE, readings=b"\0" * 31), "31 bytes"),
        (lambda: replace(SIGNATURE, r=b"\0" * 33), "33 bytes"),
        (lambda: replace(SIGNATURE, vs=b""), "0 bytes"),
        (lambda: SignedReport(REPORT, ()), "1 to 31 signatures, not 0"),
        (lambda: SignedReport(REPORT, (SIGNATURE,) * 32), "1 to 31 signatures, not 32"),
        (lambda: SignedReport(REPORT, (replace(SIGNATURE, answers=(1, 2)),)), "signed 2 answers"),
    ],
)
def test_what_the_contract_would_refuse_is_refused(make: Callable[[], object], what: str) -> None:
    with pytest.raises(DataError, match=what):
        make()


@given(st.lists(answers, min_size=1, max_size=MAX_REPORTERS))
def test_count_median_and_spread(values: list[int]) -> None:
    signed = one_feed(*values)
    there = [value for value in values if value != NO_ANSWER]
    assert signed.count(0) == len(there)
    assert signed.answers(0) == tuple(sorted(there))
    if not there:
        for ask in (signed.median, signed.median_row, lambda position: signed.spread(position, Kind.ABSOLUTE, 1)):
            with pytest.raises(DataError, match=f"no reporter has an answer for feed 0x{IDS[0].hex()}"):
                ask(0)
        return
    assert signed.median(0) == statistics.median_high(there) == values[signed.median_row(0)]
    for kind in Kind:
        assert signed.spread(0, kind, 6_000) == encoding.spread(kind, 6_000, min(there), max(there))


def test_a_missing_answer_is_no_lowest_answer() -> None:
    signed = one_feed(NO_ANSWER, 10_000, NO_ANSWER, 10_100)
    assert (signed.median(0), signed.median_row(0)) == (10_100, 3)
    assert signed.spread(0, Kind.ABSOLUTE, 100) == 1_000


def test_the_quorum_is_counted_for_each_feed() -> None:
    other = replace(SIGNATURE, answers=(NO_ANSWER, 5, 6))
    signed = SignedReport(REPORT, (SIGNATURE, other, other))
    assert [signed.count(position) for position in range(3)] == [1, 3, 3]
    assert [signed.short_of(quorum) for quorum in (1, 2, 3, 4)] == [(), (0,), (0,), (0, 1, 2)]
    assert [signed.median(position) for position in range(3)] == [1, 5, 6]
