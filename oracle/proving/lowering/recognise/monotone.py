"""Functions at the end of a model that change its outputs, but not on which side of a threshold they are.

A final Sigmoid, Exp or Sqrt is increasing, so the value before it gives the same verdicts and costs nothing. So is a
chain of such functions and of sums and products with numbers, as long as it rises on the whole: an isolation forest's
score is a − 2^(−d / c), for the depth d that its trees add up to. A threshold is taken back through the chain.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from statistics import NormalDist

import onnx

from oracle.proving.lowering.recognise.graph import Graph

_SHAPES = ("Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze")
"""Operators that leave the numbers and their order as they are."""

_FLOATS = (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE)


def _logit(y: float) -> float:
    return math.log(y / (1 - y))


def _softplus(x: float) -> float:
    return math.log1p(math.exp(x))


def _inverse_erf(y: float) -> float:
    return NormalDist().inv_cdf((y + 1) / 2) / math.sqrt(2)


_CURVES: dict[str, tuple[Callable[[float], float], Callable[[float], float], float, float]] = {
    # function, inverse, and between which results it is
    "Sigmoid": (lambda x: 1 / (1 + math.exp(-x)), _logit, 0.0, 1.0),
    "Tanh": (math.tanh, math.atanh, -1.0, 1.0),
    "Erf": (math.erf, _inverse_erf, -1.0, 1.0),
    "Softplus": (_softplus, lambda y: math.log(math.expm1(y)), 0.0, math.inf),
    "Exp": (math.exp, math.log, 0.0, math.inf),
    "Log": (math.log, math.exp, -math.inf, math.inf),
    "Sqrt": (math.sqrt, lambda y: y * y, 0.0, math.inf),
}


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
        _, inverse, low, high = _CURVES[self.kind]
        # A square root is 0 at 0; the others never reach their ends.
        if value < low or (value == low and self.kind != "Sqrt"):
            return -math.inf
        return math.inf if value >= high else inverse(value)


_TURNED = TailStep("Times", -1.0)


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
        return 0.0 if only == "Log" else _CURVES[only][0](0.0)


def tail_of(model: onnx.ModelProto, output: str) -> Tail | None:
    """Return the longest chain at the end of a model that rises on the whole and ends in a curve; None without one.

    Args:
        model: The model.
        output: The value that is published.
    """
    graph = Graph(model)
    inputs = {each.name for each in model.graph.input}
    steps: list[TailStep] = []
    names: list[str] = []
    found: Tail | None = None
    rises, has_curve = True, False
    value = output
    while (node := graph.makers.get(value)) is not None:
        taken = _step(graph, node)
        if taken is None:
            break
        functions, value = taken
        is_curve = any(not step.is_line for step in functions)
        turns = sum(not step.rises for step in functions) % 2 == 1
        if functions and has_curve and not is_curve and rises and (len(steps) == 1 or turns):
            # A line before a single activation is a layer's; and nothing is won by what turns the chain around.
            break
        if not rises and any(step.kind in ("Log", "Sqrt") for step in functions):
            # What has no root or logarithm is on neither side of a threshold; it would be above this one.
            break
        steps += functions
        names += [node.op_type] if functions else []
        rises, has_curve = rises is not turns, has_curve or is_curve
        if rises and has_curve and value not in inputs:
            found = Tail(value, " of ".join(names), tuple(steps))
    return found


def _step(graph: Graph, node: onnx.NodeProto) -> tuple[tuple[TailStep, ...], str] | None:
    """Return a node's functions, the last one first, and its argument; None if it is no such node."""
    if node.domain not in ("", "ai.onnx"):
        return None
    kind = node.op_type
    if kind in _CURVES:
        return (TailStep(kind),), node.input[0]
    if kind in _SHAPES or (kind == "Cast" and graph.attributes(node)["to"] in _FLOATS):
        return (), node.input[0]
    if kind == "Neg":
        return (_TURNED,), node.input[0]
    if kind not in ("Add", "Sub", "Mul", "Div", "Pow") or len(node.input) != 2:
        return None
    left, right = (graph.number(name) for name in node.input)
    if left is None and right is not None and math.isfinite(right):
        found = _of_right(kind, right)
        return (found, node.input[0]) if found else None
    if left is not None and right is None and math.isfinite(left):
        found = _of_left(kind, left)
        return (found, node.input[1]) if found else None
    return None


def _of_right(kind: str, number: float) -> tuple[TailStep, ...]:
    """Return the functions of an operator whose right operand is a number."""
    match kind:
        case "Add":
            return (TailStep("Plus", number),)
        case "Sub":
            return (TailStep("Plus", -number),)
        case "Mul" if number:
            return (TailStep("Times", number),)
        case "Div" if number:
            return (TailStep("Times", 1 / number),)
        case "Pow" if number == 0.5:
            return (TailStep("Sqrt"),)
    return ()


def _of_left(kind: str, number: float) -> tuple[TailStep, ...]:
    """Return the functions of an operator whose left operand is a number."""
    match kind:
        case "Add":
            return (TailStep("Plus", number),)
        case "Sub":
            return (TailStep("Plus", number), _TURNED)
        case "Mul" if number:
            return (TailStep("Times", number),)
        case "Pow" if number > 0 and number != 1:
            return (TailStep("Power", number),)
    return ()
