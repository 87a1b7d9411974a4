"""The detectors whose circuits are measured, with the windows that they are given.

`peers` is the default that the package ships: public and with scores as it comes, private and with verdicts once it is
an operator's own. `quadratic` was the default before it, and stays as what the new one is compared with.
"""

from __future__ import annotations

import datetime as dt
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from itertools import islice

from oracle.core import encoding
from oracle.core.encoding import Feature
from oracle.core.types import Kind
from oracle.detectors.interface import Detector, Disclosure
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.polynomial_parts import Allowance, Limit, Output, Power, Product, Sum
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.sources.packaged.series import load_series

HEARTBEAT = 86_400
DECIMALS = 8

SERIES: Mapping[str, str | None] = {"nasdaq": "sp500", "sp500": "nasdaq", "vix": None, "wti": None}
"""The recorded series that verdicts are counted on, each with its peer."""


@dataclass(frozen=True)
class BenchedDetector:
    """A detector that is measured.

    Attributes:
        title: What it is, for people.
        load: Returns it, publishing what is asked for. One that publishes verdicts is private, and salted.
    """

    title: str
    load: Callable[[Disclosure], Detector]


def _stand_in() -> PolynomialModel:
    listed = ("move", "past_0", "past_1", "past_2", "variance", "peer_move_0", "peer_seen_0", "gap")
    one = 1 << 18
    limit = Limit(12_000 * one, (Allowance(1, 4, (604,)), Allowance(4, 5, (6 * one,), Power.VALUES)))
    own = Output("own", (Sum(0, 1),), limit)
    beside = (Product(0, 0, 4 * one), Product(0, 5, -7 * one), Product(5, 5, -5 * one))
    gates = (own, Output("peer", beside, "own", (Feature.PEER_SEEN_0,)))
    return PolynomialModel("peers-v1", encoding.parse_features(listed), gates, 18)


_SALT = "5eed" * 8
"""A user's is drawn; this one is always the same, so that circuits are found again."""


def _peers(disclosure: Disclosure) -> Detector:
    model = _stand_in()
    return replace(model, salt=_SALT, disclosure=disclosure) if disclosure is Disclosure.VERDICT else model


DETECTORS: Mapping[str, BenchedDetector] = {
    "quadratic": BenchedDetector("yesterday's default, 15 weights", QuadraticModel.default),
    "peers": BenchedDetector("the default, with peers", _peers),
}


def detector(name: str, disclosure: str = "score") -> Detector:
    """Return one of `DETECTORS`, publishing scores or verdicts."""
    return DETECTORS[name].load(Disclosure(disclosure))


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
