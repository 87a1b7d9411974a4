"""Models of several circuits: a chain of segments whose ends are bound by hashes, as artifact, proof and verification.

    x ── segment 0 ── h₀ ── segment 1 ── h₁ ── … ── segment n ── s

Each segment is an artifact of its own, with the instances `[h of its input] ++ [H(weights)] ++ x or s ++ [h of its
output]`, as far as it has them. A segment alone proves nothing: its digits hold values that the segment before it can
compute from clipped inputs, and that its input is such a value is said by the other proofs. So a chain is verified as a
whole, with instances that the verifier builds itself, one number per boundary for both sides.

A model of one circuit is a chain of one: `load_chain` takes either.
"""

from __future__ import annotations

import asyncio
import contextlib
import hashlib
import json
import os
import re
import shutil
import time
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from itertools import pairwise
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Self

from oracle.core import encoding
from oracle.core.errors import ArtifactError, DataError, MemoryExceeded
from oracle.proving import artifact, graph, imported, verifier
from oracle.proving.artifact import Artifact, Visibility
from oracle.proving.engine.child import EngineProcess
from oracle.proving.interface import Proof, ProofJob, Prover
from oracle.proving.pool.cache import ProofCache
from oracle.proving.pool.local import LocalProver
from oracle.proving.reference import Circuit
from oracle.proving.split import cutting
from oracle.proving.srs import SrsSource
from oracle.proving.verification import DEADLINE, LocalVerifier, Verification

if TYPE_CHECKING:
    import numpy as np

SPLIT = "split.json"
SCHEMA = 1

_SLOWER = 20.0
"""How much longer than estimated a proof may take before it is given up."""

Progress = Callable[[str], None]
MakeProver = Callable[[Artifact, int, float], Prover]
"""A prover of one segment, of its artifact, threads, and deadline in seconds."""


@dataclass(frozen=True, slots=True)
class Link:
    """A segment, as the manifest of the whole has it.

    Attributes:
        folder: Its artifact's, in that of the whole.
        artifact_hash: Of its artifact.
        circuit_hash: Likewise.
        model_hash: Of its weights, a field element; None if they are in its key.
        inputs: Integers that it takes.
        outputs: Integers that it computes.
        nodes: Of the model, its first and its last.
    """

    folder: str
    artifact_hash: str
    circuit_hash: str
    model_hash: int | None
    inputs: int
    outputs: int
    nodes: tuple[str, str]


