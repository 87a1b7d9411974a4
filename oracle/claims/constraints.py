"""Constraints of a model's output. Each becomes two bounds, both included, in the model's own units."""

from __future__ import annotations

import math
import sys
from dataclasses import dataclass
from typing import TypeAlias

from oracle.core.errors import DataError


@dataclass(frozen=True, slots=True)
class Between:
    """Constrain the output to lo ≤ output ≤ hi."""

    lo: float
    hi: float

    def __post_init__(self) -> None:
        _require_numbers(self.lo, self.hi)
        if self.lo >= self.hi:
            how = "equal: state a range, or Equals of a class or an integer" if self.lo == self.hi else "reversed"
            raise DataError(f"the bounds {self.lo:g} and {self.hi:g} are {how}")

    def bounds(self) -> tuple[float, float]:
        """Return the two bounds."""
        return self.lo, self.hi


@dataclass(frozen=True, slots=True)
class AtLeast:
    """Constrain the output to output ≥ value."""

    value: float

    def __post_init__(self) -> None:
        _require_numbers(self.value)

    def bounds(self) -> tuple[float, float]:
        """Return the two bounds."""
        return self.value, math.inf


@dataclass(frozen=True, slots=True)
class AtMost:
    """Constrain the output to output ≤ value."""

    value: float

    def __post_init__(self) -> None:
        _require_numbers(self.value)

    def bounds(self) -> tuple[float, float]:
        """Return the two bounds."""
        return -math.inf, self.value


@dataclass(frozen=True, slots=True)
class Equals:
    """Constrain the output to one class, or one integer."""

    value: int

    def __post_init__(self) -> None:
        _require_classes(self.value)

    def bounds(self) -> tuple[float, float]:
        """Return the two bounds."""
        return self.value, self.value


@dataclass(frozen=True, slots=True)
class OneOf:
    """Constrain the output to several classes. Their numbers follow each other, because a statement has two bounds."""

    classes: tuple[int, ...]

    def __post_init__(self) -> None:
        _require_classes(*self.classes)
        if not self.classes or sorted(set(self.classes)) != list(range(min(self.classes), max(self.classes) + 1)):
            raise DataError(
                f"the classes {list(self.classes)} do not follow each other: order the model's classes so that those "
                "that are accepted together are neighbours"
            )

    def bounds(self) -> tuple[float, float]:
        """Return the two bounds."""
        return min(self.classes), max(self.classes)


Constraint: TypeAlias = Between | AtLeast | AtMost | Equals | OneOf


def _require_numbers(*values: float) -> None:
    for value in values:
        # An integer can be larger than all floats.
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
            raise DataError(f"the bound {str(value)[:40]} is not a finite number")


def _require_classes(*values: int) -> None:
    for value in values:
        if type(value) is not int or value < 0:
            raise DataError(f"{value!r} is not the number of a class")
