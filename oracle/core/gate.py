"""The gate and the hold, as the hub applies them: a pure mirror of its state machine.

The audit replays a feed's history through it, and detectors are evaluated with it. It holds no proof and no
signature: what it says is which outcome the hub must have come to, given a feed's state, a report and its scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from oracle.core import encoding
from oracle.core.types import FeedState, HeldAnswer, HoldReason, Kind, Outcome, Status

PATIENCE = 4
"""A hold ends, whatever level its reports are of, after this many times the reports and the time that confirm one."""


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """How a held answer can become a round after all.

    A feed can't freeze while its reporters agree. Let every report be within `tolerance` of the first held answer, and
    none be the last accepted answer once more than `max_repeats` allows: then the hold ends, with a report that the
    model accepts or with a confirmation, at the latest with the first report that is both the `confirmations`-th
    further one and observed `confirm_delay` or more after the first held one, whatever the model says. Where the
    reports are not near each other, as in a crash, it ends at the latest with the anomalous report that is both the
    `PATIENCE · (confirmations + 1)`-th since the last accepted one, and `PATIENCE · confirm_delay` or more after the
    first.

    Attributes:
        confirmations: Further reports near the first held answer that accept it; at least 1.
        confirm_delay: Seconds that they must span, from the first held one.
        tolerance: How near "near" is, in thousandths of sigma.
        max_repeats: Reports in a row that may repeat the last answer exactly; 0: any number.
    """

    confirmations: int
    confirm_delay: int
    tolerance: int
    max_repeats: int = 0


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the hub makes of a report.

    Attributes:
        state: The feed afterwards.
        outcome: ACCEPTED or HELD.
        reason: Why it is held, or why it was until it was confirmed.
    """

    state: FeedState
    outcome: Outcome
    reason: HoldReason

    @property
    def confirmed(self) -> bool:
        """Whether it was accepted although the model calls it anomalous."""
        return self.outcome is Outcome.ACCEPTED and self.reason is not HoldReason.NONE


def empty_feed(feed_id: bytes, kind: Kind, sigma: int, heartbeat: int, model_number: int) -> FeedState:
    """The state of a feed that was just added."""
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
        returns=(0,) * encoding.RING_SIZE,
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
    latest_observed_at: int | None = None,
) -> Verdict:
    """Apply one proven report to a feed.

    Args:
        state: The feed before; `observed_at` is after its `last_report_at`.
        answer: The quorum's median, in answer units.
        observed_at: Unix seconds.
        scores: The model's proven scores; all ≤ 0 accepts.
        score_unit: Of the model, for the stored ratio.
        published_at: The block's time, unix seconds.
        latest_observed_at: The latest time that a reporter signed, where several did: the next report's must all be
            later.
    """
    last_report_at = observed_at if latest_observed_at is None else latest_observed_at
    repeats = encoding.repeats(state, answer)
    move = 0 if state.round_id == 0 else encoding.move(state.kind, state.sigma, answer, state.answer)
    reason = _reason_to_hold(state, policy, answer, repeats, move, scores)
    if reason is not HoldReason.NONE:
        held = _hold(state, policy, answer, observed_at, scores, score_unit, reason)
        if not _is_confirmed(held, policy):
            after = replace(state, status=Status.HELD, held=held, last_report_at=last_report_at)
            return Verdict(after, Outcome.HELD, reason)
    after = replace(
        state,
        status=Status.OK,
        round_id=state.round_id + 1,
        answer=answer,
        observed_at=observed_at,
        published_at=published_at,
        last_report_at=last_report_at,
        repeats=repeats,
        returns=encoding.push_move(state.returns, move),
        held=None,
    )
    return Verdict(after, Outcome.ACCEPTED, reason)


def _reason_to_hold(
    state: FeedState, policy: HoldPolicy, answer: int, repeats: int, move: int, scores: Sequence[int]
) -> HoldReason:
    """Whatever a model thinks of it: what later moves can't be measured against is held, what came too often, and what
    is too far away to be measured itself."""
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
    scores: Sequence[int],
    score_unit: int,
    reason: HoldReason,
) -> HeldAnswer:
    """The hold that a report starts, or goes on with: one of the same reason, begun by an answer that is near."""
    before = state.held
    anomalous = reason is HoldReason.ANOMALOUS
    anomalies = before.anomalies if before else 0
    since = before.anomalous_since if before else 0
    started = HeldAnswer(
        reason=reason,
        answer=answer,
        first_answer=answer,
        first_observed_at=observed_at,
        observed_at=observed_at,
        confirmations=0,
        model_number=state.model_number,
        score_ratio=encoding.score_ratio(scores, score_unit),
        anomalies=min(encoding.UINT16_MAX, anomalies + anomalous),
        anomalous_since=observed_at if anomalous and anomalies == 0 else since,
    )
    if before is None or before.reason is not reason or not _near(state, policy, answer, before.first_answer):
        return started
    return replace(
        started,
        first_answer=before.first_answer,
        first_observed_at=before.first_observed_at,
        confirmations=min(encoding.UINT8_MAX, before.confirmations + 1),
    )


def _is_confirmed(held: HeldAnswer, policy: HoldPolicy) -> bool:
    """Only what a model calls anomalous can be a new level: the other reasons hold however often it is said."""
    if held.reason is not HoldReason.ANOMALOUS:
        return False
    needed, delay = max(1, policy.confirmations), policy.confirm_delay
    if held.confirmations >= needed and held.observed_at - held.first_observed_at >= delay:
        return True
    outlasted = held.observed_at - held.anomalous_since >= PATIENCE * delay
    return held.anomalies >= PATIENCE * (needed + 1) and outlasted


def _near(state: FeedState, policy: HoldPolicy, answer: int, first: int) -> bool:
    if state.kind is Kind.RELATIVE and (answer <= 0 or first <= 0):
        return False
    return abs(encoding.move(state.kind, state.sigma, answer, first)) <= policy.tolerance
