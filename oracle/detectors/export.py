"""Detectors as ONNX graphs, written so that ezkl turns them into circuits without rounding anything.

Weights are multiples of 2^-p and exact as 32-bit floats, so the float graph, the integer reference and the circuit are
one model. Only weights are constants with a value: whatever else needs a constant would be hashed with them, and the
model's hash would depend on the batch, or on what the circuit publishes.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

from oracle.detectors.interface import Disclosure

if TYPE_CHECKING:
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

    def index(name: str, value: int) -> onnx.TensorProto:
        return numpy_helper.from_array(np.array([value], dtype=np.int64), name)

    node = helper.make_node
    publishes_scores = model.disclosure is Disclosure.SCORE
    nodes = [
        node("Slice", ["x", "i0", "i1", "axis"], ["now"]),
        node("Slice", ["x", "i1", "moves", "axis"], ["past"]),
        node("Slice", ["x", "i0", "moves", "axis"], ["window"]),
        node("Slice", ["x", "moves", "features", "axis"], ["gap"]),
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
            index("i0", 0),
            index("i1", 1),
            index("moves", moves),
            index("features", model.features),
            index("axis", 1),
            weights("a", *model.past, shape=(len(model.past), 1)),
            weights("omega", model.floor, shape=(1,)),
            weights("b", model.drift_past, shape=(1,)),
            weights("omega2", model.drift_floor, shape=(1,)),
        ],
    )
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    onnx.checker.check_model(proto)
    return bytes(proto.SerializeToString(deterministic=True))
