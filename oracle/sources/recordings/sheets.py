"""Files as columns of cells: their header, what is above it, and the place of each row for messages."""

from __future__ import annotations

import csv
import io
import re
import warnings
import zipfile
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from oracle.core.documents import NotText, decode_text
from oracle.core.errors import DataError, ToolMissing
from oracle.sources.recordings.times import looks_like_time

__all__ = ["Sheet", "open_sheet"]

MOST_ABOVE = 50
"""Lines above a header, at most: with more, the file is another kind of thing."""

MOST_UNPACKED = 2**31
"""Bytes of an XLSX file once it is unpacked, at most: a small file must not fill the memory."""

_DELIMITERS = (",", ";", "\t", "|")
_NUMBER = re.compile(r"[+-]?[0-9]+([.,][0-9]*)?([eE][+-]?[0-9]+)?\Z")


@dataclass(frozen=True)
class Sheet:
    """A table of a file.

    Attributes:
        path: The file.
        headers: Names of the columns; where there is none, their numbers from 1.
        header_place: The header's place in the file, for messages.
        count: How many rows it has.
        column: Returns the cells of a column, by its index.
        place: Returns the place of a row, for messages.
        wrong: Rows that are no rows of the table: their place, and what is wrong.
        notes: What was skipped, in sentences.
    """

    path: Path
    headers: tuple[str, ...]
    header_place: str
    count: int
    column: Callable[[int], Sequence[object]]
    place: Callable[[int], str]
    wrong: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()


def open_sheet(path: Path) -> Sheet:
    """Read a file: CSV or TSV, or Parquet or XLSX by the end of its name.

    Raises:
        DataError: It can't be read, or there is no table in it.
        ToolMissing: It takes a package that is not installed.
    """
    suffix = path.suffix.lower()
    try:
        if suffix in (".parquet", ".pq"):
            return _parquet(path)
        if suffix in (".xlsx", ".xlsm"):
            return _xlsx(path)
        return _text(path, path.read_bytes())
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except OSError as error:
        raise DataError(f"{path}: can't be read: {error.strerror or error}") from error


# --- text --------------------------------------------------------------------------------------------------------


def _text(path: Path, data: bytes) -> Sheet:
    text = _decoded(path, data)
    notes: list[str] = []
    delimiter = _delimiter(path, text)
    lines = list(io.StringIO(text, newline=""))
    if lines and (match := re.match(r"sep=(.)\s*\Z", lines[0])):
        delimiter = match.group(1)
        lines[0] = "\n"
    reader = csv.reader(lines, delimiter=delimiter, skipinitialspace=True, strict=True)
    rows: list[tuple[int, list[str]]] = []
    before = 0
    try:
        for row in reader:
            # A row may have several lines, in quotes: it is at its first.
            rows.append((before + 1, row))
            before = reader.line_num
    except csv.Error as error:
        raise DataError(f"{path}:{reader.line_num}: is not valid CSV: {error}") from None
    while rows and not any(cell.strip() for cell in rows[-1][1]):
        rows.pop()
    if not rows:
        raise DataError(f"{path}: is empty")
    width = _width([row for _, row in rows if any(cell.strip() for cell in row)])
    start = next(index for index, (_, row) in enumerate(rows) if len(row) == width and not _is_comment(row))
    above = rows[:start]
    first_line, first = rows[start]
    headers, header_place = tuple(cell.strip() for cell in first), f"{path}:{first_line}"
    if _is_header(first):
        start += 1
    elif above and _is_comment(above[-1][1]) and len(above[-1][1]) == width and _is_header(above[-1][1]):
        line, row = above.pop()
        headers, header_place = (row[0].lstrip("# "), *(cell.strip() for cell in row[1:])), f"{path}:{line}"
    else:
        headers = ("",) * width
        notes.append(f"there is no header: the columns have their numbers, 1 to {width}, as names")
    notes = [*_skipped(path, [(line, delimiter.join(row)) for line, row in above if any(row)]), *notes]
    wrong, kept = [], []
    for line, row in rows[start:]:
        if not any(cell.strip() for cell in row):
            wrong.append((f"{path}:{line}", "the line is empty; a recording has no gaps"))
        elif len(row) != width:
            wrong.append((f"{path}:{line}", f"{len(row)} cells where the header has {width}"))
        else:
            kept.append((line, row))
    return Sheet(
        path,
        _named(headers),
        header_place,
        len(kept),
        lambda index: [row[index].strip() for _, row in kept],
        lambda row: f"{path}:{kept[row][0]}",
        tuple(wrong),
        tuple(notes),
    )


def _decoded(path: Path, data: bytes) -> str:
    if data[:2] == b"\x1f\x8b":
        raise DataError(f"{path}: is compressed (gzip): unpack it first")
    if data[:4] == b"PK\x03\x04":
        raise DataError(f"{path}: is a ZIP archive: unpack it; an Excel file is named .xlsx")
    if data[:4] == b"PAR1":
        raise DataError(f"{path}: is a Parquet file: name it .parquet")
    if data[:4] == b"\xd0\xcf\x11\xe0":
        raise DataError(f"{path}: is an old Excel file: save it as XLSX or CSV")
    try:
        return decode_text(data)
    except NotText as error:
        raise DataError(f"{path}: can't be read: {error}; save it as UTF-8") from None


def _delimiter(path: Path, text: str) -> str:
    """Return what separates the cells: what most of the first lines have equally often."""
    if path.suffix.lower() in (".tsv", ".tab"):
        return "\t"
    lines = [line for line in io.StringIO(text[:20_000]) if line.strip() and not line.startswith("#")][:50]
    if len(text) > 20_000:
        lines = lines[:-1] or lines
    best, most = ",", 0
    for delimiter in _DELIMITERS:
        counts = Counter(line.count(delimiter) for line in lines if delimiter in line)
        agreeing = max(counts.values(), default=0)
        if agreeing > most:
            best, most = delimiter, agreeing
    return best


