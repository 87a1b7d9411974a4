"""Tests of reading submissions in every encoding that the hub takes."""

from __future__ import annotations

from dataclasses import replace

import pytest

from oracle.audit.calldata import read_submission
from oracle.chain.hub import Submission, SubmitCall, encode_submission, hub_interface
from oracle.core.encoding import NO_ANSWER
from oracle.core.report import MAX_FEEDS, MAX_REPORTERS, Report, ReporterSignature, SignedReport

SELECTOR = hub_interface().selector("submit")

REPORT = Report(3, 2, 1_700_000_000, tuple(number.to_bytes(32) for number in (1, 2, 9)), (7, 0, 4))
ROWS = tuple(
    ReporterSignature((100 + row, -5 - row, NO_ANSWER if row else 3), bytes([row]) * 32, b"\1" * 32, b"\2" * 32)
    for row in range(3)
)
SUBMISSION = Submission.of(7, SignedReport(REPORT, ROWS), ((-3, 4), (5, -6)), b"a proof, of more than 32 bytes of data")


def word(value: int) -> bytes:
    return (value % 2**256).to_bytes(32)


@pytest.mark.parametrize("call", [SubmitCall.SUBMIT, SubmitCall.SUBMIT_IF_NEWER])
def test_the_usual_encoding(call: SubmitCall) -> None:
    calldata = encode_submission(SUBMISSION, call)
    assert read_submission(calldata) == SUBMISSION
    assert read_submission(calldata + b"more than it needs") == SUBMISSION


def test_parts_that_stand_before_the_submission() -> None:
    """Solidity's decoder adds offsets modulo 2^256; the ABI library refuses them."""
    arguments = encode_submission(SUBMISSION)[4:]
    head, tail = arguments[32 : 32 + 11 * 32], arguments[32 + 11 * 32 :]
    # The parts come first, then the submission, whose offsets point backwards.
    offsets = [int.from_bytes(head[at : at + 32]) for at in range(4 * 32, 11 * 32, 32)]
    at = 32 + len(tail)
    backwards = head[: 4 * 32] + b"".join(word(32 + offset - 11 * 32 - at) for offset in offsets)
    assert read_submission(SELECTOR + word(at) + tail + backwards) == SUBMISSION


@pytest.mark.parametrize(
    "calldata",
    [
        b"",
        SELECTOR[:3],
        encode_submission(SUBMISSION, SubmitCall.SUBMIT_SHADOW),
        SELECTOR + word(32) + word(7) * 4 + word(11 * 32) + word(256),
        SELECTOR + word(32) + word(7) * 4 + word(2**256 - 1) * 7,
        SELECTOR + word(2**255),
        encode_submission(SUBMISSION)[:-256],
    ],
    ids=["nothing", "cut", "of a shadow", "too many feeds", "endless", "nowhere", "cut at the end"],
)
def test_calldata_of_no_submission(calldata: bytes) -> None:
    with pytest.raises(ValueError):
        read_submission(calldata)


def changed(field: int, value: int) -> bytes:
    """Return the usual encoding with another word in the submission's head."""
    data = encode_submission(SUBMISSION)
    at = 4 + 32 + 32 * field
    return data[:at] + word(value) + data[at + 32 :]


def refused(data: bytes, says: str) -> None:
    with pytest.raises(ValueError, match=says):
        read_submission(data)


def test_the_bounds_of_numbers() -> None:
    assert read_submission(changed(0, 2**16 - 1)).model_number == 2**16 - 1
    refused(changed(0, 2**16), "is no number of a model")
    assert read_submission(changed(3, 77)).signed.report.observed_at == 77
    assert read_submission(changed(1, 78)).signed.report.committee == 78
    assert read_submission(changed(2, 79)).signed.report.epoch == 79


def test_a_submission_ends_before_its_calldata_does() -> None:
    data = encode_submission(SUBMISSION)
    padding = -len(SUBMISSION.proof) % 32
    # The padding of the last part is nobody's.
    assert read_submission(data[:-padding]) == SUBMISSION
    refused(data[: -padding - 1], "the calldata ends before the submission does")
    refused(SELECTOR + word(len(data)) + data[36:], "the calldata ends before the submission$")
    refused(SELECTOR + word(2**256 - 4) + data[36:], "the calldata ends before the submission$")


def test_a_submission_may_end_with_its_head() -> None:
    """All lists stand before it, or are the same empty one."""
    head = b"".join(word(each) for each in (7, 1, 1, 9)) + word(-32) * 7
    refused(SELECTOR + word(64) + word(0) + head, "malformed submission")
    refused((SELECTOR + word(64) + word(0) + head)[:-1], "the calldata ends before the submission$")


def test_a_list_before_the_calldata_is_empty() -> None:
    """There are nothing but zeros. At the first byte is the selector, which is the length of a very long list."""
    assert read_submission(changed(10, -37)).proof == b""
    refused(changed(10, -36), "the calldata ends before the submission does")


def test_the_bounds_of_lists() -> None:
    for size, fits in ((16_384, True), (16_385, False)):
        data = encode_submission(replace(SUBMISSION, proof=bytes(size)))
        if fits:
            assert len(read_submission(data).proof) == size
        else:
            refused(data, "a proof of 16385 bytes, where the hub takes 16384 at most")
    for field, most in ((4, MAX_FEEDS), (5, MAX_FEEDS), (6, MAX_REPORTERS)):
        at = 36 + int.from_bytes(encode_submission(SUBMISSION)[36 + 32 * field :][:32])
        data = encode_submission(SUBMISSION)
        longer = data[:at] + word(most + 1) + data[at + 32 :] + bytes(16_384)
        refused(longer, f"a list of {most + 1} elements, where the hub takes {most} at most")
        longest = data[:at] + word(most) + data[at + 32 :] + bytes(16_384)
        with pytest.raises(ValueError) as told:  # it does not fit the other lists
            read_submission(longest)
        assert "elements" not in str(told.value)


def test_rows_of_answers_that_are_not_whole() -> None:
    at = 36 + int.from_bytes(encode_submission(SUBMISSION)[36 + 32 * 7 :][:32])
    data = encode_submission(SUBMISSION)
    refused(data[:at] + word(16 * 9 + 16) + data[at + 32 :], "3 rows of 3 answers are not 160 bytes")


def test_a_feed_without_an_id() -> None:
    for ids, fits in (((bytes(32), *REPORT.feed_ids[1:]), False), (REPORT.feed_ids, True)):
        data = encode_submission(replace(SUBMISSION, signed=SignedReport(replace(REPORT, feed_ids=ids), ROWS)))
        if fits:
            assert read_submission(data) == SUBMISSION
        else:
            refused(data, "no feed has the id 0")
