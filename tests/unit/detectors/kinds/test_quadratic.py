"""Tests of the quadratic model: its arithmetic, its files, its graph, and what its published scores give away."""

from __future__ import annotations

import json
import random
import subprocess
import sys
from fractions import Fraction
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.core.encoding import CLIP, GAP_ONE, INT128_MAX
from oracle.core.errors import DataError
from oracle.detectors.interface import Detector, Disclosure
from oracle.detectors.kinds.quadratic import FEATURES, PAST, WIDTH, QuadraticModel

ONE = 1 << 20
TOY = QuadraticModel(
    name="toy",
    past=tuple(1_000 + 37 * age for age in range(PAST)),
    floor=9_000 * ONE,
    drift_past=8_192,
    drift_floor=8_000 * ONE,
)

moves = st.one_of(st.integers(-CLIP, CLIP), st.sampled_from([-CLIP, -1, 0, 1, CLIP]))
gaps = st.one_of(st.integers(GAP_ONE, CLIP), st.sampled_from([GAP_ONE, CLIP]))
windows = st.builds(lambda past, gap: (*past, gap), st.lists(moves, min_size=PAST + 1, max_size=PAST + 1), gaps)


def calm(now: int = 0, gap: int = GAP_ONE) -> tuple[int, ...]:
    return (now, *(0,) * PAST, gap)


def test_formula_by_hand() -> None:
    window = (3_000, 1_000, -2_000, *(0,) * (PAST - 2), 2_000)
    a1, a2 = TOY.past[:2]
    spike = 9_000_000 * ONE - 2_000 * (9_000 * ONE + a1 * 1_000_000 + a2 * 4_000_000)
    drift = 4_000_000 * ONE - 2_000 * (8_000 * ONE + 8_192 * 5_000_000)
    assert TOY.score_int(window) == (spike, drift)


@given(windows)
def test_no_clipped_window_exceeds_the_bound(window: tuple[int, ...]) -> None:
    assert all(abs(score) <= TOY.score_bound() for score in TOY.score_int(window))


def test_bounds_leave_room_in_the_circuit() -> None:
    assert QuadraticModel.default().score_bound() < 1 << 72 < INT128_MAX


@given(windows)
def test_the_verdict_says_if_a_score_is_positive(window: tuple[int, ...]) -> None:
    verdict = TOY.publishing(Disclosure.VERDICT).score_int(window)
    assert verdict == (int(max(TOY.score_int(window)) > 0),)


def test_a_score_of_zero_accepts() -> None:
    model = QuadraticModel("edge", (0,) * PAST, floor=9 * ONE, drift_past=0, drift_floor=9 * ONE)
    on_it, above = calm(now=300, gap=10_000), calm(now=301, gap=10_000)
    assert model.score_int(on_it) == (0, 0)
    assert model.publishing(Disclosure.VERDICT).score_int(on_it) == (0,)
    assert model.publishing(Disclosure.VERDICT).score_int(above) == (1,)


@given(windows)
def test_more_time_never_makes_a_window_more_anomalous(window: tuple[int, ...]) -> None:
    later = (*window[:-1], min(CLIP, window[-1] + 500))
    assert all(after <= before for after, before in zip(TOY.score_int(later), TOY.score_int(window), strict=True))


@pytest.mark.parametrize("window", [(0,) * 13, (0,) * 15, (*(0,) * 13, CLIP + 1), (-CLIP - 1, *(0,) * 13)])
def test_other_windows_are_refused(window: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="features"):
        TOY.score_int(window)


def test_it_is_a_detector() -> None:
    assert isinstance(TOY, Detector)
    assert (TOY.features, TOY.width, TOY.outputs, len(TOY.weights())) == (FEATURES, WIDTH, 2, 15)


def test_the_default_model_judges_what_it_should() -> None:
    model = QuadraticModel.default()
    assert max(model.score_int(calm())) == -min(model.floor, model.drift_floor) * GAP_ONE
    assert max(model.score_int(calm(now=2_500))) <= 0, "a move of 2.5 sigma after a calm stretch is normal"
    assert model.score_int(calm(now=5_000))[0] > 0, "one of 5 sigma is not"
    assert model.score_int(calm(now=5_000, gap=3_000))[0] <= 0, "unless three heartbeats passed"
    creeping = (*(650,) * 13, GAP_ONE)
    spike, drift = model.score_int(creeping)
    assert spike <= 0 < drift, "thirteen moves of 0.65 sigma in one direction are a drift, and no spike"
    for decisive in (CLIP, -CLIP):
        assert model.score_int(calm(now=decisive))[0] > 0


