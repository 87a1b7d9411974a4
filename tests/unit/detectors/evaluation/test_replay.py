"""Tests that the replay of an evaluation is the gate's, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from oracle.core import encoding, gate
from oracle.core.encoding import Feature, PeerAnswer
from oracle.core.gate import HoldPolicy
from oracle.core.types import HoldReason, Kind, Outcome
from oracle.detectors.evaluation.caps import StaticCap
from oracle.detectors.evaluation.prepared import FeedOptions, PeerTerms, Prepared, prepare
from oracle.detectors.evaluation.replay import Judge, Scoring, replay
from oracle.detectors.kinds.quadratic import QuadraticModel
from tests.evaluated_series import HOUR, beside, prepared, venues, walk
from tests.peer_models import peer_model


def step_by_step(detector: Scoring, data: Prepared) -> list[tuple[bool, HoldReason]]:
    """Return the gate's own decision on each report, without any short cut."""
    judge = Judge(detector, data.feed)
    state, found = judge.empty(), []
    for tick in data.ticks:
        assert tick.answer is not None
        window = encoding.features(
            state,
            tick.answer,
            tick.time,
            detector.features,
            tolerance=data.feed.policy.tolerance,
            spread=tick.spread,
            count=tick.count,
            peers=[
                PeerAnswer(peer.kind, peer.sigma, told) for peer, told in zip(data.feed.peers, tick.peers, strict=True)
            ],
        )
        scores = detector.score_int(window)
        verdict = gate.judge(
            state,
            data.feed.policy,
            tick.answer,
            tick.time,
            scores,
            score_unit=detector.score_unit,
            published_at=tick.time,
            peer_answers=tick.peers,
        )
        state = verdict.state
        found.append((verdict.outcome is Outcome.HELD, verdict.reason))
    return found


