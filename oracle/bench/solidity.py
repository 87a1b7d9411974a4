"""Solidity of a network: the same integers as its circuit's, in straight-line code with the weights in it.

Each number of the circuit becomes an expression, so nothing is looped over, loaded or unpacked, products with zero are
left out, and of a tree only the branches that are taken are computed. A contract written by hand would hardly be
cheaper to call. Code that must be below 24,576 bytes has room for about a thousand weights.
"""

from __future__ import annotations

import operator
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import count
from typing import Any

import numpy as np

from oracle.core.errors import Fatal
from oracle.proving.lowering.program import COMPARISONS
from oracle.proving.reference.arithmetic import compute
from oracle.proving.reference.circuit import Circuit

NAME = "OnchainNetwork"

MOST_FEATURES = 16
"""Features of 16 bits in a word."""

_FOLDED: dict[str, Callable[[int, int], int]] = {"add": operator.add, "sub": operator.sub, "mul": operator.mul}
_ANSWERS = ("sgt", "slt", "iszero")
"""Instructions whose result is 0 or 1."""

_MEMORY = 0x80
_WORD = 32


@dataclass(frozen=True, eq=False)
class Number:
    """A number of the circuit, as an expression. Equal expressions are one object.

    Attributes:
        kind: "const", "input", "select" (if the first is 1 the second, else the third), or an instruction.
        arguments: Its operands.
        value: A constant's value, or an input's place in the window.
    """

    kind: str
    arguments: tuple[Number, ...] = ()
    value: int = 0

    def __add__(self, other: Any) -> Number:
        return _binary("add", self, _number(other))

    __radd__ = __add__

    def __sub__(self, other: Any) -> Number:
        return _binary("sub", self, _number(other))

    def __mul__(self, other: Any) -> Number:
        return _binary("mul", self, _number(other))

    __rmul__ = __mul__


_known: dict[Any, Number] = {}


def _made(kind: str, *arguments: Number, value: int = 0) -> Number:
    key = (kind, tuple(map(id, arguments)), value)
    return _known.setdefault(key, Number(kind, arguments, value))


def _number(value: Any) -> Number:
    return value if isinstance(value, Number) else _made("const", value=int(value))


def _binary(kind: str, left: Number, right: Number) -> Number:
    if left.kind == right.kind == "const":
        return _number(_FOLDED[kind](left.value, right.value))
    if kind == "sub" and right.kind == "const":
        kind, right = "add", _number(-right.value)
    if kind != "sub" and left.kind == "const":
        left, right = right, left
    if right.kind == "const":
        if right.value == (1 if kind == "mul" else 0):
            return left
        if kind == "mul" and right.value == 0:
            return right
        if kind == "mul" and left.kind == "select":
            return _made("select", left.arguments[0], *(each * right for each in left.arguments[1:]))
    if kind == "add":
        for first, second in ((left, right), (right, left)):
            if (found := _selected(first, second)) is not None:
                return found
    return _made(kind, left, right)


def _selected(product: Number, other: Number) -> Number | None:
    """Return b + c · (a − b) as a selection, if c is the answer of a comparison."""
    if product.kind != "mul":
        return None
    bit, difference = product.arguments
    if bit.kind not in _ANSWERS:
        bit, difference = difference, bit
    if bit.kind not in _ANSWERS:
        return None
    if difference.kind == other.kind == "const":
        return _made("select", bit, difference + other, other)
    least = _number(-other.value) if other.kind == "const" else other
    if difference.kind == ("add" if other.kind == "const" else "sub") and difference.arguments[1] is least:
        return _made("select", bit, difference.arguments[0], other)
    return None


def _compared(kind: str, left: Any, right: Any) -> Number:
    first, second = _number(left), _number(right)
    answer = _made("slt" if kind in ("Less", "GreaterOrEqual") else "sgt", first, second)
    return answer if kind in ("Less", "Greater") else _made("iszero", answer)


def _relu(value: Any) -> Number:
    given = _number(value)
    return _made("mul", given, _made("sgt", given, _number(0)))


def _outputs(circuit: Circuit) -> list[Number]:
    """Return the circuit's outputs for one window."""
    window = np.array([_made("input", value=at) for at in range(circuit.features)], dtype=object)
    values: dict[str, Any] = {name: constant.astype(object) for name, constant in circuit.constants.items()}
    values[circuit.program.input] = window.reshape(1, *circuit.program.input_shape)
    for step in circuit.steps:
        given = [values[name] for name in step.op.inputs]
        if step.drop or step.op.kind == "Abs":
            raise Fatal(f"{step.op.node}: there is no Solidity for what divides, or takes a magnitude")
        if step.op.kind in COMPARISONS:
            lifted = [each * (1 << lift) for each, lift in zip(given, step.lifts, strict=True)]
            values[step.op.output] = np.frompyfunc(lambda a, b, kind=step.op.kind: _compared(kind, a, b), 2, 1)(*lifted)
        elif step.op.kind == "Relu":
            values[step.op.output] = np.frompyfunc(_relu, 1, 1)(given[0])
        else:
            values[step.op.output] = compute(step, given, np.matmul)
    return [_number(each) for each in values[circuit.output].reshape(-1)]


