"""Tests of what is known of values that are divided by the root of their own squares: it holds for every prover."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.reference.arithmetic import compute, product, quotient
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.tuning.looked_up import at_level
from oracle.proving.tuning.request import Request
from tests.models import model, node, weights

RNG = np.random.default_rng(8)
MIXED = RNG.normal(size=(40, 6)).astype(np.float32)
CONSTANTS = [
    weights("two", np.array([2.0])),
    weights("epsilon", np.array([1e-2])),
    weights("scale", np.linspace(0.5, 1.5, 6)),
    weights("mix", RNG.normal(size=(6, 6)) / 2),
    weights("ones", np.ones(2)),
    weights("zeros", np.zeros(2)),
    weights("picture", np.array([1, 2, 1, 3]), np.int64),
]
MEAN_OF_SQUARES = [node("Mul", ["c", "c"], "q"), node("ReduceMean", ["q"], "v", axes=[1])]
ROOT = [node("Add", ["v", "epsilon"], "e"), node("Sqrt", ["e"], "d")]
CASES: dict[str, tuple[list[Any], np.ndarray, float]] = {
    "layer": ([node("LayerNormalization", ["x", "scale"])], MIXED, 0.3),
    "layer of returns": ([node("LayerNormalization", ["x", "scale"])], MIXED / 50, 0.6),
    "layer of prices": ([node("LayerNormalization", ["x", "scale"])], MIXED * 200 + 1_000, 0.3),
    "layer as it is spelt out": (
        [
            node("ReduceMean", ["x"], "m", axes=[1]),
            node("Sub", ["x", "m"], "c"),
            node("Pow", ["c", "two"], "q"),
            node("ReduceMean", ["q"], "v", axes=[1]),
            *ROOT,
            node("Div", ["c", "d"]),
        ],
        MIXED,
        0.3,
    ),
    "root of the mean square": (
        [node("Identity", ["x"], "c"), *MEAN_OF_SQUARES, *ROOT, node("Div", ["x", "d"])],
        MIXED,
        0.2,
    ),
    "length": ([node("LpNormalization", ["x"], axis=1, p=2)], MIXED, 0.1),
    "instance": (
        [node("Reshape", ["x", "picture"], "p"), node("InstanceNormalization", ["p", "ones", "zeros"])],
        MIXED / 4 + np.array([-1, 0, 1] * 2, np.float32),
        0.5,
    ),
    "two layers": (
        [
            node("MatMul", ["x", "mix"], "a"),
            node("LayerNormalization", ["a", "scale"], "b"),
            node("MatMul", ["b", "mix"], "c"),
            node("LayerNormalization", ["c", "scale"]),
        ],
        MIXED,
        50,
    ),
}


def circuit_of(nodes: list[Any], samples: np.ndarray, level: int) -> Circuit:
    program, problems = lower(read_model(model(nodes, ["N", 6], CONSTANTS, opset=17)), approximate=True)
    assert program is not None, [str(each) for each in problems]
    return at_level(Request("m", b"", samples), program, samples.astype(np.float64), level)


def values_of(circuit: Circuit, windows: Any, choice: Callable[[Any], Any] | None = None) -> dict[str, Any]:
    """Return all values of a circuit, as a prover makes them who takes `choice` of each as the step beside it."""
    values: dict[str, Any] = {name: constant.astype(object) for name, constant in circuit.constants.items()}
    values[circuit.program.input] = windows.astype(object).reshape(len(windows), *circuit.program.input_shape)
    for step in circuit.steps:
        made = compute(step, [values[name] for name in step.op.inputs], product)
        if choice is None:
            made = quotient(made, step.drop) if step.drop else made
        elif step.drop:
            # Floor, or ceiling.
            made = (made >> step.drop) + (choice(made) > 0).astype(int) * (made % (1 << step.drop) != 0).astype(int)
        elif step.op.kind == "Function" and step.table is None:
            made = np.maximum(made + choice(made), 0)
        values[step.op.output] = made
    return values


def nasty(circuit: Circuit) -> Any:
    """Return windows within the clip: corners, single spikes, nearly equal numbers, and others of each size."""
    most, count = circuit.clip, circuit.features
    sizes = [max(1, most >> bits) for bits in range(0, most.bit_length(), 2)]
    spikes = [size * np.eye(count, dtype=int)[at] for size in sizes for at in (0, count - 1)]
    near = [np.full(count, size) + np.arange(count) % 2 - size // 2 for size in sizes]
    others = [RNG.integers(-size, size + 1, count) for size in sizes for _ in range(8)]
    corners = [np.sign(each) * most for each in others[:40]]
    return np.clip(np.array([*spikes, *near, *others, *corners]), -most, most)


@pytest.mark.parametrize("level", [8, 12])
@pytest.mark.parametrize("name", CASES)
def test_no_prover_gets_further_than_is_said(name: str, level: int) -> None:
    """Values and their distance from the reference's stay within their bounds, step by step, for several strategies."""
    nodes, samples, _ = CASES[name]
    circuit = circuit_of(nodes, samples, level)
    windows = nasty(circuit)
    honest = values_of(circuit, windows)
    flip = iter(range(1 << 30))
    choices: list[Callable[[Any], Any]] = [
        lambda made: np.ones_like(made),
        lambda made: -np.ones_like(made),
        lambda made: np.sign(made),
        lambda made: -np.sign(made),
        lambda made: np.ones_like(made) * (-1) ** next(flip),
        *[lambda made: RNG.integers(-1, 2, made.shape).astype(object)] * 4,
    ]
    for choice in choices:
        other = values_of(circuit, windows, choice)
        for step in circuit.steps:
            moved = abs(other[step.op.output] - honest[step.op.output]).max()
            assert moved <= step.slack, (step.op, int(moved))
            assert max(abs(other[step.op.output]).max(), abs(honest[step.op.output]).max()) <= step.reach, step.op


@pytest.mark.parametrize("name", CASES)
def test_a_normalisation_leaves_a_prover_little(name: str) -> None:
    """The slack is a fraction of what is published, no value exceeds what a normalisation can give by much, and whoever
    reads the circuit's graph derives the same.
    """
    nodes, samples, most = CASES[name]
    circuit = circuit_of(nodes, samples, 12)
    unit = 2.0**circuit.output_scale
    published = np.abs(circuit.evaluate(circuit.quantise(samples))).max() / unit
    assert 0 < circuit.slack / unit <= most
    if name != "two layers":
        assert circuit.steps[-1].reach / unit <= 2 * published
    program, problems = lower(read_model(circuit.to_onnx(1)), approximate=True, keep_activation=True)
    assert program is not None, problems
    again = instantiate(program, 0, circuit.param_scale, circuit.clip, circuit.rebase)
    assert (again.slack, again.bound, again.decomposed) == (circuit.slack, circuit.bound, circuit.decomposed)


def test_what_is_divided_by_another_value_is_bounded_by_itself() -> None:
    """Only a dividend that is in the root gets narrower bounds: here the root holds another one."""
    other = [node("MatMul", ["x", "mix"], "c"), *MEAN_OF_SQUARES, *ROOT, node("Div", ["x", "d"])]
    same = [node("MatMul", ["x", "mix"], "c"), *MEAN_OF_SQUARES, *ROOT, node("Div", ["c", "d"])]
    apart, together = (circuit_of(nodes, MIXED, 10) for nodes in (other, same))
    assert apart.steps[-1].reach > 4 * together.steps[-1].reach
    windows = nasty(apart)
    assert abs(values_of(apart, windows)[apart.output]).max() <= apart.steps[-1].reach
