"""The gate and the hold, as the hub applies them: a pure mirror of its state machine.

The audit replays a feed's history through it, and detectors are evaluated with it. It holds no proof and no
signature: what it says is which outcome the hub must have come to, given a feed's state, a report and its scores.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

from oracle import encoding
from oracle.types import FeedState, HeldAnswer, Kind, Outcome, Status


@dataclass(frozen=True, slots=True)
class HoldPolicy:
    """How a held answer can become a round after all.

    Attributes:
        confirmations: Further reports near the first held answer that accept it; 0: never.
        confirm_delay: Seconds that they must span, from the first held one.
        tolerance: How near "near" is, in thousandths of sigma.
    """

    confirmations: int
    confirm_delay: int
    tolerance: int


@dataclass(frozen=True, slots=True)
class Verdict:
    """What the hub makes of a report.

    Attributes:
        state: The feed afterwards.
        outcome: ACCEPTED or HELD.
        confirmed: Whether it was accepted although the model calls it anomalous.
    """

    state: FeedState
    outcome: Outcome
    confirmed: bool


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
    acceptable = state.kind is Kind.ABSOLUTE or answer > 0
    normal = acceptable and all(score <= 0 for score in scores)
    held = None if normal else _hold(state, policy, answer, observed_at, scores, score_unit)
    confirmed = (
        held is not None
        and acceptable
        and 0 < policy.confirmations <= held.confirmations
        and observed_at - held.first_observed_at >= policy.confirm_delay
    )
    if held is not None and not confirmed:
        after = replace(state, status=Status.HELD, held=held, last_report_at=last_report_at)
        return Verdict(after, Outcome.HELD, confirmed=False)
    newest = 0 if state.round_id == 0 else encoding.move(state.kind, state.sigma, answer, state.answer)
    after = replace(
        state,
        status=Status.OK,
        round_id=state.round_id + 1,
        answer=answer,
        observed_at=observed_at,
        published_at=published_at,
        last_report_at=last_report_at,
        returns=encoding.push_move(state.returns, newest),
        held=None,
    )
    return Verdict(after, Outcome.ACCEPTED, confirmed)


def _hold(
    state: FeedState,
    policy: HoldPolicy,
    answer: int,
    observed_at: int,
    scores: Sequence[int],
    score_unit: int,
) -> HeldAnswer:
    """The hold that a report starts, or goes on with if it is near the answer that started it."""
    previous = state.held
    goes_on = previous is not None and _near(state, policy, answer, previous.first_answer)
    return HeldAnswer(
        answer=answer,
        first_answer=previous.first_answer if previous and goes_on else answer,
        first_observed_at=previous.first_observed_at if previous and goes_on else observed_at,
        observed_at=observed_at,
        confirmations=min(255, previous.confirmations + 1) if previous and goes_on else 0,
        model_number=state.model_number,
        score_ratio=encoding.score_ratio(scores, score_unit),
    )


def _near(state: FeedState, policy: HoldPolicy, answer: int, first: int) -> bool:
    if state.kind is Kind.RELATIVE and (answer <= 0 or first <= 0):
        return False
    return abs(encoding.move(state.kind, state.sigma, answer, first)) <= policy.tolerance
