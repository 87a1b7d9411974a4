"""Tests of the auditor without a chain: its findings, its tasks, and the state that it carries on."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import pytest

from oracle.audit.calldata import read_submission
from oracle.audit.calls import TransactionCalls
from oracle.audit.history import AdminEvent, AuditedFeed, AuditedModel, AuditedReport, ReportEvents
from oracle.audit.replay import Auditor
from oracle.audit.report import Checked, Finding, FindingKind
from oracle.audit.transactions import NOT_FOUND
from oracle.audit.withheld import Holes, PinnedHub
from oracle.chain.hub import RoundAccepted, RoundHeld, Submission, encode_submission
from oracle.chain.keys.signer import recover
from oracle.core import encoding
from oracle.core.encoding import NO_ANSWER, Feature
from oracle.core.gate import HoldPolicy
from oracle.core.report import Report, ReporterSignature, SignedReport
from oracle.core.types import HoldReason, Kind, Outcome, Round, Status

FEED_ID, PEER_ID = (1).to_bytes(32), (2).to_bytes(32)
NOW = 1_700_000_000
ALICE, BOB, CAROL, STRANGER = "alice", "bob", "carol", "stranger"
ANSWER = 10**10
TOLD = "100.00000010 of 2023-11-14T22:13:20Z"
"""An answer and its time in the words of a finding."""

FEED = AuditedFeed(
    FEED_ID, "eth / USD", Kind.RELATIVE, 8, 10_000, 3_600, 600, 30, 2_000, HoldPolicy(2, 60, 500), committee=1,
    peers=(), model_number=1,
)  # fmt: skip
PEER = replace(FEED, feed_id=PEER_ID, description="btc / USD")


def row(by: str, *answers: int) -> ReporterSignature:
    return ReporterSignature(answers, bytes(32), by.encode().ljust(32, b"\0"), bytes(32))


def named(report: Report, signature: ReporterSignature) -> str:
    """Return the signer's name, which is the signature here."""
    return signature.r.rstrip(b"\0").decode()


def model(**changes: Any) -> AuditedModel:
    return replace(AuditedModel(1, encoding.window_features(14), 2, 5, 1_000, (1, 4)), **changes)


def auditor(with_model: AuditedModel | None = None, *feeds: AuditedFeed) -> Auditor:
    made = Auditor(named)
    made.hub.add_model(with_model or model())
    made.hub.add_committee(1, [ALICE, BOB, CAROL], 3)
    for feed in feeds or (FEED,):
        made.hub.add_feed(feed)
    return made


THREE = (row(ALICE, ANSWER), row(BOB, ANSWER + 10), row(CAROL, ANSWER + 20))
PAYER = "0x" + "99" * 20
SAID = RoundAccepted(FEED_ID, 1, ANSWER + 10, NOW, 1, (-5, -7), False, PAYER, 9, b"\x12", 0)


def submission(
    rows: Sequence[ReporterSignature] = THREE,
    *,
    said: dict[str, Any] | None = None,
    silent: int = 0,
    scores: tuple[tuple[int, ...], ...] = ((-5, -7),),
    medians: tuple[int, ...] | None = None,
    model_number: int = 1,
    block_time: int = NOW + 10,
    **report: Any,
) -> ReportEvents:
    """Return a transaction that calls the hub with a report, and what the hub says of it.

    Args:
        said: Changes of what the hub says.
        silent: Of how many feeds the hub says nothing.
    """
    of = replace(Report(1, 1, NOW, (FEED_ID,), (1,)), **report)
    made = Submission.of(model_number, SignedReport(of, tuple(rows)), scores, b"proof")
    made = replace(made, medians=medians) if medians is not None else made
    events = [
        replace(
            SAID, feed_id=of.feed_ids[at], round_id=of.round_ids[at], observed_at=of.observed_at,
            model_number=model_number, answer=rows[made.medians[at]].answers[at], scores=made.scores[place],
            **(said or {}),
        )
        for place, at in enumerate(of.due)
    ]  # fmt: skip
    told = tuple(events[: len(events) - silent])
    return ReportEvents("0x12", 9, block_time, told, TransactionCalls(direct=encode_submission(made)))


def problem_of(of: Auditor, given: ReportEvents) -> str:
    """Return what is wrong, if all proofs hold."""
    of.play(given)
    while of.tasks:
        of.settle(of.tasks.pop(0), True)
    return of.findings[-1].problem


def test_what_holds_is_taken_over() -> None:
    made = auditor()
    assert problem_of(made, submission()) == ""
    (finding,) = made.findings
    assert finding.check is Checked.VERIFIED
    assert (finding.feed, finding.outcome, finding.answer) == ("eth / USD", Outcome.ACCEPTED, ANSWER + 10)
    state = made.hub.expected_states()[FEED_ID]
    assert (state.status, state.round_id, state.answer, state.last_report_at) == (Status.OK, 1, ANSWER + 10, NOW)
    stored = made.hub.expected_rounds()[FEED_ID, 1]
    spread = encoding.spread(Kind.RELATIVE, 10_000, ANSWER, ANSWER + 20)
    assert (stored.published_at, stored.spread, stored.count) == (NOW + 10, spread, 3)


