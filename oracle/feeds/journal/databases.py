"""The two databases that a journal can be in: how each is reached, who may write, and where its errors end.

SQLite: one file of one machine. A lock file, which the operating system frees when a process dies, keeps a second
daemon off. Of a process that is merely stopped it stays locked; so the leader gives signs of life, by the file's time,
and one that gives none for a lease's time is replaced, with a new lock file. PostgreSQL: a lease of a few seconds in
the table `leader`, by the database's clock, which a thread renews over a connection of its own. A session's advisory
lock would be freed sooner when a leader dies, but never while it is merely stopped (SIGSTOP, a frozen machine, a cut
network): its connection stays. A lease runs out in all of these cases.

In both, who leads has an epoch, one higher than whoever led before. Each transaction that writes checks it, under the
row's lock: a leader that was replaced can't write any more, whenever it wakes up. One that is stopped within a
transaction keeps PostgreSQL's locks for a few seconds, until the server ends its session; SQLite's it keeps until it
goes on or is killed, and nobody can write or take over meanwhile.
"""

from __future__ import annotations

import os
import sqlite3
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any, Protocol

import filelock
import sqlalchemy as sa

from oracle.core.errors import ConfigError, JournalError, JournalUnavailable, OracleError, ToolMissing

BUSY_TIMEOUT_S = 5.0
POSTGRES_TIMEOUT_S = 5
RECONNECT_S = 1.0
RENEWALS = 4
"""How often a lease is renewed, or a sign of life given, within a lease's time: a few may fail."""


class Database(Protocol):
    """Where a journal is."""

    @property
    def name(self) -> str:
        """For messages; without a password."""

    @property
    def leases(self) -> bool:
        """Whether who leads has to say so again and again. Otherwise the operating system knows."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The driver's own, where SQLAlchemy lets them through."""

    def prepare(self, *, read_only: bool) -> None:
        """What comes before the first connection.

        Raises:
            JournalError: There is no journal to read, or it can't be made.
        """

    def claim(self, lease_s: float) -> bool:
        """Keep others off, where that needs no connection; whether that went well."""

    def is_silent(self) -> bool:
        """Whether who keeps others off has given no sign of life for its lease's time, as far as was looked."""

    def depose(self, lease_s: float) -> bool:
        """Take the place of one that is silent, if it still is; in a transaction, so that only one does."""

    def release(self) -> None:
        """The opposite; may be called more than once."""

    def engine(self, *, read_only: bool) -> sa.Engine: ...

    def explain(self, error: Exception) -> OracleError:
        """What a foreign error means, in one line."""


class SqliteFile:
    """A journal in a file."""

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
        return str(self.path)

    def prepare(self, *, read_only: bool) -> None:
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
        lock: filelock.BaseFileLock = filelock.FileLock(self._lock_path, timeout=0, mode=0o600)
        try:
            lock.acquire()
        except filelock.Timeout:
            return False
        except OSError as error:
            raise self._not_writable(error) from error
        self._lock = lock
        # Where the file system has no locks, the file's content is the lock.
        if _CAN_GIVE_SIGNS and not isinstance(lock, filelock.SoftFileLock):
            try:
                self._signs = _Signs(self._lock_path, lease_s)
            except OSError as error:
                self.release()
                raise self._not_writable(error) from error
        return True

    def is_silent(self) -> bool:
        try:
            found = self._lock_path.stat()
            lease_s = float(self._lock_path.read_text(encoding="ascii"))
        except (OSError, ValueError):
            return False  # nobody is there, or one of a release that gives no signs
        now, sign = time.monotonic(), (found.st_ino, found.st_mtime_ns)
        # Who did not look for so long may have been stopped with the other.
        if sign != self._seen or now - self._looked_at > lease_s:
            self._seen, self._seen_since = sign, now
        self._looked_at = now
        return now - self._seen_since >= lease_s

    def depose(self, lease_s: float) -> bool:
        if not self.is_silent():
            return False
        # The other one's lock is of a file that has no name any more.
        self._lock_path.unlink(missing_ok=True)
        return self.claim(lease_s)

    def release(self) -> None:
        if self._signs is not None:
            self._signs.stop()
            self._signs = None
        if self._lock is not None:
            self._lock.release()
            self._lock = None

    def engine(self, *, read_only: bool) -> sa.Engine:
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
    """Sets a lock file's time again and again, from a thread of its own; the file says for how long each one counts.

    Not in the database, where each sign would be a write to the disk, and would wait while the disk is full.
    """

    def __init__(self, path: Path, lease_s: float) -> None:
        self._interval = lease_s / RENEWALS
        # Of this very file: once another daemon has put one in its place, nobody looks at this one any more.
        self._file = os.open(path, os.O_RDWR | os.O_TRUNC)
        with suppress(OSError):  # without space, there are no signs, and none are expected
            os.write(self._file, f"{lease_s}\n".encode())
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-signs", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join()
        os.close(self._file)

    def _run(self) -> None:
        while not self._stop.wait(self._interval):
            with suppress(OSError):
                os.utime(self._file)


