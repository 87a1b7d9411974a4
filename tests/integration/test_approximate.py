"""Tests of approximate circuits with ezkl: the reference is the witness, and a model is built, proven and verified."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import onnxruntime
import pytest

import oracle
from oracle.app import circuits as app_circuits
from oracle.app.models import BuiltModel, ModelOptions, build_model, build_split_model, inspect_model
from oracle.app.regeneration import regenerated
from oracle.core.errors import ArtifactError, ConfigError, ModelError
from oracle.proving.approximate.band import side_of
from oracle.proving.artifact import CIRCUIT, MANIFEST, SETTINGS, SRS, VK, Visibility, load
from oracle.proving.artifact.circuit import run_args, unprotected
from oracle.proving.artifact.manifest import Manifest
from oracle.proving.engine.child import EngineProcess
from oracle.proving.imported import ImportedModel, Settings, legs_for, reference_of
from oracle.proving.inspect.artifact import inspect_artifact
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.functions import FUNCTIONS
from oracle.proving.lowering.loading import read_model
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.tuning.looked_up import at_level
from oracle.proving.tuning.request import Request, Rule, VerdictRule
from oracle.proving.tuning.search import Search
from tests.integration.workspace import run_command
from tests.models import model, node, weights

SAMPLES = np.random.default_rng(4).uniform(-0.8, 0.8, size=(120, 3)).astype(np.float32)


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    with EngineProcess(threads=1) as process:
        yield process


def witnesses(engine: EngineProcess, circuit: Circuit, folder: Path, windows: Any) -> list[list[int]]:
    base = 64
    chosen = Settings(
        circuit.input_scale, circuit.param_scale, base, legs_for(base, circuit.decomposed), rebase=circuit.rebase
    )
    made = ImportedModel("test", circuit, chosen)
    paths: dict[str, Any] = {name: str(folder / name) for name in ("model", "settings", "circuit")}
    Path(paths["model"]).write_bytes(made.to_onnx(1))
    arguments = run_args(made, Visibility.PUBLIC)
    written = engine.call("gen_settings", model=paths["model"], settings=paths["settings"], run_args=arguments)
    assert written["model_output_scales"] == [circuit.output_scale]
    engine.call("compile_circuit", **paths)
    return [engine.call("witness", circuit=paths["circuit"], inputs=each)["outputs"] for each in windows]


def test_every_function_of_the_reference_is_that_of_the_witness(engine: EngineProcess, tmp_path: Path) -> None:
    """All are in one circuit, on samples, at corners, and at 0; the scales are those that ezkl gives them."""
    shifts = {"Log": 1.0, "Reciprocal": 1.0, "Acosh": 2.0, "Sqrt": 0.9}
    nodes, parts = [], []
    for name in FUNCTIONS:
        value = "x"
        if name in shifts:
            nodes.append(node("Add", ["x", f"by_{name}"], f"x_{name}"))
            value = f"x_{name}"
        nodes.append(node(name, [value], f"f_{name}"))
        parts.append(f"f_{name}")
    constants = [weights(f"by_{name}", np.array([by])) for name, by in shifts.items()]
    data = model([*nodes, node("Concat", parts, axis=1)], ["N", 3], constants)
    program, problems = lower(read_model(data), approximate=True)
    assert program is not None and len(program.looked_up) == len(FUNCTIONS), problems
    circuit = at_level(Request("m", b"", SAMPLES), program, SAMPLES.astype(np.float64), 8)
    made = [list(each) for each in ImportedModel("m", circuit, _settings(circuit)).windows()][:4]
    windows = [*circuit.quantise(SAMPLES[:6]).tolist(), *made]
    assert witnesses(engine, circuit, tmp_path, windows) == circuit.evaluate_exactly(windows).tolist()


def test_values_are_joined_as_far_apart_as_the_witness_joins_them(engine: EngineProcess, tmp_path: Path) -> None:
    """ezkl would leave off the lift of 70 bits in silence, but not that of a constant that is used once."""
    nodes = [node("Mul", ["x", "x"], "a"), node("Mul", ["a", "a"], "b"), node("Mul", ["b", "b"], "c")]
    program, problems = lower(read_model(model([*nodes, node("Add", ["c", "x"])], ["N", 2], [])))
    assert program is not None, problems
    circuit = instantiate(program, 9, 4, 1 << 9)
    assert max(lift for step in circuit.steps for lift in step.lifts) == 63
    windows = [[509, -77]]
    assert witnesses(engine, circuit, tmp_path, windows) == circuit.evaluate_exactly(windows).tolist()
    with pytest.raises(ModelError, match=r"values whose scales are 2\^70 apart, and ezkl joins them up to 2\^63"):
        instantiate(program, 10, 4, 1 << 9)

    def constants(*last: Any) -> Circuit:
        constant = [weights("k", np.array([0.75, -1.5]))]
        program, problems = lower(read_model(model([*nodes, *last], ["N", 2], constant)))
        assert program is not None, problems
        return instantiate(program, 10, 4, 1 << 9)

    once = constants(node("Add", ["c", "k"]))
    assert witnesses(engine, once, tmp_path, windows) == once.evaluate_exactly(windows).tolist()
    with pytest.raises(ModelError, match=r"values whose scales are 2\^76 apart"):
        constants(node("Add", ["c", "k"], "d"), node("Add", ["d", "k"]))


@pytest.mark.parametrize("size", [0.02, 300.0])
def test_a_gain_is_computed_as_the_reference_says(engine: EngineProcess, tmp_path: Path, size: float) -> None:
    """Powers of two in front of squares: ezkl reads a product with one below 1 as a change of scale."""
    samples = (SAMPLES * size).astype(np.float32)
    data = model([node("LayerNormalization", ["x", "w"])], ["N", 3], [weights("w", [0.7, 1.2, -0.4])], opset=17)
    program, problems = lower(read_model(data), approximate=True)
    assert program is not None, problems
    circuit = at_level(Request("m", b"", samples), program, samples.astype(np.float64), 10)
    gains = [constant for name, constant in circuit.program.constants.items() if name.endswith("_gain")]
    assert len(gains) == 2 and (gains[0].max() > 1) == (size < 1)
    windows = circuit.quantise(samples[:6]).tolist()
    assert witnesses(engine, circuit, tmp_path, windows) == circuit.evaluate_exactly(windows).tolist()


def _settings(circuit: Circuit) -> Settings:
    legs = legs_for(64, circuit.decomposed)
    return Settings(circuit.input_scale, circuit.param_scale, 64, legs, rebase=circuit.rebase)


WEIGHTS = np.random.default_rng(6).normal(size=(3, 3)).astype(np.float32)
ATTENTION = model(
    [
        node("MatMul", ["x", "w"], "s"),
        node("Softmax", ["s"], "p", axis=1),
        node("Mul", ["p", "x"], "px"),
        node("MatMul", ["px", "ones"]),
    ],
    ["N", 3],
    [weights("w", WEIGHTS), weights("ones", np.array([[1.0], [1.0], [-1.0]]))],
)
"""A softmax in the middle of a model, which no exact circuit has."""


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    made = tmp_path_factory.mktemp("approximate")
    (made / "attention.onnx").write_bytes(ATTENTION)
    np.save(made / "samples.npy", SAMPLES)
    return made


@pytest.fixture(scope="module")
def built(folder: Path) -> BuiltModel:
    chosen = ModelOptions(
        onnx=folder / "attention.onnx",
        data=folder / "samples.npy",
        rule="threshold",
        max_flips=500,
        public_model=True,
        approximate=True,
        out=folder / "artifacts",
    )
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oracle.proving.tuning.measuring.FINALISTS", 1)
        patch.setattr("oracle.proving.tuning.looked_up.LEVELS", (8,))
        return build_model(chosen)


def floats(samples: np.ndarray) -> np.ndarray:
    session = onnxruntime.InferenceSession(ATTENTION, providers=["CPUExecutionProvider"])
    return np.ravel(session.run(None, {"x": samples})[0])


def test_the_manifest_says_how_far_it_is_from_the_model(built: BuiltModel) -> None:
    manifest = built.artifact.manifest
    facts = manifest.imported or {}
    circuit = reference_of(built.artifact)
    computed = circuit.evaluate(circuit.quantise(SAMPLES)).ravel() / manifest.score_unit
    errors = np.abs(computed - floats(SAMPLES))
    assert not manifest.exact
    assert list(manifest.errors) == [pytest.approx(errors.max())]
    assert list(manifest.guard_band) == [circuit.slack + int(np.ceil(errors.max() * manifest.score_unit))]
    assert facts["looked_up"] == ["node p_Softmax (Softmax)"] and facts["slack"] == circuit.slack > 0
    assert tuple(facts["table"]) == circuit.looked_up
    settings = json.loads((built.artifact.path / SETTINGS).read_text())
    assert settings["run_args"]["lookup_range"] == facts["table"]


def test_it_is_proven_and_verified_and_read_with_its_band(built: BuiltModel) -> None:
    proof = oracle.prove(built, SAMPLES, row=5)
    assert oracle.verify(built, proof)
    manifest = built.artifact.manifest
    near = proof.outputs[0] / manifest.score_unit
    assert abs(near - floats(SAMPLES[5:6])[0]) <= manifest.errors[0]
    assert side_of(manifest, proof.outputs[0], near) == "undecided"
    width = 1.01 * manifest.guard_band[0] / manifest.score_unit
    assert side_of(manifest, proof.outputs[0], near - width) == "above"
    assert side_of(manifest, proof.outputs[0], near + width) == "below"
    forged = replace(proof, outputs=(proof.outputs[0] + 1,))
    assert not oracle.verify(built, forged)


def test_a_stranger_makes_the_same_key_and_band(built: BuiltModel) -> None:
    again = regenerated(load(built.artifact.path, prover=False))
    assert again.ok, again.problems
    assert any(
        "not exact: within its guard band of ±0." in each for each in inspect_artifact(built.artifact.path).warnings
    )


EXACT: dict[str, Any] = {"exact": True, "errors": [], "guard_band": []}


@pytest.mark.attack
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"guard_band": [1]}, "the guard band of output 0 is 1: a prover may move it by"),
        ({"score_unit": 2}, r"its outputs are multiples of 1 / \d+, and its manifest says 1 / 2"),
        ({"errors": [0.9]}, "with its error of 0.9 the band must be at least"),
        (EXACT, "it is exact if nothing is looked up and nothing is divided"),
        (
            {"imported": {"looked_up": [], "rebase": 0}, "exact": True, "errors": [], "guard_band": []},
            "it says that it is exact, and a prover could choose the result of Exp",
        ),
        ({"imported": {"table": [-100_000, 0]}}, "is not in one column"),
        ({"imported": {"clip": 3}}, "states a table|differ"),
    ],
)
def test_a_maker_can_not_hide_what_it_may_choose(
    built: BuiltModel, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    """A manifest that says less than the graph is refused, although its own hash fits."""
    for each in built.artifact.path.iterdir():
        (tmp_path / each.name).write_bytes(each.read_bytes())
    document = built.artifact.manifest.document()
    document |= change | {"imported": document["imported"] | change.get("imported", {})}
    assert re.search(says, refusal_of(document, tmp_path))


def refusal_of(document: dict[str, Any], folder: Path) -> str:
    """Return why a stranger refuses an artifact with this manifest; "" if it is accepted."""
    try:
        altered = Manifest.from_document(document)
        stated = altered.document() | {"privacy": altered.privacy(), "artifact_hash": altered.computed_hash()}
        (folder / MANIFEST).write_text(json.dumps(stated))
        (folder / "probe.json").unlink(missing_ok=True)
        return "; ".join(regenerated(load(folder, prover=False)).problems)
    except (ArtifactError, ValueError) as error:
        return str(error)


@pytest.mark.attack
def test_no_feed_is_judged_by_it_unless_the_configuration_says_so(built: BuiltModel) -> None:
    config: Any = SimpleNamespace(prover=SimpleNamespace(approximate=False))
    with pytest.raises(ConfigError, match=r"is not exact: within ±0\.\d+ of the gate its prover decides"):
        app_circuits._require_exact(config, built.artifact)
    config.prover.approximate = True
    app_circuits._require_exact(config, built.artifact)


def test_a_public_one_with_verdicts_is_refused_split_or_not(folder: Path) -> None:
    chosen = ModelOptions(
        onnx=folder / "attention.onnx",
        data=folder / "samples.npy",
        approximate=True,
        public_model=True,
        disclosure="verdict",
        out=folder / "no",
    )
    for build in (build_model, lambda options: build_split_model(replace(options, split=True))):
        with pytest.raises(ModelError, match="everybody can derive the guard band: leave out --disclosure verdict"):
            build(chosen)
    assert not list((folder / "no").glob("attention*"))


@pytest.mark.parametrize("argmax", [False, True])
def test_a_private_one_publishes_verdicts_that_keep_to_the_band(
    folder: Path, engine: EngineProcess, tmp_path: Path, argmax: bool
) -> None:
    """The circuit compares with both ends of the band, and equals ezkl's witness."""
    data = (folder / "attention.onnx").read_bytes()
    asked = Request(
        "attention",
        data,
        SAMPLES,
        verdict=VerdictRule(Rule.THRESHOLD, 0.05),
        max_flips_per_10k=500,
        disclosure="verdict",
        approximate=True,
    )
    if argmax:
        nodes = [node("MatMul", ["x", "w"], "s"), node("Softmax", ["s"], "p", axis=1), node("Mul", ["p", "x"])]
        data = model(nodes, ["N", 3], [weights("w", WEIGHTS)])
        asked = replace(asked, data=data, verdict=VerdictRule(Rule.ARGMAX))
    search = Search(asked, lambda step: None)
    circuit, settings, segments = search.candidates()[0]
    fidelity = search.gate.fidelity(circuit)
    assert fidelity.flips == 0 < fidelity.undecided < fidelity.samples
    assert search.circuit(segments, settings).constants.keys() == circuit.constants.keys()
    found = search.model(circuit, settings, segments, fidelity)
    assert not found.approximation().exact and found.facts()["verdict"]["band"] > 0
    assert not unprotected(found.to_onnx(1))
    windows = circuit.quantise(SAMPLES[:8]).tolist()
    expected = circuit.evaluate_exactly(windows)
    assert set(expected.ravel().tolist()) <= ({0, 1} if argmax else {-1, 0, 1})
    assert witnesses(engine, circuit, tmp_path, windows) == expected.tolist()


