"""Tests of the polynomial detector: any features, wrong model files and wrong outputs."""

from __future__ import annotations

import json
import random
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle.core.encoding import CLIP, Feature, feature_range, window_features
from oracle.core.errors import DataError
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.polynomial_parts import Allowance, Limit, Linear, Output, Power, Product, Sum
from oracle.detectors.kinds.salt import constants, margin
from tests.detector_conformance import check_detector
from tests.fitted_detectors import fitted, load
from tests.peer_models import FEATURES, SALT, peer_model

ONE = 1 << 20


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "cubic-v1"}, "format 'cubic-v1' is none of imported-v3, polynomial-v3, quadratic-v2"),
        ({"format": 5}, "none of"),
        ({"features": ["gap", "past_0"]}, 'm.json: features: a feature list needs "move"'),
        ({"features": ["move", "gap", "gap"]}, "has 'gap' twice"),
        ({"features": ["move", "past_12", "gap"]}, "unknown feature 'past_12'"),
        ({"features": ["move", "past_0"]}, "output cap needs the gap among the features"),
        ({"features": 3}, "a list of names"),
        ({"features": ["move", 1]}, "must be a text, and is an integer"),
        ({"param_scale": 31}, "param_scale"),
        ({"param_scale": 1}, "from 2 to 30"),
        ({"outputs": []}, "1 to 4"),
        ({"outputs": {}}, "list"),
        ({"outputs": [{}]}, "missing key"),
        ({"training": []}, "object"),
        ({"salt": "00"}, "32 hexadecimal digits"),
        ({"salt": "A" * 32}, "32 hexadecimal digits"),
        ({"salt": 0}, "salt must be a text"),
        ({"name": "Ä"}, "lower-case"),
    ],
)
def test_wrong_model_files_are_refused(change: dict[str, Any], says: str) -> None:
    document = json.loads(fitted("cap").to_json())
    with pytest.raises(DataError, match=says):
        load(json.dumps({**document, **change}), Disclosure.SCORE)


@pytest.mark.parametrize(
    ("measured", "says"),
    [
        ({"sum": [0]}, "outputs\\[0\\].measured\\[0\\].sum must be a list of two integers"),
        ({"sum": [0, 1], "weight": 1.5}, "weight must be an integer, and is a number with a fraction"),
        ({"product": [0, 0]}, "missing key 'weight'"),
        ({"linear": 4}, "linear must be a list of integers"),
        ({"square": [0, 1]}, "unknown key 'square'"),
        (3, "must be an object"),
    ],
)
def test_wrong_terms_of_a_file_are_refused(measured: object, says: str) -> None:
    document = json.loads(fitted("cap").to_json())
    document["outputs"][0]["measured"] = [measured]
    with pytest.raises(DataError, match=says):
        load(json.dumps(document), Disclosure.SCORE)


@pytest.mark.parametrize(
    ("limit", "says"),
    [
        ({"of": "own"}, "shares the limit of 'own', which must be an earlier output"),
        ({"of": 3}, "limit.of must be a text"),
        ({"gap": 1, "floor": 4, "allowed": []}, "gap must be true or false"),
        ({"gap": True, "floor": 4, "allowed": {}}, "allowed must be a list"),
        ({"gap": True, "floor": 4, "allowed": [{"cubes": [0, 1], "weights": [4]}]}, "unknown key 'cubes'"),
        ({"gap": True, "allowed": []}, "missing key 'floor'"),
    ],
)
def test_wrong_limits_of_a_file_are_refused(limit: object, says: str) -> None:
    document = json.loads(fitted("cap").to_json())
    document["outputs"][0]["limit"] = limit
    with pytest.raises(DataError, match=says):
        load(json.dumps(document), Disclosure.SCORE)


NOW = (Sum(0, 1),)


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        (Output("a", (), Limit(ONE)), "measures nothing"),
        (Output("A", NOW, Limit(ONE)), "lower-case"),
        (Output("a", (Sum(0, 4),), Limit(ONE)), "not among the 3"),
        (Output("a", (Sum(1, 1),), Limit(ONE)), "not among"),
        (Output("a", (Sum(0, 1, 0),), Limit(ONE)), "measured\\[0\\]: weight must be positive"),
        (Output("a", (Linear((4, 8)),), Limit(ONE)), "2 weights for 3 values"),
        (Output("a", (Linear((0, 0, 0)),), Limit(ONE)), "are 0"),
        (Output("a", (Product(0, 3, 4),), Limit(ONE)), "0 and 3 are not among the 3"),
        (Output("a", (Product(0, 1, 0),), Limit(ONE)), "weight is 0"),
        (Output("a", NOW, Limit(0)), "floor must be positive"),
        (Output("a", NOW, Limit(ONE + 2)), "floor must be a multiple of 4"),
        (Output("a", NOW, Limit((1 << 26) + 4)), "24 bits"),
        (Output("a", NOW, Limit(ONE, (Allowance(0, 3, (4, 8)),))), "2 weights for the values 0 to 2"),
        (Output("a", NOW, Limit(ONE, (Allowance(0, 3, (4, 8, 12), Power.SUM),))), "3 weights"),
        (Output("a", NOW, Limit(ONE, (Allowance(0, 3, (-4,)),))), "positive or 0"),
        (Output("a", NOW, Limit(ONE, (Allowance(0, 3, (0,)),))), "leave it out"),
        (Output("a", NOW, Limit(ONE, (Allowance(0, 3, (ONE,)),))), "equal"),
        (Output("a", NOW, Limit(ONE, (Allowance(0, 1, (4,), Power.VALUES),))), "can be negative"),
        (Output("a", NOW, Limit(1 << 112)), "bits"),
        (Output("a", NOW, Limit(ONE), (Feature.PEER_SEEN_0,)), "seen must list features of the model"),
        (Output("a", NOW, Limit(ONE), (Feature.GAP,)), "that are 0 or 1"),
    ],
)
def test_wrong_gates_are_refused(gate: Output, says: str) -> None:
    with pytest.raises(DataError, match=says):
        PolynomialModel("m", window_features(4), (gate,), disclosure=Disclosure.VERDICT)


