"""The latest sightings of a node's own sources, with when they were looked at: a reporter signs nothing else."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from oracle.feeds.observe import Sighting

__all__ = ["FRESH_S", "SightedFeed", "Sightings"]

FRESH_S = 5.0
"""Seconds for which a sighting counts at least, however often its sources are looked at."""


@dataclass(frozen=True, slots=True)
class SightedFeed:
    """The terms on which sightings of a feed count.

    Attributes:
        name: The feed's name.
        poll_interval: Seconds between two looks at its sources.
        max_age: How many seconds old a reading may be.
    """

    name: str
    poll_interval: float
    max_age: float

    @property
    def fresh_s(self) -> float:
        """Seconds for which a sighting counts."""
        return max(2 * self.poll_interval, FRESH_S)


class Sightings:
    """The latest sighting of each feed."""

    def __init__(self, feeds: Mapping[bytes, SightedFeed]) -> None:
        """Begin without sightings.

        Args:
            feeds: The feeds, by their ids.
        """
        self.feeds = dict(feeds)
        self._latest: dict[bytes, tuple[Sighting, float]] = {}

    def note(self, sighting: Sighting, looked_at: float) -> None:
        """Take a sighting, unless there is one that was made later.

        Args:
            sighting: The sighting.
            looked_at: When the sources had answered, unix seconds by this node's clock.
        """
        before = self._latest.get(sighting.feed_id)
        # A clock that was ahead, and was set, must not keep out what is seen now.
        if before is None or looked_at >= before[1] or before[1] - looked_at > FRESH_S:
            self._latest[sighting.feed_id] = (sighting, looked_at)

    def usable(self, feed_id: bytes, now: float) -> Sighting | None:
        """Return what may be signed of a feed now; None if there is nothing: `problem` says why.

        Args:
            feed_id: The feed's id.
            now: Unix seconds by this node's clock.
        """
        found = self._latest.get(feed_id)
        return None if found is None or self._problem(self.feeds[feed_id], *found, now) else found[0]

    def problem(self, feed_id: bytes, now: float) -> str:
        """Return why nothing may be signed of a feed now; empty if something may."""
        feed = self.feeds.get(feed_id)
        if feed is None:
            return "it has no sources here"
        found = self._latest.get(feed_id)
        if found is None:
            return f"{feed.name}: its sources have given no answer yet"
        return self._problem(feed, *found, now)

    @staticmethod
    def _problem(feed: SightedFeed, sighting: Sighting, looked_at: float, now: float) -> str:
        seconds = now - looked_at
        if not -FRESH_S <= seconds <= feed.fresh_s:
            return f"{feed.name}: its sources gave their last answer {seconds:.0f} s ago"
        age = now - sighting.read_at
        return f"{feed.name}: its newest reading is {age:.0f} s old" if age > feed.max_age else ""
