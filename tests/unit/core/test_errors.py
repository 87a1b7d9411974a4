"""The error tree: what the module's text draws is what there is."""

from __future__ import annotations

import inspect
import re

import pytest

from oracle.core import errors
from oracle.core.errors import ContractRejected, Fatal, OracleError, Retryable, UserError

CLASSES = {
    name: value
    for name, value in vars(errors).items()
    if inspect.isclass(value) and issubclass(value, BaseException) and value.__module__ == errors.__name__
}

_NODE = re.compile(r"^(?P<indent>[ │├└─]*)(?P<name>[A-Z]\w+)")


def drawn() -> dict[str, str | None]:
    """The parent of each class, as the docstring draws it."""
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
    assert inspect.getdoc(error)


@pytest.mark.parametrize("error", CLASSES.values(), ids=CLASSES)
def test_every_error_is_either_retryable_or_fatal(error: type[OracleError]) -> None:
    if error is OracleError:
        return
    assert issubclass(error, Retryable) != issubclass(error, Fatal)


def test_exit_codes_tell_the_kinds_apart() -> None:
    assert (Fatal("x").exit_code, UserError("x").exit_code, Retryable("x").exit_code) == (1, 2, 75)
    assert all(error.exit_code != 0 for error in CLASSES.values())


def test_a_rejection_keeps_the_contracts_error_name() -> None:
    assert ContractRejected("the proof was refused", "ProofRejected").name == "ProofRejected"
    assert ContractRejected("no reason given").name is None
    assert str(ContractRejected("the proof was refused", "ProofRejected")) == "the proof was refused"
