"""Forests, kernel machines, mixtures and recurrent layers in ezkl: the witness is the reference; a forest is proven."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.svm import SVC, OneClassSVM

import oracle
from oracle.proving.engine.child import EngineProcess
from oracle.proving.exporting import from_sklearn
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.tuning import measuring
from tests import circuits
from tests.integration.test_models import compiled, imported, witnessed
from tests.recurrent import recurrent, sequences
from tests.unit.proving.test_ensembles import bushy, ensemble, thin
from tests.unit.proving.test_recognised_models import with_options

pytestmark = pytest.mark.filterwarnings("ignore:Attribute `prob")
"""skl2onnx looks for what scikit-learn is about to drop."""

POINTS = (np.round(np.random.default_rng(29).normal(size=(300, 3)) * 64) / 64).astype(np.float32)
CLASSES = (POINTS[:, 0] + POINTS[:, 1] ** 2 > 0.5).astype(int)


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    with EngineProcess(threads=1) as process:
        yield process


def fitted(estimator: Any, target: Any = None, rows: int = 40) -> bytes:
    return from_sklearn(estimator.fit(POINTS[:rows], None if target is None else target[:rows]), POINTS).onnx


MODELS: dict[str, Callable[[], bytes]] = {
    "trees of all forms": lambda: ensemble([thin(14), thin(9, 1), bushy(5, 4), [(0, {0: 1.5})]]),
    "trees of one class each": lambda: ensemble([bushy(seed, 4, 3, only=seed % 2) for seed in range(4)], 3),
    "forest": lambda: fitted(IsolationForest(n_estimators=3, max_samples=16, random_state=0)),
    "cubes": lambda: fitted(OneClassSVM(kernel="poly", degree=3, coef0=1.0)),
    "rbf": lambda: fitted(OneClassSVM(nu=0.2)),
    "votes": lambda: fitted(SVC(kernel="linear"), CLASSES + (POINTS[:, 2] > 0.5)),
    "density": lambda: with_options(GaussianMixture(3, random_state=0).fit(POINTS), {"score_samples": True}, 3),
    "lstm": lambda: recurrent("LSTM", steps=3, features=1, hidden=2, peepholes=True),
    "gru": lambda: recurrent("GRU", steps=3, features=1, hidden=2, linear_before_reset=1),
}


@pytest.mark.parametrize("name", MODELS)
def test_the_reference_is_the_witness(engine: EngineProcess, tmp_path: Path, name: str) -> None:
    """At samples and at corners, with as few digits as the bounds say: bounds that were too narrow would have none."""
    output = {"density": "score_samples"}.get(name)
    program, problems = lower(read_model(MODELS[name]()), segments=8, output=output)
    assert program is not None, problems
    is_recurrent = name in ("lstm", "gru")
    circuit = instantiate(program, 4, 6, 64, 2 if is_recurrent else 0)
    made = imported(circuit, 64)
    assert compiled(engine, made, tmp_path)["model_output_scales"] == [circuit.output_scale]
    samples = sequences(3, 1, 3).reshape(3, 3) if is_recurrent else POINTS[:3]
    windows = [*circuit.quantise(samples).tolist(), *made.windows()[1:3]]
    for window, expected in zip(windows, circuit.evaluate_exactly(windows), strict=True):
        assert witnessed(engine, tmp_path, [window]) == [int(value) for value in expected]


@pytest.mark.deep
def test_a_forest_is_proven_as_it_comes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its verdict is scikit-learn's: 1 for what is no anomaly."""
    monkeypatch.setattr(measuring, "FINALISTS", 1)
    srs = circuits.folder() / "srs"
    srs.mkdir(exist_ok=True)
    (tmp_path / "srs").symlink_to(srs, target_is_directory=True)
    forest = IsolationForest(n_estimators=2, max_samples=16, contamination=0.05, random_state=0).fit(POINTS)
    exported = from_sklearn(forest, POINTS)
    path = tmp_path / "forest.onnx"
    exported.save(path)
    points = POINTS[:120]
    made = oracle.build_model(path, points, out=tmp_path, public=True)
    facts = made.artifact.manifest.imported
    assert facts is not None and facts["activation_left_off"] == "Add of Neg of Pow of Neg of Div"
    decisions = forest.decision_function(points)
    for row in (int(decisions.argmin()), int(decisions.argmax())):
        proof = oracle.prove(made.artifact.path, points, row=row)
        assert oracle.verify(made.artifact.path, proof)
