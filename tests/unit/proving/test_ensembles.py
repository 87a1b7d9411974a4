"""Tests of tree ensembles of any form: deep and thin, of one class each, single leaves, cycles."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnxruntime
import pytest
from onnx import TensorProto, helper

from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.reference.instantiate import instantiate

Tree = list[tuple[int, int, float, int, int] | tuple[int, dict[int, float]]]
"""Branches (node, feature, threshold, yes, no), and leaves (node, numbers by target)."""


def ensemble(trees: list[Tree], targets: int = 1, mode: str = "BRANCH_LEQ", **more: Any) -> bytes:
    """Return a regressor of trees on three features."""
    columns: dict[str, list[Any]] = {
        name: [] for name in ("treeids", "nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids")
    }
    leaves: dict[str, list[Any]] = {name: [] for name in ("treeids", "nodeids", "ids", "weights")}
    for number, tree in enumerate(trees):
        for entry in tree:
            branch = entry if len(entry) == 5 else (entry[0], 0, 0.0, 0, 0)
            for name, value in zip(
                columns, (number, *branch[:3], mode if len(entry) == 5 else "LEAF", *branch[3:]), strict=True
            ):
                columns[name].append(value)
            for target, weight in entry[1].items() if len(entry) == 2 else ():
                for name, value in zip(leaves, (number, entry[0], target, weight), strict=True):
                    leaves[name].append(value)
    attributes: dict[str, Any] = {f"nodes_{name}": values for name, values in columns.items()} | more
    attributes |= {f"target_{name}": values for name, values in leaves.items()}
    node = helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        ["y"],
        name="trees",
        domain="ai.onnx.ml",
        n_targets=targets,
        **attributes,
    )
    graph = helper.make_graph(
        [node],
        "trees",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", targets])],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 1)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


def thin(levels: int, side: int = 0) -> Tree:
    """Return a tree that has one branch on each level; the other side of each is a leaf."""
    tree: Tree = []
    for level in range(levels):
        ends, goes = 2 * level + 1, 2 * level + 2
        sides = (ends, goes) if (level + side) % 2 else (goes, ends)
        tree += [(2 * level, level % 3, float(level % 7 - 3) / 4, *sides), (ends, {0: level / 8 + 0.5})]
    return [*tree, (2 * levels, {0: -1.25})]


def bushy(seed: int, depth: int, targets: int = 1, only: int | None = None) -> Tree:
    """Return a tree that stops here and there."""
    rng = np.random.default_rng(seed)
    tree: Tree = []

    def grow(level: int) -> int:
        at = len(tree)
        if level == depth or (level and rng.random() < 0.3):
            chosen = range(targets) if only is None else [only]
            tree.append((at, {target: int(rng.integers(-40, 40)) / 8 for target in chosen}))
            return at
        tree.append((at, {}))
        yes, no = grow(level + 1), grow(level + 1)
        tree[at] = (at, int(rng.integers(3)), int(rng.integers(-8, 9)) / 8, yes, no)
        return at

    grow(0)
    return tree


def difference(data: bytes) -> float:
    """Return the largest difference from ONNX Runtime, on inputs that reach the thresholds; nothing is rounded."""
    samples = (np.random.default_rng(3).integers(-12, 13, (300, 3)) / 8).astype(np.float32)
    program, problems = lower(read_model(data))
    assert program is not None, problems
    circuit = instantiate(program, 6, 10, 32_767)
    computed = circuit.evaluate_exactly(circuit.quantise(samples)).astype(float) / 2.0**circuit.output_scale
    options = onnxruntime.SessionOptions()
    session = onnxruntime.InferenceSession(data, options, providers=["CPUExecutionProvider"])
    expected = session.run(None, {"x": samples})[0]
    return float(np.abs(computed - expected).max())


@pytest.mark.parametrize(
    "data",
    [
        ensemble([thin(17), thin(30, 1), bushy(5, 4)]),
        ensemble([thin(12)], mode="BRANCH_GTE"),
        ensemble([bushy(seed, 7) for seed in range(6)], base_values=[0.75]),
        ensemble([bushy(seed, 5, 3) for seed in range(4)], 3),
        ensemble([bushy(seed, 5, 3, only=seed % 2) for seed in range(5)], 3),
        ensemble([bushy(1, 3), [(0, {0: 2.5})]]),
        ensemble([bushy(2, 3, 2, only=1), [(0, {0: -2.5})]], 2),
    ],
    ids=["deep and thin", "greater", "base", "three targets", "of one class each", "a leaf", "a leaf of a class"],
)
def test_ensembles_are_those_of_onnx_runtime(data: bytes) -> None:
    assert difference(data) == 0


def test_a_thin_tree_costs_what_its_branches_cost() -> None:
    """Filled up to 24 levels, it would have 16 million leaves."""
    program, _ = lower(read_model(ensemble([thin(24)])))
    assert program is not None
    assert sum(int(np.prod(op.shape)) for op in program.ops if op.kind in ("Add", "Sub", "Mul")) < 24 * 5
    assert program.weights < 24 * 3


def test_trees_that_never_end_are_refused() -> None:
    """A node that is its own child can't be walked through; nor can thousands of levels."""
    round_trip = onnx.load_model_from_string(ensemble([bushy(1, 2)]))
    for each in round_trip.graph.node[0].attribute:
        if each.name == "nodes_truenodeids":
            each.ints[0] = 0
    _, (problem,) = lower(read_model(round_trip.SerializeToString()))
    assert problem.what == "two branches of tree 0 lead to its node 0"
    _, (problem,) = lower(read_model(ensemble([thin(1_500)])))
    assert problem.what == "a tree is more than 200 levels deep"
    _, (problem,) = lower(read_model(ensemble([[(0, {0: 1.0})]])))
    assert problem.what == "its trees are single leaves"
