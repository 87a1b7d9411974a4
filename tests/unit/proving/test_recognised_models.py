"""Tests of models that are recognised as exporters spell them out, and of forms that are nearly theirs."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper
from sklearn.discriminant_analysis import QuadraticDiscriminantAnalysis
from sklearn.ensemble import IsolationForest
from sklearn.mixture import GaussianMixture
from sklearn.naive_bayes import GaussianNB

from oracle.proving.exporting import from_sklearn
from oracle.proving.lowering.driver import lower
from oracle.proving.lowering.loading import read_model
from oracle.proving.lowering.operators.mixtures import corners, excess
from oracle.proving.lowering.program import Program
from oracle.proving.lowering.recognise import recognised
from oracle.proving.lowering.recognise.ensembles import join_ensembles
from oracle.proving.lowering.recognise.graph import Graph
from oracle.proving.lowering.tails import Tail, TailStep
from oracle.proving.reference.instantiate import instantiate
from oracle.proving.tuning.float_model import scored_outputs
from oracle.proving.tuning.request import Request
from tests.models import model, node, weights
from tests.unit.proving.test_ensembles import bushy, ensemble

RNG = np.random.default_rng(19)
POINTS = (np.round(RNG.normal(size=(240, 4)) * 64) / 64).astype(np.float32)
TWO = weights("two", [2.0])
CLASSES = (POINTS[:, 0] + POINTS[:, 1] ** 2 > 0.5).astype(int)


def lowered(data: bytes, **options: Any) -> Program:
    program, problems = lower(read_model(data), **options)
    assert program is not None, [str(problem) for problem in problems]
    return program


def both(data: bytes, samples: Any, params: int = 14, output: str | None = None) -> tuple[Any, Any]:
    """Return the circuit's values before what was left off, and those of the file as it came."""
    program = lowered(data, output=output)
    circuit = instantiate(program, 6, params, 32_767)
    computed = circuit.evaluate(circuit.quantise(samples)).astype(float) / 2.0**circuit.output_scale
    return computed, scored_outputs(Request("model", data, samples, output=output), program, samples.astype(float))


def operators(data: bytes) -> Counter[str]:
    return Counter(each.op_type for each in recognised(read_model(data)).graph.node)


# --- isolation forests ----------------------------------------------------------------------------------------------


@pytest.mark.parametrize("options", [{}, {"contamination": 0.1}, {"max_samples": 32, "bootstrap": True}], ids=str)
def test_an_isolation_forest_as_it_comes(options: dict[str, Any]) -> None:
    """Its nodes become one ensemble of path lengths; the score's sign is that of scikit-learn's own."""
    forest = IsolationForest(n_estimators=8, random_state=3, **options).fit(POINTS)
    data = from_sklearn(forest, POINTS).onnx
    assert len(onnx.load_model_from_string(data).graph.node) > 150
    assert operators(data)["TreeEnsembleRegressor"] == 1 and not operators(data)["LabelEncoder"]
    program = lowered(data)
    assert program.dropped == "Add of Neg of Pow of Neg of Div" and program.tail is not None
    assert program.notes == ("output 'scores' is published; the labels 'label' are left off",)
    computed, expected = both(data, POINTS)
    # A rounded threshold may send a point to the other side.
    assert (np.abs(computed - expected) < 0.01).mean() > 0.98
    limit = program.tail.before(program.tail.middle)
    decisions = forest.decision_function(POINTS)
    assert ((computed[:, 0] > limit) == (decisions > 0)).mean() > 0.98
    # Another threshold is taken back through 2^−d, too.
    assert ((computed[:, 0] > program.tail.before(0.05)) == (decisions > 0.05)).mean() > 0.98


def test_the_plain_score_of_a_forest() -> None:
    forest = IsolationForest(n_estimators=4, random_state=3).fit(POINTS)
    with_scores = with_options(forest, {"score_samples": True})
    program = lowered(with_scores, output="score_samples")
    assert program.dropped == "Neg of Pow of Neg of Div" and program.tail is not None
    computed, expected = both(with_scores, POINTS, output="score_samples")
    assert (np.abs(computed - expected) < 0.01).mean() > 0.98
    limit = program.tail.before(-0.5)
    assert ((computed[:, 0] > limit) == (forest.score_samples(POINTS) > -0.5)).mean() > 0.99


