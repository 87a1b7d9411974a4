"""A child process that runs ezkl, seen from the process that uses it."""

from __future__ import annotations

import collections
import json
import os
import selectors
import subprocess
import sys
import tempfile
import threading
import time
from pathlib import Path
from types import TracebackType
from typing import Any

import psutil

from oracle.core.errors import ArtifactError, MemoryExceeded, ProverCrashed, ProverTimeout
from oracle.proving.engine.staging import ENGINE_FOLDER, OwnedFolder

DEFAULT_DEADLINE = 600.0
"""Seconds for one operation, unless it is one on a large circuit."""

_LARGE_K = 16
"""From this k on, keys and proofs of twice the rows may take twice the time."""

_STDERR_LINES = 20

_WATCH = 0.02
"""Seconds between two looks at a child's memory. Meanwhile it can't touch more than some tens of MB."""


def patience(k: int) -> float:
    """Return the seconds after which keys or a proof of 2^k rows count as stuck, on a busy machine, too."""
    return DEFAULT_DEADLINE * 2.0 ** max(0, k - _LARGE_K)


def stuck(error: ProverTimeout, name: str, k: int) -> ProverTimeout:
    """Return what to tell whoever builds a circuit of 2^k rows whose keys or first proof were not done in time."""
    return ProverTimeout(
        f"{name}: {error}, in a circuit of 2^{k} rows: build it where cores are free, or in parts (--split)"
    )


