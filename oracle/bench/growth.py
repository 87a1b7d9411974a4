"""`oracle bench --growth`: the growth of proofs with the model, and a model that is too large for one circuit.

Models are perceptrons of three dense layers, 16 → w → w → 4, with seeded random weights: what a proof costs depends on
their shape, not on what they have learned. Each circuit is proven in a fresh child process, whose largest resident size
counts as the proof's. Circuits that this machine can't prove in reasonable time are estimated with the cost model, and
marked.
"""

from __future__ import annotations

import asyncio
import datetime as dt
import json
import os
import shutil
import tempfile
import time
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from oracle.app.models import ModelOptions, build_split_model, prove_model
from oracle.bench import growth_report
from oracle.bench.machine import machine, versions
from oracle.bench.memory import sampled_children
from oracle.chain.local import toolchain
from oracle.core.documents import read_json
from oracle.core.encoding import CLIP
from oracle.core.errors import DataError
from oracle.proving import artifact, split
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


def perceptron(widths: Sequence[int], seed: int = 0) -> bytes:
    """Return an ONNX model of dense layers with random weights, with a ReLU after each layer but the last."""
    rng = np.random.default_rng(seed)
    nodes, constants, value = [], [], "x"
    for at in range(len(widths) - 1):
        last = at == len(widths) - 2
        matrix = rng.normal(size=(widths[at], widths[at + 1])) * np.sqrt(2 / widths[at])
        constants.append(numpy_helper.from_array(matrix.astype(np.float32), f"w{at}"))
        nodes.append(helper.make_node("MatMul", [value, f"w{at}"], ["y" if last else f"h{at}"], name=f"dense{at}"))
        if not last:
            nodes.append(helper.make_node("Relu", [f"h{at}"], [f"a{at}"], name=f"relu{at}"))
            value = f"a{at}"
    described = [
        helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", width])
        for name, width in (("x", widths[0]), ("y", widths[-1]))
    ]
    made = helper.make_graph(nodes, "perceptron", described[:1], described[1:], constants)
    document = helper.make_model(made, opset_imports=[helper.make_opsetid("", 13)], ir_version=8)
    onnx.checker.check_model(document)
    return bytes(document.SerializeToString())


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
            found["split"] = _split(large, Path(folder), echo)
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


def _split(widths: Sequence[int], folder: Path, echo: Echo) -> dict[str, Any]:
    """Measure a model that is split, from the ONNX file to the verified proofs, as its user does it."""
    onnx, data = folder / "large.onnx", folder / "large.npy"
    onnx.write_bytes(perceptron(widths))
    samples: np.ndarray = np.random.default_rng(1).normal(size=(_SAMPLES, widths[0]))
    np.save(data, samples)
    options = ModelOptions(
        onnx,
        data,
        public_model=True,
        split=True,
        memory_limit=SPLIT_MEMORY_GIB,
        cores=os.cpu_count(),
        out=toolchain.build_dir() / "growth",
        # With random weights all ten outputs are alike, so the largest one flips sooner than a trained model's.
        max_flips=100.0,
    )
    began = time.perf_counter()
    with sampled_children() as building:
        built = build_split_model(options, echo)
    build_s = time.perf_counter() - began
    with sampled_children() as proving:
        began = time.perf_counter()
        chain, proof = asyncio.run(prove_model(built.chain.path, data, memory_limit=SPLIT_MEMORY_GIB, progress=echo))
        prove_s = time.perf_counter() - began
    began = time.perf_counter()
    verification = split.verify(chain, proof)
    verify_s = time.perf_counter() - began
    manifest = chain.manifest
    assert manifest is not None
    return {
        "weights": manifest.weights,
        "visibility": manifest.visibility.value,
        "memory_limit_gib": SPLIT_MEMORY_GIB,
        "segments": [
            {
                "nodes": list(link.nodes),
                "inputs": link.inputs,
                "outputs": link.outputs,
                "k": each.manifest.k,
                "rows": split.estimated_cost(each).rows,
            }
            for link, each in zip(manifest.segments, chain.artifacts, strict=True)
        ],
        "proofs_at_once": built.plan.lanes,
        "estimated": {"seconds": round(built.plan.seconds, 1), "memory_mb": round(built.plan.memory / 1e6, 1)},
        "build_s": round(build_s, 1),
        "build_memory_mb": round(building.bytes / 1e6, 1),
        "prove_s": round(prove_s, 1),
        "prove_memory_mb": round(proving.bytes / 1e6, 1),
        "verify_s": round(verify_s, 1),
        "proof_bytes": sum(len(each) for each in proof.proofs),
        "verified": verification.verified,
    }


def _errors(circuits: Sequence[Mapping[str, Any]]) -> dict[str, Any]:
    """Return the least and the largest factor between estimates and measurements."""
    errors: dict[str, Any] = {}
    for name in ("seconds", "memory_mb"):
        ratios = [each["estimated"][name] / each["measured"][name] for each in circuits if each["measured"]]
        if ratios:
            errors[name] = {"least": round(min(ratios), 2), "most": round(max(ratios), 2)}
    return errors
