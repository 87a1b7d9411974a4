"""Tests of who signed, when, and how many: the hub takes a quorum's fresh report for its feeds' next rounds, once."""

from __future__ import annotations

from dataclasses import replace
from typing import cast

import pytest
from eth_keys.backends.native.jacobian import fast_multiply
from eth_keys.constants import SECPK1_G

from oracle.chain.hub import hub_interface
from oracle.chain.keys.typed import report_digest
from oracle.core.encoding import NO_ANSWER
from oracle.core.report import Report
from oracle.core.types import Status
from tests.attack.calldata import IF_NEWER, Calldata, encode
from tests.attack.node import DEPLOYER, OUTSIDER
from tests.attack.proofs import CALM
from tests.attack.rig import (
    ANOMALOUS,
    ANSWER,
    COMMITTEE,
    HOURS,
    NORMAL,
    REPORTER,
    SKEW,
    STRANGER,
    Rig,
    Sighting,
)

pytestmark = pytest.mark.attack

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141
PARITY = 1 << 255
APART = ANSWER // 1_000


def mirrored(calldata: Calldata, row: int = 0) -> Calldata:
    """Return the submission with the other signature that recovers to the same signer, as far as it has a form."""
    vs = int.from_bytes(calldata.signatures[row].vs)
    s = CURVE_ORDER - vs % PARITY
    return calldata.with_signature(row, vs=((s % PARITY) | (vs & PARITY ^ PARITY)).to_bytes(32))


def signed_anew(rig: Rig, calldata: Calldata, row: int, account: int, nonce: int) -> Calldata:
    """Return the submission with another canonical signature of a row. A key's owner can make any number of them."""
    one = calldata.signatures[row]
    report = cast(Report, calldata)
    digest = report_digest(rig.chain.chain_id, rig.hub.address, report, calldata.rows[row], one.readings)
    key = int(rig.chain.accounts[account].key, 16)
    x, y = fast_multiply(SECPK1_G, nonce)
    s = pow(nonce, -1, CURVE_ORDER) * (int.from_bytes(digest) + x * key) % CURVE_ORDER
    odd = y % 2
    if s > CURVE_ORDER // 2:
        s, odd = CURVE_ORDER - s, 1 - odd
    return calldata.with_signature(row, r=x.to_bytes(32), vs=(s | odd << 255).to_bytes(32))


def accepted(rig: Rig, submission: Calldata, feed: str = "trio", answer: int = NORMAL) -> None:
    assert rig.accepts(submission)
    state = rig.state(feed)
    assert (state.round_id, state.answer, state.status) == (2, answer, Status.OK)


def joined(one: Calldata, *rows: tuple[Calldata, int]) -> Calldata:
    """Return a submission with further rows and their signatures, from submissions of the same report."""
    answers = [*one.rows, *(each.rows[row] for each, row in rows)]
    signatures = (*one.signatures, *(each.signatures[row] for each, row in rows))
    return replace(one.with_rows(*answers), signatures=signatures)


# --- who ---


def test_a_stranger(rig: Rig, normal: Calldata, quorum: Calldata) -> None:
    rig.refuses(rig.sign(normal, STRANGER), "NotAReporter")
    stranger = rig.sign(quorum, *COMMITTEE[:2], STRANGER)
    rig.refuses(stranger, "NotAReporter")
    # They are refused beyond the quorum too: a fourth, unauthorised answer would move the median.
    rig.refuses(joined(quorum, (stranger, 2)), "NotAReporter")
    accepted(rig, quorum)


@pytest.mark.parametrize("account", COMMITTEE)
def test_a_reporter_of_another_committee(rig: Rig, normal: Calldata, account: int) -> None:
    """Its signature is good for its own committee's feeds, and for no other."""
    rig.refuses(rig.sign(normal, account), "NotAReporter")
    moved = replace(normal, committee=rig.committee("trio"))
    rig.refuses(rig.sign(moved, account), "WrongCommittee")
    rig.refuses(replace(rig.sign(moved, account), committee=normal.committee), "NotAReporter")
    accepted(rig, normal, "solo")


def test_one_of_another_committee_among_a_quorum(rig: Rig, quorum: Calldata) -> None:
    rig.refuses(rig.sign(quorum, *COMMITTEE[:2], REPORTER), "NotAReporter")
    rig.refuses(joined(quorum, (rig.sign(quorum, *COMMITTEE[:2], REPORTER), 2)), "NotAReporter")
    accepted(rig, quorum)


