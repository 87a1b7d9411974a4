"""Tests that the hub refuses a good submission with any change in it, and writes nothing."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest

from oracle.chain.hub import Submission
from oracle.core.encoding import FIELD_MODULUS
from oracle.core.types import Status
from tests.attack.rig import ANOMALOUS, ANSWER, NORMAL, Rig, Sighting, encode, flipped, with_observation, with_update

pytestmark = pytest.mark.attack

BASE_FIELD_MODULUS = 0x30644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD47
WORD = 32


@pytest.fixture(autouse=True)
def _control(rig: Rig, normal: Submission) -> None:
    """Check that the unaltered submission is accepted: a hub that refuses everything would pass the tests below."""
    assert rig.refusal(normal) is None


def accepted(rig: Rig, submission: Submission) -> None:
    """Check that the unaltered submission becomes round 2 after all the attempts."""
    assert rig.accepts(submission)
    state = rig.state("solo")
    assert (state.round_id, state.answer, state.status) == (2, NORMAL, Status.OK)


# --- the proof ---


def test_one_bit_in_each_region_of_the_proof(rig: Rig, normal: Submission) -> None:
    """The hub refuses one flipped bit in every eight bytes of the proof, and at both ends of each word."""
    chosen = random.Random(1)
    proof = normal.proof
    bits = {64 * region + chosen.randrange(64) for region in range(len(proof) // 8)}
    bits |= {8 * WORD * word + end for word in range(len(proof) // WORD) for end in (0, 8 * WORD - 1)}
    assert len(bits) > 4 * len(proof) // WORD
    for bit in sorted(bits):
        assert rig.refusal(replace(normal, proof=flipped(proof, bit))) == "ProofRejected", f"bit {bit}"
    rig.refuses(replace(normal, proof=flipped(proof, 0)), "ProofRejected")
    accepted(rig, normal)


@pytest.mark.parametrize("modulus", [FIELD_MODULUS, BASE_FIELD_MODULUS], ids=["scalar", "base"])
def test_words_of_the_proof_that_are_not_reduced(rig: Rig, normal: Submission, modulus: int) -> None:
    """An element plus its field's order stands for the same element, but is no valid encoding of it."""
    for at in range(0, len(normal.proof), WORD):
        word = int.from_bytes(normal.proof[at : at + WORD]) + modulus
        altered = normal.proof[:at] + word.to_bytes(WORD) + normal.proof[at + WORD :]
        assert rig.refusal(replace(normal, proof=altered)) == "ProofRejected", f"word {at // WORD}"


def test_points_of_the_proof_with_the_other_sign(rig: Rig, normal: Submission) -> None:
    """−P is on the curve as P is, so the pairing refuses it, not the check of the point."""
    points = 0
    for at in range(0, len(normal.proof) - WORD, WORD):
        x, y = (int.from_bytes(normal.proof[each : each + WORD]) for each in (at, at + WORD))
        if (y * y - x * x * x - 3) % BASE_FIELD_MODULUS:
            continue
        points += 1
        negated = (BASE_FIELD_MODULUS - y).to_bytes(WORD)
        altered = normal.proof[: at + WORD] + negated + normal.proof[at + 2 * WORD :]
        assert rig.refusal(replace(normal, proof=altered)) == "ProofRejected", f"point at word {at // WORD}"
    assert points > 10


@pytest.mark.parametrize("name", ["empty", "a byte short", "a word short", "a byte long", "a word long", "twice"])
def test_length_of_the_proof(rig: Rig, normal: Submission, name: str) -> None:
    proof = normal.proof
    altered = {
        "empty": b"",
        "a byte short": proof[:-1],
        "a word short": proof[:-WORD],
        "a byte long": proof + b"\0",
        "a word long": proof + bytes(WORD),
        "twice": proof * 2,
    }[name]
    rig.refuses(replace(normal, proof=altered), "ProofRejected")
    accepted(rig, normal)


def test_a_proof_longer_than_any(rig: Rig, normal: Submission) -> None:
    rig.refuses(replace(normal, proof=bytes(16_385)), "ProofTooLong")


# --- the scores ---


@pytest.mark.parametrize("index", [0, 1], ids=["spike", "drift"])
def test_scores(rig: Rig, normal: Submission, anomalous: Submission, index: int) -> None:
    scores = normal.updates[0].scores
    score = scores[index]
    others = anomalous.updates[0].scores[index]
    altered = [*(score ^ (1 << bit) for bit in (0, 1, 31, 63, 100)), ~score, -score, 0, score - 1, others]
    for value in altered:
        claimed = (value, scores[1]) if index == 0 else (scores[0], value)
        assert rig.refusal(with_update(normal, scores=claimed)) == "ProofRejected", value
    rig.refuses(with_update(normal, scores=(scores[0] - 1, scores[1] + 1)), "ProofRejected")
    accepted(rig, normal)


@pytest.mark.parametrize("shift", [FIELD_MODULUS, -FIELD_MODULUS, 2**255, 2**128, -(2**128), 2 * FIELD_MODULUS])
def test_scores_that_mean_the_same_in_the_field(rig: Rig, normal: Submission, shift: int) -> None:
    """No other number stands for a score: not the score plus the field's order, nor one that wraps around int256."""
    score, drift = normal.updates[0].scores
    wrapped = (score + shift + 2**255) % 2**256 - 2**255
    rig.refuses(with_update(normal, scores=(wrapped, drift)), "ScoreOutOfRange")
    accepted(rig, normal)


