"""A feed's reports, and the windows that the contract derives from them: pure, and never ahead in time.

A window has the moves before its own, whatever split they are in: the past may be known. Sigma and heartbeat are those
of the training split, coefficients are fitted to it, thresholds are set on it and the validation split, and the test
split only measures.
"""

from __future__ import annotations

import math
import statistics
from dataclasses import dataclass
from itertools import pairwise

from oracle.core import encoding
from oracle.core.types import Kind

PAST = encoding.RING_SIZE
FIRST_WINDOW = PAST + 1
"""The index of the first report that has a full window."""

MOST_SIGMA = 2**64 - 1


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
    """

    kind: Kind
    decimals: int
    times: tuple[int, ...]
    answers: tuple[int, ...]
    lowest: tuple[int, ...] = ()
    highest: tuple[int, ...] = ()

    def __len__(self) -> int:
        return len(self.times)

    @property
    def spread(self) -> bool:
        """True if several sources gave each report."""
        return bool(self.lowest)


@dataclass(frozen=True, slots=True)
class Terms:
    """The terms of a feed that its features depend on.

    Attributes:
        sigma: ppm for relative feeds, answer units for absolute ones.
        heartbeat: Seconds.
    """

    sigma: int
    heartbeat: int


def heartbeat_of(reports: Reports, end: int) -> int:
    """Return the median time between two of the first `end` reports, in seconds."""
    return max(1, round(statistics.median(b - a for a, b in pairwise(reports.times[:end]))))


def sigma_of(reports: Reports, end: int, heartbeat: int) -> int:
    """Return the root mean square of the moves over one heartbeat, of the first `end` reports; 0 if nothing moved.

    Moves over longer gaps are scaled down as the gap feature scales limits up.
    """
    squares = []
    relative = reports.kind is Kind.RELATIVE
    known = zip(reports.answers[:end], reports.times[:end], strict=True)
    for (before, then), (after, now) in pairwise(known):
        step = (after - before) / min(after, before) * 1_000_000 if relative else float(after - before)
        squares.append(step * step * encoding.GAP_ONE / encoding.gap(now, then, heartbeat))
    return min(MOST_SIGMA, round(math.sqrt(math.fsum(squares) / len(squares))))


def spread_of(reports: Reports, terms: Terms, at: int) -> int:
    """Return how far apart the sources of a report were, in thousandths of sigma: what the contract makes a feature."""
    return encoding.spread(reports.kind, terms.sigma, reports.lowest[at], reports.highest[at])


def features_of(reports: Reports) -> tuple[encoding.Feature, ...]:
    """Return the feature list of `windows`: the standard one, with all past moves and the spread if there is one."""
    return encoding.window_features(PAST + (3 if reports.spread else 2), reports.spread)


def windows(reports: Reports, terms: Terms) -> list[tuple[int, ...]]:
    """Return the full feature vector of each report that has one, as if all before it had been accepted.

    The first vector is that of the report with the index `FIRST_WINDOW`.
    """
    moves = [encoding.move(reports.kind, terms.sigma, after, before) for before, after in pairwise(reports.answers)]
    gaps = [encoding.gap(after, before, terms.heartbeat) for before, after in pairwise(reports.times)]
    found = []
    for now in range(PAST, len(moves)):
        tail = (spread_of(reports, terms, now + 1), gaps[now]) if reports.spread else (gaps[now],)
        found.append((*reversed(moves[now - PAST : now + 1]), *tail))
    return found