def test_feeds_of_two_committees(rig: Rig, normal: Calldata, quorum: Calldata) -> None:
    """No submission has both, whoever signs it and whatever committee it names."""
    both = rig.draft({"solo": rig.seen("solo", NORMAL), "trio": rig.seen("trio", NORMAL)})
    scored = replace(both, scores=normal.scores + quorum.scores, proof=normal.proof)
    for name in ("solo", "trio"):
        for accounts in ((REPORTER, *COMMITTEE[:3]), (REPORTER,) * 4):
            attack = rig.sign(replace(scored, committee=rig.committee(name)), *accounts)
            rig.refuses(attack, "WrongCommittee")
    # As a reference neither: then it could be a peer.
    for feed in range(2):
        rounds = tuple(0 if at == feed else 2 for at in range(2))
        rig.refuses(rig.sign(replace(scored, round_ids=rounds), REPORTER, *COMMITTEE[:3]), "WrongCommittee")
    accepted(rig, quorum)


@pytest.mark.parametrize("rows", [(), (0,), (1,), (0, 2), (1, 2)], ids=str)
def test_quorum_not_met(rig: Rig, quorum: Calldata, rows: tuple[int, ...]) -> None:
    error = "QuorumNotMet" if rows else "NotTheMedian"
    assert rig.refusal(quorum.taking(rows)) in {error, "QuorumNotMet"}
    rig.fails(encode(quorum.taking(rows)))
    accepted(rig, quorum)


def test_one_signer_twice(rig: Rig, quorum: Calldata) -> None:
    rig.refuses(quorum.taking((1, 1, 1)), "DuplicateReporter")
    rig.refuses(quorum.taking((0, 1, 1)), "DuplicateReporter")
    rig.refuses(quorum.taking((0, 1, 2, 2)), "DuplicateReporter")
    again = rig.sign(quorum.with_answer(NORMAL + 1, row=2), COMMITTEE[0], COMMITTEE[1], COMMITTEE[1])
    rig.refuses(again, "DuplicateReporter")
    rig.refuses(joined(quorum, (again, 2)), "DuplicateReporter")
    # Nor with another answer, or with none.
    silent = rig.sign(quorum.with_answer(NO_ANSWER, row=0), *COMMITTEE[:3])
    rig.refuses(joined(quorum, (silent, 0)), "DuplicateReporter")
    accepted(rig, quorum)


def test_mirrored_signatures(rig: Rig, normal: Calldata, quorum: Calldata) -> None:
    """(r, n − s) with the other parity recovers to the same signer. In 255 bits there is hardly room for such an s."""
    rig.refuses(mirrored(normal), "NotAReporter")
    rig.refuses(mirrored(quorum, 2), "NotAReporter")
    rig.refuses(joined(quorum, (mirrored(quorum, 2), 2)), "NotAReporter")
    accepted(rig, quorum)


def test_signatures_made_anew(rig: Rig, normal: Calldata, quorum: Calldata) -> None:
    """They are valid, but they count like the first: as one reporter's, for one round."""
    others = [signed_anew(rig, quorum, 2, COMMITTEE[2], nonce) for nonce in (7, 11, 13)]
    assert len({each.signatures[2].vs for each in (quorum, *others)}) == 4
    for other in others:
        assert rig.refusal(other) is None
        rig.refuses(joined(quorum, (other, 2)), "DuplicateReporter")
        rig.refuses(joined(quorum.taking((0, 2)), (other, 2)), "DuplicateReporter")
    again = signed_anew(rig, normal, 0, REPORTER, 7)
    accepted(rig, again, "solo")
    rig.refuses(normal, "WrongRound")
    rig.refuses(replace(again, round_ids=(3,)), "ObservationNotNewer")


def test_a_held_report_signed_anew(rig: Rig, anomalous: Calldata) -> None:
    """The same statement with another signature is not a new report, and confirms nothing."""
    again = signed_anew(rig, anomalous, 0, REPORTER, 7)
    assert rig.refusal(again) is None
    assert rig.accepts(anomalous)
    rig.refuses(again, "ObservationNotNewer")
    held = rig.state("solo").held
    assert held is not None and held.confirmations == 0


