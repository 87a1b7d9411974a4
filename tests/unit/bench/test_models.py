"""Tests of the models that are benchmarked, and of their windows."""

from __future__ import annotations

import numpy as np
import pytest

from oracle.bench import zoo
from oracle.bench.detectors import detector
from oracle.bench.models import CALIBRATION_START, batched_inputs
from oracle.bench.windows import HEARTBEAT, recorded_answers, recorded_windows, sigma_of
from oracle.core import gate
from oracle.core.encoding import RING_SIZE, Feature, PeerAnswer, features
from oracle.core.errors import ModelError
from oracle.core.types import Kind
from oracle.proving.tuning.fidelity import flips
from oracle.proving.tuning.request import Rule, VerdictRule


def test_windows_are_the_hubs_features() -> None:
    windows = recorded_windows(detector("quadratic").features, 3, CALIBRATION_START)
    assert [len(window) for window in windows] == [14, 14, 14]
    # Each day's move is the next day's newest accepted move.
    assert [window[1:3] for window in windows[1:]] == [window[:2] for window in windows[:2]]
    # 2008-07-21 was a Monday, and its report comes three days after another.
    assert [window[-1] for window in windows] == [3_000, 1_000, 1_000]


def test_windows_have_what_the_hub_derives_of_a_peer_and_of_the_past() -> None:
    """The same windows come from the hub's own rules, applied day by day to a feed's state."""
    listed = (Feature.MOVE, Feature.PAST_0, Feature.VARIANCE, Feature.PEER_MOVE_0, Feature.PEER_SEEN_0, Feature.GAP)
    found = recorded_windows(listed, 4, CALIBRATION_START, "nasdaq")
    (times, answers), (peer_times, peers) = (recorded_answers(each, CALIBRATION_START) for each in ("nasdaq", "sp500"))
    assert times == peer_times
    state = gate.empty_feed(bytes(32), Kind.RELATIVE, sigma_of("nasdaq"), HEARTBEAT, 1, peers=[bytes(32)])
    policy = gate.HoldPolicy(confirmations=1, tolerance=0, confirm_delay=HEARTBEAT, max_repeats=0)
    expected = []
    for at in range(RING_SIZE + 5):
        now = PeerAnswer(Kind.RELATIVE, sigma_of("sp500"), peers[at])
        expected.append(list(features(state, answers[at], times[at], listed, tolerance=0, peers=[now])))
        verdict = gate.judge(
            state, policy, answers[at], times[at], [0], score_unit=1, published_at=times[at], peer_answers=[peers[at]]
        )
        state = verdict.state
    assert found == expected[-4:]
    assert all(window[4] == 1 for window in found)
    alone = recorded_windows(listed, 4, CALIBRATION_START, "wti")
    assert [window[3:5] for window in alone] == [[0, 0]] * 4


def test_verdicts_that_flip() -> None:
    computed, expected = np.array([[0.1], [-0.1], [0.5]]), np.array([[0.2], [0.1], [0.4]])
    assert flips(VerdictRule(Rule.THRESHOLD), computed, expected).tolist() == [False, True, False]
    assert flips(VerdictRule(Rule.THRESHOLD, 0.45), computed, expected).tolist() == [False, False, True]
    assert flips(VerdictRule(Rule.TOLERANCE, 0.15), computed, expected).tolist() == [False, True, False]
    both = np.hstack([computed, 1 - computed])
    assert flips(VerdictRule(Rule.ARGMAX), both, both[:, ::-1]).tolist() == [True, True, False]


def test_samples_that_are_held_out_are_new() -> None:
    """The model is fitted to the first samples, and no later sample affects it."""
    data, samples = zoo.linear(4, 50)
    more, further = zoo.linear(4, 50, 30)
    assert data == more and (further[:50] == samples).all() and len(further) == 80
    assert zoo.autoencoder(8, 3, None, 100, 22)[1].shape == (132, 8)


def test_batches_take_as_many_windows_as_there_are() -> None:
    windows = [[1.0, 2.0], [3.0, 4.0], [5.0, 6.0]]
    assert batched_inputs(windows, 1, 2) == [[1.0, 2.0], [3.0, 4.0]]
    assert batched_inputs(windows, 3, 1) == [[1.0, 2.0, 3.0, 4.0, 5.0, 6.0]]
    with pytest.raises(ModelError, match="3 windows are not 2 batches of 2"):
        batched_inputs(windows, 2, 2)
