"""The daemon's parts: observers, whose sources can be replaced, what is counted and logged, and what health is told."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from contextlib import AbstractAsyncContextManager
from dataclasses import dataclass, field
from decimal import Decimal
from functools import partial
from typing import TYPE_CHECKING, Any, ClassVar, Literal

import structlog

from oracle.app.assembly import Oracle, log_proving, oracle
from oracle.chain.listener import Listener
from oracle.config import (
    Config,
    ExchangeSourceConfig,
    FeedConfig,
    HttpSourceConfig,
    LiveSourceConfig,
    PackagedSourceConfig,
    PushConfig,
    PushSourceConfig,
)
from oracle.core import encoding
from oracle.core.errors import (
    ConfigError,
    DataError,
    OracleError,
    Retryable,
    SourceExhausted,
    SourceSuspended,
    SourceUnavailable,
)
from oracle.core.metrics import Counter, Distribution, Gauge, Metrics
from oracle.core.types import SHADOW, Confirmed, FeedState, Kind, Observed, Outcome, Proven, Scored, Stage
from oracle.feeds import daemon
from oracle.feeds.pipeline import ATTEMPTS, OVERTAKEN
from oracle.feeds.shadows import Listener as ShadowListener
from oracle.sources.aggregate import Aggregated, AggregationPolicy, DuePolicy, aggregate, decide, is_due
from oracle.sources.guard import Guard, GuardedSource, Told
from oracle.sources.interface import Collected, Source, collect
from oracle.sources.packaged import load_series
from oracle.sources.push import PushSource
from oracle.sources.replay import ReplaySource, load_csv
from oracle.web.board import Board, Said
from oracle.web.health import Health
from oracle.web.monitor import Monitor

if TYPE_CHECKING:
    from oracle.config import OnchainSourceConfig
    from oracle.proving.interface import ProverEvent
    from oracle.web.listener import Certificate

log = structlog.get_logger(__name__)

COMPACTION_S = 3_600.0
COMPACTION_PAUSE_S = 1.0


class Observer:
    """A feed's first three stages: its sources are read, their readings become one value, and it is due or not.

    Args:
        state: Reads the feed's state on-chain.
        known: Whether the journal has an observation of this key.
        board: Is told what each source said.
    """

    def __init__(
        self,
        feed: FeedConfig,
        feed_id: bytes,
        sources: Sequence[Source],
        state: Callable[[bytes], Awaitable[FeedState]],
        known: Callable[[str], bool],
        metrics: Metrics,
        board: Board | None = None,
    ) -> None:
        self._feed = feed
        self._feed_id = feed_id
        self._board = board or Board()
        self._outliers: set[str] = set()
        self._sources = sources
        self._state = state
        self._known = known
        self._metrics = metrics
        self._is_behind = False
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

    async def __call__(self, newest: Observed | None = None) -> Observed | None:
        """An observation that is due, or None.

        Args:
            newest: The feed's newest observation that has not ended: what is reported already is not due again.

        Raises:
            SourceUnavailable: Too few sources gave a value that can be believed.
            SourceExhausted: All of them are at their end.
        """
        collected = await collect(self._sources)
        for (name, failure), error in zip(collected.failures.items(), collected.errors, strict=True):
            if not isinstance(error, SourceSuspended):  # which was told when it was
                log.warning("source gave no value", source=name, error=failure)
                self._metrics.count(Counter.SOURCE_FAILURES, self._feed.name)
        if not collected.readings and all(isinstance(error, SourceExhausted) for error in collected.errors):
            raise collected.errors[0]
        try:
            value = aggregate(collected.readings, self._aggregation, collected.failures)
            answer = encoding.answer_from_decimal(value.value, self._feed.decimals)
        except (DataError, SourceUnavailable) as error:
            self._tell(collected, None)
            # What a source says may be better next time.
            raise SourceUnavailable(str(error)) from error
        self._tell(collected, value)
        observed = Observed(self._feed.name, self._feed_id, answer, value.observed_at)
        if self._known(observed.key):
            return None
        state = await self._state(self._feed_id)
        self._tell_age(state, observed)
        due = decide(state, answer, value.observed_at, self._due)
        if due is not None and newest is not None:
            due = is_due(newest.answer, newest.observed_at, answer, value.observed_at, self._due)
        if due is None:
            return None
        log.info("due", reason=due.value, answer=answer, sources=len(value.sources))
        return observed

    def _tell(self, collected: Collected, value: Aggregated | None) -> None:
        """Log, metrics and board of one look; None: there were too few values, or too few of them agree."""
        feed = self._feed.name
        outliers = {reading.source: reading for reading in (value.outliers if value is not None else ())}
        said = []
        for reading in collected.readings:
            if value is None:
                said.append(Said.of(reading, "unused"))
            elif reading.source in outliers:
                said.append(Said.of(reading, "outlier", f"the median is {value.value:f}"))
            else:
                said.append(Said.of(reading, "agrees"))
        for (name, failure), error in zip(collected.failures.items(), collected.errors, strict=True):
            state: Literal["failed", "suspended"] = "suspended" if isinstance(error, SourceSuspended) else "failed"
            said.append(Said(name, state, detail=failure))
        self._board.looked(feed, int(time.time()), said)
        self._metrics.set(Gauge.SOURCES_AGREEING, len(value.sources) if value is not None else 0, feed)
        if value is None:
            return
        if outliers:
            self._metrics.count(Counter.OUTLIERS, feed, len(outliers))
        for name in sorted(outliers.keys() - self._outliers):
            log.warning("outlier left out", source=name, value=str(outliers[name].value), median=str(value.value))
        for name in sorted(self._outliers.intersection(value.sources)):
            log.info("source agrees again", source=name)
        # A source that gave nothing this time has not come to its senses.
        self._outliers = outliers.keys() | (self._outliers - set(value.sources))

    def _tell_age(self, state: FeedState, observed: Observed) -> None:
        """Says once when readings are older than what was reported: a clock, or a source, has gone back."""
        is_behind = observed.observed_at < state.last_report_at
        if is_behind and not self._is_behind:
            seconds = state.last_report_at - observed.observed_at
            log.warning(
                "reading is older than the feed's last report",
                seconds=seconds,
                hint="check this machine's clock, and the sources'",
            )
        self._is_behind = is_behind


def source(feed: FeedConfig, index: int, told: Told | None = None) -> Source:
    """One of a feed's sources, checked but not yet read.

    Args:
        told: Of a live source that is suspended.
    """
    found = feed.sources[index]
    name = feed.source_name(index)
    if isinstance(found, PushSourceConfig):
        return PushSource(found, feed=feed.name, measure=feed.measure)
    if isinstance(found, LiveSourceConfig):
        return GuardedSource(_live(found, feed.measure, name), Guard.of(found), told)
    if isinstance(found, PackagedSourceConfig):
        readings = load_series(found.series, found.start, found.end, name)
    else:
        readings = load_csv(found.file, found.time_column, found.value_column, name)
    return ReplaySource(readings, speed=found.speed, timestamps=found.timestamps)


def _live(found: HttpSourceConfig | ExchangeSourceConfig | OnchainSourceConfig, measure: Kind, name: str) -> Source:
    if isinstance(found, HttpSourceConfig):
        from oracle.sources.http import HttpSource

        return HttpSource(found, measure=measure, name=name)
    if isinstance(found, ExchangeSourceConfig):
        from oracle.sources.exchange import ExchangeSource

        return ExchangeSource(found, measure=measure, name=name)
    from oracle.chain.chainlink import ChainlinkFeed
    from oracle.chain.transport.endpoints import pool
    from oracle.sources.onchain import OnchainSource

    # One attempt: its guard makes the others. Within the guard's deadline there is time to ask another endpoint.
    count = len(found.endpoints)
    rpc = pool(found, found.timeout / (count + 1 if count > 1 else 1), attempts=1)
    return OnchainSource(found, ChainlinkFeed(rpc, found.address), measure=measure, name=name)


@dataclass
class _Suspensions:
    """Tells log and metrics which of a feed's sources are left alone."""

    feed: str
    metrics: Metrics
    names: set[str] = field(default_factory=set)

    def suspended(self, source: str, seconds: float, reason: str) -> None:
        log.warning("source suspended", feed=self.feed, source=source, seconds=seconds, reason=reason)
        self._show(self.names | {source})

    def resumed(self, source: str) -> None:
        log.info("source answers again", feed=self.feed, source=source)
        self._show(self.names - {source})

    def _show(self, names: set[str]) -> None:
        self.names = names
        self.metrics.set(Gauge.SOURCES_SUSPENDED, len(names), self.feed)


