"""Trainers: what fits each kind of detector to windows of accepted moves. A training extra: not needed to run.

A polynomial detector is fitted in two steps. Estimation gives *shapes*: gates in sigmas, whose limit is right up to a
factor. Calibration sets the factors from the budget of false positives: the gates in turn give up a window each, until
together they object to as many as the budget has. Factors are folded into the weights, so they are part of the model's
hash.

So that rounding differences between machines change nothing, fitted coefficients are rounded to coarse multiples,
factors up to three significant digits, and weights to twelve significant bits; all between is exact arithmetic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import TYPE_CHECKING

from oracle.core.encoding import RING_SIZE
from oracle.core.errors import DataError, ToolMissing
from oracle.detectors.imported import ImportedDetector, Lower
from oracle.detectors.interface import Detector, Lesson
from oracle.detectors.polynomial import Allowance, Form, Linear, Output, PolynomialModel, Sum
from oracle.detectors.training import quadratic

if TYPE_CHECKING:
    import numpy as np

KINDS = ("cap", "arch", "mahalanobis", "arch+window", "cross-source", "autoencoder", "imported")

LEAST_WINDOWS = 200
"""Fewer windows fit nothing that would hold tomorrow."""

PARAM_SCALE = 20
SIGNIFICANT_BITS = 12
_FULL = RING_SIZE + 2
_MOST_SIGMAS = 10.0
"""Moves are cut to this before coefficients are fitted: one fault in a recording is not to decide them."""


@dataclass(frozen=True, slots=True)
class Part:
    """What earlier values add to a gate's limit, in σ²: an `Allowance` with numbers instead of weights."""

    first: int
    end: int
    weights: tuple[float, ...]
    summed: bool = False


@dataclass(frozen=True, slots=True)
class Shape:
    """A gate in sigmas, whose factor is not set yet.

    Attributes:
        name: Of the output.
        measured: Sums, or weights of all values in 1/σ.
        floor: Of the limit, in σ².
        parts: What adds to it.
        gap: Whether the limit grows with time.
    """

    name: str
    measured: tuple[Sum | tuple[float, ...], ...]
    floor: float = 1.0
    parts: tuple[Part, ...] = ()
    gap: bool = True

    def ratios(self, table: np.ndarray) -> np.ndarray:
        """Measured over limit for windows in sigmas and heartbeats [count, n]."""
        import numpy as np

        measured = np.zeros(len(table))
        for form in self.measured:
            if isinstance(form, Sum):
                measured += table[:, form.first : form.end].sum(axis=1) ** 2
            else:
                measured += (table[:, :-1] @ np.array(form)) ** 2
        limit = np.full(len(table), self.floor)
        for part in self.parts:
            inside = table[:, part.first : part.end]
            if part.summed:
                limit += inside.sum(axis=1) ** 2 * part.weights[0]
            else:
                limit += inside**2 @ np.array(part.weights if len(part.weights) > 1 else part.weights * inside.shape[1])
        ratios: np.ndarray = measured / (limit * (table[:, -1] if self.gap else 1.0))
        return ratios


def cut(windows: Sequence[Sequence[int]], features: int, spread: bool) -> list[tuple[int, ...]]:
    """Full windows as a detector of fewer features takes them: without the oldest moves."""
    tail = 2 if spread else 1
    return [(*window[: features - tail], *window[-tail:]) for window in windows]


def in_sigmas(windows: Sequence[Sequence[int]]) -> np.ndarray:
    """Windows as floats: sigmas and heartbeats."""
    import numpy as np

    return np.array(windows, dtype=np.float64) / 1_000


