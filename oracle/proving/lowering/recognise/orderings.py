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
    power = graph.made_by(exponentials, "Exp")
    axis = None if power is None else _axis_of_sum(graph, _unguarded(graph, node, other), exponentials)
    if power is None or axis is None:
        return None
    minus = graph.made_by(power.input[0], "Sub")
    most = None if minus is None else graph.made_by(minus.input[1], "ReduceMax")
    if minus is not None and most is not None and _axis(graph, most, minus.input[0]) == axis:
        return ("Softmax", minus.input[0], axis) if graph.attributes(most).get("keepdims", 1) else None
    return "Softmax", power.input[0], axis


def _unguarded(graph: Graph, quotient: onnx.NodeProto, total: str) -> str:
    """Return the sum of t + (1 if the integer of t is 0), which guards a division by it; else the value itself.

    Of a sum below 1 the quotients are other numbers then, but in the same order: nothing else may be made of them.
    """
    users = graph.users.get(quotient.output[0], ())
    plus = graph.made_by(total, "Add")
    if plus is None or any(user.op_type != "ArgMax" for user in users):
        return total
    for value, other in (plus.input, reversed(plus.input)):
        is_zero = graph.made_by(other, "Cast")
        equal = None if is_zero is None else graph.made_by(is_zero.input[0], "Equal")
        whole = None if equal is None else graph.made_by(equal.input[0], "Cast")
        if equal is not None and whole is not None and whole.input[0] == value and graph.number(equal.input[1]) == 0:
            return str(value)
    return total


def _axis_of_sum(graph: Graph, total: str, source: str) -> int | None:
    """Return the axis of a sum that keeps its axes; one column of the sums of rows is such a sum."""
    shaped = graph.made_by(total, "Reshape")
    if shaped is not None:
        shape = graph.constant(shaped.input[1])
        axis = _axis(graph, graph.made_by(shaped.input[0], "ReduceSum"), source)
        return axis if axis == 1 and shape is not None and tuple(shape.ravel()) == (-1, 1) else None
    node = graph.made_by(total, "ReduceSum")
    axis = _axis(graph, node, source)
    return axis if node is not None and graph.attributes(node).get("keepdims", 1) else None


def _axis(graph: Graph, node: onnx.NodeProto | None, source: str) -> int | None:
    """Return the only axis over which a node reduces this value, or None."""
    if node is None or node.input[0] != source:
        return None
    axes = graph.axes(node)
    return axes[0] if axes is not None and len(axes) == 1 else None