class Observers:
    """The observers of all feeds, whose sources can be replaced while they run."""

    READ_AGAIN: ClassVar[frozenset[str]] = frozenset(
        {"sources", "min_sources", "max_source_spread", "max_source_spread_ppm", "deviation", "deviation_ppm"}
    )
    """What of a feed can change without a restart; everything else is in the contract, or in other parts."""

    def __init__(self, config: Config, metrics: Metrics) -> None:
        self._config = config
        self._metrics = metrics
        self.board = Board()
        self._sources = {feed.name: self._made(feed) for feed in config.feeds}
        self._observers: dict[str, Observer] = {}
        self._next: dict[str, tuple[FeedConfig, list[Source]]] = {}
        self._make: Callable[[FeedConfig, list[Source]], Observer] | None = None

    def begin(self, parts: Oracle) -> None:
        """Connects them with a running oracle, which has every feed."""

        def make(feed: FeedConfig, sources: list[Source]) -> Observer:
            feed_id = parts.deployment.feeds[feed.name].feed_id
            return Observer(feed, feed_id, sources, parts.hub.feed_state, parts.journal.has, self._metrics, self.board)

        for feed in self._config.feeds:
            self._observers[feed.name] = make(feed, self._sources[feed.name])
        self._make = make

    async def observe(self, feed: str, newest: Observed | None = None) -> Observed | None:
        """One look at a feed's sources; at new ones, if they were replaced. See `Observer`."""
        replaced = self._next.pop(feed, None)
        if replaced is not None:
            assert self._make is not None
            old, self._sources[feed] = self._sources[feed], replaced[1]
            self._observers[feed] = self._make(*replaced)
            for each in old:
                await each.close()
        return await self._observers[feed](newest)

    def replace(self, config: Config) -> list[str]:
        """Takes over another configuration's sources, each feed's from its next look on; returns those feeds.

        Raises:
            ConfigError: Something else differs, or a source is wrong; then nothing is taken over.
        """
        for part in ("chain", "keys", "prover", "journal", "web", "push"):
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
        made = {feed.name: (feed, self._made(feed)) for feed in changed}
        self._next |= made
        self._config = config
        return list(made)

    def push_source(self, feed: str, name: str) -> PushSource | None:
        """The push source of these names, if there is one."""
        for each in self._sources.get(feed, ()):
            if isinstance(each, PushSource) and each.name == name:
                return each
        return None

    def _made(self, feed: FeedConfig) -> list[Source]:
        suspensions = _Suspensions(feed.name, self._metrics)
        self._metrics.set(Gauge.SOURCES_SUSPENDED, 0, feed.name)
        return [source(feed, index, suspensions) for index in range(len(feed.sources))]

    async def close(self) -> None:
        """Closes all sources."""
        waiting = [each for _, sources in self._next.values() for each in sources]
        for each in [*waiting, *(each for sources in self._sources.values() for each in sources)]:
            await each.close()


