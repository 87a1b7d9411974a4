"""A prover on a Ray cluster: jobs, queue, cache and checks are the same, with actors in place of child processes.

Each actor runs the engine in a child process of its own, as a local prover does: ezkl can panic, holds its
interpreter, and has to be killed when a job is over its deadline or its memory. A worker is not trusted: this process
verifies each proof.

Ray ends a process whose cluster is gone for good, because its head died or the network did. A daemon is then started
again, and goes on from its journal.

An actor sees everything that a prover needs, so a cluster is trusted with a private model's weights and the features.

Ray is an optional extra: functions that need it import it.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import platform
import socket
import tempfile
import threading
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any, ClassVar

from oracle.core.errors import (
    ArtifactError,
    MemoryExceeded,
    OracleError,
    ProverCrashed,
    ProverTimeout,
    ProverUnavailable,
    ToolMissing,
)
from oracle.core.version import __version__
from oracle.proving.artifact import Artifact
from oracle.proving.engine.child import EngineProcess
from oracle.proving.engine.staging import StagedFiles
from oracle.proving.engine.version import ezkl_version
from oracle.proving.interface import OnEvent
from oracle.proving.pool.cache import ProofCache
from oracle.proving.pool.pool import PROVING_FILES, QUEUE, PooledProver
from oracle.proving.verification import DEADLINE

START_DEADLINE = 60.0
"""Seconds until the cluster must have given a worker. A cluster that scales may need more."""

RETRIES = 2

_GRACE = 10.0
"""Seconds beyond the deadline after which a worker is given up. It keeps the deadline itself."""

_CARRIED: tuple[type[OracleError], ...] = (
    ArtifactError,
    MemoryExceeded,
    ProverCrashed,
    ProverTimeout,
    ProverUnavailable,
)
"""Errors that travel by name, because another release of this package might have pickled them."""


class RayProver(PooledProver):
    """Actors on a Ray cluster that prove statements of one circuit.

    Actors start when jobs need them. All provers of a process share one connection to one cluster. A cluster that this
    class started itself ends with the last of them.

    Args:
        artifact: With the prover's files.
        address: Address of a running cluster, as `ray.init` takes it (`host:port`, `ray://…`, `auto`). None: the
            cluster that this process is connected to, or else a new one on this machine.
        workers: Proofs at once.
        cores: Cores that each worker reserves, and threads that it proves with.
        deadline: Seconds for one proof, from when a worker has it.
        memory_mb: MiB that each worker reserves, and at which its job is killed.
        queue: Jobs that may wait for a worker.
        retries: Times that a job is tried again when its worker died, on a new one and maybe on another node.
        ship: True to send the artifact's files to the workers. None: unless this process started the cluster, whose
            workers see the files anyway.
        start_deadline: Seconds until a worker must have started.
        cache: Keeps proofs; None makes one in memory.
        on_event: Called with each event of a job.

    Raises:
        ToolMissing: Ray is not installed.
        ValueError: A number is out of range.
    """

    rechecks: ClassVar[bool] = True

    def __init__(
        self,
        artifact: Artifact,
        *,
        address: str | None = None,
        workers: int = 1,
        cores: int = 1,
        deadline: float = DEADLINE,
        memory_mb: int | None = None,
        queue: int = QUEUE,
        retries: int = RETRIES,
        ship: bool | None = None,
        start_deadline: float = START_DEADLINE,
        cache: ProofCache | None = None,
        on_event: OnEvent | None = None,
    ) -> None:
        if workers < 1 or cores < 1:
            raise ValueError(f"workers {workers} and cores {cores} must be at least 1")
        _require_ray()
        super().__init__(
            artifact, workers=workers, queue=queue, deadline=deadline, retries=retries, cache=cache, on_event=on_event
        )
        self._address = address
        self._cores = cores
        self._memory_mb = memory_mb
        self._ship = ship
        self._start_deadline = start_deadline
        self._actors: list[Any] = [None] * workers
        self._job = 0
        self._connected = False
        self._parcel: Any = None

    async def states(self) -> list[dict[str, Any]]:
        """Return the started workers' states: process id `pid`, `node`, the engine's process id `engine`, and `job`."""
        running = [actor for actor in self._actors if actor is not None]
        return [await _result(actor.state.remote(), self._start_deadline) for actor in running]

    async def _start(self) -> None:
        if not self._connected:
            # Off the main thread, on which Ray would replace the handler of SIGTERM that ends a daemon in good order.
            await asyncio.to_thread(_Cluster.join, self._address)
            self._connected = True
        if self._ship is None:
            self._ship = not _Cluster.ours
        if self._ship and self._parcel is None:
            self._parcel = await asyncio.to_thread(self._pack)

    async def _execute(
        self, worker: int, op: str, arguments: Mapping[str, Any], files: Mapping[str, str]
    ) -> dict[str, Any]:
        actor = await self._actor(worker)
        self._job += 1
        job = self._job
        reference = actor.call.remote(job, op, self._deadline, dict(arguments), dict(files))
        try:
            error, answer = await _result(reference, self._deadline + _GRACE)
        except asyncio.CancelledError:
            actor.cancel.remote(job)
            raise
        except TimeoutError as timeout:
            self._give_up(worker)
            raise ProverTimeout(f"{op}: the worker did not answer within {self._deadline + _GRACE:g} s") from timeout
        except _ray_error() as failure:
            self._give_up(worker)
            raise ProverCrashed(f"the Ray worker died during {op}: {_words(failure)}") from failure
        _raise_carried(error, answer)
        result: dict[str, Any] = answer
        return result

    async def _stop(self) -> None:
        for worker, actor in enumerate(self._actors):
            if actor is not None:
                with contextlib.suppress(TimeoutError, _ray_error()):
                    await _result(actor.close.remote(), _GRACE)
                self._give_up(worker)
        self._parcel = None
        if self._connected:
            self._connected = False
            await asyncio.to_thread(_Cluster.leave)

    async def _actor(self, worker: int) -> Any:
        """Return a worker that has the artifact's files; start one if there is none."""
        if self._actors[worker] is not None:
            return self._actors[worker]
        import ray

        options: dict[str, Any] = {"num_cpus": self._cores, "max_restarts": 0, "max_concurrency": 4}
        if self._memory_mb is not None:
            options["memory"] = self._memory_mb << 20
        actor = ray.remote(_Worker).options(**options).remote(self._cores, self._memory_mb)
        try:
            hashes = {name: self._artifact.manifest.files[name] for name in PROVING_FILES.values()}
            folder = None if self._ship else str(self._artifact.path)
            error, versions = await _result(actor.begin.remote(folder, hashes, self._parcel), self._start_deadline)
        except TimeoutError as timeout:
            ray.kill(actor)
            free = {name: ray.available_resources().get(name, 0) for name in ("CPU", "memory")}
            raise ProverUnavailable(
                f"the Ray cluster gave no worker of {self._cores} cores and {self._memory_mb or 'any'} MiB within "
                f"{self._start_deadline:g} s; free are {free['CPU']:g} cores and {int(free['memory']) >> 20:,} MiB. "
                "Lower workers or memory_mb, or add nodes"
            ) from timeout
        except _ray_error() as failure:
            raise ProverUnavailable(
                f"a Ray worker could not start: {_words(failure)}. The nodes need this release of the package, with "
                f"Python {platform.python_version()}"
            ) from failure
        except asyncio.CancelledError:
            ray.kill(actor)
            raise
        try:
            _raise_carried(error, versions)
            if versions != _versions():
                raise ProverUnavailable(f"a Ray worker has {versions}, this process {_versions()}: install the same")
        except OracleError:
            ray.kill(actor)
            raise
        self._actors[worker] = actor
        return actor

    def _give_up(self, worker: int) -> None:
        import ray

        actor, self._actors[worker] = self._actors[worker], None
        if actor is not None:
            with contextlib.suppress(_ray_error()):
                ray.kill(actor)

    def _pack(self) -> Any:
        import ray

        try:
            files = {name: (self._artifact.path / name).read_bytes() for name in PROVING_FILES.values()}
        except OSError as error:
            raise ArtifactError(f"artifact {self._artifact.path} can't be read: {error}. Restore it") from error
        return ray.put(files)


