"""Tests that docs/reliability.md lists exactly the faults that are tried."""

from __future__ import annotations

from pathlib import Path

from scripts.fault_table import with_table
from tests.chaos.faults import FAULTS


def test_the_documented_faults_are_those_that_are_tried(project_root: Path) -> None:
    text = (project_root / "docs" / "reliability.md").read_text()
    assert with_table(text) == text, "run `python -m scripts.fault_table`"
    assert len(FAULTS) >= 30


def test_every_fault_has_a_name_of_its_own_and_something_in_the_log() -> None:
    names = [fault.name for fault in FAULTS]
    assert len(set(names)) == len(names)
    assert [fault.name for fault in FAULTS if not fault.says] == []
