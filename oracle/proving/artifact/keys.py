"""The settings of a circuit and the words above its verifier, the same in each build."""

from __future__ import annotations

import hashlib
import json
from pathlib import Path
from typing import Any

from oracle.proving.artifact import verifier
from oracle.proving.artifact.manifest import Visibility
from oracle.proving.engine.version import ezkl_version
from oracle.proving.hashing import digest


def settle(settings: dict[str, Any], k: int) -> None:
    """Make settings the same in each build, and set k."""
    # ezkl's order differs from run to run, and columns follow it. Sorted, all models of one architecture have the same
    # keys.
    for listed in ("required_range_checks", "required_lookups"):
        settings[listed] = sorted(settings[listed], key=json.dumps)
    settings["run_args"]["logrows"] = k
    # The only thing in an artifact that would differ between two builds.
    settings["timestamp"] = 0


def circuit_hash(vk_sha256: str, srs_sha256: str, generated: str) -> str:
    """Return the hash of everything that makes a verifier.

    Args:
        vk_sha256: SHA-256 of the verifying key.
        srs_sha256: SHA-256 of the SRS.
        generated: The verifier as ezkl generated it.
    """
    return digest(
        {
            "vk": vk_sha256,
            "srs": srs_sha256,
            "generated": hashlib.sha256(generated.encode()).hexdigest(),
            "ezkl": ezkl_version(),
            "solc": verifier.SOLC_VERSION,
            "hardening": verifier.HARDENING_VERSION,
        }
    )


def verifier_header(
    circuit: str, *, batch: int, width: int, outputs: int, disclosure: str, visibility: Visibility, srs: str
) -> dict[str, str]:
    """Return the comments above a verifier.

    Args:
        circuit: The circuit's hash.
        batch: Windows of a proof.
        width: Integers of a window.
        outputs: Published integers of a window.
        disclosure: "score" or "verdict".
        visibility: Visibility of the weights.
        srs: Origin, k and hash of the SRS, in words.
    """
    return {
        "Circuit": circuit,
        "Windows": f"{batch} of {width} integers, {outputs} {disclosure}s each",
        "Weights": f"{visibility.value} ({visibility.param_visibility})",
        "Structured reference string": srs,
        "Generator": f"ezkl {ezkl_version()}, for solc {verifier.SOLC_VERSION}",
    }


def write_json(path: Path, document: object) -> None:
    """Write a document as JSON, with sorted keys."""
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
