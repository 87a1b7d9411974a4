"""The readings documents that this node's reporter signed, in the journal's database.

A document is on the disk before its hash is signed. One document may be in several signatures: when a report is parted,
its observations are signed again in another composition, with the documents that they have.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence
from typing import NamedTuple

import sqlalchemy as sa

from oracle.core.formats import from_hex
from oracle.core.report import NO_READINGS
from oracle.core.types import SECONDS_A_DAY
from oracle.feeds.journal import schema
from oracle.feeds.journal.store import Store
from oracle.sources.readings import ReadingsDocument

__all__ = ["ReadingsArchive", "keep_documents", "keep_signed"]

_DROPPED_AT_ONCE = 500

_documents = schema.network.readings
_signed = schema.network.signed_readings


def keep_documents(connection: sa.Connection, documents: Collection[ReadingsDocument], at: float) -> list[bytes]:
    """Write documents down, but for answers that have one already, in a transaction of the caller.

    Args:
        connection: A connection in a transaction that writes.
        documents: The documents.
        at: Unix seconds.

    Returns:
        For each document the hash to sign: its own, or that of the document that the answer has already.
    """
    known: dict[_AnsweredFor, bytes] = {}
    for reporter, observed_at in {(each.reporter, each.observed_at) for each in documents}:
        known |= _known(connection, reporter, observed_at)
    hashes, new = [], []
    for each in documents:
        answer = _AnsweredFor(each.reporter, each.observed_at, each.feed_id, each.answer)
        found = known.get(answer)
        if found is None:
            found = known[answer] = each.hash
            new.append(
                {
                    "hash": found,
                    "reporter": from_hex(each.reporter),
                    "feed_id": each.feed_id,
                    "observed_at": each.observed_at,
                    "answer": str(each.answer),
                    "document": each.encode(),
                    "at": at,
                }
            )
        hashes.append(found)
    if new:
        connection.execute(_documents.insert(), new)
    return hashes


def keep_signed(connection: sa.Connection, signed: bytes, hashes: Sequence[bytes], at: float) -> None:
    """Write down which documents a signature stands for, in a transaction of the caller. Again is the same as once.

    Args:
        connection: A connection in a transaction that writes.
        signed: The readings hash of the signature.
        hashes: The hash of each feed's document, in the order of the report; `NO_READINGS` for a feed without one.
        at: Unix seconds.
    """
    if connection.scalar(sa.select(_signed.c.signed).where(_signed.c.signed == signed).limit(1)) is None:
        rows = [
            {"signed": signed, "position": position, "hash": each, "at": at} for position, each in enumerate(hashes)
        ]
        connection.execute(_signed.insert(), rows)


class ReadingsArchive:
    """The documents of a node, for its reporter and for whoever asks. Its methods may be called from several threads.

    Args:
        store: The journal's database.
        now: Unix seconds.
    """

    def __init__(self, store: Store, now: Callable[[], float] = time.time) -> None:
        """Use the tables in a journal's database."""
        self._store = store
        self._now = now

    def keep(self, documents: Sequence[ReadingsDocument]) -> None:
        """Write documents down, but for answers that have one already.

        Raises:
            JournalError, JournalUnavailable: They can't be written.
        """
        if documents:
            with self._store.transaction() as connection:
                keep_documents(connection, documents, self._now())

    def hashes(self, reporter: str, observed_at: int, answers: Sequence[tuple[bytes, int]]) -> list[bytes]:
        """Return the hash of the document behind each of a reporter's answers; `NO_READINGS` where there is none.

        Args:
            reporter: The reporter's address.
            observed_at: The time of all answers.
            answers: Id and answer of each feed.
        """
        with self._store.transaction(read=True) as connection:
            known = _known(connection, reporter, observed_at)
        at = (reporter.lower(), observed_at)
        return [known.get(_AnsweredFor(*at, feed_id, answer), NO_READINGS) for feed_id, answer in answers]

    def sign(self, signed: bytes, hashes: Sequence[bytes]) -> None:
        """Write down which documents a signature stands for, before it leaves. See `keep_signed`.

        Raises:
            JournalError, JournalUnavailable: It can't be written.
        """
        with self._store.transaction() as connection:
            keep_signed(connection, signed, hashes, self._now())

    def find(self, wanted: bytes) -> bytes | None:
        """Return what is served for a hash, as JSON; None if it is not known, or not kept any more.

        For the readings hash of a signature this is an object with `feeds`: the document of each feed in the order of
        the report, null for a feed without one. For the hash of a document it is the document.
        """
        with self._store.transaction(read=True) as connection:
            query = sa.select(_signed.c.hash).where(_signed.c.signed == wanted).order_by(_signed.c.position)
            hashes = [bytes(each) for each in connection.scalars(query)]
            wanting = {each for each in hashes if each != NO_READINGS} if hashes else {wanted}
            rows = connection.execute(sa.select(_documents).where(_documents.c.hash.in_(wanting)))
            found = {bytes(row.hash): bytes(row.document) for row in rows}
        if not hashes:
            return found.get(wanted)
        if len(found) < len(wanting):
            return None
        return b'{"feeds":[' + b",".join(found.get(each, b"null") for each in hashes) + b"]}"

    def prune(self, keep_days: float) -> int:
        """Drop some of what is older than so many days; call it again until it finds nothing.

        Returns:
            The number of rows that were dropped.
        """
        before, dropped = self._now() - keep_days * SECONDS_A_DAY, 0
        with self._store.transaction() as connection:
            for table, key in ((_signed, _signed.c.signed), (_documents, _documents.c.hash)):
                old = sa.select(key).where(table.c.at < before).limit(_DROPPED_AT_ONCE)
                dropped += connection.execute(table.delete().where(key.in_(old.scalar_subquery()))).rowcount
        return dropped


class _AnsweredFor(NamedTuple):
    """One reporter's answer for one feed at one time."""

    reporter: str
    observed_at: int
    feed_id: bytes
    answer: int


def _known(connection: sa.Connection, reporter: str, observed_at: int) -> dict[_AnsweredFor, bytes]:
    """Return the hashes of the documents behind all answers of a reporter at one time."""
    columns = _documents.c
    query = sa.select(columns.feed_id, columns.answer, columns.hash).where(
        columns.observed_at == observed_at, columns.reporter == from_hex(reporter)
    )
    at = (reporter.lower(), observed_at)
    return {
        _AnsweredFor(*at, bytes(row.feed_id), int(row.answer)): bytes(row.hash)
        for row in connection.execute(query).all()
    }
