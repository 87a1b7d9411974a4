"""Replacement transactions, the chain of hashes, the leader's epoch, compaction."""

from __future__ import annotations

import json
from types import SimpleNamespace

import sqlalchemy as sa
from alembic import op

from oracle.feeds.journal import schema, trail

revision = "0002"
down_revision = "0001"
branch_labels = None
depends_on = None


def upgrade() -> None:
    connection = op.get_bind()
    _make_room(connection)
    schema.build(connection)
    _take_over(connection)


def _make_room(connection: sa.Connection) -> None:
    for table in ("observations", "transitions", "outcomes"):
        for action in ("update", "delete"):
            connection.exec_driver_sql(f"DROP TRIGGER IF EXISTS no_{action}_of_{table}")
    connection.exec_driver_sql("DROP TRIGGER IF EXISTS nothing_after_an_outcome")
    connection.exec_driver_sql("ALTER TABLE transitions RENAME TO transitions_1")
    connection.exec_driver_sql("ALTER TABLE outcomes RENAME TO outcomes_1")


def _take_over(connection: sa.Connection) -> None:
    """Every row is kept, and every outcome hashed."""
    connection.exec_driver_sql(
        "INSERT INTO transitions (id, key, attempt, stage, sequence, at, data, blob) "
        "SELECT id, key, attempt, stage, 0, at, data, blob FROM transitions_1"
    )
    if "replacements" in sa.inspect(connection).get_table_names():
        _take_over_replacements(connection)
    previous = trail.GENESIS
    rows = connection.exec_driver_sql("SELECT * FROM outcomes_1 ORDER BY rowid").all()
    for number, row in enumerate(rows, 1):
        observation = connection.execute(
            sa.select(schema.observations).where(schema.observations.c.key == row.key)
        ).one()
        transitions = connection.execute(
            sa.select(schema.transitions).where(schema.transitions.c.key == row.key).order_by(*schema.IN_ORDER)
        ).all()
        try:
            summary = trail.summary_of(transitions)
        except (IndexError, TypeError, ValueError, RecursionError):
            summary = {}  # a row that could not be read before can't be read now either
        values = {
            "key": row.key,
            "number": number,
            "outcome": row.outcome,
            "reason": row.reason,
            "at": row.at,
            "tx_hash": row.tx_hash,
            "block_number": row.block_number,
            "gas_used": row.gas_used,
            "summary": json.dumps(summary),
        }
        hashed = trail.trail_of(transitions)
        digest = trail.digest_of(previous, hashed, observation, SimpleNamespace(**values))
        connection.execute(schema.outcomes.insert().values(**values, trail=hashed, previous=previous, digest=digest))
        previous = digest
    connection.exec_driver_sql("DROP TABLE transitions_1")
    connection.exec_driver_sql("DROP TABLE outcomes_1")
    connection.exec_driver_sql(f"UPDATE schema_version SET version = {schema.SCHEMA_VERSION}")


def _take_over_replacements(connection: sa.Connection) -> None:
    """Between two releases they had a table of their own."""
    for row in connection.exec_driver_sql("SELECT * FROM replacements ORDER BY id").all():
        connection.execute(
            schema.transitions.insert().values(
                key=row.key,
                attempt=row.attempt,
                stage=4,
                sequence=row.number,
                at=row.at,
                data=json.dumps({"tx_hash": row.tx_hash.hex(), "nonce": row.nonce}),
                blob=row.raw,
            )
        )
    connection.exec_driver_sql("DROP TABLE replacements")
