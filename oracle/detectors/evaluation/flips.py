"""Flips: verdicts that a model's float formula gives otherwise than its integers."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, numpy_helper
from onnx.reference import ReferenceEvaluator

from oracle.core import encoding
from oracle.core.encoding import Feature
from oracle.core.statistics import Rate, wilson
from oracle.core.types import Kind
from oracle.detectors.evaluation.gates import Gates, derive
from oracle.detectors.evaluation.history import History
from oracle.detectors.evaluation.outcomes import Trials
from oracle.detectors.evaluation.replay import Replay
from oracle.detectors.evaluation.settings import FeedSettings
from oracle.detectors.interface import Detector
from oracle.detectors.kinds.imported import ImportedDetector


def count_flips(detector: Detector, clean: Replay, trials: Trials) -> Rate | None:
    """Count verdicts that the model's graph, in 64-bit floats on moves that are not rounded, gives otherwise.

    It looks at the reports of the recording that follow on accepted ones only, and at each trial's first report there.

    Returns:
        The rate of flips; None where the graph can't be evaluated like that.
    """
    exact, rounded = _windows(detector, clean, trials)
    if not len(exact):
        return None
    try:
        given = run_in_float64(detector, exact)
    except Exception:  # what a graph of unknown origin makes of 64-bit floats is not known
        return None
    floats = (given.reshape(len(exact), -1) > 0).any(axis=1)
    return wilson(int((clean.judge.objects(rounded) != floats).sum()), len(exact))


def _windows(detector: Detector, clean: Replay, trials: Trials) -> tuple[np.ndarray, np.ndarray]:
    """Return features without rounding, and the integers beside them."""
    history, feed = clean.history, clean.judge.feed
    played = np.isin(np.arange(len(history)), list(clean.steps))
    plain = ~played & ~np.concatenate([[True], played[:-1]])
    own = np.flatnonzero(plain & (np.arange(len(history)) >= clean.begin))
    floats = _Floats(feed, history)
    windows, exact = [clean.table()[own]], [floats.of(own, floats.answers[own], history.times[own])]
    numbers = np.searchsorted(history.indices, trials.first)
    for small in (True, False):
        rows = np.flatnonzero((trials.small == small) & plain[numbers])
        if not len(rows):
            continue
        arrived, spoken, _ = trials.at(rows, 0, small=small)
        rows, at = rows[spoken], numbers[rows]
        derived = derive(feed, Gates.at(clean, at, small=small), arrived)
        windows.append(derived.windows(detector.features)[spoken])
        exact.append(floats.of(at, arrived.answer.astype(np.float64), arrived.time)[spoken])
    rounded = np.concatenate(windows)
    table = rounded.astype(np.float64)
    for column, feature in enumerate(detector.features):
        if feature in floats.columns:
            table[:, column] = np.concatenate([each[:, floats.columns.index(feature)] for each in exact])
    return table, rounded


class _Floats:
    """Moves and gaps without rounding; the hub has no finer value of other features."""

    columns = (Feature.MOVE, Feature.GAP, *encoding.PAST)

    def __init__(self, feed: FeedSettings, history: History) -> None:
        self.feed = feed
        self.times = history.times
        self.answers = np.array(history.answers, dtype=np.float64)
        self.moves = np.concatenate([[0.0], self._moves(self.answers[1:], self.answers[:-1])])

    def of(self, numbers: np.ndarray, answers: np.ndarray, times: np.ndarray) -> np.ndarray:
        """Return `columns` of some reports with these answers: float64 [reports, columns]."""
        gap = (times - self.times[numbers - 1]) * float(encoding.GAP_ONE) / self.feed.heartbeat
        past = [
            np.where(numbers > age, self.moves[np.maximum(0, numbers - age)], 0.0)
            for age in range(1, encoding.RING_SIZE + 1)
        ]
        move = self._moves(answers, self.answers[numbers - 1])
        return np.stack([move, np.clip(gap, encoding.GAP_ONE, encoding.CLIP), *past], axis=1)

    def _moves(self, later: np.ndarray, earlier: np.ndarray) -> np.ndarray:
        difference = later - earlier
        if self.feed.kind is Kind.ABSOLUTE:
            found = difference / self.feed.sigma * encoding.GAP_ONE
        else:
            least = np.where(later > 0, np.minimum(earlier, later), 1.0)
            found = np.where(later > 0, difference / least * 1e9 / self.feed.sigma, -encoding.CLIP)
        clipped: np.ndarray = np.clip(found, -encoding.CLIP, encoding.CLIP)
        return clipped


def run_in_float64(detector: Detector, windows: np.ndarray) -> np.ndarray:
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
