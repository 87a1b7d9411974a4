"""The step from a program to a circuit: scales are applied, and every value is bounded."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from oracle.core.errors import ModelError
from oracle.proving.lowering.program import COMPARISONS, FUNCTION, Op, Program
from oracle.proving.reference.arithmetic import STRUCTURAL
from oracle.proving.reference.bounds import bounds, slack_of
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.functions import levelled, table_range
from oracle.proving.reference.narrower import blended, extreme_slack, narrowed, steepest
from oracle.proving.reference.normalised import Normalised
from oracle.proving.reference.reordered import reordered
from oracle.proving.reference.slopes import rounded_slopes
from oracle.proving.reference.steps import (
    EXACT_QUOTIENT_BITS,
    MAX_BITS,
    MAX_LIFT,
    IntegerStep,
    Reached,
    decomposed,
    decompositions,
    fingerprints,
)
from oracle.proving.reference.tiny import magnified


class TooCoarse(ModelError):
    """All weights round to 0 or 1 and fall away: only a larger parameter scale helps."""


class TooWide(ModelError):
    """Values can exceed the integers that ezkl divides exactly: smaller scales help, or bounds on what grows most."""


_LARGEST_INT64 = 2.0**62
"""Floats below it are converted to integers of 64 bits first, which is faster."""

_ALIGNED = COMPARISONS | {"Add", "Sub", "Concat"}


def instantiate(
    program: Program,
    input_scale: int,
    param_scale: int,
    clip: int,
    rebase: int = 0,
    *,
    most_bits: int = MAX_BITS,
    within: Reached | None = None,
) -> Circuit:
    """Return a program's circuit at chosen scales, with every value bounded over all clipped windows.

    Args:
        program: The program that the circuit is to compute.
        input_scale: Windows are integers, of this scale.
        param_scale: Constants are rounded to multiples of 2^-param_scale.
        clip: Largest magnitude of a window's integers.
        rebase: t: what gets a larger scale than t · param_scale is divided. 0: nothing is divided.
        most_bits: Bits that a value may have; give more only if narrower bounds are known than those of a box.
        within: The numbers that a window can have, flat, if they are known better than by the clip.

    Raises:
        ModelError: Values can exceed the circuit's integers, or those that ezkl divides exactly.
        TooCoarse: Nothing is left of the program at this scale of its constants.
    """
    if not (0 <= input_scale <= 20 and 1 <= param_scale <= 24 and clip >= 1):
        raise ModelError(
            f"input scale {input_scale}, parameter scale {param_scale}, clip {clip}: they must be 0 to 20, 1 to 24, "
            "and at least 1"
        )
    if rebase and not (1 <= rebase <= MAX_BITS and rebase * param_scale >= input_scale):
        raise ModelError(f"a rebase to {rebase} times parameter scale {param_scale} is below input scale {input_scale}")
    program = magnified(reordered(program, param_scale), param_scale)
    made = _Made(program, input_scale, param_scale, clip, rebase, most_bits, within)
    for op in made.operations():
        made.take(op)
    return made.circuit()


class _Made:
    """A circuit in the making: what is known of all values so far, by name.

    Args:
        program: The program, as ezkl's reader takes it.
        input_scale: Windows are integers, of this scale.
        param_scale: Constants are rounded to multiples of 2^-param_scale.
        clip: Largest magnitude of a window's integers.
        rebase: See `instantiate`.
        most_bits: Bits that a value may have.
        within: The numbers that a window can have, or None.
    """

    def __init__(
        self,
        program: Program,
        input_scale: int,
        param_scale: int,
        clip: int,
        rebase: int,
        most_bits: int,
        within: Reached | None,
    ) -> None:
        self._program = program
        self._given = (input_scale, param_scale, clip, rebase)
        self._one = 1 << param_scale
        self._level = rebase * param_scale
        self._most_bits = most_bits
        integers = {name: _round(constant, param_scale) for name, constant in program.constants.items()}
        self._integers = integers | rounded_slopes(program.ops, program.constants, integers, param_scale)
        self._aliases: dict[str, str] = {}
        self._scales = {program.input: input_scale, **dict.fromkeys(integers, param_scale)}
        self._shapes: dict[str, tuple[int, ...]] = {program.input: (1, *program.input_shape)}
        box = np.full((1, *program.input_shape), clip, dtype=object)
        self._intervals: dict[str, tuple[Any, Any]] = {program.input: (-box, box)}
        self._intervals |= {name: (constant, constant) for name, constant in self._integers.items()}
        self._slacks: dict[str, Any] = {
            name: np.zeros(low.shape, dtype=object) for name, (low, _) in self._intervals.items()
        }
        if within is not None:
            low, high, slack = (each.reshape(box.shape) for each in (within.low, within.high, within.slack))
            self._intervals[program.input], self._slacks[program.input] = (low, high), slack
        self._parts: dict[str, int] = {}
        self._steps: list[IntegerStep] = []
        self._makers: dict[str, IntegerStep] = {}
        self._normalised = Normalised(self._intervals, self._slacks)
        self._bound = clip

    def operations(self) -> Iterator[Op]:
        """Yield the program's operations, with those that scales and shapes make necessary."""
        spread = _spread(self._program.ops, self._integers, self._shapes, self._one)
        return levelled(spread, self._aliases, self._scales, self._level)

    def take(self, op: Op) -> None:
        """Take an operation: leave it off if it changes nothing, or make a step of it and bound its result."""
        names = [self._aliases.get(name, name) for name in op.inputs]
        kept = _neutral(op, names, self._integers, self._shapes, self._one)
        if kept is not None:
            self._aliases[op.output] = kept
            self._shapes[op.output] = op.shape
            return
        _, param_scale, _, rebase = self._given
        op = Op(op.kind, tuple(names), op.output, op.node, op.shape, op.attributes)
        op, scale, lifts = _scaled(op, self._program.constants, self._integers, self._scales, param_scale)
        # ezkl treats a product with a power of two as a change of scale alone, and never divides it.
        drop = max(0, scale - self._level) if rebase and op.kind != "Halve" else 0
        step = IntegerStep(op, scale - drop, lifts, drop)
        low, high, largest, apart = self._bounds(step)
        slack = self._slack(step)
        # ezkl may multiply what is joined part by part, and divides each product then.
        more = max(self._parts.get(name, 1) for name in op.inputs) - 1
        if drop:
            self._require_exact_quotients(op, largest)
            # Every quotient that the circuit accepts is within these bounds.
            low, high = (low >> drop) - 1 - more, -(-high >> drop) + 1 + more
            slack = ((3 * (1 << drop) + 2 * slack) >> (drop + 1)) + more
            # Both the remainder and the quotient are taken apart.
            apart = max(apart, 2 << drop, int(abs(low).max()), int(abs(high).max()))
        self._require_integers(op, largest)
        if rebase:
            # The reference's value and a prover's are both within the bounds.
            slack = np.minimum(slack, high - low)
        self._slacks[op.output], self._intervals[op.output] = slack, (low, high)
        self._scales[op.output], self._shapes[op.output] = step.scale, op.shape
        self._parts[op.output] = _parts(op, self._parts)
        if rebase:
            self._normalised.take(step, more)
        is_function = op.kind == FUNCTION
        step = replace(
            step,
            reach=max(int(abs(low).max()), int(abs(high).max())),
            largest=int(largest),
            apart=int(apart),
            table=table_range(op.attributes["name"], *self._intervals[op.inputs[0]]) if is_function else None,
            slack=int(slack.max()),
        )
        self._steps.append(step)
        self._makers[op.output] = step

    def _bounds(self, step: IntegerStep) -> tuple[Any, Any, int, int]:
        """Return what `bounds` does, with narrower bounds where more is known."""
        low, high, largest, apart = bounds(step, [self._intervals[name] for name in step.op.inputs])
        narrower = narrowed(step, self._makers, self._intervals)
        if narrower is not None:
            low, high = np.maximum(low, narrower[0]), np.minimum(high, narrower[1])
        quotient = self._normalised.quotient(step)
        if quotient is not None:
            low, high = np.maximum(low, -quotient[0]), np.minimum(high, quotient[0])
        return low, high, largest, apart

    def _slack(self, step: IntegerStep) -> Any:
        """Return how far a prover can take a result before it is divided: the least of what is known."""
        names, rebase = step.op.inputs, self._given[3]
        slack = slack_of(step, [self._intervals[name] for name in names], [self._slacks[name] for name in names])
        if not rebase:
            return slack
        if (steep := steepest(step, self._makers, self._intervals)) is not None:
            slack = np.minimum(slack, self._slacks[steep[0]] * steep[1])
        quotient = self._normalised.quotient(step)
        for other in (
            blended(step, self._makers, self._intervals, self._slacks),
            extreme_slack(step, self._makers, self._slacks),
            self._normalised.root_slack(step),
            None if quotient is None else quotient[1],
        ):
            slack = slack if other is None else np.minimum(slack, other)
        return slack

    def _require_lifts(self) -> None:
        """Raise ModelError if ezkl would lose a lift. A constant of one use is written anew at the right scale."""
        uses = Counter(name for step in self._steps for name in step.op.inputs * (1 + (step.op.kind in COMPARISONS)))
        for step in self._steps:
            for name, lift in zip(step.op.inputs, step.lifts, strict=True):
                if lift > MAX_LIFT and not (name in self._integers and uses[name] == 1):
                    input_scale, param_scale, _, _ = self._given
                    raise ModelError(
                        f"{step.op.node}: it joins values whose scales are 2^{lift} apart, and ezkl joins them up to "
                        f"2^{MAX_LIFT} (input scale {input_scale}, parameter scale {param_scale}). Use smaller scales"
                    )

    def _require_exact_quotients(self, op: Op, largest: int) -> None:
        if largest.bit_length() > EXACT_QUOTIENT_BITS:
            input_scale, param_scale, _, rebase = self._given
            raise TooWide(
                f"{op.node}: values can reach 2^{largest.bit_length()}, and a rebase divides exactly up to "
                f"2^{EXACT_QUOTIENT_BITS} (input scale {input_scale}, parameter scale {param_scale}, rebase "
                f"{rebase}). Use smaller scales"
            )

    def _require_integers(self, op: Op, largest: int) -> None:
        self._bound = max(self._bound, largest)
        if self._bound.bit_length() > self._most_bits:
            input_scale, param_scale, clip, _ = self._given
            raise ModelError(
                f"{op.node}: values can reach 2^{self._bound.bit_length()}, and a circuit's integers end at "
                f"2^{MAX_BITS} (input scale {input_scale}, parameter scale {param_scale}, inputs up to {clip}). Use "
                "smaller scales or a smaller clip; a model of many layers adds a parameter scale with each"
            )

    def circuit(self) -> Circuit:
        """Return the circuit of all operations.

        Raises:
            TooCoarse: There are none.
        """
        input_scale, param_scale, clip, rebase = self._given
        output = self._aliases.get(self._program.output, self._program.output)
        if not self._steps:
            raise TooCoarse(f"at parameter scale {param_scale} the model is its own input; use a larger one")
        self._require_lifts()
        reached = Reached(*(each.ravel() for each in (*self._intervals[output], self._slacks[output])))
        return Circuit(
            self._program,
            input_scale,
            param_scale,
            self._scales[output],
            clip,
            tuple(self._steps),
            self._integers,
            output,
            int(self._bound),
            decomposed(self._steps, fingerprints(self._integers)),
            decompositions(self._steps),
            rebase,
            int(self._slacks[output].max()),
            reached,
        )


