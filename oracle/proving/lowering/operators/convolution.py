"""Convolution and pooling over two dimensions."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var
from oracle.proving.lowering.operators.reductions import reduce
from oracle.proving.lowering.table import handles


def _pairs(attributes: dict[str, Any], kernel: Sequence[int], size: Sequence[int]) -> tuple[Any, Any]:
    """Return strides, and padding as [before…, after…]."""
    strides = list(attributes.get("strides", [1] * len(kernel)))
    if any(each != 1 for each in attributes.get("dilations", [])):
        raise OperatorRefused("it is dilated", "use a larger kernel, or strides")
    padding = list(attributes.get("pads", [0] * 2 * len(kernel)))
    automatic = attributes.get("auto_pad", b"NOTSET").decode()
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(size, strides, kernel, strict=True)]
        small, large = [each // 2 for each in total], [each - each // 2 for each in total]
        padding = [*small, *large] if automatic == "SAME_UPPER" else [*large, *small]
    return strides, padding


@handles("Conv")
def _conv(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    kernel = np.asarray(as_constant(arguments[1], "kernel"), dtype=np.float64)
    if kernel.ndim == 3:
        raise OperatorRefused("it is one-dimensional", "add an axis of size 1, and convolve in two dimensions")
    if kernel.ndim != 4:
        raise OperatorRefused(f"it has {kernel.ndim - 2} dimensions", "convolve in two dimensions")
    group = attributes.get("group", 1)
    if group != 1:
        # A grouped kernel becomes a full one with zeros. Zeros cost rows like other weights, but it stays exact.
        per_group, taps = kernel.shape[0] // group, kernel.shape[1]
        full = np.zeros((kernel.shape[0], taps * group, *kernel.shape[2:]))
        for index in range(group):
            rows = slice(index * per_group, (index + 1) * per_group)
            full[rows, index * taps : (index + 1) * taps] = kernel[rows]
        kernel = full
    strides, padding = _pairs(attributes, kernel.shape[2:], value.shape[2:])
    spatial = [
        (n + padding[i] + padding[i + 2] - k) // s + 1
        for i, (n, k, s) in enumerate(zip(value.shape[2:], kernel.shape[2:], strides, strict=True))
    ]
    result = builder.emit(
        "Conv",
        value,
        kernel,
        shape=(1, kernel.shape[0], *spatial),
        strides=tuple(strides),
        pads=tuple(padding),
    )
    if len(arguments) > 2 and arguments[2] is not None:
        bias = np.asarray(as_constant(arguments[2], "bias"), dtype=np.float64)
        result = builder.binary("Add", result, bias.reshape(1, -1, 1, 1))
    return result


def _windows(builder: ProgramBuilder, value: Var, attributes: dict[str, Any]) -> tuple[list[Var], tuple[int, ...]]:
    """Return the elements under each tap of a pooling kernel, as values of the output's shape, and that shape."""
    kernel = attributes["kernel_shape"]
    strides, padding = _pairs(attributes, kernel, value.shape[2:])
    if any(padding) or attributes.get("ceil_mode"):
        raise OperatorRefused("it pads", "pool without padding, and with floor")
    channels, *size = value.shape[1:]
    spatial = [(n - k) // s + 1 for n, k, s in zip(size, kernel, strides, strict=True)]
    grid = np.arange(channels * math.prod(size)).reshape(channels, *size)
    flat = builder.reshape(value, (1, grid.size))
    taps = []
    for offset in product(*(range(k) for k in kernel)):
        cut = tuple(slice(o, o + (count - 1) * s + 1, s) for o, count, s in zip(offset, spatial, strides, strict=True))
        taps.append(builder.gather(flat, grid[(slice(None), *cut)].ravel(), 1))
    return taps, (1, channels, *spatial)


@handles("MaxPool")
def _max_pool(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    taps, shape = _windows(builder, arguments[0], attributes)
    while len(taps) > 1:
        taps = [
            builder.maximum(*taps[at : at + 2]) if at + 1 < len(taps) else taps[at] for at in range(0, len(taps), 2)
        ]
    return builder.reshape(taps[0], shape)


@handles("AveragePool")
def _average_pool(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    taps, shape = _windows(builder, arguments[0], attributes)
    total = taps[0]
    for tap in taps[1:]:
        total = builder.binary("Add", total, tap)
    return builder.reshape(builder.binary("Mul", total, np.array([1 / len(taps)])), shape)


@handles("GlobalAveragePool")
def _global_average_pool(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return reduce(builder, arguments[0], tuple(range(2, len(arguments[0].shape))), True, mean=True)
