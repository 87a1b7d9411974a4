"""Our contracts as compiled: packaged, or afresh from the sources with the settings of `foundry.toml`.

`scripts/export_abi.py` writes the packaged ones; a test compares them with the sources.
"""

from __future__ import annotations

import json
import posixpath
import re
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from pathlib import Path
from typing import Any

from oracle.core.errors import CompileError, DeploymentError

#: The contracts that are deployed, by name, with the file of each below the project's root.
SOURCES: Mapping[str, str] = {
    "ZkOracle": "contracts/src/ZkOracle.sol",
    "ZkAggregator": "contracts/src/ZkAggregator.sol",
    "ZkAggregatorFactory": "contracts/src/ZkAggregatorFactory.sol",
    "ZkFeedRegistry": "contracts/src/ZkFeedRegistry.sol",
    "ModelCard": "contracts/src/ModelCard.sol",
    "ClaimRegistry": "contracts/src/ClaimRegistry.sol",
    "Models": "contracts/src/libraries/Models.sol",
    "Changes": "contracts/src/libraries/Changes.sol",
    "Shadows": "contracts/src/libraries/Shadows.sol",
}

MAX_RUNTIME_BYTES = 24_576
"""The largest code that a chain takes (EIP-170)."""

_OUTPUTS = ("evm.bytecode.object", "evm.bytecode.linkReferences", "evm.deployedBytecode")

_IMPORT = re.compile(r"""^\s*import\b(?:[^;"']*\bfrom)?\s*["']([^"']+)["']""", re.MULTILINE)


_ADDRESS_BYTES = 20
_NOWHERE = bytes(_ADDRESS_BYTES)

_OWN_ADDRESS = "library_deploy_address"
"""What solc calls the word of a library's code that holds its own address, written there when it is created."""

Links = Mapping[str, tuple[int, ...]]
"""Library → where its address goes: offsets in bytes, ascending."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled contract or library.

    Attributes:
        abi: As solc writes it; empty for a library, which is called by the contracts that are linked with it only.
        bytecode: Creation code, without the constructor's arguments; zero where libraries' addresses go.
        runtime: Deployed code, zero where immutables and addresses go.
        immutables: Where immutables go: (offset, length) in bytes, ascending.
        own_address: Likewise, where a library's own address goes; empty for a contract.
        links: Where libraries' addresses go in `bytecode`.
        runtime_links: Where they go in `runtime`.
        libraries: The addresses that were put there, if they were.
    """

    name: str
    abi: tuple[Mapping[str, Any], ...]
    bytecode: bytes
    runtime: bytes
    immutables: tuple[tuple[int, int], ...]
    own_address: tuple[tuple[int, int], ...] = ()
    links: Links = field(default_factory=dict)
    runtime_links: Links = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[str, ...]:
        """The libraries that it has to be linked with before it can be deployed, sorted."""
        return tuple(sorted({*self.links, *self.runtime_links} - {*self.libraries}))

    @property
    def is_library(self) -> bool:
        """Whether it is a library."""
        return bool(self.own_address)

    def link(self, libraries: Mapping[str, str]) -> Compiled:
        """The same with the addresses of its libraries filled in; addresses of others are ignored.

        Raises:
            DeploymentError: One is missing, or no address.
        """
        needed = {*self.links, *self.runtime_links}
        if missing := needed - libraries.keys():
            raise DeploymentError(f"{self.name} needs the addresses of its libraries: {', '.join(sorted(missing))}")
        used = {name: libraries[name] for name in sorted(needed)}
        raw = {name: _address_bytes(name, address) for name, address in used.items()}
        return replace(
            self,
            bytecode=_filled(self.bytecode, self.links, raw),
            runtime=_filled(self.runtime, self.runtime_links, raw),
            libraries=used,
        )

    def libraries_in(self, code: bytes) -> dict[str, str]:
        """The addresses of the libraries that code found on a chain is linked with, if it is this contract's.

        Raises:
            DeploymentError: It is not of this contract's length, or names two addresses for one library.
        """
        from eth_utils.address import to_checksum_address

        if len(code) != len(self.runtime):
            raise DeploymentError(
                f"the code is not that of {self.name}: {len(code):,} bytes, not {len(self.runtime):,}"
            )
        found: dict[str, str] = {}
        for name, offsets in self.runtime_links.items():
            addresses = {code[offset : offset + _ADDRESS_BYTES] for offset in offsets}
            if len(addresses) != 1:
                raise DeploymentError(f"the code is not that of {self.name}: it has two addresses for {name}")
            found[name] = str(to_checksum_address(addresses.pop()))
        return found

    def matches(self, code: bytes, address: str | None = None) -> bool:
        """Whether code found on a chain is this contract's, whatever its immutables are.

        Args:
            code: A linked contract's has the libraries' addresses in it: `link` first, or it does not match.
            address: Where it was found. A library's code has it; None: whatever it has there.
        """
        if len(code) != len(self.runtime):
            return False
        masked = bytearray(code)
        for offset, length in (*self.immutables, *self.own_address):
            masked[offset : offset + length] = bytes(length)
        if address is not None:
            own = _address_bytes(self.name, address)
            if any(code[offset : offset + length] != own.rjust(length, b"\0") for offset, length in self.own_address):
                return False
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
    from oracle.chain.local import toolchain
    from oracle.chain.local.solc import compile_standard

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
            "outputSelection": {file: {name: ["abi", *_OUTPUTS]} for name, file in sources.items()},
        },
    }
    output = compile_standard(request, profile["solc"])
    return {name: _compiled(name, output["contracts"][file][name]) for name, file in sources.items()}


