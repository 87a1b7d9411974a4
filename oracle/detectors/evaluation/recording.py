"""A recording as a feed would have reported it: one answer for each row, from one venue or the median of several."""

from __future__ import annotations

import difflib
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from itertools import pairwise
from pathlib import Path

from oracle.core import encoding, gate
from oracle.core.errors import DataError, SourceUnavailable
from oracle.core.gate import HoldPolicy
from oracle.core.types import FeedState, Kind, Status
from oracle.detectors.training.reports import Reports, heartbeat_of, sigma_of
from oracle.sources.aggregate import AggregationPolicy, aggregate
from oracle.sources.interface import Reading
from oracle.sources.packaged.series import load_series
from oracle.sources.replay.csv_file import header, load_table

__all__ = [
    "FeedOptions",
    "FeedSettings",
    "History",
    "Prepared",
    "Recording",
    "Tick",
    "load_packaged",
    "load_recording",
    "prepare",
]

TIME_COLUMNS = ("time", "timestamp", "unix", "updated_at", "observed_at", "date", "datetime")
VALUE_COLUMNS = ("value", "answer", "price", "close")

WARM_UP = 64
"""Ticks before the evaluated part that are replayed, so that it begins with a feed as it would be there."""

LEAST = 200
"""Ticks that must be left to evaluate: with fewer, no rate means anything."""

_MARGIN = 2
"""Added to the longest repetition of the first half, for the repeat rule that is chosen from it."""


@dataclass(frozen=True, slots=True)
class Recording:
    """What venues said.

    Attributes:
        name: For reports.
        times: Unix seconds, strictly rising.
        venues: Values by venue, one for each time; None where it said nothing.
        others: Another asset's values, which a fault may take for this one's.
    """

    name: str
    times: tuple[int, ...]
    venues: Mapping[str, tuple[Decimal | None, ...]]
    others: tuple[tuple[Decimal, ...], ...] = ()

    def __len__(self) -> int:
        return len(self.times)


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """A feed's parameters as a user gives them; None: to be found from the recording's first half."""

    kind: Kind = Kind.RELATIVE
    decimals: int = 8
    sigma: int | None = None
    heartbeat: int | None = None
    confirmations: int = 3
    confirm_delay: int | None = None
    tolerance: int = 3_000
    max_repeats: int | None = None
    min_sources: int | None = None
    max_source_spread: Decimal | None = None


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """A feed's parameters, all of them known.

    Attributes:
        sigma: One standard deviation of a move over one heartbeat: ppm, or answer units on absolute feeds.
        heartbeat: Seconds.
        aggregation: From several venues to one value.
    """

    kind: Kind
    decimals: int
    sigma: int
    heartbeat: int
    policy: HoldPolicy
    aggregation: AggregationPolicy


@dataclass(frozen=True, slots=True)
class Tick:
    """One row as the reporters have it.

    Attributes:
        value: None: too few venues spoke, or they disagree, so nothing is reported.
        answer: The value in answer units.
        spread: The largest distance between two agreeing venues, in thousandths of sigma.
        outliers: Venues that were left out.
    """

    time: int
    value: Decimal | None
    answer: int | None
    spread: int = 0
    outliers: tuple[str, ...] = ()


@dataclass(frozen=True)
class Prepared:
    """A recording with its feed, aggregated.

    Attributes:
        begin: Index of the first tick that counts; those before are history.
    """

    recording: Recording
    feed: FeedSettings
    ticks: tuple[Tick, ...]
    begin: int

    @property
    def evaluated(self) -> int:
        return len(self.ticks) - self.begin

    @cached_property
    def values(self) -> tuple[Decimal | None, ...]:
        return tuple(tick.value for tick in self.ticks)

    @cached_property
    def history(self) -> History:
        return History(self.feed, self.ticks)


