"""The form of all tables."""

from __future__ import annotations

from rich.table import Table


def new_table(*columns: str) -> Table:
    """Return an empty table without borders, whose cells fold where they are too long."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        table.add_column(column, overflow="fold")
    return table
