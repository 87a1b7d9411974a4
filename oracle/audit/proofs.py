"""The proofs of an audit: each is verified for the instances that the hub must have built, on all cores at once."""

from __future__ import annotations

import asyncio
import queue
import threading
from collections.abc import AsyncGenerator, AsyncIterable, AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from types import TracebackType
from typing import Protocol, Self

from oracle.audit.progress import AuditStep, Progress, unwatched
from oracle.audit.record import AuditRecord, proof_key
from oracle.core.cores import usable_cores
from oracle.core.errors import OracleError, ProverUnavailable
from oracle.proving.artifact import Artifact
from oracle.proving.engine.child import EngineProcess
from oracle.proving.verification import DEADLINE, VERIFYING_FILES, verify_in

_AHEAD = 16
"""Proofs that wait for each child. They keep it busy while the next ones are fetched, and bound the memory."""


@dataclass(frozen=True)
class ProofTask:
    """A proof to verify, with what depends on it.

    Attributes:
        findings: Positions in `Auditor.findings` of the findings that fail if the proof does.
        model_number: The model whose circuit it is.
        batch: The number of windows of the circuit.
        proof: The proof, in the verifier's encoding.
        instances: The instances that the hub must have built.
        unsure: Why they are not certain; empty if they are. A proof that holds for them shows that they are right, and
            one that does not leaves its findings unchecked.
    """

    findings: tuple[int, ...]
    model_number: int
    batch: int
    proof: bytes
    instances: tuple[int, ...]
    unsure: str = ""


class Circuits(Protocol):
    """The artifacts of the circuits that a hub has."""

    def artifact(self, model_number: int, batch: int) -> Artifact:
        """Return the artifact of a model's circuit for so many windows."""
        ...


class ProofPool:
    """Verifies proofs in child processes. Use it as a context manager, which ends them.

    ezkl may panic, hang, or take its process with it. A proof that was lost like this is tried once more in a fresh
    child; if that fails, too, nothing is known of the proof, and its result says so.

    Args:
        circuits: The artifacts.
        jobs: Proofs at once; None: as many as this process may use cores.
        record: Has the proofs that were verified before, and takes those that are verified now; None: there is none.
        progress: Called after each proof.
        deadline: Seconds for one proof.

    Raises:
        ValueError: `jobs` is below 1.
    """

    def __init__(
        self,
        circuits: Circuits,
        *,
        jobs: int | None = None,
        record: AuditRecord | None = None,
        progress: Progress = unwatched,
        deadline: float = DEADLINE,
    ) -> None:
        if jobs is not None and jobs < 1:
            raise ValueError(f"jobs {jobs} must be at least 1")
        self._jobs = usable_cores() if jobs is None else jobs
        self._circuits = circuits
        self._record = record
        self._progress = progress
        self._deadline = deadline
        self._closed = threading.Event()
        self._children = [EngineProcess(threads=1) for _ in range(self._jobs)]
        # Last in, first out: a child that is not needed is never started.
        self._idle: queue.LifoQueue[EngineProcess] = queue.LifoQueue()
        for child in self._children:
            self._idle.put(child)
        self._threads = ThreadPoolExecutor(self._jobs, thread_name_prefix="audit")

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """End the children; what they work on is given up."""
        self._closed.set()
        for child in self._children:
            child.close()
        self._threads.shutdown(cancel_futures=True)

    async def verify(
        self, tasks: Iterable[ProofTask] | AsyncIterable[ProofTask]
    ) -> AsyncGenerator[tuple[ProofTask, bool | str], None]:
        """Yield each proof once it was verified, in any order: True or False, or why it can't be.

        Args:
            tasks: The proofs. They are taken one by one, only a few more than the children work on: an iterator that
                fetches them need not fetch ahead, and its waiting costs nothing.
        """
        source = aiter(tasks if isinstance(tasks, AsyncIterable) else _one_by_one(tasks))
        loop = asyncio.get_running_loop()
        pending: dict[asyncio.Future[bool | str], ProofTask] = {}
        done = seen = 0
        more = True
        try:
            while more or pending:
                if more and len(pending) < self._jobs * (1 + _AHEAD):
                    try:
                        task = await anext(source)
                    except StopAsyncIteration:
                        more = False
                        continue
                    seen += 1
                    if self._is_known(task):
                        done += 1
                        self._progress(AuditStep.PROOFS, done, None)
                        yield task, True
                        await asyncio.sleep(0)  # others, such as who interrupts, have their turn
                    else:
                        pending[loop.run_in_executor(self._threads, self._result, task)] = task
                    ended = [each for each in pending if each.done()]
                else:
                    ended = list((await asyncio.wait(pending, return_when=asyncio.FIRST_COMPLETED))[0])
                for each in ended:
                    task, result = pending.pop(each), each.result()
                    self._keep(task, result)
                    done += 1
                    self._progress(AuditStep.PROOFS, done, None if more else seen)
                    yield task, result
        finally:
            for each in pending:
                each.cancel()
            if isinstance(source, AsyncGenerator):
                await source.aclose()

    def _result(self, task: ProofTask) -> bool | str:
        """Verify a proof in a child that is idle. Called in a thread, of which there are as many as children."""
        child = self._idle.get()
        try:
            return self._verified(child, task)
        except OracleError as error:
            return str(error)
        finally:
            self._idle.put(child)

    def _verified(self, child: EngineProcess, task: ProofTask) -> bool:
        artifact = self._circuits.artifact(task.model_number, task.batch)

        def verified() -> bool:
            return verify_in(
                child, artifact, task.proof, task.instances, deadline=self._deadline, cancelled=self._closed
            ).verified

        try:
            return verified()
        except ProverUnavailable:
            if self._closed.is_set():
                raise
            return verified()  # in a fresh child: the other one has ended

    def _is_known(self, task: ProofTask) -> bool:
        return self._record is not None and self._record.is_verified(self._key(task))

    def _keep(self, task: ProofTask, result: bool | str) -> None:
        if self._record is not None and result is True:
            self._record.keep_verified(self._key(task))

    def _key(self, task: ProofTask) -> bytes:
        manifest = self._circuits.artifact(task.model_number, task.batch).manifest
        circuit = "".join(manifest.files[name] for name in VERIFYING_FILES).encode()
        return proof_key(circuit, task.instances, task.proof)


async def _one_by_one(tasks: Iterable[ProofTask]) -> AsyncIterator[ProofTask]:
    for task in tasks:
        yield task
