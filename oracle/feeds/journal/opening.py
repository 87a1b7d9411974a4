"""The journal that the configuration names."""

from __future__ import annotations

from collections.abc import Mapping

from oracle.config import JournalConfig
from oracle.feeds.journal.databases import Database, PostgresDatabase, SqliteFile, password_of
from oracle.feeds.journal.journal import Journal

__all__ = ["open_journal"]


def open_journal(
    config: JournalConfig, env: Mapping[str, str], *, read_only: bool = False, standby: bool = False
) -> Journal:
    """Open the configured journal.

    Args:
        config: The journal's part of the configuration.
        env: The environment, for the database's password.
        read_only: See `Journal`.
        standby: See `Journal`.

    Raises:
        ConfigError: The database's password is not there.
        JournalError, JournalUnavailable: See `Journal`.
    """
    return Journal(_database(config, env), read_only=read_only, standby=standby, lease_s=config.lease_s)


def _database(config: JournalConfig, env: Mapping[str, str]) -> Database:
    if config.url is None:
        assert config.path is not None
        return SqliteFile(config.path)
    return PostgresDatabase(config.url, password_of(config.password_file, config.password_env, env))
