"""The recipe of a benchmark: which series, which faults, how many windows of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from oracle.core import encoding
from oracle.core.errors import DataError
from oracle.sources.faults import CATALOGUE, Fault

SERIES = ("sp500", "nasdaq", "wti")
"""The packaged series that have history before START. `vix` begins in 2014."""

START = "2007-01-01"
"""The model that ships with the package was fitted to what is before."""

KINDS = ("spike_3", "spike_5", "spike_10", "spike_20")

SEED = 1

NORMALS = 64

PER_KIND = 16

HEARTBEAT = 86_400


@dataclass(frozen=True, slots=True)
class Recipe:
    """A rule for drawing windows from series.

    Attributes:
        series: Names of packaged series; for files, names that the user chose.
        start: First day of the windows; what is before gives each series' sigma.
        end: Last day; None: the last there is.
        seed: Seed of all that is drawn.
        width: n, the length of a window: the move, past moves, the gap.
        normals: Number of normal windows of each series.
        per_kind: Number of windows of each series with each kind of fault.
        kinds: Kinds of the fault catalogue that last one tick. A window's label is 1 + the kind's place here.
        heartbeat: Seconds, as a feed's.
        files: SHA-256 of the file of each series that is not packaged.

    Raises:
        DataError: A value is out of range, or there is no such fault.
    """

    series: tuple[str, ...] = SERIES
    start: str = START
    end: str | None = None
    seed: int = SEED
    width: int = encoding.RING_SIZE + 2
    normals: int = NORMALS
    per_kind: int = PER_KIND
    kinds: tuple[str, ...] = KINDS
    heartbeat: int = HEARTBEAT
    files: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.series or len(set(self.series)) != len(self.series):
            raise DataError("a benchmark needs series of different names")
        if not 3 <= self.width <= encoding.RING_SIZE + 2:
            raise DataError(f"width = {self.width} must be from 3 to {encoding.RING_SIZE + 2}")
        if self.normals < 0 or self.per_kind < 0 or self.heartbeat < 1:
            raise DataError("numbers of windows can't be negative, and a heartbeat is a second at least")
        if len(self.kinds) > 255 or len(set(self.kinds)) != len(self.kinds):
            raise DataError("kinds of faults must be different, and 255 at most")
        self.faults()
        self.period()

    def faults(self) -> tuple[Fault, ...]:
        """Return the kinds' faults.

        Raises:
            DataError: The catalogue has no such fault, or the fault takes several ticks or series.
        """
        known = {fault.kind: fault for fault in CATALOGUE if fault.ticks == 1 and fault.kind != "wrong_asset"}
        if unknown := [kind for kind in self.kinds if kind not in known]:
            raise DataError(f"{unknown[0]!r} is not a fault of one tick and one series; there are: {', '.join(known)}")
        return tuple(known[kind] for kind in self.kinds)

    def period(self) -> tuple[int, int]:
        """Return the first second of the windows, and the one after the last, in unix seconds."""
        try:
            first = dt.date.fromisoformat(self.start)
            last = dt.date.max if self.end is None else dt.date.fromisoformat(self.end) + dt.timedelta(days=1)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"start and end are days like 2007-01-01: {error}") from error
        return tuple(  # type: ignore[return-value]
            int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()) for day in (first, last)
        )

    @staticmethod
    def from_document(document: Mapping[str, Any]) -> Recipe:
        """Return the recipe that a benchmark's file has.

        Raises:
            ValueError: It has other keys.
            TypeError: A value has a wrong type.
            DataError: A value is out of range.
        """
        values = dict(document)
        if set(values) != {field.name for field in fields(Recipe)}:
            raise ValueError("its recipe has other keys than one of this release")
        for key in ("series", "kinds"):
            values[key] = tuple(str(each) for each in values[key])
        for key in ("seed", "width", "normals", "per_kind", "heartbeat"):
            checked_integer(values[key])
        return Recipe(**values)


def checked_integer(value: Any) -> int:
    """Return a JSON integer.

    Raises:
        TypeError: It is something else.
    """
    if type(value) is not int:
        raise TypeError(f"{value!r} is not an integer")
    return value
