"""Tests that the hub refuses a good submission with any change in it, and writes nothing."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from oracle.chain.hub import SubmitCall, hub_interface
from oracle.core.encoding import FIELD_MODULUS, INT128_MAX, NO_ANSWER
from oracle.core.types import Status
from tests.attack.calldata import IF_NEWER, INT128, SUBMIT, WORD, Calldata, encode, filling, flipped, packed
from tests.attack.rig import ANOMALOUS, ANSWER, COMMITTEE, NORMAL, REPORTER, Rig

pytestmark = pytest.mark.attack

BASE_FIELD_MODULUS = 0x30644E72E131A029B85045B68181585D97816A916871CA8D3C208C16D87CFD47


@pytest.fixture(autouse=True)
def _control(rig: Rig, normal: Calldata) -> None:
    """Check that the unaltered submission is accepted: a hub that refuses everything would pass the tests below."""
    assert rig.refusal(normal) is None


def accepted(rig: Rig, submission: Calldata) -> None:
    """Check that the unaltered submission becomes round 2 after all the attempts."""
    assert rig.accepts(submission)
    state = rig.state("solo")
    assert (state.round_id, state.answer, state.status) == (2, NORMAL, Status.OK)


# --- the proof ---


def test_one_bit_in_each_region_of_the_proof(rig: Rig, normal: Calldata) -> None:
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
def test_words_of_the_proof_that_are_not_reduced(rig: Rig, normal: Calldata, modulus: int) -> None:
    """An element plus its field's order stands for the same element, but is no valid encoding of it."""
    for at in range(0, len(normal.proof), WORD):
        word = int.from_bytes(normal.proof[at : at + WORD]) + modulus
        altered = normal.proof[:at] + word.to_bytes(WORD) + normal.proof[at + WORD :]
        assert rig.refusal(replace(normal, proof=altered)) == "ProofRejected", f"word {at // WORD}"


def test_points_of_the_proof_with_the_other_sign(rig: Rig, normal: Calldata) -> None:
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
def test_length_of_the_proof(rig: Rig, normal: Calldata, name: str) -> None:
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


def test_a_proof_longer_than_any(rig: Rig, normal: Calldata) -> None:
    rig.refuses(replace(normal, proof=bytes(16_385)), "ProofTooLong")


# --- the scores ---


@pytest.mark.parametrize("index", [0, 1], ids=["spike", "drift"])
def test_scores(rig: Rig, normal: Calldata, anomalous: Calldata, index: int) -> None:
    scores = normal.first_scores
    score = scores[index]
    others = anomalous.first_scores[index]
    altered = [*(score ^ (1 << bit) for bit in (0, 1, 31, 63, 100)), ~score, -score, 0, score - 1, others]
    for value in altered:
        claimed = (value, scores[1]) if index == 0 else (scores[0], value)
        assert rig.refusal(normal.with_scores(*claimed)) == "ProofRejected", value
    rig.refuses(normal.with_scores(scores[0] - 1, scores[1] + 1), "ProofRejected")
    accepted(rig, normal)


@pytest.mark.parametrize("value", [-(2**127), -INT128_MAX, INT128_MAX], ids=["-2^127", "-2^127+1", "2^127-1"])
def test_scores_at_the_ends_of_an_int128(rig: Rig, normal: Calldata, value: int) -> None:
    """A score has 16 bytes, so no other number stands for it in the field; −2^127 is beyond the circuit's integers."""
    expected = "ScoreOutOfRange" if value == -(2**127) else "ProofRejected"
    rig.refuses(normal.with_scores(value, normal.first_scores[1]), expected)
    rig.refuses(normal.with_scores(normal.first_scores[0], value), expected)
    accepted(rig, normal)


def test_scores_swapped_missing_and_added(rig: Rig, normal: Calldata) -> None:
    first, second = normal.first_scores
    rig.refuses(normal.with_scores(second, first), "ProofRejected")
    for altered in (packed(first), b"", packed(first, second, second), packed(first, second) * 2):
        rig.refuses(replace(normal, scores=altered), "MalformedSubmission")
    accepted(rig, normal)


def test_an_anomalous_value_can_not_be_called_normal(rig: Rig, normal: Calldata, anomalous: Calldata) -> None:
    """The attempts: lower scores, a normal value's scores, and a normal value's whole proof."""
    scores = normal.first_scores
    rig.refuses(anomalous.with_scores(-1, -1), "ProofRejected")
    rig.refuses(anomalous.with_scores(*scores), "ProofRejected")
    rig.refuses(replace(anomalous.with_scores(*scores), proof=normal.proof), "ProofRejected")
    # Unaltered, the submission is held, and the feed's answer stays.
    assert rig.accepts(anomalous)
    state = rig.state("solo")
    assert (state.status, state.round_id, state.answer) == (Status.HELD, 1, ANSWER)
    assert state.held is not None and state.held.answer == ANOMALOUS


