"""A node that makes reports: one operator's, or a member of a network that transmits in its turn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from dataclasses import dataclass

import structlog

from oracle.app.network import NetworkNode
from oracle.app.node import Node
from oracle.app.readiness import NodeReadiness
from oracle.app.report_recorders import ReportRecorder, ShadowRecorder
from oracle.app.roles import DaemonSetup
from oracle.app.running import RunningOracle, open_oracle
from oracle.app.updates import UpdateFinder, updates_served
from oracle.feeds import daemon
from oracle.feeds.daemon import CommitteeFeeds
from oracle.feeds.desk import FeedListener
from oracle.feeds.outlook import ReadOutlook
from oracle.feeds.shelf import Shelf

__all__ = ["TransmittingNode", "open_transmitting"]

log = structlog.get_logger(__name__)


@dataclass(frozen=True)
class TransmittingNode:
    """A node that makes reports. See `oracle.app.roles.NodeRole`."""

    parts: RunningOracle
    recorder: ReportRecorder
    feeds: FeedListener

    @property
    def node(self) -> Node:
        """The parts that every node has."""
        return self.parts.node

    @property
    def network(self) -> NetworkNode | None:
        """Its part in its network; None: it is alone."""
        return self.parts.network

    @property
    def shelf(self) -> Shelf:
        """The shelf of reports that are kept for whoever brings them."""
        return self.parts.shelf

    @property
    def readiness(self) -> NodeReadiness:
        """The answer whether the chain would take the next reports."""
        return self.parts.readiness

    @property
    def outlook(self) -> ReadOutlook:
        """The obstacles of the next reports, as they were read last."""
        return self.parts.outlook

    @property
    def payer(self) -> str:
        """The address of the account that pays."""
        return self.parts.payer

    async def run(
        self,
        committees: Sequence[CommitteeFeeds],
        stop: asyncio.Event,
        reload: Callable[[], Awaitable[None]] | None,
    ) -> None:
        """Run the feeds until they end or are asked to stop. See `oracle.app.roles.NodeRole`."""
        parts, shadowing = self.parts, None
        if parts.shadows is not None:
            shadowing = asyncio.create_task(parts.shadows.run(parts.config.web.interval), name="shadows")
        try:
            await daemon.run(
                committees,
                parts.desk,
                parts.hub.feed_states,
                parts.journal.has,
                stop,
                listener=self.feeds,
                reload=reload,
            )
        finally:
            if shadowing is not None:
                shadowing.cancel()
            log.info("this run", **self.recorder.summary())


@contextlib.asynccontextmanager
async def open_transmitting(setup: DaemonSetup) -> AsyncIterator[TransmittingNode]:
    """Open a node that makes reports. Raises as `oracle.app.running.open_oracle`."""
    config, certificates, recorder = setup.config, setup.certificates, ReportRecorder(setup.metrics)
    opening = open_oracle(
        config,
        listener=recorder,
        feeds=setup.feeds,
        obstacles=setup.obstacles,
        on_proof=recorder.on_proof,
        on_chain=setup.chain,
        on_standby=setup.standby,
        on_shadow=ShadowRecorder(setup.metrics),
        certificate=certificates.get("network"),
        seams=setup.seams,
        clock=setup.clock,
    )
    async with opening as parts:
        finder = UpdateFinder(parts.shelf.kept, parts.hub, parts.deployment.chain_id)
        async with updates_served(config, parts.deployment, finder, setup.metrics, certificates.get("updates")):
            yield TransmittingNode(parts, recorder, setup.feeds)
