"""Where values come from. `interface` is what the rest sees; each other module is one kind of source."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from oracle.config import FeedConfig
    from oracle.sources.interface import Source

__all__ = ["build_sources"]


def build_sources(feed: FeedConfig) -> tuple[Source, ...]:
    """The sources of a feed, as it configures them. Recorded data is read and checked here; nothing is started.

    Raises:
        DataError: A recording is malformed.
        ToolMissing: A packaged series is not installed.
    """
    from oracle.config import HttpSourceConfig, ReplaySourceConfig

    built: list[Source] = []
    for index, source in enumerate(feed.sources):
        name = source.name or f"{feed.name}[{index}]"
        if isinstance(source, HttpSourceConfig):
            from oracle.sources.http import HttpSource

            built.append(HttpSource(source, measure=feed.measure, name=name))
            continue
        from oracle.sources.replay import ReplaySource, load_csv

        if isinstance(source, ReplaySourceConfig):
            readings = load_csv(source.file, source.time_column, source.value_column, name)
        else:
            from oracle.sources.packaged import load_series

            readings = load_series(source.series, source.start, source.end, name)
        built.append(ReplaySource(readings, speed=source.speed, timestamps=source.timestamps))
    return tuple(built)