def test_a_normal_value_can_not_be_held(rig: Rig, normal: Calldata, anomalous: Calldata) -> None:
    """A relayer can't make the feed look broken either."""
    scores = anomalous.first_scores
    rig.refuses(normal.with_scores(*scores), "ProofRejected")
    rig.refuses(replace(normal.with_scores(*scores), proof=anomalous.proof), "ProofRejected")
    accepted(rig, normal)


# --- what was signed ---


@pytest.mark.parametrize("bit", [0, 1, 33, 64, 126])
def test_answer(rig: Rig, normal: Calldata, bit: int) -> None:
    rig.refuses(normal.with_answer(NORMAL ^ (1 << bit)), "NotAReporter")
    rig.refuses(normal.with_answer(-NORMAL), "NotAReporter")
    accepted(rig, normal)


@pytest.mark.parametrize("bit", [25, 30, 40])
def test_an_answer_that_a_reporter_signed_but_the_proof_is_not_of(rig: Rig, normal: Calldata, bit: int) -> None:
    rig.refuses(rig.sign(normal.with_answer(NORMAL ^ (1 << bit)), REPORTER), "ProofRejected")
    accepted(rig, normal)


@pytest.mark.parametrize("seconds", [1, -1, 60, -300])
def test_observed_at(rig: Rig, normal: Calldata, seconds: int) -> None:
    """Any time that the hub would take, but that nobody signed."""
    rig.refuses(replace(normal, observed_at=normal.observed_at + seconds), "NotAReporter")
    accepted(rig, normal)


def test_observed_at_beyond_what_the_hub_takes(rig: Rig, normal: Calldata) -> None:
    for at, error in ((0, "NotNewer"), (rig.start, "NotNewer"), (2**32 - 1, "InFuture"), (rig.now() + 999, "InFuture")):
        rig.refuses(replace(normal, observed_at=at), f"Observation{error}")
    accepted(rig, normal)


@pytest.mark.parametrize("bit", range(0, 32, 5))
def test_round_id(rig: Rig, normal: Calldata, bit: int) -> None:
    rig.refuses(replace(normal, round_ids=(2 ^ (1 << bit),)), "WrongRound")
    accepted(rig, normal)


def test_a_signature_for_another_round(rig: Rig, normal: Calldata) -> None:
    for round_id in (0, 1, 3):
        signed = rig.sign(replace(normal, round_ids=(round_id,)), REPORTER)
        rig.refuses(replace(signed, round_ids=(2,)), "NotAReporter")
    accepted(rig, normal)


def test_a_feed_that_is_due_as_a_reference_and_the_other_way(rig: Rig, normal: Calldata) -> None:
    """Reporters sign whether a feed is judged."""
    rig.refuses(replace(normal, round_ids=(0,)), "NothingDue")
    both = rig.together({"solo": rig.seen("solo", NORMAL), "level": rig.seen("level", ANSWER + 500)}, due=["solo"])
    assert rig.refusal(both) is None
    level = both.feed_ids.index(rig.feed_id("level"))
    one, other = replace(both, round_ids=(0, 2)[:: 1 if level else -1]), replace(both, round_ids=(2, 2))
    rig.refuses(one, "NotAReporter")
    rig.refuses(replace(other, scores=both.scores * 2), "NoCircuitForBatch")
    accepted(rig, both)
    assert rig.state("level").round_id == 1


@pytest.mark.parametrize("bit", [0, 77, 128, 255])
def test_feed_id(rig: Rig, normal: Calldata, bit: int) -> None:
    rig.refuses(replace(normal, feed_ids=(flipped(rig.feed_id("solo"), bit),)), "UnknownFeed")
    accepted(rig, normal)


@pytest.mark.parametrize("bit", range(16))
def test_model_number(rig: Rig, normal: Calldata, bit: int) -> None:
    rig.refuses(replace(normal, model_number=1 ^ (1 << bit)), "ModelNotActive")
    accepted(rig, normal)


@pytest.mark.parametrize("bit", [1, 2, 5, 31])
def test_committee(rig: Rig, normal: Calldata, bit: int) -> None:
    number = normal.committee ^ (1 << bit)
    rig.refuses(replace(normal, committee=number), "UnknownCommittee")
    rig.refuses(replace(normal, committee=0), "UnknownCommittee")
    rig.refuses(replace(normal, committee=rig.committee("trio")), "WrongCommittee")
    accepted(rig, normal)


