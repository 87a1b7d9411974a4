"""Our circuits: how each is set up, from the ONNX graph to the compiled verifier.

A case is one circuit. Cases of the same model are a group, and are given the same windows: ours, tuned, and ezkl's as
its documentation proposes it, on the same ONNX graph.
"""

from __future__ import annotations

import dataclasses
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from oracle.bench import zoo
from oracle.bench.cases import CircuitCase
from oracle.bench.detectors import detector
from oracle.bench.models import ComparedModel, batched_inputs
from oracle.chain.local.solc import Solc
from oracle.core.documents import read_json
from oracle.proving import artifact
from oracle.proving.artifact import Artifact
from oracle.proving.artifact.made import Made
from oracle.proving.artifact.verifier import CompiledVerifier
from oracle.proving.cost import Estimate, approximate_rows, estimate
from oracle.proving.inspect.model import inspect_onnx
from oracle.proving.lowering.program import Program
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.files import SrsOrigin, SrsSource
from oracle.proving.tuning.request import Objective, Request
from oracle.proving.tuning.result import describe
from oracle.proving.tuning.tuner import held_out, tune

Echo = Callable[[str], None]


@dataclass(frozen=True)
class MeasuredCircuit:
    """A circuit that is ready to prove.

    Attributes:
        files: Arguments of the engine's `prove`: circuit, settings, vk, pk, srs.
        verifier: Compiled, for the chain.
        inputs: Inputs of each turn's proof: all windows, flattened.
        outputs: Returns what the circuit must publish for such inputs; None: not known exactly.
        setup_s: Seconds from the ONNX graph to the compiled verifier, SRS included.
        facts: Further entries of the case in the report.
        estimated: The cost model's estimates: from the "graph" alone, and from ezkl's "settings".
        artifact: The artifact, if the circuit is ours.
    """

    files: Mapping[str, str]
    verifier: CompiledVerifier
    inputs: Sequence[Sequence[float]]
    outputs: Callable[[Sequence[int]], list[int]] | None
    setup_s: float
    facts: dict[str, Any]
    estimated: Mapping[str, Estimate] = field(default_factory=dict)
    artifact: Artifact | None = None


def build_detector(subject: ComparedModel, case: CircuitCase, turns: int, folder: Path) -> MeasuredCircuit:
    """Build one of a detector's circuits from nothing: no artifact, SRS or compilation of an earlier run is used."""
    model = detector(case.detector, case.disclosure)
    began = time.perf_counter()
    built = _built(model, case.visibility, case.batch, folder, _insecure_srs(folder))
    seconds = time.perf_counter() - began
    facts: dict[str, Any] = {"windows_per_proof": case.batch}
    facts |= subject.flips(model.score_many(subject.judged.astype(int)).astype(float), len(subject.judged))
    estimated: dict[str, Estimate] = {}
    if case.disclosure == "score":
        program = inspect_onnx(model.to_onnx(1), case.detector).program
        if program is not None:
            private = case.visibility == artifact.Visibility.PRIVATE.value
            estimated = _estimates(built, program, private=private, windows=case.batch, scaled=False)
    return dataclasses.replace(
        _ours(built, seconds, facts, estimated),
        inputs=batched_inputs(subject.turns, case.batch, turns),
        outputs=lambda windows: [
            score
            for at in range(0, len(windows), model.width)
            for score in model.score_int(windows[at : at + model.width])
        ],
    )


