"""What is told of an artifact, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class GraphView:
    """The ONNX graph.

    Attributes:
        inputs: "name: type[shape]", each.
        outputs: Likewise.
        operators: How many of each kind.
        initializers: "name: type[shape]", each.
        parameters: Numbers in all initializers and constants.
        opset: Of the default domain.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operators: Mapping[str, int]
    initializers: tuple[str, ...]
    parameters: int
    opset: int


@dataclass(frozen=True, slots=True)
class CircuitView:
    """Size of the circuit.

    Attributes:
        k: 2^k rows.
        rows_used: By the model and its hash.
        rows_available: 2^k without those that blind.
        rows_of_hash: Of the rows used, those that hash the weights need side by side with the others.
        assignments: Cells that the model fills.
        inner_columns: ezkl's `num_inner_cols`.
        columns: "advice", "fixed" and "permutation" (columns under the copy argument), as the verifier shows them.
        lookups: Lookup tables, in ezkl's words.
        range_checks: Ranges that values are checked to be in.
        decomposition: Base and legs of signed-limb range checks.
        input_scale: Inputs are integers times 2^-input_scale.
        param_scale: Likewise weights.
    """

    k: int
    rows_used: int
    rows_available: int
    rows_of_hash: int
    assignments: int
    inner_columns: int
    columns: Mapping[str, int]
    lookups: tuple[str, ...]
    range_checks: tuple[tuple[int, int], ...]
    decomposition: Mapping[str, int]
    input_scale: int
    param_scale: int


@dataclass(frozen=True, slots=True)
class CostView:
    """What a proof costs. Gas is of a transaction that only verifies.

    Attributes:
        proof_bytes: Length of each proof.
        instances: Numbers that the contract passes with it.
        verifier_bytes: Code on-chain.
        verifier_bytes_limit: EIP-170.
        commitments: Points that the verifier folds: of a proof, and of the verifying key.
        calldata_bytes: Of `verifyProof`.
        calldata_gas: At least: of the first proof, whose window is calm, if it is there; else of instances that
            are all zero.
        calldata_gas_most: At most: as if no byte were zero, which is near when all moves are negative.
        floor_gas: 21,000, calldata, one pairing check and the commitments: less is impossible. Computed.
        verify_gas_estimate: Floor and what verifiers of this kind spend beyond it. An estimate.
        verify_gas_estimate_most: The same with the most calldata.
        measured: What the artifact's manifest or its tuning says was measured; None if nothing was.
    """

    proof_bytes: int
    instances: int
    verifier_bytes: int
    verifier_bytes_limit: int
    commitments: Mapping[str, int]
    calldata_bytes: int
    calldata_gas: int
    calldata_gas_most: int
    floor_gas: int
    verify_gas_estimate: int
    verify_gas_estimate_most: int
    measured: Mapping[str, Any] | None


@dataclass(frozen=True, slots=True)
class FileView:
    """One of the artifact's files.

    Attributes:
        name: In the folder.
        sha256: As the manifest has it; None for the manifest and the probe, which no hash has.
        bytes: Its size; None if it is not in this copy.
        readers: "prover" or "anyone".
        why: One line.
    """

    name: str
    sha256: str | None
    bytes: int | None
    readers: str
    why: str


@dataclass(frozen=True, slots=True)
class Inspection:
    """An artifact, for people and as JSON.

    Attributes:
        path: The folder.
        name: The model's.
        batch: Windows per proof.
        features: Inputs per window.
        outputs: Published integers per window.
        score_unit: The contract's.
        complete: Whether the prover's files are here.
        visibility: "private" or "public".
        visibility_means: In words.
        disclosure: "score" or "verdict".
        disclosure_means: In words.
        privacy: The same for machines, as the manifest has it.
        srs_origin: Who knew its secret.
        srs_means: In words.
        graph: None in a copy without the model.
        circuit: Its size.
        cost: Of a proof.
        fidelity: Against the float model; None if it is not known.
        hashes: Of everything.
        tools: Versions that it was built with.
        files: Who may have which.
        warnings: What a person should not overlook.
    """

    path: str
    name: str
    batch: int
    features: int
    outputs: int
    score_unit: int
    complete: bool
    visibility: str
    visibility_means: str
    disclosure: str
    disclosure_means: str
    privacy: Mapping[str, Any]
    srs_origin: str
    srs_means: str
    graph: GraphView | None
    circuit: CircuitView
    cost: CostView
    fidelity: Mapping[str, Any] | None
    hashes: Mapping[str, str]
    tools: Mapping[str, str]
    files: tuple[FileView, ...]
    warnings: tuple[str, ...] = field(default=())
