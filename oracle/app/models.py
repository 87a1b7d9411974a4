"""`oracle model …`: a user's own models, from an ONNX file to an artifact, to proofs and their verification."""

from __future__ import annotations

import asyncio
import json
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from oracle.app.circuits import Progress
from oracle.app.srs import srs_cache
from oracle.chain.local import toolchain
from oracle.chain.local.solc import Solc
from oracle.core import encoding
from oracle.core.cores import usable_cores
from oracle.core.documents import parse_json
from oracle.core.errors import ArtifactError, ConfigError, DataError, ModelError
from oracle.core.privacy import PRIVATE_SCORES, ModelPrivacy, privacy_of
from oracle.proving import artifact, split, tuning
from oracle.proving.artifact import Artifact
from oracle.proving.engine.child import EngineProcess
from oracle.proving.exporting import require_onnx
from oracle.proving.imported import model_name
from oracle.proving.inspect.model import GraphReport, inspect_onnx
from oracle.proving.lowering.loading import read_file
from oracle.proving.reference.circuit import Circuit
from oracle.proving.samples import load
from oracle.proving.split import ArtifactChain, ModelProof
from oracle.proving.split.pieces import Plan
from oracle.proving.srs.files import SrsOrigin
from oracle.proving.tuning import Request
from oracle.proving.verification import Verification

__all__ = [
    "BuiltModel",
    "ModelOptions",
    "SplitModel",
    "build_model",
    "build_split_model",
    "inspect_model",
    "prove_model",
    "verify_model",
]


@dataclass(frozen=True)
class ModelOptions:
    """The options of building a user's own model. See `oracle model build --help`.

    Attributes:
        onnx: The model's file.
        data: Samples of its inputs: .npy, .csv or .json, one row each.
        batch: Windows per proof.
        rule: The definition of a verdict: "threshold", "argmax" or "tolerance"; None: the model's outputs decide.
        value: The threshold, or the tolerance.
        max_flips: Verdicts per 10,000 samples that may differ from the float model's.
        objective: The quantity that tuning makes small: "time", "gas" or "both".
        output: The output that is published; None: the model has one.
        keep_activation: True to keep a final Sigmoid or the like.
        clip: The largest integer of an input.
        public_model: True if the weights are in the verifying key.
        disclosure: What a proof publishes: "score" or "verdict"; None: scores if the model is public, else verdicts.
        srs: The origin of the reference string: "insecure-local" or "public-ceremony".
        settings: A tuning.json whose choice is taken over; None: settings are searched, or found again.
        out: The folder of artifacts; None: the project's.
        approximate: True to look functions up, if no exact circuit has them.
        split: True to cut the model into several circuits.
        memory_limit: GiB that a proof may take, or all proofs of a split model together; None: what this machine has.
        cores: Proofs of a split model that are made at once; None: one for each core.

    Raises:
        ModelError: The file is of another library; the message has the command that exports it.
    """

    onnx: Path
    data: Path | None = None
    batch: int = 1
    rule: str | None = None
    value: float = 0.0
    max_flips: float = 1.0
    objective: str = "time"
    output: str | None = None
    keep_activation: bool = False
    clip: int = encoding.CLIP
    public_model: bool = False
    disclosure: str | None = None
    srs: str = "insecure-local"
    settings: Path | None = None
    out: Path | None = None
    approximate: bool = False
    split: bool = False
    memory_limit: float | None = None
    cores: int | None = None

    def __post_init__(self) -> None:
        require_onnx(self.onnx)

    @property
    def privacy(self) -> ModelPrivacy:
        """The model's visibility and disclosure: what the circuit hides and what proofs publish."""
        return privacy_of(own=True, visibility="public" if self.public_model else "private", disclosure=self.disclosure)

    def refuse_leaks(self) -> None:
        """Make sure that a private model's proofs publish verdicts.

        Raises:
            ConfigError: They would publish scores, which give the weights away; the message says what to do.
        """
        if self.public_model:
            return
        found = []
        if self.disclosure == "score":
            found.append("leave out --disclosure score, so that it publishes verdicts")
        if self.rule == tuning.Rule.TOLERANCE:
            found.append("say what a verdict is, with --threshold or --argmax: with --tolerance there is none")
        if found:
            either = "; ".join(found)
            raise ConfigError(f"{PRIVATE_SCORES}. Either {either}. Or add --public-model and show the weights")


