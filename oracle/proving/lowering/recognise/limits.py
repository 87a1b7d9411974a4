"""Comparisons behind a rising chain: f(x) < c is x < f⁻¹(c), so that the chain is not needed.

An isolation forest's label compares its score with 0, and the score is a power of the depth.
"""

from __future__ import annotations

import math

import numpy as np
import onnx
from onnx import helper

from oracle.proving.lowering.recognise.graph import Graph
from oracle.proving.lowering.recognise.monotone import tail_of

_COMPARISONS = ("Less", "LessOrEqual", "Greater", "GreaterOrEqual")


def write_limits(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model in which what a chain rises from is compared, where its result was."""
    graph = Graph(model)
    removed: list[onnx.NodeProto] = []
    added: list[tuple[int, list[onnx.NodeProto]]] = []
    arrays: dict[str, np.ndarray] = {}
    for node in graph.nodes:
        if node.op_type not in _COMPARISONS or node.domain not in ("", "ai.onnx"):
            continue
        value, other = node.input
        number = graph.number(other)
        tail = None if number is None else tail_of(model, value)
        if number is None or tail is None or any(step.kind in ("Log", "Sqrt") for step in tail.steps):
            # What has no root or logarithm is neither below a limit nor above it.
            continue
        limit = tail.before(number)
        if not math.isfinite(limit):
            continue
        output, name = node.output[0], node.name or node.output[0]
        arrays[f"{output}_limit"] = np.array([limit], dtype=np.float32)
        removed.append(node)
        compared = helper.make_node(node.op_type, [tail.source, f"{output}_limit"], [output], name=name)
        added.append((graph.place(node), [compared]))
    return graph.rewritten(removed, added, arrays) if added else model
