"""The fit of the model that ships with the package, to market series that the `arch` package carries.

It is the trainer of the type `peers` on all series together, each in units of its own sigma: the two indices as each
other's peers, the others without one. So it serves feeds with and without a peer. Whoever trains on data of their own
feed gets a better one.
"""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from oracle.core import encoding
from oracle.core.types import Kind
from oracle.detectors.interface import Lesson, LessonSeries
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.trainers.peers import Peers
from oracle.detectors.training.reports import (
    FEATURES,
    ReportedPeer,
    Reports,
    Terms,
    last_places,
    sigma_of,
    windows,
)

Progress = Callable[[str], None]

NAME = "peers-v1"
COMMAND = "python scripts/train_default_model.py"
DECIMALS = 8
HEARTBEAT = 86_400
"""Seconds: the series are daily."""

BUDGET = Fraction(5, 10_000)
"""Share of the windows of all series that the gate may hold."""


@dataclass(frozen=True, slots=True)
class TrainingSeries:
    """A recorded series that the default model is trained on.

    Attributes:
        name: The folder in `arch.data`.
        column: The column in its file.
        until: First day that is not trained on.
        fitted: True if it takes part in the fit, False if only in the thresholds.
        peer: The series beside which it is judged; None without one.
    """

    name: str
    column: str
    until: dt.date
    fitted: bool
    peer: str | None = None


_CRISIS = dt.date(2007, 1, 1)
SERIES = (
    TrainingSeries("sp500", "Close", _CRISIS, fitted=True, peer="nasdaq"),
    TrainingSeries("nasdaq", "Close", _CRISIS, fitted=True, peer="sp500"),
    TrainingSeries("wti", "DCOILWTICO", _CRISIS, fitted=True),
    # Its record begins in 2014: one year gives its sigma, which is too little for a fit of its own.
    TrainingSeries("vix", "vix", dt.date(2015, 1, 1), fitted=False),
)
"""2007 and later is left out: the demonstration replays it."""


def recorded(readings: Iterable[tuple[Decimal, int]]) -> Reports:
    """Return a series as the contract would have it.

    Args:
        readings: Value and observation time (unix seconds), oldest first.

    Raises:
        DataError: A value does not fit the contract.
    """
    pairs = [(observed_at, encoding.answer_from_decimal(value, DECIMALS)) for value, observed_at in readings]
    times, answers = zip(*pairs, strict=True) if pairs else ((), ())
    return Reports(Kind.RELATIVE, DECIMALS, times, answers)


def before(reports: Reports, day: dt.date) -> Reports:
    """Return the observations before a day."""
    end = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp())
    count = sum(time < end for time in reports.times)
    return replace(reports, times=reports.times[:count], answers=reports.answers[:count])


def sigma_ppm(reports: Reports) -> int:
    """Return the sigma of a series: of its moves over one day, in ppm."""
    return sigma_of(reports, len(reports), HEARTBEAT)


def lesson(found: Mapping[str, Reports]) -> Lesson:
    """Return what the model is trained on.

    Args:
        found: The series of `SERIES`, each up to its last day.
    """
    fit: list[tuple[int, ...]] = []
    calibrate: list[tuple[int, ...]] = []
    parts = []
    for series in SERIES:
        reports, sigma = found[series.name], sigma_ppm(found[series.name])
        if series.peer:
            reports = replace(reports, peers=(peer_of(reports, series.peer, found[series.peer]),))
        seen = windows(reports, Terms(sigma, HEARTBEAT))
        begun = len(fit), len(calibrate)
        fit += seen if series.fitted else []
        calibrate += seen
        places = slice(begun[0], len(fit)), slice(begun[1], len(calibrate))
        parts.append(LessonSeries(series.name, reports.kind, sigma, HEARTBEAT, len(reports.peers), 1, *places))
    return Lesson(fit, calibrate, FEATURES, BUDGET, 1, tuple(parts))


def peer_of(reports: Reports, name: str, peer: Reports) -> ReportedPeer:
    """Return a peer's answers at the times of a feed's reports."""
    places = last_places(reports.times, peer.times, HEARTBEAT)
    answers = tuple(None if place is None else peer.answers[place] for place in places)
    return ReportedPeer(name, peer.kind, peer.decimals, sigma_ppm(peer), answers, HEARTBEAT)


def train(load: Callable[[TrainingSeries], Reports], progress: Progress = lambda step: None) -> PolynomialModel:
    """Fit the default model.

    Args:
        load: Returns a whole series; `train` cuts off what it does not train on.
        progress: Called with each step before it begins.
    """
    found = {series.name: before(load(series), series.until) for series in SERIES}
    learnt = lesson(found)
    progress(f"fit to {len(learnt.fit)} windows, thresholds from {len(learnt.calibrate)}")
    model = Peers().fit(NAME, learnt)
    told: dict[str, int | float | str] = {"command": COMMAND}
    for part in learnt.series:
        told[f"sigma_{part.name}"] = part.sigma
        told[f"days_{part.name}"] = " to ".join(_days(found[part.name]))
    return replace(model, training={**model.training, **told})


def _days(reports: Reports) -> tuple[str, str]:
    first, last = (dt.datetime.fromtimestamp(reports.times[at], dt.UTC).date().isoformat() for at in (0, -1))
    return first, last
