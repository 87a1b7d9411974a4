"""Tests of claims about approximate models: what holds of the circuit holds of the float model, whoever proves it."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import oracle
from oracle.claims import AtLeast, Between, ChangeBetween, Equals, ModelSpec
from oracle.claims.approximate import compared_program, guard_band, interval_circuit, lowered, scores_circuit
from oracle.claims.fairness.circuit import AuditCircuit
from oracle.claims.importing import features_of
from oracle.claims.measuring import scored_quantities
from oracle.claims.models import INPUT_SCALE, drawn_rows
from oracle.claims.outputs import OutputReading, candidates
from oracle.claims.statement import SALT_LIMBS, all_edges
from oracle.core.errors import DataError, ModelError
from oracle.proving.artifact.circuit import table_rows
from oracle.proving.lowering.program import Program
from oracle.proving.reference.instantiate import instantiate
from tests.claim_models import APPROXIMATE, ATTENDED, LAST, SCHEMA, WEIGHTS, approximate
from tests.hostile_prover import picks, published
from tests.models import model, node, weights


def floats(name: str, windows: np.ndarray) -> np.ndarray:
    """Return what the float model gives of encoded rows, before a final activation."""
    places = windows / float(1 << INPUT_SCALE)
    return scored_quantities(approximate(name), APPROXIMATE[name][0], places * [2, 4, 1, 1] + [-1, 0, 0, 0])


@pytest.mark.attack
@pytest.mark.parametrize("name", APPROXIMATE)
def test_no_prover_claims_what_is_false_of_the_float_model(name: str) -> None:
    """A claim holds if both ends of an interval are within its bounds: the float model's output is between them."""
    spec = approximate(name)
    circuit = spec.circuit()
    windows = drawn_rows(spec.features)[900:]
    expected = floats(name, windows)
    unit = circuit.score_unit
    leaves = 0
    for pick in picks():
        found = published(circuit.circuit, windows, pick).astype(float)
        count = circuit.shape.outputs
        least, most = found[:, :count] / unit, found[:, count:] / unit
        if spec.classes:
            largest = expected.argmax(axis=1)[:, None]
            assert (least <= largest).all() and (largest <= most).all()
            assert (least == most).any(), "some rows have a class that can be claimed"
        else:
            assert (least <= expected + 1e-6).all() and (expected <= most + 1e-6).all()
            # With the error alone as its band, a prover would get away with it on some rows.
            middle = (least + most) / 2
            leaves += int((np.abs(middle - expected) > spec.error).sum())
    assert spec.classes or leaves > 0


@pytest.mark.parametrize("name", APPROXIMATE)
def test_the_card_and_the_circuit_have_the_band(name: str) -> None:
    spec = approximate(name)
    circuit = spec.circuit()
    unit = circuit.score_unit
    card = spec.card
    assert spec.error == card["largest_error"] > 0 < card["freedom"]
    assert circuit.band / unit == card["guard_band"] >= card["freedom"] + card["largest_error"]
    assert card["guard_band"] < card["freedom"] + card["largest_error"] + 2 / unit
    assert circuit.facts()["claim"]["guard_band"] == circuit.band and circuit.facts()["claim"]["error"] == spec.error
    # With fewer rows, ezkl would take a second column for the table.
    assert 1_000 < table_rows(circuit.circuit.looked_up) <= 1 << circuit.run_args()["logrows"]
    assert not circuit.approximation().exact and card["looked_up"] == ["node p_Softmax (Softmax)"]
    assert spec.activation == {"probability": "Sigmoid", "probabilities": "Softmax"}.get(name, "")


