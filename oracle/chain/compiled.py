"""Our contracts as compiled: read from the package, linked, and compared with code on a chain.

`oracle.chain.local.contracts` compiles them, and `scripts/export_abi.py` packages the result.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from importlib import resources
from typing import Any

from oracle.core.documents import parse_json
from oracle.core.errors import DeploymentError
from oracle.core.formats import checksum_address, from_hex, keccak, to_hex

SOURCES: Mapping[str, str] = {
    "ZkOracle": "contracts/src/ZkOracle.sol",
    "ZkOracleLens": "contracts/src/ZkOracleLens.sol",
    "ZkAggregator": "contracts/src/ZkAggregator.sol",
    "ZkAggregatorFactory": "contracts/src/ZkAggregatorFactory.sol",
    "ZkFeedRegistry": "contracts/src/ZkFeedRegistry.sol",
    "Erc7412Updates": "contracts/src/Erc7412Updates.sol",
    "ModelCard": "contracts/src/ModelCard.sol",
    "ClaimRegistry": "contracts/src/ClaimRegistry.sol",
    "SplitVerifier": "contracts/src/SplitVerifier.sol",
    "Models": "contracts/src/libraries/Models.sol",
    "Changes": "contracts/src/libraries/Changes.sol",
    "Shadows": "contracts/src/libraries/Shadows.sol",
    "Holds": "contracts/src/libraries/Holds.sol",
}
"""The contracts that are deployed, by name, with the file of each below the project's root."""

MAX_RUNTIME_BYTES = 24_576
"""The largest code that a chain takes (EIP-170)."""

ADDRESS_BYTES = 20
NOWHERE = bytes(ADDRESS_BYTES)
"""Stands in code for a library's address that is not filled in yet."""

Links = Mapping[str, tuple[int, ...]]
"""Library → the offsets of its address in code, in bytes, ascending."""

Places = tuple[tuple[int, int], ...]
"""Places in code: (offset, length) in bytes, ascending."""