class History:
    """The feed as it would be had each report so far been accepted: what most of a replay is, known in advance.

    Reports are counted: number k is that of the k-th tick with an answer, from 0.
    """

    def __init__(self, feed: FeedSettings, ticks: Sequence[Tick]) -> None:
        self.feed = feed
        self.indices = [index for index, tick in enumerate(ticks) if tick.answer is not None]
        self.ticks = [ticks[index] for index in self.indices]
        self.answers = [tick.answer for tick in self.ticks if tick.answer is not None]
        self.moves, self.gaps, self.repeats = [0], [encoding.GAP_ONE], [0]
        for earlier, later in pairwise(range(len(self.ticks))):
            before, now = self.answers[earlier], self.answers[later]
            self.moves.append(encoding.move(feed.kind, feed.sigma, now, before))
            self.gaps.append(encoding.gap(self.ticks[later].time, self.ticks[earlier].time, feed.heartbeat))
            self.repeats.append(min(encoding.UINT8_MAX, self.repeats[-1] + 1) if now == before else 0)

    def __len__(self) -> int:
        return len(self.ticks)

    def number(self, index: int) -> int:
        """Of the first report at or after a tick."""
        return bisect_left(self.indices, index)

    def returns(self, number: int) -> tuple[int, ...]:
        """The ring of moves before a report."""
        newest = self.moves[max(0, number - encoding.RING_SIZE) : number][::-1]
        return (*newest, *(0,) * (encoding.RING_SIZE - len(newest)))

    def window(self, number: int, past: int, *, spread: bool) -> tuple[int, ...]:
        """The features of a report, with so many past moves."""
        said = (self.ticks[number].spread,) if spread else ()
        return (self.moves[number], *self.returns(number)[:past], *said, self.gaps[number])

    def state(self, number: int) -> FeedState:
        """The feed before a report."""
        empty = gate.empty_feed(bytes(32), self.feed.kind, self.feed.sigma, self.feed.heartbeat, model_number=1)
        if number == 0:
            return empty
        last = self.ticks[number - 1]
        return replace(
            empty,
            status=Status.OK,
            round_id=number,
            answer=self.answers[number - 1],
            observed_at=last.time,
            published_at=last.time,
            last_report_at=last.time,
            repeats=self.repeats[number - 1],
            returns=self.returns(number),
        )

    def is_at(self, state: FeedState, number: int) -> bool:
        """Whether the feed is as it would be here, but for the count of its rounds."""
        return (
            state.held is None
            and state.answer == self.answers[number - 1]
            and state.observed_at == self.ticks[number - 1].time
            and state.repeats == self.repeats[number - 1]
            and state.returns == self.returns(number)
        )


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
        keep_last: Of rows with the same time take the last.
        name: For reports; the file's name by default.

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
    """A series that the `arch` package carries; see `oracle.sources.packaged.series`."""
    readings = load_series(series)
    values: tuple[Decimal | None, ...] = tuple(reading.value for reading in readings)
    return Recording(series, tuple(reading.observed_at for reading in readings), {series: values})


