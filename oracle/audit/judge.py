"""Judge one report as the hub must have done, feed by feed, and compare with what it did. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias

from oracle.audit.history import AuditedCommittee, AuditedFeed, AuditedModel, AuditedSubmission, ReportOutcome
from oracle.core import encoding, gate
from oracle.core.encoding import PeerAnswer
from oracle.core.report import Report, ReporterSignature
from oracle.core.types import HELD_REPORTS, FeedState, HeldAnswer, HoldReason, Outcome, Round, Status

Recover: TypeAlias = Callable[[Report, ReporterSignature], str]
"""Returns the address that signed a report; raises ValueError if nobody did."""


class Unproven(Exception):
    """A check of a report failed; the message says which."""


class Unknown(Exception):
    """Something that a check of a report needs is not known; the message says what."""


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
class JudgedAnswer:
    """The answer of a feed in a report, with all that the hub keeps of it.

    Attributes:
        scores: The model's scores.
        score_ratio: The largest of them, as the hub stores it.
        spread: See `DerivedAnswer`.
        count: Likewise.
        peer_answers: The answers of the feed's peers in the same report.
        published_at: The block's time, unix seconds.
    """

    answer: int
    observed_at: int
    scores: tuple[int, ...]
    score_ratio: int
    spread: int
    count: int
    peer_answers: tuple[int, ...]
    published_at: int

    @classmethod
    def of(cls, audited: AuditedSubmission, at: int, window: DerivedWindow, score_unit: int) -> JudgedAnswer:
        """Return the answer of a submission's feed.

        Args:
            audited: The submission.
            at: The feed's place among those that are judged.
            window: What was derived for it.
            score_unit: The model's.
        """
        scores = audited.submission.scores[at]
        return cls(
            answer=window.signed.answer,
            observed_at=audited.submission.signed.report.observed_at,
            scores=scores,
            score_ratio=encoding.score_ratio(scores, score_unit),
            spread=window.signed.spread,
            count=window.signed.count,
            peer_answers=window.peer_answers,
            published_at=audited.block_time,
        )


@dataclass(frozen=True)
class Judgement:
    """The outcome that a report must have had for a feed, with the feed's state afterwards.

    Attributes:
        round: The round that it became; None if it is held.
    """

    state: FeedState
    outcome: ReportOutcome
    round: Round | None


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


def check_turn(audited: AuditedSubmission, position: int, feed: AuditedFeed, state: FeedState, last_at: int) -> None:
    """Check that a report of a feed that is due is the feed's next, newer than the last one, and fresh: step 3.

    Args:
        audited: The submission.
        position: The feed's position in the report.
        feed: The feed.
        state: The feed before the report.
        last_at: The time of the last report, unix seconds.

    Raises:
        Unproven: The hub should have refused the report.
    """
    report = audited.submission.signed.report
    if report.round_ids[position] != state.round_id + 1:
        raise Unproven(f"signed for round {report.round_ids[position]}, but {state.round_id + 1} was next")
    if report.observed_at <= last_at:
        raise Unproven("the report was not newer than the last one")
    if report.observed_at > audited.block_time + feed.max_skew:
        raise Unproven("the report was from the future")
    if report.observed_at + feed.max_age < audited.block_time:
        raise Unproven("the report was too old")


def derive_window(
    audited: AuditedSubmission,
    feed: AuditedFeed,
    model: AuditedModel,
    state: FeedState,
    answers: Mapping[bytes, tuple[AuditedFeed, DerivedAnswer]],
) -> DerivedWindow:
    """Derive the features of a feed that is judged, as the hub must have done: step 4.

    They follow from the accepted history, and from the peers' answers of the same report.

    Args:
        audited: The submission.
        feed: The feed.
        model: The model of the submission.
        state: The feed before the report.
        answers: What follows from the signatures, for each listed feed.

    Raises:
        Unproven: The hub should have refused the report.
    """
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
        audited.submission.signed.report.observed_at,
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
    judged: JudgedAnswer, feed: AuditedFeed, score_unit: int, state: FeedState, block_time: int
) -> Judgement:
    """Return what the gate makes of a proven report for one feed: step 6."""
    verdict = gate.judge(
        state,
        feed.policy,
        judged.answer,
        judged.observed_at,
        judged.scores,
        score_unit=score_unit,
        published_at=block_time,
        spread=judged.spread,
        count=judged.count,
        peer_answers=judged.peer_answers,
    )
    held = verdict.state.held
    outcome = ReportOutcome(
        feed_id=feed.feed_id,
        round_id=state.round_id + 1,
        outcome=verdict.outcome,
        answer=judged.answer,
        observed_at=judged.observed_at,
        confirmed=verdict.confirmed,
        reason=held.reason if held else HoldReason.NONE,
        confirmations=held.confirmations if held else 0,
    )
    return Judgement(verdict.state, outcome, verdict.round)


def follow(
    said: ReportOutcome, judged: JudgedAnswer, state: FeedState, feed: AuditedFeed, made: Judgement
) -> Judgement:
    """Return the state after a report as the hub's event has it, where that differs from what the gate makes of it.

    So the reports after it are judged by the history that the hub has.

    Args:
        said: The outcome by the event.
        judged: The report.
        state: The feed before it.
        feed: The feed.
        made: What the gate makes of it.
    """
    if said.outcome is Outcome.HELD:
        kept = made.state.held
        if kept is None:  # the gate accepts it
            kept = HeldAnswer(
                reason=said.reason,
                answer=said.answer,
                first_answer=said.answer,
                first_observed_at=said.observed_at,
                first_seen_at=judged.published_at,
                observed_at=said.observed_at,
                confirmations=said.confirmations,
                model_number=state.model_number,
                score_ratio=judged.score_ratio,
                anomalies=1,
                anomalous_since=said.observed_at,
                anomalous_seen_at=judged.published_at,
                first_gap=encoding.gap_of(state, said.answer, said.observed_at, feed.policy.tolerance),
            )
        count = (state.held_reports + 1) % HELD_REPORTS
        held = replace(kept, reason=said.reason, confirmations=said.confirmations)
        after = replace(state, status=Status.HELD, held=held, last_report_at=said.observed_at, held_reports=count)
        return Judgement(after, said, None)
    accepted = gate.accept(
        state, feed.policy.tolerance, said.answer, said.observed_at, judged.published_at, judged.peer_answers
    )
    after = replace(accepted, round_id=said.round_id)
    made_round = Round(
        round_id=said.round_id,
        answer=said.answer,
        observed_at=said.observed_at,
        published_at=judged.published_at,
        model_number=state.model_number,
        score_ratio=judged.score_ratio,
        spread=judged.spread,
        count=judged.count,
    )
    return Judgement(after, said, made_round)


def outcome_problem(said: ReportOutcome | None, expected: ReportOutcome, decimals: int) -> str:
    """Return how the hub's event differs from the outcome that was due; empty if it does not."""
    if said is None:
        return f"the hub emitted nothing, where {expected.outcome.value} was due"
    if said == expected:
        return ""
    return f"the hub said {said.in_words(decimals)}, but it was {expected.in_words(decimals)}"