@dataclass(frozen=True)
class SplitModel:
    """A split model's artifacts, how it was cut, and the circuit that was."""

    chain: ArtifactChain
    plan: Plan
    circuit: Circuit


@dataclass(frozen=True)
class BuiltModel:
    """The artifact of an imported model, and how its settings were chosen."""

    artifact: Artifact
    tuning: Mapping[str, Any]


def inspect_model(options: ModelOptions) -> GraphReport:
    """Return what is in an ONNX file, and what proving it would cost. Samples tell sizes that it leaves open."""
    return inspect_onnx(
        read_file(options.onnx),
        options.onnx.name,
        output=options.output,
        keep_activation=options.keep_activation,
        whole=not options.split,
        approximate=options.approximate,
        sample=None if options.data is None else load(options.data).shape[1:],
    )


def _folder_of(options: ModelOptions) -> Path:
    """Return the folder of artifacts, which is made if it is missing.

    Raises:
        ArtifactError: Nothing can be written there. That is said before anything is tuned.
    """
    out = options.out or toolchain.build_dir() / "artifacts"
    try:
        out.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryFile(dir=out):
            pass
    except OSError as error:
        raise ArtifactError(
            f"artifacts can't be written to {out}: {error.strerror or error}; name another with --out"
        ) from error
    return out


def _request(options: ModelOptions, progress: Progress) -> Request:
    """Return the tuning request. A model without weights is public: there is nothing to hide.

    What would give the weights away is refused before the samples are read.
    """
    samples = options.data
    if samples is None:
        raise DataError("tuning needs samples of the model's inputs")
    data = read_file(options.onnx)
    if not options.public_model and _hides_nothing(_asked(options, (), data)):
        progress(f"{options.onnx.name} has no weights that could be hidden: its circuit is public")
        options = replace(options, public_model=True)
    options.refuse_leaks()
    return _asked(options, load(samples), data)


def _hides_nothing(request: Request) -> bool:
    """Return True if the model has no weights. One that can't be read counts as one that has; tuning says why."""
    try:
        return not tuning.has_weights(request)
    except ModelError:
        return False


def _asked(options: ModelOptions, samples: Any, data: bytes) -> Request:
    return tuning.Request(
        name=model_name(options.onnx.stem),
        data=data,
        samples=samples,
        verdict=None if options.rule is None else tuning.VerdictRule(tuning.Rule(options.rule), options.value),
        max_flips_per_10k=options.max_flips,
        visibility=artifact.Visibility(options.privacy.visibility),
        objective=tuning.Objective(options.objective),
        output=options.output,
        keep_activation=options.keep_activation,
        clip=options.clip,
        disclosure=options.privacy.disclosure,
        approximate=options.approximate,
        whole=not options.split,
        memory=_bytes(options.memory_limit),
    )


def build_split_model(options: ModelOptions, progress: Progress = lambda step: None) -> SplitModel:
    """Cut an imported model into segments that fit the memory, and build them, or find those built before.

    The same model, samples, options, memory limit and cores give the same artifact.

    Raises:
        ConfigError: The model is private, and would publish scores.
        ModelError: The model can't be proven, flips too many verdicts, or has a layer that does not fit.
        DataError: The samples do not fit.
        ToolMissing: There is no solc. It is asked for before anything is cut.
    """
    compiler = Solc()
    compiler.require()
    out = _folder_of(options)
    request = _request(options, progress)
    circuit, _, model = tuning.coarsest(request, progress)
    with tempfile.TemporaryDirectory(prefix="oracle-cutting-") as folder, EngineProcess() as engine:
        plan = split.plan(
            circuit,
            name=request.name,
            visibility=request.visibility,
            objective=request.objective,
            memory=_bytes(options.memory_limit) or split.default_memory(),
            cores=options.cores or usable_cores(),
            engine=engine,
            folder=Path(folder),
            progress=progress,
        )
    chain = split.build(
        plan,
        circuit,
        name=request.name,
        visibility=request.visibility,
        disclosure=request.disclosure,
        facts=model.facts(),
        approximation=model.approximation(),
        srs=srs_cache(out).source(SrsOrigin(options.srs)),
        compile_standard=compiler,
        cache=out,
        kept=toolchain.regenerated_dir(),
        progress=progress,
    )
    return SplitModel(chain, plan, circuit)


