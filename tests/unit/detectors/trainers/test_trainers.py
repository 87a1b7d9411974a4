"""Tests of every trainer: its detector passes the conformance suite, keeps the budget, and is the same to the byte."""

from __future__ import annotations

import json
from typing import Any

import pytest

from oracle.app.detectors import load_detector
from oracle.core import encoding
from oracle.core.errors import DataError
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.detectors.registry import parse
from oracle.detectors.trainers.cross_source import CrossSource
from oracle.detectors.trainers.imported import Imported
from oracle.detectors.trainers.windows import cut
from oracle.proving.imported import at_scales
from tests.detector_conformance import changed, check_detector
from tests.fitted_detectors import TRAINERS, fitted, lesson, lesson_of, load, network


@pytest.mark.parametrize("kind", TRAINERS)
def test_conformance(kind: str) -> None:
    check_detector(fitted(kind), load)


def test_conformance_of_the_default_model() -> None:
    check_detector(QuadraticModel.default(), load)


@pytest.mark.parametrize("kind", TRAINERS)
def test_a_fitted_detector_keeps_the_budget_where_it_was_set(kind: str) -> None:
    learnt, detector = lesson_of(kind), fitted(kind)
    windows = cut(learnt.calibrate, learnt.features, detector.features)
    objecting = sum(max(scores) > 0 for scores in detector.score_many(windows).tolist())
    assert objecting <= len(windows) * learnt.budget
    assert objecting > 0, "a model that never objects has been given limits that are too wide"


@pytest.mark.parametrize("kind", ["peers", "arch", "mahalanobis", "autoencoder"])
def test_the_same_lesson_gives_the_same_bytes(kind: str) -> None:
    assert TRAINERS[kind].fit(kind, lesson_of(kind)).to_json() == fitted(kind).to_json()


def test_one_jump_does_not_make_arch_window_lenient() -> None:
    """This is the default model's weakness: after a confirmed jump, it lets anything pass for twelve rounds."""
    after = {lag: [0] * 13 for lag in (1, 4, 5, 12)}
    for lag, moves in after.items():
        moves[lag] = 30_000
        moves[0] = 12_000
    windows = [(*moves, encoding.GAP_ONE) for moves in after.values()]
    assert all(max(QuadraticModel.default().score_int(window)) <= 0 for window in windows)
    assert all(max(fitted("arch-window").score_int(window)) > 0 for window in windows)


def test_sources_that_part_are_seen_by_cross_source_alone() -> None:
    detector = fitted("cross-source")
    window = changed(detector, encoding.calm_window(detector.features), encoding.Feature.SPREAD, 3_000)
    told = {each.output: each for each in detector.explain(window)}
    assert told["sources"].objects and told["sources"].meaning == "the spread of the sources"
    assert not any(each.objects for name, each in told.items() if name != "sources")


def test_the_guard_band_covers_the_rounding_of_the_network() -> None:
    """Everything that the integer autoencoder accepts is below the float network's limit."""
    numpy, onnxruntime = pytest.importorskip("numpy"), pytest.importorskip("onnxruntime")
    detector = fitted("autoencoder")
    guard = float(json.loads(detector.to_json())["training"]["guard"])
    session = onnxruntime.InferenceSession(detector.onnx, providers=["CPUExecutionProvider"])  # type: ignore[attr-defined]
    windows = cut(lesson().calibrate, lesson().features, detector.features)
    floats = session.run(None, {"x": numpy.array(windows, dtype=numpy.float32) / 1_024})[0][:, 0]
    accepted = numpy.array([scores[0] <= 0 for scores in detector.score_many(windows).tolist()])
    # The float graph's limit is reduced by the guard: accepted windows are below the unreduced limit.
    scaled, factor = numpy.array(windows) / 1_024, float(json.loads(detector.to_json())["training"]["factor"])
    limits = factor * 1.024 * scaled[:, -1] * (1 + (scaled[:, 1:-1] ** 2).sum(axis=1))
    assert guard > 0
    assert (floats[accepted] < guard * limits[accepted]).all()


def test_what_a_network_is_not(tmp_path: Any) -> None:
    text = fitted("imported").to_json()
    with pytest.raises(DataError, match=r"needs oracle\.proving"):
        parse(text)
    with pytest.raises(DataError, match="base64"):
        load(json.dumps({**json.loads(text), "onnx": "%"}), Disclosure.SCORE)
    with pytest.raises(DataError, match="can't be read"):
        Imported(at_scales, b"no network").fit("n", lesson())
    with pytest.raises(DataError, match="model n takes 20 inputs; a feed can't give it a window of 20 features"):
        Imported(at_scales, network(20)).fit("n", lesson())
    path = tmp_path / "m.json"
    path.write_text(text)
    assert load_detector(path).to_json() == text
    with pytest.raises(DataError, match="no such model file"):
        load_detector(tmp_path / "none.json")


def test_one_source_has_no_spread_to_learn_from() -> None:
    with pytest.raises(DataError, match="several value columns"):
        CrossSource().fit("c", lesson())
