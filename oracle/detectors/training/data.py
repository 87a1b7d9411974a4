"""Training data: a recording, or what a feed has reported, as series of reports.

Each mistake in a file is one line that names the place, and whatever was changed on the way is a note.
"""

from __future__ import annotations

import datetime as dt
import hashlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from itertools import pairwise

from oracle.config import TrainingDataConfig
from oracle.core import encoding
from oracle.core.errors import DataError
from oracle.core.types import Kind
from oracle.detectors.training.reports import (
    ReportedPeer,
    Reports,
    Terms,
    heartbeat_of,
    last_places,
    oldest_answer,
    sigma_of,
)
from oracle.sources.recordings import RecordedTable, read_table

LEAST_ROWS = 600
"""With fewer reports, a fit would not hold tomorrow."""

MOST_TOLD = 10
"""Problems of one series that are told, at most."""


@dataclass(frozen=True)
class TrainingData:
    """A series of reports, and where they come from.

    Attributes:
        reports: The reports, without peers; `beside` adds them.
        source: The name of the file, the journal or the feed.
        sha256: Hash of the rows, as text.
        config: The configuration that names it.
        dropped: Rows that were left out: held, and never confirmed.
        held: Indices of rows that were held and confirmed: false holds.
        time_column: The file's column of times; empty if it comes from no file.
        value_columns: The file's columns of values.
        venues: The answers of each source by row, where several gave one; None where one gave none.
        columns: Peers that are columns of the same file.
        told: What other series have of this one as their peer, if that is more than its own reports: a peer's answer is
            in a report whether or not it is due in it, and accepted.
        notes: What was turned round, skipped or converted, in sentences.
    """

    reports: Reports
    source: str
    sha256: str
    config: TrainingDataConfig
    dropped: int = 0
    held: tuple[int, ...] = ()
    time_column: str = ""
    value_columns: tuple[str, ...] = ()
    venues: Mapping[str, tuple[int | None, ...]] = field(default_factory=dict)
    columns: tuple[TrainingData, ...] = ()
    told: Reports | None = None
    notes: tuple[str, ...] = ()

    @property
    def name(self) -> str:
        """The series' name."""
        return self.config.title


def read_file(data: TrainingDataConfig) -> TrainingData:
    """Read the file that a configuration names, with the peers that are columns of it.

    Raises:
        DataError: The configuration names a journal, which `oracle.app.training` reads; or a column is missing, a cell
            is wrong, times do not rise, or a value can't be a feed's.
        ToolMissing: It takes a package that is not installed.
    """
    if data.file is None:
        raise DataError("the data are in a journal: oracle.app.training reads it")
    table = read_table(
        data.file,
        data.time_column,
        data.value_columns,
        peer_columns=tuple(data.peer_columns.values()),
        keep_last=data.repeated_times == "last",
    )
    return of_table(table, data)


