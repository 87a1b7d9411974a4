"""A report, as the reporters of a committee sign it together: pure data, and the order of its answers.

Everything here comes from other reporters or from calldata too, so the bounds are checked when an object is made. Who
signed is not known here: `oracle.chain.keys.signer` has the digest and recovers the signers.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from oracle.core import encoding
from oracle.core.encoding import INT128_MAX, NO_ANSWER
from oracle.core.errors import DataError
from oracle.core.types import Kind

__all__ = ["MAX_FEEDS", "MAX_REPORTERS", "NO_READINGS", "Report", "ReporterSignature", "SignedReport"]

MAX_FEEDS = 96
"""The hub reads at most so many feeds of one report, references included."""

MAX_REPORTERS = 31
"""A committee has at most so many reporters."""

NO_READINGS = bytes(32)
"""Stands for the hash of a feed's readings where there are none."""

_UINT32_MAX = 2**32 - 1


@dataclass(frozen=True, slots=True)
class Report:
    """One time, some feeds of one committee, and the round that each of them has next.

    The answers are not part of it: each reporter signs the same report with answers of its own.

    Attributes:
        committee: The committee's id on the hub, from 1.
        epoch: The committee's epoch: a signature is valid in this one only.
        observed_at: When all the answers were observed, unix seconds.
        feed_ids: The feeds' ids, 32 bytes each, ascending.
        round_ids: The next round of each feed; 0 for a *reference*, a feed that is listed only as a peer.

    Raises:
        DataError: A value is out of the contract's bounds, the feeds do not ascend, or none of them is due.
    """

    committee: int
    epoch: int
    observed_at: int
    feed_ids: tuple[bytes, ...]
    round_ids: tuple[int, ...]

    def __post_init__(self) -> None:
        for name, least in (("committee", 1), ("epoch", 1), ("observed_at", 0)):
            _bounded(f"the report's {name}", getattr(self, name), least, _UINT32_MAX)
        if not 1 <= len(self.feed_ids) <= MAX_FEEDS:
            raise DataError(f"a report has 1 to {MAX_FEEDS} feeds, not {len(self.feed_ids)}")
        if len(self.round_ids) != len(self.feed_ids):
            raise DataError(f"the report has {len(self.feed_ids)} feeds, but {len(self.round_ids)} rounds")
        _words("a feed's id", self.feed_ids)
        if any(first >= second for first, second in zip(self.feed_ids, self.feed_ids[1:], strict=False)):
            raise DataError("the report's feeds do not ascend by their ids, or one is there twice")
        for round_id in self.round_ids:
            _bounded("a round of the report", round_id, 0, _UINT32_MAX)
        if not any(self.round_ids):
            raise DataError("no feed of the report is due: all are references")

    @property
    def due(self) -> tuple[int, ...]:
        """The positions of the feeds that are due, ascending: the hub judges these."""
        return tuple(position for position, round_id in enumerate(self.round_ids) if round_id)

    @property
    def references(self) -> tuple[int, ...]:
        """The positions of the feeds that are listed as peers only, ascending."""
        return tuple(position for position, round_id in enumerate(self.round_ids) if not round_id)

    def position(self, feed_id: bytes) -> int | None:
        """Return the position of a feed in the report; None if it is not listed."""
        return self.feed_ids.index(feed_id) if feed_id in self.feed_ids else None


@dataclass(frozen=True, slots=True)
class ReporterSignature:
    """One reporter's answers to a report, with its signature over both.

    Attributes:
        answers: An answer for each feed of the report, in answer units; `NO_ANSWER` where the reporter has none.
        readings: The Keccak-256 hash of the reporter's readings, one hash for each feed, concatenated; 32 bytes.
        r: The signature's r, 32 bytes.
        vs: Its s, with the parity in the highest bit (EIP-2098), 32 bytes.

    Raises:
        DataError: A value has another size than the contract's.
    """

    answers: tuple[int, ...]
    readings: bytes
    r: bytes
    vs: bytes

    def __post_init__(self) -> None:
        for answer in self.answers:
            _bounded("an answer", answer, NO_ANSWER, INT128_MAX)
        _words("the hash of the readings", (self.readings,))
        _words("a part of a signature", (self.r, self.vs))


@dataclass(frozen=True, slots=True)
class SignedReport:
    """A report with the signatures of some of its committee's reporters. Positions are those of the report's feeds.

    Attributes:
        report: What was signed.
        signatures: One for each reporter, in any order; their positions are the *rows*.

    Raises:
        DataError: There are no signatures or too many, or one has another number of answers than the report has feeds.
    """

    report: Report
    signatures: tuple[ReporterSignature, ...]

    def __post_init__(self) -> None:
        if not 1 <= len(self.signatures) <= MAX_REPORTERS:
            raise DataError(f"a signed report has 1 to {MAX_REPORTERS} signatures, not {len(self.signatures)}")
        feeds = len(self.report.feed_ids)
        for signature in self.signatures:
            if len(signature.answers) != feeds:
                raise DataError(f"the report has {feeds} feeds, but a reporter signed {len(signature.answers)} answers")

    def answers(self, position: int) -> tuple[int, ...]:
        """Return the answers to one feed that are there, ascending."""
        return tuple(answer for answer, _ in self._ranked(position))

    def count(self, position: int) -> int:
        """Return how many reporters have an answer for one feed: the number that the quorum is compared with."""
        return len(self._ranked(position))

    def median_row(self, position: int) -> int:
        """Return the row whose answer is one feed's median: of an even number of answers, the upper of the middle two.

        Raises:
            DataError: No reporter has an answer for the feed.
        """
        return self._median(position)[1]

    def median(self, position: int) -> int:
        """Return one feed's median answer, which the hub judges. Raises as `median_row`."""
        return self._median(position)[0]

    def spread(self, position: int, kind: Kind, sigma: int) -> int:
        """Return how far apart the answers to one feed are, in thousandths of its sigma. Raises as `median_row`."""
        ranked = self._ranked(position)
        if not ranked:
            raise DataError(f"no reporter has an answer for feed 0x{self.report.feed_ids[position].hex()}")
        return encoding.spread(kind, sigma, ranked[0][0], ranked[-1][0])

    def short_of(self, quorum: int) -> tuple[int, ...]:
        """Return the positions of the feeds that fewer than `quorum` reporters have an answer for, ascending."""
        return tuple(position for position in range(len(self.report.feed_ids)) if self.count(position) < quorum)

    def _median(self, position: int) -> tuple[int, int]:
        ranked = self._ranked(position)
        if not ranked:
            raise DataError(f"no reporter has an answer for feed 0x{self.report.feed_ids[position].hex()}")
        return ranked[len(ranked) // 2]

    def _ranked(self, position: int) -> list[tuple[int, int]]:
        """Return answer and row of each reporter that has an answer for a feed, ascending by answer."""
        rows = ((signature.answers[position], row) for row, signature in enumerate(self.signatures))
        return sorted(each for each in rows if each[0] != NO_ANSWER)


# --- details -------------------------------------------------------------------------------------------------------


def _bounded(what: str, value: int, least: int, most: int) -> None:
    if not least <= value <= most:
        raise DataError(f"{what} is {value}, but the contract takes {least} to {most}")


def _words(what: str, values: Iterable[bytes]) -> None:
    for value in values:
        if len(value) != 32:
            raise DataError(f"{what} has {len(value)} bytes, not 32")
