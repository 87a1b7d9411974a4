"""Kernel machines: sums over support vectors, of products, powers, or functions of distances.

A polynomial kernel machine is a polynomial of the features. If it has fewer terms than the sum over the vectors has
products, it is written out. The other kernels are piecewise linear functions of exact numbers, like activations.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import combinations_with_replacement
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_var
from oracle.proving.lowering.operators.activations import knots
from oracle.proving.lowering.operators.choosing import labels
from oracle.proving.lowering.operators.linear import matmul
from oracle.proving.lowering.operators.looked_up import function
from oracle.proving.lowering.operators.reductions import reduce
from oracle.proving.lowering.table import handles

MAX_DEGREE = 6
"""A polynomial of a higher degree has no room for its scales."""

_FAR = 12.0
"""exp(−x) is 0.000006 there, and counts as 0 from there on."""


@dataclass(frozen=True, slots=True)
class _Kernel:
    """A kernel with its numbers: γ, what is added, and the degree."""

    kind: str
    gamma: float
    shift: float
    degree: float


@handles("SVMRegressor")
def _regressor(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value, kernel = as_var(arguments[0], "input"), _kernel(attributes)
    if attributes.get("post_transform", b"NONE") != b"NONE":
        raise OperatorRefused("it has a post_transform", "export it with NONE")
    coefficients = np.array(attributes["coefficients"], dtype=np.float64)
    vectors = np.array(attributes.get("support_vectors") or (), dtype=np.float64)
    if not attributes.get("n_supports"):
        vectors, coefficients = coefficients.reshape(1, -1), np.ones(1)
        if kernel.kind != "LINEAR":
            raise OperatorRefused(f"it has no support vectors, and a kernel {kernel.kind}", "train it again")
    vectors = vectors.reshape(len(coefficients), -1)
    result = _machine(builder, value, kernel, vectors, coefficients.reshape(-1, 1))
    result = builder.binary("Add", result, np.array([attributes.get("rho", [0.0])[:1]], dtype=np.float64))
    if not attributes.get("one_class", 0):
        return result
    # 1 for what is above 0, −1 for what is not.
    is_above = builder.binary("Greater", result, builder.binary("Sub", result, result))
    return builder.binary("Sub", builder.binary("Add", is_above, is_above), np.ones((1, 1)))


@handles("SVMClassifier")
def _classifier(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value, kernel = as_var(arguments[0], "input"), _kernel(attributes)
    counts = [int(count) for count in attributes.get("vectors_per_class") or ()]
    if attributes.get("post_transform", b"NONE") != b"NONE":
        raise OperatorRefused("it has a post_transform", "export it with NONE")
    names = attributes.get("classlabels_ints") or attributes.get("classlabels_strings") or ()
    if not counts:
        raise OperatorRefused("it has no support vectors", "export it as a linear classifier")
    vectors = np.array(attributes["support_vectors"], dtype=np.float64).reshape(sum(counts), -1)
    coefficients = np.array(attributes["coefficients"], dtype=np.float64).reshape(len(counts) - 1, -1)
    offsets = np.array([attributes["rho"]], dtype=np.float64)
    pairs = [(i, j) for i in range(len(counts)) for j in range(i + 1, len(counts))]
    starts = np.concatenate([[0], np.cumsum(counts)])
    weights = np.zeros((len(vectors), len(pairs)))
    for at, (i, j) in enumerate(pairs):
        for one, row in ((i, j - 1), (j, i)):
            part = slice(starts[one], starts[one + 1])
            weights[part, at] = coefficients[row, part]
    scores = builder.binary("Add", _machine(builder, value, kernel, vectors, weights), offsets)
    slopes, shifts = attributes.get("prob_a") or (), attributes.get("prob_b") or ()
    if len(names) != len(counts):
        raise OperatorRefused(f"it has {len(names)} labels for {len(counts)} classes", "export the model again")
    if len(pairs) > 1:
        if slopes:
            raise OperatorRefused(
                "its probabilities are fitted to each other", "train it with probability=False, and publish the scores"
            )
        return [labels(builder, _votes(builder, scores, pairs, len(counts)), names), scores]
    opposite = builder.binary("Sub", builder.binary("Sub", scores, scores), scores)
    label = labels(builder, builder.emit("Concat", scores, opposite, shape=(1, 2), axis=1), names)
    if slopes:
        # The first probability is 1 / (1 + exp(a s + b)).
        builder.order_only = f"the logistic function of {builder.node} is left off"
        scores = builder.binary("Mul", scores, np.array([slopes], dtype=np.float64))
        scores = builder.binary("Add", scores, np.array([shifts], dtype=np.float64))
        opposite = builder.binary("Sub", builder.binary("Sub", scores, scores), scores)
    return [label, builder.emit("Concat", opposite, scores, shape=(1, 2), axis=1)]


def _votes(builder: ProgramBuilder, scores: Var, pairs: Sequence[tuple[int, int]], classes: int) -> Var:
    """Return how often each class wins, [1, classes]: the first of a pair wins if the pair's score is above 0."""
    zero = builder.binary("Sub", scores, scores)
    first, second = (builder.binary(kind, scores, zero) for kind in ("Greater", "LessOrEqual"))
    answers = builder.emit("Concat", first, second, shape=(1, 2 * len(pairs)), axis=1)
    won = [
        [at for at, pair in enumerate(pairs) if pair[0] == each]
        + [len(pairs) + at for at, pair in enumerate(pairs) if pair[1] == each]
        for each in range(classes)
    ]
    sums = [reduce(builder, builder.gather(answers, at, 1), (1,), True, mean=False) for at in won]
    return builder.emit("Concat", *sums, shape=(1, classes), axis=1)


