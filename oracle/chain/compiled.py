"""Our contracts as compiled: packaged, or afresh from the sources with the settings of `foundry.toml`.

`scripts/export_abi.py` writes the packaged ones; a test compares them with the sources.
"""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Any

from oracle.errors import CompileError, DeploymentError

#: The contracts that are deployed, by name, with the file of each below the project's root.
SOURCES: Mapping[str, str] = {
    "ZkOracle": "contracts/src/ZkOracle.sol",
    "ZkAggregator": "contracts/src/ZkAggregator.sol",
}

MAX_RUNTIME_BYTES = 24_576
"""The largest code that a chain takes (EIP-170)."""

_IMPORT = re.compile(r"""^\s*import\b(?:[^;"']*\bfrom)?\s*["']([^"']+)["']""", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled contract.

    Attributes:
        abi: As solc writes it.
        bytecode: Creation code, without the constructor's arguments.
        runtime: Deployed code, zero where immutables go.
        immutables: Where they go: (offset, length) in bytes, ascending.
    """

    name: str
    abi: tuple[Mapping[str, Any], ...]
    bytecode: bytes
    runtime: bytes
    immutables: tuple[tuple[int, int], ...]

    def matches(self, code: bytes) -> bool:
        """Whether code found on a chain is this contract's, whatever its immutables are."""
        if len(code) != len(self.runtime):
            return False
        masked = bytearray(code)
        for offset, length in self.immutables:
            masked[offset : offset + length] = bytes(length)
        return bytes(masked) == self.runtime


def load(name: str) -> Compiled:
    """A packaged contract, for instance "ZkOracle".

    Raises:
        DeploymentError: The package has none of this name, or a damaged one.
    """
    file = resources.files("oracle.chain").joinpath("abi", f"{name}.json")
    try:
        return from_json(name, json.loads(file.read_text(encoding="utf-8")))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeploymentError(f"the package has no readable contract {name}: reinstall it ({error})") from error


def compile_contracts(sources: Mapping[str, str] = SOURCES) -> dict[str, Compiled]:
    """Compile contracts of the project, and all that they import.

    Args:
        sources: Contract name → its file, relative to the project's root.

    Raises:
        CompileError: The compiler refused, or a contract is too large to be deployed.
        ToolMissing: There is no compiler, or no project.
    """
    from oracle import toolchain
    from oracle.chain.solc import compile_standard

    root = toolchain.project_root()
    profile = _profile(root)
    remappings = [tuple(each.split("=", 1)) for each in profile.get("remappings", [])]
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in _closure(root, sources.values(), remappings).items()},
        "settings": {
            "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
            "viaIR": profile["via_ir"],
            "evmVersion": profile["evm_version"],
            "metadata": {"bytecodeHash": profile["bytecode_hash"]},
            "remappings": list(profile.get("remappings", [])),
            "outputSelection": {
                file: {name: ["abi", "evm.bytecode.object", "evm.deployedBytecode"]} for name, file in sources.items()
            },
        },
    }
    output = compile_standard(request, profile["solc"])
    return {name: _compiled(name, output["contracts"][file][name]) for name, file in sources.items()}


def to_json(contract: Compiled) -> dict[str, Any]:
    """What is packaged of a contract."""
    return {
        "abi": list(contract.abi),
        "bytecode": "0x" + contract.bytecode.hex(),
        "runtime": "0x" + contract.runtime.hex(),
        "immutables": [list(each) for each in contract.immutables],
    }


def from_json(name: str, found: Mapping[str, Any]) -> Compiled:
    """The inverse of `to_json`. Raises: KeyError, TypeError, ValueError."""
    return Compiled(
        name=name,
        abi=tuple(found["abi"]),
        bytecode=bytes.fromhex(found["bytecode"].removeprefix("0x")),
        runtime=bytes.fromhex(found["runtime"].removeprefix("0x")),
        immutables=tuple((int(offset), int(length)) for offset, length in found["immutables"]),
    )


# --- details ------------------------------------------------------------------------------------------------


def _profile(root: Path) -> dict[str, Any]:
    """The settings that deployed contracts are compiled with."""
    with (root / "foundry.toml").open("rb") as handle:
        profile: dict[str, Any] = tomllib.load(handle)["profile"]["default"]
    for each in profile.get("additional_compiler_profiles", []):
        if each["name"] == "deployed":
            profile |= each
    missing = {"solc", "optimizer", "optimizer_runs", "via_ir", "evm_version", "bytecode_hash"} - profile.keys()
    if missing:
        raise CompileError(f"foundry.toml, [profile.default]: {', '.join(sorted(missing))} is missing")
    return profile


def _closure(root: Path, files: Iterable[str], remappings: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """Files and what they import, recursively: name, as the compiler looks it up → text."""
    mapped = list(remappings)
    found: dict[str, str] = {}
    waiting = list(files)
    while waiting:
        name = waiting.pop()
        if name in found:
            continue
        try:
            found[name] = (root / name).read_text(encoding="utf-8")
        except OSError as error:
            raise CompileError(f"{root / name} can't be read ({error.strerror}): run `make setup`") from error
        for imported in _IMPORT.findall(found[name]):
            if imported.startswith("."):
                waiting.append(posixpath.normpath(posixpath.join(posixpath.dirname(name), imported)))
            else:
                target = next((new + imported[len(old) :] for old, new in mapped if imported.startswith(old)), imported)
                waiting.append(target)
    return dict(sorted(found.items()))


def _compiled(name: str, output: Mapping[str, Any]) -> Compiled:
    deployed = output["evm"]["deployedBytecode"]
    spots = [spot for each in deployed["immutableReferences"].values() for spot in each]
    contract = Compiled(
        name=name,
        abi=tuple(output["abi"]),
        bytecode=bytes.fromhex(output["evm"]["bytecode"]["object"]),
        runtime=bytes.fromhex(deployed["object"]),
        immutables=tuple(sorted((spot["start"], spot["length"]) for spot in spots)),
    )
    if len(contract.runtime) > MAX_RUNTIME_BYTES:
        raise CompileError(f"{name} is {len(contract.runtime):,} bytes; a chain takes {MAX_RUNTIME_BYTES:,} at most")
    return contract
