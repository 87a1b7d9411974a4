"""Recordings: the values that one or several venues gave at each time, from a CSV file or a packaged series."""

from __future__ import annotations

import difflib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path

from oracle.core.errors import DataError
from oracle.core.types import Kind
from oracle.sources.packaged.series import load_series
from oracle.sources.replay.csv_file import header, load_table

__all__ = ["PeerSeries", "Recording", "load_packaged", "load_recording"]

TIME_COLUMNS = ("time", "timestamp", "unix", "updated_at", "observed_at", "date", "datetime")

VALUE_COLUMNS = ("value", "answer", "price", "close")


@dataclass(frozen=True, slots=True)
class PeerSeries:
    """Another feed's answers, at the times of a recording.

    Attributes:
        name: Its name, for reports.
        values: Its last answer at or before each time; None before its first one.
        kind: How its moves are measured.
        decimals: Decimals of its answers.
        sigma: See `oracle.core.encoding.move`; None: it is found in the first half, as the feed's own.
    """

    name: str
    values: tuple[Decimal | None, ...]
    kind: Kind = Kind.RELATIVE
    decimals: int = 8
    sigma: int | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """The values that venues gave at each time.

    Attributes:
        name: Its name, for reports.
        times: Unix seconds, strictly rising.
        venues: Values by venue, one for each time; None where the venue said nothing.
        others: Another asset's values, which a fault may take for this one's.
        peers: The feed's peers: at most `oracle.core.encoding.MAX_PEERS`.
        bad: Stretches that are known to be wrong, as first and last unix second: a hold there is no false one.
    """

    name: str
    times: tuple[int, ...]
    venues: Mapping[str, tuple[Decimal | None, ...]]
    others: tuple[tuple[Decimal, ...], ...] = ()
    peers: tuple[PeerSeries, ...] = ()
    bad: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.times)


def load_recording(
    path: Path,
    time_column: str | None = None,
    value_columns: Sequence[str] = (),
    *,
    keep_last: bool = False,
    name: str | None = None,
) -> Recording:
    """Read a CSV file.

    Args:
        path: The file.
        time_column: Header of the times; found by its name if None.
        value_columns: Headers of the values, one for each venue; found by its name if empty.
        keep_last: True to take the last of rows with the same time, instead of refusing them.
        name: Its name, for reports; the file's name by default.

    Raises:
        DataError: The file can't be read, a column is missing, a cell is wrong, or the times don't rise.
    """
    headers = header(path)
    times = time_column or _find(headers, TIME_COLUMNS, path, "times", "--time-column")
    values = tuple(value_columns) or (
        _find([name for name in headers if name != times], VALUE_COLUMNS, path, "values", "--value-column"),
    )
    rows = load_table(path, times, values, keep_last=keep_last)
    columns = zip(*(said for _, said in rows), strict=True)
    return Recording(name or path.stem, tuple(time for time, _ in rows), dict(zip(values, columns, strict=True)))


def _find(headers: Sequence[str], known: Sequence[str], path: Path, what: str, option: str) -> str:
    found = [name for name in headers if name.lower() in known] or (list(headers) if len(headers) == 1 else [])
    if len(found) == 1:
        return found[0]
    if not found:
        near = [match for name in headers for match in difflib.get_close_matches(name.lower(), known, n=1)]
        hint = f" (is it a misspelt {near[0]!r}?)" if near else ""
        raise DataError(
            f"{path}:1: no column is known to hold the {what}{hint}; name it with {option}. The header has: "
            f"{', '.join(headers) or 'nothing'}"
        )
    raise DataError(f"{path}:1: any of {', '.join(found)} may hold the {what}; name it with {option}")


def load_packaged(series: str) -> Recording:
    """Return a series that the `arch` package carries; see `oracle.sources.packaged.series`."""
    readings = load_series(series)
    values: tuple[Decimal | None, ...] = tuple(reading.value for reading in readings)
    return Recording(series, tuple(reading.observed_at for reading in readings), {series: values})
