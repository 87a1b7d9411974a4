"""Recorders tell the log, the metrics, the health and the web pages what happens in a running oracle.

Those of reports are in `oracle.app.report_recorders`: only a node that makes reports needs them.
"""

from __future__ import annotations

import re
import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

import structlog

from oracle.chain.listener import ChainListener
from oracle.core.errors import SourceSuspended
from oracle.core.metrics import Counter, Gauge, Metrics
from oracle.core.obstacles import Obstacle, ObstacleKind, grouped
from oracle.feeds.observe import LookListener
from oracle.feeds.outlook import ObstacleListener
from oracle.sources.aggregate import Aggregated
from oracle.sources.interface import Collected
from oracle.web.board import Board, SourceStatus
from oracle.web.health import Health

__all__ = [
    "ChainRecorder",
    "FeedRecorder",
    "LookRecorder",
    "ObstacleRecorder",
    "SuspensionRecorder",
]

log = structlog.get_logger(__name__)

_FIGURES = re.compile(r"[\d.,]+")


class LookRecorder(LookListener):
    """Tells log, metrics and board what the sources said at each look."""

    def __init__(self, metrics: Metrics, board: Board) -> None:
        self._metrics = metrics
        self._board = board
        self._outliers: dict[str, frozenset[str]] = {}
        self._failing: dict[tuple[str, str], str] = {}

    def source_failed(self, feed: str, source: str, reason: str) -> None:
        """See `LookListener`. The same reason is said once, whatever its figures are by now."""
        before, self._failing[feed, source] = self._failing.get((feed, source)), _FIGURES.sub("", reason)
        say = log.debug if before == self._failing[feed, source] else log.warning
        say("source gave no value", source=source, error=reason)
        self._metrics.count(Counter.SOURCE_FAILURES, feed)

    def looked(self, feed: str, collected: Collected, value: Aggregated | None) -> None:
        """See `LookListener`."""
        self._board.update(feed, int(time.time()), _statuses(collected, value))
        for reading in collected.readings:
            if self._failing.pop((feed, reading.source), None) is not None:
                log.info("source gives values again", source=reading.source)
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

    def waits(self, feed: str, reason: str) -> None:
        """A report of it is due, and the chain would not take it now: see `ObstacleRecorder`."""
        self.health.failed(feed, reason)

    def ended(self, feed: str, reason: str | None) -> None:
        """It is looked at no more: because of an error, or, with None, because its recording has ended."""
        self.metrics.set(Gauge.IS_ENDED, reason is not None, feed)
        self.health.ended(feed, reason)


@dataclass(frozen=True)
class ObstacleRecorder(ObstacleListener):
    """Tells log, health and metrics what stands in the way of reports: the log once when it begins and when it ends.

    Attributes:
        feeds: The names of all feeds.
        health: Shows the obstacles.
        metrics: Show them, too.
    """

    feeds: Sequence[str]
    health: Health
    metrics: Metrics

    def began(self, obstacles: Sequence[Obstacle]) -> None:
        """See `ObstacleListener`."""
        for feeds, each in grouped(obstacles):
            log.warning(
                "obstacle",
                feeds=list(feeds or self.feeds),
                obstacle=each.kind.value,
                reason=each.detail,
                hint=each.remedy,
            )

    def ended(self, obstacles: Sequence[tuple[Obstacle, float]]) -> None:
        """See `ObstacleListener`."""
        lasted: dict[ObstacleKind, list[tuple[Obstacle, float]]] = {}
        for obstacle, seconds in obstacles:
            lasted.setdefault(obstacle.kind, []).append((obstacle, seconds))
        for kind, gone in lasted.items():
            feeds = [obstacle.feed for obstacle, _ in gone if obstacle.feed]
            seconds = max(seconds for _, seconds in gone)
            log.info(
                "obstacle is gone", feeds=feeds or list(self.feeds), obstacle=kind.value, seconds=round(seconds, 1)
            )

    def found(self, obstacles: Sequence[Obstacle]) -> None:
        """See `ObstacleListener`."""
        self.metrics.show_obstacles(self.feeds, obstacles)
        self.health.obstacles([each for each in obstacles if each.kind is not ObstacleKind.CHAIN])


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

    def spent(self, wei: int, limit: int | None) -> None:
        """See `ChainListener`."""
        self._metrics.set(Gauge.BUDGET_SPENT_WEI, wei)
        if limit is not None:
            self._metrics.set(Gauge.BUDGET_LIMIT_WEI, limit)

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
