"""From a recording to what a trainer learns from, and back through the gate: pure, and never ahead in time.

A window has the moves before its own, whatever split they are in: the past may be known. Sigma and heartbeat are those
of the training split, coefficients are fitted to it, thresholds are set on it and the validation split, and the test
split is only looked at.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise

from oracle.core import encoding, gate
from oracle.core.types import HoldReason, Kind, Outcome
from oracle.detectors.interface import Detector

PAST = encoding.RING_SIZE
MOST_SIGMA = 2**64 - 1


@dataclass(frozen=True, slots=True)
class Recording:
    """A feed's reports, oldest first.

    Attributes:
        kind: How moves are measured.
        decimals: Of the answers.
        times: Unix seconds, rising.
        answers: In answer units.
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
        """Whether it has several sources."""
        return bool(self.lowest)


@dataclass(frozen=True, slots=True)
class Terms:
    """What a feed's features depend on beside its answers.

    Attributes:
        sigma: ppm for relative feeds, answer units for absolute ones.
        heartbeat: Seconds.
    """

    sigma: int
    heartbeat: int


def heartbeat_of(recording: Recording, end: int) -> int:
    """The median time between two of the first `end` reports, in seconds."""
    return max(1, round(statistics.median(b - a for a, b in pairwise(recording.times[:end]))))


def sigma_of(recording: Recording, end: int, heartbeat: int) -> int:
    """The root mean square of the moves over one heartbeat, of the first `end` reports; 0 if nothing moved.

    Moves over longer gaps are scaled down as the gap feature scales limits up.
    """
    squares = []
    relative = recording.kind is Kind.RELATIVE
    reports = zip(recording.answers[:end], recording.times[:end], strict=True)
    for (before, then), (after, now) in pairwise(reports):
        step = (after - before) / min(after, before) * 1_000_000 if relative else float(after - before)
        squares.append(step * step * encoding.GAP_ONE / encoding.gap(now, then, heartbeat))
    return min(MOST_SIGMA, round(math.sqrt(math.fsum(squares) / len(squares))))


def spread_of(recording: Recording, terms: Terms, at: int) -> int:
    """How far the sources of a report were apart, in thousandths of sigma: what the contract makes a feature."""
    return encoding.spread(recording.kind, terms.sigma, recording.lowest[at], recording.highest[at])


def windows(recording: Recording, terms: Terms) -> list[tuple[int, ...]]:
    """The full feature vector of each report from the fifteenth on, had all before it been accepted.

    The first one is of the report with index `PAST` + 1 − (1 if there is a spread): see `first_window`.
    """
    moves = [encoding.move(recording.kind, terms.sigma, after, before) for before, after in pairwise(recording.answers)]
    gaps = [encoding.gap(after, before, terms.heartbeat) for before, after in pairwise(recording.times)]
    past = PAST - 1 if recording.spread else PAST
    found = []
    for now in range(past, len(moves)):
        tail = (spread_of(recording, terms, now + 1), gaps[now]) if recording.spread else (gaps[now],)
        found.append((*reversed(moves[now - past : now + 1]), *tail))
    return found


def first_window(recording: Recording) -> int:
    """Index of the report that the first of `windows` is of."""
    return PAST if recording.spread else PAST + 1


@dataclass(frozen=True, slots=True)
class Judged:
    """What the gate made of one report.

    Attributes:
        at: Its index in the recording.
        features: It was judged by.
        scores: Of the detector.
        outcome: ACCEPTED or HELD.
        reason: Why it is held, or was until it was confirmed.
    """

    at: int
    features: tuple[int, ...]
    scores: tuple[int, ...]
    outcome: Outcome
    reason: HoldReason


def replay(recording: Recording, terms: Terms, detector: Detector, policy: gate.HoldPolicy) -> Iterator[Judged]:
    """Each report through the gate, in order: features come from what was accepted before."""
    state = gate.empty_feed(bytes(32), recording.kind, terms.sigma, terms.heartbeat, 1)
    for at, (answer, time) in enumerate(zip(recording.answers, recording.times, strict=True)):
        spread = spread_of(recording, terms, at) if detector.spread else None
        features = encoding.features(state, answer, time, detector.features, spread)
        scores = detector.score_int(features)
        verdict = gate.judge(state, policy, answer, time, scores, score_unit=detector.score_unit, published_at=time)
        state = verdict.state
        yield Judged(at, features, scores, verdict.outcome, verdict.reason)


def pressures(detector: Detector, found: Sequence[Sequence[int]]) -> list[float]:
    """How near each window is to the nearest limit: 1 is on it. Comparable between calm and volatile times.

    Of a detector that knows no measure and limit it is the score in score units.
    """
    told = []
    for window in found:
        each = [
            part.score if part.measured is None or not part.limit else (part.measured / part.limit)
            for part in detector.explain(window)
        ]
        told.append(max(each))
    return told
