"""Reporters whose keys this process can use: they sign at once, and all give this daemon's answers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from oracle.core.concurrency import together
from oracle.core.encoding import NO_ANSWER
from oracle.core.errors import SignerUnavailable
from oracle.core.report import Report, ReporterSignature, SignedReport
from oracle.feeds.interface import SigningCommittee

__all__ = ["LocalSigners", "ReportKey"]


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


class LocalSigners:
    """Signs with the keys that this daemon has. See `oracle.feeds.interface.Signers`."""

    def __init__(self, keys: Sequence[ReportKey]) -> None:
        """Sign with these keys.

        Args:
            keys: Keys of reporters, here or with a signing service; at least one.
        """
        self._keys = keys

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
        return SignedReport(report, await together(*(key.sign_report(report, values) for key in keys)))

    def _of(self, committee: SigningCommittee) -> list[ReportKey]:
        reporters = {address.lower() for address in committee.reporters}
        return [key for key in self._keys if key.address.lower() in reporters]
