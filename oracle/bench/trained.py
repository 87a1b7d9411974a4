"""Networks that judge feeds, trained on the recorded indices before 2007, as a data scientist brings them.

How good they are is the detector report's affair. Here they are measured for their price, and so they have the size,
the form and the thresholds of such models. They take seconds to train, and are kept for the process.
"""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from functools import cache

import numpy as np

from oracle.bench import zoo
from oracle.bench.windows import HEARTBEAT, recorded_answers, recorded_windows, sigma_of
from oracle.core.encoding import CLIP, Feature
from oracle.core.types import Kind
from oracle.detectors.interface import Lesson, LessonSeries
from oracle.detectors.kinds.imported import ImportedDetector
from oracle.detectors.trainers.autoencoder import Autoencoder
from oracle.proving.imported import at_scales

_SERIES = ("sp500", "nasdaq")
_UNTIL = dt.date(2007, 1, 1)
_BUDGET = Fraction(5, 10_000)
_SEED = 1
_INPUT_SCALE = 10
"""A window's integers are about sigmas for a network."""

_PARAM_SCALE = 10
_TREES, _DEPTH = 20, 3
_LEAST_SPIKE, _LARGEST_SPIKE = 2.5, 12.0

TREE_FEATURES = (
    Feature.MOVE,
    Feature.PAST_0,
    Feature.PAST_1,
    Feature.PAST_2,
    Feature.VARIANCE,
    Feature.PEER_MOVE_0,
    Feature.PEER_SEEN_0,
    Feature.GAP,
)
"""Those of the default."""


def _windows(listed: tuple[Feature, ...]) -> list[list[tuple[int, ...]]]:
    """Return each series' windows from before 2007."""
    last = dt.datetime.combine(_UNTIL, dt.time(), dt.UTC).timestamp()
    found = []
    for series in _SERIES:
        times, _ = recorded_answers(series)
        windows = recorded_windows(listed, None, None, series)
        before = len(windows) - sum(time >= last for time in times)
        found.append([tuple(window) for window in windows[:before]])
    return found


@cache
def autoencoder() -> ImportedDetector:
    """Return an autoencoder of seven moves with three hidden units, which the package's trainer fits."""
    listed = (Feature.MOVE, *(Feature(Feature.PAST_0 + age) for age in range(12)), Feature.GAP)
    parts = _windows(listed)
    windows = [window for part in parts for window in part]
    series, start = [], 0
    for name, part in zip(_SERIES, parts, strict=True):
        place = slice(start, start + len(part))
        start += len(part)
        series.append(LessonSeries(name, Kind.RELATIVE, sigma_of(name), HEARTBEAT, 0, 1, place, place))
    lesson = Lesson(windows, windows, listed, _BUDGET, _SEED, tuple(series))
    found = Autoencoder(at_scales).fit("autoencoder", lesson)
    assert isinstance(found, ImportedDetector)
    return found


@cache
def trees() -> ImportedDetector:
    """Return boosted trees that tell recorded moves from those with a spike added, and see what the default sees."""
    calm = np.array([window for part in _windows(TREE_FEATURES) for window in part], dtype=np.int64)
    chance = np.random.default_rng(_SEED)
    spike = chance.uniform(_LEAST_SPIKE, _LARGEST_SPIKE, len(calm)) * chance.choice([-1_000, 1_000], len(calm))
    odd = calm.copy()
    odd[:, 0] = np.clip(odd[:, 0] + spike.astype(np.int64), -CLIP, CLIP)
    x = (np.concatenate([calm, odd]) / 2**_INPUT_SCALE).astype(np.float32)
    target = np.repeat([-1.0, 1.0], len(calm))
    fitted = zoo.boosted(x, target, _TREES, _DEPTH, "sum")

    def with_limit(limit: float) -> ImportedDetector:
        nodes = [fitted, zoo.node("Sub", ["sum", "limit"])]
        file = zoo.model(nodes, ["N", len(TREE_FEATURES)], [zoo.weights("limit", [limit])], ml=True)
        return ImportedDetector("trees", TREE_FEATURES, file, _INPUT_SCALE, _PARAM_SCALE, at_scales)

    open_ended = with_limit(0.0)
    scores = np.sort(open_ended.score_many(calm.tolist())[:, 0].astype(float))[::-1]
    return with_limit(float(scores[int(len(calm) * _BUDGET)]) / open_ended.score_unit)
