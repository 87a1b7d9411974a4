"""Sums of products that an equation names, and running sums: products with matrices."""

from __future__ import annotations

import itertools
import math
import string
from typing import Any

import numpy as np

from oracle.proving.lowering.builder import OperatorRefused, ProgramBuilder, Var, as_constant, as_var, axis_of
from oracle.proving.lowering.operators.linear import matmul
from oracle.proving.lowering.operators.reductions import reduce
from oracle.proving.lowering.table import handles

_TERMS = 64
"""Running sums along an axis of up to this many elements are added one by one: that costs no weights."""


@handles("CumSum")
def _running_sum(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    value = as_var(arguments[0], "input")
    axis = axis_of(int(np.ravel(as_constant(arguments[1], "axis"))[0]), len(value.shape))
    size, is_exclusive, is_reverse = value.shape[axis], attributes.get("exclusive"), attributes.get("reverse")
    if size > _TERMS:
        # Row i of the matrix says in which sums element i is.
        matrix = np.triu(np.ones((size, size)), 1 if is_exclusive else 0)
        order = [*(each for each in range(len(value.shape)) if each != axis), axis]
        sums = matmul(builder, [builder.transpose(value, order), matrix[::-1, ::-1] if is_reverse else matrix], {})
        return builder.transpose(sums, np.argsort(order).tolist())
    parts = [builder.gather(value, [at], axis) for at in (reversed(range(size)) if is_reverse else range(size))]
    found = list(itertools.accumulate(parts, lambda total, part: builder.binary("Add", total, part)))
    if is_exclusive:
        found = [builder.zeros(parts[0], parts[0].shape), *found[:-1]]
    found = found[::-1] if is_reverse else found
    return found[0] if size == 1 else builder.emit("Concat", *found, shape=value.shape, axis=axis)


@handles("Einsum")
def _einsum(builder: ProgramBuilder, arguments: list[Any], attributes: dict[str, Any]) -> Any:
    """Lower a sum of products of one or two values: sums over an axis that one of them has alone come first."""
    equation = attributes["equation"].decode()
    terms, result = _spelled(equation, [len(each.shape) for each in arguments])
    sizes: dict[str, int] = {}
    for term, operand in zip(terms, arguments, strict=True):
        for letter, size in zip(term, operand.shape, strict=True):
            if sizes.setdefault(letter, size) != size:
                raise OperatorRefused(f"sizes differ along {letter!r} of {equation!r}", "export it with equal sizes")
    kept = [set(result).union(*(other for other in terms if other is not term)) for term in terms]
    summed = [_summed(builder, *each) for each in zip(arguments, terms, kept, strict=True)]
    operand, letters = summed[0] if len(summed) == 1 else _product(builder, *summed[0], *summed[1], result, sizes)
    return _ordered(builder, operand, letters, result)


def _spelled(equation: str, ranks: list[int]) -> tuple[list[str], str]:
    """Return the letters of each operand's axes and of the result's, with letters of their own for an ellipsis."""
    spelled = equation.replace(" ", "")
    left, arrow, result = spelled.partition("->")
    terms = left.split(",")
    if not arrow:
        result = "".join(sorted(each for each in set(left) - {",", "."} if left.count(each) == 1))
    free = [each for each in string.ascii_letters if each not in spelled]
    widths = [rank - len(term.replace("...", "")) for term, rank in zip(terms, ranks, strict=True)]
    if any(width < 0 or (width and "..." not in term) for term, width in zip(terms, widths, strict=True)):
        raise OperatorRefused(f"its values have other axes than {equation!r} says", "export the model again")
    named = "".join(free[: max(widths)])
    terms = [term.replace("...", named[len(named) - width :]) for term, width in zip(terms, widths, strict=True)]
    repeated = any(len(set(each)) < len(each) for each in terms)
    if len(terms) > 2 or repeated or ("." in left and not arrow):
        raise OperatorRefused(
            f"its equation is {equation!r}: of one or two values, each axis with a letter of its own, sums are exact",
            "write it with Transpose, Mul and MatMul",
        )
    return terms, result.replace("...", named)


def _summed(builder: ProgramBuilder, operand: Any, letters: str, kept: set[str]) -> tuple[Any, str]:
    """Return an operand without the axes that neither the result nor another operand has, and its letters."""
    axes = tuple(at for at, letter in enumerate(letters) if letter not in kept)
    if axes:
        operand = (
            reduce(builder, operand, axes, False, mean=False) if isinstance(operand, Var) else operand.sum(axis=axes)
        )
    return operand, "".join(letter for letter in letters if letter in kept)


def _product(
    builder: ProgramBuilder, left: Any, first: str, right: Any, second: str, result: str, sizes: dict[str, int]
) -> tuple[Any, str]:
    """Return the product of two operands, summed over the letters that are not in the result, and its letters."""
    both = [each for each in first if each in second and each in result]
    inner = [each for each in first if each in second and each not in result]
    rows = [each for each in first if each not in second]
    columns = [each for each in second if each not in first]
    left = _ordered(builder, left, first, [*both, *rows, *inner])
    right = _ordered(builder, right, second, [*both, *inner, *columns])
    letters = "".join([*both, *rows, *columns])
    shape = [sizes[each] for each in letters]

    def size(group: list[str]) -> int:
        return math.prod(sizes[each] for each in group)

    if not inner:
        left = _reshaped(builder, left, [*(sizes[each] for each in (*both, *rows)), *(1,) * len(columns)])
        right = _reshaped(builder, right, [*(sizes[e] for e in both), *(1,) * len(rows), *(sizes[e] for e in columns)])
        return builder.binary("Mul", left, right), letters
    around = [size(both)] if both else []
    left = _reshaped(builder, left, [*around, size(rows), size(inner)])
    right = _reshaped(builder, right, [*around, size(inner), size(columns)])
    return builder.reshape(matmul(builder, [left, right], {}), shape), letters


def _ordered(builder: ProgramBuilder, operand: Any, letters: str, wanted: Any) -> Any:
    order = [letters.index(each) for each in wanted]
    if order == list(range(len(letters))):
        return operand
    return builder.transpose(operand, order) if isinstance(operand, Var) else operand.transpose(order)


def _reshaped(builder: ProgramBuilder, operand: Any, shape: list[int]) -> Any:
    return builder.reshape(operand, shape) if isinstance(operand, Var) else operand.reshape(shape)
