"""Tests of reading submissions in every encoding that the hub takes."""

from __future__ import annotations

import pytest

from oracle.audit.calldata import read_submission
from oracle.chain.hub import Submission, SubmitCall, encode_submission, hub_interface
from oracle.core.encoding import NO_ANSWER
from oracle.core.report import Report, ReporterSignature, SignedReport

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
