"""Submissions as a caller may fill them: nothing is checked here, and every part can be replaced by itself."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import astuple, dataclass, fields, replace

from oracle.chain.hub import SubmitCall, hub_interface
from oracle.core.encoding import NO_ANSWER
from oracle.core.report import NO_READINGS

WORD = 32
INT128 = 16
OUTPUTS = 2
"""Scores of one feed, of each model here but for those that publish a verdict, which is one number."""

DYNAMIC = ("feed_ids", "round_ids", "signatures", "answers", "medians", "scores", "proof")

SUBMIT, IF_NEWER, SHADOW = SubmitCall.SUBMIT, SubmitCall.SUBMIT_IF_NEWER, SubmitCall.SUBMIT_SHADOW


@dataclass(frozen=True)
class Signature:
    """One reporter's signature, as the hub's `Signature`."""

    readings: bytes = NO_READINGS
    r: bytes = bytes(WORD)
    vs: bytes = bytes(WORD)


@dataclass(frozen=True)
class Calldata:
    """The hub's `Submission`, in its order. Answers, medians and scores are packed."""

    model_number: int
    committee: int
    epoch: int
    observed_at: int
    feed_ids: tuple[bytes, ...]
    round_ids: tuple[int, ...]
    signatures: tuple[Signature, ...]
    answers: bytes
    medians: bytes
    scores: bytes
    proof: bytes

    @property
    def rows(self) -> tuple[tuple[int, ...], ...]:
        """Each reporter's answers."""
        width = len(self.feed_ids)
        values = unpacked(self.answers)
        return tuple(values[at : at + width] for at in range(0, len(values), width))

    @property
    def score_rows(self) -> tuple[tuple[int, ...], ...]:
        """The scores of each feed that is due."""
        values = unpacked(self.scores)
        return tuple(values[at : at + OUTPUTS] for at in range(0, len(values), OUTPUTS))

    @property
    def first_scores(self) -> tuple[int, ...]:
        """The scores of the first feed that is due."""
        return self.score_rows[0]

    def with_rows(self, *rows: Sequence[int], medians: Sequence[int] | None = None) -> Calldata:
        """Return the submission with other answers, and, unless they are given, the medians of these."""
        named = tuple(map(median_row, zip(*rows, strict=True))) if medians is None else tuple(medians)
        return replace(self, answers=packed(*(answer for row in rows for answer in row)), medians=bytes(named))

    def with_answer(self, answer: int, row: int = 0, column: int = 0) -> Calldata:
        """Return the submission with one other answer, and everything else as it was."""
        values = [list(each) for each in self.rows]
        values[row][column] = answer
        return replace(self, answers=packed(*(each for found in values for each in found)))

    def with_scores(self, *scores: int, at: int = 0) -> Calldata:
        """Return the submission with other scores of one feed."""
        first, size = at * OUTPUTS * INT128, OUTPUTS * INT128
        return replace(self, scores=self.scores[:first] + packed(*scores) + self.scores[first + size :])

    def with_signature(self, row: int = 0, **changes: bytes) -> Calldata:
        """Return the submission with changes to one signature."""
        changed = replace(self.signatures[row], **changes)
        return replace(self, signatures=(*self.signatures[:row], changed, *self.signatures[row + 1 :]))

    def taking(self, rows: Sequence[int], medians: Sequence[int] | None = None) -> Calldata:
        """Return the submission with only these reporters, in this order."""
        chosen = self.with_rows(*(self.rows[row] for row in rows), medians=medians) if rows else self.emptied()
        return replace(chosen, signatures=tuple(self.signatures[row] for row in rows))

    def emptied(self) -> Calldata:
        """Return the submission without reporters."""
        return replace(self, signatures=(), answers=b"", medians=bytes(len(self.feed_ids)))

    def columns(self, order: Sequence[int]) -> Calldata:
        """Return the submission with only these feeds, in this order, with all that belongs to them.

        All feeds are due before. The signatures stay, so they are good only if nothing changes.
        """
        return replace(
            self,
            feed_ids=tuple(self.feed_ids[at] for at in order),
            round_ids=tuple(self.round_ids[at] for at in order),
            answers=packed(*(row[at] for row in self.rows for at in order)),
            medians=bytes(self.medians[at] for at in order),
            scores=packed(*(score for at in order for score in self.score_rows[at])),
        )


def packed(*values: int) -> bytes:
    """Return int128 as the hub reads them, one after the other."""
    return b"".join(value.to_bytes(INT128, "big", signed=True) for value in values)


def unpacked(data: bytes) -> tuple[int, ...]:
    return tuple(int.from_bytes(data[at : at + INT128], "big", signed=True) for at in range(0, len(data), INT128))


def median_row(column: Sequence[int]) -> int:
    """Return the row of the median of the answers that are there; of none, the first row."""
    ranked = sorted((answer, row) for row, answer in enumerate(column) if answer != NO_ANSWER)
    return ranked[len(ranked) // 2][1] if ranked else 0


def encode(calldata: Calldata, call: SubmitCall = SUBMIT) -> bytes:
    """Return the whole calldata, with everything in the order that it has in the object."""
    values = {each.name: getattr(calldata, each.name) for each in fields(calldata)}
    values["signatures"] = [astuple(each) for each in calldata.signatures]
    return hub_interface().encode_call(call, tuple(values.values()))


def flipped(value: bytes, bit: int) -> bytes:
    """Return `value` with one bit changed; bit 0 is the lowest bit of the last byte."""
    return (int.from_bytes(value) ^ (1 << bit)).to_bytes(len(value))


def word(value: int) -> bytes:
    return (value % 2**256).to_bytes(WORD)


def place(data: bytes, part: str) -> int:
    """Return where a part of canonical calldata begins: its value, or, if it has a length, the word of that."""
    head = 4 + WORD
    names = [each.name for each in fields(Calldata)]
    at = head + WORD * names.index(part)
    return head + int.from_bytes(data[at : at + WORD]) if part in DYNAMIC else at


def filling(data: bytes, part: str) -> range:
    """Return the places of the bytes that fill the last word of a part up."""
    at = place(data, part)
    first = at + WORD + int.from_bytes(data[at : at + WORD])
    return range(first, first + (at - first) % WORD)
