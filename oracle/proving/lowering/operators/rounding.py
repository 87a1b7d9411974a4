"""Rounding, divisions of whole numbers and remainders, exactly: a number is compared with power of two after power.

What is rounded has known bounds, so that a quotient has a known number of bits. Each comparison finds one of them. No
prover has a choice, as it would between two roundings of a division.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from onnx import TensorProto, helper

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var
from oracle.proving.lowering.table import handles, handles_each

MOST_BITS = 32
"""A quotient with more bits is not computed."""


@dataclass(frozen=True, slots=True)
class Quotient:
    """A division with rest: value = whole · divisor + rest, where the rest is not below 0, and below the divisor.

    Attributes:
        whole: The quotient, rounded down.
        rest: The rest.
        odd: 1 if the quotient is odd.
    """

    whole: Var
    rest: Var
    odd: Var


def divided(builder: ProgramBuilder, value: Var, divisor: Any) -> Quotient:
    """Divide a value by a constant.

    Args:
        builder: The builder.
        value: The value.
        divisor: One number, or one for each element; all above 0.

    Raises:
        OperatorRefused: The quotient may have too many bits, or has no bound.
    """
    by = np.asarray(divisor, dtype=np.float64)
    if not (by > 0).all():
        raise OperatorRefused("it divides by 0 or a negative number", "divide by a positive one")
    if not (math.isfinite(value.low) and math.isfinite(value.high)):
        raise OperatorRefused("it rounds a number that has no bound", "clip it before, or publish the value as it is")
    low, high = value.low, value.high
    least, largest = math.floor(low / by.min()) if low < 0 else 0, max(0, math.floor(high / by.min()))
    bits = max(1, largest.bit_length(), (-least - 1).bit_length() if least < 0 else 0)
    if bits > MOST_BITS:
        raise OperatorRefused(f"it rounds numbers of up to 2^{bits}", "clip them before, or publish the value as it is")
    # A negative number gets a multiple of the divisor that makes it positive, as in two's complement.
    offset = 2.0**bits if least < 0 else 0.0
    count = bits + (least < 0)
    rest = builder.binary("Add", value, by * offset) if offset else value
    whole: Var | None = None
    odd = rest
    for at in range(count - 1, -1, -1):
        odd = builder.binary("GreaterOrEqual", rest, by * 2.0**at)
        rest = builder.binary("Sub", rest, builder.binary("Mul", odd, by * 2.0**at))
        part = builder.binary("Mul", odd, np.array([2.0**at])) if at else odd
        whole = part if whole is None else builder.binary("Add", whole, part)
    assert whole is not None
    return Quotient(builder.binary("Sub", whole, np.array([offset])) if offset else whole, rest, odd)


def truncated(builder: ProgramBuilder, value: Var, divisor: Any) -> Var:
    """Divide a value by a constant, and round towards 0."""
    if value.low >= 0:
        return divided(builder, value, divisor).whole
    size = builder.emit("Abs", value, shape=value.shape)
    return _signed(builder, value, divided(builder, size, divisor).whole)


def _signed(builder: ProgramBuilder, value: Var, size: Var) -> Var:
    """Return a size with the sign of a value."""
    below = builder.binary("Less", value, builder.binary("Sub", value, value))
    twice = builder.binary("Mul", below, builder.binary("Add", size, size))
    return builder.binary("Sub", size, twice)


def _dividend(builder: ProgramBuilder, value: Var) -> tuple[Var, Any]:
    """Return of which division a value is the result; it is divided again, without a rounded factor."""
    found = builder.quotients.get(value.name)
    return found if found is not None else (value, np.ones(1))


def _negative(builder: ProgramBuilder, value: Var) -> Var:
    return builder.binary("Sub", builder.binary("Sub", value, value), value)


@handles_each("Floor", "Ceil", "Round")
def _rounded(operator: str, builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value, by = _dividend(builder, as_var(arguments[0], "input"))
    if operator == "Floor":
        return divided(builder, value, by).whole
    if operator == "Ceil":
        return _negative(builder, divided(builder, _negative(builder, value), by).whole)
    # Halves go to the even neighbour.
    found = divided(builder, value, by)
    half = by / 2
    above = builder.binary("Greater", found.rest, half)
    tie = builder.binary("Sub", builder.binary("GreaterOrEqual", found.rest, half), above)
    up = builder.binary("Add", above, builder.binary("Mul", tie, found.odd))
    return builder.binary("Add", found.whole, up)


@handles("Mod")
def _mod(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "dividend")
    by = np.asarray(as_constant(arguments[1], "divisor"), dtype=np.float64)
    if attributes.get("fmod"):
        size = value if value.low >= 0 else builder.emit("Abs", value, shape=value.shape)
        rest = divided(builder, size, np.abs(by)).rest
        return rest if value.low >= 0 else _signed(builder, value, rest)
    return divided(builder, value, by).rest


@handles("BitShift")
def _bit_shift(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    by = 2.0 ** np.asarray(as_constant(arguments[1], "number of bits"), dtype=np.float64)
    if attributes["direction"] == b"LEFT":
        kind = np.dtype(helper.tensor_dtype_to_np_dtype(builder.input_types[0] or TensorProto.UINT8))
        if value.high * float(by.max()) > np.iinfo(kind).max:
            raise OperatorRefused("it may shift ones out of its numbers", "clip before it, or multiply floats")
        return builder.binary("Mul", value, by)
    return divided(builder, value, by).whole
