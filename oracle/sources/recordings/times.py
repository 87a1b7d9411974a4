"""Times in the forms that people have: unix time in any unit, ISO 8601, and dates of which the order is clear."""

from __future__ import annotations

import datetime as dt
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from decimal import Decimal

__all__ = ["Times", "looks_like_time", "read_times", "unit_notes"]

UINT32_MAX = 2**32 - 1

_UNITS = ((10**11, 1, "seconds"), (10**14, 10**3, "milliseconds"), (10**17, 10**6, "microseconds"))
"""A unix time below the first number is in this unit."""

_THOUSANDS = (10**6, 10**7)
"""A column of unix times between these numbers, of January to April 1970, is likely in thousands of seconds."""

_UNIT_NAMES = {
    "s": "seconds", "sec": "seconds", "secs": "seconds", "seconds": "seconds",
    "ms": "milliseconds", "millis": "milliseconds", "milliseconds": "milliseconds",
    "us": "microseconds", "micros": "microseconds", "microseconds": "microseconds",
    "ns": "nanoseconds", "nanos": "nanoseconds", "nanoseconds": "nanoseconds",
}  # fmt: skip
_NAMED_UNIT = re.compile(rf"(?:\b|_)({'|'.join(_UNIT_NAMES)})\b\W*\Z", re.IGNORECASE)

_DAY_NUMBERS = (20_000, 80_000)
"""Spreadsheets count days: these are the years 1954 to 2119."""

_NUMBER = re.compile(r"[0-9]{1,20}(\.[0-9]*)?\Z")
_COMPACT = re.compile(r"([0-9]{4})([0-9]{2})([0-9]{2})(?:[T ]+(.+))?\Z")
_YEAR_FIRST = re.compile(r"([0-9]{4})([-/.])([0-9]{1,2})\2([0-9]{1,2})(?:[T ,_]+(.+))?\Z")
_YEAR_LAST = re.compile(r"([0-9]{1,2})([-/.])([0-9]{1,2})\2([0-9]{4}|[0-9]{2})(?:[T ,_]+(.+))?\Z")
_DAY_NAMED = re.compile(r"(?:[A-Za-z]{3,9},? )?([0-9]{1,2})[- ]([A-Za-z]{3,9})\.?[- ,]+([0-9]{4})(?:[T ,]+(.+))?\Z")
_MONTH_NAMED = re.compile(r"([A-Za-z]{3,9})\.? ([0-9]{1,2}),? ([0-9]{4})(?:[T ,]+(.+))?\Z")
_CLOCK = re.compile(
    r"(?:(?P<hour>[0-9]{1,2})(?::(?P<minute>[0-9]{2})(?::(?P<second>[0-9]{2})(?P<part>[.,][0-9]+)?)?)?"
    r"|(?P<h>[0-9]{2})(?P<m>[0-9]{2})(?P<s>[0-9]{2})?)"
    r"(?:[ -]*(?P<half>[AaPp])\.?[Mm]\.?)?"
    r"[ ]*(?P<zone>Z|z|UTC|GMT|[+-][0-9]{2}(?::?[0-9]{2})?)?\Z"
)
_MONTHS = ("jan", "feb", "mar", "apr", "may", "jun", "jul", "aug", "sep", "oct", "nov", "dec")

_UNKNOWN = (
    "is no time of a known form: unix time, 2019-07-30T13:00:00Z, 2019-07-30 01-PM, 30 Jul 2019, or 07/30/2019 13:00"
)


@dataclass
class Times:
    """A column of times.

    Attributes:
        seconds: Unix seconds, one for each cell; None where the cell is wrong.
        problems: By the number of the cell: what is wrong with it.
        refused: Why the column as a whole can't be read; None if it can.
        notes: What was converted, in sentences.
        units: The units of its unix times, each once, in the order of the rows.
    """

    seconds: list[int | None]
    problems: dict[int, str] = field(default_factory=dict)
    refused: str | None = None
    notes: list[str] = field(default_factory=list)
    units: list[str] = field(default_factory=list)


def looks_like_time(cell: object) -> bool:
    """Return True if a cell can only be a time: a date, or a unix time of the years 2001 to 2106."""
    if isinstance(cell, dt.datetime | dt.date):
        return True
    if isinstance(cell, int | float | Decimal) and not isinstance(cell, bool):
        return _is_recent(_plain(cell))
    if not isinstance(cell, str):
        return False
    text = cell.strip()
    if _NUMBER.match(text):
        return _is_recent(text)
    return any(form.match(text) for form in (_COMPACT, _YEAR_FIRST, _YEAR_LAST, _DAY_NAMED, _MONTH_NAMED))


def _is_recent(text: str) -> bool:
    if not _NUMBER.match(text):
        return False
    value = Decimal(text)
    return any(10**9 * size <= value <= UINT32_MAX * size for size in (1, 10**3, 10**6, 10**9))


