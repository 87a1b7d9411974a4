"""Tree ensembles, as comparisons and selections."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import UNKNOWN, OperatorRefused, ProgramBuilder, Var
from oracle.proving.lowering.operators.reductions import reduce
from oracle.proving.lowering.operators.scikit import label_of, note_transform, two_classes
from oracle.proving.lowering.table import handles

MAX_TREE_DEPTH = 200
"""More levels than this are those of a file that was made to be deep, and not of a tree that was trained."""


@handles("TreeEnsembleRegressor", "TreeEnsembleClassifier")
def _trees(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    note_transform(builder, attributes)
    classifier = "class_ids" in attributes
    prefix = "class" if classifier else "target"
    trees = _parse_trees(attributes, prefix)
    labels = attributes.get("classlabels_int64s") or attributes.get("classlabels_strings") or [0]
    width = max([*attributes[f"{prefix}_ids"], 0]) + 1
    # Targets and classes that no leaf has get 0.
    width = max(width, attributes.get("n_targets", 1), len(labels) if len(labels) > 2 else 1)
    factor = 1 / len(trees) if attributes.get("aggregate_function", b"SUM") == b"AVERAGE" else 1.0
    if attributes.get("aggregate_function", b"SUM") not in (b"SUM", b"AVERAGE"):
        raise OperatorRefused("it aggregates by a minimum or maximum", "use a sum or an average of trees")
    always = _always(trees)
    _require_scores(attributes, always, width, len(labels) if classifier else 0)
    result = tree_ensemble(builder, arguments[0], trees, width, factor)
    base = attributes.get("base_values")
    if base and any(base):
        if len(base) != width:
            raise OperatorRefused(f"it has {len(base)} base values for {width} scores", "export it again")
        result = builder.binary("Add", result, np.array(base, dtype=float).reshape(1, -1))
    if not classifier:
        return result
    weights = attributes["class_weights"]
    if len(labels) != 2:
        # ONNX Runtime looks for the largest only among the scores that some leaf has.
        return [label_of(builder, result, labels) if len(always) == width or min(weights) > 0 else UNKNOWN, result]
    if width == 1:
        # The only id, 0, stands for the second class. Like ONNX Runtime, take scores that can't be negative as
        # probabilities: they decide the label, and only a LOGISTIC transforms them.
        if min(weights) < 0:
            result = two_classes(builder, result, probability=False)
            return [label_of(builder, result, labels), result]
        transform, builder.order_only = builder.order_only, ""
        both = two_classes(builder, result, probability=True)
        label = label_of(builder, both, labels)
        if attributes.get("post_transform") == b"LOGISTIC":
            builder.order_only = transform
            both = two_classes(builder, result, probability=True)
        return [label, both]
    # With a score for each of two classes, ONNX Runtime takes no larger one, but the sign of the second.
    return [UNKNOWN, result]


@dataclass(frozen=True, slots=True)
class _Branch:
    feature: int
    threshold: float
    strict: bool
    yes: _Branch | _Leaf
    no: _Branch | _Leaf
    height: int

    @property
    def test(self) -> tuple[int, float, bool]:
        return self.feature, self.threshold, self.strict


@dataclass(frozen=True, slots=True)
class _Leaf:
    weights: tuple[tuple[int, float], ...]
    height: int = 0


def _always(trees: Sequence[_Branch | _Leaf]) -> set[int]:
    """Return the scores that every window has a number for: all leaves of some tree have one."""
    given = [set.intersection(*(_ids(each) for each in _walk(tree) if isinstance(each, _Leaf))) for tree in trees]
    return set[int]().union(*given)


def _require_scores(attributes: dict[str, Any], always: set[int], width: int, labels: int) -> None:
    """Refuse what runtimes compute in ways of their own: scores that no leaf of a window has.

    Args:
        attributes: The node's.
        always: The scores that every window has a number for.
        width: Number of scores.
        labels: Number of labels; 0 for a regressor.

    Raises:
        OperatorRefused: A window may have no leaf for a score whose base is not 0, or for one of two classes.
    """
    base = attributes.get("base_values") or []
    if width == 1 or (labels != 2 and not any(base)):
        return
    if labels == 2 and any(base):
        raise OperatorRefused(
            "it has base values for the scores of two classes", "export the second class's score only"
        )
    if any(at not in always for at in range(width) if labels == 2 or base[at : at + 1] != [0.0]):
        raise OperatorRefused("some of its leaves have no number for a score", "export it with a number for each")


def _ids(leaf: _Leaf) -> set[int]:
    return {target for target, _ in leaf.weights}


def _parse_trees(attributes: dict[str, Any], prefix: str) -> list[_Branch | _Leaf]:
    nodes = {
        key: at for at, key in enumerate(zip(attributes["nodes_treeids"], attributes["nodes_nodeids"], strict=True))
    }
    weights: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for tree, node, target, weight in zip(
        *(attributes[f"{prefix}_{name}"] for name in ("treeids", "nodeids", "ids", "weights")), strict=True
    ):
        weights.setdefault((tree, node), []).append((target, weight))

    _require_roots_first(attributes, nodes)
    met: set[tuple[int, int]] = set()

    def parse(tree: int, node: int, level: int) -> _Branch | _Leaf:
        if level > MAX_TREE_DEPTH:
            raise OperatorRefused(f"a tree is more than {MAX_TREE_DEPTH} levels deep", "train it with a max_depth")
        if (tree, node) in met:
            raise OperatorRefused(f"two branches of tree {tree} lead to its node {node}", "export it again")
        met.add((tree, node))
        at = nodes[tree, node]
        mode = attributes["nodes_modes"][at].decode()
        if mode == "LEAF":
            return _Leaf(tuple(weights.get((tree, node), ())))
        yes = parse(tree, attributes["nodes_truenodeids"][at], level + 1)
        no = parse(tree, attributes["nodes_falsenodeids"][at], level + 1)
        if mode in ("BRANCH_GT", "BRANCH_GTE"):
            yes, no = no, yes
        elif mode not in ("BRANCH_LEQ", "BRANCH_LT"):
            raise OperatorRefused(f"its branches are {mode}", "split by less or greater only")
        strict = mode in ("BRANCH_LT", "BRANCH_GTE")
        height = 1 + max(yes.height, no.height)
        return _Branch(attributes["nodes_featureids"][at], attributes["nodes_values"][at], strict, yes, no, height)

    found = [parse(tree, 0, 0) for tree in sorted(set(attributes["nodes_treeids"]))]
    if len(met) < len(attributes["nodes_nodeids"]):
        raise OperatorRefused("some of its nodes belong to no tree", "export it again")
    return found


def _require_roots_first(attributes: dict[str, Any], nodes: Collection[tuple[int, int]]) -> None:
    """Refuse trees whose roots a runtime finds elsewhere: it takes the first node of each tree in the file's order."""
    starts = [next(group) for _, group in groupby(nodes, key=lambda each: each[0])]
    if len({tree for tree, _ in starts}) < len(starts) or any(node for _, node in starts):
        raise OperatorRefused("its nodes are not listed tree after tree from node 0 on", "export it again")


