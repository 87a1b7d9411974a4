"""A node's part in its network: it signs for others, hears them, and, if it transmits, collects in its turn."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Coroutine
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from oracle.app.node import Node
from oracle.app.seams import NodeSeams
from oracle.config import NetworkConfig
from oracle.core.errors import JournalError
from oracle.core.types import SECONDS_A_DAY
from oracle.core.version import __version__
from oracle.feeds.interface import Signers
from oracle.network.asking import trusted
from oracle.network.casebook import Casebook
from oracle.network.chain_view import ChainView
from oracle.network.client import open_members
from oracle.network.collecting import NetworkSigners
from oracle.network.guard import TurnGuard
from oracle.network.heard import Heard
from oracle.network.ledger import Ledger
from oracle.network.member import Member
from oracle.network.messages import AnswerMessage, NetworkStatus
from oracle.network.rules import SignerRules
from oracle.network.sightings import SightedFeed, Sightings
from oracle.network.telling import Teller
from oracle.network.terms import fingerprint, turns_of
from oracle.web.network import MEMBER_RATE, member_limits, serve_members
from oracle.web.rates import Rates
from oracle.web.readings import readings_routes
from oracle.web.tls import Certificate

__all__ = ["NetworkNode", "open_network"]

log = structlog.get_logger(__name__)

LEADS_LOOK_S = 0.5
"""Seconds between two looks whether this node still leads its journal."""


@dataclass(frozen=True)
class NetworkNode:
    """A node's part in its network.

    Attributes:
        config: The network's configuration.
        committee: The number of its committee on the hub.
        guard: Says when this node may report.
        sightings: The latest answers of this node's sources; filled by its looks.
        signers: Collects the members' answers, in this node's turns.
        member: Signs this node's answers; None: it gives none.
        ledger: What this node's reporter has signed.
        casebook: Evidence of faults.
        clock: Unix seconds.
    """

    config: NetworkConfig
    committee: int
    guard: TurnGuard
    sightings: Sightings
    signers: Signers
    member: Member | None
    ledger: Ledger
    casebook: Casebook
    clock: Callable[[], float]
    _failed: asyncio.Future[None]

    @property
    def problem(self) -> str:
        """Why this node signs nothing any more; empty if it does."""
        return "" if self.member is None else self.member.problem

    async def forget(self, days: float) -> int:
        """Drop some of what was heard and signed earlier than so many days ago. Return 0 if nothing more is to drop.

        Raises:
            OracleError: The journal can't be written.
        """
        before = self.clock() - days * SECONDS_A_DAY
        found = [await asyncio.to_thread(each, before) for each in (self.ledger.forget, self.casebook.forget)]
        return sum(map(bool, found))

    async def until_failed(self) -> None:
        """Wait until this node can't take part any more.

        Raises:
            JournalError: Another process writes to the journal.
            Exception: A mistake in the program.
        """
        await asyncio.shield(self._failed)


@contextlib.asynccontextmanager
async def open_network(node: Node, seams: NodeSeams, certificate: Certificate | None) -> AsyncIterator[NetworkNode]:
    """Take part in the configured network, until the context is left.

    Args:
        node: The node, which leads its journal.
        seams: What its parts are passed through.
        certificate: That of the server for members.

    Raises:
        ConfigError: The address to listen on is taken, or a file can't be used.
    """
    network, clock = node.config.network, node.clock
    assert network is not None
    rules, feeds = _rules(node, network), _sighted_feeds(node, network)
    store = node.journal.store
    ledger = Ledger(store, chain_id=rules.chain_id, hub=rules.hub, committee=rules.committee, clock=clock)
    casebook = Casebook(store, rules.members, clock=clock)
    sightings, view = Sightings(feeds), ChainView(node.hub, rules.committee, list(feeds))
    async with contextlib.AsyncExitStack() as stack:
        members = [(each.name, each.reporter, each.url) for each in network.believed]
        clients = await stack.enter_async_context(
            open_members(members, timeout_s=network.request_timeout_s, authorities=trusted(network.ca_file))
        )
        teller = Teller(clients)

        def signed(message: AnswerMessage) -> None:
            heard.signed(message)
            teller.tell(message)

        member, answering = None, None
        if network.is_reporter:
            allow = Rates(*MEMBER_RATE).allow
            member = Member(rules, node.key, ledger, sightings, view, casebook, clock=clock, signed=signed, allow=allow)
            stack.push_async_callback(member.close)
            answering = seams.member(member)
        heard = Heard(
            rules,
            ledger,
            casebook,
            clock=clock,
            feeds=len(feeds),
            own=node.reporter,
            heard_own=None if answering is None else answering.heard_own,
            tell=teller.tell,
        )
        await heard.load()
        collecting = NetworkSigners(
            rules,
            node.key,
            {reporter: each for reporter, each in clients.items() if reporter != node.reporter},
            heard,
            casebook,
            node.hub.feed_config,
            clock=clock,
            timeout_s=network.request_timeout_s,
            grace_s=None if network.grace_ms is None else network.grace_ms / 1_000,
            own=answering,
        )
        stack.push_async_callback(collecting.close)
        failed = asyncio.get_running_loop().create_future()
        failed.add_done_callback(lambda future: future.cancelled() or future.exception())
        for name, work in (
            ("chain view", view.run()),
            ("telling", teller.run()),
            ("heard", heard.run()),
            ("casebook", casebook.run()),
            ("leadership", _until_deposed(node)),
        ):
            stack.push_async_callback(_ended, _watched(work, name, failed))
        port = await stack.enter_async_context(
            serve_members(
                network.address,
                answering,
                heard,
                partial(_status, node, rules, view),
                routes=readings_routes(node.readings.find),
                certificate=certificate,
                limits=member_limits(network.max_connections),
                middlewares=seams.middlewares,
            )
        )
        log.info("serving members", host=network.address[0], network_port=port, tls=certificate is not None)
        yield NetworkNode(
            network,
            rules.committee,
            TurnGuard(rules.committee, node.reporter, rules.turns, clock=clock),
            sightings,
            seams.signers(collecting),
            member,
            ledger,
            casebook,
            clock,
            failed,
        )


def _rules(node: Node, network: NetworkConfig) -> SignerRules:
    """Return what this node's signer judges by."""
    deployment = node.deployment
    number = deployment.committees[network.committee].number
    return SignerRules(
        deployment.chain_id,
        deployment.hub,
        number,
        turns_of(network),
        frozenset(each.reporter for each in network.members),
        frozenset(network.ignore),
        fingerprint(deployment.chain_id, deployment.hub, number, network),
    )


