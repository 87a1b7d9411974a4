"""Softmax, as it is spelled out: exponentials over their sum, or differences from the logarithm of that sum.

Exp(Sub(x, ReduceLogSumExp(x)))              mixtures, naive Bayes
Div(e, ReduceSum(e)), e = Exp(Sub(x, ReduceMax(x)))   discriminant analysis
Sub(x, ReduceLogSumExp(x))                   the logarithm of it
"""

from __future__ import annotations

import onnx
from onnx import helper

from oracle.proving.lowering.attributes import opset_of
from oracle.proving.lowering.recognise.graph import Graph

_ANY_AXIS = 13
"""From this opset on, a Softmax is over one axis whatever the rank."""


def write_softmax(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model in which each softmax that is spelled out is a Softmax or a LogSoftmax."""
    graph = Graph(model)
    if opset_of(model, "") < _ANY_AXIS:
        return model
    removed: list[onnx.NodeProto] = []
    added: list[tuple[int, list[onnx.NodeProto]]] = []
    for node in graph.nodes:
        found = _of_logarithms(graph, node) or _of_a_sum(graph, node)
        if found is not None:
            operator, source, axis = found
            name = f"{node.name or node.output[0]} and what is before it"
            removed.append(node)
            written = helper.make_node(operator, [source], [node.output[0]], name=name, axis=axis)
            added.append((graph.place(node), [written]))
    return graph.rewritten(removed, added) if added else model


def _of_logarithms(graph: Graph, node: onnx.NodeProto) -> tuple[str, str, int] | None:
    is_exponential = node.op_type == "Exp" and node.domain in ("", "ai.onnx")
    minus = graph.made_by(node.input[0], "Sub") if is_exponential else node if node.op_type == "Sub" else None
    if minus is None:
        return None
    source, other = minus.input
    total = graph.made_by(other, "ReduceLogSumExp")
    is_shaped = total is None
    if is_shaped:
        shaped = graph.made_by(other, "Reshape")
        shape = None if shaped is None else graph.constant(shaped.input[1])
        if shaped is None or shape is None or tuple(shape.ravel()) != (-1, 1):
            return None
        total = graph.made_by(shaped.input[0], "ReduceLogSumExp")
    axis = _axis(graph, total, source)
    if total is None or axis is None or bool(graph.attributes(total).get("keepdims", 1)) is is_shaped:
        return None
    return ("Softmax" if is_exponential else "LogSoftmax"), source, axis


def _of_a_sum(graph: Graph, node: onnx.NodeProto) -> tuple[str, str, int] | None:
    if node.op_type != "Div":
        return None
    exponentials, other = node.input
    power, total = graph.made_by(exponentials, "Exp"), graph.made_by(other, "ReduceSum")
    axis = _axis(graph, total, exponentials)
    if power is None or total is None or axis is None or not graph.attributes(total).get("keepdims", 1):
        return None
    minus = graph.made_by(power.input[0], "Sub")
    most = None if minus is None else graph.made_by(minus.input[1], "ReduceMax")
    if minus is not None and most is not None and _axis(graph, most, minus.input[0]) == axis:
        return ("Softmax", minus.input[0], axis) if graph.attributes(most).get("keepdims", 1) else None
    return "Softmax", power.input[0], axis


def _axis(graph: Graph, node: onnx.NodeProto | None, source: str) -> int | None:
    """Return the only axis over which a node reduces this value, or None."""
    if node is None or node.input[0] != source:
        return None
    axes = graph.axes(node)
    return axes[0] if axes is not None and len(axes) == 1 else None
