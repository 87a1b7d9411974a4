"""The graph of a polynomial detector."""

from __future__ import annotations

from collections.abc import Sequence

from oracle.core.encoding import Feature
from oracle.detectors.interface import Disclosure
from oracle.detectors.kinds.graph import GraphWriter
from oracle.detectors.kinds.polynomial_parts import Allowance, Limit, Linear, Output, Power, Product, Sum


class PolynomialGraph(GraphWriter):
    """A graph writer that knows the parts of a polynomial detector; parts that several outputs use are written once.

    Args:
        model: The model's name.
        batch: B, the number of windows.
        features: The model's features. Its values are those without the gap.
        param_scale: See `GraphWriter`.
        gates: The outputs.
    """

    def __init__(
        self, model: str, batch: int, features: Sequence[Feature], param_scale: int, gates: Sequence[Output]
    ) -> None:
        super().__init__("polynomial", model, batch, len(features), param_scale)
        self._features = features
        self._values = [index for index, feature in enumerate(features) if feature is not Feature.GAP]
        self._gates = gates
        self._margin, self._squared, self._salt = 0, False, tuple[int, ...]()

    def scores(self, disclosure: Disclosure, margin: int, squared: bool, salt: tuple[int, ...]) -> bytes:
        """Write the whole graph, and return it.

        Args:
            disclosure: What it publishes.
            margin: The constant that the margin is made of.
            squared: True if the scores have twice the weights' scale, and the margin is twice the constant's square.
            salt: The salt's constants.
        """
        self._margin, self._squared, self._salt = margin, squared, salt
        scores = [self._score(index, output) for index, output in enumerate(self._gates)]
        flags = [[self._feature(feature) for feature in dict.fromkeys(output.seen)] for output in self._gates]
        return self.finish(scores, disclosure, flags)

    def _score(self, index: int, output: Output) -> str:
        """Write one output's score, [batch, 1], whether it sees or not, and return its name."""
        parts = [self._unweighted(f"{index}_{at}", term) for at, term in enumerate(output.measured)]
        parts = [part for part in parts if part]
        if output.weighted:
            parts.append(self._weighted(f"measured{index}", self._factors(index, output), output.weights))
        owner = index if isinstance(output.limit, Limit) else self._owner(output.limit)
        return self.node("Sub", [self._added(f"measure{index}", parts), self._limit(owner)], f"score{index}")

    def _owner(self, name: str) -> int:
        return next(index for index, output in enumerate(self._gates) if output.name == name)

    def _unweighted(self, key: str, term: Sum | Linear | Product) -> str:
        """Write a term that needs no weight of its own, and return its name; "" for others."""
        if isinstance(term, Linear):
            weights = self.weights(f"l{key}", term.weights)
            moves = self._cut(0, len(self._values))
            return self._square(self.node("MatMul", [moves, weights], f"form{key}"))
        if isinstance(term, Sum) and term.weight is None:
            return self._square(self._total(term.first, term.end))
        return ""

    def _factors(self, index: int, output: Output) -> list[str]:
        """Write what an output's weights multiply, as columns side by side, and return their names."""
        left, right = [each.left for each in output.products], [each.right for each in output.products]
        found = [self._square(self._total(term.first, term.end)) for term in output.weighted if isinstance(term, Sum)]
        if left:
            sides = (self._picked(f"left{index}", left), self._picked(f"right{index}", right))
            found.insert(0, self.node("Mul", sides, f"products{index}"))
        return found

    def _limit(self, index: int) -> str:
        """Write an output's own limit with the margin, and return its name."""
        limit = self._gates[index].limit
        assert isinstance(limit, Limit)
        total = self.weights(f"floor{index}", (limit.floor,))
        if index == 0 and self._salt:
            total = self.node("Add", [total, self._salted_zero()], "floor_beside_salt")
        if limit.allowed:
            terms = [self._allowed(each) for each in limit.allowed]
            total = self.node("Add", [self._weighted(f"allowed{index}", terms, limit.weights), total], f"limit{index}")
        if limit.gap:
            # The simplifier removes a product with a single weight that is 1 or a power of two, but no MatMul.
            kind = "Mul" if limit.allowed else "MatMul"
            total = self.node(kind, [self._feature(Feature.GAP), total], f"scaled{index}")
        return self.node("Add", [total, self._whole_margin(limit.gap)], f"bound{index}")

    def _whole_margin(self, alone: bool) -> str:
        """Write the margin at the scores' scale, and return its name.

        Args:
            alone: True if what it is added to is no sum with a constant, which the reader would add up.
        """
        margin = self.weights("margin", (self._margin,))
        if alone and not self._squared:
            return margin
        # Times a computed 1 the reader sees no constant, and leaves it as it is.
        margin = self.node("Mul", [self.one(), margin], "whole_margin")
        if not self._squared:
            return margin
        square = self._square(margin)
        return self.node("Add", [square, square], "twice_margin")

    def _salted_zero(self) -> str:
        """Write a zero that takes all constants of the salt, [1, 1], and return its name."""
        zeros = self.zeros(len(self._salt))
        return self.node("MatMul", [zeros, self.weights("salt", self._salt)], "salt_times_zero")

    def _allowed(self, allowance: Allowance) -> str:
        """Write what an allowance's weights multiply, [batch, count of weights], and return its name."""
        first, end = allowance.first, allowance.end
        if allowance.power is Power.SUM:
            return self._square(self._total(first, end))
        if allowance.power is Power.VALUES:
            return self._cut(first, end) if len(allowance.weights) > 1 else self._total(first, end)
        if len(allowance.weights) > 1 or end - first == 1:
            return self._square(self._cut(first, end))
        moves = self._cut(first, end)
        # A dot product has one row for each move; squares and their sum have two.
        flat = self.node("Einsum", [moves, moves], f"dot_{moves}", equation="bi,bi->b")
        return self.node("Unsqueeze", [flat, self.indices("axis", 1)], f"squares_{moves}")

    def _weighted(self, key: str, terms: list[str], weights: tuple[int, ...]) -> str:
        """Write the weighted sum of columns, [batch, 1], and return its name."""
        columns = terms[0] if len(terms) == 1 else self.node("Concat", terms, f"terms_{key}", axis=1)
        # A MatMul for a single weight too; see `_limit`.
        return self.node("MatMul", [columns, self.weights(f"w_{key}", weights)], f"sum_{key}")

    def _added(self, key: str, parts: list[str]) -> str:
        total = parts[0]
        for at, part in enumerate(parts[1:]):
            total = self.node("Add", [total, part], f"{key}_{at}")
        return total

    def _feature(self, feature: Feature) -> str:
        """Write a feature's column, [batch, 1], and return its name."""
        return self.column(feature.name.lower(), self._features.index(feature))

    def _cut(self, first: int, end: int) -> str:
        """Write values first to end − 1, [batch, end − first], and return their name."""
        return self._picked(f"x{first}_{end}", range(first, end))

    def _picked(self, name: str, values: Sequence[int]) -> str:
        """Write these values, [batch, count], and return their name."""
        at = [self._values[value] for value in values]
        return self.column(name, at[0]) if len(at) == 1 else self.columns(name, self.indices(f"at_{name}", *at))

    def _total(self, first: int, end: int) -> str:
        """Write their sum, [batch, 1], and return its name."""
        part = self._cut(first, end)
        return part if end - first == 1 else self._summed(part)

    def _square(self, value: str) -> str:
        """Write a square, and return its name."""
        return self.node("Mul", [value, value], f"sq_{value}")

    def _summed(self, value: str) -> str:
        """Write the sum over a window's numbers, [batch, 1], and return its name."""
        return self.node("ReduceSum", [value, self.indices("axis", 1)], f"sum_{value}", keepdims=1)
