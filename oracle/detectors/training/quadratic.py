"""Fits the quadratic detector to market series that the `arch` package carries. A training extra: not needed to run.

Steps, all on the training ranges only:

1. Moves in units of each series' own standard deviation.
2. ARCH(14) by quasi-maximum likelihood (`arch`), per series; the coefficients are averaged over the series.
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
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from decimal import Decimal
from fractions import Fraction

from oracle.core import encoding
from oracle.core.errors import ToolMissing
from oracle.core.types import Kind
from oracle.detectors.quadratic import PAST, QuadraticModel, Training

NAME = "quadratic-v1"
COMMAND = "python scripts/train_default_model.py"
PARAM_SCALE = 20
DECIMALS = 8
HEARTBEAT = 86_400
"""Seconds: the series are daily."""

BUDGET = Fraction(5, 10_000)
"""False positives per observation, of each of the two scores."""

FLOOR = Fraction(1, 2)
"""Least predicted variance, in σ²."""

DRIFT_FLOOR = Fraction(1)
"""Added to the window's own variance, in σ²."""

COEFFICIENT_STEP = Fraction(1, 200)
THRESHOLD_STEP = Fraction(1, 10)
SIGNIFICANT_BITS = 10


@dataclass(frozen=True, slots=True)
class Series:
    """A recorded series.

    Attributes:
        name: The folder in `arch.data`.
        column: In its file.
        until: First day that is not trained on.
        fitted: Whether it takes part in the fit, or only in the thresholds.
    """

    name: str
    column: str
    until: dt.date
    fitted: bool


_CRISIS = dt.date(2007, 1, 1)
SERIES = (
    Series("sp500", "Close", _CRISIS, fitted=True),
    Series("nasdaq", "Close", _CRISIS, fitted=True),
    Series("wti", "DCOILWTICO", _CRISIS, fitted=True),
    # Its record begins in 2014: one year gives its sigma, which is too little for a fit of its own.
    Series("vix", "vix", dt.date(2015, 1, 1), fitted=False),
)
"""2007 and what follows is not looked at: it is what the demonstration replays."""


@dataclass(frozen=True, slots=True)
class Recorded:
    """A series' observations, in answer units and unix seconds, oldest first."""

    answers: tuple[int, ...]
    times: tuple[int, ...]


def recorded(readings: Iterable[tuple[Decimal, int]]) -> Recorded:
    """A series as the contract would have it.

    Args:
        readings: Value and observation time (unix seconds), oldest first.

    Raises:
        DataError: A value does not fit the contract.
    """
    pairs = [(encoding.answer_from_decimal(value, DECIMALS), observed_at) for value, observed_at in readings]
    return Recorded(tuple(answer for answer, _ in pairs), tuple(observed_at for _, observed_at in pairs))


def before(recorded: Recorded, day: dt.date) -> Recorded:
    """The observations before a day."""
    end = int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp())
    count = sum(time < end for time in recorded.times)
    return Recorded(recorded.answers[:count], recorded.times[:count])


def sigma_ppm(recorded: Recorded) -> int:
    """Standard deviation of the relative moves, measured against the smaller of two neighbours, in ppm."""
    moves = [
        (later - earlier) / min(later, earlier)
        for earlier, later in zip(recorded.answers, recorded.answers[1:], strict=False)
    ]
    mean = math.fsum(moves) / len(moves)
    return round(math.sqrt(math.fsum((move - mean) ** 2 for move in moves) / len(moves)) * 1_000_000)


def windows(recorded: Recorded, sigma: int) -> list[tuple[int, ...]]:
    """The feature vector of each observation that has a full window, had all before it been accepted."""
    pairs = list(zip(recorded.answers, recorded.answers[1:], strict=False))
    moves = [encoding.move(Kind.RELATIVE, sigma, later, earlier) for earlier, later in pairs]
    gaps = [
        encoding.gap(later, earlier, HEARTBEAT)
        for earlier, later in zip(recorded.times, recorded.times[1:], strict=False)
    ]
    return [(*reversed(moves[now - PAST : now + 1]), gaps[now]) for now in range(PAST, len(moves))]


