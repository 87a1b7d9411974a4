"""The chain as a signer sees it: its committee and its feeds, read in the background and kept.

A request is judged by what is kept, so it costs no question to the chain. If it seems to be ahead, the chain is read
once more: nodes hear of a block at different times.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import Protocol

import structlog

from oracle.core.concurrency import together
from oracle.core.errors import OracleError
from oracle.core.types import FeedState
from oracle.feeds.interface import SigningCommittee

__all__ = ["ChainView", "ReadsHub"]

log = structlog.get_logger(__name__)

REFRESHED_EACH_S = 10.0
"""Seconds between two readings of the chain."""

NOT_BEFORE_S = 0.5
"""Seconds between two readings at least, however many requests ask for one: only so often can others cause them."""


class ReadsHub(Protocol):
    """Reads committees and feeds from the hub."""

    async def committee(self, number: int) -> SigningCommittee:
        """Return a committee as it is now."""
        ...

    async def feed_states(self, feed_ids: Sequence[bytes]) -> Sequence[FeedState]:
        """Return the states of several feeds, in their order, all of one block."""
        ...


class ChainView:
    """The committee and the feeds of one network, as they were read last."""

    def __init__(
        self,
        hub: ReadsHub,
        committee: int,
        feed_ids: Sequence[bytes],
        *,
        each_s: float = REFRESHED_EACH_S,
        monotonic: Callable[[], float] | None = None,
    ) -> None:
        """Begin without having read anything.

        Args:
            hub: Reads the chain.
            committee: The committee's number.
            feed_ids: The feeds of this committee that are configured here.
            each_s: Seconds between two readings.
            monotonic: A clock in seconds that is never set; None: the event loop's.
        """
        self._hub = hub
        self._number = committee
        self._feed_ids = tuple(feed_ids)
        self._each_s = each_s
        self._monotonic = monotonic or (lambda: asyncio.get_running_loop().time())
        self._committee: SigningCommittee | None = None
        self._states: dict[bytes, FeedState] = {}
        self._first: dict[bytes, int] = {}
        self._read_at = float("-inf")
        self._reading: asyncio.Task[None] | None = None
        self._problem = "it was not read yet"

    @property
    def committee(self) -> SigningCommittee | None:
        """The committee; None: it was never read."""
        return self._committee

    @property
    def states(self) -> Mapping[bytes, FeedState]:
        """The state of each feed, by its id."""
        return self._states

    @property
    def reported_at_first(self) -> Mapping[bytes, int]:
        """The time of each feed's latest report when the chain was read for the first time, unix seconds.

        A signer that lost its memory may have signed up to there.
        """
        return self._first

    @property
    def problem(self) -> str:
        """Why the chain could not be read the last time; empty if it could."""
        return self._problem

    async def refresh(self) -> None:
        """Read the chain now, unless it was read a moment ago. Several callers wait for one reading.

        Raises:
            OracleError: It can't be read.
        """
        if self._reading is None:
            if self._monotonic() - self._read_at < NOT_BEFORE_S and self._committee is not None:
                return
            self._reading = asyncio.create_task(self._read(), name="chain view")
        # The reading goes on if this caller is cancelled: others wait for it.
        await asyncio.shield(self._reading)

    def forget(self) -> None:
        """Forget what was read: this machine may have been set back to an earlier state, with this in its memory."""
        self._committee, self._states, self._first = None, {}, {}
        self._problem = "it was not read since the clock was set"

    async def run(self) -> None:
        """Read the chain again and again, until cancelled."""
        try:
            while True:
                before = self._problem
                try:
                    await self.refresh()
                except OracleError as error:
                    if str(error) != before:
                        log.warning("chain not read, will try again", error=str(error))
                await asyncio.sleep(self._each_s if not self._problem else min(self._each_s, 1.0))
        finally:
            if self._reading is not None:
                self._reading.cancel()

    async def _read(self) -> None:
        try:
            committee, states = await together(self._hub.committee(self._number), self._hub.feed_states(self._feed_ids))
            self._committee = committee
            self._states = {each.feed_id: each for each in states}
            for each in states:
                self._first.setdefault(each.feed_id, each.last_report_at)
            self._problem = ""
        except OracleError as error:
            self._problem = str(error)
            raise
        finally:
            self._read_at = self._monotonic()
            self._reading = None
