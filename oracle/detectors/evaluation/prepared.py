"""A recording as a feed would have reported it: one answer for each row, from one venue or the median of several."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property

from oracle.core import encoding
from oracle.core.errors import DataError, SourceUnavailable
from oracle.core.gate import HoldPolicy
from oracle.core.types import Kind
from oracle.detectors.evaluation.history import History
from oracle.detectors.evaluation.recording import PeerSeries, Recording
from oracle.detectors.evaluation.settings import FeedOptions, FeedSettings, PeerTerms, Tick
from oracle.detectors.training.repeats import usual_repeats
from oracle.detectors.training.reports import Reports, heartbeat_of, sigma_of
from oracle.sources.aggregate import AggregationPolicy, aggregate
from oracle.sources.interface import Reading

__all__ = ["FeedOptions", "FeedSettings", "History", "PeerTerms", "Prepared", "Tick", "prepare", "tick_of"]


WARM_UP = 64
"""Ticks that are replayed before the evaluated part, so that it begins with a feed as it would be there."""

LEAST = 200
"""Ticks that must be left to evaluate: with fewer, no rate means anything."""


@dataclass(frozen=True)
class Prepared:
    """A recording with its feed, aggregated.

    Attributes:
        recording: The recording.
        feed: The feed.
        ticks: A tick for each row.
        begin: Index of the first tick that counts; those before are history.
    """

    recording: Recording
    feed: FeedSettings
    ticks: tuple[Tick, ...]
    begin: int

    @property
    def evaluated(self) -> int:
        """The number of ticks that count."""
        return len(self.ticks) - self.begin

    @cached_property
    def bad(self) -> frozenset[int]:
        """The indices of ticks that are known to be wrong: a hold there is no false one."""
        return _within(self.recording, self.recording.bad)

    @cached_property
    def values(self) -> tuple[Decimal | None, ...]:
        """The value of each tick."""
        return tuple(tick.value for tick in self.ticks)

    @cached_property
    def history(self) -> History:
        """The feed as if each report had been accepted."""
        return History(self.feed, self.ticks)


def _within(recording: Recording, stretches: Sequence[tuple[int, int]]) -> frozenset[int]:
    """Return the rows of a recording that are in one of these stretches."""
    times = recording.times
    return frozenset(
        index for first, last in stretches for index in range(bisect_left(times, first), bisect_right(times, last))
    )


def prepare(recording: Recording, options: FeedOptions, part: str = "second-half") -> Prepared:
    """Aggregate a recording, and find the parameters that were not given from its first half alone.

    Args:
        recording: The data.
        options: The feed's parameters.
        part: "second-half", or "all", with which parameters are found on evaluated data.

    Raises:
        DataError: There are too few ticks, a feed could not have a value, or a parameter can't be found.
    """
    venues = len(recording.venues)
    least = options.min_sources or min(2, venues)
    if not 1 <= least <= venues:
        raise DataError(f"{recording.name}: at least {least} sources are demanded, but there are {venues}")
    aggregation = AggregationPolicy(options.kind, least, options.max_source_spread)
    peers = _peer_answers(recording)
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
    wrong = _within(recording, recording.bad)
    rows = [index for index, tick in enumerate(bare[:half]) if tick.answer is not None and index not in wrong]
    past = [bare[index] for index in rows]
    if len(past) < encoding.RING_SIZE:
        raise DataError(f"{recording.name}: nothing usable is left of the first half beside what is known to be wrong")
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
    repeats = usual_repeats(learnt.times, learnt.answers) if options.max_repeats is None else options.max_repeats
    delay = heartbeat if options.confirm_delay is None else options.confirm_delay
    feed = FeedSettings(
        options.kind,
        options.decimals,
        sigma,
        heartbeat,
        HoldPolicy(options.confirmations, delay, options.tolerance, repeats),
        aggregation,
        tuple(
            _terms(recording, peer, rows, column, heartbeat)
            for peer, column in zip(recording.peers, peers, strict=True)
        ),
    )
    told = [_seen(terms, column) for terms, column in zip(feed.peers, peers, strict=True)]
    # The spread is measured in sigmas, which are known only now.
    ticks = tuple(
        with_spread(replace(tick, peers=tuple(column[index] for column in told)), recording, index, feed)
        for index, tick in enumerate(bare)
    )
    begin = half if part == "second-half" else encoding.RING_SIZE + 2
    return Prepared(recording, feed, ticks, begin)


def _peer_answers(recording: Recording) -> list[list[int | None]]:
    """Return the answers of each of a recording's peers, in their answer units.

    Raises:
        DataError: There are too many peers, or one has another number of values.
    """
    if len(recording.peers) > encoding.MAX_PEERS:
        raise DataError(
            f"{recording.name}: {len(recording.peers)} peers; the hub takes {encoding.MAX_PEERS} at most: leave out "
            "those that move least with the feed"
        )
    for peer in recording.peers:
        if len(peer.values) != len(recording):
            raise DataError(
                f"{recording.name}: the peer {peer.name} has {len(peer.values)} values, one is needed for each of the "
                f"{len(recording)} times"
            )
    return [
        [None if value is None else encoding.answer_from_decimal(value, peer.decimals) for value in peer.values]
        for peer in recording.peers
    ]


def _terms(
    recording: Recording, peer: PeerSeries, rows: Sequence[int], answers: Sequence[int | None], heartbeat: int
) -> PeerTerms:
    """Return the terms of a peer; a sigma that was not given is found in the first half, over the feed's heartbeat.

    Raises:
        DataError: It can't be found.
    """
    if peer.sigma is not None:
        return PeerTerms(peer.kind, peer.sigma, peer.name)
    known = [(recording.times[row], answer) for row in rows if (answer := answers[row]) is not None]
    if peer.kind is Kind.RELATIVE and any(answer <= 0 for _, answer in known):
        raise DataError(
            f"{recording.name}: the peer {peer.name} has a value that is not above zero; it needs the kind absolute, "
            "or more decimals"
        )
    if len(known) < encoding.RING_SIZE:
        raise DataError(f"{recording.name}: the peer {peer.name} has hardly a value in the first half: give its sigma")
    times, told = zip(*known, strict=True)
    sigma = sigma_of(Reports(peer.kind, peer.decimals, times, told), len(known), heartbeat)
    if sigma < 1:
        raise DataError(
            f"{recording.name}: the peer {peer.name} does not move in the first half, so it has no sigma: give one, or "
            "leave the peer out"
        )
    return PeerTerms(peer.kind, sigma, peer.name)


def _seen(terms: PeerTerms, answers: Sequence[int | None]) -> list[int]:
    """Return a peer's answers; where it has none, one from which and to which the hub can't measure a move."""
    if terms.kind is Kind.RELATIVE:
        return [answer or 0 for answer in answers]
    known = [answer for answer in answers if answer is not None]
    far = min(known, default=0) - terms.sigma * encoding.CLIP
    return [far if answer is None else answer for answer in answers]


def tick_of(
    recording: Recording,
    index: int,
    aggregation: AggregationPolicy,
    decimals: int,
    told: Mapping[str, Decimal] | None = None,
) -> Tick:
    """Return what the reporters make of a row.

    Args:
        recording: The data.
        index: The row.
        aggregation: How the values of several venues become one.
        decimals: Decimals of the feed's answers.
        told: Values that venues give instead of the recorded ones.

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
    """Return what the venues that spoke said at a row."""
    time = recording.times[index]
    said = {venue: values[index] for venue, values in recording.venues.items()}
    return [Reading(told.get(venue, value), time, venue) for venue, value in said.items() if value is not None]


def with_spread(
    tick: Tick, recording: Recording, index: int, feed: FeedSettings, told: Mapping[str, Decimal] | None = None
) -> Tick:
    """Return the tick with spread and number of the venues that agree, as if each were a reporter."""
    if tick.answer is None or len(recording.venues) == 1:
        return tick
    answers = [
        encoding.answer_from_decimal(reading.value, feed.decimals)
        for reading in readings_at(recording, index, told or {})
        if reading.source not in tick.outliers
    ]
    spread = encoding.spread(feed.kind, feed.sigma, min(answers), max(answers))
    return replace(tick, spread=spread, count=len(answers))
