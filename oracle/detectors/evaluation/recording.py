"""Recordings: the values that one or several venues gave at each time, from a file or a packaged series."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal
from pathlib import Path

from oracle.core.errors import DataError
from oracle.core.types import Kind
from oracle.detectors.training.reports import last_places, median_gap, oldest_answer
from oracle.sources.packaged.series import SERIES, load_series
from oracle.sources.recordings import read_table

__all__ = ["PeerSeries", "Recording", "load_any", "load_packaged", "load_recording", "with_peer"]


@dataclass(frozen=True, slots=True)
class PeerSeries:
    """Another feed's answers, at the times of a recording.

    Attributes:
        name: Its name, for reports.
        values: Its last answer at or before each time; None before its first one, and where that is too old.
        kind: How its moves are measured.
        decimals: Decimals of its answers.
        sigma: See `oracle.core.encoding.move`; None: it is found in the first half, as the feed's own.
    """

    name: str
    values: tuple[Decimal | None, ...]
    kind: Kind = Kind.RELATIVE
    decimals: int = 8
    sigma: int | None = None


@dataclass(frozen=True, slots=True)
class Recording:
    """The values that venues gave at each time.

    Attributes:
        name: Its name, for reports.
        times: Unix seconds, strictly rising.
        venues: Values by venue, one for each time; None where the venue said nothing.
        others: Another asset's values, which a fault may take for this one's.
        peers: The feed's peers: at most `oracle.core.encoding.MAX_PEERS`.
        bad: Stretches that are known to be wrong, as first and last unix second: a hold there is no false one.
        notes: What was turned round, skipped or converted when it was read, in sentences.
    """

    name: str
    times: tuple[int, ...]
    venues: Mapping[str, tuple[Decimal | None, ...]]
    others: tuple[tuple[Decimal, ...], ...] = ()
    peers: tuple[PeerSeries, ...] = ()
    bad: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()

    def __len__(self) -> int:
        return len(self.times)


def load_recording(
    path: Path,
    time_column: str | None = None,
    value_columns: Sequence[str] = (),
    *,
    peer_columns: Mapping[str, str] | None = None,
    keep_last: bool = False,
    name: str | None = None,
    peer_max_age: int | None = None,
) -> Recording:
    """Read a file, as training does; see `oracle.sources.recordings`.

    Args:
        path: The file.
        time_column: Header of the times; found if None.
        value_columns: Headers of the values, one for each venue; found if empty.
        peer_columns: Headers of the peers' values in the same file, by the peers' names.
        keep_last: True to take the last of rows with the same time, instead of refusing them.
        name: Its name, for reports; the file's name by default.
        peer_max_age: See `with_peer`.

    Raises:
        DataError: The file can't be read, a column is missing, a cell is wrong, or the times don't rise.
        ToolMissing: It takes a package that is not installed.
    """
    columns = peer_columns or {}
    table = read_table(path, time_column, value_columns, peer_columns=tuple(columns.values()), keep_last=keep_last)
    venues = {column: table.columns[column] for column in table.value_columns}
    found = Recording(name or path.stem, table.times, venues, notes=table.notes)
    for peer, column in columns.items():
        found = with_peer(found, Recording(peer, table.times, {peer: table.columns[column]}), max_age=peer_max_age)
    return found


def load_any(where: str, *, keep_last: bool = False, name: str | None = None) -> Recording:
    """Return a file's recording, or the packaged series of that name.

    Raises:
        DataError: There is neither, or the file is wrong.
        ToolMissing: It takes a package that is not installed.
    """
    path = Path(where)
    if where in SERIES and not path.exists():
        return replace(load_packaged(where), name=name or where)
    return load_recording(path, keep_last=keep_last, name=name)


def with_peer(
    recording: Recording,
    other: Recording,
    *,
    kind: Kind = Kind.RELATIVE,
    decimals: int = 8,
    sigma: int | None = None,
    max_age: int | None = None,
) -> Recording:
    """Return a recording with one more peer: at each of its times, the peer's last answer at or before it.

    Args:
        recording: The recording.
        other: The peer's recording, under the peer's name.
        kind: As in `PeerSeries`.
        decimals: Likewise.
        sigma: Likewise.
        max_age: The age in seconds beyond which the peer's answer counts as missing; None: one and a half times the
            median time between two of its answers.

    Raises:
        DataError: The peer has several columns of values, or no answer in the recording's time.
    """
    if len(other.venues) != 1:
        raise DataError(f"{other.name}: a peer has one column of values, and here are {', '.join(other.venues)}")
    (column,) = other.venues.values()
    said = [(time, value) for time, value in zip(other.times, column, strict=True) if value is not None]
    times = [time for time, _ in said]
    places = last_places(recording.times, times, oldest_answer(median_gap(times)) if max_age is None else max_age)
    values = tuple(None if place is None else said[place][1] for place in places)
    if not any(value is not None for value in values):
        raise DataError(f"{recording.name}: the peer {other.name} has no answer in its time, or only too old ones")
    notes = (*recording.notes, *(f"peer {other.name}: {note}" for note in other.notes if note not in recording.notes))
    if missing := sum(value is None for value in values):
        notes += (f"peer {other.name}: it has no answer, or one that is too old, in {missing} of {len(values)} rows",)
    peer = PeerSeries(other.name, values, kind, decimals, sigma)
    return replace(recording, peers=(*recording.peers, peer), notes=notes)


def load_packaged(series: str) -> Recording:
    """Return a series that the `arch` package carries; see `oracle.sources.packaged.series`."""
    readings = load_series(series)
    values: tuple[Decimal | None, ...] = tuple(reading.value for reading in readings)
    return Recording(series, tuple(reading.observed_at for reading in readings), {series: values})
