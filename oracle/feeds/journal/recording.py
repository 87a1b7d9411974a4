"""Stages to rows: each has to follow on what the journal has, and an observation ends once."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection
from types import SimpleNamespace

import sqlalchemy as sa

from oracle.core.errors import JournalError
from oracle.core.stages import Confirmed, Decided, Proven, Scored, Stage, Submitted
from oracle.core.types import Outcome
from oracle.feeds.journal import rows, trail
from oracle.feeds.journal.reading import StageReader
from oracle.feeds.journal.schema import decisions, members, observations, outcomes, reports, steps
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
        """Write that a stage was reached; with `Confirmed`, the outcomes of its observations too.

        Raises:
            JournalError: The stage does not follow on what the journal has.
        """
        if isinstance(stage, Decided):
            self._decide(connection, stage)
            return
        self._require_open(connection, stage.keys, rows.STAGES[type(stage)].name)
        report = self._begin(connection, stage) if isinstance(stage, Scored) else self._latest(connection, stage)
        data, blob = rows.dump(stage)
        connection.execute(
            steps.insert().values(
                report=report,
                stage=int(rows.STAGES[type(stage)]),
                sequence=len(stage.replaced) if isinstance(stage, Submitted) else 0,
                at=self._now(),
                data=data,
                blob=blob,
            )
        )
        if isinstance(stage, Confirmed):
            facts = (stage.tx_hash, stage.block_number, stage.gas_share)
            for key, outcome in zip(stage.keys, stage.outcomes, strict=True):
                self._end(connection, key, outcome, "", *facts)

    def finish(self, connection: sa.Connection, keys: Collection[str], outcome: Outcome, reason: str) -> None:
        """Write how observations ended, where no `Confirmed` says it.

        Raises:
            JournalError: One has ended already, or is not in the journal.
        """
        self._require_open(connection, keys, "ended")
        for key in keys:
            self._end(connection, key, outcome, reason, None, None, None)

    def _decide(self, connection: sa.Connection, stage: Decided) -> None:
        there = connection.scalar(sa.select(observations.c.key).where(observations.c.key.in_(stage.keys)))
        if there is not None:
            raise JournalError(f"{self._name}: {there} is in the journal already; an observation is reported once")
        if len({each.observed_at for each in stage.due}) != 1:
            raise JournalError(f"{self._name}: {', '.join(stage.keys)} are of several times, which is no report")
        decision = _inserted(
            connection,
            decisions.insert().values(
                committee=stage.committee,
                observed_at=stage.observed_at,
                others=rows.dump_others(stage),
                is_offered=stage.is_offered,
            ),
        )
        for each in stage.due:
            connection.execute(
                observations.insert().values(
                    key=each.key,
                    feed=each.feed,
                    feed_id=each.feed_id,
                    answer=str(each.answer),
                    observed_at=each.observed_at,
                    recorded_at=float(self._now()),
                    decision=decision,
                )
            )

    def _begin(self, connection: sa.Connection, stage: Scored) -> int:
        """Begin a report: observations of one decision, signed together for the first time or again."""
        query = sa.select(observations.c.decision).where(observations.c.key.in_(stage.keys)).distinct()
        of = connection.scalars(query).all()
        if len(of) != 1 or self._reader.decision(connection, of[0], stage.keys) != stage.decided:
            raise JournalError(f"{self._name}: {stage.keys[0]} comes as SCORED with another answer than was OBSERVED")
        report = _inserted(connection, reports.insert().values(decision=of[0]))
        rows_of = [{"report": report, "position": index, "key": key} for index, key in enumerate(stage.keys)]
        connection.execute(members.insert(), rows_of)
        return report

    def _latest(self, connection: sa.Connection, stage: Proven | Submitted | Confirmed) -> int:
        """Return the report that a stage belongs to, if it follows on what there is."""
        name, key = rows.STAGES[type(stage)], stage.keys[0]
        found = {tuple(self._reader.reports(connection, each)[-1:]) for each in stage.keys}
        if found == {()}:
            raise JournalError(f"{self._name}: {key} comes as {name.name}, but is OBSERVED; stages go one by one")
        if len(found) != 1:
            raise JournalError(f"{self._name}: {', '.join(stage.keys)} come as one report, but are of several")
        [report] = found.pop()
        before = self._reader.stage(connection, report)
        if isinstance(stage, Submitted) and stage.replaced:
            self._require_same_proof(key, before, stage)
        elif name != rows.STAGES[type(before)] + 1:
            came = rows.STAGES[type(before)].name
            raise JournalError(f"{self._name}: {key} comes as {name.name}, but is {came}; stages go one by one")
        elif rows.previous(stage) != before:
            came = rows.STAGES[type(before)].name
            raise JournalError(f"{self._name}: {key} comes as {name.name} of another {came} than was journalled")
        return report

    def _require_same_proof(self, key: str, before: object, stage: Submitted) -> None:
        """Require that a replacement takes the place of the latest transaction, with the same proof and nonce."""
        if not isinstance(before, Submitted):
            came = rows.STAGES[type(before)].name
            raise JournalError(f"{self._name}: {key} comes with a replacement, but is {came}")
        if (stage.proven, stage.nonce, stage.replaced) != (before.proven, before.nonce, before.hashes):
            raise JournalError(
                f"{self._name}: {key} comes with a replacement of another transaction than was journalled"
            )

    def _require_open(self, connection: sa.Connection, keys: Collection[str], name: str) -> None:
        query = (
            sa.select(observations.c.key, outcomes.c.outcome)
            .outerjoin(outcomes, outcomes.c.key == observations.c.key)
            .where(observations.c.key.in_(keys))
        )
        found = {row.key: row.outcome for row in connection.execute(query)}
        for key in keys:
            if key not in found:
                raise JournalError(f"{self._name}: {key} comes as {name}, but was never journalled as OBSERVED")
            if found[key] is not None:
                raise JournalError(f"{self._name}: {key} has ended as {found[key]}; an observation ends once")

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
        observation = connection.execute(sa.select(observations).where(observations.c.key == key)).one()
        last = connection.execute(
            sa.select(outcomes.c.number, outcomes.c.digest).order_by(outcomes.c.number.desc()).limit(1)
        ).first()
        with naming(self._name, key):
            values = {
                "key": key,
                "number": 1 if last is None else last.number + 1,
                "outcome": outcome.value,
                "reason": reason.replace("\0", "\ufffd"),  # PostgreSQL's text has no place for it
                "at": float(self._now()),
                "tx_hash": tx_hash,
                "block_number": block_number,
                "gas_used": gas_used,
                "summary": json.dumps(self._reader.summary(connection, key, observation.feed_id)),
            }
            passed = trail.trail_of(self._reader.steps(connection, key))
            previous = trail.GENESIS if last is None else last.digest
            digest = trail.digest_of(previous, passed, observation, SimpleNamespace(**values))
        connection.execute(outcomes.insert().values(**values, trail=passed, previous=previous, digest=digest))


def _inserted(connection: sa.Connection, statement: sa.Insert) -> int:
    """Insert a row, and return its id."""
    key = connection.execute(statement).inserted_primary_key
    assert key is not None
    return int(key[0])
