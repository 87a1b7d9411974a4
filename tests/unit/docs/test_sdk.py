"""Tests of the SDK: its names are sorted, typed and documented, documented names exist, and importing it is cheap."""

from __future__ import annotations

import ast
import inspect
import re
import subprocess
import sys
from pathlib import Path

import pytest

import oracle

NAMES = [name for name in oracle.__all__ if not name.startswith("__")]


def test_the_names_are_sorted_and_there() -> None:
    assert sorted(oracle.__all__) == oracle.__all__
    assert set(oracle.__all__) <= set(dir(oracle))
    assert all(getattr(oracle, name) is not None for name in oracle.__all__)


def test_what_is_imported_for_types_is_what_is_loaded(project_root: Path) -> None:
    """The names under TYPE_CHECKING are those that `__getattr__` loads, from the same modules."""
    tree = ast.parse((project_root / "oracle" / "__init__.py").read_text())
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    typed = {alias.name: node.module for node in block.body if isinstance(node, ast.ImportFrom) for alias in node.names}
    assert typed == oracle._HOME
    assert set(typed) == set(NAMES)


@pytest.mark.parametrize("name", NAMES)
def test_every_name_has_an_example_and_a_docstring(project_root: Path, name: str) -> None:
    page = (project_root / "docs" / "sdk.md").read_text()
    assert re.search(rf"\b{name}\b", page), f"{name} is not in docs/sdk.md"
    assert inspect.getdoc(getattr(oracle, name))


def test_every_name_in_the_documents_is_there(project_root: Path) -> None:
    found = {
        name
        for document in [project_root / "README.md", *(project_root / "docs").rglob("*.md")]
        for code in re.findall(r"^```python\n(.*?)^```", document.read_text(), re.MULTILINE | re.DOTALL)
        for name in re.findall(r"\boracle\.(\w+)\(", code)
    }
    assert found and found - {*oracle.__all__} == set()


def test_an_unknown_name_says_where_to_look() -> None:
    with pytest.raises(AttributeError, match=r"docs/sdk\.md"):
        _ = oracle.no_such_name


def test_importing_costs_nothing() -> None:
    code = (
        "import sys; before = set(sys.modules); import oracle; "
        "print(sorted(name for name in set(sys.modules) - before if not name.startswith('oracle')))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert "pydantic" not in done.stdout and "web3" not in done.stdout and "numpy" not in done.stdout


def test_the_shortest_example_is_short(project_root: Path) -> None:
    assert len((project_root / "scripts" / "deploy.py").read_text().splitlines()) <= 35
