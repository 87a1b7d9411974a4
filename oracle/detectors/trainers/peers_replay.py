"""Replay of windows with accepted-only history: how many reports a hub would hold, not only how many are objected to.

A lesson's windows are those of a feed that accepted everything. Once a report is held, later ones are judged by other
windows: the move is measured from the last accepted answer, and held moves are nobody's past. Moves over several
reports are taken as the sum of theirs, which is exact for absolute feeds, and nearly for relative ones.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, field

import numpy as np

from oracle.core import encoding
from oracle.core.gate import PATIENCE
from oracle.detectors.trainers.peers_data import Columns, Floats

CLIP = encoding.CLIP / 1_000
VARIANCE_MEMORY = 2.0**-encoding.VARIANCE_MEMORY

CONFIRMATIONS = 3
"""Reports near a held one that confirm it, in the gate that is assumed. Fewer hold less."""

TOLERANCE = 3.0
"""The distance, in sigmas, up to which a report confirms a held one."""

FORGOTTEN = 0.01
"""The variance of a feed that held something is as if it had not, if it is within this share of it."""

MARGIN = 1.001
"""A threshold is so much above the severity of a window that passes: rounding must not hold it."""

Severity = Callable[[Columns], Floats]
"""Returns how far over its limits each window is: a model objects to those above a threshold."""


@dataclass(slots=True)
class _Feed:
    """A feed of which not all reports were accepted."""

    past: Floats
    variance: float
    moved: float = 0.0
    gap: float = 0.0
    peers: Floats = field(default_factory=lambda: np.zeros(0))
    seen: np.ndarray = field(default_factory=lambda: np.ones(0, dtype=bool))
    held: bool = False
    first: float = 0.0
    first_gap: float = 1.0
    near: int = 0
    anomalies: int = 0


def held(data: Columns, plain: Floats, severity: Severity, threshold: float) -> int:
    """Return how many windows of one series a hub holds.

    Args:
        data: Its windows, as if all were accepted.
        plain: Their severities.
        severity: The function that gave them.
        threshold: The model objects above it.
    """
    suspect = np.flatnonzero((plain > threshold) | (np.abs(data.move) >= CLIP))
    total = done = 0
    for first in suspect:
        if first < done:
            continue
        feed = _Feed(data.past[first].copy(), float(data.variance[first]))
        done = int(first)
        while done < len(data):
            total += _report(feed, data, done, severity, threshold)
            done += 1
            if done < len(data) and _forgot(feed, data, done):
                break
    return total


def _report(feed: _Feed, data: Columns, at: int, severity: Severity, threshold: float) -> bool:
    """Apply a report to a feed; return True if it is held."""
    since = feed.moved + float(data.move[at])
    elapsed = feed.gap + float(data.gap[at])
    moved = max(-CLIP, min(CLIP, since))
    peers = data.peers[at] + (feed.peers if len(feed.peers) else 0.0)
    seen = data.seen[at] & (feed.seen if len(feed.seen) else True) & (np.abs(peers) < CLIP)
    near = feed.held and abs(since - feed.first) <= TOLERANCE
    gap = feed.first_gap if near else min(CLIP, elapsed)
    window = Columns(
        np.array([moved]),
        feed.past[None, :],
        np.array([feed.variance]),
        np.array([gap]),
        peers[None, :],
        seen[None, :],
        data.spread[at : at + 1],
    )
    objects = abs(moved) >= CLIP or float(severity(window)[0]) > threshold
    confirmed = near and feed.near + 1 >= CONFIRMATIONS
    if objects and not confirmed and feed.anomalies + 1 < PATIENCE * (CONFIRMATIONS + 1):
        feed.near = feed.near + 1 if near else 0
        if not near:
            feed.first, feed.first_gap = since, gap
        feed.held, feed.anomalies = True, feed.anomalies + 1
        feed.moved, feed.gap, feed.peers, feed.seen = since, elapsed, peers, seen
        return True
    feed.past = np.concatenate([[moved], feed.past[:-1]])
    feed.variance += VARIANCE_MEMORY * (min(moved * moved / gap, CLIP) - feed.variance)
    feed.moved, feed.gap, feed.held, feed.near, feed.anomalies = 0.0, 0.0, False, 0, 0
    feed.peers, feed.seen = np.zeros(0), np.ones(0, dtype=bool)
    return False


def _forgot(feed: _Feed, data: Columns, at: int) -> bool:
    variance = float(data.variance[at])
    same = np.array_equal(feed.past, data.past[at])
    return not feed.held and same and abs(feed.variance - variance) <= FORGOTTEN * max(variance, 0.1)


def threshold(series: Sequence[Columns], severity: Severity, allowed: int) -> tuple[float, int]:
    """Return the least threshold with which the hub holds no more windows than allowed, and how many it holds.

    What is held in any case does not count: clipped moves, and windows whose severity is infinite.

    Args:
        series: Windows, of one series after the other.
        severity: How far over its limits each window is.
        allowed: Windows that may be held.
    """
    plain = [severity(data) for data in series]
    together = np.concatenate(plain)
    ordered = np.sort(together[np.isfinite(together)])[::-1]

    def holds(above: float) -> int:
        return sum(held(data, each, severity, above) for data, each in zip(series, plain, strict=True))

    # As many windows are held as are over the threshold, or more: a hold has followers.
    always = holds(float(ordered[0]) * MARGIN)
    low, high, found = 0, min(allowed + 1, len(ordered)), 0
    while high - low > 1:
        middle = (low + high) // 2
        count = holds(float(ordered[middle]) * MARGIN) - always
        if count <= allowed:
            low, found = middle, count
        else:
            high = middle
    return float(ordered[low]) * MARGIN, found
