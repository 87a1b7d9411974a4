"""Tests of recurrent layers, unrolled: they are those of ONNX Runtime, stay small, and leave a prover little choice."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest

from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.program import Program
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.tuning.float_model import scored_outputs
from oracle.proving.tuning.request import Request
from tests.hostile_prover import picks, published
from tests.recurrent import recurrent, sequences


def lowered(data: bytes, segments: int = 32) -> Program:
    program, problems = lower(read_model(data), segments=segments)
    assert program is not None, [str(problem) for problem in problems]
    return program


LAYERS: dict[str, dict[str, Any]] = {
    "LSTM": {"kind": "LSTM"},
    "LSTM, its last cell": {"kind": "LSTM", "output": 2},
    "LSTM with states": {"kind": "LSTM", "states": True},
    "LSTM that sees its cell": {"kind": "LSTM", "peepholes": True, "output": 1},
    "LSTM both ways": {"kind": "LSTM", "direction": "bidirectional", "states": True, "peepholes": True},
    "LSTM backwards": {"kind": "LSTM", "direction": "reverse", "bias": False},
    "GRU": {"kind": "GRU"},
    "GRU as PyTorch has it": {"kind": "GRU", "linear_before_reset": 1},
    "GRU with a state": {"kind": "GRU", "states": True, "linear_before_reset": 1, "direction": "bidirectional"},
    "GRU with a state, reset first": {"kind": "GRU", "states": True, "output": 1},
    "RNN": {"kind": "RNN", "direction": "bidirectional"},
    "RNN of ReLUs": {"kind": "RNN", "activations": ["Relu"], "states": True},
}


@pytest.mark.parametrize("name", LAYERS)
def test_layers_are_those_of_onnx_runtime(name: str) -> None:
    data, samples = recurrent(**LAYERS[name]), sequences()
    program = lowered(data)
    assert program.approximated == (() if "ReLU" in name else (f"node layer ({LAYERS[name]['kind']})",))
    circuit = instantiate(program, 6, 12, 512, 2)
    flat = samples.reshape(len(samples), -1)
    computed = circuit.evaluate(circuit.quantise(flat)).astype(float) / 2.0**circuit.output_scale
    expected = scored_outputs(Request("layer", data, samples), program, flat.astype(float))
    assert np.abs(computed - expected).max() < 0.02 * max(1.0, float(np.abs(expected).max()))
    # A wrong gate would be far from it.
    assert np.corrcoef(computed[:, 0], expected[:, 0])[0, 1] > 0.9999


@pytest.mark.parametrize("kind", ["LSTM", "GRU"])
def test_states_do_not_grow_with_the_steps(kind: str) -> None:
    """Gates are at most 1, and a GRU's state is between two others. Interval arithmetic would double them each step.

    What a prover may choose does grow: by what one step can make of a difference at most.
    """
    circuits = [
        instantiate(lowered(recurrent(kind, steps=steps, output=1, strength=0.25), 8), 6, 12, 512, 2)
        for steps in (4, 8, 16)
    ]
    bits = [circuit.bound.bit_length() for circuit in circuits]
    assert max(bits) <= min(bits) + 2
    slacks = [circuit.slack / 2.0**circuit.output_scale for circuit in circuits]
    assert slacks[0] < 0.0002 and slacks[1] < 0.005
    assert kind == "LSTM" or slacks[2] < 0.02


@pytest.mark.parametrize("name", ["LSTM", "GRU", "GRU as PyTorch has it", "LSTM that sees its cell", "RNN"])
def test_no_prover_leaves_the_slack(name: str) -> None:
    """One that always rounds down, always up, or as it likes, stays within the slack that the manifest states."""
    circuit = instantiate(lowered(recurrent(**LAYERS[name], steps=4), 8), 2, 4, 40, 2)
    rng = np.random.default_rng(5)
    windows = rng.integers(-40, 41, (12, circuit.features))
    honest = circuit.evaluate_exactly(windows)
    moved = max(np.abs(published(circuit, windows, pick) - honest).max() for pick in picks())
    assert 0 < moved <= circuit.slack


REFUSED: list[tuple[bytes, str]] = [
    (recurrent("LSTM", clip=3.0), "it has clip = 3.0, which is not honoured"),
    (recurrent("LSTM", input_forget=1), "it has input_forget = 1, which is not honoured"),
    (recurrent("RNN", activations=["Affine"]), "its activations are Affine"),
    (recurrent("GRU", steps=300), "it has 300 steps"),
]


@pytest.mark.parametrize(("data", "says"), REFUSED, ids=[says for _, says in REFUSED])
def test_layers_that_are_refused(data: bytes, says: str) -> None:
    _, (problem, *_) = lower(read_model(data))
    assert problem.what.startswith(says)


@pytest.mark.parametrize("length", [5, 3])
def test_sequences_have_the_lengths_of_all(length: int) -> None:
    proto = onnx.load_model_from_string(recurrent("GRU"))
    layer = next(each for each in proto.graph.node if each.op_type == "GRU")
    layer.input.append("lengths")
    proto.graph.initializer.append(onnx.numpy_helper.from_array(np.array([length], dtype=np.int32), "lengths"))
    program, problems = lower(read_model(proto.SerializeToString()))
    assert (program is None) is (length == 3)
    assert length == 5 or "lengths of their own" in problems[0].what
