"""Tests of claims about several outputs and about changes: as integers, as documents, in the circuit's arithmetic."""

from __future__ import annotations

import itertools
import math
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from sklearn.ensemble import GradientBoostingClassifier
from sklearn.linear_model import LogisticRegression
from sklearn.neural_network import MLPClassifier
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler

import oracle
from oracle.claims import (
    AtLeast,
    AtMost,
    Between,
    ChangeBetween,
    ClaimBound,
    ClaimFeature,
    ClaimTerms,
    Constraints,
    Equals,
    ModelSpec,
    OneOf,
)
from oracle.claims.constraints import constraints_document, constraints_of
from oracle.claims.statement import SALT_LIMBS, ClaimShape, all_edges
from oracle.core.errors import DataError, ModelError
from oracle.proving.exporting import ExportedModel
from tests.claim_models import several
from tests.models import model, node, weights

UNIT, LIMIT = 1 << 16, 1 << 30
SUBJECT = "0x" + "ab" * 20

named = ModelSpec("named", b"", (ClaimFeature("x"),), outputs=("a", "b", "c"), changes=True)
softmax = ModelSpec("softmax", b"", (ClaimFeature("x"),), "Softmax", outputs=("a", "b", "c"))
two = ModelSpec("two", b"", (ClaimFeature("x"),), "Sigmoid", outputs=("no", "yes"), changes=True)


