"""A circuit with its keys and its verifier, in one folder with a manifest of hashes; built once, found again by hash.

    model.onnx → settings.json → circuit.ezkl → vk.key, pk.key (from kzg.srs) → Verifier.sol → verifier.json

An artifact is complete in itself: it carries the SRS that its keys were made from, so a cache of SRS files can be
emptied without orphaning a deployed verifier. `model.onnx`, `circuit.ezkl` and `pk.key` are the prover's; an auditor
needs none of them, and the first two hold the weights. Beside the manifest is `probe.json`, a first proof, which the
hub wants to see before it adds the model; no two proofs are the same, so no hash has it.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import shutil
import tempfile
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

from oracle.core import encoding, privacy
from oracle.core.errors import ArtifactError, OracleError, ProverUnavailable
from oracle.proving import verifier
from oracle.proving.engine.child import EngineProcess
from oracle.proving.interface import Probe, Provable, Tuned
from oracle.proving.srs import SrsFile, SrsOrigin, SrsSource, origin_of

SCHEMA = 2

MODEL, SETTINGS, CIRCUIT = "model.onnx", "settings.json", "circuit.ezkl"
VK, PK, SRS = "vk.key", "pk.key", "kzg.srs"
SOLIDITY, COMPILED = "Verifier.sol", "verifier.json"
MANIFEST, PROBE = "manifest.json", "probe.json"
PROVER_FILES = (MODEL, CIRCUIT, PK)
AUDIT_FILES = (SETTINGS, VK, SRS, SOLIDITY, COMPILED)

DISCLOSURES = ("score", "verdict")

_VERDICT_BASE, _VERDICT_LEGS = 512, 8
"""512^8 = 2^72 bounds compared scores; a table of 512 rows leaves the circuit at the k that its hash needs."""

_K_ATTEMPTS = 4
_RESERVED_ROWS = 6
"""Blinding rows, which the settings' count does not have. Setup refuses a k that is too small all the same."""


class Visibility(StrEnum):
    """Whether the weights stay with the prover. The values are what the command line says."""

    PRIVATE = "private"
    PUBLIC = "public"

    @property
    def param_visibility(self) -> str:
        """ezkl's word: `hashed` blinds the weights and publishes their Poseidon hash; `fixed` has them in the key."""
        return privacy.VISIBILITIES[self.value]


