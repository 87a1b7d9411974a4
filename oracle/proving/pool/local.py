"""A prover on this machine: its workers are child processes."""

from __future__ import annotations

import asyncio
import contextlib
import os
import threading
from collections.abc import Mapping
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from pathlib import Path
from typing import Any, ClassVar

from oracle.proving.artifact import Artifact
from oracle.proving.engine.child import EngineProcess
from oracle.proving.engine.staging import StagedFiles
from oracle.proving.interface import OnEvent
from oracle.proving.pool.cache import ProofCache
from oracle.proving.pool.pool import PROVING_FILES, QUEUE, PooledProver
from oracle.proving.verification import DEADLINE


class LocalProver(PooledProver):
    """A pool of warm child processes that prove statements of one circuit.

    Args:
        artifact: With the prover's files.
        processes: Proofs at once. Several processes of one thread make more proofs a second than one of several
            threads; one process of several threads makes each sooner.
        threads: Threads per process; None: one if there are several processes, else all cores.
        deadline: Seconds for one proof.
        memory_mb: Resident size, in MiB, at which a process is killed while it proves.
        queue: Jobs that may wait for a process.
        retries: Times that a job is tried again when its process died.
        cache: Keeps proofs; None makes one in memory.
        tmpfs: A folder in memory, such as `/dev/shm`, for copies of the keys and the SRS, which each proof reads anew.
            None: they are read ahead into the page cache, which the system may empty.
        scratch: A folder for witnesses, which are removed after each proof; see `EngineProcess`.
        on_event: Called with each event of a job.

    Raises:
        ValueError: A number is out of range.
    """

    rechecks: ClassVar[bool] = False  # the child runs on this machine, and verified what it made

    def __init__(
        self,
        artifact: Artifact,
        *,
        processes: int = 1,
        threads: int | None = None,
        deadline: float = DEADLINE,
        memory_mb: int | None = None,
        queue: int = QUEUE,
        retries: int = 0,
        cache: ProofCache | None = None,
        tmpfs: Path | None = None,
        scratch: Path | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        if processes < 1:
            raise ValueError(f"processes {processes} must be at least 1")
        super().__init__(
            artifact,
            workers=processes,
            queue=queue,
            deadline=deadline,
            retries=retries,
            cache=cache,
            on_event=on_event,
        )
        if threads is None and processes > 1:
            threads = 1
        self._children = [EngineProcess(threads, memory_mb, scratch) for _ in range(processes)]
        self._executor = ThreadPoolExecutor(processes, thread_name_prefix="prover")
        self._tmpfs = tmpfs
        self._staged: StagedFiles | None = None

    @property
    def pids(self) -> tuple[int, ...]:
        """The process ids of the children that run now."""
        return tuple(child.pid for child in self._children if child.pid is not None)

    async def _start(self) -> None:
        await asyncio.to_thread(self._warm_files)

    async def _execute(
        self, worker: int, op: str, arguments: Mapping[str, Any], files: Mapping[str, str]
    ) -> dict[str, Any]:
        child = self._children[worker]
        at = self._artifact.file if self._staged is None else self._staged.path
        paths = {parameter: at(name) for parameter, name in files.items()}
        cancelled = threading.Event()
        call = partial(child.call, op, deadline=self._deadline, cancelled=cancelled, **paths, **arguments)
        try:
            answer: dict[str, Any] = await asyncio.get_running_loop().run_in_executor(self._executor, call)
        except asyncio.CancelledError:
            # Nobody wants the proof any more, and the next job must not wait for it.
            cancelled.set()
            child.kill()
            raise
        return answer

    async def _stop(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(child.close) for child in self._children))
        self._executor.shutdown(wait=False)
        if self._staged is not None:
            await asyncio.to_thread(self._staged.remove)

    def _warm_files(self) -> None:
        files = {name: self._artifact.path / name for name in PROVING_FILES.values()}
        if self._tmpfs is not None:
            hashes = self._artifact.manifest.files
            self._staged = StagedFiles(self._tmpfs, {name: (path, hashes[name]) for name, path in files.items()})
            return
        if hasattr(os, "posix_fadvise"):
            for path in files.values():
                # The proof that needs a missing file will report it.
                with contextlib.suppress(OSError), path.open("rb") as file:
                    os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_WILLNEED)
