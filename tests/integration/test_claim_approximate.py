"""Tests of claims about an approximate model with real proofs: by the client, by command, and by hostile provers."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from click.testing import CliRunner

import oracle
from oracle.app.claim_service.desk import _described, _refusal
from oracle.claims import AtLeast, Between, ClaimBound, ClaimTerms, ModelSpec, ZkmlClient
from oracle.claims.circuit import stated_band
from oracle.claims.client import ClaimNotMet
from oracle.claims.onchain import require_tied
from oracle.cli import oracle as command
from oracle.core.errors import DataError
from oracle.proving.artifact import CIRCUIT, PK, SETTINGS, SRS, VK, Visibility
from oracle.proving.artifact.circuit import arranged, run_args
from oracle.proving.engine.child import EngineProcess
from oracle.proving.exporting import ExportedModel
from tests import circuits
from tests.claim_models import approximate
from tests.models import model, node, weights

NAME = "growth"
SUBJECT = "0x70997970C51812dc3A010C7d01b50e0d17dc79C8"
FAR = (1 << 40) - 1
DATA = {"a": 0.4, "b": 1.5}
SALT = (1, 2, 3)
SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "a": {"type": "number", "minimum": -1, "maximum": 1},
        "b": {"type": "number", "minimum": 0, "maximum": 4},
    },
}


def growth() -> ModelSpec:
    """Return an approximate model with the exponential of a layer in it, at a coarse scale: its table is small."""
    nodes = [node("MatMul", ["x", "w"], "s"), node("Exp", ["s"], "e"), node("MatMul", ["e", "v"])]
    constants = [weights("w", np.array([[0.5, -0.25], [0.125, 0.25]])), weights("v", np.array([[0.75], [-0.5]]))]
    data = model(nodes, ["N", 2], constants)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oracle.claims.measuring.LEVELS", (8,))
        return oracle.claim_model(NAME, ExportedModel(NAME, data), SCHEMA, approximate=True)


def value() -> float:
    """Return what the float model gives of the data."""
    a, b = DATA["a"], DATA["b"]
    return float(0.75 * np.exp(0.5 * a + 0.125 * b) - 0.5 * np.exp(-0.25 * a + 0.25 * b))


@pytest.fixture(scope="module")
def client() -> Iterator[ZkmlClient]:
    with ZkmlClient(circuits.folder()) as made:
        made.register_model(growth())
        yield made


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    with EngineProcess(threads=1) as process:
        yield process


def test_a_claim_is_proven_beyond_the_band_and_refused_within(client: ZkmlClient) -> None:
    registered = client.registered(NAME)
    band = registered.spec.card["guard_band"]
    assert 0 < band < 0.2 and registered.told_band == f"±{band:.3g} of each bound"
    claim = client.generate_inference_proof(
        NAME, DATA, AtLeast(value() - 2.1 * band), SUBJECT, salt=SALT, expires_at=FAR
    )
    assert client.verify_inference_proof(claim)
    # True of the float model, and too near its bound; false. The message is the same: it tells nothing of the output.
    said = set()
    for bound in (value() - 0.1 * band, value() + 5 * band):
        with pytest.raises(ClaimNotMet, match=r"outside the range, or within the guard band \(±") as refused:
            client.prepare(NAME, DATA, AtLeast(bound), SUBJECT)
        said.add(str(refused.value))
    assert len(said) == 1
    with pytest.raises(DataError, match="no claim with them can be proven"):
        client.prepare(NAME, DATA, Between(value() - 0.5 * band, value() + 0.5 * band), SUBJECT)
    # What a service tells is the same.
    assert _described(registered).guard_band == registered.told_band in _refusal(registered)
    manifest = registered.artifact.manifest
    assert not manifest.exact and (manifest.imported or {})["claim"]["guard_band"] == registered.circuit.band
    assert stated_band(registered.artifact) == band


async def test_strangers_make_its_key_again(client: ZkmlClient) -> None:
    assert (await require_tied(client.registered(NAME))).ok


@pytest.mark.attack
def test_a_prover_with_an_engine_of_its_own_proves_nothing_within_the_band(
    client: ZkmlClient, engine: EngineProcess
) -> None:
    """Nor of data outside of the features' ranges, for which no guard band is known."""
    registered = client.registered(NAME)
    circuit, artifact = registered.circuit, registered.artifact
    files = {"circuit": CIRCUIT, "settings": SETTINGS, "vk": VK, "pk": PK, "srs": SRS}
    paths: dict[str, Any] = {key: artifact.file(file) for key, file in files.items()}
    commitment = client.commit(NAME, DATA, SALT)
    score, limit = circuit.score(commitment.features), circuit.limit
    claim = client.prepare(NAME, DATA, AtLeast(-100), SUBJECT, salt=SALT, expires_at=FAR).told
    outside = [(1 << 14) + 1, *commitment.features[1:]]
    for lo, data, holds in (
        (score - circuit.band, [*commitment.features], 1),
        (score - circuit.band + 1, [*commitment.features], 0),
        (-limit, outside, 0),
    ):
        terms = ClaimTerms((ClaimBound(0, lo, limit),))
        statement = list(circuit.shape.statement(terms, FAR, SUBJECT))
        inputs = [[*data, *SALT], statement]
        made = engine.call("witness", circuit=paths["circuit"], inputs=inputs)
        assert made["outputs"][-1] == holds == circuit.score_int((*data, *SALT, *statement))[-1]
        if lo == score - circuit.band + 1:
            made = engine.call("prove", **paths, inputs=inputs, outputs=None)
            told = replace(
                claim,
                terms=terms,
                statement_hash=int(made["instances"][1], 16),
                proof=bytes.fromhex(made["proof"]),
            )
            assert not client.verify_inference_proof(told)


