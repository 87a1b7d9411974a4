"""Tests that the ABIs of the npm package are those of the compiled contracts."""

from __future__ import annotations

import json
import re
from pathlib import Path

from oracle.chain import compiled
from oracle.chain.compiled import packaged
from oracle.core.formats import keccak
from scripts import npm_abi

FOLDER = Path("npm/contracts")


def test_the_package_has_the_abis_of_the_contracts(project_root: Path) -> None:
    folder = project_root / FOLDER
    for name, text in npm_abi.files().items():
        assert (folder / name).read_text(encoding="utf-8") == text, f"{name}: run scripts/npm_abi.py"
    there = {path.relative_to(folder).as_posix() for path in folder.glob("abi/*.json")}
    assert there == {name for name in npm_abi.files() if name.startswith("abi/")}


def test_each_contract_that_is_deployed_has_one() -> None:
    assert {name for name, contract in packaged().items() if not contract.is_library} <= npm_abi.abis().keys()


def test_results_have_names(project_root: Path) -> None:
    interfaces = "".join(path.read_text() for path in (project_root / "contracts/src/interfaces").glob("*.sol"))
    declared = set(re.findall(r"function (\w+)", interfaces))
    for name, abi in npm_abi.abis().items():
        for entry in abi:
            if entry["type"] == "function" and entry["name"] in declared:
                assert all(each["name"] for each in entry["outputs"]), f"{name}.{entry['name']}"


def test_the_code_is_the_json(project_root: Path) -> None:
    code = (project_root / FOLDER / "abi.js").read_text()
    found = dict(re.findall(r"export const (\w+) = (\[.*?\n\]);", code, re.DOTALL))
    assert {name: json.loads(text) for name, text in found.items()} == {
        npm_abi.constant(name): list(abi) for name, abi in npm_abi.abis().items()
    }


def test_names_of_constants() -> None:
    assert npm_abi.constant("ZkOracle") == "zkOracleAbi"
    assert npm_abi.constant("IHalo2Verifier") == "halo2VerifierAbi"


def test_the_client_knows_the_code_of_cards(project_root: Path) -> None:
    """Cards of other code mean nothing, and pages say so."""
    source = (project_root / "npm" / "client" / "src" / "read" / "cards.ts").read_text(encoding="utf-8")
    assert f'"0x{keccak(compiled.load("ModelCard").runtime).hex()}"' in source
