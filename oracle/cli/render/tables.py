"""The form of all tables, and the console that prints them and the lines around them.

A hash, an address, a number or a time is never broken: who copies one from a narrow terminal, or takes it from a pipe,
gets all of it. A table that needs more room than the terminal has is wider than the terminal, which then continues its
lines below. Into a pipe or a file, each row is one line, unless the variable COLUMNS says how wide lines may be.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from typing import Any

from rich.console import Console
from rich.measure import Measurement
from rich.segment import Segment
from rich.table import Table
from rich.text import Text

from oracle.core.formats import harmless

__all__ = ["new_console", "new_table"]

_UNLIMITED = 100_000
"""Columns of a file or a pipe: more than any row has."""

_WHOLE = re.compile(r"(?:0x|[-+~≈≥≤]?\d|[0-9a-f]{16})[^\s/]*")
"""The beginning of a word that is never broken: a hash, an address, a number or a time."""


class _WholeWords(Console):
    """A console that breaks no hash, address, number or time. Lines that are too long go on in the terminal."""

    def print(self, *objects: Any, **how: Any) -> None:
        """Print as a console does; nothing of the sort is cut off or broken at the console's width."""
        for each in objects:
            if isinstance(each, Table):
                _keep_whole(self, each)
            elif isinstance(each, str | Text) and max(map(len, _whole_words(str(each))), default=0) > self.width:
                how |= {"soft_wrap": True}
        super().print(*objects, **{"crop": False} | how)

    def render(self, renderable: Any, options: Any = None) -> Iterable[Segment]:
        """Return the pieces of what is printed. Text of others gets through, but nothing that controls a terminal."""
        for each in super().render(renderable, options):
            yield each if each.control else Segment(harmless(each.text), each.style)


def new_console(*, stderr: bool = False) -> Console:
    """Return a console for standard output, or for standard error."""
    console = _WholeWords(stderr=stderr, highlight=False)
    if not console.is_terminal and "COLUMNS" not in os.environ:
        console.width = _UNLIMITED
    return console


def new_table(*columns: str) -> Table:
    """Return an empty table without borders. Cells that are too long fold; no word of a header is broken."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    for column in columns:
        longest = max((len(word) for word in column.split()), default=0)
        table.add_column(column, overflow="fold", min_width=longest)
    return table


def _keep_whole(console: Console, table: Table) -> None:
    """Make each column at least as wide as the longest of its words that are never broken."""
    for column in table.columns:
        longest = column.min_width or 0
        for cell in column.cells:
            if isinstance(cell, str | Text):
                text = console.render_str(cell).plain if isinstance(cell, str) else cell.plain
                longest = max([longest, *map(len, _whole_words(text))])
            else:
                longest = max(longest, Measurement.get(console, console.options, cell).minimum)
        column.min_width = longest


def _whole_words(text: str) -> list[str]:
    return [word for word in text.split() if _WHOLE.match(word.lstrip("("))]
