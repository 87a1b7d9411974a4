"""Recorders tell the log, the metrics, the health and the web pages what happens in a running oracle."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import structlog

from oracle.app.provers import log_proving
from oracle.chain.listener import ChainListener
from oracle.core.errors import SourceSuspended
from oracle.core.metrics import Counter, Distribution, Gauge, Metrics
from oracle.core.stages import SHADOW, Confirmed, Decided, Observed, Proven, Scored, Submitted
from oracle.core.types import FeedState, Outcome
from oracle.feeds.interface import ReportListener, ReportStep
from oracle.feeds.observe import LookListener
from oracle.feeds.reporting import OVERTAKEN
from oracle.feeds.shadows import ShadowListener
from oracle.proving.interface import ProverEvent
from oracle.sources.aggregate import Aggregated
from oracle.sources.interface import Collected
from oracle.web.board import Board, SourceStatus
from oracle.web.health import Health

__all__ = [
    "ChainRecorder",
    "FeedRecorder",
    "LookRecorder",
    "ReportRecorder",
    "ShadowRecorder",
    "SuspensionRecorder",
]

log = structlog.get_logger(__name__)


class LookRecorder(LookListener):
    """Tells log, metrics and board what the sources said at each look."""

    def __init__(self, metrics: Metrics, board: Board) -> None:
        self._metrics = metrics
        self._board = board
        self._outliers: dict[str, frozenset[str]] = {}

    def source_failed(self, feed: str, source: str, reason: str) -> None:
        """See `LookListener`."""
        log.warning("source gave no value", source=source, error=reason)
        self._metrics.count(Counter.SOURCE_FAILURES, feed)

    def looked(self, feed: str, collected: Collected, value: Aggregated | None) -> None:
        """See `LookListener`."""
        self._board.update(feed, int(time.time()), _statuses(collected, value))
        self._metrics.set(Gauge.SOURCES_AGREEING, len(value.sources) if value is not None else 0, feed)
        if value is None:
            return
        outliers = {reading.source: reading for reading in value.outliers}
        before = self._outliers.get(feed, frozenset())
        if outliers:
            self._metrics.count(Counter.OUTLIERS, feed, len(outliers))
        for name in sorted(outliers.keys() - before):
            log.warning("outlier left out", source=name, value=str(outliers[name].value), median=str(value.value))
        for name in sorted(before.intersection(value.sources)):
            log.info("source agrees again", source=name)
        # A source that gave nothing this time does not agree yet.
        self._outliers[feed] = frozenset(outliers) | (before - set(value.sources))


def _statuses(collected: Collected, value: Aggregated | None) -> list[SourceStatus]:
    """Return what each source said: first those that gave a value, then those that did not."""
    outliers = frozenset(reading.source for reading in (value.outliers if value is not None else ()))
    statuses = []
    for reading in collected.readings:
        if value is None:
            statuses.append(SourceStatus.from_reading(reading, "unused"))
        elif reading.source in outliers:
            statuses.append(SourceStatus.from_reading(reading, "outlier", f"the median is {value.value:f}"))
        else:
            statuses.append(SourceStatus.from_reading(reading, "agrees"))
    for (name, failure), error in zip(collected.failures.items(), collected.errors, strict=True):
        state: Literal["failed", "suspended"] = "suspended" if isinstance(error, SourceSuspended) else "failed"
        statuses.append(SourceStatus(name, state, detail=failure))
    return statuses


@dataclass
class SuspensionRecorder:
    """Tells log and metrics which of a feed's sources are suspended."""

    feed: str
    metrics: Metrics
    names: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        self._show(set())

    def suspended(self, source: str, seconds: float, reason: str) -> None:
        """A source is left alone for this many seconds."""
        log.warning("source suspended", feed=self.feed, source=source, seconds=seconds, reason=reason)
        self._show(self.names | {source})

    def resumed(self, source: str) -> None:
        """A source answers again."""
        log.info("source answers again", feed=self.feed, source=source)
        self._show(self.names - {source})

    def _show(self, names: set[str]) -> None:
        self.names = names
        self.metrics.set(Gauge.SOURCES_SUSPENDED, len(names), self.feed)


@dataclass(frozen=True)
class FeedRecorder:
    """Tells health and metrics how each feed is. See `oracle.feeds.desk.FeedListener`."""

    health: Health
    metrics: Metrics

    def well(self, feed: str) -> None:
        """Its sources have answered, and what was due was reported."""
        self.health.well(feed)

    def failed(self, feed: str, reason: str) -> None:
        """There was an error, and it is tried again."""
        self.metrics.count(Counter.RETRIES, feed)
        self.health.failed(feed, reason)

    def ended(self, feed: str, reason: str | None) -> None:
        """It is looked at no more: because of an error, or, with None, because its recording has ended."""
        self.metrics.set(Gauge.IS_ENDED, reason is not None, feed)
        self.health.ended(feed, reason)


