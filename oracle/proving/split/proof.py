"""The proof of one inference by a split model, its file, and its verification."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle.core import encoding
from oracle.core.documents import parse_json
from oracle.core.errors import DataError
from oracle.proving.split.chain import ArtifactChain
from oracle.proving.split.manifest import SCHEMA
from oracle.proving.verification import DEADLINE, LocalVerifier, Verification


@dataclass(frozen=True, slots=True)
class ModelProof:
    """One inference with its proofs.

    Attributes:
        artifact_hash: Hash of the chain that it was made with.
        model_hash: The model hash of that chain.
        inputs: Integers, within the clip.
        outputs: Integers.
        boundaries: Hashes of what crosses the boundaries, field elements.
        proofs: One per segment, as the Solidity verifiers take them.
        seconds: Time from the window to the last proof; 0 if read from a file.
    """

    artifact_hash: str
    model_hash: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    boundaries: tuple[int, ...]
    proofs: tuple[bytes, ...]
    seconds: float = field(default=0.0, compare=False)

    def document(self) -> dict[str, Any]:
        """Return the proof as JSON. It has no secrets: inputs and outputs are published even for a private model."""
        return {
            "schema": SCHEMA,
            "artifact_hash": self.artifact_hash,
            "model_hash": self.model_hash,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "boundaries": [f"{each:#066x}" for each in self.boundaries],
            "proofs": ["0x" + each.hex() for each in self.proofs],
        }

    @staticmethod
    def from_document(document: Any) -> ModelProof:
        """Return the proof of a document, as `document` makes it.

        Raises:
            KeyError, TypeError, ValueError: The document is not a proof.
        """
        if not isinstance(document, dict):
            raise TypeError("it is not an object")
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']!r}; this release reads {SCHEMA}")
        integers = {}
        for name in ("inputs", "outputs"):
            integers[name] = tuple(document[name])
            if not all(type(value) is int and abs(value) <= encoding.INT128_MAX for value in integers[name]):
                raise ValueError(f"{name} must be integers of the circuit (below 2^127)")
        return ModelProof(
            str(document["artifact_hash"]),
            str(document["model_hash"]),
            integers["inputs"],
            integers["outputs"],
            tuple(int(each, 16) for each in document["boundaries"]),
            tuple(bytes.fromhex(each.removeprefix("0x")) for each in document["proofs"]),
        )


def verify(chain: ArtifactChain, proof: ModelProof, *, deadline: float = DEADLINE) -> Verification:
    """Verify an inference off-chain, with instances that are built here.

    Args:
        chain: May lack the prover's files.
        proof: Nothing in it is trusted.
        deadline: Seconds for each proof.

    Raises:
        ProverCrashed, ProverTimeout: A child failed; nothing is known of the proof.
    """
    # 1 The proof claims to be of this model.
    if (proof.artifact_hash, proof.model_hash) != (chain.artifact_hash, chain.model_hash):
        return Verification(False, f"it is of the artifact {proof.artifact_hash}, not {chain.artifact_hash}")
    # 2 The statement is built here.
    try:
        instances = chain.instances(proof.inputs, proof.outputs, proof.boundaries)
    except ValueError as error:
        return Verification(False, str(error))
    if len(proof.proofs) != len(chain.artifacts):
        return Verification(False, f"it has {len(proof.proofs)} proofs of {len(chain.artifacts)}")
    # 3 Each segment's proof verifies.
    for at, (found, each, statement) in enumerate(zip(chain.artifacts, proof.proofs, instances, strict=True), 1):
        with LocalVerifier(found, deadline=deadline) as verifying:
            verification = verifying.verify(each, statement)
        if not verification.verified:
            where = f"segment {at} of {len(instances)}: " if len(instances) > 1 else ""
            return Verification(False, where + verification.reason)
    return Verification(True)


def read_proof(path: Path) -> ModelProof:
    """Return the proof in a file.

    Raises:
        DataError: The file can't be read, or is not a proof.
    """
    try:
        return ModelProof.from_document(parse_json(path.read_bytes()))
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is not a proof that `oracle model prove` wrote: {error}") from error


def write_proof(path: Path, proof: ModelProof) -> None:
    """Write a proof's file, whole or not at all.

    Raises:
        DataError: The file can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps(proof.document(), indent=2) + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise DataError(f"{path} can't be written: {error.strerror or error}") from error
