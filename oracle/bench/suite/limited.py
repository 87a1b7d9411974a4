"""A process with its children, held to limits of time and memory from outside."""

from __future__ import annotations

import contextlib
import os
import subprocess
import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path

import psutil

from oracle.bench.memory import resident

_LOOK_S = 0.1
"""Seconds between two looks at its memory."""

_PARENT_S = 0.5
"""Seconds between two looks at the parent."""


@dataclass(frozen=True, slots=True)
class Ending:
    """The end of a process.

    Attributes:
        why: "" if it ended by itself and well; "time" or "memory" if a limit was passed; else how it ended.
        words: The last lines of its error output.
        seconds: How long it ran.
    """

    why: str
    words: str
    seconds: float


def run_limited(
    command: Sequence[str], log: Path, seconds: float, memory: int, stage: Callable[[], int] = lambda: 0
) -> Ending:
    """Run a command until it ends or passes a limit; then it and all its children are killed.

    Args:
        command: The command.
        log: The file for what it prints.
        seconds: Its time for each stage.
        memory: Bytes that it and its children may have resident.
        stage: Returns the number of the stage that it is in; each stage has the whole time.
    """
    began = stage_began = time.monotonic()
    current = stage()
    with (
        log.open("wb") as output,
        subprocess.Popen(
            command, stdin=subprocess.DEVNULL, stdout=output, stderr=output, start_new_session=True
        ) as process,
    ):
        watched = psutil.Process(process.pid)
        why = ""
        try:
            while not why:
                with contextlib.suppress(subprocess.TimeoutExpired):
                    process.wait(_LOOK_S)
                    break
                now = time.monotonic()
                if (seen := stage()) != current:
                    current, stage_began = seen, now
                if sum(resident(watched)) > memory:
                    why = "memory"
                elif now - stage_began > seconds:
                    why = "time"
        finally:
            if process.poll() is None:
                _kill(watched)
    if not why and process.returncode:
        code = process.returncode
        why = f"signal {-code}" if code < 0 else f"exit status {code}"
    words = " | ".join(log.read_text(encoding="utf-8", errors="replace").strip().splitlines()[-3:])
    return Ending(why, words[-400:], time.monotonic() - began)


def end_with_parent() -> None:
    """End this process when its parent has ended, however that was: nobody would read what it finds.

    The children of this process wait for its commands, and end without it.
    """
    parent = os.getppid()

    def watch() -> None:
        while os.getppid() == parent:
            time.sleep(_PARENT_S)
        os._exit(1)

    threading.Thread(target=watch, daemon=True, name="parent").start()


def _kill(process: psutil.Process) -> None:
    """Kill a process and its children, which may be in sessions of their own."""
    with contextlib.suppress(psutil.Error):
        family = [*process.children(recursive=True), process]
        for each in family:
            with contextlib.suppress(psutil.Error):
                each.kill()
        psutil.wait_procs(family, timeout=5)
