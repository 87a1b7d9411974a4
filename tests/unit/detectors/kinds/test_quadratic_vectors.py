"""Tests of the vectors that a contract's own quadratic model is compared with."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from oracle.detectors.kinds.quadratic import QuadraticModel
from scripts import make_quadratic_vectors


def test_the_vectors_are_those_that_the_script_writes(project_root: Path) -> None:
    script = project_root / "scripts" / "make_quadratic_vectors.py"
    checked = subprocess.run([sys.executable, str(script), "--check"], capture_output=True, text=True)
    assert checked.returncode == 0, f"run `python scripts/make_quadratic_vectors.py`: {checked.stderr}"


def test_the_check_of_the_vectors_can_fail(project_root: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    table = json.loads((project_root / "tests/vectors/quadratic.json").read_text(encoding="utf-8"))
    table["default"]["spike"][0] += "0"
    changed = tmp_path / "quadratic.json"
    changed.write_text(json.dumps(table, indent=1) + "\n")
    monkeypatch.setattr(make_quadratic_vectors, "TARGET", changed)
    assert make_quadratic_vectors.main(["--check"]) == 1
    assert make_quadratic_vectors.main([]) == 0
    assert changed.read_text() == (project_root / "tests/vectors/quadratic.json").read_text()


def test_a_ring_has_the_newest_move_in_its_low_bits() -> None:
    assert make_quadratic_vectors.packed_ring([1, -1, 2]) == 0x0002_FFFF_0001


def test_the_vectors_have_the_default_models_weights(project_root: Path) -> None:
    table = json.loads((project_root / "tests/vectors/quadratic.json").read_text(encoding="utf-8"))["default"]
    assert [int(weight) for weight in table["past"]] == list(QuadraticModel.default().past)


def test_some_windows_are_the_last_that_is_accepted_and_the_next(project_root: Path) -> None:
    table = json.loads((project_root / "tests/vectors/quadratic.json").read_text(encoding="utf-8"))["boundary"]
    scores = list(zip(map(int, table["spike"]), map(int, table["drift"]), strict=True))[-8:]
    assert [max(each) > 0 for each in scores] == [False, True] * 4
    assert [score[index] for score, index in zip(scores[::2], (0, 1, 0, 1), strict=True)] == [0] * 4
