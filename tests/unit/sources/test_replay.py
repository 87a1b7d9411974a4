"""Tests that replays keep values and order."""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import pytest

from oracle.core.errors import SourceExhausted
from oracle.sources.interface import Reading
from oracle.sources.replay.source import ReplaySource
from tests.conformance import check_source

START = 1_200_000_000


def series(*values: str, step: int = 10) -> list[Reading]:
    return [Reading(Decimal(value), START + step * i, "recorded") for i, value in enumerate(values)]


class Clock:
    """A clock that stands still until it is moved."""

    def __init__(self, at: float = 0.0) -> None:
        self.at = at

    def __call__(self) -> float:
        return self.at


async def test_a_replay_conforms() -> None:
    await check_source(lambda: ReplaySource(series("1", "2", "3")))
    await check_source(lambda: ReplaySource(series("1", "2", "3"), speed=Decimal(1), timestamps="now"))


async def test_at_full_speed_every_reading_is_given_once() -> None:
    source = ReplaySource(series("1", "2", "3"), speed="max")
    assert [await source.read() for _ in range(3)] == series("1", "2", "3")
    for _ in range(2):
        with pytest.raises(SourceExhausted, match="recorded: the recording has ended after 3 readings"):
            await source.read()


async def test_ticks_are_all_readings_and_independent_of_reads() -> None:
    source = ReplaySource(series("1", "2"))
    await source.read()
    assert list(source.ticks()) == series("1", "2")
    assert list(source.ticks()) == series("1", "2")
    assert len(source) == 2


async def test_speed_is_recorded_time_over_real_time() -> None:
    clock = Clock(500.0)
    source = ReplaySource(series("1", "2", "3", "4"), speed=Decimal(20), monotonic=clock)
    seen = []
    for at in (500.0, 500.4, 500.5, 500.9, 501.25, 501.5):
        clock.at = at
        seen.append(str((await source.read()).value))
    assert seen == ["1", "1", "2", "2", "3", "4"]
    with pytest.raises(SourceExhausted):
        await source.read()


async def test_a_slow_reader_misses_readings_but_not_the_last() -> None:
    clock = Clock()
    source = ReplaySource(series("1", "2", "3", "4"), speed=Decimal(1), monotonic=clock)
    assert (await source.read()).value == 1
    clock.at = 1_000_000.0
    assert (await source.read()).value == 4
    with pytest.raises(SourceExhausted):
        await source.read()


async def test_recorded_times_can_be_moved_to_the_present() -> None:
    clock, wall = Clock(), Clock(1_700_000_000.9)
    source = ReplaySource(
        series("1", "2", "3", step=86_400),
        speed=Decimal(8_640),
        timestamps="now",
        monotonic=clock,
        wall=wall,
    )
    seen = []
    for at in (0.0, 9.9, 10.0, 20.0):
        clock.at, wall.at = at, 1_700_000_000.9 + at
        seen.append((await source.read()).observed_at)
    assert seen == [1_700_000_000, 1_700_000_000, 1_700_000_010, 1_700_000_020]
    assert max(seen) <= wall.at


async def test_by_the_clock_all_are_at_the_same_row_whenever_they_began() -> None:
    wall = Clock(30_000_000.5)
    rows = series("1", "2", "3", step=86_400)

    def replay() -> ReplaySource:
        return ReplaySource(rows, speed=Decimal(8_640), timestamps="clock", monotonic=Clock(wall.at / 7), wall=wall)

    first, seen = replay(), []
    for at in (0.0, 9.4, 9.6, 20.0, 29.4, 29.6, 30_000.0):
        wall.at = 30_000_000.5 + at
        seen.append(await first.read())
        assert await replay().read() == seen[-1], "one that begins now is there, too"
    # Three rows of ten seconds, and then the first again: 30 000 000 is the beginning of a round.
    assert [int(each.value) for each in seen] == [1, 1, 2, 3, 3, 1, 1]
    assert [each.observed_at - 30_000_000 for each in seen] == [0, 0, 10, 20, 20, 30, 30_000]


async def test_by_the_clock_a_single_row_is_there_for_ever() -> None:
    wall = Clock(1_700_000_000.9)
    source = ReplaySource(series("1"), speed=Decimal(1), timestamps="clock", wall=wall)
    assert [(await source.read()).value, (await source.read()).observed_at] == [1, 1_700_000_000]


@pytest.mark.parametrize(
    ("readings", "options"),
    [
        ([], {}),
        (series("1", "2")[::-1], {}),
        (series("1", "2", step=0), {}),
        (series("1"), {"speed": "max", "timestamps": "now"}),
        (series("1"), {"speed": "max", "timestamps": "clock"}),
    ],
)
def test_a_replay_that_makes_no_sense(readings: list[Reading], options: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"replay|timestamps"):
        ReplaySource(readings, **options)
