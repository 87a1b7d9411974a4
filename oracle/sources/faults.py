"""Deterministic fault injection into recorded series: what goes wrong with data in the field, at marked ticks.

Faults are put into the data before anything sees it, and never twice in the same place, so that each verdict
can be told from all others. The same series, seed and rate give the same faults on every machine.

`FAULTS` is the catalogue. More are read from a TOML file by `load_faults`:

    [[fault]]
    name = "half"                     # how reports call it
    ticks = 3                         # how long it lasts; default 1
    value = "clean * 0.5"             # what is seen at each of its ticks
    # group = "gross"                 # reports are sorted by it; default "own"
    # real = true                     # looks like the market: it must pass, or clear
    # source = true                   # happens to one of several sources

`value` is an expression of + - * / ** and min, max, abs over: `clean`, the true value of the tick; `first`, that of the
fault's first tick; `before`, that of the tick before the fault; `earlier(n)`, that of n ticks before `clean`, n at most
MAX_EARLIER; `tick`, from 1, and `ticks`; `sign`, −1 or 1, and `draw`, between 0 and 1, both drawn once for a fault.
"""

from __future__ import annotations

import ast
import difflib
import operator
import random
import re
import tomllib
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Context, Decimal, DecimalException
from pathlib import Path
from typing import Any

from oracle.core.errors import DataError
from oracle.sources.interface import Reading

__all__ = [
    "CATALOGUE",
    "FAULTS",
    "MAX_EARLIER",
    "SPACING",
    "Fault",
    "Injection",
    "Surroundings",
    "choose",
    "inject",
    "load_faults",
]

SPACING = 6
"""Least number of clean ticks between two faults of a feed."""

MAX_EARLIER = 256
"""True values before a fault that it may draw on."""

MAX_TICKS = 1_000
"""A fault lasts no longer."""

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


