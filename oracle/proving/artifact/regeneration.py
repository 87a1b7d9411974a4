"""An artifact's key and bytecode, made again from their inputs and compared: nothing that it says is believed.

    graph + settings + SRS → settings, vk.key            of a public model from the model, of a private one from the
                                                         architecture: hashed weights are in no key
    vk.key + settings + SRS → Verifier.sol → bytecode    always

So an artifact whose bytecode is another contract's, whose key is another circuit's, or whose settings leave something
out is found. What is made is kept in a cache, by the hash of everything that it was made of.
"""

from __future__ import annotations

import hashlib
import json
import tempfile
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from oracle.core.cores import usable_memory_mb
from oracle.core.documents import read_json
from oracle.core.errors import ArtifactError, CompileError, MemoryExceeded, ProverUnavailable
from oracle.proving.artifact import verifier
from oracle.proving.artifact.architecture import check_graph, shown_constants
from oracle.proving.artifact.circuit import inexact, stated_run_args, unprotected
from oracle.proving.artifact.kept import Kept, code_inputs, key_inputs, made_code
from oracle.proving.artifact.keys import circuit_hash, settle, verifier_header, write_json
from oracle.proving.artifact.loading import Artifact
from oracle.proving.artifact.manifest import (
    ARCHITECTURE,
    CIRCUIT,
    COMPILED,
    MODEL,
    PK,
    SETTINGS,
    SOLIDITY,
    SRS,
    VK,
    Manifest,
    Visibility,
)
from oracle.proving.artifact.verifier import CompiledVerifier
from oracle.proving.engine.child import EngineProcess, patience
from oracle.proving.engine.version import ezkl_version
from oracle.proving.hashing import sha256_of
from oracle.proving.interface import Progress, Provable
from oracle.proving.srs.files import SrsOrigin, origin_of

_MOST_NAMED = 8

_SHARE = 3, 4
"""The part of the memory that making a key may take. A graph of a few bytes can ask for any amount."""

_REFUSALS = (ArtifactError, CompileError, MemoryExceeded, ProverUnavailable)
"""Errors of ezkl and solc about files that somebody made up. They end no audit: what can't be made again is told."""


@dataclass(frozen=True, slots=True)
class Regeneration:
    """The result of making an artifact's key and bytecode again.

    Attributes:
        artifact_hash: Names the artifact.
        code: The verifier as it follows from key, settings and SRS; None if it could not be made.
        key_from: "model" or "architecture": what the key was made from again, and is the artifact's; "" if it is not.
        srs_origin: The origin of the SRS, by the hash of its file.
        problems: What is not as it follows, or could not be made; each a sentence. Empty if all of it is.
        notes: What a reader has to know.
        seconds: Time that it took; less if it was made before.
    """

    artifact_hash: str
    code: CompiledVerifier | None
    key_from: Literal["model", "architecture", ""]
    srs_origin: SrsOrigin
    problems: tuple[str, ...]
    notes: tuple[str, ...]
    seconds: float

    @property
    def ok(self) -> bool:
        """True if the artifact's key and bytecode were made again, and are the same."""
        return not self.problems and self.key_from != "" and self.code is not None

    @property
    def tied(self) -> str:
        """The way in which the verifier is tied to its circuit, in words."""
        if not self.ok:
            return "not made again"
        return f"key from the {self.key_from}, bytecode from the key"


