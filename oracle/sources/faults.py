"""Deterministic fault injection into recorded series: what goes wrong with data in the field, at marked ticks.

Faults are put into the data before anything sees it, and never twice in the same place, so that each verdict
can be told from all others. The same series, seed and rate give the same faults on every machine.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal

from oracle.sources.interface import Reading

__all__ = ["CATALOGUE", "SPACING", "Fault", "Injection", "inject"]

SPACING = 6
"""Least number of clean ticks between two faults of a feed."""

_CONTEXT = Context(prec=28)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What a fault may draw on.

    Attributes:
        clean: The true values of the faulty ticks.
        before: The true value of the tick before them.
        others: The true values of other series at these ticks; empty if there are none.
    """

    clean: tuple[Decimal, ...]
    before: Decimal
    others: tuple[tuple[Decimal, ...], ...]


Apply = Callable[[Surroundings, random.Random], tuple[Decimal, ...]]


@dataclass(frozen=True, slots=True)
class Fault:
    """One way to go wrong.

    Attributes:
        ticks: How many ticks in a row it lasts.
        apply: The values that are seen instead.
    """

    kind: str
    ticks: int
    apply: Apply


@dataclass(frozen=True, slots=True)
class Injection:
    """One faulty tick.

    Attributes:
        feed: The series' name.
        index: Position in the series, from 0.
        kind: Of the fault.
        first: Position of the fault's first tick; a fault of several ticks is one fault.
        original: The true value.
        faulted: What is seen.
    """

    feed: str
    index: int
    kind: str
    first: int
    original: Decimal
    faulted: Decimal


def _decimal_shift(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    # Moves the point, exactly: no digit is lost.
    shift = rng.choice((-1, 1))
    return tuple(value.scaleb(shift) for value in around.clean)


def _zero(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    return (Decimal(0),) * len(around.clean)


def _negative(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    return tuple(-value for value in around.clean)


def _stuck(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    return (around.before,) * len(around.clean)


def _spike(percent: int) -> Apply:
    def apply(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
        factor = 1 + Decimal(rng.choice((-percent, percent))) / 100
        return tuple(_like(value * factor, value) for value in around.clean)

    return apply


def _drift(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    # One percent a tick, in one direction: no step is large.
    step = Decimal(rng.choice((-1, 1))) / 100
    return tuple(_like(value * (1 + step * tick), value) for tick, value in enumerate(around.clean, 1))


def _wrong_asset(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    return rng.choice(around.others)


def _like(value: Decimal, model: Decimal) -> Decimal:
    """`value` with as many places as `model` has, as a feed would publish it."""
    exponent = model.as_tuple().exponent
    return value.quantize(Decimal(1).scaleb(exponent if isinstance(exponent, int) else 0), context=_CONTEXT)


CATALOGUE: tuple[Fault, ...] = (
    Fault("decimal_shift", 1, _decimal_shift),
    Fault("zero", 1, _zero),
    Fault("negative", 1, _negative),
    Fault("stuck", 4, _stuck),
    Fault("spike_3", 1, _spike(3)),
    Fault("spike_5", 1, _spike(5)),
    Fault("spike_10", 1, _spike(10)),
    Fault("spike_20", 1, _spike(20)),
    Fault("wrong_asset", 1, _wrong_asset),
    Fault("drift", 8, _drift),
)


def inject(
    series: Mapping[str, Sequence[Reading]],
    seed: int,
    rate: float,
    warmup: int,
    catalogue: Sequence[Fault] = CATALOGUE,
) -> tuple[dict[str, list[Reading]], list[Injection]]:
    """Put faults into recorded series.

    Kinds take turns in a shuffled order across all series, so that each of them occurs about equally often.

    Args:
        series: Readings by feed name. Ticks are positions: the wrong asset's value is that at the same
            position.
        seed: Of the random choices.
        rate: Faults (not faulty ticks) per tick, for instance 0.05. Spacing and length put a bound on it.
        warmup: Ticks at the beginning of each series that stay clean; at least 1.
        catalogue: Kinds to inject.

    Returns:
        The faulted series, and each faulty tick, sorted by feed and position. The input is left as it was.

    Raises:
        ValueError: The rate, the warm-up or the catalogue make no sense.
    """
    if not 0 <= rate <= 1:
        raise ValueError(f"rate {rate} is not between 0 and 1")
    if warmup < 1:
        raise ValueError("the warm-up must be at least 1 tick: a stuck value needs one to repeat")
    if not catalogue:
        raise ValueError("there are no faults to inject")
    # A string seed is hashed by the generator itself, the same in every process.
    rng = random.Random(f"faults:{seed}")
    turns = _Turns(catalogue, rng)
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
            fault = turns.next(len(readings) - index, has_others=_others_at(others, index, 1) != ())
            if fault is None:
                break
            window = readings[index : index + fault.ticks]
            around = Surroundings(
                clean=tuple(reading.value for reading in window),
                before=readings[index - 1].value,
                others=_others_at(others, index, fault.ticks),
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


class _Turns:
    """Gives each kind once, in random order, before any kind again."""

    def __init__(self, catalogue: Sequence[Fault], rng: random.Random) -> None:
        self._catalogue = tuple(catalogue)
        self._rng = rng
        self._bag: list[Fault] = []

    def next(self, ticks_left: int, *, has_others: bool) -> Fault | None:
        """The next kind that fits here; None if none does."""
        for _ in range(2):
            for position, fault in enumerate(self._bag):
                if fault.ticks <= ticks_left and (has_others or fault.apply is not _wrong_asset):
                    return self._bag.pop(position)
            fresh = list(self._catalogue)
            self._rng.shuffle(fresh)
            self._bag += fresh
        return None
