"""Training data: a CSV or Parquet file, or what a feed has reported, as one series of reports.

Each mistake in a file is one line that names the place.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from oracle.config import TrainingDataConfig
from oracle.core import encoding
from oracle.core.errors import DataError
from oracle.core.types import Kind
from oracle.detectors.training.parquet import read_parquet
from oracle.detectors.training.reports import Reports
from oracle.sources.replay.csv_file import load_table

LEAST_ROWS = 600
"""With fewer reports, a fit would not hold tomorrow."""


@dataclass(frozen=True)
class TrainingData:
    """Reports, and where they come from.

    Attributes:
        reports: The reports.
        source: The name of the file, the journal or the feed.
        sha256: Hash of the rows, as text.
        dropped: Rows that were left out: held, and never confirmed.
        held: Indices of rows that were held and confirmed: false holds.
    """

    reports: Reports
    source: str
    sha256: str
    dropped: int = 0
    held: tuple[int, ...] = ()


def read_file(data: TrainingDataConfig) -> TrainingData:
    """Read the file that a configuration names.

    Raises:
        DataError: The configuration names a journal, which `oracle.app.training` reads; or a column is missing, a cell
            is wrong, times do not rise, or a value can't be a feed's.
        ToolMissing: It is a Parquet file, and pyarrow is not installed.
    """
    if data.file is None:
        raise DataError("the data are in a journal: oracle.app.training reads it")
    if data.file.suffix.lower() in (".parquet", ".pq"):
        rows: Sequence[tuple[int, tuple[Decimal | None, ...]]] = read_parquet(data.file, data)
    else:
        rows = load_table(data.file, data.time_column, data.value_columns, keep_last=data.repeated_times == "last")
    needed = min(2, len(data.value_columns))
    kept = [(time, sorted(value for value in values if value is not None)) for time, values in rows]
    for time, values in kept:
        if len(values) < needed:
            raise DataError(f"{data.file}: at {moment(time)} only {len(values)} of the columns have a value")
    answers = [[encoding.answer_from_decimal(value, data.decimals) for value in values] for _, values in kept]
    # The upper of two middles, as the hub takes it.
    medians = tuple(each[len(each) // 2] for each in answers)
    several = len(data.value_columns) > 1
    reports = Reports(
        data.measure,
        data.decimals,
        tuple(time for time, _ in kept),
        medians,
        tuple(each[0] for each in answers) if several else (),
        tuple(each[-1] for each in answers) if several else (),
    )
    return TrainingData(reports, data.file.name, _digest(reports))


def from_reports(reports: Sequence[tuple[int, int, bool]], data: TrainingDataConfig, source: str) -> TrainingData:
    """Return a feed's reports. A held answer counts if its level was accepted next; otherwise it may be a fault.

    Args:
        reports: Time, answer, and whether it was held.
        data: Kind, decimals and sigma.
        source: Their origin.
    """
    ordered = sorted(reports)
    kept: list[tuple[int, int, bool]] = []
    level: int | None = None
    # From the end, so that the next accepted answer is known.
    for time, answer, held in reversed(ordered):
        if not held:
            level = answer
        elif level is None or not _near(data, answer, level):
            continue
        kept.append((time, answer, held))
    kept.reverse()
    found = Reports(
        data.measure, data.decimals, tuple(time for time, _, _ in kept), tuple(answer for _, answer, _ in kept)
    )
    held_rows = tuple(index for index, (_, _, held) in enumerate(kept) if held)
    return TrainingData(found, source, _digest(found), len(ordered) - len(kept), held_rows)


def _near(data: TrainingDataConfig, answer: int, other: int) -> bool:
    """Return True if two answers are within three sigmas, or 3 % where sigma is not known."""
    if data.measure is Kind.RELATIVE and min(answer, other) <= 0:
        return False
    sigma = data.sigma or (10_000 if data.measure is Kind.RELATIVE else max(1, abs(other) // 100))
    return abs(encoding.move(data.measure, sigma, answer, other)) <= 3_000


def check(data: TrainingData, max_gap: int, heartbeat: int) -> None:
    """Raise an error if features can't be derived from the reports.

    Args:
        data: The reports.
        max_gap: Heartbeats between two reports, at most.
        heartbeat: Seconds.

    Raises:
        DataError: They are too few, have a value that a relative feed can't have, or a gap.
    """
    reports = data.reports
    if len(reports) < LEAST_ROWS:
        raise DataError(f"{data.source}: too few rows: {len(reports)}, and at least {LEAST_ROWS} are needed")
    if reports.kind is Kind.RELATIVE:
        for time, answer in zip(reports.times, reports.lowest or reports.answers, strict=True):
            if answer <= 0:
                raise DataError(
                    f"{data.source}: at {moment(time)} the value is "
                    f"{encoding.decimal_from_answer(answer, reports.decimals):f}; a relative feed has values above "
                    'zero only: leave the row out, or set kind = "absolute"'
                )
    for before, after in pairwise(reports.times):
        if after - before > max_gap * heartbeat:
            raise DataError(
                f"{data.source}: nothing from {moment(before)} to {moment(after)}, "
                f"{(after - before) / heartbeat:.0f} heartbeats of {heartbeat} s: fill the gap, train on one side of "
                "it, or raise data.max_gap"
            )


def _digest(reports: Reports) -> str:
    rows = zip(
        reports.times,
        reports.answers,
        reports.lowest or reports.answers,
        reports.highest or reports.answers,
        strict=True,
    )
    return hashlib.sha256("".join(f"{','.join(map(str, row))}\n" for row in rows).encode()).hexdigest()


def moment(seconds: int) -> str:
    """Return unix seconds as a time for people, in UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
