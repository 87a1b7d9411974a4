"""Tests of pauses between two tries: their length, their number, and the errors that are not tried again."""

from __future__ import annotations

import pytest
from tenacity import AsyncRetrying, retry_if_exception_type

from oracle.core.backoff import Backoff, attempts, blocking_attempts

PASSES = retry_if_exception_type(ConnectionError)


class Call:
    """A function that fails with each given error, then returns how often it was called."""

    def __init__(self, *errors: Exception) -> None:
        self.errors = list(errors)
        self.calls = 0

    async def __call__(self) -> int:
        self.calls += 1
        if self.errors:
            raise self.errors.pop(0)
        return self.calls


def paused(tries: AsyncRetrying) -> tuple[AsyncRetrying, list[float]]:
    """Return the same loop, which records its pauses instead of waiting."""
    pauses: list[float] = []

    async def sleep(seconds: float) -> None:
        pauses.append(seconds)

    return tries.copy(sleep=sleep), pauses


async def test_each_pause_is_twice_as_long_up_to_the_longest() -> None:
    tries, pauses = paused(attempts(6, retry=PASSES, first_s=0.5, last_s=3))
    assert await tries(Call(*(ConnectionError() for _ in range(5)))) == 6
    assert pauses == [0.5, 1, 2, 3, 3]


async def test_jitter_is_added_to_each_pause() -> None:
    tries, pauses = paused(attempts(200, retry=PASSES, first_s=1, last_s=1, jitter_s=0.25))
    await tries(Call(*(ConnectionError() for _ in range(199))))
    assert all(1 <= pause <= 1.25 for pause in pauses)
    assert min(pauses) < 1.05 and max(pauses) > 1.2


async def test_the_last_error_is_raised_itself_after_the_last_try() -> None:
    tries, pauses = paused(attempts(3, retry=PASSES, first_s=1, last_s=9))
    call = Call(*(ConnectionError(f"number {number}") for number in range(1, 9)))
    with pytest.raises(ConnectionError, match="number 3"):
        await tries(call)
    assert (call.calls, pauses) == (3, [1, 2])


async def test_other_errors_are_not_tried_again() -> None:
    tries, pauses = paused(attempts(5, retry=PASSES, first_s=1, last_s=9))
    call = Call(ConnectionError(), ValueError("for good"))
    with pytest.raises(ValueError, match="for good"):
        await tries(call)
    assert (call.calls, pauses) == (2, [1])


async def test_one_try_is_none_more() -> None:
    tries, pauses = paused(attempts(1, retry=PASSES, first_s=1, last_s=9))
    with pytest.raises(ConnectionError):
        await tries(Call(ConnectionError()))
    assert pauses == []


async def test_a_first_pause_of_zero_waits_for_nothing() -> None:
    tries, pauses = paused(attempts(3, retry=PASSES, first_s=0, last_s=9))
    assert await tries(Call(ConnectionError(), ConnectionError())) == 3
    assert pauses == [0, 0]


def test_a_blocking_call_is_tried_until_it_is_told_to_stop() -> None:
    pauses: list[float] = []
    calls: list[int] = []

    def call() -> int:
        calls.append(1)
        raise ConnectionError(f"number {len(calls)}")

    tries = blocking_attempts(retry=PASSES, stop=lambda: len(calls) >= 5, first_s=1, last_s=4, jitter_s=0.25)
    with pytest.raises(ConnectionError, match="number 5"):
        tries.copy(sleep=pauses.append)(call)
    assert [int(pause) for pause in pauses] == [1, 2, 4, 4] and all(pause % 1 <= 0.25 for pause in pauses)


def test_a_loop_waits_longer_after_each_failure_and_starts_anew_after_a_success() -> None:
    backoff = Backoff(1, 30)
    assert [backoff.pause() for _ in range(7)] == [1, 2, 4, 8, 16, 30, 30]
    backoff.reset()
    assert [backoff.pause() for _ in range(2)] == [1, 2]


def test_a_loop_may_fail_for_ever() -> None:
    backoff = Backoff(0.25, 60)
    assert {backoff.pause() for _ in range(5_000)} == {0.25, 0.5, 1, 2, 4, 8, 16, 32, 60}


def test_two_loops_do_not_count_each_others_failures() -> None:
    one, other = Backoff(1, 8), Backoff(1, 8)
    assert [one.pause(), one.pause(), other.pause()] == [1, 2, 1]
