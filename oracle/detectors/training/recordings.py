"""What a detector learns from: a CSV or Parquet file, or the journal of a feed, as one recording.

Each mistake in it is one line that names the place.
"""

from __future__ import annotations

import datetime as dt
import hashlib
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from pathlib import Path
from typing import TYPE_CHECKING

from oracle.core import encoding
from oracle.core.errors import DataError, ToolMissing
from oracle.core.types import Kind, Outcome
from oracle.detectors.training.lessons import Recording

if TYPE_CHECKING:
    from oracle.config import JournalConfig, TrainingDataConfig


LEAST_ROWS = 600


@dataclass(frozen=True)
class Learnt:
    """A recording, and where it comes from.

    Attributes:
        source: The file's name.
        sha256: Of the rows that were read, as text.
        dropped: Rows that were left out: held, and never confirmed.
        held: Indices of rows that were held all the same: false holds.
    """

    recording: Recording
    source: str
    sha256: str
    dropped: int = 0
    held: tuple[int, ...] = ()


def read(data: TrainingDataConfig, env: Mapping[str, str] | None = None) -> Learnt:
    """The recording that a configuration names.

    Args:
        env: For a journal's password; None: the process's.

    Raises:
        DataError: A column is missing, a cell is wrong, times do not rise, or a value can't be a feed's.
        JournalError: The journal can't be read.
        ToolMissing: It is a Parquet file, and pyarrow is not installed.
    """
    if data.journal is not None:
        return _from_journal(data, data.journal, os.environ if env is None else env)
    assert data.file is not None
    from oracle.sources.replay.source import load_table

    if data.file.suffix.lower() in (".parquet", ".pq"):
        rows: Sequence[tuple[int, tuple[Decimal | None, ...]]] = _parquet(data.file, data)
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
    recording = Recording(
        data.measure,
        data.decimals,
        tuple(time for time, _ in kept),
        medians,
        tuple(each[0] for each in answers) if several else (),
        tuple(each[-1] for each in answers) if several else (),
    )
    return Learnt(recording, data.file.name, _digest(recording))


def _from_journal(data: TrainingDataConfig, config: JournalConfig, env: Mapping[str, str]) -> Learnt:
    from oracle.feeds.journal import open_journal

    with open_journal(config, env, read_only=True) as journal:
        entries = journal.confirmed(data.feed)
    reports = [(entry.observed_at, entry.answer, entry.outcome is Outcome.HELD) for entry in entries]
    if not reports:
        raise DataError(f"{journal.name}: there is no accepted or held report of a feed {data.feed!r}")
    return from_reports(reports, data, journal.name if config.path is None else config.path.name)


def from_reports(reports: Sequence[tuple[int, int, bool]], data: TrainingDataConfig, source: str) -> Learnt:
    """What a feed reported. A held answer counts if its level was accepted next: else it may be a fault.

    Args:
        reports: Time, answer, whether it was held.
        data: Kind, decimals, sigma.
        source: Its name.
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
    recording = Recording(
        data.measure, data.decimals, tuple(time for time, _, _ in kept), tuple(answer for _, answer, _ in kept)
    )
    held_rows = tuple(index for index, (_, _, held) in enumerate(kept) if held)
    return Learnt(recording, source, _digest(recording), len(ordered) - len(kept), held_rows)


def _near(data: TrainingDataConfig, answer: int, other: int) -> bool:
    """Whether two answers are within three sigmas, or 3 % where sigma is not known."""
    if data.measure is Kind.RELATIVE and min(answer, other) <= 0:
        return False
    sigma = data.sigma or (10_000 if data.measure is Kind.RELATIVE else max(1, abs(other) // 100))
    return abs(encoding.move(data.measure, sigma, answer, other)) <= 3_000


def _parquet(path: Path, data: TrainingDataConfig) -> list[tuple[int, tuple[Decimal | None, ...]]]:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError as error:
        raise ToolMissing("Parquet files are read with pyarrow: pip install 'verifiable-oracle[train]'") from error
    from oracle.sources.interface import check_value

    try:
        schema = parquet.read_schema(path)
        for column in (data.time_column, *data.value_columns):
            if column not in schema.names:
                raise DataError(f"{path}: there is no column {column!r}; it has: {', '.join(schema.names)}")
        table = parquet.read_table(path, columns=[data.time_column, *data.value_columns]).to_pydict()
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, pyarrow.ArrowException) as error:
        raise DataError(f"{path}: is no Parquet file that can be read: {str(error).splitlines()[0]}") from error
    rows: list[tuple[int, tuple[Decimal | None, ...]]] = []
    columns = [table[column] for column in data.value_columns]
    for number, (when, *cells) in enumerate(zip(table[data.time_column], *columns, strict=True), 1):
        where = f"{path}: row {number}"
        if isinstance(when, dt.datetime):
            when = (when if when.tzinfo else when.replace(tzinfo=dt.UTC)).timestamp()
        if not isinstance(when, int | float) or not 0 < when < 2**32:
            raise DataError(f"{where}: column {data.time_column!r}: {when!r} is no time in unix seconds")
        if rows and data.repeated_times == "last" and int(when) == rows[-1][0]:
            rows.pop()
        if rows and int(when) <= rows[-1][0]:
            relation = "repeats" if int(when) == rows[-1][0] else "is before"
            raise DataError(
                f"{where}: column {data.time_column!r}: {when!r} {relation} the time above; times must rise"
            )
        values: list[Decimal | None] = []
        for column, cell in zip(data.value_columns, cells, strict=True):
            if cell is None and len(cells) > 1:
                values.append(None)
                continue
            if not isinstance(cell, int | float | Decimal) or isinstance(cell, bool):
                raise DataError(f"{where}: column {column!r}: {cell!r} is not a number")
            values.append(check_value(Decimal(str(cell)), f"{where}: column {column!r}"))
        rows.append((int(when), tuple(values)))
    if not rows:
        raise DataError(f"{path}: has no rows")
    return rows


def check(learnt: Learnt, data: TrainingDataConfig, heartbeat: int) -> None:
    """Refuses a recording that features can't be derived from.

    Raises:
        DataError: It is too short, has a value that a relative feed can't have, or a gap.
    """
    recording = learnt.recording
    if len(recording) < LEAST_ROWS:
        raise DataError(f"{learnt.source}: too few rows: {len(recording)}, and at least {LEAST_ROWS} are needed")
    if recording.kind is Kind.RELATIVE:
        for time, answer in zip(recording.times, recording.lowest or recording.answers, strict=True):
            if answer <= 0:
                raise DataError(
                    f"{learnt.source}: at {moment(time)} the value is "
                    f"{encoding.decimal_from_answer(answer, recording.decimals):f}; a relative feed has values above "
                    'zero only: leave the row out, or set kind = "absolute"'
                )
    for before, after in pairwise(recording.times):
        if after - before > data.max_gap * heartbeat:
            raise DataError(
                f"{learnt.source}: nothing from {moment(before)} to {moment(after)}, "
                f"{(after - before) / heartbeat:.0f} heartbeats of {heartbeat} s: fill the gap, train on one side of "
                "it, or raise data.max_gap"
            )


def _digest(recording: Recording) -> str:
    rows = zip(
        recording.times,
        recording.answers,
        recording.lowest or recording.answers,
        recording.highest or recording.answers,
        strict=True,
    )
    return hashlib.sha256("".join(f"{','.join(map(str, row))}\n" for row in rows).encode()).hexdigest()


def moment(seconds: int) -> str:
    """A time for people, UTC."""
    return dt.datetime.fromtimestamp(seconds, dt.UTC).strftime("%Y-%m-%d %H:%M:%S")
