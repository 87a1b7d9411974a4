"""The fit of the quadratic detector that ships with the package, to market series that the `arch` package carries.

Steps, all on the training ranges only:

1. Moves in units of each series' own standard deviation.
2. ARCH(12) by quasi-maximum likelihood (`arch`), per series; the coefficients are averaged over the series.
3. A floor of σ²/2 in place of the fitted constant: without one, calm stretches predict next to nothing.
4. The two thresholds from a budget of false positives, on the integer features that the contract derives. They are
   folded into the weights.

So that rounding differences between machines change nothing, the averaged coefficients are rounded to multiples of
1/200, thresholds up to multiples of 1/10, and weights to ten significant bits; all between is exact arithmetic.
"""

from __future__ import annotations

import datetime as dt
import itertools
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from fractions import Fraction

from oracle.core import encoding
from oracle.core.types import Kind
from oracle.detectors.kinds.quadratic import PAST, QuadraticModel, Training
from oracle.detectors.trainers.estimation import COEFFICIENT_STEP, DRIFT_FLOOR, FLOOR, arch_coefficients, significant
from oracle.detectors.trainers.windows import STANDARD, cut
from oracle.detectors.training.reports import FEATURES, Reports, Terms, windows

Progress = Callable[[str], None]

NAME = "quadratic-v2"
COMMAND = "python scripts/train_default_model.py"
PARAM_SCALE = 20
DECIMALS = 8
HEARTBEAT = 86_400
"""Seconds: the series are daily."""

BUDGET = Fraction(5, 10_000)
"""False positives per observation, of each of the two scores."""


THRESHOLD_STEP = Fraction(1, 10)
SIGNIFICANT_BITS = 10


@dataclass(frozen=True, slots=True)
class TrainingSeries:
    """A recorded series that the default model is trained on.

    Attributes:
        name: The folder in `arch.data`.
        column: The column in its file.
        until: First day that is not trained on.
        fitted: True if it takes part in the fit, False if only in the thresholds.
    """

    name: str
    column: str
    until: dt.date
    fitted: bool


_CRISIS = dt.date(2007, 1, 1)
SERIES = (
    TrainingSeries("sp500", "Close", _CRISIS, fitted=True),
    TrainingSeries("nasdaq", "Close", _CRISIS, fitted=True),
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
    """Return the standard deviation of the relative moves, measured against the smaller of two neighbours, in ppm."""
    moves = [(later - earlier) / min(later, earlier) for earlier, later in itertools.pairwise(reports.answers)]
    return round(statistics.pstdev(moves) * 1_000_000)


def threshold(ratios: Sequence[Fraction], budget: Fraction = BUDGET) -> Fraction:
    """Return the least multiple of THRESHOLD_STEP that at most `budget` of the ratios exceed."""
    allowed = int(len(ratios) * budget)
    quantile = sorted(ratios)[-allowed - 1]
    return math.ceil(quantile / THRESHOLD_STEP) * THRESHOLD_STEP


def train(load: Callable[[TrainingSeries], Reports], progress: Progress = lambda step: None) -> QuadraticModel:
    """Fit the default model.

    Args:
        load: Returns a whole series; `train` cuts off what it does not train on.
        progress: Called with each step before it begins.
    """
    found = {series: before(load(series), series.until) for series in SERIES}
    sigmas = {series.name: sigma_ppm(found[series]) for series in SERIES}
    featured = [
        window
        for series in SERIES
        for window in cut(windows(found[series], Terms(sigmas[series.name], HEARTBEAT)), FEATURES, STANDARD)
    ]
    fits = []
    for series in SERIES:
        if series.fitted:
            progress(f"ARCH({PAST}) of {series.name}")
            answers, sigma = found[series].answers, sigmas[series.name] / 1_000_000
            pairs = itertools.pairwise(answers)
            fits.append(arch_coefficients([(q - p) / min(p, q) / sigma for p, q in pairs]))
    averages = [statistics.fmean(column) for column in zip(*fits, strict=True)]
    coefficients = [round(Fraction(average) / COEFFICIENT_STEP) * COEFFICIENT_STEP for average in averages]
    progress("thresholds")
    spike = threshold([_spike_ratio(window, coefficients) for window in featured])
    drift = threshold([_drift_ratio(window) for window in featured])
    one = 1 << PARAM_SCALE
    # Squared moves are in 10^-6 σ², the gap in thousandths: limits are 10^3 times the ratios' denominators.
    return QuadraticModel(
        name=NAME,
        past=tuple(significant(spike * value * one / 1_000, SIGNIFICANT_BITS) for value in coefficients),
        floor=significant(spike * FLOOR * 1_000 * one, SIGNIFICANT_BITS),
        drift_past=significant(drift * one / 1_000, SIGNIFICANT_BITS),
        drift_floor=significant(drift * DRIFT_FLOOR * 1_000 * one, SIGNIFICANT_BITS),
        param_scale=PARAM_SCALE,
        training=Training(
            command=COMMAND,
            series=sigmas,
            ranges={series.name: _days(found[series]) for series in SERIES},
            thresholds={"spike": float(spike), "drift": float(drift)},
        ),
    )


def _spike_ratio(window: Sequence[int], coefficients: Sequence[Fraction]) -> Fraction:
    """Return x_0² in predicted variances, per gap."""
    now, past, gap = window[0], window[1:-1], window[-1]
    predicted = FLOOR * 10**6 + sum(c * value * value for c, value in zip(coefficients, past, strict=True))
    return Fraction(now * now * 1_000) / (predicted * gap)


def _drift_ratio(window: Sequence[int]) -> Fraction:
    """Return (Σ x)² in the window's own variances, per gap."""
    gap = window[-1]
    spread = DRIFT_FLOOR * 10**6 + sum(value * value for value in window[1:-1])
    return Fraction(sum(window[:-1]) ** 2 * 1_000) / (spread * gap)


def _days(reports: Reports) -> tuple[str, str]:
    first, last = (dt.datetime.fromtimestamp(reports.times[at], dt.UTC).date().isoformat() for at in (0, -1))
    return first, last
