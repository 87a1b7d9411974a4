"""The units of unix times: seconds are mistaken for milliseconds, and the other way round."""

from __future__ import annotations

import datetime as dt
from decimal import Context, Decimal, InvalidOperation
from typing import Literal, TypeAlias

from oracle.core.errors import DataError

__all__ = ["UNIT_WORDS", "TimeUnit", "likely_unit", "seconds_in"]

TimeUnit: TypeAlias = Literal["s", "ms", "us", "ns"]

UNIT_WORDS: dict[TimeUnit, str] = {"s": "seconds", "ms": "milliseconds", "us": "microseconds", "ns": "nanoseconds"}

_SIZES: dict[TimeUnit, int] = {"s": 1, "ms": 10**3, "us": 10**6, "ns": 10**9}

_YEAR = 366 * 86_400
_DAY = 86_400
_LATEST = 2**32 - 1

_EXACT = Context(prec=400)


def likely_unit(number: Decimal, now: int) -> TimeUnit | None:
    """Return the unit in which a number is a time of the last year, or of the coming day; None if there is none.

    There is one at most: the units are a factor of a thousand apart.
    """
    for unit, size in _SIZES.items():
        if now - _YEAR <= number / size <= now + _DAY:
            return unit
    return None


def seconds_in(number: Decimal, unit: TimeUnit, now: int, where: str, remedy: str = "") -> int:
    """Return a unix time in whole seconds.

    Args:
        number: The time.
        unit: The unit in which it is said to be.
        now: The present, unix seconds.
        where: Put in front of the error's message.
        remedy: What to do if another unit fits; `{unit}` and `{units}` are replaced by it: "ms", "milliseconds".

    Raises:
        DataError: It is no time in this unit, or plainly one in another.
    """
    fitting = likely_unit(number, now)
    if fitting is not None and fitting != unit:
        moment = dt.datetime.fromtimestamp(int(number / _SIZES[fitting]), dt.UTC)
        advice = f"; {remedy.format(unit=fitting, units=UNIT_WORDS[fitting])}" if remedy else ""
        raise DataError(
            f"{where}: {number} is a time in {UNIT_WORDS[fitting]} ({moment:%Y-%m-%d %H:%M} UTC), "
            f"not in {UNIT_WORDS[unit]}{advice}"
        )
    try:
        seconds = int(_EXACT.divide_int(number, Decimal(_SIZES[unit])))
    except InvalidOperation:
        seconds = 0
    if not 0 < seconds <= _LATEST:
        raise DataError(f"{where}: {number} is not a unix time in {UNIT_WORDS[unit]}")
    return seconds
