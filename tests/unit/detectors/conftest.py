"""The command line in this process, and a model that was trained with it."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from oracle.cli import main
from tests.recordings import walk, write_csv
from tests.training import Run, configure


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """The command line in this process and an empty folder: exit code, output, errors."""
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
    """A model that was trained, with its card."""
    write_csv(Path("prices.csv"), walk(4_000, seed=5))
    configure("arch+window")
    assert run("detector", "train", "train.toml")[0] == 0
    return run
