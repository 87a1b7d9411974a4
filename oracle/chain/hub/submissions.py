"""Submissions: the calldata of `submit` and its siblings, encoded and decoded. Nothing is sent from here."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from oracle.chain.hub.interface import hub_interface
from oracle.core.errors import DataError
from oracle.core.report import Report, ReporterSignature, SignedReport

_INT128_BYTES = 16


class SubmitCall(StrEnum):
    """A function of the hub that takes a submission."""

    SUBMIT = "submit"
    SUBMIT_IF_NEWER = "submitIfNewer"
    SUBMIT_SHADOW = "submitShadow"


_REPORTS = (SubmitCall.SUBMIT, SubmitCall.SUBMIT_IF_NEWER)


@dataclass(frozen=True, slots=True)
class Submission:
    """A signed report with what the model says of it, and the proof.

    Attributes:
        model_number: The model that judges the feeds that are due.
        signed: The report with its signatures, in the rows' order.
        scores: For each feed that is judged, in the report's order, the model's scores. A report's submission judges
            all feeds that are due; a shadow's only those for which the model is proposed.
        medians: For each feed of the report, the row that has its median answer.
        proof: Shows the scores of all feeds that are due, in the verifier's encoding.
    """

    model_number: int
    signed: SignedReport
    scores: tuple[tuple[int, ...], ...]
    medians: tuple[int, ...]
    proof: bytes

    @staticmethod
    def of(model_number: int, signed: SignedReport, scores: Sequence[Sequence[int]], proof: bytes) -> Submission:
        """Return the submission of a signed report, with the medians filled in.

        Raises:
            DataError: No reporter has an answer for one of the feeds.
        """
        medians = tuple(signed.median_row(position) for position in range(len(signed.report.feed_ids)))
        return Submission(model_number, signed, tuple(tuple(each) for each in scores), medians, proof)


def encode_submission(submission: Submission, call: SubmitCall = SubmitCall.SUBMIT) -> bytes:
    """Return the calldata of a submission.

    Raises:
        ValueError: A feed that is due has no scores or other ones than as many as the others, or a number does not fit.
    """
    report = submission.signed.report
    judged, due = len(submission.scores), len(report.due)
    if not 1 <= judged <= due or (judged != due and call in _REPORTS):
        raise ValueError(f"{due} feeds are due, but there are scores of {judged}")
    if len({len(each) for each in submission.scores}) != 1:
        raise ValueError("the feeds do not have as many scores each: each has as many as the model has outputs")
    values = (
        submission.model_number,
        report.committee,
        report.epoch,
        report.observed_at,
        report.feed_ids,
        report.round_ids,
        [(each.readings, each.r, each.vs) for each in submission.signed.signatures],
        _packed(answer for each in submission.signed.signatures for answer in each.answers),
        bytes(submission.medians),
        _packed(score for each in submission.scores for score in each),
        submission.proof,
    )
    return hub_interface().encode_call(call, values)


def decode_submission(
    calldata: bytes, calls: Collection[SubmitCall] = _REPORTS, outputs: int | None = None
) -> Submission:
    """Return the submission that calldata carries: the inverse of `encode_submission`, for auditors.

    Args:
        calldata: The whole calldata.
        calls: The functions whose calldata it may be; default: those that report.
        outputs: The number of a feed's scores. Only for a shadow it can't be told from the number of feeds.

    Raises:
        ValueError: The calldata is of another function, or malformed.
    """
    name, arguments = hub_interface().decode_call(calldata)
    if name not in calls:
        raise ValueError(f"the call is of {name}, not of {' or '.join(calls)}")
    try:
        return submission_from(next(iter(arguments.values())), outputs)
    except DataError as error:
        raise ValueError(f"malformed submission: {error}") from error


def submission_from(found: Mapping[str, Any], outputs: int | None = None) -> Submission:
    """Return the submission whose fields, by the contract's names, were read from calldata.

    Args:
        found: `IZkOracle.Submission`, decoded.
        outputs: See `decode_submission`.

    Raises:
        DataError: A value is out of the contract's bounds.
        ValueError: The parts do not fit together.
    """
    report = Report(
        committee=found["committee"],
        epoch=found["epoch"],
        observed_at=found["observedAt"],
        feed_ids=tuple(found["feedIds"]),
        round_ids=tuple(found["roundIds"]),
    )
    feeds, due, rows = len(report.feed_ids), len(report.due), len(found["signatures"])
    answers, scores, medians = _unpacked(found["answers"]), _unpacked(found["scores"]), tuple(found["medians"])
    if len(answers) != feeds * rows:
        raise ValueError(f"malformed submission: {rows} rows of {feeds} answers are not {len(answers)} answers")
    if len(medians) != feeds or any(row >= rows for row in medians):
        raise ValueError("malformed submission: the medians do not name a row for each feed")
    each_has = outputs or len(scores) // due
    if not scores or not each_has or len(scores) % each_has or (outputs is None and len(scores) != due * each_has):
        raise ValueError(f"malformed submission: {len(scores)} scores of {due} feeds")
    signatures = tuple(
        ReporterSignature(answers[row * feeds : (row + 1) * feeds], each["readings"], each["r"], each["vs"])
        for row, each in enumerate(found["signatures"])
    )
    return Submission(
        model_number=found["modelNumber"],
        signed=SignedReport(report, signatures),
        scores=tuple(scores[first : first + each_has] for first in range(0, len(scores), each_has)),
        medians=medians,
        proof=found["proof"],
    )


# --- details -------------------------------------------------------------------------------------------------------


def _packed(values: Iterable[int]) -> bytes:
    try:
        return b"".join(value.to_bytes(_INT128_BYTES, "big", signed=True) for value in values)
    except OverflowError:
        raise ValueError("an answer or a score does not fit an int128") from None


def _unpacked(data: bytes) -> tuple[int, ...]:
    if len(data) % _INT128_BYTES:
        raise ValueError(f"malformed submission: {len(data)} bytes are no int128s")
    return tuple(
        int.from_bytes(data[first : first + _INT128_BYTES], "big", signed=True)
        for first in range(0, len(data), _INT128_BYTES)
    )
