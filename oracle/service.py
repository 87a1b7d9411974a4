"""The daemon's parts: observers, whose sources can be replaced, what is counted and logged, and what health is told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar

import structlog

from oracle import daemon, encoding
from oracle.assembly import Oracle, log_proving, oracle
from oracle.chain.listener import Listener
from oracle.config import Config, FeedConfig, HttpSourceConfig, ReplaySourceConfig
from oracle.errors import ConfigError, DataError, OracleError, SourceExhausted, SourceUnavailable
from oracle.metrics import Counter, Distribution, Gauge, Metrics
from oracle.pipeline import ATTEMPTS
from oracle.sources.aggregate import AggregationPolicy, DuePolicy, aggregate, decide
from oracle.sources.interface import Source, collect
from oracle.sources.packaged import load_series
from oracle.sources.replay import ReplaySource, load_csv
from oracle.types import Confirmed, FeedState, Observed, Outcome, Proven, Stage
from oracle.web.health import Health
from oracle.web.monitor import Monitor

if TYPE_CHECKING:
    from oracle.proving.interface import ProverEvent

log = structlog.get_logger(__name__)


class Observer:
    """A feed's first three stages: its sources are read, their readings become one value, and it is due or not.

    Args:
        state: Reads the feed's state on-chain.
        known: Whether the journal has an observation of this key.
    """

    def __init__(
        self,
        feed: FeedConfig,
        feed_id: bytes,
        sources: Sequence[Source],
        state: Callable[[bytes], Awaitable[FeedState]],
        known: Callable[[str], bool],
        metrics: Metrics,
    ) -> None:
        self._feed = feed
        self._feed_id = feed_id
        self._sources = sources
        self._state = state
        self._known = known
        self._metrics = metrics
        relative = feed.max_source_spread_ppm is not None
        spread = Decimal(feed.max_source_spread_ppm or 0) if relative else feed.max_source_spread
        deviation = feed.deviation_ppm if feed.deviation is None else feed.deviation
        self._aggregation = AggregationPolicy(feed.measure, feed.min_sources, spread)
        self._due = DuePolicy(
            kind=feed.measure,
            heartbeat=feed.heartbeat,
            deviation=deviation or 1,
            held_interval=feed.confirm_delay // max(1, feed.confirmations),
        )

    async def __call__(self) -> Observed | None:
        """An observation that is due, or None.

        Raises:
            SourceUnavailable: Too few sources gave a value that can be believed.
            SourceExhausted: All of them are at their end.
        """
        collected = await collect(self._sources)
        for name, failure in collected.failures.items():
            log.warning("source gave no value", source=name, error=failure)
            self._metrics.count(Counter.SOURCE_FAILURES, self._feed.name)
        if not collected.readings and all(isinstance(error, SourceExhausted) for error in collected.errors):
            raise collected.errors[0]
        try:
            value = aggregate(collected.readings, self._aggregation, collected.failures)
            answer = encoding.answer_from_decimal(value.value, self._feed.decimals)
        except DataError as error:
            # What a source says may be better next time.
            raise SourceUnavailable(str(error)) from error
        for outlier in value.outliers:
            log.warning("outlier left out", source=outlier.source, value=str(outlier.value), median=str(value.value))
        observed = Observed(self._feed.name, self._feed_id, answer, value.observed_at)
        if self._known(observed.key):
            return None
        due = decide(await self._state(self._feed_id), answer, value.observed_at, self._due)
        if due is None:
            return None
        log.info("due", reason=due.value, answer=answer, sources=len(value.sources))
        return observed


def source(feed: FeedConfig, index: int) -> Source:
    """One of a feed's sources, checked but not yet read."""
    found = feed.sources[index]
    name = found.name or f"{feed.name}/{index}"
    if isinstance(found, HttpSourceConfig):
        from oracle.sources.http import HttpSource

        return HttpSource(found, measure=feed.measure, name=name)
    if isinstance(found, ReplaySourceConfig):
        readings = load_csv(found.file, found.time_column, found.value_column, name)
    else:
        readings = load_series(found.series, found.start, found.end, name)
    return ReplaySource(readings, speed=found.speed, timestamps=found.timestamps)


