"""The pieces of a circuit that is cut. Each is a circuit of its own, whose window is what the one before it publishes.

Segments publish a hash of what crosses a cut instead of its values. One value crosses as it is. Several are joined:
each as the integers that it is, whatever its scale, one after the other.

    … h, c ── flat, at one scale, joined ── hash ── taken apart, each at its own scale ── h, c …

So segments compute with the same integers as the whole, and a chain of them publishes what one circuit would have
published. A prover who may choose between roundings has in the chain the choices that it had in the whole: the bounds
on all values, which allow for these choices, are those of the whole.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, TypeAlias

import numpy as np

from oracle.proving.cost import Estimate
from oracle.proving.imported import ImportedModel, Settings
from oracle.proving.lowering.program import FUNCTION, Op, Program
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.steps import IntegerStep, decomposed, decompositions, fingerprints

WINDOW, INPUT, JOINED = "cut_window", "cut_input", "cut_joined"
"""Names of the window that a segment takes apart, of the whole's input in it, and of what it joins for the next one."""


_Moved: TypeAlias = tuple[str, tuple[int, ...], dict[str, Any]]
"""Kind, shape and attributes of an operation that moves integers about."""


def crossings(circuit: Circuit) -> dict[int, tuple[str, ...]]:
    """Return the steps before which a circuit can be cut, each with the names of the values that cross there, as made.

    Where the input alone crosses, or where the output is made already, is no cut. Nor can a circuit that is rebased be
    cut between operations whose bounds follow from all of them (`reference/narrower.py`), or where a value has a scale
    at which ezkl would divide what is joined.
    """
    last = {circuit.output: len(circuit.steps)}
    for at, step in enumerate(circuit.steps):
        last |= {name: at for name in step.op.inputs if name not in circuit.constants and name != circuit.output}
    makers = {step.op.output: step for step in circuit.steps}
    found = {}
    alive = [circuit.program.input]
    for at, step in enumerate(circuit.steps):
        alive = [name for name in alive if last.get(name, -1) >= at]
        names = tuple(alive)
        is_end = names == (circuit.program.input,) or circuit.output in names
        if at and not is_end and not (circuit.rebase and any(_is_tied(name, makers, circuit.level) for name in names)):
            found[at] = names
        alive.append(step.op.output)
    return found


def _is_tied(name: str, makers: Mapping[str, IntegerStep], level: int) -> bool:
    """Return True if a value of a rebased circuit has to be in one segment with what is made of it."""

    def is_difference(value: str) -> bool:
        return value in makers and makers[value].op.kind == "Sub"

    maker = makers.get(name)
    if maker is None:
        return False
    is_part = maker.op.kind in ("Relu", "Mul") and any(is_difference(value) for value in maker.op.inputs)
    return is_part or is_difference(name) or maker.scale > level


def cuts(circuit: Circuit) -> list[int]:
    """Return the steps before which a circuit can be cut; see `crossings`."""
    return list(crossings(circuit))


@dataclass(frozen=True, slots=True)
class _Value:
    """The bounds of a value; see `IntegerStep`."""

    scale: int
    shape: tuple[int, ...]
    reach: int
    slack: int

    @property
    def size(self) -> int:
        return math.prod(self.shape)


