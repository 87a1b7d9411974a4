"""The journal's connection: one at a time, its transactions, and the border where the database's errors end."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress

import sqlalchemy as sa

from oracle.core.errors import JournalError, JournalUnavailable, OracleError
from oracle.feeds.journal.databases import Database

__all__ = ["Store", "naming"]


class Store:
    """A database with one connection, whose transactions several threads make one after the other.

    Attributes:
        database: The database.
        name: Its name for messages.
        read_only: True if it may only be read.
        engine: Makes further connections.
        lock: Held during each transaction.
        fence: Called at the beginning of each transaction that only the leader may make, and raises if this
            daemon does not lead.
        lost: Why this daemon may use the database no more; None as long as it may.
    """

    def __init__(self, database: Database, *, read_only: bool) -> None:
        """Prepare the database; the first transaction connects.

        Raises:
            JournalError: There is no journal to read, or it can't be made.
        """
        self.database = database
        self.name = database.name
        self.read_only = read_only
        self.lock = threading.RLock()
        self.fence: Callable[[sa.Connection], None] = lambda connection: None
        self.lost: str | None = None
        self._connection: sa.Connection | None = None
        self._closed = False
        database.prepare(read_only=read_only)
        self.engine = database.engine(read_only=read_only)

    @contextmanager
    def transaction(self, *, read: bool = False, fenced: bool = True) -> Iterator[sa.Connection]:
        """Make one transaction. After another daemon has taken over, none that writes begins.

        Args:
            read: True if it only reads.
            fenced: True if only the leader may make it, if it writes.

        Raises:
            JournalError: The journal is closed, may not be written, or another daemon leads.
            JournalUnavailable: The database can't be used now.
        """
        with self.lock, self._errors():
            connection = self._connected()
            if self.read_only and not read:
                raise JournalError(f"{self.name}: the journal was opened for reading only")
            if self.lost is not None:
                raise JournalError(self.lost)
            connection.execution_options(reads=read)
            with connection.begin():
                if fenced and not read:
                    self.fence(connection)
                yield connection

    def execute_last(self, statement: sa.Executable) -> None:
        """Execute a statement before closing. Errors are ignored; without a connection, nothing is done."""
        if self._connection is not None:
            with suppress(sa.exc.SQLAlchemyError, OracleError):
                self._connection.execution_options(reads=False)
                with self._connection.begin():
                    self._connection.execute(statement)

    def vacuum(self) -> None:
        """Give free space in SQLite's file back to the file system."""
        with self.lock, self._errors():
            raw = self._connected().connection.driver_connection
            assert raw is not None
            raw.execute("VACUUM")

    def close(self) -> None:
        """Close the connection, and let other daemons in; may be called more than once."""
        self._closed = True
        self._disconnect()
        self.engine.dispose()
        self.database.release()

    def _connected(self) -> sa.Connection:
        if self._closed:
            raise JournalError(f"{self.name}: the journal is closed")
        if self._connection is None:
            self._connection = self.engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Whatever was committed is on the disk; there is nothing more to lose.
            with suppress(sa.exc.SQLAlchemyError):
                connection.close()

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Turn each error of the database into one line."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            explained = self.database.explain(error)
            if isinstance(explained, JournalUnavailable) and self.database.leases:
                # Its session may be gone: the next call begins a new one. What it had begun was not committed, or was,
                # which is why the journal is read again before anything is done.
                self._disconnect()
            raise explained from error
        except self.database.errors as error:
            raise self.database.explain(error) from error


@contextmanager
def naming(name: str, key: str) -> Iterator[None]:
    """Turn whatever is wrong with a row into one line that names its observation.

    Args:
        name: The journal's name.
        key: The observation's key.

    Raises:
        JournalError: The row can't be read.
    """
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
        reason = (str(error).splitlines() or [""])[0][:200]
        raise JournalError(f"{name}: {key} can't be restored: {type(error).__name__}: {reason}") from error
    except sa.exc.DBAPIError as error:
        if "UTF-8" not in str(error.orig):
            raise
        raise JournalError(f"{name}: {key} can't be restored: its text is not UTF-8") from error
