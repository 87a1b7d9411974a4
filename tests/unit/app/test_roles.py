"""Tests of a node that can't take part in its network any more: it ends, whatever its feeds do."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from oracle.app import network as module
from oracle.app import run
from oracle.core.errors import JournalError


class FakeNetwork:
    """A node's part in its network, which fails when a test says so."""

    def __init__(self) -> None:
        self.failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def until_failed(self) -> None:
        await asyncio.shield(self.failed)


def role(network: FakeNetwork | None) -> Any:
    return SimpleNamespace(network=network)


async def test_a_node_that_has_lost_its_journal_ends_and_says_why() -> None:
    network, ended = FakeNetwork(), asyncio.Event()

    async def feeds() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    network.failed.set_exception(JournalError("another daemon took over"))
    with pytest.raises(JournalError, match="another daemon took over"):
        async with asyncio.timeout(60):
            await run._run(role(network), feeds())
    assert ended.is_set()


@pytest.mark.parametrize("alone", [True, False])
async def test_a_node_ends_with_its_feeds(alone: bool) -> None:
    async def feeds() -> None:
        raise JournalError("the feeds have ended")

    with pytest.raises(JournalError, match="the feeds have ended"):
        await run._run(role(None if alone else FakeNetwork()), feeds())


async def test_a_node_is_deposed_when_another_leads_its_journal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "LEADS_LOOK_S", 0.0)
    looks = iter([True, True, False])

    class FakeJournal:
        name = "journal"
        store = SimpleNamespace(lost="another daemon took over")

        @property
        def is_leader(self) -> bool:
            return next(looks)

    node: Any = SimpleNamespace(journal=FakeJournal())
    with pytest.raises(JournalError, match="another daemon took over"):
        await module._until_deposed(node)


async def test_a_mistake_in_background_work_ends_the_node() -> None:
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def work() -> None:
        raise ZeroDivisionError("a mistake")

    task = module._watched(work(), "work", failed)
    with pytest.raises(ZeroDivisionError):
        await failed
    await module._ended(task)


async def test_background_work_that_is_stopped_is_no_failure() -> None:
    failed: asyncio.Future[None] = asyncio.get_running_loop().create_future()
    task = module._watched(asyncio.Event().wait(), "work", failed)  # type: ignore[arg-type]
    await asyncio.sleep(0)
    await module._ended(task)
    assert task.cancelled() and not failed.done()
    failed.cancel()
