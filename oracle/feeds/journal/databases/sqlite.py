"""A journal in a file of SQLite, for the daemons of one machine.

A lock file keeps a second daemon off. The operating system frees it when a process dies, but not while a process is
merely stopped. So the leader gives signs of life, by the lock file's time. A leader that gives none for a lease's time
is replaced, with a new lock file.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from contextlib import suppress
from pathlib import Path

import filelock
import sqlalchemy as sa

from oracle.core.errors import JournalError, JournalUnavailable, OracleError
from oracle.feeds.journal.databases.interface import RENEWALS

__all__ = ["SqliteFile"]

BUSY_TIMEOUT_S = 5.0
"""Seconds to wait for a lock of another program."""


class SqliteFile:
    """A journal in a file. See `Database` for the methods."""

    leases = False
    errors: tuple[type[Exception], ...] = (sqlite3.Error,)

    def __init__(self, path: Path) -> None:
        self.path = path
        self._lock_path = Path(f"{path}.lock")
        self._lock: filelock.BaseFileLock | None = None
        self._signs: _Signs | None = None
        self._seen: tuple[int, int] | None = None
        self._seen_since = self._looked_at = 0.0

    @property
    def name(self) -> str:
        """See `Database`."""
        return str(self.path)

    def prepare(self, *, read_only: bool) -> None:
        """See `Database`."""
        if read_only:
            if not self.path.exists():
                raise JournalError(f"{self.path}: there is no journal; `oracle run` begins one")
            return
        try:
            self.path.parent.mkdir(parents=True, exist_ok=True)
            # Readable by its owner only; SQLite gives its side files the mode of the main one.
            os.close(os.open(self.path, os.O_RDWR | os.O_CREAT, 0o600))
            self.path.chmod(0o600)
        except OSError as error:
            raise self._not_writable(error) from error

    def claim(self, lease_s: float) -> bool:
        """See `Database`."""
        lock: filelock.BaseFileLock = filelock.FileLock(self._lock_path, timeout=0, mode=0o600)
        try:
            lock.acquire()
        except filelock.Timeout:
            return False
        except OSError as error:
            raise self._not_writable(error) from error
        self._lock = lock
        # If the file system has no locks, the file's content is the lock.
        if _CAN_GIVE_SIGNS and not isinstance(lock, filelock.SoftFileLock):
            try:
                self._signs = _Signs(self._lock_path, lease_s)
            except OSError as error:
                self.release()
                raise self._not_writable(error) from error
        return True

    def is_silent(self) -> bool:
        """See `Database`."""
        try:
            found = self._lock_path.stat()
            lease_s = float(self._lock_path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return False  # nobody is there, or a daemon of a release that gives no signs
        now, sign = time.monotonic(), (found.st_ino, found.st_mtime_ns)
        # If nobody looked for so long, this process may have been stopped together with the leader.
        if sign != self._seen or now - self._looked_at > lease_s:
            self._seen, self._seen_since = sign, now
        self._looked_at = now
        return now - self._seen_since >= lease_s

    def depose(self, lease_s: float) -> bool:
        """See `Database`."""
        if not self.is_silent():
            return False
        # From here on, the other daemon's lock is on a file without a name.
        self._lock_path.unlink(missing_ok=True)
        return self.claim(lease_s)

    def release(self) -> None:
        """See `Database`."""
        if self._signs is not None:
            self._signs.stop()
            self._signs = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def engine(self, *, read_only: bool) -> sa.Engine:
        """See `Database`."""

        def connect() -> sqlite3.Connection:
            connection = sqlite3.connect(
                f"{self.path.resolve().as_uri()}?mode={'ro' if read_only else 'rw'}",
                uri=True,
                timeout=BUSY_TIMEOUT_S,
                isolation_level=None,  # transactions are begun and ended here, not guessed by the driver
                check_same_thread=False,  # a lock serialises all use
            )
            try:
                connection.execute("PRAGMA foreign_keys=ON")
                if not read_only:
                    connection.execute("PRAGMA journal_mode=WAL")
                    connection.execute("PRAGMA synchronous=FULL")
            except BaseException:
                connection.close()
                raise
            return connection

        engine = sa.create_engine("sqlite://", creator=connect, poolclass=sa.NullPool)
        sa.event.listen(engine, "begin", _begin)
        return engine

    def explain(self, error: Exception) -> OracleError:
        """See `Database`."""
        reason = str(error.orig if isinstance(error, sa.exc.DBAPIError) and error.orig else error).splitlines()[0]
        lowered = reason.lower()
        if "locked" in lowered:
            return JournalUnavailable(f"{self.path}: is locked by another program ({reason}); close it")
        if "full" in lowered or "disk i/o" in lowered:
            return JournalUnavailable(
                f"{self.path}: can't be written: {reason}; free some space: nothing is lost, and it is tried again"
            )
        if "readonly" in lowered or "read-only" in lowered:
            said = f"can't be written: {reason}; check the permissions of the file and its folder"
        elif "not a database" in lowered or "malformed" in lowered:
            said = (
                f"is damaged or no journal ({reason}); move it away and start with a new one: "
                "the chain has every report that was accepted or held"
            )
        elif "unable to open" in lowered:
            said = f"can't be opened: {reason}; check the path and its permissions"
        else:
            said = f"can't be used: {reason}"
        return JournalError(f"{self.path}: {said}")

    def _not_writable(self, error: OSError) -> JournalError:
        return JournalError(f"{self.path}: can't be opened for writing: {error.strerror or error}")


def _begin(connection: sa.Connection) -> None:
    # A writer takes its lock at once: one that reads first could find later that it may not write.
    reads = connection.get_execution_options().get("reads", False)
    connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")


_CAN_GIVE_SIGNS = os.utime in os.supports_fd  # not on Windows


class _Signs:
    """Signs of life: sets a lock file's time at intervals, from a thread. The file says for how long a sign counts.

    They are not in the database, where each would be a write to the disk, and would wait while the disk is full.
    """

    def __init__(self, path: Path, lease_s: float) -> None:
        self._interval = lease_s / RENEWALS
        # It is this file's time that is set: once another daemon has put a new file in its place, nobody looks at it.
        self._file = os.open(path, os.O_RDWR | os.O_TRUNC)
        with suppress(OSError):  # without space, there are no signs, and none are expected
            os.write(self._file, f"{lease_s}\n".encode())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-signs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Give no further signs."""
        self._stop.set()
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            with suppress(OSError):
                os.utime(self._file)
