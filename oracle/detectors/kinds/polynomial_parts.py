"""The parts of a polynomial detector: what an output measures and what it allows, as data and in model files."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, TypeAlias

from oracle.core.errors import DataError
from oracle.detectors.kinds.limits import FLOAT32_BITS, is_exact_float, is_name
from oracle.detectors.kinds.model_file import checked_mapping, integer, integers, text_of


@dataclass(frozen=True, slots=True)
class Sum:
    """v_first + … + v_(end−1): a form without weights."""

    first: int
    end: int


@dataclass(frozen=True, slots=True)
class Linear:
    """Σ w_i v_i over all values, integers over 2^p."""

    weights: tuple[int, ...]


Form: TypeAlias = Sum | Linear


@dataclass(frozen=True, slots=True)
class Allowance:
    """An addend of the limit, from earlier moves.

    Attributes:
        first: Index of the first value.
        end: Index after the last one.
        weights: Over 2^p, positive or 0: one for all, or one for each value.
        summed: True if it is the square of the values' sum, which takes one weight; False if it is the sum of their
            squares.
    """

    first: int
    end: int
    weights: tuple[int, ...]
    summed: bool = False

    def of(self, values: Sequence[int]) -> int:
        """Return Σ a · square, over 2^p."""
        inside = values[self.first : self.end]
        if len(self.weights) > 1:
            return sum(weight * value * value for weight, value in zip(self.weights, inside, strict=True))
        square: int = sum(inside) ** 2 if self.summed else sum(value * value for value in inside)
        return self.weights[0] * square


@dataclass(frozen=True, slots=True)
class Output:
    """One score: the squares that it measures against the limit that it allows.

    Attributes:
        name: Its name for people: letters, digits and hyphens.
        measured: Forms whose squares are added up.
        floor: ω over 2^p; positive.
        allowed: The parts that earlier moves add to it.
        gap: True if the limit grows with the time since the last accepted value.
    """

    name: str
    measured: tuple[Form, ...]
    floor: int
    allowed: tuple[Allowance, ...] = ()
    gap: bool = True

    def check(self, values: int, model: str) -> None:
        """Raise an error if the output does not fit a window.

        Args:
            values: Numbers of a window without the gap.
            model: The model's name, for the error message.

        Raises:
            DataError: A range, a weight or the name is wrong.
        """
        where = f"model {model}: output {self.name}"
        if not is_name(self.name):
            raise DataError(f"{where}: its name must be lower-case letters, digits and hyphens")
        if not self.measured:
            raise DataError(f"{where} measures nothing")
        for form in self.measured:
            if isinstance(form, Sum):
                _check_range(form.first, form.end, values, where)
            elif len(form.weights) != values:
                raise DataError(f"{where}: {len(form.weights)} weights in a form of {values} values")
            else:
                if not any(form.weights):
                    raise DataError(f"{where}: all weights of a form are 0")
                for weight in form.weights:
                    _check_weight(weight, where, None)
        _check_weight(self.floor, where, 1)
        for allowance in self.allowed:
            _check_range(allowance.first, allowance.end, values, where)
            count = len(allowance.weights)
            if count != 1 and (allowance.summed or count != allowance.end - allowance.first):
                raise DataError(f"{where}: {count} weights for the values {allowance.first} to {allowance.end - 1}")
            for weight in allowance.weights:
                _check_weight(weight, where, 0)
            if not any(allowance.weights):
                raise DataError(f"{where}: an allowance has the weight 0; leave it out")

    def document(self) -> dict[str, Any]:
        """Return the output as a model file has it."""
        return {
            "name": self.name,
            "measured": [
                {"sum": [form.first, form.end]} if isinstance(form, Sum) else {"weights": list(form.weights)}
                for form in self.measured
            ],
            "gap": self.gap,
            "floor": self.floor,
            "allowed": [
                {"sum" if each.summed else "squares": [each.first, each.end], "weights": list(each.weights)}
                for each in self.allowed
            ],
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
        root = checked_mapping(document, where, {"name", "measured", "gap", "floor", "allowed"})
        if not isinstance(root["gap"], bool):
            raise DataError(f"{where}: gap must be true or false")
        if not isinstance(root["measured"], list) or not isinstance(root["allowed"], list):
            raise DataError(f"{where}: measured and allowed must be lists")
        forms: list[Form] = []
        for form in root["measured"]:
            key = "sum" if isinstance(form, dict) and "sum" in form else "weights"
            found = integers(checked_mapping(form, f"{where}.measured", {key})[key], f"{where}.measured.{key}")
            forms.append(Sum(*_pair(found, f"{where}.measured")) if key == "sum" else Linear(found))
        allowed = []
        for each in root["allowed"]:
            key = "sum" if isinstance(each, dict) and "sum" in each else "squares"
            inner = checked_mapping(each, f"{where}.allowed", {key, "weights"})
            first, end = _pair(integers(inner[key], f"{where}.allowed.{key}"), f"{where}.allowed")
            weights = integers(inner["weights"], f"{where}.allowed.weights")
            allowed.append(Allowance(first, end, weights, summed=key == "sum"))
        return Output(
            text_of(root["name"], f"{where}: name"),
            tuple(forms),
            integer(root["floor"], f"{where}: floor"),
            tuple(allowed),
            root["gap"],
        )


def _check_range(first: int, end: int, values: int, where: str) -> None:
    if not 0 <= first < end <= values:
        raise DataError(f"{where}: values {first} to {end} (exclusive) are not among the {values} that there are")


def _check_weight(weight: int, where: str, least: int | None) -> None:
    if least is not None and weight < least:
        raise DataError(f"{where}: weight {weight} must be at least {least}")
    if not is_exact_float(weight):
        raise DataError(
            f"{where}: weight {weight} needs more than {FLOAT32_BITS} bits, so that ONNX's 32-bit floats would change "
            "it; round it to fewer significant bits"
        )


def _pair(values: tuple[int, ...], where: str) -> tuple[int, int]:
    if len(values) != 2:
        raise DataError(f"{where}: a range is a list of two integers, [first, end]")
    return values[0], values[1]
