"""The parts of a polynomial detector: what an output measures and what it allows, as data and in model files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, TypeAlias

from oracle.core.encoding import Feature, feature_names, feature_range
from oracle.core.errors import DataError
from oracle.detectors.kinds.limits import FLOAT32_BITS, is_exact_float, is_name
from oracle.detectors.kinds.model_file import checked_mapping, integer, integers, text_of

STEP = 4
"""Weights are multiples of this: then scores are too, and the margin, which is 2 more, keeps every compared number away
from 0 and ±1."""


@dataclass(frozen=True, slots=True)
class Sum:
    """weight · (v_first + … + v_(end−1))².

    Attributes:
        first: Index of the first value.
        end: Index after the last one.
        weight: Over 2^p, positive; None: 1, which costs no weight.
    """

    first: int
    end: int
    weight: int | None = field(default=None, repr=False)


@dataclass(frozen=True, slots=True)
class Linear:
    """(Σ w_i v_i)² over all values, integers over 2^p."""

    weights: tuple[int, ...] = field(repr=False)


@dataclass(frozen=True, slots=True)
class Product:
    """weight · v_left · v_right, of any sign.

    Attributes:
        left: Index of a value.
        right: Index of another one, or of the same.
        weight: Over 2^p.
    """

    left: int
    right: int
    weight: int = field(repr=False)


Term: TypeAlias = Sum | Linear | Product


class Power(StrEnum):
    """The numbers that an allowance adds up: the values' squares, the square of their sum, or the values."""

    SQUARES = "squares"
    SUM = "sum"
    VALUES = "values"


@dataclass(frozen=True, slots=True)
class Allowance:
    """An addend of the limit.

    Attributes:
        first: Index of the first value.
        end: Index after the last one.
        weights: Over 2^p, positive or 0: one for all, or one for each value. The square of a sum takes one.
        power: What is added up; values must be features that are never negative.
    """

    first: int
    end: int
    weights: tuple[int, ...] = field(repr=False)
    power: Power = Power.SQUARES

    def terms(self, values: Sequence[int]) -> list[int]:
        """Return the numbers that the weights multiply, one for each weight."""
        inside = values[self.first : self.end]
        if self.power is Power.SUM:
            return [sum(inside) ** 2]
        found = [value * value for value in inside] if self.power is Power.SQUARES else list(inside)
        return found if len(self.weights) > 1 else [sum(found)]

    def of(self, values: Sequence[int]) -> int:
        """Return what is added, over 2^p."""
        return sum(weight * term for weight, term in zip(self.weights, self.terms(values), strict=True))


@dataclass(frozen=True, slots=True)
class Limit:
    """floor + Σ allowances, times the gap if it grows with time.

    Attributes:
        floor: ω over 2^p; positive.
        allowed: The parts that the other values add to it.
        gap: True if the limit grows with the time since the last accepted value.
    """

    floor: int = field(repr=False)
    allowed: tuple[Allowance, ...] = ()
    gap: bool = True

    @property
    def weights(self) -> tuple[int, ...]:
        """The allowances' weights in order."""
        return tuple(weight for allowance in self.allowed for weight in allowance.weights)

    def of(self, values: Sequence[int], gap: int) -> int:
        """Return the limit of a window over 2^p."""
        return (gap if self.gap else 1) * (self.floor + sum(allowance.of(values) for allowance in self.allowed))