class ReportRecorder(ReportListener):
    """Tells log and metrics what becomes of each report, and of each observation in it."""

    _COUNTED: ClassVar[Mapping[Outcome, Counter]] = {
        Outcome.ACCEPTED: Counter.ACCEPTED,
        Outcome.HELD: Counter.HELD,
        Outcome.OFFERED: Counter.KEPT,
        Outcome.SUPERSEDED: Counter.SUPERSEDED,
        Outcome.FAILED: Counter.FAILED,
    }

    def __init__(self, metrics: Metrics, clock: Callable[[], float] = time.monotonic) -> None:
        self._metrics = metrics
        self._clock = clock
        self._began: dict[str, float] = {}
        self._unproven: set[tuple[str, str]] = set()

    def decided(self, decided: Decided) -> None:
        """See `ReportListener`."""
        for observed in decided.due:
            self._metrics.count(Counter.OBSERVATIONS, observed.feed)
            self._began[observed.key] = self._clock()
            self._waits(observed, True)

    def reached(self, stage: Scored | Proven | Submitted | Confirmed) -> None:
        """See `ReportListener`."""
        for observed in stage.due:
            self._waits(observed, isinstance(stage, Scored))
        if isinstance(stage, Proven):
            size, seconds = len(stage.due), stage.prove_seconds
            log.info("proven", observations=list(stage.keys), seconds=round(seconds, 3), batch=size)
            # A proof of several observations is measured once, for the first of them.
            self._metrics.observe(Distribution.PROVE_SECONDS, stage.feeds[0], seconds)
            self._metrics.observe(Distribution.BATCH, stage.feeds[0], size)

    def ended(self, observed: Observed, outcome: Outcome, reason: str, confirmed: Confirmed | None) -> None:
        """See `ReportListener`."""
        metrics, feed, key = self._metrics, observed.feed, observed.key
        self._waits(observed, False)
        began = self._began.pop(key, None)
        metrics.count(self._COUNTED[outcome], feed)
        if outcome is Outcome.OFFERED:
            log.info("kept", feed=feed, observation=key)
            return
        if confirmed is None:
            log.warning(outcome.value, feed=feed, observation=key, reason=reason)
            if reason == OVERTAKEN:
                metrics.count(Counter.OVERTAKEN, feed)
            return
        log.info(outcome.value, feed=feed, observation=key, block=confirmed.block_number, gas=confirmed.gas_share)
        metrics.observe(Distribution.GAS, feed, confirmed.gas_share)
        if began is not None:
            metrics.observe(Distribution.LATENCY_SECONDS, feed, self._clock() - began)

    def pulled(self, feed: str, state: FeedState) -> None:
        """See `ReportListener`."""
        log.info("pulled", feed=feed, round=state.round_id, observed_at=state.last_report_at)
        self._metrics.count(Counter.UPDATES_PULLED, feed)

    def took(self, step: ReportStep, seconds: float) -> None:
        """See `ReportListener`."""
        log.debug("step", step=step.value, seconds=round(seconds, 4))
        self._metrics.observe(Distribution.STEP_SECONDS, step.value, seconds)

    def _waits(self, observed: Observed, waits: bool) -> None:
        """Count whether an observation waits for its proof."""
        (self._unproven.add if waits else self._unproven.discard)((observed.feed, observed.key))
        self._metrics.set(Gauge.UNPROVEN, sum(of == observed.feed for of, _ in self._unproven), observed.feed)

    def on_proof(self, event: ProverEvent) -> None:
        """Record what a prover tells of its proofs."""
        self._metrics.set(Gauge.PROOFS_RUNNING, event.running)
        self._metrics.set(Gauge.PROOFS_WAITING, event.waiting)
        log_proving(event)

    def summary(self) -> dict[str, Any]:
        """Return what was counted, for the log's last line."""
        told: dict[str, Any] = {counter.name.lower(): self._metrics.counted(counter) for counter in Counter}
        count, total = self._metrics.measured(Distribution.LATENCY_SECONDS)
        return told | {"mean_latency_s": round(total / count, 3)} if count else told


class ShadowRecorder(ShadowListener):
    """Tells log and metrics what becomes of shadow reports, apart from the reports."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics

    def looked(self, feed: str, compared: int, demanded: int) -> None:
        """See `ShadowListener`."""
        self._metrics.set(Gauge.SHADOWS_COMPARED, compared, feed)
        self._metrics.set(Gauge.SHADOWS_DEMANDED, demanded, feed)

    def waited(self, seconds: float) -> None:
        """See `ShadowListener`."""
        self._metrics.observe(Distribution.SHADOW_WAIT_SECONDS, "", seconds)

    def ended(self, observed: Observed, outcome: Outcome, reason: str, confirmed: Confirmed | None) -> None:
        """See `ShadowListener`."""
        feed, _, model = observed.feed.rpartition(SHADOW)
        told = {"feed": feed, "observation": observed.key, "model": int(model)}
        if confirmed is not None:
            log.info("shadow taken", **told, block=confirmed.block_number, gas=confirmed.gas_share)
            self._metrics.count(Counter.SHADOWS, feed)
            self._metrics.observe(Distribution.SHADOW_GAS, feed, confirmed.gas_share)
        else:
            level = log.warning if outcome is Outcome.FAILED else log.info
            level("shadow given up", **told, reason=reason)
            self._metrics.count(Counter.SHADOWS_DROPPED, feed)


class ChainRecorder(ChainListener):
    """Counts the events of transactions and endpoints."""

    def __init__(self, metrics: Metrics) -> None:
        self._metrics = metrics
        metrics.set(Gauge.ENDPOINTS, 1)
        metrics.set(Gauge.ENDPOINTS_HEALTHY, 1)

    def replaced(self) -> None:
        """See `ChainListener`."""
        self._metrics.count(Counter.REPLACEMENTS, "")

    def sent_again(self) -> None:
        """See `ChainListener`."""
        self._metrics.count(Counter.SENT_AGAIN, "")

    def filled(self) -> None:
        """See `ChainListener`."""
        self._metrics.count(Counter.NONCES_FILLED, "")

    def failed_over(self) -> None:
        """See `ChainListener`."""
        self._metrics.count(Counter.FAILOVERS, "")

    def disagreed(self) -> None:
        """See `ChainListener`."""
        self._metrics.count(Counter.DISAGREEMENTS, "")

    def endpoints(self, healthy: int, configured: int) -> None:
        """See `ChainListener`."""
        self._metrics.set(Gauge.ENDPOINTS, configured)
        self._metrics.set(Gauge.ENDPOINTS_HEALTHY, healthy)
