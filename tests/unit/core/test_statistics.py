"""Tests of percentiles, and of intervals of shares."""

from __future__ import annotations

import pytest

from oracle.core.statistics import block_bootstrap, clopper_pearson, newcombe, percentile, widened, wilson


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


def test_a_bootstrap_over_blocks_is_wider_where_hits_come_together() -> None:
    """Ten hits on ten of a hundred days say more than ten hits on one."""
    days = [event // 10 for event in range(1_000)]
    apart = [event % 100 == 0 for event in range(1_000)]
    together = [event < 10 for event in range(1_000)]
    (low, high), (none, most) = (block_bootstrap(days, hits) for hits in (apart, together))
    assert 0.004 < low < 0.006 and 0.014 < high < 0.018
    assert none == 0.0 and most > 0.025
    assert block_bootstrap(days, apart) == (low, high), "the same events give the same interval"
    alone = block_bootstrap(range(1_000), apart)
    assert alone == pytest.approx((low, high), abs=0.003), "each event its own block"


def test_a_bootstrap_of_what_never_happened_has_no_width_and_is_widened() -> None:
    assert block_bootstrap([1, 2, 3], [False] * 3) == (0.0, 0.0)
    assert block_bootstrap([], []) == (0.0, 1.0)
    assert block_bootstrap(["only"], [True]) == (1.0, 1.0)
    rate = wilson(0, 100)
    assert widened(rate, (0.0, 0.0)) == rate
    assert widened(wilson(50, 100), (0.3, 0.55)).low == 0.3
    assert widened(wilson(50, 100), (0.45, 0.55)) == wilson(50, 100)