@dataclass(frozen=True, slots=True)
class Output:
    """One score: what is measured against the limit.

    Attributes:
        name: Its name for people: letters, digits and hyphens.
        measured: Terms that are added up.
        limit: The limit, or the name of an earlier output whose limit is this one's too.
        seen: Features that are 0 or 1: where one is 0, the output says nothing.
    """

    name: str
    measured: tuple[Term, ...]
    limit: Limit | str
    seen: tuple[Feature, ...] = ()

    @property
    def weighted(self) -> tuple[Sum | Product, ...]:
        """The terms that have one weight each: products before sums."""
        return (*self.products, *(term for term in self.measured if isinstance(term, Sum) and term.weight is not None))

    @property
    def products(self) -> tuple[Product, ...]:
        """The products."""
        return tuple(term for term in self.measured if isinstance(term, Product))

    @property
    def weights(self) -> tuple[int, ...]:
        """Their weights."""
        return tuple(term.weight for term in self.weighted if term.weight is not None)

    def check(self, features: Sequence[Feature], values: Sequence[Feature], model: str) -> None:
        """Raise an error if the output does not fit a window.

        Args:
            features: The model's features.
            values: Those that terms and allowances count: all but the gap.
            model: The model's name, for the error message.

        Raises:
            DataError: A range, a weight or the name is wrong.
        """
        where = f"model {model}: output {self.name}"
        if not is_name(self.name):
            raise DataError(f"{where}: its name must be lower-case letters, digits and hyphens")
        if not self.measured:
            raise DataError(f"{where} measures nothing")
        for at, term in enumerate(self.measured):
            _check_term(term, len(values), f"{where}: measured[{at}]")
        for feature in self.seen:
            if feature not in features or feature_range(feature) != (0, 1):
                raise DataError(f"{where}: seen must list features of the model that are 0 or 1")
        if isinstance(self.limit, str):
            return
        if self.limit.gap and Feature.GAP not in features:
            raise DataError(f"{where} needs the gap among the features")
        _check_weight(self.limit.floor, f"{where}: floor", 1)
        for at, allowance in enumerate(self.limit.allowed):
            _check_allowance(allowance, values, f"{where}: allowed[{at}]")

    def document(self) -> dict[str, Any]:
        """Return the output as a model file has it."""
        limit: dict[str, Any]
        if isinstance(self.limit, str):
            limit = {"of": self.limit}
        else:
            allowed = [
                {each.power.value: [each.first, each.end], "weights": list(each.weights)} for each in self.limit.allowed
            ]
            limit = {"gap": self.limit.gap, "floor": self.limit.floor, "allowed": allowed}
        return {
            "name": self.name,
            "measured": [_term_document(term) for term in self.measured],
            "limit": limit,
            "seen": list(feature_names(self.seen)),
        }

    @staticmethod
    def from_document(document: object, where: str) -> Output:
        """Return the output that `document` wrote.

        Args:
            document: JSON.
            where: Its place in the file, for error messages.

        Raises:
            DataError: A key is missing or unknown, or has a wrong type.
        """
        root = checked_mapping(document, where, {"name", "measured", "limit", "seen"})
        if not isinstance(root["measured"], list):
            raise DataError(f"{where}.measured must be a list")
        return Output(
            text_of(root["name"], f"{where}.name"),
            tuple(_term(term, f"{where}.measured[{at}]") for at, term in enumerate(root["measured"])),
            _limit(root["limit"], f"{where}.limit"),
            _seen(root["seen"], f"{where}.seen"),
        )


def _term_document(term: Term) -> dict[str, Any]:
    if isinstance(term, Linear):
        return {"linear": list(term.weights)}
    if isinstance(term, Product):
        return {"product": [term.left, term.right], "weight": term.weight}
    return {"sum": [term.first, term.end]} | ({} if term.weight is None else {"weight": term.weight})


def _term(document: object, where: str) -> Term:
    given = set(document) if isinstance(document, dict) else set()
    if "linear" in given:
        return Linear(integers(checked_mapping(document, where, {"linear"})["linear"], f"{where}.linear"))
    key = "product" if "product" in given else "sum"
    weighted = key == "product" or "weight" in given
    root = checked_mapping(document, where, {key, "weight"} if weighted else {key})
    first, second = _pair(root[key], f"{where}.{key}")
    weight = integer(root["weight"], f"{where}.weight") if weighted else None
    return Sum(first, second, weight) if key == "sum" else Product(first, second, weight or 0)


