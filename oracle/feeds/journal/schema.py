"""The journal's tables, as the migrations leave them, and what the database itself enforces.

    decisions      one row for each report that was due: its time, and the answers of feeds that were not due
    observations   one row for each feed that was due in it: what was observed
    reports        one row for each time that observations of a decision were signed together
    members        which observations these were, in order
    steps          one row for each stage that a report reached, in order; append-only
    outcomes       at most one row for each observation: how it ended; a chain of hashes
    leader         one row: which daemon may write, and its epoch
    compactions    one row for each time that steps of ended reports were dropped
    expenses       one row for each transaction that was signed: the most that it can cost
    settlements    one row for each nonce that was used up: what it did cost
    network        the tables of a node that signs with others: see `network_tables`

The triggers are the last line of defence: they hold whatever program writes. Rows are never changed. The steps of a
report whose observations have all ended may be deleted, and only while `compaction_permit` has a row. A compaction
inserts and deletes that row in one transaction, so nobody else ever sees it. What `network_tables` says may be deleted
of a signer's memory; everything else stays.
"""

from __future__ import annotations

import sqlalchemy as sa

from oracle.core.types import Outcome
from oracle.feeds.journal.network_tables import APPEND_ONLY, MAY_BE_FORGOTTEN, NetworkTables

REVISION = "0001"
"""The newest migration; the tests compare it with the scripts."""

SCHEMA_VERSION = FIRST_VERSION = 5
"""The schema's number, and that of the first schema with expenses. An older one is refused."""

METADATA = sa.MetaData()

_Integer = sa.BigInteger().with_variant(sa.Integer, "sqlite")
_Double = sa.Float(53)

schema_version = sa.Table("schema_version", METADATA, sa.Column("version", sa.Integer, nullable=False))

decisions = sa.Table(
    "decisions",
    METADATA,
    sa.Column("id", _Integer, primary_key=True),
    sa.Column("committee", _Integer, nullable=False),
    sa.Column("observed_at", _Integer, nullable=False),
    # Id and answer of each further feed, as JSON.
    sa.Column("others", sa.Text, nullable=False),
    # True if the report is kept for whoever brings it to the chain.
    sa.Column("is_offered", sa.Boolean, nullable=False),
)

observations = sa.Table(
    "observations",
    METADATA,
    sa.Column("id", _Integer, primary_key=True),
    sa.Column("key", sa.Text, nullable=False, unique=True),
    sa.Column("feed", sa.Text, nullable=False, index=True),
    sa.Column("feed_id", sa.LargeBinary, nullable=False),
    # An int128 fits neither database's integers.
    sa.Column("answer", sa.Text, nullable=False),
    sa.Column("observed_at", _Integer, nullable=False),
    sa.Column("recorded_at", _Double, nullable=False),
    sa.Column("decision", _Integer, sa.ForeignKey("decisions.id"), nullable=False, index=True),
)

reports = sa.Table(
    "reports",
    METADATA,
    sa.Column("id", _Integer, primary_key=True),
    sa.Column("decision", _Integer, sa.ForeignKey("decisions.id"), nullable=False),
)

members = sa.Table(
    "members",
    METADATA,
    sa.Column("report", _Integer, sa.ForeignKey("reports.id"), primary_key=True, autoincrement=False),
    sa.Column("position", sa.Integer, primary_key=True, autoincrement=False),
    sa.Column("key", sa.Text, sa.ForeignKey("observations.key"), nullable=False, index=True),
    sa.UniqueConstraint("report", "key"),
)

steps = sa.Table(
    "steps",
    METADATA,
    sa.Column("id", _Integer, primary_key=True),
    sa.Column("report", _Integer, sa.ForeignKey("reports.id"), nullable=False),
    sa.Column("stage", sa.Integer, nullable=False),
    # Above 0 only for transactions that replace the stage's first one.
    sa.Column("sequence", sa.Integer, nullable=False, server_default="0"),
    sa.Column("at", _Double, nullable=False),
    sa.Column("data", sa.Text, nullable=False),
    sa.Column("blob", sa.LargeBinary),
    sa.UniqueConstraint("report", "stage", "sequence"),
)

