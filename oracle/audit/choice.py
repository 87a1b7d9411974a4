"""The part of a hub's history that an audit proves. All of it is replayed: each round decides later features."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Self

from oracle.audit.history import AuditedFeed
from oracle.audit.report import Finding
from oracle.core.errors import DataError
from oracle.core.formats import to_hex
from oracle.core.times import utc

__all__ = ["Choice", "Span"]

_SPAN = re.compile(r"(\d{1,20})(?:-(\d{1,20})?)?", re.ASCII)


@dataclass(frozen=True)
class Span:
    """Numbers from `first` to `last`, both included; a `last` of None: there is no end."""

    first: int
    last: int | None

    @classmethod
    def parse(cls, text: str) -> Self:
        """Return the span that a text describes: "7", "7-9", or "7-" for all from 7 on. Raises ValueError."""
        if (found := _SPAN.fullmatch(text.strip())) is None:
            raise ValueError(f"{text!r} is not a number (7) or a range (7-9, or 7- for all from 7 on)")
        first = int(found[1])
        last = first if "-" not in text else None if found[2] is None else int(found[2])
        if last is not None and last < first:
            raise ValueError(f"{text!r} ends before it begins")
        return cls(first, last)

    def __contains__(self, number: int) -> bool:
        return self.first <= number and (self.last is None or number <= self.last)

    def __str__(self) -> str:
        if self.first == self.last:
            return str(self.first)
        return f"{self.first}-{'' if self.last is None else self.last}"


@dataclass(frozen=True)
class Choice:
    """The rounds that an audit proves and lists: those that pass each restriction. Without any, these are all.

    Attributes:
        feeds: Descriptions or ids of feeds; empty: all feeds.
        rounds: Round ids; empty: all rounds. A held report counts to the round that it was signed for.
        blocks: Blocks; None: all blocks.
        since: Block time from which on rounds are taken, unix seconds; None: from the first.
        until: Block time before which they are; None: to the last.
    """

    feeds: tuple[str, ...] = ()
    rounds: tuple[Span, ...] = ()
    blocks: Span | None = None
    since: int | None = None
    until: int | None = None

    def __str__(self) -> str:
        parts = [f"feed {name}" for name in self.feeds]
        parts += ["rounds " + ", ".join(str(span) for span in self.rounds)] if self.rounds else []
        parts += [f"blocks {self.blocks}"] if self.blocks is not None else []
        parts += [f"since {utc(self.since)}"] if self.since is not None else []
        parts += [f"until {utc(self.until)}"] if self.until is not None else []
        return "; ".join(parts)

    @property
    def is_all(self) -> bool:
        """True if nothing is left out."""
        return self == Choice()

    def takes(self, finding: Finding) -> bool:
        """Return True if a report is to be proven, for the feed of the finding."""
        return (
            (not self.feeds or any(_is_of(name, finding.feed, finding.feed_id) for name in self.feeds))
            and (not self.rounds or any(finding.round_id in span for span in self.rounds))
            and (self.blocks is None or finding.block_number in self.blocks)
            and (self.since is None or finding.block_time >= self.since)
            and (self.until is None or finding.block_time < self.until)
        )

    def check(self, findings: Sequence[Finding], feeds: Mapping[bytes, AuditedFeed]) -> None:
        """Check that what was named is there. An audit of nothing must not look like one that found nothing wrong.

        Args:
            findings: All findings of the replayed history.
            feeds: The feeds that were added, by their ids.

        Raises:
            DataError: A feed or a round that was named does not exist, or no round passes all restrictions.
        """
        known = [(feed.description, to_hex(feed_id)) for feed_id, feed in feeds.items()]
        for name in self.feeds:
            if not any(_is_of(name, *each) for each in known):
                told = ", ".join(repr(description) for description, _ in known) or "none"
                raise DataError(f"--feed {name}: the hub has no such feed, by name or id; it has {told}")
        of_feeds = [each for each in findings if Choice(self.feeds).takes(each)]
        for span in self.rounds:
            if not any(each.round_id in span for each in of_feeds):
                latest = max((each.round_id for each in of_feeds), default=0)
                raise DataError(f"--rounds {span}: no report is of such a round; the latest one is {latest}")
        if not self.is_all and not any(self.takes(each) for each in of_feeds):
            raise DataError(f"no report passes all that was chosen: {self}")


def _is_of(name: str, description: str, feed_id: str) -> bool:
    return name == description or name.lower() == feed_id.lower()
