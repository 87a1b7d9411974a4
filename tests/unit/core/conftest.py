"""The table of numbers that the Python and the Solidity tests both compute."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest


@pytest.fixture(scope="session")
def vectors(project_root: Path) -> dict[str, Any]:
    text = (project_root / "tests/vectors/features.json").read_text(encoding="utf-8")
    loaded: dict[str, Any] = json.loads(text)
    return loaded


@pytest.fixture(scope="session")
def rows(vectors: dict[str, Any]) -> Callable[..., list[tuple[int, ...]]]:
    """Returns a function that reads one table's columns, row by row."""

    def read(name: str, *columns: str) -> list[tuple[int, ...]]:
        table: dict[str, list[str]] = vectors[name]
        lengths = {len(column) for column in table.values()}
        assert len(lengths) == 1
        assert lengths.pop() > 20
        return [tuple(int(table[column][i]) for column in columns) for i in range(len(table[columns[0]]))]

    return read
