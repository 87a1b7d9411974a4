"""Tests of work side by side: it yields all results or the first failure, and leaves nothing running."""

from __future__ import annotations

import asyncio

import pytest

from oracle.core.concurrency import together
from oracle.core.errors import DataError, OracleError


async def after(*events: asyncio.Event, gives: int = 0, fails: Exception | None = None) -> int:
    for event in events:
        await event.wait()
    if fails is not None:
        raise fails
    return gives


class Endless:
    """Work that continues until it is cancelled, and takes a moment to end."""

    def __init__(self) -> None:
        self.begun = asyncio.Event()
        self.ended = False

    async def run(self) -> int:
        self.begun.set()
        try:
            await asyncio.Event().wait()
        finally:
            await asyncio.sleep(0)
            self.ended = True
        return 0


async def test_what_they_return_in_their_order() -> None:
    last = asyncio.Event()

    async def second() -> str:
        last.set()
        return "b"

    assert await together(after(last, gives=1), second()) == (1, "b")
    assert await together(*(after(gives=each) for each in range(5))) == (0, 1, 2, 3, 4)
    assert await together() == ()


async def test_the_first_failure_is_raised_as_it_is_when_the_others_have_ended() -> None:
    endless, cause = Endless(), ValueError("why")
    error = DataError("what")
    error.__cause__ = cause
    with pytest.raises(OracleError) as caught:
        await together(endless.run(), after(endless.begun, fails=error))
    assert caught.value is error and caught.value.__cause__ is cause
    assert endless.ended


async def test_of_two_failures_the_first() -> None:
    first, second = DataError("first"), DataError("second")
    with pytest.raises(DataError, match="first"):
        await together(after(fails=first), after(fails=second))


async def test_cancelled_from_outside() -> None:
    endless = Endless()
    work = asyncio.ensure_future(together(endless.run(), endless.run()))
    await endless.begun.wait()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert endless.ended


async def test_no_more_at_once_than_are_allowed() -> None:
    running = most = 0

    async def one(number: int) -> int:
        nonlocal running, most
        running += 1
        most = max(most, running)
        await asyncio.sleep(0)
        running -= 1
        return number

    assert await together(*map(one, range(9)), at_once=3) == tuple(range(9))
    assert most == 3


async def test_those_that_wait_for_their_turn_are_given_up_after_a_failure() -> None:
    """A coroutine that nobody awaits would be warned of, and warnings are errors here."""
    endless = Endless()
    with pytest.raises(DataError, match="why"):
        await together(endless.run(), after(endless.begun, fails=DataError("why")), after(), after(), at_once=2)
    assert endless.ended
    whole = asyncio.ensure_future(together(after(asyncio.Event()), after(), at_once=1))
    await asyncio.sleep(0)
    whole.cancel()
    with pytest.raises(asyncio.CancelledError):
        await whole
