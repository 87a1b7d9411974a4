"""A user's folder: a configuration, recordings, and the command line run in it, with daemons as processes."""

from __future__ import annotations

import contextlib
import io
import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Self

import pytest

from oracle.chain.local.anvil import Anvil
from oracle.cli import main
from oracle.config import load
from oracle.core.errors import OracleError
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.registry import PACKAGED
from oracle.feeds.journal import Journal, open_journal
from tests.chaos import nursery
from tests.chaos.nursery import Daemon
from tests.circuits import artifacts

DEADLINE_S = 90.0

OWN = replace(PolynomialModel.from_json(PACKAGED.read_text()), name="other", salt="5a17" * 8)
"""A model of a user's own: of the packaged one's form, and salted."""


@dataclass(frozen=True)
class Done:
    """The result of a command."""

    returncode: int
    stdout: str
    stderr: str


def feed(name: str, sources: str, **changes: Any) -> str:
    """Return a feed's part of a configuration, with a heartbeat of a second."""
    keys: dict[str, Any] = {
        "name": name,
        "description": name.upper(),
        "kind": "relative",
        "decimals": 8,
        "sigma": 10_000,
        "heartbeat": 1,
        "max_age": 600,
        "max_skew": 600,
        "deviation_ppm": 5_000,
        "confirmations": 2,
        "confirm_delay": 1,
        "poll_interval": 0.01,
        "min_sources": 1,
    }
    lines = [f"{key} = {json.dumps(value)}" for key, value in (keys | changes).items()]
    return "\n".join(["[[feeds]]", *lines, f"sources = [{sources}]", ""])


class Workspace:
    """A folder with an `oracle.toml` for one chain. A context manager, which ends the processes that still run."""

    def __init__(self, folder: Path, chain: Anvil) -> None:
        self.folder = folder
        self.chain = chain
        self._started: list[subprocess.Popen[str] | Daemon] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: object, error: object, trace: object) -> None:
        for process in self._started:
            process.kill()
            process.wait()

    def configure(self, *feeds: str, **changes: Any) -> Path:
        """Write the configuration. `changes` replace values of its sections."""
        values: dict[str, Any] = {
            "rpc_url": self.chain.rpc_url,
            "chain_id": self.chain.chain_id,
            "reporter": "{ anvil_account = 1 }",
            "submitter": "{ anvil_account = 0 }",
            "workers": 1,
            "artifacts": artifacts(),
            "prover": "",
            "listen": "127.0.0.1:0",
            "more": "",
            "journal": 'path = "journal.db"',
        } | changes
        path = self.folder / "oracle.toml"
        path.write_text(
            f"""[chain]
rpc_url = "{values["rpc_url"]}"
chain_id = {values["chain_id"]}
deployment = "deployment.json"
tx_deadline_s = 30

[keys]
reporter = {values["reporter"]}
submitter = {values["submitter"]}

[prover]
artifacts = "{values["artifacts"]}"
srs = "insecure-local"
workers = {values["workers"]}
{values["prover"]}

[journal]
{values["journal"]}

[deploy]
change_delay = 0

[web]
listen = "{values["listen"]}"
interval = 0.1

{values["more"]}
"""
            + "\n".join(feeds)
        )
        return path

    def recording(self, name: str, values: Sequence[object], later: int = 0) -> str:
        """Write a recording with a row each second, the first now, or `later` seconds from now.

        Returns the source that gives a row at each look. Its times are within the feed's skew, so nothing has to wait
        for them.
        """
        now = int(time.time()) + later
        rows = [f"{now + index},{value}" for index, value in enumerate(values)]
        (self.folder / f"{name}.csv").write_text("\n".join(["time,value", *rows]) + "\n")
        return f'{{ type = "replay", file = "{name}.csv", speed = "max" }}'

    def own_model(self) -> str:
        """Write a model that is not the packaged one, and return the line of [prover] that names it.

        It is private and publishes verdicts, as any model of one's own.
        """
        (self.folder / "own.json").write_text(OWN.to_json())
        return 'model = "own.json"'

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None) -> Done:
        """Run a command to its end, in this process."""
        return run_command(self.folder, arguments, environment or {})

    def start(self, *arguments: str) -> Daemon:
        """Start a command, forked from a process that has imported everything. Its log goes to `log` in the folder."""
        (self.folder / "log").touch()
        process = nursery.start(self.folder, dict(os.environ), arguments)
        self._started.append(process)
        return process

    def start_interpreter(self, *arguments: str) -> subprocess.Popen[str]:
        """Start a command as a user does, in a new interpreter. Its log goes to `log` in the folder."""
        with (self.folder / "log").open("a") as log:
            process = subprocess.Popen(
                self._command(*arguments), cwd=self.folder, stdout=log, stderr=log, text=True, stdin=subprocess.DEVNULL
            )
        self._started.append(process)
        return process

    def log(self) -> str:
        """Return the log of all started commands."""
        return (self.folder / "log").read_text()

    def journal(self) -> Journal:
        """Open the configured journal to read it."""
        return open_journal(load(self.folder / "oracle.toml", {}).journal, {}, read_only=True)

    def counts(self) -> dict[str, int]:
        """Return the journal's counts. A daemon may be writing it meanwhile."""
        try:
            with self.journal() as journal:
                return journal.counts()
        except OracleError:
            return {}  # the daemon has not begun it yet

    def _command(self, *arguments: str) -> list[str]:
        return [sys.executable, "-c", "from oracle.cli import main; main()", *arguments]


def run_command(folder: Path, arguments: Sequence[str], environment: Mapping[str, str]) -> Done:
    """Run a command in a folder, in this process: a new process would take seconds for its imports."""
    out, errors = io.StringIO(), io.StringIO()
    with pytest.MonkeyPatch.context() as patch, contextlib.ExitStack() as stack:
        patch.chdir(folder)
        patch.setattr(sys, "argv", ["oracle", *arguments])
        patch.setattr(sys, "stdin", io.StringIO())
        for name, value in environment.items():
            patch.setenv(name, value)
        stack.enter_context(contextlib.redirect_stdout(out))
        stack.enter_context(contextlib.redirect_stderr(errors))
        with pytest.raises(SystemExit) as ended:
            main()
    code = ended.value.code
    assert isinstance(code, int)
    return Done(code, out.getvalue(), errors.getvalue())


def eventually(holds: Callable[[], bool], what: str) -> None:
    """Wait until something holds. Fail if it does not within the deadline."""
    until = time.monotonic() + DEADLINE_S
    while not holds():
        assert time.monotonic() < until, f"not within {DEADLINE_S:g} s: {what}"
        time.sleep(0.1)
