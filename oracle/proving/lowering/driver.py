"""Lower an ONNX graph to a program: check it, fold what is constant, translate node after node.

A window is all that the model is given at once, with a batch of one. If the model has several inputs, their numbers
follow each other.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
import onnx
from onnx import AttributeProto, TensorProto, helper, numpy_helper
from onnx.reference import ReferenceEvaluator

from oracle.core import encoding
from oracle.proving.lowering.attributes import NodeAttributes, opset_of
from oracle.proving.lowering.builder import LARGEST_VALUE, UNKNOWN, OperatorRefused, ProgramBuilder, Var, placed
from oracle.proving.lowering.functions import FUNCTIONS
from oracle.proving.lowering.inputs import range_of_type, shape_of, sized
from oracle.proving.lowering.operators import OPERATORS
from oracle.proving.lowering.program import DEFAULT_SEGMENTS, FUNCTION, ModelInput, Op, Problem, Program
from oracle.proving.lowering.recognise import recognised
from oracle.proving.lowering.recognise.monotone import tail_of
from oracle.proving.lowering.sizes import refuse_large
from oracle.proving.lowering.table import APPROXIMATE, advice
from oracle.proving.lowering.types import (
    FLOATS,
    INTEGERS,
    NUMBERS,
    largest_result,
    refuse_wrapping,
    type_name,
    types_of,
)

ORDERING = {"Softmax", "LogSoftmax", "Normalizer"}
"""Final activations that change the outputs, but not which of them is the largest."""

DOMAINS = ("", "ai.onnx", "ai.onnx.ml")
"""The domains whose operators are known. In others, the same name may be anything."""

_LABELS = (TensorProto.STRING, TensorProto.INT32, TensorProto.INT64)
_RANDOM = ("RandomNormal", "RandomUniform", "RandomNormalLike", "RandomUniformLike", "Bernoulli", "Multinomial")


def lower(
    model: onnx.ModelProto,
    *,
    output: str | None = None,
    segments: int = DEFAULT_SEGMENTS,
    keep_activation: bool = False,
    sample: Sequence[int] | None = None,
    approximate: bool = False,
) -> tuple[Program | None, list[Problem]]:
    """Lower a model.

    Args:
        model: A valid ONNX model.
        output: Which output is published; needed if there are several.
        segments: Pieces of the piecewise linear function that stands for a smooth activation.
        keep_activation: Keep a final activation. Those that leave the verdicts as they are (`ORDERING`, and chains of
            `recognise/monotone.py`) are left off otherwise, because the value before them costs nothing.
        sample: Shape of one sample, which sizes that the model leaves open are taken from.
        approximate: Look functions up where no exact circuit has them.

    Returns:
        The program and no problem, or None and every problem that was found.
    """
    return _Lowering(recognised(model), output, segments, keep_activation, sample, approximate).run()


class _Lowering:
    """The lowering of one model: its values by name, and the problems so far."""

    def __init__(
        self,
        model: onnx.ModelProto,
        output: str | None,
        segments: int,
        keep_activation: bool,
        sample: Sequence[int] | None,
        approximate: bool,
    ) -> None:
        self.model = model
        self.wanted = output
        self.keep_activation = keep_activation
        self.sample = sample
        names = {each.name for each in model.graph.initializer}
        self.inputs = [each for each in model.graph.input if each.name not in names]
        self.builder = ProgramBuilder(segments, [each.name for each in self.inputs], approximate=approximate)
        self.problems: list[Problem] = []
        self.notes: list[str] = []
        self.values: dict[str, Any] = {}
        self.types = types_of(model)
        self._limits: dict[str, float] = {}

    def run(self) -> tuple[Program | None, list[Problem]]:
        graph = self.model.graph
        # 1 Weights.
        for initializer in graph.initializer:
            try:
                array: Any = numpy_helper.to_array(initializer)
            except Exception as error:  # types or sizes that are none; onnx checks them when it reads
                words = f"{type(error).__name__}: {error}"
                self._problem(
                    f"weights {initializer.name!r}", f"they can't be read ({words})", "export the model again"
                )
                array = UNKNOWN
            if array is not UNKNOWN and array.dtype.kind == "f" and not np.isfinite(array).all():
                at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
                self._problem(
                    f"weights {initializer.name!r}",
                    f"{int((~np.isfinite(array)).sum())} of {array.size} are NaN or infinite, the first at {at}",
                    "train or export the model again",
                )
                array = UNKNOWN
            self.values[initializer.name] = array
        # 2 The inputs, the output, and which nodes lie between them.
        inputs = self._inputs()
        output = self._output(graph)
        dropped = self._final_activation(graph, output) if output else None
        tail = None
        if output and dropped is None and not self.keep_activation:
            tail = tail_of(self.model, self._before_labels(graph, output))
        if inputs is not None:
            self._place(inputs)
        else:
            self.values.update({each.name: UNKNOWN for each in self.inputs})
        source = output and self._before_labels(graph, output)
        if dropped is not None:
            source = dropped.input[0]
        elif tail is not None:
            source = tail.source
        needed = self._needed(graph, source)
        # 3 The nodes.
        for index, node in enumerate(graph.node):
            if index in needed:
                self._lower_node(index, node)
        if self.problems or inputs is None or not output or not source:
            return None, self.problems
        # 4 The operations that the result rests on.
        result = self.values.get(source)
        if result is UNKNOWN:
            self._problem(f"output {output!r}", "it is a label", "publish the scores that it is chosen by")
            return None, self.problems
        if not isinstance(result, Var):
            self._problem(f"output {output!r}", "it does not depend on the input", "publish another output")
            return None, self.problems
        if dropped is not None and not self._keeps_order(dropped, result):
            return None, self.problems
        ops = self._used(result.name)
        if not any(self._does_something(op) for op in ops):
            result = self._computed(result)
            ops = self._used(result.name)
        used = {name for op in ops for name in op.inputs}
        program = Program(
            self.window.name,
            placed(self.window.shape)[1:],
            result.name,
            placed(result.shape)[1:],
            tuple(ops),
            {name: constant for name, constant in self.builder.constants.items() if name in used},
            dropped.op_type if dropped is not None else "" if tail is None else tail.name,
            tuple(self.builder.approximated),
            self.builder.transformed.get(result.name, "") or self._order_kept(dropped),
            source,
            tuple(self.notes),
            tuple(inputs),
            self.builder.labels.get(result.name, ()),
            tail=tail,
            is_label=result.name in self.builder.labels,
            looked_up=tuple(dict.fromkeys(op.node for op in ops if op.kind == FUNCTION)),
        )
        return program, []

    def _does_something(self, op: Op) -> bool:
        """Return False for a sum with 0 and a product with 1, which a circuit leaves out, and True for the rest."""
        if op.kind not in ("Add", "Sub", "Mul"):
            return True
        neutral = float(op.kind == "Mul")
        constants = [self.builder.constants[each] for each in op.inputs if each in self.builder.constants]
        return not any((each == neutral).all() for each in constants)

    def _computed(self, value: Var) -> Var:
        """Return x + (x − x) of an input x that is the output itself: a circuit must compute something."""
        self.builder.node = f"the output {value.name!r}"
        difference = self.builder.binary("Sub", value, value)
        return replace(self.builder.binary("Add", value, difference), low=value.low, high=value.high, whole=value.whole)

    def _problem(self, node: str, what: str, change: str) -> None:
        self.problems.append(Problem(node, what, change))

    def _inputs(self) -> list[ModelInput] | None:
        """Return the model's inputs with all sizes known, or add problems."""
        if not self.inputs:
            self._problem("the graph", "it has no inputs, so that its output is a constant", "export the model again")
            return None
        found: list[ModelInput] = []
        dims = [shape_of(each) for each in self.inputs]
        for each, shape in zip(self.inputs, sized(dims, self.sample), strict=True):
            where = f"input {each.name!r}"
            kind = self.types.get(each.name, 0)
            if kind not in NUMBERS:
                self._problem(where, f"it is {type_name(kind)}", "export it with numbers as its input")
            elif isinstance(shape, str):
                self._problem(where, shape, "give samples of that shape (--data), or export with sizes that are fixed")
            elif math.prod(shape) > LARGEST_VALUE:
                self._problem(
                    where, f"it has {math.prod(shape):,} numbers; at most {LARGEST_VALUE:,}", "use smaller windows"
                )
            else:
                found.append(ModelInput(each.name, shape, kind))
        return found if len(found) == len(self.inputs) else None

    def _place(self, inputs: Sequence[ModelInput]) -> None:
        """Make the window, and of it the model's inputs."""
        for each in inputs:
            if each.kind in INTEGERS:
                self._limits[each.name] = range_of_type(each.kind)[1]
        if len(inputs) == 1:
            only = inputs[0]
            self.window = Var(only.name, only.shape, *range_of_type(only.kind))
            self.values[only.name] = self.window
            return
        ends = list(itertools.accumulate(each.size for each in inputs))
        name = "window"
        while name in {each.name for each in inputs}:
            name += "_"
        self.window = Var(name, (1, ends[-1]), -encoding.CLIP, encoding.CLIP)
        self.builder.node = "the inputs"
        for each, end in zip(inputs, ends, strict=True):
            part = self.builder.gather(self.window, range(end - each.size, end), 1)
            low, high = range_of_type(each.kind)
            self.values[each.name] = replace(self.builder.reshape(part, each.shape), low=low, high=high)
        told = ", ".join(f"{each.name!r} ({each.size})" for each in inputs)
        self.notes.append(f"a row of samples has the numbers of {told}, one input after the other")

    def _output(self, graph: onnx.GraphProto) -> str | None:
        names = [str(each.name) for each in graph.output]
        if self.wanted is not None:
            if self.wanted in names:
                return self.wanted
            self._problem("the graph", f"it has no output {self.wanted!r}", f"choose one of {', '.join(names)}")
        elif len(names) == 1:
            return names[0]
        elif len(scores := [name for name in names if self._has_scores(graph, name)]) == 1:
            others = ", ".join(repr(name) for name in names if name != scores[0])
            self.notes.append(f"output {scores[0]!r} is published; the labels {others} are left off")
            return scores[0]
        else:
            self._problem(
                "the graph", f"it has {len(names)} outputs ({', '.join(names)})", "choose one with --output NAME"
            )
        return None

    def _has_scores(self, graph: onnx.GraphProto, name: str) -> bool:
        """Return True unless an output has labels: texts or integers."""
        return self.types.get(self._before_labels(graph, name), TensorProto.FLOAT) not in _LABELS

    def _before_labels(self, graph: onnx.GraphProto, output: str) -> str:
        """Return the value of which a ZipMap, an Identity or a cast between floats makes an output."""
        maker = {name: node for node in graph.node for name in node.output}
        node = maker.get(output)
        while node is not None and node.input and (node.op_type in ("Identity", "ZipMap") or self._is_float_cast(node)):
            output = node.input[0]
            node = maker.get(output)
        return output

    def _is_float_cast(self, node: onnx.NodeProto) -> bool:
        wanted = next((each.i for each in node.attribute if each.name == "to"), 0)
        return node.op_type == "Cast" and self.types.get(node.input[0], 0) in FLOATS and wanted in FLOATS

    def _final_activation(self, graph: onnx.GraphProto, output: str) -> onnx.NodeProto | None:
        """Return the Softmax or Normalizer that makes the output, if it is to be left off."""
        if self.keep_activation:
            return None
        source = self._before_labels(graph, output)
        node: onnx.NodeProto | None = next((node for node in graph.node if source in node.output), None)
        if node is None or node.op_type not in ORDERING or node.domain not in DOMAINS:
            return None
        if self._before_labels(graph, node.input[0]) in {each.name for each in graph.input}:
            # Without it, there would be no model.
            return None
        return node

    def _keeps_order(self, dropped: onnx.NodeProto, result: Var) -> bool:
        """Make sure that a final Softmax or Normalizer compares all outputs with each other, or add a problem."""
        if dropped.op_type not in ORDERING:
            return True
        opset = opset_of(self.model, dropped.domain)
        attributes = NodeAttributes(dropped, opset)
        rank, size = len(result.shape), math.prod(result.shape)
        if dropped.op_type == "Normalizer":
            if attributes["norm"] == b"MAX":
                self._problem(
                    self._label(0, dropped), "it divides by the largest value, which may be negative", "leave it off"
                )
                return False
            along = result.shape[-1]
        else:
            axis = attributes["axis"] % rank
            along = math.prod(result.shape[axis:]) if opset < 13 else result.shape[axis]
        if along != size:
            self._problem(
                self._label(0, dropped),
                f"it compares {along} values at a time, and the output has {size}",
                "publish the values before it",
            )
        return along == size

    @staticmethod
    def _order_kept(dropped: onnx.NodeProto | None) -> str:
        if dropped is None or dropped.op_type not in ORDERING:
            return ""
        return f"the final {dropped.op_type} is left off"

    def _needed(self, graph: onnx.GraphProto, output: str | None) -> set[int]:
        """Return the indices of the nodes that the output depends on; of all nodes if there is no output."""
        if output is None:
            return set(range(len(graph.node)))
        maker = {name: index for index, node in enumerate(graph.node) for name in node.output}
        needed: set[int] = set()
        open_names = [output]
        while open_names:
            index = maker.get(open_names.pop())
            if index is not None and index not in needed:
                needed.add(index)
                open_names += graph.node[index].input
        return needed

    def _used(self, result: str) -> list[Op]:
        used, kept = {result}, []
        for op in reversed(self.builder.ops):
            if op.output in used:
                used.update(op.inputs)
                kept.append(op)
        return kept[::-1]

    @staticmethod
    def _label(index: int, node: onnx.NodeProto) -> str:
        label = node.name or (f"making {node.output[0]!r}" if node.output else f"number {index}")
        return f"node {label} ({node.op_type})"

    def _lower_node(self, index: int, node: onnx.NodeProto) -> None:
        builder = self.builder
        builder.node = self._label(index, node)
        builder.opset = opset_of(self.model, node.domain)
        builder.input_types = tuple(self.types.get(name, 0) for name in node.input)
        builder.output_count = len(node.output)
        arguments = [self.values.get(name, UNKNOWN) if name else None for name in node.input]
        if any(argument is UNKNOWN for argument in arguments):
            self.values.update(dict.fromkeys(node.output, UNKNOWN))
            return
        builder.order_only = ""
        try:
            made = self._lowered(node, arguments)
            outputs = list(made) if isinstance(made, list) else [made]
            if builder.order_only:
                scores = [each for each in outputs if isinstance(each, Var) and each.name not in builder.labels]
                builder.transformed |= {each.name: builder.order_only for each in scores}
            for name, value in zip(node.output, outputs, strict=False):
                self.values[name] = value
            for name in node.output[len(outputs) :]:
                self.values[name] = UNKNOWN
        except OperatorRefused as refusal:
            self._problem(builder.node, refusal.what, refusal.change)
            self.values.update(dict.fromkeys(node.output, UNKNOWN))
        except Exception as error:  # a handler meets a node of a form that nobody thought of
            words = " ".join(f"{type(error).__name__}: {error}".split())[:200]
            self._problem(builder.node, f"its attributes or shapes do not fit ({words})", "export the model again")
            self.values.update(dict.fromkeys(node.output, UNKNOWN))

    def _lowered(self, node: onnx.NodeProto, arguments: list[Any]) -> Any:
        """Lower a node, or compute it if it does not depend on the input."""
        if node.domain not in DOMAINS:
            raise OperatorRefused(
                f"its domain is {node.domain!r}, where any operator may have this name", "export with ONNX's operators"
            )
        if node.op_type in _RANDOM:
            raise OperatorRefused("it is random", "export the model for inference")
        attributes = NodeAttributes(node, self.builder.opset)
        refuse_large(node, arguments, self.builder.input_types, self.builder.opset, self.model.ir_version)
        if node.op_type == "Shape" and isinstance(arguments[0], Var):
            made: Any = np.array(arguments[0].shape, dtype=np.int64)[attributes.get("start", 0) : attributes.get("end")]
        elif not any(isinstance(argument, Var) for argument in arguments):
            return self._fold(node, arguments)
        else:
            if node.domain != "ai.onnx.ml":
                limit = self._limit(node, arguments)
                refuse_wrapping(node.op_type, self.types.get(node.output[0], 0), limit)
            made = self._handled(node.op_type, arguments, attributes)
        if attributes.ignored:
            names = ", ".join(f"{name} = {attributes.shown(name)}" for name in attributes.ignored)
            raise OperatorRefused(f"it has {names}, which is not honoured", "export it with the default")
        return made

    def _handled(self, operator: str, arguments: list[Any], attributes: NodeAttributes) -> Any:
        """Lower a node exactly, or, in an approximate circuit, with functions that are looked up."""
        exact = OPERATORS.get(operator)
        looked_up = APPROXIMATE.get(operator) if self.builder.approximate else None
        if looked_up is None and exact is None:
            raise OperatorRefused(f"operator {operator} can't be proven exactly", advice(operator))
        if exact is not None and (looked_up is None or operator not in FUNCTIONS):
            try:
                return exact(self.builder, arguments, attributes)
            except OperatorRefused:
                if looked_up is None:
                    raise
        assert looked_up is not None
        return looked_up(self.builder, arguments, attributes)

    def _limit(self, node: onnx.NodeProto, arguments: Sequence[Any]) -> float | None:
        """Return a bound on the magnitudes of a node's integers or booleans, and note it for its outputs."""
        limits = [
            self._largest(name, argument)
            if isinstance(argument, Var)
            else None
            if argument.dtype.kind not in "fiub"
            else float(np.abs(argument.astype(np.float64)).max(initial=0))
            for name, argument in zip(node.input, arguments, strict=True)
            if argument is not None
        ]
        limit = largest_result(node.op_type, arguments, limits)
        for name in node.output:
            is_bool = self.types.get(name) == TensorProto.BOOL
            if is_bool or limit is not None:
                self._limits[name] = 1.0 if is_bool or limit is None else limit
        return limit

    def _largest(self, name: str, value: Var) -> float | None:
        """Return the largest magnitude of a value's elements, by its type and by what it is computed from."""
        largest = min(self._limits.get(name, math.inf), max(abs(value.low), abs(value.high)))
        return largest if math.isfinite(largest) else None

    def _fold(self, node: onnx.NodeProto, arguments: Sequence[Any]) -> list[Any]:
        """Compute a node that does not depend on the input."""
        if any(each.type in (AttributeProto.GRAPH, AttributeProto.GRAPHS) for each in node.attribute):
            # Such a graph could loop without an end.
            raise OperatorRefused("it is a constant with a graph of its own", "export the model with constants folded")
        feeds = {name: value for name, value in zip(node.input, arguments, strict=True) if name}
        graph = helper.make_graph(
            [node],
            "constant",
            [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
                for name, v in feeds.items()
            ],
            [helper.make_value_info(name, helper.make_tensor_type_proto(1, None)) for name in node.output if name],
        )
        model = helper.make_model(graph, opset_imports=list(self.model.opset_import))
        results = iter(ReferenceEvaluator(model).run(None, feeds))
        made = [next(results) if name else None for name in node.output]
        if not all(each is None or isinstance(each, np.ndarray | np.generic) for each in made):
            raise OperatorRefused("its constant is no table of numbers", "export the model with constants folded")
        return [None if each is None else np.asarray(each) for each in made]
