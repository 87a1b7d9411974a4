"""The sources of a feed, made from the configuration."""

from __future__ import annotations

import time
from collections.abc import Callable

import structlog

from oracle.chain.chainlink import ChainlinkFeed
from oracle.chain.connect import pool
from oracle.config import (
    ExchangeSourceConfig,
    FeedConfig,
    HttpSourceConfig,
    LiveSourceConfig,
    OnchainSourceConfig,
    PackagedSourceConfig,
    PushSourceConfig,
)
from oracle.core.types import Kind
from oracle.sources.exchange.source import ExchangeSource
from oracle.sources.guard import Guard, GuardedSource, SuspensionListener
from oracle.sources.http.source import HttpSource
from oracle.sources.interface import Source
from oracle.sources.onchain.source import OnchainSource
from oracle.sources.packaged.series import load_series
from oracle.sources.push.source import PushSource
from oracle.sources.recordings import read_table
from oracle.sources.replay.source import ReplaySource

__all__ = ["make_source", "make_sources"]

log = structlog.get_logger(__name__)


def make_sources(feed: FeedConfig, told: SuspensionListener | None = None) -> list[Source]:
    """Return all sources of a feed. See `make_source`."""
    return [make_source(feed, index, told) for index in range(len(feed.sources))]


def make_source(
    feed: FeedConfig,
    index: int,
    told: SuspensionListener | None = None,
    *,
    now: Callable[[], float] = time.time,
) -> Source:
    """Return one of a feed's sources: checked, and not yet read.

    Args:
        feed: The feed.
        index: The source's place in the feed's list.
        told: Notified when a live source is suspended.
        now: The clock, unix seconds.

    Raises:
        ConfigError: A secret's file can't be used, or there is no such exchange.
        DataError: A recording can't be read.
        ToolMissing: The source needs a package that is not installed.
    """
    notes: tuple[str, ...] = ()
    found = feed.sources[index]
    name = feed.source_name(index)
    if isinstance(found, PushSourceConfig):
        return PushSource(found, feed=feed.name, measure=feed.measure, now=now)
    if isinstance(found, LiveSourceConfig):
        return GuardedSource(_live_source(found, feed.measure, name, now), Guard.of(found), told)
    if isinstance(found, PackagedSourceConfig):
        readings = load_series(found.series, found.start, found.end, name)
    else:
        table = read_table(found.file, found.time_column, (found.value_column,))
        for note in table.notes:
            log.info("recording", source=name, file=str(found.file), note=note)
        readings, notes = table.readings(found.value_column, name), table.notes
    return ReplaySource(readings, speed=found.speed, timestamps=found.timestamps, notes=notes, wall=now)


def _live_source(
    found: HttpSourceConfig | ExchangeSourceConfig | OnchainSourceConfig,
    measure: Kind,
    name: str,
    now: Callable[[], float],
) -> Source:
    if isinstance(found, HttpSourceConfig):
        return HttpSource(found, measure=measure, name=name, now=now)
    if isinstance(found, ExchangeSourceConfig):
        return ExchangeSource(found, measure=measure, name=name, now=now)
    # One attempt: the source's guard makes the others. Within the guard's deadline there is time to ask another
    # endpoint.
    count = len(found.endpoints)
    rpc = pool(found, found.timeout / (count + 1 if count > 1 else 1), attempts=1)
    return OnchainSource(found, ChainlinkFeed(rpc, found.address), measure=measure, name=name, now=now)
