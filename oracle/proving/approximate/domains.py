"""Domains: the arguments for which a function is looked up. Others are moved to the nearest one that is.

A table has a row for each argument, so it can't hold all that interval arithmetic allows. The domain of each function
is what its arguments are on the samples, and as much again on both sides. It is part of the circuit: every window has a
proof, and no prover chooses what happens outside. A reciprocal or a root has no table: it is only kept away from 0.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import numpy as np

from oracle.proving.lowering.functions import FUNCTIONS, float_result
from oracle.proving.lowering.program import CHECKED, FUNCTION, GAIN, Op, Program
from oracle.proving.reference.arithmetic import compute, product
from oracle.proving.reference.steps import IntegerStep

_AT_ONCE = 64
"""Samples that are evaluated at once."""

_WIDER = 0.5
"""Share of the samples' range by which a domain is wider on each side."""

_MOST_GAIN = 16
"""Bits of the largest gain, and of the smallest."""

_STEP = 1 / 8
"""Ends of domains are multiples of it: every scale of parameters that is tried has them exactly."""


def float_values(program: Program, samples: Any) -> Iterator[dict[str, Any]]:
    """Yield the values of a program in floats, by name, for some samples at a time.

    Args:
        program: The program. The arguments of its functions are not bounded yet.
        samples: Floats, [count, features].
    """
    for at in range(0, len(samples), _AT_ONCE):
        some = np.asarray(samples[at : at + _AT_ONCE], dtype=np.float64)
        values: dict[str, Any] = {name: np.asarray(constant) for name, constant in program.constants.items()}
        values[program.input] = some.reshape(len(some), *program.input_shape)
        for op in program.ops:
            given = [values[name] for name in op.inputs]
            if op.kind == FUNCTION:
                values[op.output] = float_result(op.attributes["name"], given[0])
            else:
                values[op.output] = compute(IntegerStep(op, 0, (0,) * len(given)), given, product)
        yield values


def with_gains(program: Program, samples: Any) -> Program:
    """Return a program in which what is standardised is of about size 1: gains are powers of two instead of 1.

    Args:
        program: The program.
        samples: Floats, [count, features].
    """
    gained = [op for op in program.ops if op.attributes.get(GAIN) == 1]
    if not gained:
        return program
    squares = {op.output: np.zeros(0) for op in gained}
    for values in float_values(program, samples):
        for op in gained:
            given = values[op.inputs[0]]
            squares[op.output] = np.append(squares[op.output], (given**2).mean(axis=tuple(range(1, given.ndim))))
    constants = dict(program.constants)
    ops: list[Op] = []
    gain = 1.0
    for op in program.ops:
        if power := op.attributes.get(GAIN):
            if power == 1:
                # The usual deviation becomes 1: the reciprocal of a larger one, and the root of a smaller, are coarse.
                usual = float(np.median(squares[op.output]))
                gain = 2.0 ** max(-_MOST_GAIN, min(_MOST_GAIN, -round(math.log2(usual) / 2))) if usual else 1.0
            value, constant = op.inputs
            name = f"{op.output}_gain"
            constants[name] = constants[constant] * gain**power
            op = replace(op, inputs=(value, name))
        ops.append(op)
    return replace(program, ops=tuple(ops), constants=constants)


def bounded(program: Program, samples: Any, level: int) -> Program:
    """Return a program in which the argument of every function is kept within a domain.

    Args:
        program: The program.
        samples: Floats, [count, features].
        level: Scale of the functions' results. A domain ends where they change no more at this scale.
    """
    functions = [op for op in program.ops if op.kind == FUNCTION]
    if not functions:
        return program
    least = {op.output: math.inf for op in functions}
    most = {op.output: -math.inf for op in functions}
    for values in float_values(program, samples):
        for op in functions:
            given = values[op.inputs[0]]
            finite = given[np.isfinite(given)]
            if finite.size:
                least[op.output] = min(least[op.output], float(finite.min()))
                most[op.output] = max(most[op.output], float(finite.max()))
    ops: list[Op] = []
    constants = dict(program.constants)
    for op in program.ops:
        if op.kind == FUNCTION:
            low, high = domain_of(op.attributes["name"], least[op.output], most[op.output], level)
            domain = max(low, op.attributes.get("least", low)), min(high, op.attributes.get("most", high))
            op = _kept_within(op, domain, ops, constants)
        ops.append(op)
    return replace(program, ops=tuple(ops), constants=constants)


