"""Tests of files that are staged for a prover."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from oracle.core.errors import ArtifactError, ProverUnavailable
from oracle.proving.engine.staging import StagedFiles


def digest(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def test_staged_files_are_private_checked_and_removed(tmp_path: Path) -> None:
    (tmp_path / "vk").write_bytes(b"vk")
    staged = StagedFiles(tmp_path, {"pk": (b"pk", digest(b"pk")), "vk": (tmp_path / "vk", digest(b"vk"))})
    assert [Path(staged.path(name)).read_bytes() for name in ("pk", "vk")] == [b"pk", b"vk"]
    assert staged.folder.stat().st_mode & 0o077 == 0
    other = StagedFiles(tmp_path, {})
    assert Path(staged.path("pk")).exists(), "a folder that is in use was swept away"
    staged.remove()
    assert not staged.folder.exists()
    other.remove()


def test_what_a_killed_process_left_is_swept(tmp_path: Path) -> None:
    pid = os.fork()
    if pid == 0:  # pragma: no cover - the child ends without cleaning up
        StagedFiles(tmp_path, {"pk": (b"pk", digest(b"pk"))})
        os._exit(0)
    assert os.waitpid(pid, 0)[1] == 0
    assert len(list(tmp_path.rglob("pk"))) == 1
    staged = StagedFiles(tmp_path, {})
    assert list(tmp_path.rglob("pk")) == []
    staged.remove()


def test_files_that_are_others_or_gone_are_refused_and_leave_nothing(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="pk changed"):
        StagedFiles(tmp_path, {"vk": (b"vk", digest(b"vk")), "pk": (b"damaged", digest(b"pk"))})
    with pytest.raises(ArtifactError, match="gone"):
        StagedFiles(tmp_path, {"vk": (b"vk", digest(b"vk")), "pk": (tmp_path / "missing", digest(b"pk"))})
    assert list(tmp_path.rglob("vk")) == []
    with pytest.raises(ProverUnavailable, match="can't be staged"):
        StagedFiles(tmp_path / "missing", {})


def test_a_folder_of_somebody_else_is_not_used(tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir()
    (tmp_path / f"oracle-prover-{os.getuid()}").symlink_to(elsewhere)
    with pytest.raises(ProverUnavailable, match="belongs to somebody else"):
        StagedFiles(tmp_path, {"pk": (b"pk", digest(b"pk"))})
    assert list(elsewhere.iterdir()) == []
