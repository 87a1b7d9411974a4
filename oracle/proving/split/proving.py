"""The prover of split models: all segments at once, as far as cores and memory go."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import AsyncIterator, Callable, Sequence
from types import TracebackType
from typing import Any, Self, TypeAlias

import numpy as np
import psutil

from oracle.core.cores import usable_cores
from oracle.core.errors import DataError, MemoryExceeded
from oracle.proving.artifact import Artifact
from oracle.proving.engine.child import EngineProcess
from oracle.proving.interface import Progress, Proof, ProofJob, Prover
from oracle.proving.pool.cache import ProofCache
from oracle.proving.pool.local import LocalProver
from oracle.proving.reference.circuit import Circuit
from oracle.proving.split.chain import ArtifactChain, estimated_cost
from oracle.proving.split.proof import ModelProof
from oracle.proving.split.reference import references
from oracle.proving.split.schedule import lanes_within
from oracle.proving.verification import DEADLINE

_SLOWER = 20.0
"""A proof that takes this many times the estimated time is given up."""

MakeProver: TypeAlias = Callable[[Artifact, int, float], Prover]
"""Makes the prover of one segment from its artifact, its threads, and its deadline in seconds."""


class _Lanes:
    """The cores and the memory that running proofs share."""

    def __init__(self, lanes: int, memory: int) -> None:
        self._lanes = lanes
        self._memory = memory
        self._running: list[int] = []
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def take(self, memory: int) -> AsyncIterator[None]:
        """Wait until a proof of this many bytes fits; a proof that runs alone always does."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: (
                    not self._running
                    or (len(self._running) < self._lanes and sum(self._running) + memory <= self._memory)
                )
            )
            self._running.append(memory)
        try:
            yield
        finally:
            async with self._changed:
                self._running.remove(memory)
                self._changed.notify_all()


