"""Test of docs/verify.md as it is written: a stranger with an RPC endpoint and public files checks a deployment."""

from __future__ import annotations

import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from oracle.chain.deploy import load_deployment
from oracle.chain.local.anvil import Anvil
from tests.integration.test_operations import boxes
from tests.integration.workspace import Done, Workspace, feed, run_command


@dataclass
class Stranger:
    """Somebody with an empty folder, who follows the page. The shell's variables are filled in."""

    folder: Path
    page: list[tuple[str, list[str]]]
    variables: dict[str, str]

    def follow(self, section: str) -> list[Done]:
        """Run the next box, which is in this section."""
        found, lines = self.page.pop(0)
        assert found == section
        return [self.run(line) for line in lines if line != "make setup"]

    def run(self, line: str) -> Done:
        for name, value in self.variables.items():
            line = line.replace(f"${name}", value)
        command, *words = shlex.split(line)
        assert command == ".venv/bin/oracle"
        return run_command(self.folder, words, {})


@pytest.fixture(scope="module")
def operator(tmp_path_factory: pytest.TempPathFactory, anvil: Callable[..., Anvil]) -> Iterator[Workspace]:
    """An operator's folder: a hub with rounds of one feed, and the public files of its model."""
    with Workspace(tmp_path_factory.mktemp("operator"), anvil()) as made:
        made.configure(feed("eth-usd", made.recording("one", [100, 101, 102])), prover="batch_sizes = [1]")
        for arguments in (["deploy"], ["run"]):
            done = made.run(*arguments)
            assert done.returncode == 0, done.stderr
        yield made


@pytest.fixture
def stranger(operator: Workspace, tmp_path: Path, project_root: Path) -> Stranger:
    deployment = load_deployment(operator.folder / "deployment.json")
    ((model, *_),) = [list(each.artifacts.values()) for each in deployment.models.values()]
    published = operator.run("model", "publish", model, "--out", str(tmp_path / "public"))
    assert published.returncode == 0, published.stderr
    page = list(boxes((project_root / "docs" / "verify.md").read_text()))
    return Stranger(tmp_path, page, {"HUB": deployment.hub, "RPC_URL": operator.chain.rpc_url})


def test_the_page(operator: Workspace, stranger: Stranger) -> None:
    deployed, audited = stranger.follow("Three commands")
    assert deployed.returncode == 0, deployed.stdout + deployed.stderr
    assert audited.returncode == 0, audited.stdout + audited.stderr
    # The operator states what was deployed; the stranger compares.
    for arguments in (
        ["make", stranger.variables["HUB"], "--rpc", operator.chain.rpc_url],
        ["sign", "manifest.json"],
    ):
        done = operator.run("manifest", *arguments)
        assert done.returncode == 0, f"{arguments}: {done.stdout}{done.stderr}"
    (stranger.folder / "manifest.json").write_bytes((operator.folder / "manifest.json").read_bytes())
    for done in stranger.follow("Against what the operator states"):
        assert done.returncode == 0, done.stdout + done.stderr
    assert not stranger.page
