"""The search of an approximate circuit: the scale at which values are divided and functions looked up, then digits."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np

from oracle.core.errors import ModelError
from oracle.proving.approximate.domains import bounded, with_gains, with_squares_bounded
from oracle.proving.artifact import Visibility
from oracle.proving.artifact.circuit import table_rows
from oracle.proving.disclosure import decided_above, decided_largest
from oracle.proving.imported import Settings, legs_for
from oracle.proving.interface import Progress
from oracle.proving.lowering.program import Program
from oracle.proving.reference.circuit import APPROXIMATE_REBASE, Circuit
from oracle.proving.reference.instantiate import TooWide, instantiate
from oracle.proving.tuning.fidelity import Fidelity, FidelityGate
from oracle.proving.tuning.request import BASES, LEVELS, TABLE_BASES, Request, Rule

PUBLIC_VERDICTS = (
    "a public model that is approximate publishes its outputs, so that everybody can derive the guard band: leave out "
    "--disclosure verdict"
)

_ROOM = 1.5
"""The clip is this many times the largest input of the samples: what a prover may move is bounded over all windows
within the clip."""

_MANY = 0.1
"""Share of undecided samples that makes a finer scale worth its larger table."""


_AFFORDABLE = 1 << 15
"""Rows of a table beyond which no finer scale is tried once one has passed: a proof takes ten seconds then."""


def approximate_candidates(
    gate: FidelityGate, program: Program, segments: int, progress: Progress
) -> list[tuple[Circuit, Settings, int]]:
    """Return the settings of an approximate circuit that pass the gate: one scale, with several bases of digits.

    Args:
        gate: The gate that settings have to pass, with the samples.
        program: A program that looks functions up, or one whose integers end before it is near the float model.
        segments: Pieces of its smooth activations; 0 if it has none.
        progress: Called with each scale that is tried.

    Raises:
        ModelError: No scale passes.
    """
    request = gate.request
    scores = scores_gate(gate)
    passing: list[tuple[Circuit, Fidelity]] = []
    nearest: tuple[Fidelity, int, int] | None = None
    words = ""
    for level in LEVELS:
        progress(f"scales: {'functions' if program.looked_up else 'values'} at 2^-{level}")
        try:
            circuit = at_level(request, program, gate.samples, level)
        except ModelError as error:
            words = words or str(error)
            continue
        if request.visibility is Visibility.PRIVATE and not circuit.weights:
            continue
        fidelity = scores.fidelity(circuit)
        if nearest is None or fidelity.flips < nearest[0].flips:
            nearest = (fidelity, circuit.input_scale, circuit.param_scale)
        if fidelity.flips_per_10k > request.max_flips_per_10k:
            continue
        passing.append((circuit, fidelity))
        if fidelity.undecided <= _MANY * fidelity.samples or 4 * table_rows(circuit.looked_up) > _AFFORDABLE:
            break
    if not passing:
        if nearest is None:
            raise ModelError(f"{request.name}: no scales fit: {words}")
        raise ModelError(gate.refusal(*nearest))
    circuit, _ = min(passing, key=lambda each: (each[1].undecided, each[0].slack / 2.0 ** each[0].output_scale))
    if request.disclosure == "verdict":
        circuit = verdict_circuit(gate, program, circuit)
    found = []
    bases = TABLE_BASES if circuit.looked_up else BASES
    for base in bases if circuit.decomposed else (2,):
        settings = Settings(
            circuit.input_scale,
            circuit.param_scale,
            base,
            legs_for(base, circuit.decomposed),
            rebase=circuit.rebase,
            clip=circuit.clip,
        )
        found.append((circuit, settings, segments))
    return found


def scores_gate(gate: FidelityGate) -> FidelityGate:
    """Return a gate for the scores of a model that publishes verdicts."""
    request = replace(gate.request, disclosure="score")
    return FidelityGate(request, gate.verdict, gate.threshold, gate.samples, gate.expected)


def verdict_circuit(gate: FidelityGate, program: Program, circuit: Circuit) -> Circuit:
    """Return the circuit that publishes verdicts, with the guard band of the scores' circuit within it.

    Args:
        gate: The gate, which has the verdict's rule.
        program: The program of the scores.
        circuit: Its circuit.

    Raises:
        ModelError: The scores can't be compared with the float model's, or the band leaves all samples undecided.
    """
    if gate.verdict.rule is Rule.LABEL:
        raise ModelError(f"{gate.request.name}: a label has no guard band: publish the scores (--output)")
    errors = scores_gate(gate).fidelity(circuit).errors
    if not errors:
        raise ModelError(f"{gate.request.name}: its outputs can't be compared with the float model's: there is no band")
    unit = 2.0**circuit.output_scale
    # One unit more: the threshold is rounded.
    band = (circuit.slack + math.ceil(max(errors) * unit) + 1) / unit
    argmax = gate.verdict.rule is Rule.ARGMAX
    decided = decided_largest(program, band) if argmax else decided_above(program, gate.threshold, band)
    made = at_level(gate.request, decided, gate.samples, circuit.param_scale)
    if gate.fidelity(made).undecided == len(gate.samples):
        raise ModelError(
            f"{gate.request.name}: all {len(gate.samples)} samples are undecided: a prover could move outputs by up to "
            f"±{band:.2g}, which the guard band has to be, and no sample is that far from its threshold. Bound what is "
            "divided or looked up (smaller weights, features in a narrower range), or publish the outputs"
        )
    return made


def at_level(request: Request, program: Program, samples: np.ndarray, level: int) -> Circuit:
    """Return an approximate program's circuit at a scale of its functions.

    Args:
        request: Says how large an input may be.
        program: The program.
        samples: Floats, [count, features].
        level: The scale.

    Raises:
        ModelError: Values can exceed the circuit's integers, or a table is too large.
    """
    # The program takes features at scales of their own, if they differ in size.
    units = samples * 2.0 ** np.array(program.shifts or (0,), dtype=np.float64)
    largest = float(np.abs(units).max())
    if bool((units == np.rint(units)).all()) or largest == 0:
        scale = 0
    else:
        scale = max(0, min(level, math.floor(math.log2(request.clip / largest))))
    clip = min(request.clip, max(1, math.ceil(_ROOM * largest * 2.0**scale)))
    gained = with_gains(program, units)

    def made(bounds: Program) -> Circuit:
        return instantiate(bounded(bounds, units, level), scale, level, clip, APPROXIMATE_REBASE)

    try:
        return made(gained)
    except TooWide:
        return made(with_squares_bounded(gained, units))
