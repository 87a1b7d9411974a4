"""The provers that a machine has, shared by reports and by what may wait: shadow reports.

A report takes a prover before it is signed, so that it never waits between its signatures and its proof. What is left
is spare: work on a spare prover is cut off as soon as a report needs it.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from types import TracebackType
from typing import Any, Self, TypeVar

from oracle.core.errors import OracleError

__all__ = ["Preempted", "Provers", "Slot"]

T = TypeVar("T")


class Preempted(OracleError):
    """Work on a spare prover was cut off, because a report needs the prover."""


class Slot:
    """A prover that a report has taken. A context manager, which gives it back; more than once does no harm."""

    def __init__(self, give_back: Callable[[], None]) -> None:
        self._give_back: Callable[[], None] | None = give_back

    def __enter__(self) -> Self:
        """Return the slot."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Give the prover back."""
        give_back, self._give_back = self._give_back, None
        if give_back is not None:
            give_back()


class Provers:
    """Counts the provers that are taken, and lends spare ones."""

    def __init__(self, count: int = 1) -> None:
        """Begin with all provers free.

        Args:
            count: How many proofs are made at once.
        """
        self._count = count
        self._taken = 0
        self._spare: list[asyncio.Future[Any]] = []
        self._changed = asyncio.Event()

    @property
    def free(self) -> int:
        """The number of provers that no report has taken."""
        return self._count - self._taken

    async def until_free(self) -> None:
        """Wait until no report has one of the provers."""
        while not self.free:
            await self._next_change()

    def take(self, freed: Callable[[], None] = lambda: None) -> Slot:
        """Take a free prover for a report. If spare work has it, the latest of that is cut off.

        Args:
            freed: Called once the prover is given back.
        """
        assert self.free, "until_free comes first"
        self._taken += 1
        while len(self._spare) > self.free:
            self._spare.pop().cancel()

        def give_back() -> None:
            self._taken -= 1
            self._tell()
            freed()

        return Slot(give_back)

    async def use_spare(self, work: Callable[[], Awaitable[T]]) -> T:
        """Wait for a prover that neither a report nor other spare work has, and work with it.

        Args:
            work: Begun once a prover is spare.

        Raises:
            Preempted: A report needed the prover.
        """
        while len(self._spare) >= self.free:
            await self._next_change()
        task = asyncio.ensure_future(work())
        self._spare.append(task)
        try:
            return await task
        except asyncio.CancelledError:
            this = asyncio.current_task()
            if this is not None and this.cancelling():
                raise
            raise Preempted("a report needed its prover") from None
        finally:
            if task in self._spare:
                self._spare.remove(task)
            self._tell()

    async def _next_change(self) -> None:
        changed = self._changed
        await changed.wait()

    def _tell(self) -> None:
        """Wake all who wait now."""
        self._changed.set()
        self._changed = asyncio.Event()
