"""The first schema, as releases before the migrations made it: SQLite's only."""

from __future__ import annotations

from alembic import op

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None

STATEMENTS = (
    "CREATE TABLE schema_version (version INTEGER NOT NULL)",
    """CREATE TABLE observations (
        id INTEGER NOT NULL, key TEXT NOT NULL, feed TEXT NOT NULL, feed_id BLOB NOT NULL, answer TEXT NOT NULL,
        observed_at INTEGER NOT NULL, PRIMARY KEY (id), UNIQUE (key))""",
    "CREATE INDEX ix_observations_feed ON observations (feed)",
    """CREATE TABLE transitions (
        id INTEGER NOT NULL, key TEXT NOT NULL, attempt INTEGER NOT NULL, stage INTEGER NOT NULL, at FLOAT NOT NULL,
        data TEXT NOT NULL, blob BLOB, PRIMARY KEY (id), UNIQUE (key, attempt, stage),
        FOREIGN KEY(key) REFERENCES observations (key))""",
    """CREATE TABLE outcomes (
        key TEXT NOT NULL, outcome TEXT NOT NULL, reason TEXT NOT NULL, at FLOAT NOT NULL, tx_hash BLOB,
        block_number INTEGER, gas_used INTEGER, PRIMARY KEY (key), FOREIGN KEY(key) REFERENCES observations (key),
        CHECK (outcome IN ('accepted', 'held', 'superseded', 'failed')))""",
    "INSERT INTO schema_version (version) VALUES (1)",
)


def upgrade() -> None:
    for statement in STATEMENTS:
        op.execute(statement)
