"""Spikes of any size, for the detector report: the package's catalogue has the sizes that people meet most."""

from __future__ import annotations

import random
from collections.abc import Iterable
from decimal import Decimal

from oracle.sources.faults import Fault, Surroundings
from oracle.sources.faults.fault import Apply, like

__all__ = ["SPIKE", "spikes"]

SPIKE = "spike"


def spikes(sizes: Iterable[str]) -> tuple[Fault, ...]:
    """Return a fault of one tick for each size in percent, of either sign."""
    return tuple(Fault(f"{SPIKE}_{size}", 1, _spike(Decimal(size)), SPIKE, float(size)) for size in sizes)


def _spike(percent: Decimal) -> Apply:
    def apply(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
        factor = 1 + rng.choice((-percent, percent)) / 100
        return tuple(like(value * factor, value) for value in around.clean)

    return apply
