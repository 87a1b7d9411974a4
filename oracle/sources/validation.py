"""What is believed of a value that comes from outside: the checks that every live source makes."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal
from typing import Self

from oracle.core.errors import DataError, SourceUnavailable
from oracle.core.types import Kind
from oracle.sources.config import CheckedSourceConfig
from oracle.sources.interface import check_value

__all__ = ["MAX_CLOCK_SKEW", "Checks"]

MAX_CLOCK_SKEW = 60
"""Seconds that a source's time may be ahead of this machine's clock."""


@dataclass(frozen=True, slots=True)
class Checks:
    """Bounds of one source's values.

    Attributes:
        positive: Whether only values above zero are believed.
        least: Smallest value.
        most: Largest value.
        max_age: Seconds that a value may be old.
    """

    positive: bool
    least: Decimal | None
    most: Decimal | None
    max_age: float | None

    @classmethod
    def of(cls, config: CheckedSourceConfig, measure: Kind) -> Self:
        """Those that a source's configuration asks for, and its feed's kind."""
        return cls(measure is Kind.RELATIVE, config.min, config.max, config.max_age)

    def value(self, value: Decimal, where: str) -> Decimal:
        """`value`, if it is one of the feed. Raises: DataError."""
        check_value(value, where)
        if self.positive and value <= 0:
            raise DataError(f"{where}: is {value}; a relative feed's values are above zero")
        if self.least is not None and value < self.least:
            raise DataError(f"{where}: {value} is below the configured minimum {self.least}")
        if self.most is not None and value > self.most:
            raise DataError(f"{where}: {value} is above the configured maximum {self.most}")
        return value

    def moment(self, observed_at: int, now: int, where: str) -> int:
        """`observed_at`, if it is a time that a value can be of.

        Args:
            observed_at: Unix seconds.
            now: Likewise, by this machine's clock.
            where: Put in front of the message.

        Raises:
            DataError: It is no unix time.
            SourceUnavailable: It is in the future, or too long ago.
        """
        if not 0 < observed_at < 2**32:
            raise DataError(f"{where}: {observed_at} is no unix time in seconds")
        if observed_at > now + MAX_CLOCK_SKEW:
            raise SourceUnavailable(
                f"{where}: the time is {observed_at - now} s ahead of this machine's clock; check both clocks"
            )
        if self.max_age is not None and now - observed_at > self.max_age:
            raise SourceUnavailable(
                f"{where}: the value is {now - observed_at} s old; at most {self.max_age:g} s are allowed"
            )
        return observed_at
