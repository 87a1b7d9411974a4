"""Tests of who signed, when, and how many: the hub takes a quorum's fresh observations for its next round, once."""

from __future__ import annotations

from dataclasses import replace

import pytest
from eth_keys.backends.native.jacobian import fast_multiply
from eth_keys.constants import SECPK1_G

from oracle.chain.hub import Submission, hub_interface
from oracle.core.types import SignedObservation, Status
from tests.attack.rig import (
    ANOMALOUS,
    ANSWER,
    CALM,
    COMMITTEE,
    HOURS,
    NORMAL,
    STRANGER,
    Rig,
    Sighting,
    with_update,
)

pytestmark = pytest.mark.attack

CURVE_ORDER = 0xFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFFEBAAEDCE6AF48A03BBFD25E8CD0364141


def mirrored(signed: SignedObservation) -> SignedObservation:
    """Return the other signature that recovers to the same signer for the same statement."""
    s = CURVE_ORDER - int.from_bytes(signed.s)
    return replace(signed, v=55 - signed.v, s=s.to_bytes(32))


def signed_anew(rig: Rig, feed: str, account: int, signed: SignedObservation, nonce: int) -> SignedObservation:
    """Return another canonical signature of the same statement. The owner of a key can make any number of them."""
    state = rig.state(feed)
    digest = rig.run(
        rig.hub.observation_digest(rig.feed_id(feed), state.round_id + 1, signed.answer, signed.observed_at)
    )
    key = int(rig.chain.accounts[account].key, 16)
    x, y = fast_multiply(SECPK1_G, nonce)
    s = pow(nonce, -1, CURVE_ORDER) * (int.from_bytes(digest) + x * key) % CURVE_ORDER
    again = replace(signed, v=27 + y % 2, r=x.to_bytes(32), s=s.to_bytes(32))
    return again if s <= CURVE_ORDER // 2 else mirrored(again)


def accepted(rig: Rig, submission: Submission, feed: str = "trio") -> None:
    assert rig.accepts(submission)
    state = rig.state(feed)
    assert (state.round_id, state.answer, state.status) == (2, NORMAL, Status.OK)


# --- who ---


def test_a_stranger(rig: Rig, normal: Submission, quorum: Submission) -> None:
    stranger = rig.sign("solo", Sighting(NORMAL, account=STRANGER))
    rig.refuses(with_update(normal, observations=(stranger,)), "NotAReporter")
    one, two = quorum.updates[0].observations
    stranger = rig.sign("trio", Sighting(NORMAL, account=STRANGER))
    rig.refuses(with_update(quorum, observations=(one, stranger)), "NotAReporter")
    # They are refused beyond the quorum too: a third, unauthorised observation would move the median.
    rig.refuses(with_update(quorum, observations=(one, two, stranger)), "NotAReporter")
    accepted(rig, quorum)


def test_a_reporter_of_another_feed(rig: Rig, normal: Submission) -> None:
    borrowed = rig.sign("solo", Sighting(NORMAL, account=COMMITTEE[0]))
    rig.refuses(with_update(normal, observations=(borrowed,)), "NotAReporter")
    accepted(rig, normal, "solo")


def test_quorum_not_met(rig: Rig, quorum: Submission) -> None:
    observations = quorum.updates[0].observations
    for fewer in ((), observations[:1], observations[1:]):
        rig.refuses(with_update(quorum, observations=fewer), "QuorumNotMet")
    accepted(rig, quorum)


def test_one_signer_twice(rig: Rig, quorum: Submission) -> None:
    one, two = quorum.updates[0].observations
    rig.refuses(with_update(quorum, observations=(two, two)), "DuplicateReporter")
    again = rig.sign("trio", Sighting(NORMAL + 1, account=COMMITTEE[1]))
    rig.refuses(with_update(quorum, observations=(two, again)), "DuplicateReporter")
    rig.refuses(with_update(quorum, observations=(one, two, two)), "DuplicateReporter")
    accepted(rig, quorum)


def test_mirrored_signatures(rig: Rig, normal: Submission, quorum: Submission) -> None:
    """(r, n − s) with the other v recovers to the same signer; here as a second reporter, and in place of the first."""
    rig.refuses(with_update(normal, observations=(mirrored(normal.updates[0].observations[0]),)), "NotAReporter")
    one, two = quorum.updates[0].observations
    rig.refuses(with_update(quorum, observations=(two, mirrored(two))), "NotAReporter")
    rig.refuses(with_update(quorum, observations=(one, two, mirrored(two))), "NotAReporter")
    accepted(rig, quorum)


def test_signatures_made_anew(rig: Rig, normal: Submission, quorum: Submission) -> None:
    """They are valid, but they count like the first: as one reporter's, for one round."""
    one, two = quorum.updates[0].observations
    others = [signed_anew(rig, "trio", COMMITTEE[1], two, nonce) for nonce in (7, 11, 13)]
    assert len({each.s for each in (two, *others)}) == 4
    for other in others:
        assert rig.refusal(with_update(quorum, observations=(one, other))) is None
        rig.refuses(with_update(quorum, observations=(two, other)), "DuplicateReporter")
        rig.refuses(with_update(quorum, observations=(one, two, other)), "DuplicateReporter")
    rig.refuses(with_update(quorum, observations=tuple(others)), "DuplicateReporter")
    again = with_update(normal, observations=(signed_anew(rig, "solo", 1, normal.updates[0].observations[0], 7),))
    accepted(rig, again, "solo")
    rig.refuses(normal, "WrongRound")
    rig.refuses(with_update(again, round_id=3), "NotAReporter")


