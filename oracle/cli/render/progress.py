"""Progress, on standard error: bars, which show nothing if that is not a terminal, and steps, which are lines then."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator

from rich.console import Console
from rich.progress import (
    BarColumn,
    DownloadColumn,
    MofNCompleteColumn,
    Progress,
    SpinnerColumn,
    TaskID,
    TextColumn,
    TimeElapsedColumn,
    TimeRemainingColumn,
    TransferSpeedColumn,
)

from oracle.audit.progress import AuditStep
from oracle.cli.render.tables import new_console
from oracle.core.formats import harmless


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


@contextlib.contextmanager
def step_progress(console: Console | None = None) -> Iterator[Callable[[str], None]]:
    """Show the steps of a long command; the function that is given takes each step as it begins.

    In a terminal that can move its cursor, a spinner and a clock run beside the current step, and the steps before it
    stay with the seconds that they took. Elsewhere each step is a line at once, with the seconds since the beginning.

    Args:
        console: The console to write to; None: standard error.
    """
    console = console or new_console(stderr=True)
    began = time.monotonic()
    if not console.is_interactive:

        def write(step: str) -> None:
            told = f"{time.monotonic() - began:7.1f} s  {step}"
            console.print(told, markup=False, soft_wrap=True)
            console.file.flush()

        yield write
        return
    columns = (SpinnerColumn(), TextColumn("{task.description}", markup=False), TimeElapsedColumn())
    current: list[tuple[str, float]] = []

    def close() -> None:
        for step, since in current:
            console.print(f"{time.monotonic() - since:7.1f} s  {step}", markup=False, style="dim", soft_wrap=True)
        current.clear()

    with Progress(*columns, console=console, transient=True) as bar:

        def show(step: str) -> None:
            close()
            for each in bar.task_ids:
                bar.remove_task(each)
            current.append((harmless(step), time.monotonic()))
            bar.add_task(harmless(step), total=None)
            bar.refresh()

        try:
            yield show
        finally:
            close()
