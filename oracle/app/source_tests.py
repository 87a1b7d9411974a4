"""The trial of sources: each is read once, and compared with the others of its feed, before anybody trusts it."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from decimal import Context, Decimal
from enum import StrEnum
from functools import partial

from oracle.app.sources import make_source
from oracle.config import FeedConfig, HttpSourceConfig, PushSourceConfig
from oracle.core.encoding import answer_from_decimal, decimal_from_answer
from oracle.core.errors import ConfigError, DataError, OracleError, Retryable
from oracle.core.types import Kind
from oracle.feeds.observe import aggregation_policy
from oracle.sources.aggregate import aggregate, distance, lower_median
from oracle.sources.http.places import Place, excerpt, likely_times, likely_values, only_place, shown
from oracle.sources.interface import Reading, Source
from oracle.sources.replay.config import RecordedSourceConfig
from oracle.sources.trace import Match, Trace, Traceable
from oracle.sources.units import likely_unit

__all__ = ["TrialOutcome", "Tried", "TriedFeed", "try_feeds"]


class TrialOutcome(StrEnum):
    """The outcome of a source's trial.

    Attributes:
        OK: It gave a value that its feed can take.
        FAILS: A person has to change something.
        SILENT: It gives no useful answer now, and may later.
        WAITS: It is sent its values, and here nobody sends one.
    """

    OK = "ok"
    FAILS = "fails"
    SILENT = "silent"
    WAITS = "waits"


@dataclass(frozen=True, slots=True)
class Tried:
    """A source that was read once.

    Attributes:
        source: Its name.
        feed: The feed's name.
        type: The kind of source.
        origin: Where its values come from, without anything secret.
        outcome: The outcome.
        value: The value; None if it gave none.
        answer: The same in answer units, as it would be signed.
        observed_at: The value's time, unix seconds.
        age_s: How many seconds ago that was.
        took_s: Seconds that the reading took.
        matched: What was found where the configuration says.
        is_relative: True if the feed is relative.
        distance: Distance from the median of the others: ppm on relative feeds, else in the feed's units.
        distance_sigma: The same in standard deviations of the feed.
        problems: What is wrong, in sentences.
        suggestions: What to change, the best first.
        excerpt: The part of the answer in which something was sought in vain.
        notes: Facts that are neither.
    """

    source: str
    feed: str
    type: str
    origin: str
    outcome: TrialOutcome
    is_relative: bool = True
    value: Decimal | None = None
    answer: int | None = None
    observed_at: int | None = None
    age_s: int | None = None
    took_s: float = 0.0
    matched: tuple[Match, ...] = ()
    distance: Decimal | None = None
    distance_sigma: Decimal | None = None
    problems: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    excerpt: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TriedFeed:
    """The sources of a feed that were read once, and the value that they make together.

    Attributes:
        feed: The feed's name.
        sources: Its sources.
        value: The value that would be reported; None if there is none.
        answer: The same in answer units.
        agreeing: How many sources agree on it.
        problems: Why there is none.
        notes: Why that is no problem.
    """

    feed: str
    sources: tuple[Tried, ...]
    value: Decimal | None = None
    answer: int | None = None
    agreeing: int = 0
    problems: tuple[str, ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def outcome(self) -> TrialOutcome:
        """The worst of what was found."""
        outcomes = {each.outcome for each in self.sources}
        if TrialOutcome.FAILS in outcomes:
            return TrialOutcome.FAILS
        if self.problems:
            return TrialOutcome.SILENT if TrialOutcome.SILENT in outcomes else TrialOutcome.FAILS
        return TrialOutcome.SILENT if TrialOutcome.SILENT in outcomes else TrialOutcome.OK


async def try_feeds(
    feeds: Sequence[FeedConfig], *, source: str | None = None, clock: Callable[[], float] = time.time
) -> list[TriedFeed]:
    """Read the sources of feeds once, all at the same time, and compare each with the others of its feed.

    Args:
        feeds: The feeds.
        source: The only source whose outcome is wanted; the others of its feed are read to compare it with. None: all.
        clock: Unix seconds.

    Raises:
        ConfigError: No feed has a source of that name.
    """
    if source is not None:
        feeds = [feed for feed in feeds if source in _names(feed)] or _raise_unknown(source, feeds)
    attempts = await asyncio.gather(
        *(_read_once(feed, index, clock) for feed in feeds for index in range(len(feed.sources)))
    )
    tried = []
    for feed in feeds:
        own = [attempt for attempt in attempts if attempt.feed is feed]
        found = _judged(feed, own)
        tried.append(found if source is None else _only(found, source))
    return tried


@dataclass
class _ReadOnce:
    """One reading of a source, and what came of it. Ages count from `read_at`: another source may take longer."""

    feed: FeedConfig
    index: int
    trace: Trace = field(default_factory=Trace)
    reading: Reading | None = None
    error: OracleError | None = None
    took_s: float = 0.0
    read_at: int = 0

    @property
    def name(self) -> str:
        return self.feed.source_name(self.index)


async def _read_once(feed: FeedConfig, index: int, clock: Callable[[], float]) -> _ReadOnce:
    attempt = _ReadOnce(feed, index)
    began = time.monotonic()
    source: Source | None = None
    try:
        # Recordings are files, which may be long.
        source = await asyncio.to_thread(partial(make_source, feed, index, now=clock))
        attempt.reading = await (source.read_traced(attempt.trace) if isinstance(source, Traceable) else source.read())
    except OracleError as error:
        attempt.error = error
    finally:
        if source is not None:
            await source.close()
    attempt.took_s, attempt.read_at = time.monotonic() - began, int(clock())
    return attempt


# --- the judgement -------------------------------------------------------------------------------------------------


def _judged(feed: FeedConfig, attempts: Sequence[_ReadOnce]) -> TriedFeed:
    tried = tuple(_tried(attempt, attempts) for attempt in attempts)
    readings = [attempt.reading for attempt in attempts if attempt.reading is not None]
    waiting = sum(each.outcome is TrialOutcome.WAITS for each in tried)
    failures = {
        attempt.name: f"{attempt.name}: {_brief(attempt).splitlines()[0]}"
        for attempt in attempts
        if attempt.error is not None
    }
    try:
        value = aggregate(readings, aggregation_policy(feed), failures)
        answer = answer_from_decimal(value.value, feed.decimals)
    except OracleError as error:
        if len(readings) < feed.min_sources <= len(readings) + waiting:
            return TriedFeed(feed.name, tried, notes=(f"it takes values that are pushed: {waiting} source(s) wait",))
        return TriedFeed(feed.name, tried, problems=(str(error),))
    if feed.measure is Kind.RELATIVE and not answer:
        return TriedFeed(
            feed.name, tried, problems=(f"the contract takes no answer 0, which {value.value:f} rounds to",)
        )
    return TriedFeed(feed.name, tried, value.value, answer, len(value.sources))


def _tried(attempt: _ReadOnce, attempts: Sequence[_ReadOnce]) -> Tried:
    feed, config, trace = attempt.feed, attempt.feed.sources[attempt.index], attempt.trace
    tried = Tried(
        attempt.name,
        feed.name,
        config.type,
        config.public_origin,
        TrialOutcome.OK,
        feed.measure is Kind.RELATIVE,
        took_s=round(attempt.took_s, 3),
        matched=tuple(trace.matches),
        notes=tuple(trace.notes),
    )
    near = _middle_of_others(attempt, attempts)
    if attempt.reading is not None:
        return _with_value(tried, attempt, near)
    assert attempt.error is not None
    if isinstance(config, PushSourceConfig) and isinstance(attempt.error, Retryable):
        way = "signed" if config.key_file is not None else "with its bearer token"
        note = f"its values are sent to POST /push/{feed.name}/{config.name}, {way}: `oracle run` takes them"
        return replace(tried, outcome=TrialOutcome.WAITS, notes=(*tried.notes, note))
    is_silent = isinstance(attempt.error, Retryable) and not trace.is_refused
    return replace(
        tried,
        outcome=TrialOutcome.SILENT if is_silent else TrialOutcome.FAILS,
        problems=tuple(_lines(_brief(attempt))),
        suggestions=(*trace.suggestions, *_places(attempt, near)),
        excerpt=excerpt(trace.document, trace.sought) if trace.sought and trace.document is not None else "",
    )


def _with_value(tried: Tried, attempt: _ReadOnce, near: Decimal | None) -> Tried:
    feed, reading = attempt.feed, attempt.reading
    assert reading is not None
    far = None if near is None else distance(feed.measure, reading.value, near)
    answer: int | None = None
    problems: list[str] = []
    try:
        answer = answer_from_decimal(reading.value, feed.decimals)
        problems += _rounding_problems(feed, reading.value, answer)
    except DataError as error:
        problems.append(str(error))
    problems += _time_problems(attempt)
    most = aggregation_policy(feed).max_spread
    suggestions: tuple[str, ...] = ()
    if far is not None and most is not None and far > most:
        suggestions = tuple(_places(attempt, near))
        unit = " ppm" if feed.measure is Kind.RELATIVE else ""
        problems.append(
            f"is {_amount(far)}{unit} from the median of the others, {near:f}; at most {most:f}{unit} count"
        )
    return replace(
        tried,
        outcome=TrialOutcome.FAILS if problems else TrialOutcome.OK,
        value=reading.value,
        answer=answer,
        observed_at=reading.observed_at,
        age_s=attempt.read_at - reading.observed_at,
        distance=far,
        distance_sigma=None if far is None else _in_sigma(feed, far),
        problems=tuple(problems),
        suggestions=suggestions,
    )


def _rounding_problems(feed: FeedConfig, value: Decimal, answer: int) -> Iterator[str]:
    if value and not answer:
        yield (
            f"{value:f} is 0 in the feed's {feed.decimals} decimals: scale the value, or deploy a feed with more "
            "decimals"
        )
    elif feed.measure is Kind.RELATIVE and feed.deviation_ppm is not None:
        rounded = decimal_from_answer(answer, feed.decimals)
        lost = distance(feed.measure, value, rounded)
        if lost >= feed.deviation_ppm:
            yield (
                f"{value:f} is {rounded:f} in the feed's {feed.decimals} decimals: rounding moves it by "
                f"{_amount(lost)} ppm, and {feed.deviation_ppm:,} ppm are a move that is reported; deploy a feed with "
                "more decimals"
            )


def _time_problems(attempt: _ReadOnce) -> Iterator[str]:
    feed, config, reading = attempt.feed, attempt.feed.sources[attempt.index], attempt.reading
    assert reading is not None
    if isinstance(config, RecordedSourceConfig) and config.timestamps == "recorded":
        return  # for a chain that is at recorded time
    now = attempt.read_at
    if now - reading.observed_at > feed.max_age:
        yield f"is {now - reading.observed_at:,} s old; the contract takes it for max_age = {feed.max_age:,} s"
    if reading.observed_at - now > feed.max_skew:
        yield (
            f"its time is {reading.observed_at - now} s ahead of this machine's clock; the contract takes "
            f"max_skew = {feed.max_skew} s"
        )


def _middle_of_others(attempt: _ReadOnce, attempts: Sequence[_ReadOnce]) -> Decimal | None:
    """Return the median of the other sources' values, if they are of about the same time."""
    others = [each.reading for each in attempts if each is not attempt and each.reading is not None]
    if attempt.reading is not None:
        at = attempt.reading.observed_at
        others = [each for each in others if abs(each.observed_at - at) <= attempt.feed.heartbeat]
    return lower_median([each.value for each in others]) if others else None