def arch_coefficients(moves: Sequence[float]) -> tuple[float, ...]:
    """α_1 … α_14 of an ARCH(14) with zero mean, by quasi-maximum likelihood.

    Args:
        moves: In standard deviations.
    """
    import warnings

    try:
        import numpy as np
        from arch import arch_model
    except ImportError as error:
        raise ToolMissing("training needs the arch package: pip install 'verifiable-oracle[train]'") from error
    with warnings.catch_warnings():
        # A coefficient at its bound of zero makes the covariance singular; it is not used.
        warnings.simplefilter("ignore")
        model = arch_model(np.asarray(moves), mean="Zero", vol="ARCH", p=PAST, rescale=False)
        result = model.fit(disp="off", tol=1e-10, options={"maxiter": 2_000})
    return tuple(float(value) for value in result.params.to_numpy()[1:])


def threshold(ratios: Sequence[Fraction], budget: Fraction = BUDGET) -> Fraction:
    """The least multiple of THRESHOLD_STEP that not more than `budget` of the ratios exceed."""
    allowed = int(len(ratios) * budget)
    quantile = sorted(ratios)[-allowed - 1]
    return math.ceil(quantile / THRESHOLD_STEP) * THRESHOLD_STEP


def significant(value: Fraction, bits: int = SIGNIFICANT_BITS) -> int:
    """The integer nearest to `value` that has at most so many significant bits."""
    shift = max(0, math.floor(value).bit_length() - bits)
    return round(value / (1 << shift)) << shift


def train(load: Callable[[Series], Recorded], progress: Callable[[str], None] = lambda step: None) -> QuadraticModel:
    """Fits the default model.

    Args:
        load: Gives a whole series; what is not trained on is cut off here.
        progress: Told each step before it begins.
    """
    found = {series: before(load(series), series.until) for series in SERIES}
    sigmas = {series.name: sigma_ppm(found[series]) for series in SERIES}
    featured = [window for series in SERIES for window in windows(found[series], sigmas[series.name])]
    fits = []
    for series in SERIES:
        if series.fitted:
            progress(f"ARCH({PAST}) of {series.name}")
            answers, sigma = found[series].answers, sigmas[series.name] / 1_000_000
            pairs = itertools.pairwise(answers)
            fits.append(arch_coefficients([(q - p) / min(p, q) / sigma for p, q in pairs]))
    averages = [math.fsum(column) / len(column) for column in zip(*fits, strict=True)]
    coefficients = [round(Fraction(average) / COEFFICIENT_STEP) * COEFFICIENT_STEP for average in averages]
    progress("thresholds")
    spike = threshold([_spike_ratio(window, coefficients) for window in featured])
    drift = threshold([_drift_ratio(window) for window in featured])
    one = 1 << PARAM_SCALE
    # Squared moves are in 10^-6 σ², the gap in thousandths: limits are 10^3 times the ratios' denominators.
    return QuadraticModel(
        name=NAME,
        past=tuple(significant(spike * value * one / 1_000) for value in coefficients),
        floor=significant(spike * FLOOR * 1_000 * one),
        drift_past=significant(drift * one / 1_000),
        drift_floor=significant(drift * DRIFT_FLOOR * 1_000 * one),
        param_scale=PARAM_SCALE,
        training=Training(
            command=COMMAND,
            series=sigmas,
            ranges={series.name: _days(found[series]) for series in SERIES},
            thresholds={"spike": float(spike), "drift": float(drift)},
        ),
    )


def _spike_ratio(window: Sequence[int], coefficients: Sequence[Fraction]) -> Fraction:
    """x_0² in predicted variances, per gap."""
    now, past, gap = window[0], window[1:-1], window[-1]
    predicted = FLOOR * 10**6 + sum(c * value * value for c, value in zip(coefficients, past, strict=True))
    return Fraction(now * now * 1_000) / (predicted * gap)


def _drift_ratio(window: Sequence[int]) -> Fraction:
    """(Σ x)² in the window's own variances, per gap."""
    gap = window[-1]
    spread = DRIFT_FLOOR * 10**6 + sum(value * value for value in window[1:-1])
    return Fraction(sum(window[:-1]) ** 2 * 1_000) / (spread * gap)


def _days(recorded: Recorded) -> tuple[str, str]:
    first, last = (dt.datetime.fromtimestamp(recorded.times[at], dt.UTC).date().isoformat() for at in (0, -1))
    return first, last
