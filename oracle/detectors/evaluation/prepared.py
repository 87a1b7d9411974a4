"""A recording as a feed would have reported it: one answer for each row, from one venue or the median of several."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from functools import cached_property
from itertools import pairwise

from oracle.core import encoding, gate
from oracle.core.encoding import Feature
from oracle.core.errors import DataError, SourceUnavailable
from oracle.core.gate import HoldPolicy
from oracle.core.types import FeedState, Kind, Status
from oracle.detectors.evaluation.recording import PeerSeries, Recording
from oracle.detectors.training.repeats import usual_repeats
from oracle.detectors.training.reports import Reports, heartbeat_of, sigma_of
from oracle.sources.aggregate import AggregationPolicy, aggregate
from oracle.sources.interface import Reading

__all__ = ["FeedOptions", "FeedSettings", "History", "PeerTerms", "Prepared", "Tick", "prepare", "tick_of"]


WARM_UP = 64
"""Ticks that are replayed before the evaluated part, so that it begins with a feed as it would be there."""

LEAST = 200
"""Ticks that must be left to evaluate: with fewer, no rate means anything."""


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """A feed's parameters as a user gives them; those that are None are found from the recording's first half."""

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
class PeerTerms:
    """The terms by which a peer's moves are measured.

    Attributes:
        kind: How its moves are measured.
        sigma: As a feed's.
        name: Its name, for reports.
    """

    kind: Kind
    sigma: int
    name: str = "peer"


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """A feed's parameters, all of them known.

    Attributes:
        kind: How moves are measured.
        decimals: Decimals of the answers.
        sigma: One standard deviation of a move over one heartbeat: ppm, or answer units on absolute feeds.
        heartbeat: Seconds.
        policy: How reports are held and confirmed.
        aggregation: How the values of several venues become one.
        peers: The feeds that are reported with this one.
    """

    kind: Kind
    decimals: int
    sigma: int
    heartbeat: int
    policy: HoldPolicy
    aggregation: AggregationPolicy
    peers: tuple[PeerTerms, ...] = ()

    def empty(self) -> FeedState:
        """Return the feed before its first report."""
        peers = [bytes([number]) * 32 for number, _ in enumerate(self.peers, 1)]
        return gate.empty_feed(bytes(32), self.kind, self.sigma, self.heartbeat, model_number=1, peers=peers)


@dataclass(frozen=True, slots=True)
class Tick:
    """One row as the reporters have it.

    Attributes:
        time: Unix seconds.
        value: None if too few venues spoke, or they disagree, or a peer has no answer yet: nothing is reported.
        answer: The value in answer units.
        spread: The largest distance between two agreeing venues, in thousandths of sigma.
        outliers: Venues that were left out.
        count: How many reporters answered: the venues that agree.
        peers: The answers of the feed's peers, in their answer units.
    """

    time: int
    value: Decimal | None
    answer: int | None
    spread: int = 0
    outliers: tuple[str, ...] = ()
    count: int = 1
    peers: tuple[int, ...] = ()


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
        return frozenset(
            index
            for first, last in self.recording.bad
            for index in range(bisect_left(self.recording.times, first), bisect_right(self.recording.times, last))
        )

    @cached_property
    def values(self) -> tuple[Decimal | None, ...]:
        """The value of each tick."""
        return tuple(tick.value for tick in self.ticks)

    @cached_property
    def history(self) -> History:
        """The feed as if each report had been accepted."""
        return History(self.feed, self.ticks)


class History:
    """A feed as if each report so far had been accepted: most of a replay, known in advance.

    Reports are counted from 0: report number k is that of the k-th tick with an answer.
    """

    def __init__(self, feed: FeedSettings, ticks: Sequence[Tick]) -> None:
        self.feed = feed
        self.indices = [index for index, tick in enumerate(ticks) if tick.answer is not None]
        self.ticks = [ticks[index] for index in self.indices]
        self.answers = [tick.answer for tick in self.ticks if tick.answer is not None]
        self.moves, self.gaps, self.repeats = [0], [encoding.GAP_ONE], [0]
        self.variances = [encoding.VARIANCE_START] * 2
        """The stored variance before each report, and after the last one."""
        for earlier, later in pairwise(range(len(self.ticks))):
            before, now = self.answers[earlier], self.answers[later]
            self.moves.append(encoding.move(feed.kind, feed.sigma, now, before))
            self.gaps.append(encoding.gap(self.ticks[later].time, self.ticks[earlier].time, feed.heartbeat))
            self.repeats.append(min(encoding.UINT8_MAX, self.repeats[-1] + 1) if now == before else 0)
            self.variances.append(encoding.variance(self.variances[-1], self.moves[-1], self.gaps[-1]))

    def __len__(self) -> int:
        return len(self.ticks)

    def number(self, index: int) -> int:
        """Return the number of the first report at or after a tick."""
        return bisect_left(self.indices, index)

    def returns(self, number: int) -> tuple[int, ...]:
        """Return the ring of moves before a report."""
        newest = self.moves[max(0, number - encoding.RING_SIZE) : number][::-1]
        return (*newest, *(0,) * (encoding.RING_SIZE - len(newest)))

    def window(self, number: int, listed: Sequence[Feature]) -> tuple[int, ...]:
        """Return these features of a report."""
        tick = self.ticks[number]
        values = {
            Feature.MOVE: self.moves[number],
            Feature.GAP: self.gaps[number],
            Feature.SPREAD: tick.spread,
            Feature.COUNT: tick.count,
            Feature.VARIANCE: self.variances[number] >> encoding.VARIANCE_BITS,
            **dict(zip(encoding.PAST, self.returns(number), strict=True)),
        }
        for index, (moved, seen) in enumerate(encoding.PEER_FEATURES[: len(self.feed.peers)]):
            values[moved], values[seen] = self._peer(number, index)
        return tuple(values[feature] for feature in listed)

    def _peer(self, number: int, index: int) -> tuple[int, int]:
        """Return how far a peer moved since the report before, and if that could be measured."""
        if number == 0:
            return 0, 0
        terms = self.feed.peers[index]
        now = encoding.PeerAnswer(terms.kind, terms.sigma, self.ticks[number].peers[index])
        return encoding.peer_move(now, self.ticks[number - 1].peers[index])

    def state(self, number: int) -> FeedState:
        """Return the feed before a report."""
        empty = self.feed.empty()
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
            variance=self.variances[number],
            returns=self.returns(number),
            peer_answers=last.peers,
        )

    def is_at(self, state: FeedState, number: int) -> bool:
        """Return True if the feed is as it would be here, except for its variance and the count of its rounds."""
        return (
            state.held is None
            and state.answer == self.answers[number - 1]
            and state.observed_at == self.ticks[number - 1].time
            and state.repeats == self.repeats[number - 1]
            and state.returns == self.returns(number)
            and state.peer_answers == self.ticks[number - 1].peers
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
    bare = tuple(
        with_peers(tick_of(recording, index, aggregation, options.decimals), peers[index])
        for index in range(len(recording))
    )
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
    repeats = usual_repeats(learnt.times, learnt.answers) if options.max_repeats is None else options.max_repeats
    delay = heartbeat if options.confirm_delay is None else options.confirm_delay
    feed = FeedSettings(
        options.kind,
        options.decimals,
        sigma,
        heartbeat,
        HoldPolicy(options.confirmations, delay, options.tolerance, repeats),
        aggregation,
        tuple(_terms(recording, peer, number, past, heartbeat) for number, peer in enumerate(recording.peers)),
    )
    # The spread is measured in sigmas, which are known only now.
    ticks = tuple(with_spread(tick, recording, index, feed) for index, tick in enumerate(bare))
    begin = half if part == "second-half" else encoding.RING_SIZE + 2
    return Prepared(recording, feed, ticks, begin)


def _peer_answers(recording: Recording) -> list[tuple[int | None, ...]]:
    """Return the answers of a recording's peers at each row, in their answer units.

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
    columns = [
        [None if value is None else encoding.answer_from_decimal(value, peer.decimals) for value in peer.values]
        for peer in recording.peers
    ]
    return list(zip(*columns, strict=True)) if columns else [()] * len(recording)