# --- epochs ---


def changed(rig: Rig, accounts: tuple[int, ...], quorum: int = 3) -> None:
    """Give the committee of `trio` other reporters."""
    number = rig.committee("trio")
    rig.admin("proposeReporters", number, [rig.address(each) for each in accounts], quorum)
    rig.admin("activateReporters", number)


def test_the_signatures_of_an_old_epoch(rig: Rig, quorum: Calldata) -> None:
    """With the reporters, everything that was signed before becomes invalid, even by those who remain."""
    rig.admin("proposeReporters", rig.committee("trio"), [rig.address(each) for each in COMMITTEE], 3)
    assert rig.refusal(quorum) is None, "a proposal changes nothing"
    rig.admin("activateReporters", rig.committee("trio"))
    rig.refuses(quorum, "WrongEpoch")
    rig.refuses(replace(quorum, epoch=2), "NotAReporter")
    rig.refuses(replace(rig.sign(replace(quorum, epoch=2), *COMMITTEE[:3]), epoch=1), "WrongEpoch")
    accepted(rig, rig.sign(replace(quorum, epoch=2), *COMMITTEE[:3]))


def test_a_signature_for_the_next_epoch(rig: Rig, quorum: Calldata) -> None:
    """It is worth nothing before the change, and is not needed after it."""
    ahead = rig.sign(replace(quorum, epoch=2), *COMMITTEE[:3])
    rig.refuses(ahead, "WrongEpoch")
    rig.refuses(replace(ahead, epoch=1), "NotAReporter")
    changed(rig, (*COMMITTEE[:2], STRANGER))
    rig.refuses(ahead, "NotAReporter")
    accepted(rig, rig.sign(ahead, *COMMITTEE[:2], STRANGER))


def test_an_epoch_that_came_back(rig: Rig, quorum: Calldata) -> None:
    """The first reporters are reporters again, in the third epoch: the first epoch's signatures stay invalid."""
    changed(rig, (STRANGER,), 1)
    changed(rig, COMMITTEE)
    for epoch, error in ((1, "WrongEpoch"), (2, "WrongEpoch"), (3, "NotAReporter")):
        rig.refuses(replace(quorum, epoch=epoch), error)
    accepted(rig, rig.sign(replace(quorum, epoch=3), *COMMITTEE[:3]))


def test_a_removed_reporter(rig: Rig, quorum: Calldata) -> None:
    changed(rig, COMMITTEE[1:4])
    anew = rig.sign(replace(quorum, epoch=2), *COMMITTEE[:3])
    rig.refuses(anew, "NotAReporter")
    accepted(rig, rig.sign(anew, *COMMITTEE[1:4]))


def test_a_removed_reporter_by_a_lower_quorum(rig: Rig, quorum: Calldata) -> None:
    """A quorum of one does not let a removed reporter in."""
    changed(rig, COMMITTEE[1:2], 1)
    one = replace(quorum, epoch=2).with_rows(quorum.rows[1])
    rig.refuses(rig.sign(one, COMMITTEE[0]), "NotAReporter")
    accepted(rig, rig.sign(one, COMMITTEE[1]))


def test_a_held_answer_outlives_its_committee(rig: Rig) -> None:
    """A hold is the feed's. New reporters may confirm it, with reports of their own."""
    assert rig.accepts(rig.honest("trio", *rig.seen("trio", ANOMALOUS)))
    changed(rig, (STRANGER,), 1)
    for report in range(2):
        rig.later(60)
        assert rig.accepts(rig.honest("trio", Sighting(ANOMALOUS, 700 + 60 * report, STRANGER)))
    assert (rig.state("trio").status, rig.state("trio").answer) == (Status.OK, ANOMALOUS)


def test_nobody_but_the_admin_changes_reporters(rig: Rig, normal: Calldata) -> None:
    calls: list[tuple[str, tuple[object, ...]]] = [
        ("proposeReporters", (rig.committee("solo"), [rig.address(STRANGER)], 1)),
        ("activateReporters", (rig.committee("solo"),)),
        ("addCommittee", ([rig.address(STRANGER)], 1)),
        ("proposeModel", (rig.feed_id("solo"), 1, 0, 0)),
        ("addModel", (1, 1, bytes(32), 1, (CALM, (0, 0), [b""]))),
        ("addArchitecture", (bytes([0, 1]), 2, True, [1], [rig.verifier()])),
        ("pause", (rig.feed_id("solo"),)),
    ]
    for function, arguments in calls:
        for account in (OUTSIDER, REPORTER):
            data = hub_interface().encode_call(function, *arguments)
            rig.refuses(data, "AccessControlUnauthorizedAccount", account)
    accepted(rig, normal, "solo")


