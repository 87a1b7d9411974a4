"""Tests of kernel machines of scikit-learn, as they are exported, and of forms that are refused."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.svm import SVC, SVR, NuSVC, OneClassSVM

from oracle.proving.exporting import from_sklearn
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.tuning.float_model import scored_outputs
from oracle.proving.tuning.request import Request

pytestmark = pytest.mark.filterwarnings("ignore:Attribute `prob")
"""skl2onnx looks for what scikit-learn is about to drop."""

RNG = np.random.default_rng(23)
POINTS = (np.round(RNG.normal(size=(90, 3)) * 16) / 16).astype(np.float32)
TWO = (POINTS[:, 0] + POINTS[:, 1] ** 2 > 0.4).astype(int)
THREE = TWO + (POINTS[:, 2] > 0.6)
NUMBER = POINTS[:, 0] - POINTS[:, 1] * POINTS[:, 2]


def compared(data: bytes, points: Any = POINTS, *, scales: tuple[int, int] = (4, 12), **options: Any) -> Any:
    """Return the program, and the largest difference from ONNX Runtime over the largest output."""
    program, problems = lower(read_model(data), segments=32, **options)
    assert program is not None, problems
    circuit = instantiate(program, *scales, 127)
    computed = circuit.evaluate(circuit.quantise(points)).astype(float) / 2.0**circuit.output_scale
    expected = scored_outputs(Request("machine", data, points, **options), program, points.astype(float))
    # Vectors lie on the boundary, where a machine is 0 but for its rounding.
    is_clear = np.abs(expected) > 0.02 * np.abs(expected).max()
    assert ((computed > 0) == (expected > 0))[is_clear].all()
    return program, float(np.abs(computed - expected).max() / np.abs(expected).max())


MACHINES: dict[str, Any] = {
    "one class, linear": (OneClassSVM(kernel="linear", nu=0.2), None),
    "one class, squares": (OneClassSVM(kernel="poly", degree=2, nu=0.2), None),
    "one class, cubes and less": (OneClassSVM(kernel="poly", degree=3, coef0=1.0, nu=0.2), None),
    "regression, linear": (SVR(kernel="linear"), NUMBER),
    "regression, squares": (SVR(kernel="poly", degree=2, coef0=0.5), NUMBER),
    "two classes, cubes": (SVC(kernel="poly", degree=3), TWO),
    "two classes, nu": (NuSVC(kernel="linear", nu=0.3), TWO),
    "three classes, each pair": (SVC(kernel="poly", degree=2, decision_function_shape="ovo"), THREE),
}


@pytest.mark.parametrize("name", MACHINES)
def test_polynomial_machines_are_exact(name: str) -> None:
    """They are written as polynomials, whose few terms cost less than the vectors. Only weights are rounded."""
    estimator, target = MACHINES[name]
    # Around the origin, a linear machine of one class is 0 everywhere.
    points = POINTS + 3
    program, error = compared(from_sklearn(estimator.fit(points, target), points).onnx, points)
    assert not program.approximated and error < 0.02
    assert program.weights < 3 * 20 + 10


def test_a_machine_of_many_features_is_a_sum_over_its_vectors() -> None:
    points = (np.round(RNG.normal(size=(60, 24)) * 16) / 16).astype(np.float32)
    estimator = SVR(kernel="poly", degree=3, coef0=1.0).fit(points, points[:, 0] - points[:, 1])
    program, error = compared(from_sklearn(estimator, points).onnx, points)
    assert error < 0.02
    assert program.weights < 60 * 26 < 2_925


CURVED: dict[str, Any] = {
    "one class, rbf": (OneClassSVM(nu=0.2), None),
    "one class, sigmoid": (OneClassSVM(kernel="sigmoid", gamma=0.2, nu=0.2), None),
    "regression, rbf": (SVR(), NUMBER),
    "two classes, rbf": (SVC(), TWO),
    "three classes, rbf": (SVC(decision_function_shape="ovo"), THREE),
}


@pytest.mark.parametrize("name", CURVED)
def test_other_kernels_are_piecewise_linear(name: str) -> None:
    estimator, target = CURVED[name]
    program, error = compared(from_sklearn(estimator.fit(POINTS, target), POINTS).onnx, scales=(4, 10))
    assert len(program.approximated) == 1 and error < 0.02


def test_votes_of_three_classes_whose_ties_are_broken() -> None:
    """One against the rest: votes of all pairs, and a third of a softsign of the scores."""
    data = from_sklearn(SVC(kernel="linear").fit(POINTS, THREE), POINTS).onnx
    program, error = compared(data, scales=(4, 10))
    assert len(program.approximated) == 1 and error < 0.02
    assert program.output_shape == (3,)


@pytest.mark.parametrize("target", [TWO, THREE, THREE + (POINTS[:, 0] > 1)], ids=["two", "three", "four"])
def test_labels_are_those_of_scikit_learn(target: Any) -> None:
    """One score decides between two classes; of more, the votes of all pairs, and the first class of equal ones."""
    estimator = SVC(kernel="poly", degree=2, decision_function_shape="ovo").fit(POINTS, target)
    program, problems = lower(read_model(from_sklearn(estimator, POINTS).onnx), output="output_label")
    assert program is not None, problems
    circuit = instantiate(program, 4, 12, 127)
    found = circuit.evaluate(circuit.quantise(POINTS))[:, 0] / 2.0**circuit.output_scale
    assert (found == estimator.predict(POINTS)).mean() > 0.97


def test_the_probability_of_two_classes_keeps_their_order_only() -> None:
    data = with_probabilities(1)
    program, problems = lower(read_model(data))
    assert program is not None, problems
    assert "logistic function" in program.order_only
    circuit = instantiate(program, 4, 12, 127)
    expected = scored_outputs(Request("machine", data, POINTS), program, POINTS.astype(float))
    assert (circuit.evaluate(circuit.quantise(POINTS)).argmax(axis=1) == expected.argmax(axis=1)).mean() > 0.98


def with_probabilities(pairs: int) -> bytes:
    """Return a machine with fitted probabilities, as older releases of scikit-learn write them."""
    kind = {1: TWO, 3: THREE}[pairs]
    estimator = SVC(kernel="linear", decision_function_shape="ovo").fit(POINTS, kind)
    proto = onnx.load_model_from_string(from_sklearn(estimator, POINTS).onnx)
    machine = next(each for each in proto.graph.node if each.op_type == "SVMClassifier")
    machine.attribute.append(helper.make_attribute("prob_a", [-1.5] * pairs))
    machine.attribute.append(helper.make_attribute("prob_b", [0.1] * pairs))
    return bytes(proto.SerializeToString())


def machine(**attributes: Any) -> bytes:
    """Return a regressor of two vectors in three dimensions."""
    given: dict[str, Any] = {
        "kernel_type": "POLY",
        "kernel_params": [0.5, 1.0, 2.0],
        "n_supports": 2,
        "coefficients": [0.5, -0.75],
        "support_vectors": [0.5, 1.0, -1.0, 0.25, 0.0, 2.0],
        "rho": [0.125],
    }
    made = helper.make_node("SVMRegressor", ["x"], ["y"], name="svm", domain="ai.onnx.ml", **(given | attributes))
    graph = helper.make_graph(
        [made],
        "machine",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["N", 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["N", 1])],
    )
    opsets = [helper.make_opsetid("", 13), helper.make_opsetid("ai.onnx.ml", 1)]
    return bytes(helper.make_model(graph, opset_imports=opsets, ir_version=8).SerializeToString())


@pytest.mark.parametrize(
    "attributes",
    [
        {},
        {"one_class": 1},
        {"kernel_type": "LINEAR", "n_supports": 0, "coefficients": [0.5, -0.25, 2.0]},
        {"kernel_params": [0.5, 0.0, 1.0]},
        {"kernel_params": [0.5, -0.5, 4.0]},
    ],
    ids=str,
)
def test_forms_of_a_machine(attributes: dict[str, Any]) -> None:
    assert compared(machine(**attributes))[1] < 1e-5


@pytest.mark.parametrize(
    ("data", "says"),
    [
        (machine(kernel_params=[0.5, 1.0, 2.5]), "its degree is 2.5"),
        (machine(kernel_params=[0.5, 1.0, 9.0]), "its degree is 9"),
        (machine(kernel_type="RBF", kernel_params=[-0.5, 0.0, 0.0]), "its gamma is -0.5"),
        (machine(post_transform="LOGISTIC"), "it has a post_transform"),
        (machine(support_vectors=[1.0, 2.0]), "it takes 1 features, and gets 3"),
        (machine(n_supports=0), "it has no support vectors"),
        (b"", "its probabilities are fitted to each other"),
    ],
)
def test_machines_that_are_refused(data: bytes, says: str) -> None:
    _, (problem, *_) = lower(read_model(data or with_probabilities(3)))
    assert problem.what.startswith(says)
