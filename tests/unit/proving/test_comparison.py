"""Tests of comparisons in graphs: nothing is compared with what it equals, or with what it is one step from."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from onnx import helper

from oracle.core.errors import ModelError
from oracle.proving.artifact.circuit import unprotected
from oracle.proving.disclosure import above, any_above, largest
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.program import COMPARISONS, Op, Program
from oracle.proving.reference.arithmetic import compute, product
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.instantiate import instantiate
from tests.graphs import graphs
from tests.models import model, weights

CLIP = 50


def judged(circuit: Circuit, windows: Any) -> tuple[list[Any], Any]:
    """Return all numbers whose signs count in a circuit's graph, and what the graph publishes.

    The graph is read again as if somebody had brought it.
    """
    program, problems = lower(read_model(circuit.to_onnx(1)))
    assert program is not None, problems
    again = instantiate(program, 0, circuit.param_scale, CLIP, most_bits=250)
    values: dict[str, Any] = dict(again.constants)
    values[program.input] = np.array(windows, dtype=object).reshape(-1, *program.input_shape)
    signs = []
    for step in again.steps:
        given = [values[name] for name in step.op.inputs]
        if step.op.kind in COMPARISONS and step.op.node != "node whole_bool (Equal)":
            assert step.op.kind == "Greater" and not given[1].any(), "all is compared with 0"
            signs.append(given[0])
        values[step.op.output] = compute(step, given, product)
    return signs, values[again.output].reshape(len(windows), -1)


@settings(max_examples=60)
@given(graphs(), st.sampled_from([above, any_above, largest]), st.integers(0, 4), st.integers(2, 6), st.data())
def test_no_compared_number_is_zero_or_one_step_from_it(
    file: bytes, rule: Any, input_scale: int, param_scale: int, data: st.DataObject
) -> None:
    """Whatever the graph compares inside, and whatever it publishes."""
    program, _ = lower(read_model(file))
    if program is None:
        return
    try:
        verdict = above(program, 0.7) if rule is above else rule(program)
        circuit = instantiate(verdict, input_scale, param_scale, CLIP)
    except ModelError:
        return
    numbers = st.integers(-CLIP, CLIP) | st.integers(-2, 2)
    row = st.lists(numbers, min_size=circuit.features, max_size=circuit.features)
    windows = data.draw(st.lists(row, min_size=1, max_size=4))
    signs, published = judged(circuit, windows)
    assert unprotected(circuit.to_onnx(2)) == []
    assert all((number % 4 == 2).all() for number in signs), "so never 0, 1 or −1"
    assert published.tolist() == circuit.evaluate_exactly(windows).tolist()
    assert len(signs) == sum(step.op.kind in COMPARISONS for step in circuit.steps) >= 1


def compared(kind: str) -> Circuit:
    """Return the circuit of one comparison of two inputs, at different scales."""
    halved = Op("Mul", ("x", "half"), "h", "half", (1, 2))
    sides = [Op("Gather", (name,), at, at, (1, 1), {"axis": 1, "indices": [index]}) for name, at, index in SIDES]
    ops = (halved, *sides, Op(kind, ("a", "b"), "y", "compare", (1, 1)))
    return instantiate(Program("x", (2,), "y", (1,), ops, {"half": np.full((1, 1), 0.5)}), 2, 3, CLIP)


SIDES = (("x", "a", 0), ("h", "b", 1))


@pytest.mark.parametrize("kind", sorted(COMPARISONS))
def test_each_comparison_is_exact_at_equality(kind: str) -> None:
    circuit = compared(kind)
    windows = [(a, b) for a in range(-3, 4) for b in range(-6, 7)]
    signs, published = judged(circuit, windows)
    answers = {
        "Greater": lambda a, b: 2 * a > b,
        "Less": lambda a, b: 2 * a < b,
        "GreaterOrEqual": lambda a, b: 2 * a >= b,
        "LessOrEqual": lambda a, b: 2 * a <= b,
    }
    assert published.ravel().tolist() == [int(answers[kind](a, b)) for a, b in windows]
    least = 2 if kind.endswith("OrEqual") else -2
    on_it = [number for number, (a, b) in zip(signs[0].ravel().tolist(), windows, strict=True) if 2 * a == b]
    assert set(on_it) == {least}


@pytest.mark.parametrize("kind", ["Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Max", "Sign"])
def test_a_graph_that_compares_by_itself_is_found(kind: str) -> None:
    nodes = [
        helper.make_node("Add", ["x", "x"], ["two"]),
        helper.make_node(kind, ["two"] if kind == "Sign" else ["two", "w"], ["s"], name="mine"),
    ]
    assert unprotected(model(nodes, ["N", 2], [weights("w", [[0.0, 0.0]])], ["s"])) == [f"{kind} mine"]


def test_a_salt_changes_the_graph_and_no_output() -> None:
    circuit = compared("Greater")
    plain, salted = circuit.to_onnx(2), circuit.to_onnx(2, (3, -5 << 40))
    assert plain != salted and circuit.to_onnx(2, ()) == plain
    inside = {each.name: onnx.numpy_helper.to_array(each) for each in onnx.load_from_string(salted).graph.initializer}
    assert (inside["salt"].astype(float) * 2**3).ravel().tolist() == [3.0, -5.0 * 2**40]
    assert not any(each.name == "salt" for each in onnx.load_from_string(plain).graph.initializer)
