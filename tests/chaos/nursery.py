"""Daemons as processes that a saboteur runs. They run what `oracle run` runs.

The first test of tests/integration/test_daemon.py starts an interpreter for it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from oracle.app.local_network import nursery
from oracle.app.local_network.nursery import ChildDaemon as Daemon
from tests.chaos import saboteur

__all__ = ["Daemon", "start"]


def start(folder: Path, environment: Mapping[str, str], arguments: Sequence[str] = ("run",)) -> Daemon:
    """Start `oracle run`, or another command, in a folder; its output goes to the file `log` there.

    Args:
        environment: Variables to add; for some, see `tests.chaos.saboteur`.
    """
    return nursery.start(saboteur.main, folder, arguments, environment)
