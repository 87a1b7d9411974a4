"""Make one value of several readings, and decide whether it is due: pure functions, no clock, no network."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from typing import TypeVar

from oracle.core.errors import DataError, SourceUnavailable
from oracle.core.types import FeedState, HoldReason, Kind
from oracle.sources.interface import Reading

__all__ = [
    "Aggregated",
    "AggregationPolicy",
    "Due",
    "DuePolicy",
    "aggregate",
    "decide",
    "distance",
    "is_due",
    "lower_median",
]

T = TypeVar("T", int, Decimal)

PPM = 1_000_000


@dataclass(frozen=True, slots=True)
class AggregationPolicy:
    """The rules by which several readings make one value.

    Attributes:
        kind: The feed's kind.
        min_sources: How many readings must agree. Fewer never make a value.
        max_spread: How far a reading may be from the median: in ppm of the median on RELATIVE feeds, else in the
            feed's own units. None: unbounded.
    """

    kind: Kind
    min_sources: int = 1
    max_spread: Decimal | None = None


@dataclass(frozen=True, slots=True)
class Aggregated:
    """The value of several sources.

    Attributes:
        value: The lower median: a value that a source gave, not one in between.
        observed_at: The lower median of the readings' times, unix seconds.
        sources: The names of the sources that agree, in the order of the readings.
        outliers: The readings that were too far from the median and were left out, for the log.
        spread: The largest distance of an agreeing reading from the median, in the unit of `max_spread`.
    """

    value: Decimal
    observed_at: int
    sources: tuple[str, ...]
    outliers: tuple[Reading, ...]
    spread: Decimal


def aggregate(
    readings: Sequence[Reading],
    policy: AggregationPolicy,
    failures: Mapping[str, str] | None = None,
) -> Aggregated:
    """Return the median of the readings that agree.

    Readings too far from the median are left out, if the rest is a majority and at least as many as the policy asks
    for. So one source that is wrong neither moves the value nor stops the feed, and two sources that contradict each
    other give no value.

    Args:
        readings: At most one reading of each source.
        policy: The rules.
        failures: Why other sources gave no reading, by the source's name, for the error's message.

    Raises:
        DataError: A reading is not finite.
        SourceUnavailable: Too few sources answered, or too few agree.
    """
    for reading in readings:
        if not reading.value.is_finite():
            raise DataError(f"{reading.source}: {reading.value} is not a finite number")
    if not readings or len(readings) < policy.min_sources:
        reasons = "; ".join(dict.fromkeys((failures or {}).values()))
        raise SourceUnavailable(
            f"{len(readings)} of at least {policy.min_sources} sources answered" + (f": {reasons}" if reasons else "")
        )
    middle = lower_median([reading.value for reading in readings])
    distances = [distance(policy.kind, reading.value, middle) for reading in readings]
    agreeing = [
        reading
        for reading, far in zip(readings, distances, strict=True)
        if policy.max_spread is None or far <= policy.max_spread
    ]
    outliers = tuple(reading for reading in readings if reading not in agreeing)
    if len(agreeing) < policy.min_sources or 2 * len(agreeing) <= len(readings):
        worst = max(range(len(readings)), key=distances.__getitem__)
        unit = " ppm" if policy.kind is Kind.RELATIVE else ""
        raise SourceUnavailable(
            f"sources disagree: {readings[worst].source} says {readings[worst].value}, "
            f"{distances[worst]:.0f}{unit} from the median {middle} (at most {policy.max_spread}{unit} is allowed); "
            f"{len(agreeing)} of {len(readings)} agree"
        )
    return Aggregated(
        value=lower_median([reading.value for reading in agreeing]),
        observed_at=lower_median([reading.observed_at for reading in agreeing]),
        sources=tuple(reading.source for reading in agreeing),
        outliers=outliers,
        spread=max(d for r, d in zip(readings, distances, strict=True) if r in agreeing),
    )


def lower_median(values: Sequence[T]) -> T:
    """Return the middle of the values; of two middles, the lower one."""
    return sorted(values)[(len(values) - 1) // 2]


def distance(kind: Kind, value: Decimal, middle: Decimal) -> Decimal:
    """Return how far a value is from the middle: in ppm of it on RELATIVE feeds, else in the feed's own units."""
    difference = abs(value - middle)
    if kind is Kind.ABSOLUTE or not difference:
        return difference
    # A price that is not above zero is infinitely far from any other, and must not be divided by.
    return difference * PPM / middle if middle > 0 and value > 0 else Decimal("Infinity")


