"""Rows to stages and entries: what the journal has of an observation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from oracle.core.errors import JournalError
from oracle.core.types import SHADOW, Observed, OpenStage, Outcome, SignedTransaction
from oracle.feeds.journal import rows, schema, trail
from oracle.feeds.journal.entries import Entry
from oracle.feeds.journal.rows import StageName
from oracle.feeds.journal.schema import observations, outcomes, transitions
from oracle.feeds.journal.store import naming

__all__ = ["Latest", "StageReader", "in_feed"]


@dataclass(frozen=True, slots=True)
class Latest:
    """The furthest stage of an observation's latest attempt."""

    attempt: int
    stage: StageName


class StageReader:
    """Reads observations, within a transaction of the caller's."""

    def __init__(self, name: str) -> None:
        """Prepare to read.

        Args:
            name: The journal's name, for messages.
        """
        self._name = name

    def transitions(self, connection: sa.Connection, key: str) -> list[Any]:
        """Return the rows of an observation's transitions, in the order in which it passed its stages."""
        return list(
            connection.execute(sa.select(transitions).where(transitions.c.key == key).order_by(*schema.IN_ORDER)).all()
        )

    def latest(self, connection: sa.Connection, key: str) -> Latest | None:
        """Return how far an observation has come; None if it is not in the journal, or its transitions were dropped."""
        row = connection.execute(
            sa.select(transitions.c.attempt, transitions.c.stage)
            .where(transitions.c.key == key)
            .order_by(*(column.desc() for column in schema.IN_ORDER))
            .limit(1)
        ).first()
        with naming(self._name, key):
            return None if row is None else Latest(row.attempt, StageName(row.stage))

    def stage(self, connection: sa.Connection, key: str, attempt: int, furthest: StageName) -> OpenStage:
        """Restore a stage of an observation.

        Raises:
            JournalError: A row does not say what it should.
        """
        with naming(self._name, key):
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

    def unfinished(self, connection: sa.Connection) -> list[OpenStage]:
        """Restore the furthest stage of each open observation, oldest first."""
        keys = connection.scalars(
            sa.select(observations.c.key)
            .outerjoin(outcomes, outcomes.c.key == observations.c.key)
            .where(outcomes.c.key.is_(None))
            .order_by(observations.c.id)
        ).all()
        return [self._furthest(connection, key) for key in keys]

    def _furthest(self, connection: sa.Connection, key: str) -> OpenStage:
        latest = self.latest(connection, key)
        if latest is None:
            # An observation is written together with its first transition.
            raise JournalError(f"{self._name}: {key} can't be restored: its transitions are missing")
        return self.stage(connection, key, latest.attempt, latest.stage)

    def signed(self, connection: sa.Connection, limit: int) -> list[SignedTransaction]:
        """Return the latest signed transactions, at most `limit`, newest first."""
        query = (
            sa.select(transitions.c.key, transitions.c.data, transitions.c.blob)
            .where(transitions.c.stage == int(StageName.SUBMITTED))
            .order_by(transitions.c.id.desc())
            .limit(limit)
        )
        found = []
        for row in connection.execute(query):
            with naming(self._name, row.key):
                data = rows.load_data(row.data)
                nonce = data["nonce"]
                if not isinstance(row.blob, bytes) or not isinstance(nonce, int):
                    raise ValueError("is not a signed transaction")
                found.append(SignedTransaction(rows.hexadecimal(data, "tx_hash"), row.blob, nonce))
        return found

    def entry(self, connection: sa.Connection, row: sa.Row[Any]) -> Entry:
        """Return what the journal has of one observation.

        Args:
            connection: A connection in a transaction.
            row: The observation's row.
        """
        outcome = connection.execute(sa.select(outcomes).where(outcomes.c.key == row.key)).first()
        with naming(self._name, row.key):
            summary = {} if outcome is None else rows.load_data(outcome.summary)
            if not summary:
                summary = trail.summary_of(self.transitions(connection, row.key))
            round_id = summary.get("round_id")
            if round_id is not None and not isinstance(round_id, int):
                raise ValueError("round_id is not an integer")
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


def in_feed(feed: str | None) -> sa.ColumnElement[bool]:
    """Return the condition that an observation is of a feed; None: of any feed of the configuration, no shadow's."""
    return ~observations.c.feed.contains(SHADOW) if feed is None else observations.c.feed == feed
