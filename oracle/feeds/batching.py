"""Batching: observations that are due together, and that one model judges, share a proof.

A statement that is to be proven joins a queue, and leaves it in a group. A group leaves at once if no other statement
can come, or when it fills the largest circuit; otherwise when a prover is free and the statement has waited for the
window, or sooner if its observation would become too old. Each feed has at most one statement in the queue, and the
feed whose turn is longest ago leaves first. So no feed waits for a slow one, or is pushed aside by one that is often
due. While all provers are busy, more statements gather, and the groups grow by themselves.
"""

from __future__ import annotations

import asyncio
import contextvars
import itertools
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, TypeAlias, TypeVar

from oracle.core.errors import OracleError
from oracle.core.types import Observed, Outcome, Proven, Scored, Submitted

__all__ = ["BatchPolicy", "Batcher", "Joined", "Parted", "Preempted", "SpareProvers", "group_sizes"]

T = TypeVar("T")

COMPANIONS_S = 2.0
"""Seconds for which a shared proof or transaction waits for all its observations, after a restart or a failure."""

Joined: TypeAlias = Scored | Proven | Submitted
Result: TypeAlias = Outcome | BaseException
Carry: TypeAlias = Callable[[Sequence[Joined], Callable[[], None]], Awaitable[Sequence[Result]]]
"""Takes a group, all at one stage and in order of feed id, to the end. Returns how each ended, and calls back when the
proof is made."""


class Parted(OracleError):
    """A group was parted because of another member. This one has to be tried again.

    Attributes:
        alone: True if nobody knows which member it was. Then each has to go by itself.
    """

    def __init__(self, reason: str, *, alone: bool) -> None:
        super().__init__(reason)
        self.alone = alone


class Preempted(OracleError):
    """Work on a spare prover was cut off, because a report needs the prover."""


@dataclass(frozen=True, slots=True)
class BatchPolicy:
    """The rules by which statements are gathered.

    Attributes:
        window_s: Seconds for which a statement waits for others.
        provers: How many proofs are made at once.
        feeds: How many feeds there are. When all have a statement here, none waits for more.
        slack: Returns the seconds until an observation is too old for its feed.
    """

    window_s: float = 0.0
    provers: int = 1
    feeds: int = 1
    slack: Callable[[Observed], float] = lambda observed: float("inf")


def group_sizes(waiting: int, seconds: Mapping[int, float]) -> tuple[int, ...]:
    """Divide statements among proofs so that the provers need the least time for all of them.

    Args:
        waiting: How many statements there are; at least one.
        seconds: Seconds of a proof, by the windows of its circuit. A proof of fewer statements takes as long.

    Returns:
        How many statements each proof takes, largest first. Of divisions that take the same time, the one with the
        fewest proofs is chosen, because each proof is a transaction.
    """
    best: list[tuple[float, int, tuple[int, ...]]] = [(0.0, 0, ())]
    for count in range(1, waiting + 1):
        options = []
        for circuit, cost in seconds.items():
            taken = min(circuit, count)
            total, proofs, sizes = best[count - taken]
            options.append((total + cost, proofs + 1, (taken, *sizes)))
        best.append(min(options))
    return tuple(sorted(best[waiting][2], reverse=True))


class SpareProvers:
    """The provers that no report needs. Work on one is cut off as soon as a report needs it."""

    def __init__(self) -> None:
        self._free = 0
        self._tasks: list[asyncio.Future[Any]] = []
        self._told = asyncio.Event()

    def tell(self, free: int) -> None:
        """Set how many there are. Work on more than that is cut off, the latest first."""
        self._free = max(0, free)
        while len(self._tasks) > self._free:
            self._tasks.pop().cancel()
        self._told.set()

    async def use(self, work: Callable[[], Awaitable[T]]) -> T:
        """Wait for a spare prover, and do work with it.

        Args:
            work: Begun once a prover is spare.

        Raises:
            Preempted: A report needed the prover.
        """
        while len(self._tasks) >= self._free:
            self._told.clear()
            await self._told.wait()
        task = asyncio.ensure_future(work())
        self._tasks.append(task)
        try:
            return await task
        except asyncio.CancelledError:
            this = asyncio.current_task()
            if this is not None and this.cancelling():
                raise
            raise Preempted("a report needed its prover") from None
        finally:
            if task in self._tasks:
                self._tasks.remove(task)
            self._told.set()


