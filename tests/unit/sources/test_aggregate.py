"""Tests of aggregation and of the decision if a value is due. Both are pure, so each case is a table or a property."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.core.errors import DataError, SourceUnavailable
from oracle.core.gate import empty_feed
from oracle.core.types import FeedState, HeldAnswer, HoldReason, Kind, Status
from oracle.sources.aggregate import (
    AggregationPolicy,
    Due,
    DuePolicy,
    aggregate,
    decide,
    is_due,
)
from oracle.sources.interface import Reading

ONE_PERCENT = AggregationPolicy(Kind.RELATIVE, min_sources=2, max_spread=Decimal(10_000))
ABSOLUTE = AggregationPolicy(Kind.ABSOLUTE, min_sources=2, max_spread=Decimal("0.5"))


def readings(*values: str) -> list[Reading]:
    return [Reading(Decimal(value), 1_000 + i, f"s{i}") for i, value in enumerate(values)]


# --- aggregate ---


@pytest.mark.parametrize(
    ("values", "median", "observed_at"),
    [
        (("100", "101"), "100", 1_000),
        (("101", "100"), "100", 1_000),
        (("100.5", "100", "101"), "100.5", 1_001),
        (("100", "100.1", "100.2", "100.3"), "100.1", 1_001),
    ],
)
def test_the_value_is_the_lower_median(values: tuple[str, ...], median: str, observed_at: int) -> None:
    result = aggregate(readings(*values), ONE_PERCENT)
    assert result.value == Decimal(median)
    assert result.observed_at == observed_at
    assert result.outliers == ()
    assert len(result.sources) == len(values)


def test_one_source_is_enough_only_where_the_policy_says_so() -> None:
    assert aggregate(readings("7"), AggregationPolicy(Kind.RELATIVE)).value == 7
    with pytest.raises(SourceUnavailable, match=r"^1 of at least 2 sources answered: s1: HTTP 500; s2: timeout$"):
        aggregate(readings("7"), ONE_PERCENT, {"s1": "s1: HTTP 500", "s2": "s2: timeout"})


@pytest.mark.parametrize("policy", [ONE_PERCENT, AggregationPolicy(Kind.RELATIVE)])
def test_no_reading_is_no_value(policy: AggregationPolicy) -> None:
    with pytest.raises(SourceUnavailable, match=r"^0 of at least"):
        aggregate([], policy)


@pytest.mark.parametrize("wrong", ["103", "97", "1000", "0", "-100", "0.001"])
@pytest.mark.parametrize("position", [0, 1, 2])
def test_one_source_gone_wrong_neither_moves_nor_stops_the_feed(wrong: str, position: int) -> None:
    values = ["100", "100.4"]
    values.insert(position, wrong)
    result = aggregate(readings(*values), ONE_PERCENT)
    assert result.value == 100
    assert [str(reading.value) for reading in result.outliers] == [wrong]
    assert f"s{position}" not in result.sources
    assert result.spread <= 10_000


@pytest.mark.parametrize("values", [("100", "103"), ("100", "0"), ("100", "103", "106"), ("1", "1", "2", "2")])
def test_sources_that_contradict_each_other_give_no_value(values: tuple[str, ...]) -> None:
    with pytest.raises(SourceUnavailable, match="sources disagree: s") as caught:
        aggregate(readings(*values), ONE_PERCENT)
    assert "10000 ppm is allowed" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_the_worst_source_is_named() -> None:
    with pytest.raises(SourceUnavailable, match="s2 says 150, 456311 ppm from the median 103"):
        aggregate(readings("100", "103", "150"), ONE_PERCENT)


def test_a_minority_never_decides_even_if_the_policy_wants_one_source() -> None:
    policy = replace(ONE_PERCENT, min_sources=1)
    with pytest.raises(SourceUnavailable, match="1 of 2 agree"):
        aggregate(readings("100", "200"), policy)


def test_the_spread_is_bounded_inclusively() -> None:
    assert aggregate(readings("100", "101"), ONE_PERCENT).spread == 10_000
    with pytest.raises(SourceUnavailable):
        aggregate(readings("100", "101.0001"), ONE_PERCENT)


def test_absolute_feeds_measure_in_their_own_units() -> None:
    result = aggregate(readings("-0.2", "0.1", "0.3", "5"), ABSOLUTE)
    assert (result.value, result.spread) == (Decimal("0.1"), Decimal("0.3"))
    assert [reading.source for reading in result.outliers] == ["s3"]


def test_without_a_bound_everything_agrees() -> None:
    policy = AggregationPolicy(Kind.RELATIVE, min_sources=2)
    assert aggregate(readings("1", "1000", "0"), policy).value == 1


def test_a_zero_of_the_only_source_is_the_gates_matter() -> None:
    # The reading passes on; it is proven anomalous and held, where everybody can see it.
    assert aggregate(readings("0"), AggregationPolicy(Kind.RELATIVE, max_spread=Decimal(1))).value == 0


@pytest.mark.parametrize("value", ["NaN", "sNaN", "Infinity"])
def test_what_is_no_number_is_refused(value: str) -> None:
    with pytest.raises(DataError, match=r"s1: .* is not a finite number"):
        aggregate(readings("1", value), AggregationPolicy(Kind.ABSOLUTE))


values = st.decimals(min_value=-(10**6), max_value=10**6, places=3)


@given(st.lists(values, min_size=1, max_size=7), st.sampled_from(list(Kind)), st.integers(1, 100_000))
def test_the_value_is_one_that_a_majority_stands_by(numbers: list[Decimal], kind: Kind, spread: int) -> None:
    policy = AggregationPolicy(kind, min_sources=1, max_spread=Decimal(spread))
    given_ = [Reading(value, 1, f"s{i}") for i, value in enumerate(numbers)]
    try:
        result = aggregate(given_, policy)
    except SourceUnavailable:
        return
    assert result.value in numbers
    assert 2 * len(result.sources) > len(numbers)
    assert len(result.sources) + len(result.outliers) == len(numbers)
    # The order in which sources answer does not matter.
    assert aggregate(given_[::-1], policy).value == result.value


# --- due ---

RELATIVE_DUE = DuePolicy(Kind.RELATIVE, heartbeat=3_600, deviation=10_000)
ABSOLUTE_DUE = DuePolicy(Kind.ABSOLUTE, heartbeat=3_600, deviation=50)


@pytest.mark.parametrize(
    ("policy", "last", "answer", "after", "reason"),
    [
        (RELATIVE_DUE, None, 100, 0, Due.FIRST),
        (RELATIVE_DUE, 10_000, 10_000, 3_599, None),
        (RELATIVE_DUE, 10_000, 10_000, 3_600, Due.HEARTBEAT),
        (RELATIVE_DUE, 10_000, 10_099, 1, None),
        (RELATIVE_DUE, 10_000, 10_100, 1, Due.DEVIATION),
        # The threshold is relative to the smaller value: 9,901 is just less than 1 % of itself below 10,000.
        (RELATIVE_DUE, 10_000, 9_901, 1, None),
        (RELATIVE_DUE, 10_000, 9_900, 1, Due.DEVIATION),
        (RELATIVE_DUE, 10_000, 0, 1, Due.DEVIATION),
        (RELATIVE_DUE, 10_000, -10_000, 1, Due.DEVIATION),
        (RELATIVE_DUE, 10_000, 20_000, 0, None),
        (RELATIVE_DUE, 10_000, 20_000, -5, None),
        (ABSOLUTE_DUE, 0, 49, 1, None),
        (ABSOLUTE_DUE, 0, -50, 1, Due.DEVIATION),
        (ABSOLUTE_DUE, -10, 40, 1, Due.DEVIATION),
        (ABSOLUTE_DUE, 0, 0, 3_600, Due.HEARTBEAT),
    ],
)
def test_when_a_value_is_due(policy: DuePolicy, last: int | None, answer: int, after: int, reason: Due | None) -> None:
    assert is_due(last, 1_000, answer, 1_000 + after, policy) is reason


def state(held: HeldAnswer | None = None) -> FeedState:
    empty = empty_feed(b"\x01" * 32, Kind.RELATIVE, 10_000, 3_600, 1)
    last = 1_500 if held else 1_000
    status = Status.HELD if held else Status.OK
    return replace(empty, status=status, round_id=1, answer=10_000, observed_at=1_000, last_report_at=last, held=held)


HELD = HeldAnswer(
    reason=HoldReason.ANOMALOUS,
    answer=20_000,
    first_answer=20_000,
    first_observed_at=1_500,
    first_seen_at=1_500,
    observed_at=1_500,
    confirmations=0,
    model_number=1,
    score_ratio=5_000,
    anomalies=1,
    anomalous_since=1_500,
    anomalous_seen_at=1_500,
    first_gap=1_000,
)
WITH_INTERVAL = replace(RELATIVE_DUE, held_interval=600)


def test_a_new_feed_is_due_at_once() -> None:
    assert decide(empty_feed(b"", Kind.RELATIVE, 1, 1, 1), 5, 10, RELATIVE_DUE) is Due.FIRST


@pytest.mark.parametrize(
    ("answer", "observed_at", "reason"),
    [
        (10_000, 4_599, None),
        (10_000, 4_600, Due.HEARTBEAT),
        (11_000, 1_001, Due.DEVIATION),
        (11_000, 1_000, None),
    ],
)
def test_a_feed_that_is_ok(answer: int, observed_at: int, reason: Due | None) -> None:
    assert decide(state(), answer, observed_at, WITH_INTERVAL) is reason


@pytest.mark.parametrize(
    ("answer", "observed_at", "reason"),
    [
        (20_000, 2_099, None),  # the feed stays at the held level: not at each reading …
        (20_000, 2_100, Due.HELD),  # … but often enough for a confirmation
        (10_000, 1_501, Due.DEVIATION),  # back to normal: this clears the hold at once
        (40_000, 1_501, Due.DEVIATION),  # another new level
        (40_000, 1_500, None),
    ],
)
def test_a_feed_that_is_held(answer: int, observed_at: int, reason: Due | None) -> None:
    assert decide(state(HELD), answer, observed_at, WITH_INTERVAL) is reason


def test_a_held_feed_is_reported_to_within_its_heartbeat() -> None:
    slow = replace(RELATIVE_DUE, held_interval=10**6)
    assert decide(state(HELD), 20_000, 5_099, slow) is None
    assert decide(state(HELD), 20_000, 5_100, slow) is Due.HELD


REPEATED = replace(HELD, reason=HoldReason.REPEATED, answer=10_000, first_answer=10_000)


@pytest.mark.parametrize(
    ("answer", "observed_at", "reason"),
    [
        (10_000, 5_099, None),  # nothing confirms it: no more proofs than the heartbeat asks for
        (10_000, 5_100, Due.HELD),
        (10_001, 1_501, Due.DEVIATION),  # the smallest other answer ends it
    ],
)
def test_a_repetition_that_is_held(answer: int, observed_at: int, reason: Due | None) -> None:
    assert decide(state(REPEATED), answer, observed_at, WITH_INTERVAL) is reason


def test_an_answer_that_is_not_positive_is_not_insisted_on() -> None:
    held = state(replace(HELD, reason=HoldReason.NOT_POSITIVE, answer=0, first_answer=0))
    assert decide(held, 0, 5_099, WITH_INTERVAL) is None
    assert decide(held, 0, 5_100, WITH_INTERVAL) is Due.HELD
    assert decide(held, 10_000, 1_501, WITH_INTERVAL) is Due.DEVIATION
