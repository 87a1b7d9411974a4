"""Numenta's Anomaly Benchmark: detectors run over its corpus, scored by its own rules.

The rules are those of A. Lavin and S. Ahmad, "Evaluating Real-time Anomaly Detection Algorithms – the Numenta Anomaly
Benchmark" (ICMLA 2015, arXiv:1510.03336), in version 1.0:

- Each labelled anomaly is a window of rows. The first row in it that is detected counts, the others don't.
- The scaled sigmoid σ(y) = 2 / (1 + e^(5y)) − 1 weighs a detection at the relative position y: −1 at the window's left
  edge, about 0 at its right edge. In the window it is divided by σ(−1), so that the earliest detection is worth 1.
- A detection outside is a false positive, weighed by σ of its distance behind the last window in parts of that window's
  width; −1 from three widths on, and before any window.
- A window without a detection costs the weight of a false negative.
- The first 15 % of each file, at most 750 rows, are for learning and are not scored.
- One threshold for the whole corpus, the best one for each profile of weights.
- The sum is normalised: the null detector, which never says anything, has 0, and the perfect one has 100.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise
from statistics import median

from oracle.core import encoding
from oracle.core.errors import DataError
from oracle.core.gate import HoldPolicy
from oracle.core.types import Kind
from oracle.detectors.evaluation.nab_corpus import CorpusFile
from oracle.detectors.evaluation.prepared import FeedSettings, History, Tick
from oracle.detectors.evaluation.replay import Judge, Scoring
from oracle.detectors.evaluation.scaling import severity
from oracle.sources.aggregate import AggregationPolicy

__all__ = [
    "PROFILES",
    "PUBLISHED",
    "CorpusFile",
    "Score",
    "ScoringProfile",
    "run",
    "score_corpus",
    "sigmoid",
]


FAR = 3.0
"""So many widths behind a window, a false positive counts in full."""

DIGITS = 10_000
"""Answer units per sigma, in which the corpus's values are kept."""


@dataclass(frozen=True, slots=True)
class ScoringProfile:
    """The weights of a detection, of a false one and of a missed window."""

    name: str
    true_positive: float
    false_positive: float
    false_negative: float


PROFILES = (
    ScoringProfile("standard", 1.0, 0.11, 1.0),
    ScoringProfile("reward_low_FP", 1.0, 0.22, 1.0),
    ScoringProfile("reward_low_FN", 1.0, 0.11, 2.0),
)

PUBLISHED: Mapping[str, tuple[float, float, float]] = {
    "Numenta HTM": (70.5, 62.6, 75.2),
    "CAD OSE": (69.9, 67.0, 73.2),
    "KNN-CAD": (58.0, 43.4, 64.8),
    "Relative Entropy": (54.6, 47.6, 58.8),
    "Random Cut Forest": (51.7, 38.4, 59.7),
    "Twitter ADVec": (47.1, 33.6, 53.5),
    "Windowed Gaussian": (39.6, 20.9, 47.4),
    "Etsy Skyline": (35.7, 27.1, 44.5),
    "Bayesian Changepoint": (17.7, 3.2, 32.2),
    "EXPoSE": (16.4, 3.2, 26.9),
    "Random": (11.0, 1.2, 19.5),
}
"""The scoreboard of NAB's README at version 1.0, in the order of PROFILES; for HTM the best of its runs."""


@dataclass(frozen=True, slots=True)
class Score:
    """A detector's score with one profile.

    Attributes:
        profile: The profile's name.
        score: Normalised: 0 for the null detector, 100 for the perfect one.
        threshold: Detector scores from here on are detections; infinite if none is.
        found: Windows in which there is one.
        windows: Windows that could be found.
        false_positives: Detections outside of windows.
    """

    profile: str
    score: float
    threshold: float
    found: int
    windows: int
    false_positives: int


def sigmoid(position: float) -> float:
    """Return the scaled sigmoid σ(y) = 2 / (1 + e^(5y)) − 1; −1 from three widths on."""
    if position >= FAR:
        return -1.0
    return 2 / (1 + math.exp(5 * position)) - 1


def weights(file: CorpusFile) -> list[tuple[int | None, float]]:
    """Return, for each row, its window or None, and what a detection counts there before the profile's weights."""
    found: list[tuple[int | None, float]] = []
    best = sigmoid(-1.0)
    current, last, width = 0, None, 1
    for row in range(len(file.times)):
        while current < len(file.windows) and row > file.windows[current][1]:
            first, last = file.windows[current]
            width = last - first + 1
            current += 1
        if current < len(file.windows) and row >= file.windows[current][0]:
            first, right = file.windows[current]
            found.append((current, sigmoid(-(right - row + 1) / (right - first + 1)) / best))
        elif last is None:
            found.append((None, sigmoid(FAR)))
        else:
            found.append((None, sigmoid((row - last) / max(1, width - 1))))
    return found


