"""Stages to rows: each has to follow on what the journal has, and an observation ends once."""

from __future__ import annotations

import json
from collections.abc import Callable
from types import SimpleNamespace

import sqlalchemy as sa

from oracle.core.errors import JournalError
from oracle.core.types import Confirmed, Observed, Outcome, Stage, Submitted
from oracle.feeds.journal import rows, trail
from oracle.feeds.journal.reading import Latest, StageReader
from oracle.feeds.journal.rows import StageName
from oracle.feeds.journal.schema import observations, outcomes, transitions
from oracle.feeds.journal.store import naming

__all__ = ["StageWriter"]


class StageWriter:
    """Writes stages and outcomes, within a transaction of the caller's."""

    def __init__(self, name: str, reader: StageReader, now: Callable[[], float]) -> None:
        """Prepare to write.

        Args:
            name: The journal's name, for messages.
            reader: Reads what the journal has.
            now: Unix seconds.
        """
        self._name = name
        self._reader = reader
        self._now = now

    def write(self, connection: sa.Connection, stage: Stage) -> None:
        """Write that a stage was reached; with `Confirmed`, the outcome too.

        Raises:
            JournalError: The stage does not follow on what the journal has.
        """
        name = rows.STAGES[type(stage)]
        key = stage.observed.key
        data, blob = rows.dump(stage)
        latest = self._reader.latest(connection, key)
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
        connection: sa.Connection,
        key: str,
        outcome: Outcome,
        reason: str,
        tx_hash: bytes | None,
        block_number: int | None,
        gas_used: int | None,
    ) -> None:
        """Write how an observation ended, where no `Confirmed` says it.

        Raises:
            JournalError: It has ended already, or is not in the journal.
        """
        if self._reader.latest(connection, key) is None:
            raise JournalError(f"{self._name}: {key} is not in the journal, so it can't end")
        self._end(connection, key, outcome, reason, tx_hash, block_number, gas_used)

    def _next_attempt(self, connection: sa.Connection, latest: Latest | None, stage: Stage, name: StageName) -> int:
        """Return the attempt that a stage belongs to, if it follows on what there is."""
        key = stage.observed.key
        if latest is None:
            self._require_open(connection, key)
            if name is not StageName.OBSERVED:
                raise JournalError(f"{self._name}: {key} comes as {name.name}, but was never journalled as OBSERVED")
            return 1
        if name is StageName.OBSERVED:
            raise JournalError(f"{self._name}: {key} is in the journal already; an observation is reported once")
        self._require_open(connection, key)
        if name is StageName.SCORED:
            if stage.observed != self._reader.stage(connection, key, latest.attempt, StageName.OBSERVED):
                raise JournalError(f"{self._name}: {key} comes as SCORED with another answer than was OBSERVED")
            return latest.attempt if latest.stage is StageName.OBSERVED else latest.attempt + 1
        if isinstance(stage, Submitted) and stage.replaced:
            self._require_same_proof(connection, latest, stage)
            return latest.attempt
        if name != latest.stage + 1:
            raise JournalError(
                f"{self._name}: {key} comes as {name.name}, but is {latest.stage.name}; stages go one by one"
            )
        if rows.previous(stage) != self._reader.stage(connection, key, latest.attempt, latest.stage):
            raise JournalError(
                f"{self._name}: {key} comes as {name.name} of another {latest.stage.name} than was journalled"
            )
        return latest.attempt

    def _require_same_proof(self, connection: sa.Connection, latest: Latest, stage: Submitted) -> None:
        """Require that a replacement takes the place of the latest transaction, with the same proof and nonce."""
        key = stage.observed.key
        before = self._reader.stage(connection, key, latest.attempt, latest.stage)
        if not isinstance(before, Submitted):
            raise JournalError(f"{self._name}: {key} comes with a replacement, but is {latest.stage.name}")
        if (stage.proven, stage.nonce, stage.replaced) != (before.proven, before.nonce, before.hashes):
            raise JournalError(
                f"{self._name}: {key} comes with a replacement of another transaction than was journalled"
            )

    def _require_open(self, connection: sa.Connection, key: str) -> None:
        ended = connection.scalar(sa.select(outcomes.c.outcome).where(outcomes.c.key == key))
        if ended is not None:
            raise JournalError(f"{self._name}: {key} has ended as {ended}; an observation ends once")

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
        """Write the outcome, and hang it on the outcome before it in the chain of hashes."""
        self._require_open(connection, key)
        steps = self._reader.transitions(connection, key)
        observation = connection.execute(sa.select(observations).where(observations.c.key == key)).one()
        last = connection.execute(
            sa.select(outcomes.c.number, outcomes.c.digest).order_by(outcomes.c.number.desc()).limit(1)
        ).first()
        with naming(self._name, key):
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
