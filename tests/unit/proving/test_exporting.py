"""Tests of exports to ONNX: what is in memory is exported, and files of other formats are refused unopened."""

from __future__ import annotations

import pickle
import shlex
import sys
import types
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import oracle as sdk
from oracle.cli import oracle
from oracle.core.errors import DataError, ModelError, ToolMissing
from oracle.proving import exporting
from oracle.proving.imported import at_scales
from oracle.proving.tuning.float_model import float_outputs
from tests.models import model, node, weights

DRAW = np.random.default_rng(7)
ROWS = DRAW.normal(size=(60, 3))
TARGET = ROWS @ [1.0, -2.0, 0.5]

OTHERS = (".pkl", ".pickle", ".joblib", ".pt", ".pth", ".h5", ".keras", ".txt", ".json", ".ubj")


@pytest.mark.parametrize("suffix", OTHERS)
def test_another_format_is_refused_with_a_command_that_exports_it(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f'it\'s "my" model{suffix}'
    path.write_bytes(b"")
    done = CliRunner().invoke(oracle, ["model", "build", str(path)])
    assert isinstance(done.exception, ModelError) and done.exception.exit_code == 2
    said = str(done.exception)
    assert "\n" not in said and "not ONNX" in said
    command = shlex.split(said.split("Export it first: ")[1])
    assert command[:2] in (["python", "-c"], ["python", "-m"])
    if command[1] == "-c":
        # The line is Python, and has both paths whole, whatever is in them.
        names = compile(command[2], "line", "exec").co_consts
        assert {str(path), str(path.with_suffix(".onnx"))} <= set(names)
    else:
        assert {str(path), str(path.with_suffix(".onnx"))} <= set(command)
    with pytest.raises(ModelError, match="Export it first"):
        sdk.build_model(path, ROWS)


class Trap:
    """An object that leaves a mark when it is unpickled."""

    def __init__(self, mark: Path) -> None:
        self.mark = mark

    def __reduce__(self) -> Any:
        return Path.touch, (self.mark,)


@pytest.mark.attack
@pytest.mark.parametrize("suffix", [".pkl", ".onnx"])
def test_a_pickle_is_never_opened(tmp_path: Path, suffix: str) -> None:
    """Nor is one that calls itself ONNX."""
    mark, path = tmp_path / "mark", tmp_path / f"model{suffix}"
    path.write_bytes(pickle.dumps(Trap(mark)))
    for options in ([], ["--check"], ["--data", str(path)]):
        assert CliRunner().invoke(oracle, ["model", "build", str(path), *options]).exit_code != 0
    assert not mark.exists()
    pickle.loads(path.read_bytes())
    assert mark.exists(), "or the trap does not work"


def test_the_command_for_an_estimator_does_what_it_says(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    linear = pytest.importorskip("sklearn.linear_model")
    path = tmp_path / "model.pkl"
    path.write_bytes(pickle.dumps(linear.LinearRegression().fit(ROWS, TARGET)))
    np.save(tmp_path / "samples.npy", ROWS)
    with pytest.raises(ModelError) as refused:
        exporting.require_onnx(path)
    program, option, code = shlex.split(str(refused.value).split("Export it first: ")[1])
    assert (program, option) == ("python", "-c")
    monkeypatch.chdir(tmp_path)
    exec(code, {})
    found = float_outputs((tmp_path / "model.onnx").read_bytes(), ROWS.astype(np.float32))
    assert np.allclose(found[:, 0], TARGET, atol=1e-4)


def test_estimators_are_exported_whole() -> None:
    pytest.importorskip("skl2onnx")
    from sklearn.ensemble import RandomForestClassifier
    from sklearn.linear_model import LinearRegression
    from sklearn.pipeline import make_pipeline
    from sklearn.preprocessing import StandardScaler

    pipeline = make_pipeline(StandardScaler(), LinearRegression()).fit(ROWS, TARGET)
    made = exporting.from_sklearn(pipeline, ROWS)
    assert made.name == "pipeline" and "onnx" not in repr(made)
    assert np.allclose(float_outputs(made.onnx, ROWS)[:, 0], TARGET, atol=1e-4)
    # A classifier's labels are left off, and its scores can be proven.
    forest = RandomForestClassifier(4, max_depth=3, random_state=0).fit(ROWS, TARGET > 0)
    lowered = at_scales("forest", exporting.from_sklearn(forest, ROWS.tolist(), name="forest").onnx, 10, 10)
    scores = lowered.score_many(lowered.circuit.quantise(ROWS))
    assert (np.argmax(scores, axis=1) == forest.predict(ROWS)).mean() > 0.95


def test_what_can_not_be_exported_is_said(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("skl2onnx")
    from sklearn.linear_model import LinearRegression

    with pytest.raises(ModelError, match="skl2onnx can't export LinearRegression"):
        sdk.from_sklearn(LinearRegression(), ROWS)
    with pytest.raises(ModelError, match="skl2onnx can't export object"):
        sdk.from_sklearn(object(), ROWS)
    for samples in (ROWS[0], [], [["a"]], [[1], [1, 2]], None):
        with pytest.raises(DataError, match="samples"):
            sdk.from_sklearn(LinearRegression(), samples)
    with pytest.raises(DataError, match="can't be written"):
        exporting.ExportedModel("m", b"").save(tmp_path / "none" / "model.onnx")
    monkeypatch.setitem(sys.modules, "skl2onnx", None)
    with pytest.raises(ToolMissing, match=r"pip install 'verifiable-oracle\[sklearn\]'"):
        sdk.from_sklearn(LinearRegression(), ROWS)


class Module:
    """A module as torch's exporter sees it."""

    def __init__(self) -> None:
        self.training = True

    def eval(self) -> None:
        self.training = False

    def train(self, mode: bool) -> None:
        self.training = mode


def test_a_module_is_exported_in_evaluation_mode_and_left_as_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    """A stand-in takes what torch.onnx.export takes: torch itself is too large for an environment of tests."""
    graph = model([node("MatMul", ["x", "w"])], [1, 3], [weights("w", [[1.0], [-2.0], [0.5]])])
    seen: list[Any] = []

    def export(module: Module, args: tuple[Any, ...], f: str, *, input_names: list[str], verbose: bool) -> None:
        seen.append((module.training, args, input_names))
        if isinstance(module, Unknown):
            raise RuntimeError("\x1b[96mno such\noperator\x1b[0m")
        if isinstance(module, Lacking):
            raise ModuleNotFoundError("No module named 'onnxscript'", name="onnxscript")
        Path(f).write_bytes(graph)

    class Unknown(Module):
        pass

    class Lacking(Module):
        pass

    torch = types.SimpleNamespace(
        onnx=types.SimpleNamespace(export=export), float32="float32", tensor=lambda rows, dtype: (rows, dtype)
    )
    monkeypatch.setitem(sys.modules, "torch", torch)
    module = Module()
    made = sdk.from_torch(module, ROWS, name="net")
    assert made.name == "net" and made.onnx == graph and module.training
    assert seen == [(False, (([ROWS[0].tolist()], "float32"),), ["x"])]
    for other, says in ((Unknown(), "RuntimeError: no such operator$"), (Lacking(), "pip install onnxscript")):
        with pytest.raises((ModelError, ToolMissing), match=says):
            sdk.from_torch(other, ROWS)
        assert other.training
    monkeypatch.setitem(sys.modules, "torch", None)
    with pytest.raises(ToolMissing, match="pip install torch onnxscript"):
        sdk.from_torch(module, ROWS)
