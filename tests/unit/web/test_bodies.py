"""The log of what was refused: whoever sends many, and many kinds of it, does not fill the disk."""

from __future__ import annotations

from structlog.testing import capture_logs

from oracle.web.bodies import LINES_AT_ONCE, RefusalLog


async def test_each_kind_is_logged_once_in_a_while() -> None:
    refusals = RefusalLog("request refused")
    with capture_logs() as logs:
        for each in range(20):
            refusals.count(why=each % 2)
    assert [(each["why"], each["times"]) for each in logs] == [(0, 1), (1, 1)]


async def test_many_kinds_are_no_way_to_many_lines() -> None:
    refusals = RefusalLog("request refused")
    with capture_logs() as logs:
        for each in range(5_000):
            refusals.count(remote=each)
    assert len(logs) == LINES_AT_ONCE + 1
    assert logs[-1]["event"] == "request refused" and "further" in logs[-1]["hint"]