@dataclass(frozen=True, slots=True)
class Wild(StaticCap):
    """A detector that allows more while the feed's long memory is of wild moves."""

    name: str = "wild"
    features: tuple[Feature, ...] = (Feature.MOVE, Feature.VARIANCE)

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        return (abs(features[0]) - self.limit * features[1] // 1_000,)

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        return np.array([self.score_int(window) for window in np.asarray(windows).tolist()])

    def severity_many(self, windows: np.ndarray) -> np.ndarray:
        found: np.ndarray = np.abs(windows[:, 0]) / np.maximum(1, self.limit * windows[:, 1] // 1_000)
        return found


@settings(max_examples=60)
@given(st.data())
def test_the_replay_is_the_gates_step_by_step(data: st.DataObject) -> None:
    kind = data.draw(st.sampled_from(Kind))
    values = walk(120, seed=data.draw(st.integers(0, 1_000)))
    for _ in range(data.draw(st.integers(0, 6))):
        at, length = data.draw(st.integers(0, 110)), data.draw(st.integers(1, 12))
        what = data.draw(st.sampled_from(("level", "stuck", "jump")))
        for row in range(at, min(len(values), at + length)):
            value = Decimal(values[at - 1]) if what == "stuck" else Decimal(values[row]) * Decimal("1.3")
            values[row] = f"{value if what != 'jump' or row == at else Decimal(values[row]):.2f}"
    policy = HoldPolicy(
        confirmations=data.draw(st.integers(1, 3)),
        confirm_delay=data.draw(st.sampled_from((0, HOUR, 5 * HOUR))),
        tolerance=data.draw(st.sampled_from((500, 3_000))),
        max_repeats=data.draw(st.integers(0, 3)),
    )
    detectors: tuple[Scoring, ...] = (QuadraticModel.default(), StaticCap(1_500), peer_model(), Wild(1_500))
    detector = data.draw(st.sampled_from(detectors))
    played = prepared(values, policy, kind=kind)
    if data.draw(st.booleans()) or encoding.sees_peers(detector.features):
        played = beside(played, data.draw(st.integers(0, 1_000)))
    fast = replay(Judge(detector, played.feed), played)
    slow = step_by_step(detector, played)
    assert [(fast.held(number), fast.reason(number)) for number in range(len(values))] == slow


def test_the_holds_of_a_series_made_by_hand() -> None:
    # Calm at 100, one spike, then a new level, which the second further report confirms, then stuck.
    calm = [f"{100 + row % 2 * 0.1:.2f}" for row in range(30)]
    stuck = [f"{120 + row % 2 * 0.1:.2f}" for row in range(6)] + ["120.30"] * 6 + ["120.40"]
    values = [*calm, "110.00", *calm[:4], "120.00", "120.10", *stuck]
    played = prepared(values, HoldPolicy(2, HOUR, 1_000, max_repeats=3))
    found = replay(Judge(StaticCap(5_000), played.feed), played)
    held = {number: found.reason(number) for number in found.numbers if found.held(number)}
    assert held == {
        30: HoldReason.ANOMALOUS,
        35: HoldReason.ANOMALOUS,
        36: HoldReason.ANOMALOUS,
        47: HoldReason.REPEATED,
        48: HoldReason.REPEATED,
    }
    assert found.reason(37) is HoldReason.ANOMALOUS, "confirmed although the model still objects"
    assert found.holds() == len(held)
    assert found.state(38).answer == 12_000


def test_warm_up_is_played_but_not_counted() -> None:
    values = walk(300)
    values[150] = "2000.00"
    early, late = prepared(values, HoldPolicy(2, 0, 3_000), begin=140), prepared(values, HoldPolicy(2, 0, 3_000), 160)
    judge = Judge(StaticCap(5_000), early.feed)
    assert replay(judge, early).holds() == 1
    assert replay(judge, late).holds() == 0
    assert late.history.indices[replay(judge, late).first] == 160 - 64


@dataclass(frozen=True, slots=True)
class SpreadCap(StaticCap):
    """A detector that objects to reports whose sources are far apart: to the last feature but one."""

    features: tuple[Feature, ...] = encoding.window_features(5, spread=True)

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        return (features[-2] - self.limit,)

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        return np.asarray(windows)[:, -2:-1] - self.limit

    def severity_many(self, windows: np.ndarray) -> np.ndarray:
        return windows[:, -2] / self.limit


def test_a_detector_sees_the_spread_of_the_venues() -> None:
    data = venues()
    told = {**data.venues, "b": tuple(v and (v * 2 if row == 400 else v) for row, v in enumerate(data.venues["b"]))}
    played = prepare(replace(data, venues=told), FeedOptions(decimals=2, min_sources=2))
    judge = Judge(SpreadCap(20_000, name="spread"), played.feed)
    found = replay(judge, played)
    assert [number for number in found.numbers if found.held(number)] == [found.history.number(400)]
    assert found.window(found.history.number(400))[-2] == encoding.CLIP
    assert all(
        found.window(number) == judge.window(found.state(number), played.ticks[number]) for number in found.numbers
    )


def test_a_model_that_judges_beside_peers_sees_none_where_a_recording_has_none() -> None:
    data = prepared(walk(100), HoldPolicy(1, 0, 0))
    model = peer_model()
    peers = [at for at, feature in enumerate(model.features) if encoding.sees_peers([feature])]
    for played, seen in ((data, False), (beside(data, 1), True)):
        found = replay(Judge(model, played.feed), played)
        assert any(found.window(number)[at] for number in found.numbers for at in peers) is seen


def test_a_peer_that_lies_alone_holds_nothing_and_one_that_agrees_lets_a_fault_be_seen() -> None:
    """The same move of 3 sigmas is held if the peer stands still, and passes if it moves too."""
    values = ["100.00", *(f"{100 + row % 2 / 10:.2f}" for row in range(1, 40))]
    values[30:] = [f"{float(value) * 1.03:.2f}" for value in values[30:]]
    data = prepared(values, HoldPolicy(3, HOUR, 1_000))

    def held(peer: Sequence[int]) -> list[int]:
        ticks = tuple(replace(tick, peers=(answer,)) for tick, answer in zip(data.ticks, peer, strict=True))
        terms = (PeerTerms(Kind.RELATIVE, 10_000),)
        played = replace(data, feed=replace(data.feed, peers=terms), ticks=ticks)
        found = replay(Judge(peer_model(), played.feed), played)
        return [number for number in found.numbers if found.held(number)]

    own = [tick.answer or 0 for tick in data.ticks]
    still = [answer * 100 // 103 if number >= 30 else answer for number, answer in enumerate(own)]
    assert held(still) == [30, 31, 32], "confirmed by the third further report"
    assert held(own) == []
    alone = [answer * 2 if number == 20 else answer for number, answer in enumerate(own)]
    assert held(alone) == [], "the peer's jump is clipped, and not seen; the way back is a fault of no one"
    mild = [answer * 105 // 100 if number == 20 else answer for number, answer in enumerate(own)]
    assert held(mild) == [], "the peer's own lie of 5 sigmas: the feed itself did not move"
