"""An ONNX model as a short list of operations whose integer arithmetic is exact.

    ONNX graph → Program (a dozen kinds of operation, float constants) → Circuit (integers and scales, `reference.py`)

What a framework exports has hundreds of operators; here each is written with the few that a circuit computes without
rounding: products, sums, ReLU, absolute value, comparison, and moving elements about. A tree ensemble becomes
comparisons and selections, a smooth activation a piecewise linear function, a division by a constant a product. So one
reference covers every model, and the prover is left no choice between two roundings.

Axis 0 is the batch everywhere. An operator that mixes windows has no meaning here, and is refused.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise, product
from typing import TYPE_CHECKING, Any

from oracle.core.errors import ModelError

if TYPE_CHECKING:
    import numpy as np
    import onnx

COMPARISONS = {"Greater", "Less", "GreaterOrEqual", "LessOrEqual"}
DECOMPOSED = COMPARISONS | {"Relu", "Abs"}
"""Operations that take numbers apart into digits."""

KINDS = COMPARISONS | {
    "Add",
    "Sub",
    "Mul",
    "MatMul",
    "Conv",
    "Relu",
    "Abs",
    "ReduceSum",
    "Reshape",
    "Transpose",
    "Concat",
    "Gather",
}

ORDERING = {"Softmax", "LogSoftmax", "Normalizer"}
"""Final activations that keep which output is the largest, and nothing else."""

MONOTONE = ORDERING | {"Sigmoid", "Tanh", "Erf", "HardSigmoid", "Softplus"}
"""Final activations that change neither a sign about their midpoint nor which output is the largest."""

DEFAULT_SEGMENTS = 16


@dataclass(frozen=True, slots=True)
class Problem:
    """Why a model can't be proven as it is.

    Attributes:
        node: The ONNX node or tensor, as a person finds it in a viewer.
        what: What is wrong with it.
        change: What to change.
    """

    node: str
    what: str
    change: str

    def __str__(self) -> str:
        return f"{self.node}: {self.what}; {self.change}"


@dataclass(frozen=True, slots=True)
class Op:
    """One operation.

    Attributes:
        kind: Of `KINDS`.
        inputs: Names of values or constants.
        output: Name of the value.
        node: The ONNX node it comes from.
        shape: Of the output; axis 0 is the batch, and 1 here.
        attributes: axes, perm, shape, indices and the like, without the batch.
    """

    kind: str
    inputs: tuple[str, ...]
    output: str
    node: str
    shape: tuple[int, ...]
    attributes: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Program:
    """A lowered model.

    Attributes:
        input: Name of the input.
        input_shape: Of one window, without the batch.
        output: Name of the output.
        output_shape: Of one window, without the batch.
        ops: In order.
        constants: By name, float64.
        dropped: The final activation that was left off, or "".
        approximated: Activations that became piecewise linear, as "node (operator)".
        order_only: Why only the order of the outputs is that of the model, or "".
    """

    input: str
    input_shape: tuple[int, ...]
    output: str
    output_shape: tuple[int, ...]
    ops: tuple[Op, ...]
    constants: Mapping[str, Any]
    dropped: str = ""
    approximated: tuple[str, ...] = ()
    order_only: str = ""

    @property
    def features(self) -> int:
        return math.prod(self.input_shape)

    @property
    def outputs(self) -> int:
        return math.prod(self.output_shape)

    @property
    def weights(self) -> int:
        """Numbers in the constants."""
        return sum(constant.size for constant in self.constants.values())


def read_model(data: bytes, name: str = "the model") -> onnx.ModelProto:
    """Parses an ONNX file.

    Raises:
        ModelError: It is none.
    """
    import onnx

    try:
        # Of protobuf's errors, which differ by release, the message is all that matters.
        model = onnx.load_model_from_string(data)
    except Exception as error:
        raise ModelError(
            f"{name} is not an ONNX file: {' '.join(str(error).split())[:200]}. Export it again"
        ) from error
    try:
        if not model.graph.node:
            raise ModelError(f"{name} has no nodes: is it an ONNX file?")
        onnx.checker.check_model(model)
    except (onnx.checker.ValidationError, ValueError) as error:
        words = " ".join(str(error).split())[:300]
        raise ModelError(f"{name} is not a valid ONNX model: {words}. Export it again") from error
    return model


def lower(
    model: onnx.ModelProto,
    *,
    output: str | None = None,
    segments: int = DEFAULT_SEGMENTS,
    keep_activation: bool = False,
) -> tuple[Program | None, list[Problem]]:
    """Lowers a model.

    Args:
        model: A valid ONNX model.
        output: Which output is published; needed if there are several.
        segments: Of the piecewise linear function that stands for a smooth activation.
        keep_activation: Keep a final activation of `MONOTONE`, which is otherwise left off: the value before it gives
            the same verdicts and costs nothing.

    Returns:
        The program, or None and every problem that was found.
    """
    return _Lowering(model, output, segments, keep_activation).run()


@dataclass(frozen=True, slots=True)
class _Var:
    """A value that depends on the input. `shape[0]` is the batch, 1."""

    name: str
    shape: tuple[int, ...]


class _Refused(Exception):
    def __init__(self, what: str, change: str) -> None:
        super().__init__(what)
        self.what, self.change = what, change


class _Unknown:
    """Depends on a node that was refused: what follows from it is not reported again."""


_UNKNOWN = _Unknown()


class _Lowering:
    def __init__(self, model: onnx.ModelProto, output: str | None, segments: int, keep_activation: bool) -> None:
        self.model = model
        self.wanted = output
        self.segments = segments
        self.keep_activation = keep_activation
        self.opset = next((each.version for each in model.opset_import if each.domain in ("", "ai.onnx")), 13)
        self.problems: list[Problem] = []
        self.ops: list[Op] = []
        self.constants: dict[str, np.ndarray] = {}
        self.values: dict[str, Any] = {}
        self.approximated: list[str] = []
        self.order_only = ""
        self.node = ""
        self.shared: dict[tuple[Any, ...], str] = {}

    # --- the way ----------------------------------------------------------------------------------------------

    def run(self) -> tuple[Program | None, list[Problem]]:
        import numpy as np
        from onnx import numpy_helper

        graph = self.model.graph
        for initializer in graph.initializer:
            array: Any = numpy_helper.to_array(initializer)
            if array.dtype.kind == "f" and not np.isfinite(array).all():
                at = tuple(int(i) for i in np.argwhere(~np.isfinite(array))[0])
                self._problem(
                    f"weights {initializer.name!r}",
                    f"{int((~np.isfinite(array)).sum())} of {array.size} are NaN or infinite, the first at {at}",
                    "train or export the model again",
                )
                array = _UNKNOWN
            self.values[initializer.name] = array
        names = set(self.values)
        inputs = [each for each in graph.input if each.name not in names]
        shape = self._input(inputs)
        output = self._output(graph)
        dropped = self._final_activation(graph, output) if output else None
        if shape is not None:
            self.values[inputs[0].name] = _Var(inputs[0].name, shape)
        else:
            self.values.update({each.name: _UNKNOWN for each in inputs})
        needed = self._needed(graph, dropped.input[0] if dropped is not None else output)
        for index, node in enumerate(graph.node):
            if index in needed:
                self._lower_node(index, node)
        if self.problems or shape is None or not output:
            return None, self.problems
        result = self.values.get(dropped.input[0] if dropped is not None else output)
        if not isinstance(result, _Var):
            self._problem(f"output {output!r}", "it does not depend on the input", "publish another output")
            return None, self.problems
        ops = self._used(result.name)
        used = {name for op in ops for name in op.inputs}
        program = Program(
            inputs[0].name,
            shape[1:],
            result.name,
            result.shape[1:],
            tuple(ops),
            {name: constant for name, constant in self.constants.items() if name in used},
            "" if dropped is None else dropped.op_type,
            tuple(self.approximated),
            self.order_only or self._order_kept(dropped),
        )
        if not ops:
            self._problem(f"output {output!r}", "it is the input itself", "publish another output")
            return None, self.problems
        return program, []

    def _problem(self, node: str, what: str, change: str) -> None:
        self.problems.append(Problem(node, what, change))

    def _input(self, inputs: Sequence[onnx.ValueInfoProto]) -> tuple[int, ...] | None:
        if len(inputs) != 1:
            names = ", ".join(each.name for each in inputs) or "none"
            self._problem(
                "the graph", f"it has {len(inputs)} inputs ({names})", "concatenate them into one before the model"
            )
            return None
        info = inputs[0].type.tensor_type
        dims: list[int | str] = [
            each.dim_value if each.HasField("dim_value") else (each.dim_param or "?") for each in info.shape.dim
        ]
        where, text = f"input {inputs[0].name!r}", "×".join(map(str, dims))
        if not dims:
            self._problem(where, "it has no shape, or is a scalar", "export it as [batch, features]")
            return None
        if len(dims) == 1:
            dims = [1, *dims]
            self._problem(where, f"shape {text} has no batch axis", "export it as [batch, features]")
            return None
        if isinstance(dims[0], str) or dims[0] == 0:
            dims[0] = 1
        for axis, dim in enumerate(dims):
            if isinstance(dim, str) or dim < 1:
                self._problem(
                    where, f"axis {axis} of {text} is dynamic ({dim!r})", "export the model with that size fixed"
                )
                return None
        if dims[0] != 1:
            self._problem(
                where, f"the batch of {text} is fixed to {dims[0]}", "export it with a batch of 1, or dynamic"
            )
            return None
        return tuple(int(dim) for dim in dims)

    def _output(self, graph: onnx.GraphProto) -> str | None:
        names = [str(each.name) for each in graph.output]
        if self.wanted is not None:
            if self.wanted in names:
                return self.wanted
            self._problem("the graph", f"it has no output {self.wanted!r}", f"choose one of {', '.join(names)}")
        elif len(names) == 1:
            return names[0]
        else:
            self._problem(
                "the graph", f"it has {len(names)} outputs ({', '.join(names)})", "choose one with --output NAME"
            )
        return None

    def _final_activation(self, graph: onnx.GraphProto, output: str) -> onnx.NodeProto | None:
        """The monotone activation that makes the output, if it is left off."""
        if self.keep_activation:
            return None
        maker = {name: node for node in graph.node for name in node.output}
        node = maker.get(output)
        while node is not None and node.op_type in ("Identity", "Cast", "ZipMap"):
            node = maker.get(node.input[0])
        return node if node is not None and node.op_type in MONOTONE else None

    @staticmethod
    def _order_kept(dropped: onnx.NodeProto | None) -> str:
        if dropped is None or dropped.op_type not in ORDERING:
            return ""
        return f"the final {dropped.op_type} is left off"

    def _needed(self, graph: onnx.GraphProto, output: str | None) -> set[int]:
        """Indices of the nodes that the output depends on; all of them if it is not known."""
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
        for op in reversed(self.ops):
            if op.output in used:
                used.update(op.inputs)
                kept.append(op)
        return kept[::-1]

    def _lower_node(self, index: int, node: onnx.NodeProto) -> None:
        import numpy as np

        label = node.name or (f"making {node.output[0]!r}" if node.output else f"number {index}")
        self.node = f"node {label} ({node.op_type})"
        arguments = [self.values.get(name) if name else None for name in node.input]
        if any(argument is _UNKNOWN for argument in arguments):
            self.values.update(dict.fromkeys(node.output, _UNKNOWN))
            return
        try:
            if node.op_type == "Shape" and isinstance(arguments[0], _Var):
                made: Any = np.array(arguments[0].shape, dtype=np.int64)
            elif not any(isinstance(argument, _Var) for argument in arguments):
                self._fold(node, arguments)
                return
            else:
                handler = _HANDLERS.get(node.op_type)
                if handler is None:
                    raise _Refused(f"operator {node.op_type} can't be proven exactly", _advice(node.op_type))
                made = handler(self, arguments, _attributes(node))
            outputs = list(made) if isinstance(made, list) else [made]
            for name, value in zip(node.output, outputs, strict=False):
                self.values[name] = value
            for name in node.output[len(outputs) :]:
                self.values[name] = _UNKNOWN
        except _Refused as refusal:
            self._problem(self.node, refusal.what, refusal.change)
            self.values.update(dict.fromkeys(node.output, _UNKNOWN))
        except (IndexError, KeyError, TypeError, ValueError) as error:
            words = " ".join(str(error).split())[:200]
            self._problem(self.node, f"its attributes or shapes do not fit ({words})", "export the model again")
            self.values.update(dict.fromkeys(node.output, _UNKNOWN))

    def _fold(self, node: onnx.NodeProto, arguments: Sequence[Any]) -> None:
        from onnx import helper
        from onnx.reference import ReferenceEvaluator

        feeds = {name: value for name, value in zip(node.input, arguments, strict=True) if name}
        graph = helper.make_graph(
            [node],
            "constant",
            [
                helper.make_tensor_value_info(name, helper.np_dtype_to_tensor_dtype(v.dtype), v.shape)
                for name, v in feeds.items()
            ],
            [helper.make_value_info(name, helper.make_tensor_type_proto(1, None)) for name in node.output],
        )
        model = helper.make_model(graph, opset_imports=list(self.model.opset_import))
        results = ReferenceEvaluator(model).run(None, feeds)
        self.values.update(zip(node.output, results, strict=True))

    # --- what handlers make -----------------------------------------------------------------------------------

    def emit(self, kind: str, *inputs: Any, shape: Sequence[int], **attributes: Any) -> _Var:
        """Appends an operation. Inputs are values or arrays."""
        if len(shape) < 1 or shape[0] != 1:
            raise _Refused("it changes the batch axis", "keep axis 0 the batch from input to output")
        names = tuple(each.name if isinstance(each, _Var) else self.constant(each) for each in inputs)
        output = f"v{len(self.ops)}"
        self.ops.append(Op(kind, names, output, self.node, tuple(int(dim) for dim in shape), attributes))
        return _Var(output, tuple(int(dim) for dim in shape))

    def constant(self, value: Any) -> str:
        import numpy as np

        array = np.asarray(value, dtype=np.float64)
        if not np.isfinite(array).all():
            raise _Refused("it has NaN or infinite constants", "train or export the model again")
        key = (array.shape, array.tobytes())
        if key not in self.shared:
            self.shared[key] = f"c{len(self.constants)}"
            self.constants[self.shared[key]] = array
        return self.shared[key]

    def binary(self, kind: str, left: Any, right: Any) -> _Var:
        """Add, Sub, Mul or a comparison of two values, or of one and a constant."""
        import numpy as np

        shape = np.broadcast_shapes(left.shape, right.shape)
        sides = []
        for side in (left, right):
            if not isinstance(side, _Var):
                array = np.asarray(side, dtype=np.float64)
                # A constant that is one number stays one: each number costs rows.
                side = array.reshape((1,) * max(1, len(shape))) if array.size == 1 else array
            elif len(side.shape) != len(shape):
                raise _Refused("an operand with fewer axes than the result", "reshape it so that axis 0 is the batch")
            sides.append(side)
        return self.emit(kind, *sides, shape=shape)

    def gather(self, value: _Var, indices: Any, axis: int) -> _Var:
        import numpy as np

        index = np.asarray(indices, dtype=np.int64)
        if axis == 0:
            raise _Refused("it gathers along the batch", "keep axis 0 the batch")
        size = value.shape[axis]
        index = np.where(index < 0, index + size, index)
        if index.size and (index.min() < 0 or index.max() >= size):
            raise _Refused(f"indices outside axis {axis} of size {size}", "export the model again")
        if index.ndim == 0:
            taken = self.gather(value, index.reshape(1), axis)
            return self.reshape(taken, (*value.shape[:axis], *value.shape[axis + 1 :]))
        shape = (*value.shape[:axis], *index.shape, *value.shape[axis + 1 :])
        return self.emit("Gather", value, shape=shape, axis=axis, indices=index)

    def reshape(self, value: _Var, shape: Sequence[int]) -> _Var:
        new = tuple(int(dim) for dim in shape)
        return value if new == value.shape else self.emit("Reshape", value, shape=new)

    def relu(self, value: _Var) -> _Var:
        return self.emit("Relu", value, shape=value.shape)

    def maximum(self, left: Any, right: Any) -> Any:
        """max(a, b) = b + relu(a − b)."""
        if not isinstance(left, _Var):
            left, right = right, left
        if not isinstance(right, _Var) and not right.any():
            return self.relu(left)
        return self.binary("Add", self.relu(self.binary("Sub", left, right)), right)

    def minimum(self, left: Any, right: Any) -> Any:
        """min(a, b) = a − relu(a − b)."""
        if not isinstance(left, _Var):
            left, right = right, left
        return self.binary("Sub", left, self.relu(self.binary("Sub", left, right)))

    def piecewise(self, value: _Var, points: Sequence[tuple[float, float]], left: float, right: float) -> _Var:
        """A continuous piecewise linear function: its corners, and the slopes outside of them."""
        import numpy as np

        (x0, y0), slope = points[0], left
        corners, changes = [], []
        for (xa, ya), (xb, yb) in pairwise(points):
            steeper = (yb - ya) / (xb - xa)
            corners.append(xa)
            changes.append(steeper - slope)
            slope = steeper
        corners.append(points[-1][0])
        changes.append(right - slope)
        flat = math.prod(value.shape[1:])
        column = self.reshape(value, (1, flat, 1))
        above = self.relu(self.binary("Sub", column, np.array(corners).reshape(1, 1, -1)))
        total = self.emit("MatMul", above, np.array(changes).reshape(-1, 1), shape=(1, flat, 1))
        total = self.binary("Add", total, np.array([[[y0 - left * x0]]]))
        if left:
            total = self.binary("Add", total, self.binary("Mul", column, np.array([[[left]]])))
        return self.reshape(total, value.shape)


def _attributes(node: onnx.NodeProto) -> dict[str, Any]:
    from onnx import helper

    return {attribute.name: helper.get_attribute_value(attribute) for attribute in node.attribute}


def _advice(operator: str) -> str:
    if operator in ("ArgMax", "ArgMin", "TopK"):
        return "publish the scores that it compares (--output NAME): whoever reads them sees which is the largest"
    if operator in ("LSTM", "GRU", "RNN", "Loop", "Scan", "If"):
        return "unroll it to a fixed number of steps when you export, without control flow"
    if operator in ("Exp", "Log", "Sqrt", "Reciprocal", "Pow", "Sin", "Cos"):
        return "leave it to whoever reads the output, or compute it as a feature before the model"
    return "replace it by linear layers, ReLU, comparisons or convolutions"


# --- handlers: (lowering, arguments, attributes) → value -----------------------------------------------------------

_Handler = Callable[["_Lowering", "list[Any]", "dict[str, Any]"], Any]
_HANDLERS: dict[str, _Handler] = {}


def _handles(*operators: str) -> Callable[[_Handler], _Handler]:
    def register(handler: _Handler) -> _Handler:
        for operator in operators:
            _HANDLERS[operator] = handler
        return handler

    return register


def _as_var(lowering: _Lowering, value: Any, what: str) -> _Var:
    if isinstance(value, _Var):
        return value
    raise _Refused(f"its {what} must depend on the input", "export the model with constants folded")


def _as_constant(value: Any, what: str) -> Any:
    if isinstance(value, _Var) or value is None:
        raise _Refused(f"its {what} must be constant", "export the model with constants folded")
    return value


def _axis(axis: int, rank: int) -> int:
    return axis + rank if axis < 0 else axis


@_handles("Identity", "Dropout", "ZipMap")
def _identity(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return arguments[0]


@_handles("Cast", "CastLike")
def _cast(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    # Booleans are 0 and 1 here. Rounding to an integer is an operator of its own; only its result would be lost.
    if attributes.get("to", 1) in (1, 9, 10, 11, 16):
        return arguments[0]
    raise _Refused("it rounds to integers", "cast before the model, or publish the value as it is")


def _binary_handler(kind: str) -> _Handler:
    def handler(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
        return lowering.binary(kind, arguments[0], arguments[1])

    return handler


for _kind in ("Add", "Sub", "Mul", "Greater", "Less", "GreaterOrEqual", "LessOrEqual"):
    _HANDLERS[_kind] = _binary_handler(_kind)


@_handles("Sum")
def _sum(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    total = arguments[0]
    for each in arguments[1:]:
        total = lowering.binary("Add", total, each)
    return total


@_handles("Div")
def _div(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    if isinstance(arguments[1], _Var):
        raise _Refused("it divides by a value", "compare products instead: a / b > t is a > t b for positive b")
    if not arguments[1].all():
        raise _Refused("it divides by zero", "train or export the model again")
    return lowering.binary("Mul", arguments[0], 1.0 / arguments[1])


@_handles("Neg")
def _neg(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    # A constant zero would be hashed with the weights.
    zero = lowering.binary("Sub", arguments[0], arguments[0])
    return lowering.binary("Sub", zero, arguments[0])


@_handles("Pow")
def _pow(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    exponent = _as_constant(arguments[1], "exponent")
    if exponent.size != 1 or float(exponent.ravel()[0]) not in (1.0, 2.0, 3.0, 4.0):
        raise _Refused("its exponent is not 1, 2, 3 or 4", _advice("Pow"))
    result = arguments[0]
    for _ in range(int(exponent.ravel()[0]) - 1):
        result = lowering.binary("Mul", result, arguments[0])
    return result


@_handles("Relu")
def _relu(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return lowering.relu(arguments[0])


@_handles("LeakyRelu", "PRelu")
def _leaky(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    import numpy as np

    # a x + (1 − a) relu(x)
    slope = np.asarray(arguments[1] if len(arguments) > 1 else [attributes.get("alpha", 0.01)], dtype=np.float64)
    positive = lowering.binary("Mul", lowering.relu(arguments[0]), 1.0 - slope)
    return lowering.binary("Add", positive, lowering.binary("Mul", arguments[0], slope))


@_handles("Abs")
def _abs(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return lowering.emit("Abs", arguments[0], shape=arguments[0].shape)


@_handles("Clip")
def _clip(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    import numpy as np

    least = arguments[1] if len(arguments) > 1 else attributes.get("min")
    most = arguments[2] if len(arguments) > 2 else attributes.get("max")
    value = arguments[0]
    if least is not None:
        value = lowering.maximum(value, np.asarray(_as_constant(least, "bound"), dtype=np.float64).reshape(1))
    if most is not None:
        value = lowering.minimum(value, np.asarray(_as_constant(most, "bound"), dtype=np.float64).reshape(1))
    return value


def _extreme_handler(name: str) -> _Handler:
    def handler(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
        result = arguments[0]
        for each in arguments[1:]:
            result = getattr(lowering, name)(result, each)
        return result

    return handler


_HANDLERS["Max"], _HANDLERS["Min"] = _extreme_handler("maximum"), _extreme_handler("minimum")


@_handles("Where")
def _where(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    # b + c (a − b)
    condition, then, otherwise = arguments
    if not isinstance(then, _Var) and not isinstance(otherwise, _Var):
        difference: Any = then - otherwise
    else:
        difference = lowering.binary("Sub", then, otherwise)
    return lowering.binary("Add", lowering.binary("Mul", condition, difference), otherwise)


@_handles("And")
def _and(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return lowering.binary("Mul", arguments[0], arguments[1])


@_handles("Or")
def _or(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    both = lowering.binary("Mul", arguments[0], arguments[1])
    return lowering.binary("Sub", lowering.binary("Add", arguments[0], arguments[1]), both)


@_handles("Not")
def _not(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    import numpy as np

    return lowering.binary("Sub", np.ones(1), arguments[0])


@_handles("MatMul")
def _matmul(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    import numpy as np

    left, right = arguments
    if not isinstance(left, _Var):
        raise _Refused("its left operand is constant", "write it as x · W, with the batch on axis 0")
    if isinstance(right, _Var) and (len(left.shape) < 3 or len(left.shape) != len(right.shape)):
        raise _Refused("it mixes windows", "keep axis 0 the batch")
    if not isinstance(right, _Var) and right.ndim == 1:
        column = _matmul(lowering, [left, right.reshape(-1, 1)], {})
        return lowering.reshape(column, column.shape[:-1])
    if not isinstance(right, _Var) and right.ndim != 2:
        raise _Refused(f"its weights have {right.ndim} axes", "write it with a matrix of weights")
    shape = np.matmul(np.empty(left.shape, dtype=np.int8), np.empty(right.shape, dtype=np.int8)).shape
    return lowering.emit("MatMul", left, right, shape=shape)


@_handles("Gemm")
def _gemm(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    import numpy as np

    if attributes.get("transA"):
        raise _Refused("it transposes its input", "keep axis 0 the batch")
    weights = np.asarray(_as_constant(arguments[1], "matrix"), dtype=np.float64)
    weights = (weights.T if attributes.get("transB") else weights) * attributes.get("alpha", 1.0)
    result = _matmul(lowering, [_as_var(lowering, arguments[0], "input"), weights], {})
    if len(arguments) > 2 and arguments[2] is not None:
        bias = np.asarray(_as_constant(arguments[2], "bias"), dtype=np.float64) * attributes.get("beta", 1.0)
        result = lowering.binary("Add", result, np.atleast_2d(bias))
    return result


@_handles("BatchNormalization")
def _batch_normalization(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    import numpy as np

    value = arguments[0]
    scale, bias, mean, variance = (np.asarray(_as_constant(each, "statistics"), dtype=float) for each in arguments[1:5])
    factor = scale / np.sqrt(variance + attributes.get("epsilon", 1e-5))
    shape = (1, -1, *(1,) * (len(value.shape) - 2))
    scaled = lowering.binary("Mul", value, factor.reshape(shape))
    return lowering.binary("Add", scaled, (bias - mean * factor).reshape(shape))


def _pairs(attributes: dict[str, Any], kernel: Sequence[int], size: Sequence[int]) -> tuple[Any, Any]:
    """Strides, and padding as [before…, after…]."""
    strides = list(attributes.get("strides", [1] * len(kernel)))
    if any(each != 1 for each in attributes.get("dilations", [])):
        raise _Refused("it is dilated", "use a larger kernel, or strides")
    padding = list(attributes.get("pads", [0] * 2 * len(kernel)))
    automatic = attributes.get("auto_pad", b"NOTSET").decode()
    if automatic in ("SAME_UPPER", "SAME_LOWER"):
        total = [max((-(-n // s) - 1) * s + k - n, 0) for n, s, k in zip(size, strides, kernel, strict=True)]
        small, large = [each // 2 for each in total], [each - each // 2 for each in total]
        padding = [*small, *large] if automatic == "SAME_UPPER" else [*large, *small]
    return strides, padding


@_handles("Conv")
def _conv(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    import numpy as np

    value = _as_var(lowering, arguments[0], "input")
    kernel = np.asarray(_as_constant(arguments[1], "kernel"), dtype=np.float64)
    if kernel.ndim == 3:
        raise _Refused("it is one-dimensional", "add an axis of size 1, and convolve in two dimensions")
    if kernel.ndim != 4:
        raise _Refused(f"it has {kernel.ndim - 2} dimensions", "convolve in two dimensions")
    group = attributes.get("group", 1)
    if group != 1:
        # A grouped kernel is a full one with zeros; in a circuit zeros cost rows all the same, but it stays exact.
        per_group, taps = kernel.shape[0] // group, kernel.shape[1]
        full = np.zeros((kernel.shape[0], taps * group, *kernel.shape[2:]))
        for index in range(group):
            rows = slice(index * per_group, (index + 1) * per_group)
            full[rows, index * taps : (index + 1) * taps] = kernel[rows]
        kernel = full
    strides, padding = _pairs(attributes, kernel.shape[2:], value.shape[2:])
    spatial = [
        (n + padding[i] + padding[i + 2] - k) // s + 1
        for i, (n, k, s) in enumerate(zip(value.shape[2:], kernel.shape[2:], strides, strict=True))
    ]
    result = lowering.emit(
        "Conv",
        value,
        kernel,
        shape=(1, kernel.shape[0], *spatial),
        strides=tuple(strides),
        pads=tuple(padding),
    )
    if len(arguments) > 2 and arguments[2] is not None:
        bias = np.asarray(_as_constant(arguments[2], "bias"), dtype=np.float64)
        result = lowering.binary("Add", result, bias.reshape(1, -1, 1, 1))
    return result


def _windows(lowering: _Lowering, value: _Var, attributes: dict[str, Any]) -> tuple[list[_Var], tuple[int, ...]]:
    """The elements under each tap of a pooling kernel, as values of the output's shape."""
    import numpy as np

    kernel = attributes["kernel_shape"]
    strides, padding = _pairs(attributes, kernel, value.shape[2:])
    if any(padding) or attributes.get("ceil_mode"):
        raise _Refused("it pads", "pool without padding, and with floor")
    channels, *size = value.shape[1:]
    spatial = [(n - k) // s + 1 for n, k, s in zip(size, kernel, strides, strict=True)]
    grid = np.arange(channels * math.prod(size)).reshape(channels, *size)
    flat = lowering.reshape(value, (1, grid.size))
    taps = []
    for offset in product(*(range(k) for k in kernel)):
        cut = tuple(slice(o, o + (count - 1) * s + 1, s) for o, count, s in zip(offset, spatial, strides, strict=True))
        taps.append(lowering.gather(flat, grid[(slice(None), *cut)].ravel(), 1))
    return taps, (1, channels, *spatial)


@_handles("MaxPool")
def _max_pool(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    taps, shape = _windows(lowering, arguments[0], attributes)
    while len(taps) > 1:
        taps = [
            lowering.maximum(*taps[at : at + 2]) if at + 1 < len(taps) else taps[at] for at in range(0, len(taps), 2)
        ]
    return lowering.reshape(taps[0], shape)


@_handles("AveragePool")
def _average_pool(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    import numpy as np

    taps, shape = _windows(lowering, arguments[0], attributes)
    total = taps[0]
    for tap in taps[1:]:
        total = lowering.binary("Add", total, tap)
    return lowering.reshape(lowering.binary("Mul", total, np.array([1 / len(taps)])), shape)


@_handles("GlobalAveragePool")
def _global_average_pool(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    return _reduce(lowering, arguments[0], tuple(range(2, len(arguments[0].shape))), True, mean=True)


def _reduce(lowering: _Lowering, value: _Var, axes: Sequence[int], keepdims: bool, *, mean: bool) -> _Var:
    import numpy as np

    rank = len(value.shape)
    axes = tuple(sorted(_axis(int(axis), rank) for axis in axes)) or tuple(range(rank))
    if 0 in axes:
        raise _Refused("it reduces the batch", "reduce other axes than 0")
    kept = tuple(1 if axis in axes else dim for axis, dim in enumerate(value.shape))
    result = lowering.emit("ReduceSum", value, shape=kept, axes=axes)
    if mean:
        count = math.prod(value.shape[axis] for axis in axes)
        result = lowering.binary("Mul", result, np.array([1 / count]))
    if keepdims:
        return result
    return lowering.reshape(result, [dim for axis, dim in enumerate(value.shape) if axis not in axes])


def _reduce_handler(operator: str) -> _Handler:
    def handler(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
        axes = arguments[1] if len(arguments) > 1 and arguments[1] is not None else attributes.get("axes", ())
        value = _as_var(lowering, arguments[0], "input")
        if operator == "ReduceSumSquare":
            value = lowering.binary("Mul", value, value)
        if operator == "ReduceL1":
            value = lowering.emit("Abs", value, shape=value.shape)
        keep = bool(attributes.get("keepdims", 1))
        return _reduce(lowering, value, [int(axis) for axis in axes], keep, mean=operator == "ReduceMean")

    return handler


for _operator in ("ReduceSum", "ReduceMean", "ReduceSumSquare", "ReduceL1"):
    _HANDLERS[_operator] = _reduce_handler(_operator)


@_handles("ReduceMax", "ReduceMin")
def _reduce_extreme(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    raise _Refused("it is a maximum over an axis", "publish the values: whoever reads them sees the largest")


def _reshape(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = _as_var(lowering, arguments[0], "input")
    wanted = [int(dim) for dim in _as_constant(arguments[1], "shape")]
    shape = [
        value.shape[axis] if dim == 0 and not attributes.get("allowzero") else dim for axis, dim in enumerate(wanted)
    ]
    if -1 in shape:
        shape[shape.index(-1)] = math.prod(value.shape) // -math.prod(shape)
    return lowering.reshape(value, shape)


def _flatten(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    axis = _axis(attributes.get("axis", 1), len(arguments[0].shape))
    shape = arguments[0].shape
    return lowering.reshape(arguments[0], (math.prod(shape[:axis]), math.prod(shape[axis:])))


def _axes_argument(arguments: list[Any], attributes: dict[str, Any]) -> list[int] | None:
    axes = arguments[1] if len(arguments) > 1 and arguments[1] is not None else attributes.get("axes")
    return None if axes is None else [int(axis) for axis in axes]


def _squeeze(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    shape = arguments[0].shape
    axes = _axes_argument(arguments, attributes)
    gone = {_axis(a, len(shape)) for a in axes} if axes is not None else {a for a, d in enumerate(shape) if d == 1}
    if 0 in gone:
        raise _Refused("it removes the batch axis", "keep axis 0 the batch: squeeze named axes only")
    return lowering.reshape(arguments[0], [dim for axis, dim in enumerate(shape) if axis not in gone])


def _unsqueeze(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    shape = list(arguments[0].shape)
    axes = _axes_argument(arguments, attributes) or []
    for axis in sorted(_axis(axis, len(shape) + len(axes)) for axis in axes):
        shape.insert(axis, 1)
    return lowering.reshape(arguments[0], shape)


_HANDLERS.update({"Reshape": _reshape, "Flatten": _flatten, "Squeeze": _squeeze, "Unsqueeze": _unsqueeze})


@_handles("Transpose")
def _transpose(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = arguments[0]
    perm = list(attributes.get("perm", range(len(value.shape))[::-1]))
    if perm[0] != 0:
        raise _Refused("it moves the batch axis", "keep axis 0 the batch")
    if perm == list(range(len(perm))):
        return value
    return lowering.emit("Transpose", value, shape=[value.shape[axis] for axis in perm], perm=tuple(perm))


@_handles("Concat")
def _concat(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    if not all(isinstance(each, _Var) for each in arguments):
        raise _Refused("it joins constants", "give all parts as inputs, or pad before the model")
    axis = _axis(attributes["axis"], len(arguments[0].shape))
    if axis == 0:
        raise _Refused("it joins along the batch", "keep axis 0 the batch")
    if len(arguments) == 1:
        return arguments[0]
    shape = list(arguments[0].shape)
    shape[axis] = sum(each.shape[axis] for each in arguments)
    return lowering.emit("Concat", *arguments, shape=shape, axis=axis)


@_handles("Slice")
def _slice(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    import numpy as np

    value = _as_var(lowering, arguments[0], "input")
    starts, ends = (
        [int(v) for v in (_as_constant(arguments[at], "bounds") if len(arguments) > at else attributes[name])]
        for at, name in ((1, "starts"), (2, "ends"))
    )
    given = arguments[3] if len(arguments) > 3 and arguments[3] is not None else attributes.get("axes")
    axes = [int(axis) for axis in given] if given is not None else list(range(len(starts)))
    steps = [int(step) for step in arguments[4]] if len(arguments) > 4 and arguments[4] is not None else [1] * len(axes)
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        axis = _axis(axis, len(value.shape))
        size = value.shape[axis]
        chosen = range(size)[slice(start, end if abs(end) < 2**31 else (None if end > 0 or step < 0 else end), step)]
        if axis == 0 and len(chosen) == 1:
            continue
        if len(chosen) == 0:
            raise _Refused(f"nothing is left of axis {axis}", "export the model again")
        if chosen == range(size):
            continue
        # In a circuit a slice has a row for each number; numbers that are gathered stay where they are.
        value = lowering.gather(value, np.array(chosen), axis)
    return value


@_handles("Split")
def _split(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = arguments[0]
    axis = _axis(attributes.get("axis", 0), len(value.shape))
    sizes = arguments[1] if len(arguments) > 1 and arguments[1] is not None else attributes.get("split")
    if sizes is None:
        count = attributes["num_outputs"]
        each = -(-value.shape[axis] // count)
        sizes = [min(each, value.shape[axis] - at * each) for at in range(count)]
    parts, at = [], 0
    for size in (int(size) for size in sizes):
        parts.append(lowering.gather(value, range(at, at + size), axis))
        at += size
    return parts


@_handles("Gather")
def _gather(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = _as_var(lowering, arguments[0], "data")
    axis = _axis(attributes.get("axis", 0), len(value.shape))
    return lowering.gather(value, _as_constant(arguments[1], "indices"), axis)


@_handles("ArrayFeatureExtractor")
def _feature_extractor(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = _as_var(lowering, arguments[0], "data")
    return lowering.gather(value, _as_constant(arguments[1], "indices").ravel(), len(value.shape) - 1)


# --- smooth activations as piecewise linear functions --------------------------------------------------------------


def _knots(function: Callable[[float], float], limit: float, segments: int) -> list[tuple[float, float]]:
    """Corners on the function, denser where it bends more: equal shares of the integral of √|f''|."""
    import numpy as np

    grid = np.linspace(-limit, limit, 4_001)
    bend = np.abs(np.gradient(np.gradient([function(float(x)) for x in grid], grid), grid))
    share = np.concatenate([[0.0], np.cumsum(np.sqrt(bend[1:] + 1e-9))])
    at = np.interp(np.linspace(0, share[-1], segments + 1), share, grid)
    # Short binary fractions: the circuit has them exactly at every scale from 2^-6 on.
    corners = sorted({round(float(x) * 64) / 64 for x in at})
    return [(x, function(x)) for x in corners]


def _sigmoid(x: float) -> float:
    return 1 / (1 + math.exp(-x))


_SMOOTH: dict[str, tuple[Callable[[float], float], float, float, float]] = {
    # function, where it ends, slope to the left, slope to the right
    "Sigmoid": (_sigmoid, 8.0, 0.0, 0.0),
    "Tanh": (math.tanh, 4.0, 0.0, 0.0),
    "Erf": (math.erf, 3.0, 0.0, 0.0),
    "Softplus": (lambda x: math.log1p(math.exp(x)), 8.0, 0.0, 1.0),
    "Elu": (lambda x: x if x > 0 else math.expm1(x), 8.0, 0.0, 1.0),
    "Selu": (
        lambda x: 1.0507009873554805 * (x if x > 0 else 1.6732632423543772 * math.expm1(x)),
        8.0,
        0.0,
        1.0507009873554805,
    ),
    "Gelu": (lambda x: x * (1 + math.erf(x / math.sqrt(2))) / 2, 5.0, 0.0, 1.0),
    "Mish": (lambda x: x * math.tanh(math.log1p(math.exp(x))), 8.0, 0.0, 1.0),
}


def _smooth_handler(operator: str) -> _Handler:
    def handler(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
        function, limit, left, right = _SMOOTH[operator]
        if operator == "Elu" and attributes.get("alpha", 1.0) != 1.0:
            raise _Refused("its alpha is not 1", "use alpha = 1, or ReLU")
        lowering.approximated.append(lowering.node)
        return lowering.piecewise(arguments[0], _knots(function, limit, lowering.segments), left, right)

    return handler


for _operator in _SMOOTH:
    _HANDLERS[_operator] = _smooth_handler(_operator)


@_handles("HardSigmoid")
def _hard_sigmoid(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    slope, middle = attributes.get("alpha", 0.2), attributes.get("beta", 0.5)
    return lowering.piecewise(arguments[0], [(-middle / slope, 0.0), ((1 - middle) / slope, 1.0)], 0.0, 0.0)


# --- what skl2onnx writes ------------------------------------------------------------------------------------------


@_handles("Scaler")
def _scaler(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    import numpy as np

    value = arguments[0]
    if attributes.get("offset"):
        value = lowering.binary("Sub", value, np.array(attributes["offset"], dtype=float).reshape(1, -1))
    return lowering.binary("Mul", value, np.array(attributes.get("scale", [1.0]), dtype=float).reshape(1, -1))


def _transform(lowering: _Lowering, attributes: dict[str, Any]) -> None:
    transform = attributes.get("post_transform", b"NONE").decode()
    if transform not in ("NONE", "LOGISTIC", "SOFTMAX"):
        raise _Refused(f"its post_transform is {transform}", "export it with NONE")
    if transform != "NONE":
        lowering.order_only = f"the {transform} of {lowering.node} is left off"


def _two_classes(lowering: _Lowering, score: _Var, *, probability: bool) -> _Var:
    """The scores of two classes, of a model that computes the second one's only."""
    import numpy as np

    if not lowering.order_only:
        if not probability:
            raise _Refused("it has one score for two classes, and no post_transform", "export it with LOGISTIC")
        first = lowering.binary("Sub", np.ones(1), score)
        return lowering.emit("Concat", first, score, shape=(1, 2), axis=1)
    zero = lowering.binary("Sub", score, score)
    opposite = lowering.binary("Sub", zero, score)
    return lowering.emit("Concat", opposite, score, shape=(1, 2), axis=1)


@_handles("LinearRegressor", "LinearClassifier")
def _linear(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    import numpy as np

    _transform(lowering, attributes)
    classifier = "targets" not in attributes and any(name.startswith("classlabels") for name in attributes)
    coefficients = np.array(attributes["coefficients"], dtype=float).reshape(-1, arguments[0].shape[-1])
    result = _matmul(lowering, [arguments[0], coefficients.T], {})
    if attributes.get("intercepts"):
        result = lowering.binary("Add", result, np.array(attributes["intercepts"], dtype=float).reshape(1, -1))
    labels = attributes.get("classlabels_ints") or attributes.get("classlabels_strings") or ()
    if classifier and len(labels) == 2 and result.shape[1] == 1:
        result = _two_classes(lowering, result, probability=False)
    # A classifier's first output is the label, which is not provable here; the second are its scores.
    return [_UNKNOWN, result] if classifier else result


@_handles("TreeEnsembleRegressor", "TreeEnsembleClassifier")
def _trees(lowering: _Lowering, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    import numpy as np

    _transform(lowering, attributes)
    classifier = "class_ids" in attributes
    prefix = "class" if classifier else "target"
    trees = _parse_trees(attributes, prefix)
    labels = attributes.get("classlabels_int64s") or attributes.get("classlabels_strings") or [0]
    width = max([*attributes[f"{prefix}_ids"], 0]) + 1
    factor = 1 / len(trees) if attributes.get("aggregate_function", b"SUM") == b"AVERAGE" else 1.0
    if attributes.get("aggregate_function", b"SUM") not in (b"SUM", b"AVERAGE"):
        raise _Refused("it aggregates by an extreme", "use a sum or an average of trees")
    result = tree_ensemble(lowering, arguments[0], trees, width, factor)
    base = attributes.get("base_values")
    if base and any(base):
        result = lowering.binary("Add", result, np.array(base, dtype=float).reshape(1, -1))
    if classifier and len(labels) == 2 and width == 1:
        # Its one id, 0, stands for the second class. Scores that can't be negative are probabilities: so ONNX Runtime.
        positive = min(attributes["class_weights"]) >= 0
        result = _two_classes(lowering, result, probability=positive)
    return [_UNKNOWN, result] if classifier else result


@dataclass(frozen=True, slots=True)
class _Branch:
    feature: int
    threshold: float
    strict: bool
    yes: _Branch | _Leaf
    no: _Branch | _Leaf


@dataclass(frozen=True, slots=True)
class _Leaf:
    weights: tuple[tuple[int, float], ...]


def _parse_trees(attributes: dict[str, Any], prefix: str) -> list[_Branch | _Leaf]:
    nodes = {
        key: at for at, key in enumerate(zip(attributes["nodes_treeids"], attributes["nodes_nodeids"], strict=True))
    }
    weights: dict[tuple[int, int], list[tuple[int, float]]] = {}
    for tree, node, target, weight in zip(
        *(attributes[f"{prefix}_{name}"] for name in ("treeids", "nodeids", "ids", "weights")), strict=True
    ):
        weights.setdefault((tree, node), []).append((target, weight))

    def parse(tree: int, node: int) -> _Branch | _Leaf:
        at = nodes[tree, node]
        mode = attributes["nodes_modes"][at].decode()
        if mode == "LEAF":
            return _Leaf(tuple(weights.get((tree, node), ())))
        yes = parse(tree, attributes["nodes_truenodeids"][at])
        no = parse(tree, attributes["nodes_falsenodeids"][at])
        if mode in ("BRANCH_GT", "BRANCH_GTE"):
            yes, no = no, yes
        elif mode not in ("BRANCH_LEQ", "BRANCH_LT"):
            raise _Refused(f"its branches are {mode}", "split by less or greater only")
        strict = mode in ("BRANCH_LT", "BRANCH_GTE")
        return _Branch(attributes["nodes_featureids"][at], attributes["nodes_values"][at], strict, yes, no)

    return [parse(tree, 0) for tree in sorted(set(attributes["nodes_treeids"]))]


MAX_TREE_DEPTH = 10


def tree_ensemble(
    lowering: _Lowering, value: _Var, trees: Sequence[_Branch | _Leaf], width: int, factor: float
) -> _Var:
    """A sum of trees: each distinct comparison once, then selections b + c (a − b) from the leaves to the roots.

    The trees are filled up to one depth. At level l their 2^l nodes stand in an order in which the yes-children are
    the first half of the next level and the no-children the second, so that one level is one operation.
    """
    import numpy as np

    def depth(node: _Branch | _Leaf) -> int:
        return 0 if isinstance(node, _Leaf) else 1 + max(depth(node.yes), depth(node.no))

    deepest = max(depth(tree) for tree in trees)
    if deepest > MAX_TREE_DEPTH:
        raise _Refused(f"a tree is {deepest} levels deep", f"train with max_depth of at most {MAX_TREE_DEPTH}")
    if deepest == 0:
        raise _Refused("its trees are single leaves", "train it again")
    tests: dict[tuple[int, float, bool], int] = {}
    levels: list[list[int]] = []
    row: list[_Branch | _Leaf] = list(trees)
    for _ in range(deepest):
        chosen, yes, no = [], [], []
        for node in row:
            if isinstance(node, _Branch):
                chosen.append(tests.setdefault((node.feature, node.threshold, node.strict), len(tests)))
                yes.append(node.yes)
                no.append(node.no)
            else:
                # Both ways lead to the same leaf, whatever is compared.
                chosen.append(0)
                yes.append(node)
                no.append(node)
        levels.append(chosen)
        row = [*yes, *no]
    leaves = np.zeros((len(row), width))
    for at, leaf in enumerate(row):
        assert isinstance(leaf, _Leaf)
        for target, weight in leaf.weights:
            leaves[at, target] += weight * factor
    bits = []
    # Strict comparisons apart, and each answer back to its number.
    order: list[int] = []
    for strict in (False, True):
        numbered = [(key, at) for key, at in tests.items() if key[2] is strict]
        if numbered:
            taken = lowering.gather(value, [key[0] for key, _ in numbered], 1)
            limits = np.array([key[1] for key, _ in numbered]).reshape(1, -1)
            bits.append(lowering.binary("Less" if strict else "LessOrEqual", taken, limits))
            order += [at for _, at in numbered]
    answers = bits[0] if len(bits) == 1 else lowering.emit("Concat", *bits, shape=(1, len(order)), axis=1)
    place = {at: index for index, at in enumerate(order)}
    selected: _Var | None = None
    for chosen in reversed(levels):
        half = len(chosen)
        bit = lowering.reshape(lowering.gather(answers, [place[at] for at in chosen], 1), (1, half, 1))
        if selected is None:
            yes_leaves, no_leaves = leaves[:half], leaves[half:]
            step = lowering.binary("Mul", bit, (yes_leaves - no_leaves)[None])
            selected = lowering.binary("Add", step, no_leaves[None])
            continue
        first = lowering.gather(selected, range(half), 1)
        second = lowering.gather(selected, range(half, 2 * half), 1)
        difference = lowering.binary("Sub", first, second)
        selected = lowering.binary("Add", lowering.binary("Mul", bit, difference), second)
    assert selected is not None
    return _reduce(lowering, selected, (1,), False, mean=False)
