"""The result of an audit: one finding for each feed that a report judged, and what is wrong beyond single rounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

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


class ReadingsFault(StrEnum):
    """The way in which a reporter's readings do not stand behind its signature.

    Attributes:
        UNKNOWN: It is not known where the reporter serves them.
        UNREACHABLE: Its server gives no useful answer: none, one too slow or too large, or no readings at all.
        MISSING: Its server does not have them, or it signed without any.
        DIFFERENT: What is served is not what was signed, or is of another reporter, feed, time or answer.
        NOT_DERIVABLE: It signed something of which the answer does not follow.
    """

    UNKNOWN = "unknown"
    UNREACHABLE = "unreachable"
    MISSING = "missing"
    DIFFERENT = "different"
    NOT_DERIVABLE = "not derivable"


@dataclass(frozen=True)
class ReadingsFinding:
    """Readings that do not stand behind a signature.

    Attributes:
        reporter: The reporter's address.
        name: Its name, if it is known.
        tx_hash: The transaction that brought the signature.
        observed_at: The report's time, unix seconds.
        feed: The feed's description; empty if all feeds of the report are concerned.
        fault: The way in which it is wrong.
        problem: The same in words.
    """

    reporter: str
    name: str
    tx_hash: str
    observed_at: int
    feed: str
    fault: ReadingsFault
    problem: str


@dataclass(frozen=True)
class ReporterReadings:
    """The figures of one reporter, from its readings.

    Attributes:
        reporter: The reporter's address.
        name: Its name, if it is known.
        signatures: How many of its signatures were looked at.
        verified: How many have readings of which every answer follows.
        answers: How many answers were derived again.
        sources_least: The fewest sources that agreed on one of them.
        sources_mean: How many sources agreed on an answer, on average.
        oldest_s: How many seconds a reading of them was old at the report's time, at most.
    """

    reporter: str
    name: str
    signatures: int
    verified: int
    answers: int
    sources_least: int
    sources_mean: float
    oldest_s: int


@dataclass(frozen=True)
class ReadingsReport:
    """The readings behind all signatures that were looked at.

    Attributes:
        reporters: Each reporter that signed, by its address.
        findings: What is wrong, in the order of the reports.
    """

    reporters: tuple[ReporterReadings, ...]
    findings: tuple[ReadingsFinding, ...]

    @property
    def ok(self) -> bool:
        """True if every answer follows from readings that were signed."""
        return not self.findings


@dataclass(frozen=True)
class AuditReport:
    """All findings of an audit.

    Attributes:
        problems: What is wrong beyond single rounds: code, state, artifacts that are missing.
        notes: What the reader should know, although nothing is wrong.
        readings: The readings behind the signatures; None if they were not asked for.
    """

    hub: str
    chain_id: int
    findings: tuple[Finding, ...]
    problems: tuple[str, ...]
    notes: tuple[str, ...] = ()
    readings: ReadingsReport | None = None

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
        return not self.problems and self.failed == 0 and (self.readings is None or self.readings.ok)


@dataclass
class ReportDraft:
    """A report while the audit runs: problems and notes in the order in which they are found."""

    problems: list[str] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    readings: ReadingsReport | None = None

    def finish(self, hub: str, chain_id: int, findings: Sequence[Finding]) -> AuditReport:
        """Return the finished report."""
        return AuditReport(
            hub=hub,
            chain_id=chain_id,
            findings=tuple(findings),
            problems=tuple(self.problems),
            notes=tuple(self.notes),
            readings=self.readings,
        )
