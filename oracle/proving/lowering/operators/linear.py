"""Products with matrices, and normalisation by constants."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var
from oracle.proving.lowering.operators.moving import move
from oracle.proving.lowering.table import handles


@handles("MatMul")
def matmul(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    """Lower a product with a matrix."""
    left, right = arguments
    if len(right.shape) == 1:
        column = matmul(builder, [left, _reshaped(builder, right, (-1, 1))], {})
        return builder.reshape(column, column.shape[:-1])
    if len(left.shape) == 1:
        row = matmul(builder, [_reshaped(builder, left, (1, -1)), right], {})
        return builder.reshape(row, (*row.shape[:-2], row.shape[-1]))
    around = (left.shape[:-2], right.shape[:-2])
    if left.shape[-1] != right.shape[-2] or not _is_broadcast(*around):
        raise OperatorRefused(
            f"it multiplies values of shape {list(left.shape)} by {list(right.shape)}", "export the model again"
        )
    if not isinstance(left, Var):
        # W · x is the transpose of xᵀ · Wᵀ.
        product = matmul(builder, [builder.transpose(right, _swapped(right)), left.transpose(_swapped(left))], {})
        return builder.transpose(product, _swapped(product))
    if not isinstance(right, Var) and right.ndim != 2:
        return _by_matrices(builder, left, right)
    shape = (*np.broadcast_shapes(*around), left.shape[-2], right.shape[-1])
    return builder.emit("MatMul", left, right, shape=shape)


def _reshaped(builder: ProgramBuilder, operand: Any, shape: tuple[int, int]) -> Any:
    sizes = [math.prod(operand.shape) if size < 0 else size for size in shape]
    return builder.reshape(operand, sizes) if isinstance(operand, Var) else operand.reshape(sizes)


def _is_broadcast(left: tuple[int, ...], right: tuple[int, ...]) -> bool:
    sides = zip(left[::-1], right[::-1], strict=False)
    return all(a == b or 1 in (a, b) for a, b in sides)


def _swapped(operand: Any) -> tuple[int, ...]:
    rank = len(operand.shape)
    return (*range(rank - 2), rank - 1, rank - 2)


def _by_matrices(builder: ProgramBuilder, left: Var, right: np.ndarray) -> Var:
    """Append a product with matrices that differ along axes before the last two: one product for each of them."""
    around = np.broadcast_shapes(left.shape[:-2], right.shape[:-2])
    rows, inner, columns = left.shape[-2], right.shape[-2], right.shape[-1]
    matrices = np.broadcast_to(right, (*around, inner, columns)).reshape(-1, inner, columns)
    padded = builder.reshape(left, (*(1,) * (len(around) + 2 - len(left.shape)), *left.shape))
    numbered = np.arange(1, math.prod(left.shape) + 1).reshape(padded.shape)
    places = np.broadcast_to(numbered, (*around, rows, inner)).reshape(-1, rows, inner)
    products = [
        matmul(builder, [move(builder, padded, places[at], 0.0), matrix], {}) for at, matrix in enumerate(matrices)
    ]
    flat = [builder.reshape(each, (1, rows, columns)) for each in products]
    joined = flat[0] if len(flat) == 1 else builder.emit("Concat", *flat, shape=(len(flat), rows, columns), axis=0)
    return builder.reshape(joined, (*around, rows, columns))


@handles("Gemm")
def _gemm(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    weights = np.asarray(as_constant(arguments[1], "matrix"), dtype=np.float64)
    weights = (weights.T if attributes.get("transB") else weights) * attributes.get("alpha", 1.0)
    value = as_var(arguments[0], "input")
    if attributes.get("transA"):
        value = builder.transpose(value, (1, 0))
    result = matmul(builder, [value, weights], {})
    if len(arguments) > 2 and arguments[2] is not None:
        bias, beta = arguments[2], attributes.get("beta", 1.0)
        if isinstance(bias, Var):
            bias = bias if beta == 1 else builder.binary("Mul", bias, np.array([beta]))
            return builder.binary("Add", result, bias)
        result = builder.binary("Add", result, np.atleast_2d(np.asarray(bias, dtype=np.float64) * beta))
    return result


@handles("BatchNormalization")
def _batch_normalization(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = arguments[0]
    scale, bias, mean, variance = (np.asarray(as_constant(each, "statistics"), dtype=float) for each in arguments[1:5])
    factor = scale / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    shape = (1, -1, *(1,) * (len(value.shape) - 2))
    scaled = builder.binary("Mul", value, factor.reshape(shape))
    return builder.binary("Add", scaled, (bias - mean * factor).reshape(shape))
