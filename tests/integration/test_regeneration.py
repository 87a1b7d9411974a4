"""Tests of artifacts whose key and bytecode are made again, with real keys: the honest ones, and what is made up."""

from __future__ import annotations

import json
import re
import shutil
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper, numpy_helper

from oracle.app.public_models import public_models
from oracle.audit.report import AuditedCircuit
from oracle.core.errors import ArtifactError
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.detectors.registry import packaged
from oracle.proving.artifact import (
    ARCHITECTURE,
    COMPILED,
    MANIFEST,
    MODEL,
    PROVER_FILES,
    SETTINGS,
    SOLIDITY,
    VK,
    Artifact,
    Manifest,
    Regeneration,
    Visibility,
    load,
    publish,
    regenerate,
    regeneration,
)
from oracle.proving.artifact.architecture import architecture_of, shown_constants
from oracle.proving.engine.child import EngineProcess
from oracle.proving.hashing import sha256_of
from tests.circuits import circuit, compiler, regenerated

DEFAULT = QuadraticModel.default()
Circuits = Callable[..., Artifact]


def again(artifact: Artifact, **options: Any) -> Regeneration:
    return regenerate(artifact, compiler, cache=regenerated(), **options)


def key_problems(artifact: Artifact) -> str:
    """Return what is wrong with settings and key; what is made for it is kept from the honest artifact."""
    return "; ".join(regenerate(artifact, None, cache=regenerated()).problems)


def made_up(artifact: Artifact, folder: Path, files: dict[str, bytes], **manifest: Any) -> Artifact:
    """Return a stranger's copy with other files and another manifest, all of whose hashes fit."""
    shutil.rmtree(folder, ignore_errors=True)
    copy = publish(artifact, folder).path
    for name, content in files.items():
        (copy / name).write_bytes(content)
    document = json.loads((copy / MANIFEST).read_text(encoding="utf-8")) | manifest
    document["files"] |= {name: sha256_of(copy / name) for name in files}
    document["artifact_hash"] = Manifest.from_document(document).computed_hash()
    (copy / MANIFEST).write_text(json.dumps(document), encoding="utf-8")
    return load(copy, prover=False)


def floats(graph: bytes) -> list[np.ndarray[Any, Any]]:
    arrays = [numpy_helper.to_array(each) for each in onnx.load_model_from_string(graph).graph.initializer]
    return [array for array in arrays if array.dtype.kind == "f"]


def values(graph: bytes) -> np.ndarray[Any, Any]:
    return np.concatenate([array.ravel() for array in floats(graph)])


# --- honest artifacts ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "source"),
    [
        ({}, "architecture"),
        ({"batch": 2, "disclosure": Disclosure.VERDICT}, "architecture"),
        ({"visibility": Visibility.PUBLIC}, "model"),
    ],
)
def test_a_stranger_makes_key_and_bytecode_again(
    circuits: Circuits, tmp_path: Path, options: dict[str, Any], source: str
) -> None:
    artifact = circuits(**options)
    copy = publish(artifact, tmp_path / "copy")
    assert not {each.name for each in copy.path.iterdir()} & set(PROVER_FILES)
    found = again(copy)
    assert (found.problems, found.key_from, found.ok) == ((), source, True)
    assert found.code is not None and found.code.runtime == artifact.verifier().runtime
    with pytest.raises(ArtifactError, match="can't be written to"):
        publish(artifact, tmp_path / "copy")


