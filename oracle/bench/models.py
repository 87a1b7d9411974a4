"""The models that are benchmarked, with the windows that they are given."""

from __future__ import annotations

import datetime as dt
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from oracle.bench import zoo
from oracle.bench.cases import BATCHES
from oracle.bench.detectors import detector
from oracle.bench.windows import SERIES, recorded_windows
from oracle.core import encoding
from oracle.core.errors import ModelError
from oracle.proving.inspect.model import inspect_onnx, require_provable
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.tuning.fidelity import flips
from oracle.proving.tuning.float_model import float_outputs
from oracle.proving.tuning.request import Rule, VerdictRule

CALIBRATION_WINDOWS = 100
CALIBRATION_START = dt.date(2008, 7, 1)
"""The crisis is in it: scales that were chosen from calm days alone would fail on the first that is not calm."""

_NEARLY_FLOAT = 20


@dataclass(frozen=True)
class ComparedModel:
    """A model that a group of cases share: our circuits and ezkl's.

    Attributes:
        name: The model's name.
        graph: Returns the ONNX graph for this many windows.
        given: A description of that graph.
        calibration: Windows that ezkl calibrates on.
        turns: Windows to prove, in turns.
        judged: Windows [count, features] that no circuit was fitted to, to count verdicts on.
        expected: The float model's outputs for them.
        verdict: The rule that makes a verdict of outputs.
    """

    name: str
    graph: Callable[[int], bytes]
    given: str
    calibration: Sequence[Sequence[float]]
    turns: Sequence[Sequence[float]]
    judged: np.ndarray
    expected: np.ndarray
    verdict: VerdictRule

    def flips(self, computed: np.ndarray, count: int, provable: np.ndarray | None = None) -> dict[str, Any]:
        """Count verdicts that differ from the float model's, and windows that have no proof.

        Args:
            computed: Outputs [count, outputs] for the first judged windows.
            count: The number of them.
            provable: Those that have a proof; None: all.

        Returns:
            Both per 10,000, as they go into the report.
        """
        expected = self.expected[:count]
        if provable is not None:
            computed, expected = computed[provable], expected[provable]
        flipped = int(flips(self.verdict, computed, expected).sum())
        return {
            "flips_per_10k": round(10_000 * flipped / max(len(computed), 1), 2),
            "flips_samples": count,
            "unprovable_per_10k": round(10_000 * (count - len(computed)) / count, 2),
        }


def compared_detector(name: str, turns: int, disclosure: str = "score") -> ComparedModel:
    """Return a detector of `DETECTORS`: calibrated on the crisis of 2008, judged on all days of the recorded series."""
    model = detector(name, disclosure)
    judged = np.array([window for series in SERIES for window in recorded_windows(model.features, None, None, series)])
    verdict = VerdictRule(Rule.THRESHOLD, 0.0)
    expected = float_outputs(model.to_onnx(1), judged)
    return ComparedModel(
        name,
        model.to_onnx,
        "the detector's own graph, of integers",
        recorded_windows(model.features, CALIBRATION_WINDOWS, CALIBRATION_START),
        recorded_windows(model.features, BATCHES[-1] * turns, dt.date(2008, 9, 1)),
        judged,
        expected,
        verdict,
    )


def compared_import(name: str, turns: int) -> ComparedModel:
    """Return a model of the zoo: judged on samples that it was not fitted to."""
    file, samples, held_out = zoo.BENCHED[name].load()
    flat = held_out.reshape(len(held_out), -1)
    # Ours leaves a final sigmoid off. With it ezkl's default circuit has four times the rows, for its table.
    data = zoo.without_last(file, "Sigmoid")
    expected = float_outputs(data, held_out)
    verdict = VerdictRule(Rule.ARGMAX if expected.shape[1] > 1 else Rule.THRESHOLD)
    shown: Callable[[int], bytes] = partial(zoo.with_batch, data)
    given = "the file itself" if data == file else "the file without its final sigmoid"
    if b"TreeEnsemble" in data:
        lowered = require_provable(inspect_onnx(data, name))
        shown = instantiate(lowered, 0, _NEARLY_FLOAT, encoding.CLIP).to_onnx
        given = f"our lowering of it to comparisons and sums, weights to 2^-{_NEARLY_FLOAT}: ezkl has no such operator"
    return ComparedModel(
        name,
        shown,
        given,
        samples.reshape(len(samples), -1)[:CALIBRATION_WINDOWS].astype(float).tolist(),
        flat[:turns].astype(float).tolist(),
        np.asarray(flat, dtype=np.float64),
        expected,
        verdict,
    )


def batched_inputs(windows: Sequence[Sequence[float]], batch: int, count: int) -> list[list[float]]:
    """Return the inputs of the first `count` proofs, of `batch` windows each.

    Raises:
        ModelError: There are too few windows.
    """
    if len(windows) < batch * count:
        raise ModelError(f"{len(windows)} windows are not {count} batches of {batch}")
    return [[value for window in windows[at * batch : (at + 1) * batch] for value in window] for at in range(count)]
