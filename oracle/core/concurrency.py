"""Do work at the same time, and leave nothing of it running when a part fails."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any, TypeVar, overload

__all__ = ["together"]

A = TypeVar("A")
B = TypeVar("B")


@overload
async def together(first: Coroutine[Any, Any, A], second: Coroutine[Any, Any, B], /) -> tuple[A, B]: ...
@overload
async def together(*work: Coroutine[Any, Any, A], at_once: int | None = None) -> tuple[A, ...]: ...
async def together(*work: Coroutine[Any, Any, Any], at_once: int | None = None) -> tuple[Any, ...]:
    """Await all coroutines at the same time, and return their results in their order.

    The first failure cancels the others. It is raised as it is, once they have ended. `asyncio.gather` would let the
    others go on, with connections that are closed meanwhile, on workers that are given to others.

    Args:
        work: The coroutines.
        at_once: How many of them run at the same time; None: all.
    """
    free = None if at_once is None else asyncio.Semaphore(at_once)
    failure: BaseException | None = None
    try:
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(each if free is None else _when_free(free, each)) for each in work]
    except BaseExceptionGroup as failures:
        failure = failures.exceptions[0]
    finally:
        for each in work:
            each.close()  # those whose turn did not come; nothing of the others is left to close
    if failure is not None:
        raise failure
    return tuple(task.result() for task in tasks)


async def _when_free(free: asyncio.Semaphore, work: Coroutine[Any, Any, A]) -> A:
    async with free:
        return await work
