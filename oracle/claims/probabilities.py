"""Probabilities at the end of a model: found, so that claims are about them by way of what is computed before.

A Sigmoid is increasing, so bounds of a probability are bounds of the number before it. Of a Softmax, the circuit has
the margin of each number over the largest other one. The one that a classifier ends with is found here; `claim_model`
compares the result with the float model.
"""

from __future__ import annotations

import numpy as np
import onnx
from onnx import helper

from oracle.core.errors import ModelError
from oracle.proving.lowering.program import Program
from oracle.proving.lowering.recognise.graph import Graph

_CLASSIFIERS = ("LinearClassifier", "TreeEnsembleClassifier", "SVMClassifier")
_LEAST = 1e-30
"""Probabilities below this have lost too many digits to be compared."""


def probability_of(proto: onnx.ModelProto, program: Program, name: str) -> str:
    """Return the activation that makes a model's outputs probabilities, "Sigmoid" or "Softmax"; "" if it has none.

    Raises:
        ModelError: Only the order of its outputs is that of what the circuit computes.
    """
    transforms = [
        attribute.s.decode()
        for node in proto.graph.node
        for attribute in node.attribute
        if node.op_type in _CLASSIFIERS and attribute.name == "post_transform" and attribute.s != b"NONE"
    ]
    if program.dropped == "Softmax" or (transforms == ["SOFTMAX"] and program.dropped in ("", "Normalizer")):
        return "Softmax"
    if program.dropped == "Sigmoid" or (transforms == ["LOGISTIC"] and program.dropped == "" and program.outputs == 2):
        return "Sigmoid"
    if not program.dropped and not program.order_only:
        return ""
    reason = program.order_only or f"the final {program.dropped} is left off"
    raise ModelError(
        f"{name}: {reason}, so that only the order of its outputs can be claimed: name its classes (classes=…), "
        "or export the value before it"
    )


def join_two(proto: onnx.ModelProto) -> None:
    """Write 1 − p and p, which two classes get of one Sigmoid p, as the Sigmoid of two numbers: it is then the last."""
    graph = Graph(proto)
    (output,) = proto.graph.output
    joined = graph.makers.get(str(output.name))
    if joined is None or joined.op_type != "Concat" or len(joined.input) != 2:
        return
    rest, sigmoid = (graph.makers.get(each) for each in joined.input)
    if rest is None or sigmoid is None or (rest.op_type, sigmoid.op_type) != ("Sub", "Sigmoid"):
        return
    if graph.number(rest.input[0]) != 1 or rest.input[1] != joined.input[1]:
        return
    taken = {name for node in proto.graph.node for name in (*node.input, *node.output)}
    opposite, both = (free_name(each, taken) for each in ("opposite", "two_scores"))
    made = [
        helper.make_node("Neg", [sigmoid.input[0]], [opposite], name=opposite),
        helper.make_node("Concat", [opposite, sigmoid.input[0]], [both], name=both, axis=1),
        helper.make_node("Sigmoid", [both], [output.name], name=str(output.name)),
    ]
    nodes = [node for each in proto.graph.node for node in (made if output.name in each.output else [each])]
    del proto.graph.node[:]
    proto.graph.node.extend(nodes)


def margins_of(probabilities: np.ndarray) -> np.ndarray:
    """Return by how much the number behind each probability of a Softmax is above the largest other one.

    Rows in which a probability has too few digits are NaN.
    """
    with np.errstate(divide="ignore"):
        scores = np.log(np.where(probabilities < _LEAST, np.nan, probabilities.astype(float)))
    found = np.empty_like(scores)
    for at in range(scores.shape[1]):
        found[:, at] = scores[:, at] - np.max(np.delete(scores, at, axis=1), axis=1)
    return np.where(np.isnan(found).any(axis=1, keepdims=True), np.nan, found)


def free_name(name: str, taken: set[str]) -> str:
    """Return a name that is not taken yet, like the given one."""
    while name in taken:
        name += "_"
    return name
