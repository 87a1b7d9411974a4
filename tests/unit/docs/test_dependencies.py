"""Tests that docs/dependencies.md names each direct dependency, and nothing else."""

from __future__ import annotations

import json
import re
import tomllib
from pathlib import Path


def names(requirements: list[str]) -> set[str]:
    return {re.match(r"[A-Za-z0-9_.-]+", each)[0].lower() for each in requirements}  # type: ignore[index]


def section(text: str, heading: str) -> str:
    return text.split(f"\n## {heading}\n")[1].split("\n## ")[0]


def listed(table: str, column: int) -> set[str]:
    rows = [line.split("|")[1 + column] for line in table.splitlines() if line.startswith("| ")][1:]
    return {name.strip() for row in rows for name in row.split(",")}


def test_python_packages(project_root: Path) -> None:
    project = tomllib.loads((project_root / "pyproject.toml").read_text())["project"]
    page = (project_root / "docs" / "dependencies.md").read_text()
    extras = dict(project["optional-dependencies"])
    development = names(extras.pop("dev"))
    assert listed(section(page, "At run time"), 0) == names(project["dependencies"])
    assert listed(section(page, "Extras"), 1) == {name for extra in extras.values() for name in names(extra)}
    assert listed(section(page, "Development"), 0) == development
    for line in section(page, "Extras").splitlines():
        cells = [cell.strip() for cell in line.split("|")]
        if line.startswith("| ") and cells[1] != "extra":
            assert all(cells[2] in names(extras[extra.strip()]) for extra in cells[1].split(",")), line


def test_npm_packages(project_root: Path) -> None:
    wanted = set(json.loads((project_root / "package.json").read_text())["devDependencies"])
    assert listed(section((project_root / "docs" / "dependencies.md").read_text(), "From npm"), 0) == wanted


def test_npm_packages_of_an_example(project_root: Path) -> None:
    wanted = set(json.loads((project_root / "examples" / "pull" / "package.json").read_text())["dependencies"])
    page = (project_root / "docs" / "dependencies.md").read_text()
    assert listed(section(page, "For the example of a consumer"), 0) == wanted


def test_npm_packages_of_a_baseline(project_root: Path) -> None:
    pins = project_root / "contracts" / "bench" / "groth16" / "package.json"
    wanted = set(json.loads(pins.read_text())["devDependencies"])
    page = (project_root / "docs" / "dependencies.md").read_text()
    assert listed(section(page, "For a baseline of the benchmark"), 0) == wanted


def test_every_row_states_a_licence(project_root: Path) -> None:
    for line in (project_root / "docs" / "dependencies.md").read_text().splitlines():
        if line.startswith("| ") and not line.startswith("| package") and not line.startswith("| extra"):
            assert all(cell.strip() for cell in line.strip("|").split("|")), line
