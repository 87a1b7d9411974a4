"""A circuit with its keys and its verifier, in one folder with a manifest of hashes; built once, found again by hash.

    model.onnx → settings.json → circuit.ezkl → vk.key, pk.key (from kzg.srs) → Verifier.sol → verifier.json

An artifact is complete in itself: it carries the SRS that its keys were made from, so a cache of SRS files can be
emptied without orphaning a deployed verifier. `model.onnx`, `circuit.ezkl` and `pk.key` are the prover's; an auditor
needs none of them, and the first two hold the weights. The others are for strangers (`publish`): whoever believes
nobody makes the key and the bytecode again from them (`regenerate`). Beside the manifest is `probe.json`, a first
proof, which the hub asks for before it adds the model. No two proofs are the same, so no hash covers the probe.
"""

from oracle.proving.artifact.building import build
from oracle.proving.artifact.loading import Artifact, load, srs_uses, with_code
from oracle.proving.artifact.manifest import (
    ARCHITECTURE,
    AUDIT_FILES,
    CIRCUIT,
    COMPILED,
    DETECTOR,
    MANIFEST,
    MODEL,
    PK,
    PROBE,
    PROVER_FILES,
    SCHEMA,
    SETTINGS,
    SOLIDITY,
    SRS,
    VK,
    Manifest,
    Visibility,
)
from oracle.proving.artifact.publishing import publish
from oracle.proving.artifact.regeneration import Regeneration, needs_compiler, regenerate

__all__ = [
    "ARCHITECTURE",
    "AUDIT_FILES",
    "CIRCUIT",
    "COMPILED",
    "DETECTOR",
    "MANIFEST",
    "MODEL",
    "PK",
    "PROBE",
    "PROVER_FILES",
    "SCHEMA",
    "SETTINGS",
    "SOLIDITY",
    "SRS",
    "VK",
    "Artifact",
    "Manifest",
    "Regeneration",
    "Visibility",
    "build",
    "load",
    "needs_compiler",
    "publish",
    "regenerate",
    "srs_uses",
    "with_code",
]
