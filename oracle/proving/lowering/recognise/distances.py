"""Distances to points, as scikit-learn's exporter writes them: a loop that takes one point after the other.

Scan(x, points) of Σ (x − point)²   becomes   Σ x² − 2 x · points + Σ points²
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import helper

from oracle.proving.lowering.attributes import opset_of
from oracle.proving.lowering.recognise.graph import Graph

_AXES_AS_INPUT = 13


def write_distances(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model in which each loop over points that sums squared differences is products and sums."""
    graph = Graph(model)
    if opset_of(model, "") < _AXES_AS_INPUT:
        return model
    removed: list[onnx.NodeProto] = []
    added: list[tuple[int, list[onnx.NodeProto]]] = []
    arrays: dict[str, np.ndarray] = {}
    for node in graph.nodes:
        points = _points(graph, node)
        if points is None:
            continue
        value, output = node.input[0], node.output[1]
        names = [f"{output}_{part}" for part in ("squares", "own", "products", "sum", "apart")]
        wide = points.astype(np.float64)
        arrays |= {
            f"{output}_axis": np.array([1], dtype=np.int64),
            f"{output}_points": (-2 * wide.T).astype(points.dtype),
            f"{output}_lengths": (wide**2).sum(axis=1)[None].astype(points.dtype),
        }
        squares, own, products, both, apart = names
        lines: list[tuple[str, list[str], str, dict[str, Any]]] = [
            ("Mul", [value, value], squares, {}),
            ("ReduceSum", [squares, f"{output}_axis"], own, {"keepdims": 1}),
            ("MatMul", [value, f"{output}_points"], products, {}),
            ("Add", [products, own], both, {}),
            ("Add", [both, f"{output}_lengths"], apart, {}),
            ("Transpose", [apart], output, {"perm": [1, 0]}),
        ]
        title = node.name or output
        made = [helper.make_node(kind, given, [to], name=f"{title}: {to}", **more) for kind, given, to, more in lines]
        removed.append(node)
        added.append((graph.place(node), made))
    return graph.rewritten(removed, added, arrays) if added else model


def _points(graph: Graph, node: onnx.NodeProto) -> np.ndarray | None:
    """Return the points of a loop that sums squared differences from each; None if it is another loop."""
    if node.op_type != "Scan" or len(node.input) != 2 or len(node.output) != 2 or graph.users.get(node.output[0]):
        return None
    attributes = {each.name: each for each in node.attribute}
    if set(attributes) != {"body", "num_scan_inputs"} or attributes["num_scan_inputs"].i != 1:
        return None
    points = graph.constant(node.input[1])
    if points is None or points.ndim != 2 or points.dtype not in (np.float32, np.float64):
        return None
    body = Graph(onnx.helper.make_model(attributes["body"].g, opset_imports=list(graph.model.opset_import)))
    inputs = [each.name for each in body.model.graph.input]
    outputs = [each.name for each in body.model.graph.output]
    if len(inputs) != 2 or len(outputs) != 2 or _behind_identities(body, outputs[0]) != inputs[0]:
        return None
    total = body.made_by(_behind_identities(body, outputs[1]), "ReduceSumSquare")
    minus = None if total is None else body.made_by(total.input[0], "Sub")
    if total is None or minus is None or list(minus.input) != inputs:
        return None
    is_plain = body.axes(total) == [1] and not body.attributes(total).get("keepdims", 1)
    return points if is_plain else None


def _behind_identities(graph: Graph, name: str) -> str:
    node = graph.made_by(name, "Identity")
    while node is not None:
        name = node.input[0]
        node = graph.made_by(name, "Identity")
    return name