def factors(shapes: Sequence[Shape], windows: Sequence[Sequence[int]], budget: Fraction) -> list[float]:
    """The factors, to three digits, at which all gates together object to at most the budget.

    From limits to which nothing objects, the gates in turn give up one window more each, while the budget lasts.
    """
    import numpy as np

    table = in_sigmas(windows)
    ratios = [shape.ratios(table) for shape in shapes]
    ordered = [np.sort(ratio)[::-1] for ratio in ratios]
    allowed = int(len(windows) * budget)

    def at(given_up: Sequence[int]) -> list[float]:
        return [_rounded_up(float(order[count])) for order, count in zip(ordered, given_up, strict=True)]

    def objecting(found: Sequence[float]) -> int:
        union = np.zeros(len(windows), dtype=bool)
        for ratio, factor in zip(ratios, found, strict=True):
            union |= ratio > factor
        return int(union.sum())

    given_up = [0] * len(shapes)
    growing = set(range(len(shapes)))
    while growing:
        for gate in sorted(growing):
            more = [count + (index == gate) for index, count in enumerate(given_up)]
            if more[gate] < len(windows) and objecting(at(more)) <= allowed:
                given_up = more
            else:
                growing.discard(gate)
    return at(given_up)


def _rounded_up(value: float) -> float:
    """To three significant digits."""
    if value <= 0:
        return 1.0
    digits = 2 - math.floor(math.log10(value))
    scale: float = 10.0**digits
    return math.ceil(value * scale - 1e-9) / scale


def fold(
    name: str,
    shapes: Sequence[Shape],
    factors: Sequence[float],
    features: int,
    *,
    spread: bool,
    param_scale: int = PARAM_SCALE,
) -> PolynomialModel:
    """Shapes and their factors as an integer model.

    Squares of features are in 10^-6 σ² and the gap in thousandths, so ω is 1,000 times the limit's floor, and the other
    weights are a thousandth of theirs; without the gap 10^6 times, and as they are.
    """
    one = 1 << param_scale
    taken: set[tuple[int, ...]] = set()

    def distinct(group: tuple[int, ...]) -> tuple[int, ...]:
        # Equal constants are merged by ezkl's reader; see `PolynomialModel`.
        while group in taken:
            last = group[-1]
            group = (*group[:-1], last + (1 << max(0, last.bit_length() - SIGNIFICANT_BITS)))
        taken.add(group)
        return group

    def quantised(value: float) -> int:
        return quadratic.significant(Fraction(value) * one, SIGNIFICANT_BITS)

    gates = []
    for shape, factor in zip(shapes, factors, strict=True):
        measured: list[Form] = []
        for form in shape.measured:
            if isinstance(form, Sum):
                measured.append(form)
            else:
                signed = tuple(round(Fraction(weight) * one) for weight in form)
                measured.append(Linear(distinct(signed)))
        scale = factor / 1_000 if shape.gap else factor
        allowed = []
        for part in shape.parts:
            weights = tuple(quantised(scale * weight) for weight in part.weights)
            if any(part.weights):
                weights = weights if any(weights) else (1, *weights[1:])
                allowed.append(Allowance(part.first, part.end, distinct(weights), part.summed))
        (floor,) = distinct((max(1, quantised(scale * shape.floor * 10**6)),))
        gates.append(Output(shape.name, tuple(measured), floor, tuple(allowed), shape.gap))
    return PolynomialModel(name, features, tuple(gates), param_scale, spread)


def calibrated(
    name: str,
    shapes: Sequence[Shape],
    features: int,
    lesson: Lesson,
    *,
    param_scale: int = PARAM_SCALE,
) -> PolynomialModel:
    """The model whose integer scores object to at most the budget's share of the calibration windows."""
    windows = cut(lesson.calibrate, features, lesson.spread)
    allowed = int(len(windows) * lesson.budget)
    found = factors(shapes, windows, lesson.budget)
    while True:
        model = fold(name, shapes, found, features, spread=lesson.spread, param_scale=param_scale)
        objecting = int((model.score_many(windows) > 0).any(axis=1).sum())
        if objecting <= allowed:
            told = {f"factor_{shape.name}": factor for shape, factor in zip(shapes, found, strict=True)}
            return replace(model, training=told)
        found = [_rounded_up(factor * 1.005) for factor in found]