class Observers:
    """The observers of all feeds, whose sources can be replaced while they run."""

    READ_AGAIN: ClassVar[frozenset[str]] = frozenset(
        {"sources", "min_sources", "max_source_spread", "max_source_spread_ppm", "deviation", "deviation_ppm"}
    )
    """What of a feed can change without a restart; everything else is in the contract, or in other parts."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        self._sources = _sources(config)
        self._observers: dict[str, Observer] = {}
        self._next: dict[str, tuple[FeedConfig, list[Source]]] = {}
        self._make: Callable[[FeedConfig, list[Source]], Observer] | None = None

    def begin(self, parts: Oracle) -> None:
        """Connects them with a running oracle.

        Raises:
            ConfigError: A feed is not deployed.
        """

        def make(feed: FeedConfig, sources: list[Source]) -> Observer:
            feed_id = parts.deployment.feeds[feed.name].feed_id
            return Observer(feed, feed_id, sources, parts.hub.feed_state, parts.journal.has, self._metrics)

        for feed in self._config.feeds:
            if feed.name not in parts.deployment.feeds:
                raise ConfigError(
                    f"feed {feed.name} is not in {self._config.chain.deployment}: run `oracle deploy` again"
                )
            self._observers[feed.name] = make(feed, self._sources[feed.name])
        self._make = make

    async def observe(self, feed: str) -> Observed | None:
        """One look at a feed's sources; at new ones, if they were replaced. See `Observer`."""
        replaced = self._next.pop(feed, None)
        if replaced is not None:
            assert self._make is not None
            old, self._sources[feed] = self._sources[feed], replaced[1]
            self._observers[feed] = self._make(*replaced)
            for each in old:
                await each.close()
        return await self._observers[feed]()

    def replace(self, config: Config) -> list[str]:
        """Takes over another configuration's sources, each feed's from its next look on; returns those feeds.

        Raises:
            ConfigError: Something else differs, or a source is wrong; then nothing is taken over.
        """
        for part in ("chain", "keys", "prover", "journal", "web"):
            if getattr(config, part) != getattr(self._config, part):
                raise ConfigError(f"[{part}] differs, which needs a restart")
        if [feed.name for feed in config.feeds] != [feed.name for feed in self._config.feeds]:
            raise ConfigError("there are other feeds, which needs a restart")
        changed = []
        for before, after in zip(self._config.feeds, config.feeds, strict=True):
            differing = [name for name in type(after).model_fields if getattr(before, name) != getattr(after, name)]
            fixed = [name for name in differing if name not in self.READ_AGAIN]
            if fixed:
                raise ConfigError(f"feed {after.name}: {', '.join(fixed)} differs, which needs a restart")
            if differing:
                changed.append(after)
        made = {feed.name: (feed, [source(feed, index) for index in range(len(feed.sources))]) for feed in changed}
        self._next |= made
        self._config = config
        return list(made)

    async def close(self) -> None:
        """Closes all sources."""
        waiting = [each for _, sources in self._next.values() for each in sources]
        for each in [*waiting, *(each for sources in self._sources.values() for each in sources)]:
            await each.close()


def _sources(config: Config) -> dict[str, list[Source]]:
    return {feed.name: [source(feed, index) for index in range(len(feed.sources))] for feed in config.feeds}


async def run_daemon(
    config: Config, stop: asyncio.Event | None = None, reread: Callable[[], Config] | None = None
) -> None:
    """Run the configured feeds until they end or are asked to stop.

    Args:
        reread: Reads the configuration again, at SIGHUP, for the feeds' sources.
    """
    metrics = Metrics()
    recorder = Recorder(metrics)
    async with contextlib.AsyncExitStack() as stack:
        # Sources first: a recording with a mistake in it stops everything before anything is started.
        observers = Observers(config, metrics)
        stack.push_async_callback(observers.close)
        parts = await stack.enter_async_context(
            oracle(config, watch=recorder, on_proof=recorder.on_proof, on_chain=ChainRecorder(metrics))
        )
        observers.begin(parts)
        feeds = [
            daemon.Feed(feed.name, partial(observers.observe, feed.name), feed.poll_interval) for feed in config.feeds
        ]
        health = _health(config)
        if config.web.address is not None:
            from oracle.web.server import serve

            port = await stack.enter_async_context(serve(config.web.address, health, metrics))
            log.info("serving", host=config.web.address[0], port=port)
        monitor = Monitor(
            _Chain(parts),
            {name: feed.feed_id for name, feed in parts.deployment.feeds.items()},
            lambda feed: parts.journal.counts(feed)["open"],
            metrics,
            health,
            min_reports=config.web.min_reports,
            interval=config.web.interval,
        )

        async def reload() -> None:
            assert reread is not None
            try:
                log.info("sources reloaded", feeds=observers.replace(reread()))
            except OracleError as error:
                log.error("sources not reloaded", reason=str(error))

        looking = asyncio.create_task(monitor.run(), name="monitor")
        try:
            await daemon.run(
                feeds,
                parts.pipeline,
                stop,
                turns=_Turns(health, metrics),
                reload=reload if reread is not None else None,
            )
        finally:
            looking.cancel()
            log.info("this run", **recorder.summary())


