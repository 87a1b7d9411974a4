"""Detectors with all their limits scaled by a factor: to a number of false holds, and along a curve of many factors."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from oracle.core.encoding import Feature
from oracle.detectors.evaluation.prepared import Prepared
from oracle.detectors.evaluation.replay import Judge, Replay, Scoring, replay
from oracle.detectors.evaluation.results import PER, CurvePoint
from oracle.detectors.evaluation.trials import Trial
from oracle.detectors.interface import Explanation

FACTORS = tuple(round(2 ** (step / 3), 4) for step in range(-3, 6))
"""Factors of the limits along the curve: from a half to about three times."""

CURVE_SPIKES = "spike"
"""The group of faults whose recall the curve shows."""

_LEAST_FACTOR, _MOST_FACTOR, _FACTOR_STEP = 0.02, 50.0, 0.001


@dataclass(slots=True)
class ScaledDetector:
    """A detector whose limits are all scaled: it objects where the severity is above the factor.

    Attributes:
        inner: The detector as it was given.
        factor: The factor of its limits.
        known: Severities of windows that were seen, shared between factors.
        score_unit: The score that is shown as 1.
    """

    inner: Scoring
    factor: float
    known: dict[tuple[int, ...], float]
    score_unit: int = 1

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def features(self) -> tuple[Feature, ...]:
        return self.inner.features

    def severity(self, window: tuple[int, ...]) -> float:
        """Return the severity of a window for the detector as it was given."""
        if window not in self.known:
            self.known[window] = severity(self.inner, window)
        return self.known[window]

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        return (1 if self.severity(tuple(features)) > self.factor else -1,)

    def score_many(self, windows: Sequence[Sequence[int]]) -> Iterable[Iterable[int]]:
        return [self.score_int(window) for window in windows]

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        value = self.severity(tuple(features)) / self.factor
        return (Explanation("scaled", value - 1, {}, None, None, "in parts of the scaled limits"),)


def severity(detector: Scoring, window: Sequence[int]) -> float:
    """Return what the detector measures, in parts of what it allows; above 1 it objects. The largest output counts.

    Where an output has no such measure, 1 more than its score in score units is taken.
    """
    return max(_severity(part) for part in detector.explain(window))


def _severity(part: Explanation) -> float:
    if part.measured is not None and part.limit is not None and part.limit > 0:
        return part.measured / part.limit
    return 1 + part.score


def scaled_to(detector: Scoring, prepared: Prepared, holds: int) -> ScaledDetector:
    """Return the detector with its limits scaled as low as at most this many held reports on these ticks allow."""
    known: dict[tuple[int, ...], float] = {}
    history = prepared.history
    plain = Judge(detector, prepared.feed)
    first = ScaledDetector(detector, 1.0, known)
    severities = [first.severity(plain.plain_window(history, number)) for number in range(len(history))]
    low, high = _LEAST_FACTOR, _MOST_FACTOR
    while high / low > 1 + _FACTOR_STEP:
        middle = math.sqrt(low * high)
        judge = Judge(ScaledDetector(detector, middle, known), prepared.feed)
        if replay(judge, prepared, [value > middle for value in severities]).holds() <= holds:
            high = middle
        else:
            low = middle
    return ScaledDetector(detector, high, known)


def recall_curve(
    detector: Scoring, prepared: Prepared, clean: Replay, trials: Sequence[Trial]
) -> tuple[CurvePoint, ...]:
    """Return false holds and recall of spikes at each of FACTORS; nothing if no spike was tried."""
    spikes = [trial for trial in trials if trial.fault.group == CURVE_SPIKES]
    if not spikes:
        return ()
    # Windows share their severities between all factors.
    known: dict[tuple[int, ...], float] = {}
    scaled = ScaledDetector(detector, 1.0, known)
    history = clean.history
    plain = [clean.judge.plain_window(history, number) for number in range(clean.first, len(history))]
    severities = [0.0] * clean.first + [scaled.severity(window) for window in plain]
    points = []
    for factor in FACTORS:
        judge = Judge(ScaledDetector(detector, factor, known), prepared.feed)
        played = replay(judge, prepared, [value > factor for value in severities])
        # Only the spike's own tick matters here, so nothing after it is replayed.
        caught = 0
        for trial in spikes:
            state = played.state(history.number(trial.first))
            window = judge.window(state, trial.ticks[0])
            caught += judge.step(state, trial.ticks[0], window, judge.score([window])[0]).held
        points.append(CurvePoint(factor, played.holds() / len(played.numbers) * PER, caught / len(spikes)))
    return tuple(points)