def check_lesson(lesson: Lesson, fit: int = LEAST_WINDOWS) -> None:
    """Refuses data that can't carry a fit, or a budget that they can't resolve.

    Raises:
        DataError: Which, and what would do.
    """
    for name, windows in (("fit", lesson.fit), ("calibration", lesson.calibrate)):
        if len(windows) < fit:
            raise DataError(f"too few rows: {len(windows)} {name} windows, and at least {fit} are needed")
    if not 0 < lesson.budget < Fraction(1, 20):
        raise DataError("impossible budget: it must be above 0 and below 500 false holds per 10,000")
    if len(lesson.calibrate) * lesson.budget < 1:
        least = math.ceil(1 / lesson.budget)
        raise DataError(
            f"impossible budget: {float(lesson.budget * 10_000):g} false holds per 10,000 are less than one of the "
            f"{len(lesson.calibrate)} calibration windows; it takes {least} windows, or a budget of at least "
            f"{math.ceil(10_000 / len(lesson.calibrate))}"
        )


def _scaled_moves(lesson: Lesson) -> list[float]:
    """The fit's moves in sigmas, oldest first, each over the root of its gap, outliers cut."""
    found = []
    for window in lesson.fit:
        value = window[0] / 1_000 / math.sqrt(window[-1] / 1_000)
        found.append(max(-_MOST_SIGMAS, min(_MOST_SIGMAS, value)))
    if not any(found):
        raise DataError("no move in the training split is other than 0: there is nothing to learn from")
    return found


def arch_weights(lesson: Lesson) -> tuple[float, ...]:
    """α_1 … α_14 by quasi-maximum likelihood, rounded to multiples of 1/200."""
    coefficients = quadratic.arch_coefficients(_scaled_moves(lesson))
    step = quadratic.COEFFICIENT_STEP
    return tuple(float(round(Fraction(value) / step) * step) for value in coefficients)


@dataclass(frozen=True, slots=True)
class Cap:
    """A limit on |move|, the honest baseline: grows with the time gap, or is static."""

    gap: bool = True

    def fit(self, name: str, lesson: Lesson) -> Detector:
        check_lesson(lesson)
        features = 4 if lesson.spread else 3
        return calibrated(name, [Shape("cap", (Sum(0, 1),), gap=self.gap)], features, lesson)


@dataclass(frozen=True, slots=True)
class Arch:
    """ARCH(14) with a floor of σ²/2."""

    def fit(self, name: str, lesson: Lesson) -> Detector:
        check_lesson(lesson)
        weights = arch_weights(lesson)[: RING_SIZE - (1 if lesson.spread else 0)]
        shape = Shape("spike", (Sum(0, 1),), float(quadratic.FLOOR), (Part(1, 1 + len(weights), weights),))
        return calibrated(name, [shape], _FULL, lesson)


NEAR = 4
"""Past moves of the near gate; the far gate has the others."""

PERSISTENCE = 0.9
"""Share of the past variance that a gate expects to go on, beside the floor."""


@dataclass(frozen=True, slots=True)
class ArchWindow:
    """Two gates on the move now, a near and a far one, and one on the window's sum.

    The near gate predicts from the last four moves, the far gate from the ten before them. A move passes if both let
    it: one jump is in one of the two pasts only, so it does not make the model lenient; a volatile market is in both.
    The third gate sets the square of the window's sum against the window's variance: slow drift.
    """

    drift: bool = True

    def fit(self, name: str, lesson: Lesson) -> Detector:
        check_lesson(lesson)
        return calibrated(name, self.shapes(lesson.spread), _FULL, lesson)

    def shapes(self, spread: bool) -> list[Shape]:
        """The gates, before calibration."""
        floor, moves = float(quadratic.FLOOR), _FULL - (2 if spread else 1)
        now, far = (Sum(0, 1),), moves - NEAR - 1
        shapes = [
            Shape("near", now, floor, (Part(1, 1 + NEAR, (PERSISTENCE / NEAR,)),)),
            Shape("far", now, floor, (Part(1 + NEAR, moves, (PERSISTENCE / far,)),)),
        ]
        if self.drift:
            variance = Part(1, moves, (1 / (moves - 1),))
            shapes.append(Shape("drift", (Sum(0, moves),), float(quadratic.DRIFT_FLOOR), (variance,)))
        return shapes


