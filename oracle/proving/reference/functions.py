"""Functions that a circuit looks up or checks: their integer results, bounds, and how far a prover can move them."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from oracle.core.errors import ModelError
from oracle.proving.lowering.functions import FUNCTIONS
from oracle.proving.lowering.program import CHECKED, FUNCTION, Op

LARGEST_TABLE = 1 << 22
"""Rows of the largest table that is tried."""

MOST_SCALE = 16
"""The largest scale of arguments and results; products of two, and a bit more, are divided as floats exactly."""

_MOST_COMPARED = 1 << 26

_TOO_LARGE = 2.0**62
"""Results of this size are no integers of 64 bits any more, or hardly."""


def results(name: str, values: Any, scale: int) -> Any:
    """Return a function's results for integers at a scale, as integers at the same scale, as ezkl computes them.

    Args:
        name: A name of `FUNCTIONS`.
        values: Integers, as an array of any type.
        scale: Scale of arguments and results.

    Raises:
        ModelError: The function has no result for one of them, or one too large for ezkl's integers.
    """
    unit = 2.0**scale
    arguments = np.asarray(values).astype(np.float64)
    with np.errstate(all="ignore"):
        if name == "Reciprocal":
            # ezkl's epsilon is half a unit, so that 1 / 0 is twice the reciprocal of the least number.
            made = unit * (1.0 / np.where(arguments == 0, 0.5 / unit, arguments / unit))
        else:
            made = unit * FUNCTIONS[name].evaluate(arguments / unit)
    if not np.isfinite(made).all():
        at = float(arguments.ravel()[int(np.argmin(np.isfinite(made).ravel()))]) / unit
        raise ModelError(f"{name} has no value at {at:g}: use a larger parameter scale, or other samples")
    if (sizes := np.abs(made)).max(initial=0) >= _TOO_LARGE:
        at = float(arguments.ravel()[int(np.argmax(sizes))]) / unit
        raise ModelError(
            f"{name} is too large at {at:g} for the integers of a circuit: use features in a narrower range"
        )
    rounded = np.sign(made) * np.floor(sizes + 0.5)
    if np.asarray(values).dtype == object:
        flat = [int(each) for each in rounded.ravel()]
        return np.array(flat, dtype=object).reshape(rounded.shape)
    return rounded.astype(np.asarray(values).dtype)


@lru_cache(maxsize=16)
def _table(name: str, scale: int, low: int, high: int) -> Any:
    if high - low >= LARGEST_TABLE:
        raise ModelError(
            f"{name} would be looked up in a table of {high - low + 1:,} rows, and {LARGEST_TABLE:,} are the most: "
            "its argument has too wide a range at this scale"
        )
    return results(name, np.arange(low, high + 1, dtype=np.int64), scale)


def table_range(name: str, low: Any, high: Any) -> tuple[int, int] | None:
    """Return the least and the largest argument of a function's table; None if it has none."""
    return None if name in CHECKED else (int(low.min()), int(high.max()))


def function_bounds(name: str, low: Any, high: Any, scale: int) -> tuple[Any, Any, int, int]:
    """Bound a function by its argument's interval.

    Args:
        name: A name of `FUNCTIONS`.
        low: The least arguments.
        high: The largest arguments.
        scale: Scale of arguments and results.

    Returns:
        The least results, the largest, the largest magnitude on the way, and the largest that is taken apart.
    """
    size = max(int(abs(low).max()), int(abs(high).max()))
    if name == "Sqrt":
        least, most = results(name, low, scale), results(name, high, scale) + 1
        under = max(0, -int(low.min())) << scale
        return (
            np.maximum(least - 1, 0),
            most,
            (size << scale) + 4 * int(most.max()) + 8,
            max(under, 4 * int(most.max()) + 8) + 4,
        )
    if name == "Reciprocal":
        ends = [results(name, each, scale) for each in (low, high)]
        least, most = np.minimum(*ends) - 1, np.maximum(*ends) + 1
        crosses = ((low <= 0) & (high >= 0)).astype(bool)
        limit = 2 << (2 * scale)
        least = np.where(crosses, np.where((low < 0).astype(bool), -limit, least), least)
        most = np.where(crosses, limit, most)
        reach = max(int(abs(least).max()), int(abs(most).max()))
        return least, most, (1 << (2 * scale)) + 4 * size + 4, max(reach + 1, 4 * size + 4)
    table = _table(name, scale, int(low.min()), int(high.max()))
    if FUNCTIONS[name].is_increasing:
        least, most = results(name, low, scale), results(name, high, scale)
    else:
        least, most = (np.full(low.shape, int(each), dtype=object) for each in (table.min(), table.max()))
    return least, most, max(size, int(abs(table).max())), 0