FAR = (row(ALICE, ANSWER), row(BOB, ANSWER), row(CAROL, 2 * ANSWER))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (submission(feed_ids=((7).to_bytes(32),)), f"the feed 0x{'0' * 63}7 was never added"),
        (submission(model_number=2), "model 2 was never added"),
        (submission(round_ids=(2,)), "signed for round 2, but 1 was next"),
        (submission(scores=((1,),)), "1 scores where the model has 2"),
        (submission(committee=2), "committee 2 was never added"),
        (submission(epoch=2), "signed for epoch 2 of the committee, but 1 was the current one"),
        (submission(THREE[:2]), "eth / USD has 2 answers where 3 are the quorum"),
        (
            submission((*THREE[:2], row(CAROL, NO_ANSWER))),
            "eth / USD has 2 answers where 3 are the quorum",
        ),
        (submission(medians=(0,)), "the row that was named for eth / USD does not hold the median"),
        (submission((THREE[0], THREE[0], THREE[2])), "a reporter signed twice"),
        (submission((*THREE[:2], row(STRANGER, ANSWER))), "stranger was not a reporter"),
        (submission(FAR), "the reporters' answers for eth / USD were too far apart"),
        (submission(observed_at=0), "the report was not newer than the last one"),
        (submission(block_time=NOW - 31), "the report was from the future"),
        (submission(block_time=NOW + 601), "the report was too old"),
        (
            submission(said={"confirmed": True}),
            f"the hub said accepted by confirmation {TOLD}, but it was accepted {TOLD}",
        ),
    ],
)
def test_what_the_hub_should_have_refused(given: ReportEvents, says: str) -> None:
    assert problem_of(auditor(), given) == says


SPREAD = encoding.spread(Kind.RELATIVE, 10_000, ANSWER, ANSWER + 10**7)
APART = (row(ALICE, ANSWER), row(BOB, ANSWER), row(CAROL, ANSWER + 10**7))


@pytest.mark.parametrize(
    ("given", "terms", "says"),
    [
        (submission(APART), {"max_spread": SPREAD}, ""),
        (submission(APART), {"max_spread": SPREAD - 1}, "the reporters' answers for eth / USD were too far apart"),
        (submission(APART), {"max_spread": 0}, ""),
        (submission(block_time=NOW - 30), {}, ""),
        (submission(block_time=NOW + 600), {}, ""),
    ],
)
def test_the_bounds_of_what_the_hub_takes(given: ReportEvents, terms: dict[str, Any], says: str) -> None:
    assert problem_of(auditor(None, replace(FEED, **terms)), given) == says


def test_the_first_stranger_is_named() -> None:
    rows = tuple(row(name, ANSWER) for name in ("zoe", "mallory", "dave", "oscar", "eve", "trent", "peggy"))
    assert problem_of(auditor(), submission(rows)) == "dave was not a reporter"


def test_reports_are_kept_with_their_reporters() -> None:
    kept: list[AuditedReport] = []
    made = Auditor(named, kept)
    made.hub.add_model(model())
    made.hub.add_committee(1, [ALICE, BOB, CAROL], 3)
    made.hub.add_feed(FEED)
    given = submission()
    begin = made.mark()
    assert problem_of(made, given) == ""
    expected = AuditedReport("0x12", NOW + 10, submitted(given).signed, (ALICE, BOB, CAROL))
    assert kept == [expected]
    made.reset(begin)
    assert kept == [] == made.findings
    # One that the hub should have refused is none.
    problem_of(made, submission(THREE[:2]))
    assert kept == []


def due_and_silent(**holes: Any) -> list[tuple[Checked, str, int, int]]:
    """Return what is found of a report on two feeds, of which the hub tells only the first."""
    made = Auditor(named, holes=Holes(**holes))
    made.hub.add_model(model())
    made.hub.add_committee(1, [ALICE, BOB, CAROL], 3)
    for feed in (FEED, PEER):
        made.hub.add_feed(feed)
    ids: dict[str, Any] = {"feed_ids": (FEED_ID, PEER_ID), "round_ids": (1, 1), "scores": ((-1, -1),) * 2}
    problem_of(made, submission(BOTH, silent=1, **ids))
    assert made.hub.states[PEER_ID].round_id == 1
    return [(each.check, each.problem, each.answer, each.observed_at) for each in made.findings]


def test_an_event_that_is_missing_from_the_logs_is_not_told_twice() -> None:
    told = (Checked.VERIFIED, "", ANSWER + 10, NOW)
    missing = "the hub emitted nothing, where accepted was due"
    assert due_and_silent() == [told, (Checked.FAILED, missing, 0, 0)]
    known = [told, (Checked.VERIFIED, "", 0, 0)]
    assert due_and_silent(rounds={PEER_ID: (1,)}) == due_and_silent(holds={PEER_ID: 1}) == known
    # What is missing is another round, or of another feed.
    for holes in ({"rounds": {PEER_ID: (2,)}}, {"rounds": {FEED_ID: (2,)}}):
        assert due_and_silent(**holes) == [told, (Checked.FAILED, missing, 0, 0)]


