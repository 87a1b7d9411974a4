"""Proofs per second of real provers."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import psutil

from oracle.bench.memory import megabytes
from oracle.core.concurrency import together
from oracle.detectors.interface import Detector
from oracle.proving.artifact import Artifact
from oracle.proving.interface import ProofJob
from oracle.proving.pool.cache import ProofCache
from oracle.proving.pool.local import LocalProver

Echo = Callable[[str], None]

SLICES = 2
"""Each case has its turn so often: if the machine becomes slower meanwhile, it does so for all of them."""


@dataclass(frozen=True)
class BusyCircuit:
    """A circuit that is kept busy.

    Attributes:
        artifact: The circuit.
        model: Scores the windows.
        windows: Each proof takes as many of them as the circuit has, and other ones than the proofs before it.
    """

    artifact: Artifact
    model: Detector
    windows: Sequence[Sequence[int]]

    def jobs(self) -> Iterator[ProofJob]:
        """Yield what there is to prove; from the first window again when all are used."""
        batch = self.artifact.manifest.batch
        at = 0
        while True:
            chosen = [tuple(self.windows[(at + each) % len(self.windows)]) for each in range(batch)]
            yield ProofJob(tuple(chosen), tuple(self.model.score_int(window) for window in chosen))
            at += batch


async def throughput(circuits: Mapping[str, BusyCircuit], seconds: float, echo: Echo) -> dict[str, dict[str, Any]]:
    """Measure proofs per second of real provers, warm, each with a process of one thread for each core.

    Args:
        circuits: The circuits, by case. They take turns.
        seconds: Proofs of each are begun for so long in all; those under way then are waited for, and count with their
            time.
        echo: Takes lines for people.
    """
    processes = psutil.cpu_count() or 1
    proven, taken = dict.fromkeys(circuits, 0), dict.fromkeys(circuits, 0.0)
    memory = {}
    async with contextlib.AsyncExitStack() as stack:
        provers = {}
        jobs = {case: circuit.jobs() for case, circuit in circuits.items()}
        for case, circuit in circuits.items():
            # The windows may come again, and then they are proven again.
            prover = LocalProver(circuit.artifact, processes=processes, threads=1, cache=ProofCache(0))
            provers[case] = await stack.enter_async_context(prover)
            # A proof for each process, so that all are warm.
            await together(*(prover.prove(next(jobs[case])) for _ in range(processes)))
        for turn in range(SLICES):
            echo(f"proofs per second, turn {turn + 1} of {SLICES}")
            for case in circuits:
                count, spent = await _busy(provers[case], jobs[case], processes, seconds / SLICES)
                proven[case] += count
                taken[case] += spent
        for case in circuits:
            memory[case] = await provers[case].warm()
    return {
        case: {
            "proofs_per_s": round(proven[case] / taken[case], 2),
            "windows_per_s": round(proven[case] / taken[case] * circuit.artifact.manifest.batch, 2),
            "proofs": proven[case],
            "seconds": round(taken[case], 2),
            "processes": processes,
            "rss_mb": megabytes(memory[case]),
        }
        for case, circuit in circuits.items()
    }


async def _busy(prover: LocalProver, jobs: Iterator[ProofJob], processes: int, seconds: float) -> tuple[int, float]:
    """Keep a prover busy; return how many proofs it made, and the seconds until the last one was there."""
    began = time.perf_counter()
    proven = 0

    async def work() -> None:
        nonlocal proven
        while time.perf_counter() - began < seconds:
            await prover.prove(next(jobs))
            proven += 1

    # One more than there are processes, so that none waits for its next job.
    await together(*(work() for _ in range(processes + 1)))
    return proven, time.perf_counter() - began
