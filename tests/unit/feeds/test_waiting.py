"""Tests of which report leaves next, and when: no event loop, the time is given."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.core.stages import Decided, Observed
from oracle.feeds.waiting import MOST_DUE, Queue, Waiting, group_sizes

CIRCUITS: Mapping[int, float] = {1: 0.4, 4: 0.5, 16: 1.2}
LONG = 3_600.0


def decided(feeds: str | list[str], at: int = 1_000) -> Decided:
    return Decided(1, tuple(Observed(feed, feed.encode().ljust(32, b"\0"), 1, at) for feed in sorted(feeds)))


def queue(circuits: Mapping[int, float] = CIRCUITS) -> Queue:
    return Queue(lambda model: circuits)


def waiting(feeds: str | list[str], leave_by: float = 0.0, at: int = 1_000, *, alone: bool = False) -> Waiting:
    return Waiting(decided(feeds, at), 1, alone, leave_by)


def left(found: Waiting | None) -> list[str]:
    return [] if found is None else sorted(found.stage.feeds)


# --- sizes ---


@pytest.mark.parametrize(
    ("count", "seconds", "sizes"),
    [
        (1, CIRCUITS, (1,)),
        (2, CIRCUITS, (2,)),
        (4, CIRCUITS, (4,)),
        (5, CIRCUITS, (4, 1)),
        (8, CIRCUITS, (4, 4)),
        (9, CIRCUITS, (9,)),
        (17, CIRCUITS, (16, 1)),
        (3, {1: 0.4}, (1, 1, 1)),
        (2, {1: 0.1, 4: 0.5}, (1, 1)),
        (4, {1: 0.125, 4: 0.5}, (4,)),  # it takes as long, in fewer transactions
        (6, {4: 0.5}, (4, 2)),
        (40, {64: 1.0}, (32, 8)),  # the hub reads no more than 32 with their peers
    ],
)
def test_the_cheapest_circuits_are_chosen(count: int, seconds: Mapping[int, float], sizes: tuple[int, ...]) -> None:
    assert group_sizes(count, seconds) == sizes


@given(
    st.integers(1, 40),
    st.dictionaries(st.sampled_from([1, 2, 4, 8, 16]), st.floats(0.01, 10), min_size=1, max_size=5),
)
def test_sizes_cover_what_waits_and_fit(count: int, seconds: dict[int, float]) -> None:
    sizes = group_sizes(count, seconds)
    assert sum(sizes) == count
    assert max(sizes) <= max(seconds)
    assert list(sizes) == sorted(sizes, reverse=True)
    cost = sum(min(cost for circuit, cost in seconds.items() if circuit >= size) for size in sizes)
    largest = max(seconds)
    assert cost <= seconds[largest] * -(-count // largest) + 1e-9, "no worse than the largest circuit alone"


# --- when a report leaves ---


def test_a_report_leaves_after_the_window_and_not_before() -> None:
    line = queue()
    line.add(waiting("ab", leave_by=10.0))
    assert line.next(9.9) is None and line.next_time(9.9) == 10.0
    assert left(line.next(10.0)) == ["a", "b"] and len(line) == 0
    assert line.next_time(10.0) is None


def test_a_report_that_fills_the_largest_circuit_leaves_at_once() -> None:
    line = queue({1: 0.4, 4: 0.5})
    line.add(waiting("abcd", leave_by=LONG))
    assert left(line.next(0.0)) == ["a", "b", "c", "d"]


def test_one_circuit_for_one_never_waits() -> None:
    line = queue({1: 0.4})
    line.add(waiting("ab", leave_by=LONG))
    assert [left(line.next(0.0)) for _ in range(3)] == [["a"], ["b"], []]


def test_a_report_that_is_too_large_leaves_in_parts() -> None:
    line = queue({1: 0.4, 4: 0.5})
    line.add(waiting("abcdefgh"))
    first, second = left(line.next(0.0)), left(line.next(0.0))
    assert (len(first), len(second)) == (4, 4) and sorted(first + second) == list("abcdefgh")


def test_those_that_made_others_fail_leave_one_by_one_and_at_once() -> None:
    line = queue()
    line.add(waiting("abc", leave_by=LONG, alone=True))
    assert [left(line.next(0.0)) for _ in range(4)] == [["a"], ["b"], ["c"], []]


def test_a_feed_with_a_report_under_way_waits_for_its_end_and_the_others_do_not() -> None:
    line = queue()
    line.add(waiting("abc"))
    assert left(line.next(0.0, {"b"})) == ["a", "c"]
    assert line.next(0.0, {"b"}) is None
    assert left(line.next(0.0)) == ["b"]


def test_what_is_taken_out_keeps_its_turn() -> None:
    line = queue({1: 0.4})
    line.add(waiting("a", at=1))
    line.add(waiting("b", at=1))
    [old] = line.take_out(["a"])
    assert old.observed_at == 1 and line.observed("a") is None
    line.add(waiting("a", at=2))
    assert [left(line.next(0.0)), left(line.next(0.0))] == [["a"], ["b"]]


def test_the_rest_of_a_signed_report_has_to_be_signed_again() -> None:
    line = queue()
    line.add(waiting("abc"))
    line.take_out(["b"])
    found = line.next(0.0)
    assert found is not None and found.stage == decided("abc").only(["a@1000", "c@1000"])
    assert dict(found.stage.others) == {b"b".ljust(32, b"\0"): 1}, "it is still a peer"


# --- fairness ---


def test_forty_feeds_that_are_always_due_take_turns() -> None:
    names = [f"feed{number:02}" for number in range(40)]
    line, counts = queue({1: 0.4, 16: 1.2}), Counter[str]()
    for at in range(25):
        line.take_out(names)
        line.add(waiting(names, at=at))
        found = line.next(0.0)
        assert found is not None and len(found.stage.due) <= MOST_DUE
        counts.update(found.stage.feeds)
    assert set(counts) == set(names)
    assert max(counts.values()) - min(counts.values()) <= 1


def test_a_feed_that_is_often_due_pushes_no_other_aside() -> None:
    line = queue({1: 0.4})
    line.add(waiting(["busy"], at=1))
    line.add(waiting(["rare"], at=1))
    order = []
    for at in range(2, 5):
        order += left(line.next(0.0))
        line.take_out(["busy"])
        line.add(waiting(["busy"], at=at))
    assert order[:2] == ["busy", "rare"]