@dataclass(frozen=True, slots=True)
class Manifest:
    """What an artifact is.

    Attributes:
        schema: Of this file.
        name: The detector's.
        batch: B.
        features: n.
        outputs: Scores per window.
        param_scale: p.
        score_unit: The contract's `scoreUnit`.
        visibility: Of the weights.
        disclosure: Of the scores.
        model_hash: Poseidon hash of the weights, a field element; 0 if the circuit has the weights in its key.
        ezkl: Its version.
        solc: Its version.
        hardening: Version of what was added to the verifier.
        k: The circuit has 2^k rows.
        proof_bytes: Exact length of each proof.
        instance_count: Exact number of instances.
        srs_sha256: Of the SRS.
        srs_origin: Who knew its secret.
        verifier_code_hash: keccak256 of the verifier's code on-chain, hex.
        circuit_hash: Of all that makes the verifier: the same for all private models of one architecture.
        files: SHA-256 by file name.
        artifact_hash: SHA-256 of this manifest without this field, as canonical JSON; the same for the same model, SRS
            and tools.
        imported: Of a model that was brought: scales, clip, source, fidelity (`ImportedModel.facts`).
        spread: Whether the last feature but one is the spread between the reporters' answers.
        hashed: Ends of a segment of a split model that are published as hashes: "input", "output" or both.
        inputs: Lengths of the circuit's inputs, if it has several: each has a hash of its own. A window is all of them.
    """

    schema: int
    name: str
    batch: int
    features: int
    outputs: int
    param_scale: int
    score_unit: int
    visibility: Visibility
    disclosure: str
    model_hash: int
    ezkl: str
    solc: str
    hardening: int
    k: int
    proof_bytes: int
    instance_count: int
    srs_sha256: str
    srs_origin: SrsOrigin
    verifier_code_hash: str
    circuit_hash: str
    files: Mapping[str, str]
    artifact_hash: str = ""
    imported: Mapping[str, Any] | None = None
    spread: bool = False
    hashed: tuple[str, ...] = ()
    inputs: tuple[int, ...] = ()

    @property
    def model_hash_at(self) -> int:
        """Where the model's hash is among the instances, if they have it."""
        return max(1, len(self.inputs)) if "input" in self.hashed else 0

    def document(self) -> dict[str, Any]:
        """As JSON: 256-bit numbers as hex, enumerations by their values."""
        document = asdict(self)
        document["model_hash"] = f"{self.model_hash:#066x}"
        for key in ("visibility", "srs_origin"):
            document[key] = document[key].value
        if self.imported is None:
            del document["imported"]
        if not self.spread:
            del document["spread"]
        if self.hashed:
            document["hashed"] = list(self.hashed)
        else:
            del document["hashed"]
        if self.inputs:
            document["inputs"] = list(self.inputs)
        else:
            del document["inputs"]
        return document

    def computed_hash(self) -> str:
        """What `artifact_hash` must be.

        The compiled circuit is left out: ezkl writes its maps in an order that differs from build to build.
        """
        document = self.document()
        del document["artifact_hash"]
        document["files"] = {name: digest for name, digest in self.files.items() if name != CIRCUIT}
        return digest(document)

    def privacy(self) -> dict[str, Any]:
        """What the weights' visibility and the disclosure mean: follows from the two, so no hash has it."""
        return privacy.statement(self.visibility.value, self.disclosure)

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Manifest:
        """The inverse of `document`.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        values = dict(document)
        if values["schema"] != SCHEMA:
            raise ValueError(f"schema {values['schema']!r}; this release reads {SCHEMA}")
        values["model_hash"] = int(values["model_hash"], 16)
        values["visibility"] = Visibility(values["visibility"])
        if values["disclosure"] not in DISCLOSURES:
            raise ValueError(f"disclosure {values['disclosure']!r} is none of {', '.join(DISCLOSURES)}")
        values["srs_origin"] = SrsOrigin(values["srs_origin"])
        if not isinstance(values["files"], dict):
            raise TypeError("files must be an object")
        stated = values.pop("privacy", None)
        if not isinstance(values.get("imported"), dict | None):
            raise TypeError("imported must be an object")
        if not isinstance(values.get("spread", False), bool):
            raise TypeError("spread must be true or false")
        values["hashed"] = tuple(values.get("hashed", ()))
        if values["hashed"] not in ((), ("input",), ("output",), ("input", "output")):
            raise ValueError(f"hashed {list(values['hashed'])} is none of input, output, or both in this order")
        values["inputs"] = tuple(values.get("inputs", ()))
        if values["inputs"] and (values["batch"], sum(values["inputs"])) != (1, values["features"]):
            raise ValueError("its inputs are not the features of one window")
        manifest = Manifest(**values)
        if stated not in (None, manifest.privacy()):
            raise ValueError("its statement on privacy is not that of its visibility and disclosure")
        return manifest


@dataclass(frozen=True, slots=True)
class Artifact:
    """A loaded artifact, all of whose hashes were right when it was loaded."""

    path: Path
    manifest: Manifest

    @property
    def artifact_hash(self) -> str:
        return self.manifest.artifact_hash

    @property
    def model_hash(self) -> int | None:
        """The model's hash as the first instance; None if the circuit has none."""
        return self.manifest.model_hash if self.manifest.visibility is Visibility.PRIVATE else None

    def file(self, name: str) -> str:
        """The path of one of the artifact's files."""
        return str(self.path / name)

    def verifier_source(self) -> str:
        """The hardened Solidity source."""
        return (self.path / SOLIDITY).read_text(encoding="utf-8")

    def verifier(self) -> verifier.CompiledVerifier:
        """The compiled verifier."""
        document = json.loads((self.path / COMPILED).read_text(encoding="utf-8"))
        return verifier.CompiledVerifier(
            abi=document["abi"],
            bytecode=bytes.fromhex(document["bytecode"]),
            runtime=bytes.fromhex(document["runtime"]),
        )

    def probe(self) -> Probe:
        """The artifact's first proof, of the calmest window: what a feed's first report shows.

        Raises:
            ArtifactError: It is not there, or is none of this artifact's.
        """
        return _read_probe(self)

    def instances(
        self,
        windows: Sequence[Sequence[int]],
        scores: Sequence[Sequence[int]],
        input_hash: int | tuple[int, ...] | None = None,
        output_hash: int | None = None,
    ) -> tuple[int, ...]:
        """The instances of a statement in this circuit, as the hub builds them; with hashes for a segment's ends."""
        return encoding.instances(
            self.model_hash, windows, scores, self.manifest.batch, input_hash=input_hash, output_hash=output_hash
        )

    def padded(self, windows: Sequence[Sequence[int]]) -> list[int]:
        """The circuit's input: the windows, the last one repeated to B, flattened."""
        missing = self.manifest.batch - len(windows)
        return [value for window in [*windows, *[windows[-1]] * missing] for value in window]

    def arranged(self, windows: Sequence[Sequence[int]]) -> list[int] | list[list[int]]:
        """`padded`, cut into the circuit's inputs if it has several."""
        return _arranged(self.padded(windows), self.manifest.inputs)


