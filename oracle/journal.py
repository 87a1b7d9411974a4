"""The journal: every stage of every observation, on disk before the next stage begins.

    observations   one row for each: what was observed
    transitions    one row for each stage reached, in order; append-only
    replacements   one row for each transaction that was signed in the place of an attempt's first, which was stuck
    outcomes       at most one row for each: how it ended

An observation that has no outcome is open, and `unfinished` restores how far it came. It passes the stages
in order; where the chain moved under it, a new attempt begins with SCORED, and the old one stays readable.
The database itself refuses a second outcome, and anything after an outcome.

Each call is one transaction, written through to the disk (`synchronous=FULL`) before it returns. Calls are
fast (milliseconds) and serialised; they may come from several threads.
"""

from __future__ import annotations

import json
import os
import sqlite3
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import filelock
import sqlalchemy as sa

from oracle.errors import JournalError
from oracle.types import (
    Confirmed,
    Observed,
    OpenStage,
    Outcome,
    Proven,
    Scored,
    SignedObservation,
    SignedTransaction,
    Stage,
    Submitted,
)

__all__ = ["SCHEMA_VERSION", "Entry", "Journal", "StageName"]

SCHEMA_VERSION = 2
BUSY_TIMEOUT_S = 5.0


class StageName(IntEnum):
    """The stages in their order, as they are stored."""

    OBSERVED = 1
    SCORED = 2
    PROVEN = 3
    SUBMITTED = 4
    CONFIRMED = 5


_STAGES: dict[type, StageName] = {
    Observed: StageName.OBSERVED,
    Scored: StageName.SCORED,
    Proven: StageName.PROVEN,
    Submitted: StageName.SUBMITTED,
    Confirmed: StageName.CONFIRMED,
}

_metadata = sa.MetaData()

_schema = sa.Table("schema_version", _metadata, sa.Column("version", sa.Integer, nullable=False))

_observations = sa.Table(
    "observations",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("feed", sa.Text, nullable=False, index=True),
    sa.Column("feed_id", sa.LargeBinary, nullable=False),
    # An int128 does not fit SQLite's integers.
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("observed_at", sa.Integer, nullable=False),
)

