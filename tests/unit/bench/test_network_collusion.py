"""Tests of how far liars move a network's answer: expected, played through, and as the hub takes the median."""

from __future__ import annotations

import math

import numpy as np
import pytest

from oracle.bench.network import collusion
from oracle.bench.network.sizes import SIZES, NetworkSize
from oracle.core.report import NO_READINGS, Report, ReporterSignature, SignedReport


def test_mean_ranks_of_normal_values_are_those_of_the_tables() -> None:
    """The largest of three has the mean 3 / (2 √π), and the largest of two 1 / √π."""
    assert collusion.expected_rank(3, 2) == pytest.approx(3 / (2 * math.sqrt(math.pi)), abs=1e-6)
    assert collusion.expected_rank(2, 1) == pytest.approx(1 / math.sqrt(math.pi), abs=1e-6)
    assert collusion.expected_rank(5, 2) == pytest.approx(0.0, abs=1e-9)
    assert collusion.expected_rank(31, 3) == pytest.approx(-collusion.expected_rank(31, 27), abs=1e-9)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_liars_move_the_answer_as_far_as_expected_and_never_out_of_the_honest_range(size: NetworkSize) -> None:
    game = collusion.played(size, size.faulty, 4_000, seed=1)
    expected = collusion.expected(size)
    for name in ("liars_transmit", "all_answer", "quorum_answers", "all_turns"):
        assert getattr(game.shift, name) == pytest.approx(getattr(expected, name), abs=0.06), name
    assert game.outside == 0
    assert collusion.played(size, size.faulty, 2_000, seed=1, up=False, heavy=True).outside == 0
    assert game.last_tenth == pytest.approx(game.first_tenth, abs=0.25), "moves add up"


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_one_liar_more_sets_the_answer_up_to_the_spread(size: NetworkSize) -> None:
    game = collusion.played(size, size.faulty + 1, 1_000, seed=1)
    assert game.outside > 0
    assert game.shift.liars_transmit > 0.95 * collusion.SPREAD


@pytest.mark.parametrize("count", [3, 4, 5, 31])
def test_the_simulated_median_is_the_one_of_signed_reports(count: int) -> None:
    random = np.random.default_rng(count)
    values = [int(each) for each in random.integers(1, 1_000, count)]
    report = Report(1, 1, 1_700_000_000, (bytes(32),), (1,))
    rows = tuple(ReporterSignature((value,), NO_READINGS, bytes(32), bytes(32)) for value in values)
    ordered = np.sort(np.array([values], dtype=float))
    assert collusion._brought(ordered, 0, up=True)[0] == SignedReport(report, rows).median(0)