def _parts(op: Op, parts: Mapping[str, int]) -> int:
    """Return of how many parts a result is joined."""
    if op.kind not in STRUCTURAL:
        return 1
    given = [parts.get(name, 1) for name in op.inputs]
    return sum(given) if op.kind == "Concat" else max(given)


def _spread(
    ops: Sequence[Op], integers: Mapping[str, Any], shapes: Mapping[str, tuple[int, ...]], one: int
) -> Iterator[Op]:
    """Yield the operations. A value gets its result's shape by itself where the constant that gives it has no effect.

    Sums with 0 and products with 1 are dropped, and a product with 0 becomes a difference of the value and itself.
    """
    for op in ops:
        pairs = ((0, 1), (1, 0)) if op.kind in ("Add", "Mul") else ((0, 1),) if op.kind == "Sub" else ()
        for at, other in pairs:
            value, constant = op.inputs[at], integers.get(op.inputs[other])
            if constant is None or not ((constant == 0).all() or (op.kind == "Mul" and (constant == one).all())):
                continue
            size = list(shapes[value])
            for axis, want in enumerate(op.shape):
                if size[axis] != want:
                    size[axis] = want
                    spread = f"{op.output}_over_{axis}"
                    first = {"axis": axis, "indices": np.zeros(want, dtype=np.int64)}
                    yield Op("Gather", (value,), spread, op.node, tuple(size), first)
                    value = spread
            op = replace(op, inputs=tuple(value if index == at else name for index, name in enumerate(op.inputs)))
            break
        yield op


