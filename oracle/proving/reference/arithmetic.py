"""The arithmetic of a circuit, on arrays of integers whose axis 0 is the windows."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from oracle.proving.lowering.program import Op
from oracle.proving.reference.functions import results
from oracle.proving.reference.steps import IntegerStep

_FEW = 8
"""With fewer rows, taking a matrix apart into digits takes longer than the product itself."""

_COMPARE: dict[str, Callable[[Any, Any], Any]] = {
    "Greater": lambda a, b: a > b,
    "Less": lambda a, b: a < b,
    "GreaterOrEqual": lambda a, b: a >= b,
    "LessOrEqual": lambda a, b: a <= b,
}


def compute(step: IntegerStep, inputs: list[Any], multiply: Callable[[Any, Any], Any]) -> Any:
    """Compute one operation on arrays whose axis 0 is the windows.

    Args:
        step: The operation.
        inputs: Arrays of integers.
        multiply: Computes a matrix product.
    """
    op = step.op
    values = [each * (1 << lift) if lift else each for each, lift in zip(inputs, step.lifts, strict=True)]
    if op.kind in STRUCTURAL:
        return STRUCTURAL[op.kind](op, values)
    first = values[0]
    match op.kind:
        case "Add":
            return first + values[1]
        case "Sub":
            return first - values[1]
        case "Mul":
            return first * values[1]
        case "MatMul":
            return multiply(first, values[1])
        case "Conv":
            return convolve(first, values[1], op)
        case "Relu":
            return np.maximum(first, 0)
        case "Abs":
            return np.abs(first)
        case "Function":
            return results(op.attributes["name"], first, step.scale)
        case "ReduceSum":
            return first.sum(axis=op.attributes["axes"], keepdims=True)
    answer = _COMPARE[op.kind](first, values[1])
    return answer.astype(first.dtype) if first.dtype != object else np.where(answer.astype(bool), 1, 0).astype(object)


def quotient(value: Any, drop: int) -> Any:
    """Return value / 2^drop as the nearest integer, halves away from zero."""
    if value.dtype == np.float64:
        return np.copysign(np.floor(np.abs(value) / 2.0**drop + 0.5), value)
    return np.where(value < 0, -1, 1) * ((np.abs(value) + (1 << (drop - 1))) >> drop)


def product(left: Any, right: Any) -> Any:
    """Return a matrix product, exactly.

    Python's integers are multiplied as floats, digit by digit, so that each sum is exact below 2^53.
    """
    if left.dtype != object or left.size < _FEW * left.shape[-1]:
        return np.matmul(left, right)
    return _by_digits(left, right, left.shape[-1], np.matmul)


def _by_digits(left: Any, right: Any, terms: int, multiply: Callable[[Any, Any], Any]) -> Any:
    """Return a bilinear operation on Python's integers, each of whose results is a sum of so many products."""
    bits = (53 - terms.bit_length()) // 2
    result: Any = 0
    for at, digits in enumerate(_digits(left, bits)):
        for over, others in enumerate(_digits(right, bits)):
            result = result + multiply(digits, others).astype(np.int64).astype(object) * (1 << bits * (at + over))
    return result


def _digits(values: Any, bits: int) -> list[Any]:
    """Return floats d₀, d₁, … with values = Σ dᵢ 2^(i · bits), each with the sign of its value."""
    sign, rest = np.where((values < 0).astype(bool), -1.0, 1.0), abs(values)
    found: list[Any] = []
    while not found or (rest > 0).any():
        found.append((rest & ((1 << bits) - 1)).astype(np.float64) * sign)
        rest = rest >> bits
    return found


def _take(op: Op, values: list[Any]) -> Any:
    return np.take(values[0], op.attributes["indices"], axis=op.attributes["axis"])


def _join(op: Op, values: list[Any]) -> Any:
    return np.concatenate(values, axis=op.attributes["axis"])


STRUCTURAL: dict[str, Callable[[Op, list[Any]], Any]] = {
    "Reshape": lambda op, values: values[0].reshape(len(values[0]), *op.shape[1:]),
    "Transpose": lambda op, values: values[0].transpose(op.attributes["perm"]),
    "Concat": _join,
    "Gather": _take,
    "Halve": lambda op, values: values[0],
}


def convolve(value: Any, kernel: Any, op: Op) -> Any:
    """Return the cross-correlation [count, C, H, W] ⋆ [O, C, h, w], padded with zeros, exactly; see `product`."""
    if value.dtype != object:
        return _convolved(value, kernel, op)
    return _by_digits(value, kernel, math.prod(kernel.shape[1:]), lambda one, other: _convolved(one, other, op))


def _convolved(value: Any, kernel: Any, op: Op) -> Any:
    top, left, bottom, right = op.attributes["pads"]
    down, across = op.attributes["strides"]
    count, channels, height, width = value.shape
    # np.pad would put NumPy's integers, which overflow, among Python's.
    padded = np.zeros((count, channels, height + top + bottom, width + left + right), dtype=value.dtype)
    padded[:, :, top : top + height, left : left + width] = value
    views = np.lib.stride_tricks.sliding_window_view(padded, kernel.shape[2:], axis=(2, 3))[:, :, ::down, ::across]
    return np.tensordot(views, kernel, axes=([1, 4, 5], [1, 2, 3])).transpose(0, 3, 1, 2)
