"""The functions at the end of a model that are left off, and the way of a threshold back through them."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist


def _logit(y: float) -> float:
    return math.log(y / (1 - y))


def _softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def _inverse_erf(y: float) -> float:
    return NormalDist().inv_cdf((y + 1) / 2) / math.sqrt(2)


CURVES: dict[str, tuple[Callable[[float], float], Callable[[float], float], float, float]] = {
    "Sigmoid": (lambda x: 1 / (1 + math.exp(-x)), _logit, 0.0, 1.0),
    "Tanh": (math.tanh, math.atanh, -1.0, 1.0),
    "Erf": (math.erf, _inverse_erf, -1.0, 1.0),
    "Softplus": (_softplus, lambda y: math.log(math.expm1(y)), 0.0, math.inf),
    "Exp": (math.exp, math.log, 0.0, math.inf),
    "Log": (math.log, math.exp, -math.inf, math.inf),
    "Sqrt": (math.sqrt, lambda y: y * y, 0.0, math.inf),
}
"""Increasing functions by their ONNX operators: the function, its inverse, and between which results it is."""


@dataclass(frozen=True, slots=True)
class TailStep:
    """One function of a chain.

    Attributes:
        kind: An operator that is no sum or product; "Power": number^x; "Times": number · x; "Plus": x + number.
        number: Its number; 0 if it has none.
    """

    kind: str
    number: float = 0.0

    @property
    def rises(self) -> bool:
        """True if it is increasing."""
        if self.kind == "Times":
            return self.number > 0
        return self.number > 1 if self.kind == "Power" else True

    @property
    def is_line(self) -> bool:
        """True if it is a sum or a product."""
        return self.kind in ("Times", "Plus")

    def before(self, value: float) -> float:
        """Return the argument at which it has a value; infinite if it is always above or below it."""
        if math.isinf(value):
            return value if self.rises else -value
        match self.kind:
            case "Times":
                return value / self.number
            case "Plus":
                return value - self.number
            case "Power":
                if value <= 0:
                    return -math.inf if self.rises else math.inf
                return math.log(value) / math.log(self.number)
        _, inverse, low, high = CURVES[self.kind]
        # A square root is 0 at 0; the others never reach their ends.
        if value < low or (value == low and self.kind != "Sqrt"):
            return -math.inf
        return math.inf if value >= high else inverse(value)


@dataclass(frozen=True, slots=True)
class Tail:
    """The chain of functions that is left off.

    Attributes:
        source: Name of the ONNX value before it.
        name: Its operators as a message says them, the last one first.
        steps: Its functions, the last one first.
    """

    source: str
    name: str
    steps: tuple[TailStep, ...]

    def before(self, value: float) -> float:
        """Return the value of which the chain makes `value`, to 12 digits; infinite if it makes it of none."""
        for step in self.steps:
            value = step.before(value)
        return value if math.isinf(value) else round(value, 12)

    @property
    def middle(self) -> float:
        """The threshold if none is stated: of a single activation its value at 0, otherwise 0."""
        only = self.steps[0].kind if len(self.steps) == 1 else "Log"
        return 0.0 if only == "Log" else CURVES[only][0](0.0)
