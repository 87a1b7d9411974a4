"""Keys and bytecode that this machine made, by the hash of everything that they were made of.

An entry says what follows from its inputs, never that an artifact is right: artifacts are compared with it each time.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from oracle.core.documents import parse_json
from oracle.proving.artifact import verifier
from oracle.proving.artifact.manifest import SETTINGS, VK, Manifest
from oracle.proving.artifact.verifier import CompiledVerifier
from oracle.proving.engine.version import ezkl_version
from oracle.proving.hashing import digest

_VERSION = 1


def key_inputs(graph_sha256: str, run_args: Mapping[str, Any], srs_sha256: str) -> dict[str, Any]:
    """Return what settings and key follow from. Run arguments have k."""
    return {"of": "key", "graph": graph_sha256, "run_args": dict(run_args), "srs": srs_sha256}


def code_inputs(manifest: Manifest) -> dict[str, Any]:
    """Return what a verifier's source and bytecode follow from."""
    return {
        "of": "code",
        "vk": manifest.files[VK],
        "settings": manifest.files[SETTINGS],
        "srs": manifest.srs_sha256,
        "solc": verifier.SOLC_VERSION,
        "hardening": verifier.HARDENING_VERSION,
        "optimizer_runs": list(verifier.OPTIMIZER_RUNS),
        "proof_bytes": manifest.proof_bytes,
    }


def made_code(generated: str, compiled: CompiledVerifier) -> dict[str, Any]:
    """Return what follows from `code_inputs`, as it is kept."""
    return {
        "generated": generated,
        "abi": compiled.abi,
        "bytecode": compiled.bytecode.hex(),
        "runtime": compiled.runtime.hex(),
    }


class Kept:
    """A folder of what was made before, one file for each hash of inputs. A file that can't be read is made again.

    Args:
        folder: The folder; None: nothing is kept.
    """

    def __init__(self, folder: Path | None) -> None:
        self._folder = folder

    def get(self, inputs: Mapping[str, Any]) -> dict[str, Any] | None:
        if self._folder is None:
            return None
        try:
            document = parse_json(self._path(inputs).read_bytes())
            made = document["made"]
            # A file that was cut off or damaged has another hash.
            return dict(made) if document["sha256"] == digest(made) else None
        except (OSError, ValueError, KeyError, TypeError):
            return None

    def put(self, inputs: Mapping[str, Any], made: Mapping[str, Any]) -> None:
        if self._folder is None:
            return
        path = self._path(inputs)
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            handle, name = tempfile.mkstemp(dir=path.parent, prefix=".new-")
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                json.dump({"made": made, "sha256": digest(made)}, file, sort_keys=True)
            os.replace(name, path)
        except OSError:
            return  # Nothing depends on it: it is made again.

    def _path(self, inputs: Mapping[str, Any]) -> Path:
        assert self._folder is not None
        return self._folder / f"{digest({'version': _VERSION, 'ezkl': ezkl_version(), **inputs})}.json"
