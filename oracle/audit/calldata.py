"""Read submissions from calldata, in every encoding that the hub takes. Pure."""

from __future__ import annotations

from collections.abc import Collection
from typing import Any

from oracle.chain.hub import Submission, SubmitCall, hub_interface, submission_from
from oracle.core.errors import DataError
from oracle.core.report import MAX_FEEDS, MAX_REPORTERS

REPORT_CALLS = (SubmitCall.SUBMIT, SubmitCall.SUBMIT_IF_NEWER)
"""The calls of which reports become rounds or are held."""

_WORD = 32
_HEAD_WORDS = 11
_SIGNATURE_WORDS = 3
_INT128_BYTES = 16
_MOST_PROOF_BYTES = 16_384
"""The longest proof that the hub takes."""


def selectors(calls: Collection[SubmitCall] = tuple(SubmitCall)) -> dict[bytes, SubmitCall]:
    """Return the first four bytes of some of the hub's calls, each with its call."""
    return {hub_interface().selector(call): call for call in calls}


def read_submission(
    data: bytes, calls: Collection[SubmitCall] = REPORT_CALLS, *, start: int = 0, outputs: int | None = None
) -> Submission:
    """Return the submission that calldata carries, as the hub reads it.

    A transmitter chooses the encoding of its submission, and Solidity takes more than ABI libraries do: a list in
    calldata may refer to elements that stand before it. An auditor has to be able to read whatever the hub took.

    Args:
        data: The calldata, or bytes in which it stands.
        calls: The functions whose calldata it may be; default: those that report.
        start: The position of the calldata in `data`. It may end before `data` does.
        outputs: The number of a feed's scores. Only for a shadow it can't be told from the number of feeds.

    Raises:
        ValueError: The calldata is of another function, or the hub can't have taken it.
    """
    if data[start : start + 4] not in selectors(calls):
        raise ValueError(f"the call is not of {' or '.join(calls)}")
    reader = SubmissionReader(data, start)
    try:
        return submission_from(reader.fields(), outputs)
    except DataError as error:
        raise ValueError(f"malformed submission: {error}") from error


class SubmissionReader:
    """Reads the parts of a submission as Solidity does: offsets are signed, and nothing ends beyond the end.

    Args:
        data: Bytes in which the calldata stands.
        start: The position of the calldata.

    Attributes:
        place: The position of the submission in `data`.

    Raises:
        ValueError: There is no submission. The methods raise it, too.
    """

    def __init__(self, data: bytes, start: int) -> None:
        self._data = data
        self._start = start
        self._size = len(data) - start
        offset = self._word(4)
        self._head = 4 + offset
        if self._head + _HEAD_WORDS * _WORD > self._size:
            raise ValueError("the calldata ends before the submission")
        self.place = start + self._head

    @property
    def model_number(self) -> int:
        """The model that judges."""
        if (number := self._word(self._head)) >= 2**16:
            raise ValueError(f"{number:#x} is no number of a model")
        return number

    @property
    def observed_at(self) -> int:
        """The report's time, unix seconds."""
        return self._word(self._head + 3 * _WORD)

    def feed_ids(self) -> list[bytes]:
        """Return the ids of the report's feeds."""
        return [self._bytes(at, _WORD) for at in self._elements(4, MAX_FEEDS)]

    def round_ids(self) -> list[int]:
        """Return the report's rounds."""
        return [self._word(at) for at in self._elements(5, MAX_FEEDS)]

    def fields(self) -> dict[str, Any]:
        """Return the fields of the submission by the contract's names."""
        signatures = self._elements(6, MAX_REPORTERS, _SIGNATURE_WORDS)
        feed_ids, answers, proof = self.feed_ids(), self._text(7), self._text(10)
        if len(answers) != _INT128_BYTES * len(feed_ids) * len(signatures):
            raise ValueError(f"{len(signatures)} rows of {len(feed_ids)} answers are not {len(answers)} bytes")
        if feed_ids and not any(feed_ids[0]):
            raise ValueError("no feed has the id 0")
        if len(proof) > _MOST_PROOF_BYTES:
            raise ValueError(f"a proof of {len(proof)} bytes, where the hub takes {_MOST_PROOF_BYTES} at most")
        return {
            "modelNumber": self.model_number,
            "committee": self._word(self._head + _WORD),
            "epoch": self._word(self._head + 2 * _WORD),
            "observedAt": self.observed_at,
            "feedIds": feed_ids,
            "roundIds": self.round_ids(),
            "signatures": [
                {name: self._bytes(at + _WORD * place, _WORD) for place, name in enumerate(("readings", "r", "vs"))}
                for at in signatures
            ],
            "answers": answers,
            "medians": self._text(8),
            "scores": self._text(9),
            "proof": proof,
        }

    def _bytes(self, at: int, length: int) -> bytes:
        if at + length > self._size:
            raise ValueError("the calldata ends before the submission does")
        return self._data[self._start + at : self._start + at + length]

    def _word(self, at: int) -> int:
        return int.from_bytes(self._bytes(at, _WORD))

    def _list(self, field: int) -> tuple[int, int]:
        """Return the position and the length of a list."""
        offset = self._word(self._head + _WORD * field)
        at = self._head + (offset if offset < 2**255 else offset - 2**256)
        if at < 0:
            return 0, 0  # before the calldata there is nothing but zeros
        return at + _WORD, self._word(at)

    def _elements(self, field: int, most: int, words: int = 1) -> list[int]:
        """Return the positions of a list's elements."""
        first, length = self._list(field)
        if length > most:
            raise ValueError(f"a list of {length} elements, where the hub takes {most} at most")
        return [first + _WORD * words * index for index in range(length)]

    def _text(self, field: int) -> bytes:
        first, length = self._list(field)
        return self._bytes(first, length)