def piece(circuit: Circuit, start: int, end: int) -> Circuit:
    """Return the steps from `start` to before `end` as a circuit.

    Args:
        circuit: The whole circuit.
        start: 0, or one of `cuts`.
        end: One of `cuts`, or the number of steps.
    """
    program, ends = circuit.program, crossings(circuit)
    # A segment's graph has an input of its own.
    given = INPUT if start else program.input
    values = {given: _Value(circuit.input_scale, program.input_shape, circuit.clip, 0)}
    for step in circuit.steps:
        values[step.op.output] = _Value(step.scale, step.op.shape[1:], step.reach, step.slack)

    def own(names: Sequence[str]) -> tuple[str, ...]:
        return tuple(given if name == program.input else name for name in names)

    steps: list[IntegerStep] = []
    first, last = given, circuit.output
    if start:
        first = _take_apart(own(ends[start]), values, steps)
    for step in circuit.steps[start:end]:
        steps.append(step if given == program.input else replace(step, op=replace(step.op, inputs=own(step.op.inputs))))
    if end < len(circuit.steps):
        last = _join(own(ends[end]), values, steps)
    constants = {name for step in steps for name in step.op.inputs if name in circuit.constants}
    integers = {name: circuit.constants[name] for name in sorted(constants)}
    part = Program(
        input=first,
        input_shape=values[first].shape,
        output=last,
        output_shape=values[last].shape if end < len(circuit.steps) else program.output_shape,
        ops=tuple(step.op for step in steps),
        constants={name: program.constants[name] for name in sorted(constants)},
        looked_up=_looked_up(program, steps),
    )
    return Circuit(
        program=part,
        input_scale=values[first].scale,
        param_scale=circuit.param_scale,
        output_scale=values[last].scale,
        clip=values[first].reach,
        steps=tuple(steps),
        constants=integers,
        output=last,
        bound=max(values[first].reach, *(step.largest for step in steps)),
        decomposed=decomposed(steps, fingerprints(integers)),
        decompositions=decompositions(steps),
        rebase=circuit.rebase,
        slack=values[last].slack if end < len(circuit.steps) else circuit.slack,
    )


def _looked_up(program: Program, steps: Sequence[IntegerStep]) -> tuple[str, ...]:
    """Return the nodes of these steps that no exact circuit has."""
    nodes = {step.op.node for step in steps if step.op.kind == FUNCTION}
    return tuple(each for each in program.looked_up if each in nodes) or tuple(sorted(nodes))


def _take_apart(names: Sequence[str], values: dict[str, _Value], steps: list[IntegerStep]) -> str:
    """Append the steps that take values out of a segment's window, and return the window's name."""
    if len(names) == 1:
        return names[0]
    given = [values[name] for name in names]
    total = sum(each.size for each in given)
    values[WINDOW] = _Value(0, (total,), max(each.reach for each in given), max(each.slack for each in given))
    at = 0
    for name, value in zip(names, given, strict=True):
        indices = np.arange(at, at + value.size)
        ops: list[_Moved] = [("Gather", (value.size,), {"axis": 1, "indices": indices})]
        ops += [("Reshape", value.shape, {})] * (len(value.shape) != 1)
        # A window has integers without a scale. This says at which scale they are.
        ops += [("Halve", value.shape, {"by": value.scale})] * (value.scale > 0)
        _append(steps, WINDOW, name, f"{name}_taken", ops, replace(value, scale=0))
        at += value.size
    return WINDOW


def _join(names: Sequence[str], values: dict[str, _Value], steps: list[IntegerStep]) -> str:
    """Append the steps that join values for the next segment, and return the result's name."""
    if len(names) == 1:
        return names[0]
    given = [values[name] for name in names]
    most, total = max(each.scale for each in given), sum(each.size for each in given)
    joined = _Value(most, (total,), max(each.reach for each in given), max(each.slack for each in given))
    parts = []
    for name, value in zip(names, given, strict=True):
        ops: list[_Moved] = []
        ops += [("Reshape", (value.size,), {})] * (len(value.shape) != 1)
        # The integers stay what they are; only their scale becomes that of the others.
        ops += [("Halve", (value.size,), {"by": most - value.scale})] * (value.scale < most)
        parts.append(f"{name}_joined" if ops else name)
        _append(steps, name, parts[-1], parts[-1], ops, value)
    op = Op("Concat", tuple(parts), JOINED, "cut", (1, total), {"axis": 1})
    steps.append(IntegerStep(op, most, (0,) * len(parts), 0, joined.reach, joined.reach, slack=joined.slack))
    values[JOINED] = joined
    return JOINED


