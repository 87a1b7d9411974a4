"""The findings of `oracle doctor`."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import asdict

from rich.markup import escape

from oracle.app.checks import Check
from oracle.cli.render.json_output import print_json
from oracle.cli.render.tables import new_console, new_table


def print_checks(checks: Sequence[Check], *, as_json: bool) -> None:
    """Print each check, and what to do about those that fail."""
    if as_json:
        print_json([asdict(check) for check in checks])
        return
    table = new_table("", "tool", "version", "where", "finding")
    for check in checks:
        mark = "[green]ok[/]" if check.ok else {"error": "[red]fails[/]"}.get(check.level, "[yellow]note[/]")
        # Names of the configuration's tables are in brackets, which would be taken for markup.
        table.add_row(mark, *map(escape, (check.name, check.version, check.where, check.detail)))
    console = new_console()
    console.print(table)
    # Several checks may have one remedy.
    for line in dict.fromkeys(f"{check.name}: {check.remedy}" for check in checks if not check.ok and check.remedy):
        console.print(line, markup=False, highlight=False)
