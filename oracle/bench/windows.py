"""Recorded series as the hub would have them: the windows that detectors are given."""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from functools import cache
from itertools import islice

from oracle.core import encoding
from oracle.core.encoding import Feature
from oracle.core.types import Kind
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.sources.packaged.series import load_series

HEARTBEAT = 86_400
DECIMALS = 8

SERIES: Mapping[str, str | None] = {"nasdaq": "sp500", "sp500": "nasdaq", "vix": None, "wti": None}
"""The recorded series that verdicts are counted on, each with its peer."""


@cache
def sigma_of(series: str) -> int:
    """Return the sigma of one of `SERIES`, in ppm."""
    return QuadraticModel.default().training.series[series]


def recorded_answers(series: str, start: dt.date | None = None) -> tuple[tuple[int, ...], tuple[int, ...]]:
    """Return a recorded series as times and answers, from a day on."""
    readings = load_series(series, start)
    times = tuple(reading.observed_at for reading in readings)
    return times, tuple(encoding.answer_from_decimal(reading.value, DECIMALS) for reading in readings)


def recorded_windows(
    listed: Sequence[Feature], count: int | None, start: dt.date | None, series: str = "sp500"
) -> list[list[int]]:
    """Return windows of a recorded series, as the hub would derive them if it had accepted every day.

    Args:
        listed: The features of a window.
        count: The number of them; None: all.
        start: First recorded day; None: the first there is. The windows begin when the ring of moves is full.
        series: One of `SERIES`; its peer is seen with it.
    """
    times, answers = recorded_answers(series, start)
    peer = SERIES[series]
    beside = None if peer is None else _last_answers(peer, times)
    derived = derived_windows(listed, times, series, answers, beside)
    found = islice(derived, encoding.RING_SIZE, None if count is None else encoding.RING_SIZE + count)
    return list(found)


def derived_windows(
    listed: Sequence[Feature],
    times: Sequence[int],
    series: str,
    answers: Sequence[int],
    peer_answers: Sequence[int] | None = None,
) -> Iterator[list[int]]:
    """Yield the window of each answer but the first, which has no move, if a new feed accepts all of them.

    Args:
        listed: The features of a window.
        times: When the answers were observed, in seconds.
        series: One of `SERIES`: its sigma and its peer's are taken.
        answers: The feed's answers.
        peer_answers: The peer's at the same times; None: the feed has no peer.
    """
    sigma, peer = sigma_of(series), SERIES[series]
    past = [0] * encoding.RING_SIZE
    variance = encoding.VARIANCE_START
    for at in range(1, len(answers)):
        move = encoding.move(Kind.RELATIVE, sigma, answers[at], answers[at - 1])
        gap = encoding.gap(times[at], times[at - 1], HEARTBEAT)
        values = {
            Feature.MOVE: move,
            Feature.GAP: gap,
            Feature.SPREAD: 0,
            Feature.COUNT: 1,
            Feature.VARIANCE: variance >> encoding.VARIANCE_BITS,
            **{feature: 0 for pair in encoding.PEER_FEATURES for feature in pair},
            **dict(zip(encoding.PAST, past, strict=True)),
        }
        if peer is not None and peer_answers is not None:
            now = encoding.PeerAnswer(Kind.RELATIVE, sigma_of(peer), peer_answers[at])
            seen = encoding.peer_move(now, peer_answers[at - 1])
            values[Feature.PEER_MOVE_0], values[Feature.PEER_SEEN_0] = seen
        yield [values[feature] for feature in listed]
        variance = encoding.variance(variance, move, gap)
        past = [move, *past[:-1]]


def _last_answers(series: str, times: Sequence[int]) -> list[int]:
    """Return a series' last answer at or before each time; 0 where there is none yet, and nothing is measured."""
    known, answers = recorded_answers(series)
    return [answers[at - 1] if (at := bisect_right(known, time)) else 0 for time in times]
