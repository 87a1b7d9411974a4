"""Tests of the gate's mirror: holds and confirmations; no feed freezes while its reporters agree."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import assume, given
from hypothesis import strategies as st

from oracle.core import encoding
from oracle.core.gate import HoldPolicy, Verdict, empty_feed, judge, would_hold
from oracle.core.types import FeedState, HoldReason, Kind, Outcome, Round, Status

POLICY = HoldPolicy(confirmations=2, confirm_delay=7_200, tolerance=1_000)
NORMAL, ANOMALOUS = (-1, 0), (-1, 1)
FEED = empty_feed(b"\1" * 32, Kind.RELATIVE, sigma=10_000, heartbeat=3_600, model_number=1)


def report(
    state: FeedState,
    answer: int,
    observed_at: int,
    scores: tuple[int, ...],
    policy: HoldPolicy = POLICY,
    *,
    seen_at: int | None = None,
) -> Verdict:
    """Judge a report; `seen_at` is the block's time, by default just after the observation."""
    return judge(
        state,
        policy,
        answer,
        observed_at,
        scores,
        score_unit=1,
        published_at=observed_at + 5 if seen_at is None else seen_at,
    )


def started(answer: int = 1_000_000) -> FeedState:
    return report(FEED, answer, 100, NORMAL).state


def test_a_feed_that_was_just_added_has_nothing() -> None:
    peers = [b"\2" * 32]
    assert empty_feed(b"\1" * 32, Kind.ABSOLUTE, 5, 60, 7, committee=3, peers=peers) == FeedState(
        feed_id=b"\1" * 32,
        status=Status.EMPTY,
        paused=False,
        round_id=0,
        answer=0,
        observed_at=0,
        published_at=0,
        last_report_at=0,
        model_number=7,
        repeats=0,
        variance=131_072_000,
        returns=(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0),
        peers=(b"\2" * 32,),
        peer_answers=(),
        committee=3,
        held_reports=0,
        held=None,
        kind=Kind.ABSOLUTE,
        sigma=5,
        heartbeat=60,
    )
    assert FEED.committee == 1 and FEED.peers == ()


def test_the_first_report_becomes_round_one_with_no_move() -> None:
    verdict = report(FEED, 1_000_000, 100, NORMAL)
    assert verdict.outcome is Outcome.ACCEPTED
    assert (verdict.state.round_id, verdict.state.answer, verdict.state.returns[0]) == (1, 1_000_000, 0)
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
    kept = replace(verdict.state, status=before.status, held=None, last_report_at=before.last_report_at, held_reports=0)
    assert kept == before
    assert verdict.state.held is not None and verdict.state.held.answer == 2_000_000


def test_held_reports_are_counted_from_hold_to_hold_modulo_256() -> None:
    state, now = started(), 200
    for expected in range(1, 300):
        verdict = report(state, 0, now, NORMAL)
        assert (verdict.outcome, verdict.state.held_reports) == (Outcome.HELD, expected % 256)
        accepted = report(verdict.state, 1_000_000 + expected % 2, now + 1, NORMAL)
        assert accepted.state.held is None
        assert accepted.state.held_reports == expected % 256, "the hold's end clears the count"
        state, now = (accepted.state if expected % 3 else verdict.state), now + 2


def test_the_report_that_confirms_a_hold_is_not_held() -> None:
    state = started()
    for observed_at in (200, 3_800, 7_400):
        state = report(state, 2_000_000, observed_at, ANOMALOUS).state
    assert (state.answer, state.held_reports) == (2_000_000, 2)


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
    found = (state.held.confirmations, state.held.first_answer, state.held.first_observed_at)
    assert found == (0, 2_100_000, 9_000)


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


@given(st.lists(st.tuples(st.integers(1, 10**12), st.booleans(), st.integers(1, 10_000)), min_size=1, max_size=40))
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
        clipped = (
            state.round_id > 0 and abs(encoding.move(Kind.RELATIVE, 10_000, answer, state.answer)) == encoding.CLIP
        )
        if normal and not clipped:
            assert verdict.outcome is Outcome.ACCEPTED
        state = verdict.state


