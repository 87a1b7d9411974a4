"""The corpus of Numenta's Anomaly Benchmark: series with labelled anomalies, from a folder or a tar archive."""

from __future__ import annotations

import csv
import datetime as dt
import io
import math
import tarfile
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from pathlib import Path, PurePosixPath

from oracle.core import encoding
from oracle.core.documents import parse_json
from oracle.core.errors import DataError
from oracle.sources.interface import parse_decimal

__all__ = ["CorpusFile", "load_corpus"]

PROBATION = 0.15
PROBATION_MOST = 0.15 * 5_000


@dataclass(frozen=True, slots=True)
class CorpusFile:
    """One series of the corpus.

    Attributes:
        name: Folder and file, as in the labels.
        times: Unix seconds; one file has them out of order.
        values: The values, one for each time.
        windows: First and last row of each labelled anomaly, in order, not overlapping.
    """

    name: str
    times: tuple[int, ...]
    values: tuple[Decimal, ...]
    windows: tuple[tuple[int, int], ...]

    @property
    def probation(self) -> int:
        """Rows at the beginning that are not scored."""
        return math.ceil(min(math.floor(PROBATION * len(self.times)), PROBATION_MOST))


def load_corpus(path: Path) -> list[CorpusFile]:
    """Read the corpus.

    Args:
        path: NAB's folder, with `data` and `labels/combined_windows.json`, or a tar archive of it.

    Raises:
        DataError: Something is missing or not as it should be; the message names it.
    """
    if not path.exists():
        raise DataError(f"{path}: no such file or folder; it must hold NAB's data and labels")
    members = dict(_members(path))
    labels = _labels(members, path)
    files = []
    for name, windows in sorted(labels.items()):
        key = f"data/{name}"
        if key not in members:
            raise DataError(f"{path}: the labels name {name}, but there is no {key}")
        files.append(_file(name, members[key], windows, f"{path}: {key}"))
    return files


_LABELS = "labels/combined_windows.json"


def _members(path: Path) -> Iterator[tuple[str, bytes]]:
    """Yield data files and labels by their names below NAB's folder."""
    if path.is_dir():
        for found in sorted(path.rglob("*")):
            name = _below(PurePosixPath(found.relative_to(path).as_posix()))
            if name and found.is_file():
                yield name, found.read_bytes()
        return
    try:
        with tarfile.open(path) as archive:
            for member in archive:
                name = _below(PurePosixPath(member.name))
                content = archive.extractfile(member) if name and member.isfile() else None
                if name and content is not None:
                    yield name, content.read()
    except (tarfile.TarError, OSError, EOFError) as error:
        raise DataError(f"{path}: is neither a folder nor a tar archive that can be read: {error}") from error


def _below(path: PurePosixPath) -> str | None:
    if path.name == "combined_windows.json":
        return _LABELS
    if path.suffix == ".csv" and len(path.parts) >= 3 and path.parts[-3] == "data":
        return "/".join(path.parts[-3:])
    return None


def _labels(members: Mapping[str, bytes], path: Path) -> dict[str, list[list[str]]]:
    if _LABELS not in members:
        raise DataError(f"{path}: there is no {_LABELS}")
    try:
        labels = parse_json(members[_LABELS])
    except ValueError as error:
        raise DataError(f"{path}: {_LABELS} is not JSON: {error}") from None
    if not isinstance(labels, dict) or not all(isinstance(windows, list) for windows in labels.values()):
        raise DataError(f"{path}: {_LABELS} must be an object of lists of windows")
    return labels


def _file(name: str, content: bytes, windows: Sequence[Sequence[str]], where: str) -> CorpusFile:
    times, values = [], []
    try:
        rows = csv.reader(io.StringIO(content.decode("utf-8")))
        if next(rows, None) != ["timestamp", "value"]:
            raise DataError(f"{where}: expected the columns timestamp and value")
        for number, row in enumerate(rows, 1):
            if len(row) != 2:
                raise DataError(f"{where}: row {number} has {len(row)} cells, not a time and a number")
            times.append(_time(row[0]))
            values.append(parse_decimal(row[1], f"{where}: row {number}"))
    except (ValueError, csv.Error) as error:
        raise DataError(f"{where}: row {len(times) + 1} is not a time and number: {error}") from None
    if len(times) < encoding.RING_SIZE:
        raise DataError(f"{where}: {len(times)} rows are too few")
    rows_of = {time: row for row, time in reversed(list(enumerate(times)))}
    try:
        edges = [(rows_of[_time(first)], rows_of[_time(last)]) for first, last in windows]
    except KeyError as error:
        raise DataError(f"{where}: a window in {_LABELS} begins or ends at {error}, where there is no row") from None
    except (ValueError, TypeError) as error:
        raise DataError(f"{where}: its windows in {_LABELS} are not as they should be: {error}") from None
    return CorpusFile(name, tuple(times), tuple(values), tuple(sorted(edges)))


def _time(text: str) -> int:
    return int(dt.datetime.fromisoformat(text).replace(tzinfo=dt.UTC).timestamp())
