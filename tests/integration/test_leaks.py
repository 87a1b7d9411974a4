"""Tests that a private model's weights stay in the prover's files: all other output is searched for them."""

from __future__ import annotations

import json
import random
import re
import sys
import urllib.request
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from oracle.chain.deploy import load_deployment
from oracle.chain.local.anvil import Anvil
from oracle.core import logs
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.quadratic import PAST, QuadraticModel
from oracle.proving import artifact
from oracle.proving.artifact import Visibility
from oracle.proving.artifact.circuit import run_args
from oracle.proving.engine.child import EngineProcess
from tests.integration.workspace import Workspace, eventually, feed
from tests.leaks import encodings, leaking, leaks

pytestmark = pytest.mark.attack

SCALE = 28


def unmistakable() -> QuadraticModel:
    """Return weights of 22 random bits and more, near enough to the default model's that reports are accepted."""
    rng = random.Random(17)
    *past, drift_past = (rng.randrange(2**21 + 1, 2**22, 2) for _ in range(PAST + 1))
    floor, drift_floor = (rng.randrange(2**23 + 1, 2**24, 2) << 18 for _ in range(2))
    return replace(
        QuadraticModel.default(),
        name="unmistakable",
        past=tuple(past),
        floor=floor,
        drift_floor=drift_floor,
        drift_past=drift_past,
        param_scale=SCALE,
    )


MODEL = unmistakable()
WEIGHTS = MODEL.weights()
FLOORS = {MODEL.floor, MODEL.drift_floor}
FILES = (*artifact.PROVER_FILES, *artifact.AUDIT_FILES, artifact.PROBE, artifact.MANIFEST)
SECRET = {artifact.MODEL, artifact.CIRCUIT}


class Talkative(Workspace):
    """The command line with the most detailed log."""

    def _command(self, *arguments: str) -> list[str]:
        before = (
            "from oracle.core import logs; "
            "configure = logs.configure; logs.configure = lambda level: configure('debug'); "
        )
        return [sys.executable, "-c", f"{before}from oracle.cli import main; main()", *arguments]


def test_the_search_finds_what_is_there() -> None:
    """Each encoding is found when it is hidden in noise, and nothing is found in noise alone."""
    noise = random.Random(1).randbytes(1 << 12)
    assert leaks(noise + noise.hex().encode(), WEIGHTS, SCALE) == {}
    for sign in (1, -1):
        weights = [sign * weight for weight in WEIGHTS[:2]]
        patterns = [encodings(weight, SCALE) for weight in weights]
        for name in patterns[0]:
            found = leaks(noise.join([b"", *(each[name] for each in patterns), b""]), weights, SCALE)
            assert found[name] == set(weights), name


@pytest.fixture(scope="module")
def built(circuits: Any) -> artifact.Artifact:
    """Return the circuit with the disclosure that keeps weights private on a feed."""
    made: artifact.Artifact = circuits(model=MODEL, disclosure=Disclosure.VERDICT)
    return made


def test_the_weights_are_in_the_provers_files_and_in_no_others(built: artifact.Artifact) -> None:
    found = leaking([built.path / name for name in FILES], WEIGHTS, SCALE)
    # The control: the search finds all weights where they must be, as a graph and as a circuit have them.
    assert {name: set().union(*each.values()) for name, each in found.items()} == {
        name: set(WEIGHTS) for name in SECRET
    }
    assert "f little" in found[artifact.MODEL]


def test_with_published_scores_the_score_unit_and_the_probe_give_two_weights_away(circuits: Any) -> None:
    """As documented, 1,000 ω and 1,000 ω₂ show, in decimal. All other weights are in the prover's files only."""
    scored = circuits(model=MODEL)
    files = [scored.path / name for name in FILES]
    found = leaking(files, WEIGHTS, SCALE)
    assert {name: each["decimal"] for name, each in found.items() if name not in SECRET} == {
        artifact.MANIFEST: {MODEL.floor},
        artifact.PROBE: FLOORS,
    }
    assert set(leaking(files, sorted(set(WEIGHTS) - FLOORS), SCALE)) == SECRET


