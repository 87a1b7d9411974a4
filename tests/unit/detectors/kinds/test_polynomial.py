"""Tests of the polynomial detector: any features, wrong model files and wrong outputs."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest

from oracle.core.encoding import CLIP, Feature, window_features
from oracle.core.errors import DataError
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.polynomial_parts import Allowance, Linear, Output, Sum
from tests.detector_conformance import check_detector
from tests.fitted_detectors import fitted, load

ONE = 1 << 20


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ({"format": "cubic-v1"}, "format 'cubic-v1' is none of imported-v2, polynomial-v2, quadratic-v2"),
        ({"format": 5}, "none of"),
        ({"features": ["gap", "past_0"]}, 'm.json: features: a feature list needs "move"'),
        ({"features": ["move", "gap", "gap"]}, "has 'gap' twice"),
        ({"features": ["move", "past_12", "gap"]}, "unknown feature 'past_12'"),
        ({"features": ["move", "past_0"]}, "output cap needs the gap among the features"),
        ({"features": 3}, "a list of names"),
        ({"features": ["move", 1]}, "not a text"),
        ({"param_scale": 31}, "param_scale"),
        ({"outputs": []}, "1 to 8"),
        ({"outputs": {}}, "list"),
        ({"outputs": [{}]}, "missing key"),
        ({"training": []}, "object"),
        ({"name": "Ä"}, "lower-case"),
    ],
)
def test_wrong_model_files_are_refused(change: dict[str, Any], says: str) -> None:
    document = json.loads(fitted("cap").to_json())
    with pytest.raises(DataError, match=says):
        load(json.dumps({**document, **change}), Disclosure.SCORE)


@pytest.mark.parametrize(
    ("gate", "says"),
    [
        (Output("a", (), ONE), "measures nothing"),
        (Output("A", (Sum(0, 1),), ONE), "lower-case"),
        (Output("a", (Sum(0, 4),), ONE), "not among the 3"),
        (Output("a", (Sum(1, 1),), ONE), "not among"),
        (Output("a", (Linear((1, 2)),), ONE), "2 weights in a form of 3"),
        (Output("a", (Linear((0, 0, 0)),), ONE), "are 0"),
        (Output("a", (Sum(0, 1),), 0), "at least 1"),
        (Output("a", (Sum(0, 1),), (1 << 24) + 1), "24 bits"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (1, 2)),)), "2 weights for the values 0 to 2"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (1, 2, 3), summed=True),)), "3 weights"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (-1,)),)), "at least 0"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (0,)),)), "leave it out"),
        (Output("a", (Sum(0, 1),), ONE, (Allowance(0, 3, (ONE,)),)), "equal"),
        (Output("a", (Sum(0, 1),), 1 << 112), "bits"),
    ],
)
def test_wrong_gates_are_refused(gate: Output, says: str) -> None:
    with pytest.raises(DataError, match=says):
        PolynomialModel("m", window_features(4), (gate,))


BESIDE = PolynomialModel(
    "beside",
    (Feature.GAP, Feature.PEER_MOVE_0, Feature.MOVE, Feature.COUNT, Feature.VARIANCE, Feature.PEER_SEEN_0),
    (
        Output("residual", (Linear((-48, 64, 0, 0, 0)),), 4_000 << 6, (Allowance(3, 4, (1,)),)),
        Output("own", (Sum(1, 2),), 16_000_000 << 6, (Allowance(2, 5, (3, 1, 2)),), gap=False),
    ),
    param_scale=6,
)
"""A model of features in an order of its own, with a peer's move beside the feed's."""


def test_a_model_may_have_any_features_in_any_order() -> None:
    check_detector(BESIDE, load)
    # Its own move and the peer's are 3 and 4 sigmas: the residual is 0.
    assert BESIDE.score_int((1_000, 4_000, 3_000, 5, 0, 1))[0] == -1_000 * (4_000 << 6) << 6
    assert [each.meaning for each in BESIDE.explain((1_000, 0, 0, 1, 1_000, 0))] == [
        "the distance of the moves from their usual shape",
        "the move now",
    ]
    assert "allowed for the running variance" in BESIDE.explain((1_000, 0, 0, 1, 1_000, 0))[0].parts


def test_a_bound_knows_what_a_feature_can_be() -> None:
    """A peer is seen or not, and reporters are counted in a byte: neither is as large as a move."""
    alone = Output("own", (Sum(0, 1),), ONE, gap=False)
    seen = PolynomialModel("m", (Feature.MOVE, Feature.PEER_SEEN_0), (replace(alone, measured=(Sum(0, 2),)),))
    moved = PolynomialModel("m", (Feature.MOVE, Feature.PEER_MOVE_0), (replace(alone, measured=(Sum(0, 2),)),))
    assert seen.score_bound() == (CLIP + 1) ** 2 * (1 << 12) + ONE
    assert moved.score_bound() == (2 * CLIP) ** 2 * (1 << 12) + ONE