@pytest.mark.parametrize("name", ["number", "classes", "probabilities"])
def test_the_circuit_computes_what_the_reference_says(engine: EngineProcess, name: str, tmp_path: Path) -> None:
    """Changes, classes and margins are compared at the ends of intervals, one step nearer, and on data out of range."""
    circuit = approximate(name).circuit()
    paths: dict[str, Any] = {each: str(tmp_path / each) for each in ("model", "settings", "circuit")}
    Path(paths["model"]).write_bytes(circuit.to_onnx(1))
    windows = list(circuit.windows())[4:8]
    windows.append((circuit.circuit.clip + 1, *windows[3][1:]))
    answers = []
    arguments = run_args(circuit, Visibility.PRIVATE)
    engine.call("gen_settings", model=paths["model"], settings=paths["settings"], run_args=arguments)
    engine.call("compile_circuit", **paths)
    for window in windows:
        inputs = arranged(list(window), circuit.input_lengths)
        found = engine.call("witness", circuit=paths["circuit"], inputs=inputs)["outputs"]
        assert found == list(circuit.score_int(window))
        answers.append(found[-1])
    assert answers == [1, 0, 0, 1, 0]


def test_by_command(client: ZkmlClient, tmp_path: Path) -> None:
    spec = client.registered(NAME).spec
    spec.save(tmp_path)
    (tmp_path / "data.json").write_text(json.dumps({**DATA, "salt": SALT}))
    band = spec.card["guard_band"]
    arguments = ["claim", "prove", str(tmp_path / "data.json"), "--model", str(tmp_path / f"{NAME}.json")]
    arguments += ["--subject", SUBJECT, "--folder", str(circuits.folder()), "--out", str(tmp_path / "claim.json")]
    done = CliRunner().invoke(command, [*arguments, "--at-least", str(value()), "--at-most", str(value() + band)])
    assert done.exit_code != 0 and "no claim with them can be proven" in str(done.exception or done.output)
    done = CliRunner().invoke(command, [*arguments, "--at-least", str(value() - 3 * band)])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(
        command,
        ["claim", "verify", str(tmp_path / "claim.json"), *arguments[3:5], "--folder", str(circuits.folder())],
    )
    assert done.exit_code == 0, done.output
