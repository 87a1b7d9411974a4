"""Tests of which statements leave together, and when, with a carrier that tests control, on a real event loop."""

from __future__ import annotations

import asyncio
import itertools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.core.errors import SourceUnavailable
from oracle.core.types import Observed, Outcome, Proven, Scored, Submitted
from oracle.feeds.batching import Batcher, BatchPolicy, Joined, Parted, Preempted, Result, SpareProvers, group_sizes

CIRCUITS: Mapping[int, float] = {1: 0.4, 4: 0.5, 16: 1.2}
LONG = 3_600.0


def scored(feed: str, at: int = 1_000, model: int = 1) -> Scored:
    return Scored(Observed(feed, feed.encode().ljust(32, b"\0"), 1, at), 1, model, (), (0,), (-1,))


class Carrier:
    """A carrier that takes groups, and keeps each until a test says how it ended."""

    def __init__(self, circuits: Mapping[int, float] = CIRCUITS, **policy: object) -> None:
        settings = {"window_s": LONG, "provers": 1, "feeds": 1_000, **policy}
        self.groups: list[list[str]] = []
        self.proved: list[Callable[[], None]] = []
        self.ends: list[asyncio.Future[Sequence[Result]]] = []
        self.batcher = Batcher(self.carry, lambda model: circuits, BatchPolicy(**settings))  # type: ignore[arg-type]
        self.tasks: list[asyncio.Task[Outcome]] = []

    async def carry(self, batch: Sequence[Joined], proved: Callable[[], None]) -> Sequence[Result]:
        self.groups.append([each.observed.feed for each in batch])
        self.proved.append(proved)
        end: asyncio.Future[Sequence[Result]] = asyncio.get_running_loop().create_future()
        self.ends.append(end)
        return await end

    async def join(self, *joined: Joined, alone: bool = False) -> list[asyncio.Task[Outcome]]:
        made = [asyncio.ensure_future(self.batcher.join(each, alone=alone)) for each in joined]
        self.tasks += made
        await self.settle()
        return made

    async def end(self, index: int, *results: Result) -> None:
        self.proved[index]()
        self.ends[index].set_result(results or [Outcome.ACCEPTED] * len(self.groups[index]))
        await self.settle()

    @staticmethod
    async def settle() -> None:
        for _ in range(10):
            await asyncio.sleep(0)

    async def stop(self) -> None:
        await self.batcher.close()
        for task in self.tasks:
            task.cancel()
        await asyncio.gather(*self.tasks, return_exceptions=True)


# --- sizes ---


@pytest.mark.parametrize(
    ("waiting", "seconds", "sizes"),
    [
        (1, CIRCUITS, (1,)),
        (2, CIRCUITS, (2,)),
        (4, CIRCUITS, (4,)),
        (5, CIRCUITS, (4, 1)),
        (8, CIRCUITS, (4, 4)),
        (9, CIRCUITS, (9,)),
        (17, CIRCUITS, (16, 1)),
        (3, {1: 0.4}, (1, 1, 1)),
        (2, {1: 0.1, 4: 0.5}, (1, 1)),
        (4, {1: 0.125, 4: 0.5}, (4,)),  # it takes as long, in fewer transactions
        (6, {4: 0.5}, (4, 2)),
    ],
)
def test_the_cheapest_circuits_are_chosen(waiting: int, seconds: Mapping[int, float], sizes: tuple[int, ...]) -> None:
    assert group_sizes(waiting, seconds) == sizes


