"""The result of an audit: one finding for each feed that a report judged, and what is wrong beyond single rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from oracle.core.types import Outcome


@dataclass(frozen=True)
class Finding:
    """The audit of a report, for one feed.

    Attributes:
        feed: The feed's description, or its id if it was never added.
        outcome: What the hub says that it did; FAILED if it emitted nothing.
        problem: The first thing that does not hold; empty if everything does.
    """

    feed: str
    round_id: int
    outcome: Outcome
    answer: int
    observed_at: int
    tx_hash: str
    problem: str

    @property
    def verified(self) -> bool:
        """True if everything about it holds."""
        return not self.problem


@dataclass(frozen=True)
class AuditReport:
    """All findings of an audit.

    Attributes:
        problems: What is wrong beyond single rounds: code, state, artifacts that are missing.
        notes: What the reader should know, although nothing is wrong.
    """

    hub: str
    chain_id: int
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()

    @property
    def verified(self) -> int:
        """The number of findings that hold."""
        return sum(finding.verified for finding in self.findings)

    @property
    def failed(self) -> int:
        """The number of findings that do not hold."""
        return len(self.findings) - self.verified

    @property
    def ok(self) -> bool:
        """True if every finding holds and nothing else is wrong."""
        return not self.problems and self.failed == 0


@dataclass
class ReportDraft:
    """A report while the audit runs: problems and notes in the order in which they are found."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)

    def finish(self, hub: str, chain_id: int, findings: Sequence[Finding]) -> AuditReport:
        """Return the finished report."""
        return AuditReport(
            hub=hub,
            chain_id=chain_id,
            findings=tuple(findings),
            problems=tuple(self.problems),
            notes=tuple(self.notes),
        )
