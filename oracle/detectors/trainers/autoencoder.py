"""The trainer of the type `autoencoder`."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from onnx import TensorProto, helper, numpy_helper

from oracle.core.encoding import window_features
from oracle.core.errors import DataError
from oracle.detectors.interface import Detector, Lesson
from oracle.detectors.kinds.imported import ImportedDetector, Lower
from oracle.detectors.trainers.estimation import missing, rounded_up
from oracle.detectors.trainers.windows import check_lesson, cut, in_sigmas


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """A trainer of a small ReLU network that reproduces the window's moves; what it can't reproduce is anomalous.

    The limit is on the squared error. It grows with the time gap and with the past moves, because a confirmed jump
    stays in the window and can't be reproduced either. A guard band makes up for the rounding of the weights: the
    integer network accepts only what is below the float network's limit by that share of it.

    Attributes:
        lower: See `oracle.detectors.registry.load`.
        features: n, the length of its standard window.
        hidden: Units of the hidden layer.
        guard: The guard band, as a share of the limit.
        input_scale: The network's input is a feature over 2^input_scale.
        param_scale: Weights are rounded to multiples of 2^-param_scale.
    """

    lower: Lower
    features: int = 8
    hidden: int = 3
    guard: float = 0.02
    input_scale: int = 10
    param_scale: int = 8

    def fit(self, name: str, lesson: Lesson) -> Detector:
        """Fit the network and its limit; see `Trainer`."""
        check_lesson(lesson)
        try:
            from sklearn.exceptions import ConvergenceWarning  # an extra
            from sklearn.neural_network import MLPRegressor
        except ImportError as error:
            raise missing() from error
        if lesson.spread:
            raise DataError("the autoencoder knows no spread: train on one value column, or use cross-source")
        wanted, scale = window_features(self.features), 1_000 / 2**self.input_scale
        moves = np.clip(in_sigmas(cut(lesson.fit, lesson.features, wanted))[:, :-1], -5, 5) * scale
        network = MLPRegressor(
            hidden_layer_sizes=(self.hidden,), random_state=lesson.seed, solver="lbfgs", alpha=1e-3, max_iter=200
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(moves, moves)
        one = 1 << self.param_scale
        parts = [np.round(part * one) / one for part in (*network.coefs_, *network.intercepts_)]
        calibrate = cut(lesson.calibrate, lesson.features, wanted)
        table = in_sigmas(calibrate) * scale
        hidden = np.maximum(table[:, :-1] @ parts[0] + parts[2], 0)
        errors = ((table[:, :-1] - hidden @ parts[1] - parts[3]) ** 2).sum(axis=1)
        allowed = (1 + (table[:, 1:-1] ** 2).sum(axis=1)) * table[:, -1] / scale
        permitted = int(len(table) * lesson.budget)
        factor = rounded_up(float(np.sort(errors / allowed)[::-1][permitted]) / (1 - self.guard))
        while True:
            onnx = self._onnx(parts, factor * (1 - self.guard) / scale)
            told: dict[str, int | float | str] = {"factor": factor, "guard": self.guard}
            model = ImportedDetector(name, wanted, onnx, self.input_scale, self.param_scale, self.lower, training=told)
            scores = model.score_many(calibrate)
            if int((scores > 0).any(axis=1).sum()) <= permitted:
                return replace(model, salt=lesson.salt.hex())
            factor = rounded_up(factor * 1.01)

    def _onnx(self, parts: Sequence[np.ndarray], limit: float) -> bytes:
        """Return the graph of error² − gap · limit · (1 + Σ past moves²), on features / 2^input_scale."""
        node, features = helper.make_node, self.features
        nodes = [
            node("Slice", ["x", "i0", "last", "i1"], ["moves"]),
            node("Slice", ["x", "i1", "last", "i1"], ["past"]),
            node("Slice", ["x", "last", "end", "i1"], ["gap"]),
            node("MatMul", ["moves", "encode"], ["encoded"]),
            node("Add", ["encoded", "encode_bias"], ["shifted"]),
            node("Relu", ["shifted"], ["hidden"]),
            node("MatMul", ["hidden", "decode"], ["decoded"]),
            node("Add", ["decoded", "decode_bias"], ["reproduced"]),
            node("Sub", ["moves", "reproduced"], ["error"]),
            node("Mul", ["error", "error"], ["squared"]),
            node("ReduceSum", ["squared", "i1"], ["total"], keepdims=1),
            node("Mul", ["past", "past"], ["past2"]),
            node("MatMul", ["past2", "allow"], ["allowed"]),
            node("Add", ["allowed", "floor"], ["allowance"]),
            node("Mul", ["gap", "allowance"], ["limit"]),
            node("Sub", ["total", "limit"], ["s"]),
        ]
        constants: dict[str, np.ndarray] = {
            "i0": np.array([0], dtype=np.int64),
            "i1": np.array([1], dtype=np.int64),
            "last": np.array([features - 1], dtype=np.int64),
            "end": np.array([features], dtype=np.int64),
            "encode": parts[0].astype(np.float32),
            "decode": parts[1].astype(np.float32),
            "encode_bias": parts[2].reshape(1, -1).astype(np.float32),
            "decode_bias": parts[3].reshape(1, -1).astype(np.float32),
            "allow": np.full((features - 2, 1), limit, dtype=np.float32),
            "floor": np.full((1, 1), limit, dtype=np.float32),
        }
        graph = helper.make_graph(
            nodes,
            "autoencoder",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", features])],
            [helper.make_tensor_value_info("s", TensorProto.FLOAT, ["batch", 1])],
            [numpy_helper.from_array(value, key) for key, value in constants.items()],
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
        return bytes(proto.SerializeToString(deterministic=True))
