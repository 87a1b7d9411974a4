"""The record of an audit: what it verified and fetched so far, in a file, so that an interrupted audit goes on from it.

Each entry is known by a hash of all that it depends on: a proof by its circuit, its instances and its bytes, a
transaction and a block by their own hashes. So an entry is right whenever it is found again. Only what holds is kept: a
proof that failed, or could not be checked, is verified again, and its transaction is fetched again.

The file is its owner's own claim, as a report is. Who can write it can make the next audit believe a proof.
"""

from __future__ import annotations

import hashlib
import json
import os
import sqlite3
import time
from collections.abc import Iterable, Sequence
from dataclasses import fields
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Self

from oracle.chain.transport.answers import Transaction
from oracle.core.documents import parse_json
from oracle.core.errors import DataError
from oracle.core.formats import from_hex, to_hex
from oracle.core.version import __version__
from oracle.proving.engine.version import ezkl_version

__all__ = ["AuditRecord"]

_APPLICATION = 0x5A4B4155
"""Marks the file as a record of an audit: SQLite's `application_id`."""

_FORMAT = 1

_COMMIT_S = 1.0
"""Seconds of work that an audit may lose when it is killed."""


class _Kept(IntEnum):
    PROOF = 1
    TRANSACTION = 2
    BLOCK_TIME = 3
    CALLS = 4


