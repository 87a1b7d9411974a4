"""Products with matrices, and normalisation by constants."""

from __future__ import annotations

from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var
from oracle.proving.lowering.table import handles


@handles("MatMul")
def matmul(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    """Lower a product with a matrix."""
    left, right = arguments
    if not isinstance(left, Var):
        raise OperatorRefused("its left operand is constant", "write it as x · W, with the batch on axis 0")
    if isinstance(right, Var) and (len(left.shape) < 3 or len(left.shape) != len(right.shape)):
        raise OperatorRefused("it mixes windows", "keep axis 0 the batch")
    if not isinstance(right, Var) and right.ndim == 1:
        column = matmul(builder, [left, right.reshape(-1, 1)], {})
        return builder.reshape(column, column.shape[:-1])
    if not isinstance(right, Var) and right.ndim != 2:
        raise OperatorRefused(f"its weights have {right.ndim} axes", "write it with a matrix of weights")
    if left.shape[-1] != right.shape[-2]:
        raise OperatorRefused(
            f"it multiplies windows of shape {list(left.shape)} by {list(right.shape)}", "export the model again"
        )
    shape = np.matmul(np.empty(left.shape, dtype=np.int8), np.empty(right.shape, dtype=np.int8)).shape
    return builder.emit("MatMul", left, right, shape=shape)


@handles("Gemm")
def _gemm(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    if attributes.get("transA"):
        raise OperatorRefused("it transposes its input", "keep axis 0 the batch")
    weights = np.asarray(as_constant(arguments[1], "matrix"), dtype=np.float64)
    weights = (weights.T if attributes.get("transB") else weights) * attributes.get("alpha", 1.0)
    result = matmul(builder, [as_var(arguments[0], "input"), weights], {})
    if len(arguments) > 2 and arguments[2] is not None:
        bias = np.asarray(as_constant(arguments[2], "bias"), dtype=np.float64) * attributes.get("beta", 1.0)
        result = builder.binary("Add", result, np.atleast_2d(bias))
    return result


@handles("BatchNormalization")
def _batch_normalization(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = arguments[0]
    scale, bias, mean, variance = (np.asarray(as_constant(each, "statistics"), dtype=float) for each in arguments[1:5])
    factor = scale / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    shape = (1, -1, *(1,) * (len(value.shape) - 2))
    scaled = builder.binary("Mul", value, factor.reshape(shape))
    return builder.binary("Add", scaled, (bias - mean * factor).reshape(shape))