def of_table(table: RecordedTable, data: TrainingDataConfig) -> TrainingData:
    """Return a recording as training data.

    Raises:
        DataError: A value can't be a feed's, or too few of the columns have one.
    """
    columns = [table.columns[column] for column in table.value_columns]
    kept = [sorted(value for value in values if value is not None) for values in zip(*columns, strict=True)]
    needed = min(2, len(columns))
    problems = [
        f"at {moment(time)} only {len(values)} of the columns have a value"
        for time, values in zip(table.times, kept, strict=True)
        if len(values) < needed
    ]
    refuse(str(table.path), problems)
    answers = [[encoding.answer_from_decimal(value, data.decimals) for value in values] for values in kept]
    several = len(columns) > 1
    reports = Reports(
        data.measure,
        data.decimals,
        table.times,
        # The upper of two middles, as the hub takes it.
        tuple(each[len(each) // 2] for each in answers),
        tuple(each[0] for each in answers) if several else (),
        tuple(each[-1] for each in answers) if several else (),
        tuple(len(each) for each in answers) if several else (),
        bad=data.bad,
    )
    beside = tuple(_column(table, data, name, column) for name, column in data.peer_columns.items())
    source = table.path.name
    return TrainingData(
        reports,
        source,
        digest(reports),
        data,
        time_column=table.time_column,
        value_columns=table.value_columns,
        venues=_venues(table, data.decimals) if several else {},
        columns=beside,
        notes=table.notes,
    )


def _venues(table: RecordedTable, decimals: int) -> dict[str, tuple[int | None, ...]]:
    return {
        column: tuple(
            None if value is None else encoding.answer_from_decimal(value, decimals) for value in table.columns[column]
        )
        for column in table.value_columns
    }


def _column(table: RecordedTable, data: TrainingDataConfig, name: str, column: str) -> TrainingData:
    """Return a column of a file as a series that is only a peer."""
    said = [(time, value) for time, value in zip(table.times, table.columns[column], strict=True) if value is not None]
    reports = Reports(
        data.measure,
        data.decimals,
        tuple(time for time, _ in said),
        tuple(encoding.answer_from_decimal(value, data.decimals) for _, value in said),
        bad=data.bad,
    )
    # The series' own sigma and heartbeat are not its peer's.
    config = TrainingDataConfig(
        name=name, file=table.path, value_columns=(column,), kind=data.kind, decimals=data.decimals, reference=True
    )
    return TrainingData(reports, table.path.name, digest(reports), config, value_columns=(column,))


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
        data.measure,
        data.decimals,
        tuple(time for time, _, _ in kept),
        tuple(answer for _, answer, _ in kept),
        bad=data.bad,
    )
    held_rows = tuple(index for index, (_, _, held) in enumerate(kept) if held)
    dropped = len(ordered) - len(kept)
    notes = (f"held reports whose level was never accepted were left out: {dropped}",) if dropped else ()
    return TrainingData(found, source, digest(found), data, dropped, held_rows, notes=notes)


def _near(data: TrainingDataConfig, answer: int, other: int) -> bool:
    """Return True if two answers are within three sigmas, or 3 % where sigma is not known."""
    if data.measure is Kind.RELATIVE and min(answer, other) <= 0:
        return False
    sigma = data.sigma or (10_000 if data.measure is Kind.RELATIVE else max(1, abs(other) // 100))
    return abs(encoding.move(data.measure, sigma, answer, other)) <= 3_000


def terms_of(data: TrainingData, end: int) -> Terms:
    """Return a series' sigma and heartbeat: as configured, or estimated on its first `end` reports.

    Raises:
        DataError: Nothing moves in them, or a value can't be a feed's.
    """
    check_values(data)
    heartbeat = data.config.heartbeat or heartbeat_of(data.reports, end)
    if len(data.reports.good(end)) < 2:
        raise DataError(f"{data.source}: series {data.name} has hardly any row in its training split")
    sigma = data.config.sigma or sigma_of(data.reports, end, heartbeat)
    if sigma == 0:
        raise DataError(
            f"{data.source}: no value of the training split of {data.name} differs from the one before it, or hardly"
        )
    return Terms(sigma, heartbeat)


def beside(reports: Reports, peers: Sequence[tuple[TrainingData, Terms]], max_age: int | None) -> Reports:
    """Return reports with their peers: at each report, a peer's last answer at or before it.

    Args:
        reports: The reports.
        peers: Each peer with its own sigma and heartbeat.
        max_age: The age in seconds beyond which an answer counts as missing; None: see `oldest_answer`.
    """
    found = []
    for data, terms in peers:
        told = data.told or data.reports
        good = told.good()
        oldest = oldest_answer(terms.heartbeat) if max_age is None else max_age
        places = last_places(reports.times, [told.times[at] for at in good], oldest)
        answers = tuple(None if place is None else told.answers[good[place]] for place in places)
        found.append(ReportedPeer(data.name, told.kind, told.decimals, terms.sigma, answers, oldest))
    return replace(reports, peers=tuple(found))


def check_values(data: TrainingData) -> None:
    """Raise an error if a relative feed could not have the values.

    Raises:
        DataError: It could not.
    """
    reports = data.reports
    if reports.kind is not Kind.RELATIVE:
        return
    refuse(
        data.source,
        [
            f"at {moment(time)} the value is {encoding.decimal_from_answer(answer, reports.decimals):f}; a relative "
            'feed has values above zero only: leave the row out, or set kind = "absolute"'
            for time, answer in zip(reports.times, reports.lowest or reports.answers, strict=True)
            if answer <= 0
        ],
    )


def check(data: TrainingData, heartbeat: int) -> None:
    """Raise an error if features can't be derived from the reports.

    Args:
        data: The reports.
        heartbeat: Seconds.

    Raises:
        DataError: They are too few, or have a gap that is in no stretch known to be wrong.
    """
    reports, most = data.reports, data.config.max_gap * heartbeat
    gaps = [
        f"nothing from {moment(before)} to {moment(after)}, {(after - before) / heartbeat:.0f} heartbeats of "
        f"{heartbeat} s: fill the gap, train on one side of it, mark it as bad, or raise data.max_gap"
        for before, after in pairwise(reports.times)
        if after - before > most and not any(first < after and last > before for first, last in reports.bad)
    ]
    refuse(data.source, gaps)


def check_rows(data: TrainingData) -> None:
    """Raise an error if there are too few reports to learn from.

    Raises:
        DataError: There are.
    """
    rows = len(data.reports.good())
    if rows < LEAST_ROWS:
        raise DataError(f"{data.source}: too few rows: {rows}, and at least {LEAST_ROWS} are needed")


def refuse(where: str, problems: Sequence[str]) -> None:
    """Raise an error of all problems, if there are any: a single one in a line of its own, several in a line each.

    Args:
        where: Where they are.
        problems: The problems.

    Raises:
        DataError: There is one.
    """
    if not problems:
        return
    if len(problems) == 1:
        raise DataError(f"{where}: {problems[0]}")
    more = [f"and {len(problems) - MOST_TOLD} more"] if len(problems) > MOST_TOLD else []
    raise DataError("\n  ".join((f"{where}: {len(problems)} problems:", *problems[:MOST_TOLD], *more)))


def digest(reports: Reports) -> str:
    """Return the hash of reports, as text."""
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
