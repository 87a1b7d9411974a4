"""`oracle bench --growth`: the growth of proofs with the model, and a model that is too large for one circuit.

Models are perceptrons of three dense layers, 16 → w → w → 4, with seeded random weights: what a proof costs depends on
their shape, not on what they have learned. Each circuit is proven in a fresh child process, whose largest resident size
counts as the proof's. Circuits that this machine can't prove in reasonable time are estimated with the cost model, and
marked.
"""

from __future__ import annotations

import datetime as dt
import json
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from oracle.bench import growth_report
from oracle.bench.large import LargeCase, measure_split, perceptron
from oracle.bench.machine import machine, versions
from oracle.chain.local import toolchain
from oracle.core.documents import read_json
from oracle.core.encoding import CLIP
from oracle.core.errors import DataError
from oracle.proving import artifact
from oracle.proving.artifact import Visibility
from oracle.proving.artifact.circuit import run_args
from oracle.proving.engine.child import EngineProcess
from oracle.proving.inspect.model import inspect_onnx, require_provable
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.split import pieces, planning
from oracle.proving.srs.cache import SrsCache
from oracle.proving.srs.files import SrsOrigin
from oracle.proving.tuning.request import Objective

Echo = Callable[[str], None]

SIZES = (100, 300, 1_000, 3_000, 10_000, 30_000, 100_000, 200_000, 300_000, 1_000_000)
"""Approximate numbers of weights."""

LARGE = (64, *(240,) * 5, 10)
"""Widths of the layers of the model that is split: 248,160 weights."""

SPLIT_MEMORY_GIB = 1.0
"""Memory that its proofs may take together."""

MEMORY_GIB = 8.0
"""A circuit that is estimated to take more memory is not proven."""

_SAMPLES = 200
_INPUT_SCALE, _PARAM_SCALE = 4, 6


def widths_for(weights: int) -> tuple[int, ...]:
    """Return the widths 16 → w → w → 4 of a model with about this many weights."""
    width = max(1, round((-20 + (400 + 4 * weights) ** 0.5) / 2))
    return (16, width, width, 4)


def measure_growth(
    *,
    out: Path,
    echo: Echo,
    sizes: Sequence[int] = SIZES,
    most_seconds: float = 60.0,
    large: Sequence[int] = LARGE,
    plot: Path | None = None,
) -> dict[str, Any]:
    """Measure how proofs grow, print the table, and write `growth` into the report.

    Args:
        out: The report; its other entries are kept.
        echo: Takes lines for people.
        sizes: Weights of the models of one circuit.
        most_seconds: Proofs that are estimated to take longer are not made.
        large: Widths of the model that is split; empty: none is.
        plot: The plot's file; None: no plot.

    Returns:
        The entry `growth`, as it was written.

    Raises:
        DataError: The file exists, and is not a report.
    """
    try:
        report = read_json(out) if out.exists() else {}
        if not isinstance(report, dict):
            raise ValueError("no object")
    except (OSError, ValueError) as error:
        raise DataError(f"{out} is not a report of `oracle bench` ({error}): move it away") from error
    found: dict[str, Any] = {
        "measured_at": dt.datetime.now(dt.UTC).isoformat(timespec="seconds"),
        "machine": machine(),
        "versions": versions(),
        "circuits": [],
    }
    with tempfile.TemporaryDirectory(prefix="oracle-growth-") as folder:
        for private in (False, True):
            for size in sizes:
                found["circuits"].append(_circuit(size, private, Path(folder), most_seconds, echo))
        if large:
            # With random weights all ten outputs are alike, so the largest one flips sooner than a trained model's.
            case = LargeCase(tuple(large), Visibility.PUBLIC, SPLIT_MEMORY_GIB, max_flips=100.0)
            found["split"] = measure_split(case, toolchain.build_dir() / "growth", echo)
    found["estimate_error"] = _errors(found["circuits"])
    report["growth"] = found
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    if plot is not None and growth_report.draw(found, plot):
        echo(str(plot))
    echo(growth_report.table(found))
    echo(str(out))
    return found


