"""Constraints of a model's outputs. Each becomes two bounds, both included, in the model's own units."""

from __future__ import annotations

import math
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

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
        # Strangers state them: a class may be any number, and nothing is as large as what lies between two of them.
        if not self.classes or max(self.classes) - min(self.classes) >= len(set(self.classes)):
            raise DataError(
                f"the classes {list(self.classes)} do not follow each other: order the model's classes so that those "
                "that are accepted together are neighbours"
            )

    def bounds(self) -> tuple[float, float]:
        """Return the two bounds."""
        return min(self.classes), max(self.classes)


@dataclass(frozen=True, slots=True)
class ChangeBetween:
    """Constrain how far the output is above that on earlier data: lo ≤ output − earlier output ≤ hi."""

    lo: float
    hi: float

    def __post_init__(self) -> None:
        _require_numbers(self.lo, self.hi)
        if self.lo > self.hi:
            raise DataError(f"the bounds {self.lo:g} and {self.hi:g} of a change are reversed")

    def bounds(self) -> tuple[float, float]:
        """Return the two bounds."""
        return self.lo, self.hi


Constraint: TypeAlias = Between | AtLeast | AtMost | Equals | OneOf

OutputConstraints: TypeAlias = Constraint | ChangeBetween | Sequence[Constraint | ChangeBetween]
"""A claim's word on one output: a constraint of it, of its change, or both."""

Constraints: TypeAlias = OutputConstraints | Mapping[str, OutputConstraints]
"""A claim's word on a model's only output; or on some of several outputs, by their names."""


def each_constraint(told: OutputConstraints) -> tuple[Constraint | ChangeBetween, ...]:
    """Return what a claim says of one output, one by one.

    Raises:
        DataError: It says nothing, or two things of the same.
    """
    found = (told,) if isinstance(told, Constraint | ChangeBetween) else tuple(told)
    changes = sum(isinstance(each, ChangeBetween) for each in found)
    if not found or changes > 1 or len(found) - changes > 1:
        raise DataError("state one constraint of an output, one of its change, or both")
    return found


def constraints_document(told: Constraints) -> dict[str, Any]:
    """Return constraints as JSON, for `constraints_of`."""
    if isinstance(told, Mapping):
        return {"outputs": {name: constraints_document(each) for name, each in told.items()}}
    document: dict[str, Any] = {}
    for each in each_constraint(told):
        match each:
            case ChangeBetween():
                document["change"] = [each.lo, each.hi]
            case Between():
                document |= {"at_least": each.lo, "at_most": each.hi}
            case AtLeast():
                document["at_least"] = each.value
            case AtMost():
                document["at_most"] = each.value
            case Equals():
                document["classes"] = [each.value]
            case OneOf():
                document["classes"] = list(each.classes)
    return document


def constraints_of(document: Any, classes: Sequence[str] = ()) -> Constraints:
    """Return the constraints that a document states: `at_least` and `at_most`, or `classes`; `change`; or `outputs`.

    Args:
        document: JSON, as `constraints_document` writes it; classes may be named.
        classes: The names of the model's classes.

    Raises:
        DataError: It states none, or something else.
    """
    if isinstance(document, Mapping) and set(document) == {"outputs"} and isinstance(document["outputs"], Mapping):
        if not document["outputs"]:
            raise DataError("outputs names none: state a constraint of at least one")
        return {str(name): _of_one(each, classes) for name, each in document["outputs"].items()}
    return _of_one(document, classes)


def _of_one(document: Any, names: Sequence[str]) -> OutputConstraints:
    known = {"at_least", "at_most", "classes", "change"}
    if not isinstance(document, Mapping) or not document or set(document) - known:
        raise DataError("a constraint has at_least, at_most, classes or change; or outputs, which has these by name")
    found: list[Constraint | ChangeBetween] = []
    low, high = document.get("at_least"), document.get("at_most")
    if "classes" in document:
        classes = document["classes"]
        if not isinstance(classes, list | tuple) or not classes or "at_least" in document or "at_most" in document:
            raise DataError("classes is a list of their names or numbers, without at_least and at_most")
        unknown = [each for each in classes if isinstance(each, str) and each not in names]
        if unknown:
            raise DataError(f"there is no class {unknown[0]!r}, only {', '.join(names) or 'numbers'}")
        classes = [names.index(each) if isinstance(each, str) else each for each in classes]
        found.append(Equals(classes[0]) if len(classes) == 1 else OneOf(tuple(classes)))
    elif "at_least" in document and "at_most" in document:
        found.append(Between(_number(low), _number(high)))
    elif "at_least" in document:
        found.append(AtLeast(_number(low)))
    elif "at_most" in document:
        found.append(AtMost(_number(high)))
    if "change" in document:
        change = document["change"]
        if not isinstance(change, list | tuple) or len(change) != 2:
            raise DataError("change is a list of two numbers: the least and the largest")
        found.append(ChangeBetween(_number(change[0]), _number(change[1])))
    return found[0] if len(found) == 1 else tuple(found)


def _number(value: Any) -> Any:
    _require_numbers(value)
    return value


def _require_numbers(*values: float) -> None:
    for value in values:
        # An integer can be larger than all floats.
        if isinstance(value, bool) or not isinstance(value, int | float) or not abs(value) <= sys.float_info.max:
            raise DataError(f"the bound {str(value)[:40]} is not a finite number")


def _require_classes(*values: int) -> None:
    for value in values:
        if type(value) is not int or value < 0:
            raise DataError(f"{value!r} is not the number of a class")
