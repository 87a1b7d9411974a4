"""Tests of what `oracle explore` serves: the pages, what they are told, public files, and nothing else."""

from __future__ import annotations

import json
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import pytest

from oracle.app import explore
from oracle.app.explore import Explored, explored, explorer_files
from oracle.config import Config
from oracle.core.errors import ConfigError
from oracle.proving.artifact import AUDIT_FILES, MANIFEST, PROVER_FILES

HUB = "0x80e329090c749D61d169a27311782B40475a760D"
LOCAL = "127.0.0.1:0"


@pytest.fixture
def pages(tmp_path: Path) -> Path:
    """Return a folder of built pages."""
    folder = tmp_path / "pages"
    (folder / "assets").mkdir(parents=True)
    (folder / "index.html").write_text("<!doctype html>")
    (folder / "assets" / "index-abc.js").write_text("1")
    return folder


@pytest.fixture
def config(monkeypatch: pytest.MonkeyPatch) -> Config:
    """Return a configuration with endpoints of its own, which are nobody else's business."""
    monkeypatch.setattr(explore, "load_deployment", lambda path: SimpleNamespace(hub=HUB, block=7))
    chain = SimpleNamespace(deployment=Path("deployment.json"), endpoints=("https://node.example/secret-key",))
    given: Any = SimpleNamespace(chain=chain, prover=SimpleNamespace(artifacts=Path("artifacts")))
    return cast(Config, given)


def told(files: Any) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(files["config.json"])
    return found


def test_the_pages_and_what_they_are_told(pages: Path) -> None:
    files = explorer_files(Explored(HUB, ("https://a.example", "http://127.0.0.1:8545")), pages)
    assert files.keys() == {"index.html", "assets/index-abc.js", "config.json"}
    document = told(files)
    assert (document["hub"], document["endpoints"]) == (HUB, ["https://a.example", "http://127.0.0.1:8545"])
    assert document["publicFiles"] == [] and document["claimRegistry"] is None
    assert document["modelCards"].startswith("0x")


def test_pages_that_are_not_built_say_what_to_type(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"not built.*`make explorer`.*pip install verifiable-oracle"):
        explorer_files(Explored(HUB), tmp_path)


@pytest.mark.attack
def test_no_weights_and_no_proving_key_are_served(pages: Path, tmp_path: Path) -> None:
    """Whoever serves a folder with everything in it serves what strangers may have."""
    artifact = tmp_path / "artifacts" / "mine"
    artifact.mkdir(parents=True)
    for name in (*AUDIT_FILES, *PROVER_FILES, "notes.txt"):
        (artifact / name).write_text(name)
    (artifact / MANIFEST).write_text(json.dumps({"artifact_hash": "ab" * 32}))
    files = explorer_files(Explored(HUB, artifacts=artifact.parent), pages)
    served = {name for name in files if name.startswith("public/")}
    assert served == {f"public/mine/{name}" for name in (*AUDIT_FILES, MANIFEST)}
    (listed,) = told(files)["publicFiles"]
    assert listed["name"] == "mine"
    assert listed["files"] == {name: f"public/mine/{name}" for name in (*AUDIT_FILES, MANIFEST)}


def test_a_configuration_says_the_rest(config: Config) -> None:
    shown = explored(Explored(), config, LOCAL)
    assert shown.from_block == 7
    assert (shown.hub, shown.endpoints, shown.artifacts) == (
        HUB, ("https://node.example/secret-key",), Path("artifacts")
    )  # fmt: skip
    given = explored(Explored(endpoints=("https://b.example",), artifacts=Path("public")), config, "0.0.0.0:80")
    assert (given.hub, given.endpoints, given.artifacts) == (HUB, ("https://b.example",), Path("public"))
    other = explored(Explored("0x" + "12" * 20), config, LOCAL)
    assert (other.endpoints, other.artifacts) == ((), None)
    assert explored(Explored(), None, LOCAL) == Explored()


@pytest.mark.attack
def test_an_operators_endpoints_are_not_shown_to_other_machines(config: Config) -> None:
    """A URL may hold a key that costs money."""
    with pytest.raises(ConfigError, match=r"--listen 0\.0\.0\.0:80") as refused:
        explored(Explored(), config, "0.0.0.0:80")
    assert "secret-key" not in str(refused.value) and "--rpc" in str(refused.value)


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (Explored("0x12"), "HUB: '0x12' is not an address"),
        (Explored(HUB, claim_registry="credit"), "--registry: 'credit' is not an address"),
        (Explored(HUB, model_cards="0x"), "--cards: '0x' is not an address"),
        (Explored(HUB, ("localhost:8545",)), "--rpc: it is not a valid URL"),
    ],
)
def test_what_is_mistyped_is_named(given: Explored, message: str) -> None:
    with pytest.raises(ConfigError, match=message):
        explored(given, None, LOCAL)


def test_a_folder_that_is_none(pages: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="there is no such folder"):
        explorer_files(Explored(HUB, artifacts=tmp_path / "nowhere"), pages)