def test_explain_speaks_of_the_same_limit() -> None:
    model = QuadraticModel.default()
    spike, drift = model.explain(calm(now=4_000))
    assert spike.measured == drift.measured == 4.0
    assert spike.limit is not None
    assert spike.objects == (spike.limit < 4.0)
    assert spike.score == model.score_int(calm(now=4_000))[0] / model.score_unit


def test_json_round_trip() -> None:
    model = QuadraticModel.default()
    assert QuadraticModel.from_json(model.to_json()) == model
    assert QuadraticModel.from_json(TOY.to_json()).to_json() == TOY.to_json()


@pytest.mark.parametrize(
    ("path", "value", "says"),
    [
        (("format",), "quadratic-v1", "format"),
        (("name",), "../x", "name"),
        (("name",), 5, "must be a text"),
        (("surplus",), 1, "unknown key 'surplus'"),
        (("param_scale",), 31, "param_scale"),
        (("param_scale",), True, "must be an integer"),
        (("weights", "floor"), 0, "must be positive"),
        (("weights", "floor"), 1.5, "must be an integer"),
        (("weights", "floor"), (1 << 24) + 1, "24 bits"),
        (("weights", "floor"), 1 << 120, "bits"),
        (("weights", "past"), [1] * 14, "needs 12"),
        (("weights", "past"), [-1] * 12, "positive or 0"),
        (("weights", "past"), 7, "list"),
        (("weights",), [], "object"),
        (("training", "sigma_ppm"), {"x": 0}, "positive"),
        (("training", "ranges"), {"x": ["2000"]}, "two days"),
        (("training", "thresholds"), {"x": "high"}, "not a number"),
    ],
)
def test_wrong_model_files_are_refused(path: tuple[str, ...], value: object, says: str) -> None:
    document = json.loads(TOY.to_json())
    inner = document
    for key in path[:-1]:
        inner = inner[key]
    inner[path[-1]] = value
    with pytest.raises(DataError, match=says):
        QuadraticModel.from_json(json.dumps(document), "m.json")


@pytest.mark.parametrize("text", ["", "{", "[]", "null", '{"format": "quadratic-v2"}'])
def test_what_is_no_model_file_is_refused(text: str) -> None:
    with pytest.raises(DataError, match=r"m\.json"):
        QuadraticModel.from_json(text, "m.json")


def test_a_missing_model_file_is_one_clear_line(tmp_path: Path) -> None:
    with pytest.raises(DataError, match="can't be read"):
        QuadraticModel.load(tmp_path / "none.json")


def test_a_verdict_circuit_takes_only_scores_that_it_can_compare() -> None:
    large = QuadraticModel("large", (1 << 30,) * PAST, 1, 0, 1)
    with pytest.raises(DataError, match="71"):
        large.publishing(Disclosure.VERDICT)


def test_importing_the_reference_loads_nothing_heavy() -> None:
    code = "import sys, oracle.detectors.kinds.quadratic; print({'numpy', 'onnx', 'ezkl', 'arch'} & set(sys.modules))"
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert told.stdout.strip() == "set()"


# --- the graph ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("disclosure", list(Disclosure))
@pytest.mark.parametrize("batch", [1, 3])
def test_graph_agrees_with_the_reference_to_float32_rounding(disclosure: Disclosure, batch: int) -> None:
    numpy, onnxruntime = pytest.importorskip("numpy"), pytest.importorskip("onnxruntime")
    model = QuadraticModel.default().publishing(disclosure)
    exact = QuadraticModel.default()
    session = onnxruntime.InferenceSession(model.to_onnx(batch), providers=["CPUExecutionProvider"])
    random_ = random.Random(5)
    for _ in range(50):
        rows = [
            (*(random_.choice([random_.randint(-CLIP, CLIP), random_.randint(-3_000, 3_000)]) for _ in range(13)), gap)
            for gap in random_.choices([1_000, 3_000, CLIP], k=batch)
        ]
        (outputs,) = session.run(None, {"x": numpy.array(rows, dtype=numpy.float32)})
        for row, output in zip(rows, outputs.tolist(), strict=True):
            # Each of the at most 40 operations on the way rounds to 24 bits, relative to terms that may cancel.
            scores = [score / ONE for score in exact.score_int(row)]
            allowed = [40 * magnitude / 2**24 for magnitude in _magnitudes(exact, row)]
            near = [abs(score) <= most for score, most in zip(scores, allowed, strict=True)]
            if disclosure is Disclosure.SCORE:
                found = zip(output, scores, allowed, strict=True)
                assert all(abs(published - score) <= most for published, score, most in found)
            elif not any(near):
                assert output == [float(max(scores) > 0)]


