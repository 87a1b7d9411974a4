"""A fault, and the values that it may use."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal

__all__ = ["Apply", "Fault", "Surroundings", "like"]

_CONTEXT = Context(prec=28)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """The values around a fault, from which it may make its own.

    Attributes:
        clean: The true values of the faulty ticks.
        before: The true value of the tick before them.
        others: The true values of other series at these ticks; empty if there are none.
        earlier: True values before the faulty ticks, oldest first. The last of them is `before`.
    """

    clean: tuple[Decimal, ...]
    before: Decimal
    others: tuple[tuple[Decimal, ...], ...]
    earlier: tuple[Decimal, ...] = ()


Apply = Callable[[Surroundings, random.Random], tuple[Decimal, ...]]
"""Computes what is seen instead of the true values, one value for each faulty tick."""


@dataclass(frozen=True, slots=True)
class Fault:
    """A kind of fault.

    Attributes:
        kind: Its name.
        ticks: How many ticks in a row it lasts.
        apply: Computes the values that are seen instead.
        group: The group under which evaluations list it.
        size: Its size, by which it is sorted within its group, for instance in percent.
        earlier: How many true values before it `apply` needs; at least 1.
        needs_others: True if it needs another series.
        source: True if it happens to one of several sources, instead of the value made of them.
        real: True if a market does the same: then it must pass, or clear within the bound of a hold.
    """

    kind: str
    ticks: int
    apply: Apply
    group: str = "own"
    size: float = 0.0
    earlier: int = 1
    needs_others: bool = False
    source: bool = False
    real: bool = False


def like(value: Decimal, model: Decimal) -> Decimal:
    """Return `value` with as many decimal places as `model` has, as a feed would publish it."""
    exponent = model.as_tuple().exponent
    return value.quantize(Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0), context=_CONTEXT)
