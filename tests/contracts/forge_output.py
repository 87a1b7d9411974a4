"""Contracts in forge's output, if it was compiled from today's sources with the deployed profile.

solc writes its release, its settings and the hash of each source that it read into a contract's metadata. A comparison
with `foundry.toml` and the files shows what the bytecode was compiled from, without compiling again.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from oracle.chain.compiled import Compiled, load
from oracle.chain.local.contracts import _compiled, deployed_profile
from oracle.core.formats import keccak


def current(root: Path, name: str, file: str) -> Compiled | None:
    """Return a contract from forge's output; None if it is not from today's sources and the deployed profile.

    Args:
        root: The project.
        name: The name of the contract.
        file: Its source, relative to the root.
    """
    interface = _interface(root, name)
    if interface is None:
        return None
    for document, metadata in _outputs(root, Path(file).name, name):
        if _is_current(root, metadata, name, file):
            code = _code(document)
            return _compiled(name, {"abi": metadata["output"]["abi"], "evm": code}, interface, _names(name, code))
    return None


def _interface(root: Path, name: str) -> list[Any] | None:
    """Return the ABI of a contract's interface; empty if it has none; None if none is from today's sources."""
    if not (root / f"contracts/src/interfaces/I{name}.sol").is_file():
        return []
    for _, metadata in _outputs(root, f"I{name}.sol", f"I{name}"):
        if _has_current_sources(root, metadata):
            found: list[Any] = metadata["output"]["abi"]
            return found
    return None


def _outputs(root: Path, folder: str, name: str) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    """Find what forge has of a contract: each document, with solc's metadata in it."""
    for path in sorted((root / "build/forge/out" / folder).glob(f"{name}*.json")):
        document = json.loads(path.read_text(encoding="utf-8"))
        yield document, json.loads(document["rawMetadata"])


def _is_current(root: Path, metadata: Mapping[str, Any], name: str, file: str) -> bool:
    profile = deployed_profile(root)
    settings = metadata["settings"]
    # In some runs, forge hands solc the remappings with an empty context before them.
    remappings = [each.removeprefix(":") for each in settings["remappings"]]
    return bool(
        metadata["compiler"]["version"].startswith(f"{profile['solc']}+")
        and settings | {"remappings": remappings}
        == {
            "compilationTarget": {file: name},
            "evmVersion": profile["evm_version"],
            "libraries": {},
            "metadata": {"bytecodeHash": profile["bytecode_hash"]},
            "optimizer": {"enabled": profile["optimizer"], "runs": profile["optimizer_runs"]},
            "remappings": profile["remappings"],
            "viaIR": profile["via_ir"],
        }
        and _has_current_sources(root, metadata)
    )


def _has_current_sources(root: Path, metadata: Mapping[str, Any]) -> bool:
    return all(_hash_of(root / source) == known["keccak256"] for source, known in metadata["sources"].items())


def _hash_of(source: Path) -> str:
    return "0x" + keccak(source.read_bytes()).hex() if source.is_file() else ""


def _names(name: str, code: Mapping[str, Any]) -> dict[str, str]:
    """Return the names of immutables by their ids: forge keeps no syntax tree, so they are the packaged ones' names.

    tests/integration/test_verify_deployment.py checks them: a hub has the values under these names.
    """
    packaged = {places: variable for variable, places in load(name).immutables.items()}
    references = code["deployedBytecode"]["immutableReferences"]
    spots = {key: tuple(sorted((each["start"], each["length"]) for each in found)) for key, found in references.items()}
    return {key: packaged.get(places, f"unknown {key}") for key, places in spots.items()}


def _code(document: Mapping[str, Any]) -> dict[str, Any]:
    """Return forge's `bytecode` and `deployedBytecode` as solc writes them."""
    code = {kind: dict(document[kind]) for kind in ("bytecode", "deployedBytecode")}
    for each in code.values():
        each["object"] = each["object"].removeprefix("0x")
    code["deployedBytecode"].setdefault("immutableReferences", {})
    return code