class ChainProver:
    """A prover of a model's inferences. It proves all segments at once, as far as cores and memory go.

    The integer reference gives what crosses each boundary, so no segment waits for another. A segment's prover lives
    for one proof: then the next one has its memory.

    Args:
        chain: With the prover's files.
        make_prover: Makes a segment's prover. None: processes on this machine, which are killed if they take more than
            all of the memory.
        cores: Proofs at once; None: as many as the machine has cores.
        memory: Bytes that the proofs may take together, as estimated; None: four fifths of the machine's.
        deadline: Seconds for one proof; None: twenty times the estimate, and at least a minute.

    Raises:
        MemoryExceeded: One proof alone takes more memory.
    """

    def __init__(
        self,
        chain: ArtifactChain,
        *,
        make_prover: MakeProver | None = None,
        cores: int | None = None,
        memory: int | None = None,
        deadline: float | None = None,
    ) -> None:
        self._chain = chain
        self._cores = cores or usable_cores()
        self._memory = memory or default_memory()
        self._deadline = deadline
        self._make = make_prover or self._local
        self._costs = [estimated_cost(each) for each in chain.artifacts]
        alone = max(each.memory for each in self._costs)
        if alone > self._memory:
            raise MemoryExceeded(
                f"a proof of {chain.name} takes about {alone / 2**30:.1f} GiB, and may take "
                f"{self._memory / 2**30:.1f} GiB: raise --memory-limit, or build it for less"
            )
        self._lanes = lanes_within([each.memory for each in self._costs], self._memory, self._cores)
        self._engine = EngineProcess(threads=1)
        # If one segment fails, those that were proven are not proven again.
        self._cache = ProofCache()
        self._references: list[Circuit] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._engine.close)

    @property
    def lanes(self) -> int:
        """Proofs that are made at once."""
        return self._lanes

    def quantise(self, sample: Any) -> tuple[int, ...]:
        """Return a float input as a window.

        Raises:
            DataError: The input does not fit the model, or is outside of its range: nothing is clipped in silence.
        """
        values: np.ndarray = np.asarray(sample, dtype=np.float64).ravel()
        if values.size != self._chain.features or not np.isfinite(values).all():
            raise DataError(
                f"the input has {values.size} numbers; {self._chain.name} takes {self._chain.features} finite ones"
            )
        units = 2.0 ** (self._chain.input_scale + np.array(self._chain.shifts or (0,) * values.size, dtype=np.float64))
        scaled = np.rint(values * units)
        outside = np.flatnonzero(np.abs(scaled) > self._chain.clip)
        if outside.size:
            at = int(outside[0])
            most = self._chain.clip / units[at]
            raise DataError(
                f"number {at} of the input is {values[at]:g}, and {self._chain.name} takes numbers within ±{most:g} "
                f"({outside.size} of {values.size} are outside): another input would be proven. Scale the features"
            )
        window = tuple(int(value) for value in scaled)
        if misfit := self._chain.misfit(window):
            raise DataError(misfit)
        return window

    async def prove(self, window: Sequence[int], progress: Progress = lambda step: None) -> ModelProof:
        """Prove one inference, and return once all proofs were verified.

        Raises:
            ValueError: The window does not fit.
            ArtifactError, ProverUnavailable, ProofInvalid, MemoryExceeded: See `Prover.prove`. The first failure ends
                the other proofs.
        """
        began = time.perf_counter()
        chain = self._chain
        # 1 Compute what each segment takes and gives, and hash what crosses.
        values = await asyncio.to_thread(self._values, window)
        hashes: list[int] = []
        if len(values) > 2:
            told = await asyncio.to_thread(self._engine.call, "poseidon", vectors=[list(each) for each in values[1:-1]])
            hashes = [int(each, 16) for each in told]
        ends = [None, *hashes, None]
        jobs = [
            ProofJob((values[at],), (values[at + 1],), ends[at], ends[at + 1]) for at in range(len(chain.artifacts))
        ]
        # 2 Prove the segments, the longest first.
        room = _Lanes(self._lanes, self._memory)
        order = sorted(range(len(jobs)), key=lambda at: -self._costs[at].seconds)
        tasks = {at: asyncio.create_task(self._segment(at, jobs[at], room, progress)) for at in order}
        try:
            done, _ = await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_EXCEPTION)
            for each in done:
                each.result()
        finally:
            for each in tasks.values():
                each.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        proofs = tuple(tasks[at].result().proof for at in range(len(jobs)))
        return ModelProof(
            chain.artifact_hash,
            chain.model_hash,
            values[0],
            values[-1],
            tuple(hashes),
            proofs,
            time.perf_counter() - began,
        )

    def _values(self, window: Sequence[int]) -> list[tuple[int, ...]]:
        """Return the window, what crosses each boundary, and the outputs."""
        chain = self._chain
        if len(window) != chain.features or any(abs(value) > chain.clip for value in window):
            raise ValueError(f"a window of {chain.name} has {chain.features} integers in ±{chain.clip}")
        if not self._references:
            self._references = references(chain.artifacts)
        values = [tuple(window)]
        for circuit in self._references:
            values.append(tuple(int(value) for value in circuit.evaluate([list(values[-1])])[0]))
        return values

    async def _segment(self, at: int, job: ProofJob, room: _Lanes, progress: Progress) -> Proof:
        cost, count = self._costs[at], len(self._costs)
        deadline = self._deadline or max(DEADLINE, _SLOWER * cost.seconds)
        async with room.take(cost.memory):
            which = f" segment {at + 1} of {count}" if count > 1 else ""
            progress(f"proving{which}, k = {cost.k}, about {cost.seconds:,.0f} s")
            prover = self._make(self._chain.artifacts[at], max(1, self._cores // self._lanes), deadline)
            try:
                return await prover.prove(job)
            finally:
                await prover.close()

    def _local(self, found: Artifact, threads: int, deadline: float) -> Prover:
        memory_mb = max(1, self._memory >> 20)
        return LocalProver(found, threads=threads, deadline=deadline, memory_mb=memory_mb, cache=self._cache)


def default_memory() -> int:
    """Return how many bytes proofs may take together by default: four fifths of the machine's memory."""
    return int(psutil.virtual_memory().total * 0.8)
