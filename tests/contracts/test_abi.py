"""Tests that the package's ABIs and bytecode are those of the contracts' sources."""

from __future__ import annotations

import json
import shutil
from importlib import resources
from pathlib import Path
from typing import Any

import pytest
from eth_utils.address import to_checksum_address

from oracle.chain import compiled
from oracle.chain.local import contracts
from oracle.core.errors import DeploymentError
from oracle.core.formats import keccak
from tests.contracts import forge_output


@pytest.fixture(scope="module")
def fresh(project_root: Path) -> dict[str, compiled.Compiled]:
    """Return the contracts as they compile now, from forge's output where it is current: tests run forge first."""
    built = {name: forge_output.current(project_root, name, file) for name, file in compiled.SOURCES.items()}
    found = {name: contract for name, contract in built.items() if contract is not None}
    missing = {name: file for name, file in compiled.SOURCES.items() if name not in found}
    return found | (contracts.compile_contracts(missing) if missing else {})


@pytest.mark.parametrize("name", compiled.SOURCES)
def test_packaged_contract_is_in_sync(name: str, fresh: dict[str, compiled.Compiled]) -> None:
    assert compiled.load(name) == fresh[name], "run scripts/export_abi.py"


def test_what_forge_has_compiled_of_other_sources_or_settings_is_not_taken(project_root: Path, tmp_path: Path) -> None:
    profile = contracts.deployed_profile(project_root)
    shutil.copy(project_root / "foundry.toml", tmp_path)
    source = tmp_path / "contracts/src/Models.sol"
    source.parent.mkdir(parents=True)
    source.write_text("library Models {}")
    packaged = json.loads((resources.files("oracle.chain") / "abi" / "Models.json").read_text())
    settings = {
        "compilationTarget": {"contracts/src/Models.sol": "Models"},
        "evmVersion": profile["evm_version"],
        "libraries": {},
        "metadata": {"bytecodeHash": "none"},
        "optimizer": {"enabled": True, "runs": profile["optimizer_runs"]},
        "remappings": profile["remappings"],
        "viaIR": True,
    }
    places = [{"start": start, "length": length} for start, length in packaged["own_address"]]
    output = {
        "bytecode": {"object": packaged["bytecode"], "linkReferences": {}},
        "deployedBytecode": {
            "object": packaged["runtime"],
            "linkReferences": {},
            "immutableReferences": {"library_deploy_address": places},
        },
    }

    def taken(**changes: Any) -> compiled.Compiled | None:
        metadata = {
            "compiler": {"version": f"{profile['solc']}+commit.00000000"},
            "output": {"abi": packaged["abi"]},
            "settings": settings,
            "sources": {"contracts/src/Models.sol": {"keccak256": "0x" + keccak(b"library Models {}").hex()}},
        } | changes
        folder = tmp_path / "build/forge/out/Models.sol"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / "Models.deployed.json").write_text(json.dumps(output | {"rawMetadata": json.dumps(metadata)}))
        return forge_output.current(tmp_path, "Models", "contracts/src/Models.sol")

    assert taken() == compiled.load("Models")
    assert taken(compiler={"version": "0.8.29+commit.00000000"}) is None
    for change in ({"optimizer": {"enabled": False, "runs": 200}}, {"evmVersion": "osaka"}, {"viaIR": False}):
        assert taken(settings=settings | change) is None
    assert taken(sources={"contracts/src/Gone.sol": {"keccak256": "0x00"}}) is None
    source.write_text("library Models { }")
    assert taken() is None
    assert forge_output.current(tmp_path, "Others", "contracts/src/Others.sol") is None


@pytest.mark.parametrize("name", compiled.SOURCES)
def test_fits_a_chain(name: str) -> None:
    assert 0 < len(compiled.load(name).runtime) <= compiled.MAX_RUNTIME_BYTES