@pytest.mark.parametrize("epoch", [0, 2, 3, 2**31, 2**32 - 1])
def test_epoch(rig: Rig, normal: Calldata, epoch: int) -> None:
    rig.refuses(replace(normal, epoch=epoch), "WrongEpoch")
    rig.refuses(replace(rig.sign(replace(normal, epoch=epoch), REPORTER), epoch=1), "NotAReporter")
    accepted(rig, normal)


def test_signature(rig: Rig, normal: Calldata) -> None:
    signed = normal.signatures[0]
    for part in ("readings", "r", "vs"):
        value = getattr(signed, part)
        for bit in (*range(0, 256, 15), 255):
            altered = normal.with_signature(0, **{part: flipped(value, bit)})
            assert rig.refusal(altered) == "NotAReporter", f"{part}, bit {bit}"
        for changed in (bytes(WORD), b"\xff" * WORD):
            if changed != value:
                assert rig.refusal(normal.with_signature(0, **{part: changed})) == "NotAReporter", part
    rig.refuses(normal.with_signature(r=signed.vs, vs=signed.r), "NotAReporter")
    accepted(rig, normal)


# --- rows and medians ---


def accepted_trio(rig: Rig, submission: Calldata, answer: int = NORMAL) -> None:
    assert rig.accepts(submission)
    state = rig.state("trio")
    assert (state.round_id, state.answer, state.status) == (2, answer, Status.OK)


@pytest.mark.parametrize("row", [0, 2, 3, 30, 31, 255], ids=str)
def test_another_row_as_the_median(rig: Rig, quorum: Calldata, row: int) -> None:
    """The row decides which answer is proven: the lowest, the highest, or one that is not there."""
    rig.refuses(replace(quorum, medians=bytes([row])), "NotTheMedian")
    accepted_trio(rig, quorum)


def test_another_row_with_the_median(rig: Rig) -> None:
    """If two reporters have the median answer, either row names it. It is the same answer, and the same round."""
    agreed = rig.honest("trio", *rig.seen("trio", NORMAL))
    for row in range(3):
        assert rig.refusal(replace(agreed, medians=bytes([row]))) is None
    accepted_trio(rig, replace(agreed, medians=b"\2"))
    rig.refuses(agreed, "WrongRound")


def test_one_answer_moved_to_the_median(rig: Rig, quorum: Calldata) -> None:
    """Whoever carries the report can't choose an answer, only the signatures."""
    rig.refuses(quorum.with_rows(*([NORMAL],) * 3), "NotAReporter")
    for row in range(3):
        rig.refuses(quorum.with_answer(NORMAL + 1, row=row), "NotAReporter")
    accepted_trio(rig, quorum)


@pytest.mark.parametrize("order", [(1, 0, 2), (2, 1, 0), (1, 2, 0)], ids=str)
def test_rows_in_another_order(rig: Rig, quorum: Calldata, order: tuple[int, ...]) -> None:
    """Answers alone, or signatures alone, belong to nobody. Both together are the same report."""
    rows = [quorum.rows[at] for at in order]
    signatures = tuple(quorum.signatures[at] for at in order)
    rig.refuses(quorum.with_rows(*rows), "NotAReporter")
    rig.refuses(replace(quorum, signatures=signatures), "NotAReporter")
    turned = quorum.taking(order)
    rig.refuses(replace(turned, medians=bytes([order.index(0)])), "NotTheMedian")
    accepted_trio(rig, turned)


def test_rows_cut_and_appended(rig: Rig, quorum: Calldata) -> None:
    rows, own = quorum.answers, len(quorum.answers) // 3
    for altered in (rows[:own], rows[:-own], rows[own:], rows + rows[-own:], rows * 2, b""):
        rig.refuses(replace(quorum, answers=altered), "MalformedSubmission")
    for signatures in (quorum.signatures[:2], (*quorum.signatures, quorum.signatures[0]), ()):
        rig.refuses(replace(quorum, signatures=signatures), "MalformedSubmission")
    accepted_trio(rig, quorum)


