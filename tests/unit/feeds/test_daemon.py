"""Tests of a feed's looks and reports beside each other, with a pipeline whose duration the tests control."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any, cast

import pytest

from oracle.core.errors import DataError, SourceExhausted, SourceUnavailable
from oracle.core.types import Observed, OpenStage, Outcome, Proven, Scored
from oracle.feeds import daemon
from oracle.feeds.pipeline import Pipeline


def seen(at: int, feed: str = "eth") -> Observed:
    return Observed(feed, b"\3" * 32, 100, at)


def as_scored(observed: Observed) -> Scored:
    return Scored(observed, 1, 1, (), (0,), (-1,))


class Line:
    """A pipeline in memory. Each report lasts until a test lets it go.

    Attributes:
        waits: Whether a running report still waits for its proof.
    """

    def __init__(self, *open_: OpenStage) -> None:
        self.open: list[OpenStage] = list(open_)
        self.ended: list[tuple[int, str]] = []
        self.under_way: list[int] = []
        self.waits = False
        self.go = asyncio.Semaphore(0)
        self.fails: list[Exception] = []
        self._overtaken = asyncio.Event()

    def unfinished(self, feed: str) -> Sequence[OpenStage]:
        return list(self.open)

    def admit(self, observed: Observed) -> Observed:
        self.open.append(observed)
        return observed

    def overtake(self, observed: Observed) -> None:
        self._end(observed, "overtaken")

    def overtake_waiting(self, feed: str) -> bool:
        if self.waits and self.under_way:
            self._overtaken.set()
            return True
        return False

    async def resume(self, stage: OpenStage) -> Outcome:
        observed = stage.observed
        self.under_way.append(observed.observed_at)
        try:
            if self.fails:
                raise self.fails.pop(0)
            go = asyncio.ensure_future(self.go.acquire())
            overtaken = asyncio.ensure_future(self._overtaken.wait())
            done, pending = await asyncio.wait({go, overtaken}, return_when=asyncio.FIRST_COMPLETED)
            for task in pending:
                task.cancel()
            self._overtaken.clear()
            self._end(observed, "accepted" if go in done else "overtaken")
        finally:
            self.under_way.remove(observed.observed_at)
        return Outcome.ACCEPTED

    def _end(self, observed: Observed, how: str) -> None:
        self.open = [stage for stage in self.open if stage.observed != observed]
        self.ended.append((observed.observed_at, how))


class Looks:
    """A feed's observer. Each look waits for its turn, and returns what a test sets."""

    def __init__(self) -> None:
        self.due: asyncio.Queue[Observed | Exception | None] = asyncio.Queue()
        self.newest: list[int | None] = []

    async def __call__(self, newest: Observed | None) -> Observed | None:
        self.newest.append(None if newest is None else newest.observed_at)
        found = await self.due.get()
        if isinstance(found, Exception):
            raise found
        return found


class Turns:
    def __init__(self) -> None:
        self.told: list[str] = []

    def turned(self, feed: str) -> None:
        self.told.append("turned")

    def failed(self, feed: str, reason: str) -> None:
        self.told.append(f"failed: {reason}")

    def ended(self, feed: str, reason: str | None) -> None:
        self.told.append(f"ended: {reason}")