def _round(constant: Any, scale: int) -> Any:
    """Return a constant as integer multiples of 2^-scale, rounded half away from zero, as ezkl does.

    The nearest 32-bit float comes first. A float of 2^23 or more at that scale is an integer already, and a smaller one
    rounds to less than 2^24. So the rounded constant is a 32-bit float again, and the graph has it exactly.
    """
    scaled = constant.astype(np.float32).astype(np.float64) * 2.0**scale
    rounded = np.sign(scaled) * np.floor(np.abs(scaled) + 0.5)
    if np.abs(rounded).max(initial=0) < _LARGEST_INT64:
        return rounded.astype(np.int64).astype(object)
    flat = [int(value) for value in rounded.ravel()]
    return np.array(flat, dtype=object).reshape(constant.shape)


def _neutral(
    op: Op,
    names: Sequence[str],
    integers: Mapping[str, Any],
    shapes: Mapping[str, tuple[int, ...]],
    one: int,
) -> str | None:
    """Return the operand that passes through a product with 1, or a sum with 0, unchanged; None otherwise.

    ezkl's reader of ONNX drops such operations, scale and all.
    """
    if op.kind not in ("Add", "Sub", "Mul"):
        return None
    for value, constant in ((names[0], names[1]), (names[1], names[0])):
        if constant not in integers or shapes.get(value) != op.shape or (op.kind == "Sub" and value != names[0]):
            continue
        neutral = one if op.kind == "Mul" else 0
        if (integers[constant] == neutral).all():
            return value
    return None


