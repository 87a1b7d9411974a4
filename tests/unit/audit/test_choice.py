"""Tests of the choice of what is proven."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest

from oracle.audit.choice import Choice, Span
from oracle.audit.report import Checked, Finding, FindingKind
from oracle.core.errors import DataError
from oracle.core.types import Outcome

FEED_ID, PEER_ID = (1).to_bytes(32), (2).to_bytes(32)
FEEDS: dict[bytes, Any] = {
    FEED_ID: SimpleNamespace(description="eth / USD"),
    PEER_ID: SimpleNamespace(description="btc / USD"),
}
OF = {FEED_ID: f"0x{FEED_ID.hex()}", PEER_ID: f"0x{PEER_ID.hex()}"}


def finding(feed_id: bytes, round_id: int) -> Finding:
    return Finding(
        feed=FEEDS[feed_id].description,
        feed_id=OF[feed_id],
        decimals=8,
        kind=FindingKind.ROUND,
        round_id=round_id,
        outcome=Outcome.ACCEPTED,
        confirmed=False,
        reason="",
        confirmations=0,
        answer=1,
        observed_at=1_000 * round_id,
        block_number=10 * round_id,
        block_time=1_000 * round_id + 5,
        tx_hash="0x",
        check=Checked.VERIFIED,
        problem="",
    )


FINDINGS = [finding(feed_id, round_id) for round_id in (1, 2, 3) for feed_id in FEEDS]


@pytest.mark.parametrize(
    ("choice", "taken"),
    [
        (Choice(), [0, 1, 2, 3, 4, 5]),
        (Choice(feeds=("eth / USD",)), [0, 2, 4]),
        (Choice(feeds=(OF[PEER_ID].upper().replace("0X", "0x"),)), [1, 3, 5]),
        (Choice(feeds=("eth / USD", OF[PEER_ID])), [0, 1, 2, 3, 4, 5]),
        (Choice(rounds=(Span(2, 2),)), [2, 3]),
        (Choice(rounds=(Span(1, 1), Span(3, None))), [0, 1, 4, 5]),
        (Choice(feeds=("btc / USD",), rounds=(Span(2, 3),)), [3, 5]),
        (Choice(blocks=Span(20, 29)), [2, 3]),
        (Choice(since=2_005), [2, 3, 4, 5]),
        (Choice(until=2_005), [0, 1]),
        (Choice(since=1_005, until=1_006), [0, 1]),
    ],
)
def test_what_is_chosen(choice: Choice, taken: list[int]) -> None:
    assert [at for at, each in enumerate(FINDINGS) if choice.takes(each)] == taken
    choice.check(FINDINGS, FEEDS)
    assert choice.is_all == (choice == Choice())


@pytest.mark.parametrize(
    ("choice", "says"),
    [
        (Choice(feeds=("eth / EUR",)), "--feed eth / EUR: the hub has no such feed, by name or id; it has 'eth / USD'"),
        (Choice(feeds=("eth / USD", "ETH / USD")), "--feed ETH / USD: the hub has no such feed"),
        (Choice(rounds=(Span(4, 4),)), "--rounds 4: no report is of such a round; the latest one is 3"),
        (Choice(rounds=(Span(1, 1), Span(7, None))), "--rounds 7-: no report is of such a round"),
        (Choice(blocks=Span(31, None)), "no report passes all that was chosen: blocks 31-"),
        (Choice(rounds=(Span(1, 1),), since=3_000), "passes all that was chosen: rounds 1; since 1970-01-01T00:50:00Z"),
        (Choice(until=0), "no report passes all that was chosen: until 1970-01-01T00:00:00Z"),
    ],
)
def test_a_choice_of_nothing_is_an_error(choice: Choice, says: str) -> None:
    """An audit of nothing must not look like one that found nothing wrong."""
    with pytest.raises(DataError) as raised:
        choice.check(FINDINGS, FEEDS)
    assert says in str(raised.value)
    assert raised.value.exit_code == 2


def test_a_feed_without_reports_is_an_error() -> None:
    with pytest.raises(DataError, match="no report passes all that was chosen: feed btc / USD"):
        Choice(feeds=("btc / USD",)).check([finding(FEED_ID, 1)], FEEDS)


def test_all_of_nothing_is_left_to_others() -> None:
    Choice().check([], {})


@pytest.mark.parametrize(("text", "span"), [("7", Span(7, 7)), (" 7-9 ", Span(7, 9)), ("7-", Span(7, None))])
def test_spans(text: str, span: Span) -> None:
    assert Span.parse(text) == span
    assert str(span) == text.strip()


@pytest.mark.parametrize("text", ["", "-", "-3", "a", "3-2", "1--2", "1-2-3", "٣", "0x1", "1" * 30])
def test_what_is_no_span(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a number|ends before"):
        Span.parse(text)


def test_ids_are_compared_whole() -> None:
    assert not Choice(feeds=(OF[FEED_ID][:-1],)).takes(FINDINGS[0])