def _health(config: Config) -> Health:
    one_attempt = config.prover.deadline_s + config.chain.tx_deadline_s
    return Health(
        patience={feed.name: 60 + feed.poll_interval + ATTEMPTS * one_attempt for feed in config.feeds},
        heartbeats={feed.name: max(feed.heartbeat, 3 * feed.poll_interval) for feed in config.feeds},
        chain_patience=max(60.0, 4 * config.web.interval),
        max_head_age=config.web.max_head_age,
        min_reports=config.web.min_reports,
    )


@dataclass(frozen=True)
class _Turns:
    """Tells health and metrics how a feed's turns end."""

    health: Health
    metrics: Metrics

    def turned(self, feed: str) -> None:
        self.health.turned(feed)

    def failed(self, feed: str, reason: str) -> None:
        self.metrics.count(Counter.RETRIES, feed)
        self.health.failed(feed, reason)

    def ended(self, feed: str, reason: str | None) -> None:
        self.metrics.set(Gauge.IS_ENDED, reason is not None, feed)
        self.health.ended(feed, reason)


@dataclass(frozen=True)
class _Chain:
    """What the monitor asks of the chain."""

    parts: Oracle

    async def head(self) -> tuple[int, int]:
        block = await self.parts.rpc.block()
        return block.number, block.timestamp

    async def balance(self) -> int:
        return await self.parts.rpc.balance(self.parts.payer)

    async def gas_price(self) -> int:
        return (await self.parts.rpc.fees()).max_fee

    async def feed_state(self, feed_id: bytes) -> FeedState:
        return await self.parts.hub.feed_state(feed_id)


class ChainRecorder(Listener):
    """Counts what is told of transactions and endpoints."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        metrics.set(Gauge.ENDPOINTS, 1)
        metrics.set(Gauge.ENDPOINTS_HEALTHY, 1)

    def replaced(self) -> None:
        self._metrics.count(Counter.REPLACEMENTS, "")

    def sent_again(self) -> None:
        self._metrics.count(Counter.SENT_AGAIN, "")

    def filled(self) -> None:
        self._metrics.count(Counter.NONCES_FILLED, "")

    def failed_over(self) -> None:
        self._metrics.count(Counter.FAILOVERS, "")

    def disagreed(self) -> None:
        self._metrics.count(Counter.DISAGREEMENTS, "")

    def endpoints(self, healthy: int, configured: int) -> None:
        self._metrics.set(Gauge.ENDPOINTS, configured)
        self._metrics.set(Gauge.ENDPOINTS_HEALTHY, healthy)


class Recorder:
    """Tells log and metrics what becomes of each observation."""

    _COUNTED: ClassVar[Mapping[Outcome, Counter]] = {
        Outcome.ACCEPTED: Counter.ACCEPTED,
        Outcome.HELD: Counter.HELD,
        Outcome.SUPERSEDED: Counter.SUPERSEDED,
        Outcome.FAILED: Counter.FAILED,
    }

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._began: dict[str, float] = {}

    def __call__(self, stage: Stage, outcome: Outcome | None, reason: str) -> None:
        metrics, feed, key = self._metrics, stage.observed.feed, stage.observed.key
        if isinstance(stage, Confirmed):
            log.info(stage.outcome.value, observation=key, block=stage.block_number, gas=stage.gas_used)
            metrics.observe(Distribution.GAS, feed, stage.gas_used)
        elif outcome is not None:
            log.warning(outcome.value, observation=key, reason=reason)
        elif isinstance(stage, Proven):
            log.info("proven", observation=key, seconds=round(stage.prove_seconds, 3))
            metrics.observe(Distribution.PROVE_SECONDS, feed, stage.prove_seconds)
        elif isinstance(stage, Observed):
            metrics.count(Counter.OBSERVATIONS, feed)
            self._began[key] = self._clock()
        if outcome is not None:
            metrics.count(self._COUNTED[outcome], feed)
            began = self._began.pop(key, None)
            if began is not None and isinstance(stage, Confirmed):
                metrics.observe(Distribution.LATENCY_SECONDS, feed, self._clock() - began)

    def on_proof(self, event: ProverEvent) -> None:
        """Told by provers."""
        self._metrics.set(Gauge.PROOFS_RUNNING, event.running)
        self._metrics.set(Gauge.PROOFS_WAITING, event.waiting)
        log_proving(event)

    def summary(self) -> dict[str, Any]:
        """For the log's last line."""
        told: dict[str, Any] = {counter.name.lower(): self._metrics.counted(counter) for counter in Counter}
        count, total = self._metrics.measured(Distribution.LATENCY_SECONDS)
        return told | {"mean_latency_s": round(total / count, 3)} if count else told
