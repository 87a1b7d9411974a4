"""Stretches of time, as people write them."""

from __future__ import annotations

import datetime as dt

from oracle.sources.recordings.times import read_times

__all__ = ["parse_stretch"]


def parse_stretch(first: object, last: object) -> tuple[int, int]:
    """Return the first and the last unix second of a stretch. A last day without a time is in it as a whole.

    Args:
        first: A time in any form that a recording may have.
        last: Likewise; not before the first.

    Raises:
        ValueError: One is no time, or they are in the wrong order.
    """
    found = []
    for told in (first, last):
        read = read_times([told])
        seconds = read.seconds[0]
        if seconds is None:
            raise ValueError(f"{read.refused or read.problems[0]}")
        found.append(seconds)
    begin, end = found
    if _is_day(last):
        end += 86_399
    if end < begin:
        raise ValueError(f"the stretch ends before it begins: {first} to {last}")
    return begin, end


def _is_day(told: object) -> bool:
    if isinstance(told, str):
        try:
            return len(told.strip()) in (8, 10) and bool(dt.date.fromisoformat(told.strip()))
        except ValueError:
            return False
    return isinstance(told, dt.date) and not isinstance(told, dt.datetime)