def to_json(contract: Compiled) -> dict[str, Any]:
    """What is packaged of a contract, which is not linked yet."""
    return {
        "abi": list(contract.abi),
        "bytecode": "0x" + contract.bytecode.hex(),
        "runtime": "0x" + contract.runtime.hex(),
        "immutables": [list(each) for each in contract.immutables],
        "own_address": [list(each) for each in contract.own_address],
        "links": {name: list(offsets) for name, offsets in contract.links.items()},
        "runtime_links": {name: list(offsets) for name, offsets in contract.runtime_links.items()},
    }


def from_json(name: str, found: Mapping[str, Any]) -> Compiled:
    """The inverse of `to_json`. Raises: KeyError, TypeError, ValueError."""
    return Compiled(
        name=name,
        abi=tuple(found["abi"]),
        bytecode=bytes.fromhex(found["bytecode"].removeprefix("0x")),
        runtime=bytes.fromhex(found["runtime"].removeprefix("0x")),
        immutables=tuple((int(offset), int(length)) for offset, length in found["immutables"]),
        own_address=tuple((int(offset), int(length)) for offset, length in found["own_address"]),
        links={name: tuple(offsets) for name, offsets in found["links"].items()},
        runtime_links={name: tuple(offsets) for name, offsets in found["runtime_links"].items()},
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
    created, deployed = output["evm"]["bytecode"], output["evm"]["deployedBytecode"]
    spots = dict(deployed["immutableReferences"])
    own_address = spots.pop(_OWN_ADDRESS, [])
    runtime, runtime_links = _unlinked(deployed)
    bytecode, links = _unlinked(created)
    contract = Compiled(
        name=name,
        abi=tuple(output["abi"]),
        bytecode=bytecode,
        runtime=runtime,
        immutables=_sorted(spot for each in spots.values() for spot in each),
        own_address=_sorted(own_address),
        links=links,
        runtime_links=runtime_links,
    )
    if len(contract.runtime) > MAX_RUNTIME_BYTES:
        raise CompileError(f"{name} is {len(contract.runtime):,} bytes; a chain takes {MAX_RUNTIME_BYTES:,} at most")
    return replace(contract, abi=()) if contract.is_library else contract


def _sorted(spots: Iterable[Mapping[str, int]]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((spot["start"], spot["length"]) for spot in spots))


def _unlinked(output: Mapping[str, Any]) -> tuple[bytes, dict[str, tuple[int, ...]]]:
    """Code with zeros where solc has placeholders of libraries, and where these are."""
    digits: str = output["object"]
    links: dict[str, tuple[int, ...]] = {}
    for library, places in sorted(
        (library, places) for file in output["linkReferences"].values() for library, places in file.items()
    ):
        links[library] = tuple(sorted(place["start"] for place in places))
        for offset in links[library]:
            digits = digits[: 2 * offset] + _NOWHERE.hex() + digits[2 * (offset + _ADDRESS_BYTES) :]
    return bytes.fromhex(digits), links


def _filled(code: bytes, links: Links, addresses: Mapping[str, bytes]) -> bytes:
    filled = bytearray(code)
    for name, offsets in links.items():
        for offset in offsets:
            filled[offset : offset + _ADDRESS_BYTES] = addresses[name]
    return bytes(filled)


def _address_bytes(name: str, address: str) -> bytes:
    try:
        raw = bytes.fromhex(address.removeprefix("0x"))
    except ValueError:
        raw = b""
    if len(raw) != _ADDRESS_BYTES or raw == _NOWHERE:
        raise DeploymentError(f"{address!r} is no address of {name}")
    return raw