def with_options(estimator: Any, options: dict[str, Any], features: int = 4) -> bytes:
    """Return an estimator's export with options of skl2onnx, such as its plain scores."""
    import skl2onnx  # slow to import

    kind = [("x", skl2onnx.common.data_types.FloatTensorType([None, features]))]
    opsets = {"": 17, "ai.onnx.ml": 3}
    made = skl2onnx.convert_sklearn(
        estimator, initial_types=kind, options={id(estimator): options}, target_opset=opsets
    )
    for each in made.graph.output:
        # skl2onnx leaves it out, and onnx demands it.
        each.type.tensor_type.shape.SetInParent()
    return bytes(made.SerializeToString())


def test_the_label_of_a_forest() -> None:
    """It compares the depth with a limit: no power is computed."""
    forest = IsolationForest(n_estimators=6, max_samples=64, contamination=0.1, random_state=3).fit(POINTS)
    data = from_sklearn(forest, POINTS).onnx
    program = lowered(data, output="label")
    assert not program.dropped and not program.approximated
    circuit = instantiate(program, 6, 12, 32_767)
    labels = circuit.evaluate(circuit.quantise(POINTS))[:, 0] / 2.0**circuit.output_scale
    assert set(labels) == {-1.0, 1.0}
    assert (labels == forest.predict(POINTS)).mean() > 0.98


@pytest.mark.parametrize("kind", ["Less", "GreaterOrEqual"])
def test_a_comparison_behind_a_chain_is_one_before_it(kind: str) -> None:
    nodes = [node("MatMul", ["x", "w"], "a"), node("Exp", ["a"], "e"), node(kind, ["e", "two"], "c")]
    nodes.append(node("Cast", ["c"], to=TensorProto.FLOAT))
    constants = [weights("w", RNG.normal(size=(4, 3))), TWO]
    computed, expected = both(model(nodes, ["N", 4], constants), POINTS)
    assert (computed == expected).mean() > 0.99
    # Of a value that is never reached, nothing is known before the chain.
    constants[1] = weights("two", [-2.0])
    assert operators(model(nodes, ["N", 4], constants))["Exp"] == 1
    # Nor of what has no root: it is neither below nor above.
    nodes[1], constants[1] = node("Sqrt", ["a"], "e"), TWO
    assert operators(model(nodes, ["N", 4], constants))["Sqrt"] == 1


# --- functions of a leaf, and sums of ensembles ---------------------------------------------------------------------


def behind_trees(
    nodes: list[onnx.NodeProto],
    trees: int = 1,
    constants: list[onnx.TensorProto] | None = None,
    output: int = TensorProto.FLOAT,
    **more: Any,
) -> bytes:
    """Return a model of a tree t0, or several, and of nodes from there to y."""
    proto = onnx.load_model_from_string(ensemble([bushy(1, 4)], **more))
    first = proto.graph.node[0]
    for at in range(trees):
        made = onnx.load_model_from_string(ensemble([bushy(at + 1, 4), *([bushy(9, 2)] * at)], **more)).graph.node[0]
        made.output[0] = f"t{at}"
        proto.graph.node.append(made)
    proto.graph.node.remove(first)
    proto.graph.node.extend(nodes)
    proto.graph.initializer.extend(constants or [])
    proto.graph.output[0].CopyFrom(helper.make_tensor_value_info("y", output, ["N", None]))
    return bytes(proto.SerializeToString())


SAMPLES = (np.random.default_rng(3).integers(-12, 13, (150, 3)) / 8).astype(np.float32)