@pytest.mark.parametrize(("count", "quorum"), [(1, 0), (2, 2), (3, 2), (5, 2), (5, 4), (3, 5), (0, 1)], ids=str)
def test_a_quorum_that_less_than_half_could_decide(rig: Rig, count: int, quorum: int) -> None:
    """The upper median of an even number may be a liar's: two of two. The hub takes odd quorums only."""
    reporters = [rig.address(each) for each in (*COMMITTEE, STRANGER)[:count]]
    calls = [("addCommittee", (reporters, quorum)), ("proposeReporters", (rig.committee("trio"), reporters, quorum))]
    for function, arguments in calls:
        rig.refuses(hub_interface().encode_call(function, *arguments), "InvalidReporters", DEPLOYER)


def test_reporters_who_are_none(rig: Rig) -> None:
    """A contract can't sign, zero is what a bad signature recovers to, and nobody counts twice."""
    one, two = rig.address(COMMITTEE[0]), rig.address(COMMITTEE[1])
    for third in (rig.hub.address, rig.verifier(), "0x" + "00" * 20, one):
        data = hub_interface().encode_call("addCommittee", [one, two, third], 3)
        rig.refuses(data, "InvalidReporters", DEPLOYER)


# --- liars, and those who say nothing ---


@pytest.mark.parametrize("lie", [NORMAL + 9 * APART, NORMAL - 9 * APART, NORMAL + 1, 1], ids=str)
@pytest.mark.parametrize("honest", [2, 3, 4])
def test_one_liar(rig: Rig, lie: int, honest: int) -> None:
    """With a quorum of three, one liar moves the answer within what the honest reporters saw, and not beyond.

    The liar may be among three, four or five; the even number's upper median is an honest answer too.
    """
    sightings = [Sighting(NORMAL + each * APART, 600, COMMITTEE[each]) for each in range(honest)]
    liar = Sighting(lie, 600, COMMITTEE[4])
    if lie == 1:
        # A lie that is far away stops the report: then it has to go without the liar, if a quorum is left.
        rig.refuses(rig.together({"trio": [*sightings, liar]}), "SpreadTooWide")
        if honest >= 3:
            assert rig.accepts(rig.honest("trio", *sightings))
        return
    assert rig.accepts(rig.honest("trio", *sightings, liar))
    assert NORMAL <= rig.state("trio").answer <= NORMAL + (honest - 1) * APART


@pytest.mark.parametrize("silent", [1, 2, 3])
def test_a_liar_among_silent_ones(rig: Rig, silent: int) -> None:
    """Those who have no answer don't help a liar to a quorum: two answers of five signatures are too few."""
    answers = [NORMAL + 9 * APART, *(NORMAL,) * (4 - silent)]
    draft = rig.draft({"trio": [Sighting(NORMAL, 600, account) for account in COMMITTEE]})
    rows = [[answers[at]] if at < len(answers) else [NO_ANSWER] for at in range(5)]
    window = rig.window("trio", NORMAL, 600)
    scored = replace(
        draft.with_rows(*rows),
        scores=rig.honest("trio", *rig.seen("trio", NORMAL)).scores,
        proof=rig.proofs.prove(window),
    )
    signed = rig.sign(scored, *COMMITTEE)
    if silent == 3:
        rig.refuses(signed, "QuorumNotMet")
    else:
        accepted(rig, signed)


def test_two_liars_of_three_decide(rig: Rig) -> None:
    """This is the limit of a quorum of three: more than half. That a model and a spread are asked is what is left."""
    lie = NORMAL + 9 * APART
    assert rig.accepts(rig.honest("trio", Sighting(NORMAL, 600, 2), Sighting(lie, 600, 3), Sighting(lie, 600, 4)))
    assert rig.state("trio").answer == lie


