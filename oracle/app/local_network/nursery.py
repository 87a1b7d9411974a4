"""Processes that are forked from one which has imported everything: an import takes longer than many a test.

They are daemons, or other commands, each with a folder as its working directory and a log there. They end with the
process that started them, however that ends.
"""

from __future__ import annotations

import multiprocessing
import os
import signal
import sys
import threading
from collections.abc import Callable, Mapping, Sequence
from multiprocessing import forkserver
from multiprocessing.context import ForkServerProcess
from pathlib import Path

from oracle.core.errors import Fatal

__all__ = ["LOG", "ChildDaemon", "prepare", "start"]

IMPORTED = (
    "aiohttp.connector",
    "eth_account",
    "jsonpath",
    "oracle.app.answering",
    "oracle.app.run",
    "oracle.app.transmitting",
    "oracle.chain.deploy",
    "oracle.chain.keys.signer",
    "oracle.chain.transport.endpoints",
    "oracle.chain.tx.submit",
    "oracle.feeds.journal",
    "oracle.proving.pool.local",
    "oracle.sources.http.source",
    "oracle.web.server",
    "sqlalchemy.dialects.sqlite",
    "tenacity",
    "web3.providers.rpc",
)
"""The modules that a daemon imports while it starts and with its first requests."""

LOG = "log"
"""The name of the file in the folder that has the output of all processes started there."""


def prepare() -> None:
    """Begin to import, in the process that all are forked from, what they need. Returns at once."""
    forkserver.set_forkserver_preload(["__main__", __name__, *IMPORTED])
    forkserver.ensure_running()


def start(
    main: Callable[[], None], folder: Path, arguments: Sequence[str] = (), environment: Mapping[str, str] | None = None
) -> ChildDaemon:
    """Start a process. The first one waits until the process that all are forked from has imported what they need.

    Args:
        main: What it runs: a function of a module, which reads its arguments from `sys.argv`.
        folder: Its working directory.
        arguments: Its arguments.
        environment: Variables to add to its environment.

    Raises:
        Fatal: The process that all are forked from can't import what they need.
    """
    prepare()
    context = multiprocessing.get_context("forkserver")
    process = context.Process(target=_run, args=(main, folder, dict(environment or {}), tuple(arguments)))
    try:
        process.start()
    except (EOFError, ConnectionError) as error:
        raise Fatal("no process can be forked: the one that imports for all has ended; it has said why") from error
    return ChildDaemon(process)


class ChildDaemon:
    """A running process, with the methods of subprocess.Popen."""

    def __init__(self, process: ForkServerProcess) -> None:
        """Take a process that has been started."""
        self._process = process

    @property
    def pid(self) -> int:
        """Return the process id."""
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
        """Send a signal, unless it has ended."""
        if self._process.exitcode is None:
            os.kill(self.pid, number)

    def terminate(self) -> None:
        """Ask it to end."""
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        """End it at once."""
        self.send_signal(signal.SIGKILL)


def _run(main: Callable[[], None], folder: Path, environment: dict[str, str], arguments: Sequence[str]) -> None:
    os.chdir(folder)
    os.environ.update(environment)
    log = os.open(LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o644)
    for descriptor in (1, 2):
        os.dup2(log, descriptor)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    # Ctrl-C in a terminal reaches the process that started it, which ends it in order.
    os.setsid()
    parent = multiprocessing.parent_process()
    if parent is not None:
        threading.Thread(target=_end_with, args=(parent,), name="parent", daemon=True).start()
    sys.argv = ["oracle", *arguments]
    main()


def _end_with(parent: multiprocessing.process.BaseProcess) -> None:
    parent.join()
    os.kill(os.getpid(), signal.SIGKILL)
