"""The roles of a running node: one that makes reports, and one that only answers with what it sees.

`oracle.app.run` imports the first only if the configuration asks for it: what proves and sends takes time and memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from oracle.app.network import NetworkNode
from oracle.app.node import Node
from oracle.app.readiness import NodeReadiness
from oracle.app.recorders import ChainRecorder, FeedRecorder, ObstacleRecorder
from oracle.app.seams import NodeSeams
from oracle.config import Config
from oracle.core.metrics import Metrics
from oracle.feeds.daemon import CommitteeFeeds
from oracle.feeds.outlook import ReadOutlook
from oracle.feeds.shelf import Shelf
from oracle.web.tls import Certificate

__all__ = ["DaemonSetup", "NodeRole"]


@dataclass(frozen=True)
class DaemonSetup:
    """The things that are there before a node's parts are opened.

    Attributes:
        config: The configuration.
        metrics: Count what happens.
        feeds: Hears how each feed is.
        obstacles: Hears what stands in the way of reports.
        chain: Notified of transactions and endpoints.
        standby: Called with the daemon that leads; with None once this one leads.
        certificates: Those of the node's servers, by the section that names them.
        seams: What the parts for a network are passed through.
        clock: Unix seconds.
    """

    config: Config
    metrics: Metrics
    feeds: FeedRecorder
    obstacles: ObstacleRecorder
    chain: ChainRecorder
    standby: Callable[[str | None], None]
    certificates: Mapping[str, Certificate]
    seams: NodeSeams
    clock: Callable[[], float]


class NodeRole(Protocol):
    """A node with all parts that its role needs, open."""

    @property
    def node(self) -> Node:
        """The parts that every node has."""

    @property
    def network(self) -> NetworkNode | None:
        """Its part in its network; None: it is alone."""

    @property
    def shelf(self) -> Shelf | None:
        """The shelf of reports that are kept for whoever brings them; None: nothing is kept."""

    @property
    def readiness(self) -> NodeReadiness:
        """The answer whether the chain would take the next reports."""

    @property
    def outlook(self) -> ReadOutlook:
        """The obstacles of the next reports, as they were read last."""

    @property
    def payer(self) -> str | None:
        """The address of the account that pays; None: nothing is sent."""

    async def run(
        self,
        committees: Sequence[CommitteeFeeds],
        stop: asyncio.Event,
        reload: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """Run the feeds until they end or are asked to stop.

        Args:
            committees: The feeds.
            stop: Set to stop.
            reload: Called on SIGHUP.

        Raises:
            Fatal: Every feed has ended because of a fatal error; the first of them.
        """
        ...