class PostgresDatabase:
    """A journal in a PostgreSQL database.

    Args:
        url: Without a password.
        password: None: what libpq finds by itself (`PGPASSWORD`, `~/.pgpass`), or none.
    """

    leases = True
    errors: tuple[type[Exception], ...] = ()

    def __init__(self, url: str, password: str | None = None) -> None:
        parsed = sa.make_url(url).set(drivername="postgresql+psycopg")
        self._url = parsed if password is None else parsed.set(password=password)
        self._password = password
        # Of its options, only where the server is: others may be secret.
        host = parsed.host or parsed.query.get("host") or "localhost"
        port = f":{parsed.port}" if parsed.port else ""
        self.name = f"postgresql://{host}{port}/{parsed.database or ''}"
        self._failed_at: float | None = None

    def __repr__(self) -> str:
        return f"PostgresDatabase({self.name})"

    def prepare(self, *, read_only: bool) -> None:
        try:
            import psycopg  # noqa: F401
        except ImportError as error:
            raise ToolMissing("a journal in PostgreSQL needs: pip install 'verifiable-oracle[postgres]'") from error

    def claim(self, lease_s: float) -> bool:
        return True  # the lease in the table decides

    def is_silent(self) -> bool:
        return False

    def depose(self, lease_s: float) -> bool:
        return False

    def release(self) -> None:
        pass

    def engine(self, *, read_only: bool) -> sa.Engine:
        options = [
            "synchronous_commit=on",
            "default_transaction_isolation=read\\ committed",
            f"statement_timeout={1_000 * POSTGRES_TIMEOUT_S}",
            f"lock_timeout={1_000 * POSTGRES_TIMEOUT_S}",
            # A leader that was stopped in the middle of a transaction would hold its locks until it wakes up.
            f"idle_in_transaction_session_timeout={1_000 * POSTGRES_TIMEOUT_S}",
            f"default_transaction_read_only={'on' if read_only else 'off'}",
        ]
        engine = sa.create_engine(
            self._url,
            poolclass=sa.NullPool,
            hide_parameters=True,
            connect_args={
                "connect_timeout": POSTGRES_TIMEOUT_S,
                "options": " ".join(f"-c {option}" for option in options),
                "application_name": "oracle-journal",
                "keepalives": 1,
                "keepalives_idle": POSTGRES_TIMEOUT_S,
                "keepalives_interval": 1,
                "keepalives_count": 3,
                "tcp_user_timeout": 1_000 * POSTGRES_TIMEOUT_S,
            },
        )
        sa.event.listen(engine, "do_connect", self._before_connecting)
        return engine

    def _before_connecting(self, *_: Any) -> None:
        """A server that does not answer is not waited for again and again: calls come from the event loop."""
        if self._failed_at is not None and time.monotonic() - self._failed_at < RECONNECT_S:
            raise JournalUnavailable(f"{self.name}: the database did not answer a moment ago")

    def explain(self, error: Exception) -> OracleError:
        import psycopg

        cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
        reason = (str(cause).strip().splitlines() or [type(cause).__name__])[0]
        if self._password:
            reason = reason.replace(self._password, "…")
        state = getattr(cause, "sqlstate", None) or ""
        ended = isinstance(cause, psycopg.errors.IdleInTransactionSessionTimeout)
        if ended or (
            isinstance(cause, psycopg.OperationalError) and not state.startswith(("28", "3D")) and "auth" not in reason
        ):
            # Gone, restarting, shutting down, out of disk or of connections, a lock that is not given up; or this
            # process was stopped in a transaction, which the server ended.
            self._failed_at = time.monotonic() if not state else None
            return JournalUnavailable(f"{self.name}: the database can't be used now: {reason}; it is tried again")
        if isinstance(cause, psycopg.errors.ReadOnlySqlTransaction):
            return JournalUnavailable(f"{self.name}: the database takes no writes now: {reason}; it is tried again")
        if isinstance(cause, psycopg.OperationalError):
            return JournalError(f"{self.name}: the database can't be opened: {reason}; check user and password")
        if isinstance(cause, psycopg.errors.InsufficientPrivilege):
            return JournalError(f"{self.name}: {reason}; the journal's user needs to own its schema")
        return JournalError(f"{self.name}: can't be used: {reason}")


def password_of(file: Path | None, variable: str | None, env: Mapping[str, str]) -> str | None:
    """A database's password: from a file's first line, or an environment variable; None where neither is named.

    Raises:
        ConfigError: It is not there, or others can read the file.
    """
    if file is not None:
        try:
            mode = file.stat().st_mode
            lines = file.read_text(encoding="utf-8").splitlines()
        except (OSError, UnicodeDecodeError) as error:
            raise ConfigError(f"[journal] password_file {file}: can't be read: {type(error).__name__}") from None
        if os.name == "posix" and mode & 0o077:
            raise ConfigError(f"[journal] password_file {file}: can be read by others: chmod 600 {file}")
        if not lines or not lines[0]:
            raise ConfigError(f"[journal] password_file {file}: its first line is empty; write the password there")
        return lines[0]
    if variable is not None:
        if not env.get(variable):
            raise ConfigError(f"[journal] password_env: the environment variable {variable} is not set")
        return env[variable]
    return None


class Lease:
    """Renews a leader's lease over a connection of its own, until it is lost or given up.

    Args:
        lost: Called once, with a sentence, when another leads.
    """

    def __init__(
        self,
        engine: sa.Engine,
        renew: Callable[[sa.Connection], bool],
        lost: Callable[[], None],
        interval: float,
    ) -> None:
        self._engine = engine
        self._renew = renew
        self._lost = lost
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        self._stop.set()
        self._thread.join(2 * POSTGRES_TIMEOUT_S)

    def _run(self) -> None:
        connection: sa.Connection | None = None
        while not self._stop.wait(self._interval):
            try:
                connection = connection or self._engine.connect()
                with connection.begin():
                    held = self._renew(connection)
                if not held:
                    self._lost()
                    break
            except (sa.exc.SQLAlchemyError, OracleError):
                # It is tried again; whether another leads by then, the epoch says.
                if connection is not None:
                    with suppress(sa.exc.SQLAlchemyError):
                        connection.invalidate()
                        connection.close()
                connection = None
        if connection is not None:
            with suppress(sa.exc.SQLAlchemyError):
                connection.close()
