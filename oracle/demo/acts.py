"""The recorded series that are replayed, with injected faults."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oracle.core.errors import DataError
from oracle.demo.options import PEERS, DemoOptions
from oracle.sources.faults import Injection, inject
from oracle.sources.interface import Reading
from oracle.sources.packaged.series import load_series

FAULT_RATE = 0.07
WARM_UP = 16
"""Clean ticks at the beginning of each series: the model's window."""

SECOND_ACT = dt.date(2017, 12, 4)
SECOND_ACT_TICKS = 50


@dataclass(frozen=True)
class Act:
    """Series that are replayed side by side, with the faults that were put into them."""

    readings: Mapping[str, Sequence[Reading]]
    injections: Sequence[Injection]


def acts(options: DemoOptions) -> list[Act]:
    """Return the two acts: the crisis of 2008, and the explosion of the VIX in February 2018.

    The VIX is recorded from 2014 on only, so it has an act of its own.

    Raises:
        DataError: The start is not a date, or the series have too few days after it.
    """
    try:
        start = dt.date.fromisoformat(options.start)
    except ValueError:
        raise DataError(f"--start {options.start!r} is not a date; write it as 2008-07-01") from None
    crisis = {name: _series(name, start, options.ticks) for name in ("sp500", "nasdaq", "wti")}
    second_ticks = min(options.ticks, SECOND_ACT_TICKS)
    volatility = {"vix": _series("vix", SECOND_ACT, second_ticks)}
    # It only gives the values of another asset that a fault needs.
    other = {"sp500": _series("sp500", SECOND_ACT, second_ticks)}
    first, first_faults = inject(crisis, options.seed, FAULT_RATE, WARM_UP)
    second, second_faults = inject(volatility | other, options.seed + 1, FAULT_RATE, WARM_UP)
    only_vix = [fault for fault in second_faults if fault.feed == "vix"]
    return [Act(first, first_faults), Act({"vix": second["vix"]}, only_vix)]


def _series(name: str, start: dt.date, ticks: int) -> tuple[Reading, ...]:
    found = load_series(name, start)[:ticks]
    if len(found) < ticks:
        raise DataError(f"{name} has {len(found)} recorded days from {start} on, fewer than --ticks {ticks}")
    return found


def follows_a_fault(marked: Mapping[tuple[str, int], object], feed: str, moment: int, level: int) -> bool:
    """Return True if a true value was judged against a fault: one that is the feed's level, or a peer's answer.

    Args:
        marked: The faulty ticks, by feed and time.
        feed: The feed.
        moment: The time of the value.
        level: The time of the feed's last accepted value.
    """
    judged_by = [(feed, level), *((peer, time) for peer in PEERS.get(feed, ()) for time in (moment, level))]
    return any(each in marked for each in judged_by)


def marked_ticks(played: Sequence[Act]) -> dict[tuple[str, int], tuple[int, Injection]]:
    """Return the faulty ticks: by feed and time, the number of the act and the fault."""
    return {
        (fault.feed, act.readings[fault.feed][fault.index].observed_at): (number, fault)
        for number, act in enumerate(played)
        for fault in act.injections
    }
