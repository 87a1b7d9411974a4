"""The first schema: what `schema.build` makes. Whoever adds a second revision writes the first one out here."""

from __future__ import annotations

from alembic import op

from oracle.feeds.journal import schema

revision = "0001"
down_revision = None
branch_labels = None
depends_on = None


def upgrade() -> None:
    schema.build(op.get_bind())
    op.get_bind().execute(schema.schema_version.insert().values(version=schema.SCHEMA_VERSION))