@pytest.mark.parametrize(
    ("nodes", "trees", "constants", "left"),
    [
        ([node("Exp", ["t0"], "e"), node("Div", ["two", "e"], "d"), node("Abs", ["d"])], 1, [TWO], 1),
        (
            [
                node("Mul", ["t0", "t0"], "s"),
                node("Add", ["s", "t0"], "a"),
                node("Sqrt", ["a"], "r"),
                node("Abs", ["s"]),
            ],
            1,
            [],
            1,
        ),
        ([node("Floor", ["t0"], "f"), node("Relu", ["f"], "r"), node("Add", ["r", "x0"])], 1, [], 3),
        ([node("Sum", ["t0", "t1", "two", "t2"])], 3, [TWO], 1),
        ([node("Add", ["t0", "t1"], "a"), node("Add", ["two", "a"])], 2, [TWO], 1),
    ],
    ids=["a chain", "twice the tree", "a whole number", "a sum", "a sum in a sum"],
)
def test_a_function_of_a_leaf_is_a_tree(
    nodes: list[onnx.NodeProto], trees: int, constants: list[onnx.TensorProto], left: int
) -> None:
    if any("x0" in each.input for each in nodes):
        nodes = [node("Gather", ["x", "at"], "x0", axis=1), *nodes]
        constants = [*constants, weights("at", [0], np.int64)]
    data = behind_trees(nodes, trees, constants)
    assert sum(operators(data).values()) == left
    computed, expected = both(data, SAMPLES)
    assert np.abs(computed - expected).max() < 1e-3


WIDE = weights("wide", [[1.0, 2.0]])
ONE = weights("one", [[1.0]])


@pytest.mark.parametrize(
    ("nodes", "constants", "more"),
    [
        ([node("Log", ["t0"], "l"), node("Abs", ["l"])], [], {}),
        ([node("Exp", ["wide"], "e"), node("Mul", ["e", "t0"], "m"), node("Exp", ["m"])], [WIDE], {}),
        (
            [
                node("Exp", ["t0"], "e"),
                node("Neg", ["e"], "n"),
                node("MatMul", ["e", "one"], "m"),
                node("Add", ["m", "n"]),
            ],
            [ONE],
            {},
        ),
        ([node("Exp", ["t0"], "e"), node("Abs", ["e"])], [], {"post_transform": "LOGISTIC"}),
        ([node("Cast", ["t0"], "c", to=TensorProto.INT64), node("Mul", ["c", "c"])], [], {"output": TensorProto.INT64}),
    ],
    ids=["the logarithm of a negative leaf", "two columns", "two ways out", "a transform", "whole numbers"],
)
def test_what_is_no_function_of_a_leaf_stays(
    nodes: list[onnx.NodeProto], constants: list[onnx.TensorProto], more: dict[str, Any]
) -> None:
    data = behind_trees(nodes, 1, constants, **more)
    model = read_model(data)
    assert recognised(model) is model


@pytest.mark.parametrize(
    "behind", [node("Mul", ["e", "wide"]), node("ReduceSum", ["e"]), node("MatMul", ["e", "wide"])]
)
def test_functions_end_where_another_shape_begins(behind: onnx.NodeProto) -> None:
    data = behind_trees([node("Exp", ["t0"], "e"), behind], 1, [WIDE])
    assert set(operators(data)) == {"TreeEnsembleRegressor", behind.op_type}


@pytest.mark.parametrize(
    "change", ["other features", "a transform", "published", "used twice", "a column of constants"]
)
def test_sums_that_are_no_ensemble_stay(change: str) -> None:
    nodes, constants = [node("Add", ["t0", "t1"])], list[onnx.TensorProto]()
    more: dict[str, Any] = {}
    if change == "a transform":
        more = {"post_transform": "PROBIT"}
    if change == "used twice":
        nodes = [node("Add", ["t0", "t1"], "a"), node("Mul", ["a", "t0"])]
    if change == "a column of constants":
        nodes, constants = [node("Sum", ["t0", "t1", "c"])], [weights("c", [[1.0], [2.0]])]
    proto = onnx.load_model_from_string(behind_trees(nodes, 2, constants, **more))
    if change == "other features":
        proto.graph.node.insert(0, node("Neg", ["x"], "n"))
        proto.graph.node[1].input[0] = "n"
    if change == "published":
        proto.graph.output.append(helper.make_tensor_value_info("t0", TensorProto.FLOAT, ["N", 1]))
    assert operators(proto.SerializeToString())["TreeEnsembleRegressor"] == 2