async def run_daemon(
    config: Config, stop: asyncio.Event | None = None, reread: Callable[[], Config] | None = None
) -> None:
    """Run the configured feeds until they end or are asked to stop.

    Args:
        reread: Reads the configuration again, at SIGHUP, for the feeds' sources.
    """
    metrics = Metrics()
    metrics.begin([feed.name for feed in config.feeds])
    recorder = Recorder(metrics)
    async with contextlib.AsyncExitStack() as stack:
        # Sources first: a recording with a mistake in it stops everything before anything is started.
        observers = Observers(config, metrics)
        stack.push_async_callback(observers.close)
        certificate = _certificate(config.push)
        health = _health(config)
        if config.web.address is not None:
            from oracle.web.server import serve

            port = await stack.enter_async_context(serve(config.web.address, health, metrics, observers.board))
            log.info("serving", host=config.web.address[0], port=port)
        chain = ChainRecorder(metrics)

        def parts_of() -> AbstractAsyncContextManager[Oracle]:
            return oracle(
                config,
                watch=recorder,
                on_proof=recorder.on_proof,
                on_chain=chain,
                on_standby=partial(_standby, health),
                on_shadow=ShadowRecorder(metrics),
            )

        parts = await _opened(stack, parts_of)
        observers.begin(parts)
        feeds = [
            daemon.Feed(feed.name, partial(observers.observe, feed.name), feed.poll_interval, ahead=not _counted(feed))
            for feed in config.feeds
        ]
        if config.push.address is not None:
            from oracle.web.listener import Limits
            from oracle.web.push import serve_pushes

            pushes = serve_pushes(
                config.push.address,
                observers.push_source,
                config.push.max_body,
                certificate=certificate,
                limits=Limits(config.push.max_connections),
            )
            push_port = await stack.enter_async_context(pushes)
            log.info("taking pushes", host=config.push.address[0], push_port=push_port, tls=certificate is not None)
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
            if certificate is not None:
                try:
                    certificate.reload()
                    log.info("certificate reloaded")
                except ConfigError as error:
                    log.error("certificate not reloaded", reason=str(error))

        looking = asyncio.create_task(monitor.run(), name="monitor")
        compacting = asyncio.create_task(_compact(parts, config.journal.keep_days), name="compaction")
        shadowing = [] if parts.shadows is None else [asyncio.create_task(parts.shadows.run(config.web.interval))]
        try:
            await daemon.run(
                feeds,
                parts.pipeline,
                stop,
                turns=_Turns(health, metrics),
                reload=reload if reread is not None else None,
            )
        finally:
            for task in (looking, compacting, *shadowing):
                task.cancel()
            log.info("this run", **recorder.summary())