class AuditRecord:
    """The record of one hub's audits. Use it as a context manager, which closes the file.

    Args:
        path: The file, which is made if there is none; None keeps nothing.
        chain_id: The hub's chain.
        hub: Its address.

    Attributes:
        note: The reason why an earlier content was not used; empty if it was.

    Raises:
        DataError: The file is of another hub, or no record, or can't be used.
    """

    def __init__(self, path: Path | None, chain_id: int, hub: str) -> None:
        self.note = ""
        self._path = path
        self._database: sqlite3.Connection | None = None
        self._began = time.monotonic()
        if path is not None:
            self._database = self._open(path, {"chain": str(chain_id), "hub": hub.lower()})

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def close(self) -> None:
        """Write what is not written yet, and close the file."""
        if self._database is not None:
            database, self._database = self._database, None
            try:
                database.commit()
            except sqlite3.Error as error:
                raise self._unusable(error) from error
            finally:
                database.close()

    def is_verified(self, key: bytes) -> bool:
        """Return True if the proof with this key was verified."""
        return self._recalled(_Kept.PROOF, key) is not None

    def keep_verified(self, key: bytes) -> None:
        """Keep that the proof with this key was verified."""
        self._keep(_Kept.PROOF, key, b"")

    def transaction(self, tx_hash: bytes) -> Transaction | None:
        """Return a transaction that was fetched; None if it was not."""
        found = self._recalled(_Kept.TRANSACTION, tx_hash)
        if found is None:
            return None
        try:
            document = parse_json(found)
            names = [each.name for each in fields(Transaction) if each.type == "bytes"]
            return Transaction(**(document | {name: from_hex(document[name]) for name in names}))
        except (AttributeError, KeyError, TypeError, ValueError):
            return None  # damaged: it is fetched again

    def keep_transaction(self, tx_hash: bytes, transaction: Transaction) -> None:
        """Keep a mined transaction."""
        if self._database is None:
            return
        values = ((each.name, getattr(transaction, each.name)) for each in fields(transaction))
        document = {name: to_hex(value) if isinstance(value, bytes) else value for name, value in values}
        self._keep(_Kept.TRANSACTION, tx_hash, json.dumps(document).encode())

    def calls(self, tx_hash: bytes) -> list[bytes] | None:
        """Return the submissions that were found in a transaction's trace; None if it was not traced."""
        found = self._recalled(_Kept.CALLS, tx_hash)
        if found is None:
            return None
        try:
            return [from_hex(each) for each in parse_json(found)]
        except (AttributeError, TypeError, ValueError):
            return None

    def keep_calls(self, tx_hash: bytes, calls: Sequence[bytes]) -> None:
        """Keep the calldata of the submissions in a transaction's trace."""
        self._keep(_Kept.CALLS, tx_hash, json.dumps([to_hex(each) for each in calls]).encode())

    def block_time(self, block_hash: bytes) -> int | None:
        """Return the time of a block that was fetched, unix seconds; None if it was not."""
        found = self._recalled(_Kept.BLOCK_TIME, block_hash)
        return None if found is None or len(found) != 32 else int.from_bytes(found)

    def keep_block_time(self, block_hash: bytes, timestamp: int) -> None:
        """Keep a block's time."""
        self._keep(_Kept.BLOCK_TIME, block_hash, timestamp.to_bytes(32))

    def forget(self, tx_hashes: Iterable[bytes]) -> None:
        """Forget what was fetched for some transactions, because a report in them does not hold or can't be checked.

        A node that lied, or one that had less than another, must not decide about later audits. Block times are
        forgotten with it: it is not known which of them are concerned.
        """
        wanted = [(kind, tx_hash) for tx_hash in tx_hashes for kind in (_Kept.TRANSACTION, _Kept.CALLS)]
        if self._database is None or not wanted:
            return
        try:
            self._database.executemany("DELETE FROM kept WHERE kind = ? AND key = ?", wanted)
            self._database.execute("DELETE FROM kept WHERE kind = ?", (_Kept.BLOCK_TIME,))
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    # --- details -----------------------------------------------------------------------------------------------

    def _open(self, path: Path, about: dict[str, str]) -> sqlite3.Connection:
        release = {"format": str(_FORMAT), "release": __version__, "ezkl": ezkl_version()}
        database = None
        try:
            os.close(os.open(path, os.O_RDWR | os.O_CREAT, 0o600))
            database = sqlite3.connect(path, timeout=0)
            # Of two audits with one file, the second is refused. No other file stays beside this one.
            database.execute("PRAGMA locking_mode = EXCLUSIVE")
            database.execute("PRAGMA trusted_schema = OFF")
            database.execute("PRAGMA journal_mode = DELETE")
            (mark,) = database.execute("PRAGMA application_id").fetchone()
            (tables,) = database.execute("SELECT count(*) FROM sqlite_master").fetchone()
            if tables and mark != _APPLICATION:
                raise DataError(f"{path} is no record of an audit: name another file")
            database.execute("BEGIN EXCLUSIVE")
            found = dict(database.execute("SELECT name, value FROM about")) if tables else {}
            for name, value in about.items() if found else ():
                if found.get(name) != value:
                    raise DataError(
                        f"{path} is the record of an audit of {name} {found.get(name)}, not of {name} {value}: name "
                        "another file"
                    )
            if found and (other := {name: found.get(name) for name in release if found.get(name) != release[name]}):
                told = ", ".join(f"{name} {value}" for name, value in other.items())
                self.note = f"the record in {path} is of another release ({told}): nothing of it was used"
            if found != about | release:
                database.execute("DROP TABLE IF EXISTS about")
                database.execute("DROP TABLE IF EXISTS kept")
                database.execute(f"PRAGMA application_id = {_APPLICATION}")
                database.execute("CREATE TABLE about (name TEXT PRIMARY KEY, value TEXT NOT NULL) WITHOUT ROWID")
                columns = "kind INTEGER, key BLOB, value BLOB NOT NULL, PRIMARY KEY (kind, key)"
                database.execute(f"CREATE TABLE kept ({columns}) WITHOUT ROWID")
                database.executemany("INSERT INTO about VALUES (?, ?)", (about | release).items())
            database.commit()
        except (OSError, sqlite3.Error) as error:
            if database is not None:
                database.close()
            raise self._unusable(error) from error
        except DataError:
            if database is not None:
                database.close()
            raise
        return database

    def _recalled(self, kind: _Kept, key: bytes) -> bytes | None:
        if self._database is None:
            return None
        try:
            row = self._database.execute("SELECT value FROM kept WHERE kind = ? AND key = ?", (kind, key)).fetchone()
        except sqlite3.Error as error:
            raise self._unusable(error) from error
        return None if row is None else bytes(row[0])

    def _keep(self, kind: _Kept, key: bytes, value: bytes) -> None:
        if self._database is None:
            return
        try:
            self._database.execute("INSERT OR REPLACE INTO kept VALUES (?, ?, ?)", (kind, key, value))
            if time.monotonic() - self._began >= _COMMIT_S:
                self._database.commit()
                self._began = time.monotonic()
        except sqlite3.Error as error:
            raise self._unusable(error) from error

    def _unusable(self, error: Exception) -> DataError:
        busy = getattr(error, "sqlite_errorcode", None) == sqlite3.SQLITE_BUSY
        why = "another audit is using it" if busy else getattr(error, "strerror", None) or str(error)
        remedy = "wait for it, or name another file" if busy else "name another file, in a folder that is there"
        return DataError(f"{self._path} can't be used as the record of an audit: {why}; {remedy}")


def proof_key(circuit: bytes, instances: Sequence[int], proof: bytes) -> bytes:
    """Return the key of a verified proof: a hash of all that its verification depends on.

    Args:
        circuit: A hash of the files with which it is verified.
        instances: The instances.
        proof: The proof.
    """
    digest = hashlib.sha256(b"verified proof\0" + len(circuit).to_bytes(4) + circuit + len(instances).to_bytes(4))
    for element in instances:
        digest.update(element.to_bytes(32))
    digest.update(proof)
    return digest.digest()
