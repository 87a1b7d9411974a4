"""The interface of sources, and how a number from outside is read.

Values are decimals from end to end: no binary floating point touches them. A source raises `SourceUnavailable` if it
gave no useful answer, which may pass, and `DataError` if its answer can't be a value of the feed.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Protocol, runtime_checkable
from urllib.parse import urlsplit

from oracle.core.errors import DataError, OracleError, SourceUnavailable

__all__ = [
    "Collected",
    "Reading",
    "Source",
    "check_value",
    "collect",
    "host_of",
    "is_plain_decimal",
    "mask_url",
    "parse_decimal",
]

MAX_EXPONENT = 39
"""A value of 10^39 or more fits no int128, whatever the feed's decimals; a value below 10^-39 would become zero."""

MAX_DIGITS = 160
"""The most digits of a value: a longer one is no price, and would have to be kept and shown."""

_PLAIN_NUMBER = re.compile(r"[+-]?[0-9]{1,80}(\.[0-9]{0,80})?([eE][+-]?[0-9]{1,4})?\Z")


@dataclass(frozen=True, slots=True)
class Reading:
    """A value of a source, with its time.

    Attributes:
        value: The value in the feed's own units, as the source wrote it.
        observed_at: When it was observed, unix seconds.
        source: The source's name.
    """

    value: Decimal
    observed_at: int
    source: str


@runtime_checkable
class Source(Protocol):
    """Something that gives values for a feed."""

    @property
    def name(self) -> str:
        """The source's name, for messages. It holds no credentials."""

    async def read(self) -> Reading:
        """Return the present value.

        Raises:
            SourceUnavailable: There is no useful answer now, or the source is closed.
            SourceExhausted: A recording is at its end.
            DataError: The answer can't be a value of the feed.
        """

    async def close(self) -> None:
        """Release the source's connections. It may be called more than once."""


@dataclass(frozen=True, slots=True)
class Collected:
    """The result of one look at the sources of a feed.

    Attributes:
        readings: The readings, in the order of the sources.
        failures: One line for each source that gave no reading, by the source's name.
        errors: The errors themselves, in the order of the failures.
    """

    readings: tuple[Reading, ...]
    failures: dict[str, str]
    errors: tuple[OracleError, ...]


async def collect(sources: Sequence[Source]) -> Collected:
    """Read all sources at the same time. A source that fails does not stop the others."""
    results = await asyncio.gather(*(source.read() for source in sources), return_exceptions=True)
    readings: list[Reading] = []
    failures: dict[str, str] = {}
    errors: list[OracleError] = []
    for source, result in zip(sources, results, strict=True):
        if isinstance(result, Reading):
            readings.append(result)
        elif isinstance(result, OracleError):
            failures[source.name] = str(result)
            errors.append(result)
        else:
            raise result
    return Collected(tuple(readings), failures, tuple(errors))


def parse_decimal(text: str, where: str) -> Decimal:
    """Return the value of a plain decimal number.

    It has digits, and may have a sign, a point and an exponent; it has no blanks, separators or words.

    Args:
        text: The text that was found.
        where: Put in front of the error's message.

    Raises:
        DataError: The text is not such a number.
    """
    if not text.strip():
        raise DataError(f"{where}: is empty; a number is expected")
    if not _PLAIN_NUMBER.match(text):
        shown = text if len(text) <= 40 else text[:37] + "…"
        raise DataError(f"{where}: {shown!r} is not a plain decimal number")
    return check_value(Decimal(text), where)


def is_plain_decimal(text: str) -> bool:
    """Return True if `parse_decimal` takes a text for a number, of whatever size."""
    return _PLAIN_NUMBER.match(text) is not None


def check_value(value: Decimal, where: str) -> Decimal:
    """Return `value` if it is finite, within the range that a feed can have, and not longer than anybody needs.

    Raises:
        DataError: It is not finite, out of range, or too long.
    """
    if not value.is_finite():
        raise DataError(f"{where}: {value} is not a finite number")
    if value and not -MAX_EXPONENT <= value.adjusted() < MAX_EXPONENT:
        raise DataError(f"{where}: {value:.3g} is out of range (10^-{MAX_EXPONENT} to 10^{MAX_EXPONENT})")
    if (digits := len(value.as_tuple().digits)) > MAX_DIGITS:
        raise DataError(f"{where}: {value:.3g} has {digits} digits; at most {MAX_DIGITS} are read")
    return value


def mask_url(url: str) -> str:
    """Return scheme and host of a URL, for messages. The rest, path included, may hold credentials."""
    try:
        parts = urlsplit(url)
        port = f":{parts.port}" if parts.port else ""
    except ValueError:
        return "an invalid URL"
    rest = "/…" if parts.path not in ("", "/") or parts.query else ""
    return f"{parts.scheme}://{parts.hostname}{port}{rest}"


def host_of(url: str) -> str:
    """Return host and port of a URL, for everybody. The rest, path included, may hold credentials."""
    try:
        parts = urlsplit(url)
        return (parts.hostname or "") + (f":{parts.port}" if parts.port else "")
    except ValueError:
        return "an invalid URL"


def closed(name: str) -> SourceUnavailable:
    """Return the error of reading a source that was closed."""
    return SourceUnavailable(f"{name}: the source is closed")
