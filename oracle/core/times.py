"""Times for people: shown in the machine's zone or in UTC, and read as a day, a time or a span before now."""

from __future__ import annotations

import datetime as dt
import re

__all__ = ["parse_since", "readable", "span", "utc", "zone_name"]

_UNITS = {"s": 1, "min": 60, "h": 3_600, "d": 86_400, "w": 7 * 86_400}
_SPAN = re.compile(r"(\d{1,9}(?:\.\d{1,3})?) ?(s|min|h|d|w)", re.ASCII)


def readable(seconds: float, *, is_utc: bool = True) -> str:
    """Return unix seconds as a day and a time: 2026-11-30 07:41:00. Beyond the year 9999: the digits.

    Args:
        seconds: Unix seconds; what is less than a second is left out.
        is_utc: True for UTC, False for this machine's zone. `zone_name` names it, for a heading.
    """
    try:
        return dt.datetime.fromtimestamp(int(seconds), _zone(is_utc)).strftime("%Y-%m-%d %H:%M:%S")
    except (OverflowError, OSError, ValueError):
        return str(int(seconds))


def utc(seconds: float) -> str:
    """Return unix seconds as ISO 8601 has them, in UTC: 2026-11-30T07:41:00Z. Beyond the year 9999: the digits."""
    try:
        return dt.datetime.fromtimestamp(int(seconds), dt.UTC).isoformat().replace("+00:00", "Z")
    except (OverflowError, OSError, ValueError):
        return str(int(seconds))


def zone_name(*, is_utc: bool = True) -> str:
    """Return the name of the zone in which `readable` shows times."""
    return "UTC" if is_utc else dt.datetime.now().astimezone().tzname() or "local"


def parse_since(text: str, now: float, *, is_utc: bool = True) -> int:
    """Return the unix seconds that a day, a time or a span before now stands for.

    Args:
        text: "2026-11-30", "2026-11-30T07:41" with or without an offset, or "90min", "6h", "7d", "2w".
        now: Unix seconds.
        is_utc: True if a day or a time without an offset is in UTC; False: in this machine's zone.

    Raises:
        ValueError: It is nothing of this. The message says what it may be.
    """
    if (found := _SPAN.fullmatch(text.strip())) is not None:
        return int(now - float(found[1]) * _UNITS[found[2]])
    try:
        moment = dt.datetime.fromisoformat(text.strip())
        if moment.tzinfo is None:
            moment = moment.replace(tzinfo=_zone(is_utc)) if is_utc else moment.astimezone()
        return int(moment.timestamp())
    except (ValueError, OverflowError, OSError):
        raise ValueError(
            f"{text!r} is no day (2026-11-30), no time (2026-11-30T07:41, or 2026-11-30T07:41:00Z), and no span before "
            "now (30s, 90min, 6h, 7d, 2w)"
        ) from None


def span(seconds: float) -> str:
    """Return a span of time as people say it: 45 s, 12 min, 3.5 h, 2 d."""
    for unit, size in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if abs(seconds) >= 2 * size:
            return f"{seconds / size:,.0f} {unit}" if abs(seconds) >= 100 * size else f"{seconds / size:.3g} {unit}"
    return f"{seconds:.0f} s"


def _zone(is_utc: bool) -> dt.tzinfo | None:
    return dt.UTC if is_utc else None
