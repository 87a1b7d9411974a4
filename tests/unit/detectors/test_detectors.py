"""Every kind of detector: fitted to a recording that is made up, it passes the conformance suite."""

from __future__ import annotations

import json
from fractions import Fraction
from functools import cache
from typing import Any

import pytest

from oracle.app.detectors import load_detector
from oracle.core import encoding
from oracle.core.errors import DataError
from oracle.core.types import Kind
from oracle.detectors.interface import Detector, Disclosure, Lesson
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.polynomial_parts import Allowance, Linear, Output, Sum
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.detectors.registry import parse
from oracle.detectors.trainers.arch import Arch
from oracle.detectors.trainers.arch_window import ArchWindow
from oracle.detectors.trainers.autoencoder import Autoencoder
from oracle.detectors.trainers.cap import Cap
from oracle.detectors.trainers.cross_source import CrossSource
from oracle.detectors.trainers.imported import Imported
from oracle.detectors.trainers.mahalanobis import Mahalanobis
from oracle.detectors.trainers.windows import cut
from oracle.detectors.training.reports import Reports, Terms, sigma_of, windows
from oracle.proving.imported import at_scales
from tests.detector_conformance import check_detector
from tests.recordings import walk

ROWS = 1_500
ONE = 1 << 20


@cache
def recording(sources: int = 1) -> Reports:
    rows = walk(ROWS, seed=3, sources=sources)
    answers = [sorted(round(value * 10**8) for value in values) for _, values in rows]
    return Reports(
        Kind.RELATIVE,
        8,
        tuple(time for time, _ in rows),
        tuple(each[len(each) // 2] for each in answers),
        tuple(each[0] for each in answers) if sources > 1 else (),
        tuple(each[-1] for each in answers) if sources > 1 else (),
    )


@cache
def lesson(sources: int = 1) -> Lesson:
    found = recording(sources)
    seen = windows(found, Terms(sigma_of(found, 900, 60), 60))
    return Lesson(seen[:900], seen[:1_200], found.spread, Fraction(20, 10_000), seed=1)


def network() -> bytes:
    """Somebody's model: the largest of |move| and 1.5 · |change of the move|, in sigmas."""
    import numpy as np
    from onnx import TensorProto, helper, numpy_helper

    weights = np.array([[1.0, 1.5], [0.0, -1.5], [0.0, 0.0], [0.0, 0.0]], dtype=np.float32)
    nodes = [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node("Abs", ["h"], ["s"])]
    graph = helper.make_graph(
        nodes,
        "brought",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 4])],
        [helper.make_tensor_value_info("s", TensorProto.FLOAT, ["batch", 2])],
        [numpy_helper.from_array(weights, "w")],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    return bytes(proto.SerializeToString(deterministic=True))


TRAINERS: dict[str, Any] = {
    "cap": Cap(),
    "cap-static": Cap(gap_scaled=False),
    "arch": Arch(),
    "arch-window": ArchWindow(),
    "cross-source": CrossSource(),
    "mahalanobis": Mahalanobis(features=8),
    "autoencoder": Autoencoder(at_scales, features=6, hidden=2),
    "imported": Imported(at_scales, network()),
}


@cache
def fitted(kind: str) -> Detector:
    found: Detector = TRAINERS[kind].fit(kind, lesson(3 if kind == "cross-source" else 1))
    return found


def load(text: str, disclosure: Disclosure) -> Detector:
    return parse(text, "m.json", disclosure, at_scales)


@pytest.mark.parametrize("kind", TRAINERS)
def test_conformance(kind: str) -> None:
    check_detector(fitted(kind), load)


def test_conformance_of_the_default_model() -> None:
    check_detector(QuadraticModel.default(), load)


@pytest.mark.parametrize("kind", TRAINERS)
def test_a_fitted_detector_keeps_the_budget_where_it_was_set(kind: str) -> None:
    learnt, detector = lesson(3 if kind == "cross-source" else 1), fitted(kind)
    windows = cut(learnt.calibrate, detector.features, detector.spread)
    objecting = sum(max(scores) > 0 for scores in detector.score_many(windows).tolist())
    assert objecting <= len(windows) * learnt.budget
    assert objecting > 0, "a model that never objects has been given limits that are too wide"


@pytest.mark.parametrize("kind", ["arch", "mahalanobis", "autoencoder"])
def test_the_same_lesson_gives_the_same_bytes(kind: str) -> None:
    assert TRAINERS[kind].fit(kind, lesson()).to_json() == fitted(kind).to_json()


