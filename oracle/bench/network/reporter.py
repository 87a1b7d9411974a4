"""A plain reporter as its operator runs it: `oracle run`, in a network of four whose other members transmit."""

from __future__ import annotations

import asyncio
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import psutil

from oracle.app.local_network import LocalNetwork, nursery
from oracle.bench.commands import oracle_command
from oracle.bench.memory import megabytes
from oracle.bench.network.rounds import TRANSMITTERS, RoundsCase, Running, calm
from oracle.bench.network.sizes import SIZES
from oracle.core.errors import Fatal

__all__ = ["measure_reporter"]

ROUNDS = 10
IDLE_S = 5.0

_LOOK_S = 0.05
_PATIENCE_S = 60.0


async def measure_reporter(
    feeds: int, seed: int, folder: Path, artifacts: Path, echo: Callable[[str], None]
) -> dict[str, Any]:
    """Return how fast a plain reporter starts, and what it takes.

    Args:
        feeds: The feeds of a report.
        seed: The seed of prices.
        folder: An empty folder.
        artifacts: The folder of circuits.
        echo: Takes lines for people.
    """
    case = RoundsCase(SIZES[0], feeds, ())
    echo(f"a plain reporter, {feeds} feeds")
    async with LocalNetwork(replace(case.layout(), sources=3), folder, artifacts, prices=calm, seed=seed) as network:
        running = Running(network, case)
        place = network.members[TRANSMITTERS].place
        began = time.monotonic()
        process = _start(place.config)
        try:
            while await network.shows(TRANSMITTERS) is None:
                if process.poll() is not None or time.monotonic() - began > _PATIENCE_S:
                    raise Fatal(f"the reporter does not answer: {network.members[TRANSMITTERS].ended()}")
                await asyncio.sleep(_LOOK_S)
            start_s = time.monotonic() - began
            before, since = _cpu(process), time.monotonic()
            await asyncio.sleep(IDLE_S)
            idle = (_cpu(process) - before) / (time.monotonic() - since)
            for index in range(TRANSMITTERS):
                await running.start([index], folder / f"transmitting-{index}")
            await running.until_rounds(await running.rounds() + ROUNDS)
            memory = process.memory_info().rss
            await running.stop()
        finally:
            running.kill()
            process.kill()
            process.wait()
    return {
        "feeds": feeds,
        "sources": 3,
        "turn_s": case.turn_s,
        "start_s": round(start_s, 2),
        "rss_mb": megabytes(memory),
        "looking_cpu_share": round(idle, 4),
    }


def _start(config: Path) -> psutil.Popen:
    with (config.parent / nursery.LOG).open("wb") as output:
        command = [*oracle_command(), "run", "--config", str(config)]
        return psutil.Popen(command, cwd=config.parent, stdout=output, stderr=subprocess.STDOUT)


def _cpu(process: psutil.Popen) -> float:
    times = process.cpu_times()
    return float(times.user + times.system)