def score_corpus(
    files: Sequence[CorpusFile], scores: Sequence[Sequence[float]], profiles: Sequence[ScoringProfile] = PROFILES
) -> list[Score]:
    """Score a detector, at the threshold that is best for each profile.

    Args:
        files: The corpus.
        scores: A score for each row of each file, higher where it is more of an anomaly.
        profiles: The weights.

    Raises:
        DataError: There is no window to find.
    """
    points: list[tuple[float, tuple[int, int] | None, float]] = []
    for number, (file, given) in enumerate(zip(files, scores, strict=True)):
        rows = zip(given, weights(file), strict=True)
        for row, (score, (window, weight)) in enumerate(rows):
            if row >= file.probation:
                points.append((score, None if window is None else (number, window), weight))
    points.sort(key=lambda point: -point[0])
    reachable = {window for _, window, _ in points if window is not None}
    labelled = sum(len(file.windows) for file in files)
    if not reachable:
        raise DataError("the corpus has no labelled window behind the probationary rows: there is nothing to find")
    return [_best(points, reachable, labelled, profile) for profile in profiles]


def _best(
    points: Sequence[tuple[float, tuple[int, int] | None, float]],
    reachable: set[tuple[int, int]],
    labelled: int,
    profile: ScoringProfile,
) -> Score:
    """Lower the threshold from above all scores to below, point by point, and keep the best place."""
    null = -profile.false_negative * len(reachable)
    perfect = profile.true_positive * labelled
    reached = dict.fromkeys(reachable, -profile.false_negative)
    total, false_positives = null, 0
    best = (null, math.inf, 0, 0)
    found = 0
    for index, (score, window, weight) in enumerate(points):
        if window is None:
            total += weight * profile.false_positive
            false_positives += 1
        else:
            worth = weight * profile.true_positive
            if reached[window] == -profile.false_negative:
                found += 1
            if worth > reached[window]:
                total += worth - reached[window]
                reached[window] = worth
        ends = index + 1 == len(points) or points[index + 1][0] != score
        if ends and total > best[0]:
            best = (total, score, found, false_positives)
    value, threshold, windows, wrong = best
    normalised = 100 * (value - null) / (perfect - null)
    return Score(profile.name, normalised, threshold, windows, labelled, wrong)


def run(
    detector: Scoring, files: Sequence[CorpusFile], progress: Callable[[str], None] = lambda step: None
) -> list[Score]:
    """Run a detector over the corpus, and score it by the severity of each row; all rows are accepted.

    Every file is an absolute feed. Its sigma is a robust one, from the moves in its probationary rows.
    """
    scores = []
    for file in files:
        progress(file.name)
        scores.append(severities(detector, file))
    return score_corpus(files, scores)


def severities(detector: Scoring, file: CorpusFile) -> list[float]:
    """Return how near each row is to the detector's limit. The rows before it has seen enough get 0."""
    history = history_of(file)
    judge = Judge(detector, history.feed)
    return [severity(detector, judge.plain_window(history, number)) for number in range(len(history))]


def history_of(file: CorpusFile) -> History:
    """Return the file as an absolute feed, in answer units of which a sigma has DIGITS."""
    steps = [abs(later - earlier) for earlier, later in pairwise(file.values[: max(2, file.probation)])]
    sigma = robust_sigma(steps) or robust_sigma([abs(value) for value in file.values]) or Decimal(1)
    unit = sigma / DIGITS
    most = encoding.INT128_MAX
    answers = [max(-most, min(most, int((value / unit).to_integral_value()))) for value in file.values]
    intervals = [later - earlier for earlier, later in pairwise(file.times)]
    feed = FeedSettings(
        Kind.ABSOLUTE,
        0,
        DIGITS,
        max(1, int(median(intervals))) if intervals else 1,
        HoldPolicy(1, 0, 0),
        AggregationPolicy(Kind.ABSOLUTE),
    )
    return History(
        feed,
        [Tick(time, Decimal(answer), answer) for time, answer in zip(file.times, answers, strict=True)],
    )


def robust_sigma(steps: Sequence[Decimal]) -> Decimal:
    """Return a standard deviation from magnitudes: their 99th percentile over a normal distribution's, 2.5758.

    Up to one outlier in a hundred rows does not touch it. The median would be more robust, but on the many series here
    that mostly stand still it is next to nothing, so that all their moves would be clipped. Where 99 % of the
    magnitudes are 0, the result is the root mean square.
    """
    if not steps:
        return Decimal(0)
    tail = sorted(steps)[min(len(steps) - 1, len(steps) * 99 // 100)]
    if tail:
        return tail / Decimal("2.5758")
    return (sum((step * step for step in steps), Decimal(0)) / len(steps)).sqrt()
