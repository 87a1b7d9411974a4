"""Read recordings from CSV files. A file is checked as a whole before anything is started."""

from __future__ import annotations

import csv
import datetime as dt
import difflib
import re
from collections.abc import Callable, Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import TypeAlias, TypeVar

from oracle.core.errors import DataError
from oracle.sources.interface import Reading, parse_decimal

__all__ = ["Row", "header", "load_csv", "load_table"]

_UNIX_SECONDS = re.compile(r"[0-9]{1,10}\Z")
UINT32_MAX = 2**32 - 1


Row: TypeAlias = tuple[int, tuple[Decimal | None, ...]]
"""A time in unix seconds, and a value of each column; None where a cell is empty."""

T = TypeVar("T")


def load_csv(path: Path, time_column: str, value_column: str, name: str) -> tuple[Reading, ...]:
    """Read a recorded series.

    Args:
        path: A UTF-8 CSV file with a header line.
        time_column: Header of the times: unix seconds, or ISO 8601 (UTC unless it says otherwise). They must rise
            strictly.
        value_column: Header of the values: plain decimal numbers.
        name: The source's name in the readings.

    Raises:
        DataError: The file can't be read, or a cell is wrong; the message names file, line and column.
    """
    rows = load_table(path, time_column, (value_column,))
    return tuple(Reading(value, time, name) for time, (value,) in rows if value is not None)


def load_table(
    path: Path, time_column: str, value_columns: Sequence[str], *, keep_last: bool = False
) -> tuple[Row, ...]:
    """Read a recorded series of one or more sources.

    Args:
        path: A UTF-8 CSV file with a header line.
        time_column: As for `load_csv`.
        value_columns: Headers of the values. With several, a cell may be empty: that source gave no value.
        keep_last: If rows have the same time, take the last of them instead of refusing the file.

    Raises:
        DataError: The file can't be read, or a cell is wrong; the message names file, line and column.
    """
    return _opened(path, lambda file: _read_rows(file, path, time_column, value_columns, keep_last=keep_last))


def header(path: Path) -> tuple[str, ...]:
    """Return the headers of a CSV file.

    Raises:
        DataError: The file can't be read.
    """
    return tuple(_opened(path, lambda file: next(csv.reader(file, strict=True), [])))


def _opened(path: Path, read: Callable[[Iterator[str]], T]) -> T:
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return read(file)
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror}") from error
    except UnicodeDecodeError as error:
        raise DataError(f"{path}: is not UTF-8 text ({error.reason} at byte {error.start})") from None
    except csv.Error as error:
        raise DataError(f"{path}: is not valid CSV: {error}") from None


def _read_rows(
    lines: Iterator[str], path: Path, time_column: str, value_columns: Sequence[str], *, keep_last: bool
) -> tuple[Row, ...]:
    rows = csv.reader(lines, strict=True)
    read: list[Row] = []
    blank: int | None = None
    try:
        header = next(rows, [])
        time_index, *value_indices = (_column(header, column, path) for column in (time_column, *value_columns))
        for row in rows:
            where = f"{path}:{rows.line_num}"
            if not row:
                blank = blank or rows.line_num
                continue
            if blank is not None:
                raise DataError(f"{path}:{blank}: the line is empty; a recording has no gaps")
            if len(row) != len(header):
                raise DataError(f"{where}: {len(row)} cells where the header has {len(header)}")
            observed_at = _time(row[time_index], f"{where}: column {time_column!r}")
            if read and keep_last and observed_at == read[-1][0]:
                read.pop()
            if read and observed_at <= read[-1][0]:
                relation = "repeats" if observed_at == read[-1][0] else "is before"
                raise DataError(
                    f"{where}: column {time_column!r}: {row[time_index]!r} {relation} the time of the row above; "
                    "times must rise"
                )
            values = tuple(
                None
                if len(value_columns) > 1 and not row[index].strip()
                else parse_decimal(row[index], f"{where}: column {column!r}")
                for column, index in zip(value_columns, value_indices, strict=True)
            )
            read.append((observed_at, values))
    except csv.Error as error:
        raise DataError(f"{path}:{rows.line_num}: is not valid CSV: {error}") from None
    if not read:
        raise DataError(f"{path}: has no rows below its header")
    return tuple(read)


def _column(header: Sequence[str], wanted: str, path: Path) -> int:
    if header.count(wanted) == 1:
        return header.index(wanted)
    if wanted in header:
        raise DataError(f"{path}:1: the header has {header.count(wanted)} columns {wanted!r}; names must be distinct")
    near = difflib.get_close_matches(wanted, header, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"the header has: {', '.join(header) or 'nothing'}"
    raise DataError(f"{path}:1: there is no column {wanted!r}; {hint}")


def _time(text: str, where: str) -> int:
    if _UNIX_SECONDS.match(text):
        seconds = int(text)
    else:
        try:
            moment = dt.datetime.fromisoformat(text)
        except ValueError:
            problem = f"{text!r} is neither unix seconds nor an ISO 8601 time" if text.strip() else "is empty"
            raise DataError(f"{where}: {problem}") from None
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=dt.UTC)
        seconds = int(moment.timestamp())
    if not 0 < seconds <= UINT32_MAX:
        raise DataError(f"{where}: {text!r} is outside the years 1970 to 2106, which the contract's times cover")
    return seconds