def _sighted_feeds(node: Node, network: NetworkConfig) -> dict[bytes, SightedFeed]:
    """Return the network's feeds, by their ids."""
    return {
        node.deployment.feeds[feed.name].feed_id: SightedFeed(feed.name, feed.poll_interval, feed.max_age)
        for feed in node.config.feeds
        if feed.committee == network.committee
    }


def _status(node: Node, rules: SignerRules, view: ChainView) -> NetworkStatus:
    """Return what this node says about itself to whoever asks."""
    network, now = node.config.network, node.clock()
    assert network is not None
    return NetworkStatus(
        reporter=node.reporter,
        chain_id=rules.chain_id,
        hub=rules.hub,
        committee=rules.committee,
        epoch=0 if view.committee is None else view.committee.epoch,
        terms=rules.terms,
        turn=rules.turns.at(now),
        time=now,
        roles=network.roles,
        version=__version__,
    )


async def _until_deposed(node: Node) -> None:
    """Wait until another process leads the journal: then this one may sign nothing any more."""
    while node.journal.is_leader:  # noqa: ASYNC110 - the thread that renews the lease has no event to wait for
        await asyncio.sleep(LEADS_LOOK_S)
    raise JournalError(node.journal.store.lost or f"{node.journal.name}: this process no longer leads the journal")


def _watched(work: Coroutine[Any, Any, None], name: str, failed: asyncio.Future[None]) -> asyncio.Task[None]:
    """Start background work. If it ends, the node can't take part any more."""
    task = asyncio.create_task(work, name=name)

    def done(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and not failed.done():
            failed.set_exception(task.exception() or RuntimeError(f"{name} has ended"))

    task.add_done_callback(done)
    return task


async def _ended(task: asyncio.Task[None]) -> None:
    """Stop background work, and wait for its end."""
    task.cancel()
    await asyncio.gather(task, return_exceptions=True)
