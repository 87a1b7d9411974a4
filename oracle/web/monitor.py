"""Look at the chain at intervals, apart from the feeds' own loops, and report the result to health and metrics."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable, Mapping
from typing import Protocol

import structlog

from oracle.core.errors import AnswerNotBelieved, OracleError
from oracle.core.metrics import Distribution, Gauge, Metrics
from oracle.core.types import FeedState, Round, Status
from oracle.web.health import Health

log = structlog.get_logger(__name__)

TYPICAL_GAS = 600_000
"""The gas of a submission, until one was measured."""


class MonitoredChain(Protocol):
    """The questions that the monitor asks a chain."""

    async def head(self) -> tuple[int, int]:
        """Return number and time (unix seconds) of the latest block."""
        ...

    async def balance(self) -> int | None:
        """Return how many wei the payer has; None: nothing is sent, so nobody pays."""
        ...

    async def gas_price(self) -> int:
        """Return how many wei a unit of gas may cost now, at most."""
        ...

    async def feed_state(self, feed_id: bytes) -> FeedState:
        """Return a feed as it is on the chain."""
        ...

    async def round(self, feed_id: bytes, round_id: int) -> Round | None:
        """Return a round of a feed; None if there is no such round."""
        ...

    async def out_of_reach(self) -> Mapping[str, str]:
        """Return by committee why this oracle can't report for it; an empty text if it can."""
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
        try:
            number, at = await self._chain.head()
            left = await self._payer()
            for name, problem in (await self._chain.out_of_reach()).items():
                self._metrics.set(Gauge.IN_REACH, not problem, name)
                self._health.committee(name, problem)
            for name, feed_id in self._feeds.items():
                state = await self._chain.feed_state(feed_id)
                self._report_feed(name, state)
                await self._report_round(name, state)
        except AnswerNotBelieved as error:
            self._health.disbelieved(str(error))
            return
        except OracleError as error:
            self._health.silent(str(error))
            return
        self._metrics.set(Gauge.HEAD_BLOCK, number)
        self._health.answered(max(0.0, self._clock() - at), left)

    async def _payer(self) -> int | None:
        """Return how many submissions the payer can pay for; None: there is no payer."""
        balance = await self._chain.balance()
        if balance is None:
            return None
        price = await self._chain.gas_price()
        count, total = self._metrics.measured(Distribution.GAS)
        cost = max(1, price) * (int(total / count) if count else TYPICAL_GAS)
        left = balance // cost
        self._metrics.set(Gauge.BALANCE_WEI, balance)
        self._metrics.set(Gauge.REPORTS_LEFT, left)
        if left >= self._min_reports:
            self._is_warned = False
        elif not self._is_warned:
            self._is_warned = True
            log.warning("payer runs dry", balance_wei=balance, reports_left=left, price_wei=price)
        return left

    def _report_feed(self, name: str, state: FeedState) -> None:
        metrics = self._metrics
        metrics.set(Gauge.ROUND, state.round_id, name)
        metrics.set(Gauge.IS_HELD, state.status is Status.HELD, name)
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
