"""Circuits of claims about models that no exact circuit has. A claim of such a model is about the float model.

A prover may choose between roundings, and a table differs from its function. So the circuit compares no output with the
bounds of a claim, but the two ends of an interval around it: less the guard band, and more by it. The guard band is
what a prover may choose, derived for all data within the features' ranges, and the largest error that was measured.
It is a constant of the circuit, which the hash of the weights commits to: nobody can leave it off.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from fractions import Fraction
from typing import Any

import numpy as np

from oracle.claims.outputs import OutputReading, banded, candidates
from oracle.core.errors import ModelError
from oracle.proving.approximate.domains import bounded, with_gains
from oracle.proving.artifact.circuit import table_rows
from oracle.proving.cost import least_k
from oracle.proving.disclosure import Extended
from oracle.proving.imported import Settings, legs_for
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.joining import join_first_layer
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.program import Op, Problem, Program
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.instantiate import instantiate

REBASE = 1
"""Whatever gets a larger scale than that of the weights is divided: functions take arguments of that scale."""

BASES = (256, 1024, 4096)
"""Bases of digits. A table of functions needs its rows anyway, so that digits may be as large."""

MOST_ROWS = 1 << 18
"""Rows of the largest table of functions that is tried: a proof takes a minute then."""

MOST_BAND = 1 << 24
"""The circuit's integers of the widest guard band: a constant of a graph is a 32-bit float."""


@dataclass(frozen=True, slots=True)
class Nearness:
    """The distance of an approximate model from the float model.

    Attributes:
        error: The largest error that was measured.
        rows: Encoded rows. They say for which arguments functions are looked up.
    """

    error: float
    rows: np.ndarray


def lowered(onnx_file: bytes, name: str, *, is_approximate: bool) -> tuple[Program | None, list[Problem]]:
    """Lower a model, with functions that are looked up if it is approximate."""
    return lower(read_model(onnx_file, name), approximate=is_approximate)


def compared_program(program: Program, reading: OutputReading) -> Program:
    """Return the program whose outputs have a guard band: the scores of classes, the margins of probabilities."""
    return program if reading is OutputReading.LARGEST else reading.of(program)


def scores_circuit(program: Program, rows: np.ndarray, level: int, clip: int) -> Circuit:
    """Return the circuit of an approximate model's outputs, or of its margins, as integers of scale `level` at most.

    Args:
        program: A program of places in ranges, which are 0 to 1.
        rows: Encoded rows.
        level: Scale of the weights, and of arguments and results of functions.
        clip: The integer of the end of a range, a power of two.

    Raises:
        ModelError: The scale is too large, or a table would be.
    """
    windows = rows.astype(np.float64)
    started = bounded(with_gains(_of_integers(program, clip), windows), windows, level)
    found = instantiate(started, 0, level, clip, REBASE)
    if found.output_scale > level:
        # A last product with a power of two is a change of scale alone; a sum is divided.
        extended, shape = Extended(started), (1, *started.output_shape)
        extended.constants["claim_half"] = np.full((1,) * len(shape), 0.5)
        half = extended.add("Mul", [started.output, "claim_half"], shape)
        extended.add("Add", [half, half], shape)
        found = instantiate(extended.result(started.output_shape), 0, level, clip, REBASE)
    if table_rows(found.looked_up) > MOST_ROWS:
        raise ModelError(
            f"functions would be looked up in a table of {table_rows(found.looked_up):,} rows, and {MOST_ROWS:,} are "
            "the most of a claim's circuit: state narrower ranges of the features"
        )
    return found


def freedom(scores: Circuit) -> Fraction:
    """Return how far a prover can move an output, in units of the output."""
    return Fraction(scores.slack, 1 << scores.output_scale)


def guard_band(scores: Circuit, error: float) -> int:
    """Return the guard band of each output, in integers of the scale of the weights.

    Raises:
        ModelError: It is too wide.
    """
    band = math.ceil((freedom(scores) + Fraction(error)) * (1 << scores.param_scale))
    if band > MOST_BAND:
        raise ModelError(
            f"a prover could move an output by {float(freedom(scores)):.3g}, and the error is {error:.3g}: no claim "
            "says anything then"
        )
    return max(1, band)


def interval_circuit(scores: Circuit, reading: OutputReading, band: int) -> Circuit:
    """Return the circuit of intervals, in integers of the scale of the weights: all lower ends, then all upper ones.

    Args:
        scores: The circuit of the outputs.
        reading: Of LARGEST, the ends are the first and the last class that may be the largest output.
        band: The guard band.

    Raises:
        ModelError: The outputs would be computed in another way, for which the guard band is not known.
    """
    intervals = candidates if reading is OutputReading.LARGEST else banded
    program = intervals(scores.program, band / 2.0**scores.param_scale)
    found = instantiate(program, 0, scores.param_scale, scores.clip, REBASE)
    if _arithmetic(found)[: len(scores.steps)] != _arithmetic(scores):
        raise ModelError("the outputs can't be compared without other roundings: multiply them by 1.5, or by 0.75")
    return found


def _arithmetic(circuit: Circuit) -> list[tuple[Any, ...]]:
    """Return what decides on the freedom of a prover, step by step."""
    return [
        (each.op.kind, each.op.inputs, each.op.output, each.scale, each.lifts, each.drop, each.reach)
        for each in circuit.steps
    ]


def settings_for(circuit: Circuit) -> Settings:
    """Return the settings of an approximate circuit. Its table has one column; of several, a prover might choose."""
    rows = table_rows(circuit.looked_up)
    base = max((base for base in BASES if base <= rows), default=BASES[0])
    legs = legs_for(base, circuit.decomposed)
    return Settings(0, circuit.param_scale, base, legs, k=least_k(0, max(base, rows)), rebase=circuit.rebase)


def _of_integers(program: Program, clip: int) -> Program:
    """Return a program that takes encoded rows instead of places in ranges, and anything negative as 0."""
    joined = join_first_layer(program)
    shape = (1, *joined.input_shape)
    raised, place = "claim_raised", "claim_places"
    first = (
        Op("Relu", (joined.input,), raised, "the data", shape),
        Op("Mul", (raised, "claim_step"), place, "the data", shape),
    )

    def renamed(op: Op) -> Op:
        return replace(op, inputs=tuple(place if name == joined.input else name for name in op.inputs))

    constants: dict[str, Any] = dict(joined.constants) | {"claim_step": np.full((1,) * len(shape), 1 / clip)}
    return replace(joined, ops=(*first, *map(renamed, joined.ops)), constants=constants)
