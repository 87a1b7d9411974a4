"""Daemons as processes, forked from one that has imported everything: an import takes longer than a fault.

They run what `oracle run` runs. The first test of tests/integration/test_daemon.py starts an interpreter for it.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
from collections.abc import Sequence
from multiprocessing.context import ForkServerProcess
from pathlib import Path

# The modules that a daemon imports while it starts and with its first requests.
import aiohttp.connector  # noqa: F401
import eth_account  # noqa: F401
import jsonpath  # noqa: F401
import sqlalchemy.dialects.sqlite  # noqa: F401
import tenacity  # noqa: F401
import web3.providers.rpc  # noqa: F401

import oracle.app.run
import oracle.chain.deploy
import oracle.chain.keys.signer
import oracle.chain.transport.endpoints
import oracle.chain.tx.submit
import oracle.feeds.journal
import oracle.proving.pool.local
import oracle.sources.http.source
import oracle.web.server  # noqa: F401
from tests.chaos import saboteur


def start(folder: Path, environment: dict[str, str], arguments: Sequence[str] = ("run",)) -> Daemon:
    """Start `oracle run`, or another command, in a folder; its output goes to the file `log` there."""
    context = multiprocessing.get_context("forkserver")
    context.set_forkserver_preload(["__main__", __name__])
    process = context.Process(target=_run, args=(folder, environment, tuple(arguments)))
    process.start()
    return Daemon(process)


class Daemon:
    """A running daemon, with the methods of subprocess.Popen."""

    def __init__(self, process: ForkServerProcess) -> None:
        self._process = process

    @property
    def pid(self) -> int:
        assert self._process.pid is not None
        return self._process.pid

    def poll(self) -> int | None:
        """Return the exit code, or the negative number of a signal; None while it runs."""
        return self._process.exitcode

    def wait(self, timeout: float = 30.0) -> int:
        """Wait until it has ended, for at most `timeout` seconds, and return the same as `poll`."""
        self._process.join(timeout)
        assert self._process.exitcode is not None, f"it has not ended within {timeout:g} s"
        return self._process.exitcode

    def send_signal(self, number: int) -> None:
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def _run(folder: Path, environment: dict[str, str], arguments: Sequence[str]) -> None:
    os.chdir(folder)
    os.environ.update(environment)
    log = os.open("log", os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    sys.argv = ["oracle", *arguments]
    saboteur.main()
