"""The feeds whose submissions are measured: they name each other as peers, and replay recorded days that are calm.

Each feed is there twice: with an adapter and without one. Both report the same answers, so one proof serves both.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

import numpy as np

from oracle.bench.windows import DECIMALS, HEARTBEAT, SERIES, derived_windows, recorded_answers, sigma_of
from oracle.chain.deploy import feed_id_of
from oracle.chain.hub import HubFeedConfig
from oracle.core.errors import Fatal
from oracle.core.types import Kind
from oracle.detectors.interface import Detector

PAIR = ("sp500", "nasdaq")
"""Two recorded series that see each other as peers, on the same days."""

TOLERANCE = 3_000


@dataclass
class FeedPair:
    """Two feeds with the same reports.

    Attributes:
        linked: Id of the feed with an adapter.
        bare: Id of the feed without.
        series: The series that they replay.
        answers: Its answers, by the number of the day.
        names: The descriptions of both.
        peer: The pair that both name as their peer, like with like.
    """

    linked: bytes
    bare: bytes
    series: str
    answers: tuple[int, ...]
    names: tuple[str, str]
    peer: FeedPair = field(init=False, repr=False)

    def terms(self) -> tuple[HubFeedConfig, HubFeedConfig]:
        """Return the terms of the feed with an adapter, and of the one without."""
        linked, bare = (
            HubFeedConfig(
                description=name,
                kind=Kind.RELATIVE,
                decimals=DECIMALS,
                confirmations=3,
                max_repeats=0,
                heartbeat=HEARTBEAT,
                max_age=HEARTBEAT,
                max_skew=60,
                confirm_delay=HEARTBEAT,
                tolerance=TOLERANCE,
                max_spread=0,
                sigma=sigma_of(self.series),
                committee=0,
                peers=(peer,),
            )
            for name, peer in zip(self.names, (self.peer.linked, self.peer.bare), strict=True)
        )
        return linked, bare


def feed_pairs(judges: Sequence[Detector], count: int, length: int) -> list[FeedPair]:
    """Return pairs of feeds in the order of their ids, each beside its peer.

    Args:
        judges: The models that will judge them; none of them holds any of the answers.
        count: The number of pairs; even.
        length: Answers of each.

    Raises:
        Fatal: The recorded series have too few calm days.
    """
    names = {feed_id_of(name): name for name in (f"Index, series {index}" for index in range(2 * count))}
    ids = list(names)
    # A report's feeds ascend by their ids, so both feeds of a pair are at the same place.
    linked, bare = sorted(ids[:count]), sorted(ids[count:])
    stretches = calm_stretches(judges, count // len(PAIR), length)
    answers = [one for stretch in stretches for one in stretch]
    found = [
        FeedPair(linked[at], bare[at], PAIR[at % len(PAIR)], answers[at], (names[linked[at]], names[bare[at]]))
        for at in range(count)
    ]
    for first, second in zip(found[::2], found[1::2], strict=True):
        first.peer, second.peer = second, first
    return found


def calm_stretches(judges: Sequence[Detector], count: int, length: int) -> list[tuple[tuple[int, ...], ...]]:
    """Return stretches of days of which no model would hold any answer of either series, reported daily from round 1.

    Args:
        judges: The models.
        count: The number of stretches.
        length: Days in each.

    Returns:
        The answers of each series of `PAIR`, by stretch.

    Raises:
        Fatal: The recorded series have too few.
    """
    by_time = [dict(zip(*recorded_answers(series), strict=True)) for series in PAIR]
    common = sorted(set(by_time[0]).intersection(*by_time[1:]))
    days = [tuple(known[time] for known in by_time) for time in common]
    found: list[tuple[tuple[int, ...], ...]] = []
    start = 0
    while len(found) < count:
        stretch = tuple(zip(*days[start : start + length], strict=True))
        if len(days) < start + length:
            raise Fatal(f"the recorded series have only {len(found)} calm stretches of {length} days, not {count}")
        held = first_held(judges, stretch)
        if held is None:
            found.append(stretch)
        start += length if held is None else held + 1
    return found


def first_held(judges: Sequence[Detector], stretch: Sequence[Sequence[int]]) -> int | None:
    """Return the first day on which a model would hold an answer if all before it were accepted; None: none is."""
    days = []
    times = [HEARTBEAT * day for day in range(len(stretch[0]))]
    for series, answers in zip(PAIR, stretch, strict=True):
        peer = SERIES[series]
        assert peer is not None
        beside = stretch[PAIR.index(peer)]
        for judge in judges:
            windows = list(derived_windows(judge.features, times, series, answers, beside))
            held = (judge.score_many(windows) > 0).any(axis=1)
            days += [1 + int(day) for day in np.flatnonzero(held)[:1]]
    return min(days, default=None)
