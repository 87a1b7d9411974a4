"""Programs that are missing are asked for before minutes of work, not at its last step."""

from __future__ import annotations

import asyncio
import re
from pathlib import Path
from typing import Any, NoReturn

import pytest
from rich.console import Console

from oracle.app import audit as audit_command
from oracle.app import models, regeneration
from oracle.app.models import ModelOptions
from oracle.audit.circuits import require_compiler
from oracle.bench import run as bench
from oracle.chain.local import installing, toolchain
from oracle.chain.local import solc as solc_module
from oracle.chain.local.solc import Solc
from oracle.core.errors import ToolMissing
from oracle.demo import run as demo_run
from oracle.demo.network import run as network_demo_run
from oracle.demo.network.options import NetworkDemoOptions
from oracle.demo.options import DemoOptions
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.proving import tuning
from oracle.proving.artifact import Artifact, Visibility, build, needs_compiler
from oracle.proving.artifact import building as building_module
from oracle.proving.artifact import regeneration as regeneration_module
from oracle.proving.artifact.kept import Kept
from tests.circuits import srs
from tests.integration.workspace import run_command


@pytest.fixture
def no_solc(circuits: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    circuits()  # before the compiler goes: nothing may have built it yet

    def missing(version: str, **_: Any) -> NoReturn:
        raise ToolMissing(f"solc {version} is missing: {toolchain.remedy()}")

    monkeypatch.setattr(toolchain, "solc", missing)
    monkeypatch.setattr(toolchain, "npm_solc", missing)
    monkeypatch.delenv(solc_module.CHOICE_VARIABLE, raising=False)


@pytest.fixture
def no_engine(monkeypatch: pytest.MonkeyPatch) -> None:
    """Let everything fail that takes long."""

    def worked(*_: Any, **__: Any) -> NoReturn:
        pytest.fail("the work began")

    monkeypatch.setattr(building_module, "EngineProcess", worked)
    monkeypatch.setattr(regeneration_module, "EngineProcess", worked)
    monkeypatch.setattr(tuning, "tune", worked)
    monkeypatch.setattr(tuning, "coarsest", worked)
    monkeypatch.setattr(audit_command, "audit_hub", worked)


pytestmark = pytest.mark.usefixtures("no_solc", "no_engine")


def test_no_benchmark_is_begun_without_the_clone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(toolchain, "find_project_root", lambda *_: None)
    monkeypatch.setattr(bench, "machine", lambda: pytest.fail("the work began"))
    with pytest.raises(ToolMissing, match="run this inside a clone"):
        asyncio.run(bench.run(repeat=1, cold_setup=False, out=tmp_path / "bench.json", echo=print))


def test_a_circuit_is_not_begun(tmp_path: Path) -> None:
    model = QuadraticModel.default()
    with pytest.raises(ToolMissing, match=r"solc 0\.8\.20 is missing"):
        build(model, 1, visibility=Visibility.PRIVATE, srs=srs(), compile_standard=Solc(), cache=tmp_path)
    assert [path.suffix for path in tmp_path.iterdir()] == [".lock"]


@pytest.mark.parametrize("make", [models.build_model, models.build_split_model])
def test_a_model_is_not_tuned(make: Any, tmp_path: Path) -> None:
    with pytest.raises(ToolMissing, match=r"solc 0\.8\.20 is missing"):
        make(ModelOptions(tmp_path / "model.onnx", tmp_path / "data.npy"))


def test_a_key_is_not_made_again(circuits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    found: Artifact = circuits()
    monkeypatch.setattr(toolchain, "regenerated_dir", lambda: tmp_path)
    assert needs_compiler(found, tmp_path)
    with pytest.raises(ToolMissing, match=r"solc 0\.8\.20 is missing"):
        regeneration.regenerated(found)


def test_no_history_is_read_for_an_audit(circuits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    folder = circuits().path.parent
    monkeypatch.setattr(toolchain, "regenerated_dir", lambda: tmp_path)
    hub = "0x5FbDB2315678afecb367f032d93F642f64180aa3"
    with pytest.raises(ToolMissing, match=r"solc 0\.8\.20 is missing"):
        asyncio.run(audit_command.audit(hub, "http://127.0.0.1:1", folder))


def test_an_audit_that_needs_no_compiler_asks_for_none(
    circuits: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    require_compiler(tmp_path)  # no artifacts
    monkeypatch.setattr(Kept, "get", lambda *_: {"made": "before"})
    require_compiler(circuits().path.parent)  # all made before


@pytest.fixture
def no_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(installing, "find", lambda _: None)
    for module in (demo_run, network_demo_run):
        monkeypatch.setattr(module.shutil, "rmtree", lambda *_, **__: pytest.fail("something was emptied"))


@pytest.mark.usefixtures("no_programs")
def test_no_demonstration_is_begun(tmp_path: Path) -> None:
    says = r"anvil 1\.7\.1 \(.*\) and solc-0\.8\.20 \(.*\) are missing: run `"
    with pytest.raises(ToolMissing, match=says):
        asyncio.run(demo_run.run(DemoOptions(out=tmp_path), Console()))
    with pytest.raises(ToolMissing, match=says):
        asyncio.run(network_demo_run.run_network(NetworkDemoOptions(4, out=tmp_path), Console()))
    refused = run_command(tmp_path, ["claim", "demo"], {})
    assert refused.returncode == 2 and re.search(says, refused.stderr), refused.stderr
    assert list(tmp_path.iterdir()) == []