@pytest.mark.parametrize("is_pure", [True, False])
def test_long_sums_are_looked_at_once(is_pure: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """A boosted model may come as one sum in the other. If something else is in the innermost, each is still left."""
    count, asked = 600, list[str]()
    leaf = onnx.load_model_from_string(ensemble([[(0, {0: 0.5})]])).graph.node[0]
    nodes = [node("Neg", ["x"], "s0")]
    for at in range(1, count + 1):
        tree = onnx.NodeProto()
        tree.CopyFrom(leaf)
        tree.output[0] = f"t{at}"
        # The innermost sum is of a constant, or of the input itself.
        before = "two" if is_pure and at == 1 else f"s{at - 1}"
        nodes += [tree, node("Add", [before, f"t{at}"], "y" if at == count else f"s{at}")]
    proto = read_model(model(nodes[is_pure:], ["N", 3], [TWO], ml=True))
    look = Graph.is_used_once

    def noted(graph: Graph, name: str) -> bool:
        asked.append(name)
        return look(graph, name)

    monkeypatch.setattr(Graph, "is_used_once", noted)
    joined = join_ensembles(proto)
    assert len(asked) <= 2 * count
    if is_pure:
        (whole,) = joined.graph.node
        columns = {each.name: list(each.floats) for each in whole.attribute}
        assert (columns["base_values"], columns["target_weights"]) == ([2.0], [0.5] * count)
    else:
        assert joined is proto


def test_features_in_another_order() -> None:
    """A tree that was grown on chosen columns is one on the model's own, whatever their order."""
    at = weights("at", [2, 0, 1], np.int64)
    proto = onnx.load_model_from_string(behind_trees([node("Add", ["t0", "t1"])], 2, [at]))
    proto.graph.node.insert(0, node("Gather", ["x", "at"], "g", axis=1))
    for each in proto.graph.node[1:3]:
        each.input[0] = "g"
    data = proto.SerializeToString()
    assert operators(data)["TreeEnsembleRegressor"] == 1
    computed, expected = both(data, SAMPLES)
    assert (computed == expected).all()


# --- softmax spelled out --------------------------------------------------------------------------------------------


ESTIMATORS = {
    "mixture": GaussianMixture(3, random_state=0),
    "diagonal mixture": GaussianMixture(2, covariance_type="diag", random_state=0),
    "naive bayes": GaussianNB(),
    "discriminant analysis": QuadraticDiscriminantAnalysis(),
}


@pytest.mark.parametrize("name", ESTIMATORS)
def test_probabilities_are_ordered_by_quadratic_forms(name: str) -> None:
    """Exponentials over their sum are left off: what is published are the quadratic forms of the components."""
    estimator = ESTIMATORS[name].fit(POINTS, CLASSES)
    data = from_sklearn(estimator, POINTS).onnx
    output = "probabilities"
    program = lowered(data, output=output)
    assert program.dropped == "Softmax" and not program.approximated
    computed, expected = both(data, POINTS, output=output)
    assert np.abs(computed - expected).max() < 0.02
    assert (computed.argmax(axis=1) == estimator.predict_proba(POINTS).argmax(axis=1)).mean() > 0.99


AXIS = weights("axis", [1], np.int64)
SUMMED = [node("Exp", ["a"], "e"), node("ReduceSum", ["e", "axis"], "n")]


def guarded(total: str = "n", zero: str = "nought") -> list[onnx.NodeProto]:
    """Return a division by a sum as AdaBoost's export has it: 1 is added if the sum's integer is 0."""
    return [
        *SUMMED,
        node("Cast", [total], "whole", to=TensorProto.INT32),
        node("Equal", ["whole", zero], "is_zero"),
        node("Cast", ["is_zero"], "one", to=TensorProto.FLOAT),
        node("Add", ["n", "one"], "filtered"),
    ]


COLUMN = [*SUMMED, node("Reshape", ["n", "column"], "c"), node("Div", ["e", "c"])]


@pytest.mark.parametrize(
    ("nodes", "is_softmax"),
    [
        ([node("ReduceLogSumExp", ["a", "axis"], "l"), node("Sub", ["a", "l"], "s"), node("Exp", ["s"])], True),
        ([node("ReduceLogSumExp", ["b", "axis"], "l"), node("Sub", ["a", "l"], "s"), node("Exp", ["s"])], False),
        ([node("ReduceLogSumExp", ["a", "axis"], "l"), node("Sub", ["l", "a"], "s"), node("Exp", ["s"])], False),
        ([node("Exp", ["a"], "e"), node("ReduceSum", ["e", "axis"], "l"), node("Div", ["e", "l"])], True),
        ([node("Exp", ["a"], "e"), node("ReduceSum", ["b", "axis"], "l"), node("Div", ["e", "l"])], False),
        (COLUMN, True),
        ([*guarded(), node("Div", ["e", "filtered"])], True),
        ([*guarded(), node("Div", ["e", "filtered"], "p"), node("ArgMax", ["p"], axis=1)], True),
        ([*guarded(), node("Div", ["e", "filtered"], "p"), node("Mul", ["p", "p"])], False),
        ([*guarded("e"), node("Div", ["e", "filtered"])], False),
        ([*guarded(zero="two"), node("Div", ["e", "filtered"])], False),
    ],
    ids=[
        *("logarithms", "of another value", "the other way around", "a sum", "another sum", "a column"),
        *("guarded", "guarded and compared", "guarded and squared", "another guard", "a guard of 2"),
    ],
)
def test_a_softmax_is_one_of_the_same_value(nodes: list[onnx.NodeProto], is_softmax: bool) -> None:
    made = [node("MatMul", ["x", "w"], "a"), node("Relu", ["a"], "b"), *nodes]
    shapes = [AXIS, weights("column", [-1, 1], np.int64)]
    whole = [weights("nought", 0, np.int32), weights("two", 2, np.int32)]
    constants = [*shapes, *whole, weights("w", RNG.normal(size=(4, 3)))]
    data = model(made, ["N", 4], constants, opset=18)
    assert bool(operators(data)["Softmax"]) is is_softmax
    if is_softmax:
        computed, expected = both(data, POINTS)
        assert np.abs(computed - expected).max() < 0.01


@pytest.mark.parametrize("components", [1, 3])
def test_the_density_of_a_mixture(components: int) -> None:
    """The logarithm of a sum of exponentials is within the stated bound of the exact one, and never below it."""
    mixture = GaussianMixture(components, random_state=0).fit(POINTS)
    data = with_options(mixture, {"score_samples": True})
    for segments in (8, 32):
        program = lowered(data, output="score_samples", segments=segments)
        rounds = math.ceil(math.log2(components))
        assert len(program.approximated) == (1 if rounds else 0)
        circuit = instantiate(program, 6, 12, 512)
        computed = circuit.evaluate(circuit.quantise(POINTS)).astype(float) / 2.0**circuit.output_scale
        above = computed[:, 0] - mixture.score_samples(POINTS)
        assert above.min() > -0.002 and above.max() < rounds * excess(segments) + 0.002
    _, (problem,) = lower(
        read_model(model([node("ReduceLogSumExp", ["x"], noop_with_empty_axes=1)], ["N", 4], [], opset=18))
    )
    assert "it reduces nothing" in str(problem)


def test_the_stated_excess_is_the_largest() -> None:
    at = np.linspace(0, 14, 100_001)
    for segments in (8, 16, 32):
        xs, ys = zip(*corners(segments), strict=True)
        apart = np.interp(at, xs, ys) - np.log1p(np.exp(-at))
        assert np.abs(apart).max() == pytest.approx(excess(segments), rel=1e-3)


# --- distances ------------------------------------------------------------------------------------------------------


def distances(kind: str = "ReduceSumSquare", axes: int = 1) -> bytes:
    """Return a model of the distances to five points, by a loop over them."""
    body = helper.make_graph(
        [
            helper.make_node("Identity", ["state"], ["kept"]),
            helper.make_node("Sub", ["state", "point"], ["apart"]),
            helper.make_node(kind, ["apart", "over"], ["far"], keepdims=0),
            helper.make_node("Identity", ["far"], ["one"]),
        ],
        "body",
        [
            helper.make_tensor_value_info("state", TensorProto.FLOAT, ["N", 4]),
            helper.make_tensor_value_info("point", TensorProto.FLOAT, [4]),
        ],
        [
            helper.make_tensor_value_info("kept", TensorProto.FLOAT, ["N", 4]),
            helper.make_tensor_value_info("one", TensorProto.FLOAT, ["N"]),
        ],
        [weights("over", [axes], np.int64)],
    )
    loop = helper.make_node("Scan", ["x", "points"], ["same", "all"], body=body, num_scan_inputs=1)
    nodes = [loop, node("Transpose", ["all"], perm=[1, 0])]
    return model(nodes, ["N", 4], [weights("points", POINTS[:5])], opset=18)


def test_a_loop_over_points_is_two_products() -> None:
    assert operators(distances())["Scan"] == 0
    computed, expected = both(distances(), POINTS[5:60])
    assert np.abs(computed - expected).max() < 1e-3
    assert operators(distances("ReduceL1"))["Scan"] == 1
    assert operators(distances(axes=0))["Scan"] == 1


# --- functions that are left off ------------------------------------------------------------------------------------


CHAINS: dict[str, tuple[tuple[TailStep, ...], Callable[[float], float]]] = {
    "Exp": ((TailStep("Exp"),), math.exp),
    "Sqrt of a square": ((TailStep("Sqrt"),), lambda x: math.sqrt(x) if x >= 0 else math.nan),
    "Softplus": ((TailStep("Softplus"),), lambda x: math.log1p(math.exp(x))),
    "Erf": ((TailStep("Erf"),), math.erf),
    "a forest": (
        (
            TailStep("Plus", 0.6),
            TailStep("Times", -1.0),
            TailStep("Power", 2.0),
            TailStep("Times", -1.0),
            TailStep("Times", 0.25),
        ),
        lambda x: 0.6 - 2.0 ** -(x / 4),
    ),
}


@pytest.mark.parametrize("name", CHAINS)
def test_a_threshold_goes_back_through_the_chain(name: str) -> None:
    steps, function = CHAINS[name]
    tail = Tail("v", name, steps)
    arguments = np.random.default_rng(1).normal(size=400) * 4
    for threshold in (-0.9, -0.2, 0.0, 0.2, 0.9, 1.7, 30.0):
        before = tail.before(threshold)
        near = np.abs(arguments - before) < 1e-9
        verdicts = np.array([function(float(x)) > threshold for x in arguments])
        assert ((arguments > before) == verdicts)[~near & ~np.isnan([function(float(x)) for x in arguments])].all()


@pytest.mark.parametrize(
    ("nodes", "dropped"),
    [
        ([node("Exp", ["a"])], "Exp"),
        ([node("Sqrt", ["a"], "s"), node("Reshape", ["s", "shape"], "r"), node("Squeeze", ["r", "axis"])], "Sqrt"),
        ([node("Sigmoid", ["a"], "s"), node("Mul", ["s", "two"])], "Mul of Sigmoid"),
        ([node("Sigmoid", ["a"], "s"), node("Sub", ["one", "s"])], ""),
        ([node("Neg", ["a"], "n"), node("Exp", ["n"], "e"), node("Sub", ["one", "e"])], "Sub of Exp of Neg"),
        ([node("Mul", ["a", "two"], "m"), node("Sigmoid", ["m"])], "Sigmoid"),
        ([node("Mul", ["a", "two"])], ""),
        ([node("Neg", ["a"], "n"), node("Sqrt", ["n"], "s"), node("Neg", ["s"])], "Unproven"),
        ([node("Sigmoid", ["a"], "s"), node("Mul", ["s", "pair"])], ""),
    ],
)
def test_chains_that_are_left_off(nodes: list[onnx.NodeProto], dropped: str) -> None:
    """One that falls on the whole is not: "above" would become "below". Nor one that treats outputs differently."""
    constants = [weights("w", RNG.normal(size=(4, 2))), TWO, weights("one", [1.0]), weights("pair", [[1.0, -2.0]])]
    constants += [weights("shape", [-1, 1], np.int64), AXIS]
    data = model([node("MatMul", ["x", "w"], "a"), *nodes], ["N", 4], constants)
    if dropped == "Unproven":
        # Where there is no root, the float model's verdict is "not above"; before the chain it would be "above".
        assert lower(read_model(data))[0] is None
        return
    assert lowered(data).dropped == dropped
    program, _ = lower(read_model(data), keep_activation=True)
    assert program is None or not program.dropped
