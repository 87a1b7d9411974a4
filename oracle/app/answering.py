"""A node whose only role is that of a reporter: it looks at sources, and answers those whose turn it is.

It has no prover, no circuits and no account that pays, and starts in a second or two.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

from oracle.app.network import NetworkNode, open_network
from oracle.app.node import Node, open_node
from oracle.app.readiness import NodeReadiness, node_readiness, open_outlook
from oracle.app.roles import DaemonSetup
from oracle.feeds import daemon
from oracle.feeds.daemon import CommitteeFeeds
from oracle.feeds.desk import FeedListener
from oracle.feeds.outlook import ReadOutlook

__all__ = ["AnsweringNode", "open_answering"]


@dataclass(frozen=True)
class AnsweringNode:
    """A node that only answers. See `oracle.app.roles.NodeRole`."""

    node: Node
    network: NetworkNode
    feeds: FeedListener
    readiness: NodeReadiness
    outlook: ReadOutlook
    shelf: None = None
    payer: None = None

    async def run(
        self,
        committees: Sequence[CommitteeFeeds],
        stop: asyncio.Event,
        reload: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """Look at the sources until they end, or asked to stop. See `oracle.app.roles.NodeRole`."""
        await daemon.observe(committees, stop, listener=self.feeds, reload=reload)


@contextlib.asynccontextmanager
async def open_answering(setup: DaemonSetup) -> AsyncIterator[AnsweringNode]:
    """Open a node that only answers. Raises as `oracle.app.node.open_node` and `oracle.app.network.open_network`."""
    opening = open_node(setup.config, os.environ, on_chain=setup.chain, on_standby=setup.standby, clock=setup.clock)
    async with opening as node, open_network(node, setup.seams, setup.certificates.get("network")) as network:
        readiness = node_readiness(node, network)
        outlook = open_outlook(readiness, setup.obstacles)
        try:
            yield AnsweringNode(node, network, setup.feeds, readiness, outlook)
        finally:
            await outlook.close()
