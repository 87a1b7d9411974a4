"""The journal's answers: observations, the daemon that writes, and what was checked or dropped."""

from __future__ import annotations

from dataclasses import dataclass

from oracle.core.types import Outcome
from oracle.feeds.journal.rows import StageName

__all__ = ["Compaction", "Entry", "Leader", "TrailCheck"]


@dataclass(frozen=True, slots=True)
class Entry:
    """One observation as the journal has it.

    Attributes:
        answer: The answer, in answer units.
        observed_at: The time at which the value was observed, unix seconds.
        stage: The furthest stage of the latest attempt.
        attempts: How often it was signed.
        recorded_at: The time at which it was journalled, unix seconds.
        outcome: How it ended; None while it is open.
        finished_at: The time at which the outcome was journalled, unix seconds.
        round_id: The round that the latest attempt was signed for.
        scores: The scores of the latest attempt.
    """

    key: str
    feed: str
    feed_id: bytes
    answer: int
    observed_at: int
    stage: StageName
    attempts: int
    recorded_at: float
    outcome: Outcome | None
    reason: str
    finished_at: float | None
    round_id: int | None
    scores: tuple[int, ...]
    prove_seconds: float | None
    tx_hash: bytes | None
    block_number: int | None
    gas_used: int | None

    @property
    def latency(self) -> float | None:
        """Seconds from observation to outcome, by this machine's clock; None while it is open."""
        return None if self.finished_at is None else self.finished_at - self.recorded_at


@dataclass(frozen=True, slots=True)
class Leader:
    """The daemon that writes.

    Attributes:
        holder: Its machine and process; empty if no daemon writes, or the last one has ended.
        epoch: A number that is one higher with each leader.
    """

    holder: str
    epoch: int


@dataclass(frozen=True, slots=True)
class TrailCheck:
    """The result of checking the chain of hashes.

    Attributes:
        outcomes: How many outcomes there are.
        compacted: How many of them have lost steps, because these were dropped.
        digest: The last outcome's digest, in hex. Kept elsewhere, it is what a later check can be held against.
        problems: What was altered or is missing; empty if nothing is.
    """

    outcomes: int
    compacted: int
    digest: str
    problems: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Compaction:
    """The amount that a compaction dropped.

    Attributes:
        observations: Ended observations of which steps were dropped; their outcomes and summaries stay.
        rows: The number of those steps.
    """

    observations: int
    rows: int
