"""The place of the largest, or of the smallest, looked for before functions that keep the order.

Exporters write the label of a classifier as the place of its largest probability. That is the place of its largest
score, and a score needs no Softmax. Where a runtime's floats saturate, so that different scores have one probability,
the place is that of the score.
"""

from __future__ import annotations

import onnx
from onnx import shape_inference

from oracle.proving.lowering.attributes import opset_of
from oracle.proving.lowering.recognise.graph import Graph

_RISING = ("Sigmoid", "Tanh", "Erf", "Softplus", "Exp", "Log", "Sqrt", "Atan", "Identity")
"""Functions of one number that never fall, nor stay, where they are defined."""

_NOT_NEGATIVE = ("Softmax", "Sigmoid", "Exp", "Softplus", "Relu", "Abs", "ReduceSumSquare", "ReduceL1")
"""Operators whose results have roots and logarithms. Of another number there may be none, and a runtime chooses it."""

_OVER_AN_AXIS = ("Softmax", "LogSoftmax")
_ONE_AXIS = 13
"""From this opset on, a Softmax is over one axis."""


def look_before(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model in which ArgMax and ArgMin take what is before functions that keep the order."""
    graph = Graph(model)
    chosen = [node for node in graph.nodes if node.op_type in ("ArgMax", "ArgMin") and node.domain in ("", "ai.onnx")]
    if not chosen:
        return model
    ranks = _ranks(model)
    removed: list[onnx.NodeProto] = []
    added: list[tuple[int, list[onnx.NodeProto]]] = []
    for node in chosen:
        source = str(node.input[0])
        while (before := _before(graph, source, int(graph.attributes(node)["axis"]), ranks)) is not None:
            source = before
        if source != node.input[0]:
            written = onnx.NodeProto()
            written.CopyFrom(node)
            written.input[0] = source
            removed.append(node)
            added.append((graph.place(node), [written]))
    return graph.rewritten(removed, added) if added else model


def _ranks(model: onnx.ModelProto) -> dict[str, int]:
    """Return the number of axes of each value of which it is known."""
    try:
        graph = shape_inference.infer_shapes(model).graph
    except Exception:  # the inference of a single operator may fail, and raises classes of its own
        return {}
    values = (*graph.value_info, *graph.output, *graph.input)
    return {
        each.name: len(each.type.tensor_type.shape.dim) for each in values if each.type.tensor_type.HasField("shape")
    }


def _before(graph: Graph, name: str, axis: int, ranks: dict[str, int]) -> str | None:
    """Return the value before a function that keeps the order along an axis, or None."""
    node = graph.made_by(name, *_RISING, *_OVER_AN_AXIS)
    if node is None:
        return None
    if node.op_type in ("Log", "Sqrt") and graph.made_by(str(node.input[0]), *_NOT_NEGATIVE) is None:
        return None
    if node.op_type in _OVER_AN_AXIS:
        rank = ranks.get(name, 0)
        over, along = (each + rank if each < 0 else each for each in (int(graph.attributes(node)["axis"]), axis))
        # Before opset 13 it is over all axes from this one on.
        is_older = opset_of(graph.model, "") < _ONE_AXIS
        if over != along and not (is_older and along >= over >= 0):
            return None
    return str(node.input[0])
