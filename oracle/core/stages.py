"""The stages of a report: Decided → Scored → Proven → Submitted → Confirmed. Each has the one before. All are frozen.

A report is of one committee and one time, and of all its feeds that are due then. Each of these has an observation of
its own, `Observed`, which ends by itself.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from oracle.core.report import SignedReport
from oracle.core.types import FeedState, Outcome, SignedTransaction

__all__ = [
    "SHADOW",
    "Confirmed",
    "Decided",
    "KeptReport",
    "Observed",
    "OpenStage",
    "Proven",
    "Scored",
    "Stage",
    "Submitted",
    "Unproven",
    "name_of",
]

SHADOW = "#"
"""Marks the feed of a shadow report: `eth#2` is eth, judged by model 2. No configured feed has it in its name."""


@dataclass(frozen=True, slots=True)
class Observed:
    """A feed's value that is due to be reported.

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

    def shadow(self, model_number: int) -> Observed:
        """Return the same observation for a proposed model, which judges it beside the active one."""
        return replace(self, feed=f"{self.feed}{SHADOW}{model_number}")


@dataclass(frozen=True, slots=True)
class Decided:
    """The feeds of one committee that are due at one time, and what the committee's other feeds were worth then.

    Attributes:
        committee: The committee's id on the hub.
        due: The observations to report, ascending by the feeds' ids; at least one, all of one time.
        others: Id and answer of each further feed that was observed, ascending: a feed that is due may have it as peer.
        is_offered: True if the report is to be proven and kept, for whoever brings it to the chain.
    """

    committee: int
    due: tuple[Observed, ...]
    others: tuple[tuple[bytes, int], ...] = ()
    is_offered: bool = False

    @property
    def observed_at(self) -> int:
        """The time of all answers, unix seconds."""
        return self.due[0].observed_at

    @property
    def decided(self) -> Decided:
        """The decision itself."""
        return self

    @property
    def keys(self) -> tuple[str, ...]:
        """The keys of the observations."""
        return tuple(each.key for each in self.due)

    @property
    def feeds(self) -> tuple[str, ...]:
        """The names of the feeds that are due."""
        return tuple(each.feed for each in self.due)

    @property
    def answers(self) -> Mapping[bytes, int]:
        """The answer of each feed that was observed, due or not, by its id."""
        return dict(self.others) | {each.feed_id: each.answer for each in self.due}

    def only(self, keys: Collection[str]) -> Decided | None:
        """Return the decision for some of its observations; None: for none. The others' answers stay known."""
        due = tuple(each for each in self.due if each.key in keys)
        if not due:
            return None
        left_out = tuple((each.feed_id, each.answer) for each in self.due if each.key not in keys)
        return Decided(self.committee, due, tuple(sorted((*self.others, *left_out))), self.is_offered)


class _HasDecision(Protocol):
    @property
    def decided(self) -> Decided: ...


class _OfDecision:
    """Gives later stages the names of the decision's parts."""

    __slots__ = ()

    @property
    def due(self: _HasDecision) -> tuple[Observed, ...]:
        """The observations that are reported."""
        return self.decided.due

    @property
    def keys(self: _HasDecision) -> tuple[str, ...]:
        """The keys of the observations."""
        return self.decided.keys

    @property
    def feeds(self: _HasDecision) -> tuple[str, ...]:
        """The names of the feeds that are reported."""
        return self.decided.feeds


@dataclass(frozen=True, slots=True)
class Scored(_OfDecision):
    """A signed report with the statement to prove.

    Attributes:
        decided: The observations that are reported.
        signed: The report with the reporters' signatures. A shadow report has that of its report.
        model_number: The model that judges it.
        features: The features of each observation, in order: integers that follow from the feed's state on-chain.
        scores: The model's integer scores of each observation, in order.
    """

    decided: Decided
    signed: SignedReport
    model_number: int
    features: tuple[tuple[int, ...], ...]
    scores: tuple[tuple[int, ...], ...]

    @property
    def round_ids(self) -> tuple[int, ...]:
        """The round that each observation is signed for, in order."""
        report = self.signed.report
        return tuple(report.round_ids[report.feed_ids.index(each.feed_id)] for each in self.due)


@dataclass(frozen=True, slots=True)
class Proven(_OfDecision):
    """A scored report with a proof that was verified after it was made.

    Attributes:
        scored: The scored report.
        proof: The proof, in the verifier's encoding.
        artifact_hash: The hash of the artifact with which it was made.
        prove_seconds: The time that the proof took.
    """

    scored: Scored
    proof: bytes
    artifact_hash: str
    prove_seconds: float

    @property
    def decided(self) -> Decided:
        """The observations that are reported."""
        return self.scored.decided


@dataclass(frozen=True, slots=True)
class Submitted(_OfDecision):
    """A proven report with the signed transaction that carries it.

    Attributes:
        proven: The proven report.
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
    def decided(self) -> Decided:
        """The observations that are reported."""
        return self.proven.scored.decided

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


@dataclass(frozen=True, slots=True)
class Confirmed(_OfDecision):
    """A submitted report with its outcomes on-chain, read from the receipt's events.

    Attributes:
        submitted: The submitted report.
        outcomes: How each observation ended, in order.
        block_number: The block that has the transaction.
        gas_used: The transaction's gas, for all observations.
        confirmed_at: When the transaction counted as final, unix seconds.
        mined: The hash of the transaction that was mined, if that is one of the replaced ones; None: the latest.
    """

    submitted: Submitted
    outcomes: tuple[Outcome, ...]
    block_number: int
    gas_used: int
    confirmed_at: float
    mined: bytes | None = None

    @property
    def decided(self) -> Decided:
        """The observations that are reported."""
        return self.submitted.decided

    @property
    def tx_hash(self) -> bytes:
        """The hash of the transaction that was mined."""
        return self.mined or self.submitted.tx_hash

    @property
    def gas_share(self) -> int:
        """The gas of one observation."""
        return self.gas_used // len(self.due)


@dataclass(frozen=True, slots=True)
class KeptReport:
    """A feed's newest report that is proven and kept, for whoever brings it to the chain.

    Attributes:
        feed: The feed's name in the configuration.
        feed_id: The feed's id on the hub, 32 bytes.
        round_id: The round that it is signed for.
        answer: The median of the signed answers, in answer units.
        observed_at: The report's time, unix seconds.
        calldata: The call of the hub that brings it.
    """

    feed: str
    feed_id: bytes
    round_id: int
    answer: int
    observed_at: int
    calldata: bytes

    def is_ahead_of(self, state: FeedState) -> bool:
        """Return whether the feed, in this state on the chain, still lacks the report's round."""
        return self.round_id == state.round_id + 1 and self.observed_at > state.last_report_at


Unproven: TypeAlias = Decided | Scored
OpenStage: TypeAlias = Unproven | Proven | Submitted
Stage: TypeAlias = OpenStage | Confirmed


def name_of(stage: Stage) -> str:
    """Return the stage's name in logs and in the journal. A report that was only decided has observations, no more."""
    return "observed" if isinstance(stage, Decided) else type(stage).__name__.lower()