def test_code_matches_whatever_its_immutables_are() -> None:
    contract = compiled.load("ZkAggregator")
    code = bytearray(contract.runtime)
    for number, places in enumerate(contract.immutables.values(), 1):
        for offset, length in places:
            code[offset : offset + length] = bytes([number]) * length
    assert contract.matches(bytes(code))
    assert contract.immutables_in(bytes(code))["_hub"] == bytes([sorted(contract.immutables).index("_hub") + 1]) * 32
    start, length = contract.immutables["_hub"][-1]
    code[start] ^= 1
    with pytest.raises(DeploymentError, match="several values for _hub"):
        contract.immutables_in(bytes(code))
    code[start + length] ^= 1
    assert not contract.matches(bytes(code))
    assert not contract.matches(bytes(code[:-1]))


LIBRARIES = ("Changes", "Holds", "Models", "Shadows")


def addresses(seed: int = 1) -> dict[str, str]:
    return {name: to_checksum_address((seed * 256 + index).to_bytes(20)) for index, name in enumerate(LIBRARIES)}


def test_the_hub_is_linked_with_its_libraries() -> None:
    hub = compiled.load("ZkOracle")
    assert hub.needs == LIBRARIES
    linked = hub.link({**addresses(), "Another": "0x"})
    assert linked.needs == () and linked.libraries == addresses()
    assert len(linked.bytecode) == len(hub.bytecode) and len(linked.runtime) == len(hub.runtime)
    for code, links in ((linked.bytecode, hub.links), (linked.runtime, hub.runtime_links)):
        for name, address in addresses().items():
            assert links[name]
            assert {code[offset : offset + 20].hex() for offset in links[name]} == {address[2:].lower()}
    assert linked.matches(linked.runtime)
    assert not linked.matches(hub.runtime)
    assert not linked.matches(hub.link(addresses(2)).runtime)
    assert not hub.matches(linked.runtime)
    assert linked.libraries_in(linked.runtime) == addresses()


def test_code_that_calls_two_libraries_of_one_name() -> None:
    hub = compiled.load("ZkOracle").link(addresses())
    code = bytearray(hub.runtime)
    code[hub.runtime_links["Models"][-1]] ^= 1
    assert not hub.matches(bytes(code))
    with pytest.raises(DeploymentError, match="two addresses for Models"):
        hub.libraries_in(bytes(code))
    with pytest.raises(DeploymentError, match="not that of ZkOracle"):
        hub.libraries_in(bytes(code[:-1]))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({}, "needs the addresses of its libraries: Models"),
        ({"Models": "0x12"}, "not an address of Models"),
        ({"Models": "0x" + "00" * 20}, "not an address of Models"),
        ({"Models": "nowhere"}, "not an address of Models"),
    ],
)
def test_links_that_are_none(change: dict[str, str], message: str) -> None:
    known = {name: address for name, address in addresses().items() if name != "Models"}
    with pytest.raises(DeploymentError, match=message):
        compiled.load("ZkOracle").link({**known, **change})


@pytest.mark.parametrize("name", LIBRARIES)
def test_a_library_matches_at_its_own_address_only(name: str) -> None:
    library = compiled.load(name)
    assert library.is_library and not library.needs and library.abi == ()
    code = bytearray(library.runtime)
    for offset, length in library.own_address:
        code[offset : offset + length] = bytes.fromhex(addresses()[name][2:]).rjust(length, b"\0")
    assert library.matches(bytes(code), addresses()[name])
    assert library.matches(bytes(code))
    assert not library.matches(bytes(code), addresses(2)[name])
    code[-1] ^= 1
    assert not library.matches(bytes(code), addresses()[name])


def test_contracts_are_no_libraries() -> None:
    for name in set(compiled.SOURCES) - set(LIBRARIES):
        assert not compiled.load(name).is_library
        assert compiled.load(name).abi


def test_the_factory_carries_the_adapter() -> None:
    assert compiled.load("ZkAggregator").bytecode in compiled.load("ZkAggregatorFactory").runtime


def test_unknown_contract() -> None:
    with pytest.raises(DeploymentError, match="no readable contract Nothing"):
        compiled.load("Nothing")
