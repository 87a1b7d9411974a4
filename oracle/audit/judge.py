"""Judge one update as the hub must have done, and compare with what it did.

Pure, except for `AuditedModel.check_proof`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from oracle.audit.history import AuditedFeed, AuditedModel, AuditedSubmission, UpdateOutcome
from oracle.chain.hub import FeedUpdate
from oracle.core import encoding, gate
from oracle.core.types import FeedState, HoldReason, SignedObservation

Recover: TypeAlias = Callable[[bytes, int, SignedObservation], str]
"""Returns the address that signed an observation for (feed id, round); raises ValueError if nobody did."""


class Unproven(Exception):
    """A check of an update failed; the message says which."""


@dataclass(frozen=True)
class DerivedWindow:
    """The answer and the features that follow from an update's observations and its feed's history.

    Attributes:
        answer: The median of the observations.
        observed_at: Unix seconds; the median of their times.
        features: The features that the proof must be about.
    """

    answer: int
    observed_at: int
    features: tuple[int, ...]


@dataclass(frozen=True)
class Judgement:
    """The outcome that an update must have had, and the state of its feed afterwards."""

    state: FeedState
    outcome: UpdateOutcome


def derive_window(
    submission: AuditedSubmission,
    update: FeedUpdate,
    feed: AuditedFeed,
    model: AuditedModel,
    state: FeedState,
    recover: Recover,
) -> DerivedWindow:
    """Derive an update's answer, its time and its features as the hub must have done: steps 1 to 4.

    Args:
        model: The model of the submission.
        state: The feed before the update.

    Raises:
        Unproven: The hub should have refused the update.
    """
    # 1. The model is the feed's active one, and the round its next.
    if submission.model_number != state.model_number:
        raise Unproven(f"model {submission.model_number} was not active; {state.model_number} was")
    if update.round_id != state.round_id + 1:
        raise Unproven(f"signed for round {update.round_id}, but {state.round_id + 1} was next")
    if len(update.scores) != model.outputs:
        raise Unproven(f"{len(update.scores)} scores where the model has {model.outputs}")
    # 2. A quorum of distinct reporters signed, sorted by answer.
    answers = [observation.answer for observation in update.observations]
    if len(answers) < feed.quorum:
        raise Unproven(f"{len(answers)} observations where {feed.quorum} are the quorum")
    if answers != sorted(answers):
        raise Unproven("the observations are not sorted")
    try:
        signers = [recover(update.feed_id, update.round_id, signed) for signed in update.observations]
    except ValueError as error:
        raise Unproven(str(error)) from None
    if len(set(signers)) != len(signers):
        raise Unproven("a reporter signed twice")
    if strangers := sorted(set(signers) - feed.reporters):
        raise Unproven(f"{strangers[0]} was not a reporter")
    spread = encoding.spread(feed.kind, feed.sigma, answers[0], answers[-1])
    if feed.max_spread and spread > feed.max_spread:
        raise Unproven("the reporters' answers were too far apart")
    # 3. Every observation is newer than the last report, and fresh.
    times = sorted(observation.observed_at for observation in update.observations)
    if times[0] <= state.last_report_at:
        raise Unproven("an observation was not newer than the last report")
    if times[-1] > submission.block_time + feed.max_skew:
        raise Unproven("an observation was from the future")
    if times[0] + feed.max_age < submission.block_time:
        raise Unproven("an observation was too old")
    # 4. The features follow from the accepted history.
    answer, observed_at = answers[len(answers) // 2], times[(len(times) - 1) // 2]
    seen = spread if model.has_spread else None
    return DerivedWindow(answer, observed_at, encoding.features(state, answer, observed_at, model.features, seen))


async def proof_problem(submission: AuditedSubmission, model: AuditedModel, windows: Sequence[tuple[int, ...]]) -> str:
    """Verify the proof for the instances that the hub must have built: step 5.

    Returns:
        What is wrong; empty if the proof holds.
    """
    batch = next((size for size in model.batches if size >= len(windows)), None)
    if batch is None:
        return f"the model has no circuit for {len(windows)} feeds"
    if model.check_proof is None:
        return model.problem or "there is no artifact here for the deployed verifier"
    scores = [update.scores for update in submission.updates]
    try:
        instances = encoding.instances(model.model_hash, windows, scores, batch)
    except ValueError as error:
        return str(error)
    return "" if await model.check_proof(batch, submission.proof, instances) else "the proof does not verify"


def judge_update(
    submission: AuditedSubmission,
    update: FeedUpdate,
    window: DerivedWindow,
    feed: AuditedFeed,
    model: AuditedModel,
    state: FeedState,
) -> Judgement:
    """Return what the gate makes of a proven update: step 6."""
    verdict = gate.judge(
        state,
        feed.policy,
        window.answer,
        window.observed_at,
        update.scores,
        score_unit=model.score_unit,
        published_at=submission.block_time,
        latest_observed_at=max(signed.observed_at for signed in update.observations),
    )
    held = verdict.state.held
    outcome = UpdateOutcome(
        feed_id=update.feed_id,
        round_id=update.round_id,
        outcome=verdict.outcome,
        answer=window.answer,
        observed_at=window.observed_at,
        confirmed=verdict.confirmed,
        reason=held.reason if held else HoldReason.NONE,
        confirmations=held.confirmations if held else 0,
    )
    return Judgement(verdict.state, outcome)


def outcome_problem(said: UpdateOutcome | None, expected: UpdateOutcome) -> str:
    """Return how the hub's event differs from the outcome that was due; empty if it does not."""
    if said is None:
        return f"the hub emitted nothing, where {expected.outcome.value} was due"
    return "" if said == expected else f"the hub said {said.in_words()}, but it was {expected.in_words()}"


def state_differences(expected: FeedState, actual: FeedState) -> str:
    """Return what differs between the state that history leads to and the state of the hub; empty if nothing does."""
    expected = replace(expected, paused=actual.paused)
    if expected == actual:
        return ""
    fields = [name for name in FeedState.__slots__ if getattr(expected, name) != getattr(actual, name)]
    return ", ".join(
        f"{name} is {getattr(actual, name)} but must be {getattr(expected, name)}" for name in sorted(fields)
    )
