"""Tiny constants: a power of two is taken out of them, so that their rounding leaves more than zeros."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

import numpy as np

from oracle.proving.lowering.program import Op, Program

_LEAST = 2.0**-24
"""The largest of a constant's numbers is no smaller, or they are zeros: that is what the finest parameters resolve."""


def magnified(program: Program, param_scale: int) -> Program:
    """Return a program in which no product is with a constant that rounds to zeros alone: 2^-h comes after it.

    A product with 2^-h changes the scale of its result, and costs nothing. Constants that do not vanish stay as they
    are, and so do single powers of two, which are exact. So do kernels, which ezkl's reader would multiply by 2^-h.

    Args:
        program: The program.
        param_scale: Its constants will be rounded to multiples of 2^-param_scale.
    """
    constants = dict(program.constants)
    ops = [each for op in program.ops for each in _apart(op, constants, param_scale)]
    if len(ops) == len(program.ops):
        return program
    used = {name for op in ops for name in op.inputs}
    return replace(
        program, ops=tuple(ops), constants={name: array for name, array in constants.items() if name in used}
    )


def _apart(op: Op, constants: dict[str, Any], param_scale: int) -> list[Op]:
    """Return the operations that stand for one: itself, unless it multiplies by a tiny constant."""
    at = next((at for at, name in enumerate(op.inputs) if name in constants), None)
    if op.kind not in ("Mul", "MatMul") or len(op.inputs) != 2 or at is None:
        return [op]
    bits = _vanishing(op.inputs[at], constants, param_scale)
    if not bits:
        return [op]
    large, power = f"{op.inputs[at]}_by_{bits}", f"half_{bits}_of_{len(op.shape)}"
    constants[large] = constants[op.inputs[at]] * 2.0**bits
    constants[power] = np.full((1,) * len(op.shape), 2.0**-bits)
    names = tuple(large if index == at else name for index, name in enumerate(op.inputs))
    first = replace(op, inputs=names, output=f"{op.output}_by_{bits}")
    return [first, Op("Mul", (first.output, power), op.output, op.node, op.shape)]


def _vanishing(name: str, constants: Mapping[str, Any], param_scale: int) -> int:
    """Return h > 0 if a constant's rounding leaves zeros alone, so that 2^-h is to be taken out of it; else 0."""
    constant = constants[name]
    largest = float(np.abs(constant).max(initial=0))
    mantissa, exponent = math.frexp(largest)
    if not _LEAST <= largest < 2.0 ** -(param_scale + 1) or (constant.size == 1 and mantissa == 0.5):
        return 0
    return -exponent