def _kernel(attributes: dict[str, Any]) -> _Kernel:
    kind = attributes.get("kernel_type", b"LINEAR").decode()
    given = [*(attributes.get("kernel_params") or ()), 0.0, 0.0, 0.0][:3]
    if kind not in ("LINEAR", "POLY", "RBF", "SIGMOID"):
        raise OperatorRefused(f"its kernel is {kind}", "use a linear, polynomial, rbf or sigmoid kernel")
    return _Kernel(kind, *(float(number) for number in given))


def _machine(builder: ProgramBuilder, value: Var, kernel: _Kernel, vectors: np.ndarray, weights: np.ndarray) -> Var:
    """Return the sums over support vectors [vectors, features], weighted [vectors, sums]: [1, sums]."""
    if value.shape[-1] != vectors.shape[1]:
        raise OperatorRefused(
            f"it takes {vectors.shape[1]} features, and gets {value.shape[-1]}", "export the model again"
        )
    if kernel.kind == "LINEAR":
        return _product(builder, value, vectors.T @ weights)
    if kernel.kind == "POLY":
        return _polynomial(builder, value, kernel, vectors, weights)
    if kernel.kind == "SIGMOID":
        near = builder.binary("Add", _product(builder, value, kernel.gamma * vectors.T), np.array([[kernel.shift]]))
        return _product(builder, _curve(builder, "Tanh", near), weights)
    # γ |x − s|² = γ Σ x² − 2 γ x · s + γ |s|²
    if not kernel.gamma > 0:
        raise OperatorRefused(f"its gamma is {kernel.gamma:g}", "train it again")
    own = reduce(builder, builder.binary("Mul", value, value), (1,), True, mean=False)
    apart = _product(builder, value, -2 * kernel.gamma * vectors.T)
    apart = builder.binary("Add", apart, builder.binary("Mul", own, np.array([[kernel.gamma]])))
    apart = builder.binary("Add", apart, kernel.gamma * (vectors**2).sum(axis=1)[None])
    return _product(builder, _curve(builder, "Exp", apart), weights)


def _product(builder: ProgramBuilder, value: Var, weights: np.ndarray) -> Var:
    result: Var = matmul(builder, [value, weights], {})
    return result