@dataclass(frozen=True, slots=True)
class CrossSource:
    """The gates of `ArchWindow`, and one on the spread between the sources of a round.

    How far sources are apart depends on how much the market moves, the move now included; not on the time since the
    last accepted value.
    """

    def fit(self, name: str, lesson: Lesson) -> Detector:
        import numpy as np

        check_lesson(lesson)
        if not lesson.spread:
            raise DataError("a cross-source detector needs several value columns: the spread between them is a feature")
        table = np.minimum(in_sigmas(lesson.fit) ** 2, _MOST_SIGMAS**2)
        squares, spread = table[:, :-2].mean(axis=1), table[:, -2]
        if not spread.any():
            raise DataError("the sources never differ: there is no spread to learn from")
        try:
            from scipy.optimize import nnls
        except ImportError as error:
            raise _missing() from error
        (calm, slope), _ = nnls(np.stack([np.ones(len(table)), squares], axis=1), spread)
        moves = _FULL - 2
        # Without a floor a quiet stretch would allow no spread at all.
        floor = max(_rounded_up(float(calm)), _rounded_up(float(spread.mean()) / 4))
        part = Part(0, moves, (_rounded_up(float(slope)) / moves,)) if slope > 0 else None
        shape = Shape("sources", (Sum(moves, moves + 1),), floor, (part,) if part else (), gap=False)
        return calibrated(name, [*ArchWindow().shapes(spread=True), shape], _FULL, lesson)


@dataclass(frozen=True, slots=True)
class Mahalanobis:
    """The move's distance from what the past moves let one expect, by their covariance.

    It is the Mahalanobis distance of the window less that of its past: a full window's distance counts a jump in every
    window that has it, and takes so wide a limit for that that it sees little.

    Attributes:
        features: n.
    """

    features: int = _FULL

    def fit(self, name: str, lesson: Lesson) -> Detector:
        import numpy as np

        check_lesson(lesson)
        try:
            from sklearn.covariance import LedoitWolf
        except ImportError as error:
            raise _missing() from error
        windows = cut(lesson.fit, self.features, lesson.spread)
        tail = 2 if lesson.spread else 1
        moves = np.clip(in_sigmas(windows)[:, :-tail], -_MOST_SIGMAS, _MOST_SIGMAS)
        precision = LedoitWolf(assume_centered=True).fit(moves).precision_
        # Of the precision's Cholesky factor the row that has the move now: (x_0 − E[x_0 | past]) / its deviation.
        row = precision[0] / math.sqrt(precision[0, 0])
        weights = tuple(round(float(value) * 64) / 64 for value in row)
        shape = Shape("distance", ((*weights, *(0.0,) * (tail - 1)),))
        return calibrated(name, [shape], self.features, lesson, param_scale=12)


@dataclass(frozen=True, slots=True)
class Autoencoder:
    """A small ReLU network that reproduces the window's moves; what it can't reproduce is anomalous.

    The limit is on the squared error, grows with the time gap and with the past moves (a confirmed jump stays in the
    window, and can't be reproduced either). A guard band makes up for the rounding of the weights: the integer network
    accepts only what is below the float network's limit by that share of it.

    Attributes:
        lower: See `oracle.detectors.load`.
        features: n.
        hidden: Units of the hidden layer.
        guard: Of the limit.
    """

    lower: Lower
    features: int = 8
    hidden: int = 3
    guard: float = 0.02
    input_scale: int = 10
    param_scale: int = 8

    def fit(self, name: str, lesson: Lesson) -> Detector:
        import warnings

        import numpy as np

        check_lesson(lesson)
        try:
            from sklearn.exceptions import ConvergenceWarning
            from sklearn.neural_network import MLPRegressor
        except ImportError as error:
            raise _missing() from error
        if lesson.spread:
            raise DataError("the autoencoder knows no spread: train on one value column, or use cross-source")
        scale = 1_000 / 2**self.input_scale
        moves = np.clip(in_sigmas(cut(lesson.fit, self.features, False))[:, :-1], -5, 5) * scale
        network = MLPRegressor(
            hidden_layer_sizes=(self.hidden,), random_state=lesson.seed, solver="lbfgs", alpha=1e-3, max_iter=200
        )
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", ConvergenceWarning)
            network.fit(moves, moves)
        one = 1 << self.param_scale
        parts = [np.round(part * one) / one for part in (*network.coefs_, *network.intercepts_)]
        table = in_sigmas(cut(lesson.calibrate, self.features, False)) * scale
        hidden = np.maximum(table[:, :-1] @ parts[0] + parts[2], 0)
        errors = ((table[:, :-1] - hidden @ parts[1] - parts[3]) ** 2).sum(axis=1)
        allowed = (1 + (table[:, 1:-1] ** 2).sum(axis=1)) * table[:, -1] / scale
        permitted = int(len(table) * lesson.budget)
        factor = _rounded_up(float(np.sort(errors / allowed)[::-1][permitted]) / (1 - self.guard))
        while True:
            onnx = self._onnx(parts, factor * (1 - self.guard) / scale)
            told: dict[str, int | float | str] = {"factor": factor, "guard": self.guard}
            model = ImportedDetector(name, onnx, self.input_scale, self.param_scale, self.lower, training=told)
            scores = model.score_many(cut(lesson.calibrate, self.features, False))
            if int((scores > 0).any(axis=1).sum()) <= permitted:
                return model
            factor = _rounded_up(factor * 1.01)

    def _onnx(self, parts: Sequence[np.ndarray], limit: float) -> bytes:
        """error² − gap · limit · (1 + Σ past moves²), on features / 2^input_scale."""
        import numpy as np
        from onnx import TensorProto, helper, numpy_helper

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


