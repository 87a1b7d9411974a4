"""A node of a network shows its members: metrics, the page /network, and evidence from the chain."""

from __future__ import annotations

from contextlib import AsyncExitStack

import structlog

from oracle.app.network import NetworkNode
from oracle.app.node import Node
from oracle.audit.served import ReadingsClient
from oracle.core.concurrency import together
from oracle.core.errors import OracleError
from oracle.core.metrics import Gauge, Metrics
from oracle.feeds.journal import open_journal
from oracle.network.asking import trusted
from oracle.network.evidence import FaultKind
from oracle.network.overview import NetworkView, network_view
from oracle.network.reading_checks import ReadingChecks
from oracle.network.standing import TurnFigures
from oracle.network.terms import turns_of
from oracle.network.watching import Watcher
from oracle.web.board import Board

__all__ = ["watch_network"]

log = structlog.get_logger(__name__)


async def watch_network(node: Node, network: NetworkNode, metrics: Metrics, board: Board) -> None:
    """Watch members and chain until cancelled.

    Args:
        node: The node.
        network: Its part in its network.
        metrics: Shows the members' standings.
        board: Shows them, too.
    """
    names = {each.reporter: each.name for each in network.config.members}
    metrics.begin_network(list(names.values()), [str(each) for each in FaultKind])
    network.casebook.on_fault = lambda member, kind: metrics.count_fault(names[member], str(kind))
    config, deployment = node.config, node.deployment
    feeds = [feed for feed in config.feeds if feed.committee == network.config.committee]

    known: dict[int, TurnFigures] = {}

    def show(turn: int) -> None:
        """Compute the standings again, with a connection of its own: nobody who signs waits for it."""
        if config.web.address is None:
            return  # nobody could see them
        try:
            with (
                open_journal(config.journal, node.env, read_only=True) as journal,
                journal.store.transaction(read=True) as connection,
            ):
                view = network_view(config, deployment, connection, node.clock(), known=known)
        except OracleError as error:
            log.warning("standings not computed", reason=str(error))
            return
        board.network = view.document()
        _measure(view, metrics)

    feed_ids = [each.feed_id for each in deployment.feeds.values() if each.committee == network.config.committee]
    watcher = Watcher(
        node.hub,
        node.journal.store,
        network.ledger,
        network.casebook,
        chain_id=deployment.chain_id,
        committee=network.committee,
        feed_ids=feed_ids,
        pulled=[deployment.feeds[feed.name].feed_id for feed in feeds if feed.mode == "pull"],
        turns=turns_of(network.config),
        own=node.reporter,
        clock=node.clock,
        after=show,
    )
    async with AsyncExitStack() as stack:
        authorities, timeout_s = trusted(network.config.ca_file), network.config.request_timeout_s
        client = await stack.enter_async_context(ReadingsClient(authorities, timeout_s=timeout_s))
        checks = ReadingChecks(
            network.ledger,
            {each.reporter: each.url for each in network.config.believed if each.reporter != node.reporter},
            node.hub.feed_config,
            client.fetch,
            network.casebook,
            feed_ids=feed_ids,
            turns=turns_of(network.config),
            clock=node.clock,
        )
        await together(watcher.run(), checks.run())


def _measure(view: NetworkView, metrics: Metrics) -> None:
    for member in view.members:
        shown: dict[Gauge, float | None] = {
            Gauge.MEMBER_ANSWERED: member.answered / member.reports if member.reports else None,
            Gauge.MEMBER_DELAY_SECONDS: member.delay_p95_s,
            Gauge.MEMBER_DISTANCE: None if member.distance is None else member.distance / 1_000,
            Gauge.MEMBER_BIAS: None if member.bias is None else member.bias / 1_000,
            Gauge.MEMBER_LAST_SEEN: member.last_seen,
        }
        for gauge, value in shown.items():
            if value is not None:
                metrics.set(gauge, value, member.name)
    for transmitter in view.transmitters:
        metrics.set(Gauge.TRANSMITTER_LEFT_OUT, sum(transmitter.left_out.values()), transmitter.name)
        if transmitter.used:
            metrics.set(Gauge.TRANSMITTER_BROUGHT, transmitter.brought / transmitter.used, transmitter.name)
        if transmitter.skew is not None:
            metrics.set(Gauge.TRANSMITTER_SKEW, transmitter.skew, transmitter.name)
