"""Convolutions over any number of axes, and transposed ones."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import product
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var
from oracle.proving.lowering.operators.moving import move
from oracle.proving.lowering.table import handles


def windows_of(
    attributes: dict[str, Any], kernel: Sequence[int], size: Sequence[int]
) -> tuple[list[int], list[int], list[int]]:
    """Return strides, padding as [before…, after…], and dilations."""
    strides = list(attributes.get("strides") or [1] * len(kernel))
    dilations = list(attributes.get("dilations") or [1] * len(kernel))
    padding = list(attributes.get("pads") or [0] * 2 * len(kernel))
    automatic = attributes.get("auto_pad", b"NOTSET").decode()
    if automatic == "VALID":
        padding = [0] * 2 * len(kernel)
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        wide = [(k - 1) * d + 1 for k, d in zip(kernel, dilations, strict=True)]
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(size, strides, wide, strict=True)]
        small, large = [each // 2 for each in total], [each - each // 2 for each in total]
        padding = [*small, *large] if automatic == "SAME_UPPER" else [*large, *small]
    return strides, padding, dilations


def _dilated(kernel: np.ndarray, dilations: Sequence[int]) -> np.ndarray:
    """Return a kernel with zeros between its taps. They cost rows like other weights, but it stays exact."""
    wide = [(k - 1) * d + 1 for k, d in zip(kernel.shape[2:], dilations, strict=True)]
    full = np.zeros((*kernel.shape[:2], *wide))
    full[(slice(None), slice(None), *(slice(None, None, d) for d in dilations))] = kernel
    return full


def _convolved(
    builder: ProgramBuilder, value: Var, kernel: np.ndarray, strides: Sequence[int], padding: Sequence[int]
) -> Var:
    """Append a convolution. One operation does it for one picture of one or two axes."""
    shape, rank = value.shape, kernel.ndim - 2
    if rank > 2 or shape[0] != 1:
        return _by_patches(builder, value, kernel, strides, padding)
    if rank == 1:
        value = builder.reshape(value, (*shape[:2], 1, shape[2]))
        kernel, strides, padding = kernel[:, :, None], [1, *strides], [0, padding[0], 0, padding[1]]
    spatial = [
        (n + padding[i] + padding[i + 2] - k) // s + 1
        for i, (n, k, s) in enumerate(zip(value.shape[2:], kernel.shape[2:], strides, strict=True))
    ]
    if min(spatial) < 1:
        raise OperatorRefused("its kernel is larger than its input", "export the model again")
    made = builder.emit(
        "Conv",
        value,
        kernel,
        shape=(1, kernel.shape[0], *spatial),
        strides=tuple(strides),
        pads=tuple(padding),
    )
    return made if rank == 2 else builder.reshape(made, (1, kernel.shape[0], spatial[1]))


def _by_patches(
    builder: ProgramBuilder, value: Var, kernel: np.ndarray, strides: Sequence[int], padding: Sequence[int]
) -> Var:
    """Append a convolution as a product of all patches that the kernel sees with a matrix."""
    rank = kernel.ndim - 2
    numbered = np.arange(1, math.prod(value.shape) + 1).reshape(value.shape)
    around = [(padding[axis], padding[axis + rank]) for axis in range(rank)]
    padded = np.pad(numbered, [(0, 0), (0, 0), *around])
    if any(n < k for n, k in zip(padded.shape[2:], kernel.shape[2:], strict=True)):
        raise OperatorRefused("its kernel is larger than its input", "export the model again")
    seen = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=tuple(range(2, rank + 2)))
    seen = seen[(slice(None), slice(None), *(slice(None, None, s) for s in strides))]
    spatial = seen.shape[2 : rank + 2]
    # [picture, channel, place…, tap…] to [picture, place…, channel, tap…]
    order = [0, *range(2, rank + 2), 1, *range(rank + 2, 2 * rank + 2)]
    patches = move(builder, value, seen.transpose(order).reshape(-1, math.prod(kernel.shape[1:])), 0.0)
    matrix = kernel.reshape(len(kernel), -1).T
    product = builder.emit("MatMul", patches, matrix, shape=(patches.shape[0], len(kernel)))
    apart = builder.reshape(product, (value.shape[0], *spatial, len(kernel)))
    return builder.transpose(apart, (0, rank + 1, *range(1, rank + 1)))


def _kernel(argument: Any) -> np.ndarray:
    kernel = np.asarray(as_constant(argument, "kernel"), dtype=np.float64)
    if kernel.ndim < 3:
        raise OperatorRefused(f"its kernel has {kernel.ndim} axes", "export the model again")
    return kernel


def _biased(builder: ProgramBuilder, result: Var, arguments: list[Any]) -> Var:
    if len(arguments) < 3 or arguments[2] is None:
        return result
    bias = np.asarray(as_constant(arguments[2], "bias"), dtype=np.float64)
    return builder.binary("Add", result, bias.reshape(1, -1, *(1,) * (len(result.shape) - 2)))


@handles("Conv")
def _conv(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value, kernel = as_var(arguments[0], "input"), _kernel(arguments[1])
    group = attributes.get("group", 1)
    if value.shape[1] != kernel.shape[1] * group or len(value.shape) != kernel.ndim or len(kernel) % group:
        raise OperatorRefused(
            f"its kernel of shape {list(kernel.shape)} does not fit its input of shape {list(value.shape)}",
            "export the model again",
        )
    strides, padding, dilations = windows_of(attributes, kernel.shape[2:], value.shape[2:])
    if group != 1:
        # A grouped kernel becomes a full one with zeros. Zeros cost rows like other weights, but it stays exact.
        per_group, taps = kernel.shape[0] // group, kernel.shape[1]
        full = np.zeros((kernel.shape[0], taps * group, *kernel.shape[2:]))
        for index in range(group):
            rows = slice(index * per_group, (index + 1) * per_group)
            full[rows, index * taps : (index + 1) * taps] = kernel[rows]
        kernel = full
    return _biased(builder, _convolved(builder, value, _dilated(kernel, dilations), strides, padding), arguments)


@handles("ConvTranspose")
def _conv_transpose(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    """Lower a transposed convolution: along each axis, the outputs at r, r + stride, … are a convolution of their own.

    Output q · stride + r is the sum over t of input q − t times tap t · stride + r. All these convolutions are one,
    with a channel for each remainder; then the outputs are put in order.
    """
    value, kernel = as_var(arguments[0], "input"), _kernel(arguments[1])
    rank, group, channels = kernel.ndim - 2, attributes.get("group", 1), value.shape[1]
    per_group, width = channels // group, kernel.shape[1]
    strides, padding, dilations = windows_of(attributes, kernel.shape[2:], value.shape[2:])
    extra = list(attributes.get("output_padding") or [0] * rank)
    if attributes.get("output_shape") or attributes.get("auto_pad", b"NOTSET") in (b"SAME_UPPER", b"SAME_LOWER"):
        raise OperatorRefused("its padding follows from its output's shape", "export it with pads")
    kernel = _dilated(kernel, dilations)
    taps = [-(-k // s) for k, s in zip(kernel.shape[2:], strides, strict=True)]
    sizes = [
        (n - 1) * s + k + more - padding[axis] - padding[axis + rank]
        for axis, (n, s, k, more) in enumerate(zip(value.shape[2:], strides, kernel.shape[2:], extra, strict=True))
    ]
    if min(sizes) < 1:
        raise OperatorRefused("nothing is left of its output", "use less padding")
    outputs = width * group
    remainders = list(product(*(range(s) for s in strides)))
    full = np.zeros((len(remainders), outputs, channels, *taps))
    for at, remainder in enumerate(remainders):
        for channel in range(channels):
            first = channel // per_group * width
            places = tuple(slice(r, None, s) for r, s in zip(remainder, strides, strict=True))
            cut = kernel[channel][(slice(None), *places)]
            part = np.zeros((width, *taps))
            part[(slice(None), *(slice(n) for n in cut.shape[1:]))] = cut
            full[at, first : first + width, channel] = np.flip(part, axis=tuple(range(1, rank + 1)))
    rows = [-(-(padding[axis] + size) // s) for axis, (size, s) in enumerate(zip(sizes, strides, strict=True))]
    behind = [max(0, count - n) for count, n in zip(rows, value.shape[2:], strict=True)]
    pictures = value.shape[0]
    made = _convolved(builder, value, full.reshape(-1, channels, *taps), [1] * rank, [*(t - 1 for t in taps), *behind])
    numbered = np.arange(1, math.prod(made.shape) + 1).reshape(pictures, *strides, outputs, *made.shape[2:])
    # [picture, r…, channel, q…] to [picture, channel, q, r, q, r]
    order = [0, rank + 1, *(axis for at in range(rank) for axis in (rank + 2 + at, at + 1))]
    sides = (n * s for n, s in zip(made.shape[2:], strides, strict=True))
    whole = numbered.transpose(order).reshape(pictures, outputs, *sides)
    inside = (slice(padding[axis], padding[axis] + size) for axis, size in enumerate(sizes))
    return _biased(builder, move(builder, made, whole[(slice(None), slice(None), *inside)], 0.0), arguments)
