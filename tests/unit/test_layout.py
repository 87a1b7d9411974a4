"""Tests that unit tests are where the code is that they test: a folder here is a package of oracle."""

from __future__ import annotations

from pathlib import Path

ELSEWHERE = {"docs", "fuzz", "scripts"}
"""Folders that mirror no package: the documents, readers of any input, scripts."""


def test_each_folder_is_a_package_of_oracle(project_root: Path) -> None:
    unit = project_root / "tests" / "unit"
    folders = {path.parent.relative_to(unit) for path in unit.rglob("test_*.py")}
    assert len(folders) > len(ELSEWHERE)
    mirrored = {folder for folder in folders if folder.parts and folder.parts[0] not in ELSEWHERE}
    packages = {path.parent.relative_to(project_root / "oracle") for path in project_root.glob("oracle/**/__init__.py")}
    assert sorted(str(folder) for folder in mirrored - packages) == []