def _certificate(push: PushConfig) -> Certificate | None:
    if push.tls_certificate is None or push.tls_key is None:
        return None
    from oracle.web.listener import Certificate

    return Certificate(push.tls_certificate, push.tls_key, "push")


def _counted(feed: FeedConfig) -> bool:
    """Whether a source gives its next row at each look: then a look is not for nothing."""
    return any(getattr(each, "speed", None) == "max" for each in feed.sources)


def _standby(health: Health, leader: str | None) -> None:
    if leader is None:
        health.leads()
        log.info("leads the journal")
    else:
        health.stands_by(leader)
        log.info("stands by", leader=leader)


async def _compact(parts: Oracle, keep_days: int | None) -> None:
    """Drop, now and then, what the journal need not keep; a little at a time, for it stands in the way of recording."""
    while keep_days is not None:
        try:
            done = await asyncio.to_thread(parts.journal.compact, keep_days)
        except OracleError as error:
            log.warning("journal not compacted", reason=str(error))
            done = None
        if done is not None and done.rows:
            log.info("journal compacted", observations=done.observations, rows=done.rows)
        await asyncio.sleep(COMPACTION_PAUSE_S if done is not None and done.rows else COMPACTION_S)


async def _opened(stack: contextlib.AsyncExitStack, make: Callable[[], AbstractAsyncContextManager[Oracle]]) -> Oracle:
    """The oracle's parts, however long the chain takes to answer: at a machine's start, its node may come up later."""
    delay = daemon.BACKOFF_FIRST_S
    while True:
        try:
            return await stack.enter_async_context(make())
        except Retryable as error:
            log.warning("can't begin yet, will try again", error=str(error), kind=type(error).__name__, seconds=delay)
        await asyncio.sleep(delay)
        delay = min(daemon.BACKOFF_LAST_S, 2 * delay)


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


class ShadowRecorder(ShadowListener):
    """Tells log and metrics what becomes of shadow reports, apart from the reports."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def looked(self, feed: str, compared: int, demanded: int) -> None:
        self._metrics.set(Gauge.SHADOWS_COMPARED, compared, feed)
        self._metrics.set(Gauge.SHADOWS_DEMANDED, demanded, feed)

    def waited(self, seconds: float) -> None:
        self._metrics.observe(Distribution.SHADOW_WAIT_SECONDS, "", seconds)

    def reached(self, stage: Stage, outcome: Outcome | None, reason: str) -> None:
        feed, _, model = stage.observed.feed.rpartition(SHADOW)
        told = {"feed": feed, "observation": stage.observed.key, "model": int(model)}
        if isinstance(stage, Confirmed):
            log.info("shadow taken", **told, block=stage.block_number, gas=stage.gas_used)
            self._metrics.count(Counter.SHADOWS, feed)
            self._metrics.observe(Distribution.SHADOW_GAS, feed, stage.gas_used)
        elif outcome is not None:
            level = log.warning if outcome is Outcome.FAILED else log.info
            level("shadow given up", **told, reason=reason)
            self._metrics.count(Counter.SHADOWS_DROPPED, feed)


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
        self._unproven: set[tuple[str, str]] = set()

    def __call__(self, stage: Stage, outcome: Outcome | None, reason: str) -> None:
        metrics, feed, key = self._metrics, stage.observed.feed, stage.observed.key
        (self._unproven.add if outcome is None and isinstance(stage, Scored) else self._unproven.discard)((feed, key))
        metrics.set(Gauge.UNPROVEN, sum(of == feed for of, _ in self._unproven), feed)
        if isinstance(stage, Confirmed):
            log.info(stage.outcome.value, feed=feed, observation=key, block=stage.block_number, gas=stage.gas_used)
            metrics.observe(Distribution.GAS, feed, stage.gas_used)
        elif outcome is not None:
            log.warning(outcome.value, feed=feed, observation=key, reason=reason)
            if reason == OVERTAKEN:
                metrics.count(Counter.OVERTAKEN, feed)
        elif isinstance(stage, Proven):
            size = max(1, len(stage.batch))
            log.info("proven", feed=feed, observation=key, seconds=round(stage.prove_seconds, 3), batch=size)
            if stage.batch[:1] in ((), (key,)):  # of several, one speaks for the proof
                metrics.observe(Distribution.PROVE_SECONDS, feed, stage.prove_seconds)
                metrics.observe(Distribution.BATCH, feed, size)
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
