"""Detectors with all their limits scaled by a factor: to a number of false holds, and along a curve of many factors."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import cast

import numpy as np

from oracle.core.encoding import Feature, calm_window
from oracle.detectors.evaluation.outcomes import Trials, first_holds
from oracle.detectors.evaluation.prepared import Prepared
from oracle.detectors.evaluation.replay import Graded, Judge, Replay, Scoring, hopeless, replay
from oracle.detectors.evaluation.results import PER, CurvePoint
from oracle.detectors.evaluation.trials import Lie
from oracle.detectors.interface import Detector, Disclosure, Explanation

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
        score_unit: The score that is shown as 1.
    """

    inner: Scoring
    factor: float
    score_unit: int = 1

    @property
    def name(self) -> str:
        return self.inner.name

    @property
    def features(self) -> tuple[Feature, ...]:
        return self.inner.features

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        return (1 if severities(self.inner, np.array([features], dtype=np.int64))[0] > self.factor else -1,)

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        return np.where(severities(self.inner, np.asarray(windows)) > self.factor, 1, -1)[:, None]

    def severity_many(self, windows: np.ndarray) -> np.ndarray:
        return severities(self.inner, windows) / self.factor

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        value = severity(self.inner, features) / self.factor
        return (Explanation("scaled", value - 1, {}, None, None, "in parts of the scaled limits"),)


def severity(detector: Scoring, window: Sequence[int]) -> float:
    """Return what the detector measures, in parts of what it allows; above 1 it objects. The largest output counts.

    Where an output has no such measure, 1 more than its score in score units is taken.
    """
    return max(_severity(part) for part in detector.explain(window))


def severities(detector: Scoring, windows: np.ndarray) -> np.ndarray:
    """Return `severity` of each row of a table."""
    if hasattr(detector, "severity_many"):
        graded = cast(Graded, detector)
        return np.asarray(graded.severity_many(windows), dtype=np.float64)
    if not len(windows):
        return np.zeros(0)
    if all(part.measured is None for part in detector.explain(calm_window(detector.features))):
        return _of_scores(detector, windows)
    rows, places = np.unique(windows, axis=0, return_inverse=True)
    found = np.array([severity(detector, tuple(row)) for row in rows.tolist()])
    return found[places.reshape(-1)]


def _of_scores(detector: Scoring, windows: np.ndarray) -> np.ndarray:
    """Return the severities of a detector that measures nothing, as a network: 1 more than its scores."""
    if getattr(detector, "disclosure", None) is Disclosure.VERDICT:
        detector = cast(Detector, detector).publishing(Disclosure.SCORE)
    scores = np.asarray(detector.score_many(windows)).reshape(len(windows), -1)
    found: np.ndarray = 1 + scores.max(axis=1).astype(np.float64) / float(detector.score_unit)
    return found


def _severity(part: Explanation) -> float:
    if part.measured is None and part.parts and not any(part.parts.values()):
        # An output that needs a peer says nothing where none is seen.
        return 0.0
    if part.measured is not None and part.limit is not None and part.limit > 0:
        return part.measured / part.limit
    return 1 + part.score


def scaled_to(detector: Scoring, prepared: Prepared, holds: int) -> ScaledDetector:
    """Return the detector with its limits scaled as low as at most this many held reports on these ticks allow."""
    plain = severities(detector, prepared.history.table(detector.features))
    low, high = _LEAST_FACTOR, _MOST_FACTOR
    while high / low > 1 + _FACTOR_STEP:
        middle = math.sqrt(low * high)
        judge, objections = Judge(ScaledDetector(detector, middle), prepared.feed), plain > middle
        if not hopeless(prepared, objections, holds) and replay(judge, prepared, objections.tolist()).holds() <= holds:
            high = middle
        else:
            low = middle
    return ScaledDetector(detector, high)


def recall_curve(detector: Scoring, prepared: Prepared, clean: Replay, trials: Trials) -> tuple[CurvePoint, ...]:
    """Return false holds and recall of spikes at each of FACTORS; nothing if no spike was tried."""
    spikes = Trials(prepared, [trial for trial in trials if trial.fault.group == CURVE_SPIKES and trial.lie is Lie.OWN])
    if not len(spikes):
        return ()
    plain = severities(detector, clean.history.table(detector.features))
    points = []
    for factor in FACTORS:
        judge = Judge(ScaledDetector(detector, factor), prepared.feed)
        played = replay(judge, prepared, (plain > factor).tolist())
        caught = int(first_holds(judge, played, spikes).sum())
        points.append(CurvePoint(factor, played.holds() / max(1, played.counted) * PER, caught / len(spikes)))
    return tuple(points)
