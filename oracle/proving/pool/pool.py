"""The part that all provers share: queue, cache, retries, and the checks that each proof passes before it leaves."""

from __future__ import annotations

import abc
import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from types import TracebackType
from typing import Any, ClassVar, Self

from oracle.core.concurrency import together
from oracle.core.errors import ProofInvalid, ProverBusy, ProverCrashed, ProverUnavailable
from oracle.proving.artifact import CIRCUIT, PK, SETTINGS, SRS, VK, Artifact
from oracle.proving.interface import EventKind, OnEvent, Proof, ProofJob, ProverEvent
from oracle.proving.pool.cache import ProofCache, statement_of
from oracle.proving.verification import LocalVerifier

QUEUE = 64
"""Jobs that may wait for a worker."""

PROVING_FILES: Mapping[str, str] = {"circuit": CIRCUIT, "settings": SETTINGS, "vk": VK, "pk": PK, "srs": SRS}
"""The files that `calls.prove` takes, by its parameters."""


@dataclass(eq=False)
class _PendingProof:
    """A statement that is being proven, for one caller or for several."""

    statement: str
    began: float
    admitted: bool
    waiters: int = 0
    running: bool = False
    closed: bool = False
    ended: EventKind = EventKind.PROVEN
    detail: str = ""
    task: asyncio.Task[Proof] = field(init=False)