def tree_ensemble(
    builder: ProgramBuilder, value: Var, trees: Sequence[_Branch | _Leaf], width: int, factor: float
) -> Var:
    """Lower a sum of trees: each distinct comparison once, then a selection for each branch, from leaves to roots.

    The branches of one height are selected together, so that there are as many operations as levels, and as many
    numbers as branches: a deep tree that is thin costs no more than a flat one.

    Args:
        builder: The builder.
        value: The features, [1, features].
        trees: The trees.
        width: Number of targets.
        factor: Leaves are multiplied by it.
    """
    branches = [tree for tree in trees if isinstance(tree, _Branch)]
    if not branches:
        raise OperatorRefused("its trees are single leaves", "train it again")
    targets = [_targets(tree) for tree in branches]
    # Each tree may be of one class, as boosted trees are.
    is_apart = width > 1 and all(len(each) <= 1 for each in targets)
    selections = _Selections(builder, _answers(builder, value, branches), width, factor, is_apart)
    roots, shifts = selections.roots(branches)
    always = np.zeros(width)
    for tree in trees:
        if isinstance(tree, _Leaf):
            always += _numbers(tree, width, factor)
    for target, shift in zip(targets, shifts, strict=True):
        always[list(target) if is_apart else slice(None)] += shift
    if is_apart:
        sums = [
            reduce(builder, builder.gather(roots, at, 1), (1,), False, mean=False) if at else None
            for at in ([at for at, each in enumerate(targets) if target in each] for target in range(width))
        ]
        first = next(each for each in sums if each is not None)
        zero = builder.binary("Sub", first, first) if None in sums else first
        total = builder.emit("Concat", *(zero if each is None else each for each in sums), shape=(1, width), axis=1)
    else:
        total = reduce(builder, roots, (1,), False, mean=False)
    return builder.binary("Add", total, always[None]) if always.any() else total


