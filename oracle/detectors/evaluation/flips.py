"""Flips: verdicts that a model's float formula gives otherwise than its integers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import pairwise

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from oracle.core import encoding
from oracle.core.encoding import Feature
from oracle.core.statistics import Rate, wilson
from oracle.core.types import Kind
from oracle.detectors.evaluation.replay import Replay
from oracle.detectors.evaluation.settings import FeedSettings, Tick
from oracle.detectors.evaluation.shocks import move_between
from oracle.detectors.evaluation.trials import Trial
from oracle.detectors.interface import Detector
from oracle.detectors.kinds.imported import ImportedDetector


def count_flips(detector: Detector, clean: Replay, trials: Sequence[Trial]) -> Rate | None:
    """Count verdicts that the model's graph, in 64-bit floats on moves that are not rounded, gives otherwise.

    It looks at the reports of the recording that follow on accepted ones only, and at each trial's first report there.

    Returns:
        The rate of flips; None where the graph can't be evaluated like that.
    """
    exact, rounded = _float_windows(detector, clean, trials)
    if not exact:
        return None
    try:
        given = run_in_float64(detector, exact)
    except Exception:  # what a graph of unknown origin makes of 64-bit floats is not known
        return None
    integers = clean.judge.objects(np.array(rounded, dtype=np.int64))
    floats = (given.reshape(len(exact), -1) > 0).any(axis=1)
    return wilson(int((integers != floats).sum()), len(exact))


def _float_windows(
    detector: Detector, clean: Replay, trials: Sequence[Trial]
) -> tuple[list[list[float]], list[tuple[int, ...]]]:
    """Return features without rounding, and the integers beside them."""
    judge, history, feed = clean.judge, clean.history, clean.judge.feed
    wanted: dict[int, list[Tick]] = {}
    for trial in trials:
        if trial.ticks[0].answer is not None:
            wanted.setdefault(history.number(trial.first), []).append(trial.ticks[0])
    exact: list[list[float]] = []
    rounded: list[tuple[int, ...]] = []
    for number in clean.numbers:
        if number in clean.steps or number - 1 in clean.steps:
            continue
        state = history.state(number)
        for tick in (history.ticks[number], *wanted.get(number, ())):
            rounded.append(judge.window(state, tick))
            accepted = history.ticks[max(0, number - encoding.RING_SIZE - 1) : number]
            exact.append(_float_window(feed, accepted, tick, dict(zip(detector.features, rounded[-1], strict=True))))
    return exact, rounded


def _float_window(
    feed: FeedSettings, accepted: Sequence[Tick], tick: Tick, rounded: Mapping[Feature, int]
) -> list[float]:
    """Return a window's moves and gap without rounding; the hub has no finer value of other features."""
    moves = [_float_move(feed, later, earlier) for earlier, later in pairwise([*accepted, tick])]
    gap = (tick.time - accepted[-1].time) * encoding.GAP_ONE / feed.heartbeat
    exact = dict(zip((Feature.MOVE, *encoding.PAST), reversed(moves), strict=False))
    exact[Feature.GAP] = min(float(encoding.CLIP), max(float(encoding.GAP_ONE), gap))
    return [exact.get(feature, float(value)) for feature, value in rounded.items()]


def _float_move(feed: FeedSettings, later: Tick, earlier: Tick) -> float:
    assert later.answer is not None and earlier.answer is not None
    if feed.kind is Kind.RELATIVE and later.answer <= 0:
        return float(-encoding.CLIP)
    thousandths = move_between(feed, earlier.answer, later.answer)[0] * encoding.GAP_ONE
    return max(float(-encoding.CLIP), min(float(encoding.CLIP), thousandths))


def run_in_float64(detector: Detector, windows: Sequence[Sequence[float]]) -> np.ndarray:
    """Return what the detector's ONNX graph computes in 64-bit floats: [count, outputs]."""
    table = np.array(windows, dtype=np.float64)
    if isinstance(detector, ImportedDetector):
        # The network as it was before it was lowered to integers.
        model = onnx.load_from_string(detector.onnx)
        table /= 2**detector.input_scale
    else:
        model = onnx.load_from_string(detector.to_onnx(len(windows)))
    _widen(model)
    (given,) = ReferenceEvaluator(model).run(None, {model.graph.input[0].name: table})
    return np.asarray(given)


def _widen(model: onnx.ModelProto) -> None:
    """Turn all 32-bit floats of a graph into 64-bit ones."""
    for initializer in model.graph.initializer:
        if initializer.data_type == TensorProto.FLOAT:
            wide = numpy_helper.to_array(initializer).astype("float64")
            initializer.CopyFrom(numpy_helper.from_array(wide, initializer.name))
    for node in model.graph.node:
        for attribute in node.attribute:
            if node.op_type == "Cast" and attribute.name == "to" and attribute.i == TensorProto.FLOAT:
                attribute.i = TensorProto.DOUBLE
            if attribute.HasField("t") and attribute.t.data_type == TensorProto.FLOAT:
                wide = numpy_helper.to_array(attribute.t).astype("float64")
                attribute.t.CopyFrom(numpy_helper.from_array(wide, attribute.t.name))
    for value in (*model.graph.input, *model.graph.output, *model.graph.value_info):
        if value.type.tensor_type.elem_type == TensorProto.FLOAT:
            value.type.tensor_type.elem_type = TensorProto.DOUBLE
