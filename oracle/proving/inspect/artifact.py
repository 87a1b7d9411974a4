"""An inspection of an artifact: its circuit, what a proof of it costs and publishes, and who may have which file.

Everything is read from the artifact's own files, whose hashes are checked first. A copy without the prover's files
lacks the graph alone.
"""

from __future__ import annotations

import json
import math
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx

from oracle.core.documents import parse_json
from oracle.core.errors import ArtifactError, DataError
from oracle.proving import artifact
from oracle.proving.artifact import Artifact, Manifest
from oracle.proving.artifact.verifier import HARDENING_VERSION, MAX_RUNTIME_BYTES
from oracle.proving.cost import BLINDING_ROWS
from oracle.proving.engine.version import ezkl_version
from oracle.proving.gas import calldata_gas, floor_gas, folded_commitments
from oracle.proving.inspect.views import CircuitView, CostView, FileView, GraphView, Inspection
from oracle.proving.srs.files import SrsOrigin

VERIFICATION_GAS = 11_000
PROOF_BYTE_GAS = 24.7
INSTANCE_GAS = 300
"""Gas that hardened verifiers spend beyond the floor: a constant, per byte of proof (transcript, evaluations) and per
instance. Fitted to measured transactions of private and public circuits of 18 to 289 instances, within 2 %."""

_SRS_MEANING = {
    "public-ceremony": "its secret is known to nobody, if one participant of the ceremony was honest",
    "insecure-local": "INSECURE: whoever generated it can forge proofs; for local chains only",
}


def inspect_artifact(path: Path) -> Inspection:
    """Read an artifact, or its public files alone, check its hashes, and describe it.

    Raises:
        DataError: There is no artifact at this path, or it is damaged or of another release.
    """
    if path.is_file():
        raise DataError(f"{path} is a file; an artifact is the folder that `oracle model build` names")
    try:
        found = artifact.load(path, prover=False)
        return _view(found)
    except ArtifactError as error:
        raise DataError(str(error)) from error
    except (OSError, KeyError, IndexError, TypeError, ValueError, AttributeError) as error:
        # Its hashes are right, so another release or a person built it like this.
        raise DataError(
            f"artifact {path} is not of the form that this release writes ({type(error).__name__}: {error}); build it "
            "again"
        ) from error


def _view(found: Artifact) -> Inspection:
    manifest, folder = found.manifest, found.path
    settings = _json(folder / artifact.SETTINGS)
    tuning = _json(folder / "tuning.json") if (folder / "tuning.json").is_file() else {}
    document = manifest.document()
    facts = document.get("imported") or {}
    own = (folder / artifact.MODEL).is_file()
    graph = _graph(folder / (artifact.MODEL if own else artifact.ARCHITECTURE))
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
    if not manifest.exact:
        band = max(manifest.guard_band) / manifest.score_unit
        inside = (facts.get("verdict") or {}).get("band")
        told = f"±{band:g}" if inside is None else f"±{inside:g}, within the circuit"
        warnings.append(
            f"not exact: within its guard band of {told}, an output decides nothing; a prover may choose it"
        )
    if manifest.ezkl != ezkl_version():
        warnings.append(f"built with ezkl {manifest.ezkl}; installed is {ezkl_version()}")
    return Inspection(
        path=str(folder),
        name=manifest.name,
        batch=manifest.batch,
        width=manifest.width,
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
        circuit=_circuit(settings, source, facts),
        cost=_cost(found, source, facts.get("measured") or _measured(tuning)),
        fidelity=facts.get("fidelity") or tuning.get("fidelity"),
        hashes=hashes,
        tools={"ezkl": manifest.ezkl, "solc": manifest.solc, "hardening": str(manifest.hardening)},
        files=tuple(_files(folder, manifest)),
        warnings=tuple(warnings),
    )


def _measured(tuning: Mapping[str, Any]) -> Mapping[str, Any] | None:
    """Return what tuning measured with the chosen settings."""
    chosen = [each for each in tuning.get("candidates") or () if each.get("chosen")]
    names = ("seconds", "proof_bytes", "memory")
    return {name: chosen[0][name] for name in names if chosen[0].get(name) is not None} or None if chosen else None


def _json(path: Path) -> dict[str, Any]:
    found: dict[str, Any] = parse_json(path.read_bytes())
    return found


def _graph(path: Path) -> GraphView:
    try:
        graph = onnx.load_model_from_string(path.read_bytes())
    except Exception as error:  # protobuf's own class, which differs between its implementations
        raise ValueError(f"{path.name} is not an ONNX model: {error}") from error
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
    return str(onnx.TensorProto.DataType.Name(number)).lower()


def _circuit(settings: Mapping[str, Any], source: str, facts: Mapping[str, Any]) -> CircuitView:
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
        # The graph of an imported model takes integers, and scales them down itself.
        input_scale=facts.get("input_scale", arguments["input_scale"]),
        input_shifts=tuple(facts.get("input_shifts", ())),
        param_scale=arguments["param_scale"],
    )


def _columns(source: str) -> dict[str, int]:
    """Count the columns that the verifier shows. The proof's first points are the advice columns' commitments."""
    first = re.search(r"// Phase 1\s+for\s+{ let proof_cptr_end := add\(proof_cptr, 0x([0-9a-f]+)\) }", source)
    if first is None:
        raise ValueError("the verifier reads its proof in another way than generated ones do")
    return {
        "advice": int(first[1], 16) // 0x40,
        "fixed": len(re.findall(r"// fixed_comms\[[0-9]+\]\.x", source)),
        "permutation": len(re.findall(r"// permutation_comms\[[0-9]+\]\.x", source)),
    }


def _cost(found: Artifact, source: str, measured: Mapping[str, Any] | None) -> CostView:
    manifest = found.manifest
    proof, instances = b"\xff" * manifest.proof_bytes, [0] * manifest.instance_count
    calldata_most = _calldata(proof, [2**256 - 1] * manifest.instance_count)
    if (found.path / artifact.PROBE).is_file():
        probe = found.probe()
        proof, instances = probe.proof, list(found.instances([probe.window], [probe.scores]))
    calldata = _calldata(proof, instances)
    in_proof, in_key = folded_commitments(source)
    least = floor_gas(calldata, in_proof + in_key)
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
        verify_gas_estimate_most=100 * round((floor_gas(calldata_most, in_proof + in_key) + beyond) / 100),
        measured=measured,
    )


def _calldata(proof: bytes, instances: Sequence[int]) -> bytes:
    """Encode `verifyProof(proof, instances)` canonically, with a selector without zeros."""
    words = [0x40, 0x60 + len(proof), len(proof)]
    head = b"\xff" * 4 + b"".join(word.to_bytes(32, "big") for word in words)
    return head + proof + b"".join(word.to_bytes(32, "big") for word in (len(instances), *instances))


def _files(folder: Path, manifest: Manifest) -> Iterable[FileView]:
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
        artifact.ARCHITECTURE: "making the key again: the graph, with other numbers in place of the weights"
        if private
        else "making the key again: the model's graph, whose weights are public",
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
        if path.name == artifact.DETECTOR:
            readers, reason = "prover, secret" if private else "prover", "running the model: its weights, as trained"
            yield FileView(path.name, None, path.stat().st_size, readers, reason)
        elif path.name not in known and path.is_file():
            yield FileView(
                path.name, None, path.stat().st_size, "prover", "not part of the artifact; no hash covers it"
            )
