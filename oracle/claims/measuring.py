"""The measuring of an approximate model for claims: its error, its guard band, and the scale that makes it narrow."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from oracle.claims.approximate import compared_program, freedom, guard_band, interval_circuit, lowered, scores_circuit
from oracle.claims.models import INPUT_SCALE, ModelSpec
from oracle.claims.outputs import OutputReading
from oracle.claims.probabilities import margins_of
from oracle.core.errors import ModelError
from oracle.proving.artifact.circuit import table_rows
from oracle.proving.lowering.program import Program
from oracle.proving.reference.circuit import Circuit
from oracle.proving.tuning.float_model import scored_outputs
from oracle.proving.tuning.request import LEVELS, Request

_AFFORDABLE = 1 << 15
"""Rows of a table beyond which no finer scale is tried once a band is narrow enough: a proof takes ten seconds then."""

_NARROW = 0.1
"""The share of the tolerance below which no finer scale is tried."""

_SCORED = ("Softmax", "LogSoftmax")
"""Activations at the end of a model before which the float model has what the circuit computes."""


@dataclass(frozen=True, slots=True)
class _Tried:
    """A scale that was tried.

    Attributes:
        spec: The model at this scale.
        width: The guard band as a share of the range of the outputs; with classes, the share of rows without one.
        rows: Rows of the table of functions.
    """

    spec: ModelSpec
    width: float
    rows: int


def scored_quantities(spec: ModelSpec, own: bytes, samples: np.ndarray) -> np.ndarray:
    """Return what claims are about, or of classes the scores, as the float model has them: [count, outputs].

    Args:
        spec: The model.
        own: The graph that takes features as they are.
        samples: Features as they are.

    Raises:
        ModelError: The float model does not have what the circuit computes.
    """
    program, _ = lowered(own, spec.name, is_approximate=True)
    assert program is not None  # `claim_model` has refused others
    if program.outputs == 1 and spec.classes:
        raise ModelError(f"{spec.name} gives a class, of which no guard band is known: take the scores (output=…)")
    is_margin = spec.activation == "Softmax"
    if program.order_only and not is_margin and program.dropped not in _SCORED:
        raise ModelError(
            f"{spec.name}: {program.order_only}, so that no error can be measured, and no guard band is known: take "
            "the scores (output=…)"
        )
    floats = scored_outputs(Request(spec.name, own, samples), program, samples)
    if not is_margin:
        return floats
    return margins_of(np.exp(floats - floats.max(axis=1, keepdims=True)) if program.dropped in _SCORED else floats)


def nearest(spec: ModelSpec, floats: np.ndarray, windows: np.ndarray, tolerance: float) -> ModelSpec:
    """Return the approximate model whose guard band is narrow enough, or the narrowest that is within the tolerance.

    Args:
        spec: The model, without scale and error.
        floats: See `scored_quantities`.
        windows: The same rows, encoded.
        tolerance: The widest band, as a share of the range of the outputs; with classes, the share of rows without one.

    Raises:
        ModelError: No scale is within the tolerance.
    """
    program, _ = lowered(spec.onnx, spec.name, is_approximate=True)
    assert program is not None  # `claim_model` has refused others
    reading = spec.reading
    known = np.isfinite(floats).all(axis=1)
    if not known.any():
        raise ModelError(f"{spec.name}: its probabilities are all 0 or 1, and can't be compared")
    best: _Tried | None = None
    words = ""
    for level in LEVELS:
        try:
            tried = _at(replace(spec, param_scale=level), program, reading, floats, known, windows)
        except ModelError as refusal:
            words = words or str(refusal)
            continue
        if best is None or tried.width < best.width:
            best = tried
        enough = _NARROW * tolerance if 4 * tried.rows <= _AFFORDABLE else tolerance
        if best.width <= enough:
            break
    if best is None:
        raise ModelError(f"{spec.name}: no scales fit: {words}")
    if best.width > tolerance:
        raise ModelError(_refusal(best, tolerance))
    best.spec.circuit()  # refused now, if it is none
    return best.spec


def _at(
    spec: ModelSpec,
    program: Program,
    reading: OutputReading,
    floats: np.ndarray,
    known: np.ndarray,
    windows: np.ndarray,
) -> _Tried:
    """Return a model at the scale of its weights, with its error and its card."""
    scores = scores_circuit(compared_program(program, reading), windows, spec.param_scale, 1 << INPUT_SCALE)
    computed = _floats(scores, windows) / 2.0**scores.output_scale
    error = float(np.abs(computed - floats)[known].max())
    band = guard_band(scores, error)
    width = float((band / 2.0**spec.param_scale / np.maximum(np.ptp(floats[known], axis=0), 1e-30)).max())
    card: dict[str, Any] = {
        "rows": int(known.sum()),
        "rows_from": "drawn from the features' ranges and from their ends, as commitments round them",
        "largest_error": error,
        "freedom": float(freedom(scores)),
        "guard_band": band / 2.0**spec.param_scale,
        "looked_up": list(program.looked_up),
    }
    if reading is OutputReading.LARGEST:
        ends = _floats(interval_circuit(scores, reading, band), windows)
        width = float((ends[:, 0] != ends[:, 1]).mean())
        card["undecided"] = width
    return _Tried(replace(spec, error=error, card=card), width, table_rows(scores.looked_up))


def _floats(circuit: Circuit, windows: np.ndarray) -> np.ndarray:
    return np.asarray(circuit.evaluate(windows), dtype=object).astype(float)


def _refusal(best: _Tried, tolerance: float) -> str:
    spec, card = best.spec, best.spec.card
    wide = (
        f"of {best.width:.1%} of {card['rows']:,} rows no class could be claimed"
        if spec.classes
        else f"which is {best.width:.1%} of the range of its outputs"
    )
    return (
        f"{spec.name}: its guard band is ±{card['guard_band']:.3g} at best (a prover could choose "
        f"{card['freedom']:.3g}, and the largest error is {card['largest_error']:.3g}), {wide}; {tolerance:.1%} are "
        "allowed. Bound what is divided or looked up (smaller weights, narrower ranges of the features), or allow more "
        "(tolerance=…)"
    )
