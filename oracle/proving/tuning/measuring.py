"""The last steps of the search: candidates are ranked by the cost model, and the best are keyed and proven."""

from __future__ import annotations

import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from oracle.core.errors import ArtifactError, ModelError, ProverTimeout, ProverUnavailable
from oracle.proving.artifact import CIRCUIT, MODEL, PK, SETTINGS, SRS, VK, Visibility
from oracle.proving.artifact.circuit import run_args, table_rows
from oracle.proving.artifact.keys import settle, write_json
from oracle.proving.artifact.made import Made
from oracle.proving.cost import COLUMNS, FOLD_MARGIN, LARGEST_PROOF, MIN_K, estimate, least_k, tables_of
from oracle.proving.engine.child import EngineProcess, patience, stuck
from oracle.proving.imported import ImportedModel, Settings
from oracle.proving.inspect.model import check_cost, fits
from oracle.proving.interface import Progress
from oracle.proving.reference.circuit import Circuit
from oracle.proving.srs.files import SrsSource
from oracle.proving.tuning.request import FINALISTS, Objective
from oracle.proving.tuning.result import Candidate, describe
from oracle.proving.tuning.search import Search

PROOFS = 3
"""Proofs of each finalist, if there are several; the fastest counts."""

_ENOUGH_S = 30.0
"""Seconds. A candidate whose proofs have taken so long is not proven again."""

_HOPELESS = 1.1
"""A candidate is a finalist if its estimated cost is at most this many times the best one's. Estimates of one model's
candidates are within a fifth of each other's truth, and a finalist has to be cheaper by `_BETTER`."""

_TOO_LONG = "no chain takes the verifier of so long a proof as its code"

WITNESSED_SAMPLES = 16
"""Samples on which a finalist's circuit is compared with the reference."""

_FILES = {"model": MODEL, "settings": SETTINGS, "circuit": CIRCUIT, "vk": VK, "pk": PK, "srs": SRS}

_BETTER = 0.85
"""A finalist replaces one that was ranked above it only if it measures this much cheaper: less is noise, and the choice
should be the same the next time."""


def rank(
    search: Search,
    found: Sequence[tuple[Circuit, Settings, int]],
    engine: EngineProcess,
    folder: Path,
    progress: Progress,
) -> list[tuple[Circuit, Candidate]]:
    """Add columns and k to the settings, estimate each, and return what fits into memory, cheapest first.

    Raises:
        ModelError: Each needs more memory than allowed, or more rows than there are.
    """
    request = search.request
    private = request.visibility is Visibility.PRIVATE
    ranked: list[tuple[Circuit, Candidate]] = []
    progress("cost model")
    for circuit, settings, segments in found:
        onnx = folder / "candidate.onnx"
        onnx.write_bytes(circuit.to_onnx(1))
        for columns in COLUMNS:
            tried = replace(settings, columns=columns)
            model = ImportedModel(request.name, circuit, tried, disclosure=request.disclosure)
            arguments = run_args(model, request.visibility)
            written = engine.call(
                "gen_settings", model=str(onnx), settings=str(folder / "candidate.json"), run_args=arguments
            )
            table = max(settings.base if circuit.decomposed else 0, table_rows(circuit.looked_up))
            least = max(least_k(written["num_rows"], table), MIN_K)
            folded = written["num_rows"] + FOLD_MARGIN >= 1 << least
            for k in (least, least + 1) if folded else (least,):
                cost = estimate(
                    written["num_rows"],
                    instances=circuit.features + circuit.outputs + private,
                    private=private,
                    lookups=bool(circuit.decomposed or circuit.looked_up),
                    columns=columns,
                    table=table,
                    tables=tables_of(step.op for step in circuit.steps),
                    k=k,
                )
                if cost.proof_bytes > LARGEST_PROOF:
                    continue
                chosen = replace(settings, columns=columns, k=k)
                ranked.append((circuit, Candidate(chosen, segments, cost)))
    if not ranked:
        count = max(tables_of(step.op for step in circuit.steps) for circuit, _, _ in found)
        raise ModelError(f"{request.name}: {_TOO_LONG}: it needs {count} tables of functions; split it (--split)")
    # Among candidates of equal cost, the one nearest to the float model comes first.
    error = {id(circuit): search.gate.fidelity(circuit).largest_error or 0.0 for circuit, _, _ in found}
    ranked.sort(
        key=lambda each: (
            each[1].cost(request.objective),
            each[1].estimated.seconds,
            error[id(each[0])],
            each[1].settings,
        )
    )
    affordable = [each for each in ranked if fits(each[1].estimated, request.memory)]
    if not affordable:
        check_cost(min((each.estimated for _, each in ranked), key=lambda cost: cost.memory), request.memory)
    return affordable


