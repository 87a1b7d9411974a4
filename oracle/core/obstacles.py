"""Reasons why the chain would not take the next report of a feed, in the words that every surface shows.

An obstacle is found by reading the chain and this machine, before anything is signed or proven. `/readyz`, `oracle
doctor`, `oracle config check --chain`, `oracle status`, the metrics and the daemon all tell it through this class.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Obstacle", "ObstacleKind", "grouped", "lines", "obstacles_for"]


class ObstacleKind(StrEnum):
    """The kinds of obstacles. Metrics have them as a label."""

    CHAIN = "chain"
    """The chain can't be read, or it is not the configured one."""
    DEPLOYMENT = "deployment"
    """The feed is not deployed, or with other terms than the configuration has now."""
    CLOCK = "clock"
    """This machine's clock and the chain's head are too far apart for the times that the feed allows."""
    PAUSED = "paused"
    """The feed is paused."""
    REPORTER = "reporter"
    """The reporter key is not in the feed's committee."""
    QUORUM = "quorum"
    """The feed's quorum is out of reach for this node and the members of its network."""
    SILENT = "silent"
    """So many members of the network give no answer now that the quorum is missed."""
    PEER = "peer"
    """A peer of the feed, which each of its reports lists, is not configured, not deployed, or of another committee."""
    MODEL = "model"
    """The feed's active model is unknown, or its artifact is not here."""
    ADAPTER = "adapter"
    """The configured adapter is not linked to the feed, or does not fit it."""
    FUNDS = "funds"
    """The paying account can't pay for the next report."""
    BUDGET = "budget"
    """The daily limit is spent."""

    @property
    def stops_reports(self) -> bool:
        """True if it is in vain to begin a report while it lasts.

        Without its adapter a feed takes reports all the same, but not all consumers read them. Whether silent members
        answer shows when they are asked, before anything is proven.
        """
        return self not in {ObstacleKind.ADAPTER, ObstacleKind.SILENT}

    @property
    def is_of_payer(self) -> bool:
        """True if only a report that this node pays for is in vain: one that is kept for others costs nothing."""
        return self in {ObstacleKind.FUNDS, ObstacleKind.BUDGET}

    @property
    def is_of_others(self) -> bool:
        """True if nobody here can do anything about it: other members of the network have to."""
        return self is ObstacleKind.SILENT


@dataclass(frozen=True, slots=True)
class Obstacle:
    """A reason why the chain would not take the next report of a feed.

    Attributes:
        kind: The kind.
        feed: The feed's name; empty if it stands in the way of all feeds.
        detail: The reason with its figures, as a sentence without a full stop.
        remedy: What the operator does about it, as a sentence without a full stop.
    """

    kind: ObstacleKind
    feed: str
    detail: str
    remedy: str

    def __str__(self) -> str:
        return f"{self.detail}; {self.remedy}" if self.remedy else self.detail

    @property
    def told(self) -> str:
        """The reason with its kind, as `/readyz` and all others tell it."""
        return f"{self.kind.value}: {self}"

    def concerns(self, feed: str) -> bool:
        """Return True if it stands in the way of this feed's next report."""
        return self.feed in {"", feed}


def obstacles_for(feed: str, obstacles: Iterable[Obstacle]) -> tuple[Obstacle, ...]:
    """Return the obstacles of a feed's next report, those of all feeds included, in the order given."""
    return tuple(obstacle for obstacle in obstacles if obstacle.concerns(feed))


def grouped(obstacles: Iterable[Obstacle]) -> tuple[tuple[tuple[str, ...], Obstacle], ...]:
    """Return each reason once, with the names of the feeds that it concerns; no names: it concerns all feeds.

    Feeds of one committee have the same reason more often than not.
    """
    feeds: dict[tuple[ObstacleKind, str, str], list[Obstacle]] = {}
    for each in obstacles:
        feeds.setdefault((each.kind, each.detail, each.remedy), []).append(each)
    return tuple((tuple(each.feed for each in same if each.feed), same[0]) for same in feeds.values())


def lines(obstacles: Iterable[Obstacle]) -> list[str]:
    """Return a line for each reason, with the feeds that it concerns."""
    return [f"next report of {', '.join(feeds) or 'every feed'}: {each.told}" for feeds, each in grouped(obstacles)]
