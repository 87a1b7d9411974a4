"""Recurrent layers, unrolled: LSTM, GRU and RNN over a fixed number of steps.

The products of all steps' inputs with the weights are one product. Only what depends on the state is computed step by
step. Gates are piecewise linear, and their bounds are those of the pieces, so that states stay as small as they are: a
gate is never above 1 (`reference/narrower.py`). Each step multiplies twice, and scales would double; so a circuit of
more than two steps is rebased.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var
from oracle.proving.lowering.operators.activations import smooth
from oracle.proving.lowering.operators.linear import matmul
from oracle.proving.lowering.operators.looked_up import function
from oracle.proving.lowering.table import handles_each

MAX_STEPS = 256
"""More steps than this are not unrolled."""

_ACTIVATIONS = {"Sigmoid", "Tanh", "Relu", "Softsign", "Softplus"}
_DEFAULTS = {"LSTM": ["Sigmoid", "Tanh", "Tanh"], "GRU": ["Sigmoid", "Tanh"], "RNN": ["Tanh"]}


@dataclass(frozen=True, slots=True)
class _LayerWeights:
    """The weights of one direction.

    Attributes:
        inputs: For the inputs, [features, gates · hidden].
        states: For the state, [hidden, gates · hidden].
        input_bias: [gates · hidden].
        state_bias: [gates · hidden].
        peepholes: For the cell, [3 · hidden]; None without them.
    """

    inputs: np.ndarray
    states: np.ndarray
    input_bias: np.ndarray
    state_bias: np.ndarray
    peepholes: np.ndarray | None


@dataclass(frozen=True, slots=True)
class _Layer:
    """A layer of one direction: its weights, and its activations as functions."""

    builder: ProgramBuilder
    weights: _LayerWeights
    hidden: int
    activations: Sequence[Callable[[Var], Var]]

    def projected(self, state: Any) -> Any:
        """Return the product of a state with its weights; None if the state is 0."""
        if state is None:
            return None
        if not isinstance(state, Var):
            return state @ self.weights.states
        return matmul(self.builder, [state, self.weights.states], {})

    def part(self, value: Any, gates: Sequence[int]) -> Any:
        """Return some gates' columns of a value or a constant."""
        if value is None:
            return None
        at = [gate * self.hidden + column for gate in gates for column in range(self.hidden)]
        return self.builder.gather(value, at, 1) if isinstance(value, Var) else value[:, at]

    def sum(self, *values: Any) -> Any:
        """Return the sum of those that are not None."""
        given = [each for each in values if each is not None]
        total = given[0]
        for each in given[1:]:
            both_known = not isinstance(total, Var) and not isinstance(each, Var)
            total = total + each if both_known else self.builder.binary("Add", total, each)
        return total

    def product(self, left: Any, right: Any) -> Any:
        """Return a product; None if a factor is."""
        return None if left is None or right is None else self.builder.binary("Mul", left, right)