def test_terms_name_outputs_in_order() -> None:
    told: Constraints = {"c": AtMost(2), "a": [Between(-1, 1), ChangeBetween(-0.5, 0.25)]}
    assert named.terms(told, UNIT, LIMIT, earlier=7) == ClaimTerms(
        (ClaimBound(0, -UNIT, UNIT), ClaimBound(2, -LIMIT, 2 * UNIT)),
        (ClaimBound(0, -UNIT // 2, UNIT // 4),),
        7,
    )


@pytest.mark.parametrize(
    ("spec", "told", "earlier", "says"),
    [
        (named, AtLeast(1), 0, "state constraints by output"),
        (named, {"d": AtLeast(1)}, 0, "no output 'd', only a, b, c"),
        (named, {}, 0, "says nothing"),
        (named, {"a": []}, 0, "one constraint of an output"),
        (named, {"a": [AtLeast(1), AtMost(2)]}, 0, "one constraint of an output"),
        (named, {"a": [ChangeBetween(0, 1), ChangeBetween(0, 2)]}, 7, "one constraint of an output"),
        (named, {"a": ChangeBetween(0, 1)}, 0, "earlier data, which have to be given"),
        (named, {"a": AtLeast(1)}, 7, "is about no change since then"),
        (ModelSpec("one", b"", (ClaimFeature("x"),)), {"a": AtLeast(1)}, 0, "don't name it"),
        (ModelSpec("one", b"", (ClaimFeature("x"),)), ChangeBetween(0, 1), 7, "registered without changes"),
        (two, {"yes": ChangeBetween(0.1, 0.2)}, 7, "on both sides of 0"),
        (softmax, {"a": Between(0.5, 0.55)}, 0, "no output of softmax is between 0.5 and 0.55"),
        (softmax, {"a": Between(1.1, 2)}, 0, "is between 0 and 1"),
    ],
)
def test_terms_that_are_none(spec: ModelSpec, told: Any, earlier: int, says: str) -> None:
    with pytest.raises(DataError, match=says):
        spec.terms(told, UNIT, LIMIT, earlier)


def test_models_whose_outputs_are_none() -> None:
    features = (ClaimFeature("x"),)
    for more, says in (
        ({"outputs": ("a",)}, "outputs are 2 to 255"),
        ({"outputs": ("a", "a")}, "outputs are 2 to 255"),
        ({"outputs": ("a", "b"), "classes": ("a", "b")}, "and no outputs"),
        ({"activation": "Softmax"}, "name them"),
    ):
        with pytest.raises(ModelError, match=says):
            ModelSpec("bad", b"", features, **more)


@pytest.mark.parametrize(
    "told",
    [
        AtLeast(0.5),
        Between(-1, 2),
        Equals(1),
        OneOf((1, 2)),
        ChangeBetween(-5, 5),
        (AtMost(3), ChangeBetween(0, 0)),
        {"a": AtLeast(30), "b": (Between(0, 1), ChangeBetween(-0.1, 0.1))},
    ],
)
def test_a_document_says_the_same(told: Constraints) -> None:
    assert constraints_of(constraints_document(told)) == told


def test_documents_that_say_nothing() -> None:
    assert constraints_of({"classes": ["b"]}, ("a", "b")) == Equals(1)
    nothing: tuple[Any, ...] = (
        None, [], {}, {"at_least": "1"}, {"at_least": float("nan")}, {"at_least": True}, {"least": 1}, {"outputs": {}},
        {"outputs": {"a": {}}}, {"outputs": {"a": {"at_least": 1}}, "at_least": 1}, {"change": 5}, {"change": [1]},
        {"change": [2, 1]}, {"classes": []}, {"classes": ["z"]}, {"classes": [1], "at_least": 0}, {"at_least": None},
    )  # fmt: skip
    for document in nothing:
        with pytest.raises(DataError):
            constraints_of(document)


# --- probabilities -------------------------------------------------------------------------------------------------


@pytest.mark.attack
@given(
    st.lists(st.integers(-20 * UNIT, 20 * UNIT), min_size=3, max_size=3),
    st.floats(0, 1),
    st.sampled_from(["least", "most"]),
)
def test_a_margin_within_its_bounds_is_a_probability_within_its(scores: list[int], bound: float, side: str) -> None:
    """Whatever numbers are behind a Softmax: what the circuit compares is never on the wrong side."""
    margin = scores[0] - max(scores[1:])
    try:
        (told,) = softmax.terms({"a": AtLeast(bound) if side == "least" else AtMost(bound)}, UNIT, LIMIT).bounds
    except DataError:
        assume(False)
        raise
    # The nearest scores that the bound still accepts, and those that were drawn.
    for of_first in (scores[0], max(scores[1:]) + told.lo, max(scores[1:]) + told.hi):
        moved = [of_first / UNIT, *(each / UNIT for each in scores[1:])]
        most = max(moved)
        probability = math.exp(moved[0] - most) / sum(math.exp(each - most) for each in moved)
        margin = of_first - max(scores[1:])
        if told.lo <= margin <= told.hi:
            assert probability >= bound - 1e-12 if side == "least" else probability <= bound + 1e-12


@pytest.mark.attack
@given(st.integers(-20 * UNIT, 20 * UNIT), st.floats(0, 1), st.floats(0, 1))
def test_a_change_within_its_bounds_is_one_of_the_probability(earlier: int, down: float, up: float) -> None:
    (told,) = two.terms({"yes": ChangeBetween(-down, up)}, UNIT, LIMIT, earlier=1).changes

    def chance(score: int) -> float:
        return 1 / (1 + math.exp(-score / UNIT))

    for change in (told.lo, told.hi, told.lo // 2, told.hi // 3):
        assert -down - 1e-12 <= chance(earlier + change) - chance(earlier) <= up + 1e-12


FEATURES = {f"x{at}": {"type": "number", "minimum": 0, "maximum": 1} for at in range(4)}
SCHEMA = {"type": "object", "properties": FEATURES}


@pytest.mark.parametrize(
    ("classifier", "count", "activation"),
    [
        (LogisticRegression(), 2, "Sigmoid"),
        (LogisticRegression(), 3, "Softmax"),
        (MLPClassifier((4,), max_iter=20, random_state=1), 2, "Sigmoid"),
        (MLPClassifier((4,), max_iter=20, random_state=1), 3, "Softmax"),
        (GradientBoostingClassifier(n_estimators=3, random_state=1), 2, "Sigmoid"),
        (GradientBoostingClassifier(n_estimators=3, random_state=1), 3, "Softmax"),
    ],
)
@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_probabilities_of_classifiers(classifier: Any, count: int, activation: str) -> None:
    draw = np.random.default_rng(1)
    rows = draw.uniform(0, 1, (200, 4))
    labels = (rows[:, 0] + rows[:, 1] / 2 > 0.8).astype(int) + (count == 3) * (rows[:, 2] > 0.6)
    estimator = make_pipeline(StandardScaler(), classifier).fit(rows, labels)
    names = ("a", "b", "c")[:count]
    spec = oracle.claim_model("own", oracle.from_sklearn(estimator, rows), SCHEMA, names=names)
    assert spec.activation == activation and spec.card["off"] == 0
    circuit = spec.circuit()
    # What the circuit proves holds of scikit-learn's own probability.
    for row in rows[:20]:
        encoded = spec.encode(dict(zip(FEATURES, map(float, row), strict=True)))
        probabilities = estimator.predict_proba(np.array([row]))[0]
        scores = circuit.scores(encoded)
        for (at, name), bound in itertools.product(enumerate(names), (0.2, 0.5, 0.8)):
            chance = probabilities[at]
            for told, holds in ((AtLeast(bound), chance >= bound), (AtMost(bound), chance <= bound)):
                (one,) = spec.terms({name: told}, circuit.score_unit, circuit.limit).bounds
                if one.lo <= scores[at] <= one.hi:
                    assert holds or abs(chance - bound) < 0.01


@pytest.mark.parametrize("labels", [("0", "1", "2"), ("a", "b", "c")])
def test_a_label_is_a_class(labels: tuple[str, ...]) -> None:
    draw = np.random.default_rng(1)
    rows = draw.uniform(0, 1, (200, 4))
    numbers = (rows[:, 0] + rows[:, 1] / 2 > 0.8).astype(int) + (rows[:, 2] > 0.6)
    told = np.array(labels)[numbers] if labels[0] == "a" else numbers
    exported = oracle.from_sklearn(LogisticRegression().fit(rows, told), rows)
    spec = oracle.claim_model("own", exported, SCHEMA, output="label", classes=labels)
    circuit = spec.circuit()
    (one,) = spec.terms(OneOf((1, 2)), circuit.score_unit, circuit.limit).bounds
    assert (one.lo, one.hi) == (circuit.score_unit, 2 * circuit.score_unit)
    assert spec.card["off"] == 0
    with pytest.raises(ModelError, match="its output is a label: name the classes"):
        oracle.claim_model("own", exported, SCHEMA, output="label")
    others = ("c", "b", "a") if labels[0] == "a" else labels[:2]
    with pytest.raises(ModelError, match="its output is a label" if labels[0] == "a" else "are not the numbers 0 to 1"):
        oracle.claim_model("own", exported, SCHEMA, output="label", classes=others)


def test_a_classifier_without_names_is_told_what_to_name() -> None:
    rows = np.random.default_rng(1).uniform(0, 1, (50, 4))
    estimator = LogisticRegression().fit(rows, rows[:, 0] > 0.5)
    exported = oracle.from_sklearn(estimator, rows)
    with pytest.raises(ModelError, match=r"has 2 outputs, and 0 names: name each \(names=…\)"):
        oracle.claim_model("own", exported, SCHEMA)


def test_what_is_no_probability_of_two() -> None:
    """The other class gets 2 − p: no Sigmoid, whatever it looks like."""
    graph = model(
        [
            node("MatMul", ["x", "w"], "z"),
            node("Sigmoid", ["z"], "p"),
            node("Sub", ["two", "p"], "rest"),
            node("Concat", ["rest", "p"], axis=1),
        ],
        ["N", 4],
        [weights("w", np.ones((4, 1))), weights("two", np.array([2.0]))],
    )
    exported = ExportedModel("own", graph)
    spec = oracle.claim_model("own", exported, SCHEMA, names=("a", "b"), tolerance=0.05)
    assert spec.activation == ""


@pytest.mark.attack
def test_a_circuit_that_leaves_a_choice_is_refused() -> None:
    """A looked-up function rounds, and its prover may round the other way."""
    nodes = [node("MatMul", ["x", "w"], "z"), node("Exp", ["z"], "e"), node("MatMul", ["e", "v"])]
    constants = [weights("w", np.full((4, 2), 0.5)), weights("v", [[1.0], [-1.0]])]
    graph = model(nodes, ["N", 4], constants)
    with pytest.raises(ModelError, match="can't be proven as it is"):
        oracle.claim_model("own", ExportedModel("own", graph), SCHEMA)
    exact = several(changes=False).circuit()
    circuit = replace(exact.model.circuit, slack=1)
    with pytest.raises(ModelError, match="leaves its prover no choice"):
        replace(exact, model=replace(exact.model, circuit=circuit))


# --- the circuit ---------------------------------------------------------------------------------------------------


def test_the_circuit_says_what_holds() -> None:
    """Every quantity is compared with its own bounds, and one bit is published of all."""
    for changes in (False, True):
        circuit = several(changes=changes).circuit()
        shape, width = circuit.shape, circuit.model.width
        assert (shape.outputs, shape.changes) == (3, changes)
        salt = (1,) * SALT_LIMBS
        draw = np.random.default_rng(2)
        for _ in range(20):
            now, before = (tuple(int(each) for each in draw.integers(0, 1 << 14, width)) for _ in range(2))
            data = (*now, *salt, *before, *salt) if changes else (*now, *salt)
            found = circuit.quantities(now, before)
            assert all(least == most for least, most in found), "an exact model's intervals are points"
            assert len(found) == shape.quantities and max(abs(each) for each, _ in found) <= shape.limit
            if changes:
                scores = circuit.scores(now), circuit.scores(before)
                assert [each for each, _ in found[3:]] == [new - old for new, old in zip(*scores, strict=True)]
            assert circuit.score_int((*data, *all_edges(found), 9, 0, 0, 0, 0))[-1] == 1
            for at, change in itertools.product(range(len(found)), (-1, 1)):
                other = [*found]
                other[at] = (found[at][0] + change, found[at][1] + change)
                assert circuit.score_int((*data, *all_edges(other), 9, 0, 0, 0, 0))[-1] == 0


def test_a_change_is_within_the_limit() -> None:
    """An output is within ±limit, and so is the difference of two: the limit is twice as large with changes."""
    assert several(changes=True).circuit().limit >= 2 * max(
        step.reach for step in several(changes=True).circuit().circuit.steps
    )


def test_silence_is_written_by_the_verifier() -> None:
    shape = ClaimShape(3, True, 100)
    told = ClaimTerms((ClaimBound(1, -5, 5),), (ClaimBound(2, 0, 9),), 7)
    assert shape.ranges(told) == [(-100, 100), (-5, 5), (-100, 100), (-100, 100), (-100, 100), (0, 9)]
    assert len(shape.statement(told, 1, SUBJECT)) == shape.length == 17
    assert shape.hashes(3, told, 4) == (3, 7, 4)
    # Without a change, the earlier data are the same data.
    assert shape.hashes(3, ClaimTerms(told.bounds), 4) == (3, 3, 4)
    assert ClaimShape(3, False, 100).hashes(3, ClaimTerms(told.bounds), 4) == (3, 4)
    for terms in (
        ClaimTerms((ClaimBound(3, 0, 1),)),
        ClaimTerms((ClaimBound(1, 0, 1), ClaimBound(0, 0, 1))),
        ClaimTerms((ClaimBound(0, 0, 101),)),
        ClaimTerms((), (ClaimBound(0, 0, 1),)),
        ClaimTerms((ClaimBound(0, 0, 1),), (), 7),
    ):
        with pytest.raises(DataError, match="is none of its model"):
            shape.ranges(terms)
