"""Softsign, as it is spelled out: Div(x, Add(Abs(x), 1)), and the same over a number.

scikit-learn breaks ties of votes between classes by it, and its exporter writes it like this.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from oracle.proving.lowering.recognise.graph import Graph


def write_softsign(model: onnx.ModelProto) -> onnx.ModelProto:
    """Return a model in which each number over one more than its magnitude is a Softsign."""
    graph = Graph(model)
    removed: list[onnx.NodeProto] = []
    added: list[tuple[int, list[onnx.NodeProto]]] = []
    arrays: dict[str, np.ndarray] = {}
    for node in graph.nodes:
        if node.op_type != "Div" or node.domain not in ("", "ai.onnx"):
            continue
        source, under = node.input
        times = graph.made_by(under, "Mul")
        number = None
        if times is not None:
            # The numbers that scikit-learn multiplies by are on the right.
            under, number = times.input[0], graph.number(times.input[1])
            if not number:
                continue
        if not _is_one_more(graph, under, source):
            continue
        output, name = node.output[0], node.name or node.output[0]
        removed.append(node)
        if number is None:
            made = [helper.make_node("Softsign", [source], [output], name=f"{name} and what is before it")]
        else:
            arrays[f"{output}_factor"] = np.array(1 / number, dtype=np.float32)
            made = [
                helper.make_node("Softsign", [source], [f"{output}_sign"], name=f"{name} and what is before it"),
                helper.make_node("Mul", [f"{output}_sign", f"{output}_factor"], [output], name=name),
            ]
        added.append((graph.place(node), made))
    return graph.rewritten(removed, added, arrays) if added else model


def _is_one_more(graph: Graph, name: str, source: str) -> bool:
    """Return True if a value is 1 and the magnitude of another."""
    total = graph.made_by(name, "Add")
    if total is None:
        return False
    for one, two in (total.input, total.input[::-1]):
        size = graph.made_by(one, "Abs")
        if size is not None and size.input[0] == source and graph.number(two) == 1.0:
            return True
    return False
