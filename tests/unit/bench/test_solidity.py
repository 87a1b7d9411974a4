"""Tests of a network's contract as text. That it says what the network says is tested with a chain (`integration`)."""

from __future__ import annotations

import pytest

from oracle.bench import zoo
from oracle.bench.solidity import network_source
from oracle.core.errors import Fatal
from oracle.proving.imported import at_scales


def test_a_window_that_does_not_fit_a_word_is_refused() -> None:
    linear, _ = zoo.linear(17, 40)
    with pytest.raises(Fatal, match="a window of 17 features does not fit a word; it has room for 16"):
        network_source(at_scales("linear", linear, 10, 10).circuit)


def test_what_is_multiplied_by_zero_or_one_costs_nothing() -> None:
    graph = zoo.model([zoo.node("MatMul", ["x", "w"])], ["N", 3], [zoo.weights("w", [[0.0], [2**-10], [3.0]])])
    source = network_source(at_scales("linear", graph, 0, 10).circuit)
    assert "signextend(1, window)" not in source and source.count("mul(") == 1
    assert "add(signextend(1, shr(16, window)), mul(signextend(1, shr(32, window)), 3072))" in source


def test_a_tree_computes_only_the_branches_that_are_taken() -> None:
    file, _ = zoo.trees(2, 2, 200)
    source = network_source(at_scales("trees", file, 10, 10).circuit)
    assert source.count("switch") == source.count("default") >= 4 and "mul(" not in source


def test_a_network_with_an_operation_of_its_own_is_refused() -> None:
    graph = zoo.model([zoo.node("Abs", ["x"])], ["N", 2])
    with pytest.raises(Fatal, match="there is no Solidity for what divides, or takes a magnitude"):
        network_source(at_scales("abs", graph, 10, 10).circuit)
