"""Arithmetic, comparisons and logic, element by element."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant
from oracle.proving.lowering.operators.rounding import truncated
from oracle.proving.lowering.table import advice, handles, handles_each
from oracle.proving.lowering.types import INTEGERS


@handles_each("Add", "Sub", "Mul", "Greater", "Less", "GreaterOrEqual", "LessOrEqual")
def _binary(operator: str, builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return builder.binary(operator, arguments[0], arguments[1])


@handles("Equal")
def _equal(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    # ezkl's own gives 1 at the scale of what it compares, and so a fraction.
    sides = builder.binary("GreaterOrEqual", *arguments), builder.binary("LessOrEqual", *arguments)
    return builder.binary("Mul", *sides)


@handles("Sum")
def _sum(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    total = arguments[0]
    for each in arguments[1:]:
        total = builder.binary("Add", total, each)
    return total


@handles("Mean")
def _mean(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    total = _sum(builder, arguments, attributes)
    return total if len(arguments) == 1 else builder.binary("Mul", total, np.array([1 / len(arguments)]))


@handles("Div")
def _div(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    if isinstance(arguments[1], Var):
        raise OperatorRefused("it divides by a value", "compare products instead: a / b > t is a > t b for positive b")
    if not arguments[1].all():
        raise OperatorRefused("it divides by zero", "train or export the model again")
    if builder.input_types[0] in INTEGERS:
        return truncated(builder, arguments[0], arguments[1])
    result = builder.binary("Mul", arguments[0], 1.0 / arguments[1])
    if (arguments[1] > 0).all() and isinstance(arguments[0], Var) and result.shape == arguments[0].shape:
        builder.quotients[result.name] = (arguments[0], arguments[1])
    return result


@handles("Neg")
def _neg(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    # A constant zero would be hashed with the weights.
    zero = builder.binary("Sub", arguments[0], arguments[0])
    return builder.binary("Sub", zero, arguments[0])


@handles("Pow")
def _pow(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    exponent = as_constant(arguments[1], "exponent")
    if exponent.size != 1 or float(exponent.ravel()[0]) not in (1.0, 2.0, 3.0, 4.0):
        raise OperatorRefused("its exponent is not 1, 2, 3 or 4", advice("Pow"))
    result = arguments[0]
    for _ in range(int(exponent.ravel()[0]) - 1):
        result = builder.binary("Mul", result, arguments[0])
    return result


@handles("Where")
def _where(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    # b + c (a − b)
    condition, then, otherwise = arguments
    if not isinstance(then, Var) and not isinstance(otherwise, Var):
        difference: Any = then - otherwise
    else:
        difference = builder.binary("Sub", then, otherwise)
    return builder.binary("Add", builder.binary("Mul", condition, difference), otherwise)


@handles("And")
def _and(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return builder.binary("Mul", arguments[0], arguments[1])


@handles("Or")
def _or(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    both = builder.binary("Mul", arguments[0], arguments[1])
    return builder.binary("Sub", builder.binary("Add", arguments[0], arguments[1]), both)


@handles("Xor")
def _xor(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    # (a − b)², of 0 and 1
    difference = builder.binary("Sub", arguments[0], arguments[1])
    return builder.binary("Mul", difference, difference)


@handles("Not")
def _not(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return builder.binary("Sub", np.ones(1), arguments[0])
