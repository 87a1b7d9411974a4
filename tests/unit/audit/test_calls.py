"""Tests of finding submissions in transactions: wherever they stand, and whatever stands beside them."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from oracle.audit.calls import TransactionCalls, candidates, lasting_calls
from oracle.chain.hub import RoundAccepted, ShadowScored, Submission, SubmitCall, encode_submission, hub_interface
from oracle.chain.transport.traces import CallFrame
from oracle.core.report import Report, ReporterSignature, SignedReport

HUB, RELAY = "0x" + "aB" * 20, "0x" + "cD" * 20
SELECTOR = hub_interface().selector("submit")
FEEDS = tuple(number.to_bytes(32) for number in (1, 2, 9))
REPORT = Report(3, 2, 1_700_000_000, FEEDS, (7, 0, 4))
ROWS = tuple(
    ReporterSignature((100 + row, -5 - row, 3 + row), bytes([row]) * 32, b"\1" * 32, b"\2" * 32) for row in range(3)
)
SUBMISSION = Submission.of(7, SignedReport(REPORT, ROWS), ((-3, 4), (5, -6)), b"a proof, of more than 32 bytes of data")
DATA = encode_submission(SUBMISSION)


def event(at: int, of: Submission = SUBMISSION) -> RoundAccepted:
    """Return the hub's event on the feed at a position of the report."""
    report = of.signed.report
    scores = of.scores[report.due.index(at)]
    answer = of.signed.median(at)
    return RoundAccepted(
        report.feed_ids[at], report.round_ids[at], answer, report.observed_at, 7, scores, False, RELAY, 9, b"\x12", at
    )


EVENTS = (event(0), event(2))


@pytest.mark.parametrize("before", [b"", b"\1", b"x" * 31, bytes(4 + 32 * 7)], ids=len)
@pytest.mark.parametrize("call", [SubmitCall.SUBMIT, SubmitCall.SUBMIT_IF_NEWER])
def test_a_submission_at_any_place_of_the_input(before: bytes, call: SubmitCall) -> None:
    found = candidates(before + encode_submission(SUBMISSION, call) + b"after it", EVENTS)
    assert [(each.submission, each.judged, each.events) for each in found] == [(SUBMISSION, (0, 2), 2)]


def test_only_what_agrees_with_the_events_in_every_part() -> None:
    for changed in (
        replace(EVENTS[0], answer=1),
        replace(EVENTS[0], observed_at=1),
        replace(EVENTS[0], model_number=8),
        replace(EVENTS[0], round_id=8),
        replace(EVENTS[0], scores=(-3, 5)),
        replace(EVENTS[0], feed_id=FEEDS[1]),
    ):
        assert candidates(DATA, [changed]) == []
    # An event that is missing, or of another submission, ends it.
    assert [each.events for each in candidates(DATA, EVENTS[:1])] == [1]
    assert [each.events for each in candidates(DATA, [EVENTS[0], replace(EVENTS[1], answer=9)])] == [1]
    assert [each.events for each in candidates(DATA, [EVENTS[1], EVENTS[0]])] == [1]


def test_each_submission_counts_once() -> None:
    other = replace(SUBMISSION, proof=b"another")
    data = DATA + encode_submission(other) + DATA
    assert [each.submission for each in candidates(data, EVENTS)] == [SUBMISSION, other]
    calls = TransactionCalls(inputs=data)
    assert not calls.is_settled([EVENTS])
    assert TransactionCalls(inputs=DATA + DATA).is_settled([EVENTS])
    assert TransactionCalls(inputs=data, traced=(encode_submission(other),)).is_settled([EVENTS])
    assert not TransactionCalls(inputs=b"go").is_settled([EVENTS])


def test_two_submissions_of_one_transaction() -> None:
    later = replace(REPORT, observed_at=REPORT.observed_at + 60, round_ids=(8, 0, 5))
    second = replace(SUBMISSION, signed=replace(SUBMISSION.signed, report=later))
    calls = TransactionCalls(inputs=b"relay" + encode_submission(second) + DATA)
    told = [*EVENTS, event(0, second), event(2, second)]
    assert [each.submission for each in calls.candidates(told)] == [SUBMISSION]
    assert [each.submission for each in calls.candidates(told[2:])] == [second]
    assert calls.is_settled([told])


def test_a_call_of_the_hub_itself_needs_no_search() -> None:
    """All events of its transaction are its own, even where they lie."""
    calls = TransactionCalls(direct=DATA)
    lying = [replace(each, answer=1) for each in EVENTS]
    (found,) = calls.candidates(lying)
    assert (found.submission, found.events) == (SUBMISSION, 2)
    with pytest.raises(ValueError, match="submit"):
        TransactionCalls(direct=hub_interface().encode_call("pause", FEEDS[0])).candidates(EVENTS)


def test_shadow_submissions() -> None:
    """The model is proposed for one of the feeds that are due, so only that one has scores."""
    shadow = replace(SUBMISSION, scores=((5, -6),))
    data = b"relay" + encode_submission(shadow, SubmitCall.SUBMIT_SHADOW)
    scored = ShadowScored(FEEDS[2], 4, SUBMISSION.signed.median(2), REPORT.observed_at, 7, (5, -6), 9, b"\x12", 0)
    (found,) = candidates(data, [scored])
    assert (found.submission, found.judged, found.events) == (shadow, (2,), 1)
    assert candidates(data, EVENTS) == [] == candidates(DATA, [scored])


@pytest.mark.parametrize("what", ["selectors", "one place", "heads"])
def test_a_hostile_input_costs_no_more_than_its_size(what: str) -> None:
    """Ten thousand places look like submissions; the one that is real is found all the same."""
    head = DATA[4 + 32 : 4 + 32 + 11 * 32]
    hostile = {
        "selectors": SELECTOR * 10_000,
        # Each of them points to the same submission, which is not the real one.
        "one place": b"".join(SELECTOR + (40 * (10_000 - at) - 4).to_bytes(32) + bytes(4) for at in range(10_000))
        + head,
        # Each is the beginning of a submission with the right model and time, which share the rest.
        "heads": (SELECTOR + (32).to_bytes(32) + head) * 700,
    }[what]
    begun = time.process_time()
    found = candidates(hostile + DATA, EVENTS)
    assert SUBMISSION in [each.submission for each in found]
    assert time.process_time() - begun < 3


def test_the_calls_of_a_trace() -> None:
    def call(data: bytes, *inner: CallFrame, to: str = HUB, kind: str = "call", failed: bool = False) -> CallFrame:
        return CallFrame(kind, RELAY, to, data, failed, list(inner))

    first, second, third = (SELECTOR + bytes([each]) for each in (1, 2, 3))
    trace = call(
        b"relay",
        call(first),
        call(b"another", call(second), to=RELAY),
        call(third, failed=True),
        call(b"reverted", call(third), to=RELAY, failed=True),
        call(third, kind="delegatecall"),
        call(third, kind="staticcall"),
        call(third, to=RELAY),
        call(hub_interface().encode_call("lens")),
        to=RELAY,
    )
    assert lasting_calls(trace, HUB) == (first, second)
