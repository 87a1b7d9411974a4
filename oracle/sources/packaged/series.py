"""Read recorded market series that an installed package carries: real data without a download.

The `arch` package ships daily series. They are read as plain files: importing `arch` and pandas would take seconds and
over 100 MB.
"""

from __future__ import annotations

import csv
import datetime as dt
import gzip
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path

from oracle.core.errors import DataError, ToolMissing
from oracle.sources.interface import Reading, parse_decimal

__all__ = ["SERIES", "Series", "load_series"]

CLOSE_HOUR_UTC = 21
"""A daily value counts as observed at the close in New York: 16:00 in winter is 21:00 UTC."""


@dataclass(frozen=True, slots=True)
class Series:
    """A series, and where it is in the package.

    Attributes:
        title: The series' name, for people.
        file: The file, below the package's folder `data`.
        column: Header of the values. For share indices it is the adjusted close.
        missing: The cell of a day without trading. Such a day is skipped: it is neither a reading nor a gap.
    """

    title: str
    file: str
    column: str
    missing: str | None = None


SERIES = {
    "sp500": Series("S&P 500", "sp500/sp500.csv.gz", "Adj Close"),
    "nasdaq": Series("NASDAQ Composite", "nasdaq/nasdaq.csv.gz", "Adj Close"),
    "wti": Series("WTI crude oil", "wti/wti.csv.gz", "DCOILWTICO", missing="."),
    "vix": Series("VIX", "vix/vix.csv.gz", "vix", missing="."),
}


def load_series(
    series: str,
    start: dt.date | None = None,
    end: dt.date | None = None,
    name: str | None = None,
    column: str | None = None,
) -> tuple[Reading, ...]:
    """Read a packaged series.

    Args:
        series: "sp500", "nasdaq" (both 1999–2018), "wti" (1986–2019) or "vix" (2014–2019).
        start: First day. None: the first of the series.
        end: Last day. None: the last of the series.
        name: The source's name in the readings. None: the series' name.
        column: Another column of the file, for instance "Close".

    Raises:
        ToolMissing: `arch` is not installed, or does not carry the series.
        DataError: There is no such series, its file is damaged, or it has no day in this range.
    """
    if series not in SERIES:
        raise DataError(f"there is no packaged series {series!r}; there are: {', '.join(SERIES)}")
    about = SERIES[series]
    path = _folder() / about.file
    try:
        with gzip.open(path, "rt", encoding="utf-8", newline="") as file:
            readings = _read(csv.reader(file, strict=True), path, about, start, end, name or series, column)
    except FileNotFoundError:
        raise ToolMissing(
            f"the installed `arch` does not carry {about.file}; install the tested release: "
            'pip install "verifiable-oracle[demo]"'
        ) from None
    except (OSError, EOFError, zlib.error, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: can't be read: {error}") from error
    if not readings:
        raise DataError(f"{series}: has no readings from {start or 'its beginning'} to {end or 'its end'}")
    return readings


def _folder() -> Path:
    spec = find_spec("arch")
    if spec is None or not spec.submodule_search_locations:
        raise ToolMissing(
            'the packaged series come with `arch`, which is not installed: pip install "verifiable-oracle[demo]"'
        )
    return Path(next(iter(spec.submodule_search_locations))) / "data"


def _read(
    rows: Iterator[list[str]],
    path: Path,
    about: Series,
    start: dt.date | None,
    end: dt.date | None,
    name: str,
    column: str | None,
) -> tuple[Reading, ...]:
    header: list[str] = next(rows, [])
    wanted = column or about.column
    if header[:1] != ["Date"] or wanted not in header[1:]:
        raise DataError(f"{path}:1: expected the columns 'Date' and {wanted!r}; there are: {', '.join(header)}")
    index = header.index(wanted)
    readings: list[Reading] = []
    for line, row in enumerate(rows, start=2):
        where = f"{path}:{line}"
        if len(row) != len(header):
            raise DataError(f"{where}: {len(row)} cells where the header has {len(header)}")
        day = _day(row[0], where)
        if row[index] == about.missing or (start and day < start) or (end and day > end):
            continue
        moment = dt.datetime.combine(day, dt.time(CLOSE_HOUR_UTC), dt.UTC)
        reading = Reading(parse_decimal(row[index], f"{where}: column {wanted!r}"), int(moment.timestamp()), name)
        if readings and reading.observed_at <= readings[-1].observed_at:
            raise DataError(f"{where}: column 'Date': {row[0]!r} is not after the row above it; times must rise")
        readings.append(reading)
    return tuple(readings)


def _day(text: str, where: str) -> dt.date:
    try:
        month, day, year = (int(part) for part in text.split("/"))
        return dt.date(year, month, day)
    except ValueError:
        raise DataError(f"{where}: column 'Date': {text!r} is not a date of the form month/day/year") from None
