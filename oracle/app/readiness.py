"""Readiness of a running node, which asks the chain again and again, for its feeds, its health and its metrics.

A node that only answers imports this, and nothing that proves. `oracle.app.asked_readiness` asks once, for commands.
"""

from __future__ import annotations

import contextlib
import time
from collections.abc import Awaitable, Callable, Collection, Mapping, Sequence
from dataclasses import replace
from functools import partial

from oracle.app.adapters import adapter_terms
from oracle.app.network import NetworkNode
from oracle.app.node import Node
from oracle.chain.deploy import Deployment
from oracle.chain.deploy.terms import PLAIN
from oracle.chain.hub import Hub
from oracle.chain.obstacles import NodeFacts, ReportedFeed
from oracle.chain.readiness import Readiness, ReadinessReader
from oracle.chain.tx.policy import send_policy
from oracle.config import Config, FeedConfig
from oracle.core.errors import (
    JournalError,
    JournalUnavailable,
    OracleError,
)
from oracle.core.formats import from_hex
from oracle.core.money import REPORT_GAS
from oracle.core.obstacles import Obstacle, ObstacleKind
from oracle.feeds.budget import LATEST_REPORTS
from oracle.feeds.journal import Journal
from oracle.feeds.journal.expenses import ExpenseBook
from oracle.feeds.outlook import ObstacleListener, ReadOutlook
from oracle.network.asking import ask_members, trusted

__all__ = [
    "KEYS",
    "NodeReadiness",
    "gas_of_reports",
    "node_facts",
    "node_readiness",
    "open_outlook",
    "silent_members",
]

ASK_MEMBERS_S = 15.0
"""Seconds between two times that a running node asks the members of its network who they are."""

KEYS = "see docs/operations.md, Keys"
"""The remedy for a key that is not here."""


def node_facts(config: Config, deployment: Deployment) -> NodeFacts:
    """Return the facts about a node that its configuration and its deployment file tell."""
    return NodeFacts(
        feeds=[_reported(feed, deployment) for feed in config.feeds],
        names={feed.feed_id: name for name, feed in deployment.feeds.items()},
        members={name: config.members_of(name) for name in deployment.committees},
        faulty={} if config.network is None else {config.network.committee: config.network.faulty},
        fees=send_policy(config.chain).fees,
        artifacts={
            number: from_hex(f"0x{model.artifact_hash.removeprefix('0x')}")
            for number, model in deployment.models.items()
        },
    )


def _reported(feed: FeedConfig, deployment: Deployment) -> ReportedFeed:
    is_recorded = any(getattr(each, "timestamps", None) == "recorded" for each in feed.sources)
    there = deployment.feeds.get(feed.name)
    if there is None:
        return ReportedFeed(feed.name, None, feed.committee, is_recorded=is_recorded)
    fixed = {"description": feed.description, "kind": feed.measure, "decimals": feed.decimals}
    deployed = {(each.mode, each.bound, each.uptime_feed, each.grace): each.address for each in there.adapters}
    adapters: dict[object, str | None] = {PLAIN: there.aggregator}
    for each in feed.adapters:
        adapters[adapter_terms(each)] = deployed.get((each.mode, each.bound or 0, each.uptime_feed, each.grace_s))
    return ReportedFeed(feed.name, there.feed_id, there.committee, fixed, adapters, is_recorded)  # type: ignore[arg-type]


def gas_of_reports(journal: Journal | None) -> int:
    """Return the gas limit of the next report: the largest of the latest ones; a typical one without any."""
    with contextlib.suppress(JournalError, JournalUnavailable):
        if journal is not None:
            return max(ExpenseBook(journal.store).report_gas(LATEST_REPORTS), default=REPORT_GAS)
    return REPORT_GAS


async def silent_members(config: Config, reporter: str | None, clock: Callable[[], float]) -> Mapping[str, str]:
    """Ask all members of the node's network, and return why some give no answer, by their addresses.

    Args:
        config: The configuration.
        reporter: The address of this node's own key: it is not asked.
        clock: Unix seconds.
    """
    network = config.network
    if network is None:
        return {}
    others = [each for each in network.believed if each.reporter != reporter]
    asked = await ask_members(
        others, timeout_s=network.request_timeout_s, authorities=trusted(network.ca_file), clock=clock
    )
    return {each.member.reporter: f"{each.member.name} {each.problem}" for each in asked if each.status is None}


