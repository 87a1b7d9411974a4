"""`oracle run`: the daemon, which observes and reports the configured feeds until it is stopped.

In a network it signs for others, too. The parts that a node needs depend on its role: see `oracle.app.roles`.
"""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial
from typing import Any

import structlog

from oracle.app.looks import feeds_by_committee
from oracle.app.node import Node
from oracle.app.recorders import ChainRecorder, FeedRecorder, LookRecorder, ObstacleRecorder, SuspensionRecorder
from oracle.app.roles import DaemonSetup, NodeRole
from oracle.app.seams import NodeSeams
from oracle.app.sources import make_sources
from oracle.app.watching import watch_network
from oracle.chain.readiness import Readiness
from oracle.config import Config, FeedConfig
from oracle.core.backoff import Backoff
from oracle.core.errors import OracleError, Retryable
from oracle.core.metrics import Metrics
from oracle.core.types import Round
from oracle.feeds.desk import BACKOFF_FIRST_S, BACKOFF_LAST_S
from oracle.feeds.observe import Observers
from oracle.feeds.reporting import ATTEMPTS
from oracle.sources.interface import Source
from oracle.web.board import Board
from oracle.web.health import Health
from oracle.web.listener import Limits
from oracle.web.monitor import Monitor
from oracle.web.push import serve_pushes
from oracle.web.readings import serve_readings
from oracle.web.server import serve
from oracle.web.tls import Certificate

__all__ = ["run_daemon"]

log = structlog.get_logger(__name__)

COMPACTION_S = 3_600.0
"""Seconds between two looks for what the journal need not keep."""

COMPACTION_PAUSE_S = 1.0
"""Seconds between two compactions while there is something to drop."""


async def run_daemon(
    config: Config,
    stop: asyncio.Event | None = None,
    reread: Callable[[], Config] | None = None,
    *,
    clock: Callable[[], float] = time.time,
    seams: NodeSeams | None = None,
) -> None:
    """Run the configured feeds until they end or are asked to stop.

    Args:
        config: The configuration.
        stop: Set to stop the daemon, as SIGTERM and SIGINT do.
        reread: Reads the configuration again, at SIGHUP, for the feeds' sources; None: SIGHUP is not handled.
        clock: Unix seconds.
        seams: What the parts for a network are passed through.

    Raises:
        Fatal: Every feed has ended because of a fatal error, the first of them; or this node can't take part in its
            network any more.
    """
    metrics, board, health = Metrics(), Board(), _health(config)
    metrics.begin([feed.name for feed in config.feeds])
    async with contextlib.AsyncExitStack() as stack:
        # Sources first: a recording with a mistake in it stops everything before anything is started.
        observers = Observers(config, partial(_sources, metrics), LookRecorder(metrics, board))
        stack.push_async_callback(observers.close)
        certificates = _certificates(config)
        if config.web.address is not None:
            port = await stack.enter_async_context(serve(config.web.address, health, metrics, board))
            log.info("serving", host=config.web.address[0], port=port)
        setup = DaemonSetup(
            config,
            metrics,
            FeedRecorder(health, metrics),
            ObstacleRecorder([feed.name for feed in config.feeds], health, metrics),
            ChainRecorder(metrics),
            partial(_standby, health),
            certificates,
            seams or NodeSeams(),
            clock,
        )
        role = await _opened(stack, partial(_role, setup))
        node = role.node
        observers.begin(node.feed_ids)
        committees = await feeds_by_committee(node, observers, role.network, role.shelf, role.outlook)
        await _serve_pushes(stack, config, observers, certificates.get("push"))
        await _serve_readings(stack, node, certificates.get("readings"))
        stack.enter_context(_background("monitor", _monitor(role, metrics, health).run()))
        stack.enter_context(_background("compaction", _compact(role, config.journal.keep_days, config.readings.days)))
        if role.network is not None:
            stack.enter_context(_background("watching", watch_network(node, role.network, metrics, board)))
        reload = None if reread is None else partial(_reload, observers, reread)
        await _run(role, role.run(committees, stop or asyncio.Event(), reload))


def _role(setup: DaemonSetup) -> AbstractAsyncContextManager[NodeRole]:
    """Open the parts of the configured role. What the other one needs is not even imported."""
    network = setup.config.network
    if network is not None and not network.is_transmitter:
        from oracle.app.answering import open_answering

        return open_answering(setup)
    from oracle.app.transmitting import open_transmitting

    return open_transmitting(setup)


async def _run(role: NodeRole, feeds: Awaitable[None]) -> None:
    """Run the feeds to their end, or until the node can't take part in its network any more."""
    if role.network is None:
        await feeds
        return
    running = asyncio.ensure_future(feeds)
    failing = asyncio.ensure_future(role.network.until_failed())
    try:
        await asyncio.wait({running, failing}, return_when=asyncio.FIRST_COMPLETED)
    finally:
        failing.cancel()
        if not running.done():
            running.cancel()
        await asyncio.gather(running, failing, return_exceptions=True)
    for task in (running, failing):
        if not task.cancelled():
            task.result()


async def _serve_pushes(
    stack: contextlib.AsyncExitStack, config: Config, observers: Observers, certificate: Certificate | None
) -> None:
    """Take pushes, if the configuration says where."""
    if config.push.address is None:
        return
    pushes = serve_pushes(
        config.push.address,
        observers.push_source,
        config.push.max_body,
        certificate=certificate,
        limits=Limits(config.push.max_connections),
    )
    push_port = await stack.enter_async_context(pushes)
    log.info("taking pushes", host=config.push.address[0], push_port=push_port, tls=config.push.has_tls)