def test_what_was_made_is_not_made_twice(circuits: Circuits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    cache = tmp_path / "cache"
    first = regenerate(circuits(), compiler, cache=cache)
    with monkeypatch.context() as patched:
        patched.setattr(EngineProcess, "call", None)
        second = regenerate(circuits(), compiler, cache=cache)
    assert replace(second, seconds=first.seconds) == first and first.ok
    # A damaged entry is no evidence: what it says is made again.
    for entry in cache.glob("*.json"):
        entry.write_text(entry.read_text(encoding="utf-8").replace('"vk": "', '"vk": "0'), encoding="utf-8")
    assert regenerate(circuits(), None, cache=cache).problems == ()


def test_the_architecture_has_nothing_of_the_weights(circuits: Circuits) -> None:
    artifact = circuits()
    shown = (artifact.path / ARCHITECTURE).read_bytes()
    own = floats((artifact.path / MODEL).read_bytes())
    assert [each.shape for each in floats(shown)] == [each.shape for each in own]
    assert not np.isin(values((artifact.path / MODEL).read_bytes()), values(shown)).any()
    assert DEFAULT.name.encode() not in shown and shown_constants(shown, DEFAULT.param_scale) == []
    # Other weights: zeros among them, other signs of nothing, all of them larger. Not a byte differs.
    for weights in (
        {"past": (0, *DEFAULT.past[1:-1], 0)},
        {"past": DEFAULT.past[::-1], "floor": 3 * DEFAULT.floor, "drift_floor": 7},
    ):
        other = replace(DEFAULT, name="other", **weights)
        assert architecture_of(other.to_onnx(1), other.param_scale) == shown
    negative = onnx.load_model_from_string((artifact.path / MODEL).read_bytes())
    for each in negative.graph.initializer:
        array = numpy_helper.to_array(each)
        if array.dtype.kind == "f":
            each.CopyFrom(numpy_helper.from_array(-array, each.name))
    assert architecture_of(negative.SerializeToString(), DEFAULT.param_scale) == shown


def test_a_key_that_shows_a_weight_is_told(circuits: Circuits) -> None:
    """ezkl's reader leaves out a product with zero: the circuit has fewer rows, and everybody sees it."""
    artifact = circuits(model=replace(DEFAULT, name="zero", drift_past=0))
    found = again(artifact)
    assert found.ok, found.problems
    shown = (artifact.path / ARCHITECTURE).read_bytes()
    assert shown_constants(shown, DEFAULT.param_scale) == ["constant_7"]
    assert found.notes[0].endswith("the key depends on values of the model, so that everybody sees them: constant_7")
    own = values((artifact.path / MODEL).read_bytes())
    assert own[np.isin(own, values(shown))].tolist() == [0.0]


# --- made-up artifacts ---------------------------------------------------------------------------------------------


@pytest.mark.attack
@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"check_mode": "SAFE"}, 'its settings differ: run_args.check_mode is "SAFE", and "UNSAFE" follows'),
        ({"disable_freivalds": False}, "run_args.disable_freivalds is false, and true follows"),
        ({"scale_rebase_multiplier": 1}, "run_args.scale_rebase_multiplier is 1, and 1000 follows"),
        ({"lookup_range": [-4, 4]}, r"run_args.lookup_range is \[-4, 4\], and \[0, 1\] follows"),
        ({"param_scale": 7}, "run_args.param_scale is 7, and 20 follows"),
        ({"logrows": 11}, "run_args.logrows is 11, and 10 follows"),
        ({"decomp_base": 2, "decomp_legs": 253}, "253 digits of base 2 reach around the field"),
        ({"decomp_base": 1 << 30}, "digits or columns that no circuit has"),
        ({"decomp_base": "2"}, "digits or columns that no circuit has"),
    ],
)
def test_settings_that_weaken_a_circuit_are_named(
    circuits: Circuits, tmp_path: Path, change: dict[str, Any], says: str
) -> None:
    artifact = circuits()
    settings = json.loads((artifact.path / SETTINGS).read_text(encoding="utf-8"))
    settings["run_args"] |= change
    altered = made_up(artifact, tmp_path / "copy", {SETTINGS: json.dumps(settings).encode()})
    assert re.search(says, key_problems(altered))


@pytest.mark.attack
def test_settings_are_compared_whole(circuits: Circuits, tmp_path: Path) -> None:
    artifact = circuits()
    settings = json.loads((artifact.path / SETTINGS).read_text(encoding="utf-8"))
    for change, says in (
        ({"num_rows": 1}, "its settings differ: num_rows is 1, and"),
        ({"required_lookups": ["x"]}, 'its settings differ: required_lookups is ["x"], and [] follows'),
        ({"more": 1}, "its settings differ: more is unknown"),
    ):
        altered = made_up(artifact, tmp_path / "copy", {SETTINGS: json.dumps(settings | change).encode()})
        assert says in key_problems(altered)