class PooledProver(abc.ABC):
    """A prover with a fixed number of workers, each of which has one job at a time.

    A job takes a place in the queue, then the worker that was idle last; then its answer is checked. A subclass says
    what a worker is. All calls come from one event loop.

    Args:
        artifact: With the prover's files.
        workers: Proofs at once.
        queue: Jobs that may wait for a worker; see `prove`.
        deadline: Seconds for one proof, from when a worker has it.
        retries: Times that a job is tried again when its worker died.
        cache: Keeps proofs; None makes one in memory. Several provers may share one.
        on_event: Called with each event of a job.

    Raises:
        ValueError: `queue` or `retries` is below 0.
    """

    rechecks: ClassVar[bool]
    """True if this process verifies a fresh proof once more, because its workers are not trusted."""

    def __init__(
        self,
        artifact: Artifact,
        *,
        workers: int,
        queue: int,
        deadline: float,
        retries: int,
        cache: ProofCache | None,
        on_event: OnEvent | None,
    ) -> None:
        if queue < 0 or retries < 0:
            raise ValueError(f"queue {queue} and retries {retries} must be at least 0")
        self._artifact = artifact
        self._deadline = deadline
        self._retries = retries
        self._cache = cache if cache is not None else ProofCache()
        self._on_event: OnEvent = on_event if on_event is not None else lambda event: None
        self._workers = workers
        # Last in, first out: a warm worker gets the job, and a worker that is not needed is never started.
        self._idle: asyncio.LifoQueue[int] = asyncio.LifoQueue()
        for worker in reversed(range(workers)):
            self._idle.put_nowait(worker)
        self._room = asyncio.Semaphore(workers + queue)
        self._by_statement: dict[str, _PendingProof] = {}
        self._under_way: set[_PendingProof] = set()
        self._verifier = LocalVerifier(artifact, deadline=deadline)
        self._starting: asyncio.Task[None] | None = None
        self._warming = asyncio.Lock()
        self._closed = False

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def prove(self, job: ProofJob, *, wait: bool = True) -> Proof:
        """Prove one statement; see `Prover.prove`."""
        # 1 It fits the circuit, and is a statement as the hub writes it down.
        expected = self._expected(job)
        if self._closed:
            raise ProverUnavailable("the prover is closed")
        statement = statement_of(self._artifact.artifact_hash, expected)
        # 2 It is proven already, or is being proven.
        proof = self._cache.get(statement)
        if proof is not None:
            self._tell(EventKind.CACHED, statement)
            return proof
        pending = self._by_statement.get(statement)
        if pending is None:
            # 3 There is room for it, or there will be.
            full = self._room.locked()
            if full and not wait:
                raise ProverBusy(
                    f"{len(self._under_way)} jobs are under way or waiting; the prover takes no more until one is done"
                )
            if not full:
                await self._room.acquire()  # does not suspend: there is room
            pending = self._begin(statement, job, expected, admitted=not full)
        # 4 Several callers may wait for one proof; it goes on as long as one of them does.
        pending.waiters += 1
        try:
            return await asyncio.shield(pending.task)
        except asyncio.CancelledError:
            task = asyncio.current_task()
            if pending.closed and not (task and task.cancelling()):
                raise ProverUnavailable("the prover was closed") from None
            raise
        finally:
            pending.waiters -= 1
            if not pending.waiters and not pending.task.done():
                self._cancel(pending)

    async def warm(self) -> int:
        """Start all workers; see `Prover.warm`."""
        if self._closed:
            raise ProverUnavailable("the prover is closed")
        taken: list[int] = []
        async with self._warming:
            try:
                # No worker is given back before all were taken, or one would be asked twice.
                while len(taken) < self._workers:
                    taken.append(await self._idle.get())
                await self._ready()
                answers = await together(*(self._execute(worker, "peak_memory", {}, {}) for worker in taken))
            finally:
                for worker in reversed(taken):
                    self._idle.put_nowait(worker)
        return max(int(answer["bytes"] or 0) for answer in answers)

    async def close(self) -> None:
        """End the workers; see `Prover.close`."""
        if self._closed:
            return
        self._closed = True
        tasks = [pending.task for pending in self._under_way]
        for pending in list(self._under_way):
            pending.closed = True
            self._cancel(pending)
        await asyncio.gather(*tasks, return_exceptions=True)
        if self._starting is not None:
            await asyncio.gather(self._starting, return_exceptions=True)
        await self._stop()
        await asyncio.to_thread(self._verifier.close)

    @abc.abstractmethod
    async def _start(self) -> None:
        """Make ready what all workers need. It is called once, again if it failed, and is never cancelled."""

    @abc.abstractmethod
    async def _execute(
        self, worker: int, op: str, arguments: Mapping[str, Any], files: Mapping[str, str]
    ) -> dict[str, Any]:
        """Have a worker do one operation of `oracle.proving.engine.calls`. A cancelled worker stops at once.

        Args:
            worker: Its number.
            op: The operation.
            arguments: The operation's plain arguments.
            files: Names of the artifact's files, by parameter: the worker puts in their paths.

        Raises:
            ProverCrashed, ProverTimeout, MemoryExceeded, ArtifactError: See `EngineProcess.call`.
        """

    @abc.abstractmethod
    async def _stop(self) -> None:
        """End the workers."""

    async def _ready(self) -> None:
        starting = self._starting
        if starting is None or (starting.done() and starting.exception() is not None):
            starting = self._starting = asyncio.create_task(self._start())
        # A caller that waits may be cancelled; the start must go on, because half of it could not be taken back.
        await asyncio.shield(starting)

    def _begin(self, statement: str, job: ProofJob, expected: tuple[int, ...], *, admitted: bool) -> _PendingProof:
        pending = _PendingProof(statement, time.perf_counter(), admitted)
        pending.task = asyncio.create_task(self._run(pending, job, expected))
        # In a callback, because a task that is cancelled before it begins never gets to its `finally`.
        pending.task.add_done_callback(partial(self._finished, pending))
        self._by_statement[statement] = pending
        self._under_way.add(pending)
        self._tell(EventKind.QUEUED, statement)
        return pending

    async def _run(self, pending: _PendingProof, job: ProofJob, expected: tuple[int, ...]) -> Proof:
        if not pending.admitted:
            await self._room.acquire()
            pending.admitted = True
        stored = await self._stored(pending.statement, expected)
        if stored is not None:
            pending.ended = EventKind.CACHED
            return stored
        attempt = 0
        while True:
            try:
                proof = await self._proven(pending, job, expected)
                break
            except ProverCrashed as error:
                if attempt >= self._retries or self._closed:
                    raise
                attempt += 1
                self._tell(EventKind.RETRIED, pending.statement, pending, f"{attempt} of {self._retries}: {error}")
        self._cache.put(pending.statement, proof)
        if self._cache.on_disk:
            try:
                await asyncio.to_thread(self._cache.write, pending.statement, proof)
            except OSError as error:
                # The proof is good, though it is not kept.
                pending.detail = f"not kept on disk: {error}"
        return proof

    async def _proven(self, pending: _PendingProof, job: ProofJob, expected: tuple[int, ...]) -> Proof:
        worker = await self._idle.get()
        try:
            await self._ready()
            pending.running = True
            self._tell(EventKind.STARTED, pending.statement, pending)
            inputs = {"inputs": self._artifact.arranged(job.windows), "outputs": self._artifact.padded(job.scores)}
            answer = await self._execute(worker, "prove", inputs, PROVING_FILES)
        finally:
            pending.running = False
            self._idle.put_nowait(worker)
        proof = self._checked(answer, expected, job)
        if self.rechecks:
            verification = await asyncio.to_thread(self._verifier.verify, proof.proof, expected)
            if not verification.verified:
                raise ProofInvalid(f"a worker's proof does not verify here: {verification.reason}")
        return proof

    async def _stored(self, statement: str, expected: tuple[int, ...]) -> Proof | None:
        """Return a proof from the disk if it verifies; remove it if it does not."""
        if not self._cache.on_disk:
            return None
        claimed = await asyncio.to_thread(self._cache.read, statement, self._artifact.artifact_hash, expected)
        if claimed is not None:
            verification = await asyncio.to_thread(self._verifier.verify, claimed.proof, expected)
            if verification.verified:
                self._cache.put(statement, claimed)
                return claimed
        await asyncio.to_thread(self._cache.forget, statement)
        return None

    def _finished(self, pending: _PendingProof, task: asyncio.Task[Proof]) -> None:
        self._under_way.discard(pending)
        if self._by_statement.get(pending.statement) is pending:
            del self._by_statement[pending.statement]
        if pending.admitted:
            self._room.release()
        if task.cancelled():
            self._tell(EventKind.CANCELLED, pending.statement, pending)
        elif (error := task.exception()) is not None:
            self._tell(EventKind.FAILED, pending.statement, pending, f"{type(error).__name__}: {error}")
        else:
            self._tell(pending.ended, pending.statement, pending, pending.detail)

    def _cancel(self, pending: _PendingProof) -> None:
        # The same job may be asked for again before this one has ended: it must not join it.
        if self._by_statement.get(pending.statement) is pending:
            del self._by_statement[pending.statement]
        pending.task.cancel()

    def _tell(self, kind: EventKind, statement: str, pending: _PendingProof | None = None, detail: str = "") -> None:
        running = sum(each.running for each in self._under_way)
        seconds = time.perf_counter() - pending.began if pending is not None else 0.0
        self._on_event(ProverEvent(kind, statement, running, len(self._under_way) - running, seconds, detail))

    def _expected(self, job: ProofJob) -> tuple[int, ...]:
        manifest = self._artifact.manifest
        if any(len(window) != manifest.width for window in job.windows):
            raise ValueError(f"a window does not have the circuit's {manifest.width} integers")
        if any(len(row) != manifest.outputs for row in job.scores):
            raise ValueError(f"a score vector does not have the circuit's {manifest.outputs} outputs")
        for end, given in (("input", job.input_hash), ("output", job.output_hash)):
            if (given is not None) != (end in manifest.hashed):
                raise ValueError(f"the circuit publishes {'a' if given is None else 'no'} hash of its {end}")
        return self._artifact.instances(job.windows, job.scores, job.input_hash, job.output_hash)

    def _checked(self, answer: Mapping[str, Any], expected: tuple[int, ...], job: ProofJob) -> Proof:
        """Return the proof if it is exactly what was asked for. Nothing else leaves this prover."""
        manifest = self._artifact.manifest
        # 1 The witness has the scores that the integer reference gave.
        if "proof" not in answer:
            raise ProofInvalid(
                f"circuit {self._artifact.path.name} computes {answer['outputs']}, but the job says {job.scores}: "
                "is the artifact another model's?"
            )
        # 2 ezkl itself accepts the proof.
        if not answer["verified"]:
            raise ProofInvalid("a proof does not verify although it was just made")
        # 3 It has exactly the length that the verifier asks for; ezkl ignores what follows.
        proof = bytes.fromhex(answer["proof"])
        if len(proof) != manifest.proof_bytes:
            raise ProofInvalid(f"a proof has {len(proof)} bytes instead of {manifest.proof_bytes}")
        # 4 It is of the statement that the hub will write down.
        if tuple(int(element, 16) for element in answer["instances"]) != expected:
            raise ProofInvalid("a proof has other instances than the hub will build")
        return Proof(proof, expected, manifest.artifact_hash, sum(answer["seconds"].values()))
