"""ezkl's own pipeline, as its documentation proposes it, on the graphs that our circuits are made from."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from oracle.bench.circuits import MeasuredCircuit
from oracle.bench.detectors import detector
from oracle.bench.machine import cpu_seconds
from oracle.bench.memory import megabytes
from oracle.bench.models import ComparedModel, batched_inputs
from oracle.bench.proofs import Proofs
from oracle.chain.local.solc import Solc
from oracle.core.errors import ArtifactError, Fatal, ProverUnavailable
from oracle.proving.artifact.verifier import compile_verifier
from oracle.proving.engine.child import EngineProcess

Echo = Callable[[str], None]

MAX_DECOMP_LEGS = 8

_CHUNK = 100
"""Windows that ezkl is asked to compute at once, in a circuit for this many: the same integers as one by one, which is
checked, and up to eight times as fast."""

_JUDGED = {"cnn": 1_000, "mlp": 1_000}
"""Windows on which ezkl's verdicts are counted, if ten thousand would take minutes."""


class SharedSrs:
    """A reference string per k, generated once; its seconds count in each set-up that needs it."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._made: dict[int, tuple[str, float]] = {}

    def get(self, engine: EngineProcess, k: int) -> tuple[str, float]:
        """Return the file, and the seconds that it took to generate."""
        if k not in self._made:
            path = str(self._folder / f"default-{k}.srs")
            began = time.perf_counter()
            engine.call("gen_srs", srs=path, logrows=k)
            self._made[k] = (path, time.perf_counter() - began)
        return self._made[k]


def build_default(
    subject: ComparedModel, batch: int, turns: int, folder: Path, srs: SharedSrs, echo: Echo
) -> MeasuredCircuit:
    """Build a circuit with ezkl's documented pipeline: default arguments, then calibration on recorded windows.

    With exactly the defaults, the calibration refuses some graphs: their values do not fit the two limbs of a range
    check. So the number of limbs, and nothing else, is raised until the circuit takes the recorded windows. Refusals
    are in the report.

    Raises:
        Fatal: The graph is refused with up to `MAX_DECOMP_LEGS` limbs.
    """
    folder.mkdir(parents=True)
    model = folder / "model.onnx"
    model.write_bytes(subject.graph(batch))
    windows = batched_inputs(subject.calibration, batch, len(subject.calibration) // batch)
    files = {name: str(folder / name) for name in ("circuit", "settings", "vk", "pk", "srs")}
    with EngineProcess() as engine:
        taken = take_enough_limbs(engine, str(model), files, windows, srs, echo)
        steps, settings, legs, refused = taken.steps, taken.settings, taken.legs, taken.refused
        source = folder / "Verifier.sol"
        mark = time.perf_counter()
        engine.call("create_verifier", source=str(source), **chosen_of(files, "vk", "settings", "srs"))
        compiled = compile_verifier(
            source.read_text(encoding="utf-8"),
            Solc(use_cache=False),
        )
        steps["verifier"] = round(time.perf_counter() - mark, 2)
        peak = int(engine.call("peak_memory")["bytes"] or 0)
        judged = default_flips(engine, subject, settings, files["circuit"], folder) if batch == 1 else {}
    shown = ("input_scale", "param_scale", "scale_rebase_multiplier", "decomp_base", "decomp_legs", "num_inner_cols")
    return MeasuredCircuit(
        files=files,
        verifier=compiled,
        inputs=batched_inputs(subject.turns, batch, turns),
        outputs=None,
        setup_s=sum(steps.values()),
        facts={
            "k": settings["run_args"]["logrows"],
            "rows": settings["num_rows"],
            "windows_per_proof": batch,
            "verifier_bytes": len(compiled.runtime),
            "graph": subject.given,
            "changed_run_args": {"decomp_legs": legs} if refused else {},
            "run_args": chosen_of(settings["run_args"], *shown),
            "output_scale": settings["model_output_scales"][0],
            "calibration_windows": len(windows) * batch,
            "refused": refused,
            "setup_steps_s": steps,
            "setup_rss_mb": megabytes(peak),
            **judged,
        },
    )


@dataclass(frozen=True)
class DefaultKeys:
    """Keys that ezkl's documented pipeline made.

    Attributes:
        steps: Seconds of each step.
        cpu: Seconds of CPU of all steps but that of the reference string.
        settings: ezkl's settings.
        legs: Limbs of the range check.
        refused: The refusals with fewer limbs.
    """

    steps: dict[str, float]
    cpu: float
    settings: dict[str, Any]
    legs: int
    refused: list[dict[str, Any]]


def take_enough_limbs(
    engine: EngineProcess,
    model: str,
    files: dict[str, str],
    windows: Sequence[Sequence[float]] | Sequence[Sequence[Sequence[float]]],
    srs: SharedSrs,
    echo: Echo,
) -> DefaultKeys:
    """Run the documented pipeline with two limbs, the default, and with one more as long as it refuses.

    Args:
        engine: Runs ezkl.
        model: The ONNX file.
        files: Where circuit, settings and keys go; the reference string's path is entered.
        windows: Inputs that the circuit has to take; a list for each input of a model that has several.
        srs: Reference strings, by k.
        echo: Takes lines for people.

    Raises:
        Fatal: The graph is refused with up to `MAX_DECOMP_LEGS` limbs.
    """
    refused: list[dict[str, Any]] = []
    for legs in range(2, MAX_DECOMP_LEGS + 1):
        began = time.perf_counter()
        try:
            steps, cpu, settings = _default_pipeline(engine, model, files, windows, {"decomp_legs": legs}, srs)
            return DefaultKeys(steps, cpu, settings, legs, refused)
        except (ArtifactError, ProverUnavailable) as error:
            seconds = round(time.perf_counter() - began, 2)
            refused.append({"decomp_legs": legs, "seconds": seconds, "refusal": str(error)[:600]})
            echo(f"  ezkl refuses decomp_legs = {legs}: {reason_of(str(error))}")
    raise Fatal(f"ezkl's defaults don't take this graph with up to {MAX_DECOMP_LEGS} limbs: {refused[-1]}")


def _default_pipeline(
    engine: EngineProcess,
    model: str,
    files: dict[str, str],
    windows: Sequence[Sequence[float]] | Sequence[Sequence[Sequence[float]]],
    run_args: Mapping[str, Any],
    srs: SharedSrs,
) -> tuple[dict[str, float], float, dict[str, Any]]:
    """Make settings, calibration, SRS and keys. Return each step's seconds, the CPU without SRS, and the settings."""
    steps: dict[str, float] = {}
    cpu = 0.0

    @contextlib.contextmanager
    def step(name: str) -> Iterator[None]:
        nonlocal cpu
        mark, before = time.perf_counter(), cpu_seconds(engine.pid)
        yield
        steps[name] = round(time.perf_counter() - mark, 2)
        cpu += cpu_seconds(engine.pid) - before

    with step("settings"):
        engine.call("gen_settings", model=model, settings=files["settings"], run_args=dict(run_args))
    with step("calibration"):
        settings = engine.call(
            "calibrate_settings", model=model, settings=files["settings"], windows=windows, target="resources"
        )
    with step("compilation"):
        engine.call("compile_circuit", model=model, **chosen_of(files, "circuit", "settings"))
        # Keys take minutes, so first check that the circuit takes the windows that it was calibrated on.
        for window in windows:
            engine.call("witness", circuit=files["circuit"], inputs=window)
    files["srs"], seconds = srs.get(engine, settings["run_args"]["logrows"])
    steps["srs"] = round(seconds, 2)
    with step("keys"):
        engine.call("setup", **chosen_of(files, "circuit", "vk", "pk", "srs"))
    return steps, cpu, settings


