"""Tests of the files that come with the package: the list, one of them, and what is not there."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from click.testing import CliRunner

from oracle.app import packaging
from oracle.cli.packaging import packaging_command
from oracle.core.errors import ConfigError


def run(*arguments: str) -> str:
    done = CliRunner().invoke(packaging_command, arguments, catch_exceptions=False)
    assert done.exit_code == 0, done.output
    return done.output


def test_each_file_of_the_folder_is_printed_as_it_is(project_root: Path) -> None:
    folder = project_root / "packaging"
    names = run().splitlines()
    assert names == json.loads(run("--json"))
    assert names == sorted(each.relative_to(folder).as_posix() for each in folder.rglob("*") if each.is_file())
    assert "alerts.yml" in names
    for name in names:
        assert run(name) == (folder / name).read_text()


def test_a_file_that_is_not_there_is_told_with_those_that_are(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("../pyproject.toml", "alert.yml"):
        with pytest.raises(ConfigError, match=r"there is no file .*; there are: .*alerts\.yml"):
            packaging.read_packaged(name)
    monkeypatch.setattr(packaging, "_FOLDERS", (tmp_path / "none",))
    with pytest.raises(ConfigError, match="install the package again"):
        packaging.packaged_files()


def test_a_list_and_a_file_are_not_mixed_up() -> None:
    done = CliRunner().invoke(packaging_command, ["alerts.yml", "--json"])
    assert done.exit_code == 2 and "--json is for the list" in done.output
