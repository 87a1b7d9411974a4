"""The faults that the package knows."""

from __future__ import annotations

import difflib
import random
from collections.abc import Mapping, Sequence
from decimal import Decimal

from oracle.core.errors import DataError
from oracle.sources.faults.fault import Apply, Fault, Surroundings, like

__all__ = ["CATALOGUE", "FAULTS", "choose"]


def _decimal_shift(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    # This moves the decimal point exactly: no digit is lost.
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
        return tuple(like(value * factor, value) for value in around.clean)

    return apply


def _drift(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    # One percent a tick, in one direction: no step is large.
    step = Decimal(rng.choice((-1, 1))) / 100
    return tuple(like(value * (1 + step * tick), value) for tick, value in enumerate(around.clean, 1))


def _wrong_asset(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    return rng.choice(around.others)


def _spike_pair(percent: int) -> Apply:
    def apply(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
        # Up and down, or down and up: the sum of the two moves is small.
        step = Decimal(rng.choice((-percent, percent))) / 100
        return tuple(like(value * (1 + side * step), value) for side, value in zip((1, -1), around.clean, strict=True))

    return apply


def _drift_by(percent: Decimal) -> Apply:
    def apply(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
        step = rng.choice((-1, 1)) * percent / 100
        return tuple(like(value * (1 + step * tick), value) for tick, value in enumerate(around.clean, 1))

    return apply


def _repeated(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    # As with a cache in between, which is filled three times while the fault lasts.
    period = max(1, len(around.clean) // 3)
    return tuple(around.clean[tick - tick % period] for tick in range(len(around.clean)))


def _delayed(lag: int) -> Apply:
    def apply(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
        known = around.earlier + around.clean
        return tuple(known[len(around.earlier) + tick - lag] for tick in range(len(around.clean)))

    return apply


_CRASH = (-4, -10, -7, -4, -2, -1)
"""The error of the price in percent, tick by tick."""


def _flash_crash(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    return tuple(like(value * (100 + off) / 100, value) for off, value in zip(_CRASH, around.clean, strict=True))


# Percent.
_SPIKES = (1, 2, 3, 5, 10, 20)
_PAIRS = (2, 5, 10)

_DRIFTS = {"0.1": 100, "0.2": 50, "0.5": 20, "1": 10, "2": 5}
"""Percent a tick, and the number of ticks: each drift ends ten percent away."""

_DELAY = 24
"""Ticks by which values are late."""


FAULTS: Mapping[str, Fault] = {
    fault.kind: fault
    for fault in (
        Fault("decimal_shift", 1, _decimal_shift, "gross"),
        Fault("zero", 1, _zero, "gross"),
        Fault("negative", 1, _negative, "gross"),
        Fault("wrong_asset", 1, _wrong_asset, "gross", needs_others=True),
        *(Fault(f"spike_{size}", 1, _spike(size), "spike", size) for size in _SPIKES),
        *(Fault(f"spike_pair_{size}", 2, _spike_pair(size), "pair", size) for size in _PAIRS),
        Fault("stuck", 4, _stuck, "stuck"),
        Fault("repeated", 12, _repeated, "stuck"),
        Fault("delayed", 6, _delayed(_DELAY), "delay", earlier=_DELAY),
        Fault("drift", 8, _drift, "drift", 1),
        *(
            Fault(f"drift_{speed}", ticks, _drift_by(Decimal(speed)), "drift", float(speed))
            for speed, ticks in _DRIFTS.items()
        ),
        *(Fault(f"source_lies_{size}", 3, _spike(size), "source", size, source=True) for size in (1, 5, 50)),
        Fault("source_shift", 1, _decimal_shift, "source", 900, source=True),
        Fault("source_zero", 1, _zero, "source", 100, source=True),
        Fault("flash_crash", len(_CRASH), _flash_crash, "real", 10, real=True),
    )
}
"""All faults of the package, by name."""

CATALOGUE: tuple[Fault, ...] = tuple(
    FAULTS[kind]
    for kind in (
        "decimal_shift",
        "zero",
        "negative",
        "stuck",
        "spike_3",
        "spike_5",
        "spike_10",
        "spike_20",
        "wrong_asset",
        "drift",
    )
)
"""The faults that the demonstration injects. What a seed draws depends on their order."""


def choose(names: Sequence[str], own: Sequence[Fault] = ()) -> tuple[Fault, ...]:
    """Return the faults of these names, in their order.

    Args:
        names: The faults' names.
        own: A user's own faults, which replace the package's faults of the same name.

    Raises:
        DataError: There is no fault of that name. The message says which one may be meant.
    """
    known = {**FAULTS, **{fault.kind: fault for fault in own}}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise DataError(f"there is no fault {name!r}; {hint}")
    return tuple(known[name] for name in dict.fromkeys(names))