class Due(StrEnum):
    """The reason for which a value is due."""

    FIRST = "first"
    HEARTBEAT = "heartbeat"
    DEVIATION = "deviation"
    HELD = "held"
    INTERVAL = "interval"


@dataclass(frozen=True, slots=True)
class DuePolicy:
    """The rules by which a value is due.

    Attributes:
        kind: The feed's kind.
        heartbeat: Seconds after which a value is due in any case.
        deviation: The smallest move that is reported at once: ppm on RELATIVE feeds, else answer units.
        held_interval: While the feed is held: seconds between reports of the held level, which may confirm it.
        pull_interval: Seconds between two reports that are kept for whoever brings them; 0: every report is sent.
        is_spaced: True if no report may be kept before that, however far the value has moved.
    """

    kind: Kind
    heartbeat: int
    deviation: int
    held_interval: int = field(default=0)
    pull_interval: int = field(default=0)
    is_spaced: bool = field(default=False)


def is_due(
    last_answer: int | None, last_observed_at: int, answer: int, observed_at: int, policy: DuePolicy
) -> Due | None:
    """Decide whether a value is due after the last one.

    A relative move is measured against the smaller of the two answers, as the contract does.

    Args:
        last_answer: The last answer, in answer units; None if there is none.
        last_observed_at: When the last answer was observed, unix seconds.
        answer: The candidate, in answer units.
        observed_at: When the candidate was observed, unix seconds.
        policy: The rules.

    Returns:
        The reason for which it is due; None if it is not due, or not newer than the last answer.
    """
    if last_answer is None:
        return Due.FIRST
    if observed_at <= last_observed_at:
        return None
    if _deviates(policy, last_answer, answer):
        return Due.DEVIATION
    return Due.HEARTBEAT if observed_at - last_observed_at >= policy.heartbeat else None


def decide(state: FeedState, answer: int, observed_at: int, policy: DuePolicy) -> Due | None:
    """Decide whether a value is due for a feed in this state.

    On a held feed, a value is due when it leaves the held level, back to normal or on to another level. While it stays,
    it is due every `held_interval` seconds, so that a lasting change is confirmed without a proof for each reading. If
    reports can't confirm the hold, a value is due as often as the heartbeat says.
    """
    if observed_at <= state.last_report_at:
        return None
    if state.held is None:
        last = None if state.round_id == 0 else state.answer
        return is_due(last, state.observed_at, answer, observed_at, policy)
    repeated = state.held.reason is HoldReason.REPEATED
    # Any other answer ends a hold for repetition.
    if _deviates(policy, state.held.answer, answer) or (repeated and answer != state.answer):
        return Due.DEVIATION
    confirmable = state.held.reason is HoldReason.ANOMALOUS
    interval = min(policy.heartbeat, max(1, policy.held_interval)) if confirmable else policy.heartbeat
    return Due.HELD if observed_at - state.last_report_at >= interval else None


def _deviates(policy: DuePolicy, last: int, answer: int) -> bool:
    difference = abs(answer - last)
    if policy.kind is Kind.ABSOLUTE:
        return difference >= policy.deviation
    smaller = min(answer, last)
    if smaller <= 0:
        return difference > 0
    return difference * PPM >= policy.deviation * smaller
