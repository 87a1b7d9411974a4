"""Tests of `oracle model inspect` and `oracle srs` on artifacts that are whole, partial, damaged or none at all."""

from __future__ import annotations

import json
import os
import re
import shutil
from collections.abc import Callable
from dataclasses import asdict
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from oracle.cli import oracle as command_line
from oracle.core.errors import DataError, OracleError
from oracle.proving.artifact import (
    MANIFEST,
    PROBE,
    PROVER_FILES,
    SETTINGS,
    SRS,
    Artifact,
    Manifest,
    Visibility,
    srs_uses,
)
from oracle.proving.inspect.artifact import inspect_artifact
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.ceremony import CEREMONY_SHA256
from oracle.proving.srs.check import check_srs
from tests.integration.workspace import Done, run_command


@pytest.fixture(scope="module")
def artifact(circuits: Any) -> Artifact:
    made: Artifact = circuits()
    return made


@pytest.fixture
def copy(artifact: Artifact, tmp_path: Path) -> Path:
    return shutil.copytree(artifact.path, tmp_path / "artifact")


def auditors(copy: Path) -> Path:
    """Return a copy with only the files that an auditor gets."""
    for name in (*PROVER_FILES, PROBE):
        (copy / name).unlink()
    return copy


def run(*arguments: str) -> Result:
    return CliRunner(env={"COLUMNS": "200", "ORACLE_CONFIG": ""}).invoke(command_line, [*arguments])


def command(folder: Path, *arguments: str) -> Done:
    """Run a command without any configuration and with a cache of its own."""
    with pytest.MonkeyPatch.context() as patch:
        for name in [name for name in os.environ if name.startswith("ORACLE_")]:
            patch.delenv(name)
        return run_command(folder, arguments, {"XDG_CACHE_HOME": str(folder / "cache"), "COLUMNS": "200"})


def test_everything_is_told(artifact: Artifact) -> None:
    found = inspect_artifact(artifact.path)
    manifest = artifact.manifest
    assert (found.name, found.batch, found.width, found.outputs) == (manifest.name, 1, 14, 2)
    assert found.features == manifest.features
    assert found.complete
    assert found.graph is not None
    assert found.graph.inputs == ("x: float[1, 14]",) and found.graph.outputs == ("s: float[1, 2]",)
    assert found.graph.operators["MatMul"] == 1 and sum(found.graph.operators.values()) > 5
    # The weights: 12 of the past, two floors and a bound; and the constants that slices need.
    assert {"a: float[12, 1]", "omega: float[1]"} <= set(found.graph.initializers)
    settings = json.loads((artifact.path / SETTINGS).read_text())
    circuit = found.circuit
    assert (circuit.k, circuit.rows_used, circuit.rows_available) == (10, settings["num_rows"], 1_018)
    assert 0 < circuit.rows_of_hash <= circuit.rows_used
    assert circuit.lookups == () and circuit.param_scale == manifest.param_scale and circuit.inner_columns == 1
    assert set(circuit.columns) == {"advice", "fixed", "permutation"} and min(circuit.columns.values()) > 0
    assert found.cost.proof_bytes == 2_336 and found.cost.instances == 17
    assert found.cost.verifier_bytes == len(artifact.verifier().runtime)
    assert (found.visibility, found.disclosure, found.srs_origin) == ("private", "score", "insecure-local")
    assert found.privacy == artifact.manifest.privacy() and found.privacy["weights"]["bound_by"] == "model_hash"
    assert "whoever generated it can forge proofs" in found.srs_means
    assert any("generated locally" in warning for warning in found.warnings)
    assert found.fidelity is None and found.cost.measured is None
    assert found.hashes["artifact"] == manifest.artifact_hash
    assert found.hashes["model"] == f"{manifest.model_hash:#066x}"
    assert found.hashes["onnx"] == manifest.files["model.onnx"]
    assert found.hashes["verifier code (keccak256)"] == "0x" + artifact.verifier().code_hash.hex()
    assert len(set(found.hashes.values())) == len(found.hashes)