def test_scores_swapped_missing_and_added(rig: Rig, normal: Submission) -> None:
    first, second = normal.updates[0].scores
    rig.refuses(with_update(normal, scores=(second, first)), "ProofRejected")
    rig.refuses(with_update(normal, scores=(first,)), "WrongScoreCount")
    rig.refuses(with_update(normal, scores=()), "WrongScoreCount")
    rig.refuses(with_update(normal, scores=(first, second, second)), "WrongScoreCount")
    accepted(rig, normal)


def test_an_anomalous_value_can_not_be_called_normal(rig: Rig, normal: Submission, anomalous: Submission) -> None:
    """The attempts: lower scores, a normal value's scores, and a normal value's whole proof."""
    scores = normal.updates[0].scores
    rig.refuses(with_update(anomalous, scores=(-1, -1)), "ProofRejected")
    rig.refuses(with_update(anomalous, scores=scores), "ProofRejected")
    rig.refuses(with_update(replace(anomalous, proof=normal.proof), scores=scores), "ProofRejected")
    # Unaltered, the submission is held, and the feed's answer stays.
    assert rig.accepts(anomalous)
    state = rig.state("solo")
    assert (state.status, state.round_id, state.answer) == (Status.HELD, 1, ANSWER)
    assert state.held is not None and state.held.answer == ANOMALOUS


def test_a_normal_value_can_not_be_held(rig: Rig, normal: Submission, anomalous: Submission) -> None:
    """A relayer can't make the feed look broken either."""
    scores = anomalous.updates[0].scores
    rig.refuses(with_update(normal, scores=scores), "ProofRejected")
    rig.refuses(with_update(replace(normal, proof=anomalous.proof), scores=scores), "ProofRejected")
    accepted(rig, normal)


# --- what was signed ---


@pytest.mark.parametrize("bit", [0, 1, 33, 64, 126])
def test_answer(rig: Rig, normal: Submission, bit: int) -> None:
    rig.refuses(with_observation(normal, answer=NORMAL ^ (1 << bit)), "NotAReporter")
    rig.refuses(with_observation(normal, answer=-NORMAL), "NotAReporter")
    accepted(rig, normal)


@pytest.mark.parametrize("bit", [25, 30, 40])
def test_an_answer_that_a_reporter_signed_but_the_proof_is_not_of(rig: Rig, normal: Submission, bit: int) -> None:
    signed = rig.sign("solo", Sighting(NORMAL ^ (1 << bit)))
    rig.refuses(with_update(normal, observations=(signed,)), "ProofRejected")
    accepted(rig, normal)


@pytest.mark.parametrize("bit", range(0, 32, 5))
def test_observed_at(rig: Rig, normal: Submission, bit: int) -> None:
    observed_at = normal.updates[0].observations[0].observed_at
    rig.refuses(with_observation(normal, observed_at=observed_at ^ (1 << bit)), "NotAReporter")
    accepted(rig, normal)


@pytest.mark.parametrize("bit", range(0, 32, 5))
def test_round_id(rig: Rig, normal: Submission, bit: int) -> None:
    rig.refuses(with_update(normal, round_id=2 ^ (1 << bit)), "WrongRound")
    accepted(rig, normal)


def test_a_signature_for_another_round(rig: Rig, normal: Submission) -> None:
    for round_id in (1, 3):
        signed = rig.sign("solo", Sighting(NORMAL), round_id=round_id)
        rig.refuses(with_update(normal, observations=(signed,)), "NotAReporter")
    accepted(rig, normal)


@pytest.mark.parametrize("bit", [0, 77, 128, 255])
def test_feed_id(rig: Rig, normal: Submission, bit: int) -> None:
    rig.refuses(with_update(normal, feed_id=flipped(rig.feed_id("solo"), bit)), "UnknownFeed")
    accepted(rig, normal)


@pytest.mark.parametrize("bit", range(16))
def test_model_number(rig: Rig, normal: Submission, bit: int) -> None:
    rig.refuses(replace(normal, model_number=1 ^ (1 << bit)), "UnknownModel")
    accepted(rig, normal)


def test_signature(rig: Rig, normal: Submission) -> None:
    signed = normal.updates[0].observations[0]
    for bit in range(8):
        assert rig.refusal(with_observation(normal, v=signed.v ^ (1 << bit))) == "NotAReporter", f"v, bit {bit}"
    for bit in range(0, 256, 15):
        assert rig.refusal(with_observation(normal, r=flipped(signed.r, bit))) == "NotAReporter", f"r, bit {bit}"
        assert rig.refusal(with_observation(normal, s=flipped(signed.s, bit))) == "NotAReporter", f"s, bit {bit}"
    for value in (bytes(32), b"\xff" * 32):
        assert rig.refusal(with_observation(normal, r=value)) == "NotAReporter"
        assert rig.refusal(with_observation(normal, s=value)) == "NotAReporter"
    rig.refuses(with_observation(normal, v=signed.v ^ 1), "NotAReporter")
    accepted(rig, normal)


# --- the whole ---


def test_one_bit_in_each_word_of_the_calldata(rig: Rig, normal: Submission) -> None:
    """Offsets and lengths are included: every bit has a meaning."""
    chosen = random.Random(2)
    data = encode(normal)
    words = (len(data) - 4) // WORD
    assert rig.refusal(data) is None
    for word in range(words):
        for bit in (8 * WORD * word + chosen.randrange(8 * WORD), 8 * WORD * word):
            altered = data[:4] + flipped(data[4:], bit)
            assert rig.refusal(altered) is not None, f"word {words - 1 - word} of the arguments, bit {bit % 256}"
    accepted(rig, normal)


def test_two_reports_under_one_proof(rig: Rig, normal: Submission) -> None:
    """No circuit here has room for two windows."""
    rig.refuses(replace(normal, updates=normal.updates * 2), "NoCircuitForBatch")
    rig.refuses(replace(normal, updates=()), "NoUpdates")
    accepted(rig, normal)
