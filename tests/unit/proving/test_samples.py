"""Tests of sample files: their values, and mistakes with their lines."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from oracle.core.errors import DataError
from oracle.proving.samples import load


@pytest.mark.parametrize(
    ("name", "content"),
    [
        ("s.csv", "1,2\n3,4\n"),
        ("s.csv", "left,right\n1,2\n\n3,4"),
        ("s.csv", "\ufeffa,b\n1,2\n3,4e0\n"),
        ("s.json", "[[1, 2], [3, 4]]"),
        ("s.json", '{"input_data": [[1, 2], [3, 4]]}'),
    ],
)
def test_tables(tmp_path: Path, name: str, content: str) -> None:
    (tmp_path / name).write_text(content, encoding="utf-8")
    assert load(tmp_path / name).tolist() == [[1, 2], [3, 4]]


def test_arrays_of_more_axes(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.zeros((5, 1, 2, 2), dtype=np.float32))
    assert load(tmp_path / "s.npy").shape == (5, 1, 2, 2)


@pytest.mark.parametrize(
    ("name", "content", "says"),
    [
        ("s.txt", "1", r"\.npy, \.csv or \.json"),
        ("s.csv", "1,2\n3\n", "line 2 has 1 columns, those before it 2"),
        ("s.csv", "a,b\n1,2\n3,x\n", "line 3: 3, x"),
        ("s.csv", "a,b\n", "no samples"),
        ("s.json", "[[1, 2], [3]]", "not a table of numbers"),
        ("s.json", "{", "not a table of numbers"),
        ("s.json", "[" * 3_000 + "]" * 3_000, "nested deeper than"),
        ("s.json", "{}", "not a table of numbers: 'input_data'"),
        ("s.npy", "not an array", "not a table of numbers"),
    ],
)
def test_what_is_no_table(tmp_path: Path, name: str, content: str, says: str) -> None:
    (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=says):
        load(tmp_path / name)


def test_a_missing_file(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"none\.npy can't be read"):
        load(tmp_path / "none.npy")


def test_half_of_a_complex_number_is_never_dropped(tmp_path: Path) -> None:
    np.save(tmp_path / "s.npy", np.ones((5, 2), dtype=complex))
    with pytest.raises(DataError, match="complex"):
        load(tmp_path / "s.npy")
