"""The owner's part of a fairness audit: prove for which rows a claim would hold."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from oracle.claims.constraints import Constraint
from oracle.claims.fairness.audit_set import AuditSet
from oracle.claims.fairness.circuit import batches_of
from oracle.claims.fairness.report import FairnessAudit
from oracle.claims.models import ModelSpec
from oracle.proving.artifact import Artifact
from oracle.proving.batches import prove_batches


async def prove(
    model: ModelSpec,
    artifact: Artifact,
    rows: AuditSet,
    constraint: Constraint,
    *,
    proofs: Path | None = None,
    workers: int = 1,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FairnessAudit:
    """Prove for which rows a claim would hold.

    Args:
        artifact: The circuit that `build` returned.
        constraint: The constraint of the claim, in the model's own units.
        proofs: A folder that keeps the proofs, so that an interrupted run can go on; None: they are not kept.
        workers: How many proofs are made at once.
        progress: Called with the number of proven batches and of all batches.

    Raises:
        DataError: A row does not have the model's features, or no output fulfils the constraint.
        ProverUnavailable: Proving failed for now.
    """
    circuit = model.circuit()
    lo, hi = model.bounds(constraint, circuit.score_unit, circuit.limit)
    batches = batches_of(rows.encode(model.features), lo, hi, artifact.manifest.batch)
    proven = await prove_batches(batches, artifact, proofs, workers=workers, progress=progress)
    return FairnessAudit(
        model=model.name,
        model_hash=artifact.manifest.model_hash,
        artifact_hash=artifact.artifact_hash,
        fingerprint=rows.fingerprint(model.features),
        lo=lo,
        hi=hi,
        unit=circuit.score_unit,
        batches=proven,
    )