def read_times(cells: Sequence[object]) -> Times:
    """Return a column's times. Times without a zone are UTC.

    A column with days and months in numbers is read if one of its rows has a number above 12, which tells their order.
    """
    reading = _Reading(cells)
    return reading.times


def unit_notes(header: str, times: Times) -> list[str]:
    """Return what is odd about the unit of a column's unix times; nothing if they are dates.

    Args:
        header: The column's name, which may name a unit: "open_time_ms", "time (s)".
        times: The column's times, as they were read.
    """
    if not times.units:
        return []
    notes = []
    named = _NAMED_UNIT.search(header)
    unit = None if named is None else _UNIT_NAMES[named[1].lower()]
    others = [each for each in times.units if each != unit]
    if unit is not None and others:
        notes.append(f"column {header!r} names {unit}, but its times are in {' and '.join(others)}: they are read so")
    seconds = [each for each in times.seconds if each is not None]
    if seconds and _THOUSANDS[0] <= min(seconds) and max(seconds) < _THOUSANDS[1]:
        first, last = (dt.datetime.fromtimestamp(each, dt.UTC) for each in (min(seconds), max(seconds)))
        notes.append(
            f"column {header!r} is of {first:%Y-%m-%d} to {last:%Y-%m-%d}, as unix times in seconds: were milliseconds "
            "divided twice?"
        )
    return notes


