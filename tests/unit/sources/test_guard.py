"""Tests of a live source's guard: attempts, deadline, limit and breaker, each against a source that fails on demand."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from decimal import Decimal

import pytest

from oracle.core.errors import DataError, OracleError, SourceSuspended, SourceUnavailable
from oracle.sources.guard import Guard, GuardedSource
from oracle.sources.interface import Reading
from tests.conformance import check_source

QUICK = Guard(timeout=30, attempts=1, max_per_minute=None, suspend_after=3, suspend_for=60, retry_first_s=0)


class Scripted:
    """A source that gives the set answers or failures, and then good ones."""

    name = "venue"

    def __init__(self, *errors: OracleError, hangs: bool = False) -> None:
        self.errors = list(errors)
        self.hangs = hangs
        self.asked = 0
        self.closed = False

    async def read(self) -> Reading:
        self.asked += 1
        if self.hangs:
            await asyncio.Event().wait()
        if self.errors:
            raise self.errors.pop(0)
        return Reading(Decimal(1), 1_000, self.name)

    async def close(self) -> None:
        self.closed = True


class Log:
    """A record of the guard's reports."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def suspended(self, source: str, seconds: float, reason: str) -> None:
        self.lines.append(f"{source} suspended for {seconds:g}: {reason}")

    def resumed(self, source: str) -> None:
        self.lines.append(f"{source} resumed")


def down(times: int) -> list[OracleError]:
    return [SourceUnavailable("down") for _ in range(times)]


async def test_a_guarded_source_conforms() -> None:
    await check_source(lambda: GuardedSource(Scripted(), QUICK))


@pytest.mark.parametrize(("attempts", "fails", "asked"), [(3, 2, 3), (3, 0, 1), (1, 0, 1)])
async def test_what_may_pass_is_tried_again(attempts: int, fails: int, asked: int) -> None:
    source = Scripted(*down(fails))
    assert (await GuardedSource(source, replace(QUICK, attempts=attempts)).read()).value == 1
    assert source.asked == asked


async def test_attempts_are_limited_and_the_last_reason_is_told() -> None:
    source = Scripted(*down(1), SourceUnavailable("still down"))
    with pytest.raises(SourceUnavailable, match="still down"):
        await GuardedSource(source, replace(QUICK, attempts=2)).read()
    assert source.asked == 2


async def test_a_wrong_answer_is_not_asked_for_again() -> None:
    source = Scripted(DataError("no number"))
    with pytest.raises(DataError):
        await GuardedSource(source, replace(QUICK, attempts=5)).read()
    assert source.asked == 1


async def test_one_deadline_for_all_attempts() -> None:
    source = Scripted(hangs=True)
    with pytest.raises(SourceUnavailable, match=r"venue: no answer within 0\.02 s"):
        await GuardedSource(source, replace(QUICK, timeout=0.02, attempts=5)).read()
    assert source.asked == 1


async def test_more_requests_than_are_allowed_wait_no_longer_than_the_deadline() -> None:
    source = Scripted()
    guarded = GuardedSource(source, replace(QUICK, timeout=0.05, max_per_minute=2))
    for _ in range(2):
        await guarded.read()
    with pytest.raises(SourceUnavailable, match="no answer within"):
        await guarded.read()
    assert source.asked == 2


def clocked(source: Scripted, guard: Guard = QUICK) -> tuple[GuardedSource, Log, Callable[[float], None]]:
    now, told = [0.0], Log()

    def advance(seconds: float) -> None:
        now[0] += seconds

    return GuardedSource(source, guard, told, lambda: now[0]), told, advance


async def failing(guarded: GuardedSource, times: int, error: type[OracleError] = SourceUnavailable) -> None:
    for _ in range(times):
        with pytest.raises(OracleError) as caught:
            await guarded.read()
        assert type(caught.value) is error


async def test_a_source_that_keeps_failing_is_left_alone_then_asked_once() -> None:
    source = Scripted(*down(4))
    guarded, told, advance = clocked(source, replace(QUICK, attempts=1))
    await failing(guarded, 3)
    await failing(guarded, 50, SourceSuspended)
    assert source.asked == 3
    advance(61)
    await failing(guarded, 1)  # this is the probe
    await failing(guarded, 50, SourceSuspended)
    assert source.asked == 4
    advance(61)
    assert (await guarded.read()).value == 1
    assert (await guarded.read()).value == 1
    assert told.lines == ["venue suspended for 60: down", "venue resumed"], "each once, not at each reading"


async def test_wrong_answers_suspend_it_too() -> None:
    guarded, told, _ = clocked(Scripted(*(DataError("text") for _ in range(3))))
    await failing(guarded, 3, DataError)
    await failing(guarded, 1, SourceSuspended)
    assert told.lines == ["venue suspended for 60: text"]


async def test_an_answer_in_between_begins_the_count_anew() -> None:
    source = Scripted(*down(2))
    guarded, told, _ = clocked(source)
    await failing(guarded, 2)
    await guarded.read()
    source.errors = down(2)
    await failing(guarded, 2)
    await guarded.read()
    assert told.lines == []


async def test_a_probe_is_one_request_whatever_the_attempts_and_one_at_a_time() -> None:
    source = Scripted(*down(6))
    guarded, _, advance = clocked(source, replace(QUICK, attempts=2))
    await failing(guarded, 3)
    assert source.asked == 6
    advance(61)
    source.hangs = True
    probe = asyncio.ensure_future(guarded.read())
    await asyncio.sleep(0)
    await failing(guarded, 1, SourceSuspended)
    probe.cancel()
    await asyncio.gather(probe, return_exceptions=True)
    assert source.asked == 7
    source.hangs = False
    assert (await guarded.read()).value == 1  # a probe that was cut off is made again


async def test_a_suspension_says_why_and_until_when() -> None:
    """Whoever sees the source in `oracle status` an hour later knows what is wrong, and when it is asked again."""
    now = [0.0]
    guarded = GuardedSource(
        Scripted(SourceUnavailable("venue: down"), *down(1), DataError("venue: it says NaN")),
        QUICK,
        clock=lambda: now[0],
        wall=lambda: 1_700_000_000.2 + now[0],
    )
    for _ in range(3):
        with pytest.raises(OracleError):
            await guarded.read()
    for now[0] in (0.0, 30.0):
        with pytest.raises(SourceSuspended) as told:
            await guarded.read()
        assert str(told.value) == (
            "venue: suspended until 2023-11-14T22:14:21Z after 3 failures, the last: it says NaN"
        )