def _width(rows: Sequence[Sequence[object]]) -> int:
    """Return the number of cells that most rows have; the larger one of two."""
    counts = Counter(len(row) for row in rows)
    return max(counts, key=lambda width: (counts[width], width))


def _is_comment(row: Sequence[object]) -> bool:
    return bool(row) and isinstance(row[0], str) and row[0].lstrip().startswith(("#", "//"))


def _is_header(row: Sequence[object]) -> bool:
    """Return True if a row has names: some text, and neither a number nor a time."""
    cells = [cell.strip() if isinstance(cell, str) else cell for cell in row if cell not in (None, "")]
    return any(cells) and all(
        isinstance(cell, str) and not _NUMBER.match(cell) and not looks_like_time(cell) for cell in cells
    )


def _named(headers: Sequence[str]) -> tuple[str, ...]:
    return tuple(name or str(number) for number, name in enumerate(headers, 1))


def _skipped(path: Path, above: Sequence[tuple[int, str]]) -> list[str]:
    if len(above) > MOST_ABOVE:
        raise DataError(
            f"{path}: {len(above)} lines are above what looks like the table, which is more than a recording has: "
            "all rows need the same number of cells"
        )
    return [f"line {line} is above the table, and was skipped: {_short(text)}" for line, text in above]


def _short(text: str) -> str:
    plain = " ".join("".join(character if character.isprintable() else " " for character in text).split())
    return plain if len(plain) <= 60 else plain[:57] + "…"


# --- Parquet -----------------------------------------------------------------------------------------------------


def _parquet(path: Path) -> Sheet:
    try:
        import pyarrow  # an extra
        from pyarrow import parquet
    except ImportError as error:
        raise ToolMissing("Parquet files are read with pyarrow: pip install 'verifiable-oracle[train]'") from error
    try:
        table = parquet.read_table(path)
    except FileNotFoundError:
        raise
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: is not a Parquet file that can be read: {str(error).splitlines()[0]}") from error

    def column(index: int) -> Sequence[object]:
        found = table.column(index)
        if pyarrow.types.is_timestamp(found.type):
            # A nanosecond has no Python type of its own.
            found = found.cast(pyarrow.timestamp("us", found.type.tz), safe=False)
        cells: list[object] = found.to_pylist()
        return cells

    headers = _named(table.column_names)
    return Sheet(path, headers, f"{path}", table.num_rows, column, lambda row: f"{path}: row {row + 1}")


# --- XLSX --------------------------------------------------------------------------------------------------------


def _xlsx(path: Path) -> Sheet:
    try:
        import openpyxl  # an extra
    except ImportError as error:
        raise ToolMissing("XLSX files are read with openpyxl: pip install 'verifiable-oracle[train]'") from error
    try:
        with zipfile.ZipFile(path) as archive:
            if sum(each.file_size for each in archive.infolist()) > MOST_UNPACKED:
                raise DataError(f"{path}: is more than 2 GB once it is unpacked: save it as CSV")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of styles, which do not matter here
            book = openpyxl.load_workbook(path, read_only=True, data_only=True)
            try:
                tables = [(sheet.title, list(sheet.iter_rows(values_only=True))) for sheet in book.worksheets]
            finally:
                book.close()
    except (FileNotFoundError, DataError):
        raise
    except Exception as error:  # a damaged file can be wrong in any way
        raise DataError(f"{path}: is not an XLSX file that can be read: {_short(str(error))}") from error
    tables = [(title, rows) for title, rows in tables if sum(_filled(row) > 1 for row in rows) > 1]
    if not tables:
        raise DataError(f"{path}: no sheet of it has a table")
    title, cells = tables[0]
    notes = [f"there are {len(tables)} sheets with a table: the first is read, {title!r}"] if len(tables) > 1 else []
    rows = [(number, list(row[: _filled(row)])) for number, row in enumerate(cells, 1)]
    while not rows[-1][1]:
        rows.pop()
    width = _width([row for _, row in rows if row])
    # Cells at the end of a row may be empty: the header may be wider than most rows.
    start = next(index for index, (_, row) in enumerate(rows) if len(row) >= width and not _is_comment(row))
    above, (first_row, first) = rows[:start], rows[start]
    width = max(width, len(first))
    headers: Sequence[str] = ("",) * width
    if _is_header(first):
        headers = [str(cell).strip() if cell is not None else "" for cell in first]
        start += 1
    else:
        notes.append(f"there is no header: the columns have their numbers, 1 to {width}, as names")
    told = [(number, " ".join(str(cell) for cell in row if cell is not None)) for number, row in above if row]
    wrong, kept = [], []
    for number, row in rows[start:]:
        if not row:
            wrong.append((f"{path}: row {number}", "the row is empty; a recording has no gaps"))
        elif len(row) > width:
            wrong.append((f"{path}: row {number}", f"{len(row)} cells where the header has {width}"))
        else:
            kept.append((number, row + [None] * (width - len(row))))
    return Sheet(
        path,
        _named(headers),
        f"{path}: row {first_row}",
        len(kept),
        lambda index: [_cell(row[index]) for _, row in kept],
        lambda row: f"{path}: row {kept[row][0]}",
        tuple(wrong),
        (*_skipped(path, told), *notes),
    )


def _filled(row: Sequence[object]) -> int:
    """Return the number of a row's cells up to its last that is not empty."""
    return max((index for index, cell in enumerate(row, 1) if cell not in (None, "")), default=0)


def _cell(cell: object) -> object:
    if isinstance(cell, float):
        return Decimal(str(cell))
    return cell.strip() if isinstance(cell, str) else cell
