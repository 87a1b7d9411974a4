"""Logarithms of sums of exponentials, as the density of a mixture has them.

Of two numbers it is the larger one, and ln(1 + exp(−|a − b|)) more: between 0 and ln 2. That part is piecewise linear.
It is convex, so the pieces lie above it, by at most `excess`. More numbers are taken in pairs, round after round. The
result of a round differs from the exact one by no more than its own excess and that of the rounds before, because the
logarithm of a sum never differs by more than its terms do. So the whole is exact up to `excess` for each round.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var, axis_of
from oracle.proving.lowering.operators.activations import knots
from oracle.proving.lowering.operators.reductions import in_rounds, parts_of
from oracle.proving.lowering.table import handles

_FAR = 10.0
"""ln(1 + exp(−x)) is 0.00005 there, and counts as 0 from there on."""


def _more(distance: float) -> float:
    return math.log1p(math.exp(-distance))


def corners(segments: int) -> list[tuple[float, float]]:
    """Return the corners of ln(1 + exp(−x)) from 0 on, which ends in 0."""
    *others, (last, _) = knots(_more, 0.0, _FAR, segments)
    return [*others, (last, 0.0)]


def excess(segments: int) -> float:
    """Return the largest difference between ln(1 + exp(−x)) and its pieces, before their numbers are rounded."""
    largest = _more(_FAR)
    for (x0, y0), (x1, y1) in pairwise(corners(segments)):
        slope = (y1 - y0) / (x1 - x0)
        # Farthest apart where the curve has the slope of the piece: −1 / (1 + exp(x)).
        at = math.log(-1 / slope - 1) if -0.5 < slope < 0 else x0
        at = min(max(at, x0), x1)
        largest = max(largest, abs(y0 + slope * (at - x0) - _more(at)))
    return largest


@handles("ReduceLogSumExp")
def _log_of_sum(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    given = arguments[1] if len(arguments) > 1 and arguments[1] is not None else attributes.get("axes", ())
    rank = len(value.shape)
    axes = tuple(sorted({axis_of(int(axis), rank) for axis in as_constant(given, "axes")})) or tuple(range(rank))
    if attributes.get("noop_with_empty_axes") and not np.size(given):
        raise OperatorRefused("it reduces nothing", "leave it off")
    result = _sum(builder, parts_of(builder, value, axes))
    if attributes.get("keepdims", 1):
        return result
    return builder.reshape(result, [dim for axis, dim in enumerate(value.shape) if axis not in axes])


def _sum(builder: ProgramBuilder, values: Sequence[Var]) -> Var:
    result = in_rounds(values, lambda first, second: _pair(builder, first, second))
    rounds = (len(values) - 1).bit_length()
    if rounds:
        builder.approximated.append(f"{builder.node}, at most {rounds * excess(builder.segments):.2g} above")
    return result


def _pair(builder: ProgramBuilder, first: Var, second: Var) -> Var:
    apart = builder.emit("Abs", builder.binary("Sub", first, second), shape=first.shape)
    more = builder.piecewise(apart, corners(builder.segments), 0.0, 0.0)
    return builder.binary("Add", builder.maximum(first, second), more)
