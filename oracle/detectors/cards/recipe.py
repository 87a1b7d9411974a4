"""The recipe of a benchmark: which series, which faults, how many windows of each."""

from __future__ import annotations

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

from oracle.core import encoding
from oracle.core.errors import DataError
from oracle.sources.faults import CATALOGUE, Fault

SERIES = ("sp500", "nasdaq")
"""The packaged series that are peers of each other."""

PEERS: Mapping[str, tuple[str, ...]] = {"sp500": ("nasdaq",), "nasdaq": ("sp500",)}
"""The peers of packaged series. `wti` has none; `vix` has no history before START."""

FEATURES: tuple[str, ...] = ("move", "past_0", "past_1", "past_2", "variance", "peer_move_0", "peer_seen_0", "gap")
"""The feature list of the model that ships with the package."""

START = "2007-01-01"
"""The model that ships with the package was fitted to what is before."""

KINDS = ("spike_3", "spike_5", "spike_10", "spike_20")

SEED = 1

NORMALS = 96

PER_KIND = 24

HEARTBEAT = 86_400


@dataclass(frozen=True, slots=True)
class Recipe:
    """A rule for drawing windows from series.

    Attributes:
        series: Names of packaged series; for files, names that the user chose.
        features: The feature list of a window, as names. Windows have what the hub derives, of a feed whose reports
            come from one source each.
        peers: The peers of a series, in the order of the model: names of series, drawn or not. A series that is not
            here has none, and its windows see none.
        start: First day of the windows; what is before gives each series' sigma.
        end: Last day; None: the last there is.
        seed: Seed of all that is drawn.
        normals: Number of normal windows of each series.
        per_kind: Number of windows of each series with each kind of fault.
        kinds: Kinds of the fault catalogue that last one tick. A window's label is 1 + the kind's place here.
        heartbeat: Seconds, as a feed's.
        files: SHA-256 of the file of each series, and of each peer, that is not packaged.

    Raises:
        DataError: A value is out of range, or there is no such fault.
    """

    series: tuple[str, ...] = SERIES
    features: tuple[str, ...] = FEATURES
    peers: Mapping[str, tuple[str, ...]] = field(default_factory=lambda: dict(PEERS))
    start: str = START
    end: str | None = None
    seed: int = SEED
    normals: int = NORMALS
    per_kind: int = PER_KIND
    kinds: tuple[str, ...] = KINDS
    heartbeat: int = HEARTBEAT
    files: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.series or len(set(self.series)) != len(self.series):
            raise DataError("a benchmark needs series of different names")
        encoding.parse_features(self.features)
        self._require_peers()
        if self.normals < 0 or self.per_kind < 0 or self.heartbeat < 1:
            raise DataError("numbers of windows can't be negative, and a heartbeat is a second at least")
        if len(self.kinds) > 255 or len(set(self.kinds)) != len(self.kinds):
            raise DataError("kinds of faults must be different, and 255 at most")
        self.faults()
        self.period()

    @property
    def width(self) -> int:
        """The length of a window."""
        return len(self.features)

    def _require_peers(self) -> None:
        for series, peers in self.peers.items():
            if series not in self.series:
                raise DataError(f"{series!r} has peers, but no windows are drawn from it: {', '.join(self.series)}")
            if not 1 <= len(peers) <= encoding.MAX_PEERS or len({series, *peers}) != 1 + len(peers):
                raise DataError(
                    f"the peers of {series} are {', '.join(peers) or 'none'}: name 1 to {encoding.MAX_PEERS} other "
                    "series, each once"
                )

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
        for key in ("series", "features", "kinds"):
            values[key] = tuple(str(each) for each in values[key])
        values["peers"] = {str(series): tuple(str(each) for each in peers) for series, peers in values["peers"].items()}
        for key in ("seed", "normals", "per_kind", "heartbeat"):
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
