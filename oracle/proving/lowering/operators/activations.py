"""Activations and other piecewise linear functions; smooth activations are approximated by one."""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant
from oracle.proving.lowering.table import handles, handles_each

_ENDLESS = 3.4e38
"""A bound beyond this is none."""


@handles("Relu")
def _relu(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return builder.relu(arguments[0])


@handles("LeakyRelu", "PRelu")
def _leaky(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    # a x + (1 − a) relu(x)
    given = as_constant(arguments[1], "slope") if len(arguments) > 1 else [attributes.get("alpha", 0.01)]
    slope = np.asarray(given, dtype=np.float64)
    positive = builder.binary("Mul", builder.relu(arguments[0]), 1.0 - slope)
    return builder.binary("Add", positive, builder.binary("Mul", arguments[0], slope))


@handles("Abs")
def _abs(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return builder.emit("Abs", arguments[0], shape=arguments[0].shape)


@handles("Clip")
def _clip(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    least = arguments[1] if len(arguments) > 1 else attributes.get("min")
    most = arguments[2] if len(arguments) > 2 else attributes.get("max")
    value = arguments[0]
    # Before opset 11, the largest float stands for no bound.
    least, most = (None if bound is None or _is_no_bound(bound) else bound for bound in (least, most))
    if least is not None:
        value = builder.maximum(value, np.asarray(as_constant(least, "bound"), dtype=np.float64).reshape(1))
    if most is not None:
        value = builder.minimum(value, np.asarray(as_constant(most, "bound"), dtype=np.float64).reshape(1))
    return value


def _is_no_bound(bound: Any) -> bool:
    return not isinstance(bound, Var) and bool(np.abs(np.asarray(bound, dtype=np.float64)).max() >= _ENDLESS)


@handles_each("Max", "Min")
def _extreme(operator: str, builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    pick = builder.maximum if operator == "Max" else builder.minimum
    result = arguments[0]
    for each in arguments[1:]:
        result = pick(result, each)
    return result


@handles("HardSigmoid")
def _hard_sigmoid(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    slope, middle = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
    if slope <= 0:
        raise OperatorRefused(f"its alpha is {slope:g}", "use a positive slope")
    return builder.piecewise(arguments[0], [(-middle / slope, 0.0), ((1 - middle) / slope, 1.0)], 0.0, 0.0)


@handles("HardSwish")
def _hard_swish(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    # x · min(max(x + 3, 0), 6) / 6
    risen = builder.relu(builder.binary("Add", arguments[0], np.array([3.0])))
    product = builder.binary("Mul", arguments[0], builder.minimum(risen, np.array([6.0])))
    return builder.binary("Mul", product, np.array([1 / 6]))


@handles("ThresholdedRelu")
def _thresholded_relu(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    above = builder.binary("Greater", arguments[0], np.array([attributes.get("alpha", 1.0)]))
    return builder.binary("Mul", arguments[0], above)


@handles("Shrink")
def _shrink(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    limit, bias = float(attributes.get("lambd", 0.5)), float(attributes.get("bias", 0.0))
    if limit < 0:
        raise OperatorRefused(f"its lambd is {limit:g}", "use a positive one")
    parts = []
    for kind, at, shift in (("Greater", limit, -bias), ("Less", -limit, bias)):
        moved = builder.binary("Add", arguments[0], np.array([shift])) if bias else arguments[0]
        parts.append(builder.binary("Mul", moved, builder.binary(kind, arguments[0], np.array([at]))))
    return builder.binary("Add", *parts)


@handles("Sign")
def _sign(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    zero = builder.binary("Sub", arguments[0], arguments[0])
    sides = builder.binary("Greater", arguments[0], zero), builder.binary("Less", arguments[0], zero)
    return builder.binary("Sub", *sides)


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


def _elu(alpha: float, x: float) -> float:
    return x if x > 0 else alpha * math.expm1(x)


def _celu(alpha: float, x: float) -> float:
    return x if x > 0 else alpha * math.expm1(x / alpha)


def _selu(alpha: float, gamma: float, x: float) -> float:
    return gamma * _elu(alpha, x)


def _gelu_by_tanh(x: float) -> float:
    return x * (1 + math.tanh(math.sqrt(2 / math.pi) * (x + 0.044715 * x**3))) / 2


_SELU = (1.6732632423543772, 1.0507009873554805)
"""Alpha and gamma of a Selu that says nothing."""

_SMOOTH: dict[str, tuple[Callable[[float], float], float, float, float]] = {
    # function, where it ends, slope to the left, slope to the right
    "Sigmoid": (_sigmoid, 8.0, 0.0, 0.0),
    "Tanh": (math.tanh, 4.0, 0.0, 0.0),
    "Erf": (math.erf, 3.0, 0.0, 0.0),
    "Softplus": (lambda x: math.log1p(math.exp(x)), 8.0, 0.0, 1.0),
    "Elu": (partial(_elu, 1.0), 8.0, 0.0, 1.0),
    "Celu": (partial(_celu, 1.0), 8.0, 0.0, 1.0),
    "Selu": (partial(_selu, *_SELU), 8.0, 0.0, _SELU[1]),
    "Gelu": (lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2, 5.0, 0.0, 1.0),
    "Softsign": (lambda x: x / (1 + abs(x)), 32.0, 0.0, 0.0),
    "Mish": (lambda x: x * math.tanh(math.log1p(math.exp(x))), 8.0, 0.0, 1.0),
}


@handles_each(*_SMOOTH)
def _smooth(operator: str, builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    function, limit, left, right = _SMOOTH[operator]
    if operator == "Elu":
        alpha = float(attributes.get("alpha", 1.0))
        function = partial(_elu, alpha)
    elif operator == "Celu":
        alpha = float(attributes.get("alpha", 1.0))
        if not alpha > 0:
            raise OperatorRefused(f"its alpha is {alpha:g}", "use a positive one")
        function, limit = partial(_celu, alpha), max(1.0, limit * alpha)
    elif operator == "Selu":
        alpha, gamma = float(attributes.get("alpha", _SELU[0])), float(attributes.get("gamma", _SELU[1]))
        function, right = partial(_selu, alpha, gamma), gamma
    elif operator == "Gelu" and attributes.get("approximate", b"none") == b"tanh":
        function = _gelu_by_tanh
    return _pieces(builder, arguments[0], function, limit, left, right)


def smooth(builder: ProgramBuilder, operator: str, value: Var) -> Var:
    """Append an activation that has no attributes, as a piecewise linear function."""
    return _pieces(builder, value, *_SMOOTH[operator])


def _pieces(
    builder: ProgramBuilder, value: Var, function: Callable[[float], float], limit: float, left: float, right: float
) -> Var:
    if builder.node not in builder.approximated:
        builder.approximated.append(builder.node)
    return builder.piecewise(value, knots(function, -limit, limit, builder.segments), left, right)


def knots(function: Callable[[float], float], low: float, high: float, segments: int) -> list[tuple[float, float]]:
    """Return corners on a function, denser where it bends more: equal shares of the integral of √|f''|.

    Args:
        function: The function.
        low: The first corner.
        high: The last corner.
        segments: Pieces between them.
    """
    grid = np.linspace(low, high, 4_001)
    bend = np.abs(np.gradient(np.gradient([function(float(x)) for x in grid], grid), grid))
    share = np.concatenate([[0.0], np.cumsum(np.sqrt(bend[1:] + 1e-9))])
    at = np.interp(np.linspace(0, share[-1], segments + 1), share, grid)
    # Short binary fractions: the circuit has them exactly at every scale from 2^-6 on.
    corners = sorted({round(float(x) * 64) / 64 for x in at})
    return [(x, function(x)) for x in corners]