@pytest.mark.parametrize(("visibility", "batch", "measured"), [("private", 1, 467_722), ("public", 1, 385_503)])
def test_the_estimate_is_near_what_was_measured(circuits: Any, visibility: str, batch: int, measured: int) -> None:
    """The measured figures are the benchmark's; its windows lie between a calm one and one with negative moves only."""
    cost = inspect_artifact(circuits(batch=batch, visibility=Visibility(visibility)).path).cost
    assert cost.verify_gas_estimate * 0.97 < measured < cost.verify_gas_estimate_most * 1.03
    assert cost.verify_gas_estimate_most < 1.05 * cost.verify_gas_estimate
    assert cost.floor_gas < measured
    assert cost.calldata_gas < cost.calldata_gas_most


def test_calldata_is_what_a_caller_sends(artifact: Artifact) -> None:
    from eth_abi.abi import encode

    from oracle.proving.gas import calldata_gas

    probe = artifact.probe()
    instances = artifact.instances([probe.window], [probe.scores])
    sent = b"\xff" * 4 + encode(["bytes", "uint256[]"], [probe.proof, instances])
    cost = inspect_artifact(artifact.path).cost
    assert (cost.calldata_bytes, cost.calldata_gas) == (len(sent), calldata_gas(sent))


def test_a_public_model_has_no_hash_of_its_own(circuits: Any) -> None:
    found = inspect_artifact(circuits(visibility=Visibility.PUBLIC).path)
    assert found.hashes["model"] == "in the verifying key"
    assert found.visibility_means.startswith("fixed")
    assert not any("secret" in file.readers for file in found.files)


def test_who_may_have_which_file(artifact: Artifact) -> None:
    readers = {file.name: file.readers for file in inspect_artifact(artifact.path).files}
    assert {name for name, who in readers.items() if who == "anyone"} == {
        "settings.json",
        "vk.key",
        "kzg.srs",
        "Verifier.sol",
        "verifier.json",
        "architecture.onnx",
        "probe.json",
        "manifest.json",
    }
    assert {name for name, who in readers.items() if "secret" in who} == {"model.onnx", "circuit.ezkl"}
    assert set(readers) == {path.name for path in artifact.path.iterdir()}


def test_a_copy_for_strangers_tells_all_but_weights_and_names(artifact: Artifact, copy: Path) -> None:
    whole, part = inspect_artifact(artifact.path), inspect_artifact(auditors(copy))
    assert not part.complete and part.graph.operators == whole.graph.operators
    assert part.graph.initializers[0].startswith("constant_0: ") and part.graph.inputs == whole.graph.inputs
    assert (part.circuit, part.hashes, part.visibility) == (whole.circuit, whole.hashes, whole.visibility)
    assert part.cost.proof_bytes == whole.cost.proof_bytes
    assert [file.name for file in part.files if file.bytes is None] == [*PROVER_FILES, PROBE]
    shown = run("model", "inspect", str(copy))
    assert shown.exit_code == 0, shown.output
    assert "Gather" in shown.output and "not here" in shown.output


def test_tables_and_json_say_the_same(artifact: Artifact) -> None:
    shown = run("model", "inspect", str(artifact.path))
    assert shown.exit_code == 0, shown.output
    found = inspect_artifact(artifact.path)
    for text in (*found.hashes.values(), "(estimated)", "(computed)", "MatMul", "forge proofs", f"{2_336:,} bytes"):
        assert text in shown.output
    told = json.loads(run("model", "inspect", str(artifact.path), "--json").output)
    assert told == json.loads(json.dumps(asdict(found)))


