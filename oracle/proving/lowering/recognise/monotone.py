"""Functions at the end of a model that change its outputs, but not on which side of a threshold they are.

A final Sigmoid, Exp or Sqrt is increasing, so the value before it gives the same verdicts and costs nothing. So is a
chain of such functions and of sums and products with numbers, as long as it rises on the whole: an isolation forest's
score is a − 2^(−d / c), for the depth d that its trees add up to. A threshold is taken back through the chain.
"""

from __future__ import annotations

import math

import onnx

from oracle.proving.lowering.recognise.graph import Graph
from oracle.proving.lowering.tails import CURVES, Tail, TailStep

_SHAPES = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze")
"""Operators that leave the numbers and their order as they are."""

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)

_TURNED = TailStep("Times", -1.0)


def tail_of(model: onnx.ModelProto, output: str) -> Tail | None:
    """Return the longest chain at the end of a model that rises on the whole and ends in a curve; None without one.

    Args:
        model: The model.
        output: The value that is published.
    """
    graph = Graph(model)
    inputs = {each.name for each in model.graph.input}
    steps: list[TailStep] = []
    names: list[str] = []
    found: Tail | None = None
    rises, has_curve = True, False
    value = output
    while (node := graph.makers.get(value)) is not None:
        taken = _step(graph, node)
        if taken is None:
            break
        functions, value = taken
        is_curve = any(not step.is_line for step in functions)
        turns = sum(not step.rises for step in functions) % 2 == 1
        if functions and has_curve and not is_curve and rises and (len(steps) == 1 or turns):
            # A line before a single activation is a layer's; and nothing is won by what turns the chain around.
            break
        if not rises and any(step.kind in ("Log", "Sqrt") for step in functions):
            # What has no root or logarithm is on neither side of a threshold; it would be above this one.
            break
        steps += functions
        names += [node.op_type] if functions else []
        rises, has_curve = rises is not turns, has_curve or is_curve
        if rises and has_curve and value not in inputs:
            found = Tail(value, " of ".join(names), tuple(steps))
    return found


def _step(graph: Graph, node: onnx.NodeProto) -> tuple[tuple[TailStep, ...], str] | None:
    """Return a node's functions, the last one first, and its argument; None if it is no such node."""
    if node.domain not in ("", "ai.onnx"):
        return None
    kind = node.op_type
    if kind in CURVES:
        return (TailStep(kind),), node.input[0]
    if kind in _SHAPES or (kind == "Cast" and graph.attributes(node)["to"] in _FLOATS):
        return (), node.input[0]
    if kind == "Neg":
        return (_TURNED,), node.input[0]
    if kind not in ("Add", "Sub", "Mul", "Div", "Pow") or len(node.input) != 2:
        return None
    left, right = (graph.number(name) for name in node.input)
    if left is None and right is not None and math.isfinite(right):
        found = _of_right(kind, right)
        return (found, node.input[0]) if found else None
    if left is not None and right is None and math.isfinite(left):
        found = _of_left(kind, left)
        return (found, node.input[1]) if found else None
    return None


def _of_right(kind: str, number: float) -> tuple[TailStep, ...]:
    """Return the functions of an operator whose right operand is a number."""
    match kind:
        case "Add":
            return (TailStep("Plus", number),)
        case "Sub":
            return (TailStep("Plus", -number),)
        case "Mul" if number:
            return (TailStep("Times", number),)
        case "Div" if number:
            return (TailStep("Times", 1 / number),)
        case "Pow" if number == 0.5:
            return (TailStep("Sqrt"),)
    return ()


def _of_left(kind: str, number: float) -> tuple[TailStep, ...]:
    """Return the functions of an operator whose left operand is a number."""
    match kind:
        case "Add":
            return (TailStep("Plus", number),)
        case "Sub":
            return (TailStep("Plus", number), _TURNED)
        case "Mul" if number:
            return (TailStep("Times", number),)
        case "Pow" if number > 0 and number != 1:
            return (TailStep("Power", number),)
    return ()
