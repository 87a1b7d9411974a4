"""The trial of sources: each is read once, and compared with the others of its feed, before anybody trusts it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from oracle.config import FeedConfig
from oracle.sources.trace import Match

__all__ = ["Tried", "TriedFeed", "Verdict", "try_feeds"]


class Verdict(StrEnum):
    """The outcome of a source's trial."""

    OK = "ok"
    FAILS = "fails"  # a person has to change something
    SILENT = "silent"  # it does not answer now, and may later
    WAITS = "waits"  # it is sent its values, and none was sent here


@dataclass(frozen=True, slots=True)
class Tried:
    """A source that was read once.

    Attributes:
        source: Its name.
        feed: The feed's name.
        type: The kind of source.
        origin: Where its values come from, without anything secret.
        verdict: The outcome.
        value: The value; None if it gave none.
        answer: The same in answer units, as it would be signed.
        observed_at: The value's time, unix seconds.
        age_s: How many seconds ago that was.
        took_s: Seconds that the reading took.
        matched: What was found where the configuration says.
        distance: Distance from the median of the others: ppm on relative feeds, else in the feed's units.
        distance_sigma: The same in standard deviations of the feed.
        problems: What is wrong, in sentences.
        suggestions: What to change, the best first.
        excerpt: The part of the answer in which something was looked for in vain.
        notes: Facts that are neither.
    """

    source: str
    feed: str
    type: str
    origin: str
    verdict: Verdict
    value: Decimal | None = None
    answer: int | None = None
    observed_at: int | None = None
    age_s: int | None = None
    took_s: float = 0.0
    matched: tuple[Match, ...] = ()
    distance: Decimal | None = None
    distance_sigma: Decimal | None = None
    problems: tuple[str, ...] = ()
    suggestions: tuple[str, ...] = ()
    excerpt: str = ""
    notes: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class TriedFeed:
    """The sources of a feed that were read once, and the value that they make together.

    Attributes:
        feed: The feed's name.
        sources: Its sources.
        value: The value that would be reported; None if there is none.
        answer: The same in answer units.
        problems: Why there is none, or why the contract would not take it.
    """

    feed: str
    sources: tuple[Tried, ...]
    value: Decimal | None = None
    answer: int | None = None
    problems: tuple[str, ...] = ()


async def try_feeds(feeds: Sequence[FeedConfig], *, source: str | None = None) -> list[TriedFeed]:
    """Read the sources of feeds once, all at the same time, and compare each with the others of its feed.

    Args:
        feeds: The feeds.
        source: The only source whose outcome is wanted; the others of its feed are read to compare it with. None: all.
    """
    raise NotImplementedError
