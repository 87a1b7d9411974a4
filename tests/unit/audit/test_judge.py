"""Tests of what an auditor goes on with where a hub's event differs from the rules: the history that the hub has."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.audit.history import AuditedFeed, ReportOutcome
from oracle.audit.judge import JudgedAnswer, Judgement, follow, outcome_problem
from oracle.core import encoding
from oracle.core.encoding import answer_text
from oracle.core.gate import HoldPolicy, empty_feed
from oracle.core.times import utc
from oracle.core.types import HeldAnswer, HoldReason, Kind, Outcome, Round, Status

FEED_ID = (1).to_bytes(32)
NOW, ANSWER = 1_700_000_000, 10**10
FEED = AuditedFeed(
    FEED_ID, "ETH", Kind.RELATIVE, 8, 10_000, 3_600, 600, 30, 2_000, HoldPolicy(2, 60, 500), 1, (), model_number=4
)
EMPTY = empty_feed(FEED_ID, Kind.RELATIVE, 10_000, 3_600, 4)
RETURNS = tuple(range(-6, 6))
AFTER_ONE = replace(
    EMPTY, status=Status.OK, round_id=7, answer=ANSWER, observed_at=NOW, published_at=NOW + 1, last_report_at=NOW,
    repeats=3, variance=2_000, returns=RETURNS, peer_answers=(1, 2), held_reports=255,
)  # fmt: skip
JUDGED = JudgedAnswer(ANSWER + 5 * 10**7, NOW + 1_800, (9, -1), 77, 13, 3, (5, 6), NOW + 1_805)


def said(outcome: Outcome, reason: HoldReason = HoldReason.NONE, confirmations: int = 0) -> ReportOutcome:
    return ReportOutcome(FEED_ID, 8, outcome, JUDGED.answer, JUDGED.observed_at, False, reason, confirmations)


def test_a_hold_that_the_gate_would_not_have_begins_one() -> None:
    told = said(Outcome.HELD, HoldReason.ANOMALOUS, 1)
    accepted = Judgement(AFTER_ONE, said(Outcome.ACCEPTED), None)
    held = HeldAnswer(
        reason=HoldReason.ANOMALOUS, answer=JUDGED.answer, first_answer=JUDGED.answer, first_observed_at=NOW + 1_800,
        first_seen_at=NOW + 1_805, observed_at=NOW + 1_800, confirmations=1, model_number=4, score_ratio=77,
        anomalies=1, anomalous_since=NOW + 1_800, anomalous_seen_at=NOW + 1_805,
        first_gap=encoding.gap_of(AFTER_ONE, JUDGED.answer, NOW + 1_800, 500),
    )  # fmt: skip
    after = replace(AFTER_ONE, status=Status.HELD, held=held, last_report_at=NOW + 1_800, held_reports=0)
    assert follow(told, JUDGED, AFTER_ONE, FEED, accepted) == Judgement(after, told, None)


def test_a_hold_with_another_reason_and_count_than_the_gates() -> None:
    told = said(Outcome.HELD, HoldReason.REPEATED, 2)
    kept = HeldAnswer(HoldReason.ANOMALOUS, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
    before = replace(AFTER_ONE, held_reports=6)
    made = Judgement(replace(before, held=kept, held_reports=99), said(Outcome.HELD, HoldReason.ANOMALOUS, 6), None)
    held = replace(kept, reason=HoldReason.REPEATED, confirmations=2)
    after = replace(before, status=Status.HELD, held=held, last_report_at=NOW + 1_800, held_reports=7)
    assert follow(told, JUDGED, before, FEED, made) == Judgement(after, told, None)


@pytest.mark.parametrize("before", [EMPTY, AFTER_ONE, replace(AFTER_ONE, answer=JUDGED.answer)])
def test_a_round_that_the_gate_would_have_held(before: object) -> None:
    assert isinstance(before, type(EMPTY))
    told = said(Outcome.ACCEPTED)
    kept = HeldAnswer(HoldReason.ANOMALOUS, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12)
    made = Judgement(replace(before, held=kept), said(Outcome.HELD, HoldReason.ANOMALOUS), None)
    found = follow(told, JUDGED, replace(before, held=kept), FEED, made)
    # The move from the last answer; a first answer has moved by nothing, and its variance is the one of the beginning.
    move = encoding.move(Kind.RELATIVE, 10_000, JUDGED.answer, before.answer) if before.round_id else 0
    gap = encoding.gap_of(before, JUDGED.answer, NOW + 1_800, 500)
    variance = encoding.variance(before.variance, move, gap) if before.round_id else encoding.VARIANCE_START
    after = replace(
        before, status=Status.OK, round_id=8, answer=JUDGED.answer, observed_at=NOW + 1_800, published_at=NOW + 1_805,
        last_report_at=NOW + 1_800, repeats=4 if before.answer == JUDGED.answer else 0, variance=variance,
        returns=(move, *before.returns[:-1]), peer_answers=(5, 6), held=None,
    )  # fmt: skip
    round_ = Round(8, JUDGED.answer, NOW + 1_800, NOW + 1_805, 4, 77, 13, 3)
    assert found == Judgement(after, told, round_)


def test_how_an_event_differs() -> None:
    accepted, held = said(Outcome.ACCEPTED), said(Outcome.HELD, HoldReason.ANOMALOUS, 1)
    assert outcome_problem(accepted, accepted, 8) == outcome_problem(held, held, 8) == ""
    assert outcome_problem(None, held, 8) == "the hub emitted nothing, where held was due"
    told = f"{answer_text(JUDGED.answer, 8)} of {utc(NOW + 1_800)}"
    assert outcome_problem(accepted, held, 8) == (
        f"the hub said accepted {told}, but it was held as anomalous (confirmations: 1) {told}"
    )
