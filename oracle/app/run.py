"""`oracle run`: the daemon, which observes and reports the configured feeds until it is stopped."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass
from functools import partial

import structlog

from oracle.app.deploy import committees_out_of_reach
from oracle.app.recorders import (
    ChainRecorder,
    FeedRecorder,
    LookRecorder,
    ReportRecorder,
    ShadowRecorder,
    SuspensionRecorder,
)
from oracle.app.running import RunningOracle, open_oracle
from oracle.app.sources import make_sources
from oracle.app.updates import UpdateFinder, updates_served
from oracle.chain.tx.fees import fees_now
from oracle.config import Config, FeedConfig, PushConfig, ReadingsConfig, UpdatesConfig
from oracle.core.backoff import Backoff
from oracle.core.errors import ConfigError, OracleError, Retryable
from oracle.core.metrics import Metrics
from oracle.core.types import FeedState, Round
from oracle.feeds import daemon
from oracle.feeds.desk import BACKOFF_FIRST_S, BACKOFF_LAST_S
from oracle.feeds.looking import LookedAt, Looks, Rows
from oracle.feeds.observe import Observers
from oracle.feeds.reporting import ATTEMPTS
from oracle.sources.interface import Source
from oracle.sources.readings import FeedReadings
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
    config: Config, stop: asyncio.Event | None = None, reread: Callable[[], Config] | None = None
) -> None:
    """Run the configured feeds until they end or are asked to stop.

    Args:
        config: The configuration.
        stop: Set to stop the daemon, as SIGTERM and SIGINT do.
        reread: Reads the configuration again, at SIGHUP, for the feeds' sources; None: SIGHUP is not handled.

    Raises:
        Fatal: Every feed has ended because of a fatal error; the first of them.
    """
    metrics, board, health = Metrics(), Board(), _health(config)
    metrics.begin([feed.name for feed in config.feeds])
    recorder = ReportRecorder(metrics)
    async with contextlib.AsyncExitStack() as stack:
        # Sources first: a recording with a mistake in it stops everything before anything is started.
        observers = Observers(config, partial(_sources, metrics), LookRecorder(metrics, board))
        stack.push_async_callback(observers.close)
        push_certificate = _certificate(config.push, "push")
        readings_certificate = _certificate(config.readings, "readings")
        updates_certificate = _certificate(config.updates, "updates")
        if config.web.address is not None:
            port = await stack.enter_async_context(serve(config.web.address, health, metrics, board))
            log.info("serving", host=config.web.address[0], port=port)
        chain, feeds = ChainRecorder(metrics), FeedRecorder(health, metrics)

        def parts_of() -> AbstractAsyncContextManager[RunningOracle]:
            return open_oracle(
                config,
                listener=recorder,
                feeds=feeds,
                on_proof=recorder.on_proof,
                on_chain=chain,
                on_standby=partial(_standby, health),
                on_shadow=ShadowRecorder(metrics),
            )

        served = (push_certificate, readings_certificate, updates_certificate)
        certificates = [each for each in served if each is not None]
        parts = await _opened(stack, parts_of)
        feed_ids = {name: feed.feed_id for name, feed in parts.deployment.feeds.items()}
        observers.begin(feed_ids)
        committees = await _committees(config, parts, observers)
        if config.push.address is not None:
            pushes = serve_pushes(
                config.push.address,
                observers.push_source,
                config.push.max_body,
                certificate=push_certificate,
                limits=Limits(config.push.max_connections),
            )
            push_port = await stack.enter_async_context(pushes)
            log.info("taking pushes", host=config.push.address[0], push_port=push_port, tls=config.push.has_tls)
        if config.readings.address is not None:
            readings = serve_readings(
                config.readings.address,
                parts.readings.find,
                certificate=readings_certificate,
                limits=Limits(config.readings.max_connections),
            )
            readings_port = await stack.enter_async_context(readings)
            log.info("serving readings", host=config.readings.address[0], readings_port=readings_port)
        finder = UpdateFinder(parts.shelf.kept, parts.hub, parts.deployment.chain_id)
        await stack.enter_async_context(updates_served(config, parts.deployment, finder, metrics, updates_certificate))
        monitor = Monitor(
            _MonitoredChain(parts),
            feed_ids,
            lambda feed: parts.journal.counts(feed)["open"],
            metrics,
            health,
            min_reports=config.web.min_reports,
            interval=config.web.interval,
        )
        looking = asyncio.create_task(monitor.run(), name="monitor")
        compacting = asyncio.create_task(_compact(parts, config.journal.keep_days, config.readings.days))
        shadowing = [] if parts.shadows is None else [asyncio.create_task(parts.shadows.run(config.web.interval))]
        try:
            await daemon.run(
                committees,
                parts.desk,
                parts.hub.feed_states,
                parts.journal.has,
                stop,
                listener=feeds,
                reload=None if reread is None else partial(_reload, observers, certificates, reread),
            )
        finally:
            for task in (looking, compacting, *shadowing):
                task.cancel()
            log.info("this run", **recorder.summary())


def _sources(metrics: Metrics, feed: FeedConfig) -> list[Source]:
    return make_sources(feed, SuspensionRecorder(feed.name, metrics))


async def _committees(config: Config, parts: RunningOracle, observers: Observers) -> list[daemon.CommitteeFeeds]:
    """Return the configured feeds by committee. Those of recordings that count looks are looked at by themselves.

    Raises:
        ConfigError: A feed's peer is not configured here.
    """
    ids = {name: feed.feed_id for name, feed in parts.deployment.feeds.items()}
    configured = {ids[feed.name] for feed in config.feeds}
    groups: dict[tuple[int, bool], list[FeedConfig]] = {}
    for feed in config.feeds:
        terms = await parts.hub.feed_config(ids[feed.name])
        missing = [name for name, feed_id in ids.items() if feed_id in terms.peers and feed_id not in configured]
        if missing or not configured.issuperset(terms.peers):
            raise ConfigError(
                f"feed {feed.name} is signed with its peers, but {', '.join(missing) or 'one of them'} is not among "
                "[[feeds]]: configure it with sources, so that it has an answer"
            )
        groups.setdefault((terms.committee, _counts_looks(feed)), []).append(feed)
    return [
        daemon.CommitteeFeeds(
            {feed.name: ids[feed.name] for feed in feeds},
            (Rows if by_row else Looks)([_looked_at(feed, observers) for feed in feeds]),
            observers.policy,
            shelf=parts.shelf if any(feed.mode == "pull" for feed in feeds) else None,
            keep=partial(_keep, parts),
        )
        for (_, by_row), feeds in sorted(groups.items())
    ]


def _looked_at(feed: FeedConfig, observers: Observers) -> LookedAt:
    return LookedAt(
        feed.name,
        partial(observers.observe, feed.name),
        feed.poll_interval,
        feed.max_age,
        is_recorded=any(getattr(each, "timestamps", None) == "recorded" for each in feed.sources),
    )


def _keep(parts: RunningOracle, observed_at: int, readings: Sequence[FeedReadings]) -> None:
    """Keep the readings behind answers that the reporter is about to sign."""
    parts.readings.keep([each.document(parts.reporter, observed_at) for each in readings])


def _counts_looks(feed: FeedConfig) -> bool:
    """Return whether a source gives its next row at each look: then no look may be wasted."""
    return any(getattr(each, "speed", None) == "max" for each in feed.sources)


def _certificate(of: PushConfig | ReadingsConfig | UpdatesConfig, section: str) -> Certificate | None:
    if of.tls_certificate is None or of.tls_key is None:
        return None
    return Certificate(of.tls_certificate, of.tls_key, section)


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
    stack: contextlib.AsyncExitStack, make: Callable[[], AbstractAsyncContextManager[RunningOracle]]
) -> RunningOracle:
    """Open the parts, however long the chain takes to answer: when a machine starts, its node may come up later."""
    backoff = Backoff(BACKOFF_FIRST_S, BACKOFF_LAST_S)
    while True:
        try:
            return await stack.enter_async_context(make())
        except Retryable as error:
            pause = backoff.pause()
            log.warning("can't begin yet, will try again", error=str(error), kind=type(error).__name__, seconds=pause)
        await asyncio.sleep(pause)


async def _reload(observers: Observers, certificates: Sequence[Certificate], reread: Callable[[], Config]) -> None:
    """Read sources and certificates again. What is wrong with them is logged, and the old ones stay."""
    try:
        log.info("sources reloaded", feeds=observers.replace(reread()))
    except OracleError as error:
        log.error("sources not reloaded", reason=str(error))
    for certificate in certificates:
        try:
            certificate.reload()
            log.info("certificate reloaded")
        except ConfigError as error:
            log.error("certificate not reloaded", reason=str(error))


async def _compact(parts: RunningOracle, keep_days: int | None, readings_days: int) -> None:
    """Drop at intervals what need not be kept: a little at a time, because no stage is recorded meanwhile."""
    while True:
        dropped = 0
        try:
            if keep_days is not None:
                done = await asyncio.to_thread(parts.journal.compact, keep_days)
                dropped = done.rows
                if done.rows:
                    log.info("journal compacted", observations=done.observations, rows=done.rows)
            if old := await asyncio.to_thread(parts.readings.prune, readings_days):
                log.info("old readings dropped", rows=old)
                dropped += old
        except OracleError as error:
            log.warning("journal not compacted", reason=str(error))
            dropped = 0
        await asyncio.sleep(COMPACTION_PAUSE_S if dropped else COMPACTION_S)


@dataclass(frozen=True)
class _MonitoredChain:
    """The monitor's view of the chain."""

    parts: RunningOracle

    async def head(self) -> tuple[int, int]:
        block = await self.parts.rpc.block()
        return block.number, block.timestamp

    async def balance(self) -> int:
        return await self.parts.rpc.balance(self.parts.payer)

    async def gas_price(self) -> int:
        return (await fees_now(self.parts.rpc)).max_fee

    async def feed_state(self, feed_id: bytes) -> FeedState:
        return await self.parts.hub.feed_state(feed_id)

    async def round(self, feed_id: bytes, round_id: int) -> Round | None:
        return await self.parts.hub.round(feed_id, round_id)

    async def out_of_reach(self) -> Mapping[str, str]:
        return await committees_out_of_reach(
            self.parts.config, self.parts.deployment, self.parts.hub, self.parts.reporter
        )
