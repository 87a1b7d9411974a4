"""Operators that choose the largest: its place, labels, the first few in order.

The largest is found by a tournament: in each round, neighbours are compared, and the right one goes on if it is larger.
So of equal ones the first wins, as in runtimes. Whatever belongs to the winner (its place, its label, a row of a table)
is carried along by the same comparisons.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var, axis_of
from oracle.proving.lowering.table import handles, handles_each

MOST_COMPARED = 2016
"""More comparisons than this are not made in a row to take the first few in order; they sort 64 numbers."""

MOST_MARKED = 2048
"""Among more numbers than this, the largest is not marked: it takes their square in products."""


@dataclass(frozen=True, slots=True)
class Winner:
    """The winners of tournaments that are held side by side.

    Attributes:
        rounds: For each round the answers [tournaments, pairs]: 1 if the right one of a pair goes on.
        count: The number that take part in each.
    """

    rounds: tuple[Var, ...]
    count: int


def tournament(builder: ProgramBuilder, value: Var, kind: str) -> Winner:
    """Hold a tournament in each row.

    Args:
        builder: The builder.
        value: The numbers, [tournaments, count].
        kind: The comparison of the right one with the left one that lets it go on.
    """
    with builder.selecting():
        return _held(builder, value, kind)


def _held(builder: ProgramBuilder, value: Var, kind: str) -> Winner:
    rounds = []
    is_bits = value.whole and value.low >= 0 and value.high <= 1 and kind == "Greater"
    left_over = value
    while left_over.shape[1] > 1:
        left, right = _halves(builder, left_over)
        if is_bits:
            bit = builder.binary("Sub", right, builder.binary("Mul", left, right))
            best = builder.binary("Add", left, bit)
        else:
            bit = builder.binary(kind, right, left)
            best = builder.binary("Add", left, builder.binary("Mul", bit, builder.binary("Sub", right, left)))
        rounds.append(bit)
        left_over = _with_last(builder, best, left_over)
    return Winner(tuple(rounds), value.shape[1])


def _halves(builder: ProgramBuilder, value: Var) -> tuple[Var, Var]:
    count = value.shape[1]
    return builder.gather(value, range(0, count - 1, 2), 1), builder.gather(value, range(1, count, 2), 1)


def _with_last(builder: ProgramBuilder, best: Var, value: Var) -> Var:
    """Return the winners of a round, and behind them the one that had nobody to compare with."""
    count = value.shape[1]
    if count % 2 == 0:
        return best
    last = builder.gather(value, [count - 1], 1)
    return builder.emit("Concat", best, last, shape=(best.shape[0], best.shape[1] + 1, *best.shape[2:]), axis=1)


def carried(builder: ProgramBuilder, winner: Winner, prizes: np.ndarray) -> Var:
    """Return what belongs to the winners, [tournaments, width].

    Args:
        builder: The builder.
        winner: The winners.
        prizes: What belongs to each that takes part, [count, width].
    """
    value: Any = np.asarray(prizes, dtype=np.float64)
    for answers in winner.rounds:
        rows, pairs = answers.shape
        bit = builder.reshape(answers, (rows, pairs, 1))
        if isinstance(value, Var):
            left, right = _halves(builder, value)
            best = builder.binary("Add", left, builder.binary("Mul", bit, builder.binary("Sub", right, left)))
            value = _with_last(builder, best, value)
            continue
        left, right = value[0 : len(value) - 1 : 2], value[1::2]
        best = builder.binary("Add", builder.binary("Mul", bit, right - left), left)
        if len(value) % 2:
            last = np.broadcast_to(value[-1], (rows, 1, value.shape[1]))
            shape = (rows, pairs + 1, value.shape[1])
            best = builder.emit("Concat", best, builder.known(best, last), shape=shape, axis=1)
        value = best
    result = builder.reshape(value, (value.shape[0], value.shape[2]))
    builder.labels.setdefault(result.name, ())
    return result


@handles_each("ArgMax", "ArgMin")
def _arg_extreme(operator: str, builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    axis = axis_of(attributes.get("axis", 0), len(value.shape))
    kept = [1 if at == axis else dim for at, dim in enumerate(value.shape)]
    shape = kept if attributes.get("keepdims", 1) else [dim for at, dim in enumerate(value.shape) if at != axis]
    rows = rows_of(builder, value, axis)
    if rows.shape[1] == 1:
        return np.zeros(shape, dtype=np.int64)
    kind = ("Greater" if operator == "ArgMax" else "Less") + "OrEqual" * bool(attributes.get("select_last_index"))
    winner = tournament(builder, rows, kind)
    return _place_of(builder, winner, shape)


def rows_of(builder: ProgramBuilder, value: Var, axis: int) -> Var:
    """Return a value as [everything else, axis]."""
    order = [at for at in range(len(value.shape)) if at != axis]
    moved = builder.transpose(value, (*order, axis))
    return builder.reshape(moved, (math.prod(value.shape) // value.shape[axis], value.shape[axis]))


def _place_of(builder: ProgramBuilder, winner: Winner, shape: Sequence[int]) -> Var:
    index = carried(builder, winner, np.arange(winner.count).reshape(-1, 1))
    builder.winners[index.name] = winner
    return builder.reshape(index, shape)


def labels(builder: ProgramBuilder, scores: Var, names: Sequence[Any]) -> Var:
    """Return the label of the largest score in each row, the first of equal ones; a text is its place among the labels.

    Args:
        builder: The builder.
        scores: The scores, [rows, labels].
        names: The labels: integers or texts.
    """
    if len(names) != scores.shape[1] or len(names) < 2:
        raise OperatorRefused(f"it has {scores.shape[1]} scores for {len(names)} labels", "export the model again")
    is_text = isinstance(names[0], bytes | str)
    numbers = np.arange(len(names)) if is_text else np.array(names, dtype=np.float64)
    winner = tournament(builder, scores, "Greater")
    label = builder.reshape(carried(builder, winner, numbers.reshape(-1, 1)), scores.shape[:1])
    if is_text:
        builder.labels[label.name] = tuple(each.decode() if isinstance(each, bytes) else each for each in names)
    return label


@handles("Hardmax")
def _hardmax(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    rank = len(value.shape)
    axis = axis_of(attributes["axis"], rank)
    order = list(range(rank)) if builder.opset < 13 else [*(at for at in range(rank) if at != axis), axis]
    count = math.prod(value.shape[axis:]) if builder.opset < 13 else value.shape[axis]
    if count == 1:
        return np.ones(value.shape)
    if count > MOST_MARKED:
        raise OperatorRefused(f"it marks one of {count} numbers", f"mark one of at most {MOST_MARKED}")
    rows = builder.reshape(builder.transpose(value, order), (math.prod(value.shape) // count, count))
    ones = carried(builder, tournament(builder, rows, "Greater"), np.eye(count))
    return builder.transpose(builder.reshape(ones, [value.shape[at] for at in order]), np.argsort(order).tolist())


@handles("TopK")
def _top(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    """Lower the first few in order: neighbours change places round after round, if the right one comes first."""
    value = as_var(arguments[0], "input")
    axis = axis_of(attributes.get("axis", -1), len(value.shape))
    count = int(np.ravel(as_constant(arguments[1], "number"))[0]) if len(arguments) > 1 else attributes["k"]
    attributes.get("sorted", 1)  # They are always sorted here.
    kind = "Greater" if attributes.get("largest", 1) else "Less"
    rows = rows_of(builder, value, axis)
    total, size = rows.shape
    if not 0 < count <= size:
        raise OperatorRefused(f"it takes {count} of {size} numbers in order", "export the model again")
    rounds = _rounds(size, count)
    compared = sum(map(len, rounds))
    if compared > MOST_COMPARED:
        few = next((few for few in range(count, 0, -1) if few * (size - 1) <= MOST_COMPARED), 0)
        raise OperatorRefused(
            f"it takes {count} of {size} numbers in order with {compared:,} comparisons, of {MOST_COMPARED:,} at most",
            (f"take at most {few}, or take them" if few else "take them")
            + " of fewer (of a nearest-neighbour model: fewer neighbours, or fewer samples in it)",
        )
    places: Any = np.broadcast_to(np.arange(size, dtype=np.float64), (total, size))
    for firsts in rounds:
        left, right = builder.gather(rows, firsts, 1), builder.gather(rows, [at + 1 for at in firsts], 1)
        bit = builder.binary(kind, right, left)
        rows = _swapped(builder, rows, bit, firsts)
        places = _swapped(builder, places, bit, firsts)
    order = [at for at in range(len(value.shape)) if at != axis]
    shape = [*(value.shape[at] for at in order), count]
    back = np.argsort([*order, axis]).tolist()
    if not isinstance(places, Var):
        places = builder.known(rows, places)
    return [
        builder.transpose(builder.reshape(builder.gather(each, range(count), 1), shape), back)
        for each in (rows, places)
    ]


def _rounds(size: int, count: int) -> list[list[int]]:
    """Return for each round the left ones of the neighbours that are compared, so that the first few get in order.

    If many are wanted, all are sorted. Otherwise the first one comes to the front past all others, two rounds later the
    second one, and so on: what does not get into the first few is compared no more. Equal ones stay in order.
    """
    if 2 * count > size:
        return [firsts for turn in range(size) if (firsts := list(range(turn % 2, size - 1, 2)))]
    rounds = []
    for turn in range(size + count - 2):
        steps = ((place, size - 2 - turn + 2 * place) for place in range(count))
        rounds.append([first for place, first in steps if place <= first <= size - 2])
    return rounds


def _swapped(builder: ProgramBuilder, value: Any, bit: Var, firsts: list[int]) -> Var:
    """Return rows in which neighbours have changed places where the bit is 1."""
    seconds = [at + 1 for at in firsts]
    rest = [at for at in range(value.shape[1]) if at not in firsts and at not in seconds]
    if isinstance(value, Var):
        left, right = builder.gather(value, firsts, 1), builder.gather(value, seconds, 1)
        change: Any = builder.binary("Mul", bit, builder.binary("Sub", right, left))
        others = [builder.gather(value, rest, 1)] if rest else []
    else:
        left, right = value[:1, firsts], value[:1, seconds]
        change = builder.binary("Mul", bit, right - left)
        others = [builder.known(bit, value[:, rest])] if rest else []
    parts = [builder.binary("Add", change, left), builder.binary("Sub", right, change)]
    joined = builder.emit("Concat", *parts, *others, shape=value.shape, axis=1)
    return builder.gather(joined, np.argsort([*firsts, *seconds, *rest]), 1)
