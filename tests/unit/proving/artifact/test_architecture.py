"""Tests of graphs with stand-ins for their weights."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from oracle.proving.artifact.architecture import architecture_of, shown_constants, special_constants

SCALE = 8


def graph(names: str = "", **constants: object) -> bytes:
    """Return y = ((x · w + bias) · factor) · unit, and a text of its maker."""
    given = {"w": [[1.5], [2.5]], "bias": [0.25], "factor": [3.0], "unit": [[0.125]]} | constants
    nodes = [
        helper.make_node("MatMul", ["x", "w"], [f"{names}secret_product"], name="secret"),
        helper.make_node("Add", [f"{names}secret_product", "bias"], ["sum"]),
        helper.make_node("Mul", ["sum", "factor"], ["scaled"]),
        helper.make_node("Mul", ["scaled", "unit"], ["y"], doc_string="trained on private data"),
    ]
    made = helper.make_graph(
        nodes,
        "secret",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 1])],
        [numpy_helper.from_array(np.array(value, dtype=np.float32), name) for name, value in given.items()],
        doc_string="of the maker",
    )
    proto = helper.make_model(made, producer_name="maker")
    helper.set_model_props(proto, {"author": "maker"})
    return bytes(proto.SerializeToString(deterministic=True))


def constants(of: bytes) -> dict[str, list[float]]:
    found = onnx.load_model_from_string(of).graph.initializer
    return {each.name: numpy_helper.to_array(each).ravel().tolist() for each in found}


def test_weights_and_words_are_gone_and_scales_stay() -> None:
    found = architecture_of(graph(), SCALE)
    unit = 2.0**-SCALE
    assert list(constants(found).values()) == [[3 * unit, 5 * unit], [7 * unit], [9 * unit], [0.125]]
    assert not any(word in found for word in (b"secret", b"maker", b"private"))
    onnx.checker.check_model(onnx.load_model_from_string(found))
    assert architecture_of(found, SCALE) == found, "it is its own architecture"


def test_it_depends_on_no_weight_and_no_name() -> None:
    other = graph("other", w=[[0.0], [-9.5]], bias=[-0.0], factor=[1e9])
    assert architecture_of(other, SCALE) == architecture_of(graph(), SCALE)


def test_constants_by_which_a_graph_is_simplified() -> None:
    found = graph(w=[[1.0], [1.0]], bias=[0.0], factor=[4.0])
    assert special_constants(found) == ["w", "bias", "factor"]
    assert special_constants(graph(w=[[1.0], [2.0]], factor=[3.0], bias=[0.75])) == []
    shown = architecture_of(found, SCALE, ["bias"])
    assert constants(shown)["constant_1"] == [0.0] and shown_constants(shown, SCALE) == ["constant_1"]
