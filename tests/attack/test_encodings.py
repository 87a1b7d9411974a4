"""Tests of calldata that is encoded in another way: it means the same to the hub and to auditors, or it is refused."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.audit.calldata import read_submission
from oracle.chain.hub import SubmitCall, hub_interface
from oracle.core.types import Status
from tests.attack.calldata import (
    DYNAMIC,
    IF_NEWER,
    SHADOW,
    SUBMIT,
    WORD,
    Calldata,
    encode,
    filling,
    packed,
    place,
    word,
)
from tests.attack.rig import ANOMALOUS, ANSWER, NORMAL, REPORTER, Rig, Sighting

pytestmark = pytest.mark.attack

HEAD = 4 + WORD
"""The place at which the submission's own words begin: offsets count from here."""
FIELDS = 11
CALLS = pytest.mark.parametrize("call", [SUBMIT, IF_NEWER], ids=str)


def accepted(rig: Rig, data: bytes) -> None:
    assert rig.send(data)
    state = rig.state("solo")
    assert (state.round_id, state.answer, state.status) == (2, NORMAL, Status.OK)


def parts(data: bytes) -> dict[str, bytes]:
    """Return the parts of canonical calldata that are at an offset, in their order."""
    at = {part: place(data, part) for part in DYNAMIC}
    ends = [*sorted(at.values())[1:], len(data)]
    return {part: data[at[part] : end] for part, end in zip(sorted(at, key=lambda each: at[each]), ends, strict=True)}


