"""Tests of the bounds that are narrower than those of interval arithmetic: they hold, and they are reached."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import TensorProto

from oracle.core.errors import ModelError
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.reference.arithmetic import compute, product, quotient
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.instantiate import instantiate
from tests.graphs import graphs
from tests.models import model, node, weights

CLIP = 40


def circuit_of(data: bytes, rebase: int = 0, *, segments: int = 8, clip: int = CLIP) -> Circuit:
    program, problems = lower(read_model(data), segments=segments, keep_activation=True)
    assert program is not None, problems
    return instantiate(program, 2, 4, clip, rebase)


def reached(circuit: Circuit, windows: Any) -> dict[str, int]:
    """Return the largest magnitude of each operation's result, less what is within its bounds."""
    values: dict[str, Any] = {name: constant.astype(object) for name, constant in circuit.constants.items()}
    values[circuit.program.input] = windows.astype(object).reshape(len(windows), *circuit.program.input_shape)
    over = {}
    for step in circuit.steps:
        result = compute(step, [values[name] for name in step.op.inputs], product)
        values[step.op.output] = quotient(result, step.drop) if step.drop else result
        over[step.op.output] = int(abs(values[step.op.output]).max()) - step.reach
    return over


def windows_of(circuit: Circuit, seed: int) -> Any:
    """Return corners of the box, and windows within it."""
    rng = np.random.default_rng(seed)
    inside = rng.integers(-circuit.clip, circuit.clip + 1, (40, circuit.features))
    return np.concatenate([inside, np.sign(inside) * circuit.clip])


@settings(max_examples=60, deadline=None)
@given(data=graphs(), rebase=st.sampled_from([0, 2, 3]), seed=st.integers(0, 9))
def test_no_value_exceeds_its_bounds(data: bytes, rebase: int, seed: int) -> None:
    """The graphs have maxima, minima, selections, clips and leaky ReLUs, one after the other."""
    try:
        circuit = circuit_of(data, rebase)
    except (ModelError, AssertionError):
        return
    assert max(reached(circuit, windows_of(circuit, seed)).values()) <= 0


@pytest.mark.parametrize("kind", ["Sigmoid", "Tanh", "Softplus", "Gelu"])
@pytest.mark.parametrize("rebase", [0, 3])
def test_an_activation_is_bounded_by_what_it_can_reach(kind: str, rebase: int) -> None:
    nodes = [node("MatMul", ["x", "w"], "a"), node(kind, ["a"])]
    data = model(nodes, ["N", 3], [weights("w", np.random.default_rng(1).normal(size=(3, 4)))], opset=20)
    circuit = circuit_of(data, rebase)
    assert max(reached(circuit, windows_of(circuit, 1)).values()) <= 0
    if kind in ("Sigmoid", "Tanh"):
        # Rounded slopes do not end quite level.
        assert circuit.steps[-1].reach / 2**circuit.output_scale < 3


def test_gates_in_a_row_do_not_grow() -> None:
    """Each takes the product of the one before it and the input; interval arithmetic would multiply their bounds."""
    nodes = [node("Tanh", ["x"], "h0")]
    for at in range(12):
        nodes += [node("Sigmoid", [f"h{at}"], f"g{at}"), node("Mul", [f"g{at}", "x"], f"m{at}")]
        nodes += [node("Tanh", [f"m{at}"], f"h{at + 1}" if at < 11 else "y")]
    circuit = circuit_of(model(nodes, ["N", 2], []), 2)
    assert max(step.reach.bit_length() for step in circuit.steps) < 24
    assert max(reached(circuit, windows_of(circuit, 2)).values()) <= 0


def test_a_selection_of_selections_does_not_double_its_bounds() -> None:
    nodes, name = [], "x"
    for at in range(40):
        nodes += [
            node("Greater", ["x", f"t{at}"], f"c{at}"),
            node("Neg", [name], f"n{at}"),
            node("Where", [f"c{at}", name, f"n{at}"], f"s{at}" if at < 39 else "y"),
        ]
        name = f"s{at}"
    circuit = circuit_of(model(nodes, ["N", 2], [weights(f"t{at}", [[at / 8]]) for at in range(40)]))
    assert circuit.steps[-1].reach == CLIP
    assert max(reached(circuit, windows_of(circuit, 3)).values()) <= 0


def test_only_a_bit_selects() -> None:
    """A value from 0 to 1 at a scale is no bit: c (a − b) + b has no narrower bounds then."""
    nodes = [
        node("Clip", ["x", "zero", "two"], "c"),
        node("Neg", ["x"], "n"),
        node("Sub", ["x", "n"], "d"),
        node("Mul", ["c", "d"], "m"),
        node("Add", ["m", "n"]),
    ]
    data = model(nodes, ["N", 2], [weights("zero", [0.0]), weights("two", [2.0])])
    circuit = circuit_of(data)
    assert max(reached(circuit, windows_of(circuit, 4)).values()) <= 0


def test_a_circuit_that_is_read_back_has_the_same_bounds() -> None:
    nodes = [node("MatMul", ["x", "w"], "a"), node("Tanh", ["a"], "t"), node("Greater", ["t", "x"], "g")]
    nodes += [
        node("Cast", ["g"], "c", to=TensorProto.BOOL),
        node("Where", ["c", "t", "x"], "s"),
        node("Sigmoid", ["s"]),
    ]
    data = model(nodes, ["N", 3], [weights("w", np.random.default_rng(1).normal(size=(3, 3)))])
    circuit = circuit_of(data, 2)
    program, problems = lower(read_model(circuit.to_onnx(1)))
    assert program is not None, problems
    again = instantiate(program, 0, circuit.param_scale, circuit.clip, circuit.rebase)
    assert (again.steps[-1].reach, again.slack) == (circuit.steps[-1].reach, circuit.slack)


@pytest.mark.parametrize("kind", ["Sigmoid", "Tanh", "Erf", "Softsign", "Gelu"])
@pytest.mark.parametrize("params", [4, 7, 12])
def test_rounded_slopes_end_level_and_meet_their_corners(kind: str, params: int) -> None:
    """Errors of slopes that are rounded one by one add up, and grow with the distance from the corners."""
    program, _ = lower(
        read_model(model([node(kind, ["x"])], ["N", 1], [], opset=20)), segments=16, keep_activation=True
    )
    assert program is not None
    fine, coarse = (instantiate(program, 8, scale, 32_767) for scale in (20, params))
    windows = np.linspace(-32_767, 32_767, 3_001).astype(int).reshape(-1, 1)
    values = [each.evaluate_exactly(windows).astype(float) / 2.0**each.output_scale for each in (fine, coarse)]
    # Half a step of the slope over the widest segment, and half a step of the first value.
    corners = next(op.inputs[1] for op in program.ops if op.kind == "Sub")
    widest = np.diff(program.constants[corners].ravel()).max()
    right = 0.0 if kind != "Gelu" else 2.0**-params * 128
    assert np.abs(values[0] - values[1]).max() <= 2.0**-params * (widest + 1) + right
