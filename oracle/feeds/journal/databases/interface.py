"""The interface of a database that a journal can be in."""

from __future__ import annotations

from typing import Protocol

import sqlalchemy as sa

from oracle.core.errors import OracleError

__all__ = ["RENEWALS", "Database"]

RENEWALS = 4
"""The number of times that a lease is renewed, or a sign of life given, within a lease's time: a few may fail."""


class Database(Protocol):
    """A database that a journal can be in."""

    @property
    def name(self) -> str:
        """The database's name for messages, without a password."""

    @property
    def leases(self) -> bool:
        """True if a leader has to renew a lease in the table `leader`; if False, `claim` alone decides who leads."""

    @property
    def errors(self) -> tuple[type[Exception], ...]:
        """The driver's own errors, where SQLAlchemy lets them through."""

    def prepare(self, *, read_only: bool) -> None:
        """Do what comes before the first connection.

        Raises:
            JournalError: There is no journal to read, or it can't be made.
        """

    def claim(self, lease_s: float) -> bool:
        """Keep other daemons off, where that needs no connection. Return True if that went well."""

    def is_silent(self) -> bool:
        """Return True if the daemon that keeps others off has given no sign of life for its lease's time."""

    def depose(self, lease_s: float) -> bool:
        """Take the place of a leader that is silent, if it still is. Called in a transaction, so that only one does."""

    def release(self) -> None:
        """Stop to keep others off; may be called more than once."""

    def engine(self, *, read_only: bool) -> sa.Engine:
        """Return the engine that connects to it."""
        ...

    def explain(self, error: Exception) -> OracleError:
        """Return what a foreign error means, in one line."""
        ...
