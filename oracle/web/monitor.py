"""Look at the chain at intervals, apart from the feeds' own loops, and report the result to health and metrics."""

from __future__ import annotations

import asyncio
import contextlib
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from oracle.chain.readiness import Readiness
from oracle.core.errors import AnswerNotBelieved, JournalError, JournalUnavailable, OracleError
from oracle.core.metrics import Gauge, Metrics
from oracle.core.types import FeedState, Round, Status
from oracle.web.health import Health

log = structlog.get_logger(__name__)


class MonitoredChain(Protocol):
    """The questions that the monitor asks a chain."""

    async def readiness(self) -> Readiness:
        """Return whether the chain would take the next report of each feed, read and told now."""
        ...

    async def round(self, feed_id: bytes, round_id: int) -> Round | None:
        """Return a round of a feed; None if there is no such round."""
        ...


class Monitor:
    """A task that looks at the chain at intervals.

    Args:
        feeds: Ids of the feeds by name.
        open_observations: Returns how many observations of a feed the journal has open.
        min_reports: How many submissions the payer should be able to pay for. If it can pay for fewer, the monitor logs
            one warning until it can pay for enough again.
        interval: Seconds between two looks.
        clock: Returns unix seconds.
    """

    def __init__(
        self,
        chain: MonitoredChain,
        feeds: Mapping[str, bytes],
        open_observations: Callable[[str], int],
        metrics: Metrics,
        health: Health,
        *,
        min_reports: int,
        interval: float,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self._chain = chain
        self._feeds = feeds
        self._open = open_observations
        self._metrics = metrics
        self._health = health
        self._min_reports = min_reports
        self._interval = interval
        self._clock = clock
        self._is_warned = False
        self._shown: dict[str, int] = {}

    async def run(self) -> None:
        """Look until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(self._interval)

    async def look(self) -> None:
        """Look once. A failure is reported to health, and the next look tries again."""
        read = await self._chain.readiness()
        facts = read.facts
        if facts is None:
            self._not_read(read)
            return
        self._report_payer(read)
        for name, feed_id in self._feeds.items():
            if (state := facts.states.get(feed_id)) is not None:
                self._report_feed(name, state)
        try:
            for name, feed_id in self._feeds.items():
                if (state := facts.states.get(feed_id)) is not None:
                    await self._report_round(name, state)
        except OracleError as error:
            self._health.silent(str(error))
            return
        self._metrics.set(Gauge.HEAD_BLOCK, facts.head.number)
        self._health.answered(max(0.0, self._clock() - facts.head.timestamp), read.reports_left)

    def _not_read(self, read: Readiness) -> None:
        """Report a chain that could not be read."""
        reason = str(read.error)
        if isinstance(read.error, AnswerNotBelieved):
            self._health.disbelieved(reason)
        else:
            self._health.silent(reason)

    def _report_payer(self, read: Readiness) -> None:
        """Report what the payer has. Where nothing is sent, nobody pays."""
        if read.facts is None or read.facts.balance is None:
            return
        balance, left = read.facts.balance, read.reports_left
        self._metrics.set(Gauge.BALANCE_WEI, balance)
        if left is None:  # gas costs more than it may, which is an obstacle
            return
        self._metrics.set(Gauge.REPORTS_LEFT, left)
        if left >= self._min_reports:
            self._is_warned = False
        elif not self._is_warned:
            self._is_warned = True
            log.warning("payer runs dry", balance_wei=balance, reports_left=left, price_wei=read.max_fee)

    def _report_feed(self, name: str, state: FeedState) -> None:
        metrics = self._metrics
        metrics.set(Gauge.ROUND, state.round_id, name)
        metrics.set(Gauge.IS_HELD, state.status is Status.HELD, name)
        with contextlib.suppress(JournalError, JournalUnavailable):  # its feeds say so, and the next look tries again
            metrics.set(Gauge.OPEN, self._open(name), name)
        if state.round_id:
            metrics.set(Gauge.AGE_SECONDS, max(0.0, self._clock() - state.observed_at), name)

    async def _report_round(self, name: str, state: FeedState) -> None:
        """Show who answered in the latest round. A round stays as it is, so each is read once."""
        if self._shown.get(name, 0) == state.round_id:
            return
        found = await self._chain.round(state.feed_id, state.round_id)
        if found is not None:
            self._metrics.set(Gauge.REPORTERS, found.count, name)
            self._metrics.set(Gauge.SPREAD, found.spread / 1_000, name)
            self._shown[name] = state.round_id
