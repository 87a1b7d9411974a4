"""Sums, means and extremes over axes."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import ProgramBuilder, Var, as_constant, as_var, axis_of
from oracle.proving.lowering.operators.moving import move
from oracle.proving.lowering.table import handles, handles_each


def reduce(builder: ProgramBuilder, value: Var, axes: Sequence[int], keepdims: bool, *, mean: bool) -> Var:
    """Append a sum, or a mean, over some axes; over all of them if none are given."""
    rank = len(value.shape)
    axes = tuple(sorted(axis_of(int(axis), rank) for axis in axes)) or tuple(range(rank))
    kept = tuple(1 if axis in axes else dim for axis, dim in enumerate(value.shape))
    result = builder.emit("ReduceSum", value, shape=kept, axes=axes)
    if mean:
        count = math.prod(value.shape[axis] for axis in axes)
        result = builder.binary("Mul", result, np.array([1 / count]))
    if keepdims:
        return result
    return builder.reshape(result, [dim for axis, dim in enumerate(value.shape) if axis not in axes])


@handles_each("ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL1")
def _sums(operator: str, builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    axes = arguments[1] if len(arguments) > 1 and arguments[1] is not None else attributes.get("axes", ())
    value = as_var(arguments[0], "input")
    if operator == "ReduceSumSquare":
        value = builder.binary("Mul", value, value)
    if operator == "ReduceL1":
        value = builder.emit("Abs", value, shape=value.shape)
    keep = bool(attributes.get("keepdims", 1))
    return reduce(builder, value, [int(axis) for axis in axes], keep, mean=operator == "ReduceMean")


def in_rounds(values: Sequence[Var], join: Callable[[Var, Var], Var]) -> Var:
    """Join values in pairs, and what comes of them in pairs again, round after round, until one is left."""
    left = list(values)
    while len(left) > 1:
        left = [join(*left[at : at + 2]) if at + 1 < len(left) else left[at] for at in range(0, len(left), 2)]
    return left[0]


def largest(builder: ProgramBuilder, values: Sequence[Var], *, smallest: bool = False) -> Var:
    """Append the largest, or the smallest, of several values of one shape, element by element."""
    return in_rounds(values, builder.minimum if smallest else builder.maximum)


@handles("ReduceProd")
def _product(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    given = arguments[1] if len(arguments) > 1 and arguments[1] is not None else attributes.get("axes", ())
    rank = len(value.shape)
    axes = tuple(sorted({axis_of(int(axis), rank) for axis in as_constant(given, "axes")})) or tuple(range(rank))
    result = in_rounds(parts_of(builder, value, axes), lambda first, second: builder.binary("Mul", first, second))
    if attributes.get("keepdims", 1):
        return result
    return builder.reshape(result, [dim for axis, dim in enumerate(value.shape) if axis not in axes])


def parts_of(builder: ProgramBuilder, value: Var, axes: tuple[int, ...]) -> list[Var]:
    """Return a value's parts along some axes, which each part has with one element."""
    numbered = np.arange(1, math.prod(value.shape) + 1).reshape(value.shape)
    kept = [1 if axis in axes else dim for axis, dim in enumerate(value.shape)]
    apart = np.moveaxis(numbered, axes, range(len(axes))).reshape(-1, *kept)
    return [move(builder, value, each, 0.0) for each in apart]


@handles_each("ReduceMax", "ReduceMin")
def _reduce_extreme(operator: str, builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    given = arguments[1] if len(arguments) > 1 and arguments[1] is not None else attributes.get("axes", ())
    rank = len(value.shape)
    axes = tuple(sorted({axis_of(int(axis), rank) for axis in as_constant(given, "axes")})) or tuple(range(rank))
    return extreme_over(builder, value, axes, bool(attributes.get("keepdims", 1)), smallest=operator == "ReduceMin")


@handles("GlobalMaxPool")
def _global_max_pool(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    return extreme_over(builder, value, tuple(range(2, len(value.shape))), True, smallest=False)


def extreme_over(builder: ProgramBuilder, value: Var, axes: tuple[int, ...], keepdims: bool, *, smallest: bool) -> Var:
    """Append the largest elements over some axes, or the smallest."""
    result = largest(builder, parts_of(builder, value, axes), smallest=smallest)
    if keepdims:
        return result
    return builder.reshape(result, [dim for axis, dim in enumerate(value.shape) if axis not in axes])
