"""The functions of one variable that a circuit looks up, or checks by products: what no sum or comparison computes.

All arguments and results have one scale T, that of the circuit's rebase. ezkl fills a table with the rounded results,
so that a prover has no choice there. Reciprocal and Sqrt have no table: a prover claims the result, and the circuit
checks that no neighbour is nearer, up to one step.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

_E = float(np.float32(math.e))
"""The base of ezkl's exponential, a 32-bit float."""


@dataclass(frozen=True, slots=True)
class Function:
    """A function of one variable.

    Attributes:
        evaluate: Computes it on an array of floats.
        low: Arguments below it are taken for it; the function has no value there, or none that matters.
        high: Arguments above it are taken for it.
        is_open: True if the function has no value at `low` itself, so that arguments are kept away from it.
        flat: With an argument below this many times −ln(2^(T + 2)), the result changes by less than half a step; 0 if
            the function is never flat.
        is_bounded: True if the result is as flat on the other side.
        is_increasing: True if a larger argument never has a smaller result.
    """

    evaluate: Callable[[Any], Any]
    low: float = -math.inf
    high: float = math.inf
    is_open: bool = False
    flat: float = 0.0
    is_bounded: bool = False
    is_increasing: bool = False


def _erf(values: Any) -> Any:
    return np.vectorize(math.erf, otypes=[np.float64])(values)


def _sigmoid(values: Any) -> Any:
    return 1.0 / (1.0 + np.exp(-values))


FUNCTIONS: dict[str, Function] = {
    "Exp": Function(lambda x: _E**x, flat=1.0, is_increasing=True),
    "Log": Function(np.log, low=0.0, is_open=True, is_increasing=True),
    "Sigmoid": Function(_sigmoid, flat=1.0, is_bounded=True, is_increasing=True),
    "Tanh": Function(np.tanh, flat=0.6, is_bounded=True, is_increasing=True),
    "Erf": Function(_erf, flat=0.4, is_bounded=True, is_increasing=True),
    "Sin": Function(np.sin),
    "Tan": Function(np.tan),
    "Asin": Function(np.arcsin, low=-1.0, high=1.0, is_increasing=True),
    "Atan": Function(np.arctan, is_increasing=True),
    "Sinh": Function(np.sinh, is_increasing=True),
    "Cosh": Function(np.cosh),
    "Asinh": Function(np.arcsinh, is_increasing=True),
    "Acosh": Function(np.arccosh, low=1.0, is_increasing=True),
    "Atanh": Function(np.arctanh, low=-1.0, high=1.0, is_open=True, is_increasing=True),
    "Reciprocal": Function(lambda x: 1.0 / x),
    "Sqrt": Function(lambda x: np.sqrt(np.maximum(x, 0.0)), low=0.0, is_increasing=True),
}
"""By the ONNX operator's name, which ezkl reads as the same function."""


def float_result(name: str, values: Any) -> Any:
    """Return a function's results for floats, with arguments outside of its domain moved to the domain's ends."""
    function = FUNCTIONS[name]
    inside = np.clip(np.asarray(values, dtype=np.float64), function.low, function.high)
    with np.errstate(all="ignore"):
        return function.evaluate(inside)


_RANGES = {
    "Sigmoid": (0.0, 1.0),
    "Tanh": (-1.0, 1.0),
    "Erf": (-1.0, 1.0),
    "Sin": (-1.0, 1.0),
    "Atan": (-2.0, 2.0),
    "Exp": (0.0, math.inf),
    "Sqrt": (0.0, math.inf),
}


def range_of_function(name: str) -> tuple[float, float]:
    """Return bounds on a function's results, wherever it is evaluated."""
    return _RANGES.get(name, (-math.inf, math.inf))
