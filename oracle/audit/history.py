"""The types of a hub's history: feeds and models as they were added, and the submissions in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, TypeAlias

from oracle.audit.calls import JudgedEvent, TransactionCalls
from oracle.audit.report import FindingKind
from oracle.chain.hub import RoundAccepted, RoundEvent, ShadowScored, Submission
from oracle.core.encoding import Feature, answer_text
from oracle.core.formats import to_hex
from oracle.core.gate import HoldPolicy
from oracle.core.report import SignedReport
from oracle.core.times import utc
from oracle.core.types import HoldReason, Kind, Outcome, Round


@dataclass(frozen=True)
class AuditedCommittee:
    """The reporters of feeds at this point of the history."""

    reporters: frozenset[str]
    quorum: int
    epoch: int


@dataclass(frozen=True)
class AuditedFeed:
    """The terms that a feed was added with."""

    feed_id: bytes
    description: str
    kind: Kind
    decimals: int
    sigma: int
    heartbeat: int
    max_age: int
    max_skew: int
    max_spread: int
    policy: HoldPolicy
    committee: int
    peers: tuple[bytes, ...]
    model_number: int

    @classmethod
    def from_event(cls, values: Mapping[str, Any]) -> AuditedFeed:
        """Return the feed that an event `FeedAdded` describes."""
        config = values["config"]
        return cls(
            feed_id=values["feedId"],
            description=config["description"],
            kind=Kind(config["kind"]),
            decimals=config["decimals"],
            sigma=config["sigma"],
            heartbeat=config["heartbeat"],
            max_age=config["maxAge"],
            max_skew=config["maxSkew"],
            max_spread=config["maxSpread"],
            policy=HoldPolicy(
                confirmations=config["confirmations"],
                confirm_delay=config["confirmDelay"],
                tolerance=config["tolerance"],
                max_repeats=config["maxRepeats"],
            ),
            committee=config["committee"],
            peers=tuple(config["peers"]),
            model_number=values["modelNumber"],
        )


@dataclass(frozen=True)
class AuditedModel:
    """A model as the hub has it, and the circuits for which the auditor has an artifact.

    Attributes:
        model_hash: None if the architecture binds no model.
        batches: Batch sizes for which the architecture has verifiers, ascending.
        problem: Why its proofs can't be verified; empty if they can.
    """

    number: int
    features: tuple[Feature, ...]
    outputs: int
    model_hash: int | None
    score_unit: int
    batches: tuple[int, ...]
    problem: str = ""


@dataclass(frozen=True)
class ReportOutcome:
    """The outcome of a report for one feed, as the hub's event states it or as it must have been.

    Attributes:
        reason: Why the answer was held; NONE if it was accepted.
        confirmations: Confirmations of the hold that the report started or continued; 0 if it was accepted.
    """

    feed_id: bytes
    round_id: int
    outcome: Outcome
    answer: int
    observed_at: int
    confirmed: bool
    reason: HoldReason
    confirmations: int

    @classmethod
    def from_event(cls, event: RoundEvent) -> ReportOutcome:
        """Return the outcome that the hub's event states."""
        if isinstance(event, RoundAccepted):
            outcome, confirmed, reason, confirmations = Outcome.ACCEPTED, event.confirmed, HoldReason.NONE, 0
        else:
            outcome, confirmed, reason, confirmations = Outcome.HELD, False, event.reason, event.confirmations
        return cls(
            feed_id=event.feed_id,
            round_id=event.round_id,
            outcome=outcome,
            answer=event.answer,
            observed_at=event.observed_at,
            confirmed=confirmed,
            reason=reason,
            confirmations=confirmations,
        )

    def in_words(self, decimals: int) -> str:
        """Return the outcome as part of a sentence, with the answer in the feed's own units."""
        how = " by confirmation" if self.confirmed else ""
        if self.outcome is Outcome.HELD:
            how = f" as {self.reason.name.lower()} (confirmations: {self.confirmations})"
        return f"{self.outcome.value}{how} {answer_text(self.answer, decimals)} of {utc(self.observed_at)}"


@dataclass(frozen=True)
class AuditedSubmission:
    """A submission that the hub took, or may have taken.

    Attributes:
        block_time: Unix seconds.
        judged: The positions in the report of the feeds that were judged.
        kind: The kind of report that it is.
    """

    tx_hash: str
    block_number: int
    block_time: int
    submission: Submission
    judged: tuple[int, ...]
    kind: FindingKind = FindingKind.ROUND


@dataclass(frozen=True)
class AuditedReport:
    """A report whose signatures hold, with the transaction that brought it.

    Attributes:
        block_time: Unix seconds.
        reporters: Who signed, checksummed, in the order of the signatures.
    """

    tx_hash: str
    block_time: int
    signed: SignedReport
    reporters: tuple[str, ...]


@dataclass(frozen=True)
class AdminEvent:
    """An event that is not about a report, with its arguments by name.

    Attributes:
        block_time: Unix seconds; 0: it is not known.
        tx_hash: Empty if the event is not among the logs, but follows from the hub's storage.
    """

    name: str
    values: Mapping[str, Any]
    block_number: int = 0
    block_time: int = 0
    tx_hash: str = ""
    log_index: int = 0


@dataclass(frozen=True)
class ReportEvents:
    """Events on reports of one kind that follow each other in one transaction, without any other event between them.

    Attributes:
        block_time: Unix seconds.
        calls: The bytes in which the transaction's submissions are.
        rounds: The stored rounds of these events, where more than one submission may fit them.
    """

    tx_hash: str
    block_number: int
    block_time: int
    events: tuple[JudgedEvent, ...]
    calls: TransactionCalls
    rounds: Mapping[tuple[bytes, int], Round] = field(default_factory=dict)


HistoryEntry: TypeAlias = AdminEvent | ReportEvents


def shadow_scored(event: ShadowScored) -> AdminEvent:
    """Return a proposed model's judgement with the arguments of its event by name, for who only follows storage."""
    values = {
        "feedId": event.feed_id,
        "roundId": event.round_id,
        "answer": event.answer,
        "observedAt": event.observed_at,
        "modelNumber": event.model_number,
        "scores": event.scores,
    }
    return AdminEvent("ShadowScored", values, event.block_number, 0, to_hex(event.tx_hash), event.log_index)
