"""Tests of provers that reports take, and of the spare ones that are lent meanwhile."""

from __future__ import annotations

import asyncio

import pytest

from oracle.feeds.provers import Preempted, Provers
from tests.unit.feeds.market import settled


async def hanging() -> str:
    await asyncio.Event().wait()
    return "never"


async def quick() -> str:
    return "done"


async def test_a_slot_is_given_back_once() -> None:
    provers = Provers(2)
    slot = provers.take()
    assert provers.free == 1
    with slot:
        pass
    with slot:
        pass
    assert provers.free == 2


async def test_reports_wait_for_a_free_prover() -> None:
    provers = Provers(1)
    slot = provers.take()
    waiting = asyncio.ensure_future(provers.until_free())
    await settled()
    assert not waiting.done()
    slot.__exit__(None, None, None)
    async with asyncio.timeout(60):
        await waiting


async def test_spare_work_is_cut_off_when_a_report_needs_the_prover() -> None:
    provers = Provers(1)
    work = asyncio.ensure_future(provers.use_spare(hanging))
    await settled()
    slot = provers.take()
    with pytest.raises(Preempted, match="a report needed its prover"):
        await work
    later = asyncio.ensure_future(provers.use_spare(quick))
    await settled()
    assert not later.done(), "no prover is spare"
    with slot:
        pass
    assert await later == "done"


async def test_the_latest_spare_work_goes_first_and_no_more_than_needed() -> None:
    provers = Provers(2)
    first, second = (asyncio.ensure_future(provers.use_spare(hanging)) for _ in range(2))
    await settled()
    provers.take()
    await settled()
    assert second.done() and not first.done()
    first.cancel()
    await asyncio.gather(first, second, return_exceptions=True)


async def test_whoever_is_cancelled_itself_is_cancelled_and_not_preempted() -> None:
    provers = Provers(1)
    work = asyncio.ensure_future(provers.use_spare(hanging))
    await settled()
    work.cancel()
    with pytest.raises(asyncio.CancelledError):
        await work
    assert await provers.use_spare(quick) == "done"
