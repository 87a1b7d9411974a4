"""The pieces of a circuit that is cut. Each is a circuit of its own, whose window is what the one before it publishes.

A cut is a place where one value crosses, and nothing else. Segments publish that value's hash instead of the value.
They compute with the same integers as the whole, so a chain of them publishes what one circuit would have published.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from oracle.core.errors import ModelError
from oracle.proving.cost import Estimate
from oracle.proving.imported import ImportedModel, Settings
from oracle.proving.lowering.program import Program
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.steps import decomposed, decompositions, fingerprints


def cuts(circuit: Circuit) -> list[int]:
    """Return the steps before which a circuit can be cut.

    At a cut one value crosses, and that value is neither the circuit's input nor its output.
    """
    last: dict[str, int] = {circuit.output: len(circuit.steps)}
    for at, step in enumerate(circuit.steps):
        for name in step.op.inputs:
            if name not in circuit.constants:
                last[name] = max(last.get(name, 0), at)
    found = []
    made = {circuit.program.input: -1}
    for at, step in enumerate(circuit.steps):
        alive = [name for name in made if last.get(name, -1) >= at]
        if len(alive) == 1 and alive[0] not in (circuit.program.input, circuit.output):
            found.append(at)
        made[step.op.output] = at
    return found


def piece(circuit: Circuit, start: int, end: int) -> Circuit:
    """Return the steps from `start` to before `end` as a circuit.

    Args:
        circuit: The whole circuit.
        start: 0, or one of `cuts`.
        end: One of `cuts`, or the number of steps.

    Raises:
        ModelError: The circuit rebases: the next segment would not bound what a prover may choose in this one.
    """
    if circuit.rebase:
        raise ModelError("a circuit that is rebased can't be cut: choose scales with which nothing is divided")
    steps = circuit.steps[start:end]
    program = circuit.program
    scales = {program.input: circuit.input_scale} | {step.op.output: step.scale for step in circuit.steps}
    shapes = {program.input: program.input_shape} | {step.op.output: step.op.shape[1:] for step in circuit.steps}
    reaches = {program.input: circuit.clip} | {step.op.output: step.reach for step in circuit.steps}
    first = program.input if start == 0 else crossing(circuit, start)
    last = circuit.output if end == len(circuit.steps) else crossing(circuit, end)
    constants = {name for step in steps for name in step.op.inputs if name in circuit.constants}
    integers = {name: circuit.constants[name] for name in sorted(constants)}
    part = Program(
        input=first,
        input_shape=shapes[first],
        output=last,
        output_shape=shapes[last] if end < len(circuit.steps) else program.output_shape,
        ops=tuple(step.op for step in steps),
        constants={name: program.constants[name] for name in sorted(constants)},
    )
    return Circuit(
        program=part,
        input_scale=scales[first],
        param_scale=circuit.param_scale,
        output_scale=scales[last],
        clip=reaches[first],
        steps=steps,
        constants=integers,
        output=last,
        bound=max(reaches[first], *(step.largest for step in steps)),
        decomposed=decomposed(steps, fingerprints(integers)),
        decompositions=decompositions(steps),
    )


def crossing(circuit: Circuit, at: int) -> str:
    """Return the name of the value that crosses a cut: the latest one that is used behind it."""
    used = {name for step in circuit.steps[at:] for name in step.op.inputs} | {circuit.output}
    return next(step.op.output for step in reversed(circuit.steps[:at]) if step.op.output in used)


def piece_scale(circuit: Circuit, at: int) -> int:
    """Return the scale of the value that crosses a cut."""
    name = crossing(circuit, at)
    return next(step.scale for step in circuit.steps if step.op.output == name)


@dataclass(frozen=True)
class SegmentModel(ImportedModel):
    """A segment of a split model, as `artifact.build` takes it.

    Attributes:
        hashed: Its ends that are published as hashes: "input", "output" or both.
        inputs: What the whole model's windows have become where it begins; the first is that of the first proof.
    """

    hashed: tuple[str, ...] = ()
    inputs: tuple[tuple[int, ...], ...] = ()

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
    plan: Plan, name: str, windows: Sequence[tuple[int, ...]], disclosure: str = "score"
) -> list[SegmentModel]:
    """Return the segments as models to build.

    Args:
        plan: The cuts.
        name: The whole model's name.
        windows: The whole model's windows, for the first proofs and the corners.
        disclosure: What the last segment publishes, "score" or "verdict"; the others publish hashes.
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
        )
        found.append(model)
        inputs = [tuple(int(value) for value in row) for row in segment.circuit.evaluate(inputs).tolist()]
    return found
