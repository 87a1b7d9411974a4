"""Tests of the options of a network's demonstration, and of the market that its sources follow."""

from __future__ import annotations

from typing import Any

import pytest

from oracle.app.local_network.ways import Way, planned
from oracle.core.errors import DataError
from oracle.demo.network.market import EARLY_S, market
from oracle.demo.network.options import NetworkDemoOptions
from oracle.sources.packaged.series import load_series

NOW = 1_700_000_000.0


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"reporters": 4, "faulty": 2}, "4 reporters bear 1 faulty at most; give --reporters 7"),
        ({"reporters": 0, "faulty": 0}, "--reporters 0"),
        ({"reporters": 99}, "1 to 13"),
        ({"faulty": -1}, "--faulty -1"),
        ({"rounds": 0}, "--rounds 0"),
        ({"turn_s": 1}, "--turn 1: a turn has 2 to 60 seconds"),
    ],
)
def test_networks_that_can_not_be_are_refused(options: dict[str, Any], said: str) -> None:
    with pytest.raises(DataError, match=said):
        NetworkDemoOptions(**options)


@pytest.mark.parametrize(("reporters", "faulty"), [(4, 1), (5, 1), (7, 2), (13, 4), (1, 0)])
def test_the_quorum_is_one_that_the_product_takes(reporters: int, faulty: int) -> None:
    quorum = NetworkDemoOptions(reporters, faulty).quorum
    assert 2 * faulty + 1 <= quorum <= reporters - faulty and quorum % 2 == 1


@pytest.mark.parametrize("reporters", [4, 7, 13])
@pytest.mark.parametrize("first", range(4))
def test_by_default_each_way_to_be_faulty_is_shown(reporters: int, first: int) -> None:
    options = NetworkDemoOptions(reporters)
    own = [turn % reporters == first for turn in range(options.turns)]
    assert set(planned(range(options.turns), own, options.ways(0)).values()) == set(Way)


def test_the_seed_decides_who_is_faulty_and_in_which_order() -> None:
    first, again, other = (NetworkDemoOptions(13, 4, seed=seed) for seed in (1, 1, 2))
    assert first.faulty_members() == again.faulty_members() != other.faulty_members()
    assert len(set(first.faulty_members())) == 4
    assert first.ways(3) == again.ways(3) != other.ways(3)


def test_each_turn_has_the_value_of_one_day_which_is_there_early() -> None:
    found = market(NetworkDemoOptions(start="2008-07-01", turn_s=3), NOW)
    days = [float(each.value) for each in load_series("sp500")]
    start = days.index(found.days["sp500"][0])
    for turn in range(3):
        begin = (found.first_turn + turn) * 3
        for moment in (begin - EARLY_S + 0.01, begin, begin + 3 - EARLY_S - 0.01):
            assert found.price("sp500", moment) == days[start + turn]
    assert found.price("sp500", NOW - 1_000) == found.days["sp500"][0]
    assert found.price("sp500", NOW + 100_000) == found.days["sp500"][-1]
    assert 5_000 < found.sigmas["sp500"] < 12_000


@pytest.mark.parametrize(
    ("start", "said"),
    [("yesterday", "is not a date"), ("2018-12-20", "recorded days from"), ("1999-03-01", "recorded days before")],
)
def test_a_start_without_enough_days_is_refused(start: str, said: str) -> None:
    with pytest.raises(DataError, match=said):
        market(NetworkDemoOptions(start=start), NOW)