def _append(
    steps: list[IntegerStep],
    first: str,
    last: str,
    between: str,
    ops: Sequence[_Moved],
    value: _Value,
) -> None:
    """Append operations that follow each other. None changes an integer."""
    scale = value.scale
    for at, (kind, shape, attributes) in enumerate(ops):
        name = last if at == len(ops) - 1 else f"{between}_{at}"
        scale += attributes.get("by", 0)
        op = Op(kind, (first,), name, "cut", (1, *shape), attributes)
        steps.append(IntegerStep(op, scale, (0,), 0, value.reach, value.reach, slack=value.slack))
        first = name


def window_scale(circuit: Circuit, names: Sequence[str]) -> int:
    """Return the scale of a window in which these values cross: none if there are several."""
    scales = {step.op.output: step.scale for step in circuit.steps}
    return scales[names[0]] if len(names) == 1 else 0


@dataclass(frozen=True)
class SegmentModel(ImportedModel):
    """A segment of a split model, as `artifact.build` takes it.

    Attributes:
        hashed: Its ends that are published as hashes: "input", "output" or both.
        inputs: What the whole model's windows have become where it begins; the first is that of the first proof.
        errors: The largest errors of the outputs, if it is the last one, and the whole is not exact.
    """

    hashed: tuple[str, ...] = ()
    inputs: tuple[tuple[int, ...], ...] = ()
    errors: tuple[float, ...] = ()

    @property
    def largest_input(self) -> int:
        """The largest magnitude in a window. No clip limits a hashed window, which is a value of the model."""
        return self.circuit.bound if "input" in self.hashed else super().largest_input

    def run_args(self) -> dict[str, Any]:
        """Return ezkl's arguments for digits, columns and k, and for the ends that are hashed."""
        return {**super().run_args(), **{f"{end}_visibility": "hashed" for end in self.hashed}}

    def windows(self) -> Sequence[tuple[int, ...]]:
        """Return the whole model's windows, as they are where this segment begins."""
        return self.inputs or super().windows()

    def measured_errors(self) -> tuple[float, ...]:
        """Return the largest errors of the whole model's outputs; none of what is published as a hash."""
        return self.errors


@dataclass(frozen=True, slots=True)
class Segment:
    """One segment of a plan.

    Attributes:
        start: Its first step.
        end: The step behind its last one.
        nodes: The ONNX nodes of its first and its last step.
        circuit: Its circuit.
        settings: Settings of its circuit.
        cost: Estimated cost, from rows that ezkl counted.
    """

    start: int
    end: int
    nodes: tuple[str, str]
    circuit: Circuit
    settings: Settings
    cost: Estimate


@dataclass(frozen=True, slots=True)
class Plan:
    """A plan of how a model is cut.

    Attributes:
        segments: The segments, in order.
        lanes: Segments that are proven at once.
        seconds: Estimated time until all are proven.
    """

    segments: tuple[Segment, ...]
    lanes: int
    seconds: float

    @property
    def memory(self) -> int:
        """Estimated bytes that the largest proofs take which are made at once."""
        return sum(sorted((each.cost.memory for each in self.segments), reverse=True)[: self.lanes])


def segment_models(
    plan: Plan,
    name: str,
    windows: Sequence[tuple[int, ...]],
    disclosure: str = "score",
    errors: tuple[float, ...] = (),
) -> list[SegmentModel]:
    """Return the segments as models to build.

    Args:
        plan: The cuts.
        name: The whole model's name.
        windows: The whole model's windows, for the first proofs and the corners.
        disclosure: What the last segment publishes, "score" or "verdict"; the others publish hashes.
        errors: The largest errors of the whole's outputs, if it is not exact.
    """
    found = []
    inputs = [tuple(each) for each in windows]
    last = len(plan.segments) - 1
    for at, segment in enumerate(plan.segments):
        hashed = ("input",) * (at > 0) + ("output",) * (at < last)
        model = SegmentModel(
            f"{name}-{at:02}",
            segment.circuit,
            segment.settings,
            disclosure=disclosure if at == last else "score",
            hashed=hashed,
            inputs=tuple(dict.fromkeys(inputs)),
            errors=errors if at == last and disclosure == "score" else (),
        )
        found.append(model)
        inputs = [tuple(int(value) for value in row) for row in segment.circuit.evaluate(inputs).tolist()]
    return found
