"""Proofs per second of a real prover."""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

import psutil

from oracle.bench.memory import megabytes
from oracle.bench.models import default_model
from oracle.core.concurrency import together
from oracle.proving.artifact import Artifact
from oracle.proving.interface import ProofJob
from oracle.proving.pool.local import LocalProver


async def throughput(built: Artifact, windows: Sequence[Sequence[int]], seconds: float) -> dict[str, Any]:
    """Measure proofs per second of a real prover, warm, with a process of one thread for each core.

    Args:
        built: The detector's artifact.
        windows: Each proof takes as many of them as the circuit has, and other ones than the proofs before it.
        seconds: Proofs are begun for so long; those under way then are waited for, and count with their time.
    """
    model, batch = default_model("score"), built.manifest.batch
    processes = psutil.cpu_count() or 1
    jobs = iter(
        ProofJob(tuple(map(tuple, chosen)), tuple(model.score_int(window) for window in chosen))
        for chosen in (windows[at : at + batch] for at in range(0, len(windows) - batch + 1, batch))
    )
    proven = 0
    async with LocalProver(built, processes=processes, threads=1) as prover:
        # A proof for each process, so that all are warm.
        await together(*(prover.prove(next(jobs)) for _ in range(processes)))
        began = time.perf_counter()

        async def work() -> None:
            nonlocal proven
            while time.perf_counter() - began < seconds:
                await prover.prove(next(jobs))
                proven += 1

        # One more than there are processes, so that none waits for its next job.
        await together(*(work() for _ in range(processes + 1)))
        taken = time.perf_counter() - began
        peak = await prover.warm()
    rate = proven / taken
    return {
        "proofs_per_s": round(rate, 2),
        "windows_per_s": round(rate * batch, 2),
        "proofs": proven,
        "seconds": round(taken, 2),
        "processes": processes,
        "rss_mb": megabytes(peak),
    }
