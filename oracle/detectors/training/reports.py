"""A feed's reports, and the windows that the contract derives from them: pure, and never ahead in time.

A window has the moves before its own, whatever split they are in: the past may be known. Sigma and heartbeat are those
of the training split, coefficients are fitted to it, thresholds are set on it and the validation split, and the test
split only measures.

A stretch that is known to be wrong is treated as if the gate had held all of it: its reports are nobody's past.
"""

from __future__ import annotations

import math
import statistics
from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from oracle.core import encoding
from oracle.core.types import Kind

PAST = encoding.RING_SIZE
FIRST_WINDOW = PAST + 1
"""The index of the first report that has a full window."""

MOST_SIGMA = 2**64 - 1


FEATURES = (
    encoding.Feature.MOVE,
    *encoding.PAST,
    encoding.Feature.VARIANCE,
    *(feature for pair in encoding.PEER_FEATURES for feature in pair),
    encoding.Feature.COUNT,
    encoding.Feature.SPREAD,
    encoding.Feature.GAP,
)
"""The feature list of `windows`: all that the hub derives."""


@dataclass(frozen=True, slots=True)
class ReportedPeer:
    """A peer in a feed's reports.

    Attributes:
        name: The peer's name.
        kind: How its moves are measured.
        decimals: Decimals of its answers.
        sigma: Its own: ppm, or answer units.
        answers: Its last answer at or before each report, in its answer units; None where it has none, or one that is
            too old.
        max_age: The age in seconds beyond which an answer is too old.
    """

    name: str
    kind: Kind
    decimals: int
    sigma: int
    answers: tuple[int | None, ...]
    max_age: int