def test_a_claim_holds_outside_of_the_band_only() -> None:
    """Bounds that are one step nearer than the band are refused, of outputs and of changes."""
    circuit = approximate("number").circuit()
    rows = drawn_rows(approximate("number").features)
    now, before = (tuple(int(each) for each in rows[at]) for at in (3, 9))
    salt = (1,) * SALT_LIMBS
    scores, band = (circuit.score(now), circuit.score(before)), circuit.band
    change = scores[0] - scores[1]
    ends = [(scores[0] - band, scores[0] + band), (change - 2 * band, change + 2 * band)]

    def holds(ranges: list[tuple[int, int]], now: tuple[int, ...] = now) -> bool:
        statement = (*all_edges(ranges), 9, 0, 0, 0, 0)
        return bool(circuit.score_int((*now, *salt, *before, *salt, *statement))[-1])

    assert holds(ends)
    for at, by in itertools.product(range(2), ((1, 0), (0, -1))):
        nearer = list(ends)
        nearer[at] = ends[at][0] + by[0], ends[at][1] + by[1]
        assert not holds(nearer)
    # What nothing is said of holds for all genuine data, and for no other: the band is of these alone.
    silent = [(-circuit.limit, circuit.limit)] * 2
    most = 1 << INPUT_SCALE
    assert holds(silent) and holds(silent, (most,) * 4)
    assert not holds(silent, (most + 1, *now[1:]))


def test_bounds_that_are_nearer_than_the_band_are_refused_with_the_reason() -> None:
    spec = approximate("number")
    circuit = spec.circuit()
    unit, limit, band = circuit.score_unit, circuit.limit, circuit.band
    width = 2 * band / unit
    spec.terms(Between(0.0, 1.01 * width), unit, limit, 0, band)
    with pytest.raises(DataError, match=r"the guard band of an output of number is ±0\.\d+, and these bounds are"):
        spec.terms(Between(0.0, 0.9 * width), unit, limit, 0, band)
    spec.terms((AtLeast(0), ChangeBetween(-1.01 * width, 1.01 * width)), unit, limit, 1, band)
    with pytest.raises(DataError, match=r"the guard band of a change of number is ±.*State bounds that are at least"):
        spec.terms(ChangeBetween(-0.9 * width, 0.9 * width), unit, limit, 1, band)
    sigmoid = approximate("probability")
    with pytest.raises(DataError, match="before its Sigmoid"):
        sigmoid.terms(Between(0.5, 0.501), unit, limit, 0, band)
    classes = approximate("classes").circuit()
    approximate("classes").terms(Equals(1), classes.score_unit, classes.limit, 0, classes.band)


def test_candidates_are_all_that_may_be_the_largest() -> None:
    for count in (2, 3, 4):
        plain = _identity(count)
        circuit = instantiate(candidates(plain, 0.5), 0, 4, 8, 1)
        windows = np.array(list(itertools.product(range(-2, 3), repeat=count)))
        for row, (first, last) in zip(windows, circuit.evaluate(windows) / 16, strict=True):
            possible = [at for at in range(count) if max(row) - row[at] <= 1]
            assert (first, last) == (possible[0], possible[-1]), row
    with pytest.raises(ModelError, match="of one output none is the largest"):
        candidates(_identity(1), 0.5)


def _identity(count: int) -> Program:
    """Return a program that gives twice its input, halved."""
    graph = model(
        [node("Mul", ["x", "c"], "d"), node("Mul", ["d", "h"])],
        ["N", count],
        [weights("c", np.array([[2.0]])), weights("h", np.array([[0.5]]))],
    )
    program, problems = lowered(graph, "identity", is_approximate=True)
    assert program is not None, problems
    return program