@given(
    st.integers(1, 40),
    st.dictionaries(st.sampled_from([1, 2, 4, 8, 16]), st.floats(0.01, 10), min_size=1, max_size=5),
)
def test_sizes_cover_what_waits_and_fit(waiting: int, seconds: dict[int, float]) -> None:
    sizes = group_sizes(waiting, seconds)
    assert sum(sizes) == waiting
    assert max(sizes) <= max(seconds)
    assert list(sizes) == sorted(sizes, reverse=True)
    cost = sum(min(cost for circuit, cost in seconds.items() if circuit >= size) for size in sizes)
    largest = max(seconds)
    assert cost <= seconds[largest] * -(-waiting // largest) + 1e-9, "no worse than the largest circuit alone"


# --- when a group leaves ---


async def test_the_only_feed_never_waits() -> None:
    carrier = Carrier(feeds=1)
    [task] = await carrier.join(scored("a"))
    assert carrier.groups == [["a"]]
    await carrier.end(0)
    assert await task is Outcome.ACCEPTED


async def test_one_circuit_for_one_never_waits() -> None:
    carrier = Carrier({1: 0.4}, provers=9)
    await carrier.join(scored("a"), scored("b"))
    assert carrier.groups == [["a"], ["b"]]
    await carrier.stop()


async def test_all_that_there_are_leave_together_in_the_order_of_their_ids() -> None:
    carrier = Carrier(feeds=3)
    tasks = await carrier.join(scored("c"), scored("a"))
    assert carrier.groups == []
    tasks += await carrier.join(scored("b"))
    assert carrier.groups == [["a", "b", "c"]]
    await carrier.end(0, Outcome.ACCEPTED, Outcome.HELD, Outcome.FAILED)
    assert [await task for task in tasks] == [Outcome.FAILED, Outcome.ACCEPTED, Outcome.HELD]


async def test_feeds_that_are_on_their_way_are_not_waited_for() -> None:
    carrier = Carrier(feeds=2, provers=2)
    await carrier.join(scored("a"), scored("b"))
    carrier.proved[0]()
    await carrier.end(0)
    await carrier.join(scored("a", 2_000))
    assert carrier.groups == [["a", "b"]], "b could come"
    await carrier.join(scored("b", 2_000))
    assert carrier.groups[1:] == [["a", "b"]]
    await carrier.stop()


async def test_a_full_circuit_leaves() -> None:
    carrier = Carrier({1: 0.4, 4: 0.5})
    await carrier.join(*map(scored, "abcd"))
    assert carrier.groups == [["a", "b", "c", "d"]]
    await carrier.stop()


async def test_alone_it_leaves_after_the_window() -> None:
    carrier = Carrier(window_s=0.02)
    began = asyncio.get_running_loop().time()
    [task] = await carrier.join(scored("a"))
    assert carrier.groups == []
    while not carrier.groups:  # noqa: ASYNC110
        await asyncio.sleep(0.002)
    assert asyncio.get_running_loop().time() - began >= 0.019
    await carrier.end(0)
    assert await task is Outcome.ACCEPTED


@pytest.mark.parametrize("spare", [0.3, -100.0])
async def test_what_would_be_too_late_does_not_wait(spare: float) -> None:
    """A proof may take 1.2 s. With less than that to spare, there is no time for others."""
    carrier = Carrier(slack=lambda observed: spare if observed.feed == "late" else LONG)
    await carrier.join(scored("early"))
    assert carrier.groups == []
    await carrier.join(scored("late"))
    assert carrier.groups == [["early", "late"]]
    await carrier.stop()


async def test_what_waits_for_a_prover_grows_into_one_group() -> None:
    carrier = Carrier(window_s=0.0, feeds=9)
    await carrier.join(scored("a"))
    await carrier.join(*map(scored, "bcd"))
    assert carrier.groups == [["a"]]
    carrier.proved[0]()  # its transaction is still on the way, but the prover is free
    await carrier.settle()
    assert carrier.groups == [["a"], ["b", "c", "d"]]
    await carrier.stop()


async def test_models_do_not_mix() -> None:
    carrier = Carrier(feeds=4, provers=2)
    await carrier.join(scored("a", model=1), scored("b", model=2), scored("c", model=1), scored("d", model=2))
    assert sorted(carrier.groups) == [["a", "c"], ["b", "d"]]
    await carrier.stop()


async def test_the_oldest_leave_first_and_an_overtaken_feed_keeps_its_place() -> None:
    carrier = Carrier({1: 0.4, 2: 0.5}, window_s=0.0, feeds=9)
    await carrier.join(scored("x"))
    first, *_ = await carrier.join(scored("a"))
    await carrier.join(scored("b"))
    await carrier.join(scored("c"))
    assert carrier.batcher.overtake("a", SourceUnavailable("newer"))
    with pytest.raises(SourceUnavailable):
        await first
    await carrier.join(scored("a", 2_000))
    await carrier.end(0)
    await carrier.end(1)
    assert carrier.groups == [["x"], ["a", "b"], ["c"]], "its turn, whenever it came back"
    await carrier.stop()


async def test_what_is_proven_is_not_overtaken() -> None:
    carrier = Carrier(feeds=1)
    await carrier.join(scored("a"))
    assert not carrier.batcher.overtake("a", SourceUnavailable("newer"))
    assert not carrier.batcher.overtake("b", SourceUnavailable("newer"))
    await carrier.stop()


async def test_one_that_goes_by_itself() -> None:
    carrier = Carrier(feeds=3, provers=2)
    await carrier.join(scored("a"))
    await carrier.join(scored("b"), alone=True)
    assert carrier.groups == [["b"]]
    await carrier.join(scored("c"))
    assert carrier.groups == [["b"], ["a", "c"]]
    await carrier.stop()


# --- with proofs that are made ---


def proven(feed: str, *batch: str) -> Proven:
    keys = tuple(scored(each).observed.key for each in batch)
    return Proven(scored(feed), b"proof of " + "".join(batch).encode(), "artifact", 0.1, keys)


async def test_a_finished_proof_leaves_when_all_are_back_whatever_the_provers_do() -> None:
    carrier = Carrier(provers=0)
    await carrier.join(proven("b", "a", "b"), proven("d", "c", "d"))
    assert carrier.groups == []
    await carrier.join(proven("a", "a", "b"))
    assert carrier.groups == [["a", "b"]]
    await carrier.join(proven("e"))
    assert carrier.groups == [["a", "b"], ["e"]]
    await carrier.stop()


async def test_a_finished_proof_without_its_others_is_of_no_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("oracle.feeds.batching.COMPANIONS_S", 0.01)
    carrier = Carrier()
    [task] = await carrier.join(proven("b", "a", "b"))
    with pytest.raises(Parted) as parted:
        await task
    assert not parted.value.alone
    assert carrier.groups == []


def submitted(feed: str, *batch: str) -> Submitted:
    return Submitted(proven(feed, *batch), b"hash of " + "".join(batch).encode(), b"raw", 7)


async def test_those_of_one_transaction_are_watched_together(monkeypatch: pytest.MonkeyPatch) -> None:
    carrier = Carrier(provers=0)
    await carrier.join(submitted("b", "a", "b"), proven("a", "a", "b"), submitted("x"))
    assert carrier.groups == [["x"]], "one of its own waits for nobody"
    await carrier.join(submitted("a", "a", "b"))
    assert carrier.groups[1:] == [["a", "b"]]
    monkeypatch.setattr("oracle.feeds.batching.COMPANIONS_S", 0.01)
    await carrier.join(submitted("d", "c", "d"))  # the other one has ended
    while len(carrier.groups) < 3:  # noqa: ASYNC110
        await asyncio.sleep(0.001)
    assert carrier.groups[2:] == [["d"]]
    await carrier.stop()


async def test_one_whose_time_comes_during_a_look_is_not_forgotten(monkeypatch: pytest.MonkeyPatch) -> None:
    """The clock is looked at three times: it is not yet due at the second, and overdue at the third."""
    monkeypatch.setattr("oracle.feeds.batching.COMPANIONS_S", 0.01)
    carrier, loop = Carrier(provers=0), asyncio.get_running_loop()
    real, looks = loop.time, itertools.count()
    monkeypatch.setattr(loop, "time", lambda: real() + 0.004 * next(looks))
    await carrier.join(submitted("d", "c", "d"))
    async with asyncio.timeout(20):
        while not carrier.groups:  # noqa: ASYNC110
            await asyncio.sleep(0)
    assert carrier.groups == [["d"]]
    await carrier.stop()


# --- failures ---


async def test_each_gets_its_own_end() -> None:
    carrier = Carrier(feeds=2)
    one, two = await carrier.join(scored("a"), scored("b"))
    await carrier.end(0, SourceUnavailable("mine"), Outcome.ACCEPTED)
    with pytest.raises(SourceUnavailable, match="mine"):
        await one
    assert await two is Outcome.ACCEPTED


async def test_an_error_of_the_carrier_is_everyones() -> None:
    carrier = Carrier(feeds=2)
    tasks = await carrier.join(scored("a"), scored("b"))
    carrier.ends[0].set_exception(RuntimeError("a mistake in here"))
    for task in tasks:
        with pytest.raises(RuntimeError):
            await task
    await carrier.join(scored("a", 2_000), scored("b", 2_000))
    assert len(carrier.groups) == 2, "and the prover is free again"
    await carrier.stop()


async def test_one_that_is_cancelled_leaves_the_others_alone() -> None:
    carrier = Carrier(feeds=3)
    one, two, three = await carrier.join(*map(scored, "abc"))
    one.cancel()
    await carrier.settle()
    await carrier.end(0)
    assert one.cancelled()
    assert [await two, await three] == [Outcome.ACCEPTED] * 2


async def test_a_group_that_nobody_waits_for_is_cut_off() -> None:
    carrier = Carrier(feeds=2)
    tasks = await carrier.join(scored("a"), scored("b"))
    for task in tasks:
        task.cancel()
    await carrier.settle()
    assert carrier.ends[0].cancelled()


async def test_one_that_waits_can_be_cancelled() -> None:
    carrier = Carrier(feeds=2)
    [task] = await carrier.join(scored("a"))
    task.cancel()
    await carrier.settle()
    await carrier.join(scored("b"))
    assert carrier.groups == [], "a could come back"
    await carrier.join(replace(scored("a"), round_id=2))
    assert carrier.groups == [["a", "b"]]
    await carrier.stop()


async def test_under_load_no_feed_waits_for_more_than_a_turn_of_the_others() -> None:
    """Ten feeds are always due, with one prover and circuits for four. Each is served as often as any other."""
    carrier = Carrier({1: 0.4, 4: 0.5}, window_s=0.0, feeds=10)
    served = dict.fromkeys("abcdefghij", 0)

    async def always(feed: str) -> None:
        for at in range(20):
            await carrier.batcher.join(scored(feed, 1_000 + at))
            served[feed] += 1

    feeds = [asyncio.ensure_future(always(feed)) for feed in served]
    for index in range(60):
        while len(carrier.groups) <= index and not all(task.done() for task in feeds):  # noqa: ASYNC110
            await asyncio.sleep(0)
        if index >= len(carrier.groups):
            break
        assert max(served.values()) - min(served.values()) <= 2, f"{served}, and one turn is under way"
        await carrier.end(index)
    await asyncio.gather(*feeds)
    assert set(served.values()) == {20}
    assert sum(len(group) for group in carrier.groups) == 200
    assert len(carrier.groups) <= 55, "groups of four, but for the first"


# --- provers to spare ---


async def test_what_can_wait_waits_for_a_prover_and_loses_it_to_a_report() -> None:
    spare, begun = SpareProvers(), asyncio.Event()

    async def work() -> None:
        begun.set()
        await asyncio.Event().wait()

    spare.tell(0)
    waiting = asyncio.ensure_future(spare.use(work))
    await Carrier.settle()
    assert not begun.is_set()
    spare.tell(1)
    await begun.wait()
    spare.tell(0)
    with pytest.raises(Preempted):
        await waiting


async def test_as_many_as_are_free_are_used_at_once_and_given_back() -> None:
    spare, ends = SpareProvers(), [asyncio.Event() for _ in range(3)]
    order: list[int] = []

    async def work(index: int) -> int:
        order.append(index)
        await ends[index].wait()
        return index

    spare.tell(2)
    tasks = [asyncio.ensure_future(spare.use(lambda index=index: work(index))) for index in range(3)]  # type: ignore[misc]
    await Carrier.settle()
    assert order == [0, 1]
    ends[0].set()
    await Carrier.settle()
    assert order == [0, 1, 2]
    spare.tell(1)  # the latest goes
    for end in ends:
        end.set()
    results = await asyncio.gather(*tasks, return_exceptions=True)
    assert results[:2] == [0, 1] and isinstance(results[2], Preempted)


async def test_who_is_cancelled_gives_the_prover_back() -> None:
    spare = SpareProvers()
    spare.tell(1)

    async def forever() -> None:
        await asyncio.Event().wait()

    async def at_once() -> int:
        return 7

    task = asyncio.ensure_future(spare.use(forever))
    await Carrier.settle()
    task.cancel()
    with pytest.raises(asyncio.CancelledError):
        await task
    assert await spare.use(at_once) == 7


async def test_a_batcher_says_which_provers_no_report_needs(monkeypatch: pytest.MonkeyPatch) -> None:
    spare = SpareProvers()
    told: list[int] = []
    monkeypatch.setattr(spare, "tell", told.append)
    carrier = Carrier(feeds=1, provers=2)
    carrier.batcher = Batcher(carrier.carry, lambda model: CIRCUITS, BatchPolicy(provers=2, feeds=1), spare)
    await carrier.join(scored("a"))
    assert (told[0], told[-1]) == (2, 1)
    await carrier.join(scored("b"))
    assert told[-1] == 0
    carrier.proved[0]()
    assert told[-1] == 1
    await carrier.stop()