def test_one_jump_does_not_make_arch_window_lenient() -> None:
    """The weakness of the default model: after a confirmed jump anything passes for fourteen rounds."""
    after = {lag: [0] * 15 for lag in (1, 4, 5, 14)}
    for lag, moves in after.items():
        moves[lag] = 30_000
        moves[0] = 12_000
    windows = [(*moves, encoding.GAP_ONE) for moves in after.values()]
    assert all(max(QuadraticModel.default().score_int(window)) <= 0 for window in windows)
    assert all(max(fitted("arch-window").score_int(window)) > 0 for window in windows)


def test_sources_that_part_are_seen_by_cross_source_alone() -> None:
    window = [0] * 16
    window[-2], window[-1] = 3_000, encoding.GAP_ONE
    told = {each.output: each for each in fitted("cross-source").explain(window)}
    assert told["sources"].objects and told["sources"].meaning == "the spread of the sources"
    assert not any(each.objects for name, each in told.items() if name != "sources")


def test_the_guard_band_covers_the_rounding_of_the_network() -> None:
    """Whatever the integer autoencoder accepts is below the float network's limit."""
    numpy, onnxruntime = pytest.importorskip("numpy"), pytest.importorskip("onnxruntime")
    detector = fitted("autoencoder")
    guard = float(json.loads(detector.to_json())["training"]["guard"])
    session = onnxruntime.InferenceSession(detector.onnx, providers=["CPUExecutionProvider"])  # type: ignore[attr-defined]
    windows = cut(lesson().calibrate, detector.features, False)
    floats = session.run(None, {"x": numpy.array(windows, dtype=numpy.float32) / 1_024})[0][:, 0]
    accepted = numpy.array([scores[0] <= 0 for scores in detector.score_many(windows).tolist()])
    # The float graph has the guard taken off its limit: what the integers accept is below the limit without it.
    scaled, factor = numpy.array(windows) / 1_024, float(json.loads(detector.to_json())["training"]["factor"])
    limits = factor * 1.024 * scaled[:, -1] * (1 + (scaled[:, 1:-1] ** 2).sum(axis=1))
    assert guard > 0
    assert (floats[accepted] < guard * limits[accepted]).all()


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "cubic-v1"}, "format 'cubic-v1' is none of imported-v1, polynomial-v1, quadratic-v1"),
        ({"format": 5}, "none of"),
        ({"features": 2}, "from 3 to 16"),
        ({"features": 17}, "from 3 to 16"),
        ({"features": "x"}, "not an integer"),
        ({"spread": 1}, "true or false"),
        ({"param_scale": 31}, "param_scale"),
        ({"outputs": []}, "1 to 8"),
        ({"outputs": {}}, "list"),
        ({"outputs": [{}]}, "missing key"),
        ({"training": []}, "object"),
        ({"name": "Ä"}, "lower-case"),
    ],
)
def test_wrong_model_files_are_refused(change: dict[str, Any], says: str) -> None:
    document = json.loads(fitted("cap").to_json())
    with pytest.raises(DataError, match=says):
        load(json.dumps({**document, **change}), Disclosure.SCORE)


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        (Output("a", (), ONE), "measures nothing"),
        (Output("A", (Sum(0, 1),), ONE), "lower-case"),
        (Output("a", (Sum(0, 4),), ONE), "not among the 3"),
        (Output("a", (Sum(1, 1),), ONE), "not among"),
        (Output("a", (Linear((1, 2)),), ONE), "2 weights in a form of 3"),
        (Output("a", (Linear((0, 0, 0)),), ONE), "are 0"),
        (Output("a", (Sum(0, 1),), 0), "at least 1"),
        (Output("a", (Sum(0, 1),), (1 << 24) + 1), "24 bits"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (1, 2)),)), "2 weights for the values 0 to 2"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (1, 2, 3), summed=True),)), "3 weights"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (-1,)),)), "at least 0"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (0,)),)), "leave it out"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (ONE,)),)), "equal"),
        (Output("a", (Sum(0, 1),), 1 << 112), "bits"),
    ],
)
def test_wrong_gates_are_refused(gate: Output, says: str) -> None:
    with pytest.raises(DataError, match=says):
        PolynomialModel("m", 4, (gate,))


def test_what_a_network_is_not(tmp_path: Any) -> None:
    text = fitted("imported").to_json()
    with pytest.raises(DataError, match=r"needs oracle\.proving"):
        parse(text)
    with pytest.raises(DataError, match="base64"):
        load(json.dumps({**json.loads(text), "onnx": "%"}), Disclosure.SCORE)
    with pytest.raises(DataError, match="can't be read"):
        Imported(at_scales, b"no network").fit("n", lesson())
    path = tmp_path / "m.json"
    path.write_text(text)
    assert load_detector(path).to_json() == text
    with pytest.raises(DataError, match="can't be read"):
        load_detector(tmp_path / "none.json")


def test_one_source_has_no_spread_to_learn_from() -> None:
    with pytest.raises(DataError, match="several value columns"):
        CrossSource().fit("c", lesson())
