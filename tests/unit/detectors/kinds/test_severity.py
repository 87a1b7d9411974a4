"""Tests of severities in floats: those of the exact model, so that an evaluation judges as the gate does."""

from __future__ import annotations

import random

import numpy as np
import pytest

from oracle.core.encoding import CLIP, Feature, feature_range
from oracle.core.gate import HoldPolicy
from oracle.detectors.evaluation.prepared import Prepared
from oracle.detectors.evaluation.replay import Judge
from oracle.detectors.evaluation.scaling import severities, severity
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.polynomial_parts import Allowance, Limit, Linear, Output, Power, Product, Sum
from tests.evaluated_series import prepared, walk

ONE = 1 << 12

PEERS = PolynomialModel(
    "beside",
    (Feature.MOVE, Feature.PAST_0, Feature.VARIANCE, Feature.PEER_MOVE_0, Feature.PEER_SEEN_0, Feature.GAP),
    (
        Output(
            "own",
            (Sum(0, 1),),
            Limit(
                4_000 * ONE,
                (Allowance(1, 2, (ONE // 2,)), Allowance(2, 3, (8 * ONE,), Power.VALUES)),
            ),
        ),
        Output(
            "peer",
            (Product(0, 0, 8 * ONE), Product(0, 3, -12 * ONE), Product(3, 3, -4 * ONE)),
            "own",
            (Feature.PEER_SEEN_0,),
        ),
        Output("drift", (Sum(0, 2, 2 * ONE),), Limit(9_000 * ONE, gap=False)),
    ),
)
FAR = PolynomialModel(
    "shape",
    (Feature.MOVE, Feature.PAST_0, Feature.GAP),
    (Output("shape", (Linear((ONE, -ONE)), Linear((4, ONE))), Limit(5_000 * ONE)),),
)


def drawn(model: PolynomialModel, count: int) -> np.ndarray:
    """Return windows of all sizes: most are small, some are at the ends of what a feature can be."""
    draw = random.Random(4)
    rows = []
    for _ in range(count):
        row = []
        for feature in model.features:
            low, high = feature_range(feature)
            near = draw.choice(
                (draw.randint(-3_000, 3_000), draw.randint(-200, 200), low, high, draw.randint(low, high))
            )
            row.append(max(low, min(high, near)))
        rows.append(row)
    return np.array(rows, dtype=np.int64)


def feed() -> Prepared:
    return prepared(walk(100), HoldPolicy(1, 0, 0))


@pytest.mark.parametrize("model", [PEERS, FAR], ids=lambda model: model.name)
def test_severities_in_floats_are_those_of_explanations_and_object_as_the_exact_scores(model: PolynomialModel) -> None:
    windows = drawn(model, 3_000)
    told = np.array([severity(model, tuple(row)) for row in windows.tolist()])
    assert severities(model, windows) == pytest.approx(told, rel=1e-9, abs=1e-9)
    exact = (model.score_many(windows) > 0).astype(bool).any(axis=1)
    assert (Judge(model, feed().feed).objects(windows) == exact).all()
    assert 300 < exact.sum() < 2_900


def test_a_window_at_the_limit_is_judged_exactly() -> None:
    """Between two windows whose severities differ in the twelfth digit only the integers tell."""
    limit = 1_000_000 * ONE
    model = PolynomialModel("at", (Feature.MOVE,), (Output("own", (Sum(0, 1),), Limit(limit, gap=False)),))
    windows = np.array([[999], [1_000], [1_001], [-1_000], [CLIP]])
    assert Judge(model, feed().feed).objects(windows).tolist() == [False, False, True, False, True]


def test_an_output_without_its_peer_is_silent_in_severities() -> None:
    blind = np.array([[1, 0, 1_000, 0, 0, 1_000]])
    assert severity(PEERS, tuple(blind[0].tolist())) == pytest.approx(severities(PEERS, blind)[0])
    assert severities(PEERS, blind)[0] < 0.1