def function_slack(name: str, low: Any, high: Any, slack: Any, scale: int) -> Any:
    """Return how far each result can be from the reference's, if the argument can be `slack` from the reference's.

    Args:
        name: A name of `FUNCTIONS`.
        low: The least arguments, whatever a prover chooses.
        high: The largest arguments, whatever a prover chooses.
        slack: By how much a prover can move each argument.
        scale: Scale of arguments and results.
    """
    if name == "Reciprocal":
        nearest = np.where(((low <= 0) & (high >= 0)).astype(bool), 0, np.minimum(abs(low), abs(high)))
        moved = [
            0 if each == 0 else _moved_reciprocal(int(each), int(near), scale)
            for each, near in zip(np.ravel(slack), np.ravel(nearest), strict=True)
        ]
        # The circuit accepts the nearest result, or one step beside it.
        return np.array(moved, dtype=object).reshape(slack.shape) + 1
    if name == "Sqrt":
        moved = [
            0 if each == 0 else _moved_root(int(each), max(0, int(near)), scale)
            for each, near in zip(np.ravel(slack), np.ravel(low), strict=True)
        ]
        return np.array(moved, dtype=object).reshape(slack.shape) + 1
    table = _table(name, scale, int(low.min()), int(high.max()))
    steps = sorted({int(each) for each in np.ravel(slack)})
    moves = {each: _moved_in_table(table, each) for each in steps}
    return np.array([moves[int(each)] for each in np.ravel(slack)], dtype=object).reshape(slack.shape)


def _moved_reciprocal(by: int, nearest: int, scale: int) -> int:
    """Return by how much 2^(2 · scale) / x moves with x, of which no value is nearer to 0 than `nearest`."""
    if nearest == 0:
        return 4 << (2 * scale)
    steepest = -(-(by << (2 * scale)) // (nearest * (nearest + by)))
    return min(steepest, -(-(2 << (2 * scale)) // nearest)) + 1


def _moved_root(by: int, least: int, scale: int) -> int:
    """Return by how much √(x · 2^scale) moves with x, of which no value is below `least`."""
    unit = 1 << scale
    return int(np.ceil(np.sqrt((least + by) * unit) - np.sqrt(least * unit))) + 1


def _moved_in_table(table: Any, by: int) -> int:
    """Return the largest difference of two entries that are at most `by` apart."""
    if by == 0 or len(table) < 2:
        return 0
    if by >= len(table) - 1:
        return int(table.max() - table.min())
    if by * len(table) > _MOST_COMPARED:
        # Entries in one of two neighbouring blocks of this length are compared: more than are near each other.
        blocks = [table[at : at + 2 * by + 1] for at in range(0, len(table), by)]
        return max(int(block.max() - block.min()) for block in blocks)
    windows = np.lib.stride_tricks.sliding_window_view(table, by + 1)
    return int((windows.max(axis=1) - windows.min(axis=1)).max())


def levelled(ops: Iterable[Op], aliases: Mapping[str, str], scales: Mapping[str, int], level: int) -> Iterator[Op]:
    """Yield operations, and before each function those that bring its argument to the scale of the rebase.

    Args:
        ops: The operations.
        aliases: Names that stand for others, filled in as operations are taken.
        scales: Scales by name, filled in as operations are taken.
        level: Scale of the rebase; 0 if nothing is divided.

    Raises:
        ModelError: There is a function, and nothing is divided, or the scale is too large.
    """
    for op in ops:
        if op.kind != FUNCTION:
            yield op
            continue
        if not 0 < level <= MOST_SCALE:
            raise ModelError(f"{op.node}: functions are looked up at scales from 1 to {MOST_SCALE}, not at {level}")
        value = op.inputs[0]
        scale = scales[aliases.get(value, value)]
        name = f"{op.output}_level"
        if scale < level:
            # x + 0, where the zero has the larger scale.
            yield Op("Sub", (value, value), f"{name}_zero", op.node, op.shape)
            yield Op("Halve", (f"{name}_zero",), f"{name}_small", op.node, op.shape, {"by": level - scale})
            yield Op("Add", (value, f"{name}_small"), name, op.node, op.shape)
        elif scale > level:
            # x / 2 + x / 2, whose scale is too large, so that it is divided.
            yield Op("Halve", (value,), f"{name}_half", op.node, op.shape, {"by": 1})
            yield Op("Add", (f"{name}_half", f"{name}_half"), name, op.node, op.shape)
        else:
            name = value
        yield Op(FUNCTION, (name,), op.output, op.node, op.shape, op.attributes)
