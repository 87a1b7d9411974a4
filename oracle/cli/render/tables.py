"""The form of all tables."""

from __future__ import annotations

from rich.table import Table


def new_table(*columns: str) -> Table:
    """Return an empty table without borders. Cells that are too long fold; no word of a header is broken."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        longest = max((len(word) for word in column.split()), default=0)
        table.add_column(column, overflow="fold", min_width=longest)
    return table
