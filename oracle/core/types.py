"""The stages of an observation, Observed → Scored → Proven → Submitted → Confirmed, and a feed's state. All frozen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import TypeAlias


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
    """The end of an observation."""

    ACCEPTED = "accepted"
    HELD = "held"
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


SHADOW = "#"
"""Marks the feed of a shadow report: `eth#2` is eth, judged by model 2. No configured feed has it in its name."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A value that is due to be reported.

    Attributes:
        feed: The feed's name in the configuration. For a shadow report, see `SHADOW`.
        feed_id: The feed's id on the hub, 32 bytes.
        answer: The value, in answer units.
        observed_at: When it was observed, unix seconds.
    """

    feed: str
    feed_id: bytes
    answer: int
    observed_at: int

    @property
    def key(self) -> str:
        """Identifies the observation for ever: a feed reports at most once a second."""
        return f"{self.feed}@{self.observed_at}"

    @property
    def observed(self) -> Observed:
        """The observation."""
        return self

    def shadow(self, model_number: int) -> Observed:
        """Return the same observation for a proposed model, which judges it beside the active one."""
        return replace(self, feed=f"{self.feed}{SHADOW}{model_number}")


@dataclass(frozen=True, slots=True)
class SignedObservation:
    """A reporter's EIP-712 signature over (feedId, roundId, answer, observedAt)."""

    answer: int
    observed_at: int
    v: int
    r: bytes
    s: bytes


@dataclass(frozen=True, slots=True)
class Scored:
    """An observation with the statement to prove.

    Attributes:
        observed: The observation.
        round_id: The round for which it is signed.
        model_number: The model that judges it.
        signed: The reporters' signatures.
        features: n integers, derived from the feed's state on-chain.
        scores: The model's integer scores of the features.
    """

    observed: Observed
    round_id: int
    model_number: int
    signed: tuple[SignedObservation, ...]
    features: tuple[int, ...]
    scores: tuple[int, ...]

    @property
    def anomalous(self) -> bool:
        """True if the model calls it anomalous."""
        return any(score > 0 for score in self.scores)


@dataclass(frozen=True, slots=True)
class Proven:
    """A scored observation with a proof that was verified after it was made.

    Attributes:
        scored: The scored observation.
        proof: The proof, in the verifier's encoding.
        artifact_hash: The hash of the artifact with which it was made.
        prove_seconds: The time that the whole proof took.
        batch: The keys of all observations that share the proof, in its order; empty if there is only this one.
    """

    scored: Scored
    proof: bytes
    artifact_hash: str
    prove_seconds: float
    batch: tuple[str, ...] = ()

    @property
    def observed(self) -> Observed:
        """The observation."""
        return self.scored.observed


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction that may be sent any number of times."""

    tx_hash: bytes
    raw: bytes
    nonce: int


@dataclass(frozen=True, slots=True)
class Submitted:
    """A proven observation with the signed transaction that carries it, and the others of its proof.

    Attributes:
        proven: The proven observation.
        tx_hash: The transaction's hash.
        raw_transaction: The signed transaction, as it is sent.
        nonce: The transaction's nonce.
        replaced: The hashes of the transactions that it replaced, oldest first: they have the same nonce and content,
            and lower fees. At most one of all these is mined.
    """

    proven: Proven
    tx_hash: bytes
    raw_transaction: bytes
    nonce: int
    replaced: tuple[bytes, ...] = ()

    @property
    def transaction(self) -> SignedTransaction:
        """The latest transaction."""
        return SignedTransaction(self.tx_hash, self.raw_transaction, self.nonce)

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """The hashes of all transactions that may be mined for its nonce, the latest last."""
        return (*self.replaced, self.tx_hash)

    def replaced_by(self, transaction: SignedTransaction) -> Submitted:
        """Return the same, with a transaction that replaces the latest one."""
        return Submitted(self.proven, transaction.tx_hash, transaction.raw, transaction.nonce, self.hashes)

    @property
    def observed(self) -> Observed:
        """The observation."""
        return self.proven.observed


@dataclass(frozen=True, slots=True)
class Confirmed:
    """A submitted observation with its outcome on-chain, read from the receipt's events.

    Attributes:
        submitted: The submitted observation.
        outcome: The outcome.
        block_number: The block that has the transaction.
        gas_used: The transaction's gas; if it has several observations, this one's share.
        confirmed_at: When the transaction counted as final, unix seconds.
        mined: The hash of the transaction that was mined, if that is one of the replaced ones; None: the latest.
    """

    submitted: Submitted
    outcome: Outcome
    block_number: int
    gas_used: int
    confirmed_at: float
    mined: bytes | None = None

    @property
    def tx_hash(self) -> bytes:
        """The hash of the transaction that was mined."""
        return self.mined or self.submitted.tx_hash

    @property
    def observed(self) -> Observed:
        """The observation."""
        return self.submitted.observed


Stage: TypeAlias = Observed | Scored | Proven | Submitted | Confirmed
OpenStage: TypeAlias = Observed | Scored | Proven | Submitted
