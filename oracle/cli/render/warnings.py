"""The form of all warnings."""

from __future__ import annotations

from collections.abc import Iterable

from rich.console import Console
from rich.markup import escape


def print_warnings(warnings: Iterable[str], console: Console) -> None:
    """Print warnings so that nobody overlooks them."""
    for warning in warnings:
        console.print(f"[bold red]WARNING:[/bold red] {escape(warning)}", highlight=False)
