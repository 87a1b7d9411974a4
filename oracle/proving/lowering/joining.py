"""Joining: what is done to each feature alone at a model's beginning becomes part of its first layer.

A scaler divides by ranges and subtracts means. Rounded by themselves, its numbers would lose the small ones: a range of
200,000 leaves a factor of 0.000005. In the products with the weights of the layer that follows, they have a fair size.
"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np

from oracle.proving.lowering.program import Op, Program


def join_first_layer(program: Program) -> Program:
    """Return a program whose first layer takes the input itself, or the same program if there is nothing to join.

    Products with constants, sums and differences of one row are joined as far as each is used once; and with a matrix
    product, if one follows.
    """
    constants = dict(program.constants)
    width = program.features
    factor, offset = np.ones((1, width)), np.zeros((1, width))
    value, taken = program.input, 0
    for op in program.ops:
        found = _affine(op, value, constants, width)
        if found is None or _uses(program, value) != 1:
            break
        factor, offset = factor * found[0], offset * found[0] + found[1]
        value, taken = op.output, taken + 1
    rest = list(program.ops[taken:])
    if not taken or (taken == 1 and not (rest and _is_layer(rest[0], value, constants))):
        return program
    constants |= {"joined_factor": factor, "joined_offset": offset}
    first = rest[0] if rest else None
    node = program.ops[0].node
    if first is not None and _is_layer(first, value, constants) and _uses(program, value) == 1:
        weights = np.asarray(constants[first.inputs[1]], dtype=np.float64)
        constants |= {"joined_factor": factor.T * weights, "joined_offset": offset @ weights}
        kind, shape, output, rest = "MatMul", first.shape, first.output, rest[1:]
        bias = _affine(rest[0], output, constants, shape[-1]) if rest and rest[0].kind == "Add" else None
        if bias is not None and _uses(program, output) == 1:
            constants["joined_offset"] = constants["joined_offset"] + bias[1]
            output, rest = rest[0].output, rest[1:]
    else:
        kind, shape, output = "Mul", (1, width), value
    ops = (
        Op(kind, (program.input, "joined_factor"), "joined", node, shape),
        Op("Add", ("joined", "joined_offset"), output, node, shape),
        *rest,
    )
    used = {name for op in ops for name in op.inputs}
    return replace(program, ops=ops, constants={name: each for name, each in constants.items() if name in used})


def _affine(op: Op, value: str, constants: dict[str, Any], width: int) -> tuple[Any, Any] | None:
    """Return factor and offset of an operation on each number of a row alone, or None."""
    if op.kind not in ("Mul", "Add", "Sub") or op.shape != (1, width) or op.inputs.count(value) != 1:
        return None
    (other,) = (name for name in op.inputs if name != value)
    if other not in constants:
        return None
    number = np.broadcast_to(np.asarray(constants[other], dtype=np.float64), (1, width))
    if op.kind == "Mul":
        return number, 0.0
    if op.kind == "Add":
        return 1.0, number
    return (1.0, -number) if op.inputs[0] == value else (-1.0, number)


def _is_layer(op: Op, value: str, constants: dict[str, Any]) -> bool:
    return (
        op.kind == "MatMul"
        and op.inputs[0] == value
        and op.inputs[1] in constants
        and constants[op.inputs[1]].ndim == 2
    )


def _uses(program: Program, value: str) -> int:
    return sum(op.inputs.count(value) for op in program.ops) + (program.output == value)
