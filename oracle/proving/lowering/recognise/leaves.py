"""Functions of the leaf that one tree ends in.

A tree has as many results as leaves. Whatever is computed from its result alone, however many nodes that takes, has no
more of them, so it is the same tree with other numbers in its leaves. They are computed here once, for each leaf.
Isolation forests are written like this: which leaf, then by tables how deep it is and how many points it held, and the
average depth of a tree of so many points, by logarithms.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

from oracle.proving.lowering.recognise.graph import Graph, evaluated

_FUNCTIONS = (
    {"LabelEncoder", "Cast", "Identity", "Reshape", "Not", "And", "Or", "Xor", "Where"}
    | {"Equal", "Greater", "Less", "GreaterOrEqual", "LessOrEqual", "Add", "Sub", "Mul", "Div", "Max", "Min", "Sum"}
    | {"Mean", "Neg", "Abs", "Sign", "Relu", "Clip", "Log", "Exp", "Sqrt", "Pow", "Reciprocal", "Floor", "Ceil"}
    | {"Round", "Sigmoid", "Tanh"}
)
"""Operators that treat each element alone, with constants of one number."""

_COLUMN = (-1, 1)


@dataclass(frozen=True, slots=True)
class _Tree:
    """A regressor of one tree and one target: its leaves by their nodes' ids, and their numbers."""

    tree: int
    leaves: list[int]
    numbers: Any


def write_leaves(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model in which each function of one tree's result is that tree, with other numbers in its leaves."""
    graph = Graph(model)
    removed: list[onnx.NodeProto] = []
    added: list[tuple[int, list[onnx.NodeProto]]] = []
    for node in graph.nodes:
        tree = _single(graph, node)
        if tree is None:
            continue
        functions = _functions_of(graph, node.output[0])
        made = {name for each in functions for name in each.output}
        wanted = [name for each in functions for name in each.output if _leaves_by(graph, name, functions)]
        if len(wanted) != 1 or (graph.users.get(node.output[0]) and not made):
            continue
        numbers = _numbers(graph, node, functions, tree, wanted[0])
        if numbers is None:
            continue
        removed += [*functions]
        if not _leaves_by(graph, node.output[0], functions):
            removed.append(node)
        added.append((graph.place(node), [_written(node, tree, numbers, wanted[0])]))
    return graph.rewritten(removed, added) if added else model


def _single(graph: Graph, node: onnx.NodeProto) -> _Tree | None:
    """Return the tree of a regressor that has one, one target and nothing behind it; else None."""
    if node.op_type != "TreeEnsembleRegressor" or node.domain != "ai.onnx.ml":
        return None
    attributes = graph.attributes(node)
    trees = set(attributes.get("nodes_treeids") or ())
    if len(trees) != 1 or attributes.get("n_targets", 1) != 1 or any(attributes.get("target_ids") or ()):
        return None
    if attributes.get("post_transform", b"NONE") != b"NONE" or any(name.endswith("_as_tensor") for name in attributes):
        return None
    (tree,) = trees
    weights: dict[int, float] = {}
    for at, weight in zip(attributes["target_nodeids"], attributes["target_weights"], strict=True):
        weights[at] = weights.get(at, 0.0) + weight
    ends = zip(attributes["nodes_nodeids"], attributes["nodes_modes"], strict=True)
    leaves = [at for at, mode in ends if mode == b"LEAF"]
    base = sum(attributes.get("base_values") or ())
    return _Tree(tree, leaves, np.array([[weights.get(at, 0.0) + base] for at in leaves], dtype=np.float32))


def _functions_of(graph: Graph, name: str) -> list[onnx.NodeProto]:
    """Return the nodes that depend on a value and on constants of one number alone, in order."""
    made, found, waiting = {name}, [], list(graph.users.get(name, ()))
    seen: set[int] = set()
    while waiting:
        waiting.sort(key=graph.place, reverse=True)
        node = waiting.pop()
        if id(node) in seen:
            continue
        seen.add(id(node))
        others = [each for each in node.input if each and each not in made]
        if node.op_type not in _FUNCTIONS or len(node.output) != 1 or not _are_plain(graph, node, others):
            continue
        found.append(node)
        made.add(node.output[0])
        waiting += graph.users.get(node.output[0], ())
    return found


def _are_plain(graph: Graph, node: onnx.NodeProto, constants: list[str]) -> bool:
    if node.op_type == "Reshape":
        shape = graph.constant(node.input[1]) if constants == [node.input[1]] else None
        return shape is not None and tuple(shape.ravel()) == _COLUMN
    return all(graph.number(each) is not None for each in constants)


def _leaves_by(graph: Graph, name: str, functions: list[onnx.NodeProto]) -> bool:
    """Return True if a value is used by other nodes than these, or published."""
    users = graph.users.get(name, ())
    return name in graph.outputs or any(all(user is not each for each in functions) for user in users)


def _numbers(
    graph: Graph, node: onnx.NodeProto, functions: list[onnx.NodeProto], tree: _Tree, wanted: str
) -> Any | None:
    """Return a function's value at each leaf; None if it is not one number with a fraction, or not finite."""
    names = {each for function in functions for each in function.input if each}
    constants = {name: array for name in names if (array := graph.constant(name)) is not None}
    try:
        (values,) = evaluated(graph.model, functions, {node.output[0]: tree.numbers}, constants, [wanted])
    except Exception:  # the evaluator raises classes of its own; the driver refuses what it can't lower
        return None
    values = np.asarray(values)
    if values.dtype not in (np.float32, np.float64) or values.shape != tree.numbers.shape:
        return None
    return values.ravel() if np.isfinite(values).all() else None


def _written(node: onnx.NodeProto, tree: _Tree, numbers: Any, output: str) -> onnx.NodeProto:
    written = onnx.NodeProto()
    written.CopyFrom(node)
    del written.attribute[:]
    written.attribute.extend(each for each in node.attribute if each.name.startswith("nodes_"))
    count = len(tree.leaves)
    for name, values in {
        "n_targets": 1,
        "target_treeids": [tree.tree] * count,
        "target_nodeids": tree.leaves,
        "target_ids": [0] * count,
        "target_weights": [float(number) for number in numbers],
    }.items():
        written.attribute.append(helper.make_attribute(name, values))
    written.output[0] = output
    written.name = f"{node.name or node.output[0]} and what follows it"
    return written
