"""Leadership: at most one of several daemons writes to the journal, however they die, sleep or are cut off."""

from __future__ import annotations

import os
import socket
import threading
import time
import uuid
from collections.abc import Callable
from contextlib import suppress

import sqlalchemy as sa

from oracle.core.errors import JournalError, OracleError
from oracle.feeds.journal.databases import RENEWALS
from oracle.feeds.journal.entries import Leader
from oracle.feeds.journal.revisions import require_revision
from oracle.feeds.journal.schema import leader as leaders
from oracle.feeds.journal.store import Store

__all__ = ["LEASE_S", "Leadership"]

LEASE_S = 6.0
"""Seconds for which a leader counts as alive without a sign of it."""

STOP_S = 10.0
"""Seconds to wait for the thread that renews a lease, when it is stopped in the middle of that."""


class Leadership:
    """One daemon's claim to be the journal's only writer. Each of its writing transactions checks its epoch."""

    def __init__(self, store: Store, lease_s: float) -> None:
        """Put the fence of the store in place: nothing is written before `try_lead` has succeeded."""
        self._store = store
        self._lease_s = lease_s
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._epoch: int | None = None
        self._lease: Lease | None = None
        store.fence = self._require_epoch

    @property
    def is_leader(self) -> bool:
        """True if this daemon is the journal's writer, as far as it knows."""
        return self._epoch is not None and self._store.lost is None

    def try_lead(self) -> bool:
        """Become the writer, unless another daemon is; the schema is brought up to date first.

        Returns:
            True if this daemon leads now.

        Raises:
            JournalError: The journal is damaged, or was written by a newer release.
            JournalUnavailable: The database can't be used now.
        """
        if self.is_leader:
            return True
        database = self._store.database
        claimed = database.claim(self._lease_s)
        if not claimed and not database.is_silent():
            return False
        try:
            require_revision(self._store)
            with self._store.transaction(fenced=False) as connection:
                if not claimed and not database.depose(self._lease_s):
                    return False
                row = connection.execute(sa.select(leaders).with_for_update()).one()
                clock = _clock(connection)
                if database.leases and row.holder and row.expires > clock:
                    return False
                epoch = int(row.epoch) + 1
                connection.execute(
                    leaders.update().values(epoch=epoch, holder=self._holder, expires=clock + self._lease_s)
                )
        except BaseException:
            database.release()
            raise
        self._epoch = epoch
        if database.leases:
            self._lease = Lease(self._store.engine, self._renew, self._was_replaced, self._lease_s / RENEWALS)
        return True

    def wait_for_dead_leader(self) -> None:
        """Take over from a leader that died without giving up its lease. One that renews its lease is alive.

        Raises:
            JournalError: Another daemon leads.
        """
        if self._store.database.leases:
            before = self._expiry()
            until = time.monotonic() + self._lease_s + 1
            while time.monotonic() < until and self._expiry() <= before:
                if self.try_lead():
                    return
                time.sleep(min(0.2, self._lease_s / 10))
        raise JournalError(
            f"{self._store.name}: is in use by another process; two daemons can't share a journal, but with "
            "`[journal] standby = true` one waits for the other's end"
        )

    def leader(self) -> Leader:
        """Return the daemon that writes now."""
        with self._store.transaction(read=True) as connection:
            row = connection.execute(sa.select(leaders)).one()
            runs = not self._store.database.leases or row.expires > _clock(connection)
        return Leader(row.holder.rpartition(":")[0] if runs else "", row.epoch)

    def resign(self) -> None:
        """Give up the lease, so that a successor need not wait until it runs out."""
        lease, self._lease = self._lease, None
        if lease is not None:
            lease.stop()
        if self.is_leader:
            mine = leaders.c.epoch == self._epoch
            self._store.execute_last(leaders.update().where(mine).values(holder="", expires=0.0))
        self._epoch = None

    def _require_epoch(self, connection: sa.Connection) -> None:
        """Require that this daemon leads. It locks the row, so nobody else can lead until this transaction ends."""
        if self._epoch is None:
            raise JournalError(f"{self._store.name}: another daemon writes to the journal; this one stands by")
        if self._store.lost is None:
            epoch = connection.scalar(sa.select(leaders.c.epoch).with_for_update())
            if epoch == self._epoch:
                return
            self._was_replaced()
        raise JournalError(self._store.lost or "")

    def _expiry(self) -> float:
        with self._store.transaction(read=True) as connection:
            return float(connection.scalar(sa.select(leaders.c.expires)) or 0)

    def _renew(self, connection: sa.Connection) -> bool:
        renewed = connection.execute(
            leaders.update().where(leaders.c.epoch == self._epoch).values(expires=_clock(connection) + self._lease_s)
        )
        return renewed.rowcount == 1

    def _was_replaced(self) -> None:
        self._store.lost = (
            f"{self._store.name}: another daemon took over while this one did not answer; it may write nothing any "
            "more and has to end (started again with `[journal] standby = true`, it stands by)"
        )


class Lease:
    """A leader's lease, renewed over a connection of its own until it is lost or given up."""

    def __init__(
        self,
        engine: sa.Engine,
        renew: Callable[[sa.Connection], bool],
        lost: Callable[[], None],
        interval: float,
    ) -> None:
        """Start the thread that renews the lease.

        Args:
            engine: Makes the connection.
            renew: Renews the lease in a transaction, and returns whether it still was this leader's.
            lost: Called once, when another daemon leads.
            interval: Seconds between two renewals.
        """
        self._engine = engine
        self._renew = renew
        self._lost = lost
        self._interval = interval
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="journal-lease", daemon=True)
        self._thread.start()

    def stop(self) -> None:
        """Stop to renew."""
        self._stop.set()
        self._thread.join(STOP_S)

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


def _clock(connection: sa.Connection) -> float:
    """Return unix seconds by the database's clock, which all daemons share."""
    if connection.dialect.name == "sqlite":
        return time.time()
    return float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())
