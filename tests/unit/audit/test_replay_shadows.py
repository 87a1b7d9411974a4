"""Tests of the auditor on shadow reports, and on reports of which only the events are known."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from oracle.audit.calls import TransactionCalls
from oracle.audit.history import AdminEvent, AuditedFeed, AuditedModel, ReportEvents
from oracle.audit.replay import Auditor
from oracle.audit.report import Checked, FindingKind
from oracle.audit.withheld import Holes
from oracle.chain.hub import RoundAccepted, ShadowScored, Submission, SubmitCall, encode_submission
from oracle.core import encoding
from oracle.core.gate import HoldPolicy, empty_feed
from oracle.core.report import Report, ReporterSignature, SignedReport
from oracle.core.types import Kind, Outcome

FEED, PEER = (1).to_bytes(32), (2).to_bytes(32)
NOW, ANSWER = 1_700_000_000, 10**10
PAYER = "0x" + "99" * 20
MISSING = "its transaction is not there"


def feed(feed_id: bytes = FEED, *peers: bytes) -> AuditedFeed:
    policy = HoldPolicy(2, 60, 500)
    return AuditedFeed(feed_id, "eth / USD", Kind.RELATIVE, 8, 10_000, 3_600, 600, 30, 0, policy, 1, peers, 1)


def named(report: Report, signature: ReporterSignature) -> str:
    """Return the signer's name, which is the signature here."""
    return signature.r.rstrip(b"\0").decode()


def auditor(*feeds: AuditedFeed, proposed: int = 2, holes: Holes | None = None) -> Auditor:
    made = Auditor(named, holes=holes)
    for number in (1, 2):
        made.hub.add_model(AuditedModel(number, encoding.window_features(14), 2, 5, 1_000, (1, 4)))
    made.hub.add_committee(1, ["alice"], 1)
    for each in feeds or (feed(),):
        made.hub.add_feed(each)
    if proposed:
        terms = {"activeFrom": 0, "minCompared": 0, "maxDisagreements": 0}
        made.hub.administer(AdminEvent("ModelProposed", {"feedId": FEED, "modelNumber": proposed, **terms}))
    return made


def shadow(at: int = NOW, scores: tuple[int, ...] = (-5, -7), **said: Any) -> ReportEvents:
    """Return a shadow report by model 2."""
    row = ReporterSignature((ANSWER,), bytes(32), b"alice".ljust(32, b"\0"), bytes(32))
    made = Submission.of(2, SignedReport(Report(1, 1, at, (FEED,), (1,)), (row,)), (scores,), b"proof")
    event = replace(ShadowScored(FEED, 1, ANSWER, at, 2, scores, 9, b"\x12", 0), **said)
    call = encode_submission(made, SubmitCall.SUBMIT_SHADOW)
    return ReportEvents("0x12", 9, at + 10, (event,), TransactionCalls(direct=call))


def played(made: Auditor, entry: ReportEvents) -> tuple[Checked, str]:
    """Return what is said of a report, if its proof verifies."""
    made.play(entry)
    while made.tasks:
        made.settle(made.tasks.pop(0), True)
    return made.findings[-1].check, made.findings[-1].problem


@pytest.mark.parametrize(("scores", "outcome"), [((-5, 0), Outcome.ACCEPTED), ((-5, 1), Outcome.HELD)])
def test_a_shadow_report_is_verified_and_changes_no_feed(scores: tuple[int, ...], outcome: Outcome) -> None:
    made = auditor()
    before = made.hub.expected_states()
    assert played(made, shadow(scores=scores)) == (Checked.VERIFIED, "")
    (finding,) = made.findings
    assert (finding.kind, finding.outcome, finding.round_id, finding.answer) == (FindingKind.SHADOW, outcome, 1, ANSWER)
    assert (finding.confirmed, finding.reason, finding.confirmations) == (False, "", 0)
    assert made.hub.expected_states() == before and made.hub.expected_rounds() == {}
    assert made.hub.periods[FEED].last_at == NOW


def test_a_shadow_report_is_newer_than_the_last_one() -> None:
    made = auditor()
    assert played(made, shadow()) == (Checked.VERIFIED, "")
    assert played(made, shadow()) == (Checked.FAILED, "the report was not newer than the last one")
    assert played(made, shadow(NOW + 1)) == (Checked.VERIFIED, "")


