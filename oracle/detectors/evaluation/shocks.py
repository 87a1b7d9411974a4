"""Holds of a recording without faults, and its largest real moves."""

from __future__ import annotations

import math

from oracle.core import encoding
from oracle.core.types import Kind
from oracle.detectors.evaluation.prepared import FeedSettings, Prepared
from oracle.detectors.evaluation.replay import Replay
from oracle.detectors.evaluation.results import Shock

SHOCKS = 20
"""The number of the largest real moves that are listed."""

SHOCK_SPACING = encoding.RING_SIZE
"""Reports between two that are listed: a crash is one shock."""

_FOLLOWS = 2
"""Ticks after a shock within which a hold is counted as its own."""


def episodes_of(clean: Replay) -> list[tuple[int, int]]:
    """Return the false holds of a recording: reports and seconds of each, until the first accepted report."""
    found = []
    started: int | None = None
    for number in clean.numbers:
        falsely = clean.held(number) and number not in clean.excused
        if falsely and started is None:
            started = number
        if started is not None and not falsely:
            found.append((number - started, _seconds(clean, started, number)))
            started = None
    if started is not None:
        found.append((len(clean.history) - started, _seconds(clean, started, len(clean.history) - 1)))
    return found


def _seconds(clean: Replay, start: int, end: int) -> int:
    return clean.history.ticks[end].time - clean.history.ticks[start].time


def shocks(prepared: Prepared, clean: Replay) -> tuple[Shock, ...]:
    """Return the SHOCKS largest moves against what their time gap allows, at least SHOCK_SPACING reports apart."""
    feed, history = prepared.feed, clean.history
    moves: list[tuple[float, float, int]] = []
    for number in clean.numbers:
        if number in clean.excused:
            continue
        sigmas, move = move_between(feed, history.answers[number - 1], history.answers[number])
        moves.append((abs(sigmas) / math.sqrt(history.gaps[number] / encoding.GAP_ONE), move, number))
    chosen: list[tuple[float, float, int]] = []
    for sigmas, move, number in sorted(moves, key=lambda item: (-item[0], item[2])):
        if len(chosen) == SHOCKS:
            break
        if all(abs(number - other) >= SHOCK_SPACING for _, _, other in chosen):
            chosen.append((sigmas, move, number))
    return tuple(
        Shock(history.indices[number], history.ticks[number].time, move, sigmas, *_hold_after(clean, number))
        for sigmas, move, number in chosen
    )


def move_between(feed: FeedSettings, earlier: int, later: int) -> tuple[float, float]:
    """Return a move in sigmas, and relative to the earlier answer (on absolute feeds in sigmas again)."""
    difference = later - earlier
    if feed.kind is Kind.ABSOLUTE:
        return difference / feed.sigma, difference / feed.sigma
    relative = difference / min(earlier, later)
    return relative * 1_000_000 / feed.sigma, difference / earlier


def error_of(feed: FeedSettings, seen: int, true: int) -> float:
    """Return how far what a reader sees is from the truth: relative; on absolute feeds in sigmas."""
    return abs(seen - true) / (feed.sigma if feed.kind is Kind.ABSOLUTE else max(1, abs(true)))


def _hold_after(clean: Replay, number: int) -> tuple[int, int]:
    """Return reports, from the shock on, and seconds of the longest hold that includes it or begins right after it."""
    longest = (0, 0)
    for start in range(number, min(number + _FOLLOWS + 1, len(clean.history))):
        end = start
        while end < len(clean.history) and clean.held(end):
            end += 1
        if end > start:
            longest = max(longest, (end - start, _seconds(clean, start, min(end, len(clean.history) - 1))))
    return longest
