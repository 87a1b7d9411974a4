"""Pooling over any number of axes, with padding."""

from __future__ import annotations

import math
from dataclasses import dataclass
from itertools import product
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_var
from oracle.proving.lowering.operators.convolution import windows_of
from oracle.proving.lowering.operators.moving import move
from oracle.proving.lowering.operators.reductions import largest, reduce
from oracle.proving.lowering.table import handles


@dataclass(frozen=True, slots=True)
class _Windows:
    """The windows that a kernel of pooling looks at.

    Attributes:
        taps: For each tap, the place of its element along each axis, [axes][outputs along it].
        size: Elements along each axis.
        before: Padding before each axis.
        after: Padding after each axis.
    """

    taps: list[tuple[np.ndarray, ...]]
    size: tuple[int, ...]
    before: tuple[int, ...]
    after: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """Windows along each axis."""
        return tuple(len(along) for along in self.taps[0])


def _windows(value: Var, attributes: dict[str, Any]) -> _Windows:
    kernel, size = [int(k) for k in attributes["kernel_shape"]], value.shape[2:]
    strides, padding, dilations = windows_of(attributes, kernel, size)
    is_automatic = attributes.get("auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER")
    if is_automatic and (max(dilations) > 1 or any(s > k for s, k in zip(strides, kernel, strict=True))):
        # Runtimes have views of their own.
        raise OperatorRefused("its windows have gaps, and its padding is automatic", "export it with pads")
    rank = len(kernel)
    counts = []
    for axis, (n, k, s, d) in enumerate(zip(size, kernel, strides, dilations, strict=True)):
        room = n + padding[axis] + padding[axis + rank] - (k - 1) * d - 1
        count = room // s + 1
        # A window more, if it does not begin in the padding behind.
        if attributes.get("ceil_mode") and room % s and count * s < n + padding[axis]:
            count += 1
        counts.append(count)
    taps = [
        tuple(
            np.arange(count) * s + o * d - padding[axis]
            for axis, (count, s, o, d) in enumerate(zip(counts, strides, offset, dilations, strict=True))
        )
        for offset in product(*(range(k) for k in kernel))
    ]
    return _Windows(taps, tuple(size), tuple(padding[:rank]), tuple(padding[rank:]))


@handles("MaxPool")
def _max_pool(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    found = _windows(value, attributes)
    numbered = np.arange(1, math.prod(value.shape) + 1).reshape(value.shape)
    attributes.get("storage_order")  # It concerns the indices alone.
    spots = [_inside(np.stack([tap[axis] for tap in found.taps]), n) for axis, n in enumerate(found.size)]
    picks = []
    for at in range(len(found.taps)):
        index = np.ix_(*(axis[at] for axis in spots))
        picks.append(move(builder, value, numbered[(slice(None), slice(None), *index)], 0.0))
    return largest(builder, picks)


def _inside(places: np.ndarray, size: int) -> np.ndarray:
    """Return the places of all taps [taps, windows], with those outside replaced by one of the same window inside."""
    is_inside = (places >= 0) & (places < size)
    if not is_inside.any(axis=0).all():
        raise OperatorRefused("some of its windows are in the padding alone", "use less padding")
    first = places[is_inside.argmax(axis=0), np.arange(places.shape[1])]
    return np.where(is_inside, places, first)


@handles("AveragePool")
def _average_pool(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    found = _windows(value, attributes)
    numbered = np.arange(1, math.prod(value.shape) + 1).reshape(value.shape)
    with_padding = bool(attributes.get("count_include_pad"))
    total: Var | None = None
    counts = np.zeros(found.shape)
    for tap in found.taps:
        outside = tuple(np.clip(along, 0, n - 1) for along, n in zip(tap, found.size, strict=True))
        is_inside = np.ones(found.shape, dtype=bool)
        counted = np.ones(found.shape, dtype=bool)
        for axis, (along, n) in enumerate(zip(tap, found.size, strict=True)):
            shape = [-1 if other == axis else 1 for other in range(len(found.shape))]
            is_inside &= ((along >= 0) & (along < n)).reshape(shape)
            counted &= (along < n + found.after[axis]).reshape(shape)
        counts += counted if with_padding else is_inside
        places = numbered[(slice(None), slice(None), *np.ix_(*outside))] * is_inside
        part = move(builder, value, places, 0.0)
        total = part if total is None else builder.binary("Add", total, part)
    assert total is not None
    shares = 1 / np.maximum(counts, 1)
    shares = shares.ravel()[:1] if (counts == counts.flat[0]).all() else shares[None, None]
    return builder.binary("Mul", total, shares)


@handles("GlobalAveragePool")
def _global_average_pool(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return reduce(builder, arguments[0], tuple(range(2, len(arguments[0].shape))), True, mean=True)
