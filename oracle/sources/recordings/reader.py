"""The reader of recordings: times that rise, and decimals, or all that is wrong with a file."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path

from oracle.core.errors import DataError
from oracle.sources.interface import Reading, check_value, parse_decimal
from oracle.sources.recordings.columns import choose
from oracle.sources.recordings.sheets import Sheet, open_sheet
from oracle.sources.recordings.times import read_times, unit_notes

__all__ = ["RecordedTable", "read_table"]

MOST_TOLD = 10
"""Problems of one file that are told, at most: a person reads them."""

KEEP_LAST = '--keep-last (repeated_times = "last")'


@dataclass(frozen=True, slots=True)
class RecordedTable:
    """A recording.

    Attributes:
        path: The file.
        times: Unix seconds, strictly rising.
        columns: Values by column, one for each time; None where a cell is empty.
        time_column: The column of the times.
        value_columns: The columns of the values, without those of peers.
        notes: What was turned round, skipped or converted, in sentences.
    """

    path: Path
    times: tuple[int, ...]
    columns: Mapping[str, tuple[Decimal | None, ...]]
    time_column: str
    value_columns: tuple[str, ...]
    notes: tuple[str, ...]

    def readings(self, column: str, source: str) -> tuple[Reading, ...]:
        """Return a column's values as the readings of a source."""
        pairs = zip(self.times, self.columns[column], strict=True)
        return tuple(Reading(value, time, source) for time, value in pairs if value is not None)


def read_table(
    path: Path,
    time_column: str | None = None,
    value_columns: Sequence[str] = (),
    *,
    peer_columns: Sequence[str] = (),
    keep_last: bool = False,
) -> RecordedTable:
    """Read a recording of one or more series.

    Args:
        path: A CSV, TSV, Parquet or XLSX file.
        time_column: Header of the times; found if None.
        value_columns: Headers of the values; found if empty. With several, a cell may be empty: that source gave no
            value.
        peer_columns: Headers of other values, of which any cell may be empty.
        keep_last: If rows have the same time, take the last of them instead of refusing the file.

    Raises:
        DataError: The file can't be read, or something in it is wrong; the message names places.
        ToolMissing: It takes a package that is not installed.
    """
    sheet = open_sheet(path)
    choice = choose(sheet, time_column, value_columns, peer_columns)
    if choice.problems or choice.time is None:
        raise DataError(_told(path, [(sheet.header_place, problem) for problem in choice.problems]))
    if sheet.count == 0 and not sheet.wrong:
        raise DataError(f"{path}: has no rows below its header")
    problems = list(sheet.wrong)
    name = sheet.headers[choice.time]
    times = read_times(sheet.column(choice.time))
    if times.refused is not None:
        problems.append((sheet.header_place, f"column {name!r}: {times.refused}"))
    problems += [(sheet.place(row), f"column {name!r}: {wrong}") for row, wrong in sorted(times.problems.items())]
    columns: dict[str, list[Decimal | None]] = {}
    for index in (*choice.values, *choice.peers):
        may_be_empty = index in choice.peers or len(choice.values) > 1
        columns[sheet.headers[index]], wrong_cells = _values(sheet, index, may_be_empty=may_be_empty)
        problems += wrong_cells
    notes = [*sheet.notes, *choice.notes, *times.notes, *unit_notes(name, times)]
    order = list(range(sheet.count))
    if times.refused is None and not times.problems:
        seconds = [each for each in times.seconds if each is not None]
        if _falls(seconds):
            order.reverse()
            notes.append("rows are newest first: they were turned round")
        order, repeated = _rising(sheet, name, seconds, order, problems, keep_last=keep_last)
        if repeated:
            notes.append(f"rows with the time of the row after them were left out: {repeated}")
    if problems:
        raise DataError(_told(path, problems))
    return RecordedTable(
        path,
        tuple(each for row in order if (each := times.seconds[row]) is not None),
        {header: tuple(cells[row] for row in order) for header, cells in columns.items()},
        name,
        tuple(sheet.headers[index] for index in choice.values),
        tuple(notes),
    )


def _values(sheet: Sheet, index: int, *, may_be_empty: bool) -> tuple[list[Decimal | None], list[tuple[str, str]]]:
    """Return a column's values, and what is wrong with its cells."""
    header = sheet.headers[index]
    found: list[Decimal | None] = []
    problems = []
    for row, cell in enumerate(sheet.column(index)):
        value = None
        if not _is_empty(cell) or not may_be_empty:
            try:
                value = _value(cell)
            except DataError as error:
                problems.append((sheet.place(row), f"column {header!r}: {str(error).removeprefix(': ')}"))
        found.append(value)
    return found, problems


def _is_empty(cell: object) -> bool:
    return cell is None or (isinstance(cell, str) and not cell) or (isinstance(cell, float) and cell != cell)


def _value(cell: object) -> Decimal:
    if isinstance(cell, str):
        if re.fullmatch(r"[+-]?[0-9]+(,[0-9]+)+(\.[0-9]*)?", cell):
            raise DataError(f"{cell!r} is not a plain decimal number: write it without commas, and with a point")
        return parse_decimal(cell, "")
    if _is_empty(cell):
        raise DataError("is empty; a number is expected")
    if not isinstance(cell, int | float | Decimal) or isinstance(cell, bool):
        raise DataError(f"{str(cell)[:40]!r} is not a number")
    return check_value(Decimal(str(cell)), "")


def _falls(seconds: Sequence[int]) -> bool:
    """Return True if times fall from row to row, apart from repeated ones."""
    return len(seconds) > 1 and seconds[0] > seconds[-1] and all(later <= above for above, later in pairwise(seconds))


def _rising(
    sheet: Sheet,
    name: str,
    seconds: Sequence[int],
    order: Sequence[int],
    problems: list[tuple[str, str]],
    *,
    keep_last: bool,
) -> tuple[list[int], int]:
    """Return the rows in time order, and how many were left out; add what is wrong with their order."""
    kept: list[int] = []
    left_out = 0
    cells = sheet.column(sheet.headers.index(name))
    neighbour = "above" if list(order[:1]) == [0] else "below"
    for row in order:
        same = bool(kept) and seconds[row] == seconds[kept[-1]]
        if same and keep_last:
            kept.pop()
            left_out += 1
        elif kept and seconds[row] <= seconds[kept[-1]]:
            told = f"column {name!r}: {str(cells[row])!r}"
            if same:
                wrong = f"repeats the time of the row {neighbour}; to take the last of such rows: {KEEP_LAST}"
            else:
                wrong = f"is before the time of the row {neighbour}; times must rise"
            problems.append((sheet.place(row), f"{told} {wrong}"))
        kept.append(row)
    return kept, left_out


def _told(path: Path, problems: Sequence[tuple[str, str]]) -> str:
    """Return problems as a message: a single one in a line of its own, several in a line each, up to a bound."""
    if len(problems) == 1:
        return ": ".join(problems[0])
    places = [place.removeprefix(str(path)).lstrip(": ") for place, _ in problems[:MOST_TOLD]]
    named = [f"line {place}: " if place.isdecimal() else f"{place}: " if place else "" for place in places]
    lines = [place + wrong for place, (_, wrong) in zip(named, problems, strict=False)]
    more = [f"and {len(problems) - MOST_TOLD} more"] if len(problems) > MOST_TOLD else []
    return "\n  ".join((f"{path}: {len(problems)} problems:", *lines, *more))
