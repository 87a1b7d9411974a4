"""Tests of Python's mutants: each is one change that means something else, and tests that notice it are found."""

from __future__ import annotations

import ast
import subprocess
import textwrap
from pathlib import Path

import pytest

from oracle.core.errors import OracleError
from scripts.mutants.mutant import Mutant, Outcome
from scripts.mutants.python import engine
from scripts.mutants.python.engine import PythonEngine, PythonWorkspace
from scripts.mutants.python.operators import mutants

SOURCE = textwrap.dedent('''
    """A docstring with 1 < 2."""

    from dataclasses import replace

    LIMIT: int = 7
    """A text below a constant."""
    __all__ = ["clipped"]


    @decorated(1)
    def clipped(value: int = 3, *, é: str = "ü") -> int:
        """Return 4."""
        if value < LIMIT and not (value == 2):
            raise ValueError(f"{value + 1} is too small", "text")
        for each in [x for x in range(value) if x is not None]:
            continue
        state.count -= 1
        warning("a text")
        log(min(value, 5), é if value >= 0 else -value, strict=True)
        return replace(state, answer=abs(value), kind="k")
''')


def texts(source: str = SOURCE) -> dict[str, set[str]]:
    """Return the changes of each kind, as `old -> new`."""
    found: dict[str, set[str]] = {}
    for each in mutants("a.py", source):
        found.setdefault(each.operator, set()).add(f"{each.original} -> {each.replacement}")
    return found


def test_every_change_is_of_one_place_and_leaves_python() -> None:
    found = mutants("a.py", SOURCE)
    assert len({each.key for each in found}) == len(found)
    for each in found:
        changed = each.applied(SOURCE)
        assert changed != SOURCE and ast.dump(ast.parse(changed)) != ast.dump(ast.parse(SOURCE)), each
        assert each.line == SOURCE.count("\n", 0, each.start) + 1
        assert SOURCE[each.start : each.end] == each.original


def test_the_kinds_of_changes() -> None:
    assert texts() == {
        "constant": {
            "7 -> 8",
            "3 -> 4",
            "\"ü\" -> 'mutantü'",
            "2 -> 3",
            "5 -> 6",
            "0 -> 1",
            "1 -> 2",
            "1 -> 0",
            "\"k\" -> 'mutantk'",
        },
        "comparison": {"< -> <=", "< -> >=", "== -> !=", "is not -> is", ">= -> >", ">= -> <"},
        "logic": {"and -> or"},
        "unary": {"not (value == 2) -> (value == 2)", "-value -> (value)"},
        "condition": {
            "value < LIMIT and not (value == 2) -> (not (value < LIMIT and not (value == 2)))",
            "x is not None -> (not (x is not None))",
            "value >= 0 -> (not (value >= 0))",
        },
        "arithmetic": {"-= -> +="},
        "statement": {
            'raise ValueError(f"{value + 1} is too small", "text") -> pass',
            "continue -> break",
            "state.count -= 1 -> pass",
            'warning("a text") -> pass',
            "log(min(value, 5), é if value >= 0 else -value, strict=True) -> pass",
        },
        "call": {"min -> max", "abs -> "},
        "return": {'return replace(state, answer=abs(value), kind="k") -> return None'},
        "field": {"answer=abs(value),  -> ", 'kind="k" -> '},
    }


def test_changes_are_named_by_the_function_around_them() -> None:
    source = "A = 1\nclass C:\n    x = 2\n    def f(self):\n        def g():\n            return 3\n        return 4\n"
    named = {each.original: each.function for each in mutants("a.py", source) if each.operator == "constant"}
    assert named == {"1": "module", "2": "C", "3": "C.f.g", "4": "C.f"}


CODE = """
LIMIT = 10

def clipped(value):
    return min(value, LIMIT)

def unused(value):
    return value + 1

def forever(value):
    while value > 0:
        value -= 1
    return value

def outer(value):
    def inner():
        return value * 2
    return inner()

class Bounds:
    least = 4

    def other(self):
        return True
"""

