"""Tests of programs that publish verdicts: exact at the threshold and in ties, without constants in the hash."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.core.errors import ModelError
from oracle.proving.disclosure import above, largest, limit
from oracle.proving.lowering.program import Op, Program
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.instantiate import instantiate


def scores(count: int, shape: tuple[int, ...] | None = None) -> Program:
    """Return a program that doubles `count` inputs, so that a test can choose its outputs."""
    shape = shape or (count,)
    return Program("x", shape, "y", shape, (Op("Add", ("x", "x"), "y", "double", (1, *shape)),), {})


def circuit(program: Program, input_scale: int = 2, param_scale: int = 3) -> Circuit:
    return instantiate(program, input_scale, param_scale, 1_000)


SMALL = st.integers(-3, 3)


@given(st.integers(2, 5).flatmap(lambda count: st.lists(SMALL, min_size=count, max_size=count)))
def test_the_largest_outputs_are_told(values: list[int]) -> None:
    """In a tie, the program marks all of them, and the first is the one that argmax takes."""
    made = circuit(largest(scores(len(values))))
    published = made.evaluate_exactly([values])[0].tolist()
    assert published == [int(value == max(values)) for value in values]
    assert published.index(1) == int(np.argmax(values))
    assert (made.output_scale, made.weights) == (0, 0)


def test_the_largest_of_a_picture_is_told() -> None:
    made = circuit(largest(scores(4, (2, 2))))
    assert made.evaluate([[1, 5, -2, 5], [0, -1, -1, -1]]).tolist() == [[0, 1, 0, 1], [1, 0, 0, 0]]
    assert made.program.output_shape == (4,)


@pytest.mark.parametrize("threshold", [0.0, 1e-12, -1e-12])
def test_zero_is_not_a_constant(threshold: float) -> None:
    made = circuit(above(scores(2), threshold))
    assert (made.weights, limit(made), made.output_scale) == (0, 0.0, 0)
    assert made.evaluate([[0, 1], [-1, 0]]).tolist() == [[0, 1], [0, 0]]


@given(st.integers(-40, 40), st.floats(-10, 10).filter(lambda value: abs(value) > 0.1))
def test_a_threshold_is_rounded_like_a_weight_and_compared_exactly(value: int, threshold: float) -> None:
    made = circuit(above(scores(1), threshold))
    rounded = limit(made)
    assert abs(rounded - threshold) <= 2.0**-4 and rounded * 8 == int(rounded * 8)
    assert made.evaluate_exactly([[value]]).tolist() == [[int(2 * value / 4 > rounded)]]
    assert made.weights == 1


def test_one_output_has_no_largest() -> None:
    with pytest.raises(ModelError, match="--threshold"):
        largest(scores(1))


@pytest.mark.parametrize("count", [3, 7, 100])
def test_the_largest_of_many_is_found_in_few_operations(count: int) -> None:
    """No score is gathered alone, which costs as many rows as there are scores."""
    program = largest(scores(count))
    gathered = [op.shape[1] for op in program.ops if op.kind == "Gather" and len(op.attributes["indices"]) == 1]
    assert sum(gathered) <= 2 and len(program.ops) <= 5 * count.bit_length() + 2
    drawn = np.random.default_rng(count).integers(-3, 4, (50, count))
    assert (circuit(program).evaluate(drawn) == (drawn == drawn.max(axis=1, keepdims=True))).all()