@given(st.data())
def test_a_feed_can_not_freeze_while_reporters_agree(data: st.DataObject) -> None:
    """Whatever the model says of reports that agree, the bound of `HoldPolicy` ends a hold."""
    kind = data.draw(st.sampled_from(Kind))
    policy = HoldPolicy(
        confirmations=data.draw(st.integers(1, 5)),
        confirm_delay=data.draw(st.integers(0, 100_000)),
        tolerance=data.draw(st.integers(0, 5_000)),
        max_repeats=data.draw(st.integers(0, 2)),
    )
    answers = st.integers(1, 10**9) if kind is Kind.RELATIVE else st.integers(-(10**9), 10**9)
    feed = empty_feed(b"\1" * 32, kind, sigma=10_000, heartbeat=3_600, model_number=1)
    old, first = data.draw(answers), data.draw(answers)
    state = report(feed, old, 100, NORMAL, policy).state
    now, further = data.draw(st.integers(101, 10_000)), 0
    if data.draw(st.booleans()):
        # A hold at another level, or for another reason, which this one replaces.
        state = report(state, data.draw(answers) if kind is Kind.ABSOLUTE else -1, now, ANOMALOUS, policy).state
        now += 1
    assume(first != old or not policy.max_repeats)
    state = report(state, first, now, ANOMALOUS, policy).state
    # The hold may continue one that began before; then it ends sooner, or has ended.
    assume(state.held is not None)
    assert state.held is not None
    held, started_at = state.held, now
    while True:
        now += data.draw(st.integers(1 + policy.confirm_delay // 10, 40_000))
        further += 1
        answer = held.first_answer + data.draw(st.integers(-50, 50))
        assume(abs(encoding.move(kind, 10_000, answer, held.first_answer)) <= policy.tolerance)
        assume(answer > 0 or kind is Kind.ABSOLUTE)
        assume(answer != old or not policy.max_repeats)
        verdict = report(state, answer, now, data.draw(st.sampled_from([NORMAL, ANOMALOUS, ANOMALOUS])), policy)
        state = verdict.state
        if verdict.outcome is Outcome.ACCEPTED:
            break
        bound = further >= policy.confirmations and now - started_at >= policy.confirm_delay
        assert not bound, "the hold outlived its bound"
    assert state.held is None and state.status is Status.OK


@given(
    st.integers(0, 3),
    st.lists(st.tuples(st.integers(98, 102), st.booleans(), st.integers(1, 10_000)), min_size=1, max_size=60),
)
def test_an_answer_is_never_accepted_more_often_than_its_feed_allows(
    max_repeats: int, reports: list[tuple[int, bool, int]]
) -> None:
    """This is true however the model judges, and however often a held repetition is reported again."""
    policy = HoldPolicy(confirmations=1, confirm_delay=0, tolerance=1_000, max_repeats=max_repeats)
    state, now, accepted = FEED, 0, list[int]()
    for answer, normal, seconds in reports:
        now += seconds
        repeats = 0
        while repeats < len(accepted) and accepted[-1 - repeats] == answer:
            repeats += 1
        verdict = report(state, answer, now, NORMAL if normal else ANOMALOUS, policy)
        state = verdict.state
        if max_repeats and repeats > max_repeats:
            assert (verdict.outcome, verdict.reason) == (Outcome.HELD, HoldReason.REPEATED)
            assert state.held is not None and state.held.reason is HoldReason.REPEATED
        elif normal:
            assert verdict.outcome is Outcome.ACCEPTED
        if verdict.outcome is Outcome.ACCEPTED:
            accepted.append(answer)
            assert state.repeats == repeats
        if max_repeats:
            assert state.repeats <= max_repeats


# --- repetitions, and other reports that are held whatever the model says ---


ONCE = replace(POLICY, confirmations=1, confirm_delay=0, max_repeats=1)


def repeated(policy: HoldPolicy = ONCE) -> FeedState:
    """Return a feed whose latest answer was repeated as often as `ONCE` allows."""
    state = report(started(), 1_000_000, 200, NORMAL, policy).state
    assert (state.round_id, state.repeats) == (2, 1)
    return state


def test_one_repetition_too_many_is_held_and_never_confirmed() -> None:
    state = repeated()
    for step in range(1, 301):
        # Neither the model's verdict, either way, nor any number of reports accepts it.
        verdict = report(state, 1_000_000, 200 + step * 10_000, (NORMAL, ANOMALOUS)[step % 2], ONCE)
        assert (verdict.outcome, verdict.reason, verdict.confirmed) == (Outcome.HELD, HoldReason.REPEATED, False)
        state = verdict.state
        assert state.held is not None and state.held.confirmations == min(255, step - 1)
    assert (state.round_id, state.repeats) == (2, 1)


def test_a_different_answer_clears_a_repetition() -> None:
    state = report(repeated(), 1_000_000, 300, NORMAL, ONCE).state
    verdict = report(state, 1_000_001, 400, NORMAL, ONCE)
    assert (verdict.outcome, verdict.reason) == (Outcome.ACCEPTED, HoldReason.NONE)
    assert (verdict.state.repeats, verdict.state.held) == (0, None)


def test_repetitions_are_counted_where_any_number_is_allowed() -> None:
    state = started()
    for step in range(1, 301):
        verdict = report(state, 1_000_000, 100 + step, NORMAL)
        assert verdict.outcome is Outcome.ACCEPTED
        state = verdict.state
        assert state.repeats == min(255, step)


def test_the_first_answer_repeats_nothing() -> None:
    absolute = empty_feed(b"\2" * 32, Kind.ABSOLUTE, sigma=50, heartbeat=3_600, model_number=1)
    assert report(absolute, absolute.answer, 100, NORMAL, ONCE).state.repeats == 0


def test_a_confirmed_answer_counts_as_any_other() -> None:
    held = report(started(), 1_000_000, 200, ANOMALOUS, ONCE).state
    verdict = report(held, 1_000_000, 300, ANOMALOUS, ONCE)
    assert (verdict.outcome, verdict.reason, verdict.confirmed) == (Outcome.ACCEPTED, HoldReason.ANOMALOUS, True)
    assert verdict.state.repeats == 1


def test_a_hold_goes_on_only_for_the_same_reason() -> None:
    state = report(repeated(), 1_000_100, 300, ANOMALOUS, replace(ONCE, confirmations=2)).state
    assert state.held is not None and state.held.reason is HoldReason.ANOMALOUS
    # It is within tolerance of the held answer, which was held for another reason, so the anomaly begins again.
    state = report(state, 1_000_000, 400, ANOMALOUS, replace(ONCE, confirmations=2)).state
    assert state.held is not None
    assert (state.held.reason, state.held.confirmations) == (HoldReason.REPEATED, 0)
    verdict = report(state, 1_000_100, 500, ANOMALOUS, ONCE)
    assert verdict.outcome is Outcome.HELD
    assert verdict.state.held is not None
    assert (verdict.state.held.confirmations, verdict.state.held.first_observed_at) == (0, 500)


def test_what_is_not_positive_is_so_before_it_is_anything_else() -> None:
    state = report(started(), -5, 200, ANOMALOUS, ONCE).state
    assert state.held is not None and state.held.reason is HoldReason.NOT_POSITIVE
    # Nothing is near it, so each report begins a new hold.
    state = report(state, -5, 300, ANOMALOUS, ONCE).state
    assert state.held is not None and (state.held.confirmations, state.held.first_observed_at) == (0, 300)


@pytest.mark.parametrize(("factor", "outcome"), [(1.3276, Outcome.ACCEPTED), (1.33, Outcome.HELD), (100, Outcome.HELD)])
def test_a_move_beyond_the_clip_is_held_whatever_the_model_says(factor: float, outcome: Outcome) -> None:
    up = report(started(), int(1_000_000 * factor), 200, NORMAL)
    down = report(started(), int(1_000_000 / factor), 200, NORMAL)
    assert up.outcome is down.outcome is outcome
    assert up.reason is (HoldReason.NONE if outcome is Outcome.ACCEPTED else HoldReason.ANOMALOUS)


def test_a_first_answer_has_no_move_that_could_be_clipped() -> None:
    assert report(FEED, 10**30, 100, NORMAL).outcome is Outcome.ACCEPTED


def test_a_falling_answer_is_followed_in_the_end() -> None:
    """No report is near the one before; 4 · (2 + 1) of them over 4 · 7,200 seconds are enough."""
    state, answer = started(), 1_000_000
    for step in range(12):
        assert state.round_id == 1
        answer = answer * 85 // 100
        state = report(state, answer, 200 + step * 2_700, ANOMALOUS).state
        if step < 11:
            assert state.held is not None
            assert (state.held.anomalies, state.held.anomalous_since) == (step + 1, 200)
    assert (state.round_id, state.answer, state.held) == (2, answer, None)


def test_many_anomalies_in_a_short_time_are_held() -> None:
    state, answer = started(10**12), 10**12
    for step in range(40):
        answer = answer * 85 // 100
        state = report(state, answer, 200 + step * 700, ANOMALOUS).state
    assert state.held is not None and state.held.anomalies == 40


@given(
    st.lists(
        st.tuples(st.integers(1, 10**12), st.sampled_from(["anomalous", "repeated"]), st.integers(1, 20_000)),
        min_size=60,
        max_size=90,
    ),
    st.integers(0, 2),
)
def test_no_feed_freezes_while_anomalous_reports_come(reports: list[tuple[int, str, int]], max_repeats: int) -> None:
    """This is true of any levels, with any repetitions between them."""
    policy = replace(POLICY, max_repeats=max_repeats)
    state, now = report(FEED, 1_000_000, 100, NORMAL, policy).state, 100
    anomalies, since = 0, 0
    for answer, what, seconds in reports:
        now += seconds
        repetition = what == "repeated"
        before = state.round_id
        verdict = report(
            state, state.answer if repetition else answer, now, NORMAL if repetition else ANOMALOUS, policy
        )
        state = verdict.state
        if state.round_id > before:
            anomalies = 0
            continue
        if verdict.reason is HoldReason.ANOMALOUS:
            since = since if anomalies else now
            anomalies += 1
        assert anomalies < 4 * 3 or now - since < 4 * 7_200 or verdict.reason is HoldReason.REPEATED


# --- the reason ---


@pytest.mark.parametrize("answer", [0, -1])
def test_a_first_answer_of_nothing_is_held_on_a_relative_feed(answer: int) -> None:
    verdict = report(FEED, answer, 100, NORMAL)
    assert (verdict.outcome, verdict.reason) == (Outcome.HELD, HoldReason.NOT_POSITIVE)
    held = verdict.state.held
    assert held is not None and (held.anomalies, held.anomalous_since, held.anomalous_seen_at) == (0, 0, 0)


@pytest.mark.parametrize(
    ("state", "max_repeats", "answer", "scores", "held"),
    [
        (FEED, 1, 1_000_000, (-1, 0), False),
        (FEED, 1, 1_000_000, (-1, 1), True),
        (FEED, 1, 0, (-1, 0), True),
        (FEED, 1, 1, (-1, 0), False),
        (started(), 1, 1_010_000, (-1, 0), False),
        (started(), 1, 1_010_000, (1, -5), True),
        (started(), 1, 0, (-1, 0), True),
        (started(), 1, 2_000_000, (-1, 0), True),
        (started(), 1, 1_000_000, (-1, 0), False),
        (replace(started(), repeats=1), 1, 1_000_000, (-1, 0), True),
        (replace(started(), repeats=1), 2, 1_000_000, (-1, 0), False),
        (replace(started(), repeats=200), 0, 1_000_000, (-1, 0), False),
        (replace(started(100), kind=Kind.ABSOLUTE), 1, -1, (-1, 0), False),
    ],
)
def test_would_hold_says_what_the_gate_does(
    state: FeedState, max_repeats: int, answer: int, scores: tuple[int, ...], held: bool
) -> None:
    """For evaluations, which look at one report after the other without ever holding a feed."""
    assert would_hold(state, max_repeats, answer, scores) is held
    judged = report(state, answer, 3_700, scores, replace(POLICY, max_repeats=max_repeats))
    assert (judged.outcome is Outcome.HELD) is held


def test_a_hold_keeps_its_first_gap_whatever_its_reason() -> None:
    """Only an anomalous answer is judged with it, but the hub keeps it of each hold."""
    once = replace(POLICY, max_repeats=1)
    state = replace(started(), repeats=1)
    first = report(state, 1_000_000, 100 + 7_200, NORMAL, once).state
    later = report(first, 1_000_000, 100 + 36_000, NORMAL, once).state
    assert first.held is not None and later.held is not None
    assert (later.held.reason, later.held.confirmations) == (HoldReason.REPEATED, 1)
    assert (first.held.first_gap, later.held.first_gap) == (2_000, 2_000)


def test_a_policy_without_confirmations_needs_one() -> None:
    """The hub has no such feed; an evaluation could ask for it."""
    state, answer = started(10**12), 10**12
    for step in range(8):
        assert state.round_id == 1
        answer = answer * 85 // 100
        state = report(state, answer, 1_000 + step * 10_000, ANOMALOUS, replace(POLICY, confirmations=0)).state
    assert state.round_id == 2


def test_counts_of_a_hold_stop_at_their_bytes() -> None:
    """The hub keeps 8 bits of confirmations and 16 of anomalies."""
    patient = HoldPolicy(confirmations=255, confirm_delay=10**6, tolerance=1_000)
    state = report(started(), 2_000_000, 200, ANOMALOUS, patient).state
    assert state.held is not None
    for confirmations, anomalies, after in ((253, 65_533, (254, 65_534)), (254, 65_534, (255, 65_535))):
        held = replace(state.held, confirmations=confirmations, anomalies=anomalies)
        found = report(replace(state, held=held), 2_000_000, 300, ANOMALOUS, patient).state.held
        assert found is not None and (found.confirmations, found.anomalies) == after
    held = replace(state.held, confirmations=255, anomalies=65_535)
    found = report(replace(state, held=held), 2_000_000, 300, ANOMALOUS, patient).state.held
    assert found is not None and (found.confirmations, found.anomalies) == (255, 65_535)


# --- the two clocks ---


def test_back_dated_reports_in_one_block_confirm_nothing() -> None:
    """A quorum of liars signs any times, but the chain has seen its hold for no time at all."""
    state = report(started(), 2_000_000, 200, ANOMALOUS, seen_at=90_000).state
    for step in range(1, 9):
        verdict = report(state, 2_000_000, 200 + step * 10_000, ANOMALOUS, seen_at=90_000)
        assert verdict.outcome is Outcome.HELD
        state = verdict.state
    assert report(state, 2_000_000, 80_400, ANOMALOUS, seen_at=90_000 + 7_199).outcome is Outcome.HELD
    assert report(state, 2_000_000, 80_400, ANOMALOUS, seen_at=90_000 + 7_200).confirmed


def test_time_on_the_chain_alone_confirms_nothing() -> None:
    begun = 1_700_000_000
    state = report(started(), 2_000_000, begun, ANOMALOUS, seen_at=begun + 5).state
    for step in range(1, 9):
        verdict = report(state, 2_000_000, begun + step, ANOMALOUS, seen_at=begun + 5 + step * 10_000)
        assert verdict.outcome is Outcome.HELD
        state = verdict.state


@pytest.mark.parametrize(("observed", "seen", "followed"), [(0, 0, True), (-1, 0, False), (0, -1, False)])
def test_patience_ends_with_the_second_in_which_both_clocks_have_run(observed: int, seen: int, followed: bool) -> None:
    """Twelve reports, none near another: the last of them is four times the delay after the first, or a second less."""
    state, answer = started(10**12), 10**12
    for step in range(11):
        answer = answer * 85 // 100
        state = report(state, answer, 1_000 + step, ANOMALOUS, seen_at=5_000_000 + step).state
    assert state.held is not None and (state.held.anomalies, state.held.confirmations) == (11, 0)
    last = report(state, answer * 85 // 100, 1_000 + 4 * 7_200 + observed, ANOMALOUS, seen_at=5_000_000 + 28_800 + seen)
    assert last.confirmed is followed


def test_patience_needs_both_clocks() -> None:
    """No report is near another; there are enough of them, and one clock has run out long ago."""

    def crash(observed: int, seen: int) -> FeedState:
        state, answer = started(10**12), 10**12
        for step in range(30):
            answer = answer * 85 // 100
            state = report(state, answer, 200 + step * observed, ANOMALOUS, seen_at=100_000_000 + step * seen).state
            if state.round_id == 2:
                return state
        return state

    assert crash(observed=2_700, seen=900).round_id == 1
    assert crash(observed=900, seen=2_700).round_id == 1
    assert crash(observed=2_700, seen=2_700).round_id == 2
    assert crash(observed=2_700, seen=1_000).round_id == 2, "30 reports over 29,000 seconds"


@given(st.data())
def test_nothing_anomalous_is_accepted_before_both_clocks_have_run(data: st.DataObject) -> None:
    """This is true of any levels, any reports that are not anomalous between them, and any two clocks."""
    policy = HoldPolicy(
        confirmations=data.draw(st.integers(1, 3)),
        confirm_delay=data.draw(st.integers(1, 20_000)),
        tolerance=data.draw(st.integers(0, 3_000)),
        max_repeats=data.draw(st.integers(0, 2)),
    )
    state = report(FEED, 1_000_000, 100, NORMAL, policy).state
    observed, seen = 100, 105
    anomalous = list[tuple[int, int, int]]()
    steps = st.integers(1, 3 * policy.confirm_delay)
    answers = st.sampled_from([1_000_000, 1_100_000, 1_101_000, 1_200_000]) | st.integers(-5, 2_000_000)
    for _ in range(data.draw(st.integers(1, 40))):
        observed, seen = observed + data.draw(steps), seen + data.draw(steps | st.just(0))
        answer = data.draw(answers)
        scores = data.draw(st.sampled_from([NORMAL, ANOMALOUS, ANOMALOUS, ANOMALOUS]))
        verdict = report(state, answer, observed, scores, policy, seen_at=seen)
        state = verdict.state
        if verdict.reason is HoldReason.ANOMALOUS:
            anomalous.append((answer, observed, seen))
        if verdict.outcome is Outcome.HELD:
            continue
        if verdict.confirmed:
            near = [
                each
                for each in anomalous
                if encoding.near(Kind.RELATIVE, 10_000, answer, each[0], 2 * policy.tolerance)
            ]
            agreed = len(near) > policy.confirmations and _span(near) >= policy.confirm_delay
            patient = len(anomalous) >= 4 * (policy.confirmations + 1) and _span(anomalous) >= 4 * policy.confirm_delay
            assert agreed or patient
        anomalous.clear()


def _span(reports: list[tuple[int, int, int]]) -> int:
    """Return the time from the first to the last report, on the clock that ran less."""
    first, last = reports[0], reports[-1]
    return min(last[1] - first[1], last[2] - first[2])


# --- the gap that stands still ---


def allowed(state: FeedState, answer: int, observed_at: int, tolerance: int) -> int:
    """Return the score of a model that allows 3 sigmas for each heartbeat since the last round."""
    listed = (encoding.Feature.MOVE, encoding.Feature.GAP)
    move, gap = encoding.features(state, answer, observed_at, listed, tolerance=tolerance)
    return abs(move) - 3 * gap


@given(st.data())
def test_a_lie_near_its_first_level_never_becomes_normal_by_waiting(data: st.DataObject) -> None:
    tolerance = data.draw(st.integers(0, 300))
    policy = HoldPolicy(confirmations=200, confirm_delay=1, tolerance=tolerance)
    state = report(FEED, 10_000_000, 100, NORMAL, policy).state
    # More than the tolerance above what the model allows, so that no answer near it is within its limits.
    lie, now = 10_000_000 + 100 * (3_000 + 2 * tolerance + 10), 200
    state = report(state, lie, now, (allowed(state, lie, now, tolerance),), policy).state
    assert state.held is not None and state.held.first_gap == encoding.GAP_ONE
    for _ in range(data.draw(st.integers(1, 30))):
        now += data.draw(st.integers(1, 100_000))
        answer = lie + data.draw(st.integers(-90 * tolerance, 90 * tolerance))
        verdict = report(state, answer, now, (allowed(state, answer, now, tolerance),), policy)
        assert (verdict.outcome, verdict.reason) == (Outcome.HELD, HoldReason.ANOMALOUS)
        state = verdict.state
        assert state.held is not None and state.held.first_gap == encoding.GAP_ONE
    # The same model takes the same answer where no hold makes the gap stand still: the test could fail.
    assert allowed(replace(state, held=None), lie, 200 + 3_600 * 3, tolerance) <= 0


def test_a_new_hold_keeps_the_gap_that_its_first_report_was_judged_with() -> None:
    state = report(started(), 2_000_000, 100 + 4 * 3_600, ANOMALOUS).state
    assert state.held is not None and state.held.first_gap == 4_000
    state = report(state, 2_001_000, 100 + 5 * 3_600, ANOMALOUS).state
    assert state.held is not None and (state.held.first_gap, state.held.confirmations) == (4_000, 1)
    state = report(state, 3_000_000, 100 + 6 * 3_600, ANOMALOUS).state
    assert state.held is not None and (state.held.first_gap, state.held.confirmations) == (6_000, 0)


# --- what an accepted report leaves ---


def test_an_accepted_report_moves_the_variance_by_the_gap_it_was_judged_with() -> None:
    state = started()
    assert state.variance == encoding.VARIANCE_START
    state = report(state, 1_020_000, 100 + 2 * 3_600, NORMAL).state
    assert state.variance == encoding.variance(encoding.VARIANCE_START, 2_000, 2_000)
    before = state.variance
    state = report(state, 1_122_000, 100 + 3 * 3_600, ANOMALOUS).state
    assert state.variance == before, "held answers leave it alone"
    confirmed = report(state, 1_122_000, 100 + 9 * 3_600, ANOMALOUS, replace(POLICY, confirmations=1)).state
    assert confirmed.round_id == 3
    assert confirmed.variance == encoding.variance(before, 10_000, 1_000)


def test_only_accepted_rounds_keep_the_answers_of_peers() -> None:
    feed = empty_feed(b"\1" * 32, Kind.RELATIVE, 10_000, 3_600, 1, peers=(b"\2" * 32, b"\3" * 32))

    def with_peers(state: FeedState, time: int, scores: tuple[int, ...], peers: tuple[int, ...]) -> FeedState:
        return judge(state, POLICY, 1_000_000, time, scores, score_unit=1, published_at=time, peer_answers=peers).state

    assert feed.peer_answers == ()
    state = with_peers(feed, 100, NORMAL, (7, 8))
    assert state.peer_answers == (7, 8)
    state = with_peers(state, 200, ANOMALOUS, (70, 80))
    assert state.peer_answers == (7, 8)
    assert with_peers(state, 300, NORMAL, (-1, 0)).peer_answers == (-1, 0)
    with pytest.raises(ValueError, match="1 answers of peers; the feed has 2 peers"):
        with_peers(state, 300, NORMAL, (7,))


def test_an_accepted_report_is_the_round_that_the_hub_stores() -> None:
    verdict = judge(FEED, POLICY, 1_000_000, 100, (-7_000, -500), score_unit=1_000, published_at=107, spread=2, count=5)
    assert verdict.round == Round(1, 1_000_000, 100, 107, 1, -500, 2, 5)
    alone = judge(FEED, POLICY, 1_000_000, 100, (-7_000, -500), score_unit=1_000, published_at=107)
    assert alone.round == Round(1, 1_000_000, 100, 107, 1, -500, 0, 1)
    assert report(started(), 2_000_000, 200, ANOMALOUS).round is None


@pytest.mark.parametrize("unit", [1, 2, 1_000_000])
@pytest.mark.parametrize(("score", "held"), [(-2, False), (0, False), (1, True), (2, True), (6, True)])
def test_a_verdict_holds_if_it_is_above_zero_whatever_its_value_and_unit(score: int, held: bool, unit: int) -> None:
    verdict = judge(FEED, POLICY, 1_000_000, 100, (score,), score_unit=unit, published_at=107)
    assert (verdict.outcome is Outcome.HELD) is held
    kept = verdict.state.held.score_ratio if verdict.state.held else verdict.round.score_ratio if verdict.round else 0
    assert (kept > 0) is held
