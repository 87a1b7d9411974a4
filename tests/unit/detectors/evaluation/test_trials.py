"""Tests of trials: places, what lies, and outcomes, each against the gate played tick by tick."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal

import numpy as np
import pytest

from oracle.core.encoding import Feature
from oracle.core.gate import HoldPolicy
from oracle.core.types import Kind
from oracle.detectors.evaluation.caps import StaticCap
from oracle.detectors.evaluation.comparison import placed
from oracle.detectors.evaluation.outcomes import Outcomes, Trials, first_holds, try_all
from oracle.detectors.evaluation.prepared import FeedOptions, Prepared, prepare
from oracle.detectors.evaluation.recording import PeerSeries, Recording
from oracle.detectors.evaluation.replay import HOLDS, Judge, Replay, Scoring, replay
from oracle.detectors.evaluation.trials import PEER_FAULTS, STANDARD, Lie, Trial, lying, place
from oracle.detectors.kinds.quadratic import QuadraticModel
from oracle.sources.faults import FAULTS
from tests.evaluated_series import HOUR, beside, prepared, recording, venues, walk
from tests.peer_models import peer_model


def tried(judge: Judge, played: Prepared, kind: str, count: int) -> tuple[list[Trial], Outcomes]:
    """Return trials of a fault, and the outcomes of those that the recording doesn't disturb."""
    trials = place(played, FAULTS[kind], count, seed=1)
    found = try_all(judge, replay(judge, played), Trials(played, trials))
    return trials, found.of(np.flatnonzero(found.good))


def test_faults_are_tried_on_their_own_and_alike_for_all_kinds() -> None:
    played = prepared(walk(600), HoldPolicy(2, HOUR, 3_000, max_repeats=2))
    large, small = (place(played, FAULTS[kind], 40, seed=5) for kind in ("spike_10", "spike_1"))
    assert [trial.first for trial in large] == [trial.first for trial in small]
    assert place(played, FAULTS["spike_10"], 40, seed=5) == large
    assert place(played, FAULTS["spike_10"], 40, seed=6) != large
    assert min(trial.first for trial in large) >= played.begin
    judge = Judge(StaticCap(4_000), played.feed)
    _, caught = tried(judge, played, "spike_10", 40)
    assert len(caught) and caught.caught.all() and (caught.latency == 1).all() and not caught.written.any()
    assert caught.cleared.all() and not caught.after.any()
    assert caught.worst_held.max() < 0.03, "a reader saw the value before the spike"
    _, missed = tried(judge, played, "spike_1", 40)
    assert not missed.caught.any() and (missed.written == 1).all()
    assert missed.worst_written == pytest.approx(0.01, abs=1e-4)
    assert missed.error_written == pytest.approx(0.01, abs=1e-4)


def test_a_stuck_value_is_held_one_report_after_the_rule_allows() -> None:
    played = prepared(walk(600), HoldPolicy(2, HOUR, 3_000, max_repeats=2))
    trials, results = tried(Judge(StaticCap(30_000), played.feed), played, "stuck", 20)
    assert {len(trial.ticks) for trial in trials} == {6}
    # The last true report has the value for the first time, so the third repetition is one too many.
    assert set(results.latency) == {3}
    assert {HOLDS[why] for why in results.why} == {"repeated"}


def test_a_drift_that_is_held_once_is_told_by_what_was_written() -> None:
    """Held at least once says nothing of the four wrong answers of five that became rounds."""
    played = prepared(["1000.00", "1000.10"] * 300, HoldPolicy(1, HOUR, 3_000))
    _, results = tried(Judge(StaticCap(2_150), played.feed), played, "drift_2", 60)
    falls = results.of(results.caught)
    assert len(falls) > 10, "a rise is measured against more and more, and passes"
    assert (falls.wrong == 5).all() and (falls.written == 4).all() and (falls.latency == 4).all()
    assert falls.worst_written == pytest.approx(0.1, abs=1e-3)
    assert falls.error_written == pytest.approx(0.02 + 0.04 + 0.06 + 0.1, abs=1e-3)
    assert falls.worst_held.min() > 0.05, "meanwhile a reader saw the lie before"


def test_a_place_that_the_recording_disturbs_is_left_out() -> None:
    values = walk(600)
    values[300] = "5000.00"
    played = prepared(values, HoldPolicy(2, HOUR, 3_000))
    judge = Judge(StaticCap(4_000), played.feed)
    clean = replay(judge, played)
    assert [number for number in clean.numbers if clean.held(number)] == [300]
    trials = place(played, FAULTS["spike_20"], 10_000, seed=1)
    results = try_all(judge, clean, Trials(played, trials))
    disturbed = [trial.first for trial, good in zip(trials, results.good, strict=True) if not good]
    assert sorted(disturbed) == [299, 300, 301]