IN_ORDER = (steps.c.report, steps.c.stage, steps.c.sequence)
"""The order in which an observation passes its stages."""

outcomes = sa.Table(
    "outcomes",
    METADATA,
    sa.Column("key", sa.Text, sa.ForeignKey("observations.key"), primary_key=True),
    sa.Column("number", _Integer, nullable=False, unique=True),
    sa.Column("outcome", sa.Text, nullable=False),
    sa.Column("reason", sa.Text, nullable=False),
    sa.Column("at", _Double, nullable=False),
    sa.Column("tx_hash", sa.LargeBinary),
    sa.Column("block_number", _Integer),
    sa.Column("gas_used", _Integer),
    # The facts that are told of an observation, from steps that may be dropped.
    sa.Column("summary", sa.Text, nullable=False),
    sa.Column("trail", sa.LargeBinary, nullable=False),
    sa.Column("previous", sa.LargeBinary, nullable=False),
    sa.Column("digest", sa.LargeBinary, nullable=False),
    sa.CheckConstraint(f"outcome IN ({', '.join(repr(outcome.value) for outcome in Outcome)})"),
)

leader = sa.Table(
    "leader",
    METADATA,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
    sa.Column("epoch", _Integer, nullable=False),
    sa.Column("holder", sa.Text, nullable=False),
    sa.Column("expires", _Double, nullable=False),
)

compactions = sa.Table(
    "compactions",
    METADATA,
    sa.Column("id", _Integer, primary_key=True),
    sa.Column("at", _Double, nullable=False),
    sa.Column("before", _Double, nullable=False),
    sa.Column("observations", _Integer, nullable=False),
    sa.Column("rows", _Integer, nullable=False),
)

