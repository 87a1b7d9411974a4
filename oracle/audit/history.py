"""The types of a hub's history: feeds and models as they were added, and the submissions in their order."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from oracle.chain.hub import RoundAccepted, RoundEvent, Submission
from oracle.core.encoding import Feature
from oracle.core.gate import HoldPolicy
from oracle.core.report import SignedReport
from oracle.core.types import HoldReason, Kind, Outcome


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

    def in_words(self) -> str:
        """Return the outcome as part of a sentence."""
        how = " by confirmation" if self.confirmed else ""
        if self.outcome is Outcome.HELD:
            how = f" as {self.reason.name.lower()} (confirmations: {self.confirmations})"
        return f"{self.outcome.value}{how} {self.answer} of {self.observed_at}"


@dataclass(frozen=True)
class AuditedSubmission:
    """One successful call of `submit`, with what the hub's events say of it. `block_time` is in unix seconds."""

    tx_hash: str
    block_number: int
    block_time: int
    submission: Submission
    outcomes: tuple[ReportOutcome, ...]


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
    """An event that changes feeds or models, with its arguments by name."""

    name: str
    values: Mapping[str, Any]


@dataclass(frozen=True)
class RoundTransaction:
    """A transaction that brought reports to the hub.

    Attributes:
        block_time: Unix seconds.
        events: The hub's events on reports, in their order.
        calls: Calldata of each successful call of `submit` or `submitIfNewer`, in their order.
    """

    tx_hash: str
    block_number: int
    block_time: int
    events: tuple[RoundEvent, ...]
    calls: tuple[bytes, ...]
