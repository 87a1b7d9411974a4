"""Tests of times for people: in a zone or in UTC, and what people write for one."""

from __future__ import annotations

import time
from collections.abc import Iterator

import pytest

from oracle.core.times import parse_since, readable, span, zone_name

NOON = 1_700_000_000
"""2023-11-14 22:13:20 in UTC."""


@pytest.fixture
def _berlin(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    monkeypatch.setenv("TZ", "CET-1CEST,M3.5.0,M10.5.0/3")
    time.tzset()
    yield
    monkeypatch.undo()
    time.tzset()


@pytest.mark.usefixtures("_berlin")
def test_a_time_is_shown_in_the_machines_zone_or_in_utc() -> None:
    assert readable(NOON) == "2023-11-14 22:13:20"
    assert readable(NOON, is_utc=False) == "2023-11-14 23:13:20"
    assert readable(NOON + 0.9) == readable(NOON)
    assert (zone_name(), zone_name(is_utc=False) in ("CET", "CEST")) == ("UTC", True)


def test_any_number_is_shown() -> None:
    assert readable(2**255) == str(2**255)


@pytest.mark.usefixtures("_berlin")
@pytest.mark.parametrize(
    ("text", "is_utc", "expected"),
    [
        ("2023-11-14", True, NOON - NOON % 86_400),
        ("2023-11-14", False, NOON - NOON % 86_400 - 3_600),
        ("2023-11-14T22:13:20", True, NOON),
        ("2023-11-14 23:13:20", False, NOON),
        ("2023-11-14T22:13:20Z", False, NOON),
        ("2023-11-15T00:13:20+02:00", True, NOON),
        # In summer the zone is another one.
        ("2023-07-01T12:00", False, 1_688_205_600),
        ("30s", True, NOON - 30),
        ("90min", True, NOON - 5_400),
        ("1.5h", True, NOON - 5_400),
        ("7d", False, NOON - 7 * 86_400),
        ("2 w", True, NOON - 14 * 86_400),
    ],
)
def test_a_day_a_time_or_a_span_is_read(text: str, is_utc: bool, expected: int) -> None:
    assert parse_since(text, NOON, is_utc=is_utc) == expected


@pytest.mark.parametrize("text", ["", "yesterday", "7", "7 days", "-7d", "2023-13-01", "1e5h", "9999999999d", "٣d"])
def test_what_is_none_of_these_is_refused_in_words(text: str) -> None:
    with pytest.raises(ValueError, match=r"is no day \(2026-11-30\).*span before now"):
        parse_since(text, NOON)


def test_a_span_is_said_as_people_say_it() -> None:
    assert [span(each) for each in (0, 119, 120, 7_199, 9_000, 3 * 86_400)] == [
        "0 s",
        "119 s",
        "2 min",
        "120 min",
        "2.5 h",
        "3 d",
    ]
