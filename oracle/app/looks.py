"""The looks at the sources of the configured feeds, by committee."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from functools import partial

from oracle.app.network import NetworkNode
from oracle.app.node import Node
from oracle.config import Config, FeedConfig
from oracle.core.errors import ConfigError
from oracle.feeds.daemon import CommitteeFeeds
from oracle.feeds.interface import Permission
from oracle.feeds.looking import LookedAt, Looks, Rows
from oracle.feeds.observe import Observers, Sighting
from oracle.feeds.outlook import Outlook
from oracle.feeds.shelf import Shelf
from oracle.sources.readings import FeedReadings

__all__ = ["feeds_by_committee"]


async def feeds_by_committee(
    node: Node,
    observers: Observers,
    network: NetworkNode | None = None,
    shelf: Shelf | None = None,
    outlook: Outlook | None = None,
) -> list[CommitteeFeeds]:
    """Return the configured feeds by committee. Those of recordings that count looks are looked at by themselves.

    Args:
        node: The node.
        observers: Look at the feeds' sources.
        network: The node's part in its network; None: it is alone.
        shelf: Has what is kept for whoever brings it; None: every report is sent.
        outlook: Knows what stands in the way of a report; None: nothing ever does.

    Raises:
        ConfigError: A feed's peer is not configured here.
    """
    config, ids = node.config, node.feed_ids
    numbers = await _committees(node, config)
    groups: dict[tuple[int, bool], list[FeedConfig]] = {}
    for feed in config.feeds:
        groups.setdefault((numbers[feed.name], _counts_looks(feed)), []).append(feed)
    found = []
    for (number, by_row), feeds in sorted(groups.items()):
        mine = network if network is not None and network.committee == number else None
        looked_at = [_looked_at(feed, node, observers, mine) for feed in feeds]
        looks = Rows(looked_at) if by_row else _looks(looked_at, node, mine)
        found.append(
            CommitteeFeeds(
                {feed.name: ids[feed.name] for feed in feeds},
                looks,
                observers.policy,
                shelf=shelf if any(feed.mode == "pull" for feed in feeds) else None,
                keep=partial(_keep, node) if mine is None else None,
                number=number,
                permission=Permission() if mine is None else mine.guard,
                outlook=outlook or Outlook(),
            )
        )
    return found


async def _committees(node: Node, config: Config) -> dict[str, int]:
    """Return each feed's committee, by the feed's name; require that its peers are configured."""
    ids = node.feed_ids
    configured = {ids[feed.name] for feed in config.feeds}
    numbers = {}
    for feed in config.feeds:
        terms = await node.hub.feed_config(ids[feed.name])
        missing = [name for name, feed_id in ids.items() if feed_id in terms.peers and feed_id not in configured]
        if missing or not configured.issuperset(terms.peers):
            raise ConfigError(
                f"feed {feed.name} is signed with its peers, but {', '.join(missing) or 'one of them'} is not among "
                "[[feeds]]: configure it with sources, so that it has an answer"
            )
        numbers[feed.name] = terms.committee
    return numbers


def _looks(feeds: Sequence[LookedAt], node: Node, network: NetworkNode | None) -> Looks:
    """Return looks at feeds that have a value at any time: in a network also when a turn of this node begins."""
    if network is None:
        return Looks(feeds, now=node.clock)
    until_all: Callable[[], float | None] = lambda: None  # noqa: E731
    if network.config.is_transmitter:
        until_all = partial(network.guard.until_next, network.committee)
    return Looks(feeds, now=node.clock, by_clock=True, until_all=until_all)


def _looked_at(feed: FeedConfig, node: Node, observers: Observers, network: NetworkNode | None) -> LookedAt:
    async def observe() -> Sighting:
        sighting = await observers.observe(feed.name)
        if network is not None:
            network.sightings.note(sighting, node.clock())
        return sighting

    return LookedAt(
        feed.name,
        observe,
        feed.poll_interval,
        feed.max_age,
        is_recorded=any(getattr(each, "timestamps", None) == "recorded" for each in feed.sources),
    )


def _keep(node: Node, observed_at: int, readings: Sequence[FeedReadings]) -> None:
    """Keep the readings behind answers that the reporter is about to sign."""
    node.readings.keep([each.document(node.reporter, observed_at) for each in readings])


def _counts_looks(feed: FeedConfig) -> bool:
    """Return whether a source gives its next row at each look: then no look may be wasted."""
    return any(getattr(each, "speed", None) == "max" for each in feed.sources)