def test_what_contradicts_the_rules_after_a_hole_may_follow_from_it() -> None:
    """The state before the report is then not certain. What the hub says of it is the history that it has."""
    for holes, check in ((Holes(rounds={FEED_ID: (1,)}), Checked.UNCHECKED), (Holes(), Checked.FAILED)):
        stored = Round(1, ANSWER, NOW, NOW + 10, 1, -5, 7, 3)
        made = Auditor(named, None, PinnedHub(rounds={(FEED_ID, 1): stored}), holes)
        made.hub.add_model(model())
        made.hub.add_committee(1, [ALICE, BOB, CAROL], 3)
        made.hub.add_feed(FEED)
        if not holes.rounds:
            problem_of(made, submission())
        later: dict[str, Any] = {"observed_at": NOW + 60, "block_time": NOW + 60, "round_ids": (2,)}
        said = problem_of(made, submission(said={"confirmed": True}, **later))
        assert said.startswith("the hub said accepted by confirmation")
        assert said.endswith(", but round 1 of the feed is not in the logs") == bool(holes.rounds)
        assert made.findings[-1].check is check
        assert made.hub.states[FEED_ID].round_id == 2
        # What the hub should have refused is unchecked for the same reason.
        later = {"observed_at": NOW + 120, "block_time": NOW + 120, "round_ids": (3,)}
        refused = problem_of(made, submission(THREE[:2], **later))
        assert refused.startswith("eth / USD has 2 answers where 3 are the quorum")
        assert refused.endswith(", but round 1 of the feed is not in the logs") == bool(holes.rounds)
        assert made.findings[-1].check is check


def test_a_doubt_since_a_mark() -> None:
    made = auditor()
    made.play(submission())
    mark = made.mark()
    assert not made.is_in_doubt_since(mark) and len(made.tasks) == 1
    real = submitted(submission(round_ids=(2,), observed_at=NOW + 60))
    decoy = replace(real, signed=replace(real.signed, signatures=real.signed.signatures[:2]))
    given = submission(round_ids=(2,), observed_at=NOW + 60, block_time=NOW + 70)
    made.play(relayed(decoy, of=given))
    assert made.is_in_doubt_since(mark)
    assert (made.doubts[0].entry.calls.inputs[:5], made.doubts[0].events) == (b"relay", given.events)
    made.reset(mark)
    assert not made.is_in_doubt_since(mark) and (len(made.tasks), len(made.findings)) == (1, 1)


def test_a_model_that_was_not_active() -> None:
    made = auditor()
    made.hub.add_model(model(number=2))
    assert problem_of(made, submission(model_number=2)) == "model 2 was not active; 1 was"
    made = auditor()
    made.hub.add_model(model(number=2))
    made.hub.change_model(FEED_ID, 2)
    assert problem_of(made, submission(model_number=2)) == ""


def test_other_reporters_sign_in_another_epoch() -> None:
    made = auditor()
    made.hub.add_committee(1, [STRANGER], 1, epoch=2)
    assert "epoch 1" in problem_of(made, submission())
    made = auditor()
    made.hub.add_committee(1, [STRANGER], 1, epoch=2)
    assert problem_of(made, submission((row(STRANGER, ANSWER + 10),), epoch=2)) == ""


def test_a_feed_of_another_committee() -> None:
    made = auditor(None, replace(FEED, committee=2))
    assert problem_of(made, submission()) == "eth / USD is of committee 2, not of 1"


PEERED = replace(FEED, peers=(PEER_ID,))
LISTED = (Feature.MOVE, Feature.PEER_MOVE_0, Feature.PEER_SEEN_0, Feature.GAP)
BOTH = tuple(row(name, ANSWER + 10, 2 * ANSWER) for name in (ALICE, BOB, CAROL))


