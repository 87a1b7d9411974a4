"""Ranges of a program's values, whatever its scales are: what operators need to know before any scale is chosen."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import numpy as np

from oracle.proving.lowering.functions import range_of_function
from oracle.proving.lowering.program import COMPARISONS, Op

Extent: TypeAlias = tuple[np.ndarray, np.ndarray]
"""The least and the largest of each element of a value."""

_NONE = (-math.inf, math.inf)


def range_of(kind: str, inputs: Sequence[Any], size: int, attributes: dict[str, Any]) -> tuple[float, float]:
    """Return bounds on the elements of an operation's result.

    Args:
        kind: One of `program.KINDS`.
        inputs: Values, with their own bounds, or arrays.
        size: Elements of the result.
        attributes: Those of the operation.
    """
    sides = [_sides(each) for each in inputs]
    (low, high), others = sides[0], sides[1:]
    if kind in COMPARISONS:
        return 0.0, 1.0
    match kind:
        case "Add":
            return low + others[0][0], high + others[0][1]
        case "Sub":
            is_same = inputs[0] is inputs[1] or getattr(inputs[0], "name", 0) == getattr(inputs[1], "name", 1)
            return (0.0, 0.0) if is_same else (low - others[0][1], high - others[0][0])
        case "Mul":
            return _product((low, high), others[0])
        case "Relu":
            return max(low, 0.0), max(high, 0.0)
        case "Abs":
            return (0.0 if low <= 0 <= high else min(abs(low), abs(high))), max(abs(low), abs(high))
        case "Concat":
            return min(each[0] for each in sides), max(each[1] for each in sides)
        case "Reshape" | "Transpose" | "Gather":
            return low, high
        case "Function":
            return range_of_function(attributes["name"])
        case "ReduceSum":
            times = max(1, _size(inputs[0]) // max(1, size))
            return low * times, high * times
        case "MatMul":
            return _sum_of_products(inputs, axis=-2)
        case "Conv":
            return _sum_of_products(inputs, axis=None)
    return _NONE


def extents(
    name: str,
    ops: Sequence[Op],
    constants: Mapping[str, np.ndarray],
    ranges: Mapping[str, tuple[float, float]],
    known: dict[str, Extent],
) -> Extent:
    """Return bounds on each element of a value of a program.

    Args:
        name: The value.
        ops: The program's operations.
        constants: Its constants.
        ranges: Bounds on all elements at once of each operation's result.
        known: Bounds that are known already; those that are found are added.
    """
    needed, makers = [], {op.output: op for op in ops}
    open_names, seen = [name], {name}
    while open_names:
        op = makers.get(open_names.pop())
        if op is None or op.output in known:
            continue
        needed.append(op.output)
        if op.kind in _FOLLOWED:
            open_names += [each for each in op.inputs if each not in seen]
            seen.update(op.inputs)
    wanted = set(needed)
    for op in ops:
        if op.output in wanted:
            known[op.output] = _extent(op, constants, ranges, known)
    if name in known:
        return known[name]
    return np.full(1, -math.inf), np.full(1, math.inf)


_FOLLOWED = {"Add", "Sub", "Mul", "Gather", "Reshape", "Transpose", "Concat"}


def _extent(
    op: Op,
    constants: Mapping[str, np.ndarray],
    ranges: Mapping[str, tuple[float, float]],
    known: Mapping[str, Extent],
) -> Extent:
    def side(name: str) -> Extent | None:
        if name in constants:
            return constants[name], constants[name]
        return known.get(name)

    least, most = ranges[op.output]
    whole = np.full(op.shape, least), np.full(op.shape, most)
    sides = [side(name) for name in op.inputs]
    if op.kind not in _FOLLOWED or any(each is None for each in sides):
        return whole
    lows, highs = ([each[at] for each in sides if each is not None] for at in (0, 1))
    match op.kind:
        case "Add":
            low, high = lows[0] + lows[1], highs[0] + highs[1]
        case "Sub":
            low, high = lows[0] - highs[1], highs[0] - lows[1]
        case "Mul":
            corners = [a * b for a in (lows[0], highs[0]) for b in (lows[1], highs[1])]
            low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
        case "Gather":
            low, high = (np.take(each, op.attributes["indices"], op.attributes["axis"]) for each in (lows[0], highs[0]))
        case "Reshape":
            low, high = lows[0].reshape(op.shape), highs[0].reshape(op.shape)
        case "Transpose":
            low, high = (each.transpose(op.attributes["perm"]) for each in (lows[0], highs[0]))
        case _:
            low, high = (np.concatenate(each, axis=op.attributes["axis"]) for each in (lows, highs))
    return np.maximum(np.nan_to_num(low, nan=least), least), np.minimum(np.nan_to_num(high, nan=most), most)


def is_whole(kind: str, inputs: Sequence[Any]) -> bool:
    """Return True if all elements of an operation's result are whole, whatever the window."""
    if kind in COMPARISONS:
        return True
    if kind == "Function":
        return False
    return all(
        each.whole if hasattr(each, "whole") else bool((np.asarray(each) == np.rint(each)).all()) for each in inputs
    )


def _sides(value: Any) -> tuple[float, float]:
    if hasattr(value, "low"):
        return value.low, value.high
    array = np.asarray(value, dtype=np.float64)
    return (float(array.min()), float(array.max())) if array.size else _NONE


def _size(value: Any) -> int:
    return math.prod(value.shape)


def _product(left: tuple[float, float], right: tuple[float, float]) -> tuple[float, float]:
    corners = [0.0 if a == 0 or b == 0 else a * b for a in left for b in right]
    return min(corners), max(corners)


def _sum_of_products(inputs: Sequence[Any], axis: int | None) -> tuple[float, float]:
    """Return bounds on sums of products with a column of a matrix, or with a part of a channel's kernel."""
    value, weights = inputs
    if hasattr(value, "low") and hasattr(weights, "low"):
        low, high = _product(_sides(value), _sides(weights))
        count = value.shape[-1]
        return (low * count, high * count)
    if not hasattr(value, "low") or not math.isfinite(value.low) or not math.isfinite(value.high):
        return _NONE
    array = np.asarray(weights, dtype=np.float64)
    ends = np.stack([array * value.low, array * value.high])
    if axis is None:
        # A kernel's taps may lie in the padding.
        least, most = (
            end.reshape(len(array), -1).sum(axis=1) for end in (np.minimum(ends.min(0), 0), np.maximum(ends.max(0), 0))
        )
    else:
        least, most = ends.min(axis=0).sum(axis=axis), ends.max(axis=0).sum(axis=axis)
    return float(least.min()), float(most.max())