TESTS = """
import pytest
from oracle.core import encoding

@pytest.mark.parametrize("value", [9, 10, 11])
def test_clipped(value):
    assert encoding.clipped(value) == (10 if value > 10 else value)

def test_forever():
    assert encoding.forever(3) == 0

def test_inner():
    assert encoding.outer(3) == 6

def test_other():
    assert encoding.Bounds().other()

def test_least():
    assert encoding.Bounds.least == 4

async def test_another():
    assert True
"""


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, project_root: Path) -> Path:
    """Return a project with one module, its tests and the worker."""
    monkeypatch.setattr(engine, "FILES", {"oracle/core/encoding.py": ("tests/unit/core",)})
    monkeypatch.setattr(engine, "_LEAST_LIMIT", 1.0)
    root = tmp_path / "project"
    files = {
        "oracle/__init__.py": "",
        "oracle/core/__init__.py": "",
        "oracle/core/encoding.py": CODE,
        "tests/unit/core/test_encoding.py": TESTS,
        "pyproject.toml": '[tool.pytest.ini_options]\naddopts = ["--import-mode=importlib"]\nasyncio_mode = "auto"\n',
        **{
            name: (project_root / name).read_text()
            for name in (
                "scripts/mutants/python/worker.py",
                "scripts/mutants/python/__init__.py",
                "scripts/mutants/__init__.py",
            )
        },
    }
    for name, text in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_text(text)
    subprocess.run(["git", "init", "-q"], cwd=root, check=True)
    return root


def test_mutants_are_killed_by_the_tests_that_enter_their_function(project: Path, tmp_path: Path) -> None:
    made = PythonEngine(project)
    assert made.files() == ["oracle/core/encoding.py"]
    found = {f"{each.function} {each.original} -> {each.replacement}": each for each in made.mutants(made.files()[0])}
    space = made.workspace(tmp_path / "worker")
    try:
        space.load(made.files()[0], list(found.values()))
        verdicts = {
            name: space.attempt(found[name])
            for name in (
                "module 10 -> 11",
                "clipped min -> max",
                "clipped return min(value, LIMIT) -> return None",
                "unused + -> -",
                "forever value -= 1 -> pass",
                "forever > -> >=",
                "outer.inner * -> //",
                "Bounds 4 -> 5",
            )
        }
        assert [each.by for each in verdicts.values()] == [
            "tests/unit/core/test_encoding.py::test_clipped[11]",
            "tests/unit/core/test_encoding.py::test_clipped[11]",
            "tests/unit/core/test_encoding.py::test_clipped[11]",
            "",
            "timeout",
            "tests/unit/core/test_encoding.py::test_forever",
            "tests/unit/core/test_encoding.py::test_inner",
            "tests/unit/core/test_encoding.py::test_least",
        ]
        assert verdicts["unused + -> -"].outcome is Outcome.SURVIVED, "no test enters it"
        wrong = Mutant(
            "oracle/core/encoding.py",
            "unused",
            "x",
            found["unused + -> -"].start,
            found["unused + -> -"].end,
            8,
            "+",
            "(",
        )
        assert space.attempt(wrong).outcome is Outcome.INVALID
    finally:
        space.close()
    assert (project / "oracle/core/encoding.py").read_text() == CODE


def test_tests_that_fail_without_a_mutant_end_the_run(project: Path, tmp_path: Path) -> None:
    (project / "tests/unit/core/test_encoding.py").write_text("def test_wrong():\n    assert 1 == 2\n")
    space = PythonWorkspace(project, tmp_path / "worker")
    try:
        with pytest.raises(OracleError, match="test_wrong fails without any mutant"):
            space.load("oracle/core/encoding.py", [])
    finally:
        space.close()


def test_the_mutated_files_and_their_tests_exist(project_root: Path) -> None:
    made = PythonEngine(project_root)
    files = made.files()
    assert {"oracle/core/encoding.py", "oracle/core/gate.py", "oracle/audit/calldata.py"} <= set(files)
    assert all((project_root / folder).is_dir() for file in files for folder in engine.tests_of(file))
