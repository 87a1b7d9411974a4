"""Find the submissions of a transaction, wherever the hub was called from, and match them with the hub's events. Pure.

A submission that was relayed stands in the transaction's input somewhere: as an argument of a relay, in a batch of
calls, in a multisig's transaction or in a bundle of user operations. So the input is searched for it. Whoever made the
input may have put anything else in it, so nothing that is found is believed: a submission counts only for events that
agree with it in every part, and only if its signatures hold. Several may be left, which differ in what events do not
tell. The replay tries them.

Where nothing is found, the transaction's trace is needed.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from oracle.audit.calldata import REPORT_CALLS, SubmissionReader, read_submission, selectors
from oracle.chain.hub import RoundEvent, ShadowScored, Submission, SubmitCall
from oracle.chain.transport.traces import CallFrame

JudgedEvent: TypeAlias = RoundEvent | ShadowScored
"""An event on a report that a model judged."""

SHADOW_CALLS = (SubmitCall.SUBMIT_SHADOW,)

_MOST_FOUND = 5_000
"""The most places of an input that are read as submissions of one event's report. An input has not as many bytes that
it could name more reports, but whoever made it may let places overlap."""


@dataclass(frozen=True)
class FoundSubmission:
    """A submission that may be the one behind some events.

    Attributes:
        submission: The submission.
        judged: The positions in the report of the feeds that were judged.
        events: How many of the events are of it.
    """

    submission: Submission
    judged: tuple[int, ...]
    events: int


@dataclass(frozen=True)
class TransactionCalls:
    """The bytes of a transaction in which its submissions are looked for.

    Attributes:
        direct: The input of a transaction that calls the hub itself; None if another contract was called.
        inputs: The input of a transaction that calls another contract.
        traced: The calldata of each of its calls to the hub that lasted, in order; None if it was not traced.
        missing: Why a submission may be missing here; empty if it can't be.
    """

    direct: bytes | None = None
    inputs: bytes = b""
    traced: tuple[bytes, ...] | None = None
    missing: str = ""

    @property
    def is_certain(self) -> bool:
        """True if nothing else than what is found here can have been submitted: an input may hide a submission."""
        return self.direct is not None or self.traced is not None

    def candidates(self, events: Sequence[JudgedEvent]) -> list[FoundSubmission]:
        """Return the submissions that may be behind the first of some events, those of most events first.

        Args:
            events: Events of one kind that follow each other.

        Raises:
            ValueError: The transaction called the hub itself, and its input can't be read.
        """
        if self.direct is not None:
            return [self._called(self.direct, events)]
        if self.traced is not None:
            found = [each for data in self.traced for each in candidates(data, events, embedded=False)]
            if found:
                return _best(found)
        return _best(candidates(self.inputs, events))

    def is_settled(self, groups: Sequence[Sequence[JudgedEvent]]) -> bool:
        """Return True if there is exactly one submission for each event, so that no trace is needed."""
        if self.direct is not None:
            return True
        for events in groups:
            at = 0
            while at < len(events):
                found = self.candidates(events[at:])
                if len(found) != 1:
                    return False
                at += found[0].events
        return True

    @staticmethod
    def _called(data: bytes, events: Sequence[JudgedEvent]) -> FoundSubmission:
        """Return the submission of a transaction that calls the hub: all events are of it, whatever they say."""
        event = events[0]
        submission = read_submission(data, _calls_of(event), outputs=_outputs_of(event))
        judged = _judged(submission, [each.feed_id for each in events], isinstance(event, ShadowScored))
        places = {submission.signed.report.feed_ids[position] for position in judged}
        count, seen = 0, set[bytes]()
        for each in events:
            if each.feed_id not in places or each.feed_id in seen:
                break  # no submission has two events on one feed
            count, seen = count + 1, seen | {each.feed_id}
        return FoundSubmission(submission, judged, count)


def candidates(data: bytes, events: Sequence[JudgedEvent], *, embedded: bool = True) -> list[FoundSubmission]:
    """Return the submissions in some bytes that agree with the first of some events, each once.

    Args:
        data: The bytes.
        events: The events.
        embedded: True if a submission may begin anywhere; otherwise it has to be at the beginning.
    """
    event = events[0]
    wanted = _calls_of(event)
    found: dict[Submission, FoundSubmission] = {}
    for start in _places(data, event, wanted) if embedded else _first_place(data, wanted):
        try:
            submission = read_submission(data, wanted, start=start, outputs=_outputs_of(event))
        except ValueError:
            continue
        if submission not in found and (made := _matched(submission, events)) is not None:
            found[submission] = made
    return list(found.values())


def lasting_calls(trace: CallFrame, hub: str) -> tuple[bytes, ...]:
    """Return the calldata of each call of the hub in a trace that takes a submission and lasted, in their order.

    Args:
        trace: The transaction's calls.
        hub: The hub's checksummed address.
    """
    known = selectors()
    return tuple(
        frame.data for frame in trace.lasting() if frame.kind == "call" and frame.to == hub and frame.data[:4] in known
    )


# --- details -------------------------------------------------------------------------------------------------------


def _calls_of(event: JudgedEvent) -> Collection[SubmitCall]:
    return SHADOW_CALLS if isinstance(event, ShadowScored) else REPORT_CALLS


def _outputs_of(event: JudgedEvent) -> int | None:
    return len(event.scores) or None if isinstance(event, ShadowScored) else None


def _first_place(data: bytes, wanted: Collection[SubmitCall]) -> Iterator[int]:
    if data[:4] in selectors(wanted):
        yield 0


def _places(data: bytes, event: JudgedEvent, wanted: Collection[SubmitCall]) -> Iterator[int]:
    """Yield where calldata may begin whose submission has the event's model and time, and lists its feed and round.

    These parts are read first, and each submission once, whatever refers to it: so an input full of such places costs
    no more than its size.
    """
    seen: set[int] = set()
    for selector in selectors(wanted):
        start = data.find(selector)
        while start >= 0 and len(seen) < _MOST_FOUND:
            try:
                reader = SubmissionReader(data, start)
                # Positions within a submission count from it, so one that is found again is the same.
                if reader.place not in seen and _is_of(reader, event):
                    seen.add(reader.place)
                    yield start
            except ValueError:
                pass
            start = data.find(selector, start + 1)


def _is_of(reader: SubmissionReader, event: JudgedEvent) -> bool:
    if (reader.model_number, reader.observed_at) != (event.model_number, event.observed_at):
        return False
    listed = reader.feed_ids()
    at = listed.index(event.feed_id) if event.feed_id in listed else None
    return at is not None and reader.round_ids()[at : at + 1] == [event.round_id]


def _matched(submission: Submission, events: Sequence[JudgedEvent]) -> FoundSubmission | None:
    """Return a submission with those of the first events that agree with it in every part; None if none does."""
    report, rows = submission.signed.report, submission.signed.signatures
    is_shadow = isinstance(events[0], ShadowScored)
    judged = _judged(submission, [event.feed_id for event in events], is_shadow)
    scores = dict(zip(judged, submission.scores, strict=False))
    count, before = 0, -1
    for event in events:
        position = report.position(event.feed_id)
        agrees = (
            position is not None
            and before < position
            and scores.get(position) == event.scores
            and report.round_ids[position] == event.round_id
            and rows[submission.medians[position]].answers[position] == event.answer
            and (submission.model_number, report.observed_at) == (event.model_number, event.observed_at)
        )
        if not agrees or position is None:
            break
        count, before = count + 1, position
    return FoundSubmission(submission, judged, count) if count else None


def _judged(submission: Submission, feed_ids: Sequence[bytes], is_shadow: bool) -> tuple[int, ...]:
    """Return the positions of the judged feeds: all that are due or, of a shadow, those for which events show it."""
    report = submission.signed.report
    if not is_shadow:
        return report.due
    if len(submission.scores) == len(report.due):
        return report.due
    shown = [position for position in report.due if report.feed_ids[position] in feed_ids]
    return tuple(shown[: len(submission.scores)])


def _best(found: Sequence[FoundSubmission]) -> list[FoundSubmission]:
    """Return each submission once, and only those of the most events."""
    distinct: Mapping[Submission, FoundSubmission] = {each.submission: each for each in found}
    most = max((each.events for each in found), default=0)
    return [each for each in distinct.values() if each.events == most]
