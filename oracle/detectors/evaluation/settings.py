"""A feed's parameters, and one row of a recording as its reporters have it."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

from oracle.core import gate
from oracle.core.gate import HoldPolicy
from oracle.core.types import FeedState, Kind
from oracle.sources.aggregate import AggregationPolicy

__all__ = ["FeedOptions", "FeedSettings", "PeerTerms", "Tick"]


@dataclass(frozen=True, slots=True)
class FeedOptions:
    """A feed's parameters as a user gives them; those that are None are found from the recording's first half."""

    kind: Kind = Kind.RELATIVE
    decimals: int = 8
    sigma: int | None = None
    heartbeat: int | None = None
    confirmations: int = 3
    confirm_delay: int | None = None
    tolerance: int = 3_000
    max_repeats: int | None = None
    min_sources: int | None = None
    max_source_spread: Decimal | None = None


@dataclass(frozen=True, slots=True)
class PeerTerms:
    """The terms by which a peer's moves are measured.

    Attributes:
        kind: How its moves are measured.
        sigma: As a feed's.
        name: Its name, for reports.
    """

    kind: Kind
    sigma: int
    name: str = "peer"


@dataclass(frozen=True, slots=True)
class FeedSettings:
    """A feed's parameters, all of them known.

    Attributes:
        kind: How moves are measured.
        decimals: Decimals of the answers.
        sigma: One standard deviation of a move over one heartbeat: ppm, or answer units on absolute feeds.
        heartbeat: Seconds.
        policy: How reports are held and confirmed.
        aggregation: How the values of several venues become one.
        peers: The feeds that are reported with this one.
    """

    kind: Kind
    decimals: int
    sigma: int
    heartbeat: int
    policy: HoldPolicy
    aggregation: AggregationPolicy
    peers: tuple[PeerTerms, ...] = ()

    def empty(self) -> FeedState:
        """Return the feed before its first report."""
        peers = [bytes([number]) * 32 for number, _ in enumerate(self.peers, 1)]
        return gate.empty_feed(bytes(32), self.kind, self.sigma, self.heartbeat, model_number=1, peers=peers)


@dataclass(frozen=True, slots=True)
class Tick:
    """One row as the reporters have it.

    Attributes:
        time: Unix seconds.
        value: None if too few venues spoke, or they disagree, so that nothing is reported.
        answer: The value in answer units.
        spread: The largest distance between two agreeing venues, in thousandths of sigma.
        outliers: Venues that were left out.
        count: How many reporters answered: the venues that agree.
        peers: The answers of the feed's peers, in their answer units; where one has none, one of which the hub can't
            measure a move.
    """

    time: int
    value: Decimal | None
    answer: int | None
    spread: int = 0
    outliers: tuple[str, ...] = ()
    count: int = 1
    peers: tuple[int, ...] = ()
