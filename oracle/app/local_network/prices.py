"""A server of prices for members of a local network: each asks sources of its own, and all prices follow one path.

A source answers `{"price": …, "time": …}` at `/MEMBER/FEED/NUMBER`, with noise and delays that follow from a seed. A
member's sources can be made to fail all at once.
"""

from __future__ import annotations

import asyncio
import bisect
import contextlib
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Self, TypeAlias

from aiohttp import web

from oracle.core.errors import DataError

__all__ = ["PriceServer", "Prices", "Quirks", "SourceTrouble", "along"]

Prices: TypeAlias = Callable[[str, float], float]
"""The true price of a feed at a time (unix seconds)."""


def along(points: Sequence[tuple[float, float]]) -> Callable[[float], float]:
    """Return a price for any time from prices at some times. Between two, it moves in a straight line.

    Args:
        points: Times that rise, each with its price. Before the first and after the last, their prices hold.

    Raises:
        DataError: There are no points, or their times do not rise.
    """
    if not points:
        raise DataError("a path of prices needs at least one point")
    if any(before[0] >= after[0] for before, after in pairwise(points)):
        raise DataError("the times of a path of prices have to rise")
    times = [moment for moment, _ in points]

    def price(now: float) -> float:
        after = bisect.bisect_right(times, now)
        if after == 0:
            return points[0][1]
        if after == len(points):
            return points[-1][1]
        (since, first), (until, last) = points[after - 1], points[after]
        return first + (last - first) * (now - since) / (until - since)

    return price


@dataclass(frozen=True)
class Quirks:
    """Differences between sources of one price, each drawn anew for a source.

    Attributes:
        noise_ppm: The largest standard deviation of a source's noise, in ppm of the price.
        delay_s: The longest time that a source takes to answer.
    """

    noise_ppm: float = 100.0
    delay_s: float = 0.02


@dataclass(frozen=True)
class SourceTrouble:
    """A trouble of all of one member's sources.

    Attributes:
        offline: They answer with HTTP 503.
        factor: They multiply the price by this.
        stuck_at: They repeat the price of this time (unix seconds), as if it were the present one.
    """

    offline: bool = False
    factor: float = 1.0
    stuck_at: float | None = None


@dataclass(frozen=True)
class _PriceSource:
    member: str
    feed: str
    number: int
    noise_ppm: float
    delay_s: float


@dataclass
class PriceServer:
    """Serves prices while `serving` is open.

    Attributes:
        prices: The path that all sources follow.
        seed: Decides noise and delays.
        quirks: How far sources may differ.
        clock: Unix seconds.
        troubles: The troubles of members' sources, by the member's name; change them at any time.
        lies: The same as functions of the feed and the time, for members that lie at times; they come first.
        asked: How often each member has asked its sources.
    """

    prices: Prices
    seed: int = 0
    quirks: Quirks = Quirks()
    clock: Callable[[], float] = time.time
    troubles: dict[str, SourceTrouble] = field(default_factory=dict)
    lies: dict[str, Callable[[str, float], SourceTrouble]] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)
    _port: int = 0
    _sources: dict[tuple[str, str, int], _PriceSource] = field(default_factory=dict)

    def url(self, member: str, feed: str, number: int) -> str:
        """Return the URL of a member's source for a feed."""
        return f"http://127.0.0.1:{self._port}/{member}/{feed}/{number}"

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[Self]:
        """Serve on a free port of this machine while the context is open."""
        application = web.Application()
        application.router.add_get("/{member}/{feed}/{number:[0-9]+}", self._answer)
        runner = web.AppRunner(application, access_log=None, handle_signals=False, shutdown_timeout=0.1)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            self._port = runner.addresses[0][1]
            yield self
        finally:
            await runner.cleanup()

    def value(self, member: str, feed: str, number: int, now: float) -> float:
        """Return what a source says at a time, its trouble included."""
        source, trouble = self._source(member, feed, number), self._trouble(member, feed, now)
        moment = now if trouble.stuck_at is None else trouble.stuck_at
        # The noise holds for a second, as the time of an answer does.
        noise = random.Random(f"{self.seed} {member} {feed} {number} {int(moment)}").gauss(0, source.noise_ppm)
        return self.prices(feed, moment) * trouble.factor * (1 + noise / 1e6)

    async def _answer(self, request: web.Request) -> web.Response:
        member, feed, number = (request.match_info[key] for key in ("member", "feed", "number"))
        self.asked[member] += 1
        source = self._source(member, feed, int(number))
        await asyncio.sleep(source.delay_s)
        now = self.clock()
        if self._trouble(member, feed, now).offline:
            return web.json_response({"error": "out of order"}, status=503)
        price = self.value(member, feed, int(number), now)
        return web.json_response({"price": round(price, 8), "time": int(now)})

    def _trouble(self, member: str, feed: str, now: float) -> SourceTrouble:
        if member in self.lies:
            return self.lies[member](feed, now)
        return self.troubles.get(member, SourceTrouble())

    def _source(self, member: str, feed: str, number: int) -> _PriceSource:
        key = member, feed, number
        if key not in self._sources:
            chance = random.Random(f"{self.seed} {member} {feed} {number}")
            noise, delay = self.quirks.noise_ppm, self.quirks.delay_s
            self._sources[key] = _PriceSource(*key, chance.uniform(noise / 4, noise), chance.uniform(0, delay))
        return self._sources[key]