def test_a_peer_is_signed_and_seen_and_nothing_is_written_of_it() -> None:
    made = auditor(model(features=LISTED, model_hash=None, outputs=2), PEERED, PEER)
    ids: dict[str, Any] = {"feed_ids": (FEED_ID, PEER_ID)}
    assert problem_of(made, submission(BOTH, round_ids=(1, 0), **ids)) == ""
    assert made.hub.expected_states()[FEED_ID].peer_answers == (2 * ANSWER,)
    assert made.hub.expected_states()[PEER_ID].round_id == 0
    later = NOW + 3_600
    moved = tuple(row(name, ANSWER + 10, 2 * ANSWER + ANSWER // 50) for name in (ALICE, BOB, CAROL))
    given = submission(moved, round_ids=(2, 0), observed_at=later, block_time=later, **ids)
    made.play(given)
    assert made.tasks[-1].instances[:4] == (0, 1_000, 1, 1_000)


def test_a_peer_that_is_missing() -> None:
    made = auditor(None, PEERED, PEER)
    assert problem_of(made, submission()) == "a peer of the feed is not in the report"


def test_a_reference_needs_the_quorum_too() -> None:
    made = auditor(None, PEERED, PEER)
    rows = (*BOTH[:2], row(CAROL, ANSWER + 10, NO_ANSWER))
    given = submission(rows, feed_ids=(FEED_ID, PEER_ID), round_ids=(1, 0))
    assert problem_of(made, given) == "btc / USD has 2 answers where 3 are the quorum"


@pytest.mark.parametrize(
    ("of", "check", "says"),
    [
        (model(batches=()), Checked.FAILED, "the model has no circuit for 1 feeds"),
        (model(problem="no artifact"), Checked.UNCHECKED, "no artifact"),
    ],
)
def test_a_proof_that_is_not_shown_to_hold(of: AuditedModel, check: Checked, says: str) -> None:
    """The audit applies its report all the same: the history that follows is the hub's."""
    made = auditor(of)
    assert problem_of(made, submission()) == says
    assert (made.findings[-1].check, made.tasks) == (check, [])
    assert made.hub.expected_states()[FEED_ID].round_id == 1


@pytest.mark.parametrize(
    ("result", "check", "says"),
    [
        (True, Checked.VERIFIED, ""),
        (False, Checked.FAILED, "the proof does not verify"),
        ("the child crashed", Checked.UNCHECKED, "the child crashed"),
    ],
)
def test_a_proof_decides_on_its_findings(result: bool | str, check: Checked, says: str) -> None:
    made = auditor()
    made.play(submission())
    (task,) = made.tasks
    assert [(each.check, each.problem) for each in made.findings] == [(Checked.UNCHECKED, "its proof was not verified")]
    assert (task.findings, task.model_number, task.batch, task.proof) == ((0,), 1, 1, b"proof")
    made.settle(task, result)
    assert [(each.check, each.problem) for each in made.findings] == [(check, says)]
    assert made.hub.expected_states()[FEED_ID].round_id == 1


def test_a_report_is_refused_as_a_whole() -> None:
    made = auditor(None, FEED, PEER)
    made.play(submission(BOTH, feed_ids=(FEED_ID, PEER_ID), round_ids=(1, 7), scores=((-1, -1),) * 2))
    assert [finding.problem for finding in made.findings] == ["signed for round 7, but 1 was next"] * 2


def test_a_signature_that_is_none() -> None:
    """A malformed signature is a finding like any other, and does not end the audit."""
    malformed = ReporterSignature((ANSWER,), bytes(32), bytes(32), bytes(32))
    made = Auditor(lambda report, each: recover(31337, "0x" + "11" * 20, report, each))
    made.hub.add_model(model())
    made.hub.add_committee(1, [ALICE], 1)
    made.hub.add_feed(FEED)
    assert "no valid signature" in problem_of(made, submission((malformed,)))
    assert made.findings[0].check is Checked.FAILED


def test_a_report_that_the_hub_should_have_refused_is_history_all_the_same() -> None:
    """The reports after it are judged by the history that the hub has, each by itself."""
    made = auditor()
    assert problem_of(made, submission(THREE[:2])) == "eth / USD has 2 answers where 3 are the quorum"
    later: dict[str, Any] = {"observed_at": NOW + 60, "block_time": NOW + 60, "round_ids": (2,)}
    assert problem_of(made, submission(**later)) == ""
    assert [made.hub.expected_rounds()[FEED_ID, number].count for number in (1, 2)] == [2, 3]


def test_input_that_can_t_be_read() -> None:
    given = submission()
    assert given.calls.direct is not None
    unreadable = replace(given, calls=TransactionCalls(direct=given.calls.direct[:4] + b"\xff" * 96))
    made = auditor()
    assert problem_of(made, unreadable).startswith("the transaction's input can't be read: ")
    assert (made.findings[0].check, made.findings[0].answer) == (Checked.UNCHECKED, ANSWER + 10)
    assert made.hub.expected_states()[FEED_ID].answer == ANSWER + 10


@pytest.mark.parametrize(
    ("events", "check", "says"),
    [
        (["Paused"], Checked.FAILED, "the feed was paused"),
        (["Paused", "UnpauseProposed"], Checked.UNCHECKED, "no log shows that the feed was unpaused"),
        (["Paused", "UnpauseProposed", "Paused"], Checked.FAILED, "the feed was paused"),
        (["Paused", "UnpauseProposed", "Unpaused"], Checked.VERIFIED, ""),
    ],
    ids=lambda value: value[-1] if isinstance(value, list) else "",
)
def test_a_feed_that_is_paused_takes_no_report(events: list[str], check: Checked, says: str) -> None:
    made = auditor()
    for name in events:
        made.hub.administer(AdminEvent(name, {"feedId": FEED_ID}))
    assert problem_of(made, submission()) == says
    assert made.findings[0].check is check


def test_an_event_of_another_round_than_the_next_is_not_history() -> None:
    """A node can make up events. What it says of one must not spoil the reports that are there."""
    made = auditor()
    invented = replace(submission(round_ids=(900,)), calls=TransactionCalls(missing="its transaction is not there"))
    assert problem_of(made, invented) == "it is of round 900, but 1 was next"
    assert made.findings[0].check is Checked.FAILED
    assert problem_of(made, submission()) == ""


def relayed(*submissions: Submission, of: ReportEvents | None = None) -> ReportEvents:
    """Return a transaction whose input has several submissions, one after the other."""
    inputs = b"relay" + b"".join(encode_submission(each) for each in submissions)
    return replace(of or submission(), calls=TransactionCalls(inputs=inputs))


def submitted(given: ReportEvents) -> Submission:
    assert given.calls.direct is not None
    return read_submission(given.calls.direct)


def test_proofs_in_an_input_are_tried_one_after_the_other() -> None:
    """Only one of them was submitted. Nothing tells which one, except that it holds."""
    real = submitted(submission())
    made = auditor()
    made.play(relayed(*(replace(real, proof=proof) for proof in (b"decoy", b"proof", b"other"))))
    tried = []
    while made.tasks:
        task = made.tasks.pop()
        tried.append(task.proof)
        made.settle(task, task.proof == b"proof")
    assert tried == [b"decoy", b"proof"]
    assert [(each.check, each.problem) for each in made.findings] == [(Checked.VERIFIED, "")]
    made = auditor()
    made.play(relayed(replace(real, proof=b"decoy"), replace(real, proof=b"other")))
    while made.tasks:
        made.settle(made.tasks.pop(), False)
    hidden = "the proof does not verify, but the transaction's input may hide another submission"
    assert [(each.check, each.problem) for each in made.findings] == [(Checked.UNCHECKED, hidden)]
    # A trace shows what was submitted.
    for proof, check in ((b"decoy", Checked.FAILED), (b"hidden", Checked.VERIFIED)):
        made.doubts, (doubt,) = [], made.doubts
        traced = encode_submission(replace(real, proof=proof))
        made.try_traced(doubt, replace(doubt.entry, calls=TransactionCalls(traced=(traced,))))
        (task,) = made.tasks
        assert task.proof == proof
        made.settle(made.tasks.pop(), proof == b"hidden")
        assert made.findings[0].check is check
        made.doubts = [doubt]


def test_a_report_with_other_signers_beside_the_real_one() -> None:
    """It has the same answers, and signatures of strangers. Alone, it is what the hub should have refused."""
    real = submitted(submission())
    rows = tuple(replace(each, r=STRANGER.encode().ljust(32, b"\0")) for each in real.signed.signatures)
    decoy = replace(real, signed=replace(real.signed, signatures=rows))
    assert problem_of(auditor(), relayed(decoy, real)) == ""
    made = auditor()
    before = made.mark()
    hidden = "a reporter signed twice, but the transaction's input may hide another submission"
    assert problem_of(made, relayed(decoy)) == hidden and made.is_in_doubt_since(before)
    made.reset(before)
    assert (made.findings, made.doubts, made.hub.rounds, made.hub.states[FEED_ID].round_id) == ([], [], {}, 0)
    traced = TransactionCalls(traced=(encode_submission(real),))
    assert problem_of(made, replace(submission(), calls=traced)) == ""


def test_the_stored_round_tells_which_of_two_reports_it_was() -> None:
    """Fewer signatures lead to the same median, but to another spread and count."""
    quorum = replace(FEED, max_spread=0)
    two = submitted(submission(THREE[:2]))
    three = submitted(submission())
    assert two.signed.median(0) == three.signed.median(0)

    def stored(count: int) -> Auditor:
        made = Auditor(named)
        made.hub.add_model(model())
        made.hub.add_committee(1, [ALICE, BOB, CAROL], 1)
        made.hub.add_feed(quorum)
        signed = (two if count == 2 else three).signed
        spread = signed.spread(0, FEED.kind, FEED.sigma)
        kept = Round(1, ANSWER + 10, NOW, NOW + 10, 1, -5, spread, count)
        entry = replace(relayed(two, three), rounds={(FEED_ID, 1): kept})
        assert problem_of(made, entry) == ""
        return made

    assert [stored(count).hub.expected_rounds()[FEED_ID, 1].count for count in (2, 3)] == [2, 3]


def test_reports_with_other_answers_of_peers() -> None:
    """Reporters signed two reports of one time. The next one is unchecked if its features need the peer's answer."""
    ids: dict[str, Any] = {"feed_ids": (FEED_ID, PEER_ID)}
    first = submission(BOTH, round_ids=(1, 0), **ids)
    others = tuple(row(name, ANSWER + 10, 3 * ANSWER) for name in (ALICE, BOB, CAROL))
    entry = relayed(submitted(first), submitted(submission(others, round_ids=(1, 0), **ids)), of=first)
    for features, check in ((LISTED, Checked.UNCHECKED), (encoding.window_features(14), Checked.VERIFIED)):
        made = auditor(model(features=features), PEERED, PEER)
        assert problem_of(made, entry) == ""
        later = NOW + 60
        problem_of(made, submission(BOTH, round_ids=(2, 0), observed_at=later, block_time=later, **ids))
        assert made.findings[-1].check is check
        # The round after it is measured from answers that are known.
        later = NOW + 120
        assert problem_of(made, submission(BOTH, round_ids=(3, 0), observed_at=later, block_time=later, **ids)) == ""


def test_a_submission_that_is_not_known_leaves_its_event_and_the_stored_round() -> None:
    given = replace(submission(), calls=TransactionCalls(missing="nobody has it"))
    kept = Round(1, ANSWER + 10, NOW, NOW + 10, 1, -5, 7, 3)
    made = auditor()
    assert problem_of(made, replace(given, rounds={(FEED_ID, 1): kept})) == "nobody has it"
    assert made.findings[0].check is Checked.UNCHECKED and made.hub.expected_rounds()[FEED_ID, 1] == kept
    # What an event says is checked all the same: the gate knows the answer and the scores.
    given = replace(given, events=(replace(SAID, scores=(5, 7)),))
    assert problem_of(auditor(), given).startswith("the hub said accepted")


@pytest.mark.parametrize(
    ("features", "checks"),
    [
        (LISTED, [Checked.UNCHECKED, Checked.UNCHECKED, Checked.VERIFIED]),
        (encoding.window_features(14), [Checked.UNCHECKED, Checked.VERIFIED, Checked.VERIFIED]),
    ],
    ids=["a model of peers", "a model of moves"],
)
def test_no_more_is_unchecked_than_follows_from_what_is_not_known(
    features: tuple[Feature, ...], checks: list[Checked]
) -> None:
    """The answers of peers are nowhere but in the submission. The report after the next one does not need them."""
    made = auditor(model(features=features), PEERED, PEER)
    ids: dict[str, Any] = {"feed_ids": (FEED_ID, PEER_ID)}
    for number in (1, 2, 3):
        at = NOW + 60 * number
        given = submission(BOTH, round_ids=(number, 0), observed_at=at, block_time=at, **ids)
        problem_of(made, given if number > 1 else replace(given, calls=TransactionCalls(missing="nobody has it")))
    assert [each.check for each in made.findings] == checks


@pytest.mark.parametrize(
    ("feed", "of"),
    [({"sigma": 0}, {}), ({"heartbeat": 0}, {}), ({}, {"score_unit": 0})],
    ids=["sigma", "heartbeat", "score unit"],
)
def test_terms_that_no_hub_takes_do_not_end_the_audit(feed: dict[str, Any], of: dict[str, Any]) -> None:
    """Another contract can emit any event."""
    made = auditor(model(**of), replace(FEED, **feed), PEER)
    for number in (1, 2):
        at = NOW + 60 * number
        made.play(submission(round_ids=(number,), observed_at=at, block_time=at))
    assert made.findings[-1].check is Checked.FAILED
    told = "no hub of this release has such a history: ZeroDivisionError"
    assert [finding for finding in made.findings if told in finding.problem]
    given = submission(feed_ids=(PEER_ID,))
    if not of:
        assert problem_of(made, given) == "", "other feeds are audited all the same"


def test_an_answer_that_no_hub_accepts() -> None:
    """Later moves can't be derived from it."""
    made = auditor()
    nothing = tuple(row(name, 0) for name in (ALICE, BOB, CAROL))
    assert problem_of(made, submission(nothing, scores=((-1, -1),))).startswith("the hub said accepted 0.00000000 of")
    assert made.findings[0].check is Checked.FAILED
    later = NOW + 60
    problem_of(made, submission(round_ids=(2,), observed_at=later, block_time=later))
    assert made.findings[-1].check is Checked.FAILED


HELD = RoundHeld(FEED_ID, 1, 0, NOW, 1, (-5, -7), HoldReason.NOT_POSITIVE, 0, PAYER, 9, b"\x12", 0)
ZEROS = tuple(row(name, 0) for name in (ALICE, BOB, CAROL))


def test_all_that_a_finding_says() -> None:
    of_feed = ("eth / USD", "0x" + FEED_ID.hex(), 8, FindingKind.ROUND, 1)
    of_entry = (NOW, 9, NOW + 10, "0x12")
    made = auditor()
    problem_of(made, submission())
    ok = (Checked.VERIFIED, "")
    assert made.findings == [Finding(*of_feed, Outcome.ACCEPTED, False, "", 0, ANSWER + 10, *of_entry, *ok)]
    made = auditor()
    problem_of(made, replace(submission(ZEROS), events=(HELD,)))
    assert made.findings == [Finding(*of_feed, Outcome.HELD, False, "not positive", 0, 0, *of_entry, *ok)]
    assert (made.hub.holds[FEED_ID].reason, made.hub.states[FEED_ID].held_reports) == (HoldReason.NOT_POSITIVE, 1)
    # Of an event of which nothing is known: its own words.
    made = auditor()
    problem_of(made, replace(submission(ZEROS), events=(HELD,), calls=TransactionCalls()))
    unknown = (Checked.UNCHECKED, NOT_FOUND)
    assert made.findings == [Finding(*of_feed, Outcome.HELD, False, "not positive", 0, 0, *of_entry, *unknown)]
    # Of a feed that was never added, and of one on which the hub says nothing.
    made = auditor()
    problem_of(made, submission(feed_ids=((7).to_bytes(32),)))
    assert made.findings[-1].feed == made.findings[-1].feed_id == "0x" + (7).to_bytes(32).hex()
    assert made.findings[-1].decimals == 0
    made = auditor(None, FEED, PEER)
    ids: dict[str, Any] = {"feed_ids": (FEED_ID, PEER_ID), "round_ids": (1, 1), "scores": ((-1, -1),) * 2}
    problem_of(made, submission(BOTH, silent=1, **ids))
    nothing = ("btc / USD", "0x" + PEER_ID.hex(), 8, FindingKind.ROUND, 1, Outcome.FAILED, False, "", 0, 0, 0)
    missing = (Checked.FAILED, "the hub emitted nothing, where accepted was due")
    assert made.findings[-1] == Finding(*nothing, *of_entry[1:], *missing)


def test_an_answer_is_held_with_reasons_and_confirmations_in_words() -> None:
    made = auditor()
    told = replace(HELD, answer=ANSWER + 10, reason=HoldReason.ANOMALOUS, confirmations=2, scores=(5, -7))
    problem_of(made, replace(submission(scores=((5, -7),)), events=(told,)))
    (finding,) = made.findings
    assert (finding.reason, finding.confirmations, finding.answer) == ("anomalous", 2, ANSWER + 10)
    assert finding.problem == (
        f"the hub said held as anomalous (confirmations: 2) {TOLD}, but it was held as anomalous (confirmations: 0) "
        f"{TOLD}"
    )


@pytest.mark.parametrize(
    ("said", "says"),
    [
        ({"scores": (-5, -8)}, "scores of [-5, -8] by model 1, but [-5, -7] by model 1 were submitted"),
        ({"model_number": 2}, "scores of [-5, -7] by model 2, but [-5, -7] by model 1 were submitted"),
        (
            {"scores": (-5, -8), "confirmed": True},
            f"accepted by confirmation {TOLD}, but it was accepted {TOLD}",
        ),
    ],
)
def test_an_event_with_other_scores_than_were_submitted(said: dict[str, Any], says: str) -> None:
    made = auditor()
    made.hub.add_model(model(number=2))
    assert problem_of(made, replace(submission(), events=(replace(SAID, **said),))) == f"the hub said {says}"
    assert made.findings[0].check is Checked.FAILED


def test_a_proof_after_a_hole_says_nothing_against_the_hub() -> None:
    stored = Round(1, ANSWER, NOW, NOW + 10, 1, -5, 7, 3)
    made = Auditor(named, None, PinnedHub(rounds={(FEED_ID, 1): stored}), Holes(rounds={FEED_ID: (1,)}))
    made.hub.add_model(model())
    made.hub.add_committee(1, [ALICE, BOB, CAROL], 3)
    made.hub.add_feed(FEED)
    made.play(submission(round_ids=(2,), observed_at=NOW + 60, block_time=NOW + 60))
    (task,) = made.tasks
    assert task.unsure == "round 1 of the feed is not in the logs"
    made.settle(task, False)
    unsure = "the proof does not verify, but round 1 of the feed is not in the logs"
    assert [(each.check, each.problem) for each in made.findings] == [(Checked.UNCHECKED, unsure)]
    made.settle(task, True)
    assert [(each.check, each.problem) for each in made.findings] == [(Checked.VERIFIED, "")]


def test_two_proofs_in_an_input() -> None:
    real = submitted(submission())
    made = auditor()
    made.play(relayed(replace(real, proof=b"decoy"), real))
    assert [task.proof for task in made.tasks] == [b"decoy"]
    made.settle(made.tasks.pop(), "it can't be verified here")
    assert [task.proof for task in made.tasks] == [b"proof"]
    made.settle(made.tasks.pop(), "it can't be verified here")
    told = [(Checked.UNCHECKED, "it can't be verified here")]
    assert [(each.check, each.problem) for each in made.findings] == told
    assert (made.doubts, made.tasks) == ([], [])


def test_a_trace_of_another_report_proves_nothing() -> None:
    real = submitted(submission())
    made = auditor()
    made.play(relayed(replace(real, proof=b"decoy")))
    made.settle(made.tasks.pop(), False)
    (doubt,) = made.doubts
    other = replace(real, signed=replace(real.signed, signatures=(*THREE[:2], row(CAROL, ANSWER + 30))))
    made.try_traced(doubt, replace(doubt.entry, calls=TransactionCalls(traced=(encode_submission(other),))))
    assert made.tasks == [] and made.findings[0].check is Checked.UNCHECKED
    # A report that came to no proof has none to be replaced.
    made.try_traced(replace(doubt, task=None), submission())
    made.try_traced(replace(doubt, submission=None), submission())
    assert made.tasks == []


def test_reports_of_two_transactions_and_of_two_submissions_in_one() -> None:
    """Each event is audited with the submission that it is of."""
    made = auditor()
    second: dict[str, Any] = {"round_ids": (2,), "observed_at": NOW + 5}
    first, then = submission(), submission(**second)
    both = replace(relayed(submitted(first), submitted(then)), events=(*first.events, *then.events))
    made.play(both)
    while made.tasks:
        made.settle(made.tasks.pop(0), True)
    assert [(each.round_id, each.check) for each in made.findings] == [(1, Checked.VERIFIED), (2, Checked.VERIFIED)]
    # Of the second one alone, the first event stays unknown, and the second follows it.
    made = auditor()
    made.play(replace(relayed(submitted(then)), events=(*first.events, *then.events)))
    while made.tasks:
        made.settle(made.tasks.pop(0), True)
    assert [(each.round_id, each.check) for each in made.findings] == [(1, Checked.UNCHECKED), (2, Checked.VERIFIED)]


def test_a_hole_does_not_excuse_what_the_hub_says() -> None:
    """Only an event that is not there may be one of the missing ones."""
    for holes in (Holes(holds={FEED_ID: 1}), Holes(rounds={FEED_ID: (1,)})):
        made = Auditor(named, holes=holes)
        made.hub.add_model(model())
        made.hub.add_committee(1, [ALICE, BOB, CAROL], 3)
        made.hub.add_feed(FEED)
        assert problem_of(made, submission(said={"confirmed": True})).startswith("the hub said accepted by confirm")
        unsure = bool(holes.holds)
        assert made.findings[0].check is (Checked.UNCHECKED if unsure else Checked.FAILED)
        # What the hub says is followed where the rules are not sure of the state before it.
        assert made.findings[0].problem.endswith("held reports of the feed are not in the logs") == unsure


def test_an_event_whose_submission_is_not_known_and_that_no_hub_emits() -> None:
    made = auditor(None, replace(FEED, sigma=0))
    nothing = TransactionCalls(missing="nobody has it")
    assert problem_of(made, replace(submission(), calls=nothing)) == "nobody has it"
    second = submission(round_ids=(2,), observed_at=NOW + 60, block_time=NOW + 60)
    assert problem_of(made, replace(second, calls=nothing)).startswith("the event is none of this hub: ")
    assert made.findings[-1].check is Checked.FAILED and made.hub.states[FEED_ID].round_id == 1


def test_answers_of_peers_are_known_from_a_report_that_the_hub_should_have_refused() -> None:
    made = auditor(None, PEERED, PEER)
    ids: dict[str, Any] = {"feed_ids": (FEED_ID, PEER_ID), "round_ids": (1, 0)}
    assert "are the quorum" in problem_of(made, submission(BOTH[:2], **ids))
    assert made.hub.peers_unknown == {} and made.hub.states[FEED_ID].peer_answers == (2 * ANSWER,)
    # A held report has no answers of peers, and a feed without peers neither.
    nothing = TransactionCalls(missing="nobody has it")
    made = auditor(None, PEERED, PEER)
    problem_of(made, replace(submission(), events=(replace(HELD, answer=0),), calls=nothing))
    problem_of(made, replace(submission(feed_ids=(PEER_ID,)), calls=nothing))
    assert made.hub.peers_unknown == {} and made.hub.states[PEER_ID].round_id == 1
    # A round's are not known.
    problem_of(made, replace(submission(observed_at=NOW + 1), calls=nothing))
    assert list(made.hub.peers_unknown) == [FEED_ID]


def test_each_event_of_a_transaction_that_no_hub_takes_is_told() -> None:
    made = auditor(model(score_unit=0), FEED, PEER)
    ids: dict[str, Any] = {"feed_ids": (FEED_ID, PEER_ID), "round_ids": (1, 1), "scores": ((-1, -1),) * 2}
    made.play(submission(BOTH, **ids))
    assert [(each.feed, each.check) for each in made.findings] == [
        ("eth / USD", Checked.FAILED), ("btc / USD", Checked.FAILED)
    ]  # fmt: skip
    assert all(each.problem.startswith("no hub of this release has such a history: ") for each in made.findings)


def test_a_round_of_which_not_all_is_known_is_not_expected_in_the_storage() -> None:
    made = auditor()
    problem_of(made, replace(submission(), calls=TransactionCalls(missing="nobody has it")))
    assert (made.hub.states[FEED_ID].round_id, made.hub.expected_rounds()) == (1, {})
