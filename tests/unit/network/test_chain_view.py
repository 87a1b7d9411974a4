"""The chain as a signer sees it: read seldom, once for all who ask, and kept while it can't be read."""

from __future__ import annotations

import asyncio

import pytest
from structlog.testing import capture_logs

from oracle.core.errors import ChainUnavailable
from oracle.network.chain_view import ChainView
from tests.unit.network.node import Clock, FakeChain, state
from tests.unit.network.signed import COMMITTEE, FEEDS


@pytest.fixture
def chain() -> FakeChain:
    return FakeChain()


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def view(chain: FakeChain, clock: Clock) -> ChainView:
    return ChainView(chain, COMMITTEE, FEEDS, each_s=0.001, monotonic=clock.monotonic)


async def test_several_callers_wait_for_one_reading(view: ChainView, chain: FakeChain, clock: Clock) -> None:
    assert view.problem == "it was not read yet"
    await asyncio.gather(*(view.refresh() for _ in range(5)))
    assert chain.reads == 1 and view.committee is not None and set(view.states) == set(FEEDS)
    await view.refresh()
    assert chain.reads == 1, "it was read a moment ago"
    clock.tick(1)
    await view.refresh()
    assert chain.reads == 2


async def test_what_was_read_first_stays_known(view: ChainView, chain: FakeChain, clock: Clock) -> None:
    await view.refresh()
    chain.states[FEEDS[0]] = state(FEEDS[0], 9, 9_000)
    clock.tick(1)
    await view.refresh()
    assert view.states[FEEDS[0]].last_report_at == 9_000 and view.reported_at_first[FEEDS[0]] == 1_000


async def test_a_chain_that_does_not_answer_is_told_once_and_asked_again(
    view: ChainView, chain: FakeChain, clock: Clock
) -> None:
    await view.refresh()
    chain.error = ChainUnavailable("no answer")
    clock.tick(1)
    with pytest.raises(ChainUnavailable):
        await view.refresh()
    assert view.problem == "no answer" and view.committee is not None, "what was read before is kept"
    chain.error = None
    clock.tick(1)
    await view.refresh()
    assert not view.problem


async def test_it_is_read_in_the_background(view: ChainView, chain: FakeChain, clock: Clock) -> None:
    chain.error = ChainUnavailable("no answer")
    with capture_logs() as logs:
        running = asyncio.create_task(view.run())
        async with asyncio.timeout(60):
            while chain.reads < 3:
                clock.tick(1)
                await asyncio.sleep(0.001)
            chain.error = None
            while view.committee is None:
                clock.tick(1)
                await asyncio.sleep(0.001)
        running.cancel()
        await asyncio.gather(running, return_exceptions=True)
    assert [each["event"] for each in logs] == ["chain not read, will try again"]


async def test_a_caller_that_gives_up_does_not_end_the_reading_of_others(view: ChainView, chain: FakeChain) -> None:
    first, second = (asyncio.create_task(view.refresh()) for _ in range(2))
    await asyncio.sleep(0)
    first.cancel()
    await second
    assert view.committee is not None and chain.reads == 1
