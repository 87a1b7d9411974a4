"""Tests of how the claims service is set up."""

from __future__ import annotations

import os
import shutil
import tempfile
from pathlib import Path
from types import SimpleNamespace

import pytest
from structlog.testing import capture_logs

from oracle.app.claim_service import run
from oracle.app.claim_service.run import claims_served, limits_of, witness_folder
from oracle.config import ClaimServerConfig, ClaimServiceConfig
from oracle.core.errors import ConfigError, InsecureSetup
from oracle.proving.engine.staging import ENGINE_FOLDER, OwnedFolder


@pytest.mark.attack
@pytest.mark.parametrize(
    ("listen", "behind_proxy", "each"),
    [("0.0.0.0:9470", False, 16), ("0.0.0.0:9470", True, None), ("127.0.0.1:9470", False, None)],
)
def test_no_address_can_have_all_connections(listen: str, behind_proxy: bool, each: int | None) -> None:
    """Behind a proxy, all clients have its address; on this machine, all have one."""
    server = ClaimServerConfig.model_construct(listen=listen, behind_proxy=behind_proxy, max_connections=64)
    found = limits_of(server)
    assert (found.connections, found.per_address) == (64, each)
    assert found.request_s > 50, "a stream of events is one request"


@pytest.mark.attack
def test_a_start_removes_what_a_killed_service_left(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(run, "SHARED_MEMORY", tmp_path)
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child ends without cleaning up
        (OwnedFolder(tmp_path, ENGINE_FOLDER).folder / "witness.json").write_text("private")
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    alive = OwnedFolder(tmp_path, "another")
    (alive.folder / "kept").write_text("in use")
    assert len(list(tmp_path.rglob("witness.json"))) == 1
    assert witness_folder() == tmp_path
    assert list(tmp_path.rglob("witness.json")) == [] and (alive.folder / "kept").exists()
    alive.remove()


@pytest.mark.attack
def test_it_is_removed_from_both_places_before_room_is_sought(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A service may have been killed while there was room in memory, or no room; and leftovers take room."""
    memory, disk = tmp_path / "memory", tmp_path / "disk"
    for each in (memory, disk):
        each.mkdir()
        left = each / f"oracle-{ENGINE_FOLDER}-{os.getuid()}" / "gone"
        left.mkdir(parents=True)
        (left / "witness.json").write_text("private")
        left.with_suffix(".lock").touch()

    def room(folder: Path) -> SimpleNamespace:
        return SimpleNamespace(free=0 if list(folder.rglob("witness.json")) else 1 << 30)

    monkeypatch.setattr(run, "SHARED_MEMORY", memory)
    monkeypatch.setattr(tempfile, "tempdir", str(disk))
    monkeypatch.setattr(shutil, "disk_usage", room)
    assert witness_folder() == memory
    assert list(tmp_path.rglob("witness.json")) == []


def test_without_room_in_memory_the_log_says_that_witnesses_are_in_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(run, "SHARED_MEMORY", tmp_path / "none")
    monkeypatch.setattr(tempfile, "tempdir", str(tmp_path))
    with capture_logs() as logs:
        assert witness_folder() == tmp_path
    assert "witnesses pass through files" in logs[0]["event"]


def configured(folder: Path, **change: object) -> ClaimServiceConfig:
    registry = {"chain_id": 1, "address": "0x" + "12" * 20, "issuers": ("0x" + "34" * 20,)}
    told: dict[str, object] = {"models": ({"packaged": "credit"},), "registry": registry, "folder": folder}
    return ClaimServiceConfig.model_validate(told | change)


async def refused(config: ClaimServiceConfig) -> None:
    async with claims_served(config):
        pass


@pytest.mark.attack
async def test_claims_for_a_live_chain_are_not_proven_with_keys_that_anybody_can_forge(tmp_path: Path) -> None:
    with pytest.raises(InsecureSetup, match=r"chain 1 is not a local one.*public-ceremony"):
        await refused(configured(tmp_path / "circuits", srs="insecure-local"))
    assert not (tmp_path / "circuits").exists(), "it is refused before anything is built"


async def test_what_is_wrong_with_models_is_said_before_a_circuit_is_built(tmp_path: Path) -> None:
    (tmp_path / "broken.json").write_text("{}")
    for models, told in (
        (({"packaged": "none"},), r"models\[0\]: there is no packaged model 'none'"),
        (({"packaged": "credit"}, {"file": tmp_path / "broken.json"}), r"models\[1\]: .*broken.json is not a model"),
        (({"packaged": "credit"}, {"packaged": "credit"}), "'credit' is served twice"),
    ):
        with pytest.raises(ConfigError, match=told):
            await refused(configured(tmp_path / "circuits", models=models))
    assert not (tmp_path / "circuits").exists()
