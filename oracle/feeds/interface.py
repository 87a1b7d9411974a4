"""The interfaces of what the way of an observation needs: chain, keys, models, journal, and who watches.

The pipeline sees these alone; `oracle.app` brings the concrete ones.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Protocol, TypeAlias

from oracle.core.types import (
    Confirmed,
    FeedState,
    Observed,
    OpenStage,
    Outcome,
    Proven,
    Scored,
    SignedObservation,
    Stage,
    Submitted,
)

__all__ = [
    "AcceptedRound",
    "HubReader",
    "ProvingModel",
    "Shadowing",
    "Signer",
    "StageJournal",
    "TransactionSender",
    "Watch",
]

Watch: TypeAlias = Callable[[Stage, Outcome | None, str], None]
"""Is called with each stage that is reached, how the observation ended if it has, and why if that was off-chain."""


class AcceptedRound(Protocol):
    """A round that the hub has accepted."""

    @property
    def answer(self) -> int:
        """In answer units."""

    @property
    def observed_at(self) -> int:
        """Unix seconds."""


class HubReader(Protocol):
    """Reads feeds and their rounds from the hub."""

    async def feed_state(self, feed_id: bytes) -> FeedState:
        """Return the feed's state at the latest block."""
        ...

    async def round(self, feed_id: bytes, round_id: int) -> AcceptedRound | None:
        """Return a round, or None if the hub does not have it."""
        ...


class Signer(Protocol):
    """A reporter's key."""

    def sign_observation(
        self, feed_id: bytes, round_id: int, answer: int, observed_at: int
    ) -> SignedObservation | Awaitable[SignedObservation]:
        """Sign an observation for a round. A key in another process answers later."""
        ...


class TransactionSender(Protocol):
    """Signs, sends and follows transactions that carry reports."""

    async def sign_batch(self, batch: Sequence[Proven]) -> Sequence[Submitted]:
        """Simulate and sign one transaction for all."""
        ...

    async def broadcast(self, submitted: Submitted) -> None:
        """Send the transaction, or send it again."""
        ...

    async def confirm(self, submitted: Submitted) -> Confirmed | Submitted:
        """Wait until the chain says how it ended, or until a replacement is signed, which is returned unsent."""
        ...


class ProvingModel(Protocol):
    """A model with a prover for each of its circuits."""

    @property
    def features(self) -> int:
        """The number of features that it sees."""

    @property
    def spread(self) -> bool:
        """True if it sees how far apart the reporters' answers are."""

    def scores(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the integers that the circuit publishes."""
        ...

    def seconds(self) -> Mapping[int, float]:
        """Return the seconds of a proof, measured or estimated, by the windows of its circuit."""
        ...

    async def prove(self, batch: Sequence[Scored]) -> Sequence[Proven]:
        """Prove all with one proof, and verify it."""
        ...


class StageJournal(Protocol):
    """Writes each stage down before the next begins."""

    def record(self, *stages: Stage) -> None:
        """Journal that these stages were reached: all of them, or none."""

    def finish(self, key: str, outcome: Outcome, reason: str) -> None:
        """Journal how an observation ended."""

    def unfinished(self) -> Sequence[OpenStage]:
        """Return the furthest stage of each observation that has not ended, oldest first."""
        ...


class Shadowing:
    """Judges reports by the models proposed for their feeds, too; this base class does not. See `oracle.feeds.shadows`.

    Its methods may not raise, nor take long.
    """

    def begin(self, observed: Sequence[Observed]) -> None:
        """A report of these observations is on its way."""

    async def ahead(self, observed: Sequence[Observed]) -> None:
        """The report is proven. The hub takes no shadow after its report: a shadow that is nearly ready goes first."""
