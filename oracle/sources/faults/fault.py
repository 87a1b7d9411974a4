"""A fault, and what it may draw on."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from decimal import Context, Decimal

__all__ = ["Apply", "Fault", "Surroundings", "like"]


_CONTEXT = Context(prec=28)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a fault may draw on.

    Attributes:
        clean: The true values of the faulty ticks.
        before: The true value of the tick before them.
        others: The true values of other series at these ticks; empty if there are none.
        earlier: True values before the faulty ticks, oldest first, `before` the last of them.
    """

    clean: tuple[Decimal, ...]
    before: Decimal
    others: tuple[tuple[Decimal, ...], ...]
    earlier: tuple[Decimal, ...] = ()


Apply = Callable[[Surroundings, random.Random], tuple[Decimal, ...]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong.

    Attributes:
        ticks: How many ticks in a row it lasts.
        apply: The values that are seen instead.
        group: Reports are sorted by it.
        size: What it is sorted by within its group, for instance percent.
        earlier: How many true values before it `apply` needs, 1 at least.
        needs_others: Whether it needs another series.
        source: Whether it happens to one of several sources, not to the value made of them.
        real: Whether it is what a market does too: it must pass, or clear within the bound of a hold.
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
    """`value` with as many places as `model` has, as a feed would publish it."""
    exponent = model.as_tuple().exponent
    return value.quantize(Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0), context=_CONTEXT)
