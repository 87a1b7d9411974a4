"""Tests of the work that a daemon does beside its reports: a mistake in it is told, and ends no report."""

from __future__ import annotations

import asyncio

from structlog.testing import capture_logs

from oracle.app.run import _background


async def test_work_that_fails_is_told_and_reports_go_on() -> None:
    async def fails() -> None:
        raise ZeroDivisionError

    with capture_logs() as logs, _background("watching", fails()):
        await asyncio.sleep(0)
        await asyncio.sleep(0)
        assert [(line["work"], type(line["exc_info"])) for line in logs] == [("watching", ZeroDivisionError)]


async def test_work_ends_with_the_daemon_and_that_is_no_failure() -> None:
    ended = asyncio.Event()

    async def works() -> None:
        try:
            await asyncio.Event().wait()
        finally:
            ended.set()

    with capture_logs() as logs:
        with _background("compaction", works()):
            await asyncio.sleep(0)
        await asyncio.wait_for(ended.wait(), 60)
        await asyncio.sleep(0)
    assert logs == []