class _Worker:
    """The actor, which runs in a process of the cluster. It returns errors by name."""

    def __init__(self, threads: int, memory_mb: int | None) -> None:
        self._engine = EngineProcess(threads, memory_mb)
        self._lock = threading.Lock()
        self._turn = threading.Lock()
        self._job = self._finished = 0
        self._cancelled: dict[int, threading.Event] = {}
        self._folder: str | None = None
        self._staged: StagedFiles | None = None

    def begin(
        self, folder: str | None, hashes: dict[str, str], parcel: dict[str, bytes] | None
    ) -> tuple[str | None, Any]:
        """Get at the files: in a folder that this node sees, or as they were sent."""
        self._folder = folder
        try:
            if parcel is not None:
                files: dict[str, tuple[Path | bytes, str]] = {
                    name: (content, hashes[name]) for name, content in parcel.items()
                }
                shared = Path("/dev/shm")
                self._staged = StagedFiles(shared if shared.is_dir() else Path(tempfile.gettempdir()), files)
        except _CARRIED as error:
            return type(error).__name__, str(error)
        return None, _versions()

    def call(
        self, job: int, op: str, deadline: float, arguments: dict[str, Any], files: dict[str, str]
    ) -> tuple[str | None, Any]:
        """Run one operation of the engine."""
        at = self._staged.path if self._staged is not None else lambda name: str(Path(self._folder or "", name))
        paths = {parameter: at(name) for parameter, name in files.items()}
        with self._lock:
            cancelled = self._cancelled.setdefault(job, threading.Event())
        # The next job may come in while the `cancel` of this one is still on its way. It waits here, so that `_job` is
        # the engine's job: otherwise that `cancel` would find another job, and let the engine go on.
        with self._turn:
            with self._lock:
                self._job = job
            try:
                return None, self._engine.call(op, deadline=deadline, cancelled=cancelled, **paths, **arguments)
            except _CARRIED as error:
                return type(error).__name__, str(error)
            finally:
                with self._lock:
                    self._job = 0
                    self._finished = max(self._finished, job)
                    del self._cancelled[job]

    def cancel(self, job: int) -> None:
        """End a job, also one that has not begun."""
        with self._lock:
            if job > self._finished:
                self._cancelled.setdefault(job, threading.Event()).set()
            if self._job == job:
                self._engine.kill()

    def state(self) -> dict[str, Any]:
        """Return the worker's state; see `RayProver.states`."""
        return {"pid": os.getpid(), "node": platform.node(), "engine": self._engine.pid, "job": self._job}

    def close(self) -> None:
        """End the engine and remove the files."""
        self._engine.close()
        if self._staged is not None:
            self._staged.remove()