def assembled(data: bytes, tail: bytes, offsets: dict[str, int]) -> bytes:
    """Return calldata with the static words of `data`, and the given offsets from the head."""
    words = [data[HEAD + at : HEAD + at + WORD] for at in range(0, FIELDS * WORD, WORD)]
    for part, offset in offsets.items():
        words[(place_of_offset(part) - HEAD) // WORD] = word(offset)
    return data[:HEAD] + b"".join(words) + tail


def place_of_offset(part: str) -> int:
    names = list(Calldata.__dataclass_fields__)
    return HEAD + WORD * names.index(part)


def laid_out(data: bytes, order: list[str], gap: int = 0) -> bytes:
    """Return the same submission with its parts in another order, and `gap` bytes of rubbish before each."""
    found, tail, offsets = parts(data), b"", {}
    for part in order:
        tail += b"\xa5" * gap
        offsets[part] = FIELDS * WORD + len(tail)
        tail += found[part]
    return assembled(data, tail, offsets)


# --- other encodings of the same ---


@CALLS
@pytest.mark.parametrize("gap", [0, WORD, 1, 1_000])
def test_parts_in_another_order_and_place(rig: Rig, normal: Calldata, call: SubmitCall, gap: int) -> None:
    """The hub reads offsets as the ABI says. The verifier, which reads fixed places, gets a call that the hub wrote."""
    data = encode(normal, call)
    backwards = laid_out(data, list(DYNAMIC)[::-1], gap)
    assert backwards != data
    assert rig.refusal(backwards) is None
    accepted(rig, backwards)


def test_parts_that_share_a_place(rig: Rig, normal: Calldata) -> None:
    """Two parts of equal bytes may be one: the second offset points to the first part."""
    data = encode(replace(normal, scores=normal.answers))
    rig.refuses(data, "MalformedSubmission")
    # The round ids' word and the length of the signatures are no such pair: all others differ.
    at = {part: place(data, part) for part in DYNAMIC}
    for part in DYNAMIC:
        for other in DYNAMIC:
            if part == other:
                continue
            altered = assembled(data, data[HEAD + FIELDS * WORD :], {part: at[other] - HEAD})
            assert rig.refusal(altered) is not None, (part, other)
    assert rig.accepts(normal)


@pytest.mark.parametrize("part", DYNAMIC)
def test_offsets_that_point_elsewhere(rig: Rig, normal: Calldata, anomalous: Calldata, part: str) -> None:
    """Into the head, into another part, behind the end, and around the end of the address space."""
    for submission in (normal, anomalous):
        data = encode(submission)
        tail = data[HEAD + FIELDS * WORD :]
        own = place(data, part) - HEAD
        for offset in (0, 3 * WORD, own + WORD, own - WORD, own + 1, len(data), 2**64, 2**255, 2**256 - WORD):
            altered = assembled(data, tail, {part: offset})
            if rig.refusal(altered) is None:
                # The medians are one zero byte, which stands in the head too.
                assert (part, offset) == ("medians", 0)
                assert read_submission(altered) == read_submission(data)
            else:
                rig.fails(altered)
    assert rig.accepts(normal)


def test_a_submission_at_another_offset(rig: Rig, normal: Calldata) -> None:
    """The struct itself is at an offset too."""
    data = encode(normal)
    moved = data[:4] + word(3 * WORD) + b"\xff" * 2 * WORD + data[HEAD:]
    assert rig.refusal(moved) is None
    for offset in (0, 1, WORD + 1, len(data), 2**64, 2**256 - WORD):
        altered = data[:4] + word(offset) + data[HEAD:]
        assert rig.refusal(altered) is not None, offset
        rig.fails(altered)
    accepted(rig, moved)


def test_a_second_submission_behind_the_first(rig: Rig, normal: Calldata, anomalous: Calldata) -> None:
    """Only the one that the offset names counts, whatever else the calldata has."""
    first, second = encode(normal), encode(anomalous)
    assert rig.send(second[:4] + word(WORD + len(first) - HEAD) + first[HEAD:] + second[HEAD:])
    state = rig.state("solo")
    assert state.status is Status.HELD and state.held is not None and state.held.answer == ANOMALOUS
    rig.later(60)
    rig.refuses(first + second[HEAD:], "ObservationNotNewer")
    assert rig.accepts(rig.honest("solo", Sighting(NORMAL, 700)))


# --- high bits ---


@CALLS
@pytest.mark.parametrize(
    ("part", "bits"), [("model_number", 16), ("committee", 32), ("epoch", 32), ("observed_at", 32)], ids=str
)
def test_numbers_with_dirty_high_bits(rig: Rig, normal: Calldata, call: SubmitCall, part: str, bits: int) -> None:
    data = encode(normal, call)
    at = place(data, part)
    own = int.from_bytes(data[at : at + WORD])
    for bit in (bits, bits + 1, 64, 128, 255):
        altered = data[:at] + word(own | 1 << bit) + data[at + WORD :]
        assert rig.refusal(altered) is not None, bit
        rig.fails(altered)
    accepted(rig, data)


@CALLS
@pytest.mark.parametrize("bit", [32, 33, 64, 255])
@pytest.mark.parametrize("signed", [False, True], ids=["", "signed so"])
def test_rounds_with_dirty_high_bits(rig: Rig, normal: Calldata, call: SubmitCall, bit: int, signed: bool) -> None:
    """Round ids are hashed as they lie in the calldata, so one word must not stand for two numbers.

    Reporters could even sign the dirty word: then the hash would be right.
    """
    dirty = (2 | 1 << bit,)
    report = rig.sign(replace(normal, round_ids=dirty), REPORTER) if signed else normal
    data = encode(replace(report, round_ids=(2,)), call)
    at = place(data, "round_ids") + WORD
    altered = data[:at] + word(*dirty) + data[at + WORD :]
    assert rig.refusal(altered) is not None
    rig.fails(altered)
    accepted(rig, encode(normal, call))


@pytest.mark.parametrize("bit", [32, 255])
def test_a_reference_with_dirty_high_bits(rig: Rig, bit: int) -> None:
    """Zero in its low bits: the hub must not take it for a reference where reporters signed another word."""
    both = rig.together({"solo": rig.seen("solo", NORMAL), "level": rig.seen("level", ANSWER + 500)}, due=["solo"])
    data = encode(both)
    at = place(data, "round_ids") + WORD * (1 + both.round_ids.index(0))
    altered = data[:at] + word(1 << bit) + data[at + WORD :]
    for call in (SUBMIT, IF_NEWER, SHADOW):
        attack = hub_interface().selector(call) + altered[4:]
        assert rig.refusal(attack) is not None
        rig.fails(attack)
    accepted(rig, data)


@pytest.mark.parametrize("part", ["answers", "medians", "scores"])
def test_the_filling_of_packed_bytes_means_nothing(rig: Rig, normal: Calldata, part: str) -> None:
    """The bytes behind a packed part are not read: neither as a further answer nor as a score."""
    data = encode(normal)
    idle = filling(data, part)
    assert len(idle) in (16, 31) or (part == "scores" and not idle)
    altered = data[: idle.start] + b"\xff" * len(idle) + data[idle.stop :]
    assert rig.refusal(altered) is None
    accepted(rig, altered)


@pytest.mark.parametrize("length", [1, 15, 16, 31, 33])
@pytest.mark.parametrize("part", ["answers", "scores"])
def test_a_length_that_reaches_into_what_follows(rig: Rig, normal: Calldata, part: str, length: int) -> None:
    """The length says more or less than is there; the bytes stay."""
    data = encode(normal)
    at = place(data, part)
    own = int.from_bytes(data[at : at + WORD])
    for changed in (own + length, own - length):
        if changed < 0 or changed == own:
            continue
        altered = data[:at] + word(changed) + data[at + WORD :]
        assert rig.refusal(altered) is not None, changed
        rig.fails(altered)
    accepted(rig, data)


@pytest.mark.parametrize("call", ["submit", "submitIfNewer", "submitShadow"])
def test_truncated_calldata(rig: Rig, normal: Calldata, call: str) -> None:
    """Cut anywhere, the call is refused: the EVM's zeros behind the end don't count as content."""
    data = encode(normal, SubmitCall(call))
    ends = {4, HEAD, *(place(data, part) + extra for part in DYNAMIC for extra in (0, WORD - 1, WORD)), len(data) - 1}
    for end in sorted(ends):
        assert rig.refusal(data[:end]) is not None, end
    rig.fails(data[:-1])
    rig.fails(data[: place(data, "scores") + WORD])
    assert rig.accepts(normal)


def test_what_auditors_read(rig: Rig, normal: Calldata) -> None:
    """The package decodes each encoding that the hub takes, and to the same."""
    data = encode(normal)
    good = read_submission(data)
    assert good.medians == tuple(normal.medians) and good.signed.report.feed_ids == normal.feed_ids
    for altered in (laid_out(data, list(DYNAMIC)[::-1], 7), data + b"\1" * 99):
        assert rig.refusal(altered) is None
        assert read_submission(altered) == good
    for other in (b"", packed(1)[:-1], packed(1, 2) + b"\0"):
        with pytest.raises(ValueError, match="malformed submission"):
            read_submission(encode(replace(normal, scores=other)))
