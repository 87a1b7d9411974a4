"""The formula of a user's own fault."""

from __future__ import annotations

import ast
import operator
import random
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal, DecimalException
from typing import Any

from oracle.core.errors import DataError
from oracle.sources.faults.fault import Surroundings, like

__all__ = ["MAX_EARLIER", "Formula"]

MAX_EARLIER = 256
"""The number of true values before itself that a fault may use."""

_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "abs": abs}
_VARIABLES = ("clean", "first", "before", "tick", "ticks", "sign", "draw")


class Formula:
    """The formula of one fault, in decimals. It is parsed and checked at once, and evaluated at each tick.

    Args:
        text: The formula. `oracle.sources.faults.file` describes it.
        where: Put in front of each error's message.

    Attributes:
        earlier: The number of true values before the fault that it needs.

    Raises:
        DataError: It is not an expression, or uses something that it may not use.
    """

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        try:
            self._body = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError):
            raise DataError(f"{where}: value {text!r} is not an expression") from None
        self._text = text
        self.earlier = 1
        self._check(self._body)

    def _check(self, node: ast.expr) -> None:
        match node:
            case ast.Constant(value=int() | float()) if not isinstance(node.value, bool):
                return
            case ast.Name(id=name) if name in _VARIABLES:
                return
            case ast.UnaryOp(op=ast.USub() | ast.UAdd(), operand=operand):
                self._check(operand)
            case ast.BinOp(left=left, op=op, right=right) if type(op) in _BINARY:
                self._check(left)
                self._check(right)
            case ast.Call(func=ast.Name(id="earlier"), args=[ast.Constant(value=int(count))], keywords=[]):
                if not 1 <= count <= MAX_EARLIER:
                    raise DataError(f"{self._where}: earlier({count}) must be 1 to {MAX_EARLIER} ticks")
                self.earlier = max(self.earlier, count)
            case ast.Call(func=ast.Name(id=name), args=[_, *_] as arguments, keywords=[]) if name in _FUNCTIONS:
                for argument in arguments:
                    self._check(argument)
            case _:
                raise DataError(
                    f"{self._where}: {ast.unparse(node)!r} can't be used in a value; it knows "
                    f"{', '.join(_VARIABLES)}, earlier(n), min, max, abs, numbers and + - * / **"
                )

    def apply(self, around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
        """Compute the values that are seen. See `Fault.apply`."""
        sign, draw = Decimal(rng.choice((-1, 1))), Decimal(repr(rng.random()))
        known = around.earlier + around.clean
        seen = []
        for tick, clean in enumerate(around.clean):
            names = {
                "clean": clean,
                "first": around.clean[0],
                "before": around.before,
                "tick": Decimal(tick + 1),
                "ticks": Decimal(len(around.clean)),
                "sign": sign,
                "draw": draw,
            }
            try:
                seen.append(like(self._evaluate(self._body, names, known[: len(around.earlier) + tick + 1]), clean))
            except (DecimalException, OverflowError, ValueError):
                raise DataError(
                    f"{self._where}: {self._text!r} has no value where clean is {clean} and tick is {tick + 1}"
                ) from None
        return tuple(seen)

    def _evaluate(self, node: ast.expr, names: Mapping[str, Decimal], known: Sequence[Decimal]) -> Decimal:
        match node:
            case ast.Constant(value=number):
                return Decimal(repr(number))
            case ast.Name(id=name):
                return names[name]
            case ast.UnaryOp(op=op, operand=operand):
                value = self._evaluate(operand, names, known)
                return -value if isinstance(op, ast.USub) else value
            case ast.BinOp(left=left, op=op, right=right):
                first, second = (self._evaluate(side, names, known) for side in (left, right))
                result: Decimal = _BINARY[type(op)](first, second)
                return result
            case ast.Call(func=ast.Name(id="earlier"), args=[ast.Constant(value=int(count))]):
                return known[-1 - count]
            case ast.Call(func=ast.Name(id=name), args=arguments):
                chosen: Decimal = _FUNCTIONS[name](*(self._evaluate(argument, names, known) for argument in arguments))
                return chosen
        raise AssertionError(ast.dump(node))