@dataclass(eq=False)
class _Waiting:
    """A statement that waits.

    Attributes:
        leave_by: The time at which it has waited enough, by the event loop's clock.
    """

    joined: Joined
    alone: bool
    leave_by: float
    result: asyncio.Future[Outcome]

    @property
    def observed(self) -> Observed:
        return self.joined.observed

    @property
    def batch(self) -> tuple[str, ...]:
        """Keys of all observations that its proof is about; empty: no proof, or of this one alone."""
        if isinstance(self.joined, Scored):
            return ()
        return (self.joined.proven if isinstance(self.joined, Submitted) else self.joined).batch

    @property
    def shared(self) -> bytes:
        """The bytes that it shares with others: its transaction's hash, or its proof."""
        if isinstance(self.joined, Submitted):
            return self.joined.tx_hash
        return b"" if isinstance(self.joined, Scored) else self.joined.proof


@dataclass(eq=False)
class _Group:
    """A group that is on its way."""

    members: Sequence[_Waiting]
    proving: bool
    task: asyncio.Task[None] | None = field(default=None)


class Batcher:
    """Gathers statements, and sends groups of them on their way."""

    def __init__(
        self,
        carry: Carry,
        seconds: Callable[[int], Mapping[int, float]],
        policy: BatchPolicy | None = None,
        spare: SpareProvers | None = None,
    ) -> None:
        """Prepare to gather.

        Args:
            carry: Takes a group to the end; see `Carry`.
            seconds: Returns, for the model with this number, the seconds of a proof by the windows of its circuit.
            policy: The rules by which statements are gathered.
            spare: Learns how many provers have nothing to do.
        """
        self._carry = carry
        self._seconds = seconds
        self._policy = policy or BatchPolicy()
        self._to_spare = spare or SpareProvers()
        self._to_spare.tell(self._policy.provers)
        self._waiting: list[_Waiting] = []
        self._groups: set[_Group] = set()
        # A feed's turn is when it came first, or left last.
        self._turns: dict[str, int] = {}
        self._clock = itertools.count()
        self._timer: asyncio.TimerHandle | None = None
        # A group has several feeds: its log lines must not name the feed that happened to complete it.
        self._context = contextvars.copy_context()

    async def join(self, joined: Joined, *, alone: bool = False) -> Outcome:
        """Wait for a group, go with it, and return how the observation ended.

        Args:
            joined: The statement; with its proof, and with its transaction, if it has them.
            alone: True if it goes by itself, because it made others fail.

        Raises:
            Parted: It has to be tried again.
            OracleError: Whatever else went wrong.
        """
        loop = asyncio.get_running_loop()
        waits = min(self._policy.window_s, self._spare(joined)) if isinstance(joined, Scored) else COMPANIONS_S
        entry = _Waiting(joined, alone, loop.time() + max(0.0, waits), loop.create_future())
        self._turns.setdefault(joined.observed.feed, next(self._clock))
        self._waiting.append(entry)
        self._waiting.sort(key=lambda each: self._turns[each.observed.feed])
        entry.result.add_done_callback(lambda result: self._gave_up(entry))
        self._send()
        return await entry.result

    def overtake(self, feed: str, error: OracleError) -> bool:
        """End a feed's statement that still waits for its proof, with this error. The feed keeps its turn.

        Returns:
            True if there was one.
        """
        for entry in self._waiting:
            if entry.observed.feed == feed and isinstance(entry.joined, Scored) and not entry.result.done():
                self._waiting.remove(entry)
                entry.result.set_exception(error)
                return True
        return False

    async def close(self) -> None:
        """Cut off what is on its way. The journal has how far it came."""
        if self._timer is not None:
            self._timer.cancel()
        tasks = [group.task for group in self._groups if group.task is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)

    # --- who leaves, and when ---

    @property
    def _proving(self) -> int:
        return sum(group.proving for group in self._groups)

    def _spare(self, scored: Scored) -> float:
        """Return the seconds for which a statement can wait without being late, its proof included."""
        return self._policy.slack(scored.observed) - max(self._seconds(scored.model_number).values())

    def _send(self) -> None:
        """Send off every group that has to leave now, and look again when the next one has to."""
        # Before the looks at what is due: a statement whose time comes meanwhile gets a timer that is due at once.
        now = asyncio.get_running_loop().time()
        self._part_incomplete()
        while (members := self._next()) is not None:
            self._start(members)
        self._to_spare.tell(self._policy.provers - self._proving)
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        # Overdue statements wait for a prover: the end of a proof calls this, too.
        later = [entry.leave_by for entry in self._waiting if entry.leave_by > now]
        if later:
            self._timer = asyncio.get_running_loop().call_at(min(later), self._send, context=self._context)

    def _next(self) -> Sequence[_Waiting] | None:
        """Return the members of the group that leaves next; None: none leaves now."""
        for entry in self._waiting:
            if companions := self._companions(entry):
                return companions
        if self._proving >= self._policy.provers:
            return None
        queues: dict[int, list[_Waiting]] = {}
        for entry in self._waiting:
            if isinstance(entry.joined, Scored):
                queues.setdefault(entry.joined.model_number, []).append(entry)
        for model, queue in queues.items():  # the queue of the feed whose turn it is comes first
            if by_itself := [entry for entry in queue if entry.alone]:
                return by_itself[:1]
            seconds = self._seconds(model)
            if self._leave(queue, max(seconds)):
                return queue[: group_sizes(len(queue), seconds)[0]]
        return None

    def _leave(self, queue: Sequence[_Waiting], largest: int) -> bool:
        now = asyncio.get_running_loop().time()
        away = sum(len(group.members) for group in self._groups)
        return (
            min(entry.leave_by for entry in queue) <= now
            or len(queue) >= largest
            or len(self._waiting) + away >= self._policy.feeds
        )

    def _companions(self, entry: _Waiting) -> Sequence[_Waiting]:
        """Return all that share this one's proof or transaction; nothing while some of them are missing.

        A transaction that has waited goes without the missing ones.
        """
        if isinstance(entry.joined, Scored):
            return ()
        here = [e for e in self._waiting if type(e.joined) is type(entry.joined) and e.shared == entry.shared]
        overdue = isinstance(entry.joined, Submitted) and entry.leave_by <= asyncio.get_running_loop().time()
        return here if overdue or len(here) >= max(1, len(entry.batch)) else ()

    def _part_incomplete(self) -> None:
        """Part those whose shared proof has waited for nothing: it is useless without one of its observations."""
        now = asyncio.get_running_loop().time()
        for entry in [each for each in self._waiting if isinstance(each.joined, Proven) and each.leave_by <= now]:
            if not self._companions(entry):
                self._waiting.remove(entry)
                if not entry.result.done():
                    entry.result.set_exception(Parted("other observations of its proof have ended", alone=False))

    def _gave_up(self, entry: _Waiting) -> None:
        """Forget a statement that has ended, or whose waiter was cancelled; stop a group that nobody waits for."""
        if entry in self._waiting:
            self._waiting.remove(entry)
        for group in self._groups:
            if group.task is not None and all(member.result.cancelled() for member in group.members):
                group.task.cancel()

    # --- on the way ---

    def _start(self, members: Sequence[_Waiting]) -> None:
        for member in members:
            self._waiting.remove(member)
            self._turns[member.observed.feed] = next(self._clock)
        ordered = sorted(members, key=lambda member: member.observed.feed_id)
        group = _Group(ordered, isinstance(ordered[0].joined, Scored))
        self._groups.add(group)
        group.task = asyncio.get_running_loop().create_task(self._run(group), context=self._context)

    async def _run(self, group: _Group) -> None:
        def proved() -> None:
            group.proving = False
            self._send()

        results: Sequence[Result]
        try:
            results = await self._carry([member.joined for member in group.members], proved)
        except BaseException as error:
            results = [error] * len(group.members)
            if not isinstance(error, Exception):
                raise
        finally:
            self._groups.discard(group)
            for member, result in zip(group.members, results, strict=True):
                if member.result.done():
                    continue
                if isinstance(result, asyncio.CancelledError):
                    member.result.cancel()
                elif isinstance(result, BaseException):
                    member.result.set_exception(result)
                else:
                    member.result.set_result(result)
            self._send()