def node_readiness(
    node: Node,
    network: NetworkNode | None = None,
    *,
    payer: str | None = None,
    models: Collection[int] | None = None,
    budget: Callable[[], Awaitable[Sequence[Obstacle]]] | None = None,
) -> NodeReadiness:
    """Return the readiness of a running node.

    Args:
        node: The node.
        network: The node's part in its network; None: it is alone.
        payer: The address of the account that pays; None: nothing is sent.
        models: The models that have provers, by the hub's numbers of them; None: nothing is proven.
        budget: Returns what the daily limit stops; None: nothing is sent.
    """
    known = replace(node_facts(node.config, node.deployment), reporter=node.reporter, payer=payer)
    if models is not None:
        known = replace(known, unprovable=partial(_without_prover, models))

    async def more() -> list[Obstacle]:
        found = []
        if network is not None and network.problem:
            found.append(Obstacle(ObstacleKind.REPORTER, "", network.problem, KEYS))
        return [*found, *(() if budget is None else await budget())]

    # Nobody would see which members are silent, and reports do not depend on it.
    asks = network is not None and node.config.web.address is not None
    return NodeReadiness(
        node.hub,
        lambda: replace(known, gas=gas_of_reports(node.journal)),
        more=more,
        silent=partial(silent_members, node.config, node.reporter, node.clock) if asks else None,
        clock=node.clock,
    )


def _without_prover(models: Collection[int], number: int) -> str:
    """Return why a running node can't prove reports of a model; empty if it can."""
    if number in models:
        return ""
    here = ", ".join(map(str, sorted(models))) or "none"
    return (
        f"this process has started with provers for {here} only. Put its artifact and the new deployment file here, "
        "and start it again"
    )


class NodeReadiness:
    """Reads whether the chain would take the next reports of a running node.

    Args:
        hub: The hub.
        facts: Returns the facts about the node, as they are now.
        more: Returns further obstacles, which the chain does not know.
        silent: Asks the members of the network, and returns why some give no answer, by their addresses; None: nobody
            is asked.
        clock: Unix seconds.
        ticks: Monotonic seconds.
    """

    def __init__(
        self,
        hub: Hub,
        facts: Callable[[], NodeFacts],
        *,
        more: Callable[[], Awaitable[Sequence[Obstacle]]] | None = None,
        silent: Callable[[], Awaitable[Mapping[str, str]]] | None = None,
        clock: Callable[[], float] = time.time,
        ticks: Callable[[], float] = time.monotonic,
    ) -> None:
        self._reader = ReadinessReader(hub, clock)
        self._facts = facts
        self._more = more
        self._ask_members = silent
        self._ticks = ticks
        self._silent: Mapping[str, str] = {}
        self._asked_at = float("-inf")

    async def refresh(self, *, members: bool = False) -> Readiness:
        """Read once, and return what was found. Never raises.

        Args:
            members: True asks the members of the network, too, unless that was done a moment ago.
        """
        if members and self._ask_members is not None and self._ticks() - self._asked_at >= ASK_MEMBERS_S:
            self._asked_at = self._ticks()
            with contextlib.suppress(OracleError):
                self._silent = await self._ask_members()
        read = await self._reader.read(replace(self._facts(), silent=self._silent))
        more: Sequence[Obstacle] = ()
        if self._more is not None:
            with contextlib.suppress(OracleError):  # the chain, or the journal: both are told elsewhere
                more = await self._more()
        return replace(read, obstacles=(*read.obstacles, *more))

    async def obstacles(self) -> Sequence[Obstacle]:
        """Read once, and return the obstacles."""
        return (await self.refresh()).obstacles


def open_outlook(readiness: NodeReadiness, listener: ObstacleListener | None = None) -> ReadOutlook:
    """Return what the feeds of a running node ask before they begin a report."""
    return ReadOutlook(readiness.obstacles, listener)
