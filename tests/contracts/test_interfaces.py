"""Tests that consumers with an older compiler can use the interfaces, and that results have names."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from oracle.chain import compiled
from oracle.chain.local import contracts
from oracle.chain.local.solc import compile_standard, standard_input

FOLDER = Path("contracts/src/interfaces")
OLDEST = "0.8.20"
"""The oldest compiler that takes the interfaces. ezkl's verifiers need it too, so every set-up has it."""
NEWEST = "0.8.30"
PRAGMA = f"pragma solidity >={OLDEST} <0.9.0;"

FILES = sorted(path.name for path in (Path(__file__).resolve().parents[2] / FOLDER).glob("*.sol"))


@cache
def abis(root: Path, file: str, version: str) -> dict[str, list[Mapping[str, Any]]]:
    """Return the ABIs of a file's interfaces by name, compiled as a consumer compiles them: with what they import."""
    name = (FOLDER / file).as_posix()
    output = compile_standard(standard_input(contracts.with_imports(root, [name], [])), version)
    assert output.get("errors", []) == []
    return {each: found["abi"] for each, found in output["contracts"][name].items()}


def unnamed(abi: Iterable[Mapping[str, Any]]) -> list[str]:
    """Return the functions that have a result without a name."""
    return [each["name"] for each in abi if any(not result["name"] for result in each.get("outputs", ()))]


@pytest.mark.parametrize("file", FILES)
def test_an_older_compiler_takes_the_interface(project_root: Path, file: str) -> None:
    found = abis(project_root, file, OLDEST)
    assert found
    assert found == abis(project_root, file, NEWEST)


@pytest.mark.parametrize("file", FILES)
def test_the_interface_says_which_compilers_it_takes(project_root: Path, file: str) -> None:
    assert re.findall(r"^pragma .*$", (project_root / FOLDER / file).read_text(), re.MULTILINE) == [PRAGMA]


@pytest.mark.parametrize("file", FILES)
def test_results_have_names(project_root: Path, file: str) -> None:
    """A client's code calls a result without a name `0`."""
    assert [name for abi in abis(project_root, file, NEWEST).values() for name in unnamed(abi)] == []


@pytest.mark.parametrize("name", compiled.SOURCES)
def test_results_have_names_in_the_packaged_abis(project_root: Path, name: str) -> None:
    """A client's code names the results where there are several. One result is the call's own value.

    What a contract inherits from elsewhere (`owner`, `hasRole`, …) is as its author wrote it.
    """
    own = {each["name"] for file in FILES for abi in abis(project_root, file, NEWEST).values() for each in abi}
    several = [each for each in compiled.load(name).abi if len(each.get("outputs", ())) > 1]
    assert [each for each in unnamed(several) if each in own] == []