def network_source(circuit: Circuit) -> str:
    """Return a contract whose `held(window)` says if any of a circuit's outputs is positive.

    The window is one word, an int16 each, with the first feature in the low bits.

    Raises:
        Fatal: The window does not fit a word, or the circuit has an operation that there is no Solidity for.
    """
    if circuit.features > MOST_FEATURES:
        raise Fatal(f"a window of {circuit.features} features does not fit a word; it has room for {MOST_FEATURES}")
    _known.clear()
    lines = _SolidityWriter(_outputs(circuit)).lines()
    body = "\n".join(f"            {line}" for line in lines)
    return f"""// SPDX-License-Identifier: MIT
pragma solidity 0.8.30;

contract {NAME} {{
    function held(uint256 window) external pure returns (bool answer) {{
        assembly {{
{body}
        }}
    }}
}}
"""


class _SolidityWriter:
    """Writes expressions as Yul. Numbers that are used more than once are kept in memory."""

    def __init__(self, outputs: Sequence[Number]) -> None:
        self._outputs = outputs
        self._uses: Counter[int] = Counter()
        self._kept: dict[int, str] = {}
        self._places = count(_MEMORY, _WORD)
        self._lines: list[str] = []
        for each in outputs:
            self._count(each)

    def lines(self) -> list[str]:
        """Return the statements that compute `answer`."""
        for each in self._outputs:
            self._total(each)
            self._lines.append("if sgt(total, 0) { answer := 1 }")
        return ["let total := 0", *self._lines]

    def _count(self, number: Number) -> None:
        self._uses[id(number)] += 1
        if self._uses[id(number)] == 1:
            for each in number.arguments:
                self._count(each)

    def _total(self, number: Number) -> None:
        """Write an output: selections as branches, everything else as one sum."""
        terms = self._terms(number)
        plain = [term for term in terms if term.kind != "select"]
        self._lines.append(f"total := {self._sum(plain)}")
        for term in (term for term in terms if term.kind == "select"):
            # What branches share is computed before them: a branch that is not taken computes nothing.
            self._share(term)
            self._lines += self._branches(term)

    def _share(self, number: Number) -> None:
        if number.kind == "select":
            self._expression(number.arguments[0])
            for each in number.arguments[1:]:
                self._share(each)

    def _branches(self, number: Number) -> list[str]:
        if number.kind != "select":
            return [f"total := add(total, {self._expression(number)})"]
        condition, taken, other = number.arguments
        inner = [[f"    {line}" for line in self._branches(each)] for each in (taken, other)]
        return [f"switch {self._expression(condition)}", "case 0 {", *inner[1], "}", "default {", *inner[0], "}"]

    def _terms(self, number: Number) -> list[Number]:
        if number.kind == "add" and self._uses[id(number)] == 1:
            return [term for each in number.arguments for term in self._terms(each)]
        return [number]

    def _sum(self, terms: Sequence[Number]) -> str:
        if not terms:
            return "0"
        *others, last = [self._expression(term) for term in terms]
        text = last
        # The last operand is computed first, so the stack stays short.
        for each in reversed(others):
            text = f"add({each}, {text})"
        return text

    def _expression(self, number: Number) -> str:
        if number.kind == "const":
            return str(number.value) if number.value >= 0 else hex(number.value % 2**256)
        if id(number) in self._kept:
            return self._kept[id(number)]
        if number.kind == "input":
            shifted = f"shr({16 * number.value}, window)" if number.value else "window"
            text = f"signextend(1, {shifted})"
        elif number.kind == "add":
            text = self._sum([term for each in number.arguments for term in self._terms(each)])
        elif number.kind == "select":
            condition, taken, other = number.arguments
            difference = f"sub({self._expression(taken)}, {self._expression(other)})"
            text = f"add(mul({self._expression(condition)}, {difference}), {self._expression(other)})"
        else:
            text = f"{number.kind}({', '.join(self._expression(each) for each in number.arguments)})"
        # To compare again is cheaper than to keep the answer.
        if self._uses[id(number)] > 1 and number.kind not in _ANSWERS:
            place = next(self._places)
            self._lines.append(f"mstore({place}, {text})")
            text = self._kept[id(number)] = f"mload({place})"
        return text
