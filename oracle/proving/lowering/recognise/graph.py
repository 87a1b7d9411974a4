"""A graph as the rules look at it: its constants, and for each value the node that makes it and those that use it."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Sequence
from typing import Any

import numpy as np
import onnx
from onnx import helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from oracle.proving.lowering.attributes import NodeAttributes, opset_of
from oracle.proving.lowering.loading import LARGEST_CONSTANT

_FOLDED = {"Add", "Sub", "Mul", "Div", "Neg", "Log", "Exp", "Sqrt", "Pow", "Cast", "Identity", "Reshape", "Transpose"}
"""Operators whose results are computed here if their operands are constant."""

_MOST_FOLDED = 100
"""Constants of longer chains of operators are left to the driver."""


class Graph:
    """A view of a model's graph.

    Args:
        model: The model. It is not changed.

    Attributes:
        model: The model.
        nodes: Its nodes, in order.
        outputs: Names of the values that it publishes.
        makers: The node that makes a value.
        users: The nodes that use a value, once for each use.
    """

    def __init__(self, model: onnx.ModelProto) -> None:
        self.model = model
        graph = model.graph
        self.outputs = {each.name for each in graph.output}
        self.makers: dict[str, onnx.NodeProto] = {}
        self.users: dict[str, list[onnx.NodeProto]] = {}
        self._initialisers = {each.name: each for each in graph.initializer}
        self._arrays: dict[str, np.ndarray | None] = {}
        self._level = 0
        # protobuf makes another object each time that a list is walked through; these ones are kept.
        self.nodes = list(graph.node)
        self._places = {id(node): at for at, node in enumerate(self.nodes)}
        for node in self.nodes:
            for name in node.input:
                self.users.setdefault(name, []).append(node)
            for name in node.output:
                self.makers[name] = node

    def constant(self, name: str) -> np.ndarray | None:
        """Return a constant's array; None if the value depends on the input, or has no numbers that can be read."""
        if name not in self._arrays:
            self._arrays[name] = None
            if self._level < _MOST_FOLDED:
                self._level += 1
                self._arrays[name] = self._found(name)
                self._level -= 1
        return self._arrays[name]

    def number(self, name: str) -> float | None:
        """Return a constant of one number, or None."""
        array = self.constant(name)
        return float(array.ravel()[0]) if array is not None and array.size == 1 and array.dtype.kind in "fiub" else None

    def attributes(self, node: onnx.NodeProto) -> NodeAttributes:
        """Return a node's attributes, with the defaults of the model's opset."""
        return NodeAttributes(node, opset_of(self.model, node.domain))

    def made_by(self, name: str, *operators: str) -> onnx.NodeProto | None:
        """Return the node that makes a value, if it is one of these operators of ONNX's own domains."""
        node = self.makers.get(name)
        is_known = node is not None and node.op_type in operators and node.domain in ("", "ai.onnx", "ai.onnx.ml")
        return node if is_known else None

    def is_used_once(self, name: str) -> bool:
        """Return True if one node uses a value, and the graph does not publish it."""
        return len(self.users.get(name, ())) == 1 and name not in self.outputs

    def axes(self, node: onnx.NodeProto) -> list[int] | None:
        """Return the axes over which a node reduces; None if they are not constant."""
        if len(node.input) > 1 and node.input[1]:
            array = self.constant(node.input[1])
            return None if array is None else [int(axis) for axis in array.ravel()]
        return [int(axis) for axis in self.attributes(node).get("axes") or ()]

    def place(self, node: onnx.NodeProto) -> int:
        """Return a node's place in the graph's order."""
        return self._places[id(node)]

    def rewritten(
        self,
        removed: Collection[onnx.NodeProto],
        added: Iterable[tuple[int, Sequence[onnx.NodeProto]]],
        arrays: dict[str, Any] | None = None,
    ) -> onnx.ModelProto:
        """Return a model without some nodes and with others, each at the place of a node that was there.

        Args:
            removed: Nodes.
            added: New nodes, with the place in front of which they are put.
            arrays: New constants, by name.
        """
        model = onnx.ModelProto()
        model.CopyFrom(self.model)
        gone = {id(node) for node in removed}
        fresh: dict[int, list[onnx.NodeProto]] = {}
        for at, nodes in added:
            fresh.setdefault(at, []).extend(nodes)
        del model.graph.node[:]
        for at, node in enumerate(self.nodes):
            model.graph.node.extend(fresh.get(at, ()))
            if id(node) not in gone:
                model.graph.node.append(node)
        model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in (arrays or {}).items())
        return model

    def _found(self, name: str) -> np.ndarray | None:
        if name in self._initialisers:
            return _read(self._initialisers[name])
        node = self.makers.get(name)
        if node is None or node.domain not in ("", "ai.onnx"):
            return None
        if node.op_type == "Constant":
            value = next((each.t for each in node.attribute if each.name == "value"), None)
            return None if value is None else _read(value)
        if node.op_type not in _FOLDED or not node.input:
            return None
        given = {each: self.constant(each) for each in node.input if each}
        if any(array is None for array in given.values()):
            return None
        try:
            if node.op_type != "Reshape":
                shape = np.broadcast_shapes(*(array.shape for array in given.values() if array is not None))
                if math.prod(shape) > LARGEST_CONSTANT:
                    return None
            return np.asarray(evaluated(self.model, [node], {}, given, [name])[0])
        except Exception:  # the evaluator raises classes of its own; the driver meets the node again
            return None


def _read(tensor: onnx.TensorProto) -> np.ndarray | None:
    try:
        return np.asarray(numpy_helper.to_array(tensor))
    except Exception:  # types or sizes that are none; the driver says so
        return None


def evaluated(
    model: onnx.ModelProto,
    nodes: Sequence[onnx.NodeProto],
    inputs: dict[str, Any],
    constants: dict[str, Any],
    wanted: Sequence[str],
) -> list[Any]:
    """Compute a few nodes of a model with onnx's own evaluator, and return the values that are wanted."""
    graph = helper.make_graph(
        list(nodes),
        "part",
        [
            helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(array.dtype), array.shape)
            for name, array in inputs.items()
        ],
        [helper.make_value_info(name, helper.make_tensor_type_proto(1, None)) for name in wanted],
        [numpy_helper.from_array(array, name) for name, array in constants.items()],
    )
    part = helper.make_model(graph, opset_imports=list(model.opset_import))
    return list(ReferenceEvaluator(part).run(list(wanted), inputs))
