"""Tree ensembles, as comparisons and selections."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import UNKNOWN, OperatorRefused, ProgramBuilder, Var
from oracle.proving.lowering.operators.reductions import reduce
from oracle.proving.lowering.operators.scikit import note_transform, two_classes
from oracle.proving.lowering.table import handles

MAX_TREE_DEPTH = 10


@handles("TreeEnsembleRegressor", "TreeEnsembleClassifier")
def _trees(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    note_transform(builder, attributes)
    classifier = "class_ids" in attributes
    prefix = "class" if classifier else "target"
    trees = _parse_trees(attributes, prefix)
    labels = attributes.get("classlabels_int64s") or attributes.get("classlabels_strings") or [0]
    width = max([*attributes[f"{prefix}_ids"], 0]) + 1
    factor = 1 / len(trees) if attributes.get("aggregate_function", b"SUM") == b"AVERAGE" else 1.0
    if attributes.get("aggregate_function", b"SUM") not in (b"SUM", b"AVERAGE"):
        raise OperatorRefused("it aggregates by a minimum or maximum", "use a sum or an average of trees")
    result = tree_ensemble(builder, arguments[0], trees, width, factor)
    base = attributes.get("base_values")
    if base and any(base):
        result = builder.binary("Add", result, np.array(base, dtype=float).reshape(1, -1))
    if classifier and len(labels) == 2 and width == 1:
        # The only id, 0, stands for the second class. Like ONNX Runtime, take scores that can't be negative as
        # probabilities.
        positive = min(attributes["class_weights"]) >= 0
        result = two_classes(builder, result, probability=positive)
    return [UNKNOWN, result] if classifier else result


@dataclass(frozen=True, slots=True)
class _Branch:
    feature: int
    threshold: float
    strict: bool
    yes: _Branch | _Leaf
    no: _Branch | _Leaf


@dataclass(frozen=True, slots=True)
class _Leaf:
    weights: tuple[tuple[int, float], ...]


def _parse_trees(attributes: dict[str, Any], prefix: str) -> list[_Branch | _Leaf]:
    nodes = {
        key: at for at, key in enumerate(zip(attributes["nodes_treeids"], attributes["nodes_nodeids"], strict=True))
    }
    weights: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for tree, node, target, weight in zip(
        *(attributes[f"{prefix}_{name}"] for name in ("treeids", "nodeids", "ids", "weights")), strict=True
    ):
        weights.setdefault((tree, node), []).append((target, weight))

    def parse(tree: int, node: int) -> _Branch | _Leaf:
        at = nodes[tree, node]
        mode = attributes["nodes_modes"][at].decode()
        if mode == "LEAF":
            return _Leaf(tuple(weights.get((tree, node), ())))
        yes = parse(tree, attributes["nodes_truenodeids"][at])
        no = parse(tree, attributes["nodes_falsenodeids"][at])
        if mode in ("BRANCH_GT", "BRANCH_GTE"):
            yes, no = no, yes
        elif mode not in ("BRANCH_LEQ", "BRANCH_LT"):
            raise OperatorRefused(f"its branches are {mode}", "split by less or greater only")
        strict = mode in ("BRANCH_LT", "BRANCH_GTE")
        return _Branch(attributes["nodes_featureids"][at], attributes["nodes_values"][at], strict, yes, no)

    return [parse(tree, 0) for tree in sorted(set(attributes["nodes_treeids"]))]


def tree_ensemble(
    builder: ProgramBuilder, value: Var, trees: Sequence[_Branch | _Leaf], width: int, factor: float
) -> Var:
    """Lower a sum of trees: each distinct comparison once, then selections b + c (a − b) from the leaves to the roots.

    The trees are filled up to one depth. At level l their 2^l nodes stand in an order in which the yes-children are
    the first half of the next level and the no-children the second, so that one level is one operation.
    """

    def depth(node: _Branch | _Leaf) -> int:
        return 0 if isinstance(node, _Leaf) else 1 + max(depth(node.yes), depth(node.no))

    deepest = max(depth(tree) for tree in trees)
    if deepest > MAX_TREE_DEPTH:
        raise OperatorRefused(f"a tree is {deepest} levels deep", f"train with max_depth of at most {MAX_TREE_DEPTH}")
    if deepest == 0:
        raise OperatorRefused("its trees are single leaves", "train it again")
    tests: dict[tuple[int, float, bool], int] = {}
    levels: list[list[int]] = []
    row: list[_Branch | _Leaf] = list(trees)
    for _ in range(deepest):
        chosen, yes, no = [], [], []
        for node in row:
            if isinstance(node, _Branch):
                chosen.append(tests.setdefault((node.feature, node.threshold, node.strict), len(tests)))
                yes.append(node.yes)
                no.append(node.no)
            else:
                # Both ways lead to the same leaf, so any comparison will do.
                chosen.append(0)
                yes.append(node)
                no.append(node)
        levels.append(chosen)
        row = [*yes, *no]
    leaves = np.zeros((len(row), width))
    for at, leaf in enumerate(row):
        assert isinstance(leaf, _Leaf)
        for target, weight in leaf.weights:
            leaves[at, target] += weight * factor
    bits = []
    # Strict comparisons are an operation of their own; `order` maps answers back to the tests.
    order: list[int] = []
    for strict in (False, True):
        numbered = [(key, at) for key, at in tests.items() if key[2] is strict]
        if numbered:
            taken = builder.gather(value, [key[0] for key, _ in numbered], 1)
            limits = np.array([key[1] for key, _ in numbered]).reshape(1, -1)
            bits.append(builder.binary("Less" if strict else "LessOrEqual", taken, limits))
            order += [at for _, at in numbered]
    answers = bits[0] if len(bits) == 1 else builder.emit("Concat", *bits, shape=(1, len(order)), axis=1)
    place = {at: index for index, at in enumerate(order)}
    selected: Var | None = None
    for chosen in reversed(levels):
        half = len(chosen)
        bit = builder.reshape(builder.gather(answers, [place[at] for at in chosen], 1), (1, half, 1))
        if selected is None:
            yes_leaves, no_leaves = leaves[:half], leaves[half:]
            step = builder.binary("Mul", bit, (yes_leaves - no_leaves)[None])
            selected = builder.binary("Add", step, no_leaves[None])
            continue
        first = builder.gather(selected, range(half), 1)
        second = builder.gather(selected, range(half, 2 * half), 1)
        difference = builder.binary("Sub", first, second)
        selected = builder.binary("Add", builder.binary("Mul", bit, difference), second)
    assert selected is not None
    return reduce(builder, selected, (1,), False, mean=False)