class _Cluster:
    """This process's connection to a cluster. Ray allows one, so its users are counted: several provers share it."""

    ours: ClassVar[bool] = False
    _lock: ClassVar[threading.Lock] = threading.Lock()
    _users: ClassVar[int] = 0
    _connected_here: ClassVar[bool] = False

    @classmethod
    def join(cls, address: str | None) -> None:
        """Connect, or start a cluster on this machine.

        Raises:
            ProverUnavailable: Nothing answers at the address.
        """
        import ray

        with cls._lock:
            if not ray.is_initialized():
                if address is None:
                    # Ray's usage statistics would tell others what a prover works on.
                    os.environ.setdefault("RAY_USAGE_STATS_ENABLED", "0")
                options: dict[str, Any] = {"log_to_driver": False, "logging_level": "ERROR"}
                if address is None:
                    options |= {"address": "local", "include_dashboard": False}
                else:
                    options |= {"address": address}
                try:
                    _knock(address)
                    ray.init(**options)
                except (ConnectionError, OSError, RuntimeError, ValueError, TimeoutError) as error:
                    where = f"no Ray cluster answers at {address}" if address else "no local Ray cluster can be started"
                    raise ProverUnavailable(
                        f"{where}: {_words(error)}. Start one with `ray start --head`, or leave the address out for "
                        "one on this machine"
                    ) from error
                cls.ours = address is None
                cls._connected_here = True
            cls._users += 1

    @classmethod
    def leave(cls) -> None:
        """Disconnect if this is the last user."""
        import ray

        with cls._lock:
            cls._users -= 1
            if not cls._users and cls._connected_here:
                cls._connected_here = cls.ours = False
                ray.shutdown()


def _knock(address: str | None) -> None:
    """Raise OSError if nothing listens: Ray ends the process that asks for a cluster where none answers."""
    host, _, port = (address or "").rpartition("://")[2].rpartition(":")
    if host and port.isdecimal():
        socket.create_connection((host.strip("[]"), int(port)), timeout=5).close()


def _require_ray() -> None:
    if find_spec("ray") is None:
        raise ToolMissing("the prover backend ray needs Ray: pip install 'verifiable-oracle[ray]'")


def _ray_error() -> type[Exception]:
    import ray.exceptions

    error: type[Exception] = ray.exceptions.RayError
    return error


async def _result(reference: Any, deadline: float) -> Any:
    async with asyncio.timeout(deadline):
        return await asyncio.wrap_future(reference.future())


def _raise_carried(error: str | None, message: Any) -> None:
    if error is not None:
        raise next((kind for kind in _CARRIED if kind.__name__ == error), ProverCrashed)(message)


def _versions() -> dict[str, str]:
    python = ".".join(platform.python_version_tuple()[:2])
    return {"verifiable-oracle": __version__, "ezkl": ezkl_version(), "python": python}


def _words(error: BaseException) -> str:
    lines = [line.strip() for line in str(error).splitlines() if line.strip()]
    return lines[0] if lines else type(error).__name__