def test_one_source_that_lies_writes_nothing() -> None:
    played = prepare(venues(), FeedOptions(decimals=2, min_sources=2, max_source_spread=Decimal(20_000)))
    judge = Judge(StaticCap(30_000), played.feed)
    for kind in ("source_lies_5", "source_lies_50", "source_shift", "source_zero"):
        _, results = tried(judge, played, kind, 30)
        assert len(results) == 30 and results.caught.all(), kind
    assert place(prepared(walk(600), HoldPolicy(2, 0, 0)), FAULTS["source_zero"], 5, seed=1) == []


def test_two_sources_that_disagree_give_no_report() -> None:
    data = venues()
    two = Recording("two", data.times, {"a": data.venues["a"], "b": data.venues["b"]})
    played = prepare(two, FeedOptions(decimals=2, max_source_spread=Decimal(20_000)))
    _, results = tried(Judge(StaticCap(30_000), played.feed), played, "source_lies_50", 1)
    assert results.caught.all() and (results.silent == 3).all() and not results.written.any()


# --- peers ------------------------------------------------------------------------------------------------------------


def with_peer(percent: float = 0.5, kind: Kind = Kind.RELATIVE) -> Prepared:
    """Return a feed beside a peer that moves nearly as it does."""
    values = walk(900, percent=percent)
    other = walk(900, seed=2, percent=0.05)
    near = tuple(Decimal(value) * Decimal(like) / 1000 for value, like in zip(values, other, strict=True))
    data = replace(recording(values), peers=(PeerSeries("other", near, kind, 2),))
    return prepare(data, FeedOptions(decimals=2, confirmations=2))


def test_a_recordings_peer_reaches_the_gate_as_the_hub_has_it() -> None:
    played = with_peer()
    (terms,) = played.feed.peers
    assert (terms.name, terms.kind) == ("other", Kind.RELATIVE)
    assert terms.sigma == pytest.approx(5_000, rel=0.1), "found in the first half"
    assert all(len(tick.peers) == 1 for tick in played.ticks)
    given = replace(played.recording.peers[0], sigma=77)
    assert prepare(replace(played.recording, peers=(given,)), FeedOptions()).feed.peers[0].sigma == 77
    for kind in Kind:
        values = (*given.values[:500], None, *given.values[501:])
        mute = replace(given, kind=kind, sigma=10_000, values=values)
        later = prepare(replace(played.recording, peers=(mute,)), FeedOptions())
        table = later.history.table([Feature.PEER_MOVE_0, Feature.PEER_SEEN_0])[498:504]
        assert table[:, 1].tolist() == [1, 1, 0, 0, 1, 1], "neither a move to nothing nor one from it can be measured"
        assert later.ticks[500].answer is not None


def test_the_peers_of_a_recording_are_checked() -> None:
    from oracle.core.errors import DataError

    data = recording(walk(900))
    still = PeerSeries("still", (Decimal(5),) * 900)
    with pytest.raises(DataError, match="the peer still does not move in the first half"):
        prepare(replace(data, peers=(still,)), FeedOptions())
    with pytest.raises(DataError, match="3 peers; the hub takes 2"):
        prepare(replace(data, peers=(still,) * 3), FeedOptions())
    with pytest.raises(DataError, match="the peer still has 3 values, one is needed for each of the 900 times"):
        prepare(replace(data, peers=(replace(still, values=(Decimal(5),) * 3),)), FeedOptions())
    below = replace(still, values=(Decimal(-5), Decimal(5)) * 450)
    with pytest.raises(DataError, match="the peer still has a value that is not above zero"):
        prepare(replace(data, peers=(below,)), FeedOptions())


def test_a_joint_lie_moves_the_peer_as_the_feed() -> None:
    played = with_peer()
    own = place(played, FAULTS["spike_3"], 30, 1)
    joint, blind = ([lying(played, trial, lie) for trial in own] for lie in (Lie.JOINT, Lie.BLIND))
    for alone, both, unseen in zip(own, joint, blind, strict=True):
        assert alone.first == both.first == unseen.first
        true = played.ticks[alone.first]
        assert alone.ticks[0].answer == both.ticks[0].answer == unseen.ticks[0].answer
        assert alone.ticks[0].peers == true.peers
        step = (both.ticks[0].answer or 0) / (true.answer or 1)
        assert both.ticks[0].peers[0] / true.peers[0] == pytest.approx(step, abs=1e-4)
        assert unseen.ticks[0].peers[0] > 100 * true.peers[0] * played.feed.peers[0].sigma / 1_000_000


