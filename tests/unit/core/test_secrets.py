"""Tests of keys and tokens in files: what others may read, what is no file and what was taken away opens nothing."""

from __future__ import annotations

import os
import stat
import sys
from pathlib import Path
from types import SimpleNamespace

import pytest

from oracle.core.errors import ConfigError
from oracle.core.secrets import SecretFile

SECRET = "0123456789abcdef-secret"

pytestmark = [
    pytest.mark.attack,
    pytest.mark.skipif(sys.platform == "win32", reason="who may read is not in the mode there"),
]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "token"
    path.write_text(SECRET)
    path.chmod(0o600)
    return path


def test_a_file_that_changes_is_read_again_and_opens_nothing_while_it_can_not_be_used(path: Path) -> None:
    secret = SecretFile(path, "token_file")
    assert secret.value() == SECRET.encode()
    path.chmod(0o644)
    assert secret.value() is None
    path.chmod(0o600)
    assert secret.value() == SECRET.encode()
    for partial in ("", SECRET[:15], " \n"):
        path.write_text(partial)
        assert secret.value() is None
    path.unlink()
    assert secret.value() is None
    (path.parent / "other").write_text(f"other-{SECRET}")
    path.symlink_to(path.parent / "other")
    (path.parent / "other").chmod(0o644)
    assert secret.value() is None, "the file that a link leads to is looked at"


def test_the_file_that_is_read_is_the_one_that_is_looked_at(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.chmod(0o644)
    found = path.stat()
    before = SimpleNamespace(
        st_mode=stat.S_IFREG | 0o600, st_ino=1, st_size=found.st_size, st_mtime_ns=1, st_ctime_ns=1
    )
    monkeypatch.setattr(Path, "stat", lambda self, **_: before)
    with pytest.raises(ConfigError, match="others may read it"):
        SecretFile(path, "token_file")


def test_a_pipe_is_no_secret_and_holds_nothing_up(path: Path) -> None:
    path.unlink()
    os.mkfifo(path, 0o600)
    with pytest.raises(ConfigError, match="is not a file"):
        SecretFile(path, "token_file")