@dataclass(frozen=True, slots=True)
class Imported:
    """A network of one's own, whose outputs are larger the more anomalous a window is; only its limits are fitted.

    Attributes:
        lower: See `oracle.detectors.load`.
        onnx: Input [batch, n]: features / 2^input_scale.
    """

    lower: Lower
    onnx: bytes
    input_scale: int = 10
    param_scale: int = 8

    def fit(self, name: str, lesson: Lesson) -> Detector:
        check_lesson(lesson)
        raw = self._limited(name, None, lesson.spread)
        windows = cut(lesson.calibrate, raw.features, lesson.spread)
        # The unit only: a limit of 0 changes no score.
        values = raw.score_many(windows) / raw.score_unit
        permitted = int(len(windows) * lesson.budget)
        ordered = [sorted((float(value) for value in column), reverse=True) for column in values.T]
        for each in range(permitted, -1, -1):
            limits = [order[each] for order in ordered]
            model = self._limited(name, limits, lesson.spread)
            if int((model.score_many(windows) > 0).any(axis=1).sum()) <= permitted:
                return model
        for _ in range(100):
            # Limits are rounded to the weights' scale.
            limits = [limit + 2.0**-self.param_scale for limit in limits]
            model = self._limited(name, limits, lesson.spread)
            if int((model.score_many(windows) > 0).any(axis=1).sum()) <= permitted:
                return model
        raise DataError(f"model {name}: no limits keep its objections within the budget")

    def _limited(self, name: str, limits: Sequence[float] | None, spread: bool) -> ImportedDetector:
        import numpy as np
        import onnx as library
        from onnx import helper, numpy_helper
        from onnx.checker import ValidationError
        from onnx.checker import check_model as check

        try:
            proto = library.load_model_from_string(self.onnx)
            check(proto)
        except (ValidationError, ValueError, TypeError) as error:
            raise DataError(f"model {name}: its ONNX file can't be read: {str(error).splitlines()[0]}") from error
        except Exception as error:  # protobuf's own
            raise DataError(f"model {name}: its ONNX file can't be read: {error}") from error
        data, told = self.onnx, {}
        if limits is not None:
            output = proto.graph.output[0]
            single = np.array([limits], dtype=np.float32)
            proto.graph.initializer.append(numpy_helper.from_array(single, "oracle_limits"))
            proto.graph.node.append(helper.make_node("Sub", [output.name, "oracle_limits"], ["oracle_scores"]))
            output.name = "oracle_scores"
            data = bytes(proto.SerializeToString(deterministic=True))
            told = {f"limit_{index}": float(limit) for index, limit in enumerate(single[0])}
        return ImportedDetector(
            name, data, self.input_scale, self.param_scale, self.lower, spread=spread, training=told
        )


def _missing() -> ToolMissing:
    return ToolMissing("training needs scikit-learn and scipy: pip install 'verifiable-oracle[train]'")