def test_a_held_report_signed_anew(rig: Rig, anomalous: Submission) -> None:
    """The same statement with another signature is not a new report, and confirms nothing."""
    again = with_update(anomalous, observations=(signed_anew(rig, "solo", 1, anomalous.updates[0].observations[0], 7),))
    assert rig.refusal(again) is None
    assert rig.accepts(anomalous)
    rig.refuses(again, "ObservationNotNewer")
    held = rig.state("solo").held
    assert held is not None and held.confirmations == 0


def test_a_removed_reporter(rig: Rig, quorum: Submission) -> None:
    """Everything that the reporter signed before becomes invalid too."""
    assert rig.refusal(quorum) is None
    remaining = [rig.address(COMMITTEE[0]), rig.address(COMMITTEE[2])]
    rig.admin("proposeReporters", rig.feed_id("trio"), remaining, 2)
    assert rig.refusal(quorum) is None
    rig.admin("activateReporters", rig.feed_id("trio"))
    rig.refuses(quorum, "NotAReporter")
    one = quorum.updates[0].observations[0]
    third = rig.sign("trio", Sighting(NORMAL, account=COMMITTEE[2]))
    accepted(rig, with_update(quorum, observations=(one, third)))


def test_a_removed_reporter_by_a_lower_quorum(rig: Rig, quorum: Submission) -> None:
    """A quorum of one does not let a removed reporter in."""
    one, two = quorum.updates[0].observations
    rig.admin("proposeReporters", rig.feed_id("trio"), [rig.address(COMMITTEE[1])], 1)
    rig.admin("activateReporters", rig.feed_id("trio"))
    rig.refuses(with_update(quorum, observations=(one,)), "NotAReporter")
    accepted(rig, with_update(quorum, observations=(two,)))


def test_nobody_but_the_admin_changes_reporters(rig: Rig, normal: Submission) -> None:
    calls: list[tuple[str, tuple[object, ...]]] = [
        ("proposeReporters", (rig.feed_id("solo"), [rig.address(STRANGER)], 1)),
        ("proposeModel", (rig.feed_id("solo"), 1, 0, 0)),
        ("addModel", (1, 1, bytes(32), 1, (CALM, (0, 0), [b""]))),
        ("addArchitecture", (16, 2, True, False, [1], [rig.verifier()])),
        ("pause", (rig.feed_id("solo"),)),
    ]
    for function, arguments in calls:
        rig.refuses(hub_interface().encode_call(function, *arguments), "AccessControlUnauthorizedAccount")
    accepted(rig, normal, "solo")


# --- in what order, how far apart ---


def test_unsorted_observations(rig: Rig, quorum: Submission) -> None:
    """The order decides which answer is the median."""
    one, two = quorum.updates[0].observations
    rig.refuses(with_update(quorum, observations=(two, one)), "ObservationsNotSorted")
    third = rig.sign("trio", Sighting(NORMAL - 1, account=COMMITTEE[2]))
    rig.refuses(with_update(quorum, observations=(one, two, third)), "ObservationsNotSorted")
    accepted(rig, quorum)


def test_reporters_of_one_answer_in_either_order(rig: Rig) -> None:
    """If answers are equal, both orders are sorted: either is accepted, for the same round."""
    equal = rig.honest("trio", *rig.seen("trio", NORMAL))
    turned = with_update(equal, observations=equal.updates[0].observations[::-1])
    assert turned != equal
    assert rig.refusal(equal) is None
    accepted(rig, turned)
    rig.refuses(equal, "WrongRound")


def test_reporters_who_disagree(rig: Rig, quorum: Submission) -> None:
    two = quorum.updates[0].observations[1]
    far = rig.sign("trio", Sighting(ANOMALOUS, account=COMMITTEE[2]))
    rig.refuses(with_update(quorum, observations=(two, far)), "SpreadTooWide")
    accepted(rig, quorum)


