"""Networks that judge feeds, trained on the recorded indices before 2007, as a data scientist brings them.

How good they are is the detector report's affair. Here they are measured for their price, and so they have the size,
the form and the thresholds of such models. They take seconds to train, and are kept for the process.
"""

from __future__ import annotations

import datetime as dt
from fractions import Fraction
from functools import cache
from typing import Any

import numpy as np

from oracle.bench import zoo
from oracle.bench.windows import HEARTBEAT, recorded_answers, recorded_windows, sigma_of
from oracle.core.encoding import CLIP, PAST, Feature
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


NETWORK_FEATURES = (Feature.MOVE, *PAST, Feature.VARIANCE, Feature.PEER_MOVE_0, Feature.GAP)
_UNITS = 64


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
    listed = (Feature.MOVE, *PAST, Feature.GAP)
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


@cache
def network() -> ImportedDetector:
    """Return a network of the form that the detector report measures, with weights that are drawn.

    Ten squares and products of a window, 64 hidden units, and one score above a limit that grows with the time gap. It
    has no biases, so a market that is calmer or wilder as a whole changes no verdict. What it costs does not depend on
    its weights. These hold moves of many sigmas.
    """
    chance = np.random.default_rng(_SEED)
    hidden, out = chance.normal(size=(10, _UNITS)) / 8, abs(chance.normal(size=(_UNITS, 1))) / 8
    # The squares of the move and of the residual count for a fault.
    hidden[:2] = abs(hidden[:2])
    node, weights = zoo.node, zoo.weights

    def columns(name: str, *at: int) -> tuple[Any, Any]:
        return node("Gather", ["x", f"at_{name}"], name, axis=1), weights(f"at_{name}", at, np.int64)

    cuts = [
        columns(name, *at)
        for name, at in (
            ("move", [0]), ("past", range(1, 13)), ("past0", [1]), ("variance", [13]), ("peer", [14]), ("gap", [15])
        )
    ]  # fmt: skip
    constants = {
        "beta": [[0.75]],
        "near": np.repeat([[1 / 4], [0.0]], [3, 9], axis=0),
        "far": np.repeat([[0.0], [1 / 8]], [4, 8], axis=0),
        "all": np.ones((12, 1)),
        "hidden": hidden,
        "out": out,
        "limit": np.array([0, 0, 0, 0, 8, 0, 8, 32, 0, 0]).reshape(-1, 1),
    }
    nodes = [
        *(cut for cut, _ in cuts),
        node("MatMul", ["peer", "beta"], "usual"),
        node("Sub", ["move", "usual"], "residual"),
        node("Mul", ["past", "past"], "squares"),
        node("Mul", ["past0", "past0"], "square0"),
        node("MatMul", ["squares", "near"], "near_sum"),
        node("MatMul", ["squares", "far"], "far_sum"),
        node("MatMul", ["past", "all"], "drift"),
        node("Concat", ["square0", "near_sum", "far_sum", "variance"], "market", axis=1),
        node("Mul", ["market", "gap"], "over_time"),
        *(node("Mul", [each, each], f"{each}_2") for each in ("move", "residual", "usual")),
        node("Mul", ["move", "past0"], "echo"),
        node("Mul", ["move", "drift"], "trend"),
        node("Concat", ["move_2", "residual_2", "usual_2", "over_time", "gap", "echo", "trend"], "q", axis=1),
        node("MatMul", ["q", "hidden"], "before"),
        node("Relu", ["before"], "after"),
        node("MatMul", ["after", "out"], "anomaly"),
        node("MatMul", ["q", "limit"], "allowed"),
        node("Sub", ["anomaly", "allowed"]),
    ]
    tensors = [*(at for _, at in cuts), *(weights(name, values) for name, values in constants.items())]
    file = zoo.model(nodes, ["N", len(NETWORK_FEATURES)], tensors)
    return ImportedDetector("network", NETWORK_FEATURES, file, _INPUT_SCALE, _PARAM_SCALE, at_scales)
