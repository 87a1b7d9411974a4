"""Tests of comparing detectors: the cap beside each, severities, real shocks, and the same seed."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from oracle.core.gate import HoldPolicy
from oracle.detectors.evaluation.caps import StaticCap, matching_cap
from oracle.detectors.evaluation.comparison import compare
from oracle.detectors.evaluation.figures import document
from oracle.detectors.evaluation.page import to_html
from oracle.detectors.evaluation.prepared import FeedOptions, prepare
from oracle.detectors.evaluation.replay import Judge, replay
from oracle.detectors.evaluation.scaling import severity
from oracle.detectors.evaluation.shocks import shocks
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.sources.faults import FAULTS
from tests.evaluated_series import HOUR, prepared, recording, walk


def test_what_is_not_given_is_found_in_the_first_half_alone() -> None:
    values = walk(1_000)
    values[100:103] = [values[100]] * 3
    first = prepare(recording(values), FeedOptions())
    wild = [*values[:500], *(f"{float(value) * (1 + 0.2 * (row % 2)):.2f}" for row, value in enumerate(values[500:]))]
    second = prepare(recording(wild), FeedOptions())
    assert first.feed == second.feed
    assert first.feed.heartbeat == HOUR
    assert first.feed.policy.max_repeats == 4, "two more than the longest run of two repetitions"
    assert first.feed.sigma == pytest.approx(5_000, rel=0.1)
    assert first.begin == 500


def test_the_cap_beside_a_detector_is_the_lowest_with_as_many_holds() -> None:
    played = prepared(walk(800, percent=1.0), HoldPolicy(2, HOUR, 3_000))
    for holds in (0, 3, 10):
        cap = matching_cap(played, holds)
        lower = StaticCap(cap.limit - 1)
        assert replay(Judge(cap, played.feed), played).holds() <= holds
        assert replay(Judge(lower, played.feed), played).holds() > holds


def test_severity_is_above_one_where_a_detector_objects() -> None:
    model = QuadraticModel.default()
    rng = random.Random(3)
    for _ in range(300):
        window = (
            rng.randint(-9_000, 9_000),
            *(rng.randint(-2_000, 2_000) for _ in range(12)),
            rng.randint(1_000, 3_000),
        )
        assert (severity(model, window) > 1) == (max(model.score_int(window)) > 0)


def test_the_largest_real_moves_are_listed_once_each_with_their_holds() -> None:
    values = walk(600)
    for row in range(300, 600):
        values[row] = f"{float(values[row]) * 1.2:.2f}"
    values[450] = f"{float(values[450]) * 0.8:.2f}"
    played = prepared(values, HoldPolicy(2, HOUR, 3_000))
    judge = Judge(StaticCap(5_000), played.feed)
    found = shocks(played, replay(judge, played))
    assert {shock.index for shock in found[:2]} == {300, 450} or {shock.index for shock in found[:2]} == {300, 451}
    level = next(shock for shock in found if shock.index == 300)
    assert (level.held, level.held_s) == (2, 2 * HOUR)
    assert level.move == pytest.approx(0.2, abs=0.02)
    assert all(abs(a.index - b.index) >= 12 for a in found for b in found if a is not b)


def test_the_same_seed_gives_the_same_report() -> None:
    played = prepare(recording(walk(900)), FeedOptions(confirmations=2))
    chosen = [FAULTS[kind] for kind in ("spike_3", "drift_1", "stuck")]
    first, again, other = (
        compare([QuadraticModel.default()], played, chosen, count=10, seed=seed, curve=False) for seed in (1, 1, 2)
    )
    assert document(first) == document(again) != document(other)
    assert to_html(first, {}) == to_html(again, {})


def test_several_detectors_are_tried_at_the_same_places() -> None:
    played = prepare(recording(walk(900)), FeedOptions(confirmations=2))
    models = [QuadraticModel.default(), replace(QuadraticModel.default(), name="other")]
    found = compare(models, played, [FAULTS["spike_3"], FAULTS["drift_1"]], count=10, seed=1, curve=False)
    first, other = document(found)["detectors"]
    assert (first["name"], other["name"]) == ("quadratic-v2", "other")
    assert {**first, "name": ""} == {**other, "name": ""}, "the same weights"


def test_limits_scaled_to_a_budget_hold_no_more_than_it() -> None:
    played = prepare(recording(walk(1_200, percent=1.0)), FeedOptions(confirmations=2))
    found = compare([QuadraticModel.default()], played, [FAULTS["spike_5"]], count=40, seed=1, curve=False, scale_to=50)
    (scaled,), (cap,) = found.evaluations, found.caps
    assert scaled.false_holds.hits <= 3 and cap.false_holds.hits <= 3, "50 of 10,000 are 3 of 600"
    assert scaled.factor != 1.0 and max(scaled.severities) > 1
    plain = compare([QuadraticModel.default()], played, [FAULTS["spike_5"]], count=40, seed=1, curve=False)
    more = scaled.false_holds.hits - plain.evaluations[0].false_holds.hits
    assert more >= 0 if scaled.factor < 1 else more < 0
