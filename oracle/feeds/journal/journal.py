"""The journal of one daemon: what reports, status and the command line call."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Mapping
from dataclasses import asdict
from pathlib import Path
from types import MappingProxyType, TracebackType
from typing import Any, Self

import sqlalchemy as sa

from oracle.core.stages import KeptReport, OpenStage, Stage
from oracle.core.types import SECONDS_A_DAY, Outcome, SignedTransaction
from oracle.feeds.journal import schema
from oracle.feeds.journal.databases import Database, SqliteFile
from oracle.feeds.journal.entries import Compaction, Entry, Leader, TrailCheck
from oracle.feeds.journal.keeping import check_trail, drop_steps
from oracle.feeds.journal.leadership import LEASE_S, Leadership
from oracle.feeds.journal.reading import StageReader, in_feed
from oracle.feeds.journal.recording import StageWriter
from oracle.feeds.journal.revisions import require_revision
from oracle.feeds.journal.schema import observations, outcomes
from oracle.feeds.journal.store import Store

__all__ = ["Journal"]

_COMPACTED_AT_ONCE = 200


class Journal:
    """The journal of one daemon. It is a context manager; `close` it otherwise."""

    def __init__(
        self,
        where: Path | Database,
        *,
        read_only: bool = False,
        standby: bool = False,
        lease_s: float = LEASE_S,
        now: Callable[[], float] = time.time,
    ) -> None:
        """Open a journal, or begin one.

        Args:
            where: A file, which is made readable by its owner only, or a database.
            read_only: True to only read, which also works while a daemon writes.
            standby: True to wait if another daemon writes: `try_lead` then takes over from it.
            lease_s: Seconds for which a leader counts as alive without a sign of it.
            now: Clock of the transitions' times, unix seconds.

        Raises:
            JournalError: It can't be opened, is in use, is damaged, or was written by a newer release.
            JournalUnavailable: The database can't be reached, or is locked by another program.
        """
        self._now = now
        self._store = Store(SqliteFile(where) if isinstance(where, Path) else where, read_only=read_only)
        self._leadership = Leadership(self._store, lease_s)
        self._reader = StageReader(self._store.name)
        self._writer = StageWriter(self._store.name, self._reader, now)
        try:
            if read_only:
                require_revision(self._store)
            elif not self.try_lead() and not standby:
                self._leadership.wait_for_dead_leader()
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """The journal's name for messages: a file, or a database without its password."""
        return self._store.name

    @property
    def store(self) -> Store:
        """The journal's database, for tables that others keep in it: its fence holds for them, too."""
        return self._store

    # --- who writes ---

    @property
    def is_leader(self) -> bool:
        """True if this is the journal's only writer, as far as is known."""
        return self._leadership.is_leader

    def try_lead(self) -> bool:
        """Become the writer, unless another daemon is; the schema is brought up to date first.

        Returns:
            True if this daemon writes now.

        Raises:
            JournalError, JournalUnavailable: As when it is opened.
        """
        return self._leadership.try_lead()

    def leader(self) -> Leader:
        """Return the daemon that writes now."""
        return self._leadership.leader()

    # --- recording ---

    def record(self, *stages: Stage, superseded: Mapping[str, str] = MappingProxyType({})) -> None:
        """Journal that stages were reached: all of them, or none. With `Confirmed`, its observations have ended.

        A `Scored` begins a report: observations of one decision, which were signed together.

        A `Submitted` may be recorded again, with another transaction that takes the place of the latest.

        Args:
            stages: The stages, in the order in which they were reached.
            superseded: Why observations end as superseded at the same moment, by their keys.

        Raises:
            JournalError: A stage does not follow on what the journal has, or it can't be written.
            JournalUnavailable: It can't be written now.
        """
        with self._store.transaction() as connection:
            for stage in stages:
                self._writer.write(connection, stage)
            for key, reason in superseded.items():
                self._writer.finish(connection, [key], Outcome.SUPERSEDED, reason)

    def finish(self, keys: Collection[str], outcome: Outcome, reason: str) -> None:
        """Journal how observations ended, where no `Confirmed` says it: all of them, or none.

        Raises:
            JournalError: One has ended already or is not in the journal, or it can't be written.
            JournalUnavailable: It can't be written now.
        """
        with self._store.transaction() as connection:
            self._writer.finish(connection, keys, outcome, reason)

    def offer(self, kept: Collection[KeptReport], keys: Collection[str], reason: str) -> None:
        """Journal that observations ended, as their report is kept. It takes the place of those kept before.

        Args:
            kept: The report, for each of its feeds.
            keys: The keys of its observations.
            reason: Why nothing was sent.

        Raises:
            JournalError, JournalUnavailable: As of `finish`; then nothing is kept.
        """
        updates = schema.network.updates
        with self._store.transaction() as connection:
            self._writer.finish(connection, keys, Outcome.OFFERED, reason)
            for each in kept:
                connection.execute(updates.delete().where(updates.c.feed_id == each.feed_id))
                values = asdict(each) | {"answer": str(each.answer), "at": float(self._now())}
                connection.execute(updates.insert().values(**values))

    # --- reading ---

    def kept(self) -> list[KeptReport]:
        """Return the newest report that is kept, of each feed that has one."""
        with self._store.transaction(read=True) as connection:
            return self._reader.kept(connection)

    def outcome(self, key: str) -> Outcome | None:
        """Return how an observation ended; None if it is open, or not in the journal."""
        with self._store.transaction(read=True) as connection:
            found = connection.scalar(sa.select(outcomes.c.outcome).where(outcomes.c.key == key))
        return None if found is None else Outcome(found)

    def has(self, key: str) -> bool:
        """Return whether this observation was journalled, open or ended."""
        with self._store.transaction(read=True) as connection:
            return connection.scalar(sa.select(observations.c.id).where(observations.c.key == key)) is not None

    def unfinished(self) -> list[OpenStage]:
        """Return the furthest stage of each report that has not ended, oldest first.

        Each open observation is in one of them.
        """
        with self._store.transaction(read=True) as connection:
            return self._reader.unfinished(connection)

    def signed(self, limit: int = 1_024) -> list[SignedTransaction]:
        """Return the latest transactions that were signed, newest first, at most `limit`.

        Those of ended observations and of earlier attempts are among them: any may be mined.
        """
        with self._store.transaction(read=True) as connection:
            return self._reader.signed(connection, limit)

    def rows(self, feed: str | None = None, limit: int | None = None) -> list[Entry]:
        """Return observations, newest first.

        Args:
            feed: The feed; None: all but shadow reports, which are of feeds of their own: see `SHADOW`.
            limit: The largest number of them.
        """
        query = sa.select(observations).where(in_feed(feed)).order_by(observations.c.id.desc()).limit(limit)
        return self._entries(query)

    def page(self, feed: str, limit: int, *, older_than: Entry | None = None, since: int | None = None) -> list[Entry]:
        """Return observations of a feed in the order of their own times, newest first, a page at a time.

        Args:
            feed: The feed.
            limit: The largest number of them.
            older_than: The last one of the page before; None: begin with the newest.
            since: Unix seconds: none that was observed earlier.
        """
        query = sa.select(observations).where(observations.c.feed == feed)
        if since is not None:
            query = query.where(observations.c.observed_at >= since)
        if older_than is not None:
            place = sa.tuple_(observations.c.observed_at, observations.c.key)
            query = query.where(place < (older_than.observed_at, older_than.key))
        newest_first = (observations.c.observed_at.desc(), observations.c.key.desc())
        return self._entries(query.order_by(*newest_first).limit(limit))

    def confirmed(self, feed: str | None = None) -> list[Entry]:
        """Return observations that ended on the chain, accepted or held, oldest first. `feed` is as for `rows`."""
        on_chain = (Outcome.ACCEPTED.value, Outcome.HELD.value)
        query = (
            sa.select(observations)
            .join(outcomes, outcomes.c.key == observations.c.key)
            .where(outcomes.c.outcome.in_(on_chain), in_feed(feed))
            .order_by(observations.c.id)
        )
        return self._entries(query)

    def answers(self, feed: str) -> list[tuple[int, int]]:
        """Return all answers that reports had for a feed, due or only as a peer of others: time and answer, in order.

        A feed that never was due has none, for its name is in its own observations only.
        """
        with self._store.transaction(read=True) as connection:
            return self._reader.answers(connection, feed)

    def counts(self, feed: str | None = None) -> dict[str, int]:
        """Count the observations by outcome; the open ones as "open". `feed` is as for `rows`."""
        query = (
            sa.select(outcomes.c.outcome, sa.func.count())
            .select_from(observations)
            .outerjoin(outcomes, outcomes.c.key == observations.c.key)
            .where(in_feed(feed))
            .group_by(outcomes.c.outcome)
        )
        counted = dict.fromkeys(("open", *(outcome.value for outcome in Outcome)), 0)
        with self._store.transaction(read=True) as connection:
            for outcome, count in connection.execute(query):
                counted[outcome or "open"] = count
        return counted

    def _entries(self, query: sa.Select[Any]) -> list[Entry]:
        with self._store.transaction(read=True) as connection:
            return [self._reader.entry(connection, row) for row in connection.execute(query).all()]

    # --- keeping ---

    def check(self, expected: str | None = None) -> TrailCheck:
        """Verify the chain of hashes: each outcome, and the steps of those that were not compacted.

        Args:
            expected: A digest, in hex, that an earlier check gave: it has to be in the chain.
        """
        with self._store.transaction(read=True) as connection:
            return check_trail(connection, self._reader, expected)

    def compact(self, keep_days: float, at_once: int = _COMPACTED_AT_ONCE) -> Compaction:
        """Drop the steps of reports that ended earlier; what was observed and how it ended stays.

        Args:
            keep_days: Days since the outcome for which everything is kept.
            at_once: The most reports to drop, oldest first. Call it again until it finds none.
        """
        with self._store.transaction() as connection:
            now = self._now()
            return drop_steps(connection, now, now - keep_days * SECONDS_A_DAY, at_once)

    def vacuum(self) -> None:
        """Give space that a compaction freed back to the file system; PostgreSQL does it by itself."""
        if isinstance(self._store.database, SqliteFile):
            self._store.vacuum()

    # --- closing ---

    def close(self) -> None:
        """Close the journal; may be called more than once."""
        with self._store.lock:
            self._leadership.resign()
            self._store.close()

    def __enter__(self) -> Self:
        """Return the journal."""
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the journal."""
        self.close()