def build(
    detector: Provable,
    batch: int,
    *,
    visibility: Visibility,
    srs: SrsSource,
    compile_standard: verifier.Compiler,
    cache: Path,
    progress: Callable[[str], None] = lambda step: None,
) -> Artifact:
    """Builds a detector's circuit, or finds it again.

    Args:
        detector: Its `disclosure` decides what the circuit publishes.
        batch: B.
        visibility: Of the weights.
        srs: Where the SRS comes from. The cache is keyed by its origin, not its content: a locally generated SRS is as
            insecure as another, and a rebuilt key would not fit the verifier that is already deployed.
        compile_standard: solc 0.8.20.
        cache: Folder of artifacts.
        progress: Told each step before it begins.

    Raises:
        ArtifactError: The circuit can't be built, differs from the detector, or has a score unit that the hub does not
            take; or the one that was found is corrupt.
        CompileError: solc refused the verifier.
    """
    from filelock import FileLock

    if batch < 1:
        raise ArtifactError(f"batch {batch} must be at least 1")
    if not encoding.is_score_unit(detector.score_unit):
        raise ArtifactError(
            f"detector {detector.name}: the hub takes no score unit of {detector.score_unit}: it must be positive, and "
            f"have at most {encoding.SCORE_UNIT_BITS} significant bits; round it"
        )
    onnx = detector.to_onnx(batch)
    arguments = run_args(detector, visibility)
    key = digest(
        _facts(detector)
        | {
            "schema": SCHEMA,
            "onnx": hashlib.sha256(onnx).hexdigest(),
            "name": detector.name,
            "run_args": arguments,
            "srs_origin": srs.origin.value,
            "ezkl": ezkl_version(),
            "solc": verifier.SOLC_VERSION,
            "hardening": verifier.HARDENING_VERSION,
            "score_unit": str(detector.score_unit),
        }
    )
    target = cache / f"{detector.name}-b{batch}-{visibility.value}-{detector.disclosure}-{key[:16]}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{target.name}.lock"):
        if target.exists():
            return load(target)
        with tempfile.TemporaryDirectory(dir=cache, prefix=".building-") as temporary:
            folder = Path(temporary, target.name)
            folder.mkdir(mode=0o700 if visibility is Visibility.PRIVATE else 0o755)
            (folder / MODEL).write_bytes(onnx)
            with EngineProcess() as engine:
                _build_into(folder, engine, detector, batch, visibility, arguments, srs, compile_standard, progress)
            os.replace(folder, target)
    return load(target)


def load(path: Path, *, prover: bool = True) -> Artifact:
    """Reads an artifact and checks every hash.

    Args:
        path: The folder.
        prover: False for an auditor's copy, which may lack `PROVER_FILES` and the probe.

    Raises:
        ArtifactError: It is not there, incomplete, altered, or of another release.
    """
    try:
        document = json.loads((path / MANIFEST).read_text(encoding="utf-8"))
        manifest = Manifest.from_document(document)
    except OSError as error:
        raise ArtifactError(f"there is no artifact in {path}: {error}. Build it first") from error
    except (KeyError, TypeError, ValueError, RecursionError) as error:
        raise ArtifactError(f"{path / MANIFEST} is not a manifest of this release: {str(error)[:200]}") from error
    if manifest.computed_hash() != manifest.artifact_hash:
        raise ArtifactError(f"{path / MANIFEST} was altered: its own hash does not fit. {_REMEDY}")
    if set(manifest.files) != {*PROVER_FILES, *AUDIT_FILES}:
        raise ArtifactError(f"{path / MANIFEST} lists other files than an artifact has. {_REMEDY}")
    for name, expected in manifest.files.items():
        file = path / name
        if not file.is_file():
            if not prover and name in PROVER_FILES:
                continue
            raise ArtifactError(f"artifact {path} lacks {name}. {_REMEDY}")
        if _sha256(file) != expected:
            raise ArtifactError(f"artifact {path}: {name} is corrupt, its SHA-256 is not the manifest's. {_REMEDY}")
    artifact = Artifact(path, manifest)
    _check_settings(artifact)
    if artifact.verifier().code_hash.hex() != manifest.verifier_code_hash.removeprefix("0x"):
        raise ArtifactError(f"artifact {path}: the verifier's code hash is not the manifest's. {_REMEDY}")
    if manifest.files[SRS] != manifest.srs_sha256:
        raise ArtifactError(f"artifact {path}: the manifest names two hashes of one SRS. {_REMEDY}")
    if origin_of(manifest.k, manifest.srs_sha256) is not manifest.srs_origin:
        raise ArtifactError(f"artifact {path}: the SRS is not of the origin that the manifest states. {_REMEDY}")
    if not manifest.hashed and (prover or (path / PROBE).exists()):
        artifact.probe()
    return artifact