def default_flips(
    engine: EngineProcess, subject: ComparedModel, settings: Mapping[str, Any], circuit: str, folder: Path
) -> dict[str, Any]:
    """Count verdicts of ezkl's circuit that differ from the float model's.

    The outputs are those of its witnesses: of `_CHUNK` windows at once, in a circuit of the same scales.

    Args:
        engine: Computes the witnesses.
        subject: The model, with the windows to judge.
        settings: The circuit's settings.
        circuit: The file of the circuit for one window.
        folder: The folder for the files of the circuit for many.

    Raises:
        Fatal: The circuit for many windows computes other integers than the one for one.
    """
    windows = subject.judged[: _JUDGED.get(subject.name, len(subject.judged))]
    windows = windows[: len(windows) // _CHUNK * _CHUNK]
    paths = {name: str(folder / f"{name}.chunk") for name in ("model", "settings", "circuit")}
    Path(paths["model"]).write_bytes(subject.graph(_CHUNK))
    names = ("input_scale", "param_scale", "scale_rebase_multiplier", "decomp_base", "decomp_legs", "num_inner_cols")
    arguments = chosen_of(settings["run_args"], *names, "lookup_range")
    engine.call("gen_settings", run_args=arguments, **chosen_of(paths, "model", "settings"))
    engine.call("compile_circuit", **chosen_of(paths, "model", "settings", "circuit"))
    count = subject.expected.shape[1]
    computed = np.full((len(windows), count), np.nan)

    def alone(at: int) -> list[int] | None:
        try:
            found: list[int] = engine.call("witness", circuit=circuit, inputs=windows[at].tolist())["outputs"]
            return found
        except (ArtifactError, ProverUnavailable):
            return None

    scale = 2.0 ** settings["model_output_scales"][0]
    for start in range(0, len(windows), _CHUNK):
        rows = windows[start : start + _CHUNK]
        try:
            outputs = engine.call("witness", circuit=paths["circuit"], inputs=rows.ravel().tolist())["outputs"]
        except (ArtifactError, ProverUnavailable):
            # At least one has no witness: find it.
            for at in range(start, start + _CHUNK):
                if (one := alone(at)) is not None:
                    computed[at] = np.array(one) / scale
            continue
        computed[start : start + _CHUNK] = np.array(outputs, dtype=float).reshape(_CHUNK, count) / scale
        if start == 0 and alone(0) != outputs[:count]:
            raise Fatal(f"{subject.name}: ezkl's circuit of {_CHUNK} windows computes other integers than that of one")
    provable = ~np.isnan(computed).any(axis=1)
    return subject.flips(computed, len(windows), provable)


def score_errors(name: str, circuit: MeasuredCircuit, proofs: Proofs) -> dict[str, Any]:
    """Measure how far the calibrated circuit's scores are from a detector's. Ours are exact by construction.

    Returns:
        The largest error in score units (a calm market's limit is one), and the verdicts that it changes.
    """
    model = detector(name)
    scale, one = circuit.facts["output_scale"], 1 << model.param_scale
    errors = []
    changed = 0
    for window, outputs in proofs.published:
        scores = model.score_int([int(value) for value in window])
        for output, score in zip(outputs, scores, strict=True):
            errors.append(abs(output / 2**scale - score / one) / (model.score_unit / one))
        changed += any(output > 0 for output in outputs) != any(score > 0 for score in scores)
    return {"score_error_max": round(max(errors), 4), "verdicts_changed": changed, "windows": len(proofs.published)}


def reason_of(refusal: str) -> str:
    """Return the last of ezkl's reasons: the one about the scales that it tried last."""
    return refusal.rpartition("reason: ")[2]


def chosen_of(values: Mapping[str, Any], *names: str) -> dict[str, Any]:
    """Return the entries of these names."""
    return {name: values[name] for name in names}
