"""Tests of house rules that no linter knows: the root, file lengths, names, docstrings and local imports."""

from __future__ import annotations

import ast
import gc
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
    "skl2onnx", "sklearn", "torch",
}  # fmt: skip
"""Libraries of the optional extras: imported where they are used."""

MAY_IMPORT_LATE = {
    "oracle/__main__.py": "an interrupt while the commands are loading is one line",
    "oracle/cli/": "`oracle --help` answers at once",
    "oracle/app/beginning/": "what trains is slow to import, and a folder without a history trains nothing",
    "oracle/app/regeneration.py": "a node that only answers loads neither onnx nor numpy",
    "oracle/app/run.py": "a node that only answers loads neither provers nor circuits",
    "oracle/chain/keys/": "eth_account is slow to import, and most commands sign nothing",
    "oracle/chain/local/solc.py": "py-solc-x is slow to import and creates a folder; npm's solc does without it",
    "oracle/chain/transport/endpoint.py": "web3 is slow to import, and changes the recursion limit",
    "oracle/claims/attestation.py": "eth_account is slow to import, and most programs only read attestations",
    "oracle/config/prover.py": "platformdirs is needed only where no folder is configured",
    "oracle/core/accounts.py": "eth_account is slow to import, and most commands sign nothing",
    "oracle/core/formats.py": "eth_utils is slow to import",
    "oracle/core/statistics.py": "the daemon's percentiles need no numpy, which takes its memory",
    "oracle/detectors/kinds/": "scoring one window needs neither numpy nor onnx",
    "oracle/feeds/journal/revisions.py": "alembic is slow to import and rarely needed",
    "oracle/proving/artifact/architecture.py": "an artifact is loaded without onnx: only who makes keys reads graphs",
    "oracle/proving/artifact/circuit.py": "an artifact is loaded without onnx: only a build reads graphs",
    "oracle/proving/engine/calls.py": "there is no `resource` on Windows; asyncio doubles a proving process's start",
    "oracle/proving/engine/worker.py": "ezkl is loaded once standard output is redirected",
    "oracle/proving/imported.py": "an artifact is described without numpy and onnx",
    "oracle/sources/http/config.py": "jsonpath is slow to import, and most sources need none",
}
"""Folders and modules whose functions import more than extras, and why. Others import at the top."""


PARSES_JSON = {
    "oracle/core/documents.py": "the one strict reader",
    "oracle/proving/engine/": "pipes and files between this process and its own child, which alone loads ezkl",
}
"""Folders and modules that parse JSON by themselves, and why. All others use `oracle.core.documents`."""

PARSED_TWICE = {"oracle/audit/deployment/manifest.py", "oracle/chain/deploy/file.py"}
"""Modules in which pydantic parses JSON itself, once the strict reader has taken it."""


@cache
def trees(root: Path, folder: str = "oracle") -> dict[str, ast.Module]:
    gc.disable()  # millions of nodes, of which none is garbage: looking for some takes three times as long as parsing
    try:
        return {
            str(path.relative_to(root)): ast.parse(path.read_text(encoding="utf-8"))
            for path in sorted((root / folder).rglob("*.py"))
        }
    finally:
        gc.freeze()
        gc.enable()


def test_the_root_of_the_package_holds_packages_only(project_root: Path) -> None:
    found = {path.name for path in (project_root / "oracle").iterdir() if path.is_file()}
    assert found == {"__init__.py", "__main__.py", "py.typed"}


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


def statements(node: ast.AST) -> Iterator[ast.AST]:
    """Return a node and all statements in it. There are few beside the expressions, of which none has a docstring."""
    yield node
    for name in ("body", "orelse", "finalbody", "handlers", "cases"):
        below = getattr(node, name, ())
        for each in below if isinstance(below, list) else ():
            yield from statements(each)


def documented(tree: ast.Module) -> Iterator[tuple[int, str]]:
    for node in statements(tree):
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


def parses(tree: ast.Module) -> Iterator[tuple[int, str]]:
    """Yield the places where JSON is parsed, or an answer decoded, by something else than our own reader."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id="json"), attr="load" | "loads" | "JSONDecoder"):
                yield node.lineno, f"json.{node.attr}"
            case ast.ImportFrom(module="json", names=names):
                yield from ((node.lineno, f"json.{each.name}") for each in names if each.name not in ("dump", "dumps"))
            case ast.Import(names=names):
                parsers = {"jiter", "msgspec", "orjson", "rapidjson", "simplejson", "ujson"}
                yield from ((node.lineno, each.name) for each in names if each.name in parsers)
            case ast.Await(value=ast.Call(func=ast.Attribute(attr="json" | "text" as name), args=[])):
                # aiohttp's own: any charset, any size, and the last of two keys.
                yield node.lineno, f"await ….{name}()"
            case ast.Attribute(attr="model_validate_json" | "validate_json" | "parse_raw" | "decode_rpc_response"):
                yield node.lineno, node.attr
            case ast.Attribute(value=ast.Name(id="pydantic_core"), attr="from_json"):
                yield node.lineno, "pydantic_core.from_json"


def test_one_reader_parses_json(project_root: Path) -> None:
    found = [
        f"{path}:{line}: {what}"
        for path, tree in trees(project_root).items()
        for line, what in parses(tree)
        if not any(path.startswith(each) for each in PARSES_JSON)
        if not (path in PARSED_TWICE and what == "model_validate_json")
    ]
    assert found == [], "use `parse_json` or `read_json` of oracle.core.documents, or `Answer.json` of oracle.core.http"


@pytest.mark.parametrize("place", [*PARSES_JSON, *sorted(PARSED_TWICE)])
def test_what_may_parse_json_does(project_root: Path, place: str) -> None:
    assert any(path.startswith(place) and list(parses(tree)) for path, tree in trees(project_root).items())


@pytest.mark.parametrize(
    "code",
    [
        "json.loads(x)", "json.load(x)", "f = json.loads", "json.JSONDecoder()", "from json import loads",
        "async def f(): return await answer.json()", "async def f(): return await answer.text()",
        "Model.model_validate_json(x)", "import orjson", "import jiter", "pydantic_core.from_json(x)",
    ],
)  # fmt: skip
def test_parsers_are_found(code: str) -> None:
    assert list(parses(ast.parse(code)))


@pytest.mark.parametrize(
    "code", ["json.dumps(x)", "answer.json()", "parse_json(x)", "from json import dumps", "x.text"]
)
def test_what_is_no_parser_is_none(code: str) -> None:
    assert not list(parses(ast.parse(code)))