def test_fidelity_and_measurements_of_tuning_are_told(copy: Path) -> None:
    tuning = {
        "fidelity": {"samples": 10_000, "flips": 0},
        "candidates": [{"chosen": False, "seconds": 9.0}, {"chosen": True, "seconds": 0.25, "proof_bytes": 2_336}],
    }
    (copy / "tuning.json").write_text(json.dumps(tuning))
    found = inspect_artifact(copy)
    assert found.fidelity == tuning["fidelity"]
    assert found.cost.measured == {"seconds": 0.25, "proof_bytes": 2_336}
    assert any("covered by no hash" in warning for warning in found.warnings)
    extra = [file for file in found.files if file.name == "tuning.json"]
    assert [(file.readers, file.sha256) for file in extra] == [("prover", None)]
    assert "seconds: 0.25" in run("model", "inspect", str(copy)).output


def older(copy: Path) -> None:
    document = json.loads((copy / MANIFEST).read_text())
    (copy / MANIFEST).write_text(json.dumps(document | {"schema": 1}))


def strange_settings(copy: Path) -> None:
    """Give an artifact unusual settings, and hashes that fit."""
    import hashlib

    kept = json.dumps({"run_args": json.loads((copy / SETTINGS).read_text())["run_args"]})
    (copy / SETTINGS).write_text(kept)
    document = json.loads((copy / MANIFEST).read_text())
    document["files"][SETTINGS] = hashlib.sha256(kept.encode()).hexdigest()
    document["artifact_hash"] = Manifest.from_document(document).computed_hash()
    (copy / MANIFEST).write_text(json.dumps(document))
    (copy / PROBE).unlink()


@pytest.mark.parametrize(
    ("harm", "says"),
    [
        (lambda copy: shutil.rmtree(copy), "there is no artifact"),
        (lambda copy: (copy / MANIFEST).unlink(), "there is no artifact"),
        (lambda copy: (copy / MANIFEST).write_text("{"), "not a manifest of this release"),
        (lambda copy: (copy / MANIFEST).write_bytes(b"\xff\xfe"), "not a manifest of this release"),
        (lambda copy: (copy / MANIFEST).write_text("[]"), "not a manifest of this release"),
        (older, "schema 1; this release reads 4"),
        (lambda copy: (copy / "vk.key").unlink(), "lacks vk.key"),
        (lambda copy: (copy / "vk.key").write_bytes(b""), "vk.key is corrupt"),
        (lambda copy: (copy / "model.onnx").write_bytes(b""), "model.onnx is corrupt"),
        (strange_settings, "not of the form that this release writes"),
    ],
)
def test_what_is_no_artifact_is_one_line_and_exit_code_2(copy: Path, harm: Callable[[Path], object], says: str) -> None:
    harm(copy)
    with pytest.raises(DataError, match=says) as refused:
        inspect_artifact(copy)
    assert refused.value.exit_code == 2
    assert "\n" not in str(refused.value)


def test_a_file_is_no_artifact(artifact: Artifact, tmp_path: Path) -> None:
    done = command(tmp_path, "model", "inspect", str(artifact.path / MANIFEST))
    assert done.returncode == 2
    assert done.stderr.startswith("error: ") and "is a file; an artifact is the folder" in done.stderr


# --- oracle srs ------------------------------------------------------------------------------------------------------


def test_a_local_string_is_generated_only_on_request(tmp_path: Path) -> None:
    refused = command(tmp_path, "srs", "generate", "4")
    assert refused.returncode == 2
    assert "say --insecure" in refused.stderr and "oracle srs fetch 4" in refused.stderr
    assert not list(tmp_path.rglob("*.srs"))
    made = command(tmp_path, "srs", "generate", "4", "--insecure")
    assert made.returncode == 0, made.stderr
    path = Path(made.stdout.strip())
    assert path.is_file() and path.is_relative_to(tmp_path / "cache")
    listed = {each["path"]: each["origin"] for each in json.loads(command(tmp_path, "srs", "list", "--json").stdout)}
    assert listed[str(path)] == "insecure-local"


