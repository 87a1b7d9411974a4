"""Sums of trees: regressors on the same features, added up, are one ensemble, with each distinct comparison once."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
import onnx
from onnx import helper

from oracle.proving.lowering.recognise.graph import Graph

_NODES = ["nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids"]
_TARGETS = ["nodeids", "ids", "weights"]


@dataclass(frozen=True)
class _Ensembles:
    """A value that is made of ensembles alone, which can be one: an ensemble, or a sum of them and of constants.

    Attributes:
        source: The input of all of them.
        targets: How many numbers each gives.
        count: How many there are.
    """

    source: str
    targets: int
    count: int


def join_ensembles(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model in which each sum of tree ensembles on one input is one ensemble."""
    graph = Graph(model)
    if not any(node.op_type in ("Add", "Sum") for node in graph.nodes):
        return model
    found = _ensembles(graph)
    taken: set[int] = set()
    removed: list[onnx.NodeProto] = []
    added: list[tuple[int, list[onnx.NodeProto]]] = []
    # From the last node on: the largest sum comes first.
    for node in reversed(graph.nodes):
        if id(node) in taken or id(node) not in found or found[id(node)].count < 2:
            continue
        sums, trees, base = _terms(graph, node)
        taken |= {id(each) for each in (*sums, *trees)}
        removed += [*sums, *trees]
        added.append((graph.place(node), [_joined(graph, found[id(node)], trees, base, node)]))
    return graph.rewritten(removed, added) if added else model


def _ensembles(graph: Graph) -> dict[int, _Ensembles]:
    """Return the ensembles and the sums of ensembles, by their nodes' ids. Each node is looked at once."""
    found: dict[int, _Ensembles] = {}
    for node in graph.nodes:
        # A node of somebody's own domain may have any name.
        own = graph.made_by(node.output[0], "TreeEnsembleRegressor", "Add", "Sum") if len(node.output) == 1 else None
        if own is None:
            continue
        whole = _added(graph, own, found) if own.op_type in ("Add", "Sum") else _alone(graph, own)
        if whole is not None:
            found[id(own)] = whole
    return found


def _alone(graph: Graph, node: onnx.NodeProto) -> _Ensembles | None:
    """Return a single ensemble; None if there is something behind its leaves, or it is written in tensors."""
    attributes = graph.attributes(node)
    targets = attributes.get("n_targets", 1)
    how = attributes.get("aggregate_function", b"SUM")
    if attributes.get("post_transform", b"NONE") != b"NONE" or how not in (b"SUM", b"AVERAGE"):
        return None
    if any(each.endswith("_as_tensor") for each in attributes):
        return None
    if len(attributes.get("base_values") or (0.0,)) not in (1, targets):
        return None
    return _Ensembles(_features(graph, node.input[0])[0], targets, 1)


def _added(graph: Graph, node: onnx.NodeProto, found: Mapping[int, _Ensembles]) -> _Ensembles | None:
    """Return a sum; None if something else is in it, or its ensembles have not the same input and targets."""
    sizes: set[int] = set()
    kinds: set[tuple[str, int]] = set()
    count = 0
    for name in node.input:
        constant = graph.constant(name)
        if constant is not None:
            if constant.ndim > 2 or (constant.ndim == 2 and len(constant) != 1):
                return None
            sizes.add(constant.size)
            continue
        part = found.get(id(graph.makers.get(name)))
        if part is None or not graph.is_used_once(name):
            return None
        kinds.add((part.source, part.targets))
        count += part.count
    if len(kinds) != 1:
        return None
    ((source, targets),) = kinds
    return _Ensembles(source, targets, count) if sizes <= {1, targets} else None


def _terms(graph: Graph, node: onnx.NodeProto) -> tuple[list[onnx.NodeProto], list[onnx.NodeProto], Any]:
    """Return a sum and the sums within it, their ensembles from left to right, and what their constants add up to."""
    sums: list[onnx.NodeProto] = []
    trees: list[onnx.NodeProto] = []
    base: Any = np.zeros(1)
    left = [node]
    while left:
        part = left.pop()
        if part.op_type == "TreeEnsembleRegressor":
            trees.append(part)
            continue
        sums.append(part)
        constants = {name: graph.constant(name) for name in part.input}
        for array in (constants[name] for name in part.input):
            if array is not None:
                base = base + array.astype(np.float64).ravel()
        left += [graph.makers[name] for name in reversed(part.input) if constants[name] is None]
    return sums, trees, base


def _joined(
    graph: Graph, whole: _Ensembles, trees: list[onnx.NodeProto], base: Any, sum_of: onnx.NodeProto
) -> onnx.NodeProto:
    """Return the ensemble of several."""
    columns: dict[str, list[Any]] = {f"nodes_{name}": [] for name in ("treeids", *_NODES)}
    columns |= {f"target_{name}": [] for name in ("treeids", *_TARGETS)}
    total, number = base, 0
    for node in trees:
        attributes = graph.attributes(node)
        _, order = _features(graph, node.input[0])
        numbered = {tree: number + at for at, tree in enumerate(sorted(set(attributes["nodes_treeids"])))}
        number += len(numbered)
        is_mean = attributes.get("aggregate_function", b"SUM") == b"AVERAGE"
        factor = 1 / len(numbered) if is_mean else 1.0
        columns["nodes_treeids"] += [numbered[tree] for tree in attributes["nodes_treeids"]]
        columns["target_treeids"] += [numbered[tree] for tree in attributes["target_treeids"]]
        for each in _NODES:
            columns[f"nodes_{each}"] += attributes[f"nodes_{each}"]
        if order is not None:
            at = -len(attributes["nodes_featureids"])
            columns["nodes_featureids"][at:] = [int(order[index]) for index in attributes["nodes_featureids"]]
        for each in _TARGETS:
            values = attributes[f"target_{each}"]
            columns[f"target_{each}"] += [value * factor for value in values] if each == "weights" else values
        if attributes.get("base_values"):
            total = total + np.asarray(attributes["base_values"], dtype=np.float64)
    more: dict[str, Any] = {"n_targets": whole.targets}
    if total.any():
        more["base_values"] = [float(each) for each in np.broadcast_to(total, (whole.targets,))]
    return helper.make_node(
        "TreeEnsembleRegressor",
        [whole.source],
        list(sum_of.output),
        name=f"{sum_of.name or sum_of.output[0]} of {len(trees)} ensembles",
        domain="ai.onnx.ml",
        **(columns | more),
    )


def _features(graph: Graph, name: str) -> tuple[str, Any | None]:
    """Return the value of which an ensemble's input takes columns, and which: None if it takes it as it is."""
    node = graph.made_by(name, "Gather")
    if node is None or graph.attributes(node).get("axis", 0) != 1:
        return name, None
    order = graph.constant(node.input[1])
    if order is None or order.ndim != 1 or (order < 0).any():
        return name, None
    return node.input[0], order
