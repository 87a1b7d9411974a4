"""The revision of a journal's schema: found, and brought to that of this release."""

from __future__ import annotations

import sqlalchemy as sa

from oracle.core.errors import JournalError
from oracle.feeds.journal import schema
from oracle.feeds.journal.store import Store

__all__ = ["require_revision"]

_MIGRATION_LOCK = 0x6F7261636C65


def require_revision(store: Store) -> None:
    """Require this release's schema. A journal that may be written is brought to it, or begun with it.

    Raises:
        JournalError: The schema is a newer one, is not this program's, or is an older one that may not be written.
    """
    with store.transaction(read=store.read_only, fenced=False) as connection:
        if not store.read_only and connection.dialect.name != "sqlite":
            # Two daemons that begin at once make one schema.
            connection.exec_driver_sql(f"SELECT pg_advisory_xact_lock({_MIGRATION_LOCK})")
        tables = set(sa.inspect(connection).get_table_names())
        revision = _revision(store, connection, tables)
        if revision == schema.REVISION:
            return
        if store.read_only:
            raise JournalError(
                f"{store.name}: is of an earlier release; `oracle journal migrate`, or starting the daemon, "
                "takes it over"
            )
        if revision is None:
            schema.create(connection)
            return
        # Alembic takes a while to load, and is rarely needed.
        from oracle.feeds.journal.migrations import upgrade

        upgrade(connection)


def _revision(store: Store, connection: sa.Connection, tables: set[str]) -> str | None:
    """Return the schema's revision; None: there is no schema yet."""
    if not tables and not store.read_only:
        return None
    if not tables >= schema.ALWAYS_THERE:
        raise JournalError(f"{store.name}: is a database, but no journal of this program; use another path")
    version = connection.scalar(sa.select(schema.schema_version.c.version))
    if version is not None and version < schema.FIRST_VERSION:
        raise JournalError(
            f"{store.name}: has schema version {version}, of a release whose journals are of another form; "
            "begin another journal, and keep this one as it is"
        )
    revision = str(connection.exec_driver_sql("SELECT version_num FROM alembic_version").scalar())
    if version is None or version > schema.SCHEMA_VERSION or revision > schema.REVISION:
        raise JournalError(
            f"{store.name}: has schema version {version} ({revision}), this release knows "
            f"{schema.SCHEMA_VERSION}; use the release that wrote it, or a newer one"
        )
    return revision
