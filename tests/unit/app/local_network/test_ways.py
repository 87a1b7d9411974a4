"""Tests of the ways to be faulty, and of the plan of a faulty member."""

from __future__ import annotations

from pathlib import Path

import pytest

from oracle.app.local_network.ways import PLAN, WAYS, FaultPlan, Way, planned, write_plan
from oracle.core.errors import DataError


def test_each_way_is_described() -> None:
    assert set(WAYS) == set(Way)
    assert len({each.does for each in WAYS.values()}) == len(Way)


def test_a_plan_is_read_again_when_it_changes(tmp_path: Path) -> None:
    plan = FaultPlan(tmp_path)
    assert plan.at(7) is None
    write_plan(tmp_path, {7: Way.SILENT})
    assert [plan.at(turn) for turn in (6, 7)] == [None, Way.SILENT]
    write_plan(tmp_path, {8: Way.SLOW}, otherwise=Way.GARBAGE)
    assert [plan.at(turn) for turn in (7, 8)] == [Way.GARBAGE, Way.SLOW]
    (tmp_path / PLAN).unlink()
    assert plan.at(8) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"7": "unheard of"}'])
def test_a_plan_that_is_none_is_refused(tmp_path: Path, text: str) -> None:
    (tmp_path / PLAN).write_text(text)
    with pytest.raises(DataError, match=PLAN):
        FaultPlan(tmp_path).at(1)


def test_ways_come_in_the_turns_in_which_they_show() -> None:
    own = [False, True, False, False, True]
    plan = planned(range(10, 15), own, [Way.WITHHOLDS, Way.SILENT, Way.SLOW])
    assert plan == {10: Way.SILENT, 11: Way.WITHHOLDS, 12: Way.SLOW, 13: Way.SILENT, 14: Way.WITHHOLDS}
    assert planned([1, 2], [True, False], [Way.SILENT]) == {2: Way.SILENT}