@asynccontextmanager
async def running(line: Line, looks: Looks, turns: Turns | None = None, *, ahead: bool = True) -> Any:
    stop = asyncio.Event()
    feed = daemon.DaemonFeed("eth", looks, 0.0, ahead)
    task = asyncio.ensure_future(daemon.run([feed], cast(Pipeline, line), stop, turns=turns))
    try:
        yield task
    finally:
        stop.set()
        looks.due.put_nowait(None)
        line.go.release()
        line.go.release()
        await asyncio.gather(task, return_exceptions=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(20):
        while not holds():  # noqa: ASYNC110
            await asyncio.sleep(0)


async def test_looks_go_on_while_a_report_is_under_way() -> None:
    line, looks, turns = Line(), Looks(), Turns()
    async with running(line, looks, turns):
        looks.due.put_nowait(seen(1))
        await until(lambda: line.under_way == [1])
        for _ in range(3):
            looks.due.put_nowait(None)
        await until(lambda: len(looks.newest) == 5)
        assert looks.newest == [None, 1, 1, 1, 1], "and know what is being reported"
        assert turns.told == [], "a report that never ends would show"
        line.go.release()
        await until(lambda: line.ended == [(1, "accepted")])
        assert turns.told[0] == "turned"


async def test_a_newer_one_waits_while_one_is_proven_and_the_older_of_two_that_wait_ends() -> None:
    line, looks = Line(), Looks()
    async with running(line, looks):
        looks.due.put_nowait(seen(1))
        await until(lambda: line.under_way == [1])
        for at in (2, 3, 4):
            looks.due.put_nowait(seen(at))
        await until(lambda: line.ended == [(2, "overtaken"), (3, "overtaken")])
        assert line.under_way == [1], "one after the other"
        line.go.release()
        await until(lambda: line.under_way == [4])
        line.go.release()
        await until(lambda: line.ended[2:] == [(1, "accepted"), (4, "accepted")])
        assert line.open == []


async def test_one_that_waits_for_its_proof_makes_room_for_a_newer_one() -> None:
    line, looks = Line(), Looks()
    line.waits = True
    async with running(line, looks):
        looks.due.put_nowait(seen(1))
        await until(lambda: line.under_way == [1])
        looks.due.put_nowait(seen(2))
        await until(lambda: line.under_way == [2])
        assert line.ended == [(1, "overtaken")]


async def test_what_counts_row_by_row_is_not_looked_at_ahead() -> None:
    line, looks = Line(), Looks()
    async with running(line, looks, ahead=False):
        for at in (1, 2):
            looks.due.put_nowait(seen(at))
        await until(lambda: line.under_way == [1])
        for _ in range(50):
            await asyncio.sleep(0)
        assert looks.due.qsize() == 1
        line.go.release()
        await until(lambda: line.under_way == [2])
        line.go.release()
        await until(lambda: line.ended == [(1, "accepted"), (2, "accepted")])


async def test_a_restart_with_a_full_queue() -> None:
    """The daemon follows up sent reports, ends older ones without a proof, and only then looks at the sources."""
    sent = Proven(as_scored(seen(1)), b"", "", 0.1)
    line, looks = Line(sent, as_scored(seen(2)), seen(3)), Looks()
    async with running(line, looks):
        await until(lambda: line.under_way == [1])
        assert looks.newest == []
        line.go.release()
        await until(lambda: line.under_way == [3])
        line.go.release()
        await until(lambda: looks.newest == [None])
        assert line.ended == [(1, "accepted"), (2, "overtaken"), (3, "accepted")]


async def test_a_report_that_fails_is_gone_on_with_and_a_newer_one_is_not_forgotten(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(daemon, "BACKOFF_FIRST_S", 0.001)
    line, looks, turns = Line(), Looks(), Turns()
    line.fails = [SourceUnavailable("first"), SourceUnavailable("second")]
    async with running(line, looks, turns):
        looks.due.put_nowait(seen(1))
        await until(lambda: not line.fails and line.under_way == [1])
        looks.due.put_nowait(seen(2))
        await until(lambda: len(line.open) == 2)
        line.go.release()
        await until(lambda: line.under_way == [2])
        line.go.release()
        await until(lambda: line.ended == [(1, "accepted"), (2, "accepted")])
        assert turns.told[:2] == ["failed: first", "failed: second"]


async def test_a_source_that_fails_is_tried_again_while_reports_go_on(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(daemon, "BACKOFF_FIRST_S", 0.001)
    line, looks, turns = Line(), Looks(), Turns()
    async with running(line, looks, turns):
        looks.due.put_nowait(seen(1))
        looks.due.put_nowait(SourceUnavailable("down"))
        looks.due.put_nowait(None)
        await until(lambda: len(looks.newest) == 4)
        assert line.under_way == [1]
        assert turns.told == ["failed: down"]


async def test_the_end_of_a_recording_waits_for_the_last_report() -> None:
    line, looks, turns = Line(), Looks(), Turns()
    async with running(line, looks, turns) as task:
        looks.due.put_nowait(seen(1))
        looks.due.put_nowait(SourceExhausted("over"))
        await until(lambda: line.under_way == [1] and looks.due.empty())
        assert not task.done()
        line.go.release()
        await asyncio.wait_for(task, 20)
        assert turns.told[-1] == "ended: None"


@pytest.mark.parametrize("where", ["look", "report"])
async def test_a_fatal_error_of_either_ends_the_feed(where: str) -> None:
    line, looks, turns = Line(), Looks(), Turns()
    if where == "report":
        line.fails = [DataError("no")]
    async with running(line, looks, turns) as task:
        looks.due.put_nowait(seen(1))
        if where == "look":
            looks.due.put_nowait(DataError("no"))
        with pytest.raises(DataError):
            await asyncio.wait_for(task, 20)
        assert turns.told[-1] == "ended: no"


async def test_a_stop_lets_what_is_under_way_finish_and_leaves_the_rest_in_the_journal() -> None:
    line, looks = Line(), Looks()
    async with running(line, looks):
        looks.due.put_nowait(seen(1))
        looks.due.put_nowait(seen(2))
        await until(lambda: len(line.open) == 2 and line.under_way == [1])
    assert line.ended == [(1, "accepted")]
    assert [stage.observed.observed_at for stage in line.open] == [2]


async def test_a_feed_that_is_slow_does_not_hold_up_another() -> None:
    lines, looks = {"slow": Line(), "quick": Line()}, {"slow": Looks(), "quick": Looks()}

    class Both:
        def __getattr__(self, name: str) -> Any:
            def call(about: Any) -> Any:
                feed = about if isinstance(about, str) else about.observed.feed
                return getattr(lines[feed], name)(about)

            return call

    stop = asyncio.Event()
    feeds = [daemon.DaemonFeed(name, looks[name], 0.0) for name in lines]
    task = asyncio.ensure_future(daemon.run(feeds, cast(Pipeline, Both()), stop))
    looks["slow"].due.put_nowait(seen(1, "slow"))
    for at in range(1, 6):
        looks["quick"].due.put_nowait(seen(at, "quick"))
        lines["quick"].go.release()

        def has_ended(number: int = at) -> bool:
            return lines["quick"].ended[-1:] == [(number, "accepted")]

        await until(has_ended)
    assert lines["slow"].under_way == [1]
    stop.set()
    for name in lines:
        looks[name].due.put_nowait(None)
        lines[name].go.release()
    await task
