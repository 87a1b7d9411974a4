"""The rule by which the columns of times and of values are found: by name, else by what is in them."""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Sequence
from decimal import Decimal

from oracle.core.errors import DataError
from oracle.sources.interface import parse_decimal
from oracle.sources.recordings.sheets import Sheet
from oracle.sources.recordings.times import looks_like_time, read_times

__all__ = ["ColumnChoice", "choose"]

TIME_NAMES = (
    "unix",
    "unix_time",
    "unix_timestamp",
    "timestamp",
    "time",
    "datetime",
    "date_time",
    "date",
    "updated_at",
    "observed_at",
    "open_time",
)
"""Names of columns of times; a file that has several is read by the first, if they say the same."""

VALUE_NAMES = ("value", "answer", "price", "close")

LOOKED_AT = 50
"""Rows by which a column is known that has no known name."""


class ColumnChoice:
    """The columns of a sheet that a recording takes.

    Attributes:
        time: Index of the column of times; None if it isn't known.
        values: Indices of the columns of values.
        peers: Indices of the columns of peers.
        problems: What is wrong, in sentences.
        notes: How a column without a known name was found.
    """

    def __init__(self, sheet: Sheet) -> None:
        """Begin with nothing chosen."""
        self.sheet = sheet
        self.time: int | None = None
        self.values: list[int] = []
        self.peers: list[int] = []
        self.problems: list[str] = []
        self.notes: list[str] = []

    def named(self, wanted: str) -> int | None:
        """Return the index of the column with this name; None, and a problem, if there is none."""
        headers = self.sheet.headers
        if headers.count(wanted) == 1:
            return headers.index(wanted)
        if wanted in headers:
            self.problems.append(f"the header has {headers.count(wanted)} columns {wanted!r}; names must be distinct")
            return None
        near = difflib.get_close_matches(wanted, headers, n=1)
        same = [name for name in headers if name.lower() == wanted.lower()]
        hint = f"did you mean {(same or near)[0]!r}?" if same or near else f"the header has: {', '.join(headers)}"
        self.problems.append(f"there is no column {wanted!r}; {hint}")
        return None

    def find_time(self) -> None:
        """Find the column of times: by its name, else it is the only one with dates or unix times."""
        known = self._known(TIME_NAMES)
        if len(known) > 1 and (differing := self._differing(known)):
            names = ", ".join(self.sheet.headers[index] for index in known)
            self.problems.append(
                f"any of {names} may hold the times; name it with --time-column (time_column): {differing}"
            )
            return
        if known:
            self.time = known[0]
            if len(known) > 1:
                others = ", ".join(repr(self.sheet.headers[index]) for index in known[1:])
                self.notes.append(f"times are those of {self.sheet.headers[known[0]]!r}; {others} say the same")
            return
        found = [index for index in range(len(self.sheet.headers)) if self._all(index, looks_like_time)]
        if len(found) == 1:
            self.time = found[0]
            self.notes.append(f"times are those of column {self.sheet.headers[found[0]]!r}, by what is in it")
        elif found:
            names = ", ".join(self.sheet.headers[index] for index in found)
            self.problems.append(
                f"any of the columns {names} may hold the times; name it with --time-column (time_column)"
            )
        else:
            self.problems.append(self._unknown("times", TIME_NAMES, "--time-column (time_column)"))

    def find_value(self) -> None:
        """Find the column of values: by its name, else it is the only other one with numbers."""
        known = [index for index in self._known(VALUE_NAMES) if index != self.time and index not in self.peers]
        by_name = bool(known)
        if not known:
            known = [
                index
                for index in range(len(self.sheet.headers))
                if index != self.time
                and index not in self.peers
                and _plain(self.sheet.headers[index]) not in TIME_NAMES
                and self._all(index, _is_number)
            ]
            if len(known) == 1:
                name = self.sheet.headers[known[0]]
                self.notes.append(f"values are those of column {name!r}, the only one with numbers")
        if len(known) == 1:
            self.values = known
        elif not by_name and known:
            self.problems.append(self._unknown("values", VALUE_NAMES, "--value-column (value_columns)"))
        elif known:
            names = ", ".join(self.sheet.headers[index] for index in known)
            self.problems.append(f"any of {names} may hold the values; name it with --value-column (value_columns)")
        else:
            self.problems.append(self._unknown("values", VALUE_NAMES, "--value-column (value_columns)"))

    def _known(self, names: Sequence[str]) -> list[int]:
        """Return the columns with a known name, in the order of the names."""
        plain = [_plain(header) for header in self.sheet.headers]
        return [index for name in names for index, header in enumerate(plain) if header == name]

    def _differing(self, found: Sequence[int]) -> str:
        """Return in what columns of times differ; nothing if all say the same."""
        read = [read_times(self.sheet.column(index)) for index in found]
        for index, each in zip(found, read, strict=True):
            wrong = each.refused or next(iter(each.problems.values()), None)
            if wrong:
                return f"{self.sheet.headers[index]!r} is not one of times alone ({wrong})"
        for index, each in zip(found[1:], read[1:], strict=True):
            pairs = zip(read[0].seconds, each.seconds, strict=True)
            row = next((row for row, (one, other) in enumerate(pairs) if one != other), None)
            if row is not None:
                names = f"{self.sheet.headers[found[0]]!r} and {self.sheet.headers[index]!r}"
                return f"{names} differ in {self.sheet.place(row)}"
        return ""

    def _all(self, index: int, test: Callable[[object], bool]) -> bool:
        cells = [cell for cell in self.sheet.column(index)[:LOOKED_AT] if cell not in (None, "")]
        return bool(cells) and all(test(cell) for cell in cells)

    def _unknown(self, what: str, known: Sequence[str], key: str) -> str:
        headers = self.sheet.headers
        near = [match for name in headers for match in difflib.get_close_matches(_plain(name), known, n=1)]
        hint = f" (is it a misspelt {near[0]!r}?)" if near else ""
        return f"no column is known to hold the {what}{hint}; name it with {key}. The header has: {', '.join(headers)}"


def choose(
    sheet: Sheet, time_column: str | None, value_columns: Sequence[str], peer_columns: Sequence[str]
) -> ColumnChoice:
    """Return the columns of a recording: those that are named, and those that are found."""
    choice = ColumnChoice(sheet)
    if time_column is None:
        choice.find_time()
    else:
        choice.time = choice.named(time_column)
    choice.peers = [index for name in peer_columns if (index := choice.named(name)) is not None]
    if value_columns:
        choice.values = [index for name in value_columns if (index := choice.named(name)) is not None]
    elif choice.time is not None:
        choice.find_value()
    return choice


def _plain(name: str) -> str:
    return re.sub(r"[\s-]+", "_", name.strip().strip("<>").lower())


def _is_number(cell: object) -> bool:
    if isinstance(cell, str):
        try:
            parse_decimal(cell, "")
        except DataError:
            return False
        return True
    return isinstance(cell, int | float | Decimal) and not isinstance(cell, bool)
