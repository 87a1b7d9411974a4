"""The build of an artifact: settings, keys and a first proof, checks, the verifier, the manifest."""

from __future__ import annotations

import copy
import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock

from oracle.core import encoding
from oracle.core.documents import read_json
from oracle.core.errors import ArtifactError, OracleError, ProverTimeout, ProverUnavailable
from oracle.proving.artifact import verifier
from oracle.proving.artifact.architecture import architecture_of, special_constants
from oracle.proving.artifact.circuit import (
    arranged,
    check_windows,
    fitted,
    hashed_ends,
    input_lengths,
    manifest_facts,
    run_args,
    stated_run_args,
    unprotected,
)
from oracle.proving.artifact.kept import Kept, code_inputs, key_inputs, made_code
from oracle.proving.artifact.keys import circuit_hash, settle, verifier_header, write_json
from oracle.proving.artifact.loading import Artifact, load
from oracle.proving.artifact.made import Made
from oracle.proving.artifact.manifest import (
    ARCHITECTURE,
    AUDIT_FILES,
    CIRCUIT,
    COMPILED,
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
from oracle.proving.engine.child import EngineProcess, patience, stuck
from oracle.proving.engine.version import ezkl_version
from oracle.proving.hashing import digest, sha256_of
from oracle.proving.interface import Progress, Provable
from oracle.proving.srs.files import SrsFile, SrsOrigin, SrsSource

_K_ATTEMPTS = 4


def build(
    detector: Provable,
    batch: int,
    *,
    visibility: Visibility,
    srs: SrsSource,
    compile_standard: verifier.Compiler,
    cache: Path,
    kept: Path | None = None,
    made: Made | None = None,
    progress: Progress = lambda step: None,
) -> Artifact:
    """Build a detector's circuit, or find it again.

    Args:
        detector: The model; its `disclosure` decides what the circuit publishes.
        batch: B, windows per proof.
        visibility: Visibility of the weights.
        srs: Gives the SRS. The cache is keyed by the SRS's origin, not by its content: one locally generated SRS is as
            insecure as another, and a rebuilt key would not fit the verifier that is already deployed.
        compile_standard: Runs solc 0.8.20.
        cache: Folder of artifacts.
        kept: Folder that keeps what was made, so that `regenerate` need not make it again here; None: nothing is kept.
        made: Keys and a first proof of what may be this circuit. If they are, they are moved into the artifact.
        progress: Called with each step before it begins.

    Raises:
        ArtifactError: The circuit can't be built, differs from the detector, or has a score unit that the hub does not
            take; or the artifact that was found is corrupt.
        CompileError: solc refused the verifier.
        ToolMissing: The circuit is not there yet, and there is no solc. It is asked for before the keys are made.
    """
    if batch < 1:
        raise ArtifactError(f"batch {batch} must be at least 1")
    if not encoding.is_score_unit(detector.score_unit):
        raise ArtifactError(
            f"detector {detector.name}: the hub takes no score unit of {detector.score_unit}: it must be positive, and "
            f"have at most {encoding.SCORE_UNIT_BITS} significant bits; round it"
        )
    onnx = detector.to_onnx(batch)
    if detector.disclosure == "verdict" and (open_to_choice := unprotected(onnx)):
        raise ArtifactError(
            f"detector {detector.name}: a prover could choose the answer of {open_to_choice[0]} where its two numbers "
            "are equal. Compare twice an odd number with 0"
        )
    arguments = run_args(detector, visibility)
    key = digest(
        manifest_facts(detector)
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
        compile_standard.require()
        with tempfile.TemporaryDirectory(dir=cache, prefix=".building-") as temporary:
            folder = Path(temporary, target.name)
            folder.mkdir(mode=0o700 if visibility is Visibility.PRIVATE else 0o755)
            (folder / MODEL).write_bytes(onnx)
            with EngineProcess() as engine:
                _Build(
                    folder,
                    engine,
                    detector,
                    batch,
                    visibility,
                    arguments,
                    srs,
                    compile_standard,
                    Kept(kept),
                    made,
                    progress,
                ).run()
            os.replace(folder, target)
    return load(target)


@dataclass(frozen=True)
class _Build:
    """One build, into a folder that holds the ONNX graph already."""

    folder: Path
    engine: EngineProcess
    detector: Provable
    batch: int
    visibility: Visibility
    run_args: dict[str, Any]
    source: SrsSource
    compile_standard: verifier.Compiler
    kept: Kept
    made: Made | None
    progress: Callable[[str], None]

    def run(self) -> None:
        detector = self.detector
        if detector.score_bound().bit_length() > 126:
            raise ArtifactError(f"detector {detector.name}: its scores can exceed the circuit's 127-bit integers")
        # 1 Settings: as small a k as holds the rows.
        self.progress("settings")

        def generate(arguments: dict[str, Any]) -> dict[str, Any]:
            model, written = self._file(MODEL), self._file(SETTINGS)
            return dict(self.engine.call("gen_settings", model=model, settings=written, run_args=arguments))

        arguments, settings, least = fitted(detector, self.visibility, generate)
        # 2 Circuit, SRS, keys and a first proof, which shows whether this k really holds the circuit.
        srs, proven = self._taken_over(settings) or self._smallest_k(settings, least)
        # 3 The circuit equals the reference, also at the corners.
        self.progress("circuit against reference")
        self._check_corners()
        # 4 The verifier.
        self.progress("verifier")
        proof_bytes = len(proven["proof"]) // 2
        circuit, generated, compiled = self._write_verifier(srs, proof_bytes)
        # 5 The graph from which everybody can make the key again.
        self.progress("architecture")
        self._write_architecture(arguments | {"logrows": srs.k})
        # 6 The manifest.
        manifest = Manifest(
            schema=SCHEMA,
            name=detector.name,
            batch=self.batch,
            width=detector.width,
            outputs=detector.outputs,
            param_scale=detector.param_scale,
            score_unit=detector.score_unit,
            visibility=self.visibility,
            disclosure=str(detector.disclosure),
            model_hash=self._model_hash([int(element, 16) for element in proven["instances"]]) or 0,
            ezkl=ezkl_version(),
            solc=verifier.SOLC_VERSION,
            hardening=verifier.HARDENING_VERSION,
            k=srs.k,
            proof_bytes=proof_bytes,
            instance_count=len(proven["instances"]),
            srs_sha256=srs.sha256,
            srs_origin=srs.origin,
            verifier_code_hash="0x" + compiled.code_hash.hex(),
            circuit_hash=circuit,
            files={name: sha256_of(self.folder / name) for name in sorted((*PROVER_FILES, *AUDIT_FILES))},
            **manifest_facts(detector),
            hashed=self._hashed,
            inputs=input_lengths(detector),
        )
        self.kept.put(code_inputs(manifest), made_code(generated, compiled))
        if self.visibility is Visibility.PUBLIC:
            # Of a private model the key was made from the model, and is yet to be made from the architecture.
            graph = manifest.files[ARCHITECTURE]
            inputs = key_inputs(graph, stated_run_args(manifest, settings), srs.sha256)
            self.kept.put(inputs, {"settings": settings, "vk": manifest.files[VK]})
        artifact_hash = manifest.computed_hash()
        document = manifest.document() | {"artifact_hash": artifact_hash, "privacy": manifest.privacy()}
        write_json(self.folder / MANIFEST, document)
        if self._hashed:
            # A segment is not a feed's model, and the whole model does not publish the segment's window and scores.
            return
        # 7 The probe: the first proof, which verified above.
        calm = check_windows(detector)[0]
        probe = {"window": calm, "scores": detector.score_int(calm), "proof": proven["proof"]}
        write_json(self.folder / PROBE, {"artifact_hash": artifact_hash} | probe)

    @property
    def _hashed(self) -> tuple[str, ...]:
        return hashed_ends(self.run_args)

    def _file(self, name: str) -> str:
        return str(self.folder / name)

    def _model_hash(self, instances: list[int]) -> int | None:
        """Return the hash of the weights from a proof's instances; None if the weights are in the key."""
        at = max(1, len(input_lengths(self.detector))) if "input" in self._hashed else 0
        return instances[at] if self.visibility is Visibility.PRIVATE else None

    def _inputs(self, window: tuple[int, ...]) -> list[int] | list[list[int]]:
        """Return the circuit's inputs for a batch of equal windows."""
        return arranged([*window] * self.batch, input_lengths(self.detector))

    def _taken_over(self, settings: dict[str, Any]) -> tuple[SrsFile, dict[str, Any]] | None:
        """Take over keys and a first proof, if they are of this very circuit. Return the SRS and the proof, or None."""
        if self.made is None:
            return None
        srs = self.source.file(self.made.k)
        settled = copy.deepcopy(settings)
        settle(settled, srs.k)
        if not self.made.is_of((self.folder / MODEL).read_bytes(), settled, srs):
            return None
        settle(settings, srs.k)
        self.made.move(self.folder)
        proven = dict(self.made.proven)
        window = check_windows(self.detector)[0]
        outputs = [value for _ in range(self.batch) for value in self.detector.score_int(window)]
        self._check_first_proof(proven, srs, window, outputs)
        return srs, proven

    def _smallest_k(self, settings: dict[str, Any], least: int) -> tuple[SrsFile, dict[str, Any]]:
        """Compile, make keys and prove once, with the least k that works. Return the SRS and the proof."""
        refusal: OracleError | None = None
        window = check_windows(self.detector)[0]
        outputs = [value for _ in range(self.batch) for value in self.detector.score_int(window)]
        for k in range(least, least + _K_ATTEMPTS):
            self.progress(f"SRS, k = {k}")
            srs = self.source.file(k)
            if srs.k != k:
                raise ArtifactError(f"the SRS source gave k = {srs.k} for k = {k}")
            shutil.copyfile(srs.path, self.folder / SRS)
            settle(settings, k)
            write_json(self.folder / SETTINGS, settings)
            files = {"circuit": CIRCUIT, "vk": VK, "pk": PK, "srs": SRS}
            paths: dict[str, Any] = {parameter: self._file(name) for parameter, name in files.items()}
            written = self._file(SETTINGS)
            self.engine.call("compile_circuit", model=self._file(MODEL), circuit=self._file(CIRCUIT), settings=written)
            try:
                self.progress(f"keys, k = {k}")
                self.engine.call("setup", deadline=patience(k), **paths)
                self.progress("first proof")
                given: dict[str, Any] = {"inputs": self._inputs(window), "outputs": outputs}
                proven = self.engine.call("prove", deadline=patience(k), settings=written, **given, **paths)
            except ProverTimeout as error:
                # A larger circuit would take even longer, and be no answer to a machine that is busy.
                raise stuck(error, self.detector.name, k) from error
            except (ArtifactError, ProverUnavailable) as error:
                refusal = error
                continue
            self._check_first_proof(proven, srs, window, outputs)
            return srs, proven
        raise ArtifactError(
            f"no circuit of up to 2^{least + _K_ATTEMPTS - 1} rows works for {self.detector.name}: {refusal}"
        )

    def _check_first_proof(
        self, proven: dict[str, Any], srs: SrsFile, window: tuple[int, ...], outputs: list[int]
    ) -> None:
        name = self.detector.name
        if "proof" not in proven:
            raise ArtifactError(
                f"the circuit of {name} computes {proven['outputs']} for a calm window, its reference {outputs}"
            )
        if not proven["verified"]:
            raise ArtifactError(f"the first proof of {name} does not verify")
        if sha256_of(self.folder / SRS) != srs.sha256:
            raise ArtifactError(f"SRS file {srs.path} changed while it was used")
        instances = tuple(int(element, 16) for element in proven["instances"])
        flat = [*window] * self.batch
        lengths = input_lengths(self.detector) or (len(flat),)
        ends = {"input": arranged(flat, lengths), "output": [outputs]}
        hashes: dict[str, Any] = {
            f"{end}_hash": tuple(int(each, 16) for each in self.engine.call("poseidon", vectors=ends[end]))
            for end in self._hashed
        }
        model_hash = self._model_hash(list(instances))
        scores = self.detector.score_int(window)
        if instances != encoding.instances(model_hash, [window], [scores], self.batch, **hashes):
            raise ArtifactError(f"the circuit of {name} has other instances than the hub, or in another order")

    def _check_corners(self) -> None:
        for window in check_windows(self.detector)[1:]:
            expected = [value for _ in range(self.batch) for value in self.detector.score_int(window)]
            seen = self.engine.call("witness", circuit=self._file(CIRCUIT), inputs=self._inputs(window))["outputs"]
            if seen != expected:
                raise ArtifactError(
                    f"the circuit of {self.detector.name} computes {seen} for {list(window)}, its integer reference "
                    f"{expected}"
                )

    def _write_architecture(self, arguments: dict[str, Any]) -> None:
        """Write the model's graph if it is public; otherwise the graph without its weights.

        Args:
            arguments: ezkl's run arguments of the circuit.
        """
        graph = (self.folder / MODEL).read_bytes()
        if self.visibility is Visibility.PRIVATE:
            graph = self._architecture(graph, arguments)
        (self.folder / ARCHITECTURE).write_bytes(graph)

    def _architecture(self, graph: bytes, arguments: dict[str, Any]) -> bytes:
        """Return a graph without its weights that has the circuit's settings, and shows as little as possible."""
        scale, special = self.detector.param_scale, special_constants(graph)
        for shown in ([], special):
            found = architecture_of(graph, scale, shown)
            if not self._is_architecture(found, arguments):
                continue
            # The reader of graphs simplified the model by these values, or by some of them only.
            for name in shown:
                others = [each for each in shown if each != name]
                if self._is_architecture(fewer := architecture_of(graph, scale, others), arguments):
                    shown, found = others, fewer
            return found
        raise ArtifactError(
            f"the key of {self.detector.name} depends on its weights in a way that this release does not know, so "
            "nobody could make it again from the architecture: publish the model, or change it"
        )

    def _is_architecture(self, graph: bytes, arguments: dict[str, Any]) -> bool:
        """Return True if ezkl makes the circuit's own settings of a graph, with its rows above all."""
        stated = read_json(self.folder / SETTINGS)
        model, written = self.folder / ".architecture.onnx", self.folder / ".architecture.json"
        try:
            model.write_bytes(graph)
            made = self.engine.call("gen_settings", model=str(model), settings=str(written), run_args=arguments)
            settle(made, arguments["logrows"])
        finally:
            model.unlink(missing_ok=True)
            written.unlink(missing_ok=True)
        return bool(made == stated)

    def _write_verifier(self, srs: SrsFile, proof_bytes: int) -> tuple[str, str, verifier.CompiledVerifier]:
        """Generate, harden and compile the verifier. Return its circuit's hash, the generated source, and the code."""
        folder, detector = self.folder, self.detector
        self.engine.call(
            "create_verifier",
            vk=self._file(VK),
            settings=self._file(SETTINGS),
            srs=self._file(SRS),
            source=self._file(SOLIDITY),
        )
        generated = (folder / SOLIDITY).read_text(encoding="utf-8")
        found = circuit_hash(sha256_of(folder / VK), srs.sha256, generated)
        header = verifier_header(
            found,
            batch=self.batch,
            width=detector.width,
            outputs=detector.outputs,
            disclosure=detector.disclosure,
            visibility=self.visibility,
            srs=f"{srs.origin.value}, k = {srs.k}, SHA-256 {srs.sha256}",
        )
        hardened = verifier.harden(generated, proof_bytes, header)
        compiled = verifier.compile_verifier(hardened, self.compile_standard)
        public = verifier.is_public_ceremony(hardened)
        if public != (srs.origin is SrsOrigin.PUBLIC_CEREMONY):
            raise ArtifactError("the generated verifier trusts another SRS than the one its keys were made from")
        (folder / SOLIDITY).write_text(hardened, encoding="utf-8")
        code = {"abi": compiled.abi, "bytecode": compiled.bytecode.hex(), "runtime": compiled.runtime.hex()}
        write_json(folder / COMPILED, code)
        return found, generated, compiled