@dataclass(frozen=True, slots=True)
class Compiled:
    """A compiled contract or library.

    Attributes:
        abi: The ABI, as solc writes it; empty for a library, which only the contracts that are linked with it call.
        bytecode: Creation code without the constructor's arguments. It has zeros in place of libraries' addresses.
        runtime: Deployed code. It has zeros in place of immutables and addresses.
        immutables: Places of immutables, by the variable's name.
        own_address: Places of a library's own address, likewise; empty for a contract.
        links: Places of libraries' addresses in `bytecode`.
        runtime_links: Places of libraries' addresses in `runtime`.
        libraries: The addresses that were filled in; empty if none were.
    """

    name: str
    abi: tuple[Mapping[str, Any], ...]
    bytecode: bytes
    runtime: bytes
    immutables: Mapping[str, Places]
    own_address: Places = ()
    links: Links = field(default_factory=dict)
    runtime_links: Links = field(default_factory=dict)
    libraries: Mapping[str, str] = field(default_factory=dict)

    @property
    def needs(self) -> tuple[str, ...]:
        """The libraries that it still has to be linked with before it can be deployed, sorted."""
        return tuple(sorted({*self.links, *self.runtime_links} - {*self.libraries}))

    @property
    def is_library(self) -> bool:
        """True for a library, False for a contract."""
        return bool(self.own_address)

    @property
    def takes_arguments(self) -> bool:
        """True if its constructor takes arguments."""
        return any(entry["type"] == "constructor" and entry["inputs"] for entry in self.abi)

    def link(self, libraries: Mapping[str, str]) -> Compiled:
        """Return the same with the addresses of its libraries filled in; other addresses are ignored.

        Raises:
            DeploymentError: One is missing, or is not an address.
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
        """Return the addresses of the libraries that code found on a chain is linked with, if it is this contract's.

        Raises:
            DeploymentError: It is not of this contract's length, or names two addresses for one library.
        """
        if len(code) != len(self.runtime):
            raise DeploymentError(
                f"the code is not that of {self.name}: {len(code):,} bytes, not {len(self.runtime):,}"
            )
        found: dict[str, str] = {}
        for name, offsets in self.runtime_links.items():
            addresses = {code[offset : offset + ADDRESS_BYTES] for offset in offsets}
            if len(addresses) != 1:
                raise DeploymentError(f"the code is not that of {self.name}: it has two addresses for {name}")
            found[name] = checksum_address(to_hex(addresses.pop()))
        return found

    def matches(self, code: bytes, address: str | None = None) -> bool:
        """Return True if code found on a chain is this contract's, whatever its immutables are.

        Args:
            code: The code of a linked contract has the libraries' addresses in it: `link` first, or it does not match.
            address: The address at which the code was found. A library's code has this address in it; None accepts any
                there.
        """
        if len(code) != len(self.runtime):
            return False
        masked = bytearray(code)
        places = [each for found in self.immutables.values() for each in found]
        for offset, length in (*places, *self.own_address):
            masked[offset : offset + length] = bytes(length)
        if address is not None:
            own = _address_bytes(self.name, address)
            if any(code[offset : offset + length] != own.rjust(length, b"\0") for offset, length in self.own_address):
                return False
        return bytes(masked) == self.runtime

    def immutables_in(self, code: bytes) -> dict[str, bytes]:
        """Return the immutables of code found on a chain, by name, as words of 32 bytes. The code must match.

        Raises:
            DeploymentError: The code is too short, or has two values for one immutable.
        """
        found: dict[str, bytes] = {}
        for name, places in self.immutables.items():
            values = {code[offset : offset + length] for offset, length in places}
            if len(values) != 1 or any(len(value) != places[0][1] for value in values):
                raise DeploymentError(f"the code is not that of {self.name}: it has several values for {name}")
            found[name] = values.pop()
        return found


def other_code(code: bytes) -> str:
    """Return in words what stands where a contract of this release should: other code, or none."""
    return f"other code (hash {to_hex(keccak(code))})" if code else "no code"


def load(name: str) -> Compiled:
    """Return a packaged contract, for instance "ZkOracle".

    Raises:
        DeploymentError: The package has no contract of this name, or a damaged one.
    """
    file = resources.files("oracle.chain").joinpath("abi", f"{name}.json")
    try:
        return from_json(name, parse_json(file.read_bytes()))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise DeploymentError(f"the package has no readable contract {name}: reinstall it ({error})") from error


def packaged() -> dict[str, Compiled]:
    """Return all packaged contracts by name. Raises: DeploymentError."""
    return {name: load(name) for name in SOURCES}


def to_json(contract: Compiled) -> dict[str, Any]:
    """Return the parts of a contract that are packaged. It is not linked yet."""
    return {
        "abi": list(contract.abi),
        "bytecode": to_hex(contract.bytecode),
        "runtime": to_hex(contract.runtime),
        "immutables": {name: [list(each) for each in places] for name, places in contract.immutables.items()},
        "own_address": [list(each) for each in contract.own_address],
        "links": {name: list(offsets) for name, offsets in contract.links.items()},
        "runtime_links": {name: list(offsets) for name, offsets in contract.runtime_links.items()},
    }


def from_json(name: str, found: Mapping[str, Any]) -> Compiled:
    """Return the contract that `to_json` gave. Raises: KeyError, TypeError, ValueError."""
    return Compiled(
        name=name,
        abi=tuple(found["abi"]),
        bytecode=from_hex(found["bytecode"]),
        runtime=from_hex(found["runtime"]),
        immutables={name: _places(places) for name, places in found["immutables"].items()},
        own_address=_places(found["own_address"]),
        links={name: tuple(offsets) for name, offsets in found["links"].items()},
        runtime_links={name: tuple(offsets) for name, offsets in found["runtime_links"].items()},
    )


# --- details ------------------------------------------------------------------------------------------------


def _places(found: Iterable[tuple[int, int]]) -> Places:
    return tuple((int(offset), int(length)) for offset, length in found)


def _filled(code: bytes, links: Links, addresses: Mapping[str, bytes]) -> bytes:
    filled = bytearray(code)
    for name, offsets in links.items():
        for offset in offsets:
            filled[offset : offset + ADDRESS_BYTES] = addresses[name]
    return bytes(filled)


def _address_bytes(name: str, address: str) -> bytes:
    try:
        raw = from_hex(address)
    except ValueError:
        raw = b""
    if len(raw) != ADDRESS_BYTES or raw == NOWHERE:
        raise DeploymentError(f"{address!r} is not an address of {name}")
    return raw
