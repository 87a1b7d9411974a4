"""Sums of trees: regressors on the same features, added up, are one ensemble, with each distinct comparison once."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

from oracle.proving.lowering.recognise.graph import Graph

_NODES = ["nodeids", "featureids", "values", "modes", "truenodeids", "falsenodeids"]
_TARGETS = ["nodeids", "ids", "weights"]

_MOST_SUMS = 400
"""Sums of more sums in each other are left as they are."""


def join_ensembles(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model in which each sum of tree ensembles on one input is one ensemble."""
    graph = Graph(model)
    taken: set[int] = set()
    removed: list[onnx.NodeProto] = []
    added: list[tuple[int, list[onnx.NodeProto]]] = []
    # From the last node on: the largest sum comes first.
    for node in reversed(graph.nodes):
        if id(node) in taken or node.op_type not in ("Add", "Sum") or len(node.output) != 1:
            continue
        found = _terms(graph, node)
        if found is None:
            continue
        trees, base, inner = found
        written = _joined(graph, trees, base, node)
        if written is None:
            continue
        taken |= {id(each) for each in (*inner, *trees)}
        removed += [node, *inner, *trees]
        added.append((graph.place(node), [written]))
    return graph.rewritten(removed, added) if added else model


def _terms(
    graph: Graph, node: onnx.NodeProto, level: int = 0
) -> tuple[list[onnx.NodeProto], Any, list[onnx.NodeProto]] | None:
    """Return the ensembles of a sum, its constants, and the sums within it; None if something else is in it."""
    if level > _MOST_SUMS:
        return None
    trees: list[onnx.NodeProto] = []
    inner: list[onnx.NodeProto] = []
    base: Any = 0.0
    for name in node.input:
        constant = graph.constant(name)
        if constant is not None:
            if constant.ndim > 2 or (constant.ndim == 2 and len(constant) != 1):
                return None
            base = base + constant.astype(np.float64).ravel()
            continue
        part = graph.made_by(name, "TreeEnsembleRegressor", "Add", "Sum")
        if part is None or not graph.is_used_once(name):
            return None
        if part.op_type == "TreeEnsembleRegressor":
            trees.append(part)
            continue
        found = _terms(graph, part, level + 1)
        if found is None:
            return None
        trees += found[0]
        base = base + found[1]
        inner += [part, *found[2]]
    return (trees, base, inner) if len(trees) > 1 else None


def _joined(graph: Graph, trees: list[onnx.NodeProto], base: Any, sum_of: onnx.NodeProto) -> onnx.NodeProto | None:
    """Return the ensemble of several; None if they have not the same input and targets, or something behind them."""
    columns: dict[str, list[Any]] = {f"nodes_{name}": [] for name in ("treeids", *_NODES)}
    columns |= {f"target_{name}": [] for name in ("treeids", *_TARGETS)}
    source, targets, number = None, None, 0
    total = np.asarray(base, dtype=np.float64)
    for node in trees:
        attributes = graph.attributes(node)
        name, order = _features(graph, node.input[0])
        count = attributes.get("n_targets", 1)
        if (source, targets) not in ((None, None), (name, count)):
            return None
        source, targets = name, count
        how = attributes.get("aggregate_function", b"SUM")
        if attributes.get("post_transform", b"NONE") != b"NONE" or how not in (b"SUM", b"AVERAGE"):
            return None
        if any(each.endswith("_as_tensor") for each in attributes):
            return None
        numbered = {tree: number + at for at, tree in enumerate(sorted(set(attributes["nodes_treeids"])))}
        number += len(numbered)
        factor = 1 / len(numbered) if how == b"AVERAGE" else 1.0
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
    if source is None or total.size not in (1, targets):
        return None
    more: dict[str, Any] = {"n_targets": targets}
    if total.any():
        more["base_values"] = [float(each) for each in np.broadcast_to(total.ravel(), (targets or 1,))]
    return helper.make_node(
        "TreeEnsembleRegressor",
        [source],
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