def test_a_public_models_proving_key_has_the_weights(tmp_path: Path) -> None:
    """The other control: the search finds weights in keys, so a private model's key really has none."""
    paths = {name: str(tmp_path / name) for name in ("model", "settings", "circuit", "vk", "pk", "srs")}

    def files(*names: str) -> dict[str, Any]:
        return {name: paths[name] for name in names}

    Path(paths["model"]).write_bytes(MODEL.to_onnx(1))
    with EngineProcess() as engine:
        arguments = run_args(MODEL, Visibility.PUBLIC)
        settings = engine.call("gen_settings", run_args=arguments, **files("model", "settings"))
        settings["run_args"]["logrows"] = k = 7
        Path(paths["settings"]).write_text(json.dumps(settings))
        engine.call("gen_srs", srs=paths["srs"], logrows=k)
        engine.call("compile_circuit", **files("model", "circuit", "settings"))
        engine.call("setup", **files("circuit", "vk", "pk", "srs"))
    found = leaking([Path(path) for path in paths.values()], WEIGHTS, SCALE)
    assert set(found) == {"model", "circuit", "pk"}
    assert set().union(*found["pk"].values()) == set(WEIGHTS)


def test_the_weights_are_not_in_proofs(built: artifact.Artifact) -> None:
    """Nor are they in what comes with a proof: the witness has the weights, the proving process's answer does not."""
    window = [at - len(MODEL.features) // 2 for at in range(len(MODEL.features))]
    with EngineProcess() as engine:
        names = {"circuit": artifact.CIRCUIT, "settings": artifact.SETTINGS, "vk": artifact.VK, "pk": artifact.PK}
        files: dict[str, Any] = {each: built.file(name) for each, name in (names | {"srs": artifact.SRS}).items()}
        made = engine.call("prove", inputs=window, **files)
    assert made["verified"]
    assert leaks(bytes.fromhex(made["proof"]), WEIGHTS, SCALE) == {}
    assert leaks(json.dumps(made).encode(), WEIGHTS, SCALE) == {}


@pytest.fixture
def workspace(tmp_path: Path, anvil: Callable[..., Anvil], monkeypatch: pytest.MonkeyPatch) -> Iterator[Talkative]:
    with Talkative(tmp_path, anvil()) as made:
        (tmp_path / "model.json").write_text(MODEL.to_json())
        # For the commands that run in this process.
        configure = logs.configure
        monkeypatch.setattr(logs, "configure", lambda level: configure("debug"))
        yield made


def test_a_running_oracle_writes_the_weights_nowhere(
    workspace: Talkative, tmp_path: Path, built: artifact.Artifact
) -> None:
    """Logs of all levels, the journal with its write-ahead log, proof cache, deployment file, metrics and the chain."""
    walk = [100 + (index % 7) * 0.3 for index in range(600)]
    workspace.configure(
        feed("one", workspace.recording("one", walk)),
        artifacts=built.path.parent,
        prover='model = "model.json"\nproof_cache = "proofs"',
    )
    done = workspace.run("deploy")
    assert done.returncode == 0, done.stderr
    daemon = workspace.start_interpreter("-v", "run")
    try:
        eventually(lambda: workspace.counts().get("accepted", 0) >= 2, "two rounds")
        ports = re.findall(r'"port": (\d+)', workspace.log())
        with urllib.request.urlopen(f"http://127.0.0.1:{ports[-1]}/metrics") as answer:
            (tmp_path / "metrics").write_bytes(answer.read())
    finally:
        # The daemon is not asked to stop, so the write-ahead log stays as it was.
        daemon.kill()
        daemon.wait(60)
    inspected = workspace.run("status", "--json")
    (tmp_path / "printed").write_text(done.stdout + done.stderr + inspected.stdout + inspected.stderr)
    (tmp_path / "chain").write_bytes(b"".join(on_chain(workspace.chain)))
    written = [path for path in tmp_path.rglob("*") if path.is_file() and path.name != "model.json"]
    names = {str(path.relative_to(tmp_path)) for path in written}
    assert {"journal.db", "journal.db-wal", "log", "deployment.json", "printed", "chain", "metrics"} <= names
    assert any(name.startswith("proofs/") for name in names)
    assert '"level": "debug"' in workspace.log()
    assert leaking(written, WEIGHTS, SCALE) == {}
    assert leaking([tmp_path / "model.json"], WEIGHTS, SCALE), "or the search would not have found them"
    deployed = load_deployment(tmp_path / "deployment.json").models[1]
    assert deployed.artifact_hash.removeprefix("0x") == built.artifact_hash, "or another model ran"


def on_chain(chain: Anvil) -> Iterable[bytes]:
    """Return what a node tells anyone: the calldata of every transaction and the data of every log."""
    for number in range(int(chain.rpc("eth_blockNumber"), 16) + 1):
        for transaction in chain.rpc("eth_getBlockByNumber", hex(number), True)["transactions"]:
            yield bytes.fromhex(transaction["input"].removeprefix("0x"))
    for log in chain.rpc("eth_getLogs", {"fromBlock": "0x0", "toBlock": "latest"}):
        yield bytes.fromhex(log["data"].removeprefix("0x"))