def rebuilt_key(detector: Provable, like: Artifact) -> str:
    """SHA-256 of the verifying key of a detector's circuit, made with an artifact's digits, k and reference string.

    "" where its rows or instances are others already.

    Hashed weights are witness, and in no key. So where this is the artifact's own key, its circuit is the detector's
    architecture, whoever built it: an auditor needs none of the weights to know.

    Args:
        detector: Of the architecture, with any weights.
        like: The artifact; an auditor's copy will do.

    Raises:
        ArtifactError: The circuit can't be built.
    """
    manifest = like.manifest
    stated = json.loads((like.path / SETTINGS).read_text(encoding="utf-8"))
    digits = {name: stated["run_args"][name] for name in ("decomp_base", "decomp_legs")}
    with tempfile.TemporaryDirectory(prefix="oracle-key-") as name, EngineProcess() as engine:
        folder = Path(name)
        model, written, circuit, vk, pk = (str(folder / each) for each in (MODEL, SETTINGS, CIRCUIT, VK, PK))
        Path(model).write_bytes(detector.to_onnx(manifest.batch))
        arguments = run_args(detector, manifest.visibility) | digits
        settings = engine.call("gen_settings", model=model, settings=written, run_args=arguments)
        if any(settings[name] != stated[name] for name in ("num_rows", "model_instance_shapes")):
            return ""
        _settle(settings, manifest.k)
        _write_json(Path(written), settings)
        engine.call("compile_circuit", model=model, circuit=circuit, settings=written)
        engine.call("setup", circuit=circuit, vk=vk, pk=pk, srs=like.file(SRS))
        return _sha256(Path(vk))


def _settle(settings: dict[str, Any], k: int) -> None:
    """Makes settings what they are in each build."""
    # ezkl lists them in an order that differs from run to run, and gives them columns in that order: sorted, all models
    # of one architecture have the same keys.
    for listed in ("required_range_checks", "required_lookups"):
        settings[listed] = sorted(settings[listed], key=json.dumps)
    settings["run_args"]["logrows"] = k
    # The only thing in an artifact that would differ between two builds.
    settings["timestamp"] = 0


def _check_settings(artifact: Artifact) -> None:
    """Hashes that fit say that a folder is whole, not that its circuit is one that a feed can rest on."""
    path, manifest = artifact.path / SETTINGS, artifact.manifest
    try:
        settings = json.loads(path.read_text(encoding="utf-8"))
        problem = privacy.settings_problem(settings, manifest.visibility.value, manifest.hashed)
    except (OSError, TypeError, ValueError, AttributeError) as error:
        raise ArtifactError(f"{path} is no settings file of ezkl's: {error}. {_REMEDY}") from error
    private = manifest.visibility is Visibility.PRIVATE
    # One hash stands for all of an end that is hashed.
    ends = {"input": manifest.features, "output": manifest.outputs}
    hashes = {"input": max(1, len(manifest.inputs)), "output": 1}
    count = private + sum(
        hashes[end] if end in manifest.hashed else manifest.batch * width for end, width in ends.items()
    )
    if not problem and manifest.instance_count != count:
        problem = f"its circuit has {manifest.instance_count} instances; the contract builds {count}"
    if problem:
        raise ArtifactError(
            f"artifact {artifact.path} is refused, though its hashes fit: {problem}. Build it with `oracle model build`"
        )


