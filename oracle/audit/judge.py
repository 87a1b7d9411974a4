"""Judge one report as the hub must have done, feed by feed, and compare with what it did. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from oracle.audit.history import AuditedCommittee, AuditedFeed, AuditedModel, AuditedSubmission, ReportOutcome
from oracle.core import encoding, gate
from oracle.core.encoding import PeerAnswer
from oracle.core.report import Report, ReporterSignature
from oracle.core.types import FeedState, HoldReason

Recover: TypeAlias = Callable[[Report, ReporterSignature], str]
"""Returns the address that signed a report; raises ValueError if nobody did."""


class Unproven(Exception):
    """A check of a report failed; the message says which."""


@dataclass(frozen=True)
class DerivedAnswer:
    """The answer of one listed feed, as it follows from the signatures.

    Attributes:
        answer: The median of the answers that are there.
        spread: How far apart they are, in thousandths of sigma.
        count: How many they are.
    """

    answer: int
    spread: int
    count: int


@dataclass(frozen=True)
class DerivedWindow:
    """The features of a feed that is due, as the hub must have derived them.

    Attributes:
        signed: What follows from the signatures.
        peer_answers: The medians of the feed's peers in the same report.
        features: The features that the proof must be about.
    """

    signed: DerivedAnswer
    peer_answers: tuple[int, ...]
    features: tuple[int, ...]


@dataclass(frozen=True)
class Statement:
    """The statement that a submission's proof has to show.

    Attributes:
        batch: The number of windows of the circuit.
        instances: The circuit's instances.
    """

    batch: int
    instances: tuple[int, ...]


@dataclass(frozen=True)
class Judgement:
    """The outcome that a report must have had for a feed, and the state of the feed afterwards."""

    state: FeedState
    outcome: ReportOutcome
    verdict: gate.Verdict


def check_signatures(
    audited: AuditedSubmission, committee: AuditedCommittee | None, recover: Recover
) -> tuple[str, ...]:
    """Check that distinct reporters of the committee signed the report: step 1.

    Returns:
        Who signed, in the order of the signatures.

    Raises:
        Unproven: The hub should have refused the report.
    """
    signed = audited.submission.signed
    report = signed.report
    if committee is None:
        raise Unproven(f"committee {report.committee} was never added")
    if report.epoch != committee.epoch:
        raise Unproven(f"signed for epoch {report.epoch} of the committee, but {committee.epoch} was the current one")
    try:
        signers = [recover(report, signature) for signature in signed.signatures]
    except ValueError as error:
        raise Unproven(str(error)) from None
    if len(set(signers)) != len(signers):
        raise Unproven("a reporter signed twice")
    if strangers := sorted(set(signers) - committee.reporters):
        raise Unproven(f"{strangers[0]} was not a reporter")
    return tuple(signers)


def derive_answer(
    audited: AuditedSubmission, position: int, feed: AuditedFeed, committee: AuditedCommittee
) -> DerivedAnswer:
    """Derive what follows from the signatures for one listed feed, due or not: step 2.

    Raises:
        Unproven: The hub should have refused the report.
    """
    signed = audited.submission.signed
    if feed.committee != signed.report.committee:
        raise Unproven(f"{feed.description} is of committee {feed.committee}, not of {signed.report.committee}")
    count = signed.count(position)
    if count < committee.quorum:
        raise Unproven(f"{feed.description} has {count} answers where {committee.quorum} are the quorum")
    answer = signed.median(position)
    if signed.signatures[audited.submission.medians[position]].answers[position] != answer:
        raise Unproven(f"the row that was named for {feed.description} does not hold the median")
    spread = signed.spread(position, feed.kind, feed.sigma)
    if feed.max_spread and spread > feed.max_spread:
        raise Unproven(f"the reporters' answers for {feed.description} were too far apart")
    return DerivedAnswer(answer, spread, count)


def derive_window(
    audited: AuditedSubmission,
    position: int,
    feed: AuditedFeed,
    model: AuditedModel,
    state: FeedState,
    answers: Mapping[bytes, tuple[AuditedFeed, DerivedAnswer]],
) -> DerivedWindow:
    """Derive the features of a feed that is due, as the hub must have done: steps 3 and 4.

    Args:
        position: The feed's position in the report.
        model: The model of the submission.
        state: The feed before the report.
        answers: What follows from the signatures, for each listed feed.

    Raises:
        Unproven: The hub should have refused the report.
    """
    report = audited.submission.signed.report
    # 3. The model is the feed's active one, the round its next, the time newer than the last report's, and fresh.
    if audited.submission.model_number != state.model_number:
        raise Unproven(f"model {audited.submission.model_number} was not active; {state.model_number} was")
    if report.round_ids[position] != state.round_id + 1:
        raise Unproven(f"signed for round {report.round_ids[position]}, but {state.round_id + 1} was next")
    if report.observed_at <= state.last_report_at:
        raise Unproven("the report was not newer than the last one")
    if report.observed_at > audited.block_time + feed.max_skew:
        raise Unproven("the report was from the future")
    if report.observed_at + feed.max_age < audited.block_time:
        raise Unproven("the report was too old")
    # 4. The features follow from the accepted history, and from the peers' answers of the same report.
    peers = []
    for peer_id in feed.peers:
        if peer_id not in answers:
            raise Unproven("a peer of the feed is not in the report")
        peer, found = answers[peer_id]
        peers.append(PeerAnswer(peer.kind, peer.sigma, found.answer))
    signed = answers[feed.feed_id][1]
    features = encoding.features(
        state,
        signed.answer,
        report.observed_at,
        model.features,
        tolerance=feed.policy.tolerance,
        spread=signed.spread,
        count=signed.count,
        peers=peers,
    )
    return DerivedWindow(signed, tuple(peer.answer for peer in peers), features)


def statement(audited: AuditedSubmission, model: AuditedModel, windows: Sequence[tuple[int, ...]]) -> Statement:
    """Return the statement that the hub must have built for the proof: step 5.

    Raises:
        Unproven: No proof can hold for it.
    """
    batch = next((size for size in model.batches if size >= len(windows)), None)
    if batch is None:
        raise Unproven(f"the model has no circuit for {len(windows)} feeds")
    scores = audited.submission.scores
    if len(scores[0]) != model.outputs:
        raise Unproven(f"{len(scores[0])} scores where the model has {model.outputs}")
    try:
        return Statement(batch, encoding.instances(model.model_hash, windows, scores, batch))
    except ValueError as error:
        raise Unproven(str(error)) from None


def judge_report(
    audited: AuditedSubmission,
    position: int,
    scores: Sequence[int],
    window: DerivedWindow,
    feed: AuditedFeed,
    model: AuditedModel,
    state: FeedState,
) -> Judgement:
    """Return what the gate makes of a proven report for one feed: step 6."""
    report = audited.submission.signed.report
    verdict = gate.judge(
        state,
        feed.policy,
        window.signed.answer,
        report.observed_at,
        scores,
        score_unit=model.score_unit,
        published_at=audited.block_time,
        spread=window.signed.spread,
        count=window.signed.count,
        peer_answers=window.peer_answers,
    )
    held = verdict.state.held
    outcome = ReportOutcome(
        feed_id=feed.feed_id,
        round_id=report.round_ids[position],
        outcome=verdict.outcome,
        answer=window.signed.answer,
        observed_at=report.observed_at,
        confirmed=verdict.confirmed,
        reason=held.reason if held else HoldReason.NONE,
        confirmations=held.confirmations if held else 0,
    )
    return Judgement(verdict.state, outcome, verdict)


def outcome_problem(said: ReportOutcome | None, expected: ReportOutcome) -> str:
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
