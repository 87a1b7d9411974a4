"""A daemon that kills itself at a stage, or whose clock is wrong.

    CHAOS_KILL=before:PROVEN    SIGKILL when this stage is to be journalled, before the database hears of it
    CHAOS_KILL=within:PROVEN    … when it is written, but not yet committed
    CHAOS_KILL=after:PROVEN     … once it is committed
    CHAOS_KILL=…:PROVEN:eth#2   … only for this feed
    CHAOS_MEMORY_MB=20          each proving process may have so much, less than can be configured
    CHAOS_CLOCK=FILE            time.time() is off by as many seconds as the file says

Network requests are easier to disturb from outside, by the proxy. These are the places that the proxy does not see.
"""

from __future__ import annotations

import contextlib
import os
import signal
import time
from pathlib import Path
from typing import Any


def _die() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def _kill_at(when: str, stage: str, feed: str = "") -> None:
    import sqlalchemy as sa

    from oracle.core.stages import name_of
    from oracle.feeds.journal import Journal

    record = Journal.record
    reached = False

    def recording(self: Journal, *stages: Any, **more: Any) -> None:
        nonlocal reached
        reached = any(name_of(each).upper() == stage and (not feed or feed in each.feeds) for each in stages)
        if reached and when == "before":
            _die()
        record(self, *stages, **more)
        if reached and when == "after":
            _die()

    Journal.record = recording  # type: ignore[method-assign]

    if when == "within":

        @sa.event.listens_for(sa.Engine, "commit")
        def commit(connection: Any) -> None:
            if reached:
                _die()


def _move_clock(path: Path) -> None:
    real = time.time
    off = 0.0

    def moved() -> float:
        nonlocal off
        with contextlib.suppress(ValueError):  # a test is just writing the file
            off = float(path.read_text())
        return real() + off

    time.time = moved
    # These keep the real clock as a default argument, so it is replaced there as well.
    from oracle.app.run import run_daemon
    from oracle.feeds.journal import Journal
    from oracle.sources.http.source import HttpSource

    for function, name in ((HttpSource.__init__, "now"), (Journal.__init__, "now"), (run_daemon, "clock")):
        defaults = function.__kwdefaults__
        assert defaults is not None and name in defaults
        defaults[name] = moved


def _limit_memory(megabytes: int) -> None:
    from oracle.proving.engine.child import EngineProcess
    from oracle.proving.pool import local

    assert vars(local)["EngineProcess"] is EngineProcess
    vars(local)["EngineProcess"] = lambda threads, _, scratch: EngineProcess(threads, megabytes, scratch)


def main() -> None:
    if (clock := os.environ.get("CHAOS_CLOCK")) is not None:
        _move_clock(Path(clock))
    if (kill := os.environ.get("CHAOS_KILL")) is not None:
        _kill_at(*kill.split(":"))
    if (memory := os.environ.get("CHAOS_MEMORY_MB")) is not None:
        _limit_memory(int(memory))
    from oracle.cli import main as command_line

    command_line()