def ezkl_version() -> str:
    """The installed ezkl's version, without loading it."""
    from importlib.metadata import version

    return version("ezkl")


_REMEDY = "Restore the folder, or delete it and build it again; a deployed verifier may then have to be replaced"

_REBUILD = "Restore it, or delete the folder and build the artifact again: its verifier stays the same"


def run_args(detector: Provable, visibility: Visibility) -> dict[str, Any]:
    """ezkl's run arguments. Integers in, exact products, no rebase, no lookup but the one of a comparison."""
    verdict = detector.disclosure == "verdict"
    arguments = {
        "input_scale": 0,
        "param_scale": detector.param_scale,
        # A rebase divides, and a division accepts floor and ceiling: the scores would not be exact.
        "scale_rebase_multiplier": 1_000,
        "lookup_range": [0, 1],
        "num_inner_cols": 1,
        "decomp_base": _VERDICT_BASE if verdict else 2,
        "decomp_legs": _VERDICT_LEGS if verdict else 2,
        # The contract derives and clips the inputs itself, and the outputs are polynomials of them.
        "ignore_range_check_inputs_outputs": True,
        "disable_freivalds": True,
        "input_visibility": "public",
        "output_visibility": "public",
        "param_visibility": visibility.param_visibility,
    }
    return arguments | (dict(detector.run_args()) if isinstance(detector, Tuned) else {})


def _hashed(run_args: Mapping[str, Any]) -> tuple[str, ...]:
    """The ends of a circuit that it publishes as hashes."""
    return tuple(end for end in ("input", "output") if run_args[f"{end}_visibility"] == "hashed")


def _facts(detector: Provable) -> dict[str, Any]:
    """What the manifest says beyond the circuit; nothing for most detectors, so that their hashes stay."""
    facts: dict[str, Any] = {"imported": dict(detector.facts())} if isinstance(detector, Tuned) else {}
    return facts | ({"spread": True} if getattr(detector, "spread", False) else {})


def _windows(detector: Provable) -> list[tuple[int, ...]]:
    """The probe's window, and then those that the circuit is held against the reference with."""
    if isinstance(detector, Tuned):
        return list(detector.windows())
    return [_calm(detector.features), *_corners(detector.features)]


