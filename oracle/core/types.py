"""The types of one observation's way: Observed → Scored → Proven → Submitted → Confirmed. All frozen."""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import IntEnum, StrEnum
from typing import TypeAlias


class Kind(IntEnum):
    """How a move is measured; the values are the contract's."""

    RELATIVE = 0
    ABSOLUTE = 1


class Status(IntEnum):
    """A feed's stored status; the values are the contract's."""

    EMPTY = 0
    OK = 1
    HELD = 2


class HoldReason(IntEnum):
    """Why an answer is held; the values are the contract's.

    Attributes:
        ANOMALOUS: A score is above zero. Only such an answer can be confirmed as a new level.
        NOT_POSITIVE: A relative feed has no measure for it.
        REPEATED: It is the last answer again, more often than the feed allows.
    """

    NONE = 0
    ANOMALOUS = 1
    NOT_POSITIVE = 2
    REPEATED = 3


class Outcome(StrEnum):
    """How an observation ended."""

    ACCEPTED = "accepted"
    HELD = "held"
    SUPERSEDED = "superseded"
    FAILED = "failed"


@dataclass(frozen=True, slots=True)
class HeldAnswer:
    """The answer that a feed holds back.

    Attributes:
        reason: Why. Only reports held for the same reason go on with a hold.
        first_answer: The answer that started the hold; later ones near it confirm it.
        confirmations: How many reports have confirmed it so far.
        score_ratio: In thousandths of the model's score unit, saturated to 24 bits.
        anomalies: Anomalous reports, of whatever level, since the last accepted one.
        anomalous_since: Time of the first of them, unix seconds.
    """

    reason: HoldReason
    answer: int
    first_answer: int
    first_observed_at: int
    observed_at: int
    confirmations: int
    model_number: int
    score_ratio: int
    anomalies: int
    anomalous_since: int


@dataclass(frozen=True, slots=True)
class FeedState:
    """A feed as the hub has it, with the constants that features need.

    Attributes:
        feed_id: keccak256 of the description, 32 bytes.
        round_id: Latest accepted round; 0 if there is none.
        answer: Latest accepted answer, in answer units.
        observed_at: Its observation time, unix seconds.
        last_report_at: Time of the latest report, accepted or held, unix seconds.
        repeats: How many reports in a row have repeated the latest answer exactly; at most 255.
        returns: The last 14 accepted moves, newest first, in thousandths of sigma.
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
    returns: tuple[int, ...]
    held: HeldAnswer | None
    kind: Kind
    sigma: int
    heartbeat: int


SHADOW = "#"
"""In the name of a feed as a proposed model sees it: `eth#2` is eth, judged by model 2. No configured feed has it."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A value that is due to be reported.

    Attributes:
        key: Identifies the observation for ever: a feed reports at most once per second.
        feed: The feed's name in the configuration; of a shadow report see `SHADOW`.
        answer: In answer units.
        observed_at: Unix seconds.
    """

    feed: str
    feed_id: bytes
    answer: int
    observed_at: int

    @property
    def key(self) -> str:
        return f"{self.feed}@{self.observed_at}"

    @property
    def observed(self) -> Observed:
        return self

    def shadow(self, model_number: int) -> Observed:
        """The same for a proposed model, which judges it beside the active one."""
        return replace(self, feed=f"{self.feed}{SHADOW}{model_number}")


@dataclass(frozen=True, slots=True)
class SignedObservation:
    """One reporter's EIP-712 signature over (feedId, roundId, answer, observedAt)."""

    answer: int
    observed_at: int
    v: int
    r: bytes
    s: bytes


@dataclass(frozen=True, slots=True)
class Scored:
    """An observation with the statement that is to be proven of it.

    Attributes:
        round_id: The round that it is signed for.
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
        """Whether the model calls it anomalous."""
        return any(score > 0 for score in self.scores)


@dataclass(frozen=True, slots=True)
class Proven:
    """A scored observation with a proof that was verified after it was made.

    Attributes:
        prove_seconds: Of the whole proof.
        batch: Keys of all observations that the proof is of, in its order; empty if it is of this one alone.
    """

    scored: Scored
    proof: bytes
    artifact_hash: str
    prove_seconds: float
    batch: tuple[str, ...] = ()

    @property
    def observed(self) -> Observed:
        return self.scored.observed


@dataclass(frozen=True, slots=True)
class SignedTransaction:
    """A transaction that may be sent, any number of times."""

    tx_hash: bytes
    raw: bytes
    nonce: int


@dataclass(frozen=True, slots=True)
class Submitted:
    """A proven observation with the signed transaction that carries it, and the others of its proof.

    Attributes:
        replaced: Hashes of the transactions whose place it took, oldest first: same nonce, same content, lower fees.
            One of all these is mined, at most.
    """

    proven: Proven
    tx_hash: bytes
    raw_transaction: bytes
    nonce: int
    replaced: tuple[bytes, ...] = ()

    @property
    def transaction(self) -> SignedTransaction:
        return SignedTransaction(self.tx_hash, self.raw_transaction, self.nonce)

    @property
    def hashes(self) -> tuple[bytes, ...]:
        """All that may be mined for its nonce, the latest last."""
        return (*self.replaced, self.tx_hash)

    def replaced_by(self, transaction: SignedTransaction) -> Submitted:
        """The same, with a transaction that takes the place of its latest."""
        return Submitted(self.proven, transaction.tx_hash, transaction.raw, transaction.nonce, self.hashes)

    @property
    def observed(self) -> Observed:
        return self.proven.observed


@dataclass(frozen=True, slots=True)
class Confirmed:
    """How an observation ended on-chain, read from the receipt's events.

    Attributes:
        gas_used: Of the transaction; its share, if there were several observations in it.
        mined: Hash of the transaction that was mined, if it is one that was replaced; None: the latest.
    """

    submitted: Submitted
    outcome: Outcome
    block_number: int
    gas_used: int
    confirmed_at: float
    mined: bytes | None = None

    @property
    def tx_hash(self) -> bytes:
        """Of the transaction that was mined."""
        return self.mined or self.submitted.tx_hash

    @property
    def observed(self) -> Observed:
        return self.submitted.observed


Stage: TypeAlias = Observed | Scored | Proven | Submitted | Confirmed
OpenStage: TypeAlias = Observed | Scored | Proven | Submitted