class EngineProcess:
    """A child process that runs `worker`. It is started when it is first needed, and again after a crash.

    Calls are serialised. `kill` may be called from another thread while a call waits.

    Args:
        threads: ezkl's own threads (RAYON_NUM_THREADS); None lets it take all cores.
        memory_mb: Resident size, in MiB, at which the child is killed while it works. RLIMIT_AS is not used: it counts
            addresses, of which allocators and threads reserve far more than they use, and the abort after a failed
            allocation looks like any other crash.
        scratch: An existing folder for the child's temporary files, witnesses with private data among them. They are
            removed with the child, however it ends. None: the system's.

    Raises:
        ValueError: `threads` or `memory_mb` is below 1.
    """

    def __init__(self, threads: int | None = None, memory_mb: int | None = None, scratch: Path | None = None) -> None:
        if threads is not None and threads < 1:
            raise ValueError(f"threads {threads} must be at least 1")
        if memory_mb is not None and memory_mb < 1:
            raise ValueError(f"memory_mb {memory_mb} must be at least 1")
        self._threads = threads
        self._memory_mb = memory_mb
        self._scratch = scratch
        self._folder: OwnedFolder | None = None
        self._process: subprocess.Popen[bytes] | None = None
        self._killed: subprocess.Popen[bytes] | None = None
        self._words: collections.deque[str] = collections.deque(maxlen=_STDERR_LINES)
        self._listener: threading.Thread | None = None
        self._lock = threading.Lock()
        self._closed = False

    @property
    def pid(self) -> int | None:
        """The child's process id, while there is one."""
        process = self._process
        return process.pid if process is not None and process.poll() is None else None

    def call(
        self,
        op: str,
        /,
        *,
        deadline: float = DEFAULT_DEADLINE,
        cancelled: threading.Event | None = None,
        **arguments: Any,
    ) -> Any:
        """Run one operation of `oracle.proving.engine.calls` in the child.

        Args:
            op: Name of the operation.
            deadline: Seconds until the child is killed.
            cancelled: Nothing begins once it is set. Set it before `kill`: `kill` alone misses a child that is just
                being started.
            **arguments: The operation's arguments; must be JSON.

        Returns:
            The operation's result.

        Raises:
            ArtifactError: ezkl refused: a model, a setting or a file is wrong.
            ProverCrashed: The child died or panicked; the next call starts a new one.
            ProverTimeout: The deadline passed; the next call starts a new child.
            MemoryExceeded: The child took more than `memory_mb`; the next call starts a new one.
        """
        request = json.dumps({"op": op, "args": arguments}).encode() + b"\n"
        with self._lock:
            if self._closed:
                raise ProverCrashed(f"{op}: the proving process was closed")
            process = self._running()
            if cancelled is not None and cancelled.is_set():
                raise ProverCrashed(f"{op} was cancelled before it began")
            assert process.stdin is not None
            try:
                process.stdin.write(request)
                process.stdin.flush()
                line = self._line(process, op, deadline)
            except (BrokenPipeError, ConnectionResetError):
                line = b""
            if not line:
                raise ProverCrashed(f"the proving process died during {op}: {self._end(process)}")
            answer = json.loads(line)
            if answer["ok"]:
                return answer["result"]
            if answer["kind"] == "panic":
                self._end(process)
                raise ProverCrashed(f"ezkl panicked during {op}: {answer['message']}")
            raise ArtifactError(f"ezkl refused {op}: {answer['message']}")

    def kill(self) -> None:
        """End the child at once; a waiting call raises ProverCrashed."""
        process = self._process
        if process is not None and process.poll() is None:
            # It lives for a moment longer: the next call must not take it for a running one.
            self._killed = process
            process.kill()

    def close(self) -> None:
        """End the child for good."""
        self._closed = True
        self.kill()
        with self._lock:
            if self._process is not None:
                self._end(self._process)

    def __enter__(self) -> EngineProcess:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None:
            if self._process.poll() is None and self._process is not self._killed:
                return self._process
            self._end(self._process)
        # A child that is killed removes nothing, and its witness has everything that is private.
        self._remove_folder()
        self._folder = OwnedFolder(
            Path(tempfile.gettempdir()) if self._scratch is None else self._scratch, ENGINE_FOLDER
        )
        environment = dict(os.environ) | {"TMPDIR": str(self._folder.folder)}
        # ezkl keeps tables of lookups and range checks in files, and believes what it finds there: not in the user's
        # home, where any program could have put other tables into the keys.
        environment["EZKL_REPO_PATH"] = str(self._folder.folder / "ezkl")
        if self._threads is not None:
            environment["RAYON_NUM_THREADS"] = str(self._threads)
        process = subprocess.Popen(
            # -P: nothing in the current folder is imported, whatever its name is.
            [sys.executable, "-P", "-m", "oracle.proving.engine.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            env=environment,
            # An interrupt from the terminal is for the parent, which then ends its children in good order.
            start_new_session=True,
        )
        self._words.clear()
        self._listener = threading.Thread(target=self._listen, args=(process,), daemon=True, name="prover-stderr")
        self._listener.start()
        self._process = process
        return process

    def _listen(self, process: subprocess.Popen[bytes]) -> None:
        assert process.stderr is not None
        for line in process.stderr:
            text = line.decode(errors="replace").strip()
            if text:
                self._words.append(text)

    def _line(self, process: subprocess.Popen[bytes], op: str, deadline: float) -> bytes:
        """Return one line of the child's answer; empty if the child ended."""
        assert process.stdout is not None
        end = time.monotonic() + deadline
        received = b""
        with selectors.DefaultSelector() as selector:
            selector.register(process.stdout, selectors.EVENT_READ)
            while not received.endswith(b"\n"):
                remaining = end - time.monotonic()
                if remaining <= 0:
                    process.kill()
                    self._end(process)
                    raise ProverTimeout(f"{op} was not done within {deadline:g} s")
                self._watch_memory(process, op)
                if not selector.select(remaining if self._memory_mb is None else min(remaining, _WATCH)):
                    continue
                chunk = os.read(process.stdout.fileno(), 1 << 20)
                if not chunk:
                    return b""
                received += chunk
        return received

    def _watch_memory(self, process: subprocess.Popen[bytes], op: str) -> None:
        if self._memory_mb is None:
            return
        try:
            resident = psutil.Process(process.pid).memory_info().rss
        except psutil.Error:
            return  # it ended, and its answers will say so
        if resident > self._memory_mb << 20:
            process.kill()
            self._end(process)
            raise MemoryExceeded(
                f"{op} took {resident >> 20:,} MiB, more than its limit of {self._memory_mb:,} MiB: raise the limit "
                "(memory_mb), or use a smaller circuit"
            )

    def _end(self, process: subprocess.Popen[bytes]) -> str:
        """Reap the child. Return how it ended, and its last words."""
        if process.poll() is None and process.stdout is not None:
            try:
                # It closed its answers, so it is ending by itself: its own exit status says why.
                process.wait(timeout=0.5)
            except subprocess.TimeoutExpired:
                process.kill()
        status = process.wait()
        if self._listener is not None:
            self._listener.join(timeout=5)
        for stream in (process.stdin, process.stdout, process.stderr):
            if stream is not None:
                try:
                    stream.close()
                except BrokenPipeError:
                    pass
        if self._process is process:
            self._process = None
            self._remove_folder()
        ended = f"signal {-status}" if status < 0 else f"exit status {status}"
        return f"{ended}; {' | '.join(list(self._words)[-3:])}" if self._words else ended

    def _remove_folder(self) -> None:
        if self._folder is not None:
            self._folder.remove()
            self._folder = None