@dataclass(frozen=True, slots=True)
class SplitManifest:
    """What a split model is.

    Attributes:
        schema: Of this file.
        name: The model's.
        features: Integers of a window.
        outputs: Published integers.
        input_scale: A window's integer x means x / 2^input_scale.
        param_scale: Weights are multiples of 2^-param_scale.
        output_scale: Of what is published.
        clip: Every integer of a window is in ±clip.
        visibility: Of the weights.
        weights: Of all segments.
        ezkl: Its version.
        segments: In order.
        facts: Source, shapes, fidelity.
        model_hash: Digest over the segments' model and circuit hashes: names the model and the way it is cut.
        artifact_hash: SHA-256 of this manifest without this field, as canonical JSON.
    """

    schema: int
    name: str
    features: int
    outputs: int
    input_scale: int
    param_scale: int
    output_scale: int
    clip: int
    visibility: Visibility
    weights: int
    ezkl: str
    segments: tuple[Link, ...]
    facts: Mapping[str, Any]
    model_hash: str
    artifact_hash: str = ""

    def document(self) -> dict[str, Any]:
        """As JSON: field elements as hex."""
        document = asdict(self)
        document["visibility"] = self.visibility.value
        for link in document["segments"]:
            link["model_hash"] = None if link["model_hash"] is None else f"{link['model_hash']:#066x}"
            link["nodes"] = list(link["nodes"])
        document["segments"] = list(document["segments"])
        return document

    def computed_model_hash(self) -> str:
        """What `model_hash` must be."""
        links = self.document()["segments"]
        return artifact.digest([[link["model_hash"], link["circuit_hash"]] for link in links])

    def computed_hash(self) -> str:
        """What `artifact_hash` must be."""
        document = self.document()
        del document["artifact_hash"]
        return artifact.digest(document)

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> SplitManifest:
        """The inverse of `document`.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        values = dict(document)
        if values["schema"] != SCHEMA:
            raise ValueError(f"schema {values['schema']!r}; this release reads {SCHEMA}")
        values["visibility"] = Visibility(values["visibility"])
        links = []
        for each in values["segments"]:
            link = Link(**each)
            # It becomes a path.
            if not re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9.-]*", link.folder):
                raise ValueError(f"{link.folder!r} is no folder of a segment")
            number = None if link.model_hash is None else int(str(link.model_hash), 16)
            first, last = link.nodes
            links.append(
                Link(
                    link.folder,
                    link.artifact_hash,
                    link.circuit_hash,
                    number,
                    int(link.inputs),
                    int(link.outputs),
                    (str(first), str(last)),
                )
            )
        values["segments"] = tuple(links)
        if not isinstance(values["facts"], dict):
            raise TypeError("facts must be an object")
        for name in ("features", "outputs", "input_scale", "param_scale", "output_scale", "clip", "weights"):
            if type(values[name]) is not int:
                raise TypeError(f"{name} must be an integer")
        return SplitManifest(**values)


@dataclass(frozen=True, slots=True)
class Chain:
    """What proves one inference of a model: its circuits, in order. All hashes were right when it was loaded.

    Attributes:
        path: The folder.
        name: The model's.
        artifacts: Of one circuit, or of the segments.
        features: Integers of a window.
        outputs: Published integers.
        input_scale: A window's integer x means x / 2^input_scale.
        output_scale: Of what is published.
        clip: Every integer of a window is in ±clip.
        artifact_hash: Of the whole.
        model_hash: Of the whole, hex.
        manifest: Of a split model.
    """

    path: Path
    name: str
    artifacts: tuple[Artifact, ...]
    features: int
    outputs: int
    input_scale: int
    output_scale: int
    clip: int
    artifact_hash: str
    model_hash: str
    manifest: SplitManifest | None = None

    def instances(
        self, inputs: Sequence[int], outputs: Sequence[int], boundaries: Sequence[int]
    ) -> list[tuple[int, ...]]:
        """The instances of each proof: the same number on both sides of a boundary.

        Raises:
            ValueError: The statement is none of this chain.
        """
        if len(inputs) != self.features or len(outputs) != self.outputs:
            raise ValueError(
                f"it has {len(inputs)} inputs and {len(outputs)} outputs; {self.name} has {self.features} and "
                f"{self.outputs}"
            )
        if len(boundaries) != len(self.artifacts) - 1:
            raise ValueError(f"it has {len(boundaries)} boundaries; {len(self.artifacts) - 1} are between the segments")
        if any(abs(value) > self.clip for value in inputs):
            raise ValueError(f"an input is outside of ±{self.clip}, where a proof says nothing")
        if any(not 0 <= value < encoding.FIELD_MODULUS for value in boundaries):
            raise ValueError("a boundary is not a reduced field element")
        ends: list[int | None] = [None, *boundaries, None]
        return [each.instances([inputs], [outputs], ends[at], ends[at + 1]) for at, each in enumerate(self.artifacts)]


@dataclass(frozen=True, slots=True)
class ModelProof:
    """One inference with its proofs.

    Attributes:
        artifact_hash: Of the chain that it was made with.
        model_hash: Likewise.
        inputs: Integers, within the clip.
        outputs: Integers.
        boundaries: Hashes of what crosses, field elements.
        proofs: One per segment, as the Solidity verifiers take them.
        seconds: From the window to the last proof; 0 if read from a file.
    """

    artifact_hash: str
    model_hash: str
    inputs: tuple[int, ...]
    outputs: tuple[int, ...]
    boundaries: tuple[int, ...]
    proofs: tuple[bytes, ...]
    seconds: float = field(default=0.0, compare=False)

    def document(self) -> dict[str, Any]:
        """As JSON. Nothing in it is secret; in a private model the outputs, and the inputs, are what it publishes."""
        return {
            "schema": SCHEMA,
            "artifact_hash": self.artifact_hash,
            "model_hash": self.model_hash,
            "inputs": list(self.inputs),
            "outputs": list(self.outputs),
            "boundaries": [f"{each:#066x}" for each in self.boundaries],
            "proofs": ["0x" + each.hex() for each in self.proofs],
        }

    @staticmethod
    def from_document(document: Any) -> ModelProof:
        """The inverse of `document`.

        Raises:
            KeyError, TypeError, ValueError: It is none.
        """
        if not isinstance(document, dict):
            raise TypeError("it is no object")
        if document["schema"] != SCHEMA:
            raise ValueError(f"schema {document['schema']!r}; this release reads {SCHEMA}")
        integers = {}
        for name in ("inputs", "outputs"):
            integers[name] = tuple(document[name])
            if not all(type(value) is int and abs(value) <= encoding.INT128_MAX for value in integers[name]):
                raise ValueError(f"{name} must be integers of the circuit (below 2^127)")
        return ModelProof(
            str(document["artifact_hash"]),
            str(document["model_hash"]),
            integers["inputs"],
            integers["outputs"],
            tuple(int(each, 16) for each in document["boundaries"]),
            tuple(bytes.fromhex(each.removeprefix("0x")) for each in document["proofs"]),
        )


# --- artifact ------------------------------------------------------------------------------------------------------


def build(
    plan: cutting.Plan,
    circuit: Circuit,
    *,
    name: str,
    visibility: Visibility,
    facts: Mapping[str, Any],
    srs: SrsSource,
    compile_standard: verifier.Compiler,
    cache: Path,
    progress: Progress = lambda step: None,
) -> Chain:
    """Builds the segments of a model, or finds them again.

    After a crash the segments that were finished are used: each is an artifact, whole or not there.

    Args:
        plan: The cuts.
        circuit: The whole.
        name: The model's.
        visibility: Of the weights.
        facts: For the manifest.
        srs: Where the SRS comes from.
        compile_standard: solc 0.8.20.
        cache: Folder of artifacts.
        progress: Told each step before it begins.

    Raises:
        ArtifactError: A segment can't be built, or what was found is corrupt.
        CompileError: solc refused a verifier.
    """
    from filelock import FileLock

    key = artifact.digest(
        {
            "schema": [SCHEMA, artifact.SCHEMA],
            "onnx": hashlib.sha256(circuit.to_onnx(1)).hexdigest(),
            "scales": [circuit.input_scale, circuit.param_scale, circuit.clip],
            "cuts": [[each.start, each.end, asdict(each.settings)] for each in plan.segments],
            "facts": facts,
            "visibility": visibility.value,
            "srs_origin": srs.origin.value,
            "ezkl": artifact.ezkl_version(),
            "solc": verifier.SOLC_VERSION,
            "hardening": verifier.HARDENING_VERSION,
        }
    )
    target = cache / f"{name}-split-{visibility.value}-{key[:16]}"
    working = cache / f".building-{target.name}"
    cache.mkdir(parents=True, exist_ok=True)
    with FileLock(cache / f"{target.name}.lock"):
        if target.exists():
            return load_chain(target)
        working.mkdir(mode=0o700 if visibility is Visibility.PRIVATE else 0o755, exist_ok=True)
        links = []
        models = cutting.models(plan, name, imported.corners(circuit))
        for at, (model, segment) in enumerate(zip(models, plan.segments, strict=True), 1):
            progress(f"segment {at} of {len(models)}: {segment.nodes[0]} … {segment.nodes[1]}")
            built = artifact.build(
                model,
                1,
                visibility=visibility,
                srs=srs,
                compile_standard=compile_standard,
                cache=working,
                progress=lambda step, at=at: progress(f"segment {at} of {len(models)}: {step}"),  # type: ignore[misc]
            )
            found = built.manifest
            links.append(
                Link(
                    built.path.name,
                    found.artifact_hash,
                    found.circuit_hash,
                    built.model_hash,
                    found.features,
                    found.outputs,
                    segment.nodes,
                )
            )
        manifest = SplitManifest(
            schema=SCHEMA,
            name=name,
            features=circuit.features,
            outputs=circuit.outputs,
            input_scale=circuit.input_scale,
            param_scale=circuit.param_scale,
            output_scale=circuit.output_scale,
            clip=circuit.clip,
            visibility=visibility,
            weights=circuit.weights,
            ezkl=artifact.ezkl_version(),
            segments=tuple(links),
            facts=facts,
            model_hash="",
        )
        document = manifest.document()
        document["model_hash"] = manifest.computed_model_hash()
        document["artifact_hash"] = SplitManifest.from_document(document).computed_hash()
        (working / SPLIT).write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
        for other in [*working.glob("*.lock"), *working.glob(".building-*")]:
            # A build that was killed leaves its folder behind.
            shutil.rmtree(other) if other.is_dir() else other.unlink()
        os.replace(working, target)
    return load_chain(target)


def load_chain(path: Path, *, prover: bool = True) -> Chain:
    """Reads the artifact of a brought model, split or not, and checks every hash.

    Args:
        path: The folder.
        prover: False for an auditor's copy, which may lack the prover's files.

    Raises:
        ArtifactError: It is not there, incomplete, altered, of another release, or of no whole model.
    """
    if (path / SPLIT).exists() or not (path / artifact.MANIFEST).exists():
        return _load_split(path, prover=prover)
    found = artifact.load(path, prover=prover)
    manifest, facts = found.manifest, found.manifest.imported
    if facts is None:
        raise ArtifactError(f"{path} is the circuit of a detector: its proofs are the hub's to build and to verify")
    if manifest.hashed:
        raise ArtifactError(f"{path} is a segment of a split model, and proves nothing alone: name the folder it is in")
    if manifest.batch != 1:
        raise ArtifactError(f"{path} has {manifest.batch} windows; take the artifact of one window")
    return Chain(
        path,
        manifest.name,
        (found,),
        manifest.features,
        manifest.outputs,
        int(facts["input_scale"]),
        int(facts["output_scale"]),
        int(facts["clip"]),
        found.artifact_hash,
        found.manifest.circuit_hash if found.model_hash is None else f"{found.model_hash:#066x}",
    )


def _load_split(path: Path, *, prover: bool) -> Chain:
    try:
        manifest = SplitManifest.from_document(json.loads((path / SPLIT).read_text(encoding="utf-8")))
    except OSError as error:
        raise ArtifactError(f"there is no artifact in {path}: {error}. Build it first") from error
    except (KeyError, TypeError, ValueError) as error:
        raise ArtifactError(f"{path / SPLIT} is not a manifest of this release: {error}") from error
    # 1 The manifest is the one that was written.
    if manifest.computed_hash() != manifest.artifact_hash or manifest.computed_model_hash() != manifest.model_hash:
        raise ArtifactError(f"{path / SPLIT} was altered: its own hashes do not fit. Build the model again")
    # 2 Each segment is the one that it names.
    found = [artifact.load(path / link.folder, prover=prover) for link in manifest.segments]
    for link, each in zip(manifest.segments, found, strict=True):
        own = each.manifest
        stated = (own.artifact_hash, own.circuit_hash, each.model_hash, own.features, own.outputs, own.visibility)
        if stated != (
            link.artifact_hash,
            link.circuit_hash,
            link.model_hash,
            link.inputs,
            link.outputs,
            manifest.visibility,
        ):
            raise ArtifactError(f"{each.path} is another segment than {path / SPLIT} names. Build the model again")
    # 3 They are a chain: what one computes is as much as the next one takes, and all that is between is hashed.
    last = len(found) - 1
    sizes = [(link.inputs, link.outputs) for link in manifest.segments]
    fits = bool(found) and (sizes[0][0], sizes[-1][1]) == (manifest.features, manifest.outputs)
    fits = fits and all(before[1] == after[0] for before, after in pairwise(sizes))
    for at, each in enumerate(found):
        fits = fits and each.manifest.hashed == ("input",) * (at > 0) + ("output",) * (at < last)
    if not fits or not 1 <= manifest.clip <= encoding.CLIP:
        raise ArtifactError(f"{path / SPLIT}: its segments are no chain. Build the model again")
    return Chain(
        path,
        manifest.name,
        tuple(found),
        manifest.features,
        manifest.outputs,
        manifest.input_scale,
        manifest.output_scale,
        manifest.clip,
        manifest.artifact_hash,
        manifest.model_hash,
        manifest,
    )


def estimate(found: Artifact) -> graph.Estimate:
    """What a proof by a circuit costs, from its settings."""
    settings = json.loads((found.path / artifact.SETTINGS).read_text(encoding="utf-8"))
    arguments = settings["run_args"]
    lookups = bool(settings["required_range_checks"]) or arguments["decomp_base"] > 2
    return graph.estimate(
        settings["num_rows"],
        instances=found.manifest.instance_count,
        private=found.model_hash is not None or bool(found.manifest.hashed),
        lookups=lookups,
        columns=arguments["num_inner_cols"],
        table=arguments["decomp_base"] if lookups else 0,
        k=arguments["logrows"],
    )


# --- proving -------------------------------------------------------------------------------------------------------


class _Room:
    """Cores and memory that running proofs share."""

    def __init__(self, lanes: int, memory: int) -> None:
        self._lanes = lanes
        self._memory = memory
        self._running: list[int] = []
        self._changed = asyncio.Condition()

    @contextlib.asynccontextmanager
    async def take(self, memory: int) -> AsyncIterator[None]:
        """Waits until a proof of so many bytes fits; one alone always may."""
        async with self._changed:
            await self._changed.wait_for(
                lambda: (
                    not self._running
                    or (len(self._running) < self._lanes and sum(self._running) + memory <= self._memory)
                )
            )
            self._running.append(memory)
        try:
            yield
        finally:
            async with self._changed:
                self._running.remove(memory)
                self._changed.notify_all()


class ChainProver:
    """Proves inferences of a model: all segments at once, as far as cores and memory go.

    The integer reference gives what crosses each boundary, so no segment waits for another. A segment's prover lives
    for one proof: what it has in memory is the next one's.

    Args:
        chain: With the prover's files.
        make_prover: Makes a segment's prover; None: processes on this machine, killed beyond all of the memory.
        cores: Proofs at once; None: the machine's.
        memory: Bytes that they may take together, as estimated; None: four fifths of the machine's.
        deadline: Seconds for one proof; None: twenty times the estimate, and at least a minute.
    """

    def __init__(
        self,
        chain: Chain,
        *,
        make_prover: MakeProver | None = None,
        cores: int | None = None,
        memory: int | None = None,
        deadline: float | None = None,
    ) -> None:
        self._chain = chain
        self._cores = cores or os.cpu_count() or 1
        self._memory = memory or default_memory()
        self._deadline = deadline
        self._make = make_prover or self._local
        self._costs = [estimate(each) for each in chain.artifacts]
        alone = max(each.memory for each in self._costs)
        if alone > self._memory:
            raise MemoryExceeded(
                f"a proof of {chain.name} takes about {alone / 2**30:.1f} GiB, and may take "
                f"{self._memory / 2**30:.1f} GiB: raise --memory-limit, or build it for less"
            )
        self._lanes = cutting.lanes_within([each.memory for each in self._costs], self._memory, self._cores)
        self._engine = EngineProcess(threads=1)
        # If one segment fails, those that were proven are not proven again.
        self._cache = ProofCache()
        self._references: list[Circuit] = []

    async def __aenter__(self) -> Self:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await asyncio.to_thread(self._engine.close)

    @property
    def lanes(self) -> int:
        """Proofs at once."""
        return self._lanes

    def quantise(self, sample: Any) -> tuple[int, ...]:
        """A float input as a window.

        Raises:
            DataError: It does not fit the model.
        """
        import numpy as np

        values: np.ndarray = np.asarray(sample, dtype=np.float64).ravel()
        if values.size != self._chain.features or not np.isfinite(values).all():
            raise DataError(
                f"the input has {values.size} numbers; {self._chain.name} takes {self._chain.features} finite ones"
            )
        scaled = np.clip(np.rint(values * 2.0**self._chain.input_scale), -self._chain.clip, self._chain.clip)
        return tuple(int(value) for value in scaled)

    async def prove(self, window: Sequence[int], progress: Progress = lambda step: None) -> ModelProof:
        """Proves one inference, and returns once all proofs were verified.

        Raises:
            ValueError: The window does not fit.
            ArtifactError, ProverUnavailable, ProofInvalid, MemoryExceeded: See `Prover.prove`. The first failure ends
                the other proofs.
        """
        began = time.perf_counter()
        chain = self._chain
        # 1 What each segment takes and computes, and the hashes of what crosses.
        values = await asyncio.to_thread(self._values, window)
        hashes: list[int] = []
        if len(values) > 2:
            told = await asyncio.to_thread(self._engine.call, "poseidon", vectors=[list(each) for each in values[1:-1]])
            hashes = [int(each, 16) for each in told]
        ends = [None, *hashes, None]
        jobs = [
            ProofJob((values[at],), (values[at + 1],), ends[at], ends[at + 1]) for at in range(len(chain.artifacts))
        ]
        # 2 The proofs, the longest first.
        room = _Room(self._lanes, self._memory)
        order = sorted(range(len(jobs)), key=lambda at: -self._costs[at].seconds)
        tasks = {at: asyncio.create_task(self._segment(at, jobs[at], room, progress)) for at in order}
        try:
            done, _ = await asyncio.wait(tasks.values(), return_when=asyncio.FIRST_EXCEPTION)
            for each in done:
                each.result()
        finally:
            for each in tasks.values():
                each.cancel()
            await asyncio.gather(*tasks.values(), return_exceptions=True)
        proofs = tuple(tasks[at].result().proof for at in range(len(jobs)))
        return ModelProof(
            chain.artifact_hash,
            chain.model_hash,
            values[0],
            values[-1],
            tuple(hashes),
            proofs,
            time.perf_counter() - began,
        )

    def _values(self, window: Sequence[int]) -> list[tuple[int, ...]]:
        """The window, what crosses each boundary, and the outputs."""
        chain = self._chain
        if len(window) != chain.features or any(abs(value) > chain.clip for value in window):
            raise ValueError(f"a window of {chain.name} has {chain.features} integers in ±{chain.clip}")
        if not self._references:
            self._references = [imported.reference(each) for each in chain.artifacts]
        values = [tuple(window)]
        for circuit in self._references:
            values.append(tuple(int(value) for value in circuit.evaluate([list(values[-1])])[0]))
        return values

    async def _segment(self, at: int, job: ProofJob, room: _Room, progress: Progress) -> Proof:
        cost, count = self._costs[at], len(self._costs)
        deadline = self._deadline or max(DEADLINE, _SLOWER * cost.seconds)
        async with room.take(cost.memory):
            progress(f"proving segment {at + 1} of {count}, k = {cost.k}, about {cost.seconds:,.0f} s")
            prover = self._make(self._chain.artifacts[at], max(1, self._cores // self._lanes), deadline)
            try:
                return await prover.prove(job)
            finally:
                await prover.close()

    def _local(self, found: Artifact, threads: int, deadline: float) -> Prover:
        memory_mb = max(1, self._memory >> 20)
        return LocalProver(found, threads=threads, deadline=deadline, memory_mb=memory_mb, cache=self._cache)


def default_memory() -> int:
    """Bytes that proofs may take together if nobody says: four fifths of the machine's."""
    import psutil

    return int(psutil.virtual_memory().total * 0.8)