def _numbers(leaf: _Leaf, width: int, factor: float) -> np.ndarray:
    """Return a leaf's numbers, one for each target."""
    found = np.zeros(width)
    for target, weight in leaf.weights:
        found[target] += weight * factor
    return found


def _walk(tree: _Branch | _Leaf) -> Iterator[_Branch | _Leaf]:
    yield tree
    if isinstance(tree, _Branch):
        yield from _walk(tree.yes)
        yield from _walk(tree.no)


def _targets(tree: _Branch) -> set[int]:
    return {target for each in _walk(tree) if isinstance(each, _Leaf) for target, _ in each.weights}


@dataclass(frozen=True, slots=True)
class _TreeAnswers:
    """The answers to all tests of an ensemble: a value [1, tests], and where each test's answer is."""

    value: Var
    places: dict[tuple[int, float, bool], int]


def _answers(builder: ProgramBuilder, value: Var, trees: Sequence[_Branch]) -> _TreeAnswers:
    tests = {each.test: None for tree in trees for each in _walk(tree) if isinstance(each, _Branch)}
    bits: list[Var] = []
    places: dict[tuple[int, float, bool], int] = {}
    # Strict comparisons are an operation of their own.
    for strict in (False, True):
        alike = [test for test in tests if test[2] is strict]
        if alike:
            taken = builder.gather(value, [test[0] for test in alike], 1)
            limits = np.array([test[1] for test in alike]).reshape(1, -1)
            bits.append(builder.binary("Less" if strict else "LessOrEqual", taken, limits))
            start = len(places)
            places |= {test: start + at for at, test in enumerate(alike)}
    return _TreeAnswers(
        bits[0] if len(bits) == 1 else builder.emit("Concat", *bits, shape=(1, len(places)), axis=1), places
    )