class _Reading:
    """The reading of one column: its cells decide together what the form of each is."""

    def __init__(self, cells: Sequence[object]) -> None:
        self.times = Times([None] * len(cells))
        self._found: dict[str, int] = {}
        self._month_first: bool | None = None
        texts = [cell.strip() if isinstance(cell, str) else cell for cell in cells]
        numbers = [_plain(text) for text in texts if _is_number(text)]
        self._dates = len(numbers) == len(texts) and all(_compact_date(number) for number in numbers)
        low, high = _DAY_NUMBERS
        whole = numbers and len(numbers) == len(texts) and all(_NUMBER.match(number) for number in numbers)
        if whole and all(low <= Decimal(number) < high for number in numbers):
            self.times.refused = (
                f"{numbers[0]!r} is a spreadsheet's number of a day: format the column as a date, and save it again"
            )
            return
        if not self._order(texts):
            return
        for index, text in enumerate(texts):
            self._one(index, text)
        self._say()

    def _order(self, texts: Sequence[object]) -> bool:
        """Find out if the month or the day comes first; False if no row tells."""
        firsts, seconds, example = set(), set(), ""
        for text in texts:
            if isinstance(text, str) and (match := _YEAR_LAST.match(text)):
                firsts.add(int(match.group(1)))
                seconds.add(int(match.group(3)))
                example = example or text
        if not example:
            return True
        day_first, month_first = max(firsts) > 12, max(seconds) > 12
        if day_first and month_first:
            self.times.refused = (
                f"days and months are in both orders (as in {example!r} and others): write them as 2019-07-30"
            )
        elif not day_first and not month_first:
            self.times.refused = (
                f"{example!r} may be a month and a day, or a day and a month, and no row tells: write it as 2019-07-30"
            )
        else:
            self._month_first = month_first
            order = "month/day/year" if month_first else "day/month/year"
            self.times.notes.append(f"dates are read as {order}: the other order is impossible in some row")
        return self.times.refused is None

    def _one(self, index: int, cell: object) -> None:
        try:
            seconds = self._seconds(cell)
        except (ValueError, OverflowError) as error:
            shown = repr(cell) if len(repr(cell)) <= 50 else repr(cell)[:47] + "…"
            self.times.problems[index] = f"{shown} {error}" if cell not in (None, "") else "is empty"
            return
        if not 0 < seconds <= UINT32_MAX:
            self.times.problems[index] = (
                f"{str(cell)!r} is outside the years 1970 to 2106, which the contract's times cover"
            )
            return
        self.times.seconds[index] = seconds

    def _seconds(self, cell: object) -> int:
        """Return a cell's unix seconds.

        Raises:
            ValueError: It is no time; the message goes on after the cell.
        """
        if isinstance(cell, dt.datetime):
            return self._moment(cell)
        if isinstance(cell, dt.date):
            return self._moment(dt.datetime(cell.year, cell.month, cell.day))
        if _is_number(cell):
            return self._number(_plain(cell))
        if not isinstance(cell, str):
            raise ValueError(_UNKNOWN)
        forms: tuple[tuple[re.Pattern[str], Callable[[re.Match[str]], tuple[int, int, int]]], ...] = (
            (_YEAR_FIRST, lambda found: (int(found[1]), int(found[3]), int(found[4]))),
            (_COMPACT, lambda found: (int(found[1]), int(found[2]), int(found[3]))),
            (_YEAR_LAST, self._year_last),
            (_DAY_NAMED, lambda found: (int(found[3]), _month(found[2]), int(found[1]))),
            (_MONTH_NAMED, lambda found: (int(found[3]), _month(found[1]), int(found[2]))),
        )
        for form, parts in forms:
            if match := form.match(cell):
                return self._on(parts(match), match.groups()[-1])
        if re.match(r"[0-9]{1,2}:[0-9]{2}", cell):
            raise ValueError("has no date: join the columns of the date and of the time of the day into one")
        if re.match(r"[0-9.]+[eE]\+?[0-9]+\Z", cell):
            raise ValueError("was rounded by a spreadsheet: save the column with all of its digits")
        try:
            return self._moment(dt.datetime.fromisoformat(cell))
        except ValueError:
            raise ValueError(_UNKNOWN) from None

    def _year_last(self, found: re.Match[str]) -> tuple[int, int, int]:
        if len(found[4]) == 2:
            raise ValueError("has a year of two digits: write it as 2019-07-30")
        month, day = (found[1], found[3]) if self._month_first else (found[3], found[1])
        return int(found[4]), int(month), int(day)

    def _number(self, text: str) -> int:
        if self._dates:
            self._count("dates as 20190730")
            return self._on((int(text[:4]), int(text[4:6]), int(text[6:8])), None)
        if not _NUMBER.match(text):
            raise ValueError(_UNKNOWN)
        value = Decimal(text)
        size, unit = next(((size, unit) for end, size, unit in _UNITS if value < end), (10**9, "nanoseconds"))
        if unit not in self.times.units:
            self.times.units.append(unit)
        if unit != "seconds":
            self._count(unit)
        if value % size:
            self._count("parts of a second")
        return int(value // size)

    def _on(self, date: tuple[int, int, int], clock: str | None) -> int:
        """Return a date and a time of the day as unix seconds."""
        try:
            day = dt.datetime(*date)
        except ValueError as error:
            raise ValueError(f"is no date: {error}") from None
        if clock is None:
            return self._moment(day)
        match = _CLOCK.match(clock.strip())
        if match is None:
            raise ValueError("has a time of the day, or a zone, of no known form: write 13:00:00, 01-PM or 13:00+02:00")
        hour, minute, second = (int(match[long] or match[short] or 0) for long, short in _PARTS)
        if half := match["half"]:
            if not 1 <= hour <= 12:
                raise ValueError("has no hour from 1 to 12 before AM or PM")
            hour = hour % 12 + (12 if half in "pP" else 0)
        if match["part"] and match["part"].strip(".,0"):
            self._count("parts of a second")
        try:
            moment = day.replace(hour=hour, minute=minute, second=second)
        except ValueError as error:
            raise ValueError(f"is no time: {error}") from None
        zone = match["zone"]
        return self._moment(moment if zone is None else moment.replace(tzinfo=_zone(zone)))

    def _moment(self, moment: dt.datetime) -> int:
        if moment.tzinfo is None:
            self._count("no zone")
            moment = moment.replace(tzinfo=dt.UTC)
        if moment.microsecond:
            self._count("parts of a second")
        return int(moment.timestamp())

    def _count(self, what: str) -> None:
        self._found[what] = self._found.get(what, 0) + 1

    def _say(self) -> None:
        notes = self.times.notes
        for unit in ("milliseconds", "microseconds", "nanoseconds"):
            if count := self._found.get(unit):
                notes.append(f"unix times in {unit} are taken in seconds: {count} of {len(self.times.seconds)}")
        if self._found.get("dates as 20190730"):
            notes.append("times are dates as 20190730")
        if self._found.get("no zone"):
            notes.append("times have no zone: they are taken as UTC")
        if count := self._found.get("parts of a second"):
            notes.append(f"parts of a second are cut: in {count} of {len(self.times.seconds)} times")


_PARTS = (("hour", "h"), ("minute", "m"), ("second", "s"))


def _is_number(cell: object) -> bool:
    if isinstance(cell, str):
        return _NUMBER.match(cell) is not None
    return isinstance(cell, int | float | Decimal) and not isinstance(cell, bool)


def _plain(cell: object) -> str:
    """Return a number's digits: a float without an exponent."""
    if isinstance(cell, float | Decimal):
        value = Decimal(str(cell))
        return f"{value:f}" if value.is_finite() else str(cell)
    return str(cell)


def _compact_date(text: str) -> bool:
    if len(text) != 8 or not text.isdecimal():
        return False
    try:
        return 1970 <= dt.date(int(text[:4]), int(text[4:6]), int(text[6:])).year <= 2106
    except ValueError:
        return False


def _month(name: str) -> int:
    if name[:3].lower() not in _MONTHS:
        raise ValueError("has a month of no English name")
    return _MONTHS.index(name[:3].lower()) + 1


def _zone(text: str) -> dt.timezone:
    if text in ("Z", "z", "UTC", "GMT"):
        return dt.UTC
    minutes = int(text[1:3]) * 60 + int(text[3:].lstrip(":") or 0)
    return dt.timezone(dt.timedelta(minutes=minutes if text[0] == "+" else -minutes))
