"""Apply the gate and the hold as the hub does: a pure mirror of its state machine.

The audit replays a feed's history through it, and evaluations judge detectors with it. It checks no proof and no
signature: from a feed's state, a report and its scores it computes the outcome that the hub must have come to.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from oracle.core import encoding
from oracle.core.types import HELD_REPORTS, FeedState, HeldAnswer, HoldReason, Kind, Outcome, Round, Status

PATIENCE = 4
"""A hold ends after this many times the reports and the time of a confirmation, even if no level is agreed on."""


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """The rules by which a held answer can become a round after all.

    A feed can't freeze while its reporters agree. Suppose that every report is within `tolerance` of the first held
    answer, and that no report repeats the last accepted answer more often than `max_repeats` allows. Then the hold ends
    with a report that the model accepts, or with a confirmation. Whatever the model says, it ends at the latest with
    the first report that is both the `confirmations`-th further one and `confirm_delay` or more after the first held
    one.

    If the reports are not near each other, as in a crash, the hold ends at the latest with the anomalous report that is
    both the `PATIENCE · (confirmations + 1)`-th since the last accepted report, and `PATIENCE · confirm_delay` or more
    after the first of them.

    Time has to pass on both clocks: the reporters' signed one, and the chain's. Signed times alone can be back-dated,
    and a whole hold could begin and end in one block.

    Attributes:
        confirmations: How many further reports near the first held answer confirm it; at least 1.
        confirm_delay: Seconds that these reports must span, from the first held one; at least 1.
        tolerance: How far a report may be from the first held answer and still confirm it, in thousandths of sigma.
        max_repeats: How many reports in a row may repeat the last answer exactly. 0: any number.
    """

    confirmations: int
    confirm_delay: int
    tolerance: int
    max_repeats: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """The outcome of a report, as the hub decides it.

    Attributes:
        state: The feed's state after the report.
        outcome: ACCEPTED or HELD.
        reason: Why the report is held, or, of a confirmed report, why it would be. NONE if the model accepts it.
        round: The round that an accepted report becomes; None if it is held.
    """

    state: FeedState
    outcome: Outcome
    reason: HoldReason
    round: Round | None = None

    @property
    def confirmed(self) -> bool:
        """True if the report was accepted although the model calls it anomalous."""
        return self.outcome is Outcome.ACCEPTED and self.reason is not HoldReason.NONE


def empty_feed(
    feed_id: bytes,
    kind: Kind,
    sigma: int,
    heartbeat: int,
    model_number: int,
    *,
    committee: int = 1,
    peers: Sequence[bytes] = (),
) -> FeedState:
    """Return the state of a feed that was just added."""
    return FeedState(
        feed_id=feed_id,
        status=Status.EMPTY,
        paused=False,
        round_id=0,
        answer=0,
        observed_at=0,
        published_at=0,
        last_report_at=0,
        model_number=model_number,
        repeats=0,
        variance=encoding.VARIANCE_START,
        returns=(0,) * encoding.RING_SIZE,
        peers=tuple(peers),
        peer_answers=(),
        committee=committee,
        held_reports=0,
        held=None,
        kind=kind,
        sigma=sigma,
        heartbeat=heartbeat,
    )


def judge(
    state: FeedState,
    policy: HoldPolicy,
    answer: int,
    observed_at: int,
    scores: Sequence[int],
    *,
    score_unit: int,
    published_at: int,
    spread: int = 0,
    count: int = 1,
    peer_answers: Sequence[int] = (),
) -> Verdict:
    """Apply one proven report to a feed.

    Args:
        state: The feed's state before. The report's `observed_at` is after its `last_report_at`.
        policy: The feed's rules for holds.
        answer: The quorum's median, in answer units.
        observed_at: Unix seconds.
        scores: The model's proven scores. If all are ≤ 0, the model accepts.
        score_unit: The model's score unit, for the stored ratio.
        published_at: The block's time, unix seconds: the chain's clock.
        spread: The spread of the signed answers, for the stored round.
        count: How many reporters answered, for the stored round.
        peer_answers: The medians of the feed's peers in the same report, in the order of `state.peers`.
    """
    if len(peer_answers) != len(state.peers):
        raise ValueError(f"{len(peer_answers)} answers of peers; the feed has {len(state.peers)} peers")
    repeats = encoding.repeats(state, answer)
    move = _move(state, answer)
    gap = encoding.gap_of(state, answer, observed_at, policy.tolerance)
    ratio = encoding.score_ratio(scores, score_unit)
    reason = _reason_to_hold(state, policy, answer, repeats, move, scores)
    if reason is not HoldReason.NONE:
        held = _hold(state, policy, answer, observed_at, published_at, gap, ratio, reason)
        if not _is_confirmed(held, policy, published_at):
            count_held = (state.held_reports + 1) % HELD_REPORTS
            after = replace(state, status=Status.HELD, held=held, last_report_at=observed_at, held_reports=count_held)
            return Verdict(after, Outcome.HELD, reason)
    after = accept(state, policy.tolerance, answer, observed_at, published_at, peer_answers)
    accepted = Round(
        round_id=after.round_id,
        answer=answer,
        observed_at=observed_at,
        published_at=published_at,
        model_number=state.model_number,
        score_ratio=ratio,
        spread=spread,
        count=count,
    )
    return Verdict(after, Outcome.ACCEPTED, reason, accepted)


def accept(
    state: FeedState,
    tolerance: int,
    answer: int,
    observed_at: int,
    published_at: int,
    peer_answers: Sequence[int] = (),
) -> FeedState:
    """Return a feed's state after a report that became a round. See `judge`, whose arguments these are.

    Args:
        tolerance: The feed's, of its rules for holds.
    """
    move, gap = _move(state, answer), encoding.gap_of(state, answer, observed_at, tolerance)
    return replace(
        state,
        status=Status.OK,
        round_id=state.round_id + 1,
        answer=answer,
        observed_at=observed_at,
        published_at=published_at,
        last_report_at=observed_at,
        repeats=encoding.repeats(state, answer),
        variance=encoding.variance(state.variance, move, gap) if state.round_id else encoding.VARIANCE_START,
        returns=encoding.push_move(state.returns, move),
        peer_answers=tuple(peer_answers),
        held=None,
    )


def _move(state: FeedState, answer: int) -> int:
    return 0 if state.round_id == 0 else encoding.move(state.kind, state.sigma, answer, state.answer)


def would_hold(state: FeedState, max_repeats: int, answer: int, scores: Sequence[int]) -> bool:
    """Return whether the hub would hold a report, if none of the feed is held now.

    Args:
        state: The feed's state before.
        max_repeats: How many reports in a row may repeat the last answer exactly. 0: any number.
        answer: The quorum's median, in answer units.
        scores: The model's proven scores.
    """
    move = 0 if state.round_id == 0 else encoding.move(state.kind, state.sigma, answer, state.answer)
    policy = HoldPolicy(1, 1, 0, max_repeats)
    return _reason_to_hold(state, policy, answer, encoding.repeats(state, answer), move, scores) is not HoldReason.NONE


def _reason_to_hold(
    state: FeedState, policy: HoldPolicy, answer: int, repeats: int, move: int, scores: Sequence[int]
) -> HoldReason:
    """Return why a report is held, NONE if it is not.

    Whatever the model says, three kinds of answers are held: one against which later moves can't be measured, one that
    came too often, and one that is too far away to be measured itself.
    """
    if state.kind is Kind.RELATIVE and answer <= 0:
        return HoldReason.NOT_POSITIVE
    if policy.max_repeats and repeats > policy.max_repeats:
        return HoldReason.REPEATED
    return HoldReason.ANOMALOUS if abs(move) == encoding.CLIP or max(scores) > 0 else HoldReason.NONE


def _hold(
    state: FeedState,
    policy: HoldPolicy,
    answer: int,
    observed_at: int,
    seen_at: int,
    gap: int,
    ratio: int,
    reason: HoldReason,
) -> HeldAnswer:
    """Return the hold after a report: a new one, or the same if its reason is the same and its first answer is near."""
    before = state.held
    anomalous = reason is HoldReason.ANOMALOUS
    anomalies = before.anomalies if before else 0
    since, since_seen = (before.anomalous_since, before.anomalous_seen_at) if before else (0, 0)
    if anomalous and anomalies == 0:
        since, since_seen = observed_at, seen_at
    started = HeldAnswer(
        reason=reason,
        answer=answer,
        first_answer=answer,
        first_observed_at=observed_at,
        first_seen_at=seen_at,
        observed_at=observed_at,
        confirmations=0,
        model_number=state.model_number,
        score_ratio=ratio,
        anomalies=min(encoding.UINT16_MAX, anomalies + anomalous),
        anomalous_since=since,
        anomalous_seen_at=since_seen,
        first_gap=gap,
    )
    if before is None or before.reason is not reason:
        return started
    if not encoding.near(state.kind, state.sigma, answer, before.first_answer, policy.tolerance):
        return started
    return replace(
        started,
        first_answer=before.first_answer,
        first_observed_at=before.first_observed_at,
        first_seen_at=before.first_seen_at,
        confirmations=min(encoding.UINT8_MAX, before.confirmations + 1),
        first_gap=before.first_gap,
    )


def _is_confirmed(held: HeldAnswer, policy: HoldPolicy, now: int) -> bool:
    """Return True if a hold is confirmed at the chain's time `now`.

    Only anomalous answers can be a new level; other holds never are.
    """
    if held.reason is not HoldReason.ANOMALOUS:
        return False
    needed, delay = max(1, policy.confirmations), policy.confirm_delay
    span = min(held.observed_at - held.first_observed_at, now - held.first_seen_at)
    if held.confirmations >= needed and span >= delay:
        return True
    outlasted = min(held.observed_at - held.anomalous_since, now - held.anomalous_seen_at)
    return held.anomalies >= PATIENCE * (needed + 1) and outlasted >= PATIENCE * delay
