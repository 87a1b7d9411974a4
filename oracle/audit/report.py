"""The result of an audit: one finding for each feed that a report judged, and what is wrong beyond single reports."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum

from oracle.chain.transport.answers import Block
from oracle.core.formats import to_hex
from oracle.core.types import Outcome


class Checked(StrEnum):
    """The result of checking a report.

    Attributes:
        VERIFIED: Everything about it holds.
        FAILED: Something about it does not hold.
        UNCHECKED: It can be neither verified nor refuted, because something is missing that the check needs.
    """

    VERIFIED = "verified"
    FAILED = "failed"
    UNCHECKED = "unchecked"


class FindingKind(StrEnum):
    """The kind of report that a finding is about.

    Attributes:
        ROUND: A report that the feed's active model judged: it became a round, or is held.
        SHADOW: A report that a proposed model judged: it only counts for the model's activation.
    """

    ROUND = "round"
    SHADOW = "shadow"


class ProblemKind(StrEnum):
    """The part of a hub, or of what the auditor has, that a problem is about.

    Attributes:
        CODE: Code on the chain is not the code that belongs there.
        STORAGE: The hub's storage is not what its history leads to.
        HISTORY: The history is not whole, or contradicts itself.
        CHAIN: The chain was reorganised during the audit, or endpoints contradict each other.
        ARTIFACT: An artifact is missing, damaged, or not the one that is deployed.
        SRS: A verifier is keyed with an SRS that is not the public ceremony's.
        NODE: The node can't give what the audit needs.
    """

    CODE = "code"
    STORAGE = "storage"
    HISTORY = "history"
    CHAIN = "chain"
    ARTIFACT = "artifact"
    SRS = "srs"
    NODE = "node"


@dataclass(frozen=True)
class AuditProblem:
    """Something that is wrong beyond single reports."""

    kind: ProblemKind
    text: str

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True)
class Finding:
    """The audit of a report, for one feed.

    Attributes:
        feed: The feed's description, or its id if it was never added.
        feed_id: Its id, as hex.
        decimals: Decimal places of its answers.
        kind: The kind of report.
        outcome: What the hub says that it did; FAILED if it emitted nothing. Of a shadow's report: what the proposed
            model's scores lead to.
        confirmed: True if the hub says that reports confirmed an answer which the model calls anomalous.
        reason: Why it is held, in words; empty if it is not.
        confirmations: How many reports have confirmed the held answer so far.
        observed_at: The report's time, unix seconds.
        block_time: Unix seconds.
        check: The result of the check.
        problem: The first thing that does not hold, or that is missing; empty if everything holds.
    """

    feed: str
    feed_id: str
    decimals: int
    kind: FindingKind
    round_id: int
    outcome: Outcome
    confirmed: bool
    reason: str
    confirmations: int
    answer: int
    observed_at: int
    block_number: int
    block_time: int
    tx_hash: str
    check: Checked
    problem: str

    @property
    def verified(self) -> bool:
        """True if everything about it holds."""
        return self.check is Checked.VERIFIED


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
class AuditedCircuit:
    """A circuit of one of the hub's models.

    Attributes:
        batch: The number of its windows.
        verifier: The address of its verifier.
        artifact_hash: The artifact that the auditor has of it; empty if there is none.
        key_from: "model" or "architecture": the verifying key was made again from it. Empty: it was not.
        srs: The origin of the SRS, as `SrsOrigin` names it; empty if it is not known.
        is_tied: True if the code at the verifier's address follows from this key, these settings and this SRS.
    """

    model_number: int
    batch: int
    verifier: str
    artifact_hash: str
    key_from: str
    srs: str
    is_tied: bool


@dataclass(frozen=True)
class ComparedStorage:
    """The comparison of the hub's storage with its history.

    Attributes:
        words: How many words were compared.
        differing: How many of them are not what the history leads to.
        root: "whole": the hub's storage root follows from these words, so that there are no others. "differs": it does
            not. "not compared": the node does not give it, or it was not asked for.
        is_bound: True if root and code were shown to follow from the block's hash. Who knows the hash from elsewhere
            need then not believe the node for any word.
    """

    words: int
    differing: int
    root: str
    is_bound: bool = False


@dataclass(frozen=True)
class AuditReport:
    """All findings of an audit, which is about the hub as it was at one block: the pinned block.

    Attributes:
        block_number: The pinned block.
        block_hash: Its hash, as hex.
        block_time: Its time, unix seconds.
        problems: What is wrong beyond single reports: code, storage, history, artifacts that are missing.
        notes: What the reader should know, although nothing is wrong.
        readings: The readings behind the signatures; None if they were not asked for.
        circuits: The circuits of the hub's models.
        storage: The comparison of the hub's storage; None if there was none.
        choice: The restriction to some reports, in words; empty: all were proven.
        not_proven: How many reports were replayed, but neither proven nor listed, because they were not chosen.
        proofs: How many proofs were verified, earlier ones of a record included.
        seconds: How long the audit took.
        endpoints: The names of the RPC endpoints that were read; those that were left out are not among them.
    """

    hub: str
    chain_id: int
    block_number: int
    block_hash: str
    block_time: int
    findings: tuple[Finding, ...]
    problems: tuple[AuditProblem, ...]
    notes: tuple[str, ...] = ()
    readings: ReadingsReport | None = None
    circuits: tuple[AuditedCircuit, ...] = ()
    storage: ComparedStorage | None = None
    choice: str = ""
    not_proven: int = 0
    proofs: int = 0
    seconds: float = 0.0
    endpoints: tuple[str, ...] = ()

    @property
    def verified(self) -> int:
        """The number of findings that hold."""
        return self._count(Checked.VERIFIED)

    @property
    def failed(self) -> int:
        """The number of findings that do not hold."""
        return self._count(Checked.FAILED)

    @property
    def unchecked(self) -> int:
        """The number of findings that could be neither verified nor refuted."""
        return self._count(Checked.UNCHECKED)

    @property
    def ok(self) -> bool:
        """True if every finding holds, nothing else is wrong, and nothing was left unchecked."""
        whole = self.verified == len(self.findings)
        return whole and not self.problems and (self.readings is None or self.readings.ok)

    def _count(self, check: Checked) -> int:
        return sum(finding.check is check for finding in self.findings)


@dataclass
class ReportDraft:
    """A report while the audit runs: problems and notes in the order in which they are found."""

    problems: list[AuditProblem] = field(default_factory=list)
    notes: list[str] = field(default_factory=list)
    readings: ReadingsReport | None = None
    circuits: list[AuditedCircuit] = field(default_factory=list)
    storage: ComparedStorage | None = None

    def problem(self, kind: ProblemKind, text: str) -> None:
        """Take over something that is wrong, once."""
        found = AuditProblem(kind, text)
        if found not in self.problems:
            self.problems.append(found)

    def finish(
        self,
        hub: str,
        chain_id: int,
        block: Block,
        findings: Sequence[Finding],
        *,
        choice: str = "",
        not_proven: int = 0,
        proofs: int = 0,
    ) -> AuditReport:
        """Return the finished report.

        Args:
            hub: The hub's address.
            chain_id: Its chain.
            block: The pinned block.
            findings: The findings to list.
            choice: See `AuditReport`.
            not_proven: Likewise.
            proofs: Likewise.
        """
        return AuditReport(
            hub=hub,
            chain_id=chain_id,
            block_number=block.number,
            block_hash=to_hex(block.hash),
            block_time=block.timestamp,
            findings=tuple(findings),
            problems=tuple(self.problems),
            notes=tuple(self.notes),
            readings=self.readings,
            circuits=tuple(self.circuits),
            storage=self.storage,
            choice=choice,
            not_proven=not_proven,
            proofs=proofs,
        )
