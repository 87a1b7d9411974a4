"""Reporters whose keys this process can use: they sign at once, and all give this daemon's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from oracle.core.concurrency import together
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import SignerUnavailable
from oracle.core.report import Report, ReporterSignature, SignedReport
from oracle.feeds.interface import SigningCommittee

__all__ = ["LocalSigners", "ReportKey", "SignedReadings"]


class ReportKey(Protocol):
    """A reporter's key for one hub."""

    @property
    def address(self) -> str:
        """Checksummed."""

    async def sign_report(
        self, report: Report, answers: Sequence[int], readings: Sequence[bytes] = ()
    ) -> ReporterSignature:
        """Sign that these are the reporter's answers to a report."""
        ...


class SignedReadings(Protocol):
    """The readings documents behind a reporter's answers."""

    def hashes(self, reporter: str, observed_at: int, answers: Sequence[tuple[bytes, int]]) -> Sequence[bytes]:
        """Return the hash of the document behind each answer, by the feeds' ids; `NO_READINGS` where there is none."""
        ...

    def sign(self, signed: bytes, hashes: Sequence[bytes]) -> None:
        """Write down which documents the readings hash of a signature stands for."""


class LocalSigners:
    """Signs with the keys that this daemon has. See `oracle.feeds.interface.Signers`."""

    def __init__(self, keys: Sequence[ReportKey], readings: SignedReadings | None = None) -> None:
        """Sign with these keys.

        Args:
            keys: Keys of reporters, here or with a signing service; at least one.
            readings: The documents behind the answers; None: there are none.
        """
        self._keys = keys
        self._readings = readings

    def problem(self, committee: SigningCommittee) -> str | None:
        """Return why these keys can't sign for a committee; None if they can."""
        mine = self._of(committee)
        if len(mine) >= committee.quorum:
            return None
        have = ", ".join(key.address for key in self._keys)
        if not mine:
            return f"none of its reporters is {have}: no report would be taken"
        return (
            f"its quorum is {committee.quorum}, and this process has the keys of {len(mine)} of its reporters "
            f"({have}): no report would ever reach it"
        )

    async def collect(self, report: Report, answers: Mapping[bytes, int], committee: SigningCommittee) -> SignedReport:
        """Sign with as many keys as the quorum asks for.

        Raises:
            SignerUnavailable: There are not so many, because the committee has changed; or a service does not answer.
            SignerRefused: A service refuses.
        """
        problem = self.problem(committee)
        if problem is not None:
            raise SignerUnavailable(f"committee {report.committee}: {problem}")
        values = [answers.get(feed_id, NO_ANSWER) for feed_id in report.feed_ids]
        keys = self._of(committee)[: committee.quorum]
        return SignedReport(report, await together(*(self._sign(key, report, values) for key in keys)))

    async def _sign(self, key: ReportKey, report: Report, answers: Sequence[int]) -> ReporterSignature:
        """Sign with one key, with the hash of its readings, which is written down before the signature leaves."""
        if self._readings is None:
            return await key.sign_report(report, answers)
        told = list(zip(report.feed_ids, answers, strict=True))
        hashes = self._readings.hashes(key.address, report.observed_at, told)
        signature = await key.sign_report(report, answers, hashes)
        self._readings.sign(signature.readings, hashes)
        return signature

    def _of(self, committee: SigningCommittee) -> list[ReportKey]:
        reporters = {address.lower() for address in committee.reporters}
        return [key for key in self._keys if key.address.lower() in reporters]
