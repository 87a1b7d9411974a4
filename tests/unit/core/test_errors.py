"""Tests of the tree of errors: its drawing is true, its exit codes are documented, and each error is in use."""

from __future__ import annotations

import ast
import inspect
import pickle
import re
from pathlib import Path
from typing import Any

import pytest

import oracle.cli
from oracle.core import errors
from oracle.core.errors import ContractRejected, Fatal, OracleError, Retryable, StateMoved

CLASSES: dict[str, Any] = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == errors.__name__
}

_NODE = re.compile(r"^(?P<indent>[ │├└─]*)(?P<name>[A-Z]\w+)")


def drawn() -> dict[str, str | None]:
    """Return the parent of each class, as the docstring draws it."""
    lines = inspect.cleandoc(errors.__doc__ or "").splitlines()
    start = next(i for i, line in enumerate(lines) if line.strip() == "OracleError")
    parents: dict[str, str | None] = {}
    path: list[tuple[int, str]] = []
    for line in lines[start:]:
        match = _NODE.match(line)
        if match is None:
            break
        depth = len(match["indent"])
        while path and path[-1][0] >= depth:
            path.pop()
        assert match["name"] not in parents, f"{match['name']} is drawn twice"
        parents[match["name"]] = path[-1][1] if path else None
        path.append((depth, match["name"]))
    return parents


def test_the_drawing_is_the_tree() -> None:
    actual = {name: each.__bases__[0].__name__ for name, each in CLASSES.items() if each is not OracleError}
    assert drawn() == {"OracleError": None, **actual}
    assert len(actual) > 15


@pytest.mark.parametrize("error", CLASSES.values(), ids=CLASSES)
def test_every_error_is_documented_and_has_one_parent(error: type[OracleError]) -> None:
    assert len(error.__bases__) == 1
    assert error.__doc__, "inspect.getdoc would take the parent's"


@pytest.mark.parametrize("error", CLASSES.values(), ids=CLASSES)
def test_every_error_is_either_retryable_or_fatal(error: type[OracleError]) -> None:
    if error is OracleError:
        return
    assert issubclass(error, Retryable) != issubclass(error, Fatal)


@pytest.mark.parametrize("error", CLASSES.values(), ids=CLASSES)
def test_exit_codes_are_those_that_the_drawing_states(error: type[OracleError]) -> None:
    """The drawing has a class's code beside the class, or beside the nearest class above it."""
    stated = dict(re.findall(r"(\w+) .*; exit code (\d+)$", errors.__doc__ or "", re.MULTILINE))
    assert stated.keys() == {"Retryable", "Fatal", "UserError"}
    above = [stated[each.__name__] for each in error.__mro__ if each.__name__ in stated]
    assert error.exit_code == (int(above[0]) if above else 1)


def test_the_command_line_documents_every_exit_code() -> None:
    documented = set(re.findall(r"\b\d+\b", oracle.cli.__doc__ or ""))
    assert {str(error.exit_code) for error in CLASSES.values()} <= documented
    assert "0" in documented, "which no error has"
    assert 0 not in {error.exit_code for error in CLASSES.values()}


@pytest.mark.parametrize("error", CLASSES.values(), ids=CLASSES)
def test_an_error_survives_the_way_to_another_process(error: type[OracleError]) -> None:
    """Provers raise in other processes. Message and attributes arrive, whatever arguments the class takes."""
    names = list(inspect.signature(error).parameters)[1:] if "__init__" in vars(error) else []
    made = error("the message", *(f"the {name}" for name in names))
    arrived = pickle.loads(pickle.dumps(made))
    assert type(arrived) is error
    assert str(arrived) == str(made) == "the message"
    assert vars(arrived) == vars(made) == {name: f"the {name}" for name in names}


def test_what_is_not_known_of_an_error_is_none() -> None:
    assert vars(ContractRejected("no reason given")) == {"name": None, "feed_id": None}
    assert vars(StateMoved("a round came in between")) == {"feed_id": None}


def test_every_error_is_raised_somewhere(project_root: Path) -> None:
    """The exceptions are errors that only group others; nobody raises them."""
    made = {
        node.func.id
        for path in (project_root / "oracle").rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8")))
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)
    }
    assert CLASSES.keys() - made == {"OracleError", "Retryable", "UserError"}
