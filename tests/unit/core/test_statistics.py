"""Percentiles."""

from __future__ import annotations

import pytest

from oracle.core.statistics import percentile


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
