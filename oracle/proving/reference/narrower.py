"""Narrower bounds than interval arithmetic finds, of values that several operations make together.

Interval arithmetic forgets that two operands are the same number. A selection b + c (a − b) would triple its bounds, so
that a tree's values doubled with each level, and a sigmoid's would grow with its argument. What these forms can really
reach is known exactly, from the numbers themselves. They are found in a program's operations, whoever wrote them, so
that a circuit that is read back has the same bounds.

    Add(Mul(c, Sub(a, b)), b)                    with c from 0 to 1: between a and b
    Sub(a, Mul(c, a))                            with c of 0 and 1: between a and 0
    Add(Relu(Sub(a, b)), b)                      the larger of a and b
    Sub(a, Relu(Sub(a, b)))                      the smaller of a and b
    MatMul(Relu(Sub(x, corners)), changes)       a piecewise linear function of x
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.proving.reference.steps import IntegerStep

_BEYOND = 0.25
"""A number that is further than this from the range 0 to 1 is no share."""

Intervals = Mapping[str, tuple[Any, Any]]


def narrowed(step: IntegerStep, makers: Mapping[str, IntegerStep], intervals: Intervals) -> tuple[Any, Any] | None:
    """Return bounds on a result before it is divided, or None if the operation is of no form that is known.

    Args:
        step: The operation.
        makers: The operations before it, by their results.
        intervals: Bounds on all values and constants so far.
    """
    if step.op.kind == "Add":
        return _selected(step, makers, intervals)
    if step.op.kind == "Sub":
        product = makers.get(step.op.inputs[1])
        if product is not None and product.op.kind == "Mul" and not product.drop and not any(step.lifts):
            value = step.op.inputs[0]
            for bit, other in (product.op.inputs, product.op.inputs[::-1]):
                if other == value and _is_bit(bit, intervals):
                    low, high = intervals[value]
                    return np.minimum(low, 0), np.maximum(high, 0)
        apart = _difference(step.op.inputs[1], makers, through="Relu")
        if apart is not None and apart.op.inputs[0] == step.op.inputs[0] and not any(step.lifts[1:]):
            return _both(apart, intervals, np.minimum)
    if step.op.kind == "MatMul":
        return _piecewise(step, makers, intervals)
    return None


def extreme_slack(step: IntegerStep, makers: Mapping[str, IntegerStep], slacks: Mapping[str, Any]) -> Any | None:
    """Return how far a prover can take the larger, or the smaller, of two values; None if an operation is neither.

    It is no further than the one that is taken further.
    """
    for at, kept in ((0, 1), (1, 1)) if step.op.kind == "Add" else ((1, 0),) if step.op.kind == "Sub" else ():
        apart = _difference(step.op.inputs[at], makers, through="Relu")
        if apart is None or apart.op.inputs[kept] != step.op.inputs[1 - at] or step.lifts[at]:
            continue
        sides = [slacks[name] * (1 << lift) for name, lift in zip(apart.op.inputs, apart.lifts, strict=True)]
        return np.broadcast_to(np.maximum(*sides), step.op.shape)
    return None


def steepest(step: IntegerStep, makers: Mapping[str, IntegerStep], intervals: Intervals) -> Any:
    """Return the steepest slopes of a piecewise linear function, one for each result, and its argument; else None."""
    found = _argument(step, makers, intervals)
    if found is None:
        return None
    argument, lift, corners = found
    order = np.argsort(corners.astype(np.float64), kind="stable")
    slopes = np.cumsum(intervals[step.op.inputs[1]][0][order], axis=0)
    return argument, np.abs(slopes).max(axis=0) * (1 << lift)


@dataclass(frozen=True, slots=True)
class _Blend:
    """An addition that makes b + c (a − b), for c between 0 and 1 or a little beyond.

    Attributes:
        apart: The difference.
        share: Name of c.
        beyond: How far c can be below 0 or above 1.
        is_divided: True if the product is rounded.
    """

    apart: IntegerStep
    share: str
    beyond: float
    is_divided: bool


def _blend(step: IntegerStep, makers: Mapping[str, IntegerStep], intervals: Intervals) -> _Blend | None:
    """Return the parts of Add(Mul(c, Sub(a, b)), b), or None."""
    for at in (0, 1):
        other, name = step.op.inputs[at], step.op.inputs[1 - at]
        product = makers.get(name)
        # A difference has the larger scale of its two sides, so only b may be lifted.
        if product is None or product.op.kind != "Mul" or step.lifts[1 - at]:
            continue
        for share, difference in (product.op.inputs, product.op.inputs[::-1]):
            apart, maker = _difference(difference, makers), makers.get(share)
            if apart is None or maker is None or apart.op.inputs[1] != other or product.scale != apart.scale:
                continue
            # The product has the scale of the difference: what was divided away is the scale of c.
            one = 1 << product.drop
            low, high = intervals[share]
            beyond = max(0, -int(low.min()), int(high.max()) - one) / one
            if maker.scale == product.drop and beyond <= _BEYOND:
                return _Blend(apart, share, beyond, product.drop > 0)
    return None


def blended(
    step: IntegerStep, makers: Mapping[str, IntegerStep], intervals: Intervals, slacks: Mapping[str, Any]
) -> Any | None:
    """Return how far a prover can take b + c (a − b); None if an operation is of another form.

    The shares of a and b add up to 1, so that their slacks do not add up. What c is off counts with the difference.
    """
    blend = _blend(step, makers, intervals) if step.op.kind == "Add" else None
    if blend is None:
        return None
    (a, b), (lift_a, lift_b) = blend.apart.op.inputs, blend.apart.lifts
    sides = np.maximum(slacks[a] * (1 << lift_a), slacks[b] * (1 << lift_b))
    low, high = intervals[blend.apart.op.output]
    most = np.maximum(abs(low), abs(high))
    one = 1 << makers[blend.share].scale
    # Twice what is beyond, and one for each of the two roundings; all rounded up.
    extra = int(2 * blend.beyond * (1 << 20)) + 1
    found = sides + (sides * extra >> 20) + -(-(most * slacks[blend.share]) // one) + 2
    return np.broadcast_to(found, step.op.shape)


def _selected(step: IntegerStep, makers: Mapping[str, IntegerStep], intervals: Intervals) -> tuple[Any, Any] | None:
    """Return the bounds of Add(…, b), where … is made from a − b."""
    for at in (0, 1):
        other, name = step.op.inputs[at], step.op.inputs[1 - at]
        apart = _difference(name, makers, through="Relu")
        if apart is not None and apart.op.inputs[1] == other and not step.lifts[1 - at]:
            return _both(apart, intervals, np.maximum)
    blend = _blend(step, makers, intervals)
    if blend is None:
        return None
    least, most = _both(blend.apart, intervals, np.minimum)[0], _both(blend.apart, intervals, np.maximum)[1]
    low, high = intervals[blend.apart.op.output]
    reach = np.maximum(abs(low), abs(high))
    more = (reach * int(blend.beyond * (1 << 20) + 1) >> 20) + 2 if blend.is_divided or blend.beyond else 0 * reach
    return np.broadcast_to(least - more, step.op.shape), np.broadcast_to(most + more, step.op.shape)


def _is_bit(name: str, intervals: Intervals) -> bool:
    low, high = intervals[name]
    return bool((low >= 0).all() and (high <= 1).all())


def _difference(name: str, makers: Mapping[str, IntegerStep], through: str = "") -> IntegerStep | None:
    """Return the difference that a value is, or of which it is made by one operation."""
    step = makers.get(name)
    if through:
        if step is None or step.op.kind != through or step.drop:
            return None
        step = makers.get(step.op.inputs[0])
    return step if step is not None and step.op.kind == "Sub" and not step.drop else None


def _both(apart: IntegerStep, intervals: Intervals, pick: Any) -> tuple[Any, Any]:
    """Return the bounds of the larger, or the smaller, of the two sides of a difference, at its scale."""
    (low_a, high_a), (low_b, high_b) = (
        tuple(side * (1 << lift) for side in intervals[name])
        for name, lift in zip(apart.op.inputs, apart.lifts, strict=True)
    )
    return pick(low_a, low_b), pick(high_a, high_b)


def _argument(
    step: IntegerStep, makers: Mapping[str, IntegerStep], intervals: Intervals
) -> tuple[str, int, Any] | None:
    """Return the argument of a piecewise linear function, by how much it is lifted, and the lifted corners."""
    if step.op.kind != "MatMul" or step.op.inputs[1] in makers:
        return None
    apart = _difference(step.op.inputs[0], makers, through="Relu")
    if apart is None:
        return None
    argument, corners = apart.op.inputs
    if corners in makers or argument not in intervals or corners not in intervals or argument == corners:
        return None
    (low, _), (at, at_most) = intervals[argument], intervals[corners]
    if at is not at_most or low.shape[-1:] != (1,) or at.size != at.shape[-1]:
        return None
    return argument, apart.lifts[0], at.ravel() * (1 << apart.lifts[1])


def _piecewise(step: IntegerStep, makers: Mapping[str, IntegerStep], intervals: Intervals) -> tuple[Any, Any] | None:
    found = _argument(step, makers, intervals)
    if found is None:
        return None
    argument, lift, corners = found
    changes = intervals[step.op.inputs[1]][0]
    low, high = (side * (1 << lift) for side in intervals[argument])
    # A piecewise linear function is extreme at the ends or at a corner between them.
    ends = [np.matmul(np.maximum(side - corners, 0), changes) for side in (low, high)]
    at_corners = np.matmul(np.maximum(corners[:, None] - corners, 0), changes)
    is_between = ((corners > low) & (corners < high)).astype(bool)
    least, most = np.minimum(*ends), np.maximum(*ends)
    for column in range(changes.shape[-1]):
        within = np.where(is_between, at_corners[:, column], ends[0][..., column, None])
        least[..., column] = np.minimum(least[..., column], within.min(axis=-1))
        most[..., column] = np.maximum(most[..., column], within.max(axis=-1))
    return least.reshape(step.op.shape), most.reshape(step.op.shape)
