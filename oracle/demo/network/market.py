"""The recorded series that the members' sources follow, one day in each turn."""

from __future__ import annotations

import datetime as dt
import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise

from oracle.core.errors import DataError
from oracle.demo.network.options import NetworkDemoOptions
from oracle.sources.packaged.series import load_series

__all__ = ["SERIES_PLAYED", "RecordedMarket", "market"]

SERIES_PLAYED = ("sp500", "nasdaq")

EARLY_S = 0.8
"""Seconds by which a day's value is there before its turn begins, so that all members have read it by then."""

_SPARE_TURNS = 60
"""Turns that may pass before the first round: processes start, provers warm up."""

_SIGMA_YEARS = 4
_DAYS_A_YEAR = 252


@dataclass(frozen=True)
class RecordedMarket:
    """The days of some series.

    Attributes:
        days: The values of each series, oldest first.
        sigmas: The sigma of each series in ppm: of the years before.
        turn_s: Seconds of a turn.
        first_turn: The turn of the first day.
    """

    days: Mapping[str, Sequence[float]]
    sigmas: Mapping[str, int]
    turn_s: int
    first_turn: int

    def price(self, feed: str, now: float) -> float:
        """Return the true price of a feed at a time, unix seconds."""
        day = math.floor((now + EARLY_S) / self.turn_s) - self.first_turn
        values = self.days[feed]
        return values[max(0, min(day, len(values) - 1))]


def market(options: NetworkDemoOptions, now: float) -> RecordedMarket:
    """Return the market of a demonstration that begins now.

    Raises:
        DataError: The start is not a date, or the series have too few days around it.
    """
    try:
        start = dt.date.fromisoformat(options.start)
    except ValueError:
        raise DataError(f"--start {options.start!r} is not a date; write it as 2008-07-01") from None
    days, sigmas = {}, {}
    wanted = options.turns + _SPARE_TURNS
    for name in SERIES_PLAYED:
        values = [float(reading.value) for reading in load_series(name, start)[:wanted]]
        if len(values) < wanted:
            raise DataError(
                f"{name} has {len(values)} recorded days from {start} on, but {wanted} are needed: begin earlier, or "
                "play fewer --rounds"
            )
        days[name] = values
        before = [float(reading.value) for reading in load_series(name, end=start)][-_SIGMA_YEARS * _DAYS_A_YEAR :]
        if len(before) < _DAYS_A_YEAR:
            raise DataError(f"{name} has {len(before)} recorded days before {start}, but a year is needed: begin later")
        sigmas[name] = round(1e6 * statistics.pstdev(math.log(after / first) for first, after in pairwise(before)))
    return RecordedMarket(days, sigmas, options.turn_s, math.floor(now / options.turn_s))