@pytest.mark.attack
def test_another_key_and_another_verifier_are_found(circuits: Circuits, tmp_path: Path) -> None:
    artifact, other = circuits(), circuits(disclosure=Disclosure.VERDICT)
    # The key of another circuit, with the verifier that follows from it: all of it is consistent but for the graph.
    altered = made_up(artifact, tmp_path / "key", {VK: (other.path / VK).read_bytes()})
    found = again(altered)
    assert not found.ok and found.key_from == ""
    assert "its key is not that of the graph" in found.problems[0]
    assert any("is not that of its key's verifier" in each for each in found.problems)
    # Source and bytecode of another verifier.
    compiled = json.loads((artifact.path / COMPILED).read_text(encoding="utf-8"))
    compiled["bytecode"] = "00" + compiled["bytecode"]
    source = artifact.verifier_source().replace("eq(proof.offset, 0x64)", "1")
    files = {COMPILED: json.dumps(compiled).encode(), SOLIDITY: source.encode()}
    found = again(made_up(artifact, tmp_path / "code", files, proof_bytes=artifact.manifest.proof_bytes))
    assert found.key_from == "architecture", "the key is the honest one"
    assert [each.partition(": ")[2] for each in found.problems] == [
        "Verifier.sol is not the verifier of its key",
        "the creation code in verifier.json is not that of its key's verifier",
    ]
    assert found.code is not None and found.code.bytecode == artifact.verifier().bytecode


@pytest.mark.attack
def test_a_window_is_cut_as_the_contract_cuts_it(circuits: Circuits, tmp_path: Path) -> None:
    """As many integers in all are not enough: the prover would choose one that the contract takes for a feature."""
    artifact = circuits()
    manifest = artifact.manifest
    altered = made_up(
        artifact, tmp_path / "copy", {}, width=manifest.width - 1, outputs=manifest.outputs + 1, features=[]
    )
    assert "its circuit publishes [[1, 14], [1, 2]], its manifest says [[1, 13], [1, 3]]" in key_problems(altered)


@pytest.mark.attack
def test_a_graph_that_hides_something_ends_nothing(circuits: Circuits, tmp_path: Path) -> None:
    artifact = circuits()
    graph = onnx.load_model_from_string((artifact.path / ARCHITECTURE).read_bytes())
    outside = onnx.ModelProto.FromString(graph.SerializeToString())
    outside.graph.initializer[0].data_location = onnx.TensorProto.EXTERNAL
    inside = onnx.ModelProto.FromString(graph.SerializeToString())
    inside.graph.node[0].attribute.append(onnx.helper.make_attribute("value", graph.graph.initializer[0]))
    for content, says in (
        (b"no graph", "the graph is no ONNX"),
        (outside.SerializeToString(), "constants or operators that are not written in it"),
        (inside.SerializeToString(), "constants or operators that are not written in it"),
        (onnx.ModelProto().SerializeToString(), "its key can't be made again: "),
    ):
        assert says in key_problems(made_up(artifact, tmp_path / "copy", {ARCHITECTURE: content}))


@pytest.mark.attack
@pytest.mark.parametrize("operator", ["Sqrt", "Reciprocal", "Exp", "Floor"])
def test_a_circuit_that_rounds_can_not_be_passed_off_as_exact(
    circuits: Circuits, tmp_path: Path, operator: str
) -> None:
    """Some functions need no table, so that neither settings nor run arguments give them away: the graph does."""
    artifact = circuits()
    graph = onnx.load_model_from_string((artifact.path / ARCHITECTURE).read_bytes())
    last = graph.graph.node[-1]
    result, last.output[0] = last.output[0], "before"
    graph.graph.node.append(helper.make_node(operator, ["before"], [result], name="last"))
    copy = made_up(artifact, tmp_path / "copy", {ARCHITECTURE: graph.SerializeToString()})
    assert copy.manifest.exact
    assert f"a prover could choose the result of {operator} last" in key_problems(copy)