def _build_into(
    folder: Path,
    engine: EngineProcess,
    detector: Provable,
    batch: int,
    visibility: Visibility,
    run_args: Mapping[str, Any],
    source: SrsSource,
    compile_standard: verifier.Compiler,
    progress: Callable[[str], None],
) -> None:
    def file(name: str) -> str:
        return str(folder / name)

    if detector.score_bound().bit_length() > 126:
        raise ArtifactError(f"detector {detector.name}: its scores can exceed the circuit's 127-bit integers")
    # 1 Settings: as small a k as holds the rows.
    progress("settings")
    settings = engine.call("gen_settings", model=file(MODEL), settings=file(SETTINGS), run_args=run_args)
    least = max(least_k(settings["num_rows"], run_args["decomp_base"]), run_args.get("logrows", 0))
    hashed = _hashed(run_args)
    # 2 Circuit, SRS and keys, and a first proof. Whether a k really holds the circuit shows there.
    srs, probe = _smallest_k(folder, engine, settings, least, source, detector, batch, visibility, hashed, progress)
    # 3 The circuit is the reference, at the corners too.
    progress("circuit against reference")
    for window in _windows(detector)[1:]:
        expected = [value for _ in range(batch) for value in detector.score_int(window)]
        given = _arranged([*window] * batch, _inputs(detector))
        seen = engine.call("witness", circuit=file(CIRCUIT), inputs=given)["outputs"]
        if seen != expected:
            raise ArtifactError(
                f"the circuit of {detector.name} computes {seen} for {list(window)}, its integer reference {expected}"
            )
    proof_bytes = len(probe["proof"]) // 2
    at = max(1, len(_inputs(detector))) if "input" in hashed else 0
    model_hash = int(probe["instances"][at], 16) if visibility is Visibility.PRIVATE else 0
    # 4 The verifier.
    progress("verifier")
    engine.call("create_verifier", vk=file(VK), settings=file(SETTINGS), srs=file(SRS), source=file(SOLIDITY))
    generated = (folder / SOLIDITY).read_text(encoding="utf-8")
    circuit_hash = digest(
        {
            "vk": _sha256(folder / VK),
            "srs": srs.sha256,
            "generated": hashlib.sha256(generated.encode()).hexdigest(),
            "ezkl": ezkl_version(),
            "solc": verifier.SOLC_VERSION,
            "hardening": verifier.HARDENING_VERSION,
        }
    )
    header = {
        "Circuit": circuit_hash,
        "Windows": f"{batch} of {detector.features} features, {detector.outputs} {detector.disclosure}s each",
        "Weights": f"{visibility.value} ({visibility.param_visibility})",
        "Structured reference string": f"{srs.origin.value}, k = {srs.k}, SHA-256 {srs.sha256}",
        "Generator": f"ezkl {ezkl_version()}, for solc {verifier.SOLC_VERSION}",
    }
    hardened = verifier.harden(generated, proof_bytes, header)
    compiled = verifier.compile_verifier(hardened, compile_standard)
    public = verifier.is_public_ceremony(hardened)
    if public != (srs.origin is SrsOrigin.PUBLIC_CEREMONY):
        raise ArtifactError("the generated verifier trusts another SRS than the one its keys were made from")
    (folder / SOLIDITY).write_text(hardened, encoding="utf-8")
    code = {"abi": compiled.abi, "bytecode": compiled.bytecode.hex(), "runtime": compiled.runtime.hex()}
    _write_json(folder / COMPILED, code)
    # 5 The manifest.
    manifest = Manifest(
        schema=SCHEMA,
        name=detector.name,
        batch=batch,
        features=detector.features,
        outputs=detector.outputs,
        param_scale=detector.param_scale,
        score_unit=detector.score_unit,
        visibility=visibility,
        disclosure=str(detector.disclosure),
        model_hash=model_hash,
        ezkl=ezkl_version(),
        solc=verifier.SOLC_VERSION,
        hardening=verifier.HARDENING_VERSION,
        k=srs.k,
        proof_bytes=proof_bytes,
        instance_count=len(probe["instances"]),
        srs_sha256=srs.sha256,
        srs_origin=srs.origin,
        verifier_code_hash="0x" + compiled.code_hash.hex(),
        circuit_hash=circuit_hash,
        files={name: _sha256(folder / name) for name in sorted((*PROVER_FILES, *AUDIT_FILES))},
        **_facts(detector),
        hashed=hashed,
        inputs=_inputs(detector),
    )
    document = manifest.document() | {"artifact_hash": manifest.computed_hash(), "privacy": manifest.privacy()}
    _write_json(folder / MANIFEST, document)
    if hashed:
        # A segment is no feed's model, and its window and scores are what the whole model does not publish.
        return
    # 6 The probe, which verified above.
    calm = _windows(detector)[0]
    _write_json(
        folder / PROBE,
        {
            "artifact_hash": document["artifact_hash"],
            "window": calm,
            "scores": detector.score_int(calm),
            "proof": probe["proof"],
        },
    )


def _read_probe(artifact: Artifact) -> Probe:
    path, manifest = artifact.path / PROBE, artifact.manifest
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        window, scores = document["window"], document["scores"]
        proof = bytes.fromhex(document["proof"])
        if document["artifact_hash"] != manifest.artifact_hash:
            raise ValueError("it is another artifact's")
        if (len(window), len(scores), len(proof)) != (manifest.features, manifest.outputs, manifest.proof_bytes):
            raise ValueError("its window, its scores or its proof is not of this circuit's size")
        if not all(type(value) is int and abs(value) <= encoding.CLIP for value in window):
            raise ValueError("its window is not of clipped integers")
        if not all(type(value) is int and abs(value) <= encoding.INT128_MAX for value in scores):
            raise ValueError("its scores are not integers of the circuit")
    except OSError as error:
        raise ArtifactError(f"artifact {artifact.path} lacks {PROBE}. {_REBUILD}") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path} is no probe of this artifact: {error}. {_REBUILD}") from error
    return Probe(tuple(window), tuple(scores), proof)


def least_k(rows: int, table: int) -> int:
    """The least k that may hold a circuit of so many rows, with a lookup table of so many."""
    return (max(rows, table) + _RESERVED_ROWS - 1).bit_length()


