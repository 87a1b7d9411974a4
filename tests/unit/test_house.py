"""Tests of house rules that no linter knows: the root, file lengths, names, docstrings and local imports."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from functools import cache
from itertools import pairwise
from pathlib import Path

import pytest

LONGEST = 500

EXTRAS = {
    "arch", "ccxt", "keyring", "matplotlib", "onnxruntime", "openpyxl", "pandas", "psycopg", "pyarrow", "ray", "scipy",
    "sklearn",
}  # fmt: skip
"""Libraries of the optional extras: imported where they are used."""

MAY_IMPORT_LATE = {
    "oracle/cli/": "`oracle --help` answers at once",
    "oracle/app/run.py": "a node that only answers loads neither provers nor circuits",
    "oracle/chain/local/solc.py": "py-solc-x is slow to import and creates a folder; npm's solc does without it",
    "oracle/chain/transport/endpoint.py": "web3 is slow to import, and changes the recursion limit",
    "oracle/claims/attestation.py": "eth_account is slow to import, and most programs only read attestations",
    "oracle/config/prover.py": "platformdirs is needed only where no folder is configured",
    "oracle/core/formats.py": "eth_utils is slow to import",
    "oracle/core/statistics.py": "the daemon's percentiles need no numpy, which takes its memory",
    "oracle/detectors/kinds/": "scoring one window needs neither numpy nor onnx",
    "oracle/feeds/journal/revisions.py": "alembic is slow to import and rarely needed",
    "oracle/proving/artifact/architecture.py": "an artifact is loaded without onnx: only who makes keys reads graphs",
    "oracle/proving/artifact/circuit.py": "an artifact is loaded without onnx: only a build reads graphs",
    "oracle/proving/engine/calls.py": "there is no `resource` on Windows",
    "oracle/proving/engine/worker.py": "ezkl is loaded once standard output is redirected",
    "oracle/proving/imported.py": "an artifact is described without numpy and onnx",
    "oracle/sources/http/config.py": "jsonpath is slow to import, and most sources need none",
}
"""Folders and modules whose functions import more than extras, and why. Others import at the top."""


@cache
def trees(root: Path, folder: str = "oracle") -> dict[str, ast.Module]:
    return {
        str(path.relative_to(root)): ast.parse(path.read_text(encoding="utf-8"))
        for path in sorted((root / folder).rglob("*.py"))
    }


def test_the_root_of_the_package_holds_packages_only(project_root: Path) -> None:
    found = {path.name for path in (project_root / "oracle").iterdir() if path.is_file()}
    assert found == {"__init__.py", "py.typed"}


def test_no_file_is_a_hall(project_root: Path) -> None:
    long = {path: len((project_root / path).read_text(encoding="utf-8").splitlines()) for path in trees(project_root)}
    assert {path: lines for path, lines in long.items() if lines > LONGEST} == {}


def test_a_class_name_stands_for_one_thing(project_root: Path) -> None:
    homes = defaultdict(list)
    for path, tree in trees(project_root).items():
        for node in tree.body:
            if isinstance(node, ast.ClassDef):
                homes[node.name].append(path)
    assert {name: paths for name, paths in homes.items() if len(paths) > 1} == {}


def documented(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef):
            text = ast.get_docstring(node)
            if text:
                yield getattr(node, "lineno", 1), text
        body = node.body if isinstance(node, ast.Module | ast.ClassDef) else []
        for above, below in pairwise(body):
            # The text below a constant or an attribute.
            if isinstance(above, ast.Assign | ast.AnnAssign) and isinstance(below, ast.Expr):
                value = below.value
                if isinstance(value, ast.Constant) and isinstance(value.value, str):
                    yield below.lineno, value.value


def test_a_docstring_begins_with_what_a_thing_does_or_is(project_root: Path) -> None:
    riddles = [
        f"{path}:{line}: {text.splitlines()[0]}"
        for folder in ("oracle", "scripts", "tests")
        for path, tree in trees(project_root, folder).items()
        for line, text in documented(tree)
        if re.match(r"(What|Whether|Which|Of|Where|How|Who)\b", text)
    ]
    assert riddles == []


def public(tree: ast.Module) -> Iterator[ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef]:
    for node in tree.body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) and not node.name.startswith("_"):
            yield node


def is_overload(node: ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef) -> bool:
    return any(isinstance(each, ast.Name) and each.id == "overload" for each in node.decorator_list)


def test_public_functions_and_classes_have_a_docstring(project_root: Path) -> None:
    bare = [
        f"{path}:{node.lineno}: {node.name}"
        for path, tree in trees(project_root).items()
        if "/migrations/versions/" not in path  # Alembic's own form
        for node in public(tree)
        if not ast.get_docstring(node) and not is_overload(node)
    ]
    assert bare == []


def late_imports(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef | ast.AsyncFunctionDef):
            for node in ast.walk(function):
                if isinstance(node, ast.Import):
                    yield from ((node.lineno, alias.name) for alias in node.names)
                elif isinstance(node, ast.ImportFrom):
                    yield node.lineno, node.module or ""


def test_functions_import_extras_only(project_root: Path) -> None:
    late = sorted(
        {
            f"{path}:{line}: {name}"
            for path, tree in trees(project_root).items()
            for line, name in late_imports(tree)
            if name.split(".")[0] not in EXTRAS and not any(path.startswith(each) for each in MAY_IMPORT_LATE)
        }
    )
    assert late == []


@pytest.mark.parametrize("place", MAY_IMPORT_LATE)
def test_what_may_import_late_does(project_root: Path, place: str) -> None:
    assert any(path.startswith(place) and list(late_imports(tree)) for path, tree in trees(project_root).items())
