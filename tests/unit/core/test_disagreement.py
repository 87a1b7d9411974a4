"""Tests of what follows from how often two models disagreed."""

from __future__ import annotations

import random

import pytest

from oracle.core.disagreement import LIKELY, Disagreement


@pytest.mark.parametrize(
    "measured", [Disagreement(0, 0), Disagreement(100, 0), Disagreement(300, 4), Disagreement(8, 8)]
)
@pytest.mark.parametrize("compared", [1, 2, 100])
def test_what_is_allowed_is_the_least_that_is_likely_to_be_enough(measured: Disagreement, compared: int) -> None:
    allowed = measured.allowance(compared)
    assert 0 <= allowed <= compared
    assert allowed == compared or measured.chance(compared, allowed) >= LIKELY
    assert not allowed or measured.chance(compared, allowed - 1) < LIKELY


def test_the_chance_is_that_of_drawing_rate_and_reports() -> None:
    draw, hits, tries = random.Random(5), 0, 20_000
    for _ in range(tries):
        rate = draw.betavariate(4.5, 296.5)
        hits += sum(draw.random() < rate for _ in range(30)) <= 1
    assert hits / tries == pytest.approx(Disagreement(300, 4).chance(30, 1), abs=0.01)


def test_all_outcomes_together_are_certain() -> None:
    assert Disagreement(17, 3).chance(50, 50) == pytest.approx(1)
    assert Disagreement(17, 3).chance(0, 0) == pytest.approx(1)


def test_more_reports_tell_more() -> None:
    assert (
        Disagreement(1_000, 0).allowance(100) < Disagreement(50, 0).allowance(100) < Disagreement(0, 0).allowance(100)
    )


def test_a_count_that_can_not_be_is_refused() -> None:
    with pytest.raises(ValueError, match="3 of 2"):
        Disagreement(2, 3)