def _smallest_k(
    folder: Path,
    engine: EngineProcess,
    settings: dict[str, Any],
    least: int,
    source: SrsSource,
    detector: Provable,
    batch: int,
    visibility: Visibility,
    hashed: tuple[str, ...],
    progress: Callable[[str], None],
) -> tuple[SrsFile, dict[str, Any]]:
    """Compiles, makes keys and proves once with the least k that works. Returns the SRS and the proof."""
    refusal: OracleError | None = None
    window = _windows(detector)[0]
    outputs = [value for _ in range(batch) for value in detector.score_int(window)]
    for k in range(least, least + _K_ATTEMPTS):
        progress(f"SRS, k = {k}")
        srs = source.file(k)
        if srs.k != k:
            raise ArtifactError(f"the SRS source gave k = {srs.k} for k = {k}")
        shutil.copyfile(srs.path, folder / SRS)
        _settle(settings, k)
        _write_json(folder / SETTINGS, settings)
        onnx, written = str(folder / MODEL), str(folder / SETTINGS)
        circuit, vk, pk, params = (str(folder / name) for name in (CIRCUIT, VK, PK, SRS))
        engine.call("compile_circuit", model=onnx, circuit=circuit, settings=written)
        try:
            progress(f"keys, k = {k}")
            engine.call("setup", circuit=circuit, vk=vk, pk=pk, srs=params)
            progress("first proof")
            probe = engine.call(
                "prove",
                circuit=circuit,
                settings=written,
                vk=vk,
                pk=pk,
                srs=params,
                inputs=_arranged([*window] * batch, _inputs(detector)),
                outputs=outputs,
            )
        except (ArtifactError, ProverUnavailable) as error:
            refusal = error
            continue
        if "proof" not in probe:
            raise ArtifactError(
                f"the circuit of {detector.name} computes {probe['outputs']} for a calm window, its reference {outputs}"
            )
        if not probe["verified"]:
            raise ArtifactError(f"the first proof of {detector.name} does not verify")
        if _sha256(folder / SRS) != srs.sha256:
            raise ArtifactError(f"SRS file {srs.path} changed while it was used")
        instances = tuple(int(element, 16) for element in probe["instances"])
        at = max(1, len(_inputs(detector))) if "input" in hashed else 0
        model_hash = instances[at] if visibility is Visibility.PRIVATE else None
        ends = {"input": _arranged([*window] * batch, _inputs(detector) or (batch * len(window),)), "output": [outputs]}
        hashes: dict[str, Any] = {
            f"{end}_hash": tuple(int(each, 16) for each in engine.call("poseidon", vectors=ends[end])) for end in hashed
        }
        if instances != encoding.instances(model_hash, [window], [detector.score_int(window)], batch, **hashes):
            raise ArtifactError(f"the circuit of {detector.name} has other instances than the hub, or in another order")
        return srs, probe
    raise ArtifactError(f"no circuit of up to 2^{least + _K_ATTEMPTS - 1} rows works for {detector.name}: {refusal}")


def _inputs(detector: Provable) -> tuple[int, ...]:
    """Lengths of a circuit's inputs; () if it has one."""
    return tuple(getattr(detector, "input_lengths", ()))


def _arranged(flat: list[int], lengths: Sequence[int]) -> list[int] | list[list[int]]:
    if not lengths:
        return flat
    ends = list(itertools.accumulate(lengths))
    return [flat[end - length : end] for end, length in zip(ends, lengths, strict=True)]


def _calm(features: int) -> tuple[int, ...]:
    """Nothing moved, on time: what a feed's first report shows."""
    return (0,) * (features - 1) + (encoding.GAP_ONE,)


def _corners(features: int) -> list[tuple[int, ...]]:
    """Windows at the edge of what the contract can ask for."""
    most, least = encoding.CLIP, -encoding.CLIP
    moves = features - 1
    alternating = tuple(most if index % 2 else least for index in range(moves))
    return [
        (*(most,) * moves, most),
        (*(least,) * moves, encoding.GAP_ONE),
        (*alternating, encoding.GAP_ONE),
        (most, *(0,) * (moves - 1), encoding.GAP_ONE),
        (0, *(most,) * (moves - 1), most),
    ]


def digest(document: object) -> str:
    """SHA-256 of canonical JSON, hex."""
    text = json.dumps(document, sort_keys=True, separators=(",", ":"), ensure_ascii=True)
    return hashlib.sha256(text.encode()).hexdigest()


def _sha256(path: Path) -> str:
    with path.open("rb") as file:
        return hashlib.file_digest(file, "sha256").hexdigest()


def _write_json(path: Path, document: object) -> None:
    path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