def _chain(path: Path, *, prover: bool = True) -> ArtifactChain:
    """Load the artifact of a whole model. An error is a user's mistake, not a verdict on a proof."""
    try:
        return split.load_chain(path, prover=prover)
    except ArtifactError as error:
        raise DataError(str(error)) from error


def _bytes(gib: float | None) -> int | None:
    return None if gib is None else int(gib * 2**30)


async def prove_model(
    path: Path,
    data: Path,
    *,
    row: int = 0,
    memory_limit: float | None = None,
    cores: int | None = None,
    deadline_s: float | None = None,
    progress: Progress = lambda step: None,
) -> tuple[ArtifactChain, ModelProof]:
    """Prove one inference of an imported model, split or not.

    Args:
        path: The model's artifact.
        data: Inputs: .npy, .csv or .json, one row each.
        row: The row to prove, counted from 0.
        memory_limit: GiB that the proofs may take together.
        cores: Proofs that are made at once.
        deadline_s: Seconds for each proof.
        progress: Called with each step that is done.

    Raises:
        DataError: The file has no such row, or it does not fit the model.
    """
    rows = load(data)
    if not 0 <= row < len(rows):
        raise DataError(f"{data} has {len(rows)} rows; there is no row {row}, they are counted from 0")
    chain = await asyncio.to_thread(_chain, path)
    async with split.ChainProver(chain, cores=cores, memory=_bytes(memory_limit), deadline=deadline_s) as prover:
        return chain, await prover.prove(prover.quantise(rows[row]), progress)


def verify_model(
    path: Path, proof: Path, deadline_s: float | None = None
) -> tuple[ArtifactChain, ModelProof, Verification]:
    """Verify one inference against a model's artifact; its public files are enough.

    Args:
        path: The artifact.
        proof: The file with the inference and its proofs.
        deadline_s: Seconds for each proof.

    Returns:
        The artifact, the inference, and whether it holds.

    Raises:
        DataError: The artifact or the file can't be read.
    """
    chain = _chain(path, prover=False)
    found = split.read_proof(proof)
    deadline = {} if deadline_s is None else {"deadline": deadline_s}
    return chain, found, split.verify(chain, found, **deadline)


def build_model(options: ModelOptions, progress: Progress = lambda step: None) -> BuiltModel:
    """Tune and build an imported model, or find what was built before.

    Tuning measures times, which vary. Its choice is therefore kept beside the artifacts, so that the same model,
    samples and options give the same artifact again.

    Raises:
        ConfigError: The model is private, and would publish scores.
        ModelError: The model can't be proven, or flips too many verdicts.
        DataError: The samples do not fit.
        ToolMissing: There is no solc. It is asked for before anything is tuned.
    """
    compiler = Solc()
    compiler.require()
    out = _folder_of(options)
    request = _request(options, progress)
    source = srs_cache(out).source(SrsOrigin(options.srs))
    kept = out / "tuned" / f"{request.digest()}.json"
    known = options.settings or (kept if kept.exists() else None)
    found: tuning.Tuning | None = None
    if known is not None:
        try:
            document = parse_json(known.read_bytes())
            model, _ = tuning.apply(request, document["chosen"], document["segments"])
        except (OSError, KeyError, TypeError, ValueError) as error:
            raise ConfigError(f"{known} holds no settings of a model ({error}): delete it, and tune again") from error
    # Beside the artifacts, so that keys are renamed into them and not copied.
    with tempfile.TemporaryDirectory(dir=out, prefix=".tuning-") as scratch:
        if known is None:
            found = tuning.tune(request, source, progress, keep=Path(scratch))
            document, model = found.document(), found.model
        built = artifact.build(
            model,
            options.batch,
            visibility=request.visibility,
            srs=source,
            compile_standard=compiler,
            cache=out,
            kept=toolchain.regenerated_dir(),
            made=None if found is None else found.made,
            progress=progress,
        )
        if found is not None:
            tuning.plot(found, built.path / "tuning.svg")
    for path in (kept, built.path / "tuning.json"):
        path.parent.mkdir(parents=True, exist_ok=True)
        if known is None or not path.exists():
            path.write_text(json.dumps(document, indent=2, sort_keys=True) + "\n", encoding="utf-8")
    return BuiltModel(built, document)
