"""Operators that no exact circuit has: functions that are looked up or checked, and what is made of them.

They are used in approximate circuits alone, for nodes that can't be lowered exactly. A smooth activation is looked up
there, too: in a circuit that has tables, that is cheaper than pieces.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var, axis_of
from oracle.proving.lowering.functions import FUNCTIONS
from oracle.proving.lowering.operators.reductions import extreme_over, reduce
from oracle.proving.lowering.program import FUNCTION, GAIN
from oracle.proving.lowering.table import approximates, approximates_each


def function(builder: ProgramBuilder, name: str, value: Var, **ends: float) -> Var:
    """Append a function of one variable.

    Args:
        builder: The builder.
        name: A name of `FUNCTIONS`.
        value: Its argument.
        **ends: `least` and `most`, if the argument is never below or above them.
    """
    return builder.emit(FUNCTION, value, shape=value.shape, name=name, **ends)


@approximates_each(*FUNCTIONS)
def _function(operator: str, builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return function(builder, operator, as_var(arguments[0], "input"))


# Each table makes proof and verifier longer (`cost.tables_of`): functions share one where they can.


@approximates("Cos")
def _cos(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    quarter = builder.binary("Add", as_var(arguments[0], "input"), np.full(1, math.pi / 2))
    return function(builder, "Sin", quarter)


@approximates("Acos")
def _acos(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return builder.binary("Sub", np.full(1, math.pi / 2), function(builder, "Asin", as_var(arguments[0], "input")))


@approximates("Div")
def _div(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return _quotient(builder, arguments[0], as_var(arguments[1], "divisor"))


def _quotient(builder: ProgramBuilder, over: Any, under: Var, **ends: float) -> Var:
    return builder.binary("Mul", over, function(builder, "Reciprocal", under, **ends))


@approximates("Softsign")
def _softsign(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    size = builder.emit("Abs", arguments[0], shape=arguments[0].shape)
    return _quotient(builder, arguments[0], builder.binary("Add", size, np.ones(1)), least=1.0)


@approximates("Pow")
def _pow(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    base, exponent = arguments
    if not isinstance(exponent, Var) and np.asarray(exponent).size == 1:
        power = float(np.asarray(exponent).ravel()[0])
        if abs(power) <= 64 and power == round(power):
            raised = _whole_power(builder, base, abs(round(power)))
            return function(builder, "Reciprocal", raised) if power < 0 else raised
        if abs(power) == 0.5:
            root = function(builder, "Sqrt", base)
            return function(builder, "Reciprocal", root) if power < 0 else root
    if not isinstance(base, Var):
        if not (np.asarray(base) > 0).all():
            raise OperatorRefused("it raises a number that is not positive to a power that depends on the input", _PLAN)
        logarithm: Any = np.log(np.asarray(base, dtype=np.float64))
    else:
        logarithm = function(builder, "Log", base)
    return function(builder, "Exp", builder.binary("Mul", exponent, logarithm))


_PLAN = "compute it as a feature before the model"


def _whole_power(builder: ProgramBuilder, base: Var, power: int) -> Var:
    if power == 0:
        raise OperatorRefused("its exponent is 0", "leave it off: the result is 1")
    result: Var | None = None
    square = base
    while True:
        if power & 1:
            result = square if result is None else builder.binary("Mul", result, square)
        power >>= 1
        if not power:
            assert result is not None
            return result
        square = builder.binary("Mul", square, square)


@approximates_each("Softmax", "LogSoftmax")
def _softmax(operator: str, builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    rank = len(value.shape)
    axis = axis_of(int(attributes.get("axis", 1 if builder.opset < 13 else -1)), rank)
    # Before opset 13, all axes from the given one on are one.
    axes = tuple(range(axis, rank)) if builder.opset < 13 else (axis,)
    below = builder.binary("Sub", value, extreme_over(builder, value, axes, True, smallest=False))
    powers = function(builder, "Exp", below, most=0.0)
    total = reduce(builder, powers, axes, True, mean=False)
    # One of the powers is that of 0.
    ends = {"least": 1.0, "most": float(math.prod(value.shape[each] for each in axes))}
    if operator == "LogSoftmax":
        return builder.binary("Sub", below, function(builder, "Log", total, **ends))
    return _quotient(builder, powers, total, **ends)


def _axes(arguments: Sequence[Any], attributes: dict[str, Any]) -> tuple[int, ...]:
    given = arguments[1] if len(arguments) > 1 and arguments[1] is not None else attributes.get("axes", ())
    return tuple(int(axis) for axis in np.ravel(as_constant(given, "axes")))


@approximates("ReduceL2")
def _norm(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    keep = bool(attributes.get("keepdims", 1))
    squares = builder.binary("Mul", value, value)
    return function(builder, "Sqrt", reduce(builder, squares, _axes(arguments, attributes), keep, mean=False))


@approximates_each("ReduceLogSum", "ReduceLogSumExp")
def _log_sum(operator: str, builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    keep = bool(attributes.get("keepdims", 1))
    rank = len(value.shape)
    axes = tuple(sorted(axis_of(axis, rank) for axis in _axes(arguments, attributes))) or tuple(range(rank))
    if operator == "ReduceLogSum":
        return function(builder, "Log", reduce(builder, value, axes, keep, mean=False))
    most = extreme_over(builder, value, axes, True, smallest=False)
    powers = function(builder, "Exp", builder.binary("Sub", value, most), most=0.0)
    ends = {"least": 1.0, "most": float(math.prod(value.shape[each] for each in axes))}
    logarithm = function(builder, "Log", reduce(builder, powers, axes, True, mean=False), **ends)
    result = builder.binary("Add", most, logarithm)
    if keep:
        return result
    return builder.reshape(result, [dim for axis, dim in enumerate(value.shape) if axis not in axes])


@approximates("LpNormalization")
def _lp_normalization(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    axis = (int(attributes.get("axis", -1)),)
    if int(attributes.get("p", 2)) == 1:
        sizes = builder.emit("Abs", value, shape=value.shape)
        return _quotient(builder, value, reduce(builder, sizes, axis, True, mean=False))
    squares = builder.binary("Mul", value, value)
    return _quotient(builder, value, function(builder, "Sqrt", reduce(builder, squares, axis, True, mean=False)))


def _standardised(builder: ProgramBuilder, value: Var, axes: Sequence[int], epsilon: float) -> Var:
    """Append (x − mean) / √(variance + epsilon), over some axes.

    The size of x does not matter but for epsilon. So x − mean is multiplied by a gain of 1, for which the samples give
    a power of two (`GAIN`): squares of small numbers would be lost at the scale of functions.
    """
    centred = builder.binary("Sub", value, reduce(builder, value, axes, True, mean=True))
    one = np.ones((1,) * len(centred.shape))
    centred = builder.emit("Mul", centred, one, shape=centred.shape, **{GAIN: 1})
    variance = reduce(builder, builder.binary("Mul", centred, centred), axes, True, mean=True)
    if epsilon:
        constant = np.full((1,) * len(variance.shape), epsilon)
        variance = builder.emit("Add", variance, constant, shape=variance.shape, **{GAIN: 2})
    return _quotient(builder, centred, function(builder, "Sqrt", variance))


def _scaled(builder: ProgramBuilder, value: Var, scale: Any, bias: Any) -> Var:
    if scale is not None:
        value = builder.binary("Mul", value, scale)
    return value if bias is None else builder.binary("Add", value, bias)


@approximates("LayerNormalization")
def _layer_normalization(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    rank = len(value.shape)
    axis = axis_of(int(attributes.get("axis", -1)), rank)
    if int(attributes.get("stash_type", 1)) != 1 or builder.output_count > 1:
        raise OperatorRefused("it gives its mean and deviation, too", "export it with one output")
    made = _standardised(builder, value, range(axis, rank), float(attributes.get("epsilon", 1e-5)))
    return _scaled(builder, made, arguments[1], arguments[2] if len(arguments) > 2 else None)


@approximates("InstanceNormalization")
def _instance_normalization(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    rank = len(value.shape)
    made = _standardised(builder, value, range(2, rank), float(attributes.get("epsilon", 1e-5)))
    wide = (1, -1, *(1,) * (rank - 2))
    scale, bias = (np.asarray(as_constant(each, "scale")).reshape(wide) for each in arguments[1:3])
    return _scaled(builder, made, scale, bias)


@approximates("MeanVarianceNormalization")
def _mean_variance(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    axes = [int(axis) for axis in attributes.get("axes", (0, 2, 3))]
    return _standardised(builder, as_var(arguments[0], "input"), axes, 1e-9)
