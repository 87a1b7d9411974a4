"""Tests of rates by group and their intervals, against published numbers."""

from __future__ import annotations

import pytest

from oracle.claims import fairness


def test_rates_and_differences() -> None:
    verdicts = [1] * 56 + [0] * 14 + [1] * 48 + [0] * 32
    found = fairness.rates(["a"] * 70 + ["b"] * 80, verdicts)
    assert [(each.group, each.rows, each.within, each.share) for each in found] == [
        ("a", 70, 56, 0.8),
        ("b", 80, 48, 0.6),
    ]
    # The intervals of Clopper and Pearson are from tables; the difference is Newcombe's (1998) own example.
    assert (found[0].low, found[0].high) == pytest.approx((0.6873, 0.8861), abs=1e-4)
    (difference,) = fairness.differences(found)
    assert (difference.group, difference.reference) == ("a", "b")
    assert difference.difference == pytest.approx(0.2)
    assert (difference.low, difference.high) == pytest.approx((0.0524, 0.3339), abs=1e-4)
    assert fairness.differences(found[:1]) == fairness.differences(()) == ()