def _integers(data: bytes) -> Circuit:
    program = require_provable(inspect_onnx(data, "perceptron", whole=False))
    return instantiate(program, _INPUT_SCALE, _PARAM_SCALE, CLIP)


def _circuit(size: int, private: bool, folder: Path, most_seconds: float, echo: Echo) -> dict[str, Any]:
    """Estimate one circuit, and prove it if that is possible here."""
    circuit = _integers(perceptron(widths_for(size)))
    visibility = artifact.Visibility.PRIVATE if private else artifact.Visibility.PUBLIC
    with EngineProcess() as engine:
        plan = planning.plan(
            circuit,
            name="perceptron",
            visibility=visibility,
            objective=Objective.TIME,
            memory=1 << 62,
            cores=1,
            engine=engine,
            folder=folder,
            at=(),
        )
        (segment,) = plan.segments
        cost = segment.cost
        row: dict[str, Any] = {
            "weights": circuit.weights,
            "visibility": visibility.value,
            "rows": cost.rows,
            "k": cost.k,
            "columns": segment.settings.columns,
            "estimated": {"seconds": round(cost.seconds, 2), "memory_mb": round(cost.memory / 1e6, 1)},
            "measured": None,
        }
        kind = f"{circuit.weights:,} {visibility.value} weights, k = {cost.k}"
        if cost.seconds > most_seconds or cost.memory > MEMORY_GIB * 2**30:
            echo(f"{kind}: estimated only")
            return row
        echo(f"{kind}: proving, about {cost.seconds:,.1f} s")
        model = pieces.SegmentModel("perceptron", circuit, segment.settings)
        names = ("model", "settings", "circuit", "vk", "pk", "srs")
        paths: dict[str, Any] = {name: str(folder / name) for name in names}
        Path(paths["model"]).write_bytes(model.to_onnx(1))
        settings = engine.call(
            "gen_settings",
            model=paths["model"],
            settings=paths["settings"],
            run_args=run_args(model, visibility),
        )
        settings["run_args"]["logrows"] = cost.k
        Path(paths["settings"]).write_text(json.dumps(settings))
        source = SrsCache(toolchain.build_dir() / "srs").source(SrsOrigin.INSECURE_LOCAL)
        shutil.copyfile(source.file(cost.k).path, paths["srs"])
        engine.call("compile_circuit", **{name: paths[name] for name in ("model", "settings", "circuit")})
    window = model.windows()[3]
    with EngineProcess() as engine:
        began = time.perf_counter()
        engine.call("setup", deadline=3_600, **{name: paths[name] for name in ("circuit", "vk", "pk", "srs")})
        keys, keys_memory = time.perf_counter() - began, engine.call("peak_memory")["bytes"]
    with EngineProcess() as engine:
        files = {name: paths[name] for name in ("circuit", "settings", "vk", "pk", "srs")}
        proof = engine.call(
            "prove", deadline=3_600, inputs=list(window), outputs=list(model.score_int(window)), **files
        )
        memory = engine.call("peak_memory")["bytes"]
    row["measured"] = {
        "seconds": round(sum(proof["seconds"].values()), 2),
        "prove_s": round(proof["seconds"]["prove"], 2),
        "memory_mb": round((memory or 0) / 1e6, 1),
        "keys_s": round(keys, 2),
        "keys_memory_mb": round((keys_memory or 0) / 1e6, 1),
        "proof_bytes": len(proof["proof"]) // 2,
        "verified": proof["verified"],
    }
    return row


def _errors(circuits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the least and the largest factor between estimates and measurements."""
    errors: dict[str, Any] = {}
    for name in ("seconds", "memory_mb"):
        ratios = [each["estimated"][name] / each["measured"][name] for each in circuits if each["measured"]]
        if ratios:
            errors[name] = {"least": round(min(ratios), 2), "most": round(max(ratios), 2)}
    return errors
