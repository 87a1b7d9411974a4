"""Bounds on every value of a circuit, and on how far a prover can take it from the reference."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from oracle.proving.lowering.program import COMPARISONS, FUNCTION
from oracle.proving.reference.arithmetic import STRUCTURAL, convolve, product
from oracle.proving.reference.functions import function_bounds, function_slack
from oracle.proving.reference.steps import IntegerStep


def bounds(step: IntegerStep, inputs: list[tuple[Any, Any]]) -> tuple[Any, Any, int, int]:
    """Bound an operation by interval arithmetic.

    Returns:
        The least result, the largest result, the largest magnitude on the way, and the largest magnitude that is taken
        apart.
    """
    op = step.op
    lows, highs = ([side[at] * (1 << lift) for side, lift in zip(inputs, step.lifts, strict=True)] for at in (0, 1))
    apart = 0
    sizes = [np.maximum(abs(low), abs(high)) for low, high in zip(lows, highs, strict=True)]
    way = max(int(size.max()) for size in sizes)
    if op.kind in STRUCTURAL:
        low, high = STRUCTURAL[op.kind](op, lows), STRUCTURAL[op.kind](op, highs)
    elif op.kind == "Add":
        low, high = lows[0] + lows[1], highs[0] + highs[1]
    elif op.kind == "Sub":
        same = op.inputs[0] == op.inputs[1]
        low, high = (lows[0] * 0, lows[0] * 0) if same else (lows[0] - highs[1], highs[0] - lows[1])
    elif op.kind == "Mul":
        corners = [a * b for a in (lows[0], highs[0]) for b in (lows[1], highs[1])]
        low, high = np.minimum.reduce(corners), np.maximum.reduce(corners)
        if op.inputs[0] == op.inputs[1]:
            low = np.maximum(low, 0)
    elif op.kind in ("MatMul", "Conv"):
        multiply = product if op.kind == "MatMul" else lambda a, b: convolve(a, b, op)
        middle = _total(multiply, sizes)
        way = max(way, middle)
        if (lows[1] == highs[1]).all():
            up, down = np.maximum(lows[1], 0), np.minimum(lows[1], 0)
            low = multiply(lows[0], up) + multiply(highs[0], down)
            high = multiply(highs[0], up) + multiply(lows[0], down)
        else:
            high = multiply(sizes[0], sizes[1])
            low = -high
    elif op.kind == "ReduceSum":
        axes = op.attributes["axes"]
        way = max(way, int(sizes[0].sum(axis=axes).max()))
        low, high = lows[0].sum(axis=axes, keepdims=True), highs[0].sum(axis=axes, keepdims=True)
    elif op.kind == "Relu":
        low, high, apart = np.maximum(lows[0], 0), np.maximum(highs[0], 0), way
    elif op.kind == FUNCTION:
        low, high, middle, apart = function_bounds(op.attributes["name"], lows[0], highs[0], step.scale)
        way = max(way, middle)
    elif op.kind == "Abs":
        straddles = (lows[0] < 0) & (highs[0] > 0)
        low = np.where(straddles.astype(bool), 0, np.minimum(abs(lows[0]), abs(highs[0])))
        high, apart = sizes[0], way
    else:
        difference = max(int(abs(highs[0] - lows[1]).max()), int(abs(lows[0] - highs[1]).max()))
        # What is taken apart is 4 times the difference, and up to 3 more or less; see `comparison.py`.
        apart = 4 * difference + 3
        way = max(way, apart)
        low = np.zeros(op.shape, dtype=object)
        high = low + 1
    largest = max(way, int(abs(low).max()), int(abs(high).max()))
    return low, high, largest, apart


def slack_of(step: IntegerStep, intervals: list[tuple[Any, Any]], slacks: list[Any]) -> Any:
    """Return how far each element of the result, before it is divided, can be from the reference's."""
    op = step.op
    given = [slack * (1 << lift) for slack, lift in zip(slacks, step.lifts, strict=True)]
    if op.kind in STRUCTURAL:
        return STRUCTURAL[op.kind](op, given)
    if op.kind in COMPARISONS:
        return np.where((given[0] + given[1] > 0).astype(bool), 1, 0).astype(object)
    if op.kind in ("Relu", "Abs"):
        return given[0]
    if op.kind == FUNCTION:
        return function_slack(op.attributes["name"], *intervals[0], given[0], step.scale)
    if op.kind == "ReduceSum":
        return given[0].sum(axis=op.attributes["axes"], keepdims=True)
    if op.kind in ("Add", "Sub"):
        same = op.kind == "Sub" and op.inputs[0] == op.inputs[1]
        return given[0] * 0 if same else given[0] + given[1]
    # Products. The intervals hold both the reference's values and the prover's: |ab − a'b'| ≤ |a| · δb + |b'| · δa.
    sizes = [
        np.maximum(abs(low), abs(high)) * (1 << lift) for (low, high), lift in zip(intervals, step.lifts, strict=True)
    ]
    if op.kind == "Mul":
        return sizes[0] * given[1] + sizes[1] * given[0]
    multiply = product if op.kind == "MatMul" else lambda a, b: convolve(a, b, op)
    return multiply(sizes[0], given[1]) + multiply(given[0], sizes[1])


def _total(multiply: Callable[[Any, Any], Any], sizes: list[Any]) -> int:
    """Return the largest sum of magnitudes, which no partial sum exceeds."""
    return int(multiply(sizes[0], abs(sizes[1])).max())