def _terms(recording: Recording, peer: PeerSeries, number: int, past: Sequence[Tick], heartbeat: int) -> PeerTerms:
    """Return the terms of a peer; a sigma that was not given is found in the first half, over the feed's heartbeat.

    Raises:
        DataError: It can't be found.
    """
    if peer.sigma is not None:
        return PeerTerms(peer.kind, peer.sigma, peer.name)
    answers = tuple(tick.peers[number] for tick in past)
    if peer.kind is Kind.RELATIVE and min(answers) <= 0:
        raise DataError(
            f"{recording.name}: the peer {peer.name} has a value that is not above zero; it needs the kind absolute, "
            "or more decimals"
        )
    known = Reports(peer.kind, peer.decimals, tuple(tick.time for tick in past), answers)
    sigma = sigma_of(known, len(past), heartbeat)
    if sigma < 1:
        raise DataError(
            f"{recording.name}: the peer {peer.name} does not move in the first half, so it has no sigma: give one, or "
            "leave the peer out"
        )
    return PeerTerms(peer.kind, sigma, peer.name)


def with_peers(tick: Tick, answers: Sequence[int | None]) -> Tick:
    """Return the tick with its peers' answers; without a value, as the hub refuses it, if one has none."""
    known = tuple(answer for answer in answers if answer is not None)
    if len(known) < len(answers):
        return Tick(tick.time, None, None)
    return replace(tick, peers=known) if known else tick


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
