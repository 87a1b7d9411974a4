"""Tests that each fault is tried alone, at the same places for all detectors."""

from __future__ import annotations

from decimal import Decimal

import pytest

from oracle.core.gate import HoldPolicy
from oracle.core.types import HoldReason
from oracle.detectors.evaluation.caps import StaticCap
from oracle.detectors.evaluation.prepared import FeedOptions, prepare
from oracle.detectors.evaluation.recording import Recording
from oracle.detectors.evaluation.replay import Judge, replay
from oracle.detectors.evaluation.trials import place, try_all
from oracle.sources.faults import FAULTS
from tests.evaluated_series import HOUR, prepared, venues, walk


def test_faults_are_tried_on_their_own_and_alike_for_all_kinds() -> None:
    played = prepared(walk(600), HoldPolicy(2, HOUR, 3_000, max_repeats=2))
    large, small = (place(played, FAULTS[kind], 40, seed=5) for kind in ("spike_10", "spike_1"))
    assert [trial.first for trial in large] == [trial.first for trial in small]
    assert place(played, FAULTS["spike_10"], 40, seed=5) == large
    assert place(played, FAULTS["spike_10"], 40, seed=6) != large
    assert min(trial.first for trial in large) >= played.begin
    judge = Judge(StaticCap(4_000), played.feed)
    clean = replay(judge, played)
    caught = [result for result in try_all(judge, played, clean, large) if result is not None]
    assert all(result.caught and result.latency == 1 and result.written == 0 for result in caught)
    assert all(result.cleared and result.after == 0 for result in caught)
    missed = [result for result in try_all(judge, played, clean, small) if result is not None]
    assert not any(result.caught for result in missed)
    assert all(result.written == 1 and result.worst == pytest.approx(0.01, abs=1e-4) for result in missed)


def test_a_stuck_value_is_held_one_report_after_the_rule_allows() -> None:
    played = prepared(walk(600), HoldPolicy(2, HOUR, 3_000, max_repeats=2))
    trials = place(played, FAULTS["stuck"], 20, seed=1)
    assert {len(trial.ticks) for trial in trials} == {6}
    judge = Judge(StaticCap(30_000), played.feed)
    results = try_all(judge, played, replay(judge, played), trials)
    # The last true report has the value for the first time, so the third repetition is one too many.
    assert {result.latency for result in results if result is not None} == {3}
    assert {result.reason for result in results if result is not None} == {HoldReason.REPEATED}


def test_a_place_that_the_recording_disturbs_is_left_out() -> None:
    values = walk(600)
    values[300] = "5000.00"
    played = prepared(values, HoldPolicy(2, HOUR, 3_000))
    judge = Judge(StaticCap(4_000), played.feed)
    clean = replay(judge, played)
    assert [number for number in clean.numbers if clean.held(number)] == [300]
    trials = place(played, FAULTS["spike_20"], 10_000, seed=1)
    results = try_all(judge, played, clean, trials)
    disturbed = [trial.first for trial, result in zip(trials, results, strict=True) if result is None]
    assert sorted(disturbed) == [299, 300, 301]


def test_one_source_that_lies_writes_nothing() -> None:
    played = prepare(venues(), FeedOptions(decimals=2, min_sources=2, max_source_spread=Decimal(20_000)))
    judge = Judge(StaticCap(30_000), played.feed)
    clean = replay(judge, played)
    for kind in ("source_lies_5", "source_lies_50", "source_shift", "source_zero"):
        trials = place(played, FAULTS[kind], 30, seed=1)
        results = [result for result in try_all(judge, played, clean, trials) if result is not None]
        assert len(results) == 30 and all(result.caught for result in results), kind
    assert place(prepared(walk(600), HoldPolicy(2, 0, 0)), FAULTS["source_zero"], 5, seed=1) == []


def test_two_sources_that_disagree_give_no_report() -> None:
    data = venues()
    two = Recording("two", data.times, {"a": data.venues["a"], "b": data.venues["b"]})
    played = prepare(two, FeedOptions(decimals=2, max_source_spread=Decimal(20_000)))
    judge = Judge(StaticCap(30_000), played.feed)
    (result,) = try_all(judge, played, replay(judge, played), place(played, FAULTS["source_lies_50"], 1, seed=1))
    assert result is not None and result.caught and result.silent == 3 and result.written == 0
