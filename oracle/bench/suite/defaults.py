"""ezkl's defaults on the same file and the same input: its documented pipeline, and proofs in turns with ours."""

from __future__ import annotations

import statistics
import time
from pathlib import Path
from typing import Any

from oracle.bench.ezkl_defaults import MAX_DECOMP_LEGS, SharedSrs, chosen_of, reason_of, take_enough_limbs
from oracle.bench.machine import cpu_seconds
from oracle.bench.memory import megabytes
from oracle.bench.suite.subjects import Subject, flat, read
from oracle.bench.suite.trial import BuiltSubject, Note, Truth
from oracle.core.documents import read_json
from oracle.core.errors import ArtifactError, Fatal, ProverUnavailable
from oracle.proving.engine.child import EngineProcess
from oracle.proving.pool.pool import PROVING_FILES

_PROVING = ("circuit", "settings", "vk", "pk", "srs")


def measure(
    subject: Subject, built: BuiltSubject | None, tensors: list[list[float]], repeat: int, folder: Path, note: Note
) -> None:
    """Set up ezkl's defaults for a model, and prove with both circuits in turns; note what was found.

    Args:
        subject: The model.
        built: Our circuit of it; None: there is none, and ezkl proves alone.
        tensors: The numbers of the first sample, for each input.
        repeat: Proofs of each circuit, after one that warms up.
        folder: An empty folder for files.
        note: Takes what is known so far, under `defaults`.
    """
    found: dict[str, Any] = {"result": "", "doing": "set-up"}

    def known(**facts: Any) -> None:
        found.update(facts)
        note({"defaults": dict(found)})

    known()
    model = folder / "network.onnx"
    model.write_bytes(read(subject))
    files = {name: str(folder / name) for name in _PROVING}
    began = time.perf_counter()
    try:
        with EngineProcess() as engine:
            srs = SharedSrs(folder)
            keys = take_enough_limbs(engine, str(model), files, [tensors], srs, lambda line: None)
        seconds = sum(spent for step, spent in keys.steps.items() if step != "srs")
        known(
            k=keys.settings["run_args"]["logrows"],
            rows=keys.settings["num_rows"],
            legs=keys.legs,
            setup_s=round(seconds, 2),
            setup_cpu_s=round(keys.cpu, 2),
            doing="proving",
        )
        known(**_in_turns(built, files, tensors, repeat), result="proven", doing="")
        if built is not None:
            known(error=_error(found.pop("first"), keys.settings, built.truth))
        found.pop("first", None)
        known()
    except (ArtifactError, Fatal, ProverUnavailable) as error:
        why = reason_of(str(error))[-300:] or f"refused with up to {MAX_DECOMP_LEGS} limbs"
        known(result="refused", why=why, refused_s=round(time.perf_counter() - began, 2), doing="")


def _in_turns(
    built: BuiltSubject | None, files: dict[str, str], tensors: list[list[float]], repeat: int
) -> dict[str, Any]:
    """Prove with ezkl's circuit and with ours by turns: on a machine whose speed changes, only these compare.

    Raises:
        ArtifactError: A proof does not verify.
    """
    theirs, ours, their_cpu, our_cpu = [], [], [], []
    first: list[int] = []
    with EngineProcess() as engine, EngineProcess() as beside:
        for turn in range(1 + repeat):
            # ezkl takes the numbers of a model with one input without a list around them.
            inputs: Any = tensors if len(tensors) > 1 else tensors[0]
            before = cpu_seconds(engine.pid)
            proof = engine.call("prove", inputs=inputs, **chosen_of(files, *_PROVING))
            if not proof.get("verified"):
                raise ArtifactError("ezkl's proof does not verify")
            first = first or proof["outputs"]
            if turn:
                theirs.append(proof["seconds"]["prove"])
                their_cpu.append(cpu_seconds(engine.pid) - before)
            if built is not None:
                made: dict[str, Any] = {argument: built.artifact.file(name) for argument, name in PROVING_FILES.items()}
                before = cpu_seconds(beside.pid)
                mine = beside.call("prove", inputs=built.window, outputs=built.published, **made)
                if turn:
                    ours.append(mine["seconds"]["prove"])
                    our_cpu.append(cpu_seconds(beside.pid) - before)
        peak = engine.call("peak_memory")["bytes"] or 0
    found: dict[str, Any] = {
        "prove_s": round(statistics.median(theirs), 4),
        "memory_mb": megabytes(int(peak)),
        "proof_bytes": len(proof["proof"]) // 2,
        "first": first,
    }
    if ours:
        found["over_ours"] = round(statistics.median(a / b for a, b in zip(theirs, ours, strict=True)), 2)
        # Cores that others use make a long proof longer than its share: seconds of CPU are those of the proof alone.
        found["cpu_over_ours"] = round(sum(their_cpu) / max(sum(our_cpu), 0.01), 2)
    return found


def _error(outputs: list[int], settings: dict[str, Any], truth: Truth) -> float | None:
    """Return the largest error of ezkl's outputs on the first sample; None if it publishes something else than we."""
    expected = truth.expected[0]
    scales = settings["model_output_scales"]
    if len(outputs) != len(expected) or len(set(scales)) != 1 or truth.program.dropped or truth.program.order_only:
        return None
    return float(max(abs(value / 2 ** scales[0] - right) for value, right in zip(outputs, expected, strict=True)))


def tensors_of(subject: Subject, built: BuiltSubject | None) -> list[list[float]] | None:
    """Return the numbers of the first sample, for each input; None if only the lowering could say how to split them."""
    if built is not None:
        row, found, at = built.truth.samples[0].tolist(), [], 0
        for each in built.truth.program.inputs:
            found.append(row[at : at + each.size])
            at += each.size
        return found
    if subject.inputs is None or subject.inputs.suffix != ".json":
        return None
    return [flat(each) for each in read_json(subject.inputs)["input_data"]]