def _in_sigma(feed: FeedConfig, far: Decimal) -> Decimal:
    units = far if feed.measure is Kind.RELATIVE else far.scaleb(feed.decimals)
    return Context(prec=6).divide(units, Decimal(feed.sigma)) if far.is_finite() else far


# --- suggestions ---------------------------------------------------------------------------------------------------


def _places(attempt: _ReadOnce, near: Decimal | None) -> Iterator[str]:
    """Return settings of an HTTP source whose JSONPath would match a likely value, with what it would match."""
    config, trace = attempt.feed.sources[attempt.index], attempt.trace
    if not isinstance(config, HttpSourceConfig) or trace.document is None:
        return
    now, is_far = attempt.read_at, attempt.reading is not None
    if not trace.sought and not is_far:
        return
    is_time = trace.sought == config.timestamp_path and any(each.where == config.path for each in trace.matches)
    if is_time:
        for place in likely_times(trace.document, trace.sought, now):
            unit = _unit(place, config.timestamp_unit, now)
            yield f"timestamp_path = {_toml(place.path)}{unit}  # {shown(place.found, 40)}"
        return
    refused = only_place(trace.document, config.path)
    for place in likely_values(trace.document, config.path, near, now, only_near=is_far):
        if place.path == refused:
            continue
        text = ", allow_string = true" if place.is_string and not config.allow_string else ""
        away = ""
        if near is not None:
            far = distance(attempt.feed.measure, Decimal(place.found), near)
            unit = " ppm" if attempt.feed.measure is Kind.RELATIVE else ""
            away = f", {_amount(far)}{unit} from the others"
        yield f"path = {_toml(place.path)}{text}  # {shown(place.found, 40)}{away}"


