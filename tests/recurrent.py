"""Small models with a recurrent layer, as PyTorch's exporter writes them, and as ONNX allows them."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx

from tests.models import model, node, weights

GATES = {"LSTM": 4, "GRU": 3, "RNN": 1}


def recurrent(
    kind: str,
    *,
    steps: int = 5,
    features: int = 2,
    hidden: int = 3,
    states: bool = False,
    peepholes: bool = False,
    bias: bool = True,
    output: int = 0,
    strength: float = 0.6,
    **attributes: Any,
) -> bytes:
    """Return a layer on windows [steps, features], and the sums of its output's numbers.

    Args:
        kind: LSTM, GRU or RNN.
        steps: Steps.
        features: Numbers at each step.
        hidden: Numbers in a state.
        states: True if it begins with states that are not 0.
        peepholes: True if its gates see the cell.
        bias: True if it has a bias.
        output: 0: all states; 1: the last state; 2: the last cell.
        strength: Size of the weights.
        **attributes: Of the layer.
    """
    rng = np.random.default_rng(31)
    ways = 2 if attributes.get("direction") == "bidirectional" else 1
    gates = GATES[kind] * hidden
    constants = [
        weights("w", strength * rng.normal(size=(ways, gates, features))),
        weights("r", strength * rng.normal(size=(ways, gates, hidden))),
    ]
    inputs = ["t", "w", "r", "", "", "", "", ""]
    if bias:
        constants.append(weights("b", 0.3 * rng.normal(size=(ways, 2 * gates))))
        inputs[3] = "b"
    if states:
        constants += [weights(name, 0.5 * rng.normal(size=(ways, 1, hidden))) for name in ("h0", "c0")]
        inputs[5:7] = ["h0", "c0"] if kind == "LSTM" else ["h0", ""]
    if peepholes:
        constants.append(weights("p", 0.4 * rng.normal(size=(ways, 3 * hidden))))
        inputs[7] = "p"
    while not inputs[-1]:
        inputs.pop()
    outputs = ["", "", ""]
    outputs[output] = "o"
    nodes = [
        node("Transpose", ["x"], "t", perm=[1, 0, 2]),
        onnx.helper.make_node(kind, inputs, outputs[: output + 1], name="layer", hidden_size=hidden, **attributes),
        node("Flatten", ["o"], "f", axis=0),
        node("MatMul", ["f", "head"]),
    ]
    size = hidden * ways * (steps if output == 0 else 1)
    constants.append(weights("head", rng.normal(size=(size, 2))))
    return model(nodes, [1, steps, features], constants, opset=14)


def sequences(steps: int = 5, features: int = 2, count: int = 60) -> np.ndarray:
    """Return windows that are multiples of 1/64."""
    drawn = np.random.default_rng(32).normal(size=(count, steps, features))
    return (np.round(drawn * 64) / 64).astype(np.float32)
