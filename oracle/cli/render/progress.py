"""Progress bars, on standard error. If that is not a terminal, they show nothing."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from oracle.audit.progress import AuditStep


@contextlib.contextmanager
def progress_bar(what: str) -> Iterator[Callable[[int, int], None]]:
    """Show a bar; the function that is given takes how many are done, and of how many."""
    console = Console(stderr=True)
    with Progress(console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task(what, total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def download_progress() -> Iterator[Callable[[int, int], None]]:
    """Show a download's bar; the function that is given takes the bytes that have come, and all of them."""
    console = Console(stderr=True)
    columns = (BarColumn(), DownloadColumn(), TransferSpeedColumn(), TimeRemainingColumn())
    with Progress(*columns, console=console, transient=True, disable=not console.is_terminal) as bar:
        task = bar.add_task("download", total=None)
        yield lambda done, total: bar.update(task, completed=done, total=total)


@contextlib.contextmanager
def audit_progress(*, quiet: bool) -> Iterator[Callable[[AuditStep, int, int | None], None]]:
    """Show a bar for each step of an audit that has begun; the function that is given is an audit's `Progress`.

    Args:
        quiet: Show nothing.
    """
    console = Console(stderr=True)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=console, transient=True, disable=quiet or not console.is_terminal) as bar:
        tasks: dict[AuditStep, TaskID] = {}

        def show(step: AuditStep, done: int, total: int | None) -> None:
            if step not in tasks:
                tasks[step] = bar.add_task(step.value, total=None)
            bar.update(tasks[step], completed=done, total=total)

        yield show