def _unit(place: Place, configured: str, now: int) -> str:
    unit = "iso" if place.is_string and "-" in place.found else likely_unit(Decimal(place.found), now)
    return "" if unit == configured else f', timestamp_unit = "{unit}"'


def _toml(path: str) -> str:
    """Return a JSONPath as a string of the configuration file."""
    return f"'{path}'" if '"' in path and "'" not in path else json.dumps(path)


# --- words ---------------------------------------------------------------------------------------------------------


def _amount(far: Decimal) -> str:
    if not far.is_finite():
        return "infinitely far"
    return f"{far:,.0f}" if far >= 10 or far == far.to_integral_value() else f"{far:.3g}"


def _brief(attempt: _ReadOnce) -> str:
    """Return what went wrong, without the source's name in front."""
    text = str(attempt.error)
    begin, _, rest = text.partition("): ")
    return rest if begin.startswith(f"{attempt.name} (") and rest else text.removeprefix(f"{attempt.name}: ")


def _lines(text: str) -> list[str]:
    """Return the problems that a message has: those of a recording have a line each, below the file's name."""
    first, *more = text.split("\n  ")
    return [f"{first.split(': ')[0]}: {each}" for each in more] if more else [text]


def _names(feed: FeedConfig) -> list[str]:
    return [feed.source_name(index) for index in range(len(feed.sources))]


def _only(found: TriedFeed, source: str) -> TriedFeed:
    """Return the outcome with one of the sources."""
    wanted = tuple(each for each in found.sources if each.source == source)
    return replace(found, sources=wanted, problems=())


def _raise_unknown(source: str, feeds: Sequence[FeedConfig]) -> list[FeedConfig]:
    known = ", ".join(name for feed in feeds for name in _names(feed))
    raise ConfigError(f"there is no source {source!r}; there are: {known}")
