"""What an artifact is, for people: its circuit, what a proof of it costs and publishes, and who may have which file.

Everything is read from the artifact's own files, whose hashes are checked first. Of a copy without the prover's files
all but the graph can be told.
"""

from __future__ import annotations

import json
import math
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

from oracle.core.errors import ArtifactError, DataError
from oracle.proving.srs import SrsCache, SrsOrigin

if TYPE_CHECKING:
    from oracle.proving.artifact import Artifact, Manifest
    from oracle.proving.split import Chain

BLINDING_ROWS = 6
"""Rows of a circuit's 2^k that blind its columns and hold nothing."""

VERIFICATION_GAS = 11_000
PROOF_BYTE_GAS = 24.7
INSTANCE_GAS = 300
"""What hardened verifiers spend beyond the floor: a constant, and per byte of proof (transcript, evaluations) and per
instance. Fitted to measured transactions of private and public circuits of 18 to 289 instances, within 2 %."""

_SRS_MEANING = {
    "public-ceremony": "its secret is known to nobody, if one participant of the ceremony was honest",
    "insecure-local": "INSECURE: whoever generated it can forge proofs; for local chains only",
}


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


def is_split(path: Path) -> bool:
    """Whether there is a split model at this path: each of its segments is an artifact of its own."""
    from oracle.proving.split import SPLIT

    return (path / SPLIT).is_file()


def inspect_split(path: Path) -> Chain:
    """Reads a split model, all of it or an auditor's copy, and checks its hashes.

    Raises:
        DataError: It is damaged, or of another release.
    """
    from oracle.proving.split import load_chain

    try:
        return load_chain(path, prover=False)
    except ArtifactError as error:
        raise DataError(str(error)) from error


