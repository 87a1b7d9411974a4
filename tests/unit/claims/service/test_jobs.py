"""Tests of the claims service's jobs: how many there may be, how long they are kept, and that no data stays."""

from __future__ import annotations

import asyncio
import gc
import weakref
from typing import Any

import pytest

from oracle.claims.service.documents import ClaimRequest, JobState, read_document
from oracle.claims.service.jobs import Job, JobBook, NoRoom, PrivatePart, Stopping, TooManyJobs

REQUEST = {"model": "credit", "inputs": {"a": 1}, "salt": [1, 2, 3], "constraint": {"at_least": 0.5}}


class Clock:
    now = 1_000.0

    def __call__(self) -> float:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def book(clock: Clock) -> JobBook:
    return JobBook(queue=2, workers=1, per_caller=2, keep_s=60, most_kept=2, clock=clock)


def job(caller: str = "desk", **more: Any) -> Job:
    return Job(caller, "credit", PrivatePart(read_document(ClaimRequest, REQUEST), "0x", None), 1_000.0, **more)


def added(book: JobBook, *callers: str) -> list[Job]:
    made = [job(caller) for caller in callers]
    for each in made:
        book.add(each)
    return made


async def test_a_caller_and_the_queue_have_limits(book: JobBook) -> None:
    mine = added(book, "a", "a")
    with pytest.raises(TooManyJobs):
        book.add(job("a"))
    added(book, "b")
    with pytest.raises(NoRoom):
        book.add(job("c"))
    book.end(mine[0], JobState.REFUSED)
    added(book, "c")
    assert book.counts() == (3, 0, 1)


async def test_those_that_wait_are_told_when_the_queue_moves(book: JobBook) -> None:
    first, second, third = added(book, "a", "b", "c")
    assert [book.ahead(each) for each in (first, second, third)] == [0, 1, 2]
    change = third.change()
    book.begins(first)
    assert change.is_set() and first.state is JobState.CHECKING
    assert [book.ahead(each) for each in (first, second, third)] == [0, 0, 1]
    change = third.change()
    book.end(second, JobState.CANCELLED)
    assert change.is_set() and book.ahead(third) == 0


@pytest.mark.attack
async def test_an_ended_job_has_no_data_and_nothing_refers_to_it(book: JobBook) -> None:
    [made] = added(book, "a")
    assert made.private is not None
    request = weakref.ref(made.private.request)
    assert "salt" not in repr(made.private) and "inputs" not in repr(made.private.request)
    for state in (JobState.CHECKING, JobState.PROVING):
        made.moves(state)
    assert request() is not None
    book.end(made, JobState.PROVEN)
    gc.collect()
    assert vars(made)["private"] is None and request() is None


async def test_ended_jobs_are_kept_for_a_while_and_so_many_at_most(book: JobBook, clock: Clock) -> None:
    for caller in "abc":
        clock.now += 1
        [made] = added(book, caller)
        book.end(made, JobState.PROVEN)
    assert book.counts() == (0, 0, 2), "the oldest was forgotten"
    assert book.find(made.id) is made and made.kept_until == clock.now + 60
    clock.now += 59.5
    assert book.counts() == (0, 0, 2) and book.find(made.id) is made
    clock.now += 0.5
    assert book.find(made.id) is None and book.counts() == (0, 0, 0)


async def test_an_end_is_an_end(book: JobBook) -> None:
    [made] = added(book, "a")
    book.end(made, JobState.CANCELLED, "first")
    book.end(made, JobState.PROVEN, "second")
    assert (made.state, made.reason) == (JobState.CANCELLED, "first")


async def test_it_is_done_once_all_callers_know_how_their_jobs_ended(book: JobBook) -> None:
    first, second = added(book, "a", "b")
    book.stop()
    with pytest.raises(Stopping):
        book.add(job("c"))
    waiting = asyncio.create_task(book.until_done())
    book.collect(first)
    book.end(first, JobState.PROVEN)
    book.end(second, JobState.PROVEN)
    book.collect(second)
    await asyncio.sleep(0)
    assert not waiting.done(), "the first job's caller has seen it wait, and not its end"
    book.forget(first)
    await asyncio.wait_for(waiting, 60)


@pytest.mark.attack
async def test_a_jobs_key_opens_that_job_alone() -> None:
    mine, other, callers = job(has_key=True), job(has_key=True), job()
    assert mine.key is not None and other.key is not None and callers.key is None
    key = mine.key.encode()
    mine.key = None
    assert mine.fits(key) and not other.fits(key) and not callers.fits(key)
    for wrong in (b"", key[:-1], key + b"x", mine.id.encode()):
        assert not mine.fits(wrong)
    assert not callers.fits(b""), "of a caller with a token, no key is one"
    assert len({job().id for _ in range(100)}) == 100 and len(mine.id) >= 32
    assert mine.id not in mine.short and mine.short != other.short
    assert key.decode() not in repr(mine.document(0, with_key=True))


@pytest.mark.attack
async def test_who_asks_for_much_has_nobody_elses_claim_forgotten(book: JobBook, clock: Clock) -> None:
    [mine] = added(book, "a")
    book.end(mine, JobState.PROVEN)
    for _ in range(20):
        clock.now += 0.01
        [crowd] = added(book, "b")
        book.end(crowd, JobState.REFUSED)
        assert book.find(crowd.id) is crowd and book.counts()[2] <= 2
    assert book.find(mine.id) is mine
    # The control: of one's own, the oldest goes.
    clock.now += 0.01
    [again] = added(book, "a")
    book.end(again, JobState.PROVEN)
    assert book.find(mine.id) is None and book.find(again.id) is again