def measure(
    search: Search,
    ranked: list[tuple[Circuit, Candidate]],
    engine: EngineProcess,
    folder: Path,
    srs: SrsSource,
    progress: Progress,
) -> tuple[list[tuple[Circuit, Candidate]], int, Made]:
    """Prove the best candidate of each shape. A lone one is proven once, only to see that it can be.

    Returns:
        All candidates, the index of the chosen one, and its keys and proof.

    Raises:
        ModelError: No candidate can be proven.
    """
    objective = search.request.objective
    results = list(ranked)
    chosen: tuple[int, Made] | None = None
    tried = 0
    shapes: set[tuple[int, int]] = set()
    limit = _HOPELESS * ranked[0][1].cost(objective)
    hopeful = {_shape(each) for _, each in ranked if each.cost(objective) <= limit}
    proofs = 1 if len(hopeful) == 1 or objective is Objective.GAS else PROOFS
    for at, (circuit, candidate) in enumerate(ranked):
        # Gas follows from the length of the proof, and the estimate has it right.
        if tried == FINALISTS or candidate.cost(objective) > limit or (tried and objective is Objective.GAS):
            break
        if _shape(candidate) in shapes:
            # The same number of rows and columns costs the same, whatever is in them.
            continue
        progress(f"proving candidate {tried + 1}: {describe(candidate)}")
        own = folder / f"candidate-{at}"
        outcome, made = _prove(search, circuit, candidate, engine, own, srs, proofs)
        results[at] = (circuit, outcome)
        losing: Path | None = own
        if made is not None:
            shapes.add(_shape(candidate))
            tried += 1
            if chosen is None or outcome.cost(objective) < _BETTER * results[chosen[0]][1].cost(objective):
                losing, chosen = chosen and chosen[1].folder, (at, made)
        if losing is not None:
            # Keys may be as large as the memory: those that are not taken are deleted at once.
            shutil.rmtree(losing, ignore_errors=True)
    if chosen is None:
        raise ModelError(f"no settings of {search.request.name} can be proven: {results[0][1].refused}")
    return results, *chosen


def _shape(candidate: Candidate) -> tuple[int, int]:
    return candidate.estimated.k, candidate.settings.columns


def _prove(
    search: Search,
    circuit: Circuit,
    candidate: Candidate,
    engine: EngineProcess,
    folder: Path,
    srs: SrsSource,
    proofs: int,
) -> tuple[Candidate, Made | None]:
    """Return the candidate with its measurements and its keys, or with the reason why it can't be proven.

    Only keys show if k is large enough.
    """
    folder.mkdir()
    outcome: tuple[Candidate, Made | None] = (candidate, None)
    for k in (candidate.estimated.k, candidate.estimated.k + 1):
        outcome = _prove_at(search, circuit, candidate, k, engine, folder, srs, proofs)
        refused = outcome[0].refused
        if not refused or "witness" in refused or "reference" in refused:
            break
    return outcome


def _prove_at(
    search: Search,
    circuit: Circuit,
    candidate: Candidate,
    k: int,
    engine: EngineProcess,
    folder: Path,
    srs: SrsSource,
    count: int,
) -> tuple[Candidate, Made | None]:
    chosen = replace(candidate.settings, k=k)
    model = ImportedModel(search.request.name, circuit, chosen, disclosure=search.request.disclosure)
    paths = {parameter: str(folder / name) for parameter, name in _FILES.items()}
    Path(paths["model"]).write_bytes(model.to_onnx(1))
    arguments = run_args(model, search.request.visibility)
    try:
        settings = engine.call("gen_settings", model=paths["model"], settings=paths["settings"], run_args=arguments)
        settle(settings, k)
        write_json(Path(paths["settings"]), settings)
        shutil.copyfile(srs.file(k).path, paths["srs"])
        engine.call("compile_circuit", model=paths["model"], circuit=paths["circuit"], settings=paths["settings"])
        windows = [list(window) for window in model.windows()]
        windows += circuit.quantise(search.samples[:WITNESSED_SAMPLES]).tolist()
        for window, expected in zip(windows, circuit.evaluate(windows).tolist(), strict=True):
            seen = engine.call("witness", circuit=paths["circuit"], inputs=window)["outputs"]
            if seen != expected:
                raise ArtifactError(f"the circuit computes {seen} for {window}, its integer reference {expected}")
        engine.call("setup", deadline=patience(k), **_chosen(paths, "circuit", "vk", "pk", "srs"))
        proofs = []
        # A process of its own, whose memory is that of the proof alone.
        with EngineProcess() as prover:
            for _ in range(count):
                files = _chosen(paths, "circuit", "settings", "vk", "pk", "srs")
                proofs.append(prover.call("prove", deadline=patience(k), inputs=windows[0], **files))
                if sum(sum(proof["seconds"].values()) for proof in proofs) > _ENOUGH_S:
                    break
            memory = prover.call("peak_memory")["bytes"]
    except ProverTimeout as error:
        raise stuck(error, search.request.name, k) from error
    except (ArtifactError, ProverUnavailable) as error:
        return replace(candidate, refused=str(error)), None
    if len(proofs[0]["proof"]) // 2 > LARGEST_PROOF:
        return replace(candidate, refused=_TOO_LONG), None
    measured = replace(
        candidate,
        settings=chosen,
        seconds=min(sum(proof["seconds"].values()) for proof in proofs),
        proof_bytes=len(proofs[0]["proof"]) // 2,
        memory=memory,
        k=k,
    )
    return measured, Made(folder, k, proofs[0])


def _chosen(paths: Mapping[str, str], *names: str) -> dict[str, Any]:
    return {name: paths[name] for name in names}