@pytest.mark.attack
def test_files_that_make_no_sense_are_told_in_one_line(circuits: Circuits, tmp_path: Path) -> None:
    """Their hashes fit. A folder of artifacts may come from a stranger, and no file in it ends an audit."""
    artifact = circuits()
    for files in (
        {COMPILED: b"[]"},
        {COMPILED: b'{"abi": [], "bytecode": "zz", "runtime": ""}'},
        {COMPILED: b"[" * 100_000},
        {SOLIDITY: b"\xff"},
        {SETTINGS: b"[]"},
        {SETTINGS: b"[" * 100_000},
    ):
        with pytest.raises(ArtifactError):
            made_up(artifact, tmp_path / "copy", files)
    zeros = [0] * artifact.manifest.outputs
    rounds = {"exact": False, "errors": zeros, "guard_band": zeros}
    copy = made_up(artifact, tmp_path / "copy", {}, imported={"rebase": "x"}, **rounds)
    assert "its key can't be made again" in key_problems(copy)
    document = json.loads((copy.path / MANIFEST).read_text(encoding="utf-8"))
    changes: list[dict[str, Any]] = [
        {"batch": "1"},
        {"k": None},
        {"width": -1},
        {"name": 7},
        {"verifier_code_hash": "0x12"},
        {"files": {"vk.key": 1}},
        {"imported": json.loads("[" * 70 + "]" * 70)},
    ]
    for change in changes:
        (copy.path / MANIFEST).write_text(json.dumps(document | change), encoding="utf-8")
        with pytest.raises(ArtifactError, match="is not a manifest of this release"):
            load(copy.path, prover=False)


def test_another_release_is_told(circuits: Circuits, tmp_path: Path) -> None:
    altered = made_up(circuits(), tmp_path / "copy", {}, hardening=2)
    found = again(altered)
    assert (found.ok, found.code) == (False, None) and "check it with the release" in found.problems[0]


# --- public models -------------------------------------------------------------------------------------------------


def test_the_packaged_model_is_told_from_others(circuits: Circuits, tmp_path: Path) -> None:
    """Anyone can compare the public graph with the model that the package has."""
    other, private = circuits(visibility=Visibility.PUBLIC), circuits()
    own = circuit(packaged(), 1, Visibility.PUBLIC)
    for each in (own, other, private):
        publish(each, tmp_path / each.path.name)
    (tmp_path / "broken").mkdir()
    (tmp_path / "broken" / MANIFEST).write_text("{")
    listed = [
        AuditedCircuit(number, 1, "0x", each.artifact_hash, again(each).key_from, "insecure-local", is_tied=True)
        for number, each in enumerate((own, other, private), 1)
    ]
    assert sorted(public_models(listed, tmp_path)) == [
        f"model 1, 1 window: it is the packaged model {packaged().name}",
        f"model 2, 1 window: it is public, and not the packaged {packaged().name}",
    ]
    assert public_models([replace(each, is_tied=False) for each in listed], tmp_path) == []


@pytest.mark.attack
def test_a_graph_that_takes_all_memory(circuits: Circuits, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each node doubles what it is given: a kilobyte of graph would take 600 MB and a thousand times more."""
    monkeypatch.setattr(regeneration, "usable_memory_mb", lambda: 800)
    nodes = [helper.make_node("Concat", [f"c{at}", f"c{at}"], [f"c{at + 1}"], axis=1) for at in range(24)]
    nodes.append(helper.make_node("ReduceSum", ["c24", "axis"], ["output"], keepdims=1))
    given = helper.make_tensor_value_info("c0", onnx.TensorProto.FLOAT, [1, 9])
    result = helper.make_tensor_value_info("output", onnx.TensorProto.FLOAT, [1, 1])
    axis = numpy_helper.from_array(np.array([1], dtype=np.int64), "axis")
    graph = helper.make_graph(nodes, "graph", [given], [result], [axis])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    false = made_up(circuits(), tmp_path / "false", {ARCHITECTURE: model.SerializeToString()})
    [problem] = regenerate(false, None, cache=None).problems
    assert "its key can't be made again: gen_settings took " in problem