def test_another_median_than_the_proven_one(rig: Rig, quorum: Submission) -> None:
    """A third signature beside the two makes another answer the median, and the proof is not about that answer."""
    one, two = quorum.updates[0].observations
    low = rig.sign("trio", Sighting(NORMAL - ANSWER // 500, account=COMMITTEE[2]))
    rig.refuses(with_update(quorum, observations=(low, one, two)), "ProofRejected")
    accepted(rig, quorum)


# --- when ---


def test_the_future(rig: Rig, normal: Submission, quorum: Submission) -> None:
    for after in (7 * HOURS, 48 * HOURS, 2**32 - 1 - rig.start):
        early = rig.sign("solo", Sighting(NORMAL, after))
        rig.refuses(with_update(normal, observations=(early,)), "ObservationInFuture")
    one, _ = quorum.updates[0].observations
    early = rig.sign("trio", Sighting(NORMAL, 48 * HOURS, COMMITTEE[1]))
    rig.refuses(with_update(quorum, observations=(one, early)), "ObservationInFuture")
    accepted(rig, quorum)


def test_not_newer_than_the_last_report(rig: Rig, normal: Submission, quorum: Submission) -> None:
    for after in (0, -1, -HOURS, -rig.start):
        late = rig.sign("solo", Sighting(NORMAL, after))
        rig.refuses(with_update(normal, observations=(late,)), "ObservationNotNewer")
    # One old signature among fresh ones is enough to be refused.
    late = rig.sign("trio", Sighting(NORMAL, 0, COMMITTEE[1]))
    rig.refuses(with_update(quorum, observations=(quorum.updates[0].observations[0], late)), "ObservationNotNewer")
    accepted(rig, quorum)


def test_a_submission_that_was_kept_back(rig: Rig, normal: Submission, quorum: Submission) -> None:
    assert rig.refusal(normal) is None
    rig.wait_until(25 * HOURS)
    rig.refuses(normal, "ObservationTooOld")
    rig.refuses(quorum, "ObservationTooOld")
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 24 * HOURS)))


# --- how often ---


def test_the_same_submission_again(rig: Rig, normal: Submission) -> None:
    accepted(rig, normal, "solo")
    rig.refuses(normal, "WrongRound")
    rig.refuses(with_update(normal, round_id=3), "NotAReporter")


def test_another_proof_of_the_same_report(rig: Rig, normal: Submission) -> None:
    """Anybody can make further proofs, but a report counts for one round, once."""
    again = replace(normal, proof=rig.proofs.prove(rig.window("solo", NORMAL, 600), anew=True))
    assert again.proof != normal.proof
    assert rig.refusal(again) is None
    accepted(rig, normal, "solo")
    rig.refuses(again, "WrongRound")


def test_a_held_submission_again(rig: Rig, anomalous: Submission) -> None:
    """A held report leaves the round's number as it is, and must not confirm itself."""
    assert rig.accepts(anomalous)
    assert rig.state("solo").status is Status.HELD
    rig.refuses(anomalous, "ObservationNotNewer")
    held = rig.state("solo").held
    assert held is not None and held.confirmations == 0


def test_a_held_quorum_does_not_confirm_itself_in_parts(rig: Rig) -> None:
    """The signature that was not the median's must not serve as a confirmation."""
    rig.admin("proposeReporters", rig.feed_id("trio"), [rig.address(each) for each in COMMITTEE], 1)
    rig.admin("activateReporters", rig.feed_id("trio"))
    sightings = [Sighting(ANOMALOUS, 600 + 100 * i, account) for i, account in enumerate(COMMITTEE)]
    held = rig.honest("trio", *sightings)
    assert rig.accepts(held)
    assert rig.state("trio").status is Status.HELD
    for each in held.updates[0].observations:
        rig.refuses(with_update(held, observations=(each,)), "ObservationNotNewer")
    newer = rig.honest("trio", Sighting(ANOMALOUS, 900, COMMITTEE[0]))
    assert rig.accepts(newer)
    state = rig.state("trio").held
    assert state is not None and state.confirmations == 1


# --- where ---


def test_another_feed(rig: Rig, normal: Submission, quorum: Submission) -> None:
    """`level` has the same reporter, the same round and, for this window, the same statement."""
    for name in ("level", "trio"):
        moved = with_update(normal, feed_id=rig.feed_id(name))
        rig.refuses(moved, "NotAReporter" if name == "level" else "QuorumNotMet")
    rig.refuses(with_update(quorum, feed_id=rig.feed_id("solo")), "NotAReporter")
    accepted(rig, normal, "solo")


def test_another_hub_on_the_same_chain(rig: Rig, normal: Submission) -> None:
    """It is a second hub of the same code with the same feed. A signature for one hub is worth nothing to the other."""
    other = rig.second_hub()
    there = rig.sign("solo", Sighting(ANSWER, 0), round_id=1, hub=other.hub.address)
    first = replace(
        with_update(normal, round_id=1, observations=(there,), scores=rig.proofs.scores(CALM)),
        proof=rig.proofs.prove(CALM),
    )
    assert other.accepts(first)
    assert other.state("solo").answer == rig.state("solo").answer
    other.refuses(normal, "NotAReporter")
    accepted(rig, normal, "solo")
    # Signed for the other hub, the same report and proof are good there.
    resigned = rig.sign("solo", Sighting(NORMAL), round_id=2, hub=other.hub.address)
    accepted(other, with_update(normal, observations=(resigned,)), "solo")


def test_another_chain(rig: Rig, normal: Submission, fork: Rig) -> None:
    """The chain split off: all addresses, states and times are the same, and only its id differs."""
    assert fork.hub.address == rig.hub.address
    assert fork.state("solo") == rig.state("solo")
    fork.refuses(normal, "NotAReporter")
    accepted(rig, normal, "solo")
    accepted(fork, fork.honest("solo", Sighting(NORMAL)), "solo")