@pytest.mark.parametrize(
    ("what", "says"),
    [
        ((), "say what for"),
        (("27",), "known for k of 1 to 26"),
        (("none",), "neither a k nor an artifact's folder"),
        (("10", "--mirror", "mirror.example"), "write it as https://host/path"),
    ],
)
def test_what_can_not_be_fetched(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: tuple[str, ...], says: str
) -> None:
    monkeypatch.chdir(tmp_path)
    done = run("srs", "fetch", *what)
    assert isinstance(done.exception, DataError)
    assert says in str(done.exception)


def test_fetching_for_an_artifact_or_a_configuration(
    artifact: Artifact, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project_root: Path
) -> None:
    """Nothing serves the mirror, so the message shows what was requested."""
    from oracle.chain.local.ports import reserved_port

    monkeypatch.chdir(tmp_path)
    mirror = ("--mirror", f"http://127.0.0.1:{reserved_port()}", "--deadline", "0.2")
    text = (project_root / "config.example.toml").read_text()
    cache = f'artifacts = "{tmp_path}/artifacts"\n'
    (tmp_path / "oracle.toml").write_text(text.replace("[prover]\n", f"[prover]\n{cache}", 1))
    for what, needs in (((str(artifact.path),), r"/kzg10\.srs"), ((), r"/kzg\d+\.srs")):
        done = run("srs", "fetch", *what, *mirror)
        assert isinstance(done.exception, OracleError), done.output
        assert done.exception.exit_code == 75
        assert re.search(needs, str(done.exception))


def test_verify_names_users_and_what_is_wrong(artifact: Artifact, copy: Path, tmp_path: Path) -> None:
    folder = tmp_path / "work" / "artifacts"
    folder.mkdir(parents=True)
    one, two = folder / "one", folder / "two"
    shutil.copytree(copy, one)
    shutil.copytree(copy, two)
    cache = SrsCache(folder.parent / "srs")
    # Artifacts carry their own string, so the cache may be empty.
    (alone,) = check_srs([(cache, srs_uses(folder))])
    assert (alone.cached, alone.k, alone.origin, alone.problem) == (False, 10, "insecure-local", None)
    assert alone.used_by == ("one", "two")
    cache.directory.mkdir(exist_ok=True)
    shutil.copyfile(one / SRS, cache.directory / "insecure-local-k10.srs")
    (cached,) = check_srs([(cache, srs_uses(folder))])
    assert (cached.cached, cached.used_by, cached.problem) == (True, ("one", "two"), None)
    # One artifact's own copy is damaged, and one file has a wrong name.
    (two / SRS).write_bytes(b"damaged")
    shutil.copyfile(one / SRS, cache.directory / "public-ceremony-k10.srs")
    problems = {finding.path: finding.problem for finding in check_srs([(cache, srs_uses(folder))]) if finding.problem}
    assert set(problems) == {str(two / SRS), str(cache.directory / "public-ceremony-k10.srs")}
    assert "is corrupt in two" in str(problems[str(two / SRS)])
    assert "oracle srs fetch 10" in str(problems[str(cache.directory / "public-ceremony-k10.srs")])


def test_verify_exits_with_1_if_something_is_wrong(tmp_path: Path) -> None:
    assert command(tmp_path, "srs", "generate", "4", "--insecure").returncode == 0
    assert 4 in CEREMONY_SHA256
    fine = command(tmp_path, "srs", "verify")
    assert fine.returncode == 0, fine.stdout + fine.stderr
    assert "can forge proofs" in fine.stdout
    made = next(tmp_path.rglob("insecure-local-k4.srs"))
    shutil.copyfile(made, made.with_name("public-ceremony-k4.srs"))
    wrong = command(tmp_path, "srs", "verify", "--json")
    assert wrong.returncode == 1
    problems = [finding["path"] for finding in json.loads(wrong.stdout) if finding["problem"]]
    assert problems == [str(made.with_name("public-ceremony-k4.srs"))]
