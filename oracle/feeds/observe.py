"""Observing: a feed's sources are read, and their readings become one answer.

`Observer` does this for one feed. `Observers` has those of all feeds, and replaces their sources while they run. What
is due is decided for all feeds of a committee together, in `oracle.feeds.deciding`.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import ClassVar, TypeAlias

import structlog

from oracle.config import Config, FeedConfig
from oracle.core import encoding
from oracle.core.errors import ConfigError, DataError, SourceExhausted, SourceSuspended, SourceUnavailable
from oracle.core.types import Kind
from oracle.sources.aggregate import Aggregated, AggregationPolicy, DuePolicy, aggregate
from oracle.sources.interface import Collected, Source, collect
from oracle.sources.push.source import PushSource
from oracle.sources.readings import FeedReadings, ReadingsRule, gather

__all__ = ["LookListener", "MakeSources", "Observer", "Observers", "Sighting", "aggregation_policy", "due_policy"]

log = structlog.get_logger(__name__)

MakeSources: TypeAlias = Callable[[FeedConfig], list[Source]]
"""Makes the sources of a feed from the configuration, without reading them."""


@dataclass(frozen=True, slots=True)
class Sighting:
    """The answer that a feed's sources give together.

    Attributes:
        feed: The feed's name.
        feed_id: Its id on the chain.
        answer: The value that they agree on, in answer units.
        read_at: When it was so, unix seconds: the lower median of the readings' times.
        sources: How many sources agree.
        readings: Everything that the sources said, for the document that is signed with the answer; None: unknown.
    """

    feed: str
    feed_id: bytes
    answer: int
    read_at: int
    sources: int = 1
    readings: FeedReadings | None = None


class LookListener:
    """Hears what the sources said at each look; override what is of interest. Must not raise."""

    def source_failed(self, feed: str, source: str, reason: str) -> None:
        """A source gave no value, and is not suspended."""

    def looked(self, feed: str, collected: Collected, value: Aggregated | None) -> None:
        """A look is over.

        Args:
            feed: The feed's name.
            collected: What the sources gave.
            value: The value that they agree on; None: there were too few readings, or too few of them agree.
        """


class Observer:
    """Takes one feed from its sources to an answer."""

    def __init__(
        self, feed: FeedConfig, feed_id: bytes, sources: Sequence[Source], listener: LookListener | None = None
    ) -> None:
        """Prepare to observe.

        Args:
            feed: The feed's configuration.
            feed_id: Its id on the chain.
            sources: Its sources.
            listener: Notified of what the sources said.
        """
        self._feed = feed
        self._feed_id = feed_id
        self._sources = sources
        self._listener = listener or LookListener()
        self._aggregation = aggregation_policy(feed)
        self._rule = ReadingsRule.of(feed_id, feed.description, feed.decimals, self._aggregation)
        self._origins = {
            source.name: configured.public_origin for source, configured in zip(sources, feed.sources, strict=True)
        }

    async def __call__(self) -> Sighting:
        """Look at the sources.

        Raises:
            SourceUnavailable: Too few sources gave a value that can be believed.
            SourceExhausted: All sources are at their end.
        """
        collected = await self._collect()
        try:
            value = aggregate(collected.readings, self._aggregation, collected.failures)
            answer = encoding.answer_from_decimal(value.value, self._feed.decimals)
            self._require_level(value.value, answer)
            readings = gather(self._rule, self._origins, collected, value, answer)
        except (DataError, SourceUnavailable) as error:
            self._listener.looked(self._feed.name, collected, None)
            # The sources may give a better value next time.
            raise SourceUnavailable(str(error)) from error
        self._listener.looked(self._feed.name, collected, value)
        return Sighting(self._feed.name, self._feed_id, answer, value.observed_at, len(value.sources), readings)

    def _require_level(self, value: Decimal, answer: int) -> None:
        """Require that a relative feed's value is not lost in rounding: no move could be measured against 0.

        Raises:
            SourceUnavailable: It is smaller than the feed's last decimal.
        """
        if self._feed.measure is Kind.RELATIVE and value and not answer:
            raise SourceUnavailable(
                f"the value is below the feed's last decimal, and its answer would be 0: the sources say {value:.6g}, "
                f"and `decimals` is {self._feed.decimals}; scale the value, or deploy a feed with more decimals"
            )

    async def _collect(self) -> Collected:
        """Read all sources."""
        collected = await collect(self._sources)
        for (name, failure), error in zip(collected.failures.items(), collected.errors, strict=True):
            if not isinstance(error, SourceSuspended):  # its suspension was reported when it began
                self._listener.source_failed(self._feed.name, name, failure)
        if not collected.readings and all(isinstance(error, SourceExhausted) for error in collected.errors):
            raise collected.errors[0]
        return collected


def aggregation_policy(feed: FeedConfig) -> AggregationPolicy:
    """Return the rules by which the readings of a feed's sources make one value."""
    relative = feed.max_source_spread_ppm is not None
    spread = Decimal(feed.max_source_spread_ppm or 0) if relative else feed.max_source_spread
    return AggregationPolicy(feed.measure, feed.min_sources, spread)