@dataclass(frozen=True, slots=True)
class Reports:
    """A feed's reports, oldest first.

    Attributes:
        kind: How moves are measured.
        decimals: Decimals of the answers.
        times: Unix seconds, rising.
        answers: The answers, in answer units.
        lowest: The lowest answer of each report, where several sources gave one; else empty.
        highest: The highest, likewise.
        counts: How many sources gave an answer, likewise.
        peers: The feed's peers, at most two.
        bad: Stretches that are known to be wrong: first and last unix second.
    """

    kind: Kind
    decimals: int
    times: tuple[int, ...]
    answers: tuple[int, ...]
    lowest: tuple[int, ...] = ()
    highest: tuple[int, ...] = ()
    counts: tuple[int, ...] = ()
    peers: tuple[ReportedPeer, ...] = ()
    bad: tuple[tuple[int, int], ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    @property
    def spread(self) -> bool:
        """True if several sources gave each report."""
        return bool(self.lowest)

    def is_bad(self, at: int) -> bool:
        """Return True if a report is in a stretch that is known to be wrong."""
        return any(first <= self.times[at] <= last for first, last in self.bad)

    def good(self, end: int | None = None) -> list[int]:
        """Return the indices of the reports that are in no bad stretch, of the first `end` reports."""
        return [at for at in range(len(self) if end is None else end) if not self.is_bad(at)]


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a feed that its features depend on.

    Attributes:
        sigma: ppm for relative feeds, answer units for absolute ones.
        heartbeat: Seconds.
    """

    sigma: int
    heartbeat: int


def median_gap(times: Sequence[int]) -> int:
    """Return the median time between two of these times, in seconds, at least 1."""
    return max(1, round(statistics.median(after - before for before, after in pairwise(times)))) if times[1:] else 1


def oldest_answer(heartbeat: int) -> int:
    """Return the age beyond which a peer's answer counts as missing, if nothing is said: one and a half heartbeats.

    Reports that are due by the heartbeat are mined a little later, so one heartbeat would lose the last of each.
    """
    return heartbeat * 3 // 2


def last_places(times: Sequence[int], others: Sequence[int], max_age: int) -> list[int | None]:
    """Return, for each time, the index of the last of other times at or before it; None if that is too long ago.

    Args:
        times: Unix seconds, rising.
        others: Unix seconds, rising.
        max_age: The longest time between the two, in seconds.
    """
    found: list[int | None] = []
    for time in times:
        place = bisect_right(others, time) - 1
        found.append(place if place >= 0 and time - others[place] <= max_age else None)
    return found


def heartbeat_of(reports: Reports, end: int) -> int:
    """Return the median time between two of the first `end` reports, in seconds."""
    return median_gap([reports.times[at] for at in reports.good(end)])


def sigma_of(reports: Reports, end: int, heartbeat: int) -> int:
    """Return the root mean square of the moves over one heartbeat, of the first `end` reports; 0 if nothing moved.

    Moves over longer gaps are scaled down as the gap feature scales limits up.
    """
    squares = []
    relative = reports.kind is Kind.RELATIVE
    known = [(reports.answers[at], reports.times[at]) for at in reports.good(end)]
    for (before, then), (after, now) in pairwise(known):
        step = (after - before) / min(after, before) * 1_000_000 if relative else float(after - before)
        squares.append(step * step * encoding.GAP_ONE / encoding.gap(now, then, heartbeat))
    return min(MOST_SIGMA, round(math.sqrt(math.fsum(squares) / len(squares))))


def spread_of(reports: Reports, terms: Terms, at: int) -> int:
    """Return how far apart the sources of a report were, in thousandths of sigma: what the contract makes a feature."""
    if not reports.spread:
        return 0
    return encoding.spread(reports.kind, terms.sigma, reports.lowest[at], reports.highest[at])


def count_of(reports: Reports, at: int) -> int:
    """Return how many sources gave a report."""
    return reports.counts[at] if reports.counts else 1


def peer_moves(reports: Reports, at: int, base: int) -> tuple[tuple[int, int], ...]:
    """Return each peer's move from the feed's last accepted report to a report, and 1 if it could be measured.

    Args:
        reports: The reports.
        at: The index of the report.
        base: The index of the last accepted one.
    """
    found = []
    for peer in reports.peers:
        now, kept = peer.answers[at], peer.answers[base]
        if now is None or kept is None:
            found.append((0, 0))
        else:
            found.append(encoding.peer_move(encoding.PeerAnswer(peer.kind, peer.sigma, now), kept))
    return tuple(found)


def features_of(reports: Reports) -> tuple[encoding.Feature, ...]:
    """Return the feature list of `windows`: all that the hub derives, also what these reports have not."""
    return FEATURES


def windows(reports: Reports, terms: Terms) -> list[tuple[int, ...]]:
    """Return the feature vector of each report, as if all good ones before it had been accepted.

    The first vector is that of the report with the index `FIRST_WINDOW`. Reports of bad stretches have one too; see
    `counted`.
    """
    found: list[tuple[int, ...]] = []
    past: Sequence[int] = (0,) * PAST
    variance, base = encoding.VARIANCE_START, -1
    for at, (answer, time) in enumerate(zip(reports.answers, reports.times, strict=True)):
        moved, gap, peers = 0, encoding.GAP_ONE, ((0, 0),) * len(reports.peers)
        if base >= 0:
            moved = encoding.move(reports.kind, terms.sigma, answer, reports.answers[base])
            gap = encoding.gap(time, reports.times[base], terms.heartbeat)
            peers = peer_moves(reports, at, base)
        if at >= FIRST_WINDOW:
            beside = [value for pair in (*peers, *((0, 0),) * (encoding.MAX_PEERS - len(peers))) for value in pair]
            derived = (
                variance >> encoding.VARIANCE_BITS,
                *beside,
                count_of(reports, at),
                spread_of(reports, terms, at),
            )
            found.append((moved, *past, *derived, gap))
        if not reports.is_bad(at):
            if base >= 0:
                past = encoding.push_move(past, moved)
                variance = encoding.variance(variance, moved, gap)
            base = at
    return found


def counted(reports: Reports) -> list[bool]:
    """Return, for each report, if it counts: it is in no bad stretch, and enough good reports are before it."""
    found, good = [], 0
    for at in range(len(reports)):
        is_good = not reports.is_bad(at)
        found.append(is_good and good >= FIRST_WINDOW)
        good += is_good
    return found
