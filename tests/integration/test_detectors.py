"""Tests of detectors in circuits: every kind's witness is its integer reference; one is deployed and gates a feed."""

from __future__ import annotations

import json
import re
import shlex
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from oracle.chain.deploy import load_deployment
from oracle.chain.local.anvil import Anvil
from oracle.core.encoding import calm_window, parse_features
from oracle.core.types import Outcome
from oracle.detectors.interface import Disclosure
from oracle.feeds.journal import Journal
from oracle.proving.artifact import DETECTOR
from oracle.proving.engine.child import EngineProcess
from tests.circuits import artifacts, circuit
from tests.detector_conformance import check_circuit
from tests.fitted_detectors import fitted
from tests.integration.workspace import Workspace
from tests.peer_models import peer_model


@pytest.fixture(scope="module")
def engine() -> Iterator[EngineProcess]:
    with EngineProcess() as found:
        yield found


@pytest.mark.parametrize(
    ("kind", "batch", "most_rows"),
    [
        ("peers", 1, 300),
        ("peers-two", 2, 500),
        ("cap", 2, 90),
        ("cap-static", 1, 90),
        ("arch-window", 1, 400),
        ("arch-window", 3, 650),
        ("cross-source", 1, 550),
        ("mahalanobis", 1, 550),
        ("autoencoder", 1, 2_500),
        ("imported", 2, 800),
    ],
)
def test_the_witness_is_the_reference(
    engine: EngineProcess, tmp_path: Path, kind: str, batch: int, most_rows: int
) -> None:
    assert check_circuit(fitted(kind), engine, tmp_path, batch) <= most_rows


@pytest.mark.parametrize("kind", ["peers", "peers-none", "arch-window", "mahalanobis", "autoencoder", "imported"])
def test_the_witness_of_verdicts_is_the_reference(engine: EngineProcess, tmp_path: Path, kind: str) -> None:
    check_circuit(fitted(kind).publishing(Disclosure.VERDICT), engine, tmp_path)


@pytest.mark.parametrize("batch", [1, 2])
def test_the_witness_of_a_model_beside_a_peer_is_the_reference(
    engine: EngineProcess, tmp_path: Path, batch: int
) -> None:
    assert check_circuit(peer_model(), engine, tmp_path, batch) <= 500


def test_an_artifact_of_a_model_beside_a_peer_says_which_features_it_takes() -> None:
    """It is built as any other: the probe is a calm window, and the circuit equals the reference at the corners."""
    model = peer_model()
    built = circuit(model)
    assert parse_features(built.manifest.features) == model.features
    assert (built.manifest.width, built.manifest.disclosure, built.manifest.instance_count) == (10, "verdict", 12)
    assert built.probe().window == calm_window(model.features) == (0, 0, 0, 0, 0, 0, 0, 1_000, 1, 1_000)
    assert built.probe().scores == (0,)


def test_the_walk_through_as_written(
    project_root: Path, tmp_path: Path, anvil: Callable[..., Anvil], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Files and commands are the text's own, apart from the chain's port, the salt, and the folder of artifacts."""
    text = (project_root / "docs" / "tutorials" / "train-a-detector.md").read_text()
    blocks = re.findall(r"^```(python|toml)\n(.*?)^```|^    oracle ([a-z][^\n]*)$", text, re.MULTILINE | re.DOTALL)
    chain, names, told = anvil(), {}, {}  # type: ignore[var-annotated]
    workspace = Workspace(tmp_path, chain)
    monkeypatch.chdir(tmp_path)
    for language, code, command in blocks:
        if language == "python":
            exec(compile(code, "train-a-detector.md", "exec"), names)
        elif language == "toml":
            code = code.replace("http://127.0.0.1:8545", chain.rpc_url)
            code = code.replace('"artifacts"', f'"{artifacts()}"')
            if code.startswith("[[data]]"):
                (tmp_path / "train.toml").write_text(f'salt = "{"5a17" * 8}"\n{code}')
            else:
                (tmp_path / "oracle.toml").write_text(code)
        else:
            done = workspace.run(*shlex.split(command))
            assert done.returncode == 0, (command, done.stderr)
            told[command.split(" ")[0]] = done.stdout
    assert set(told) == {"detector", "deploy", "run", "status", "explain"}

    # The figures of the text are the card's.
    card = json.loads((tmp_path / "models" / "indices.card.json").read_text())
    for section in card["series"]:
        for key in ("spikes", "joint_recall", "cap_spikes"):
            shown = " | ".join(f"{section[key][size] * 100:.0f} %" for size in ("2 %", "3 %", "5 %", "10 %"))
            assert f" | {shown} |\n" in text, (section["name"], key)
        assert f"sigma = {section['data']['sigma']:_}\n" in text

    # The trained model gates the feeds: one value is held, the others are rounds.
    with Journal(tmp_path / "journal.sqlite", read_only=True) as journal:
        entries, beside = journal.confirmed("sp500"), journal.confirmed("nasdaq")
    assert [entry.outcome for entry in entries] == [Outcome.ACCEPTED] * 9 + [Outcome.HELD]
    assert [entry.outcome for entry in beside] == [Outcome.ACCEPTED] * 10
    assert [entry.scores for entry in entries] == [(0,)] * 9 + [(1,)]
    shown_lines = [line.strip() for line in text.split("oracle explain sp500\n")[1].splitlines()[1:3]]
    lines = told["explain"].splitlines()
    assert re.sub(r" of \S+ \S+ UTC is", " of … is", lines[0]) == shown_lines[0]
    assert lines[1] == shown_lines[1]
    assert "peer-0 objects: the move now beside the first peer's move is 4.1 σ, of at most 2.7 σ" in lines
    own = next(line for line in lines if line.startswith("own passes:"))
    assert f"for the limit of that is {own.removeprefix('own passes: the move now is 4.0 σ, of at most ')}." in text

    # Rounds are explained from the chain alone, with the verdicts that were proven.
    for entry in (entries[0], entries[1], entries[8], entries[9]):
        found = json.loads(workspace.run("explain", "sp500", str(entry.round_id), "--json").stdout)
        assert found["outcome"] == entry.outcome.value if entry.outcome else None
    for arguments, says in (
        (("sp500", "11"), "there is no round 11"),
        (("other",), "no feed 'other' is deployed; the deployment has: "),
    ):
        done = workspace.run("explain", *arguments)
        assert done.returncode == 2 and says in done.stderr

    # Monitoring reads journal and chain too. Ten reports are too few for a statement.
    for source in (("--journal", "journal.sqlite"), ("--chain",), ()):
        feeds = ("--feed", "sp500", "--feed", "nasdaq")
        done = workspace.run("detector", "monitor", "models/indices.card.json", *feeds, *source)
        assert done.returncode == 2 and "too few reports" in done.stderr

    # Another model file in its place is recognised as such.
    (found_model,) = (tmp_path / "models").glob("indices.json")
    changed = json.loads(found_model.read_text())
    deployment = tmp_path / "deployment.json"
    (kept,) = next(iter(load_deployment(deployment).models.values())).artifacts.values()
    shutil.copytree(kept, tmp_path / "altered")
    deployment.write_text(deployment.read_text().replace(json.dumps(kept), json.dumps(str(tmp_path / "altered"))))
    assert workspace.run("explain", "sp500").returncode == 0
    changed["outputs"][0]["limit"]["floor"] *= 2
    (tmp_path / "altered" / DETECTOR).write_text(json.dumps(changed))
    done = workspace.run("explain", "sp500")
    assert done.returncode == 1 and "is another model than its circuit's" in done.stderr
