"""Fixtures for detectors: the command line in this process, and a model that was trained with it."""

from __future__ import annotations

import shutil
import sys
from pathlib import Path

import pytest

from oracle.cli import main
from tests.recordings import walk, write_csv
from tests.training import Run, configure, trained_in


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Return a function that runs a command in an empty folder, and returns its exit code, output and errors."""
    monkeypatch.chdir(tmp_path)

    def command(*arguments: str) -> tuple[int, str, str]:
        monkeypatch.setattr(sys, "argv", ["oracle", *arguments])
        with pytest.raises(SystemExit) as ended:
            main()
        told = capsys.readouterr()
        assert isinstance(ended.value.code, int)
        return ended.value.code, told.out, told.err

    return command


@pytest.fixture(scope="session")
def trained(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Return a folder with a series, a model that was trained on it, and its card. Nobody may alter it."""

    def prepare() -> None:
        write_csv(Path("prices.csv"), walk(4_000, seed=5))
        configure("arch+window")

    return trained_in(tmp_path_factory.mktemp("trained"), prepare)


@pytest.fixture
def carded(run: Run, trained: Path, tmp_path: Path) -> Run:
    """Return a function that runs a command in a folder with a trained model and its card."""
    shutil.copytree(trained, tmp_path, dirs_exist_ok=True)
    return run
