"""Everybody else's part of a fairness audit: verify it with public files only, and count the rates."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from oracle.claims.fairness.audit_set import AuditSet
from oracle.claims.fairness.circuit import AuditCircuit, batches_of, features_of, limit_of
from oracle.claims.fairness.rates import GroupRate, differences, rates
from oracle.claims.fairness.report import FairnessAudit, FairnessReport
from oracle.claims.models import ModelSpec
from oracle.proving.artifact import Artifact, regenerate
from oracle.proving.batches import Verifier, batch_problem


def verify(
    audit: FairnessAudit,
    artifact: Artifact,
    verifier: Verifier,
    rows: AuditSet,
    model_hash: int | None,
    architecture: ModelSpec | None = None,
    *,
    cache: Path | None = None,
    progress: Callable[[int, int], None] = lambda done, total: None,
) -> FairnessReport:
    """Verify an audit without believing anything that it says, and count rates from what is proven.

    Args:
        artifact: The circuit; its public files are enough.
        verifier: A verifier of that circuit.
        rows: The set, as the verifier has it.
        model_hash: Hash of the model whose claims are relied on, from the registry; None: only the audit states one.
        architecture: A model of the same features and layers, with any weights, from which the key is made again; None:
            it is made again from the graph beside it, and the verifier trusts the maker that it is an audit's.
        cache: See `artifact.regenerate`.
        progress: Called with the number of verified batches and of all batches.

    Raises:
        ArtifactError: The circuit is not an audit's.
        DataError: The set does not fit the circuit's features.
        ProverUnavailable: The verifying process failed; nothing is known.
    """
    problems: list[str] = []
    notes: list[str] = []
    # 1. The model is the one that claims are proven of.
    if model_hash is None:
        notes.append(
            f"the model's hash was taken from the audit: compare it with the registry's {audit.model_hash:#066x}"
        )
    elif model_hash != audit.model_hash:
        problems.append(f"it audits the model {audit.model_hash:#066x}, not {model_hash:#066x}")
    # 2. The circuit is the audit's, and binds that model.
    features = features_of(artifact)
    if artifact.artifact_hash != audit.artifact_hash or artifact.model_hash != audit.model_hash:
        problems.append("it was made with another circuit, or about another model than the circuit's")
    if architecture is None:
        notes.append(
            "the key was made again from the circuit's own graph, not from an architecture that you know: that of "
            "another circuit may accept every row"
        )
    like = None if architecture is None else AuditCircuit(architecture.circuit())
    again = regenerate(artifact, None, model=like, cache=cache)
    problems += again.problems
    if again.problems and architecture is not None:
        problems.append(f"the circuit's key is not that of the architecture of {architecture.name}")
    if artifact.manifest.srs_origin.value != "public-ceremony":
        notes.append("the circuit is keyed with a local reference string: whoever made it can forge proofs")
    # 3. The circuit is sound for the bounds and the unit.
    limit = limit_of(artifact)
    if audit.unit != artifact.manifest.score_unit:
        problems.append(f"its unit is {audit.unit}, the circuit's {artifact.manifest.score_unit}")
    if not -limit <= audit.lo <= audit.hi <= limit:
        problems.append(f"its bounds {audit.lo} and {audit.hi} are not in order within ±{limit}")
    # 4. The set is the one that was audited, complete and in order.
    encoded = rows.encode(features)
    if rows.fingerprint(features) != audit.fingerprint:
        problems.append("it was made with another audit set")
    batches = batches_of(encoded, audit.lo, audit.hi, artifact.manifest.batch)
    if len(audit.batches) != len(batches):
        problems.append(f"it has {len(audit.batches)} batches, the set {len(batches)}")
    # 5. The verdicts of each batch are proven of exactly these rows.
    verified = 0
    for index, (windows, batch) in enumerate(zip(batches, audit.batches, strict=False)):
        problem = batch_problem(artifact, verifier, windows, batch)
        if problem:
            problems.append(f"batch {index}: {problem}")
        verified += not problem
        progress(index + 1, len(batches))
    # 6. Rates follow from proven verdicts only.
    found: tuple[GroupRate, ...] = ()
    if not problems:
        found = rates(rows.groups, [row[0] for batch in audit.batches for row in batch.scores])
    return FairnessReport(
        audit.model_hash,
        len(rows.rows),
        len(batches),
        verified,
        found,
        differences(found),
        tuple(problems),
        tuple(notes),
    )