def test_a_relayer_chooses_among_signatures(rig: Rig) -> None:
    """Any three of five make a report. Whoever carries it can choose among honest answers, no further."""
    all_five = rig.honest("trio", *(Sighting(NORMAL + each * APART, 600, COMMITTEE[each]) for each in range(5)))
    rig.refuses(all_five.taking((0, 1, 2)), "ProofRejected")
    for rows in ((0, 1, 2), (2, 3, 4), (0, 2, 4)):
        chosen = all_five.taking(rows)
        window = rig.window("trio", chosen.rows[len(rows) // 2][0], 600)
        proven = replace(chosen, proof=rig.proofs.prove(window)).with_scores(*rig.proofs.scores(window))
        assert rig.refusal(proven) is None
    # This costs a proof. Without one, only the same median can be carried by other signatures.
    accepted(rig, all_five.taking((1, 2, 3)), answer=NORMAL + 2 * APART)


def test_reporters_who_disagree(rig: Rig, quorum: Calldata) -> None:
    far = rig.sign(quorum.with_answer(ANOMALOUS, row=2), *COMMITTEE[:3])
    rig.refuses(far, "SpreadTooWide")
    rig.refuses(joined(quorum, (rig.sign(far, *COMMITTEE[1:4]), 2)), "SpreadTooWide")
    accepted(rig, quorum)


def test_another_median_than_the_proven_one(rig: Rig, quorum: Calldata) -> None:
    """Two further signatures make another answer the median, and the proof is not about that answer."""
    low = rig.sign(quorum.with_rows(*([NORMAL - 2 * APART],) * 3), COMMITTEE[0], *COMMITTEE[3:])
    rig.refuses(joined(quorum, (low, 1), (low, 2)), "ProofRejected")
    accepted(rig, quorum)


# --- when ---


def test_the_future(rig: Rig, normal: Calldata, quorum: Calldata) -> None:
    for after in (7 * HOURS, 48 * HOURS, 2**32 - 1 - rig.start):
        early = rig.sign(replace(normal, observed_at=rig.start + after), REPORTER)
        rig.refuses(early, "ObservationInFuture")
    rig.refuses(rig.sign(replace(quorum, observed_at=rig.start + 48 * HOURS), *COMMITTEE[:3]), "ObservationInFuture")
    accepted(rig, quorum)


def test_one_reporter_does_not_push_the_time(rig: Rig, quorum: Calldata) -> None:
    """All sign one time. A signature for a later one is not of this report, so it can't delay the others' next report.

    Once each reporter signed its own time, and the latest of them counted.
    """
    ahead = rig.now() - rig.start + SKEW - 10
    pushed = rig.sign(replace(quorum, observed_at=rig.start + ahead), *COMMITTEE[1:4])
    rig.refuses(joined(quorum, (pushed, 2)), "NotAReporter")
    rig.refuses(replace(joined(quorum, (pushed, 2)), observed_at=rig.start + ahead), "NotAReporter")
    rig.refuses(pushed.taking((2,)), "QuorumNotMet")
    accepted(rig, quorum)
    assert rig.state("trio").last_report_at == rig.start + 600
    assert rig.accepts(rig.honest("trio", *rig.seen("trio", NORMAL, 601)))


def test_a_quorum_that_is_ahead_delays_by_the_skew_alone(rig: Rig) -> None:
    """Wrong clocks of a whole quorum delay the next report by at most `max_skew`."""
    now = rig.now() - rig.start
    assert rig.accepts(rig.honest("trio", *rig.seen("trio", NORMAL, now + SKEW)))
    rig.refuses(rig.honest("trio", *rig.seen("trio", NORMAL, now + SKEW - 1)), "ObservationNotNewer")
    rig.later(SKEW + 1)
    assert rig.accepts(rig.honest("trio", *rig.seen("trio", NORMAL, now + SKEW + 1)))


def test_not_newer_than_the_last_report(rig: Rig, normal: Calldata, quorum: Calldata) -> None:
    for after in (0, -1, -HOURS, -rig.start):
        late = rig.sign(replace(normal, observed_at=rig.start + after), REPORTER)
        rig.refuses(late, "ObservationNotNewer")
    assert rig.refusal(quorum) is None
    rig.refuses(rig.sign(replace(quorum, observed_at=rig.start), *COMMITTEE[:3]), "ObservationNotNewer")
    accepted(rig, quorum)


def test_a_submission_that_was_kept_back(rig: Rig, normal: Calldata, quorum: Calldata) -> None:
    assert rig.refusal(normal) is None
    rig.wait_until(25 * HOURS)
    rig.refuses(normal, "ObservationTooOld")
    rig.refuses(quorum, "ObservationTooOld")
    rig.refuses(encode(normal, IF_NEWER), "ObservationTooOld")
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 24 * HOURS)))


