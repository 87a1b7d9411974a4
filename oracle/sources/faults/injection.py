"""Put faults into recorded series, at marked ticks."""

from __future__ import annotations

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

from oracle.sources.faults.catalogue import CATALOGUE
from oracle.sources.faults.fault import Fault, Surroundings
from oracle.sources.interface import Reading

__all__ = ["SPACING", "Injection", "inject"]

SPACING = 6
"""The fewest clean ticks between two faults of a feed."""


@dataclass(frozen=True, slots=True)
class Injection:
    """A faulty tick.

    Attributes:
        feed: The series' name.
        index: Position in the series, from 0.
        kind: The fault's name.
        first: Position of the fault's first tick; a fault of several ticks is one fault.
        original: The true value.
        faulted: The value that is seen instead.
    """

    feed: str
    index: int
    kind: str
    first: int
    original: Decimal
    faulted: Decimal


def inject(
    series: Mapping[str, Sequence[Reading]],
    seed: int,
    rate: float,
    warmup: int,
    catalogue: Sequence[Fault] = CATALOGUE,
) -> tuple[dict[str, list[Reading]], list[Injection]]:
    """Put faults into recorded series.

    The faults take turns in a shuffled order across all series, so that each occurs about equally often.

    Args:
        series: Readings by feed name. A tick is a position: a wrong asset's value is the one at the same position.
        seed: Seed of the random choices.
        rate: Faults (not faulty ticks) per tick, for instance 0.05. Their spacing and length bound it.
        warmup: How many ticks at the beginning of each series stay clean; at least 1.
        catalogue: The faults to inject.

    Returns:
        The faulted series, and each faulty tick, sorted by feed and position. The input is not changed.

    Raises:
        ValueError: The rate is not between 0 and 1, the warm-up is below 1, or there are no faults.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate {rate} is not between 0 and 1")
    if warmup < 1:
        raise ValueError("the warm-up must be at least 1 tick: a stuck value needs one to repeat")
    if not catalogue:
        raise ValueError("there are no faults to inject")
    # The generator hashes a seed that is a string by itself, to the same number in every process.
    rng = random.Random(f"faults:{seed}")
    kinds = _ShuffledKinds(catalogue, rng)
    faulted: dict[str, list[Reading]] = {}
    injections: list[Injection] = []
    for feed in sorted(series):
        readings = series[feed]
        others = [series[other] for other in sorted(series) if other != feed]
        seen = list(readings)
        index = warmup
        while index < len(readings):
            if rng.random() >= rate:
                index += 1
                continue
            fault = kinds.next(len(readings) - index, has_others=_others_at(others, index, 1) != ())
            if fault is None:
                break
            window = readings[index : index + fault.ticks]
            around = Surroundings(
                clean=tuple(reading.value for reading in window),
                before=readings[index - 1].value,
                others=_others_at(others, index, fault.ticks),
                earlier=tuple(reading.value for reading in readings[max(0, index - fault.earlier) : index]),
            )
            for offset, (reading, value) in enumerate(zip(window, fault.apply(around, rng), strict=True)):
                seen[index + offset] = replace(reading, value=value)
                injections.append(Injection(feed, index + offset, fault.kind, index, reading.value, value))
            index += fault.ticks + SPACING
        faulted[feed] = seen
    # In the order in which the series were given.
    return {feed: faulted[feed] for feed in series}, injections


def _others_at(others: Sequence[Sequence[Reading]], index: int, ticks: int) -> tuple[tuple[Decimal, ...], ...]:
    return tuple(
        tuple(reading.value for reading in other[index : index + ticks])
        for other in others
        if len(other) >= index + ticks
    )


class _ShuffledKinds:
    """A bag of faults that gives each fault once, in random order, before it gives any again."""

    def __init__(self, catalogue: Sequence[Fault], rng: random.Random) -> None:
        self._catalogue = tuple(catalogue)
        self._rng = rng
        self._bag: list[Fault] = []

    def next(self, ticks_left: int, *, has_others: bool) -> Fault | None:
        """Return the next fault that fits here; None if no fault does."""
        for _ in range(2):
            for position, fault in enumerate(self._bag):
                if fault.ticks <= ticks_left and (has_others or not fault.needs_others):
                    return self._bag.pop(position)
            fresh = list(self._catalogue)
            self._rng.shuffle(fresh)
            self._bag += fresh
        return None