def _curve(builder: ProgramBuilder, kind: str, value: Var) -> Var:
    """Return tanh(x), or exp(−x) of what is not negative."""
    if builder.approximate:
        return function(builder, kind, value if kind == "Tanh" else builder.binary("Sub", np.zeros(1), value))
    builder.approximated.append(builder.node)
    if kind == "Tanh":
        return builder.piecewise(value, knots(math.tanh, -4.0, 4.0, builder.segments), 0.0, 0.0)
    corners = knots(lambda x: math.exp(-x), 0.0, _FAR, builder.segments)
    return builder.piecewise(value, [*corners[:-1], (corners[-1][0], 0.0)], -1.0, 0.0)


def _polynomial(builder: ProgramBuilder, value: Var, kernel: _Kernel, vectors: np.ndarray, weights: np.ndarray) -> Var:
    """Return Σ w (γ x · s + c)^degree: over the vectors, or as a polynomial, whichever has fewer products."""
    degree = round(kernel.degree)
    if degree != kernel.degree or not 1 <= degree <= MAX_DEGREE:
        raise OperatorRefused(f"its degree is {kernel.degree:g}", f"use a whole one from 1 to {MAX_DEGREE}")
    (count, features), sums = vectors.shape, weights.shape[1]
    terms = math.comb(features + degree - (kernel.shift == 0), degree)
    if terms * (1 + sums) > count * (features + degree + sums):
        near = builder.binary("Add", _product(builder, value, kernel.gamma * vectors.T), np.array([[kernel.shift]]))
        power = near
        for _ in range(degree - 1):
            power = builder.binary("Mul", power, near)
        return _product(builder, power, weights)
    places: dict[tuple[int, ...], int] = {}
    rows: list[Any] = []
    constant = np.zeros(sums)
    scaled = kernel.gamma * vectors
    for size in range(degree if kernel.shift == 0 else 0, degree + 1):
        # Terms with `size` features; the other factors are the constant.
        ways = math.comb(degree, size) * kernel.shift ** (degree - size)
        for term in combinations_with_replacement(range(features), size):
            orders = math.factorial(size) / math.prod(math.factorial(each) for each in Counter(term).values())
            row = ways * orders * (weights * np.prod(scaled[:, term], axis=1, keepdims=True)).sum(axis=0)
            if not term:
                constant = row
                continue
            places[term] = len(rows)
            rows.append(row)
    result = _product(builder, _monomials(builder, value, list(places)), np.array(rows))
    return builder.binary("Add", result, constant[None]) if constant.any() else result


def _monomials(builder: ProgramBuilder, value: Var, terms: Sequence[tuple[int, ...]]) -> Var:
    """Return products of features [1, terms]. Each has one factor more than a shorter one that is made before it."""
    sizes = sorted({len(term) for term in terms})
    wanted: dict[int, list[tuple[int, ...]]] = {size: [term for term in terms if len(term) == size] for size in sizes}
    for size in range(sizes[-1], 1, -1):
        shorter = {term[:-1]: None for term in wanted.get(size, ())}
        wanted[size - 1] = list(dict.fromkeys([*wanted.get(size - 1, ()), *shorter]))
    made = {1: value}
    at: dict[int, dict[tuple[int, ...], int]] = {1: {(feature,): feature for feature in range(value.shape[1])}}
    for size in range(2, sizes[-1] + 1):
        first = builder.gather(made[size - 1], [at[size - 1][term[:-1]] for term in wanted[size]], 1)
        last = builder.gather(value, [term[-1] for term in wanted[size]], 1)
        made[size] = builder.binary("Mul", first, last)
        at[size] = {term: place for place, term in enumerate(wanted[size])}
    parts = [builder.gather(made[size], [at[size][term] for term in terms if len(term) == size], 1) for size in sizes]
    return parts[0] if len(parts) == 1 else builder.emit("Concat", *parts, shape=(1, len(terms)), axis=1)