def test_without_the_option_it_is_refused_with_the_option_named(folder: Path) -> None:
    chosen = ModelOptions(onnx=folder / "attention.onnx")
    report = inspect_model(chosen)
    assert [str(each) for each in report.problems] == [
        "node p_Softmax (Softmax): operator Softmax can't be proven exactly; add --approximate"
    ]
    assert inspect_model(replace(chosen, approximate=True)).problems == []


def test_the_command_says_what_is_approximate(built: BuiltModel, folder: Path) -> None:
    arguments = ["--data", str(folder / "samples.npy"), "--approximate", "--public-model", "--threshold", "0"]
    arguments += ["--max-flips", "500", "--settings", str(built.artifact.path / "tuning.json")]
    command = ["model", "build", "attention.onnx", *arguments, "--out", "artifacts"]
    done = run_command(folder, command, {})
    told = done.stdout + done.stderr
    for words in ("no exact circuit has node p_Softmax (Softmax)", "(measured, no bound)", "guard band: ±"):
        assert words in told, told


@pytest.mark.attack
def test_tables_that_lie_in_the_users_home_get_into_no_key(
    built: BuiltModel, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """ezkl keeps tables of lookups and range checks beside its reference strings, and believes what it finds there."""
    made = built.artifact
    for variable, home in (("HOME", tmp_path / "home" / ".ezkl"), ("EZKL_REPO_PATH", tmp_path / "named")):
        for low, high in ((0, 63), (0, 255), (0, 1023), (0, 4095), (-1, 1), (0, 1)):
            table = home / "cache" / f"rangecheck_{low}_{high}"
            table.mkdir(parents=True, exist_ok=True)
            (table / "inputs").write_bytes(b"\0" * 64)
        monkeypatch.setenv(variable, str(home if variable == "EZKL_REPO_PATH" else home.parent))
    before = sorted(tmp_path.rglob("*"))
    with EngineProcess(threads=1) as engine:
        key = tmp_path / "vk.key"
        engine.call("setup", circuit=made.file(CIRCUIT), vk=str(key), pk=str(tmp_path / "pk.key"), srs=made.file(SRS))
    assert key.read_bytes() == Path(made.file(VK)).read_bytes()
    assert {each.name for each in tmp_path.rglob("*")} - {each.name for each in before} == {"vk.key", "pk.key"}
