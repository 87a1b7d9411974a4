"""The graph of a polynomial detector."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.core.encoding import Feature
from oracle.detectors.kinds.graph import GraphWriter
from oracle.detectors.kinds.polynomial_parts import Allowance, Form, Output, Sum


class PolynomialGraph(GraphWriter):
    """A graph writer that knows the parts of a polynomial detector; parts that several outputs use are written once.

    Args:
        kind: See `GraphWriter`.
        model: See `GraphWriter`.
        batch: See `GraphWriter`.
        features: The model's feature list. Its values are the features without the gap.
        param_scale: See `GraphWriter`.
    """

    def __init__(self, kind: str, model: str, batch: int, features: Sequence[Feature], param_scale: int) -> None:
        super().__init__(kind, model, batch, len(features), param_scale)
        self._gap = [index for index, feature in enumerate(features) if feature is Feature.GAP]
        self._values = [index for index, feature in enumerate(features) if feature is not Feature.GAP]

    def score(self, index: int, output: Output) -> str:
        """Write one output's score, [batch, 1], and return its name."""
        measured = [self.measured(f"{index}_{at}", form) for at, form in enumerate(output.measured)]
        allowed = [self.allowed(f"{index}_{at}", each) for at, each in enumerate(output.allowed)]
        limit = self.weights(f"floor{index}", (output.floor,))
        for at, part in enumerate(allowed):
            limit = self.node("Add", [part, limit], f"limit{index}_{at}")
        if output.gap:
            # The simplifier removes a product with a single weight that is 1 or a power of two, but no MatMul.
            kind = "Mul" if allowed else "MatMul"
            limit = self.node(kind, [self.columns("gap", self.indices("at_gap", *self._gap)), limit], f"scaled{index}")
        total = measured[0]
        for at, part in enumerate(measured[1:]):
            total = self.node("Add", [total, part], f"measured{index}_{at}")
        return self.node("Sub", [total, limit], f"score{index}")

    def measured(self, key: str, form: Form) -> str:
        """Write the square of a form, [batch, 1], and return its name."""
        if isinstance(form, Sum):
            return self.square(self.total(form.first, form.end))
        weights = self.weights(f"l{key}", form.weights)
        values = self.cut(0, len(self._values))
        return self.square(self.node("MatMul", [values, weights], f"form{key}"))

    def allowed(self, key: str, allowance: Allowance) -> str:
        """Write what an allowance adds to the limit, [batch, 1], and return its name."""
        weights = self.weights(f"a{key}", allowance.weights)
        if allowance.summed:
            square = self.square(self.total(allowance.first, allowance.end))
        elif len(allowance.weights) == 1:
            square = self.sum_of_squares(allowance.first, allowance.end)
        else:
            square = self.square(self.cut(allowance.first, allowance.end))
        # A MatMul for a single weight too; see `score`.
        return self.node("MatMul", [square, weights], f"allowed{key}")

    def cut(self, first: int, end: int) -> str:
        """Write values first to end − 1, [batch, end − first], and return their name."""
        return self.columns(f"x{first}_{end}", self.indices(f"at{first}_{end}", *self._values[first:end]))

    def total(self, first: int, end: int) -> str:
        """Write their sum, [batch, 1], and return its name."""
        part = self.cut(first, end)
        return part if end - first == 1 else self.summed(part)

    def sum_of_squares(self, first: int, end: int) -> str:
        """Write the sum of their squares, [batch, 1], and return its name."""
        squares = self.square(self.cut(first, end))
        return squares if end - first == 1 else self.summed(squares)

    def square(self, value: str) -> str:
        """Write a square, and return its name."""
        return self.node("Mul", [value, value], f"sq_{value}")

    def summed(self, value: str) -> str:
        """Write the sum over a window's numbers, [batch, 1], and return its name."""
        return self.node("ReduceSum", [value, self.indices("axis", 1)], f"sum_{value}", keepdims=1)