def _spike_pair(percent: int) -> Apply:
    def apply(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
        # Up and down, or down and up: the sum of the two moves is small.
        step = Decimal(rng.choice((-percent, percent))) / 100
        return tuple(_like(value * (1 + side * step), value) for side, value in zip((1, -1), around.clean, strict=True))

    return apply


def _drift_by(percent: Decimal) -> Apply:
    def apply(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
        step = rng.choice((-1, 1)) * percent / 100
        return tuple(_like(value * (1 + step * tick), value) for tick, value in enumerate(around.clean, 1))

    return apply


def _repeated(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    # A cache in between: it is filled anew thrice while the fault lasts.
    period = max(1, len(around.clean) // 3)
    return tuple(around.clean[tick - tick % period] for tick in range(len(around.clean)))


def _delayed(lag: int) -> Apply:
    def apply(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
        known = around.earlier + around.clean
        return tuple(known[len(around.earlier) + tick - lag] for tick in range(len(around.clean)))

    return apply


_CRASH = (-4, -10, -7, -4, -2, -1)
"""Percent off, tick by tick."""


def _flash_crash(around: Surroundings, rng: random.Random) -> tuple[Decimal, ...]:
    return tuple(_like(value * (100 + off) / 100, value) for off, value in zip(_CRASH, around.clean, strict=True))


_SPIKES = (1, 2, 3, 5, 10, 20)
_PAIRS = (2, 5, 10)
_DRIFTS = {"0.1": 100, "0.2": 50, "0.5": 20, "1": 10, "2": 5}
"""Percent a tick, and ticks: each of them ends ten percent away."""

_DELAY = 24

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
"""All kinds that are known, by name."""

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
"""The kinds that the demonstration injects. Their order decides what a seed draws."""


def choose(names: Sequence[str], own: Sequence[Fault] = ()) -> tuple[Fault, ...]:
    """Faults by name, in that order.

    Args:
        names: Kinds.
        own: A user's; they go before the catalogue's of the same name.

    Raises:
        DataError: There is none of that name; the message says which one may be meant.
    """
    known = {**FAULTS, **{fault.kind: fault for fault in own}}
    for name in names:
        if name not in known:
            near = difflib.get_close_matches(name, known, n=1)
            hint = f"did you mean {near[0]!r}?" if near else f"there are: {', '.join(known)}"
            raise DataError(f"there is no fault {name!r}; {hint}")
    return tuple(known[name] for name in dict.fromkeys(names))


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
                if fault.ticks <= ticks_left and (has_others or not fault.needs_others):
                    return self._bag.pop(position)
            fresh = list(self._catalogue)
            self._rng.shuffle(fresh)
            self._bag += fresh
        return None


def load_faults(path: Path) -> tuple[Fault, ...]:
    """Read a user's own faults; the module's text says what the file looks like.

    Raises:
        DataError: The file can't be read, or an entry is wrong; the message names it.
    """
    try:
        document = tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise DataError(f"{path}: no such file") from None
    except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
        raise DataError(f"{path}: can't be read: {error}") from None
    entries = document.get("fault")
    if not isinstance(entries, list) or not entries or set(document) != {"fault"}:
        raise DataError(f"{path}: expected one or more [[fault]] entries, and nothing else")
    faults = tuple(_own_fault(entry, f"{path}: fault {number}") for number, entry in enumerate(entries, 1))
    for number, fault in enumerate(faults, 1):
        if fault.kind in {other.kind for other in faults[number:]}:
            raise DataError(f"{path}: two faults are called {fault.kind!r}")
    return faults


_NAME = re.compile(r"[a-z0-9][a-z0-9_.-]{0,30}\Z")
_KEYS: dict[str, type] = {"name": str, "ticks": int, "value": str, "group": str, "real": bool, "source": bool}


def _own_fault(entry: object, where: str) -> Fault:
    if not isinstance(entry, dict):
        raise DataError(f"{where}: is no table")
    for key, value in entry.items():
        if key not in _KEYS:
            near = difflib.get_close_matches(key, _KEYS, n=1)
            raise DataError(
                f"{where}: unknown key {key!r}; {f'did you mean {near[0]!r}?' if near else ', '.join(_KEYS)}"
            )
        if type(value) is not _KEYS[key]:
            raise DataError(f"{where}: {key} = {value!r} must be of type {_KEYS[key].__name__}")
    for key in ("name", "value"):
        if key not in entry:
            raise DataError(f"{where}: {key!r} is missing")
    name, ticks = entry["name"], entry.get("ticks", 1)
    if not _NAME.match(name):
        raise DataError(f"{where}: name {name!r} must be lower-case letters, digits, '_', '.' and '-', at most 31")
    if not 1 <= ticks <= MAX_TICKS:
        raise DataError(f"{where}: ticks = {ticks} must be from 1 to {MAX_TICKS}")
    formula = _Formula(entry["value"], f"{where} ({name})")
    return Fault(
        name,
        ticks,
        formula.apply,
        entry.get("group", "own"),
        earlier=formula.earlier,
        source=entry.get("source", False),
        real=entry.get("real", False),
    )


_BINARY: dict[type, Callable[[Any, Any], Any]] = {
    ast.Add: operator.add,
    ast.Sub: operator.sub,
    ast.Mult: operator.mul,
    ast.Div: operator.truediv,
    ast.Pow: operator.pow,
}
_FUNCTIONS: dict[str, Callable[..., Any]] = {"min": min, "max": max, "abs": abs}
_VARIABLES = ("clean", "first", "before", "tick", "ticks", "sign", "draw")


class _Formula:
    """The arithmetic of one user-defined fault, in decimals: parsed and checked at once, evaluated at each tick."""

    def __init__(self, text: str, where: str) -> None:
        self._where = where
        try:
            self._body = ast.parse(text, mode="eval").body
        except (SyntaxError, ValueError, RecursionError):
            raise DataError(f"{where}: value {text!r} is no expression") from None
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
                    raise DataError(f"{self._where}: earlier({count}) must be of 1 to {MAX_EARLIER} ticks")
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
                seen.append(_like(self._evaluate(self._body, names, known[: len(around.earlier) + tick + 1]), clean))
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
