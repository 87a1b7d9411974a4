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


def test_a_second_event_on_a_feed_is_of_no_submission() -> None:
    """A node may tell an event twice, and with another answer: it must not be swallowed."""
    other = replace(EVENTS[0], answer=9)
    for told, count in (((*EVENTS, other), 2), ((EVENTS[0], other, EVENTS[1]), 1), ((other, *EVENTS), 1)):
        (found,) = TransactionCalls(direct=DATA).candidates(told)
        assert found.events == count


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


def test_events_are_of_one_submission_only_in_its_order() -> None:
    """A feed is in a report once."""
    assert [each.events for each in candidates(DATA, [EVENTS[0], EVENTS[0]])] == [1]
    assert [each.events for each in candidates(DATA, [EVENTS[1]])] == [1]
    assert candidates(DATA, [replace(EVENTS[0], feed_id=b"\7" * 32)]) == []


def test_what_can_t_be_read_does_not_end_the_search() -> None:
    """The head of a submission, whose parts point nowhere, with the feeds and rounds of the real one."""
    at = 4 + 32
    broken = DATA[: at + 32 * 10] + (2**200).to_bytes(32) + DATA[at + 32 * 11 :]
    assert [each.submission for each in candidates(broken + DATA, EVENTS)] == [SUBMISSION]


def test_only_submissions_of_the_most_events() -> None:
    """A report on the first feed alone, signed at the same time, explains less than the one on both."""
    report = replace(REPORT, round_ids=(7, 0, 0))
    fewer = Submission.of(7, SignedReport(report, ROWS), SUBMISSION.scores[:1], b"another")
    calls = TransactionCalls(inputs=encode_submission(fewer) + DATA)
    assert [each.submission for each in calls.candidates(EVENTS)] == [SUBMISSION]
    assert {each.submission for each in calls.candidates(EVENTS[:1])} == {fewer, SUBMISSION}
    assert calls.is_settled([EVENTS]) and not calls.is_settled([EVENTS[:1]])
    assert not calls.is_settled([EVENTS, EVENTS[:1]])


def test_a_trace_is_believed_and_an_input_searched_where_it_shows_nothing() -> None:
    other = replace(SUBMISSION, proof=b"another")
    traced = TransactionCalls(inputs=DATA, traced=(b"", encode_submission(other)))
    assert [each.submission for each in traced.candidates(EVENTS)] == [other]
    for nothing in ((), (b"x" + encode_submission(other),)):
        calls = TransactionCalls(inputs=DATA, traced=nothing)
        assert [each.submission for each in calls.candidates(EVENTS)] == [SUBMISSION]
        assert calls.is_certain
    assert TransactionCalls(direct=DATA).is_settled([EVENTS]) is True
    assert [each.is_certain for each in (TransactionCalls(direct=DATA), TransactionCalls(inputs=DATA))] == [True, False]


def test_events_that_a_direct_call_did_not_cause_are_not_its() -> None:
    calls = TransactionCalls(direct=DATA)
    (found,) = calls.candidates([EVENTS[0], replace(EVENTS[1], feed_id=FEEDS[1])])
    assert (found.judged, found.events) == ((0, 2), 1)


def scored(at: int, scores: tuple[int, ...]) -> ShadowScored:
    median = SUBMISSION.signed.median(at)
    return ShadowScored(FEEDS[at], REPORT.round_ids[at], median, REPORT.observed_at, 7, scores, 9, b"\x12", 0)


def test_a_shadow_of_all_feeds_that_are_due() -> None:
    data = encode_submission(SUBMISSION, SubmitCall.SUBMIT_SHADOW)
    events = [scored(0, SUBMISSION.scores[0]), scored(2, SUBMISSION.scores[1])]
    for calls in (TransactionCalls(direct=data), TransactionCalls(inputs=b"relay" + data)):
        (found,) = calls.candidates(events)
        assert (found.submission, found.judged, found.events) == (SUBMISSION, (0, 2), 2)
        # The last one alone may have been left out of the logs; its scores are still the second ones.
        assert [(each.judged, each.events) for each in calls.candidates(events[1:])] == [((0, 2), 1)]


def test_a_shadow_whose_scores_no_event_tells() -> None:
    shadow = replace(SUBMISSION, scores=((5, -6),))
    data = encode_submission(shadow, SubmitCall.SUBMIT_SHADOW)
    (found,) = TransactionCalls(direct=data).candidates([scored(0, (5, -6)), scored(2, (5, -6))])
    assert found.judged == (0,), "there are scores of one feed"