def inspect(path: Path) -> Inspection:
    """Reads an artifact, all of it or an auditor's copy, and checks its hashes.

    Raises:
        DataError: There is none at this path, it is damaged, or it is of another release.
    """
    from oracle.proving import artifact

    if path.is_file():
        raise DataError(f"{path} is a file; an artifact is the folder that `oracle model build` names")
    try:
        found = artifact.load(path, prover=False)
        return _view(found)
    except ArtifactError as error:
        raise DataError(str(error)) from error
    except (OSError, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # The hashes are right, so it was built like this: by another release, or by hand.
        raise DataError(
            f"artifact {path} is not of the form that this release writes ({type(error).__name__}: {error}); build it "
            "again"
        ) from error


def _view(found: Artifact) -> Inspection:
    from oracle.proving import artifact
    from oracle.proving.verifier import HARDENING_VERSION

    manifest, folder = found.manifest, found.path
    settings = _json(folder / artifact.SETTINGS)
    tuning = _json(folder / "tuning.json") if (folder / "tuning.json").is_file() else {}
    document = manifest.document()
    facts = document.get("imported") or {}
    graph = _graph(folder / artifact.MODEL) if (folder / artifact.MODEL).is_file() else None
    missing = [name for name in artifact.PROVER_FILES if not (folder / name).is_file()]
    source = found.verifier_source()
    visibility, disclosure, origin = manifest.visibility.value, manifest.disclosure, manifest.srs_origin.value
    privacy = manifest.privacy()
    hashes = {
        "artifact": manifest.artifact_hash,
        "model": document["model_hash"] if found.model_hash is not None else "in the verifying key",
        "circuit": manifest.circuit_hash,
        "verifier code (keccak256)": manifest.verifier_code_hash,
        "onnx": manifest.files[artifact.MODEL],
        "settings": manifest.files[artifact.SETTINGS],
        "srs": manifest.srs_sha256,
        "proving key": manifest.files[artifact.PK],
        "verifying key": manifest.files[artifact.VK],
    }
    warnings = []
    if manifest.hashed:
        warnings.append("a segment of a split model: its proofs say nothing without those of the others")
    if manifest.srs_origin is not SrsOrigin.PUBLIC_CEREMONY:
        warnings.append(
            "the SRS was generated locally: whoever did that can forge proofs; refused outside local chains"
        )
    if visibility == "private" and disclosure == "score":
        warnings.append("published scores give the weights away to who collects enough of them: see docs/privacy.md")
    if visibility == "private" and not missing and folder.stat().st_mode & 0o077:
        warnings.append("this folder holds private weights, and others on this machine may read it: chmod 700")
    if manifest.hardening != HARDENING_VERSION:
        warnings.append(
            f"the verifier's hardening is version {manifest.hardening}, not {HARDENING_VERSION}: estimates err"
        )
    if tuning:
        warnings.append("what only tuning.json says was measured is covered by no hash")
    if manifest.ezkl != artifact.ezkl_version():
        warnings.append(f"built with ezkl {manifest.ezkl}; installed is {artifact.ezkl_version()}")
    return Inspection(
        path=str(folder),
        name=manifest.name,
        batch=manifest.batch,
        features=manifest.features,
        outputs=manifest.outputs,
        score_unit=manifest.score_unit,
        complete=not missing,
        visibility=visibility,
        visibility_means=privacy["weights"]["means"],
        disclosure=disclosure,
        disclosure_means=privacy["outputs"]["means"],
        privacy=privacy,
        srs_origin=origin,
        srs_means=_SRS_MEANING[origin],
        graph=graph,
        circuit=_circuit(settings, source),
        cost=_cost(found, source, facts.get("measured") or _measured(tuning)),
        fidelity=facts.get("fidelity") or tuning.get("fidelity"),
        hashes=hashes,
        tools={"ezkl": manifest.ezkl, "solc": manifest.solc, "hardening": str(manifest.hardening)},
        files=tuple(_files(folder, manifest)),
        warnings=tuple(warnings),
    )


def _measured(tuning: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """What tuning measured of the chosen settings."""
    chosen = [each for each in tuning.get("candidates") or () if each.get("chosen")]
    names = ("seconds", "proof_bytes", "memory")
    return {name: chosen[0][name] for name in names if chosen[0].get(name) is not None} or None if chosen else None


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    return found


def _graph(path: Path) -> GraphView:
    import onnx

    try:
        graph = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # protobuf's own class, which differs between its implementations
        raise ValueError(f"{path.name} is no ONNX model: {error}") from error
    constants = [
        attribute.t
        for node in graph.graph.node
        if node.op_type == "Constant"
        for attribute in node.attribute
        if attribute.HasField("t")
    ]
    tensors = [*graph.graph.initializer, *constants]
    stored = {tensor.name for tensor in graph.graph.initializer}
    operators = Counter(node.op_type for node in graph.graph.node)
    return GraphView(
        inputs=tuple(_value(value) for value in graph.graph.input if value.name not in stored),
        outputs=tuple(_value(value) for value in graph.graph.output),
        operators=dict(sorted(operators.items(), key=lambda item: (-item[1], item[0]))),
        initializers=tuple(
            f"{tensor.name}: {_type(tensor.data_type)}{list(tensor.dims)}" for tensor in graph.graph.initializer
        ),
        parameters=sum(math.prod(tensor.dims) for tensor in tensors),
        opset=next((each.version for each in graph.opset_import if each.domain in ("", "ai.onnx")), 0),
    )


def _value(value: Any) -> str:
    tensor = value.type.tensor_type
    shape = [each.dim_param or (each.dim_value if each.HasField("dim_value") else "?") for each in tensor.shape.dim]
    return f"{value.name}: {_type(tensor.elem_type)}[{', '.join(str(size) for size in shape)}]"


def _type(number: int) -> str:
    import onnx

    return str(onnx.TensorProto.DataType.Name(number)).lower()


def _circuit(settings: Mapping[str, Any], source: str) -> CircuitView:
    arguments = settings["run_args"]
    k = int(arguments["logrows"])
    sizes = settings.get("module_sizes") or {}
    return CircuitView(
        k=k,
        rows_used=settings["num_rows"],
        rows_available=(1 << k) - BLINDING_ROWS,
        rows_of_hash=(sizes.get("poseidon") or [0])[0],
        assignments=settings["total_assignments"],
        inner_columns=arguments["num_inner_cols"],
        columns=_columns(source),
        lookups=tuple(each if isinstance(each, str) else json.dumps(each) for each in settings["required_lookups"]),
        range_checks=tuple((low, high) for low, high in settings["required_range_checks"]),
        decomposition={"base": arguments["decomp_base"], "legs": arguments["decomp_legs"]},
        input_scale=arguments["input_scale"],
        param_scale=arguments["param_scale"],
    )


def _columns(source: str) -> dict[str, int]:
    """Columns as the verifier shows them: the proof's first points are the advice columns' commitments."""
    import re

    first = re.search(r"// Phase 1\s+for\s+{ let proof_cptr_end := add\(proof_cptr, 0x([0-9a-f]+)\) }", source)
    if first is None:
        raise ValueError("the verifier reads its proof in another way than generated ones do")
    return {
        "advice": int(first[1], 16) // 0x40,
        "fixed": len(re.findall(r"// fixed_comms\[[0-9]+\]\.x", source)),
        "permutation": len(re.findall(r"// permutation_comms\[[0-9]+\]\.x", source)),
    }


def _cost(found: Artifact, source: str, measured: Mapping[str, Any] | None) -> CostView:
    from oracle.bench.submissions import calldata_gas, commitments, floor
    from oracle.proving.artifact import PROBE
    from oracle.proving.verifier import MAX_RUNTIME_BYTES

    manifest = found.manifest
    proof, instances = b"\xff" * manifest.proof_bytes, [0] * manifest.instance_count
    calldata_most = _calldata(proof, [2**256 - 1] * manifest.instance_count)
    if (found.path / PROBE).is_file():
        probe = found.probe()
        proof, instances = probe.proof, list(found.instances([probe.window], [probe.scores]))
    calldata = _calldata(proof, instances)
    in_proof, in_key = commitments(source)
    least = floor(calldata, in_proof + in_key)
    beyond = VERIFICATION_GAS + PROOF_BYTE_GAS * manifest.proof_bytes + INSTANCE_GAS * manifest.instance_count
    return CostView(
        proof_bytes=manifest.proof_bytes,
        instances=manifest.instance_count,
        verifier_bytes=len(found.verifier().runtime),
        verifier_bytes_limit=MAX_RUNTIME_BYTES,
        commitments={"in_proof": in_proof, "in_key": in_key},
        calldata_bytes=len(calldata),
        calldata_gas=calldata_gas(calldata),
        calldata_gas_most=calldata_gas(calldata_most),
        floor_gas=least,
        verify_gas_estimate=100 * round((least + beyond) / 100),
        verify_gas_estimate_most=100 * round((floor(calldata_most, in_proof + in_key) + beyond) / 100),
        measured=measured,
    )


def _calldata(proof: bytes, instances: Sequence[int]) -> bytes:
    """`verifyProof(proof, instances)` in its canonical encoding, with a selector without zeros."""
    words = [0x40, 0x60 + len(proof), len(proof)]
    head = b"\xff" * 4 + b"".join(word.to_bytes(32, "big") for word in words)
    return head + proof + b"".join(word.to_bytes(32, "big") for word in (len(instances), *instances))


def _files(folder: Path, manifest: Manifest) -> Iterable[FileView]:
    from oracle.app.assembly import DETECTOR
    from oracle.proving import artifact

    private = manifest.visibility is artifact.Visibility.PRIVATE
    weights = "contains the weights" if private else "contains the weights, which are public"
    why = {
        artifact.MODEL: weights,
        artifact.CIRCUIT: weights,
        artifact.PK: "proving only; no weights" if private else "proving only; contains the weights, which are public",
        artifact.SETTINGS: "verifying: the circuit's shape",
        artifact.VK: "verifying: the key",
        artifact.SRS: "verifying: the reference string",
        artifact.SOLIDITY: "the verifier's source, for who reads or verifies it on an explorer",
        artifact.COMPILED: "the verifier's code, to compare with the chain's",
    }
    for name in (*artifact.PROVER_FILES, *artifact.AUDIT_FILES):
        path = folder / name
        secret = private and name in artifact.PROVER_FILES and name != artifact.PK
        yield FileView(
            name=name,
            sha256=manifest.files[name],
            bytes=path.stat().st_size if path.is_file() else None,
            readers="prover, secret" if secret else "prover" if name in artifact.PROVER_FILES else "anyone",
            why=why[name],
        )
    for name, reason in (
        *(() if manifest.hashed else ((artifact.PROBE, "the first proof, which the hub is shown"),)),
        (artifact.MANIFEST, "all of this"),
    ):
        path = folder / name
        yield FileView(name, None, path.stat().st_size if path.is_file() else None, "anyone", reason)
    known = {*artifact.PROVER_FILES, *artifact.AUDIT_FILES, artifact.PROBE, artifact.MANIFEST}
    for path in sorted(folder.iterdir()):
        if path.name == DETECTOR:
            readers, reason = "prover, secret" if private else "prover", "running the model: its weights, as trained"
            yield FileView(path.name, None, path.stat().st_size, readers, reason)
        elif path.name not in known and path.is_file():
            yield FileView(
                path.name, None, path.stat().st_size, "prover", "not part of the artifact; no hash covers it"
            )


# --- the SRS cache ---------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class SrsFinding:
    """A cached SRS, or one that only artifacts have.

    Attributes:
        k: 2^k rows.
        origin: By its hash.
        path: The file; of one that only artifacts have, the artifact's copy.
        sha256: Of it.
        cached: Whether it is in the cache.
        used_by: Names of the artifacts whose keys were made from it.
        problem: None if the file is what it says it is.
    """

    k: int
    origin: str
    path: str
    sha256: str
    cached: bool
    used_by: tuple[str, ...]
    problem: str | None


def check_srs(caches: Mapping[Path, SrsCache]) -> list[SrsFinding]:
    """Each SRS in these caches and in the artifacts beside them, checked by its hash.

    Args:
        caches: By the folder of artifacts that it serves.

    Raises:
        DataError: A file can't be read.
    """
    try:
        return [finding for folder, cache in caches.items() for finding in _checked(folder, cache)]
    except OSError as error:
        raise DataError(f"{error.filename} can't be read: {error.strerror}; give yourself the right to") from error


def _checked(folder: Path, cache: SrsCache) -> list[SrsFinding]:
    from oracle.proving import artifact
    from oracle.proving.srs import origin_of, sha256_of

    findings: list[SrsFinding] = []
    users: dict[str, list[tuple[Path, Manifest]]] = {}
    for path in sorted(folder.glob(f"*/{artifact.MANIFEST}")):
        try:
            manifest = artifact.Manifest.from_document(_json(path))
        except (OSError, KeyError, TypeError, ValueError):
            continue  # No artifact of this release: nothing here uses it.
        users.setdefault(manifest.srs_sha256, []).append((path.parent, manifest))
    for cached in cache.status():
        names = tuple(path.name for path, _ in users.get(cached.sha256, ()))
        findings.append(
            SrsFinding(
                k=cached.k,
                origin=cached.origin.value,
                path=str(cached.path),
                sha256=cached.sha256,
                cached=True,
                used_by=names,
                problem=cache.problem(cached),
            )
        )
    known = {finding.sha256 for finding in findings}
    for path, manifest in (each for used in users.values() for each in used):
        own = path / artifact.SRS
        digest = sha256_of(own) if own.is_file() else ""
        damaged = None if digest == manifest.srs_sha256 else "is missing" if not digest else "is corrupt"
        if damaged is None and manifest.srs_sha256 in known:
            continue
        remedy = f"; restore it, its SHA-256 is {manifest.srs_sha256}" if damaged else ""
        known.add(manifest.srs_sha256)
        findings.append(
            SrsFinding(
                k=manifest.k,
                origin=origin_of(manifest.k, manifest.srs_sha256).value,
                path=str(own),
                sha256=digest,
                cached=False,
                used_by=_names([path] if damaged else [each for each, _ in users[manifest.srs_sha256]]),
                problem=None if damaged is None else f"{damaged} in {path.name}{remedy}",
            )
        )
    return findings


def _names(paths: Sequence[Path]) -> tuple[str, ...]:
    return tuple(path.name for path in paths)
