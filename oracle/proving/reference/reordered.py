"""A program in another order, where ezkl's reader would make another graph of it. The numbers stay the same."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from oracle.proving.lowering.program import Op, Program

_NEAR = 1e-6
"""A weight that is nearer to 1/n may be taken for it by the reader, which allows less."""


def reordered(program: Program, param_scale: int) -> Program:
    """Return a program in which no sum of squares is followed by a product with 1/n: the product comes first.

    ezkl's reader fuses those three into a mean of squares, at another scale, and then finds no witness.

    Args:
        program: The program.
        param_scale: Its constants will be rounded to multiples of 2^-param_scale.
    """
    makers = {op.output: op for op in program.ops}
    constants = dict(program.constants)
    ops: list[Op] = []
    for op in program.ops:
        ops += _product_first(op, makers, constants, param_scale)
    used = {program.output}
    kept = []
    for op in reversed(ops):
        if op.output in used:
            used.update(op.inputs)
            kept.append(op)
    constants = {name: constant for name, constant in constants.items() if name in used}
    return replace(program, ops=tuple(reversed(kept)), constants=constants)


def _product_first(op: Op, makers: Mapping[str, Op], constants: dict[str, Any], param_scale: int) -> list[Op]:
    """Return the operations that stand for one: itself, unless it is the last of a mean of squares."""
    sides = (op.inputs, op.inputs[::-1]) if op.kind == "Mul" else ()
    for value, weight in sides:
        total = makers.get(value)
        is_reshaped = total is not None and total.kind == "Reshape"
        if total is not None and is_reshaped:
            total = makers.get(total.inputs[0])
        if total is None or total.kind != "ReduceSum" or weight not in constants:
            continue
        squares = makers.get(total.inputs[0])
        if squares is None or squares.kind != "Mul" or squares.inputs[0] != squares.inputs[1]:
            continue
        constant = constants[weight]
        number = float(np.rint(constant.ravel()[0] * 2.0**param_scale) / 2.0**param_scale)
        mean = 1 / math.prod(squares.shape[axis] for axis in total.attributes["axes"])
        exact = float(constant.ravel()[0])
        if constant.size != 1 or min(abs(number - mean), abs(exact - mean)) > _NEAR + 10 * _NEAR * mean:
            continue
        name, node = op.output, op.node
        flat = f"{weight}_of_{len(squares.shape)}"
        constants[flat] = constant.reshape((1,) * len(squares.shape))
        first = Op("Mul", (squares.output, flat), f"{name}_shares", node, squares.shape)
        if op.shape == total.shape:
            return [first, replace(total, inputs=(first.output,), output=name)]
        if math.prod(op.shape) != math.prod(total.shape):
            continue
        summed = replace(total, inputs=(first.output,), output=f"{name}_sum")
        return [first, summed, Op("Reshape", (summed.output,), name, node, op.shape)]
    return [op]