def _scaled(
    op: Op, constants: Mapping[str, Any], integers: Mapping[str, Any], scales: Mapping[str, int], param_scale: int
) -> tuple[Op, int, tuple[int, ...]]:
    """Return the operation, the scale of its result, and by how many bits its inputs are shifted."""
    given = [scales[name] for name in op.inputs]
    if op.kind == "Halve":
        return op, given[0] + int(op.attributes["by"]), (0,)
    if op.kind == "Mul":
        for value, constant in (op.inputs, op.inputs[::-1]):
            if constant not in integers:
                continue
            halvings = _halvings(constants[constant], integers[constant], param_scale)
            if halvings:
                # A power of two below 1 costs nothing: only the scale changes.
                return (
                    Op("Halve", (value,), op.output, op.node, op.shape, {"by": halvings}),
                    scales[value] + halvings,
                    (0,),
                )
            if not integers[constant].any():
                return Op("Sub", (value, value), op.output, op.node, op.shape), scales[value], (0, 0)
    if op.kind in _ALIGNED:
        most = max(given)
        return op, 0 if op.kind in COMPARISONS else most, tuple(most - each for each in given)
    if op.kind in ("Mul", "MatMul", "Conv"):
        return op, sum(given), (0,) * len(given)
    return op, given[0], (0,) * len(given)


def _halvings(constant: Any, integers: Any, param_scale: int) -> int:
    """Return h > 0 if a product with this constant is a product with 2^-h; else 0.

    ezkl sees it before it rounds the constant: a power that is too small for the parameters' scale is exact as well.
    """
    if integers.size != 1:
        return 0
    mantissa, exponent = math.frexp(float(constant.ravel()[0]))
    if mantissa == 0.5 and exponent < 1:
        return 1 - exponent
    only = int(integers.ravel()[0])
    return param_scale - only.bit_length() + 1 if 0 < only < 1 << param_scale and only & (only - 1) == 0 else 0
