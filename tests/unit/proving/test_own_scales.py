"""Tests of features with scales of their own: features that differ in size by thousands are all seen."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import helper

from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.joining import with_own_scales
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.program import Program
from oracle.proving.tuning.request import Request, Rule, VerdictRule
from oracle.proving.tuning.search import Search, own_shifts
from tests.models import model, node, weights
from tests.unit.proving.test_node_cases import evaluated

SIZES = np.array([2e-3, 1.0, 30.0, 4e3])
SHIFTS = (8, 0, -5, -12)
SCALER = [node("Sub", ["x", "mean"], "c"), node("Mul", ["c", "by"], "s")]
SCALED = [weights("mean", [[1e-3, 0.5, -3.0, 2e3]]), weights("by", [1 / SIZES])]


def drawn(count: int) -> np.ndarray:
    found: np.ndarray = (np.random.default_rng(21).normal(size=(count, 4)) * SIZES).astype(np.float32)
    return found


def lowered(nodes: list[onnx.NodeProto], constants: list[Any], **options: Any) -> Program:
    program, problems = lower(read_model(model(nodes, ["N", 4], constants, **options)))
    assert program is not None, [str(each) for each in problems]
    return program


def tree(source: str, limits: Any) -> onnx.NodeProto:
    """Return four stumps, one for each feature."""
    return helper.make_node(
        "TreeEnsembleRegressor", [source], ["y"], "trees", domain="ai.onnx.ml", n_targets=1,
        nodes_treeids=[at for at in range(4) for _ in range(3)], nodes_nodeids=[0, 1, 2] * 4,
        nodes_featureids=[each for at in range(4) for each in (at, 0, 0)],
        nodes_values=[each for limit in limits for each in (float(limit), 0.0, 0.0)],
        nodes_modes=["BRANCH_LEQ", "LEAF", "LEAF", "BRANCH_LT", "LEAF", "LEAF"] * 2,
        nodes_truenodeids=[1, 0, 0] * 4, nodes_falsenodeids=[2, 0, 0] * 4,
        target_treeids=[at for at in range(4) for _ in range(2)], target_nodeids=[1, 2] * 4, target_ids=[0] * 8,
        target_weights=[1.0, -2.0, 0.5, 3.0, -1.0, 0.25, 2.0, -0.5],
    )  # fmt: skip


LAYER = [weights("w", [[1, -2], [0.5, 1], [2, 0.25], [-1, 1]]), weights("b", [[0.5, -0.25]])]
SQUARES = [node("MatMul", ["s", "w"], "h"), node("Mul", ["s", "s"], "q"), node("MatMul", ["q", "w"], "g")]
FORMS = {
    "a scaler and a layer": ([*SCALER, node("Gemm", ["s", "w", "b"])], [*SCALED, *LAYER]),
    "a layer": ([node("MatMul", ["x", "w"], "h"), node("Relu", ["h"])], LAYER),
    "a scaler and trees": ([*SCALER, tree("s", [0.1, -0.2, 0.3, 0.0])], SCALED),
    "trees": ([tree("x", SIZES / 4)], []),
    "a scaler that turns the sign": (
        [node("Sub", ["mean", "x"], "s"), node("Greater", ["s", "b"], "g"), node("Cast", ["g"], to=1)],
        [SCALED[0], weights("b", [[0.1, 0.2, 0.3, 0.4]])],
    ),
    "a scaler and squares": ([*SCALER, *SQUARES, node("Add", ["h", "g"])], [*SCALED, *LAYER]),
}


@pytest.mark.parametrize("name", FORMS)
@pytest.mark.parametrize("shifts", [SHIFTS, (0, 0, 0, 0)], ids=["own", "joined"])
def test_the_program_is_the_same_function(name: str, shifts: tuple[int, ...]) -> None:
    program = lowered(*FORMS[name], ml=True)
    other = with_own_scales(program, shifts)
    assert other is not None and (other.shifts == shifts or other is program)
    for row in drawn(50).astype(float):
        assert np.allclose(evaluated(other, (row * 2.0 ** np.array(shifts))[None]), evaluated(program, row[None]))
    if name != "a scaler and squares":
        assert len(other.ops) <= len(program.ops)


@pytest.mark.parametrize(
    "nodes",
    [
        [node("Relu", ["x"], "r"), node("MatMul", ["r", "w"])],
        [node("Mul", ["x", "x"], "q"), node("MatMul", ["q", "w"])],
        [node("Concat", ["x", "x"], axis=1)],
        [node("Gather", ["x", "at"], axis=1)],
    ],
)
def test_what_takes_features_otherwise_keeps_one_scale(nodes: list[onnx.NodeProto]) -> None:
    assert with_own_scales(lowered(nodes, [*LAYER, weights("at", [2, 0], np.int64)]), SHIFTS) is None


def test_the_shifts_are_those_of_the_samples() -> None:
    assert own_shifts(np.array([[0.3, 900.0, 0.0], [-1.0, 5.0, 0.0]])) == (0, -10, -10)
    assert own_shifts(np.array([[0.3, 9.0], [1.0, 5.0]])) == ()  # of about one size
    assert own_shifts(np.array([[1.0, 9000.0]])) == ()  # whole numbers
    assert own_shifts(np.zeros((2, 3))) == ()


@pytest.mark.parametrize("name", ["a scaler and a layer", "trees"])
def test_no_verdict_flips_of_features_that_differ_in_size(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """With one scale for all, the small features are rounded away, and verdicts flip."""
    nodes, constants = FORMS[name]
    sum_of = [node("ReduceSum", ["last", "axis"], "y", keepdims=1)] if name != "trees" else []
    renamed = [onnx.NodeProto.FromString(each.SerializeToString()) for each in nodes]
    if sum_of:
        renamed[-1].output[0] = "last"
    data = model([*renamed, *sum_of], ["N", 4], [*constants, weights("axis", [1], np.int64)], ml=True)
    request = Request("sizes", data, drawn(300), VerdictRule(Rule.THRESHOLD, 0.125))
    strict = Search(request, lambda step: None)
    found = strict.candidates()[0][0]
    fidelity = strict.gate.fidelity(found)
    assert fidelity.flips == fidelity.clipped == 0 and found.program.shifts == (7, -2, -7, -14)
    monkeypatch.setattr("oracle.proving.tuning.search.own_shifts", lambda samples: ())
    one = Search(Request("sizes", data, drawn(300), request.verdict, max_flips_per_10k=1e4), lambda step: None)
    assert one.gate.fidelity(one.candidates()[0][0]).flips > 5


def test_a_label_is_a_verdict_of_its_own() -> None:
    """A private model may publish it; it flips if it is another label."""
    nodes = [*SCALER, node("Gemm", ["s", "w", "b"], "p"), node("ArgMax", ["p"], axis=1, keepdims=0)]
    proto = onnx.load_model_from_string(model(nodes, ["N", 4], [*SCALED, *LAYER]))
    proto.graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.INT64
    request = Request("label", proto.SerializeToString(), drawn(300), disclosure="verdict")
    search = Search(request, lambda step: None)
    assert search.verdict.rule is Rule.LABEL
    circuit = search.candidates()[0][0]
    fidelity = search.gate.fidelity(circuit)
    assert (fidelity.rule, fidelity.flips) == ("label", 0) and circuit.outputs == 1
    search.gate.expected = 1 - search.gate.expected
    assert search.gate.fidelity(circuit).flips == 300
