"""A member of a local network as a process: what `oracle run` runs, with a clock that may be off, and stops on request.

    python -m oracle.app.local_network.process oracle.toml --clock-offset -30 --pause-at proven

With --faulty it is a member as `oracle.app.local_network.faulty` makes it, which reads from a file beside its
configuration in which way it is faulty, so that this can change while it runs. `oracle run` can do none of this.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

from oracle.app.local_network.faulty import FaultyNode
from oracle.app.local_network.ways import PLAN, FaultPlan
from oracle.app.run import run_daemon
from oracle.app.seams import NodeSeams
from oracle.chain.deploy import load_deployment
from oracle.chain.keys.keystore import load as load_key
from oracle.chain.keys.keystore import password_from_file
from oracle.config import Config, load
from oracle.core.errors import ConfigError, OracleError
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
    parser.add_argument("--faulty", action="store_true", help=f"follow the plan in {PLAN}, beside the configuration")
    given = parser.parse_args(arguments)
    configure("info")
    try:
        asyncio.run(_run(given.config, given.clock_offset, given.pause_at, is_faulty=given.faulty))
    except OracleError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


async def _run(path: Path, clock_offset: float, pause_at: str | None, *, is_faulty: bool) -> None:
    config = load(path, os.environ)

    def clock() -> float:
        return time.time() + clock_offset

    seams = NodeSeams()
    if is_faulty:
        faulty = await asyncio.to_thread(_faulty, config, path, clock)
        seams, clock = faulty.seams(load_deployment(config.chain.deployment)), faulty.now
    if pause_at is not None:
        seams = replace(seams, listener=Pausing(pause_at))
    await run_daemon(config, clock=clock, seams=seams)


def _faulty(config: Config, path: Path, clock: Callable[[], float]) -> FaultyNode:
    key = config.keys.reporter
    if config.network is None or key.keystore is None or key.password_file is None:
        raise ConfigError(f"{path}: is not the configuration of a local network's member")
    account = load_key(key.keystore, password_from_file(key.password_file))
    return FaultyNode(FaultPlan(path.resolve().parent), config.network, account, clock)


if __name__ == "__main__":
    main()
