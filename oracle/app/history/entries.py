"""The entries of a feed's history: rounds, holds with how they ended, and observations that the chain never took."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import TypeAlias

__all__ = ["EntryKind", "HoldEnd", "Journalled", "PastAttempt", "PastEntry", "PastHold", "PastReport", "PastRound"]


class EntryKind(StrEnum):
    """The kind of an entry.

    Attributes:
        ROUND: A report that became a round.
        HOLD: Reports that were held one after the other, for one reason.
        FAILURE: An observation that ended with an error, or that the journal has on the chain, but the chain has not.
        OTHER: An observation that a newer one overtook, that is kept for whoever brings it, or that is open.
    """

    ROUND = "round"
    HOLD = "hold"
    FAILURE = "failure"
    OTHER = "other"


class HoldEnd(StrEnum):
    """The end of a hold.

    Attributes:
        CONFIRMED: Reports confirmed the held answer, or agreed on none for so long that it ended: it is the new level.
        CLEARED: A report came that the model accepts.
        REPLACED: Another report was held for another reason.
        OPEN: It has not ended.
        UNKNOWN: What came after it can't be read.
    """

    CONFIRMED = "confirmed"
    CLEARED = "cleared"
    REPLACED = "replaced"
    OPEN = "open"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Journalled:
    """The journal's part of a report on the chain.

    Attributes:
        outcome: How the observation ended here; empty: it is open.
        reason: Why, if it ended without this report.
        attempts: How often it was signed.
        prove_seconds: Seconds of its proof; None: it was not proven here.
        seconds: Seconds from observation to outcome; None while it is open.
    """

    outcome: str
    reason: str
    attempts: int
    prove_seconds: float | None
    seconds: float | None


@dataclass(frozen=True, slots=True)
class PastReport:
    """A report of the feed that the hub took.

    Attributes:
        answer: In the feed's own units.
        raw: In answer units.
        observed_at: Unix seconds.
        published_at: The time of its block, unix seconds; None: it was not asked for, or can't be read.
        transmitter: The account that called the hub; empty if only the journal tells of it.
        member: The member of the network that brings its reports with that account; empty if that is not known.
        own: True if this node's payer is that account.
        model: Number of the model that judged it; None if only the journal tells of it.
        confirmations: How many reports had confirmed the held answer, with this one.
        gas: The report's share of its transaction's gas; None: it was not asked for, or can't be read.
        shared_by: How many reports of feeds share the transaction.
        journal: What the journal adds; None: it has nothing of it.
    """

    answer: str
    raw: int
    observed_at: int
    published_at: int | None
    block: int | None
    tx_hash: str
    transmitter: str
    member: str
    own: bool
    model: int | None
    confirmations: int
    gas: int | None
    shared_by: int
    journal: Journalled | None


@dataclass(frozen=True, slots=True)
class PastRound:
    """A report that became a round. `confirmed`: the model calls it anomalous, and reports confirmed it."""

    round_id: int
    confirmed: bool
    report: PastReport

    @property
    def kind(self) -> EntryKind:
        """The kind of entry that it is."""
        return EntryKind.ROUND


@dataclass(frozen=True, slots=True)
class PastHold:
    """Reports that were held one after the other, for one reason.

    Attributes:
        round_id: The round that each of them was meant to be.
        reason: "anomalous", "not_positive" or "repeated".
        ended_at: When the report that ended it was observed, unix seconds; None if it has not ended, or is not known.
        reports: The reports, newest first.
    """

    round_id: int
    reason: str
    ended: HoldEnd
    ended_at: int | None
    reports: Sequence[PastReport]

    @property
    def kind(self) -> EntryKind:
        """The kind of entry that it is."""
        return EntryKind.HOLD


@dataclass(frozen=True, slots=True)
class PastAttempt:
    """An observation that only the journal has.

    Attributes:
        outcome: "failed", "superseded", "offered", "open"; "lost": the journal has it on the chain, the chain does not.
        reason: Why it ended so.
        answer: In the feed's own units.
        raw: In answer units.
        observed_at: Unix seconds.
        finished_at: When it ended, unix seconds; None while it is open.
        round_id: The round that it was last signed for; None: it was not signed.
        stage: How far it came.
        attempts: How often it was signed.
        tx_hash: Its last transaction; empty if none was signed.
    """

    outcome: str
    reason: str
    answer: str
    raw: int
    observed_at: int
    finished_at: int | None
    round_id: int | None
    stage: str
    attempts: int
    tx_hash: str

    @property
    def kind(self) -> EntryKind:
        """The kind of entry that it is."""
        return EntryKind.FAILURE if self.outcome in ("failed", "lost") else EntryKind.OTHER


PastEntry: TypeAlias = PastRound | PastHold | PastAttempt
