"""The journal itself: what the pipeline, reports and the command line call."""

from __future__ import annotations

import json
import os
import socket
import threading
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from types import SimpleNamespace, TracebackType
from typing import Any, Self

import sqlalchemy as sa

from oracle.core.errors import JournalError, JournalUnavailable, OracleError
from oracle.core.types import SHADOW, Confirmed, Observed, OpenStage, Outcome, SignedTransaction, Stage, Submitted
from oracle.feeds.journal import rows, schema, trail
from oracle.feeds.journal.databases import RENEWALS, Database, Lease, SqliteFile
from oracle.feeds.journal.rows import StageName
from oracle.feeds.journal.schema import compaction_permit, compactions, observations, outcomes, transitions
from oracle.feeds.journal.schema import leader as leaders

LEASE_S = 6.0

_COMPACTED_AT_ONCE = 200
_SECONDS_A_DAY = 86_400
_MIGRATION_LOCK = 0x6F7261636C65


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
class Leader:
    """Which daemon writes.

    Attributes:
        holder: Its machine and process; empty if none does, or did when it ended.
        epoch: One higher with each.
    """

    holder: str
    epoch: int


@dataclass(frozen=True, slots=True)
class Audit:
    """What a check of the chain of hashes found.

    Attributes:
        outcomes: How many there are.
        compacted: Of how many the transitions were dropped.
        digest: The last outcome's, in hex. Kept elsewhere, it is what a later check can be held against.
        problems: What was altered or is missing; empty: nothing is.
    """

    outcomes: int
    compacted: int
    digest: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compaction:
    """What was dropped.

    Attributes:
        observations: Ended ones, of which the outcome and its summary stay.
        rows: Their transitions.
    """

    observations: int
    rows: int


@dataclass(frozen=True, slots=True)
class _Latest:
    attempt: int
    stage: StageName


