"""Tests that the benchmark of a folder of models builds, proves and compares them, each in its own process."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from oracle.app.models import BuiltModel, ModelOptions
from oracle.bench.suite import trial
from oracle.bench.suite.run import measure_models
from oracle.bench.suite.splitting import TrialLimits
from oracle.bench.suite.subjects import Subject
from oracle.bench.suite.table import line
from oracle.bench.suite.trial import Rules, Truth
from oracle.core.errors import DataError
from oracle.proving import tuning
from oracle.proving.inspect.model import ModelTooLarge, inspect_onnx, require_provable
from oracle.proving.lowering.program import ModelInput
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.tuning.float_model import scored_outputs

WEIGHTS = np.array([[1.5], [-0.25], [2.0]], dtype=np.float32)


def model(weights: np.ndarray = WEIGHTS, last: str = "Relu", out: int = TensorProto.FLOAT) -> onnx.ModelProto:
    """Return a dense layer without a bias, and one operator behind it."""
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["h"]), helper.make_node(last, ["h"], ["y"], name="last")],
        "dense",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch_size", 3])],
        [helper.make_tensor_value_info("y", out, ["a", "b"])],
        [numpy_helper.from_array(weights, "w")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)


@pytest.fixture(scope="module")
def measured(tmp_path_factory: pytest.TempPathFactory) -> tuple[dict[str, Any], list[str]]:
    """Return the report on a folder of three models, and what was said meanwhile."""
    folder = tmp_path_factory.mktemp("models")
    (folder / "dense").mkdir()
    onnx.save(model(), folder / "dense" / "network.onnx")
    (folder / "dense" / "input.json").write_text(json.dumps({"input_data": [[0.5, -0.125, 1.0]]}))
    onnx.save(model(last="NonZero", out=TensorProto.INT64), folder / "places.onnx")
    np.save(folder / "places.npy", np.ones((2, 3), dtype=np.float32))
    (folder / "broken.onnx").write_bytes(b"\x00 no model")
    said: list[str] = []
    report = measure_models(folder, out=folder / "report.json", echo=said.append, rules=Rules(repeat=1), defaults=False)
    return report, said


def test_models_are_built_or_refused_with_reasons(measured: tuple[dict[str, Any], list[str]]) -> None:
    report, said = measured
    dense, places, broken = (report["models"][name] for name in ("dense", "places", "broken"))
    assert dense["result"] == "exact" and dense["why"] == ""
    assert (
        dense["k"] >= 5
        and dense["prove_s"] > 0
        and min(dense["build_s"], dense["build_cpu_s"]) > dense["prove_s"]
        and dense["memory_mb"] > 10
    )
    assert dense["error"] <= dense["limit"] and dense["unseen_beyond"] == 0 and dense["unseen"] > 10
    # The reasons are those of `oracle model build`.
    assert places["result"] == "refused" and "NonZero" in places["why"] and places["refused_s"] < 60
    assert broken["result"] == "refused" and "not an ONNX file" in broken["why"]
    assert said[-1] == "3 models: 1 exact, 2 refused" and "defaults" not in dense


def dense(folder: Path) -> Subject:
    onnx.save(model(), folder / "dense.onnx")
    np.save(folder / "dense.npy", np.random.default_rng(3).normal(size=(30, 3)).astype(np.float32))
    return Subject("dense", folder / "dense.onnx", folder / "dense.npy")


def test_a_model_that_is_too_large_for_one_circuit_is_split_and_proven(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refused(options: ModelOptions, progress: Any) -> BuiltModel:
        raise ModelTooLarge("one circuit takes 999 GiB")

    monkeypatch.setattr(trial, "build_model", refused)
    noted: dict[str, Any] = {}
    assert trial.build(dense(tmp_path), Rules(), tmp_path, noted.update) is None
    assert (noted["result"], noted["why"], noted["segments"]) == ("exact", "", 1)
    assert noted["error"] <= noted["limit"] and noted["memory_mb"] > 10 and noted["prove_s"] > 0
    assert ", 1 segment, k = " in line({"name": "dense", **noted})


def test_how_large_a_model_may_be_is_that_of_its_processes(tmp_path: Path) -> None:
    """Without the time for its proofs it is not cut, and without the memory no cut is good enough."""
    subject, noted = dense(tmp_path), dict[str, Any]()
    assert trial.build(subject, Rules(), tmp_path, noted.update, TrialLimits(30 << 20, 0.0)) is None
    assert noted["result"] == "refused" and "the model is too large" in noted["why"]
    assert trial.build(subject, Rules(), tmp_path, noted.update, TrialLimits(30 << 20)) is None
    assert noted["result"] == "refused" and "fits no segment" in noted["why"]


def test_a_search_alone_makes_no_key(tmp_path: Path) -> None:
    noted: dict[str, Any] = {}
    assert trial.build(dense(tmp_path), Rules(prove=False), tmp_path, noted.update) is None
    assert noted["result"] == "exact" and noted["error"] <= noted["limit"] and noted["searched_s"] < 60
    assert "k" not in noted and {each.name for each in tmp_path.iterdir()} == {"dense.onnx", "dense.npy"}


def test_samples_close_by_may_lie_where_the_model_has_no_value(tmp_path: Path) -> None:
    """An arc sine of 1 has a value, and of a little more it has none: such neighbours are left out."""
    graph = helper.make_graph(
        [helper.make_node("Asin", ["x"], ["y"])],
        "arc",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 2])],
    )
    path = tmp_path / "arc.onnx"
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8), path)
    program: Any = SimpleNamespace(
        source="y", inputs=(ModelInput("x", (1, 2), TensorProto.FLOAT),), labels=(), features=2, order_only=""
    )
    request = tuning.Request("arc", path.read_bytes(), ())
    np.save(tmp_path / "arc.npy", np.array([[1.0, 0.5]]))
    truth = trial.truth_of(Subject("arc", path, tmp_path / "arc.npy"), request, Rules(), program)
    assert 1 < len(truth.samples) < 21 and np.isfinite(truth.expected).all()
    np.save(tmp_path / "arc.npy", np.array([[1.5, 0.5]]))
    with pytest.raises(DataError, match="on sample 0, the float model's own output is not finite"):
        trial.truth_of(Subject("arc", path, tmp_path / "arc.npy"), request, Rules(), program)


def compared(served: np.ndarray, stated: np.ndarray, tmp_path: Path) -> str:
    """Return what is wrong with a circuit of some weights, if the file has others."""
    path = tmp_path / "m.onnx"
    onnx.save(model(stated), path)
    data = model(served).SerializeToString()
    program = require_provable(inspect_onnx(data, "m"))
    rows = np.random.default_rng(1).normal(size=(20, 3)).astype(np.float32).astype(float)
    given = tuning.VerdictRule(tuning.Rule.TOLERANCE, 0.05)
    request = tuning.Request("m", path.read_bytes(), ())
    expected = scored_outputs(request, program, rows)
    circuit = instantiate(program, 8, 8, 32_767)
    return trial._compare(Subject("m", path, None), request, circuit, Truth(program, rows, rows, expected, given))[1]


def test_a_circuit_of_other_weights_is_wrong(tmp_path: Path) -> None:
    assert compared(WEIGHTS, WEIGHTS, tmp_path) == ""
    assert "differ" in compared(WEIGHTS + 0.5, WEIGHTS, tmp_path)


def test_weights_that_were_read_from_elsewhere_are_wrong(tmp_path: Path) -> None:
    """The circuit is that of what was read; onnxruntime reads other weights from the file itself."""
    path = tmp_path / "m.onnx"
    onnx.save(model(WEIGHTS + 0.5), path)
    data = model().SerializeToString()
    program = require_provable(inspect_onnx(data, "m"))
    rows = np.ones((1, 3))
    truth = Truth(program, rows, rows, np.ones((1, 1)), tuning.VerdictRule(tuning.Rule.TOLERANCE, 1))
    assert "not those that onnxruntime reads" in trial._loaded_otherwise(Subject("m", path, None), data, truth)
    assert trial._loaded_otherwise(Subject("m", path, None), path.read_bytes(), truth) == ""
