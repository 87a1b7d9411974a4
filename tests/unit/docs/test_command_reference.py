"""Tests that docs/cli.md is what the commands are, and that every exit code has a meaning."""

from __future__ import annotations

import ast
import inspect
import re
from pathlib import Path

import click
import pytest

from oracle.cli import oracle as command_line
from oracle.core import errors
from oracle.core.errors import EXIT_CODES, OracleError
from scripts import command_reference
from scripts.command_reference import commands


def test_the_page_is_what_the_commands_are(project_root: Path) -> None:
    written = (project_root / "docs" / "cli.md").read_text(encoding="utf-8")
    assert written == command_reference.page(), "run `python -m scripts.command_reference`"


def test_every_command_and_every_option_is_on_the_page() -> None:
    page = command_reference.page()
    for path, command in commands():
        section = page.split(f"\n## oracle {path}\n")[1].split("\n## ")[0]
        for each in command.params:
            name = each.opts[-1] if isinstance(each, click.Option) else each.make_metavar(click.Context(command))
            assert name in section, f"oracle {path} {name}"


def test_a_changed_option_changes_the_page(monkeypatch: pytest.MonkeyPatch) -> None:
    before = command_reference.page()
    status = command_line.commands["status"]
    monkeypatch.setattr(status, "params", [*status.params, click.Option(["--new"], help="Something *new* [x|y].")])
    added = set(command_reference.page().splitlines()) - set(before.splitlines())
    assert added == {"| `--new TEXT` | Something \\*new\\* \\[x\\|y\\]. |"}


def test_every_error_has_an_exit_code_with_a_meaning() -> None:
    kinds = [each for _, each in inspect.getmembers(errors, inspect.isclass) if issubclass(each, OracleError)]
    assert len(kinds) > 30
    assert {each.exit_code for each in kinds} == {1, 2, 75} <= set(EXIT_CODES)
    tree = inspect.getdoc(errors) or ""
    assert re.findall(r"exit code (\d+)", tree) == ["75", "1", "2"]


def test_no_command_exits_with_another_code(project_root: Path) -> None:
    """Numbers in calls of `sys.exit` are those of the table; other codes come from errors."""
    found: dict[int, str] = {}
    for path in (project_root / "oracle" / "cli").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Call) and ast.unparse(node.func) in ("sys.exit", "ctx.exit", "context.exit"):
                for inner in ast.walk(node):
                    if isinstance(inner, ast.Constant) and isinstance(inner.value, int):
                        found[int(inner.value)] = f"{path.name}:{node.lineno}"
    assert {code: where for code, where in found.items() if code not in EXIT_CODES} == {}
    assert {0, 1, 2, 130} <= set(found)
