"""Tests of percentiles, and of intervals of shares."""

from __future__ import annotations

import pytest

from oracle.core.statistics import clopper_pearson, newcombe, percentile, wilson


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


@pytest.mark.parametrize(
    ("count", "total", "low", "high"),
    [
        (0, 10, 0.0, 1 - 0.025**0.1),
        (10, 10, 0.025**0.1, 1.0),
        # The values are from Clopper and Pearson's paper, and are in many tables since.
        (5, 100, 0.0164319, 0.1128349),
        (1, 2_000, 0.0000127, 0.0027826),
    ],
)
def test_intervals(count: int, total: int, low: float, high: float) -> None:
    assert clopper_pearson(count, total, 0.95) == pytest.approx((low, high), abs=1e-6)


@pytest.mark.parametrize(
    ("hits", "of", "low", "high"),
    [(0, 10, 0.0, 0.2775), (10, 10, 0.7225, 1.0), (5, 10, 0.2366, 0.7634), (81, 263, 0.2553, 0.3662)],
)
def test_wilsons_interval(hits: int, of: int, low: float, high: float) -> None:
    # The last is example 1 of R. Newcombe, Statistics in Medicine 17 (1998), p. 861, method 3.
    rate = wilson(hits, of)
    assert (rate.low, rate.high) == pytest.approx((low, high), abs=5e-5)


def test_newcombes_interval_of_a_difference() -> None:
    # The first example of R. Newcombe, Statistics in Medicine 17 (1998), p. 873, method 10: 56/70 − 48/80.
    assert newcombe(wilson(56, 70), wilson(48, 80)) == pytest.approx((0.2, 0.0524, 0.3339), abs=5e-5)
