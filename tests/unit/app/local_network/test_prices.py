"""Tests of the prices that members of a local network read."""

from __future__ import annotations

import statistics

import pytest

from oracle.app.local_network import PriceServer, Quirks, SourceTrouble, along
from oracle.core.errors import DataError

NOW = 1_700_000_000.0
PATH = along([(NOW, 100.0), (NOW + 10, 110.0)])


def server(noise_ppm: float = 100.0, seed: int = 1) -> PriceServer:
    return PriceServer(lambda feed, now: PATH(now), seed, Quirks(noise_ppm, 0.0))


def test_a_path_moves_straight_between_its_points_and_rests_outside() -> None:
    path = along([(0, 10.0), (10, 20.0), (20, 0.0)])
    assert [path(at) for at in (-5, 0, 5, 10, 15, 20, 99)] == [10.0, 10.0, 15.0, 20.0, 10.0, 0.0, 0.0]


@pytest.mark.parametrize("points", [[], [(1, 1.0), (1, 2.0)], [(2, 1.0), (1, 2.0)]])
def test_a_path_needs_points_whose_times_rise(points: list[tuple[float, float]]) -> None:
    with pytest.raises(DataError):
        along(points)


def test_sources_differ_a_little_and_the_seed_decides_how() -> None:
    first, again, other = server(), server(), server(seed=2)
    values = [first.value(member, "one", number, NOW) for member in ("alpha", "beta") for number in range(3)]
    assert len(set(values)) == 6
    assert values == [again.value(member, "one", number, NOW) for member in ("alpha", "beta") for number in range(3)]
    assert values[0] != other.value("alpha", "one", 0, NOW)
    spread = statistics.pstdev(value / 100 for value in values)
    assert 0 < spread < 300e-6


def test_a_value_holds_for_a_second() -> None:
    prices = PriceServer(lambda feed, now: 100.0)
    early, late, next_second = (prices.value("alpha", "one", 0, NOW + after) for after in (0.1, 0.9, 1.1))
    assert early == late != next_second


def test_a_members_sources_lie_and_are_stuck_as_they_are_told() -> None:
    prices = server(noise_ppm=0.0)
    prices.troubles["beta"] = SourceTrouble(factor=10.0)
    prices.troubles["gamma"] = SourceTrouble(stuck_at=NOW)
    found = [prices.value(member, "one", 0, NOW + 5) for member in ("alpha", "beta", "gamma")]
    assert found == [105.0, 1050.0, 100.0]
