"""Metrics: counters by feed, distributions whose memory is bounded, percentiles."""

from __future__ import annotations

import pytest

from oracle.metrics import KEPT, Counter, Distribution, Metrics, Summary, percentile


def test_counters_are_kept_by_feed() -> None:
    metrics = Metrics()
    metrics.count(Counter.ACCEPTED, "a")
    metrics.count(Counter.ACCEPTED, "a", 2)
    metrics.count(Counter.ACCEPTED, "b")
    metrics.count(Counter.HELD, "a")
    assert metrics.counted(Counter.ACCEPTED, "a") == 3
    assert metrics.counted(Counter.ACCEPTED) == 4
    assert metrics.counted(Counter.FAILED) == 0
    with pytest.raises(ValueError, match="can't go down"):
        metrics.count(Counter.HELD, "a", -1)


def test_a_distribution_is_summed_up() -> None:
    metrics = Metrics()
    for value in range(1, 101):
        metrics.observe(Distribution.GAS, "a", value)
    metrics.observe(Distribution.GAS, "b", 1_000)
    assert metrics.summary(Distribution.GAS, "a") == Summary(100, 5_050, 50.5, 95.05, 100)
    overall = metrics.summary(Distribution.GAS)
    assert overall is not None
    assert (overall.count, overall.total, overall.largest) == (101, 6_050, 1_000)
    assert metrics.summary(Distribution.PROVE_SECONDS) is None


def test_memory_is_bounded_but_totals_are_not_lost() -> None:
    metrics = Metrics()
    for _ in range(KEPT):
        metrics.observe(Distribution.GAS, "a", 1)
    for _ in range(KEPT):
        metrics.observe(Distribution.GAS, "a", 3)
    assert metrics.summary(Distribution.GAS, "a") == Summary(2 * KEPT, 4 * KEPT, 3, 3, 3)


def test_a_snapshot_has_everything_by_name() -> None:
    metrics = Metrics()
    metrics.count(Counter.HELD, "a")
    metrics.observe(Distribution.LATENCY_SECONDS, "a", 0.5)
    assert metrics.snapshot() == {
        ("oracle_held_total", "a"): 1,
        ("oracle_observed_to_confirmed_seconds", "a"): Summary(1, 0.5, 0.5, 0.5, 0.5),
    }


def test_names_are_distinct_and_say_their_unit() -> None:
    names = [each.value for each in (*Counter, *Distribution)]
    assert len(set(names)) == len(names)
    assert all(name.startswith("oracle_") for name in names)
    assert all(counter.value.endswith("_total") for counter in Counter)


@pytest.mark.parametrize(
    ("values", "rank", "expected"),
    [([7.0], 95, 7.0), ([1, 2], 50, 1.5), ([4, 1, 3, 2, 5], 50, 3), (range(101), 95, 95)],
)
def test_percentiles(values: list[float], rank: int, expected: float) -> None:
    assert percentile(values, rank) == pytest.approx(expected)


@pytest.mark.parametrize(("values", "rank"), [([], 50), ([1.0], 0), ([1.0], 100)])
def test_percentiles_that_there_are_not(values: list[float], rank: int) -> None:
    with pytest.raises(ValueError, match="no percentile"):
        percentile(values, rank)
