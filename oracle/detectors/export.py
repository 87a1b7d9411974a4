"""Detectors as ONNX graphs, written so that ezkl turns them into circuits without rounding anything.

Weights are multiples of 2^-p and exact as 32-bit floats, so the float graph, the integer reference and the circuit are
one model. Only weights are constants with a value: whatever else needs a constant would be hashed with them, and the
model's hash would depend on the batch, or on what the circuit publishes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from oracle.detectors.interface import Disclosure

if TYPE_CHECKING:
    import onnx

    from oracle.detectors.polynomial import Output, PolynomialModel
    from oracle.detectors.quadratic import QuadraticModel

OPSET = 13
IR_VERSION = 8


def quadratic_to_onnx(model: QuadraticModel, batch: int) -> bytes:
    """The quadratic detector's graph.

    Args:
        model: Its `disclosure` decides what `s` is: scores, or 1 where a score is positive and 0 where not.
        batch: B, the number of windows.

    Returns:
        A serialised ONNX model: input `x` float32 [B, 16], output `s` float32 [B, 2].

    Raises:
        ValueError: batch is below 1.
    """
    import numpy as np
    import onnx
    from onnx import TensorProto, helper, numpy_helper

    if batch < 1:
        raise ValueError(f"batch {batch} must be at least 1")
    moves = model.features - 1
    one = 1 << model.param_scale

    def weights(name: str, *values: int, shape: tuple[int, ...]) -> onnx.TensorProto:
        exact = np.array([value / one for value in values], dtype=np.float64)
        single = exact.astype(np.float32)
        if not np.array_equal(exact, single.astype(np.float64)):
            raise ValueError(f"weights {name} of model {model.name} are not exact as 32-bit floats")
        return numpy_helper.from_array(single.reshape(shape), name)

    def indices(name: str, *values: int) -> onnx.TensorProto:
        return numpy_helper.from_array(np.array(values, dtype=np.int64), name)

    node = helper.make_node
    publishes_scores = model.disclosure is Disclosure.SCORE
    nodes = [
        # Not slices: in a circuit these have a row for each number, and numbers that are gathered stay where they are.
        node("Gather", ["x", "at_now"], ["now"], axis=1),
        node("Gather", ["x", "at_past"], ["past"], axis=1),
        node("Gather", ["x", "at_window"], ["window"], axis=1),
        node("Gather", ["x", "at_gap"], ["gap"], axis=1),
        node("Mul", ["now", "now"], ["now2"]),
        node("Mul", ["past", "past"], ["past2"]),
        node("MatMul", ["past2", "a"], ["arch"]),
        node("Add", ["arch", "omega"], ["predicted"]),
        node("Mul", ["gap", "predicted"], ["spike_limit"]),
        node("Sub", ["now2", "spike_limit"], ["spike"]),
        node("ReduceSum", ["window", "axis"], ["total"], keepdims=1),
        node("Mul", ["total", "total"], ["total2"]),
        node("ReduceSum", ["past2", "axis"], ["spread"], keepdims=1),
        node("Mul", ["spread", "b"], ["scaled_spread"]),
        node("Add", ["scaled_spread", "omega2"], ["drift_variance"]),
        node("Mul", ["gap", "drift_variance"], ["drift_limit"]),
        node("Sub", ["total2", "drift_limit"], ["drift"]),
        node("Concat", ["spike", "drift"], ["s" if publishes_scores else "scores"], axis=1),
    ]
    if not publishes_scores:
        # Zero is computed: a zero constant would be hashed with the weights, and change the model's identity.
        nodes += [
            node("Sub", ["scores", "scores"], ["zero"]),
            node("Greater", ["scores", "zero"], ["anomalous"]),
            node("Cast", ["anomalous"], ["s"], to=TensorProto.FLOAT),
        ]
    graph = helper.make_graph(
        nodes,
        "quadratic",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [batch, model.features])],
        [helper.make_tensor_value_info("s", TensorProto.FLOAT, [batch, model.outputs])],
        [
            indices("at_now", 0),
            indices("at_past", *range(1, moves)),
            indices("at_window", *range(moves)),
            indices("at_gap", moves),
            indices("axis", 1),
            weights("a", *model.past, shape=(len(model.past), 1)),
            weights("omega", model.floor, shape=(1,)),
            weights("b", model.drift_past, shape=(1,)),
            weights("omega2", model.drift_floor, shape=(1,)),
        ],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))


def polynomial_to_onnx(model: PolynomialModel, batch: int) -> bytes:
    """The polynomial detector's graph.

    Args:
        model: Its `disclosure` decides what `s` is: scores, or 1 where a score is positive and 0 where not.
        batch: B, the number of windows.

    Returns:
        A serialised ONNX model: input `x` float32 [B, n], output `s` float32 [B, outputs].

    Raises:
        ValueError: batch is below 1.
    """
    if batch < 1:
        raise ValueError(f"batch {batch} must be at least 1")
    return _PolynomialWriter(model, batch).serialise()


class _PolynomialWriter:
    """Writes the graph; parts that several outputs use are written once."""

    def __init__(self, model: PolynomialModel, batch: int) -> None:
        self.model = model
        self.batch = batch
        self.nodes: list[onnx.NodeProto] = []
        self.constants: dict[str, onnx.TensorProto] = {}
        self.written: set[str] = set()

    def serialise(self) -> bytes:
        import onnx
        from onnx import TensorProto, helper

        model = self.model
        scores = [self.score(index, output) for index, output in enumerate(model.gates)]
        publishes_scores = model.disclosure is Disclosure.SCORE
        if len(scores) > 1:
            self.node("Concat", scores, "s" if publishes_scores else "scores", axis=1)
        else:
            self.nodes[-1].output[0] = "s" if publishes_scores else "scores"
        if not publishes_scores:
            # Zero is computed: a zero constant would be hashed with the weights, and change the model's identity.
            self.node("Sub", ["scores", "scores"], "zero")
            self.node("Greater", ["scores", "zero"], "anomalous")
            self.node("Cast", ["anomalous"], "s", to=TensorProto.FLOAT)
        graph = helper.make_graph(
            self.nodes,
            "polynomial",
            [helper.make_tensor_value_info("x", TensorProto.FLOAT, [self.batch, model.features])],
            [helper.make_tensor_value_info("s", TensorProto.FLOAT, [self.batch, model.outputs])],
            list(self.constants.values()),
        )
        proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
        onnx.checker.check_model(proto)
        return bytes(proto.SerializeToString(deterministic=True))

    def score(self, index: int, output: Output) -> str:
        """One output's score, [B, 1]."""
        from oracle.detectors.polynomial import Sum

        measured: list[str] = []
        for at, form in enumerate(output.measured):
            if isinstance(form, Sum):
                measured.append(self.square(self.total(form.first, form.end)))
            else:
                weights = self.weights(f"l{index}_{at}", form.weights)
                values = self.cut(0, self.model.features - 1)
                measured.append(self.square(self.node("MatMul", [values, weights], f"form{index}_{at}")))
        allowed: list[str] = []
        for at, each in enumerate(output.allowed):
            weights = self.weights(f"a{index}_{at}", each.weights)
            if each.summed:
                square = self.square(self.total(each.first, each.end))
            elif len(each.weights) == 1:
                square = self.sum_of_squares(each.first, each.end)
            else:
                square = self.square(self.cut(each.first, each.end))
            # MatMul for a single weight too: a product with 1, or with a power of two, would be simplified away.
            allowed.append(self.node("MatMul", [square, weights], f"allowed{index}_{at}"))
        limit = self.weights(f"floor{index}", (output.floor,))
        for at, part in enumerate(allowed):
            limit = self.node("Add", [part, limit], f"limit{index}_{at}")
        if output.gap and not allowed:
            # MatMul here too.
            gap = self.cut(self.model.features - 1, self.model.features)
            limit = self.node("MatMul", [gap, limit], f"scaled{index}")
        elif output.gap:
            limit = self.node("Mul", [self.cut(self.model.features - 1, self.model.features), limit], f"scaled{index}")
        total = measured[0]
        for at, part in enumerate(measured[1:]):
            total = self.node("Add", [total, part], f"measured{index}_{at}")
        return self.node("Sub", [total, limit], f"score{index}")

    def node(self, kind: str, inputs: list[str], output: str, **attributes: Any) -> str:
        from onnx import helper

        if output not in self.written:
            self.written.add(output)
            self.nodes.append(helper.make_node(kind, inputs, [output], **attributes))
        return output

    def cut(self, first: int, end: int) -> str:
        """Features first to end − 1, [B, end − first]."""
        # Not a slice, which has a row for each number in a circuit.
        at = self.indices(f"at{first}_{end}", *range(first, end))
        return self.node("Gather", ["x", at], f"x{first}_{end}", axis=1)

    def total(self, first: int, end: int) -> str:
        """Their sum, [B, 1]."""
        part = self.cut(first, end)
        return part if end - first == 1 else self.summed(part)

    def square(self, value: str) -> str:
        return self.node("Mul", [value, value], f"sq_{value}")

    def sum_of_squares(self, first: int, end: int) -> str:
        """The sum of their squares, [B, 1]."""
        squares = self.square(self.cut(first, end))
        if end - first == 1:
            return squares
        return self.summed(squares)

    def summed(self, value: str) -> str:
        return self.node("ReduceSum", [value, self.indices("axis", 1)], f"sum_{value}", keepdims=1)

    def indices(self, name: str, *values: int) -> str:
        import numpy as np
        from onnx import numpy_helper

        self.constants.setdefault(name, numpy_helper.from_array(np.array(values, dtype=np.int64), name))
        return name

    def weights(self, name: str, values: tuple[int, ...]) -> str:
        """A column of weights, [count, 1]."""
        import numpy as np
        from onnx import numpy_helper

        exact = np.array([value / (1 << self.model.param_scale) for value in values], dtype=np.float64)
        single = exact.astype(np.float32)
        if not np.array_equal(exact, single.astype(np.float64)):
            raise ValueError(f"weights {name} of model {self.model.name} are not exact as 32-bit floats")
        self.constants[name] = numpy_helper.from_array(single.reshape(-1, 1), name)
        return name
