"""The pauses between two tries, in one place. They grow exponentially; tenacity computes them.

`attempts` is for a call that is tried a few times and then fails, `blocking_attempts` for one that blocks its thread.
`Backoff` is for a loop that goes on for ever, and waits longer after each failure.
"""

from __future__ import annotations

from collections.abc import Callable

from tenacity import (
    AsyncRetrying,
    RetryCallState,
    Retrying,
    retry_base,
    stop_after_attempt,
    wait_exponential,
    wait_none,
    wait_random,
)

__all__ = ["Backoff", "attempts", "blocking_attempts"]


def attempts(most: int, *, retry: retry_base, first_s: float, last_s: float, jitter_s: float = 0.0) -> AsyncRetrying:
    """Return tenacity's loop over at most `most` tries, which raises the last error itself.

    Args:
        most: Tries, the first included.
        retry: Which errors are tried again.
        first_s: Seconds before the second try; each later pause is twice as long.
        last_s: The longest pause, in seconds.
        jitter_s: Up to this many seconds, drawn at random, are added to each pause.
    """
    wait = wait_exponential(multiplier=first_s, max=last_s)
    return AsyncRetrying(
        stop=stop_after_attempt(most),
        wait=wait + (wait_random(0, jitter_s) if jitter_s else wait_none()),
        retry=retry,
        reraise=True,
    )


def blocking_attempts(
    *, retry: retry_base, stop: Callable[[], bool], first_s: float, last_s: float, jitter_s: float
) -> Retrying:
    """Return tenacity's loop for a call that blocks its thread; it raises the last error itself.

    Args:
        retry: Which errors are tried again.
        stop: Called after each failure; True ends the loop.
        first_s: Seconds before the second try; each later pause is twice as long.
        last_s: The longest pause, in seconds.
        jitter_s: Up to this many seconds, drawn at random, are added to each pause.
    """
    return Retrying(
        stop=lambda state: stop(),
        wait=wait_exponential(multiplier=first_s, max=last_s) + wait_random(0, jitter_s),
        retry=retry,
        reraise=True,
    )


class Backoff:
    """The pauses of a loop: `first_s` after the first failure, twice as long after each further one, `last_s` at most.

    Args:
        first_s: Seconds.
        last_s: Seconds.
    """

    def __init__(self, first_s: float, last_s: float) -> None:
        self._wait = wait_exponential(multiplier=first_s, max=last_s)
        self._failures = 0

    def pause(self) -> float:
        """Count a failure, and return how many seconds to wait before the next try."""
        self._failures += 1
        state = RetryCallState(retry_object=None, fn=None, args=(), kwargs={})  # type: ignore[arg-type]
        state.attempt_number = self._failures
        return float(self._wait(state))

    def reset(self) -> None:
        """Forget the failures: the next pause is the first one again."""
        self._failures = 0
