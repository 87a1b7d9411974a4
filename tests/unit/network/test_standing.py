"""Figures about members: ranks say which way a transmitter's choice leans, and nothing else makes them lean."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.core.encoding import NO_ANSWER
from oracle.core.types import Kind
from oracle.network.overview import turn_view
from oracle.network.standing import FeedMeasure, TransmitterStanding, mean_ranks
from tests.unit.network.signed import MEMBERS, TURN_S, TURNS

ANSWERS = st.dictionaries(st.integers(1, 31).map(str), st.integers(-(10**6), 10**6), min_size=2, max_size=31)


def ranks(answers: dict[str, int], brought: list[str]) -> tuple[float, float]:
    found = mean_ranks(answers, brought)
    assert found is not None
    return found


@given(ANSWERS)
def test_whoever_brings_all_answers_has_the_mean_rank_of_all(answers: dict[str, int]) -> None:
    rank, even = ranks(answers, list(answers))
    assert rank == pytest.approx(even) and even == (len(answers) + 1) / 2


@given(ANSWERS, st.data())
def test_leaving_out_the_lowest_never_lowers_the_rank_and_the_highest_never_raises_it(
    answers: dict[str, int], data: st.DataObject
) -> None:
    ordered = sorted(answers, key=lambda each: answers[each])
    left = data.draw(st.integers(1, len(ordered) - 1))
    even = ranks(answers, ordered)[1]
    high, low = ranks(answers, ordered[left:])[0], ranks(answers, ordered[:-left])[0]
    assert high >= even - 1e-9 and low <= even + 1e-9
    if answers[ordered[left - 1]] < answers[ordered[left]]:
        assert high > even


@given(ANSWERS, st.data(), st.integers(1, 9), st.integers(-(10**6), 10**6))
def test_ranks_do_not_depend_on_the_feeds_units(
    answers: dict[str, int], data: st.DataObject, factor: int, shift: int
) -> None:
    brought = data.draw(st.lists(st.sampled_from(sorted(answers)), min_size=1, unique=True))
    moved = {reporter: answer * factor + shift for reporter, answer in answers.items()}
    assert ranks(moved, brought) == ranks(answers, brought)


def test_who_has_no_answer_has_no_rank() -> None:
    answers = {"a": NO_ANSWER, "b": 10, "c": 20, "d": 20}
    assert ranks(answers, ["a", "b", "c"]) == ((1 + 2.5) / 2, 2.0)
    assert mean_ranks(answers, ["a"]) is None
    assert mean_ranks({}, []) is None


@pytest.mark.parametrize(
    ("rank", "even", "skew"), [(2.5, 2.5, 0.0), (4.0, 2.5, 1.0), (1.0, 2.5, -1.0), (1.0, 1.0, 0.0), (None, None, None)]
)
def test_the_skew_is_between_minus_one_and_one(rank: float | None, even: float | None, skew: float | None) -> None:
    standing = TransmitterStanding("a", MEMBERS[0], 1, 1, 1, rank, even, {}, {})
    assert standing.skew == skew


def test_a_distance_is_measured_as_the_hub_measures_a_move() -> None:
    relative, absolute = FeedMeasure(Kind.RELATIVE, 1_000), FeedMeasure(Kind.ABSOLUTE, 50)
    assert relative.distance(1_001_000, 1_000_000) == 1_000
    assert relative.distance(999_000, 1_000_000) == -1_001  # against the smaller of the two
    assert relative.distance(5, 0) is None and relative.distance(5, -1) is None
    assert absolute.distance(-25, 0) == -500


@given(st.integers(10**9, 2 * 10**9), st.floats(0, 59.9))
def test_the_present_turn_has_a_holder_and_a_next_one(begin: int, past: float) -> None:
    names: dict[str, Any] = {each: each[-4:] for each in MEMBERS}
    turn = begin // TURN_S
    view = turn_view(TURNS, names, turn * TURN_S + past)
    assert (view.number, view.since, view.until) == (turn, turn * TURN_S, (turn + 1) * TURN_S)
    assert view.holder in names.values() and view.following in names.values() and view.holder != view.following
