"""Tests of the distribution of test files to workers."""

from __future__ import annotations

import sys
from collections import defaultdict
from pathlib import Path

import pytest
from _pytest.assertion import rewrite

from tests.distribution import FOLDERS, NETWORKS, Distribution, in_order
from tests.rewriting import rewrite_share


@pytest.fixture
def scopes(project_root: Path) -> dict[str, list[str]]:
    """Return all test files, by what one worker takes as a whole."""
    distribution = Distribution.__new__(Distribution)
    found = defaultdict(list)
    for path in sorted((project_root / "tests").rglob("test_*.py")):
        file = path.relative_to(project_root).as_posix()
        found[distribution._split_scope(f"{file}::TestAny::test_any[a/b::c]")].append(file)
    return found


def test_one_worker_has_all_networks(scopes: dict[str, list[str]]) -> None:
    networks = [file for files in scopes.values() for file in files if file.startswith(NETWORKS)]
    assert len(networks) > 10
    assert scopes[NETWORKS] == networks


def test_every_other_file_is_one_workers_alone(scopes: dict[str, list[str]]) -> None:
    others = {scope: files for scope, files in scopes.items() if scope != NETWORKS}
    assert len(others) > 100
    assert all(files == [scope] for scope, files in others.items())


def test_the_order_is_that_of_the_folders_and_within_a_folder_what_it_was(project_root: Path) -> None:
    assert all((project_root / folder).is_dir() for folder in FOLDERS)
    items = [
        "tests/unit/b.py::x",
        "tests/web/a.py::x",
        "tests/unit/a.py::x",
        f"{NETWORKS}a.py::x",
        "tests/attack/a.py::x",
    ]
    ordered = [
        "tests/attack/a.py::x",
        f"{NETWORKS}a.py::x",
        "tests/unit/b.py::x",
        "tests/unit/a.py::x",
        "tests/web/a.py::x",
    ]
    assert in_order(items, str) == ordered


def test_each_test_file_is_compiled_by_one_worker(
    tmp_path: Path, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The result is pytest's own: it takes it, with the asserts written out, and nothing is compiled twice."""
    monkeypatch.setattr(sys, "dont_write_bytecode", False)
    files = [tmp_path / name for name in ("test_a.py", "test_b.py", "inner/test_c.py", "inner/test_d.py", "helper.py")]
    (tmp_path / "inner").mkdir()
    for path in files:
        path.write_text(f"def test_{path.stem}():\n    assert {path.stem!r} == ''\n")
    compiled = [rewrite.get_cache_dir(path) / (path.stem + rewrite.PYC_TAIL) for path in files]
    rewrite_share(request.config, tmp_path, 0, 2)
    assert [path.exists() for path in compiled] == [True, False, True, False, False]
    times = [path.stat().st_mtime_ns for path in compiled if path.exists()]
    rewrite_share(request.config, tmp_path, 1, 2)
    rewrite_share(request.config, tmp_path, 0, 2)
    assert [path.exists() for path in compiled] == [True, True, True, True, False]
    assert [compiled[at].stat().st_mtime_ns for at in (0, 2)] == times
    code = rewrite._read_pyc(files[0], compiled[0])
    assert code is not None and "@pytest_ar" in code.co_names