@handles_each("LSTM", "GRU", "RNN")
def _recurrent(operator: str, builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    rest = [*arguments[1:], *([None] * 7)][:7]
    value = as_var(arguments[0], "input")
    states, recurrent = (np.asarray(as_constant(each, "weights"), dtype=np.float64) for each in rest[:2])
    is_batch_first = bool(attributes.get("layout", 0))
    if is_batch_first:
        value = builder.transpose(value, (1, 0, 2))
    steps, batch, features = value.shape
    directions, hidden = recurrent.shape[0], recurrent.shape[2]
    if steps > MAX_STEPS:
        raise OperatorRefused(f"it has {steps} steps", f"use sequences of at most {MAX_STEPS}")
    if states.shape != (directions, recurrent.shape[1], features):
        raise OperatorRefused(f"its weights have the shape {states.shape}", "export the model again")
    if attributes.get("hidden_size", hidden) != hidden:
        raise OperatorRefused(f"its hidden size is not {hidden}", "export the model again")
    lengths = rest[3]
    if lengths is not None and not (np.asarray(as_constant(lengths, "lengths")) == steps).all():
        raise OperatorRefused("its sequences have lengths of their own", "export it for whole sequences")
    way = attributes.get("direction", b"forward").decode()
    backwards = {"forward": [False], "reverse": [True], "bidirectional": [False, True]}.get(way)
    if backwards is None or len(backwards) != directions:
        raise OperatorRefused(f"its direction is {way}, with weights of {directions}", "export the model again")
    names = [each.decode() for each in attributes.get("activations") or ()] or _DEFAULTS[operator] * directions
    if len(names) != directions * len(_DEFAULTS[operator]) or not set(names) <= _ACTIVATIONS:
        raise OperatorRefused(f"its activations are {', '.join(names)}", f"use {', '.join(sorted(_ACTIVATIONS))}")
    step = {"LSTM": _lstm, "GRU": _gru, "RNN": _rnn}[operator]
    linear_first = bool(attributes.get("linear_before_reset", 0)) if operator == "GRU" else False
    made = []
    for at, is_backwards in enumerate(backwards):
        weights = _weights(rest, at, hidden, states, recurrent)
        count = len(_DEFAULTS[operator])
        functions = [_function(builder, name) for name in names[at * count : (at + 1) * count]]
        layer = _Layer(builder, weights, hidden, functions)
        # A bias that is not behind a product with a gate is added once for all steps.
        bias = weights.input_bias + weights.state_bias
        if linear_first:
            bias[2 * hidden :] = weights.input_bias[2 * hidden :]
        flat = builder.reshape(value, (steps * batch, features))
        inputs = matmul(builder, [flat, weights.inputs], {})
        if bias.any():
            inputs = builder.binary("Add", inputs, bias[None])
        inputs = builder.reshape(inputs, (steps, batch, bias.size))
        state, cell = (_initial(builder, each, at, is_batch_first) for each in (rest[4], rest[5]))
        order = range(steps - 1, -1, -1) if is_backwards else range(steps)
        outputs: dict[int, Any] = {}
        for time in order:
            given = builder.reshape(builder.gather(inputs, [time], 0), (batch, bias.size))
            state, cell = step(layer, given, state, cell, linear_first)
            outputs[time] = state
        made.append((outputs, state, cell))
    return _outputs(builder, made, steps, (batch, hidden), is_batch_first, operator == "LSTM")


def _weights(rest: Sequence[Any], at: int, hidden: int, states: np.ndarray, recurrent: np.ndarray) -> _LayerWeights:
    size = recurrent.shape[1]
    bias = np.zeros(2 * size)
    if rest[2] is not None:
        bias = np.asarray(as_constant(rest[2], "bias"), dtype=np.float64)[at]
    peepholes = None if rest[6] is None else np.asarray(as_constant(rest[6], "peepholes"), dtype=np.float64)[at]
    if bias.shape != (2 * size,) or (peepholes is not None and peepholes.shape != (3 * hidden,)):
        raise OperatorRefused(f"its bias has the shape {bias.shape}", "export the model again")
    used = peepholes if peepholes is not None and peepholes.any() else None
    return _LayerWeights(states[at].T, recurrent[at].T, bias[:size], bias[size:], used)


def _function(builder: ProgramBuilder, name: str) -> Callable[[Var], Var]:
    def activated(value: Var) -> Var:
        if name == "Relu":
            return builder.relu(value)
        if builder.approximate and name in ("Sigmoid", "Tanh"):
            return function(builder, name, value)
        return smooth(builder, name, value)

    return activated


def _initial(builder: ProgramBuilder, given: Any, at: int, is_batch_first: bool) -> Any:
    """Return one direction's state before the first step, [batch, hidden]; None if it is 0."""
    if given is None:
        return None
    axis = 1 if is_batch_first else 0
    if isinstance(given, Var):
        taken = builder.gather(given, [at], axis)
        return builder.reshape(taken, (given.shape[1 - axis], given.shape[2]))
    array = np.take(np.asarray(given, dtype=np.float64), at, axis=axis)
    return array if array.any() else None


def _lstm(layer: _Layer, given: Var, state: Any, cell: Any, _: bool) -> tuple[Any, Any]:
    """Return the state and the cell after one step. Gates come in the order input, output, forget, cell."""
    sums, peepholes, hidden = layer.projected(state), layer.weights.peepholes, layer.hidden
    before = layer.sum(given, sums)

    def peeped(value: Any, of: Any, at: int) -> Any:
        if peepholes is None:
            return value
        return layer.sum(value, layer.product(of, peepholes[None, at * hidden : (at + 1) * hidden]))

    gate, squash, out = layer.activations
    if peepholes is None:
        gates = gate(layer.part(before, (0, 1, 2)))
        come, leave, forget = (layer.part(gates, (at,)) for at in range(3))
    else:
        come, forget = (gate(peeped(layer.part(before, (at,)), cell, at)) for at in (0, 2))
        leave = None
    fresh = squash(layer.part(before, (3,)))
    cell = layer.sum(layer.product(come, fresh), layer.product(forget, cell))
    if leave is None:
        leave = gate(peeped(layer.part(before, (1,)), cell, 1))
    return layer.product(leave, out(cell)), cell


def _gru(layer: _Layer, given: Var, state: Any, _: Any, linear_first: bool) -> tuple[Any, Any]:
    """Return the state after one step. Gates come in the order update, reset, hidden."""
    builder, hidden = layer.builder, layer.hidden
    gate, squash = layer.activations
    weights = layer.weights.states
    known = None if state is None else layer.projected(state)
    gates = gate(layer.sum(layer.part(given, (0, 1)), layer.part(known, (0, 1))))
    update, reset = (layer.part(gates, (at,)) for at in (0, 1))
    if linear_first:
        bias = layer.weights.state_bias[None, 2 * hidden :]
        inner = layer.sum(layer.part(known, (2,)), bias if bias.any() else None) if known is not None else bias
        kept = layer.product(reset, inner) if isinstance(inner, Var) or inner.any() else None
    else:
        within = layer.product(reset, state)
        kept = None if within is None else matmul(builder, [within, weights[:, 2 * hidden :]], {})
    fresh = squash(layer.sum(layer.part(given, (2,)), kept))
    # (1 − z) h + z s is h + z (s − h).
    if state is None:
        return builder.binary("Sub", fresh, builder.binary("Mul", update, fresh)), None
    return builder.binary("Add", builder.binary("Mul", update, builder.binary("Sub", state, fresh)), fresh), None


def _rnn(layer: _Layer, given: Var, state: Any, _: Any, __: bool) -> tuple[Any, Any]:
    return layer.activations[0](layer.sum(given, layer.projected(state))), None


def _outputs(
    builder: ProgramBuilder,
    made: Sequence[tuple[dict[int, Any], Any, Any]],
    steps: int,
    each: tuple[int, int],
    is_batch_first: bool,
    has_cell: bool,
) -> list[Any]:
    """Return all states [steps, directions, batch, hidden], and the last ones and cells [directions, batch, hidden]."""

    def joined(values: Sequence[Var], shape: tuple[int, ...], axis: int) -> Var:
        if len(values) == 1:
            return values[0]
        return builder.emit("Concat", *values, shape=shape, axis=axis)

    count = len(made)
    ways = []
    for outputs, _, _ in made:
        rows = [builder.reshape(outputs[time], (1, 1, *each)) for time in range(steps)]
        ways.append(joined(rows, (steps, 1, *each), 0))
    every = joined(ways, (steps, count, *each), 1)
    last = [joined([builder.reshape(state, (1, *each)) for _, state, _ in made], (count, *each), 0)]
    if has_cell:
        last.append(joined([builder.reshape(cell, (1, *each)) for _, _, cell in made], (count, *each), 0))
    if not is_batch_first:
        return [every, *last]
    return [builder.transpose(every, (2, 0, 1, 3)), *(builder.transpose(value, (1, 0, 2)) for value in last)]
