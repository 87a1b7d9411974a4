"""Tests of ezkl's defaults beside a model of a folder, with an engine that answers from a script."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from oracle.bench import ezkl_defaults
from oracle.bench.suite import defaults
from oracle.bench.suite.subjects import Subject
from oracle.bench.suite.trial import BuiltSubject, Truth
from oracle.core.errors import ArtifactError
from oracle.proving import tuning
from oracle.proving.lowering.program import ModelInput


class ScriptedEngine:
    """An engine whose proofs take 4 s for ezkl's circuit and 0.5 s for ours; it refuses fewer limbs than `limbs`."""

    limbs = 2
    verified = True

    @property
    def pid(self) -> int:
        """Return its place among the engines that were started."""
        return made.index(self)

    def __init__(self) -> None:
        self.calls: list[tuple[str, dict[str, Any]]] = []
        made.append(self)

    def __enter__(self) -> ScriptedEngine:
        return self

    def __exit__(self, *error: object) -> None:
        return None

    def call(self, op: str, /, **arguments: Any) -> Any:
        self.calls.append((op, arguments))
        match op:
            case "gen_settings" if arguments["run_args"]["decomp_legs"] < self.limbs:
                raise ArtifactError("ezkl refused gen_settings: reason: too large")
            case "calibrate_settings":
                return {"run_args": {"logrows": 15}, "num_rows": 9, "model_output_scales": [7]}
            case "prove":
                theirs = str(arguments["circuit"]).endswith("circuit")
                seconds = {"witness": 0.0, "prove": 4.0 if theirs else 0.5, "verify": 0.0}
                return {"verified": self.verified, "outputs": [130], "proof": "00" * 99, "seconds": seconds}
            case "peak_memory":
                return {"bytes": 400_000_000}
        return {}


made: list[ScriptedEngine] = []


@pytest.fixture(autouse=True)
def engine(monkeypatch: pytest.MonkeyPatch) -> None:
    made.clear()

    def cpu_seconds(at: int) -> float:
        """Return 12 s of CPU for each proof of ezkl's circuit, 2 s for ours, 5 s for keys and 100 s for their SRS."""
        each = {"prove": 12.0 if at == 1 else 2.0, "setup": 5.0, "gen_srs": 100.0}
        return sum(each.get(op, 0.0) for op, _ in made[at].calls)

    monkeypatch.setattr(defaults, "cpu_seconds", cpu_seconds)
    monkeypatch.setattr(ezkl_defaults, "cpu_seconds", cpu_seconds)
    monkeypatch.setattr(defaults, "EngineProcess", ScriptedEngine)


@pytest.fixture
def subject(tmp_path: Path) -> Subject:
    (tmp_path / "network.onnx").write_bytes(b"")
    (tmp_path / "input.json").write_text(json.dumps({"input_data": [[1, 2], [[3]]]}))
    return Subject("m", tmp_path / "network.onnx", tmp_path / "input.json")


@pytest.fixture
def built() -> BuiltSubject:
    """Return a built model of two inputs, the first of two numbers."""
    inputs = (ModelInput("a", (1, 2), 1), ModelInput("b", (1,), 1))
    program = cast(Any, SimpleNamespace(inputs=inputs, dropped="", order_only=""))
    rows = np.array([[1.0, 2.0, 3.0]])
    truth = Truth(program, rows, rows, np.array([[1.0]]), tuning.VerdictRule(tuning.Rule.TOLERANCE, 0.1))
    artifact = cast(Any, SimpleNamespace(file=lambda name: f"ours/{name}"))
    return BuiltSubject(artifact, truth, [1, 2, 3], [5])


def measured(subject: Subject, built: BuiltSubject | None, tmp_path: Path) -> dict[str, Any]:
    found: dict[str, Any] = {}
    folder = tmp_path / "work"
    folder.mkdir()
    tensors = defaults.tensors_of(subject, built)
    assert tensors == [[1.0, 2.0], [3.0]]
    defaults.measure(subject, built, tensors, 2, folder, found.update)
    return cast(dict[str, Any], found["defaults"])


@pytest.fixture
def _readable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(defaults, "read", lambda subject: b"model")


@pytest.mark.usefixtures("_readable")
def test_proofs_take_turns_and_their_times_are_compared(subject: Subject, built: BuiltSubject, tmp_path: Path) -> None:
    found = measured(subject, built, tmp_path)
    assert (found["result"], found["over_ours"], found["k"], found["legs"]) == ("proven", 8.0, 15, 2)
    assert found["cpu_over_ours"] == 6.0 and found["setup_cpu_s"] == 5.0
    assert found["memory_mb"] == 400.0 and found["proof_bytes"] == 99
    # 130 at scale 7 is 1.0156; the float model says 1.
    assert found["error"] == pytest.approx(2 / 128) and "first" not in found
    theirs, ours = made[1], made[2]
    assert [op for op, _ in theirs.calls] == ["prove"] * 3 + ["peak_memory"]
    assert [arguments["inputs"] for op, arguments in theirs.calls if op == "prove"] == [[[1.0, 2.0], [3.0]]] * 3
    assert [arguments["outputs"] for _, arguments in ours.calls] == [[5]] * 3
    # The pipeline has the input of the model, one list for each of its inputs.
    calibrated = next(arguments for op, arguments in made[0].calls if op == "calibrate_settings")
    assert calibrated["windows"] == [[[1.0, 2.0], [3.0]]]


@pytest.mark.usefixtures("_readable")
def test_limbs_are_raised_until_ezkl_takes_the_graph(
    subject: Subject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedEngine, "limbs", 4)
    found = measured(subject, None, tmp_path)
    assert found["result"] == "proven" and found["legs"] == 4 and "over_ours" not in found


@pytest.mark.usefixtures("_readable")
def test_what_ezkl_refuses_is_refused_with_its_reason(
    subject: Subject, built: BuiltSubject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedEngine, "limbs", 99)
    found = measured(subject, built, tmp_path)
    assert found["result"] == "refused" and found["why"].startswith("too large")


@pytest.mark.usefixtures("_readable")
def test_a_proof_of_ezkls_that_does_not_verify_does_not_count(
    subject: Subject, built: BuiltSubject, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ScriptedEngine, "verified", False)
    assert measured(subject, built, tmp_path)["result"] == "refused"