BESIDE = PolynomialModel(
    "beside",
    (Feature.GAP, Feature.PEER_MOVE_0, Feature.MOVE, Feature.COUNT, Feature.VARIANCE, Feature.PEER_SEEN_0),
    (
        Output(
            "residual",
            (Linear((-48, 64, 0, 0, 0)),),
            Limit(4_000 << 6, (Allowance(3, 4, (4,)),)),
            (Feature.PEER_SEEN_0,),
        ),
        Output("own", (Sum(1, 2),), Limit(16_000_000 << 6, (Allowance(2, 5, (12, 4, 8)),), gap=False)),
        Output("drift", (Sum(0, 2, 32), Product(0, 1, -64)), "own"),
        Output(
            "sums", (Sum(0, 2), Product(2, 2, 128)), Limit(9 << 24, (Allowance(0, 2, (20,), Power.SUM),), gap=False)
        ),
    ),
    param_scale=6,
)
"""A model of features in an order of its own, with all kinds of terms, at twice the weights' scale."""


@pytest.mark.parametrize("salt", ["", SALT, "f" * 32])
def test_a_model_may_have_any_features_in_any_order(salt: str) -> None:
    model = replace(BESIDE, salt=salt)
    check_detector(model, load)
    # Its own move and the peer's are 3 and 4 sigmas: the residual is 0.
    least = -1_000 * (4_000 << 6) << 6
    assert model.score_int((1_000, 4_000, 3_000, 5, 0, 1))[0] == least - 2 * margin(salt) ** 2
    assert model.score_int((1_000, 4_000, 3_000, 5, 0, 0))[0] == 0, "the peer is not seen"
    told = model.explain((1_000, 0, 0, 1, 1_000, 1))
    assert [each.meaning for each in told] == [
        "the distance of the moves from their usual shape",
        "the move now",
        "the first peer's move beside the move now",
        "the number of reporters",
    ]
    assert "allowed for the running variance" in told[0].parts
    assert model.explain((1_000, 0, 0, 1, 1_000, 0))[0].parts == {"silent: if the first peer is seen": 0.0}


def test_the_form_beside_a_peer_by_hand() -> None:
    model = replace(peer_model(""), disclosure=Disclosure.SCORE)
    check_detector(model, load)
    check_detector(replace(model, salt=SALT), load)
    window = (3_000, 100, -200, 0, 0, 1_000, 1, 700, 3, 2_000)
    one = 1 << 12
    limit = 2_000 * ((16_000 + 9 * 700 + 100 * 3) * one + 4 * (100**2 + 200**2))
    assert model.compared(window) == (
        3_000**2 * one - limit - 2,
        (4 * 3_000**2 - 6 * 3_000 * 1_000 - 1_000**2) * one - limit - 2,
    )
    assert model.compared((*window[:6], 0, *window[7:])) == model.compared(window)
    assert model.score_int((*window[:6], 0, *window[7:])) == (model.compared(window)[0], 0)


def test_a_bound_knows_what_a_feature_can_be() -> None:
    """A peer is seen or not, and reporters are counted in a byte: neither is as large as a move."""
    alone = Output("own", (Sum(0, 2),), Limit(ONE, gap=False))
    seen = PolynomialModel("m", (Feature.MOVE, Feature.PEER_SEEN_0), (alone,))
    moved = PolynomialModel("m", (Feature.MOVE, Feature.PEER_MOVE_0), (alone,))
    assert seen.score_bound() == (CLIP + 1) ** 2 * (1 << 12) + ONE + 2
    assert moved.score_bound() == (2 * CLIP) ** 2 * (1 << 12) + ONE + 2


# --- nothing is equal to its limit ------------------------------------------------------------------------------------

digits = st.integers(0, 2**128 - 1).map(lambda number: f"{number:032x}")
weights = st.builds(lambda mantissa, shift: mantissa << shift, st.integers(1, 2**22 - 1), st.integers(2, 10))
signed = st.builds(lambda weight, sign: weight * sign, weights, st.sampled_from([-1, 1]))