class Journal:
    """The journal of one daemon. A context manager; `close` it otherwise."""

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
            read_only: Only look: also while a daemon writes to it.
            standby: If another daemon writes, wait: `try_lead` becomes its successor.
            lease_s: How long a leader is taken for alive without a sign of it, seconds.
            now: Clock of the transitions' times, unix seconds.

        Raises:
            JournalError: It can't be opened, is in use, is damaged, or was written by a newer release.
            JournalUnavailable: The database can't be reached, or is locked by another program.
        """
        self._database: Database = SqliteFile(where) if isinstance(where, Path) else where
        self._path = self._database.name
        self._now = now
        self._lease_s = lease_s
        self._holder = f"{socket.gethostname()}:{os.getpid()}:{uuid.uuid4().hex[:8]}"
        self._lock = threading.RLock()
        self._connection: sa.Connection | None = None
        self._closed = False
        self._epoch: int | None = None
        self._lease: Lease | None = None
        self._lost: str | None = None
        self._read_only = read_only
        self._database.prepare(read_only=read_only)
        self._engine = self._database.engine(read_only=read_only)
        try:
            if read_only:
                self._check_schema()
            elif not self.try_lead() and not standby:
                self._outwait()
        except BaseException:
            self.close()
            raise

    @property
    def name(self) -> str:
        """Where it is, for messages: a file, or a database without its password."""
        return self._path

    # --- who writes ---

    @property
    def is_leader(self) -> bool:
        """Whether this is the journal's one writer, as far as is known."""
        return self._epoch is not None and self._lost is None

    def try_lead(self) -> bool:
        """Become the one who writes, unless another does; the schema is brought up to date first.

        Raises:
            JournalError, JournalUnavailable: As when it is opened.
        """
        if self.is_leader:
            return True
        claimed = self._database.claim(self._lease_s)
        if not claimed and not self._database.is_silent():
            return False
        try:
            self._check_schema()
            with self._transaction(fenced=False) as connection:
                if not claimed and not self._database.depose(self._lease_s):
                    return False
                row = connection.execute(sa.select(leaders).with_for_update()).one()
                clock = self._clock(connection)
                if self._database.leases and row.holder and row.expires > clock:
                    return False
                epoch = int(row.epoch) + 1
                connection.execute(
                    leaders.update().values(epoch=epoch, holder=self._holder, expires=clock + self._lease_s)
                )
        except BaseException:
            self._database.release()
            raise
        self._epoch = epoch
        if self._database.leases:
            self._lease = Lease(self._engine, self._renew, self._was_replaced, self._lease_s / RENEWALS)
        return True

    def leader(self) -> Leader:
        """Who writes now."""
        with self._transaction(read=True) as connection:
            row = connection.execute(sa.select(leaders)).one()
            runs = not self._database.leases or row.expires > self._clock(connection)
        return Leader(row.holder.rpartition(":")[0] if runs else "", row.epoch)

    def _outwait(self) -> None:
        """Take over from a leader that died without giving up its lease; one that renews it is alive.

        Raises:
            JournalError: Another daemon leads.
        """
        if self._database.leases:
            before = self._expiry()
            until = time.monotonic() + self._lease_s + 1
            while time.monotonic() < until and self._expiry() <= before:
                if self.try_lead():
                    return
                time.sleep(min(0.2, self._lease_s / 10))
        raise JournalError(
            f"{self._path}: is in use by another process; two daemons can't share a journal, but with "
            "`[journal] standby = true` one waits for the other's end"
        )

    def _expiry(self) -> float:
        with self._transaction(read=True) as connection:
            return float(connection.scalar(sa.select(leaders.c.expires)) or 0)

    def _renew(self, connection: sa.Connection) -> bool:
        renewed = connection.execute(
            leaders.update()
            .where(leaders.c.epoch == self._epoch)
            .values(expires=self._clock(connection) + self._lease_s)
        )
        return renewed.rowcount == 1

    def _was_replaced(self) -> None:
        self._lost = (
            f"{self._path}: another daemon took over while this one did not answer; it may write nothing any more and "
            "has to end (started again with `[journal] standby = true`, it waits for its turn)"
        )

    def _clock(self, connection: sa.Connection) -> float:
        """Unix seconds by the database's clock, which all daemons share."""
        if connection.dialect.name == "sqlite":
            return time.time()
        return float(connection.exec_driver_sql("SELECT extract(epoch FROM clock_timestamp())").scalar_one())

    def _check_epoch(self, connection: sa.Connection) -> None:
        """Under the row's lock: until this transaction ends, nobody else becomes leader or writes."""
        if self._epoch is None:
            raise JournalError(f"{self._path}: another daemon writes to the journal; this one stands by")
        if self._lost is None:
            epoch = connection.scalar(sa.select(leaders.c.epoch).with_for_update())
            if epoch == self._epoch:
                return
            self._was_replaced()
        raise JournalError(self._lost or "")

    # --- the way of an observation ---

    def record(self, *stages: Stage) -> None:
        """Journal that stages were reached: all of them, or none. With `Confirmed`, an observation has ended.

        A `Submitted` may be recorded again, with another transaction that takes the place of the latest.

        Raises:
            JournalError: A stage does not follow on what the journal has, or it can't be written.
            JournalUnavailable: It can't be written now.
        """
        with self._transaction() as connection:
            for stage in stages:
                self._record(connection, stage)

    def _record(self, connection: sa.Connection, stage: Stage) -> None:
        name = rows.STAGES[type(stage)]
        key = stage.observed.key
        data, blob = rows.dump(stage)
        latest = self._latest(connection, key)
        attempt = self._next_attempt(connection, latest, stage, name)
        if isinstance(stage, Observed):
            connection.execute(
                observations.insert().values(
                    key=key,
                    feed=stage.feed,
                    feed_id=stage.feed_id,
                    answer=str(stage.answer),
                    observed_at=stage.observed_at,
                )
            )
        connection.execute(
            transitions.insert().values(
                key=key,
                attempt=attempt,
                stage=int(name),
                sequence=len(stage.replaced) if isinstance(stage, Submitted) else 0,
                at=self._now(),
                data=data,
                blob=blob,
            )
        )
        if isinstance(stage, Confirmed):
            self._end(connection, key, stage.outcome, "", stage.tx_hash, stage.block_number, stage.gas_used)

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
            JournalUnavailable: It can't be written now.
        """
        with self._transaction() as connection:
            if self._latest(connection, key) is None:
                raise JournalError(f"{self._path}: {key} is not in the journal, so it can't end")
            self._end(connection, key, outcome, reason, tx_hash, block_number, gas_used)

    # --- reading ---

    def has(self, key: str) -> bool:
        """Whether this observation was journalled, open or ended."""
        with self._transaction(read=True) as connection:
            return connection.scalar(sa.select(observations.c.id).where(observations.c.key == key)) is not None

    def unfinished(self) -> list[OpenStage]:
        """The furthest stage of each open observation, oldest first."""
        with self._transaction(read=True) as connection:
            keys = connection.scalars(
                sa.select(observations.c.key)
                .outerjoin(outcomes, outcomes.c.key == observations.c.key)
                .where(outcomes.c.key.is_(None))
                .order_by(observations.c.id)
            ).all()
            return [self._restore(connection, key) for key in keys]

    def signed(self, limit: int = 1_024) -> list[SignedTransaction]:
        """The latest transactions that were signed, of ended observations and earlier attempts too: any may be mined.

        Args:
            limit: At most so many, newest first.
        """
        query = (
            sa.select(transitions.c.key, transitions.c.data, transitions.c.blob)
            .where(transitions.c.stage == int(StageName.SUBMITTED))
            .order_by(transitions.c.id.desc())
            .limit(limit)
        )
        found = []
        with self._transaction(read=True) as connection:
            for row in connection.execute(query):
                with self._naming(row.key):
                    data = rows.load_data(row.data)
                    nonce = data["nonce"]
                    if not isinstance(row.blob, bytes) or not isinstance(nonce, int):
                        raise ValueError("is no signed transaction")
                    found.append(SignedTransaction(rows.hexadecimal(data, "tx_hash"), row.blob, nonce))
        return found

    def rows(self, feed: str | None = None, limit: int | None = None) -> list[Entry]:
        """Observations, newest first.

        Args:
            feed: Of this feed only. Default: all but shadow reports, which are of feeds of their own: see `SHADOW`.
            limit: At most so many.
        """
        query = sa.select(observations).where(_of(feed)).order_by(observations.c.id.desc()).limit(limit)
        return self._entries(query)

    def confirmed(self, feed: str | None = None) -> list[Entry]:
        """Observations that ended on the chain, accepted or held, oldest first. `feed` as for `rows`."""
        on_chain = (Outcome.ACCEPTED.value, Outcome.HELD.value)
        query = (
            sa.select(observations)
            .join(outcomes, outcomes.c.key == observations.c.key)
            .where(outcomes.c.outcome.in_(on_chain), _of(feed))
            .order_by(observations.c.id)
        )
        return self._entries(query)

    def counts(self, feed: str | None = None) -> dict[str, int]:
        """How many observations there are, by outcome; the open ones as "open". `feed` as for `rows`."""
        query = (
            sa.select(outcomes.c.outcome, sa.func.count())
            .select_from(observations)
            .outerjoin(outcomes, outcomes.c.key == observations.c.key)
            .where(_of(feed))
            .group_by(outcomes.c.outcome)
        )
        counted = dict.fromkeys(("open", *(outcome.value for outcome in Outcome)), 0)
        with self._transaction(read=True) as connection:
            for outcome, count in connection.execute(query):
                counted[outcome or "open"] = count
        return counted

    # --- the audit trail ---

    def check(self, expected: str | None = None) -> Audit:
        """Verify the chain of hashes: each outcome, and the transitions of those that were not compacted.

        Args:
            expected: A digest, in hex, that an earlier check gave: it has to be in the chain.
        """
        problems: list[str] = []
        previous, compacted, number, found = trail.GENESIS, 0, 0, expected is None
        with self._transaction(read=True) as connection:
            before = connection.scalar(sa.select(sa.func.max(compactions.c.before)))
            query = sa.select(outcomes, observations.c.feed, observations.c.feed_id, observations.c.answer).add_columns(
                observations.c.observed_at
            )
            query = query.join(observations, observations.c.key == outcomes.c.key).order_by(outcomes.c.number)
            for row in connection.execute(query).all():
                steps = self._transitions(connection, row.key)
                if row.number != number + 1:
                    problems.append(f"{row.key}: {row.number - number - 1} outcome(s) before it are missing")
                number = row.number
                if row.previous != previous:
                    problems.append(f"{row.key}: does not hang on the outcome before it")
                try:
                    digest = trail.digest_of(row.previous, row.trail, row, row)
                except (TypeError, ValueError):
                    digest = b""
                if row.digest != digest:
                    problems.append(f"{row.key}: its outcome, or what was observed, was altered")
                if steps:
                    try:
                        intact = trail.trail_of(steps) == row.trail
                    except (TypeError, ValueError):
                        intact = False
                    if not intact:
                        problems.append(f"{row.key}: its transitions were altered, or some are missing")
                elif before is not None and row.at < before:
                    compacted += 1
                else:
                    problems.append(f"{row.key}: its transitions are missing, and were not compacted")
                found = found or row.digest.hex() == expected
                previous = row.digest
        if not found:
            problems.append(f"there is no outcome with the digest {expected}: outcomes were altered or removed")
        return Audit(number, compacted, previous.hex(), tuple(problems))

    def compact(self, keep_days: float, at_once: int = _COMPACTED_AT_ONCE) -> Compaction:
        """Drop the transitions of observations that ended earlier; what was observed and how it ended stays.

        Args:
            keep_days: Days since the outcome for which everything is kept.
            at_once: Observations, at most: the oldest. Call it again until it finds none.
        """
        before = self._now() - keep_days * _SECONDS_A_DAY
        with self._transaction() as connection:
            remaining = sa.exists().where(transitions.c.key == outcomes.c.key)
            keys = connection.scalars(
                sa.select(outcomes.c.key)
                .where(outcomes.c.at < before, outcomes.c.summary != "{}", remaining)
                .order_by(outcomes.c.number)
                .limit(at_once)
            ).all()
            if not keys:
                return Compaction(0, 0)
            connection.execute(compaction_permit.insert().values(id=1))
            dropped = connection.execute(transitions.delete().where(transitions.c.key.in_(keys))).rowcount
            connection.execute(compaction_permit.delete())
            connection.execute(
                compactions.insert().values(at=self._now(), before=before, observations=len(keys), rows=dropped)
            )
        return Compaction(len(keys), dropped)

    def vacuum(self) -> None:
        """Give space that a compaction freed back to the file system; PostgreSQL does it by itself."""
        if isinstance(self._database, SqliteFile):
            with self._lock, self._errors():
                connection = self._connected()
                raw = connection.connection.driver_connection
                assert raw is not None
                raw.execute("VACUUM")

    # --- closing ---

    def close(self) -> None:
        """Close the journal; may be called more than once."""
        with self._lock:
            self._closed = True
            lease, self._lease = self._lease, None
            if lease is not None:
                lease.stop()
            if self.is_leader and self._connection is not None:
                # A successor need not wait for the lease to run out.
                with suppress(sa.exc.SQLAlchemyError, OracleError):
                    self._connection.execution_options(reads=False)
                    with self._connection.begin():
                        mine = leaders.c.epoch == self._epoch
                        self._connection.execute(leaders.update().where(mine).values(holder="", expires=0.0))
            self._epoch = None
            self._disconnect()
            self._engine.dispose()
            self._database.release()

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

    def _transitions(self, connection: sa.Connection, key: str) -> list[Any]:
        return list(
            connection.execute(sa.select(transitions).where(transitions.c.key == key).order_by(*schema.IN_ORDER)).all()
        )

    def _latest(self, connection: sa.Connection, key: str) -> _Latest | None:
        row = connection.execute(
            sa.select(transitions.c.attempt, transitions.c.stage)
            .where(transitions.c.key == key)
            .order_by(*(column.desc() for column in schema.IN_ORDER))
            .limit(1)
        ).first()
        with self._naming(key):
            return None if row is None else _Latest(row.attempt, StageName(row.stage))

    def _next_attempt(self, connection: sa.Connection, latest: _Latest | None, stage: Stage, name: StageName) -> int:
        """The attempt that a stage belongs to, if it follows on what there is."""
        key = stage.observed.key
        if latest is None:
            self._refuse_ended(connection, key)
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
        if rows.previous(stage) != self._load(connection, key, latest.attempt, latest.stage):
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

    def _refuse_ended(self, connection: sa.Connection, key: str) -> None:
        ended = connection.scalar(sa.select(outcomes.c.outcome).where(outcomes.c.key == key))
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
        steps = self._transitions(connection, key)
        observation = connection.execute(sa.select(observations).where(observations.c.key == key)).one()
        last = connection.execute(
            sa.select(outcomes.c.number, outcomes.c.digest).order_by(outcomes.c.number.desc()).limit(1)
        ).first()
        with self._naming(key):
            summary = json.dumps(trail.summary_of(steps))
            values = {
                "key": key,
                "number": 1 if last is None else last.number + 1,
                "outcome": outcome.value,
                "reason": reason.replace("\0", "\ufffd"),  # PostgreSQL's text has no place for it
                "at": float(self._now()),
                "tx_hash": tx_hash,
                "block_number": block_number,
                "gas_used": gas_used,
                "summary": summary,
            }
            steps_digest = trail.trail_of(steps)
            previous = trail.GENESIS if last is None else last.digest
            digest = trail.digest_of(previous, steps_digest, observation, SimpleNamespace(**values))
        connection.execute(outcomes.insert().values(**values, trail=steps_digest, previous=previous, digest=digest))

    # --- restoring ---

    def _restore(self, connection: sa.Connection, key: str) -> OpenStage:
        latest = self._latest(connection, key)
        if latest is None:
            # An observation is written together with its first transition.
            raise JournalError(f"{self._path}: {key} can't be restored: its transitions are missing")
        return self._load(connection, key, latest.attempt, latest.stage)

    def _load(self, connection: sa.Connection, key: str, attempt: int, furthest: StageName) -> OpenStage:
        with self._naming(key):
            observation = connection.execute(sa.select(observations).where(observations.c.key == key)).one()
            found = connection.execute(
                sa.select(transitions)
                .where(
                    transitions.c.key == key,
                    transitions.c.attempt == attempt,
                    transitions.c.stage <= int(furthest),
                )
                .order_by(transitions.c.stage, transitions.c.sequence)
            ).all()
            stage: OpenStage = Observed(
                observation.feed, observation.feed_id, int(observation.answer), observation.observed_at
            )
            for row in found:
                stage = rows.follow(stage, StageName(row.stage), row.data, row.blob)
        return stage

    @contextmanager
    def _naming(self, key: str) -> Iterator[None]:
        """Whatever is wrong with a row becomes one line that names its observation."""
        try:
            yield
        except (ArithmeticError, AttributeError, LookupError, RecursionError, TypeError, ValueError) as error:
            reason = (str(error).splitlines() or [""])[0][:200]
            raise JournalError(f"{self._path}: {key} can't be restored: {type(error).__name__}: {reason}") from error
        except sa.exc.DBAPIError as error:
            if "UTF-8" not in str(error.orig):
                raise
            raise JournalError(f"{self._path}: {key} can't be restored: its text is no UTF-8") from error

    def _entries(self, query: sa.Select[Any]) -> list[Entry]:
        with self._transaction(read=True) as connection:
            return [self._entry(connection, row) for row in connection.execute(query).all()]

    def _entry(self, connection: sa.Connection, row: sa.Row[Any]) -> Entry:
        outcome = connection.execute(sa.select(outcomes).where(outcomes.c.key == row.key)).first()
        with self._naming(row.key):
            summary = {} if outcome is None else rows.load_data(outcome.summary)
            if not summary:
                summary = trail.summary_of(self._transitions(connection, row.key))
            round_id = summary.get("round_id")
            if round_id is not None and not isinstance(round_id, int):
                raise ValueError("round_id is no integer")
            seconds = rows.seconds(summary, "prove_seconds") if "prove_seconds" in summary else None
            tx_hash = rows.hexadecimal(summary, "tx_hash") if "tx_hash" in summary else None
            return Entry(
                key=row.key,
                feed=row.feed,
                feed_id=row.feed_id,
                answer=int(row.answer),
                observed_at=row.observed_at,
                stage=StageName(summary["stage"]),
                attempts=summary["attempts"],
                recorded_at=rows.seconds(summary, "recorded_at"),
                outcome=None if outcome is None else Outcome(outcome.outcome),
                reason="" if outcome is None else outcome.reason,
                finished_at=None if outcome is None else outcome.at,
                round_id=round_id,
                scores=rows.integers(summary, "scores") if "scores" in summary else (),
                prove_seconds=seconds,
                tx_hash=tx_hash if outcome is None or outcome.tx_hash is None else outcome.tx_hash,
                block_number=None if outcome is None else outcome.block_number,
                gas_used=None if outcome is None else outcome.gas_used,
            )

    # --- the database ---

    def _check_schema(self) -> None:
        """See that the schema is this release's; a writer makes it so.

        Raises:
            JournalError: It is a newer one, or none of this program.
        """
        with self._transaction(read=self._read_only, fenced=False) as connection:
            if not self._read_only and connection.dialect.name != "sqlite":
                # Two that begin at once make one schema.
                connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
            tables = set(sa.inspect(connection).get_table_names())
            revision = self._revision(connection, tables)
            if revision == schema.REVISION:
                return
            if self._read_only:
                raise JournalError(
                    f"{self._path}: is of an earlier release; `oracle journal migrate`, or starting the daemon, "
                    "takes it over"
                )
            if revision is None:
                schema.create(connection)
                return
            from oracle.feeds.journal.migrations import upgrade

            upgrade(connection, stamp=revision if "alembic_version" not in tables else None)

    def _revision(self, connection: sa.Connection, tables: set[str]) -> str | None:
        """The schema's revision; None: there is nothing yet."""
        if not tables and not self._read_only:
            return None
        if not tables >= schema.V1_TABLES:
            raise JournalError(f"{self._path}: is a database, but no journal of this program; use another path")
        version = connection.scalar(sa.select(schema.schema_version.c.version))
        revision = "0001"
        if "alembic_version" in tables:
            revision = str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())
        if version is None or version > schema.SCHEMA_VERSION or revision > schema.REVISION:
            raise JournalError(
                f"{self._path}: has schema version {version} ({revision}), this release knows "
                f"{schema.SCHEMA_VERSION}; use the release that wrote it, or a newer one"
            )
        return revision

    def _connected(self) -> sa.Connection:
        if self._closed:
            raise JournalError(f"{self._path}: the journal is closed")
        if self._connection is None:
            self._connection = self._engine.connect()
        return self._connection

    def _disconnect(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            # Whatever was committed is on the disk; there is nothing more to lose.
            with suppress(sa.exc.SQLAlchemyError):
                connection.close()

    @contextmanager
    def _transaction(self, *, read: bool = False, fenced: bool = True) -> Iterator[sa.Connection]:
        """One transaction; none that is to write is begun after another daemon has taken over.

        Args:
            fenced: Whether only the leader may.
        """
        with self._lock, self._errors():
            connection = self._connected()
            if self._read_only and not read:
                raise JournalError(f"{self._path}: the journal was opened for reading only")
            if self._lost is not None:
                raise JournalError(self._lost)
            connection.execution_options(reads=read)
            with connection.begin():
                if fenced and not read:
                    self._check_epoch(connection)
                yield connection

    @contextmanager
    def _errors(self) -> Iterator[None]:
        """Where the database's errors end: each becomes one line."""
        try:
            yield
        except sa.exc.DBAPIError as error:
            explained = self._database.explain(error)
            if isinstance(explained, JournalUnavailable) and self._database.leases:
                # Its session may be gone: the next call begins a new one. What it had begun was not committed, or was,
                # which is why the journal is read again before anything is done.
                self._disconnect()
            raise explained from error
        except self._database.errors as error:
            raise self._database.explain(error) from error


def _of(feed: str | None) -> sa.ColumnElement[bool]:
    """A feed's observations; without one, those of all feeds of the configuration."""
    return ~observations.c.feed.contains(SHADOW) if feed is None else observations.c.feed == feed