_transitions = sa.Table(
    "transitions",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, sa.ForeignKey("observations.key"), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("stage", sa.Integer, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("blob", sa.LargeBinary),
    sa.UniqueConstraint("key", "attempt", "stage"),
)

_replacements = sa.Table(
    "replacements",
    _metadata,
    sa.Column("id", sa.Integer, primary_key=True),
    sa.Column("key", sa.Text, sa.ForeignKey("observations.key"), nullable=False),
    sa.Column("attempt", sa.Integer, nullable=False),
    sa.Column("number", sa.Integer, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("tx_hash", sa.LargeBinary, nullable=False),
    sa.Column("nonce", sa.Integer, nullable=False),
    sa.Column("raw", sa.LargeBinary, nullable=False),
    sa.UniqueConstraint("key", "attempt", "number"),
)

_outcomes = sa.Table(
    "outcomes",
    _metadata,
    sa.Column("key", sa.Text, sa.ForeignKey("observations.key"), primary_key=True),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", sa.Float, nullable=False),
    sa.Column("tx_hash", sa.LargeBinary),
    sa.Column("block_number", sa.Integer),
    sa.Column("gas_used", sa.Integer),
    sa.CheckConstraint(f"outcome IN ({', '.join(repr(outcome.value) for outcome in Outcome)})"),
)

_APPEND_ONLY = ("observations", "transitions", "outcomes", "replacements")

_TRIGGERS: dict[str, tuple[str, ...]] = {
    table: tuple(
        f"""CREATE TRIGGER no_{action.lower()}_of_{table} BEFORE {action} ON {table}
            BEGIN SELECT RAISE(ABORT, 'the journal is append-only'); END"""
        for action in ("UPDATE", "DELETE")
    )
    for table in _APPEND_ONLY
}
for _table, _name in (("transitions", "nothing"), ("replacements", "no_replacement")):
    _TRIGGERS[_table] += (
        f"""CREATE TRIGGER {_name}_after_an_outcome BEFORE INSERT ON {_table}
            WHEN EXISTS (SELECT 1 FROM outcomes WHERE key = NEW.key)
            BEGIN SELECT RAISE(ABORT, 'the observation has ended'); END""",
    )


@dataclass(frozen=True, slots=True)
class Entry:
    """One observation as the journal has it, for reports.

    Attributes:
        answer: In answer units.
        observed_at: Unix seconds, of the observation itself.
        stage: The furthest stage of the latest attempt.
        attempts: How often a statement was derived for it.
        recorded_at: When it was journalled, unix seconds.
        outcome: None while it is open.
        finished_at: When the outcome was journalled, unix seconds.
        round_id: The round that the latest attempt was signed for.
        scores: Of the latest attempt.
    """

    key: str
    feed: str
    feed_id: bytes
    answer: int
    observed_at: int
    stage: StageName
    attempts: int
    recorded_at: float
    outcome: Outcome | None
    reason: str
    finished_at: float | None
    round_id: int | None
    scores: tuple[int, ...]
    prove_seconds: float | None
    tx_hash: bytes | None
    block_number: int | None
    gas_used: int | None

    @property
    def latency(self) -> float | None:
        """Seconds from observation to outcome, by this machine's clock; None while it is open."""
        return None if self.finished_at is None else self.finished_at - self.recorded_at


@dataclass(frozen=True, slots=True)
class _Latest:
    attempt: int
    stage: StageName


class Journal:
    """The journal of one daemon. A context manager; `close` it otherwise."""

    def __init__(self, path: Path, *, read_only: bool = False, now: Callable[[], float] = time.time) -> None:
        """Open a journal, or begin one.

        Args:
            path: Of the database. Its file is readable by its owner only.
            read_only: Only look: also while a daemon writes to it.
            now: Clock of the transitions' times, unix seconds.

        Raises:
            JournalError: It can't be opened, is in use, is damaged, or was written by a newer release.
        """
        self._path = path
        self._now = now
        self._lock = threading.RLock()
        self._process_lock: filelock.BaseFileLock | None = None
        self._connection: sa.Connection | None = None
        self._engine = sa.create_engine("sqlite://", creator=self._connect, poolclass=sa.NullPool)
        sa.event.listen(self._engine, "begin", self._begin)
        self._read_only = read_only
        try:
            if read_only and not path.exists():
                raise JournalError(f"{path}: there is no journal; `oracle run` begins one")
            if not read_only:
                self._prepare_file()
            with self._errors():
                self._connection = self._engine.connect()
                self._check_schema()
        except BaseException:
            self.close()
            raise

    # --- the way of an observation ---

    def record(self, *stages: Stage) -> None:
        """Journal that stages were reached: all of them, or none. With `Confirmed`, an observation has ended.

        Raises:
            JournalError: A stage does not follow on what the journal has, or it can't be written.
        """
        with self._transaction() as connection:
            for stage in stages:
                self._record(connection, stage)

    def _record(self, connection: sa.Connection, stage: Stage) -> None:
        name = _STAGES[type(stage)]
        key = stage.observed.key
        data, blob = _dump(stage)
        latest = self._latest(connection, key)
        attempt = self._next_attempt(connection, latest, stage, name)
        if isinstance(stage, Submitted) and stage.replaced:
            self._replace(connection, attempt, stage)
            return
        if isinstance(stage, Observed):
            connection.execute(
                _observations.insert().values(
                    key=key,
                    feed=stage.feed,
                    feed_id=stage.feed_id,
                    answer=str(stage.answer),
                    observed_at=stage.observed_at,
                )
            )
        connection.execute(
            _transitions.insert().values(
                key=key, attempt=attempt, stage=int(name), at=self._now(), data=data, blob=blob
            )
        )
        if isinstance(stage, Confirmed):
            self._end(
                connection,
                key,
                stage.outcome,
                "",
                stage.tx_hash,
                stage.block_number,
                stage.gas_used,
            )

    def finish(
        self,
        key: str,
        outcome: Outcome,
        reason: str,
        *,
        tx_hash: bytes | None = None,
        block_number: int | None = None,
        gas_used: int | None = None,
    ) -> None:
        """Journal how an observation ended, where no `Confirmed` says it.

        Raises:
            JournalError: It has ended already, is not in the journal, or it can't be written.
        """
        with self._transaction() as connection:
            if self._latest(connection, key) is None:
                raise JournalError(f"{self._path}: {key} is not in the journal, so it can't end")
            self._end(connection, key, outcome, reason, tx_hash, block_number, gas_used)

    # --- reading ---

    def has(self, key: str) -> bool:
        """Whether this observation was journalled, open or ended."""
        with self._transaction(read=True) as connection:
            return self._latest(connection, key) is not None

    def unfinished(self) -> list[OpenStage]:
        """The furthest stage of each open observation, oldest first."""
        with self._transaction(read=True) as connection:
            keys = connection.scalars(
                sa.select(_observations.c.key)
                .outerjoin(_outcomes, _outcomes.c.key == _observations.c.key)
                .where(_outcomes.c.key.is_(None))
                .order_by(_observations.c.id)
            ).all()
            return [self._restore(connection, key) for key in keys]

    def signed(self, limit: int = 512) -> list[SignedTransaction]:
        """The latest transactions that were signed, those of ended observations and earlier attempts included.

        Args:
            limit: At most so many first ones, and so many replacements.
        """
        first = (
            sa.select(_transitions.c.data, _transitions.c.blob)
            .where(_transitions.c.stage == int(StageName.SUBMITTED))
            .order_by(_transitions.c.id.desc())
            .limit(limit)
        )
        later = sa.select(_replacements).order_by(_replacements.c.id.desc()).limit(limit)
        with self._transaction(read=True) as connection, self._restoring("a signed transaction"):
            found = [
                SignedTransaction(bytes.fromhex(data["tx_hash"]), row.blob, data["nonce"])
                for row in connection.execute(first)
                for data in [json.loads(row.data)]
            ]
            found += [SignedTransaction(row.tx_hash, row.raw, row.nonce) for row in connection.execute(later)]
        return found

    def rows(self, feed: str | None = None, limit: int | None = None) -> list[Entry]:
        """Observations, newest first.

        Args:
            feed: Of this feed only.
            limit: At most so many.
        """
        query = sa.select(_observations).order_by(_observations.c.id.desc()).limit(limit)
        if feed is not None:
            query = query.where(_observations.c.feed == feed)
        return self._entries(query)

    def confirmed(self, feed: str | None = None) -> list[Entry]:
        """Observations that ended on the chain, accepted or held, oldest first."""
        on_chain = (Outcome.ACCEPTED.value, Outcome.HELD.value)
        query = (
            sa.select(_observations)
            .join(_outcomes, _outcomes.c.key == _observations.c.key)
            .where(_outcomes.c.outcome.in_(on_chain))
            .order_by(_observations.c.id)
        )
        if feed is not None:
            query = query.where(_observations.c.feed == feed)
        return self._entries(query)

    def counts(self, feed: str | None = None) -> dict[str, int]:
        """How many observations there are, by outcome; the open ones as "open"."""
        query = (
            sa.select(_outcomes.c.outcome, sa.func.count())
            .select_from(_observations)
            .outerjoin(_outcomes, _outcomes.c.key == _observations.c.key)
            .group_by(_outcomes.c.outcome)
        )
        if feed is not None:
            query = query.where(_observations.c.feed == feed)
        counted = dict.fromkeys(("open", *(outcome.value for outcome in Outcome)), 0)
        with self._transaction(read=True) as connection:
            for outcome, count in connection.execute(query):
                counted[outcome or "open"] = count
        return counted

    def close(self) -> None:
        """Close the journal; may be called more than once."""
        with self._lock:
            connection, self._connection = self._connection, None
            if connection is not None:
                try:
                    connection.close()
                except sa.exc.SQLAlchemyError:
                    pass  # whatever was committed is on the disk; there is nothing more to lose
            self._engine.dispose()
            if self._process_lock is not None:
                self._process_lock.release()
                self._process_lock = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    # --- transitions ---

    def _latest(self, connection: sa.Connection, key: str) -> _Latest | None:
        row = connection.execute(
            sa.select(_transitions.c.attempt, _transitions.c.stage)
            .where(_transitions.c.key == key)
            .order_by(_transitions.c.id.desc())
            .limit(1)
        ).first()
        return None if row is None else _Latest(row.attempt, StageName(row.stage))

    def _next_attempt(self, connection: sa.Connection, latest: _Latest | None, stage: Stage, name: StageName) -> int:
        """The attempt that a stage belongs to, if it follows on what there is."""
        key = stage.observed.key
        if latest is None:
            if name is not StageName.OBSERVED:
                raise JournalError(f"{self._path}: {key} comes as {name.name}, but was never journalled as OBSERVED")
            return 1
        if name is StageName.OBSERVED:
            raise JournalError(f"{self._path}: {key} is in the journal already; an observation is reported once")
        self._refuse_ended(connection, key)
        if name is StageName.SCORED:
            if stage.observed != self._load(connection, key, latest.attempt, StageName.OBSERVED):
                raise JournalError(f"{self._path}: {key} comes as SCORED with another answer than was OBSERVED")
            return latest.attempt if latest.stage is StageName.OBSERVED else latest.attempt + 1
        if isinstance(stage, Submitted) and stage.replaced:
            self._refuse_other_replacement(connection, latest, stage)
            return latest.attempt
        if name != latest.stage + 1:
            raise JournalError(
                f"{self._path}: {key} comes as {name.name}, but is {latest.stage.name}; stages go one by one"
            )
        if _previous(stage) != self._load(connection, key, latest.attempt, latest.stage):
            raise JournalError(
                f"{self._path}: {key} comes as {name.name} of another {latest.stage.name} than was journalled"
            )
        return latest.attempt

    def _refuse_other_replacement(self, connection: sa.Connection, latest: _Latest, stage: Submitted) -> None:
        """A replacement takes the place of the latest transaction, for the same proof and with the same nonce."""
        key = stage.observed.key
        before = self._load(connection, key, latest.attempt, latest.stage)
        if not isinstance(before, Submitted):
            raise JournalError(f"{self._path}: {key} comes with a replacement, but is {latest.stage.name}")
        if (stage.proven, stage.nonce, stage.replaced) != (before.proven, before.nonce, before.hashes):
            raise JournalError(
                f"{self._path}: {key} comes with a replacement of another transaction than was journalled"
            )

    def _replace(self, connection: sa.Connection, attempt: int, stage: Submitted) -> None:
        connection.execute(
            _replacements.insert().values(
                key=stage.observed.key,
                attempt=attempt,
                number=len(stage.replaced),
                at=self._now(),
                tx_hash=stage.tx_hash,
                nonce=stage.nonce,
                raw=stage.raw_transaction,
            )
        )

    def _refuse_ended(self, connection: sa.Connection, key: str) -> None:
        ended = connection.scalar(sa.select(_outcomes.c.outcome).where(_outcomes.c.key == key))
        if ended is not None:
            raise JournalError(f"{self._path}: {key} has ended as {ended}; an observation ends once")

    def _end(
        self,
        connection: sa.Connection,
        key: str,
        outcome: Outcome,
        reason: str,
        tx_hash: bytes | None,
        block_number: int | None,
        gas_used: int | None,
    ) -> None:
        self._refuse_ended(connection, key)
        connection.execute(
            _outcomes.insert().values(
                key=key,
                outcome=outcome.value,
                reason=reason,
                at=self._now(),
                tx_hash=tx_hash,
                block_number=block_number,
                gas_used=gas_used,
            )
        )

    # --- restoring ---

    def _restore(self, connection: sa.Connection, key: str) -> OpenStage:
        latest = self._latest(connection, key)
        assert latest is not None  # an observation is written together with its first transition
        return self._load(connection, key, latest.attempt, latest.stage)

    def _load(self, connection: sa.Connection, key: str, attempt: int, furthest: StageName) -> OpenStage:
        observation = connection.execute(sa.select(_observations).where(_observations.c.key == key)).one()
        rows = connection.execute(
            sa.select(_transitions)
            .where(
                _transitions.c.key == key,
                _transitions.c.attempt == attempt,
                _transitions.c.stage <= int(furthest),
            )
            .order_by(_transitions.c.stage)
        ).all()
        stage: OpenStage = Observed(
            observation.feed, observation.feed_id, int(observation.answer), observation.observed_at
        )
        with self._restoring(key):
            for row in rows:
                stage = _follow(stage, StageName(row.stage), json.loads(row.data), row.blob)
        if isinstance(stage, Submitted):
            replacements = connection.execute(
                sa.select(_replacements)
                .where(_replacements.c.key == key, _replacements.c.attempt == attempt)
                .order_by(_replacements.c.number)
            )
            for row in replacements.all():
                stage = stage.replaced_by(SignedTransaction(row.tx_hash, row.raw, row.nonce))
        return stage

    @contextmanager
    def _restoring(self, what: str) -> Iterator[None]:
        try:
            yield
        except (AttributeError, KeyError, TypeError, ValueError) as error:
            raise JournalError(f"{self._path}: {what} can't be restored: {error!r}") from error

    def _entries(self, query: sa.Select[Any]) -> list[Entry]:
        with self._transaction(read=True) as connection:
            return [self._entry(connection, row) for row in connection.execute(query).all()]

    def _entry(self, connection: sa.Connection, row: sa.Row[Any]) -> Entry:
        transitions = connection.execute(
            sa.select(_transitions.c.attempt, _transitions.c.stage, _transitions.c.at, _transitions.c.data)
            .where(_transitions.c.key == row.key)
            .order_by(_transitions.c.id)
        ).all()
        outcome = connection.execute(sa.select(_outcomes).where(_outcomes.c.key == row.key)).first()
        last = transitions[-1]
        data: dict[str, Any] = {}
        for transition in transitions:
            if transition.attempt == last.attempt:
                data |= json.loads(transition.data)
        tx_hash = bytes.fromhex(data["tx_hash"]) if "tx_hash" in data else None
        replaced = connection.scalar(
            sa.select(_replacements.c.tx_hash)
            .where(_replacements.c.key == row.key, _replacements.c.attempt == last.attempt)
            .order_by(_replacements.c.number.desc())
            .limit(1)
        )
        tx_hash = replaced or tx_hash
        return Entry(
            key=row.key,
            feed=row.feed,
            feed_id=row.feed_id,
            answer=int(row.answer),
            observed_at=row.observed_at,
            stage=StageName(last.stage),
            attempts=last.attempt,
            recorded_at=transitions[0].at,
            outcome=None if outcome is None else Outcome(outcome.outcome),
            reason="" if outcome is None else outcome.reason,
            finished_at=None if outcome is None else outcome.at,
            round_id=data.get("round_id"),
            scores=tuple(int(score) for score in data.get("scores", ())),
            prove_seconds=data.get("prove_seconds"),
            tx_hash=tx_hash if outcome is None or outcome.tx_hash is None else outcome.tx_hash,
            block_number=None if outcome is None else outcome.block_number,
            gas_used=None if outcome is None else outcome.gas_used,
        )

    # --- the file ---

    def _prepare_file(self) -> None:
        """Make the file, readable by its owner only, and keep other daemons off it."""
        try:
            self._path.parent.mkdir(parents=True, exist_ok=True)
            # SQLite gives its side files the mode of the main one.
            os.close(os.open(self._path, os.O_RDWR | os.O_CREAT, 0o600))
            self._path.chmod(0o600)
            lock = filelock.FileLock(f"{self._path}.lock", timeout=0, mode=0o600)
            lock.acquire()
            self._process_lock = lock
        except filelock.Timeout:
            raise JournalError(
                f"{self._path}: is in use by another process; two daemons can't share a journal"
            ) from None
        except OSError as error:
            raise JournalError(f"{self._path}: can't be opened for writing: {error.strerror or error}") from error

    def _connect(self) -> sqlite3.Connection:
        mode = "ro" if self._read_only else "rw"
        connection = sqlite3.connect(
            f"{self._path.resolve().as_uri()}?mode={mode}",
            uri=True,
            timeout=BUSY_TIMEOUT_S,
            isolation_level=None,  # transactions are begun and ended here, not guessed by the driver
            check_same_thread=False,  # a lock serialises all use
        )
        try:
            connection.execute("PRAGMA foreign_keys=ON")
            if not self._read_only:
                connection.execute("PRAGMA journal_mode=WAL")
                connection.execute("PRAGMA synchronous=FULL")
        except BaseException:
            connection.close()
            raise
        return connection

    @staticmethod
    def _begin(connection: sa.Connection) -> None:
        # A writer takes its lock at once: one that reads first could find later that it may not write.
        reads = connection.get_execution_options().get("reads", False)
        connection.exec_driver_sql("BEGIN" if reads else "BEGIN IMMEDIATE")

    def _check_schema(self) -> None:
        if not self._read_only:
            with self._transaction() as connection:
                tables = set(sa.inspect(connection).get_table_names())
                if not tables or tables == set(_metadata.tables) - {_replacements.name}:
                    # Begun; or of version 1, which had no replacements.
                    _metadata.create_all(connection)
                    for name in set(_metadata.tables) - tables:
                        for trigger in _TRIGGERS.get(name, ()):
                            connection.exec_driver_sql(trigger)
                    connection.execute(_schema.delete())
                    connection.execute(_schema.insert().values(version=SCHEMA_VERSION))
        with self._transaction(read=True) as connection:
            tables = set(sa.inspect(connection).get_table_names())
            if not set(_metadata.tables) <= tables:
                old = tables == set(_metadata.tables) - {_replacements.name}
                raise JournalError(
                    f"{self._path}: was begun by an earlier release; start the daemon once, which adds what is new"
                    if old
                    else f"{self._path}: is a database, but no journal of this program; use another path"
                )
            version = connection.scalar(sa.select(_schema.c.version))
        if version is None or version > SCHEMA_VERSION:
            raise JournalError(
                f"{self._path}: has schema version {version}, this release knows {SCHEMA_VERSION}; "
                "use the release that wrote it, or a newer one"
            )

    @contextmanager
    def _transaction(self, *, read: bool = False) -> Iterator[sa.Connection]:
        with self._lock, self._errors():
            connection = self._connection
            if connection is None:
                raise JournalError(f"{self._path}: the journal is closed")
            if self._read_only and not read:
                raise JournalError(f"{self._path}: the journal was opened for reading only")
            connection.execution_options(reads=read)
            with connection.begin():
                yield connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Where the database's errors end: each becomes one line."""
        try:
            yield
        except (sa.exc.DBAPIError, sqlite3.Error) as error:
            cause = error.orig if isinstance(error, sa.exc.DBAPIError) else error
            raise JournalError(f"{self._path}: {_explain(str(cause))}") from error


def _explain(reason: str) -> str:
    lowered = reason.lower()
    if "locked" in lowered:
        return f"is locked by another program ({reason}); close it and start again"
    if "full" in lowered:
        return f"can't be written: {reason}; free some space and start again, nothing is lost"
    if "readonly" in lowered or "read-only" in lowered:
        return f"can't be written: {reason}; check the permissions of the file and its folder"
    if "not a database" in lowered or "malformed" in lowered:
        return (
            f"is damaged or no journal ({reason}); move it away and start with a new one: "
            "the chain has every report that was accepted or held"
        )
    if "unable to open" in lowered:
        return f"can't be opened: {reason}; check the path and its permissions"
    return f"can't be used: {reason}"


# --- stages to rows and back ---


def _dump(stage: Stage) -> tuple[str, bytes | None]:
    """What a stage adds to the one before it; large integers as strings, large bytes as a blob."""
    data: dict[str, Any]
    blob: bytes | None = None
    if isinstance(stage, Observed):
        data = {}
    elif isinstance(stage, Scored):
        data = {
            "round_id": stage.round_id,
            "model_number": stage.model_number,
            "features": list(stage.features),
            "scores": [str(score) for score in stage.scores],
            "signed": [
                {
                    "answer": str(signed.answer),
                    "observed_at": signed.observed_at,
                    "v": signed.v,
                    "r": signed.r.hex(),
                    "s": signed.s.hex(),
                }
                for signed in stage.signed
            ],
        }
    elif isinstance(stage, Proven):
        data = {"artifact_hash": stage.artifact_hash, "prove_seconds": stage.prove_seconds}
        if stage.batch:
            data["batch"] = list(stage.batch)
        blob = stage.proof
    elif isinstance(stage, Submitted):
        data = {"tx_hash": stage.tx_hash.hex(), "nonce": stage.nonce}
        blob = stage.raw_transaction
    else:
        data = {"confirmed_at": stage.confirmed_at}
    return json.dumps(data, allow_nan=False), blob


def _follow(stage: OpenStage, name: StageName, data: dict[str, Any], blob: bytes | None) -> OpenStage:
    """The stage that a row makes of the one before it: the inverse of `_dump`."""
    if name is StageName.OBSERVED and isinstance(stage, Observed):
        return stage
    if name is StageName.SCORED and isinstance(stage, Observed):
        return Scored(
            observed=stage,
            round_id=data["round_id"],
            model_number=data["model_number"],
            signed=tuple(
                SignedObservation(
                    answer=int(signed["answer"]),
                    observed_at=signed["observed_at"],
                    v=signed["v"],
                    r=bytes.fromhex(signed["r"]),
                    s=bytes.fromhex(signed["s"]),
                )
                for signed in data["signed"]
            ),
            features=tuple(data["features"]),
            scores=tuple(int(score) for score in data["scores"]),
        )
    if name is StageName.PROVEN and isinstance(stage, Scored) and blob is not None:
        return Proven(stage, blob, data["artifact_hash"], data["prove_seconds"], tuple(data.get("batch", ())))
    if name is StageName.SUBMITTED and isinstance(stage, Proven) and blob is not None:
        return Submitted(stage, bytes.fromhex(data["tx_hash"]), blob, data["nonce"])
    raise ValueError(f"{name.name} after {type(stage).__name__}")


def _previous(stage: Stage) -> OpenStage | None:
    if isinstance(stage, Confirmed):
        return stage.submitted
    if isinstance(stage, Submitted):
        return stage.proven
    if isinstance(stage, Proven):
        return stage.scored
    return stage.observed if isinstance(stage, Scored) else None
