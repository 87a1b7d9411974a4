"""Tests of the type `peers`: what a peer adds, what a lying one can do, and what salt and options change."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest

from oracle.core import encoding, gate
from oracle.core.encoding import Feature
from oracle.core.errors import DataError
from oracle.core.types import Outcome
from oracle.detectors.interface import Lesson
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.trainers import peers_replay
from oracle.detectors.trainers.peers import Peers
from oracle.detectors.trainers.peers_data import Columns, Floats, columns
from oracle.detectors.trainers.peers_fit import tail, variance_weights
from oracle.detectors.trainers.windows import cut
from oracle.detectors.training.reports import Reports, Terms
from tests.fitted_detectors import fitted, lesson, peer, reports

SALT = bytes(range(16))


def altered(learnt: Lesson, detector: PolynomialModel, **added: int) -> np.ndarray:
    """Return the calibration windows with a step added to some features, as a detector takes them."""
    table = np.array(cut(learnt.calibrate, learnt.features, detector.features))
    for name, step in added.items():
        at = detector.features.index(Feature[name.upper()])
        table[:, at] = np.clip(table[:, at] + step, -encoding.CLIP, encoding.CLIP)
    return table


def share_held(detector: PolynomialModel, table: np.ndarray) -> float:
    return float((detector.score_many(table) > 0).any(axis=1).mean())


def model(kind: str) -> PolynomialModel:
    found = fitted(kind)
    assert isinstance(found, PolynomialModel)
    return found


def test_a_peer_shows_faults_that_the_own_past_does_not() -> None:
    learnt, beside = lesson(peers=1), model("peers")
    alone = Peers().fit("alone", lesson())
    seen, unseen = (share_held(each, altered(learnt, each, move=3_000)) for each in (beside, alone))
    assert seen > 0.8 > 0.5 > unseen
    assert [output.name for output in alone.gates] == ["own"]


def test_a_peer_that_lies_alone_holds_hardly_any_honest_window() -> None:
    learnt, detector = lesson(peers=1), model("peers")
    for lie in (3_000, -3_000, 10_000, -10_000, 32_000):
        assert share_held(detector, altered(learnt, detector, peer_move_0=lie)) <= 0.06


def test_more_may_be_allowed_of_a_lying_peer() -> None:
    learnt = lesson(peers=1)
    strict, lenient = (Peers(peer_lie=share).fit("m", learnt) for share in (0.001, 0.5))
    held = [share_held(each, altered(learnt, each, peer_move_0=3_000)) for each in (strict, lenient)]
    seen = [share_held(each, altered(learnt, each, move=2_500)) for each in (strict, lenient)]
    assert held[0] < held[1]
    assert seen[0] < seen[1]


def test_whatever_the_peer_says_the_move_decides() -> None:
    """A feed that hardly moves is never held, and one that jumps far is always held, whatever its peer does."""
    detector = model("peers")
    for told in range(-encoding.CLIP, encoding.CLIP, 997):
        calm = dict(zip(detector.features, encoding.calm_window(detector.features), strict=True))
        calm |= {Feature.PEER_MOVE_0: told, Feature.PEER_SEEN_0: 1}
        assert max(detector.score_int(tuple((calm | {Feature.MOVE: 500}).values()))) <= 0
        assert max(detector.score_int(tuple((calm | {Feature.MOVE: 30_000}).values()))) > 0


def test_a_peer_that_is_not_seen_changes_nothing() -> None:
    detector = model("peers")
    window = dict(zip(detector.features, encoding.calm_window(detector.features), strict=True))
    held = [
        max(detector.score_int(tuple((window | {Feature.MOVE: 2_900, Feature.PEER_SEEN_0: seen}).values()))) > 0
        for seen in (0, 1)
    ]
    assert held == [False, True]


def test_a_peer_that_is_never_seen_leaves_the_own_output() -> None:
    learnt = lesson(peers=1)
    at = [learnt.features.index(feature) for feature in (Feature.PEER_MOVE_0, Feature.PEER_SEEN_0)]
    blind = [tuple(0 if place in at else value for place, value in enumerate(window)) for window in learnt.calibrate]
    found = Peers().fit("blind", replace(learnt, fit=blind[:900], calibrate=blind))
    assert [output.name for output in found.gates] == ["own"]
    assert Feature.PEER_MOVE_0 not in found.features


def test_drift_and_spread_are_outputs_of_their_own() -> None:
    two, none = model("peers-two"), model("peers-none")
    assert [output.name for output in two.gates] == ["own", "peer-0", "peer-1", "drift"]
    assert [output.name for output in none.gates] == ["own", "spread"]
    calm = encoding.calm_window(two.features)
    moved = {Feature.MOVE, *encoding.PAST}
    slow = tuple(1_200 if feature in moved else value for feature, value in zip(two.features, calm, strict=True))
    assert [score > 0 for score in two.score_int(slow)] == [False, False, False, True]
    parted = dict(zip(none.features, encoding.calm_window(none.features), strict=True)) | {Feature.SPREAD: 9_000}
    assert [score > 0 for score in none.score_int(tuple(parted.values()))] == [False, True]


def test_the_salt_moves_what_vary_lets_it_move_and_little_else() -> None:
    learnt = lesson(peers=1)
    plain, other = (Peers().fit("m", replace(learnt, salt=salt)) for salt in (SALT, bytes(16)))
    assert plain.gates == other.gates and plain.salt != other.salt
    drawn, again, others = (Peers(vary=1).fit("m", replace(learnt, salt=salt)) for salt in (SALT, SALT, bytes(16)))
    assert drawn.to_json() == again.to_json()
    assert drawn.gates not in (plain.gates, others.gates)
    told = [name for name in (*plain.training, *drawn.training) if "level" in name or "slope" in name]
    assert not told, "only a public model says how it was made"
    seen = [share_held(each, altered(learnt, each, move=3_000)) for each in (plain, drawn, others)]
    assert max(seen) - min(seen) < 0.15


def test_what_can_not_be_trained() -> None:
    with pytest.raises(DataError, match="several value columns"):
        Peers(spread=True).fit("m", lesson())
    with pytest.raises(DataError, match="from 1 to 12"):
        Peers(near=13).fit("m", lesson())
    learnt = replace(lesson(3), series=tuple(replace(each, peers=2) for each in lesson(3).series))
    with pytest.raises(DataError, match="too much"):
        Peers(drift=True, spread=True).fit("m", learnt)
    still = [tuple(0 if at == 0 else value for at, value in enumerate(window)) for window in lesson().calibrate]
    with pytest.raises(DataError, match="nothing to learn from"):
        Peers().fit("m", replace(lesson(), fit=still[:900], calibrate=still))


def test_a_tail_extrapolates_and_variance_weights_are_found() -> None:
    draw = np.random.default_rng(1)
    pareto = draw.pareto(2.0, 4_000) + 1
    assert tail(pareto, 1e-4) == pytest.approx(100, rel=0.35)
    terms = np.stack([np.ones(20_000), draw.gamma(2, 1, 20_000)], axis=1)
    square = (terms @ [0.4, 0.7]) * draw.standard_normal(20_000) ** 2
    assert variance_weights(square, terms) == pytest.approx([0.4, 0.7], abs=0.06)


def test_the_replay_holds_what_the_gate_holds() -> None:
    """Trained limits are tightened to where much is held, so that history is that of accepted reports alone."""
    learnt, told = lesson(peers=1), reports()
    found = replace(told, peers=(peer(0),))
    tight = Peers().fit("m", replace(learnt, budget=Fraction(300, 10_000)))
    data = columns(learnt.calibrate, learnt.features, 1)

    def severity(each: Columns) -> Floats:
        return np.array([float(max(tight.score_int(_window(each, at, tight))) > 0) for at in range(len(each))])

    held = peers_replay.held(data, severity(data), severity, 0.5)
    assert held == pytest.approx(_held_by_the_gate(found, learnt, tight), abs=2)
    assert held >= 15


def _window(each: Columns, at: int, detector: PolynomialModel) -> tuple[int, ...]:
    values = {
        Feature.MOVE: each.move[at],
        **dict(zip(encoding.PAST, each.past[at], strict=True)),
        Feature.VARIANCE: each.variance[at],
        Feature.PEER_MOVE_0: each.peers[at, 0],
        Feature.PEER_SEEN_0: each.seen[at, 0] / 1_000,
        Feature.GAP: each.gap[at],
    }
    return tuple(round(float(values[feature]) * 1_000) for feature in detector.features)


def _held_by_the_gate(found: Reports, learnt: Lesson, detector: PolynomialModel) -> int:
    terms = Terms(learnt.series[0].sigma, 60)
    policy = gate.HoldPolicy(confirmations=3, confirm_delay=60, tolerance=3_000)
    state = gate.empty_feed(bytes(32), found.kind, terms.sigma, 60, 1, peers=[bytes([1]) * 32])
    other, total = found.peers[0], 0
    for at in range(13 + len(learnt.calibrate)):
        answer, time, beside = found.answers[at], found.times[at], other.answers[at]
        assert beside is not None
        known = [encoding.PeerAnswer(other.kind, other.sigma, beside)]
        window = encoding.features(state, answer, time, detector.features, tolerance=3_000, peers=known)
        scores = detector.score_int(window) if at >= 13 else (-1, -1)
        verdict = gate.judge(
            state, policy, answer, time, scores, score_unit=1, published_at=time, peer_answers=[beside]
        )
        total += verdict.outcome is Outcome.HELD
        state = verdict.state
    return total
