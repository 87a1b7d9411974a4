"""Tables at places that are computed: gathering, scattering and one-hot vectors.

A place is compared with every place that it can be, so that there is a 1 at it among zeros; products with these ones
choose from a table. Of each place the operations before tell the bounds, and no more places are compared.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var, axis_of
from oracle.proving.lowering.operators.choosing import carried, rows_of
from oracle.proving.lowering.operators.moving import move, moved
from oracle.proving.lowering.table import handles

MOST_PLACES = 4096
"""A table with more rows is not looked up: each row takes a comparison."""

MOST_SCATTERED = 1 << 20
"""With more pairs of a computed place and a number that may be there, nothing is scattered: each is compared."""


@dataclass(frozen=True, slots=True)
class Marks:
    """Computed places, as a 1 among zeros for each.

    Attributes:
        ones: The marks, [places, width].
        first: Of each place, the first one that it can be.
    """

    ones: Var
    first: np.ndarray

    @property
    def width(self) -> int:
        """The number of places that are told apart."""
        return self.ones.shape[1]

    def candidates(self, size: int) -> np.ndarray:
        """Return for each place those that it can be, [places, width]; places beyond the last are the last."""
        return np.minimum(self.first[:, None] + np.arange(self.width), size - 1)


def marks(builder: ProgramBuilder, index: Var, size: int) -> Marks:
    """Return which of a table's rows some computed places are.

    A negative place counts from the end. A place that is outside is the first or the last one.

    Args:
        builder: The builder.
        index: The places.
        size: How many rows the table has.
    """
    count = math.prod(index.shape)
    winner = builder.winners.get(index.name)
    if winner is not None and winner.count <= min(size, MOST_PLACES):
        return Marks(carried(builder, winner, np.eye(winner.count)), np.zeros(count, dtype=np.int64))
    low, high = (each.reshape(-1) for each in builder.extent(index))
    column = builder.reshape(index, (count, 1))
    if low.min() < 0:
        below = builder.binary("Less", column, builder.zeros(column, (count, 1)))
        column = builder.binary("Add", column, builder.binary("Mul", below, np.array([float(size)])))
        low, high = np.zeros(count), np.full(count, size - 1.0)
    first = np.clip(np.ceil(low), 0, size - 1).astype(np.int64)
    last = np.clip(np.floor(high), first, size - 1).astype(np.int64)
    width = int((last - first).max())
    if width > MOST_PLACES:
        raise OperatorRefused(f"it looks up {width + 1} places", f"use a table of at most {MOST_PLACES} rows")
    if width == 0:
        return Marks(builder.known(column, np.ones((count, 1))), first)
    if first.any():
        column = builder.binary("Sub", column, (first[:1] if len(set(first)) == 1 else first[:, None]).astype(float))
    if index.whole and width == 1 and low.min() >= 0 and (high - low).max() <= 1:
        reached = column
    else:
        reached = builder.binary("GreaterOrEqual", column, np.arange(1.0, width + 1).reshape(1, -1))
    before = builder.binary("Sub", np.ones((1, 1)), builder.gather(reached, [0], 1))
    parts = [before]
    if width > 1:
        here, behind = builder.gather(reached, range(width - 1), 1), builder.gather(reached, range(1, width), 1)
        parts.append(builder.binary("Sub", here, behind))
    parts.append(builder.gather(reached, [width - 1], 1))
    return Marks(builder.emit("Concat", *parts, shape=(count, width + 1), axis=1), first)


def at_places(builder: ProgramBuilder, table: Any, index: Var, axis: int) -> Var:
    """Return the parts of a table, a constant or a value, at computed places along an axis."""
    texts: tuple[str, ...] = ()
    if not isinstance(table, Var) and table.dtype.kind in "OUS":
        texts = tuple(each.decode() if isinstance(each, bytes) else str(each) for each in table.ravel())
        table = np.arange(table.size).reshape(table.shape)
    rank = len(table.shape)
    order = [axis, *(at for at in range(rank) if at != axis)]
    ordered = builder.transpose(table, order) if isinstance(table, Var) else np.transpose(table, order)
    size, rest = table.shape[axis], [dim for at, dim in enumerate(table.shape) if at != axis]
    found = _looked_up(builder, ordered, marks(builder, index, size), size)
    shape = (*index.shape, *rest)
    here = len(index.shape)
    back = (*range(here, here + axis), *range(here), *range(here + axis, len(shape)))
    result = builder.transpose(builder.reshape(found, shape), back)
    if texts or index.name in builder.labels:
        builder.labels[result.name] = texts
    return result


def _looked_up(builder: ProgramBuilder, table: Any, marked: Marks, size: int) -> Var:
    """Return the rows of a table at marked places, [places, numbers in a row]."""
    count, inner = len(marked.first), math.prod(table.shape[1:])
    candidates = marked.candidates(size)
    is_one_table = bool((candidates == candidates[:1]).all())
    if isinstance(table, Var):
        flat: Any = builder.reshape(table, (size, inner))
        if is_one_table:
            return builder.emit("MatMul", marked.ones, builder.gather(flat, candidates[0], 0), shape=(count, inner))
        given: Any = builder.reshape(builder.gather(flat, candidates.ravel(), 0), (count, marked.width, inner))
        lows, highs = (each.reshape(size, inner)[candidates] for each in builder.extent(table))
    else:
        _require_numbers(table)
        flat = np.asarray(table, dtype=np.float64).reshape(size, inner)
        given = lows = highs = flat[candidates]
        if is_one_table:
            found = builder.emit("MatMul", marked.ones, given[0], shape=(count, inner))
            return _narrowed(builder, found, lows, highs)
    kept = builder.binary("Mul", builder.reshape(marked.ones, (count, marked.width, 1)), given)
    found = builder.reshape(builder.emit("ReduceSum", kept, shape=(count, 1, inner), axes=(1,)), (count, inner))
    return _narrowed(builder, found, lows, highs)


def _narrowed(builder: ProgramBuilder, found: Var, lows: np.ndarray, highs: np.ndarray) -> Var:
    """Return what was looked up, which is one of its candidates."""
    is_whole = bool((lows == highs).all() and (lows == np.rint(lows)).all())
    return replace(builder.narrow(found, lows.min(axis=1), highs.max(axis=1)), whole=is_whole)


def _require_numbers(table: np.ndarray) -> None:
    if table.dtype.kind not in "fiub":
        raise OperatorRefused("it looks up texts", "publish the place, and look up the text outside")


def _require_few(pairs: int) -> None:
    if pairs > MOST_SCATTERED:
        raise OperatorRefused(f"it has {pairs:,} pairs of a place and a number", f"scatter at most {MOST_SCATTERED:,}")


@handles("OneHot")
def _one_hot(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    index = as_var(arguments[0], "indices")
    depth = int(np.ravel(as_constant(arguments[1], "depth"))[0])
    off, on = (float(each) for each in as_constant(arguments[2], "values"))
    # Places outside get a row without a 1: one place more on either side takes them.
    padded = index
    if index.name not in builder.winners and (index.low < 0 or index.high > depth - 1):
        flat = builder.reshape(index, (math.prod(index.shape), 1))
        edges = np.array([[-depth - 0.0, 0.0, float(depth)]])
        reached = builder.binary("GreaterOrEqual", flat, edges)
        low, zero, high = (builder.gather(reached, [at], 1) for at in range(3))
        # −depth ≤ i < depth is inside; a negative place is moved by depth, one outside to depth.
        moved = builder.binary("Sub", np.ones((1, 1)), zero)
        risen = builder.binary("Add", flat, builder.binary("Mul", moved, np.array([float(depth)])))
        inside = builder.binary("Sub", low, high)
        far = builder.binary("Sub", risen, np.array([float(depth)]))
        kept = builder.binary("Add", builder.binary("Mul", inside, far), np.array([float(depth)]))
        padded = builder.narrow(kept, np.zeros(kept.shape), np.full(kept.shape, float(depth)))
    result = _spread(builder, marks(builder, padded, depth + (padded is not index)), depth)
    if (off, on) != (0.0, 1.0):
        result = builder.binary("Mul", result, np.array([on - off]))
        result = builder.binary("Add", result, np.array([off])) if off else result
    axis = axis_of(attributes.get("axis", -1), len(index.shape) + 1)
    shaped = builder.reshape(result, (*index.shape, depth))
    rank = len(index.shape)
    return builder.transpose(shaped, (*range(axis), rank, *range(axis, rank)))


def _spread(builder: ProgramBuilder, marked: Marks, size: int) -> Var:
    """Return marks among all places, [places, size]; marks of places beyond are left out."""
    count = len(marked.first)
    numbered = np.arange(1, math.prod(marked.ones.shape) + 1).reshape(marked.ones.shape)
    places = np.zeros((count, size), dtype=np.int64)
    for row, first in enumerate(marked.first):
        width = min(marked.width, size - first)
        places[row, first : first + width] = numbered[row, :width]
    return move(builder, marked.ones, places, 0.0)


def elements_at_places(builder: ProgramBuilder, table: Any, index: Var, axis: int) -> Var:
    """Return elements along an axis at computed places, one for each place, as GatherElements does."""
    size = table.shape[axis]
    marked = marks(builder, index, size)
    numbered = np.arange(math.prod(table.shape)).reshape(table.shape)
    inner = numbered[tuple(slice(None) if at == axis else slice(dim) for at, dim in enumerate(index.shape))]
    # All candidates of each place: the places' own axis is among those that they do not depend on.
    every = np.broadcast_to(np.expand_dims(np.moveaxis(inner, axis, -1), axis), (*index.shape, size))
    spread = np.take_along_axis(every.reshape(-1, size), marked.candidates(size), axis=1)
    if isinstance(table, Var):
        given: Any = move(builder, table, spread + 1, 0.0)
        lows, highs = (each.ravel()[spread] for each in builder.extent(table))
    else:
        _require_numbers(table)
        given = lows = highs = np.ravel(table).astype(np.float64)[spread]
        given = given[:1] if (given == given[:1]).all() else given
    found = builder.emit("ReduceSum", builder.binary("Mul", marked.ones, given), shape=(len(spread), 1), axes=(1,))
    return builder.reshape(_narrowed(builder, builder.reshape(found, (len(spread),)), lows, highs), index.shape)


@handles("GatherElements")
def _gather_elements(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    table, index = arguments
    if not isinstance(index, Var):
        return moved("GatherElements", builder, arguments, attributes)
    return elements_at_places(builder, table, index, axis_of(attributes.get("axis", 0), len(table.shape)))


@handles("GatherND")
def _gather_slices(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    table, index = arguments
    if not isinstance(index, Var):
        return moved("GatherND", builder, arguments, attributes)
    if attributes.get("batch_dims", 0):
        raise OperatorRefused("its places are computed, and it has batch_dims", "gather without batch_dims")
    return slices_at_places(builder, table, index)


def slices_at_places(builder: ProgramBuilder, table: Any, index: Var) -> Var:
    """Return parts of a table at computed places along its first axes, as GatherND does."""
    axes = index.shape[-1]
    count = math.prod(index.shape[:-1])
    flat = builder.reshape(index, (count, axes))
    found: Any = table
    rest = list(table.shape)
    for axis in range(axes):
        size = rest.pop(0)
        marked = marks(builder, builder.gather(flat, [axis], 1), size)
        if axis == 0:
            found = _looked_up(builder, found, marked, size)
            continue
        inner = math.prod(rest)
        rows = builder.reshape(found, (count * size, inner))
        chosen = (np.arange(count)[:, None] * size + marked.candidates(size)).ravel()
        parts = builder.reshape(builder.gather(rows, chosen, 0), (count, marked.width, inner))
        kept = builder.binary("Mul", parts, builder.reshape(marked.ones, (count, marked.width, 1)))
        found = builder.reshape(builder.emit("ReduceSum", kept, shape=(count, 1, inner), axes=(1,)), (count, inner))
    return builder.reshape(found, (*index.shape[:-1], *rest))


@handles("ScatterElements", "Scatter")
def _scatter_elements(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    data, index, updates = arguments
    if attributes.get("reduction", b"none") != b"none":
        raise OperatorRefused("it adds to what is there", "scatter without a reduction")
    axis = axis_of(attributes.get("axis", 0), len(data.shape))
    if not isinstance(index, Var):
        size = data.shape[axis]
        if ((index < -size) | (index >= size)).any() or index.shape != tuple(updates.shape):
            raise OperatorRefused(
                "its indices are outside of its data, or are not as many as its updates", "export the model again"
            )
        where = tuple(slice(None) if at == axis else slice(dim) for at, dim in enumerate(index.shape))

        def put(numbers: np.ndarray, others: np.ndarray) -> None:
            np.put_along_axis(numbers[where], index, others, axis)

        return _put(builder, data, updates, put)
    like = index
    others = [dim for at, dim in enumerate(data.shape) if at != axis]
    if others != [dim for at, dim in enumerate(index.shape) if at != axis]:
        raise OperatorRefused("its indices have other axes than its data", "scatter along one axis only")
    rows = rows_of(builder, data if isinstance(data, Var) else builder.known(like, data), axis)
    given = rows_of(builder, updates if isinstance(updates, Var) else builder.known(like, updates), axis)
    places = rows_of(builder, index, axis)
    _require_few(math.prod(rows.shape) * places.shape[1])
    for at in range(places.shape[1]):
        mark = _spread(builder, marks(builder, builder.gather(places, [at], 1), rows.shape[1]), rows.shape[1])
        change = builder.binary("Mul", mark, builder.binary("Sub", builder.gather(given, [at], 1), rows))
        rows = builder.binary("Add", rows, change)
    order = [*(at for at in range(len(data.shape)) if at != axis), axis]
    return builder.transpose(builder.reshape(rows, [data.shape[at] for at in order]), np.argsort(order).tolist())


@handles("ScatterND")
def _scatter_slices(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    data, index, updates = arguments
    if attributes.get("reduction", b"none") != b"none":
        raise OperatorRefused("it adds to what is there", "scatter without a reduction")
    axes = index.shape[-1]
    if tuple(updates.shape) != (*index.shape[:-1], *data.shape[axes:]):
        raise OperatorRefused("its updates have another shape than its indices demand", "export the model again")
    if not isinstance(index, Var):
        sizes = np.array(data.shape[:axes])
        if ((index < -sizes) | (index >= sizes)).any():
            raise OperatorRefused("its indices are outside of its data", "export the model again")

        def put(numbers: np.ndarray, others: np.ndarray) -> None:
            for at in np.ndindex(*index.shape[:-1]):
                numbers[tuple(index[at])] = others[at]

        return _put(builder, data, updates, put)
    like = index
    count, inner = math.prod(index.shape[:-1]), math.prod(data.shape[axes:])
    flat = builder.reshape(index, (count, axes))
    slots = math.prod(data.shape[:axes])
    table = builder.reshape(data if isinstance(data, Var) else builder.known(like, data), (slots, inner))
    given = builder.reshape(updates if isinstance(updates, Var) else builder.known(like, updates), (count, inner))
    ones: Var | None = None
    _require_few(slots * inner * count)
    for axis in range(axes):
        size = data.shape[axis]
        here = _spread(builder, marks(builder, builder.gather(flat, [axis], 1), size), size)
        if ones is None:
            ones = here
            continue
        before = builder.reshape(ones, (count, ones.shape[1], 1))
        both = builder.binary("Mul", before, builder.reshape(here, (count, 1, size)))
        ones = builder.reshape(both, (count, ones.shape[1] * size))
    assert ones is not None
    for at in range(count):
        mark = builder.reshape(builder.gather(ones, [at], 0), (slots, 1))
        change = builder.binary("Mul", mark, builder.binary("Sub", builder.gather(given, [at], 0), table))
        table = builder.binary("Add", table, change)
    return builder.reshape(table, data.shape)


def _put(builder: ProgramBuilder, data: Any, updates: Any, put: Any) -> Var:
    """Return data in which some elements, at constant places, are those of the updates."""
    like = data if isinstance(data, Var) else updates
    parts = [each if isinstance(each, Var) else builder.known(like, each) for each in (data, updates)]
    sizes = [math.prod(each.shape) for each in parts]
    flat = [builder.reshape(each, (1, size)) for each, size in zip(parts, sizes, strict=True)]
    joined = builder.emit("Concat", *flat, shape=(1, sum(sizes)), axis=1)
    numbers = np.arange(1, sizes[0] + 1).reshape(parts[0].shape)
    put(numbers, np.arange(sizes[0] + 1, sum(sizes) + 1).reshape(parts[1].shape))
    return move(builder, joined, numbers, 0.0)
