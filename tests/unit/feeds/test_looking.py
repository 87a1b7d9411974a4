"""Tests of looks at the sources of several feeds: one time for all, and none that hinders another."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

import pytest

from oracle.core.errors import DataError, OracleError, SourceExhausted, SourceUnavailable
from oracle.feeds import looking as module
from oracle.feeds.looking import LookedAt, Looking, Looks, Rows
from oracle.feeds.observe import Sighting
from tests.unit.feeds.market import settled


class Source:
    """The sources of one feed: they say what a test sets."""

    def __init__(self, name: str, *said: tuple[int, int] | OracleError) -> None:
        self.name = name
        self.said = list(said)
        self.asked = 0
        self.hangs: asyncio.Event | None = None

    async def __call__(self) -> Sighting:
        self.asked += 1
        if self.hangs is not None:
            await self.hangs.wait()
        found = self.said.pop(0) if len(self.said) > 1 else self.said[0]
        if isinstance(found, OracleError):
            raise found
        answer, at = found
        return Sighting(self.name, self.name.encode().ljust(32, b"\0"), answer, at)

    def at(self, interval: float = 0.0, max_age: float = float("inf"), *, recorded: bool = False) -> LookedAt:
        return LookedAt(self.name, self, interval, max_age, recorded)


def answers(found: Looking | None) -> Mapping[str, int]:
    assert found is not None and found.look is not None
    return {name: each.answer for name, each in found.look.sightings.items()}


async def test_all_feeds_are_read_together_and_the_newest_reading_is_the_time_of_all() -> None:
    a, b = Source("a", (1, 990)), Source("b", (2, 1_000))
    found = await Looks([a.at(), b.at()], now=lambda: 2_000).next()
    assert answers(found) == {"a": 1, "b": 2}
    assert found is not None and found.look is not None
    assert found.look.observed_at == 1_000 and found.look.fresh == {"a", "b"}


async def test_no_time_is_ahead_of_the_clock_unless_it_is_recorded() -> None:
    live, recorded = Source("a", (1, 1_030)), Source("b", (2, 1_020))
    found = await Looks([live.at(), recorded.at(recorded=True)], now=lambda: 1_000.5).next()
    assert found is not None and found.look is not None and found.look.observed_at == 1_020
    alone = await Looks([live.at()], now=lambda: 1_000.5).next()
    assert alone is not None and alone.look is not None and alone.look.observed_at == 1_000


async def test_a_source_that_fails_costs_only_its_feed_and_is_asked_again_later(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    loop = asyncio.get_running_loop()
    a, b = Source("a", (1, 1_000)), Source("b", SourceUnavailable("down"), (2, 1_001))
    looks = Looks([a.at(), b.at()], now=lambda: 2_000)
    found = await looks.next()
    assert answers(found) == {"a": 1} and found is not None and str(found.failed["b"]) == "down"
    assert answers(await looks.next()) == {"a": 1} and b.asked == 1, "it is left alone for a while"
    an_hour_later = loop.time() + 3_600
    monkeypatch.setattr(loop, "time", lambda: an_hour_later)
    assert answers(await looks.next()) == {"a": 1, "b": 2}


async def test_a_slow_source_is_not_waited_for_and_its_answer_counts_later(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 0.02)
    a, slow = Source("a", (1, 1_000)), Source("slow", (2, 1_001))
    slow.hangs = asyncio.Event()
    looks = Looks([a.at(), slow.at()], now=lambda: 2_000)
    assert answers(await looks.next()) == {"a": 1}
    monkeypatch.setattr(module, "PATIENCE_S", 3_600)
    async with asyncio.timeout(60):  # it is waited for once
        assert answers(await looks.next()) == {"a": 1} and slow.asked == 1
    slow.hangs.set()
    await settled()
    assert answers(await looks.next()) == {"a": 1, "slow": 2}
    await looks.close()


async def test_a_look_ends_with_the_last_answer_and_not_with_the_patience(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PATIENCE_S", 3_600)
    a, b = Source("a", (1, 1_000)), Source("b", (2, 1_000))
    async with asyncio.timeout(60):
        assert len(answers(await Looks([a.at(), b.at()], now=lambda: 2_000).next())) == 2


async def test_each_feed_has_its_interval_and_peers_are_read_when_they_are_needed() -> None:
    quick, slow = Source("quick", (1, 1_000)), Source("slow", (2, 900), (3, 1_000))
    looks = Looks([quick.at(0.0), slow.at(3_600.0)], now=lambda: 2_000)
    assert answers(await looks.next()) == {"quick": 1, "slow": 2}
    found = await looks.next()
    assert answers(found) == {"quick": 1}
    assert found is not None and found.look is not None
    completed = await looks.again(found.look, {"slow"})
    assert answers(completed) == {"quick": 1, "slow": 3}
    assert completed.look is not None and completed.look.observed_at == 1_000


async def test_a_peer_that_was_tried_at_this_look_is_not_asked_again() -> None:
    a, b = Source("a", (1, 1_000)), Source("b", SourceUnavailable("down"))
    looks = Looks([a.at(), b.at()], now=lambda: 2_000)
    found = await looks.next()
    assert found is not None and found.look is not None
    assert answers(await looks.again(found.look, {"b"})) == {"a": 1} and b.asked == 1


async def test_an_answer_that_is_too_old_beside_the_others_is_none() -> None:
    a, b = Source("a", (1, 1_000)), Source("b", (2, 899))
    found = await Looks([a.at(max_age=100), b.at(max_age=100)], now=lambda: 2_000).next()
    assert answers(found) == {"a": 1}
    assert found is not None and "101 s old, which is too old" in str(found.failed["b"])


async def test_a_source_at_its_end_and_one_that_can_never_be_read() -> None:
    a, b, c = Source("a", (1, 1_000)), Source("b", SourceExhausted("over")), Source("c", DataError("not a number"))
    looks = Looks([a.at(), b.at(), c.at()], now=lambda: 2_000)
    found = await looks.next()
    assert answers(found) == {"a": 1} and found is not None
    assert found.ended["b"] is None and isinstance(found.ended["c"], DataError)
    assert answers(await looks.next()) == {"a": 1} and (b.asked, c.asked) == (1, 1)
    a.said = [SourceExhausted("over")]
    assert (await looks.next()) is not None
    assert await looks.next() is None


# --- recordings that count looks -----------------------------------------------------------------------------------


def times(found: Looking | None) -> tuple[int, Mapping[str, int], set[str]]:
    assert found is not None and found.look is not None
    return found.look.observed_at, answers(found), set(found.look.fresh)


async def test_rows_of_one_time_make_one_look_and_others_their_own() -> None:
    a = Source("a", (1, 10), (2, 20), (3, 30), SourceExhausted("over"))
    b = Source("b", (7, 10), (8, 25), (9, 30), SourceExhausted("over"))
    rows = Rows([a.at(), b.at()])
    assert times(await rows.next()) == (10, {"a": 1, "b": 7}, {"a", "b"})
    assert times(await rows.next()) == (20, {"a": 2, "b": 7}, {"a"}), "b's row of 25 is of the future"
    assert times(await rows.next()) == (25, {"a": 2, "b": 8}, {"b"})
    assert times(await rows.next()) == (30, {"a": 3, "b": 9}, {"a", "b"})
    over = await rows.next()
    assert over is not None and over.look is None and over.ended == {"a": None, "b": None}
    assert await rows.next() is None


async def test_a_row_serves_others_only_as_long_as_it_is_young() -> None:
    a, b = Source("a", (1, 10), (2, 200), SourceExhausted("over")), Source("b", (7, 10), SourceExhausted("over"))
    rows = Rows([a.at(), b.at(max_age=100)])
    await rows.next()
    assert times(await rows.next()) == (200, {"a": 2}, {"a"})


async def test_a_recording_that_fails_is_waited_for_and_loses_no_row(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BACKOFF_FIRST_S", 0.001)
    a = Source("a", (1, 10), (2, 20), SourceExhausted("over"))
    b = Source("b", SourceUnavailable("down"), (7, 10), SourceExhausted("over"))
    rows = Rows([a.at(), b.at()])
    assert times(await rows.next()) == (10, {"a": 1, "b": 7}, {"a", "b"})
