"""A process that runs several members of a network side by side, and writes down how long their reports' steps take.

    python -m oracle.bench.network.host alpha/oracle.toml beta/oracle.toml

Each is what `oracle run` runs. With one configuration it is a member's process; with several it is how many members fit
on one machine. The times go to the file `STEPS` of each member's folder.
"""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import json
import os
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from oracle.app.run import run_daemon
from oracle.app.seams import NodeSeams
from oracle.config import load
from oracle.core.concurrency import together
from oracle.core.documents import parse_json
from oracle.core.errors import OracleError
from oracle.core.logs import configure
from oracle.core.report import Report, SignedReport
from oracle.feeds.interface import ReportListener, ReportStep, Signers, SigningCommittee

__all__ = ["COLLECT", "STEPS", "StepTime", "main", "steps_taken"]

STEPS = "steps.jsonl"
"""The name of the file with the times, one JSON object a line."""

COLLECT = "collect"
"""The step of collecting answers, which is most of `ReportStep.SIGN`."""


@dataclass(frozen=True, slots=True)
class StepTime:
    """The time that a report spent on a step.

    Attributes:
        step: The step, of `ReportStep`, or `COLLECT`.
        seconds: How long it took.
        at: When it ended, unix seconds.
    """

    step: str
    seconds: float
    at: float


class StepWriter(ReportListener):
    """Writes the steps of a member's reports to a file."""

    def __init__(self, path: Path) -> None:
        """Append to this file."""
        self._path = path

    def took(self, step: ReportStep | str, seconds: float) -> None:
        """See `ReportListener`."""
        with self._path.open("a", encoding="utf-8") as file:
            file.write(json.dumps({"step": str(step), "seconds": seconds, "at": time.time()}) + "\n")


class TimedSigners:
    """Signers whose collections are timed. One that fails is not: its report is tried again."""

    def __init__(self, signers: Signers, writer: StepWriter) -> None:
        """Time these."""
        self._signers = signers
        self._writer = writer

    async def collect(self, report: Report, answers: Mapping[bytes, int], committee: SigningCommittee) -> SignedReport:
        """See `Signers`."""
        began = time.monotonic()
        signed = await self._signers.collect(report, answers, committee)
        self._writer.took(COLLECT, time.monotonic() - began)
        return signed


def seams(folder: Path) -> NodeSeams:
    """Return what is put into a member whose folder this is."""
    writer = StepWriter(folder / STEPS)
    return NodeSeams(listener=writer, signers=lambda signers: TimedSigners(signers, writer))


def steps_taken(folder: Path) -> Iterator[StepTime]:
    """Yield the times of a member's reports, in their order."""
    with contextlib.suppress(FileNotFoundError):
        for line in (folder / STEPS).read_text(encoding="utf-8").splitlines():
            found = parse_json(line)
            yield StepTime(found["step"], found["seconds"], found["at"])


def main(arguments: Sequence[str] | None = None) -> None:
    """Run members until SIGTERM. An error of one of them ends all, with one line.

    Args:
        arguments: None: those of the process.
    """
    parser = argparse.ArgumentParser(prog="python -m oracle.bench.network.host", description=__doc__)
    parser.add_argument("configs", type=Path, nargs="+")
    given = parser.parse_args(arguments)
    configure("info")
    try:
        asyncio.run(_run(given.configs))
    except OracleError as error:
        sys.stderr.write(f"error: {error}\n")
        sys.exit(error.exit_code)


async def _run(paths: Sequence[Path]) -> None:
    # All share the event, because only the last one's signal handlers stay.
    stop = asyncio.Event()
    configs = [load(path, os.environ) for path in paths]
    of = zip(paths, configs, strict=True)
    await together(*(run_daemon(config, stop, seams=seams(path.parent)) for path, config in of))


if __name__ == "__main__":
    main()