def _seen(document: object, where: str) -> tuple[Feature, ...]:
    if not isinstance(document, list):
        raise DataError(f"{where} must be a list of names")
    known = {feature.name.lower(): feature for feature in Feature}
    names = [text_of(name, where) for name in document]
    if unknown := [name for name in names if name not in known]:
        raise DataError(f"{where}: unknown feature {unknown[0]!r}")
    return tuple(known[name] for name in names)


def _limit(document: object, where: str) -> Limit | str:
    if isinstance(document, dict) and "of" in document:
        return text_of(checked_mapping(document, where, {"of"})["of"], f"{where}.of")
    root = checked_mapping(document, where, {"gap", "floor", "allowed"})
    if not isinstance(root["gap"], bool):
        raise DataError(f"{where}.gap must be true or false")
    if not isinstance(root["allowed"], list):
        raise DataError(f"{where}.allowed must be a list")
    allowed = []
    for at, each in enumerate(root["allowed"]):
        place = f"{where}.allowed[{at}]"
        power = next((power for power in Power if isinstance(each, dict) and power.value in each), Power.SQUARES)
        inner = checked_mapping(each, place, {power.value, "weights"})
        first, end = _pair(inner[power.value], f"{place}.{power.value}")
        allowed.append(Allowance(first, end, integers(inner["weights"], f"{place}.weights"), power))
    return Limit(integer(root["floor"], f"{where}.floor"), tuple(allowed), root["gap"])


def _check_term(term: Term, values: int, where: str) -> None:
    if isinstance(term, Linear):
        if len(term.weights) != values:
            raise DataError(f"{where}: {len(term.weights)} weights for {values} values")
        if not any(term.weights):
            raise DataError(f"{where}: all weights are 0")
        for at, weight in enumerate(term.weights):
            _check_weight(weight, f"{where}: weights[{at}]", None)
    elif isinstance(term, Product):
        if not (0 <= term.left < values and 0 <= term.right < values):
            raise DataError(f"{where}: values {term.left} and {term.right} are not among the {values} that there are")
        _check_weight(term.weight, f"{where}: weight", None)
        if not term.weight:
            raise DataError(f"{where}: its weight is 0; leave it out")
    else:
        _check_range(term.first, term.end, values, where)
        if term.weight is not None:
            _check_weight(term.weight, f"{where}: weight", 1)


def _check_allowance(allowance: Allowance, values: Sequence[Feature], where: str) -> None:
    first, end, count = allowance.first, allowance.end, len(allowance.weights)
    _check_range(first, end, len(values), where)
    if count != 1 and (allowance.power is Power.SUM or count != end - first):
        raise DataError(f"{where}: {count} weights for the values {first} to {end - 1}")
    for at, weight in enumerate(allowance.weights):
        _check_weight(weight, f"{where}: weights[{at}]", 0)
    if not any(allowance.weights):
        raise DataError(f"{where}: its weight is 0; leave it out")
    if allowance.power is Power.VALUES and any(feature_range(value)[0] < 0 for value in values[first:end]):
        raise DataError(f"{where}: a value that can be negative can't be allowed for as it is; take its square")


def _check_range(first: int, end: int, values: int, where: str) -> None:
    if not 0 <= first < end <= values:
        raise DataError(f"{where}: values {first} to {end} (exclusive) are not among the {values} that there are")


def _check_weight(weight: int, where: str, least: int | None) -> None:
    # Errors end in logs: they say which weight is wrong, and never what it is.
    if least is not None and weight < least:
        raise DataError(f"{where} must be {'positive' if least else 'positive or 0'}")
    if weight % STEP:
        raise DataError(f"{where} must be a multiple of {STEP}, which keeps every score away from its limit")
    if not is_exact_float(weight):
        raise DataError(
            f"{where} needs more than {FLOAT32_BITS} bits, so that ONNX's 32-bit floats would change it; round it to "
            "fewer significant bits"
        )


def _pair(value: object, where: str) -> tuple[int, int]:
    values = integers(value, where)
    if len(values) != 2:
        raise DataError(f"{where} must be a list of two integers")
    return values[0], values[1]
