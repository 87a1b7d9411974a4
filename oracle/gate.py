"""The gate and the hold, as the hub applies them: a pure mirror of its state machine.

The audit replays a feed's history through it, and detectors are evaluated with it. It holds no proof and no
signature: what it says is which outcome the hub must have come to, given a feed's state, a report and its scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from oracle import encoding
from oracle.types import FeedState, HeldAnswer, HoldReason, Kind, Outcome, Status


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """How a held answer can become a round after all.

    A feed can't freeze while its reporters agree. Let every report be within `tolerance` of the first held answer, and
    none be the last accepted answer once more than `max_repeats` allows: then the hold ends, with a report that the
    model accepts or with a confirmation, at the latest with the first report that is both the `confirmations`-th
    further one and observed `confirm_delay` or more after the first held one, whatever the model says.

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
    reason = _reason_to_hold(state, policy, answer, repeats, scores)
    if reason is not HoldReason.NONE:
        held = _hold(state, policy, answer, observed_at, scores, score_unit, reason)
        if not _is_confirmed(held, policy):
            after = replace(state, status=Status.HELD, held=held, last_report_at=last_report_at)
            return Verdict(after, Outcome.HELD, reason)
    newest = 0 if state.round_id == 0 else encoding.move(state.kind, state.sigma, answer, state.answer)
    after = replace(
        state,
        status=Status.OK,
        round_id=state.round_id + 1,
        answer=answer,
        observed_at=observed_at,
        published_at=published_at,
        last_report_at=last_report_at,
        repeats=repeats,
        returns=encoding.push_move(state.returns, newest),
        held=None,
    )
    return Verdict(after, Outcome.ACCEPTED, reason)


def _reason_to_hold(
    state: FeedState, policy: HoldPolicy, answer: int, repeats: int, scores: Sequence[int]
) -> HoldReason:
    """Whatever a model thinks of it: what later moves can't be measured against is held, and what came too often."""
    if state.kind is Kind.RELATIVE and answer <= 0:
        return HoldReason.NOT_POSITIVE
    if policy.max_repeats and repeats > policy.max_repeats:
        return HoldReason.REPEATED
    return HoldReason.ANOMALOUS if max(scores) > 0 else HoldReason.NONE


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
    started = HeldAnswer(
        reason=reason,
        answer=answer,
        first_answer=answer,
        first_observed_at=observed_at,
        observed_at=observed_at,
        confirmations=0,
        model_number=state.model_number,
        score_ratio=encoding.score_ratio(scores, score_unit),
    )
    before = state.held
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
    return (
        held.reason is HoldReason.ANOMALOUS
        and held.confirmations >= max(1, policy.confirmations)
        and held.observed_at - held.first_observed_at >= policy.confirm_delay
    )


def _near(state: FeedState, policy: HoldPolicy, answer: int, first: int) -> bool:
    if state.kind is Kind.RELATIVE and (answer <= 0 or first <= 0):
        return False
    return abs(encoding.move(state.kind, state.sigma, answer, first)) <= policy.tolerance
