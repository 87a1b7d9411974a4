"""Batches of windows, each with a proof of what the circuit publishes of them: made, found again, and verified."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from oracle.core.concurrency import together
from oracle.core.errors import ArtifactError
from oracle.proving.artifact import CIRCUIT, MANIFEST, Artifact, load
from oracle.proving.engine.child import EngineProcess
from oracle.proving.interface import ProofJob
from oracle.proving.pool.cache import ProofCache
from oracle.proving.pool.local import LocalProver
from oracle.proving.verification import Verification

__all__ = [
    "ProvenBatch",
    "Scores",
    "Verifier",
    "Windows",
    "batch_problem",
    "find_circuit",
    "prove_batches",
    "published",
]

Scores = tuple[tuple[int, ...], ...]
"""The integers that the circuit publishes of each window of a batch."""

Windows = tuple[tuple[int, ...], ...]
"""The windows of a batch: each has the circuit's number of features."""


@dataclass(frozen=True)
class ProvenBatch:
    """The published scores of a batch, and a proof of them."""

    scores: Scores
    proof: bytes


class Verifier(Protocol):
    """A verifier of proofs of one circuit; `oracle.proving.verification.LocalVerifier` is one."""

    def verify(self, proof: bytes, instances: tuple[int, ...]) -> Verification: ...


async def prove_batches(
    batches: Sequence[Windows],
    artifact: Artifact,
    proofs: Path | None,
    *,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> tuple[ProvenBatch, ...]:
    """Prove what a circuit publishes of each batch of windows.

    Args:
        batches: Each has at most as many windows as the circuit.
        artifact: With the prover's files.
        proofs: A folder that keeps the proofs: run again, it proves nothing twice. None: the proofs are not kept.
        workers: Proofs at once.
        progress: Called with the number of proven batches, and of all.

    Raises:
        ProverUnavailable: Proving failed for now.
    """
    scores = await asyncio.to_thread(published, batches, artifact)
    done = 0
    async with LocalProver(artifact, processes=workers, cache=ProofCache(folder=proofs), retries=1) as prover:

        async def proven(windows: Windows, told: Scores) -> ProvenBatch:
            nonlocal done
            proof = await prover.prove(ProofJob(windows, told))
            done += 1
            progress(done, len(batches))
            return ProvenBatch(told, proof.proof)

        return await together(*(proven(*each) for each in zip(batches, scores, strict=True)))


def published(batches: Sequence[Windows], artifact: Artifact) -> list[Scores]:
    """Return what the circuit publishes of each batch. The circuit computes it: no detector is needed."""
    outputs = artifact.manifest.outputs
    engine = EngineProcess(threads=1)
    try:
        found = []
        for windows in batches:
            flat = engine.call("witness", circuit=artifact.file(CIRCUIT), inputs=artifact.padded(windows))["outputs"]
            found.append(tuple(tuple(flat[at * outputs : (at + 1) * outputs]) for at in range(len(windows))))
        return found
    finally:
        engine.close()


def batch_problem(artifact: Artifact, verifier: Verifier, windows: Windows, batch: ProvenBatch) -> str:
    """Return why a batch's scores are not proven of these windows; "" if they are."""
    outputs = artifact.manifest.outputs
    if len(batch.scores) != len(windows) or any(len(row) != outputs for row in batch.scores):
        return f"its scores are not {outputs} for each of {len(windows)} windows"
    try:
        instances = artifact.instances(windows, batch.scores)
    except ValueError as error:
        return str(error)
    verification = verifier.verify(batch.proof, instances)
    return "" if verification.verified else f"the proof does not hold: {verification.reason}"


def find_circuit(artifact_hash: str, folders: Sequence[Path]) -> Artifact:
    """Return the circuit with this hash from the artifacts in some folders; the prover's files may be missing.

    Raises:
        ArtifactError: It is in none of them.
    """
    for folder in folders:
        for manifest in sorted(folder.glob(f"*/{MANIFEST}")):
            try:
                found = load(manifest.parent, prover=False)
            except ArtifactError:
                continue  # of another release, or damaged: not the one that is looked for
            if found.artifact_hash == artifact_hash:
                return found
    raise ArtifactError(
        f"the card's circuit (artifact {artifact_hash}) is in none of {', '.join(map(str, folders))}: name its "
        "public files with --artifact"
    )
