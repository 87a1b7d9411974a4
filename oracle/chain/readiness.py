"""Readiness: ask the chain whether it would take the next report of each feed of a node, and say why if it would not.

`obstacles_of` judges, and is pure. `ReadinessReader` reads what it judges by in a few calls, whatever the number of
feeds. Nothing here signs, proves or sends.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from oracle.chain.deploy.terms import AdapterTerms
from oracle.chain.hub import Committee, Hub, HubFeedConfig, HubModel
from oracle.chain.transport.answers import Block, Market
from oracle.chain.tx.fees import FeePolicy
from oracle.core.obstacles import Obstacle
from oracle.core.types import FeedState

__all__ = [
    "NOT_DEPLOYED",
    "TYPICAL_GAS",
    "ChainFacts",
    "NodeFacts",
    "Readiness",
    "ReadinessReader",
    "ReportedFeed",
    "obstacles_of",
]

NOT_DEPLOYED = "not deployed: run `oracle deploy`"
"""The status of a configured feed that the hub does not have."""

TYPICAL_GAS = 600_000
"""The gas of a submission, until one was measured."""

SHARED_CLOCK_S = 5
"""Seconds that a report may be ahead of this machine's clock: another reporter's clock is never quite the same."""


@dataclass(frozen=True, slots=True)
class ReportedFeed:
    """A configured feed of this node.

    Attributes:
        name: Its name in the configuration.
        feed_id: Its id; None if the deployment file does not have it.
        committee: The name of its committee.
        adapters: The configured adapters with their addresses in the deployment file; None where it has none.
        is_recorded: True if its observations have the times of a recording: then no clock is compared.
    """

    name: str
    feed_id: bytes | None
    committee: str
    adapters: Mapping[AdapterTerms, str | None] = field(default_factory=dict)
    is_recorded: bool = False


@dataclass(frozen=True, slots=True)
class NodeFacts:
    """The facts about a node that decide whether the chain would take its reports.

    Attributes:
        feeds: The configured feeds.
        names: The names of all deployed feeds, by id.
        reporter: The address of the reporter key; None if it is not here.
        keyless: Why the reporter key is not here; empty if it is.
        members: The addresses of those who sign with it in a network, by the committee's name.
        silent: Why members of the network give no answer now, by their addresses.
        unprovable: Returns why reports of a model can't be proven here, by the hub's number of it; empty if they can.
            None: this node proves nothing.
        payer: The address of the account that pays; None: this node sends nothing.
        fees: The limits of what may be paid.
        gas: The gas limit of the next report.
        artifacts: The hash of each deployed model's artifact by the hub's number of it, 32 bytes.
    """

    feeds: Sequence[ReportedFeed]
    names: Mapping[bytes, str] = field(default_factory=dict)
    reporter: str | None = None
    keyless: str = ""
    members: Mapping[str, Sequence[str]] = field(default_factory=dict)
    silent: Mapping[str, str] = field(default_factory=dict)
    unprovable: Callable[[int], str] | None = None
    payer: str | None = None
    fees: FeePolicy = field(default_factory=FeePolicy)
    gas: int = TYPICAL_GAS
    artifacts: Mapping[int, bytes] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class ChainFacts:
    """What the chain says of a node's feeds at one moment.

    Attributes:
        head: The latest block.
        next_at: The time of the next block, as far as the node tells, unix seconds.
        states: The states of the feeds that the hub has, by id.
        terms: Their terms, and those of their peers; an id that the hub does not have is missing.
        committees: Their committees, by number.
        linked: The adapter that the hub links to each feed; None if there is none.
        coded: Addresses of adapters that have code.
        unpaused_from: From when on each paused feed can be unpaused; None if nobody has proposed it.
        models: The models that are active, by number.
        market: The price of gas; None if this node pays nothing.
        balance: The payer's balance in wei; None likewise.
    """

    head: Block
    next_at: int
    states: Mapping[bytes, FeedState]
    terms: Mapping[bytes, HubFeedConfig]
    committees: Mapping[int, Committee]
    linked: Mapping[bytes, str | None] = field(default_factory=dict)
    coded: frozenset[str] = frozenset()
    unpaused_from: Mapping[bytes, int | None] = field(default_factory=dict)
    models: Mapping[int, HubModel] = field(default_factory=dict)
    market: Market | None = None
    balance: int | None = None


@dataclass(frozen=True, slots=True)
class Readiness:
    """How ready a node is to report, as last read.

    Attributes:
        obstacles: All obstacles; none: the chain would take the next report of each feed.
        facts: What the chain said; None if it could not be read.
        cost: The most that the next report may cost, in wei; None if this node pays nothing, or may not at this price.
    """

    obstacles: tuple[Obstacle, ...]
    facts: ChainFacts | None = None
    cost: int | None = None

    @property
    def reports_left(self) -> int | None:
        """The number of reports that the balance pays for at the present price; None if that is not known."""
        if self.facts is None or self.facts.balance is None or not self.cost:
            return None
        return self.facts.balance // self.cost


class ReadinessReader:
    """Reads from one hub what decides about the next reports of a node.

    Args:
        hub: The hub.
        clock: Unix seconds: the clock that observations get their times from.
    """

    def __init__(self, hub: Hub, clock: Callable[[], float] = time.time) -> None:
        self._hub = hub
        self._clock = clock
        self._linked: dict[bytes, str] = {}
        self._coded: set[str] = set()
        self._models: dict[int, HubModel] = {}

    async def read(self, node: NodeFacts) -> Readiness:
        """Read the chain once, and judge. A chain that can't be read is an obstacle itself: nothing is raised.

        Args:
            node: The node, as it is now.
        """
        raise NotImplementedError


def obstacles_of(node: NodeFacts, chain: ChainFacts, now: float) -> tuple[Obstacle, ...]:
    """Return the obstacles of a node's next reports: those of all feeds first, then by feed.

    Args:
        node: The node.
        chain: What the chain says.
        now: Unix seconds, by the clock that observations get their times from.
    """
    raise NotImplementedError