@pytest.mark.parametrize("proposed", [0, 1])
def test_a_shadow_report_of_a_model_that_was_not_proposed(proposed: int) -> None:
    assert played(auditor(proposed=proposed), shadow()) == (Checked.FAILED, "model 2 was not proposed")
    holes = Holes(proposals=frozenset({FEED}))
    unsure = (Checked.UNCHECKED, "no log shows that model 2 was proposed")
    assert played(auditor(proposed=proposed, holes=holes), shadow()) == unsure
    other = Holes(proposals=frozenset({PEER}))
    assert played(auditor(proposed=proposed, holes=other), shadow())[0] is Checked.FAILED


def accepted(feed_id: bytes = FEED, answer: int = ANSWER, at: int = NOW, model: int = 1) -> RoundAccepted:
    return RoundAccepted(feed_id, 1, answer, at, model, (-5, -7), False, PAYER, 9, b"\x12", 0)


def test_a_report_of_a_model_of_which_no_log_shows_that_it_was_active() -> None:
    row = ReporterSignature((ANSWER,), bytes(32), b"alice".ljust(32, b"\0"), bytes(32))
    made = Submission.of(2, SignedReport(Report(1, 1, NOW, (FEED,), (1,)), (row,)), ((-5, -7),), b"proof")
    calls = TransactionCalls(direct=encode_submission(made))
    entry = ReportEvents("0x12", 9, NOW + 10, (accepted(model=2),), calls)
    assert played(auditor(), entry) == (Checked.FAILED, "model 2 was not active; 1 was")
    unsure = auditor(holes=Holes(activations=frozenset({FEED})))
    assert played(unsure, entry) == (Checked.UNCHECKED, "no log shows that model 2 was active")


def unknown(*events: RoundAccepted | ShadowScored) -> ReportEvents:
    return ReportEvents("0x12", 9, NOW + 10, events, TransactionCalls(missing=MISSING))


def test_a_shadow_report_whose_submission_is_not_known() -> None:
    made = auditor()
    assert played(made, unknown(ShadowScored(FEED, 1, ANSWER, NOW, 2, (-1, 3), 9, b"\x12", 0))) == (
        Checked.UNCHECKED,
        MISSING,
    )
    assert (made.findings[0].kind, made.findings[0].outcome) == (FindingKind.SHADOW, Outcome.HELD)
    assert made.hub.periods[FEED].last_at == NOW
    assert made.hub.expected_states() == {FEED: empty_feed(FEED, Kind.RELATIVE, 10_000, 3_600, 1)}


def test_reports_whose_submission_is_not_known_follow_their_events() -> None:
    """Each event is a finding; peers that were reported at the same time are seen in each other's events."""
    made = auditor(feed(FEED, PEER), feed(PEER))
    assert played(made, unknown(accepted(), accepted(PEER, 77))) == (Checked.UNCHECKED, MISSING)
    assert [(each.check, each.kind, each.answer) for each in made.findings] == [
        (Checked.UNCHECKED, FindingKind.ROUND, ANSWER),
        (Checked.UNCHECKED, FindingKind.ROUND, 77),
    ]
    assert made.hub.states[FEED].peer_answers == (77,) and made.hub.states[PEER].answer == 77
    assert "the answers of the feed's peers in round 1 are not known" in made.hub.peers_unknown[FEED]
    other = auditor(feed(FEED, PEER), feed(PEER))
    other.play(unknown(accepted(), accepted(PEER, 77, NOW + 1)))
    assert other.hub.states[FEED].peer_answers == (0,)


def test_an_event_of_what_was_never_added() -> None:
    made = auditor()
    says = "the feed or the model was never added"
    assert played(made, unknown(accepted(PEER))) == (Checked.FAILED, says)
    assert (made.findings[0].feed, made.findings[0].decimals) == (f"0x{PEER.hex()}", 0)
    assert played(made, unknown(accepted(model=7))) == (Checked.FAILED, says)
    assert made.findings[1].decimals == 8 and made.findings[1].feed == "eth / USD"