def test_a_last_product_with_a_power_of_two_keeps_the_scale() -> None:
    """ezkl would divide inside the comparison otherwise."""
    onnx, _ = APPROXIMATE["number"]
    halved = model(
        [*ATTENDED, node("MatMul", ["p", "v"], "l"), node("Mul", ["l", "h"])],
        ["N", 4],
        [WEIGHTS, LAST, weights("h", np.array([[0.25]]))],
    )
    rows = drawn_rows(features_of(SCHEMA))
    found = []
    for data in (onnx, halved):
        program, _ = lowered(data, "m", is_approximate=True)
        assert program is not None
        scores = scores_circuit(compared_program(program, OutputReading.NUMBERS), rows, 8, 1 << INPUT_SCALE)
        assert scores.output_scale <= 8
        made = interval_circuit(scores, OutputReading.NUMBERS, guard_band(scores, 0.0))
        assert made.output_scale == 8
        found.append(scores.evaluate(rows[:50]).astype(float) / 2.0**scores.output_scale)
    assert np.abs(found[1] - found[0] / 4).max() <= 2 / 2**8


def test_a_model_that_can_be_exact_is(tmp_path: Path) -> None:
    linear = model([node("MatMul", ["x", "w"], "s"), node("MatMul", ["s", "v"])], ["N", 4], [WEIGHTS, LAST])
    exact, asked = (oracle.claim_model("m", linear, SCHEMA, approximate=each) for each in (False, True))
    assert asked == exact and exact.error is None and not asked.circuit().band
    # The error is part of the model: with another one, the circuit would be another.
    spec = approximate("number")
    spec.save(tmp_path)
    again = ModelSpec.load(tmp_path / "number.json")
    assert again == spec and again.circuit().to_onnx(1) == spec.circuit().to_onnx(1)
    assert replace(spec, error=0.5).circuit().band > spec.circuit().band
    for error in (-1.0, float("inf"), float("nan"), "0.1", True):
        with pytest.raises(ModelError, match="not a number from 0 on"):
            replace(spec, error=error)  # type: ignore[arg-type]


def test_a_model_whose_pieces_are_too_far_off_is_looked_up() -> None:
    """A sigmoid in pieces is exact, and not near enough; a tiny weight is lost in both."""
    layers = [node("MatMul", ["x", "w"], "s"), node("Sigmoid", ["s"], "g"), node("MatMul", ["g", "v"])]
    gated = model(layers, ["N", 4], [WEIGHTS, LAST])
    with pytest.raises(ModelError, match="the integers differ from the float model"):
        oracle.claim_model("m", gated, SCHEMA)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oracle.claims.measuring.LEVELS", (8,))
        found = oracle.claim_model("m", gated, SCHEMA, approximate=True)
        assert found.card["looked_up"] == ["node g_Sigmoid (Sigmoid)"] and found.circuit().band > 0
        tiny = model(
            [*layers[:1], node("Relu", ["s"], "g"), layers[2]], ["N", 4], [WEIGHTS, weights("v", [[3e-8]] * 3)]
        )
        with pytest.raises(ModelError, match=r"differ from the float model .*Or, approximate: m: its guard band is ±"):
            oracle.claim_model("m", tiny, SCHEMA, approximate=True)


def test_what_has_no_guard_band_is_refused() -> None:
    onnx, _ = APPROXIMATE["number"]
    with pytest.raises(ModelError, match=r"add approximate=True$"):
        oracle.claim_model("m", onnx, SCHEMA)
    with pytest.raises(ModelError, match=r"its guard band is ±.* at best .*; 0\.0% are allowed"):
        oracle.claim_model("m", onnx, SCHEMA, approximate=True, tolerance=1e-5)
    scored = [*ATTENDED, node("Mul", ["p", "s"], "t"), node("ArgMax", ["t"], axis=1, keepdims=1)]
    chosen = model(scored, ["N", 4], [WEIGHTS])
    with pytest.raises(ModelError, match=r"gives a class, of which no guard band is known: take the scores"):
        oracle.claim_model("m", chosen, SCHEMA, approximate=True, classes=("k", "l", "m"))
    with pytest.raises(ModelError, match="an audit is of a model whose verdicts are exact"):
        AuditCircuit(approximate("probability").circuit())
    with pytest.raises(ModelError, match="leaves its prover no choice, or has a guard band"):
        replace(approximate("probability").circuit(), band=0)
