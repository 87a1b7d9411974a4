"""Fixtures for detectors: the command line in this process, and a model that was trained with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from oracle.cli import main
from tests.recordings import walk, write_csv
from tests.training import Run, configure


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


@pytest.fixture
def carded(run: Run) -> Run:
    """Return a trained model and its card."""
    write_csv(Path("prices.csv"), walk(4_000, seed=5))
    configure("arch+window")
    assert run("detector", "train", "train.toml")[0] == 0
    return run