def due_policy(feed: FeedConfig, *, is_private: bool = False) -> DuePolicy:
    """Return the rules by which a feed's value is due.

    Args:
        feed: The feed.
        is_private: True if the model's weights are private: each verdict that is kept tells something of them.
    """
    deviation = feed.deviation_ppm if feed.deviation is None else feed.deviation
    return DuePolicy(
        kind=feed.measure,
        heartbeat=feed.heartbeat,
        deviation=deviation or 1,
        held_interval=feed.confirm_delay // max(1, feed.confirmations),
        pull_interval=feed.pull_interval if feed.mode == "pull" else 0,
        is_spaced=is_private,
    )


class Observers:
    """The observers of all feeds. Their sources can be replaced while they run."""

    READ_AGAIN: ClassVar[frozenset[str]] = frozenset(
        {"sources", "min_sources", "max_source_spread", "max_source_spread_ppm", "deviation", "deviation_ppm"}
    )
    """The settings of a feed that can change without a restart. The others are in the contract, or in other parts."""

    def __init__(self, config: Config, make_sources: MakeSources, listener: LookListener | None = None) -> None:
        """Make the sources of all feeds.

        Args:
            config: The configuration.
            make_sources: Makes a feed's sources.
            listener: Notified of what the sources said.

        Raises:
            OracleError: A source is wrong; see `make_sources`.
        """
        self._config = config
        self._make_sources = make_sources
        self._listener = listener
        self._sources = {feed.name: make_sources(feed) for feed in config.feeds}
        self._observers: dict[str, Observer] = {}
        self._next: dict[str, tuple[FeedConfig, list[Source]]] = {}
        self._observer: Callable[[FeedConfig, list[Source]], Observer] | None = None

    def begin(self, feed_ids: Mapping[str, bytes]) -> None:
        """Prepare to observe.

        Args:
            feed_ids: Ids by the feeds' names; every configured feed is among them.
        """

        def observer(feed: FeedConfig, sources: list[Source]) -> Observer:
            return Observer(feed, feed_ids[feed.name], sources, self._listener)

        for feed in self._config.feeds:
            self._observers[feed.name] = observer(feed, self._sources[feed.name])
        self._observer = observer

    async def observe(self, feed: str) -> Sighting:
        """Look once at a feed's sources; at the new ones, if they were replaced. See `Observer`."""
        replaced = self._next.pop(feed, None)
        if replaced is not None:
            assert self._observer is not None
            old, self._sources[feed] = self._sources[feed], replaced[1]
            self._observers[feed] = self._observer(*replaced)
            for each in old:
                await each.close()
        return await self._observers[feed]()

    def policy(self, feed: str) -> DuePolicy:
        """Return the rules by which a feed's value is due; the new ones, if they were replaced."""
        is_private = self._config.prover.privacy.visibility == "private"
        return due_policy(next(each for each in self._config.feeds if each.name == feed), is_private=is_private)

    def replace(self, config: Config) -> list[str]:
        """Take over another configuration's sources, each feed's from its next look on.

        Returns:
            The feeds whose sources are replaced.

        Raises:
            ConfigError: Another setting differs, or a source is wrong; then nothing is taken over.
        """
        for part in ("chain", "keys", "prover", "journal", "network", "web", "push", "readings", "updates"):
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
        made = {feed.name: (feed, self._make_sources(feed)) for feed in changed}
        self._next |= made
        self._config = config
        return list(made)

    def push_source(self, feed: str, name: str) -> PushSource | None:
        """Return the push source with this name, if the feed has one."""
        for each in self._sources.get(feed, ()):
            if isinstance(each, PushSource) and each.name == name:
                return each
        return None

    async def close(self) -> None:
        """Close all sources."""
        waiting = [each for _, sources in self._next.values() for each in sources]
        for each in [*waiting, *(each for sources in self._sources.values() for each in sources)]:
            await each.close()