def test_a_peers_lies_are_of_its_own_sigmas_and_leave_the_feed_honest() -> None:
    for kind in Kind:
        played = with_peer(kind=kind)
        terms = played.feed.peers[0]
        for size in (1, 3, 10):
            for trial in place(played, PEER_FAULTS[f"peer_lies_{size}"], 30, 1):
                true = played.ticks[trial.first]
                assert trial.ticks[0].answer == true.answer
                lied, said = trial.ticks[0].peers[0], true.peers[0]
                off = abs(lied - said) / (min(lied, said) / 1e6 if kind is Kind.RELATIVE else 1) / terms.sigma
                assert off == pytest.approx(size, rel=0.02)
        assert bool(place(played, PEER_FAULTS["peer_missing"], 5, 1)) is (kind is Kind.RELATIVE)
    assert place(prepared(walk(600), HoldPolicy(2, 0, 0)), PEER_FAULTS["peer_lies_3"], 5, 1) == []


def test_each_lie_has_its_figure() -> None:
    """Beside a peer a lie of the feed is seen, a joint one or one that the peer doesn't see is not."""
    from oracle.detectors.evaluation.comparison import evaluate

    played = with_peer()
    trials, _ = placed(played, [FAULTS["spike_2"]], 60, 1)
    found = evaluate(peer_model(), played, trials, curve=False)
    own, joint, blind = (found.fault("spike_2", lie) for lie in Lie)
    assert own is not None and joint is not None and blind is not None
    assert (own.recall.share or 0) > 0.9
    assert (joint.recall.share or 0) < 0.2 and (blind.recall.share or 0) < 0.2
    held = found.peer_lie_holds_own
    assert set(held) == set(PEER_FAULTS)
    assert held["peer_lies_1"].share == 0 and held["peer_clipped"].share == 0 and held["peer_missing"].share == 0
    assert found.pooled("spike").of == own.tried, "what lies with the peer is no part of the feed's own recall"


# --- against the gate -------------------------------------------------------------------------------------------------


def one_by_one(judge: Judge, played: Prepared, clean: Replay, trial: Trial) -> dict[str, object]:
    """Return a trial's outcome as the gate has it, tick by tick."""
    policy = judge.feed.policy
    longest = 4 * (policy.confirmations + 1) + policy.max_repeats + 2
    length = len(trial.ticks)
    ticks = [*trial.ticks, *played.ticks[trial.first + length :][:longest]]
    state = clean.state(clean.history.number(trial.first))
    held: list[int] = []
    written, wrong, worst, latency, after, cleared = 0, 0, 0.0, 0, 0, False
    for at, tick in enumerate(ticks):
        if tick.answer is None:
            continue
        true = played.ticks[trial.first + at].answer or 0
        window = judge.window(state, tick)
        played_step = judge.step(state, tick, window, judge.score([window])[0])
        error = abs(state.answer - true) / (judge.feed.sigma if judge.feed.kind is Kind.ABSOLUTE else abs(true))
        state = played_step.state
        faulty = at < length
        wrong += faulty and tick.answer != true
        if played_step.held:
            held.append(tick.time)
            worst = max(worst, error)
            latency = latency or (at + 1 if faulty else 0)
            after += not faulty
        elif faulty:
            written += tick.answer != true
        else:
            cleared = True
            break
    return {
        "held": len(held),
        "wrong": wrong,
        "written": written,
        "worst_held": pytest.approx(worst),
        "latency": latency,
        "after": after,
        "cleared": cleared,
    }


@pytest.mark.parametrize("kind", Kind)
@pytest.mark.parametrize("decimals", [2, 18])
@pytest.mark.parametrize("detector", [StaticCap(3_000), QuadraticModel.default(), peer_model()], ids=lambda it: it.name)
def test_the_outcomes_are_the_gates_tick_by_tick(detector: Scoring, decimals: int, kind: Kind) -> None:
    """With 18 decimals the answers don't fit into 64 bits, and Python's integers are taken."""
    values = walk(500, percent=1.0 if kind is Kind.RELATIVE else 0.1)
    for row in range(240, 260):
        values[row] = values[239]
    values[300] = "1500.00"
    own = prepared(values, HoldPolicy(2, HOUR, 3_000, max_repeats=3), begin=100, kind=kind, decimals=decimals)
    played = beside(own, 3)
    trials, _ = placed(played, [FAULTS[each] for each in STANDARD if each != "drift_0.1"], 12, 7)
    judge = Judge(detector, played.feed)
    clean = replay(judge, played)
    found = try_all(judge, clean, trials)
    assert trials.small.any() == (decimals == 2)
    assert found.good.sum() > 300
    first = first_holds(judge, clean, trials)
    for index in np.flatnonzero(found.good).tolist():
        expected = one_by_one(judge, played, clean, trials[index])
        assert {name: getattr(found, name)[index] for name in expected} == expected, trials[index]
        assert first[index] == (expected["latency"] == 1)
