"""The gate's mirror: holds, confirmations, and that a feed can't freeze while reporters agree."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from oracle import encoding
from oracle.gate import HoldPolicy, Verdict, empty_feed, judge
from oracle.types import FeedState, Kind, Outcome, Status

POLICY = HoldPolicy(confirmations=2, confirm_delay=7_200, tolerance=1_000)
NORMAL, ANOMALOUS = (-1, 0), (-1, 1)
FEED = empty_feed(b"\1" * 32, Kind.RELATIVE, sigma=10_000, heartbeat=3_600, model_number=1)


def report(
    state: FeedState,
    answer: int,
    observed_at: int,
    scores: tuple[int, ...],
    policy: HoldPolicy = POLICY,
) -> Verdict:
    return judge(
        state,
        policy,
        answer,
        observed_at,
        scores,
        score_unit=1,
        published_at=observed_at + 5,
    )


def started(answer: int = 1_000_000) -> FeedState:
    return report(FEED, answer, 100, NORMAL).state


def test_the_first_report_becomes_round_one_with_no_move() -> None:
    verdict = report(FEED, 1_000_000, 100, NORMAL)
    assert verdict.outcome is Outcome.ACCEPTED
    assert (verdict.state.round_id, verdict.state.answer, verdict.state.returns[0]) == (
        1,
        1_000_000,
        0,
    )
    assert verdict.state.published_at == 105


def test_an_accepted_report_pushes_its_move() -> None:
    state = report(started(), 1_010_000, 200, NORMAL).state
    assert state.returns[:2] == (1_000, 0)
    assert len(state.returns) == encoding.RING_SIZE


def test_any_positive_score_holds_and_leaves_the_answer_alone() -> None:
    before = started()
    verdict = report(before, 2_000_000, 200, ANOMALOUS)
    assert verdict.outcome is Outcome.HELD
    assert verdict.state.status is Status.HELD
    kept = replace(
        verdict.state,
        status=before.status,
        held=None,
        last_report_at=before.last_report_at,
    )
    assert kept == before
    assert verdict.state.held is not None and verdict.state.held.answer == 2_000_000


def test_a_normal_report_clears_the_hold() -> None:
    state = report(started(), 2_000_000, 200, ANOMALOUS).state
    verdict = report(state, 1_000_100, 300, NORMAL)
    assert verdict.outcome is Outcome.ACCEPTED and not verdict.confirmed
    assert verdict.state.status is Status.OK and verdict.state.held is None


def test_a_regime_change_is_confirmed_by_enough_reports_over_enough_time() -> None:
    state = report(started(), 2_000_000, 200, ANOMALOUS).state
    state = report(state, 2_001_000, 3_800, ANOMALOUS).state
    early = report(state, 2_002_000, 7_399, ANOMALOUS)
    assert early.outcome is Outcome.HELD, "confirmed before the delay"
    verdict = report(early.state, 2_002_000, 7_400, ANOMALOUS)
    assert verdict.outcome is Outcome.ACCEPTED and verdict.confirmed
    assert verdict.state.answer == 2_002_000


def test_enough_time_without_enough_reports_confirms_nothing() -> None:
    state = report(started(), 2_000_000, 200, ANOMALOUS).state
    assert report(state, 2_000_000, 1_000_000, ANOMALOUS).outcome is Outcome.HELD


def test_a_report_away_from_the_first_held_answer_starts_over() -> None:
    state = report(started(), 2_000_000, 200, ANOMALOUS).state
    state = report(state, 2_010_000, 3_800, ANOMALOUS).state
    assert state.held is not None and state.held.confirmations == 1
    state = report(state, 2_100_000, 9_000, ANOMALOUS).state
    assert state.held is not None
    assert (
        state.held.confirmations,
        state.held.first_answer,
        state.held.first_observed_at,
    ) == (0, 2_100_000, 9_000)


def test_without_confirmations_nothing_anomalous_is_ever_accepted() -> None:
    never = replace(POLICY, confirmations=0, confirm_delay=0)
    state = started()
    for step in range(1, 300):
        verdict = report(state, 2_000_000, 200 + step * 10_000, ANOMALOUS, never)
        assert verdict.outcome is Outcome.HELD
        state = verdict.state
    assert state.held is not None and state.held.confirmations == 255


@pytest.mark.parametrize("answer", [0, -5])
def test_a_relative_feed_never_accepts_what_is_not_positive(answer: int) -> None:
    state = started()
    for step in range(1, 10):
        verdict = report(state, answer, 200 + step * 10_000, NORMAL)
        assert verdict.outcome is Outcome.HELD
        state = verdict.state


def test_an_absolute_feed_accepts_zero_and_negative_answers() -> None:
    feed = empty_feed(b"\2" * 32, Kind.ABSOLUTE, sigma=50, heartbeat=3_600, model_number=1)
    state = report(feed, 0, 100, NORMAL).state
    verdict = report(state, -25, 200, NORMAL)
    assert verdict.outcome is Outcome.ACCEPTED
    assert verdict.state.returns[0] == -500


@given(
    st.lists(
        st.tuples(st.integers(1, 10**12), st.booleans(), st.integers(1, 10_000)),
        min_size=1,
        max_size=40,
    ),
)
def test_rounds_and_times_only_grow_and_history_has_one_round_an_acceptance(
    reports: list[tuple[int, bool, int]],
) -> None:
    state, now, accepted = FEED, 0, 0
    for answer, normal, seconds in reports:
        now += seconds
        verdict = report(state, answer, now, NORMAL if normal else ANOMALOUS)
        accepted += verdict.outcome is Outcome.ACCEPTED
        assert verdict.state.round_id == accepted
        assert verdict.state.last_report_at == now
        assert (verdict.state.held is not None) == (verdict.state.status is Status.HELD)
        if normal:
            assert verdict.outcome is Outcome.ACCEPTED
        state = verdict.state


@given(
    st.integers(1, 10**12),
    st.integers(1, 10**12),
    st.integers(1, 5),
    st.integers(0, 100_000),
)
def test_a_feed_can_not_freeze_while_reporters_agree(old: int, new: int, confirmations: int, delay: int) -> None:
    """Reports of one level, `delay / confirmations` apart, are accepted after at most confirmations + 1 of them."""
    policy = HoldPolicy(confirmations, delay, tolerance=0)
    state, now = report(FEED, old, 100, NORMAL, policy).state, 100
    for _ in range(confirmations + 1):
        now += max(1, -(-delay // confirmations))
        verdict = report(state, new, now, ANOMALOUS, policy)
        state = verdict.state
    assert verdict.outcome is Outcome.ACCEPTED and verdict.confirmed
