"""A feed's events and a journal's observations from the newest on, read as they are asked for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from oracle.chain.hub import Hub, RoundEvent, RoundHeld
from oracle.chain.rpc import LOG_BLOCKS
from oracle.chain.transport.interface import BlockMissing, NodeError
from oracle.core.errors import ChainUnavailable, JournalError, JournalUnavailable
from oracle.feeds.journal import Entry, Journal

__all__ = ["EventsBackwards", "ObservationsBackwards"]

_FIRST_BLOCKS = 256
_MOST_BLOCKS = 10 * LOG_BLOCKS
_ENOUGH = 50
"""Events of a range after which the next one is not wider."""

_FIRST_PAGE, _LARGEST_PAGE = 100, 2_000
"""Observations of the first page and of the largest: who wants the latest few shall not wait for many."""


class EventsBackwards:
    """The events of a feed's reports, newest first, read a range of blocks at a time.

    Args:
        first: The hub's block: nothing is older.
        last: The block to begin with.
        since: Unix seconds: older reports are not wanted.
        max_skew: Seconds by which a report's time may be ahead of its block's.

    Attributes:
        failure: Why the rest can't be read; empty if it can, or was.
    """

    def __init__(self, hub: Hub, feed_id: bytes, first: int, last: int, since: int | None, max_skew: int) -> None:
        self.failure = ""
        self._hub, self._feed_id, self._first, self._last = hub, feed_id, first, last
        self._oldest_block_at = None if since is None else since - max_skew

    async def __aiter__(self) -> AsyncIterator[RoundEvent]:
        """Yield the events."""
        end, width = self._last, _FIRST_BLOCKS
        oldest: RoundEvent | None = None
        while end >= self._first:
            begin = max(self._first, end - width + 1)
            try:
                events = await self._hub.feed_logs(self._feed_id, begin, end)
                is_over = await self._is_older(begin)
            except ChainUnavailable as error:
                if isinstance(error, NodeError) and width > _FIRST_BLOCKS:
                    width = max(_FIRST_BLOCKS, width // 8)  # the newer part of the range may be there
                    continue
                self.failure = f"blocks {self._first:,} to {end:,} can't be read: {error}"
                return
            for event in reversed(events):
                yield event
                oldest = event
            if is_over and not isinstance(oldest, RoundHeld):  # a hold is told with all its reports
                return
            end = begin - 1
            if len(events) < _ENOUGH:
                width = min(2 * width, _MOST_BLOCKS)

    async def _is_older(self, block: int) -> bool:
        """Return True if a block, and all before it, are older than what is wanted."""
        if self._oldest_block_at is None or block <= self._first:
            return False
        try:
            return (await self._hub.rpc.block(block)).timestamp < self._oldest_block_at
        except BlockMissing:  # on some chains nobody makes certain blocks
            return False


class ObservationsBackwards:
    """A journal's observations of a feed, newest first, read a page at a time.

    Args:
        since: Unix seconds: older observations are not wanted.

    Attributes:
        failure: Why the rest can't be read; empty if it can, or was.
    """

    def __init__(self, journal: Journal, feed: str, since: int | None) -> None:
        self.failure = ""
        self._journal, self._feed, self._since = journal, feed, since

    def __iter__(self) -> Iterator[Entry]:
        """Yield the observations."""
        after, size = None, _FIRST_PAGE
        while True:
            try:
                page = self._journal.page(self._feed, size, older_than=after, since=self._since)
            except (JournalError, JournalUnavailable) as error:
                self.failure = str(error)
                return
            yield from page
            if len(page) < size:
                return
            after, size = page[-1], min(2 * size, _LARGEST_PAGE)