@pytest.mark.parametrize("part", ["answers", "medians", "scores"])
@pytest.mark.parametrize("change", ["a byte short", "a byte long", "half", "empty", "16 bytes long", "a word long"])
def test_packed_bytes_of_another_length(rig: Rig, quorum: Calldata, part: str, change: str) -> None:
    value: bytes = getattr(quorum, part)
    altered: dict[str, Any] = {
        "a byte short": value[:-1],
        "a byte long": value + b"\0",
        "half": value[: len(value) // 2],
        "empty": b"",
        "16 bytes long": value + bytes(INT128),
        "a word long": value + bytes(WORD),
    }
    rig.refuses(replace(quorum, **{part: altered[change]}), "MalformedSubmission")
    accepted_trio(rig, quorum)


@pytest.mark.parametrize("count", [0, 2, 3])
def test_rounds_of_another_number(rig: Rig, normal: Calldata, count: int) -> None:
    rig.refuses(replace(normal, round_ids=(2,) * count), "MalformedSubmission")
    rig.refuses(encode(replace(normal, round_ids=(2,) * count), IF_NEWER), "MalformedSubmission")
    accepted(rig, normal)


@pytest.mark.parametrize("row", range(3))
def test_an_answer_taken_out(rig: Rig, quorum: Calldata, row: int) -> None:
    """A sentinel stands for no answer. Nobody can put it in another one's place, and two of three are no quorum."""
    rig.refuses(quorum.with_answer(NO_ANSWER, row=row), "NotAReporter")
    silent = rig.sign(quorum.with_answer(NO_ANSWER, row=row), *COMMITTEE[:3])
    rig.refuses(replace(silent, medians=bytes([(row + 1) % 3])), "QuorumNotMet")
    accepted_trio(rig, quorum)


def test_rows_of_sentinels(rig: Rig, quorum: Calldata) -> None:
    """They add signatures and no answers: neither to the quorum nor to the median."""
    nobody = [[NO_ANSWER]] * 2
    silent = rig.sign(quorum.with_rows(quorum.rows[1], *nobody, medians=[0]), *COMMITTEE[:3])
    rig.refuses(silent, "QuorumNotMet")
    empty = rig.sign(quorum.with_rows(*nobody, [NO_ANSWER], medians=[0]), *COMMITTEE[:3])
    rig.refuses(empty, "QuorumNotMet")
    every = rig.together({"trio": [*rig.seen("trio", NORMAL)]})
    more = every.with_rows(*every.rows, *nobody, medians=[4])
    signed = rig.sign(replace(more, signatures=every.signatures + every.signatures[:2]), *COMMITTEE)
    rig.refuses(signed, "NotTheMedian")
    accepted_trio(rig, replace(signed, medians=b"\1"))


def test_a_sentinel_as_the_median_of_one(rig: Rig, normal: Calldata) -> None:
    """A lone reporter's silence is no answer, not the lowest one."""
    silent = rig.sign(normal.with_answer(NO_ANSWER), REPORTER)
    rig.refuses(silent, "QuorumNotMet")
    accepted(rig, normal)


# --- the whole ---


@pytest.mark.parametrize("call", [SUBMIT, IF_NEWER], ids=str)
def test_one_bit_in_each_word_of_the_calldata(rig: Rig, normal: Calldata, call: SubmitCall) -> None:
    """Offsets and lengths are included: every bit has a meaning, but for the filling of packed bytes."""
    chosen = random.Random(2)
    data = encode(normal, call)
    words = (len(data) - 4) // WORD
    assert rig.refusal(data) is None
    idle = {at for part in ("answers", "medians", "scores", "proof") for at in filling(data, part)}
    tried = 0
    for word in range(words):
        for bit in (8 * WORD * word + chosen.randrange(8 * WORD), 8 * WORD * word):
            if len(data) - 1 - bit // 8 in idle:
                continue
            tried += 1
            altered = data[:4] + flipped(data[4:], bit)
            # An older time, or a round that is there, makes `submitIfNewer` do nothing.
            assert does_nothing(rig, altered), f"word {words - 1 - word} of the arguments, bit {bit % 256}"
    assert tried > 1.9 * words
    accepted(rig, normal)


def does_nothing(rig: Rig, data: bytes) -> bool:
    """Return whether a submission is refused, or, by `submitIfNewer`, answered with false."""
    if rig.refusal(data) is not None:
        return True
    answer = rig.run(rig.rpc.call(rig.hub.address, data))
    return data[:4] == hub_interface().selector(IF_NEWER) and answer == bytes(WORD)


def test_two_reports_under_one_proof(rig: Rig, normal: Calldata) -> None:
    """No circuit here has room for two windows."""
    both = rig.draft({"solo": rig.seen("solo", NORMAL), "level": rig.seen("level", ANSWER)})
    signed = rig.sign(replace(both, scores=normal.scores * 2, proof=normal.proof), REPORTER)
    rig.refuses(signed, "NoCircuitForBatch")
    rig.refuses(replace(normal.emptied(), feed_ids=(), round_ids=(), medians=b"", scores=b""), "NothingDue")
    accepted(rig, normal)
