"""The journal: every stage of every observation, on disk before the next stage begins.

An observation that has no outcome is open, and `unfinished` restores how far it came. It passes the stages
in order; where the chain moved under it, a new attempt begins with SCORED, and the old one stays readable.
The database itself refuses a second outcome, and anything after an outcome. See `schema` for the tables.

Each call is one transaction, written through to the disk before it returns (SQLite: `synchronous=FULL`; PostgreSQL:
`synchronous_commit=on`). Calls are fast (milliseconds) and serialised; they may come from several threads.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING

from oracle.feeds.journal.databases import Database, PostgresDatabase, SqliteFile, password_of
from oracle.feeds.journal.journal import Audit, Compaction, Entry, Journal, Leader
from oracle.feeds.journal.rows import StageName
from oracle.feeds.journal.schema import SCHEMA_VERSION

if TYPE_CHECKING:
    from oracle.config import JournalConfig

__all__ = ["SCHEMA_VERSION", "Audit", "Compaction", "Entry", "Journal", "Leader", "StageName", "open_journal"]


def database(config: JournalConfig, env: Mapping[str, str]) -> Database:
    """Where the configuration says that the journal is.

    Raises:
        ConfigError: The database's password is not there.
    """
    if config.url is None:
        assert config.path is not None
        return SqliteFile(config.path)
    return PostgresDatabase(config.url, password_of(config.password_file, config.password_env, env))


def open_journal(
    config: JournalConfig, env: Mapping[str, str], *, read_only: bool = False, standby: bool = False
) -> Journal:
    """The configured journal. See `Journal`."""
    return Journal(database(config, env), read_only=read_only, standby=standby, lease_s=config.lease_s)