class _Selections:
    """The selections of an ensemble, level by level.

    Each branch has a shift, and what is computed for it is its value less the shift. With a leaf on one side, the leaf
    is the other side's shift, so that the selection is a product: c + bit · (v − c) is c and bit · v′.

    Args:
        builder: The builder.
        answers: The answers to all tests.
        width: Number of targets.
        factor: Leaves are multiplied by it.
        is_apart: True if each tree is of one target; its leaves are single numbers then.
    """

    def __init__(
        self, builder: ProgramBuilder, answers: _TreeAnswers, width: int, factor: float, is_apart: bool
    ) -> None:
        self._builder = builder
        self._answers = answers
        self._width, self._factor = width, factor
        self._is_single = width == 1 or is_apart
        self._made: list[Var] = []
        self._at: dict[int, tuple[int, int]] = {}
        self._shifts: dict[int, Any] = {}

    def roots(self, trees: Sequence[_Branch]) -> tuple[Var, list[Any]]:
        """Return the values of trees, [1, trees, targets] less their shifts, and the shifts.

        If leaves are single numbers, there is one target.
        """
        found: list[_Branch] = []
        for tree in trees:
            self._shift(tree, None)
            found += [each for each in _walk(tree) if isinstance(each, _Branch)]
        for _, level in groupby(sorted(found, key=lambda each: each.height), key=lambda each: each.height):
            alike: dict[tuple[bool, bool], list[_Branch]] = {}
            for branch in level:
                alike.setdefault((isinstance(branch.yes, _Leaf), isinstance(branch.no, _Leaf)), []).append(branch)
            for leaves, branches in sorted(alike.items()):
                value = self._selected(branches, *leaves)
                self._at |= {id(branch): (len(self._made), at) for at, branch in enumerate(branches)}
                self._made.append(value)
        return self._taken(trees), [self._shifts[id(tree)] for tree in trees]

    def _shift(self, branch: _Branch, given: Any) -> None:
        """Choose the shifts of a branch and of all below it; a root has no given one."""
        ends = [self._leaf(side) for side in (branch.no, branch.yes) if isinstance(side, _Leaf)]
        shift = given if given is not None else ends[0] if ends else self._leaf(_Leaf(()))
        self._shifts[id(branch)] = shift
        for side in (branch.yes, branch.no):
            if isinstance(side, _Branch):
                self._shift(side, ends[0] if ends else shift)

    def _selected(self, branches: Sequence[_Branch], yes_ends: bool, no_ends: bool) -> Var:
        """Return the values of branches that are alike in which of their sides are leaves, less their shifts."""
        builder = self._builder
        bits = builder.gather(self._answers.value, [self._answers.places[branch.test] for branch in branches], 1)
        bits = builder.reshape(bits, (1, len(branches), 1))
        if not yes_ends and not no_ends:
            # Both sides have the branch's own shift.
            no_value = self._taken([branch.no for branch in branches])
            difference = builder.binary("Sub", self._taken([branch.yes for branch in branches]), no_value)
            return builder.binary("Add", builder.binary("Mul", bits, difference), no_value)
        ends = self._leaves([branch.no if no_ends else branch.yes for branch in branches])
        if yes_ends and no_ends:
            chosen = builder.binary("Mul", bits, self._leaves([branch.yes for branch in branches]) - ends)
        elif no_ends:
            chosen = builder.binary("Mul", bits, self._taken([branch.yes for branch in branches]))
        else:
            # 1 − bit would have the scale of a constant.
            value = self._taken([branch.no for branch in branches])
            chosen = builder.binary("Sub", value, builder.binary("Mul", bits, value))
        rest = ends - np.array([self._shifts[id(branch)] for branch in branches])[None]
        return builder.binary("Add", chosen, rest) if rest.any() else chosen

    def _taken(self, branches: Sequence[_Branch | _Leaf]) -> Var:
        """Return the values of branches that were made before, in this order."""
        places = [self._at[id(branch)] for branch in branches]
        parts = sorted({part for part, _ in places})
        columns = {part: sorted({at for one, at in places if one == part}) for part in parts}
        for part, at in columns.items():
            # ezkl reads a gather of one number as a slice, with a row for each number; two of them take two rows.
            columns[part] = at * 2 if len(at) == 1 and self._made[part].shape[1] > 2 else at
        taken = [self._builder.gather(self._made[part], columns[part], 1) for part in parts]
        every = [(part, at) for part in parts for at in columns[part]]
        order = {place: index for index, place in enumerate(every)}
        if len(taken) > 1:
            shape = (1, len(every), *taken[0].shape[2:])
            joined = self._builder.emit("Concat", *taken, shape=shape, axis=1)
        else:
            joined = taken[0]
        wanted = [order[place] for place in places]
        return joined if wanted == list(range(len(every))) else self._builder.gather(joined, wanted, 1)

    def _leaf(self, leaf: _Branch | _Leaf) -> np.ndarray:
        assert isinstance(leaf, _Leaf)
        numbers = _numbers(leaf, self._width, self._factor)
        return numbers.sum(keepdims=True) if self._is_single else numbers

    def _leaves(self, leaves: Sequence[_Branch | _Leaf]) -> np.ndarray:
        return np.array([self._leaf(leaf) for leaf in leaves])[None]
