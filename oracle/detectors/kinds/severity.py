"""Severities: how near windows are to a polynomial's limits, in floats, many at once. Never for the gate."""

from __future__ import annotations

from typing import Protocol

import numpy as np

from oracle.core.encoding import Feature
from oracle.detectors.kinds.polynomial_parts import Limit, Linear, Output, Product

__all__ = ["Polynomial", "severities"]


class Polynomial(Protocol):
    """The numbers of a polynomial model that severities take."""

    @property
    def features(self) -> tuple[Feature, ...]: ...

    @property
    def values(self) -> tuple[Feature, ...]: ...

    @property
    def gates(self) -> tuple[Output, ...]: ...

    @property
    def param_scale(self) -> int: ...

    @property
    def score_scale(self) -> int: ...

    @property
    def exact_margin(self) -> int: ...

    def limit(self, output: Output) -> Limit: ...


def severities(model: Polynomial, windows: np.ndarray) -> np.ndarray:
    """Return the largest output's measure, in parts of its limit, of each window; 0 where all outputs are silent.

    Both are square roots, as in `explain`: limits that are scaled by a factor are scaled in moves.
    """
    table = np.asarray(windows, dtype=np.float64)
    columns = {feature: table[:, at] for at, feature in enumerate(model.features)}
    values = [columns[feature] for feature in model.values]
    found = np.zeros(len(table))
    for output in model.gates:
        measured = _measured(model, output, values)
        limit = _limit(model, output, values, columns.get(Feature.GAP))
        ratio = np.sqrt(np.maximum(0.0, measured) / np.maximum(limit, np.finfo(float).tiny))
        for feature in output.seen:
            ratio = ratio * columns[feature]
        found = np.maximum(found, ratio)
    return found


def _measured(model: Polynomial, output: Output, values: list[np.ndarray]) -> np.ndarray:
    one, lift = 2.0**model.score_scale, 2.0 ** (model.score_scale - model.param_scale)
    total = np.zeros(len(values[0]))
    for term in output.measured:
        if isinstance(term, Linear):
            total = total + sum(weight * value for weight, value in zip(term.weights, values, strict=True)) ** 2
        elif isinstance(term, Product):
            total = total + term.weight * lift * values[term.left] * values[term.right]
        else:
            weight = one if term.weight is None else term.weight * lift
            total = total + np.sum(values[term.first : term.end], axis=0) ** 2 * weight
    return total


def _limit(model: Polynomial, output: Output, values: list[np.ndarray], gap: np.ndarray | None) -> np.ndarray:
    rule, lift = model.limit(output), 2.0 ** (model.score_scale - model.param_scale)
    allowed = np.full(len(values[0]), float(rule.floor))
    for allowance in rule.allowed:
        for weight, term in zip(allowance.weights, allowance.terms(values), strict=True):  # type: ignore[arg-type]
            allowed = allowed + float(weight) * term
    if rule.gap and gap is not None:
        allowed = allowed * gap
    return allowed * lift + float(model.exact_margin)
