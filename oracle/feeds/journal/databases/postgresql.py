"""A journal in a PostgreSQL database, for daemons of several machines.

The leader has a lease of a few seconds in the table `leader`, by the database's clock, and renews it from a thread with
a connection of its own. A session's advisory lock would be freed sooner when a leader dies, but never while the leader
is merely stopped (SIGSTOP, a frozen machine, a cut network), because its connection stays. A lease runs out in all of
these cases.
"""

from __future__ import annotations

import os
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from oracle.core.errors import ConfigError, JournalError, JournalUnavailable, OracleError, ToolMissing

__all__ = ["PostgresDatabase", "password_of"]

# psycopg is an extra: it is imported where it is used.

POSTGRES_TIMEOUT_S = 5
"""Seconds to wait for a connection, a statement, a lock, or the rest of a transaction."""

RECONNECT_S = 1.0
"""Seconds after a failed connection during which no other one is tried."""


class PostgresDatabase:
    """A journal in a PostgreSQL database. See `Database` for the methods."""

    leases = True
    errors: tuple[type[Exception], ...] = ()

    def __init__(self, url: str, password: str | None = None) -> None:
        """Name a database.

        Args:
            url: Its URL, without a password.
            password: The password; None: what libpq finds by itself (`PGPASSWORD`, `~/.pgpass`), or none.
        """
        parsed = sa.make_url(url).set(drivername="postgresql+psycopg")
        self._url = parsed if password is None else parsed.set(password=password)
        self._password = password
        # The name has only those options that say where the server is: others may be secret.
        host = parsed.host or parsed.query.get("host") or "localhost"
        port = f":{parsed.port}" if parsed.port else ""
        self.name = f"postgresql://{host}{port}/{parsed.database or ''}"
        self._failed_at: float | None = None

    def __repr__(self) -> str:
        """Return the name, without the password."""
        return f"PostgresDatabase({self.name})"

    def prepare(self, *, read_only: bool) -> None:
        """See `Database`."""
        try:
            import psycopg  # noqa: F401
        except ImportError as error:
            raise ToolMissing("a journal in PostgreSQL needs: pip install 'verifiable-oracle[postgres]'") from error

    def claim(self, lease_s: float) -> bool:
        """See `Database`: the lease in the table decides who leads."""
        return True

    def is_silent(self) -> bool:
        """See `Database`."""
        return False

    def depose(self, lease_s: float) -> bool:
        """See `Database`."""
        return False

    def release(self) -> None:
        """See `Database`: nothing was claimed."""

    def engine(self, *, read_only: bool) -> sa.Engine:
        """See `Database`."""
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
        """Refuse to connect right after a failure: calls come from the event loop, and must not wait each time."""
        if self._failed_at is not None and time.monotonic() - self._failed_at < RECONNECT_S:
            raise JournalUnavailable(f"{self.name}: the database did not answer a moment ago")

    def explain(self, error: Exception) -> OracleError:
        """See `Database`."""
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
    """Return a database's password from a file's first line, or from an environment variable.

    Args:
        file: The file, or None.
        variable: The environment variable's name, or None.
        env: The environment.

    Returns:
        The password; None if neither is named.

    Raises:
        ConfigError: The password is not there, or others can read the file.
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
