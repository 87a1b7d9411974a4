"""Joining: what is done to each feature alone at a model's beginning becomes part of what first takes it.

A scaler divides by ranges and subtracts means. Rounded by themselves, its numbers would lose the small ones: a range of
200,000 leaves a factor of 0.000005. In the products with the weights of the layer that follows, they have a fair size,
and limits that a tree compares with are limits of the features themselves.

Features may differ in size by a million. With one scale for all, the small ones would be rounded away. So each may have
a power of two of its own, which is taken back in the same place.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from oracle.proving.lowering.program import COMPARISONS, Op, Program


def join_first_layer(program: Program) -> Program:
    """Return a program whose first layer takes the input itself, or the same program if there is nothing to join.

    Products with constants, sums and differences of one row are joined as far as each is used once; and with a matrix
    product, if one follows.
    """
    constants = dict(program.constants)
    width = program.features
    factor, offset, value, taken = _leading(program)
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


def with_own_scales(program: Program, shifts: Sequence[int]) -> Program | None:
    """Return a program whose windows have x · 2^shift of each feature x; None if it takes features in other ways.

    Features may be scaled one by one at first. Then they go into products with matrices of constants, or are compared
    with constants; or the scaling of all of them becomes one product and one sum.

    Args:
        program: The program. Its inputs are a row of features.
        shifts: One for each feature.
    """
    width = program.features
    if program.input_shape != (width,) or len(shifts) != width or program.output == program.input:
        return None
    constants = dict(program.constants)
    factor, offset, value, taken = _leading(program)
    if not taken and not any(shifts):
        return program
    if value == program.output or not factor.all():
        return None
    # The value is factor · u + offset, where u are the numbers in the window.
    factor = factor * 2.0 ** -np.array(shifts, dtype=np.float64)
    ops: list[Op] = []
    chosen: dict[str, np.ndarray] = {value: np.arange(width)}
    for op in program.ops[taken:]:
        held = [name for name in op.inputs if name in chosen]
        if not held:
            ops.append(op)
            continue
        made = _with_raw(op, held, chosen, program, constants, factor, offset)
        if made is None:
            if not taken:
                return None
            ops, constants = _scaled_first(program, value, taken, factor, offset)
            break
        ops += made
    ops = _without_double_sums(program, ops, constants)
    used = {name for op in ops for name in op.inputs}
    kept = {name: each for name, each in constants.items() if name in used}
    return replace(program, ops=tuple(ops), constants=kept, shifts=tuple(int(each) for each in shifts))


def _scaled_first(
    program: Program, value: str, taken: int, factor: np.ndarray, offset: np.ndarray
) -> tuple[list[Op], dict[str, Any]]:
    """Return operations that scale the features at once, before the others, and the constants."""
    node, shape = program.ops[0].node, (1, program.features)
    constants = dict(program.constants) | {"own_factor": factor, "own_offset": offset}
    names = ("own_product", value) if offset.any() else (value,)
    ops = [Op("Mul", (program.input, "own_factor"), names[0], node, shape)]
    if offset.any():
        ops.append(Op("Add", ("own_product", "own_offset"), value, node, shape))
    return [*ops, *program.ops[taken:]], constants


def _with_raw(
    op: Op,
    held: Sequence[str],
    chosen: dict[str, np.ndarray],
    program: Program,
    constants: dict[str, Any],
    factor: np.ndarray,
    offset: np.ndarray,
) -> list[Op] | None:
    """Return the operations that do with a window's numbers what one does with the features; None if none do."""
    features = chosen[held[0]]
    source = program.input if np.array_equal(features, np.arange(program.features)) else held[0]
    by, plus = factor[:, features], offset[:, features]
    is_output = program.output in (*held, op.output) and op.kind == "Gather"
    if op.kind == "Gather" and op.attributes["axis"] == 1 and len(op.shape) == 2 and not is_output:
        chosen[op.output] = features[np.asarray(op.attributes["indices"])]
        return [replace(op, inputs=(source,))]
    if len(held) != 1 or len(op.inputs) != 2:
        return None
    at = op.inputs.index(held[0])
    other = op.inputs[1 - at]
    if other not in constants:
        return None
    number = np.asarray(constants[other], dtype=np.float64)
    if _is_layer(op, held[0], constants):
        constants |= {f"{op.output}_raw": by.T * number}
        product = replace(op, inputs=(source, f"{op.output}_raw"))
        if not plus.any():
            return [product]
        constants |= {f"{op.output}_plus": plus @ number}
        return [
            replace(product, output=f"{op.output}_product"),
            Op("Add", (f"{op.output}_product", f"{op.output}_plus"), op.output, op.node, op.shape),
        ]
    if op.kind in COMPARISONS and op.shape == (1, len(features)) and number.size in (1, len(features)):
        is_negative = (by < 0).any()
        if is_negative and (by > 0).any():
            return None
        constants |= {f"{op.output}_raw": (number.reshape(1, -1) - plus) / by}
        names = (source, f"{op.output}_raw") if at == 0 else (f"{op.output}_raw", source)
        return [replace(op, kind=_OPPOSITE[op.kind] if is_negative else op.kind, inputs=names)]
    return None


def _without_double_sums(program: Program, ops: Sequence[Op], constants: dict[str, Any]) -> list[Op]:
    """Return operations in which a layer's bias and what was added to it before are one constant."""
    uses = Counter(name for op in ops for name in op.inputs)
    found: list[Op] = []
    for op in ops:
        before = found[-1] if found else None
        if (
            before is not None
            and before.kind == op.kind == "Add"
            and op.inputs[0] == before.output
            and uses[before.output] == 1
            and program.output != before.output
            and before.inputs[1] in constants
            and op.inputs[1] in constants
            and op.shape == before.shape
        ):
            both = f"{op.output}_both"
            constants[both] = constants[before.inputs[1]] + constants[op.inputs[1]]
            found[-1] = replace(op, inputs=(before.inputs[0], both))
            continue
        found.append(op)
    return found


_OPPOSITE = {"Greater": "Less", "Less": "Greater", "GreaterOrEqual": "LessOrEqual", "LessOrEqual": "GreaterOrEqual"}


def _leading(program: Program) -> tuple[np.ndarray, np.ndarray, str, int]:
    """Return what a program does to its features one by one at first: value = factor · features + offset.

    Returns:
        The factor [1, features], the offset [1, features], the value's name, and the number of operations that make it.
    """
    width = program.features
    factor, offset = np.ones((1, width)), np.zeros((1, width))
    value, taken = program.input, 0
    for op in program.ops:
        found = _affine(op, value, program.constants, width)
        if found is None or _uses(program, value) != 1:
            break
        factor, offset = factor * found[0], offset * found[0] + found[1]
        value, taken = op.output, taken + 1
    return factor, offset, value, taken


def _affine(op: Op, value: str, constants: Mapping[str, Any], width: int) -> tuple[Any, Any] | None:
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