def _magnitudes(model: QuadraticModel, row: tuple[int, ...]) -> tuple[float, float]:
    """Return the sum of the absolute terms of each score, in units."""
    squares = [value * value for value in row[1:-1]]
    spike = row[0] ** 2 * ONE + row[-1] * (model.floor + sum(w * s for w, s in zip(model.past, squares, strict=True)))
    total = sum(abs(value) for value in row[:-1])
    drift = total**2 * ONE + row[-1] * (model.drift_floor + model.drift_past * sum(squares))
    return spike / ONE, drift / ONE


def test_graph_is_the_same_bytes_each_time() -> None:
    assert TOY.to_onnx(2) == TOY.to_onnx(2)


def test_graph_of_no_window_is_refused() -> None:
    with pytest.raises(ValueError, match="batch"):
        TOY.to_onnx(0)


# --- what published scores give away -----------------------------------------------------------------------------


def _solve(rows: list[list[Fraction]], right: list[Fraction]) -> list[Fraction]:
    """Solve linear equations by Gaussian elimination over the rationals."""
    size = len(rows)
    matrix = [[*row, value] for row, value in zip(rows, right, strict=True)]
    for column in range(size):
        pivot = next(index for index in range(column, size) if matrix[index][column])
        matrix[column], matrix[pivot] = matrix[pivot], matrix[column]
        matrix[column] = [value / matrix[column][column] for value in matrix[column]]
        for index in range(size):
            if index != column and (factor := matrix[index][column]):
                matrix[index] = [
                    value - factor * other for value, other in zip(matrix[index], matrix[column], strict=True)
                ]
    return [row[-1] for row in matrix]


def test_thirteen_published_rounds_give_all_weights_away() -> None:
    """This is why the disclosure "verdict" exists: features are public, and scores are linear in the weights."""
    random_ = random.Random(11)
    seen = [(*(random_.randint(-4_000, 4_000) for _ in range(13)), random_.choice([1_000, 3_000])) for _ in range(13)]
    published = [TOY.score_int(window) for window in seen]
    # spike = x_0² 2^p − g (ω + Σ a_i x_i²): 13 unknowns, 13 equations.
    equations = [[Fraction(window[-1]) * c for c in (*(v * v for v in window[1:-1]), 1)] for window in seen]
    known = [Fraction(window[0] ** 2 * ONE - spike) for window, (spike, _) in zip(seen, published, strict=True)]
    *past, floor = _solve(equations, known)
    # drift = (Σ x)² 2^p − g (ω₂ + b Σ x_i²): 2 unknowns.
    equations = [[Fraction(w[-1]), Fraction(w[-1] * sum(v * v for v in w[1:-1]))] for w in seen[:2]]
    known = [Fraction(sum(w[:-1]) ** 2 * ONE - drift) for w, (_, drift) in zip(seen[:2], published[:2], strict=True)]
    drift_floor, drift_past = _solve(equations, known)
    assert (*past, floor, drift_floor, drift_past) == TOY.weights()


def test_verdicts_do_not() -> None:
    """Another model, with other weights, publishes the same verdicts for the same rounds."""
    other = QuadraticModel(
        name="other",
        past=tuple(weight + 5 for weight in TOY.past),
        floor=TOY.floor + ONE,
        drift_past=TOY.drift_past + 3,
        drift_floor=TOY.drift_floor + ONE,
        disclosure=Disclosure.VERDICT,
    )
    random_ = random.Random(11)
    seen = [
        (random_.randint(-30_000, 30_000), *(random_.randint(-4_000, 4_000) for _ in range(PAST)), GAP_ONE)
        for _ in range(15)
    ]
    toy = TOY.publishing(Disclosure.VERDICT)
    assert [toy.score_int(window) for window in seen] == [other.score_int(window) for window in seen]
    assert any(1 in toy.score_int(window) for window in seen)
    assert [TOY.score_int(w) for w in seen] != [other.exact_scores(w) for w in seen]
