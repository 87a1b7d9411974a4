"""Resizing: the nearest element, or a mean of the elements nearby, along each axis by itself."""

from __future__ import annotations

import math
from collections.abc import Callable
from fractions import Fraction
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var
from oracle.proving.lowering.operators.linear import matmul
from oracle.proving.lowering.operators.moving import move, numbered
from oracle.proving.lowering.table import handles

_NEAREST: dict[str, Callable[[Fraction], int]] = {
    "round_prefer_floor": lambda place: math.ceil(place - Fraction(1, 2)),
    "round_prefer_ceil": lambda place: math.floor(place + Fraction(1, 2)),
    "floor": math.floor,
    "ceil": math.ceil,
}
"""The nearest element to a place between elements, by the mode."""

_PARTS = 64
"""A factor that is no multiple of one part: its product with a place may be rounded to this side or to that."""


@handles("Resize", "Upsample")
def _resize(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    mode = attributes.get("mode", b"nearest").decode()
    how = attributes.get("coordinate_transformation_mode", b"asymmetric").decode()
    if mode != "nearest":
        return _interpolated(builder, arguments, attributes, mode, how)
    if how not in ("asymmetric", "half_pixel") or attributes.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
        # Of the others, runtimes have views of their own.
        raise OperatorRefused(f"its coordinates are {how!r}", "use 'asymmetric' or 'half_pixel', and give the factors")
    value = as_var(arguments[0], "input")
    factors = _factors(value, arguments, attributes)
    pick = _NEAREST[attributes.get("nearest_mode", b"floor").decode()]
    shift = Fraction(1, 2) if how == "half_pixel" else Fraction(0)
    places_of = numbered(value)
    for axis, (size, factor) in enumerate(zip(value.shape, factors, strict=True)):
        whole = (size * factor).denominator == 1 and factor.denominator <= _PARTS
        if not whole or (builder.opset < 11 and factor < 1):
            raise OperatorRefused(
                f"its factors are {[round(float(each), 3) for each in factors]}, and runtimes may round them otherwise",
                f"use whole factors, or multiples of 1/{_PARTS} that make whole sizes",
            )
        chosen = [pick((place + shift) / factor - shift) for place in range(math.floor(size * factor))]
        places_of = np.take(places_of, np.clip(np.array(chosen, dtype=np.int64), 0, size - 1), axis=axis)
    return move(builder, value, places_of, 0.0)


def _factors(value: Var, arguments: list[Any], attributes: dict[str, Any]) -> list[Fraction]:
    """Return by how much each axis grows."""
    sizes = arguments[3] if len(arguments) > 3 else None
    given: Any = attributes.get("scales")
    if given is None and sizes is None:
        given = as_constant(arguments[2 if len(arguments) > 2 else 1], "factors")
    axes = attributes.get("axes") or range(len(value.shape))
    factors = [Fraction(1)] * len(value.shape)
    for at, axis in enumerate(axes):
        if sizes is not None:
            factors[axis] = Fraction(int(as_constant(sizes, "sizes")[at]), value.shape[axis])
        else:
            factors[axis] = Fraction(float(given[at]))
    if min(factors) <= 0:
        raise OperatorRefused("nothing is left of its input", "export the model again")
    return factors


_PLACES: dict[str, Callable[[np.ndarray, float, int, int], np.ndarray]] = {
    # outputs along an axis, factor, elements before, elements after
    "asymmetric": lambda at, factor, size, wanted: at / factor,
    "half_pixel": lambda at, factor, size, wanted: (at + 0.5) / factor - 0.5,
    "half_pixel_symmetric": lambda at, factor, size, wanted: (
        size / 2 * (1 - wanted / (factor * size)) + (at + 0.5) / factor - 0.5
    ),
    "pytorch_half_pixel": lambda at, factor, size, wanted: (at + 0.5) / factor - 0.5 if wanted > 1 else at * 0.0,
    "align_corners": lambda at, factor, size, wanted: at * (size - 1) / (wanted - 1) if wanted > 1 else at * 0.0,
}
"""The places of the outputs among the inputs, by the mode."""


def _interpolated(
    builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any], mode: str, how: str
) -> Var:
    """Append means of elements nearby: along each axis that changes, a product with a matrix."""
    if how not in _PLACES or attributes.get("keep_aspect_ratio_policy", b"stretch") != b"stretch":
        raise OperatorRefused(f"its coordinates are {how!r}", "use 'half_pixel', 'align_corners' or 'asymmetric'")
    value = as_var(arguments[0], "input")
    factors = _factors(value, arguments, attributes)
    sizes = tuple(math.floor(size * factor) for size, factor in zip(value.shape, factors, strict=True))
    if sizes == value.shape and any(factor != 1 for factor in factors):
        raise OperatorRefused(
            f"its factors are {[round(float(each), 3) for each in factors]}, which leave its size as it is, so that "
            "runtimes copy its input",
            "leave it out of the model, or give the sizes in place of the factors",
        )
    slope, is_inner = attributes.get("cubic_coeff_a", -0.75), bool(attributes.get("exclude_outside", 0))
    for axis, (size, factor, wanted) in enumerate(zip(value.shape, factors, sizes, strict=True)):
        if factor == 1:
            continue
        if wanted < 1:
            raise OperatorRefused("nothing is left of its input", "export the model again")
        at = _PLACES[how](np.arange(wanted, dtype=np.float64), float(factor), size, wanted)
        matrix = _linear(at, size) if mode == "linear" else _cubic(at, size, slope, is_inner)
        order = [each for each in range(len(value.shape)) if each != axis]
        moved = builder.transpose(value, (*order, axis))
        value = builder.transpose(matmul(builder, [moved, matrix], {}), np.argsort([*order, axis]).tolist())
    return value


def _linear(at: np.ndarray, size: int) -> np.ndarray:
    """Return a matrix [inputs, outputs] of the shares of two neighbours."""
    at = np.clip(at, 0, size - 1)
    first = np.floor(at).astype(np.int64)
    matrix, outputs = np.zeros((size, len(at))), np.arange(len(at))
    np.add.at(matrix, (first, outputs), 1 - (at - first))
    np.add.at(matrix, (np.minimum(first + 1, size - 1), outputs), at - first)
    return matrix


def _cubic(at: np.ndarray, size: int, slope: float, is_inner: bool) -> np.ndarray:
    """Return a matrix [inputs, outputs] of the shares of four neighbours: Keys' cubic convolution.

    Args:
        at: The places of the outputs among the inputs.
        size: Number of inputs.
        slope: The kernel's slope at 1, as ONNX's `cubic_coeff_a`.
        is_inner: True if neighbours outside have no share; otherwise the element at the edge stands for them.
    """
    first = np.floor(at).astype(np.int64)
    matrix, outputs = np.zeros((size, len(at))), np.arange(len(at))
    for offset in range(-1, 3):
        place = first + offset
        far = np.abs(at - place)
        near = ((slope + 2) * far - (slope + 3)) * far**2 + 1
        outer = ((far - 5) * far + 8) * far * slope - 4 * slope
        share = np.where(far <= 1, near, np.where(far < 2, outer, 0.0))
        if is_inner:
            share = np.where((place >= 0) & (place < size), share, 0.0)
        np.add.at(matrix, (np.clip(place, 0, size - 1), outputs), share)
    return matrix / matrix.sum(axis=0, keepdims=True) if is_inner else matrix