def with_squares_bounded(program: Program, samples: Any) -> Program:
    """Return a program in which what is squared is kept within its range on the samples, and half as much again.

    Nothing grows as squares do: behind a few layers, interval arithmetic allows squares that no circuit can divide.

    Args:
        program: The program.
        samples: Floats, [count, features].
    """
    squared = {op.inputs[0] for op in program.ops if op.kind == "Mul" and op.inputs[0] == op.inputs[1]}
    ends = {op.output: (math.inf, -math.inf) for op in program.ops if op.output in squared}
    for values in float_values(program, samples) if ends else ():
        for name, (low, high) in ends.items():
            ends[name] = min(low, float(values[name].min())), max(high, float(values[name].max()))
    ops: list[Op] = []
    constants = dict(program.constants)
    for op in program.ops:
        if op.output not in ends:
            ops.append(op)
            continue
        low, high = ends[op.output]
        by = max(_WIDER * (high - low), _STEP)
        free = replace(op, output=f"{op.output}_free")
        ops.append(free)
        low, high = math.floor((low - by) / _STEP) * _STEP, math.ceil((high + by) / _STEP) * _STEP
        _within(free.output, op, (low, high), ops, constants)
        ops[-1] = replace(ops[-1], output=op.output)
    return replace(program, ops=tuple(ops), constants=constants)


def domain_of(name: str, least: float, most: float, level: int) -> tuple[float, float]:
    """Return the domain of a function whose arguments on the samples are between two numbers.

    Args:
        name: A name of `FUNCTIONS`.
        least: The least argument.
        most: The largest argument.
        level: Scale of the function's results.
    """
    function = FUNCTIONS[name]
    flat = function.flat * (level + 2) * math.log(2) if function.flat else math.inf
    if least > most:
        least, most = 0.0, 1.0
    by = max(_WIDER * (most - least), _STEP)
    low, high = least - by, most + by
    if least > 0 and (function.is_open or name in CHECKED):
        # What has no value at 0 is kept away from it, by a factor instead of a distance.
        low = max(low, 2.0 ** (math.floor(math.log2(least)) - 1))
    elif most < 0 and name == "Reciprocal":
        high = min(high, -(2.0 ** (math.floor(math.log2(-most)) - 1)))
    low, high = max(low, function.low, -flat), min(high, function.high, flat if function.is_bounded else math.inf)
    low = low if abs(low) < _STEP else math.floor(low / _STEP) * _STEP
    high = high if abs(high) < _STEP else math.ceil(high / _STEP) * _STEP
    if function.is_open:
        edge = 2.0**-6
        low, high = max(low, function.low + (edge if low <= function.low else 0)), high
        high = high - edge if high >= function.high else high
    return low, max(high, low + 2.0**-6)


def _ends(name: str, low: float, high: float) -> tuple[float, float]:
    """Return the ends of a function's domain that its argument is kept within: infinite where there is no need.

    Functions without a table have results far out, too, and are only kept away from 0.
    """
    if name not in CHECKED or low < 0 < high:
        return low, high
    return (low, math.inf) if low >= 0 else (-math.inf, high)


def _kept_within(op: Op, domain: tuple[float, float], ops: list[Op], constants: dict[str, Any]) -> Op:
    """Append the operations that keep a function's argument within a domain, and return the function of them."""
    ends = _ends(op.attributes["name"], *domain)
    return replace(op, inputs=(_within(op.inputs[0], op, ends, ops, constants),))


def _within(value: str, op: Op, ends: tuple[float, float], ops: list[Op], constants: dict[str, Any]) -> str:
    """Append the operations that keep a value within finite ends, and return the name of what they make.

    They are high − relu(high − (low + relu(x − low))): interval arithmetic sees that the result is within.

    Args:
        value: The value's name.
        op: An operation of the same shape, for which they are.
        ends: The least and the largest result.
        ops: The operations so far.
        constants: The constants so far.
    """
    shape = op.shape
    low, high = ends

    def append(kind: str, inputs: tuple[str, ...], step: str) -> str:
        ops.append(Op(kind, inputs, f"{op.output}_{step}", op.node, shape))
        return f"{op.output}_{step}"

    def constant(end: float) -> str:
        name = f"end_{end!r}_{len(shape)}"
        constants[name] = np.full((1,) * len(shape), end, dtype=np.float64)
        return name

    if math.isfinite(low):
        above = append("Relu", (append("Sub", (value, constant(low)), "over"),), "above")
        value = append("Add", (above, constant(low)), "raised")
    if math.isfinite(high):
        below = append("Relu", (append("Sub", (constant(high), value), "room"),), "below")
        value = append("Sub", (constant(high), below), "within")
    return value
