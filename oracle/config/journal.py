"""The table [journal]: where the daemon writes down each stage of an observation."""

from __future__ import annotations

from typing import Annotated, Self
from urllib.parse import urlsplit

from pydantic import AfterValidator, Field, model_validator

from oracle.core.settings import ConfigPath, Seconds, Section, wrong

__all__ = ["JournalConfig", "journal_table"]


def _postgres_url(value: str) -> str:
    # No message repeats it: it may hold a password.
    example = "write it as postgresql://user@host:5432/database"
    try:
        parts = urlsplit(value)
        _ = parts.hostname, parts.port
    except ValueError:
        raise wrong(f"is not a valid URL; {example}") from None
    if parts.scheme not in ("postgresql", "postgres", "postgresql+psycopg") or not parts.path.strip("/"):
        raise wrong(f"is not a PostgreSQL database; {example}")
    if parts.password is not None or "password" in parts.query.lower():
        raise wrong("has a password in it: name a file in 'password_file', or a variable in 'password_env'")
    return value.replace("postgres://", "postgresql://", 1)


class JournalConfig(Section):
    """The journal of observations, with which a restarted daemon continues.

    Attributes:
        path: SQLite's file.
        url: A PostgreSQL database instead, without its password.
        password_file: A file whose first line is the database's password.
        password_env: An environment variable that holds the password. Without either, libpq looks for one by itself.
        standby: If another daemon leads: True: wait, and take over when it ends; False: fail.
        lease_s: Seconds without a sign of life after which another daemon may replace the leader.
        keep_days: Days for which the proofs and stages of an ended observation are kept. None: for ever.
    """

    path: ConfigPath | None = None
    url: Annotated[str, AfterValidator(_postgres_url)] | None = Field(None, repr=False)
    password_file: ConfigPath | None = None
    password_env: Annotated[str, Field(min_length=1)] | None = None
    standby: bool = False
    lease_s: Annotated[Seconds, Field(ge=1, le=600)] = 6.0
    keep_days: Annotated[int, Field(ge=1, le=36_500)] | None = None

    @model_validator(mode="after")
    def _one_place(self) -> Self:
        if (self.path is None) == (self.url is None):
            raise wrong("needs exactly one of 'path' (SQLite) and 'url' (PostgreSQL)")
        passwords = (self.password_file is not None) + (self.password_env is not None)
        if passwords and self.url is None:
            raise wrong("a password is for PostgreSQL only: SQLite's file has none")
        if passwords > 1:
            raise wrong("needs one of 'password_file' and 'password_env', not both")
        return self


def journal_table(value: object) -> object:
    """Return a journal's table: if `value` is a text, as the table with this file or this PostgreSQL URL."""
    if not isinstance(value, str):
        return value
    return {"url" if "://" in value else "path": value}