async def _serve_readings(stack: contextlib.AsyncExitStack, node: Node, certificate: Certificate | None) -> None:
    """Serve the readings behind signatures, if the configuration says where."""
    config = node.config.readings
    if config.address is None:
        return
    limits = Limits(config.max_connections)
    readings = serve_readings(config.address, node.readings.find, certificate=certificate, limits=limits)
    readings_port = await stack.enter_async_context(readings)
    log.info("serving readings", host=config.address[0], readings_port=readings_port)


def _monitor(role: NodeRole, metrics: Metrics, health: Health) -> Monitor:
    """Return what looks at the chain for health and metrics."""
    node = role.node
    return Monitor(
        _MonitoredChain(role),
        {feed.name: node.feed_ids[feed.name] for feed in node.config.feeds},
        lambda feed: node.journal.counts(feed)["open"],
        metrics,
        health,
        min_reports=node.config.web.min_reports,
        interval=node.config.web.interval,
        clock=node.clock,
    )


@contextlib.contextmanager
def _background(name: str, work: Coroutine[Any, Any, None]) -> Iterator[None]:
    """Do work that no report waits for, while the context is open. If it fails, the log says so, and reports go on."""

    def ended(task: asyncio.Task[None]) -> None:
        if not task.cancelled() and (error := task.exception()) is not None:
            log.error("background work has failed, and ends until the next start", work=name, exc_info=error)

    task = asyncio.create_task(work, name=name)
    task.add_done_callback(ended)
    try:
        yield
    finally:
        task.cancel()


def _sources(metrics: Metrics, feed: FeedConfig) -> list[Source]:
    return make_sources(feed, SuspensionRecorder(feed.name, metrics))


def _certificates(config: Config) -> dict[str, Certificate]:
    """Return the certificates of all servers that have one, by the section that names them."""
    found = {}
    for name, section in (
        ("push", config.push),
        ("readings", config.readings),
        ("updates", config.updates),
        ("network", config.network),
    ):
        if section is not None and section.tls_certificate is not None and section.tls_key is not None:
            found[name] = Certificate(section.tls_certificate, section.tls_key, name)
    return found


def _health(config: Config) -> Health:
    one_attempt = config.prover.deadline_s + config.chain.tx_deadline_s
    return Health(
        patience={feed.name: 60 + feed.poll_interval + ATTEMPTS * one_attempt for feed in config.feeds},
        heartbeats={feed.name: max(feed.heartbeat, 3 * feed.poll_interval) for feed in config.feeds},
        chain_patience=max(60.0, 4 * config.web.interval),
        max_head_age=config.web.max_head_age,
        min_reports=config.web.min_reports,
    )


def _standby(health: Health, leader: str | None) -> None:
    """Tell health and log who leads; None: this daemon does."""
    if leader is None:
        health.leads()
        log.info("leads the journal")
    else:
        health.stands_by(leader)
        log.info("stands by", leader=leader)


async def _opened(
    stack: contextlib.AsyncExitStack, make: Callable[[], AbstractAsyncContextManager[NodeRole]]
) -> NodeRole:
    """Open the parts, however long the chain takes to answer: when a machine starts, its node may come up later."""
    backoff = Backoff(BACKOFF_FIRST_S, BACKOFF_LAST_S)
    while True:
        try:
            return await stack.enter_async_context(make())
        except Retryable as error:
            pause = backoff.pause()
            log.warning("can't begin yet, will try again", error=str(error), kind=type(error).__name__, seconds=pause)
        await asyncio.sleep(pause)


async def _reload(observers: Observers, reread: Callable[[], Config]) -> None:
    """Read sources again. What is wrong with them is logged, and the old ones stay."""
    try:
        log.info("sources reloaded", feeds=observers.replace(reread()))
    except OracleError as error:
        log.error("sources not reloaded", reason=str(error))


async def _compact(role: NodeRole, keep_days: int | None, readings_days: int) -> None:
    """Drop at intervals what need not be kept: a little at a time, because no stage is recorded meanwhile."""
    node = role.node
    while True:
        dropped = 0
        try:
            if keep_days is not None:
                done = await asyncio.to_thread(node.journal.compact, keep_days)
                dropped = done.rows
                if done.rows:
                    log.info("journal compacted", observations=done.observations, rows=done.rows)
            if old := await asyncio.to_thread(node.readings.prune, readings_days):
                log.info("old readings dropped", rows=old)
                dropped += old
            if role.network is not None:
                dropped += await role.network.forget(readings_days)
        except OracleError as error:
            log.warning("journal not compacted", reason=str(error))
            dropped = 0
        await asyncio.sleep(COMPACTION_PAUSE_S if dropped else COMPACTION_S)


@dataclass(frozen=True)
class _MonitoredChain:
    """The monitor's view of the chain."""

    role: NodeRole

    async def readiness(self) -> Readiness:
        mark = self.role.outlook.mark
        read = await self.role.readiness.refresh(members=True)
        self.role.outlook.learn(read.obstacles, mark)
        return read

    async def round(self, feed_id: bytes, round_id: int) -> Round | None:
        return await self.role.node.hub.round(feed_id, round_id)
