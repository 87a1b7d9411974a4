"""Alembic's scripts, which bring a journal of an earlier release to this one's schema."""

from __future__ import annotations

import sqlalchemy as sa
from alembic import command
from alembic.config import Config
from alembic.script import ScriptDirectory

__all__ = ["newest", "upgrade"]


def upgrade(connection: sa.Connection) -> None:
    """Bring a database to the newest schema, in the transaction that the connection is in."""
    config = Config()
    config.set_main_option("script_location", "oracle.feeds.journal:migrations")
    config.attributes["connection"] = connection
    command.upgrade(config, "head")


def newest() -> str | None:
    """Return the newest revision among the scripts."""
    config = Config()
    config.set_main_option("script_location", "oracle.feeds.journal:migrations")
    return ScriptDirectory.from_config(config).get_current_head()