# --- how often ---


def test_the_same_submission_again(rig: Rig, normal: Calldata) -> None:
    accepted(rig, normal, "solo")
    rig.refuses(normal, "WrongRound")
    rig.refuses(replace(normal, round_ids=(3,)), "ObservationNotNewer")
    later = replace(normal, round_ids=(3,), observed_at=normal.observed_at + 1)
    rig.refuses(later, "NotAReporter")


def test_another_proof_of_the_same_report(rig: Rig, normal: Calldata) -> None:
    """Anybody can make further proofs, but a report counts for one round, once."""
    again = replace(normal, proof=rig.proofs.prove(rig.window("solo", NORMAL, 600), anew=True))
    assert again.proof != normal.proof
    assert rig.refusal(again) is None
    accepted(rig, normal, "solo")
    rig.refuses(again, "WrongRound")


def test_a_held_report_does_not_confirm_itself(rig: Rig, anomalous: Calldata) -> None:
    """A held round keeps its number, so only the time tells a second report from the first one."""
    assert rig.accepts(anomalous)
    again = replace(anomalous, proof=rig.proofs.prove(rig.window("solo", ANOMALOUS, 600), anew=True))
    for wait in (0, HOURS):
        rig.later(1 + wait)
        for copy in (anomalous, again):
            rig.refuses(copy, "ObservationNotNewer")
    held = rig.state("solo").held
    assert held is not None and (held.confirmations, held.anomalies) == (0, 1)


def test_a_held_quorum_does_not_confirm_itself_in_parts(rig: Rig) -> None:
    """Five signatures are ten quorums of three, and one report."""
    held = rig.honest("trio", *(Sighting(ANOMALOUS, 600, account) for account in COMMITTEE))
    assert rig.accepts(held)
    for rows in ((0, 1, 2), (2, 3, 4), (0, 2, 4)):
        rig.refuses(held.taking(rows), "ObservationNotNewer")
    rig.later(60)
    newer = rig.honest("trio", *rig.seen("trio", ANOMALOUS, 900))
    assert rig.accepts(newer)
    state = rig.state("trio").held
    assert state is not None and state.confirmations == 1


# --- where ---


def test_another_feed(rig: Rig, normal: Calldata, quorum: Calldata) -> None:
    """`level` has the same reporter, the same round and, for this window, the same statement."""
    rig.refuses(replace(normal, feed_ids=(rig.feed_id("level"),)), "NotAReporter")
    rig.refuses(replace(normal, feed_ids=(rig.feed_id("trio"),)), "WrongCommittee")
    rig.refuses(replace(quorum, feed_ids=(rig.feed_id("solo"),)), "WrongCommittee")
    rig.add_feed("trio twin", "trio")
    rig.refuses(replace(quorum, feed_ids=(rig.feed_id("trio twin"),), round_ids=(1,)), "NotAReporter")
    accepted(rig, normal, "solo")


def test_another_hub_on_the_same_chain(rig: Rig, normal: Calldata) -> None:
    """It is a second hub of the same code with the same feed. A signature for one hub is worth nothing to the other."""
    other = rig.second_hub()
    first = other.honest("solo", Sighting(ANSWER, 0))
    assert first.proof == rig.proofs.prove(CALM)
    assert other.accepts(first)
    assert other.state("solo").answer == rig.state("solo").answer
    other.refuses(normal, "NotAReporter")
    accepted(rig, normal, "solo")
    # Signed for the other hub, the same report and proof are good there.
    accepted(other, other.sign(normal, REPORTER), "solo")


def test_another_chain(rig: Rig, normal: Calldata, fork: Rig) -> None:
    """The chain split off: all addresses, states and times are the same, and only its id differs."""
    assert fork.hub.address == rig.hub.address
    assert fork.state("solo") == rig.state("solo")
    fork.refuses(normal, "NotAReporter")
    accepted(rig, normal, "solo")
    accepted(fork, fork.honest("solo", Sighting(NORMAL)), "solo")