@st.composite
def judged(draw: st.DrawFn) -> tuple[PolynomialModel, tuple[int, ...]]:
    """Draw a model with all kinds of terms, and a window of the hub's ranges."""
    limit = Limit(
        draw(weights),
        (Allowance(1, 4, (draw(weights),)), Allowance(7, 8, (draw(weights),), Power.VALUES)),
        draw(st.booleans()),
    )
    terms: list[Sum | Linear | Product] = [
        Sum(0, 1),
        Sum(0, 3, draw(weights)),
        Product(0, 5, draw(signed)),
        Product(5, 5, draw(signed)),
    ]
    if draw(st.booleans()):
        terms.append(Linear(tuple(draw(signed) for _ in range(9))))
    outputs = (Output("own", NOW, limit), Output("peer", tuple(terms), "own", (Feature.PEER_SEEN_0,)))
    scale = draw(st.integers(2, 14))
    try:
        model = PolynomialModel("m", FEATURES, outputs, scale, salt=draw(digits))
    except DataError:
        model = PolynomialModel("m", FEATURES, outputs[:1], scale, salt=draw(digits))
    return model, tuple(draw(st.integers(*feature_range(feature))) for feature in FEATURES)


@given(judged())
def test_no_compared_number_is_zero_or_one_step_from_it(drawn: tuple[PolynomialModel, tuple[int, ...]]) -> None:
    model, window = drawn
    assert all(number % 4 == 2 for number in model.compared(window)), "so never 0, 1 or −1"
    scores, peer = model.score_int(window), window[FEATURES.index(Feature.PEER_SEEN_0)]
    assert scores == tuple(number * flag for number, flag in zip(model.compared(window), (1, peer), strict=False))


def test_a_measure_equal_to_its_limit_is_accepted() -> None:
    """And one least step of the move above it is held: the margin is far below any step."""
    model = peer_model()
    calm = dict.fromkeys(FEATURES, 0) | {Feature.GAP: 1_000}
    for move, held in ((3_999, 0), (4_000, 0), (4_001, 1), (-4_000, 0), (-4_001, 1)):
        window = tuple((calm | {Feature.MOVE: move}).values())
        assert model.score_int(window) == (held,)
        assert model.compared(window)[0] == (move**2 - 4_000**2) * (1 << 12) - model.exact_margin


# --- the salt ---------------------------------------------------------------------------------------------------------


def test_a_salt_becomes_five_distinct_constants_and_none_of_its_bits_is_lost() -> None:
    draw, found = random.Random(3), set()
    for at in range(128):
        number = draw.getrandbits(128)
        for salt in (f"{number:032x}", f"{number ^ (1 << at):032x}"):
            parts = (margin(salt), *constants(salt))
            assert len(parts) == 5 and all(abs(part) < 1 << 88 for part in parts)
            found.add(parts)
    assert len(found) == 256
    assert (margin(""), constants("")) == (1, ())


def test_a_salt_changes_no_verdict_and_is_in_the_file_alone() -> None:
    plain, salted = peer_model(""), peer_model("fedcba9876543210" * 2)
    draw = random.Random(9)
    windows = [tuple(draw.randint(*feature_range(feature)) // 4 for feature in FEATURES[:-1]) for _ in range(200)]
    assert [plain.score_int((*window, 1_000)) for window in windows] == [
        salted.score_int((*window, 1_000)) for window in windows
    ]
    assert "fedcba9876543210" in salted.to_json() and "fedcba" not in repr(salted)


def test_neither_repr_nor_error_shows_a_weight_or_the_salt() -> None:
    secret = 4 * 1_234_567
    limit = Limit(secret, (Allowance(1, 2, (secret + 4,)), Allowance(2, 3, (secret + 8,), Power.SUM)))
    terms = (Sum(0, 1, secret + 12), Product(0, 1, secret + 16), Linear((secret + 20, 4, 8)))
    told = {"factor": 12_345_67}
    model = PolynomialModel("m", window_features(4), (Output("a", terms, limit),), salt="12345670" * 4, training=told)
    assert "49382" not in repr(model) and "1234567" not in repr(model)
    for wrong in (secret + 1, (secret << 20) + 4, -secret):
        for gate in (
            Output("a", NOW, Limit(wrong)),
            Output("a", NOW, Limit(4, (Allowance(1, 2, (wrong,)),))),
            Output("a", (Sum(0, 1, wrong),), Limit(4)),
            Output("a", (Product(0, 1, abs(wrong) + 1),), Limit(4)),
            Output("a", (Linear((abs(wrong) + 1, 4, 4)),), Limit(4)),
        ):
            with pytest.raises(DataError) as error:
                PolynomialModel("m", window_features(4), (gate,))
            assert str(abs(wrong))[:6] not in str(error.value)
    with pytest.raises(DataError) as error:
        replace(model, salt="1234567")
    assert "1234567" not in str(error.value)
