"""The state of a feed as the hub keeps it, and what a report can become. All frozen."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum, StrEnum

SECONDS_A_DAY = 86_400

HELD_REPORTS = 256
"""The hub counts a feed's held reports modulo this number."""


class Kind(IntEnum):
    """The measure of a move. The values are the contract's."""

    RELATIVE = 0
    ABSOLUTE = 1


class Status(IntEnum):
    """A feed's stored status. The values are the contract's."""

    EMPTY = 0
    OK = 1
    HELD = 2


class HoldReason(IntEnum):
    """The reason for which an answer is held. The values are the contract's.

    Attributes:
        ANOMALOUS: A score is above zero. Only such an answer can be confirmed as a new level.
        NOT_POSITIVE: The answer is not above zero, and a relative feed can't measure moves against it.
        REPEATED: The answer is the last one again, more often than the feed allows.
    """

    NONE = 0
    ANOMALOUS = 1
    NOT_POSITIVE = 2
    REPEATED = 3


class Outcome(StrEnum):
    """The end of an observation.

    Attributes:
        OFFERED: It is proven, and kept for whoever brings it to the chain. Nobody may.
    """

    ACCEPTED = "accepted"
    HELD = "held"
    OFFERED = "offered"
    SUPERSEDED = "superseded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class HeldAnswer:
    """The answer that a feed holds back.

    A hold has two clocks: the times that reporters sign, and the times of the blocks that have their reports.

    Attributes:
        reason: Why it is held. Only reports that are held for the same reason continue a hold.
        answer: The latest held answer, in answer units.
        first_answer: The answer that started the hold. Later answers near it confirm it.
        first_observed_at: The time at which that answer was observed, unix seconds.
        first_seen_at: The time of the block that has that answer, unix seconds.
        observed_at: The time at which the latest held answer was observed, unix seconds.
        confirmations: How many reports have confirmed it so far.
        model_number: The model that judged the latest held answer.
        score_ratio: Its largest score, in thousandths of the model's score unit, saturated to 24 bits.
        anomalies: Anomalous reports near any answer since the last accepted one.
        anomalous_since: The time at which the first of these was observed, unix seconds.
        anomalous_seen_at: The time of the block that has the first of these, unix seconds.
        first_gap: The gap with which the first answer was judged. Later answers near it are judged with the same one.
    """

    reason: HoldReason
    answer: int
    first_answer: int
    first_observed_at: int
    first_seen_at: int
    observed_at: int
    confirmations: int
    model_number: int
    score_ratio: int
    anomalies: int
    anomalous_since: int
    anomalous_seen_at: int
    first_gap: int


@dataclass(frozen=True, slots=True)
class FeedState:
    """A feed's state on the hub, with the constants that features need.

    Attributes:
        feed_id: The Keccak-256 hash of the description, 32 bytes.
        round_id: The latest accepted round; 0 if there is none.
        answer: The latest accepted answer, in answer units.
        observed_at: The time at which that answer was observed, unix seconds.
        published_at: The time of the block that accepted it, unix seconds.
        last_report_at: The time of the latest report, accepted or held, unix seconds.
        repeats: How many reports in a row have repeated the latest answer exactly; at most 255.
        variance: The running variance as the hub stores it; see `encoding.variance`.
        returns: The last 12 accepted moves, newest first, in thousandths of sigma.
        peers: The ids of the feeds that every report of this one has to list.
        peer_answers: The answers of these feeds in the report of the latest accepted round; empty before the first.
        committee: The number of the feed's committee.
        held_reports: How many reports of the feed were held so far, modulo `HELD_REPORTS`.
    """

    feed_id: bytes
    status: Status
    paused: bool
    round_id: int
    answer: int
    observed_at: int
    published_at: int
    last_report_at: int
    model_number: int
    repeats: int
    variance: int
    returns: tuple[int, ...]
    peers: tuple[bytes, ...]
    peer_answers: tuple[int, ...]
    committee: int
    held_reports: int
    held: HeldAnswer | None
    kind: Kind
    sigma: int
    heartbeat: int


@dataclass(frozen=True, slots=True)
class Round:
    """An accepted round, as the hub stores it. Times in unix seconds.

    Attributes:
        answer: In answer units.
        score_ratio: The largest score, in thousandths of the model's score unit, saturated to 24 bits.
        spread: How far apart the answers of its report were, in thousandths of sigma, clipped.
        count: How many reporters answered.
    """

    round_id: int
    answer: int
    observed_at: int
    published_at: int
    model_number: int
    score_ratio: int
    spread: int
    count: int


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction that may be sent any number of times."""

    tx_hash: bytes
    raw: bytes
    nonce: int
