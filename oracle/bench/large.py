"""Large models: cut into segments, built and proven, as `oracle model build --split` does it."""

from __future__ import annotations

import asyncio
import os
import tempfile
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from oracle.app.models import ModelOptions, build_split_model, prove_model
from oracle.bench.machine import cpu_seconds
from oracle.bench.memory import sampled_children
from oracle.proving import split
from oracle.proving.artifact import Visibility

Echo = Callable[[str], None]

_SAMPLES = 200

_DEADLINE_S = 7_200.0
"""Seconds for a proof: what is measured is how long it takes, on a busy machine, too."""


@dataclass(frozen=True, slots=True)
class LargeCase:
    """A network of dense layers with random weights, and how it is proven.

    Attributes:
        widths: Numbers that its layers take and give.
        visibility: Where the weights are. A private network publishes which output is the largest, a public one all.
        memory_gib: GiB that the proofs may take together. Less means more segments.
        max_flips: Verdicts per 10,000 samples that may differ from the float model's.
    """

    widths: tuple[int, ...]
    visibility: Visibility
    memory_gib: float
    max_flips: float = 1.0

    @property
    def weights(self) -> int:
        """Weights of all layers."""
        return sum(before * after for before, after in pairwise(self.widths))


MODELS = {
    # More memory makes one circuit of it, which is proven as fast.
    "split-public-million": LargeCase((512, 1_024, 448, 64, 10), Visibility.PUBLIC, 6.0, max_flips=100.0),
    # No layer has more weights than 2^18 rows hash.
    "split-private-10k": LargeCase((64, 80, 56, 8, 4), Visibility.PRIVATE, 8.0, max_flips=100.0),
}
"""The model of each case of `LARGE`."""


async def run(cases: Sequence[str], echo: Echo) -> dict[str, dict[str, Any]]:
    """Measure some of the cases `LARGE`. Return the reports by case."""
    found = {}
    for case in cases:
        echo(f"{case}: {MODELS[case].weights:,} weights")
        with tempfile.TemporaryDirectory(prefix="oracle-bench-") as folder:
            found[case] = await asyncio.to_thread(measure_split, MODELS[case], Path(folder), echo)
    return found


def measure_split(case: LargeCase, folder: Path, echo: Echo) -> dict[str, Any]:
    """Measure a model that is split, from the ONNX file to the verified proofs, as its user does it.

    Args:
        case: The model.
        folder: For the model and its artifacts; what was built there before is found again.
        echo: Takes lines for people.
    """
    folder.mkdir(parents=True, exist_ok=True)
    onnx_file, data = folder / "large.onnx", folder / "large.npy"
    onnx_file.write_bytes(perceptron(case.widths))
    samples: np.ndarray = np.random.default_rng(1).normal(size=(_SAMPLES, case.widths[0]))
    np.save(data, samples)
    options = ModelOptions(
        onnx_file,
        data,
        public_model=case.visibility is Visibility.PUBLIC,
        split=True,
        memory_limit=case.memory_gib,
        cores=os.cpu_count(),
        out=folder,
        max_flips=case.max_flips,
    )
    began, cpu = time.perf_counter(), _cpu()
    steps = [("", began)]

    def progress(step: str) -> None:
        # "segment 2 of 3: keys, k = 17" counts as keys.
        name = step.rpartition(": ")[2].partition(",")[0]
        name = name if name in _STEPS else "scales" if step.startswith("scales") else "other"
        steps.append((name, time.perf_counter()))
        echo(step)

    with sampled_children() as building:
        built = build_split_model(options, progress)
    steps.append(("", time.perf_counter()))
    build_s, build_cpu_s = steps[-1][1] - began, _cpu() - cpu
    with sampled_children() as proving:
        began, cpu = time.perf_counter(), _cpu()
        chain, proof = asyncio.run(
            prove_model(
                built.chain.path,
                data,
                memory_limit=case.memory_gib,
                cores=os.cpu_count(),
                deadline_s=_DEADLINE_S,
                progress=echo,
            )
        )
        prove_s, prove_cpu_s = time.perf_counter() - began, _cpu() - cpu
    began = time.perf_counter()
    verification = split.verify(chain, proof)
    verify_s = time.perf_counter() - began
    spent: dict[str, float] = {}
    for (name, at), (_, following) in pairwise(steps):
        spent[name or "other"] = round(spent.get(name or "other", 0.0) + following - at, 1)
    manifest = chain.manifest
    assert manifest is not None
    return {
        "weights": manifest.weights,
        "visibility": manifest.visibility.value,
        "memory_limit_gib": case.memory_gib,
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
        "planned": {"seconds": round(built.plan.seconds, 1), "memory_mb": round(built.plan.memory / 1e6, 1)},
        "build_s": round(build_s, 1),
        "build_cpu_s": round(build_cpu_s, 1),
        "build_steps_s": spent,
        "build_memory_mb": round(building.bytes / 1e6, 1),
        "prove_s": round(prove_s, 1),
        "prove_cpu_s": round(prove_cpu_s, 1),
        "prove_memory_mb": round(proving.bytes / 1e6, 1),
        "verify_s": round(verify_s, 1),
        "proof_bytes": sum(len(each) for each in proof.proofs),
        "verified": verification.verified,
    }


_STEPS = ("settings", "SRS", "keys", "first proof", "circuit against reference", "verifier", "architecture")
"""Steps of a segment's build, as they are told."""


def _cpu() -> float:
    """Return the seconds of CPU of this process and of its children that have ended: the provers have."""
    return cpu_seconds(os.getpid(), ended=True)


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
