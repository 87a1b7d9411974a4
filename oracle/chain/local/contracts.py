"""Our contracts compiled afresh from their sources, with the settings of `foundry.toml`.

`scripts/export_abi.py` packages the result; a test compares the packaged contracts with the sources.
"""

from __future__ import annotations

import posixpath
import re
import tomllib
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from oracle.chain.compiled import ADDRESS_BYTES, MAX_RUNTIME_BYTES, NOWHERE, SOURCES, Compiled
from oracle.chain.local import toolchain
from oracle.chain.local.solc import compile_standard
from oracle.core.errors import CompileError

_OUTPUTS = ("evm.bytecode.object", "evm.bytecode.linkReferences", "evm.deployedBytecode")

_IMPORT = re.compile(r"""^\s*import\b(?:[^;"']*\bfrom)?\s*["']([^"']+)["']""", re.MULTILINE)

_OWN_ADDRESS = "library_deploy_address"
"""solc's name for the word of a library's code that holds its own address, written there when it is created."""


def compile_contracts(sources: Mapping[str, str] = SOURCES) -> dict[str, Compiled]:
    """Compile contracts of the project, and all that they import.

    Args:
        sources: Contract name → its file, relative to the project's root.

    Returns:
        The contracts by name, not linked.

    Raises:
        CompileError: The compiler refused, or a contract is too large to be deployed.
        ToolMissing: There is no compiler, or no project.
    """
    root = toolchain.project_root()
    profile = deployed_profile(root)
    remappings = [tuple(each.split("=", 1)) for each in profile.get("remappings", [])]
    request = {
        "language": "Solidity",
        "sources": {name: {"content": text} for name, text in with_imports(root, sources.values(), remappings).items()},
        "settings": {
            "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
            "viaIR": profile["via_ir"],
            "evmVersion": profile["evm_version"],
            "metadata": {"bytecodeHash": profile["bytecode_hash"]},
            "remappings": list(profile.get("remappings", [])),
            "outputSelection": {
                "*": {"*": ["abi"], "": ["ast"]},
                **{file: {name: ["abi", *_OUTPUTS]} for name, file in sources.items()},
            },
        },
    }
    output = compile_standard(request, profile["solc"])
    variables = {key: name for file in output["sources"].values() for key, name in _variables(file["ast"])}
    interfaces = {name: found["abi"] for file in output["contracts"].values() for name, found in file.items()}
    return {
        name: _compiled(name, output["contracts"][file][name], interfaces.get(f"I{name}", ()), variables)
        for name, file in sources.items()
    }


def deployed_profile(root: Path) -> dict[str, Any]:
    """Return the settings that deployed contracts are compiled with. Raises: CompileError."""
    with (root / "foundry.toml").open("rb") as handle:
        profile: dict[str, Any] = tomllib.load(handle)["profile"]["default"]
    for each in profile.get("additional_compiler_profiles", []):
        if each["name"] == "deployed":
            profile |= each
    missing = {"solc", "optimizer", "optimizer_runs", "via_ir", "evm_version", "bytecode_hash"} - profile.keys()
    if missing:
        raise CompileError(f"foundry.toml, [profile.default]: {', '.join(sorted(missing))} is missing")
    return profile


def with_imports(root: Path, files: Iterable[str], remappings: Iterable[tuple[str, ...]]) -> dict[str, str]:
    """Return files and all that they import: name, as the compiler looks it up → text. Raises: CompileError."""
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


def _variables(ast: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    """Return the id and the name of each state variable of a file's contracts: solc names immutables by their ids."""
    for contract in ast["nodes"]:
        for node in contract.get("nodes", ()):
            if node["nodeType"] == "VariableDeclaration":
                yield str(node["id"]), node["name"]


def _compiled(
    name: str, output: Mapping[str, Any], interface: Iterable[Mapping[str, Any]], variables: Mapping[str, str]
) -> Compiled:
    created, deployed = output["evm"]["bytecode"], output["evm"]["deployedBytecode"]
    spots = dict(deployed["immutableReferences"])
    own_address = spots.pop(_OWN_ADDRESS, [])
    runtime, runtime_links = _unlinked(deployed)
    bytecode, links = _unlinked(created)
    contract = Compiled(
        name=name,
        abi=_named(output["abi"], interface),
        bytecode=bytecode,
        runtime=runtime,
        immutables=dict(sorted((variables[key], _sorted(places)) for key, places in spots.items())),
        own_address=_sorted(own_address),
        links=links,
        runtime_links=runtime_links,
    )
    if len(contract.runtime) > MAX_RUNTIME_BYTES:
        raise CompileError(f"{name} is {len(contract.runtime):,} bytes; a chain takes {MAX_RUNTIME_BYTES:,} at most")
    return replace(contract, abi=()) if contract.is_library else contract


def _named(abi: Iterable[Mapping[str, Any]], interface: Iterable[Mapping[str, Any]]) -> tuple[Mapping[str, Any], ...]:
    """Return an ABI with the functions as the contract's interface has them: it names what the contract passes on."""
    declared = {_signature(entry): entry for entry in interface if entry["type"] == "function"}
    return tuple(declared.get(_signature(entry), entry) if entry["type"] == "function" else entry for entry in abi)


def _signature(entry: Mapping[str, Any]) -> tuple[Any, ...]:
    return entry["name"], *(_type(each) for each in entry["inputs"])


def _type(parameter: Mapping[str, Any]) -> tuple[Any, ...]:
    return parameter["type"], *(_type(each) for each in parameter.get("components", ()))


def _sorted(spots: Iterable[Mapping[str, int]]) -> tuple[tuple[int, int], ...]:
    return tuple(sorted((spot["start"], spot["length"]) for spot in spots))


def _unlinked(output: Mapping[str, Any]) -> tuple[bytes, dict[str, tuple[int, ...]]]:
    """Return code with zeros where solc has placeholders of libraries, and the offsets of these."""
    digits: str = output["object"]
    links: dict[str, tuple[int, ...]] = {}
    for library, places in sorted(
        (library, places) for file in output["linkReferences"].values() for library, places in file.items()
    ):
        links[library] = tuple(sorted(place["start"] for place in places))
        for offset in links[library]:
            digits = digits[: 2 * offset] + NOWHERE.hex() + digits[2 * (offset + ADDRESS_BYTES) :]
    return bytes.fromhex(digits), links