def prepare(recording: Recording, options: FeedOptions, part: str = "second-half") -> Prepared:
    """Aggregate, and find the parameters that were not given, from the first half alone.

    Args:
        recording: The data.
        options: The feed's parameters.
        part: "second-half", or "all": then what is found is found on evaluated data.

    Raises:
        DataError: Too few ticks, no value that a feed could have, or a parameter that can't be found.
    """
    venues = len(recording.venues)
    least = options.min_sources or min(2, venues)
    if not 1 <= least <= venues:
        raise DataError(f"{recording.name}: at least {least} sources are demanded, but there are {venues}")
    aggregation = AggregationPolicy(options.kind, least, options.max_source_spread)
    bare = tuple(tick_of(recording, index, aggregation, options.decimals) for index in range(len(recording)))
    spoken = [tick for tick in bare if tick.answer is not None]
    needed = LEAST * (2 if part == "second-half" else 1) + encoding.RING_SIZE
    if len(spoken) < needed:
        raise DataError(f"{recording.name}: {len(spoken)} usable rows are too few; {needed} are needed")
    if options.kind is Kind.RELATIVE:
        for tick in spoken:
            if tick.answer is not None and tick.answer <= 0:
                raise DataError(
                    f"{recording.name}: the value {tick.value} at time {tick.time} is not above zero; a feed of such "
                    "values is --kind absolute, or needs more --decimals"
                )
    half = len(bare) // 2
    past = [tick for tick in bare[:half] if tick.answer is not None]
    # As a detector's trainer finds them.
    learnt = Reports(
        options.kind,
        options.decimals,
        tuple(tick.time for tick in past),
        tuple(tick.answer for tick in past if tick.answer is not None),
    )
    heartbeat = options.heartbeat or heartbeat_of(learnt, len(past))
    sigma = options.sigma or sigma_of(learnt, len(past), heartbeat)
    if sigma < 1:
        raise DataError(
            f"{recording.name}: its first half does not move, so there is no sigma; give --sigma, or more --decimals"
        )
    repeats = find_max_repeats(past) if options.max_repeats is None else options.max_repeats
    delay = heartbeat if options.confirm_delay is None else options.confirm_delay
    feed = FeedSettings(
        options.kind,
        options.decimals,
        sigma,
        heartbeat,
        HoldPolicy(options.confirmations, delay, options.tolerance, repeats),
        aggregation,
    )
    # The spread is measured in sigmas, which are known only now.
    ticks = tuple(with_spread(tick, recording, index, feed) for index, tick in enumerate(bare))
    begin = half if part == "second-half" else encoding.RING_SIZE + 2
    return Prepared(recording, feed, ticks, begin)


def tick_of(
    recording: Recording,
    index: int,
    aggregation: AggregationPolicy,
    decimals: int,
    told: Mapping[str, Decimal] | None = None,
) -> Tick:
    """What the reporters make of a row.

    Args:
        recording: The data.
        index: The row.
        aggregation: From several venues to one value.
        decimals: Of the feed's answers.
        told: What venues say instead of what is recorded.

    Raises:
        DataError: A value does not fit the contract.
    """
    time = recording.times[index]
    readings = readings_at(recording, index, told or {})
    if not readings:
        return Tick(time, None, None)
    if len(recording.venues) == 1:
        value = readings[0].value
        outliers: tuple[str, ...] = ()
    else:
        try:
            found = aggregate(readings, aggregation)
        except SourceUnavailable:
            return Tick(time, None, None)
        value, outliers = found.value, tuple(reading.source for reading in found.outliers)
    return Tick(time, value, encoding.answer_from_decimal(value, decimals), 0, outliers)


def readings_at(recording: Recording, index: int, told: Mapping[str, Decimal]) -> list[Reading]:
    """What the venues that spoke said at a row."""
    time = recording.times[index]
    said = {venue: values[index] for venue, values in recording.venues.items()}
    return [Reading(told.get(venue, value), time, venue) for venue, value in said.items() if value is not None]


def with_spread(
    tick: Tick, recording: Recording, index: int, feed: FeedSettings, told: Mapping[str, Decimal] | None = None
) -> Tick:
    """The tick with the spread of the venues that agree, were each a reporter's."""
    if tick.answer is None or len(recording.venues) == 1:
        return tick
    answers = [
        encoding.answer_from_decimal(reading.value, feed.decimals)
        for reading in readings_at(recording, index, told or {})
        if reading.source not in tick.outliers
    ]
    return replace(tick, spread=encoding.spread(feed.kind, feed.sigma, min(answers), max(answers)))


def find_max_repeats(past: Sequence[Tick]) -> int:
    """What the first half never did: two more exact repetitions than its longest run; at most 255."""
    longest = run = 0
    for earlier, later in pairwise(past):
        run = run + 1 if later.answer == earlier.answer else 0
        longest = max(longest, run)
    return min(encoding.UINT8_MAX, longest + _MARGIN)
