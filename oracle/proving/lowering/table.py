"""The table of the ONNX operators that can be lowered.

A new operator is one function in one file of `operators`, under `handles`.
"""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any, TypeAlias

from oracle.proving.lowering.builder import ProgramBuilder

Handler: TypeAlias = Callable[[ProgramBuilder, list[Any], dict[str, Any]], Any]
"""Takes the builder, the node's arguments (values, arrays or None) and its attributes; returns its results."""

OPERATORS: dict[str, Handler] = {}
"""The handlers, by the operator's name in ONNX."""


APPROXIMATE: dict[str, Handler] = {}
"""The handlers of operators that an approximate circuit has, if no handler of `OPERATORS` takes the node."""


def handles(*operators: str) -> Callable[[Handler], Handler]:
    """Enter a function into the table as the handler of these operators."""

    def register(handler: Handler) -> Handler:
        OPERATORS.update(dict.fromkeys(operators, handler))
        return handler

    return register


def handles_each(*operators: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function into the table whose first argument is the operator's name."""

    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        OPERATORS.update({operator: partial(handler, operator) for operator in operators})
        return handler

    return register


def approximates(*operators: str) -> Callable[[Handler], Handler]:
    """Enter a function as the handler of these operators in approximate circuits."""

    def register(handler: Handler) -> Handler:
        APPROXIMATE.update(dict.fromkeys(operators, handler))
        return handler

    return register


def approximates_each(*operators: str) -> Callable[[Callable[..., Any]], Callable[..., Any]]:
    """Enter a function as the handler of these operators in approximate circuits; its first argument is the name."""

    def register(handler: Callable[..., Any]) -> Callable[..., Any]:
        APPROXIMATE.update({operator: partial(handler, operator) for operator in operators})
        return handler

    return register


def advice(operator: str) -> str:
    """Return what to change about a model that has an operator which is not in the table."""
    if operator in ("Loop", "Scan", "If"):
        return "unroll it to a fixed number of steps when you export, without control flow"
    if operator in ("Exp", "Log", "Sqrt", "Reciprocal", "Pow", "Sin", "Cos"):
        return "leave it to whoever reads the output, compute it as a feature before the model, or add --approximate"
    if operator in APPROXIMATE:
        return "add --approximate"
    return "replace it by linear layers, ReLU, comparisons or convolutions"
