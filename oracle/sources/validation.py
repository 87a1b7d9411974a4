"""The checks that decide whether a value from outside is believed. Every live source makes them."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from oracle.core.errors import DataError, SourceUnavailable
from oracle.core.types import Kind
from oracle.sources.config import CheckedSourceConfig
from oracle.sources.interface import check_value
from oracle.sources.units import seconds_in

__all__ = ["MAX_CLOCK_SKEW", "Checks"]

MAX_CLOCK_SKEW = 60
"""Seconds that a source's time may be ahead of this machine's clock."""


@dataclass(frozen=True, slots=True)
class Checks:
    """The bounds on one source's values and their times.

    Attributes:
        positive: True if only values above zero are believed.
        least: The smallest value. None: unbounded.
        most: The largest value. None: unbounded.
        max_age: How many seconds old a value may be. None: any age.
    """

    positive: bool
    least: Decimal | None
    most: Decimal | None
    max_age: float | None

    @classmethod
    def of(cls, config: CheckedSourceConfig, measure: Kind) -> Self:
        """Return the checks that a source's configuration and its feed's kind ask for."""
        return cls(measure is Kind.RELATIVE, config.min, config.max, config.max_age)

    def value(self, value: Decimal, where: str) -> Decimal:
        """Return `value` if it is within the bounds.

        Args:
            value: The value.
            where: Put in front of the error's message.

        Raises:
            DataError: It is out of bounds.
        """
        check_value(value, where)
        if self.positive and value <= 0:
            raise DataError(f"{where}: is {value}; a relative feed's values are above zero")
        if self.least is not None and value < self.least:
            raise DataError(f"{where}: {value} is below the configured minimum {self.least}")
        if self.most is not None and value > self.most:
            raise DataError(f"{where}: {value} is above the configured maximum {self.most}")
        return value

    def moment(self, observed_at: int, now: int, where: str, unit_remedy: str = "") -> int:
        """Return `observed_at` if it is neither in the future nor too long ago.

        Args:
            observed_at: When the value was observed, unix seconds.
            now: The present, unix seconds, by this machine's clock.
            where: Put in front of the error's message.
            unit_remedy: What to do if it is in another unit; see `oracle.sources.units.seconds_in`.

        Raises:
            DataError: It is not a unix time in seconds.
            SourceUnavailable: It is in the future, or too long ago.
        """
        seconds_in(Decimal(observed_at), "s", now, where, unit_remedy)
        if observed_at > now + MAX_CLOCK_SKEW:
            raise SourceUnavailable(
                f"{where}: the time is {observed_at - now} s ahead of this machine's clock; check both clocks"
            )
        if self.max_age is not None and now - observed_at > self.max_age:
            raise SourceUnavailable(
                f"{where}: the value is {now - observed_at} s old; at most {self.max_age:g} s are allowed"
            )
        return observed_at
