"""A member of a local network as a process: what `oracle run` runs, with a clock that may be off, and stops on request.

    python -m oracle.app.local_network.process oracle.toml --clock-offset -30 --pause-at proven

A member with a fault does what `oracle.app.local_network.faulty` says; it reads the fault's name from a file beside its
configuration, so that the fault can change while it runs. `oracle run` can do none of this.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Sequence
from pathlib import Path

from oracle.app.run import run_daemon
from oracle.config import load
from oracle.core.errors import OracleError
from oracle.core.logs import configure
from oracle.core.stages import Confirmed, Decided, Proven, Scored, Submitted
from oracle.feeds.interface import ReportListener

__all__ = ["PAUSES", "main"]

PAUSES = ("decided", "scored", "proven", "submitted", "confirmed")
"""Stages of a report at which a member can stop: when the stage is journalled, and before anything else is done."""


class Pausing(ReportListener):
    """Stops the process by SIGSTOP when a report reaches a stage: for a test, which kills it or lets it go on."""

    def __init__(self, stage: str) -> None:
        """Stop at this stage, one of `PAUSES`."""
        self._stage = stage

    def decided(self, decided: Decided) -> None:
        """See `ReportListener`."""
        if self._stage == "decided":
            _pause()

    def reached(self, stage: Scored | Proven | Submitted | Confirmed) -> None:
        """See `ReportListener`."""
        if type(stage).__name__.lower() == self._stage:
            _pause()


def _pause() -> None:
    os.kill(os.getpid(), signal.SIGSTOP)


def main(arguments: Sequence[str] | None = None) -> None:
    """Run a member until it is asked to stop. Errors that a user can cause end it with one line.

    Args:
        arguments: None: those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m oracle.app.local_network.process", description=__doc__)
    parser.add_argument("config", type=Path)
    parser.add_argument("--clock-offset", type=float, default=0.0, metavar="SECONDS")
    parser.add_argument("--pause-at", choices=PAUSES)
    given = parser.parse_args(arguments)
    configure("info")

    def clock() -> float:
        return time.time() + float(given.clock_offset)

    try:
        asyncio.run(run_daemon(load(given.config, os.environ)))
    except OracleError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


if __name__ == "__main__":
    main()