# --- verification --------------------------------------------------------------------------------------------------


def verify(chain: Chain, proof: ModelProof, *, deadline: float = DEADLINE) -> Verification:
    """Verifies an inference off-chain, with instances that are built here.

    Args:
        chain: May lack the prover's files.
        proof: Believed nothing.
        deadline: Seconds for each proof.

    Raises:
        ProverCrashed, ProverTimeout: A child failed; nothing is known of the proof.
    """
    # 1 It claims to be of this model.
    if (proof.artifact_hash, proof.model_hash) != (chain.artifact_hash, chain.model_hash):
        return Verification(False, f"it is of the artifact {proof.artifact_hash}, not {chain.artifact_hash}")
    # 2 The statement, as the verifier writes it down.
    try:
        instances = chain.instances(proof.inputs, proof.outputs, proof.boundaries)
    except ValueError as error:
        return Verification(False, str(error))
    if len(proof.proofs) != len(chain.artifacts):
        return Verification(False, f"it has {len(proof.proofs)} proofs of {len(chain.artifacts)}")
    # 3 Each proof.
    for at, (found, each, statement) in enumerate(zip(chain.artifacts, proof.proofs, instances, strict=True), 1):
        with LocalVerifier(found, deadline=deadline) as verifying:
            verification = verifying.verify(each, statement)
        if not verification.verified:
            where = f"segment {at} of {len(instances)}: " if len(instances) > 1 else ""
            return Verification(False, where + verification.reason)
    return Verification(True)


def read_proof(path: Path) -> ModelProof:
    """A proof's file.

    Raises:
        DataError: It is none.
    """
    try:
        return ModelProof.from_document(json.loads(path.read_text(encoding="utf-8")))
    except OSError as error:
        raise DataError(f"{path} can't be read: {error.strerror or error}") from error
    except (AttributeError, KeyError, TypeError, ValueError) as error:
        raise DataError(f"{path} is no proof that `oracle model prove` wrote: {error}") from error


def write_proof(path: Path, proof: ModelProof) -> None:
    """Writes a proof's file, whole or not at all.

    Raises:
        DataError: It can't be written.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        partial = path.with_name(f".{path.name}.partial")
        partial.write_text(json.dumps(proof.document(), indent=2) + "\n", encoding="utf-8")
        os.replace(partial, path)
    except OSError as error:
        raise DataError(f"{path} can't be written: {error.strerror or error}") from error
