"""Tests of the outlook: when obstacles are read, and that each is told once."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Sequence
from dataclasses import dataclass, field

import pytest

from oracle.core.errors import ChainUnavailable
from oracle.core.obstacles import Obstacle, ObstacleKind
from oracle.feeds.outlook import FRESH_S, READ_LAST_S, ObstacleListener, ReadOutlook

PAUSED = Obstacle(ObstacleKind.PAUSED, "a", "feed a is paused", "unpause it")
EMPTY = Obstacle(ObstacleKind.FUNDS, "", "the payer has 0 ether", "send it ether")
UNLINKED = Obstacle(ObstacleKind.ADAPTER, "a", "the adapter is not linked", "link it")
SILENT = Obstacle(ObstacleKind.CHAIN, "", "the chain does not answer", "check the node")


@dataclass
class Told(ObstacleListener):
    """Records what it hears."""

    told: list[str] = field(default_factory=list)
    readings: list[Sequence[Obstacle]] = field(default_factory=list)

    def began(self, obstacles: Sequence[Obstacle]) -> None:
        self.told += [f"+{obstacle.kind}{obstacle.feed}" for obstacle in obstacles]

    def ended(self, obstacles: Sequence[tuple[Obstacle, float]]) -> None:
        self.told += [f"-{obstacle.kind}{obstacle.feed} {seconds:g}" for obstacle, seconds in obstacles]

    def found(self, obstacles: Sequence[Obstacle]) -> None:
        self.readings.append(obstacles)


class World:
    """A chain with obstacles that a test sets, and a clock that it moves."""

    def __init__(self) -> None:
        self.there: list[Obstacle] = []
        self.fails: list[Exception] = []
        self.reads = 0
        self.now = 0.0
        self.told = Told()
        self.outlook = ReadOutlook(self.read, self.told, lambda: self.now)

    async def read(self) -> Sequence[Obstacle]:
        self.reads += 1
        await asyncio.sleep(0)
        if self.fails:
            raise self.fails.pop(0)
        return list(self.there)

    async def after(self, seconds: float, *feeds: str) -> int:
        """Renew for feeds after a while, and return how many readings there were by then."""
        self.now += seconds
        await self.outlook.renew(feeds or ("a", "b"))
        return self.reads


async def test_what_was_read_counts_for_a_moment_and_not_after_a_refusal() -> None:
    world = World()
    assert [await world.after(0), await world.after(FRESH_S / 2), await world.after(FRESH_S)] == [1, 1, 2]
    world.outlook.doubt()
    assert await world.after(0) == 3
    assert await world.after(0) == 3, "once read again, it counts again"


async def test_an_obstacle_is_told_once_when_it_begins_and_once_when_it_ends() -> None:
    world = World()
    world.there = [PAUSED]
    for _ in range(20):
        await world.after(1.0)
    assert world.outlook.obstacle("a") == PAUSED and world.outlook.obstacle("b") is None
    world.there = []
    await world.after(READ_LAST_S)
    assert world.outlook.obstacle("a") is None
    assert world.told.told == ["+pauseda", "-pauseda 29"]
    assert world.told.readings[-1] == [] and len(world.told.readings) == world.reads


@pytest.mark.parametrize("error", [ChainUnavailable("down"), KeyError(b"a feed"), OverflowError("too large")])
async def test_a_reading_that_fails_in_any_way_ends_no_feed_and_is_made_again(error: Exception) -> None:
    world = World()
    world.there = [PAUSED]
    await world.after(0)
    world.fails, world.there = [error], []
    await world.after(READ_LAST_S)
    assert world.outlook.obstacle("a") == PAUSED and world.outlook.obstacle("b") is None
    await world.after(READ_LAST_S)
    assert world.outlook.obstacle("a") is None


async def test_feeds_in_the_way_of_which_something_stands_are_read_with_back_off_up_to_a_bound() -> None:
    world = World()
    world.there = [EMPTY]
    times = []
    for _ in range(1_000):
        before = world.reads
        if await world.after(0.1) > before:
            times.append(world.now)
    pauses = [after - before for before, after in itertools.pairwise(times)]
    assert pauses[:4] == pytest.approx([1, 2, 4, 8], abs=0.2)
    assert pauses[4:] == pytest.approx([READ_LAST_S] * len(pauses[4:]), abs=0.2), "never longer, however long it lasts"


async def test_a_feed_without_an_obstacle_is_not_begun_on_an_old_reading_though_another_one_waits() -> None:
    world = World()
    world.there = [PAUSED]
    for _ in range(30):
        await world.after(1.0, "a")
    reads = world.reads
    assert await world.after(0.5, "a") == reads
    world.there = [PAUSED, EMPTY]
    await world.after(FRESH_S, "a", "b")
    assert world.outlook.obstacle("b") == EMPTY


async def test_a_new_obstacle_begins_its_own_back_off() -> None:
    world = World()
    world.there = [PAUSED]
    for _ in range(30):
        await world.after(1.0, "a")
    world.there = [PAUSED, EMPTY]
    await world.after(FRESH_S, "b")
    reads = world.reads
    assert await world.after(1.1, "a", "b") == reads + 1


async def test_a_chain_that_is_silent_makes_nothing_known_or_gone() -> None:
    world = World()
    world.there = [PAUSED]
    await world.after(0)
    world.fails = [ChainUnavailable("down")]
    await world.after(READ_LAST_S)
    assert world.reads == 2 and world.outlook.obstacle("a") == PAUSED
    world.there = [SILENT]
    await world.after(READ_LAST_S)
    assert world.outlook.obstacle("a") == PAUSED
    assert world.outlook.obstacle("b") is None, "whoever asks the chain next is told, and tries again"
    assert world.told.told == ["+pauseda", "+chain"]
    world.there = []
    await world.after(READ_LAST_S)
    assert world.told.told[2:] == ["-pauseda 30", "-chain 10"]


async def test_what_stops_no_report_holds_none_back_and_is_told() -> None:
    world = World()
    world.there = [UNLINKED]
    await world.after(0)
    assert world.outlook.obstacle("a") is None and world.told.told == ["+adaptera"]


async def test_a_report_that_whoever_wants_it_brings_needs_no_payer() -> None:
    world = World()
    world.there = [EMPTY, PAUSED]
    await world.after(0)
    outlook = world.outlook
    assert outlook.obstacle("b") == EMPTY and outlook.obstacle("b", is_offered=True) is None
    assert outlook.obstacle("a", is_offered=True) == PAUSED, "everything else stands in its way as well"


async def test_what_others_have_read_counts_as_well() -> None:
    world = World()
    await world.after(0)
    world.outlook.learn([PAUSED], world.outlook.mark)
    assert world.outlook.obstacle("a") == PAUSED
    assert await world.after(0) == 1
    assert world.told.told == ["+pauseda"]


async def test_what_others_read_while_it_was_read_here_may_be_older_and_is_not_told() -> None:
    world = World()
    before = world.outlook.mark
    reading = asyncio.create_task(world.outlook.renew(["a"]))
    await asyncio.sleep(0)
    world.outlook.learn([PAUSED], world.outlook.mark)  # while it reads
    await reading
    world.outlook.learn([PAUSED], before)  # begun before, and ready afterwards
    mark = world.outlook.mark
    world.outlook.doubt()
    world.outlook.learn([PAUSED], mark)  # begun before something has changed
    assert world.told.told == [] and world.outlook.obstacle("a") is None
    world.outlook.learn([PAUSED], world.outlook.mark)
    assert world.told.told == ["+pauseda"]


async def test_a_refusal_during_a_reading_is_not_forgotten() -> None:
    world = World()

    async def read() -> Sequence[Obstacle]:
        world.outlook.doubt()
        world.reads += 1
        return []

    world.outlook = ReadOutlook(read, clock=lambda: world.now)
    await world.after(0)
    assert await world.after(0) == 2


async def test_callers_share_a_reading_and_one_that_is_cancelled_does_not_stop_it() -> None:
    world = World()
    tasks = [asyncio.create_task(world.outlook.renew(["a"])) for _ in range(3)]
    await asyncio.sleep(0)
    tasks[0].cancel()
    await asyncio.gather(*tasks, return_exceptions=True)
    assert world.reads == 1 and len(world.told.readings) == 1


async def test_a_reading_ends_with_the_outlook() -> None:
    world = World()
    never = asyncio.Event()

    async def hang() -> Sequence[Obstacle]:
        await never.wait()
        return []

    world.outlook = ReadOutlook(hang)
    asking = asyncio.create_task(world.outlook.renew(["a"]))
    await asyncio.sleep(0)
    await world.outlook.close()
    with pytest.raises(asyncio.CancelledError):
        await asking
