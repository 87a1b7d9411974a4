"""Tests of labels and other choices: the circuit names the class that the runtime names, also of equal scores."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.operators.places import MOST_PLACES
from oracle.proving.lowering.program import Program
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.tuning.float_model import scored_outputs
from oracle.proving.tuning.request import Request
from tests.models import model, node, weights

NAMES = [b"fine", b"odd", b"bad"]


def forest(post_transform: str, **labels: Any) -> bytes:
    """Return a forest of stumps on two features, whose scores are often equal, with the label as its output."""
    trees, features, limits = [0, 1, 2, 3], [0, 1, 0, 1], [0.0, 0.0, 1.0, -1.0]
    attributes: dict[str, Any] = {
        "nodes_treeids": [tree for tree in trees for _ in range(3)],
        "nodes_nodeids": [0, 1, 2] * 4,
        "nodes_featureids": [each for feature in features for each in (feature, 0, 0)],
        "nodes_values": [each for limit in limits for each in (limit, 0.0, 0.0)],
        "nodes_modes": ["BRANCH_LEQ", "LEAF", "LEAF"] * 4,
        "nodes_truenodeids": [1, 0, 0] * 4,
        "nodes_falsenodeids": [2, 0, 0] * 4,
        "class_treeids": [tree for tree in trees for _ in range(2)],
        "class_nodeids": [1, 2] * 4,
        "class_ids": [0, 1, 1, 2, 2, 0, 1, 0],
        "class_weights": [1.0] * 8,
    }
    ensemble = helper.make_node(
        "TreeEnsembleClassifier", ["x"], ["y", "p"], "forest", domain="ai.onnx.ml", post_transform=post_transform,
        **attributes, **labels,
    )  # fmt: skip
    proto = onnx.load_model_from_string(model([ensemble], ["N", 2], ml=True))
    kind = TensorProto.STRING if "classlabels_strings" in labels else TensorProto.INT64
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", kind, ["N"]))
    return bytes(proto.SerializeToString())


def compared(data: bytes, samples: np.ndarray, **options: Any) -> Program:
    """Make sure that the integers are what the runtime computes, exactly, and return the program."""
    program, problems = lower(read_model(data), **options)
    assert program is not None, [str(each) for each in problems]
    circuit = instantiate(program, 3, 8, 32_767)
    computed = circuit.evaluate_exactly(circuit.quantise(samples)).astype(float) / 2.0**circuit.output_scale
    assert np.array_equal(computed, scored_outputs(Request("labels", data, samples), program, samples))
    return program


GRID = np.array([[a, b] for a in np.arange(-2, 2.5, 0.5) for b in np.arange(-2, 2.5, 0.5)])


@pytest.mark.parametrize("post_transform", ["NONE", "SOFTMAX"])
@pytest.mark.parametrize(
    "labels", [{"classlabels_int64s": [0, 1, 2]}, {"classlabels_int64s": [7, -3, 40]}, {"classlabels_strings": NAMES}]
)
def test_the_label_of_a_forest_is_the_runtimes_also_of_equal_scores(
    post_transform: str, labels: dict[str, Any]
) -> None:
    program = compared(forest(post_transform, **labels), GRID)
    assert program.labels == (("fine", "odd", "bad") if "classlabels_strings" in labels else ())
    assert not program.order_only


@pytest.mark.parametrize("names", [[1, 5], [b"no", b"yes"]], ids=["numbers", "texts"])
@pytest.mark.parametrize("rows", [1, 2])
def test_the_label_of_a_linear_classifier(names: list[Any], rows: int) -> None:
    key = "classlabels_strings" if isinstance(names[0], bytes) else "classlabels_ints"
    labels: dict[str, Any] = {key: names}
    linear = helper.make_node(
        "LinearClassifier", ["x"], ["y", "p"], "linear", domain="ai.onnx.ml", post_transform="LOGISTIC",
        coefficients=[-1.0, 2.0, 1.0, -2.0][-2 * rows :], intercepts=[0.5, -0.5][-rows:], **labels,
    )  # fmt: skip
    proto = onnx.load_model_from_string(model([linear], ["N", 2], ml=True))
    kind = TensorProto.STRING if key.endswith("strings") else TensorProto.INT64
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", kind, ["N"]))
    compared(proto.SerializeToString(), GRID)


@pytest.mark.parametrize(
    ("function", "attributes"), [("Softmax", {"axis": -1}), ("LogSoftmax", {"axis": 1}), ("Sigmoid", {})]
)
def test_the_largest_is_looked_for_before_functions_that_keep_the_order(
    function: str, attributes: dict[str, Any]
) -> None:
    nodes = [
        node("MatMul", ["x", "w"], "s"),
        node(function, ["s"], "p", **attributes),
        node("ArgMax", ["p"], "a", axis=1, keepdims=0),
        node("ArrayFeatureExtractor", ["names", "a"], "y"),
    ]
    nodes[-1].domain = "ai.onnx.ml"
    constants = [weights("w", [[1, -1, 0.5], [0.25, 0, -0.5]]), weights("names", [5, 6, 7], np.int64)]
    proto = onnx.load_model_from_string(model(nodes, ["N", 2], constants, ml=True))
    proto.graph.output[0].type.tensor_type.elem_type = TensorProto.INT64
    assert not compared(proto.SerializeToString(), GRID + 0.125).order_only


def test_a_softmax_along_another_axis_is_not_taken_for_one_that_keeps_the_order() -> None:
    nodes = [node("Softmax", ["x"], "p", axis=1), node("ArgMax", ["p"], axis=2)]
    program, problems = lower(read_model(model(nodes, ["N", 2, 3])))
    assert program is None and "Softmax" in str(problems[0])


def test_scores_before_their_transform_are_not_computed_with() -> None:
    """The mean of two probabilities is not that of their logits, and their order is another."""
    proto = onnx.load_model_from_string(forest("LOGISTIC", classlabels_int64s=[0, 1, 2]))
    proto.graph.node.append(node("ReduceSum", ["p", "axes"], "sum", keepdims=0))
    proto.graph.initializer.append(weights("axes", [1], np.int64))
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("sum", TensorProto.FLOAT, ["N"]))
    program, problems = lower(read_model(proto.SerializeToString()))
    assert program is None and "it computes with scores of which the LOGISTIC" in str(problems[0])


def test_a_table_that_is_too_long_is_refused() -> None:
    nodes = [node("Cast", ["x"], "i", to=TensorProto.INT64), node("Gather", ["t", "i"])]
    program, problems = lower(read_model(model(nodes, ["N", 1], [weights("t", np.zeros(MOST_PLACES + 2))])))
    assert program is None and f"a table of at most {MOST_PLACES} rows" in str(problems[0])


def test_places_count_from_the_end_if_they_are_negative() -> None:
    """Negative places and all others of a table, of one feature."""
    nodes = [
        node("Clip", ["x", "low", "high"], "c"),
        node("Cast", ["c"], "i", to=TensorProto.INT64),
        node("Gather", ["t", "i"]),
    ]
    constants = [weights("low", np.array(-4.0)), weights("high", np.array(3.0)), weights("t", [1, 2, 3, 4])]
    program = compared(model(nodes, ["N", 1], constants), np.arange(-6.0, 6.0)[:, None])
    assert len(program.ops) > 5


def test_a_place_that_has_two_values_is_not_compared() -> None:
    """A path through a tree, as a table of its nodes: the table has 64 rows, and a comparison chooses one of two."""
    rng = np.random.default_rng(20)
    nodes = [
        node("Greater", ["x", "limits"], "b"),
        node("Cast", ["b"], "n", to=TensorProto.INT64),
        node("Add", ["n", "starts"], "i"),
        node("Gather", ["t", "i"]),
    ]
    constants = [
        weights("limits", rng.normal(size=(1, 32))),
        weights("starts", np.arange(32)[None] * 2, np.int64),
        weights("t", rng.integers(-8, 9, 64) / 8),
    ]
    program = compared(model(nodes, ["N", 32], constants), rng.integers(-16, 17, (20, 32)) / 8)
    assert sum(np.prod(op.shape) for op in program.ops if op.kind in ("GreaterOrEqual", "Greater")) == 32


@pytest.mark.parametrize("largest", [0, 1])
@pytest.mark.parametrize(("size", "count"), [(9, 2), (9, 4), (9, 5), (9, 9), (12, 1), (30, 3), (2, 1), (1, 1)])
def test_the_first_few_are_those_of_the_runtime(size: int, count: int, largest: int) -> None:
    """With most numbers equal to others: the order of equal ones is the runtime's, however few are taken."""
    nodes = [
        helper.make_node("TopK", ["x", "count"], ["values", "places"], "top", axis=1, largest=largest),
        node("Cast", ["places"], "p", to=TensorProto.FLOAT),
        node("Concat", ["values", "p"], axis=1),
    ]
    samples = np.random.default_rng(size).integers(-2, 3, (60, size)).astype(np.float32)
    compared(model(nodes, ["N", size], [weights("count", [count], np.int64)]), samples)