expenses = sa.Table(
    "expenses",
    METADATA,
    sa.Column("id", _Integer, primary_key=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("nonce", _Integer, nullable=False),
    sa.Column("tx_hash", sa.LargeBinary, nullable=False),
    sa.Column("gas_limit", _Integer, nullable=False),
    # Wei, as text: they fit neither database's integers.
    sa.Column("max_fee", sa.Text, nullable=False),
    sa.Column("kind", sa.Text, nullable=False),
    # The names of the feeds, as JSON.
    sa.Column("feeds", sa.Text, nullable=False),
    sa.Column("at", _Double, nullable=False),
    sa.Index("expenses_nonces", "account", "nonce"),
)

settlements = sa.Table(
    "settlements",
    METADATA,
    sa.Column("id", _Integer, primary_key=True),
    # The last expense of the nonce: a chain that was begun anew has the same nonces again.
    sa.Column("expense", _Integer, sa.ForeignKey("expenses.id"), nullable=False, unique=True),
    sa.Column("account", sa.Text, nullable=False),
    sa.Column("nonce", _Integer, nullable=False),
    # None if nobody can say which transaction was mined.
    sa.Column("tx_hash", sa.LargeBinary),
    sa.Column("gas_used", _Integer, nullable=False),
    sa.Column("paid", sa.Text, nullable=False),
    sa.Column("at", _Double, nullable=False, index=True),
    sa.Index("settlements_nonces", "account", "nonce"),
)

compaction_permit = sa.Table(
    "compaction_permit",
    METADATA,
    sa.Column("id", sa.Integer, sa.CheckConstraint("id = 1"), primary_key=True, autoincrement=False),
)

network = NetworkTables(METADATA, _Integer, _Double)
"""The tables of a node that signs with others."""

ALWAYS_THERE = frozenset({"schema_version", "observations", "outcomes"})
"""Tables that a journal of any release has."""

_APPEND_ONLY = (
    "decisions",
    "observations",
    "reports",
    "members",
    "steps",
    "outcomes",
    "compactions",
    "expenses",
    "settlements",
    *APPEND_ONLY,
)
_ENDED = "the observation has ended"
_REFUSED = "the journal is append-only"
_HAS_ENDED = {
    "steps": "EXISTS (SELECT 1 FROM members JOIN outcomes ON outcomes.key = members.key "
    "WHERE members.report = NEW.report)",
    "members": "EXISTS (SELECT 1 FROM outcomes WHERE outcomes.key = NEW.key)",
}
_MAY_GO = (
    "EXISTS (SELECT 1 FROM compaction_permit) AND NOT EXISTS (SELECT 1 FROM members LEFT JOIN outcomes "
    "ON outcomes.key = members.key WHERE members.report = OLD.report AND outcomes.key IS NULL)"
)
_MAY_BE_DELETED = {"steps": _MAY_GO, **MAY_BE_FORGOTTEN}


def create(connection: sa.Connection) -> None:
    """Create the newest schema in an empty database, as the migrations would leave it."""
    build(connection)
    connection.exec_driver_sql("CREATE TABLE alembic_version (version_num VARCHAR(32) NOT NULL PRIMARY KEY)")
    connection.exec_driver_sql(f"INSERT INTO alembic_version (version_num) VALUES ('{REVISION}')")
    connection.execute(schema_version.insert().values(version=SCHEMA_VERSION))


def build(connection: sa.Connection) -> None:
    """Create the tables that are not there yet, their triggers, and the leader's row without a leader."""
    METADATA.create_all(connection)
    for statement in _sqlite_triggers() if connection.dialect.name == "sqlite" else _postgresql_triggers():
        connection.exec_driver_sql(statement)
    connection.execute(leader.insert().values(id=1, epoch=0, holder="", expires=0.0))


def _sqlite_triggers() -> list[str]:
    """Return statements that make the tables append-only in SQLite."""
    statements = [
        f"""CREATE TRIGGER no_{table}_after_an_outcome BEFORE INSERT ON {table} WHEN {ended}
            BEGIN SELECT RAISE(ABORT, '{_ENDED}'); END"""
        for table, ended in _HAS_ENDED.items()
    ]
    for table in _APPEND_ONLY:
        for action in ("UPDATE", "DELETE"):
            may = _MAY_BE_DELETED.get(table) if action == "DELETE" else None
            when = f"WHEN NOT ({may})" if may else ""
            statements.append(
                f"""CREATE TRIGGER no_{action.lower()}_of_{table} BEFORE {action} ON {table} {when}
                    BEGIN SELECT RAISE(ABORT, '{_REFUSED}'); END"""
            )
    return statements


def _postgresql_triggers() -> list[str]:
    """Return the same for PostgreSQL, where refusals are integrity errors, too."""
    raising = "RAISE EXCEPTION '{}' USING ERRCODE = 'integrity_constraint_violation';"
    statements = [
        f"""CREATE FUNCTION journal_append_only() RETURNS trigger LANGUAGE plpgsql AS $$
            BEGIN {raising.format(_REFUSED)} END $$""",
    ]
    for table, may in _MAY_BE_DELETED.items():
        statements.append(
            f"""CREATE FUNCTION journal_{table}_may_go() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN IF {may} THEN RETURN OLD; END IF; {raising.format(_REFUSED)} END $$"""
        )
    for table, ended in _HAS_ENDED.items():
        statements += [
            f"""CREATE FUNCTION journal_{table}_not_ended() RETURNS trigger LANGUAGE plpgsql AS $$
                BEGIN IF {ended} THEN {raising.format(_ENDED)} END IF; RETURN NEW; END $$""",
            f"""CREATE TRIGGER no_{table}_after_an_outcome BEFORE INSERT ON {table}
                FOR EACH ROW EXECUTE FUNCTION journal_{table}_not_ended()""",
        ]
    for table in _APPEND_ONLY:
        for action in ("UPDATE", "DELETE", "TRUNCATE"):
            function = f"{table}_may_go" if action == "DELETE" and table in _MAY_BE_DELETED else "append_only"
            each = "STATEMENT" if action == "TRUNCATE" else "ROW"
            statements.append(
                f"""CREATE TRIGGER no_{action.lower()}_of_{table} BEFORE {action} ON {table}
                    FOR EACH {each} EXECUTE FUNCTION journal_{function}()"""
            )
    return statements
