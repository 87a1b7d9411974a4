"""Views of an artifact, for people and as JSON."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, slots=True)
class GraphView:
    """The ONNX graph.

    Attributes:
        inputs: "name: type[shape]" of each input.
        outputs: "name: type[shape]" of each output.
        operators: How many nodes of each kind.
        initializers: "name: type[shape]" of each initializer.
        parameters: Numbers in all initializers and constants.
        opset: Version of the default domain.
    """

    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    operators: Mapping[str, int]
    initializers: tuple[str, ...]
    parameters: int
    opset: int


@dataclass(frozen=True, slots=True)
class CircuitView:
    """The size of the circuit.

    Attributes:
        k: The circuit has 2^k rows.
        rows_used: Rows of the model and its hash.
        rows_available: 2^k without the rows that blind.
        rows_of_hash: Of the rows used, those that hash the weights; they lie beside the others.
        assignments: Cells that the model fills.
        inner_columns: ezkl's `num_inner_cols`.
        columns: "advice", "fixed" and "permutation" (columns under the copy argument), as the verifier shows them.
        lookups: Lookup tables, as ezkl names them.
        range_checks: Ranges that values are checked to be in.
        decomposition: Base and legs of signed-limb range checks.
        input_scale: Inputs are integers times 2^-input_scale.
        input_shifts: Feature j is an integer times 2^-(input_scale + input_shifts[j]); empty: all have one scale.
        param_scale: Weights are integers times 2^-param_scale.
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
    input_shifts: tuple[int, ...]
    param_scale: int


@dataclass(frozen=True, slots=True)
class CostView:
    """The cost of a proof. Gas is that of a transaction which only verifies.

    Attributes:
        proof_bytes: Length of each proof.
        instances: Numbers that the contract passes with it.
        verifier_bytes: Length of the verifier's code on-chain.
        verifier_bytes_limit: The limit of EIP-170.
        commitments: Points that the verifier folds: "in_proof", and "in_key", of the verifying key.
        calldata_bytes: Length of the calldata of `verifyProof`.
        calldata_gas: Gas of the calldata, at least: that of the first proof, whose window is calm, if it is there; else
            with instances that are all zero.
        calldata_gas_most: Gas of the calldata, at most: as if no byte were zero. It is nearly so when all moves are
            negative.
        floor_gas: 21,000, calldata, one pairing check and the commitments: less is impossible. Computed.
        verify_gas_estimate: The floor and what verifiers of this kind spend beyond it. An estimate.
        verify_gas_estimate_most: The same with the most calldata.
        measured: Measurements that the artifact's manifest or its tuning states; None if there are none.
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
        name: Name in the folder.
        sha256: As the manifest has it; None for the manifest and the probe, which no hash covers.
        bytes: Size; None if the file is not in this copy.
        readers: "prover" or "anyone".
        why: One line for people.
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
        name: The model's name.
        batch: Windows per proof.
        width: Integers in a window.
        features: The names of the features in a feed's window, in order; empty if it is no feed's model.
        outputs: Published integers per window.
        score_unit: The contract's score unit.
        complete: True if the prover's files are here.
        visibility: "private" or "public".
        visibility_means: The same in words.
        disclosure: "score" or "verdict".
        disclosure_means: The same in words.
        privacy: The same for machines, as the manifest has it.
        srs_origin: Says who knew the SRS's secret.
        srs_means: The same in words.
        graph: In a copy without the model, that of the architecture.
        circuit: Size of the circuit.
        cost: Cost of a proof.
        fidelity: Fidelity to the float model; None if it is not known.
        hashes: Hashes of everything, by name.
        tools: Versions of the tools that built it.
        files: Says who may have which file.
        warnings: What a person should not overlook.
    """

    path: str
    name: str
    batch: int
    width: int
    features: tuple[str, ...]
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
    graph: GraphView
    circuit: CircuitView
    cost: CostView
    fidelity: Mapping[str, Any] | None
    hashes: Mapping[str, str]
    tools: Mapping[str, str]
    files: tuple[FileView, ...]
    warnings: tuple[str, ...] = field(default=())