def regenerate(
    artifact: Artifact,
    compile_standard: verifier.Compiler | None,
    *,
    model: Provable | None = None,
    cache: Path | None = None,
    progress: Progress = lambda step: None,
) -> Regeneration:
    """Make an artifact's settings, verifying key, verifier and bytecode again, and compare them with the artifact's.

    Args:
        artifact: The artifact; the files for strangers will do.
        compile_standard: Runs solc 0.8.20; None: only settings and key are made.
        model: The model, or one of the same architecture with any weights if the artifact's are private. None: the
            graph is the artifact's own, so the reader learns that the key is the graph's, not whose graph it is.
        cache: Folder that keeps what is made; None: nothing is kept.
        progress: Called with each step.

    Raises:
        ToolMissing: There is no solc 0.8.20. It is asked for first.
    """
    if compile_standard is not None and needs_compiler(artifact, cache):
        compile_standard.require()
    began = time.monotonic()
    manifest = artifact.manifest
    problems: list[str] = []
    code: CompiledVerifier | None = None
    made_from: Literal["model", "architecture", ""] = ""
    whole = f"{artifact.path.name}: "
    versions = (manifest.ezkl, manifest.solc, manifest.hardening)
    ours = (ezkl_version(), verifier.SOLC_VERSION, verifier.HARDENING_VERSION)
    if versions != ours:
        problems.append(
            f"{whole}it was made with ezkl {versions[0]}, solc {versions[1]} and hardening {versions[2]}, this release "
            f"has {ours[0]}, {ours[1]} and {ours[2]}: check it with the release that it was made with"
        )
    else:
        kept = Kept(cache)
        memory = usable_memory_mb()
        with EngineProcess(memory_mb=None if memory is None else max(1, memory * _SHARE[0] // _SHARE[1])) as engine:
            # 1 The settings and the key are those of the graph.
            try:
                found = _key_problems(artifact, _graph(artifact, model), engine, kept, progress)
            except _REFUSALS as error:
                found = [f"its key can't be made again: {error}"]
            problems += [whole + each for each in found]
            if not found:
                made_from = "model" if manifest.visibility is Visibility.PUBLIC else "architecture"
            # 2 The verifier is that of the key, and the bytecode is the verifier's.
            if compile_standard is not None:
                try:
                    code, found = _code_problems(artifact, engine, compile_standard, kept, progress)
                except _REFUSALS as error:
                    found = [f"its verifier can't be made again: {error}"]
                problems += [whole + each for each in found]
    return Regeneration(
        artifact.artifact_hash,
        code,
        made_from,
        # 3 The file of the SRS is the one whose hash the manifest has: `load` saw to it.
        origin_of(manifest.k, manifest.srs_sha256),
        tuple(problems),
        tuple(whole + each for each in (_notes(artifact, model) if made_from else ())),
        time.monotonic() - began,
    )


def needs_compiler(artifact: Artifact, cache: Path | None) -> bool:
    """Return True if making an artifact's bytecode again needs the compiler: it is not kept yet."""
    return Kept(cache).get(code_inputs(artifact.manifest)) is None


def _graph(artifact: Artifact, model: Provable | None) -> bytes:
    if model is None:
        return (artifact.path / ARCHITECTURE).read_bytes()
    return model.to_onnx(artifact.manifest.batch)


def _notes(artifact: Artifact, model: Provable | None) -> Iterator[str]:
    manifest = artifact.manifest
    if rebase := (manifest.imported or {}).get("rebase"):
        yield f"values above a scale of {rebase} times that of weights are divided: a prover may choose two roundings"
    if model is None and manifest.visibility is Visibility.PRIVATE:
        shown = shown_constants((artifact.path / ARCHITECTURE).read_bytes(), manifest.param_scale)
        if shown:
            yield f"the key depends on values of the model, so that everybody sees them: {', '.join(shown)}"


def _key_problems(artifact: Artifact, graph: bytes, engine: EngineProcess, kept: Kept, progress: Progress) -> list[str]:
    """Return what is wrong with an artifact's settings and its key."""
    manifest = artifact.manifest
    stated = read_json(artifact.path / SETTINGS)
    arguments = stated_run_args(manifest, stated)
    check_graph(graph)
    open_to_choice = unprotected(graph) if manifest.disclosure == "verdict" else []
    if open_to_choice:
        return [f"a prover could choose the answer of {open_to_choice[0]} where its two numbers are equal"]
    if manifest.exact and (rounded := inexact(graph)):
        return [f"it says that it is exact, and a prover could choose the result of {rounded[0]}"]
    inputs = key_inputs(hashlib.sha256(graph).hexdigest(), arguments, manifest.srs_sha256)
    made = kept.get(inputs)
    if made is None:
        progress("key, made again")
        made = _made_key(graph, arguments, artifact, engine)
        kept.put(inputs, made)
    found = [f"its settings differ: {each}" for each in _differences(stated, made["settings"])]
    if len(found) > _MOST_NAMED:
        found = [*found[:_MOST_NAMED], f"its settings have {len(found) - _MOST_NAMED} more differences"]
    if made["settings"]["model_instance_shapes"] != _shapes(manifest):
        found.append(
            f"its circuit publishes {made['settings']['model_instance_shapes']}, its manifest says {_shapes(manifest)}"
        )
    if made["vk"] != manifest.files[VK]:
        found.append(f"its key is not that of the graph, whose key has the SHA-256 {made['vk']}")
    return found


def _made_key(graph: bytes, arguments: Mapping[str, Any], artifact: Artifact, engine: EngineProcess) -> dict[str, Any]:
    with tempfile.TemporaryDirectory(prefix="oracle-key-") as name:
        folder = Path(name)
        model, written, circuit, vk, pk = (str(folder / each) for each in (MODEL, SETTINGS, CIRCUIT, VK, PK))
        Path(model).write_bytes(graph)
        settings = engine.call("gen_settings", model=model, settings=written, run_args=dict(arguments))
        settle(settings, artifact.manifest.k)
        write_json(Path(written), settings)
        engine.call("compile_circuit", model=model, circuit=circuit, settings=written)
        engine.call(
            "setup", deadline=patience(artifact.manifest.k), circuit=circuit, vk=vk, pk=pk, srs=artifact.file(SRS)
        )
        return {"settings": settings, "vk": sha256_of(Path(vk))}


def _shapes(manifest: Manifest) -> list[list[int]]:
    """Return the shapes of the instances that are no hashes, as the contract writes them down."""
    ends = {"input": manifest.width, "output": manifest.outputs}
    return [[manifest.batch, width] for end, width in ends.items() if end not in manifest.hashed]


def _code_problems(
    artifact: Artifact,
    engine: EngineProcess,
    compile_standard: verifier.Compiler,
    kept: Kept,
    progress: Progress,
) -> tuple[CompiledVerifier, list[str]]:
    """Return the verifier of an artifact's key, made again, and what is wrong with the artifact's."""
    manifest = artifact.manifest
    inputs = code_inputs(manifest)
    made = kept.get(inputs)
    if made is None:
        progress("verifier, made again")
        with tempfile.TemporaryDirectory(prefix="oracle-code-") as name:
            source = Path(name, SOLIDITY)
            files = {"vk": VK, "settings": SETTINGS, "srs": SRS}
            paths: dict[str, Any] = {parameter: artifact.file(file) for parameter, file in files.items()}
            engine.call("create_verifier", **paths, source=str(source))
            generated = source.read_text(encoding="utf-8")
        # Comments don't change the code, so the header needs not be known yet.
        compiled = verifier.compile_verifier(verifier.harden(generated, manifest.proof_bytes, {}), compile_standard)
        made = made_code(generated, compiled)
        kept.put(inputs, made)
    generated = made["generated"]
    code = CompiledVerifier(made["abi"], bytes.fromhex(made["bytecode"]), bytes.fromhex(made["runtime"]))
    circuit = circuit_hash(manifest.files[VK], manifest.srs_sha256, generated)
    header = verifier_header(
        circuit,
        batch=manifest.batch,
        width=manifest.width,
        outputs=manifest.outputs,
        disclosure=manifest.disclosure,
        visibility=manifest.visibility,
        srs=f"{manifest.srs_origin.value}, k = {manifest.k}, SHA-256 {manifest.srs_sha256}",
    )
    problems = []
    if circuit != manifest.circuit_hash:
        problems.append("its circuit's hash is not that of its key and its verifier")
    if verifier.harden(generated, manifest.proof_bytes, header) != artifact.verifier_source():
        problems.append(f"{SOLIDITY} is not the verifier of its key")
    own = artifact.verifier()
    for what, theirs, follows in (
        ("creation code", own.bytecode, code.bytecode),
        ("runtime code", own.runtime, code.runtime),
    ):
        if theirs != follows:
            problems.append(f"the {what} in {COMPILED} is not that of its key's verifier")
    if manifest.verifier_code_hash.removeprefix("0x") != code.code_hash.hex():
        problems.append("the code hash in its manifest is not that of its key's verifier")
    if verifier.is_public_ceremony(generated) != (manifest.srs_origin is SrsOrigin.PUBLIC_CEREMONY):
        problems.append("its verifier trusts another SRS than the one beside it")
    return code, problems


def _differences(stated: Any, made: Any, where: str = "") -> Iterator[str]:
    """Yield where a document differs from the one that was made again."""
    if isinstance(stated, Mapping) and isinstance(made, Mapping):
        for key in sorted({*stated, *made}):
            path = f"{where}.{key}" if where else key
            if key not in stated or key not in made:
                yield f"{path} is {'missing' if key in made else 'unknown'}"
            else:
                yield from _differences(stated[key], made[key], path)
    elif stated != made:
        yield f"{where} is {_short(stated)}, and {_short(made)} follows"


def _short(value: Any) -> str:
    text = json.dumps(value, sort_keys=True)
    return text if len(text) <= 80 else text[:77] + "…"