def build_tuned(subject: ComparedModel, visibility: str, folder: Path, echo: Echo) -> MeasuredCircuit:
    """Build an imported model as `oracle model build` does: tune it on its samples, then build it."""
    data, samples, unseen = zoo.BENCHED[subject.name].load()
    request = Request(
        subject.name,
        data,
        samples,
        visibility=artifact.Visibility(visibility),
        # Columns are faster than ezkl's defaults and dearer: nothing is gained at the cost of something else here.
        objective=Objective.BOTH,
    )
    source = _insecure_srs(folder)
    began = time.perf_counter()
    keys = folder / "tuned"
    keys.mkdir(parents=True)
    tuned = tune(request, source, keep=keys)
    tuned_s = time.perf_counter() - began
    echo(f"  chosen: {describe(tuned.candidates[tuned.chosen])}")
    built = _built(tuned.model, visibility, 1, folder, source, tuned.made)
    seconds = time.perf_counter() - began
    chosen = tuned.candidates[tuned.chosen]
    found = held_out(request, tuned.model, unseen)
    private = request.visibility is artifact.Visibility.PRIVATE
    estimated = _estimates(
        built,
        tuned.model.circuit.program,
        private=private,
        legs=chosen.settings.legs,
        columns=chosen.settings.columns,
        table=chosen.settings.base if tuned.model.circuit.decomposed else 0,
        k=chosen.settings.k,
        scaled=chosen.settings.input_scale > 0,
    )
    facts = {
        "settings": dataclasses.asdict(chosen.settings),
        "weights": tuned.model.circuit.weights,
        "flips_per_10k": round(found.flips_per_10k, 2),
        "flips_samples": found.samples,
        "unprovable_per_10k": 0.0,
        "candidates": len(tuned.candidates),
        "setup_steps_s": {"tuning": round(tuned_s, 2), "building": round(seconds - tuned_s, 2)},
    }
    windows = tuned.model.circuit.quantise(subject.turns).tolist()
    return dataclasses.replace(
        _ours(built, seconds, facts, estimated),
        inputs=windows,
        outputs=lambda window: list(tuned.model.score_int(window)),
    )


def detector_artifact(case: CircuitCase, folder: Path) -> Artifact:
    """Return a detector's circuit, built in this folder, or found there."""
    return _built(detector(case.detector, case.disclosure), case.visibility, case.batch, folder, _insecure_srs(folder))


def _estimates(
    built: Artifact,
    program: Program,
    *,
    private: bool,
    windows: int = 1,
    legs: int = 4,
    columns: int = 1,
    table: int = 0,
    k: int = 0,
    scaled: bool = True,
) -> dict[str, Estimate]:
    """Return the cost model's estimates for a circuit's settings, with its own count of rows and with ezkl's."""
    settings = read_json(Path(built.file(artifact.SETTINGS)))
    rows = {
        "graph": approximate_rows(program, private=private, legs=legs, columns=columns, windows=windows, scaled=scaled),
        "settings": int(settings["num_rows"]),
    }
    return {
        name: estimate(
            count,
            instances=windows * (program.features + program.outputs) + private,
            private=private,
            lookups=table > 0,
            columns=columns,
            table=table,
            k=k,
        )
        for name, count in rows.items()
    }


def _insecure_srs(folder: Path) -> SrsSource:
    return SrsCache(folder / "srs").source(SrsOrigin.INSECURE_LOCAL)


def _built(
    model: Any, visibility: str, batch: int, folder: Path, source: SrsSource, made: Made | None = None
) -> Artifact:
    return artifact.build(
        model,
        batch,
        visibility=artifact.Visibility(visibility),
        srs=source,
        compile_standard=Solc(use_cache=False),
        cache=folder / "artifacts",
        made=made,
    )


def _ours(
    built: Artifact, seconds: float, facts: Mapping[str, Any], estimated: Mapping[str, Estimate]
) -> MeasuredCircuit:
    names = {
        "circuit": artifact.CIRCUIT,
        "settings": artifact.SETTINGS,
        "vk": artifact.VK,
        "pk": artifact.PK,
        "srs": artifact.SRS,
    }
    settings = read_json(Path(built.file(artifact.SETTINGS)))
    runtime = len(built.verifier().runtime)
    return MeasuredCircuit(
        files={argument: built.file(name) for argument, name in names.items()},
        verifier=built.verifier(),
        inputs=(),
        outputs=None,
        setup_s=seconds,
        facts={"k": built.manifest.k, "rows": settings["num_rows"], "verifier_bytes": runtime, **facts},
        estimated=estimated,
        artifact=built,
    )
