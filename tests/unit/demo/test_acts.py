"""Tests of the recorded series and the faults that the demonstration plays."""

from __future__ import annotations

import pytest

from oracle.core.errors import DataError
from oracle.demo.acts import SECOND_ACT_TICKS, WARM_UP, acts, marked_ticks
from oracle.demo.options import DemoOptions
from oracle.sources.faults import CATALOGUE


def test_the_acts_are_as_announced() -> None:
    """There are at least 300 observations, 2008 and each kind of fault among them; a seed always gives the same."""
    played = acts(DemoOptions())
    total = sum(len(readings) for act in played for readings in act.readings.values())
    assert total >= 300
    assert {name for act in played for name in act.readings} == {"sp500", "nasdaq", "wti", "vix"}
    assert len(played[1].readings["vix"]) == SECOND_ACT_TICKS
    kinds = {fault.kind for act in played for fault in act.injections}
    assert kinds >= {fault.kind for fault in CATALOGUE}
    assert acts(DemoOptions()) == played
    assert acts(DemoOptions(seed=1)) != played
    assert all(fault.first >= WARM_UP for act in played for fault in act.injections)


def test_faulty_ticks_are_found_by_feed_and_time() -> None:
    played = acts(DemoOptions())
    marked = marked_ticks(played)
    assert len(marked) == sum(len(act.injections) for act in played)
    for (feed, moment), (number, fault) in marked.items():
        reading = played[number].readings[feed][fault.index]
        assert (fault.feed, reading.observed_at, reading.value) == (feed, moment, fault.faulted)


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (DemoOptions(start="soon"), "'soon' is not a date; write it as 2008-07-01"),
        (DemoOptions(ticks=100_000), "recorded days from 2008-07-01 on, fewer than --ticks 100000"),
    ],
    ids=("start", "ticks"),
)
def test_what_can_not_be_replayed_is_said(options: DemoOptions, says: str) -> None:
    with pytest.raises(DataError, match=says):
        acts(options)
