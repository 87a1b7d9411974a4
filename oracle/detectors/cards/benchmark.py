"""The benchmark of a model card: labelled windows, drawn from recorded series, and the Merkle root that names them.

A window is what the gate would see at one tick: the moves of the clean series up to the tick before it, and at the
tick either the recorded value (normal) or one that a fault of the catalogue has altered. What the hub decides without a
model is not asked of one: windows whose move is clipped or whose answer is not positive are left out, and so are faults
of several ticks, which other rules are for.

Everything is computed in integers and exact decimals: the same recipe gives the same windows, and the same root, on
every machine.
"""

from __future__ import annotations

import csv
import datetime as dt
import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from oracle.core import encoding
from oracle.core.documents import file_hash, read_json, write_json
from oracle.core.errors import DataError
from oracle.core.types import Kind
from oracle.sources.faults import CATALOGUE, Fault, Surroundings
from oracle.sources.interface import Reading
from oracle.sources.packaged.series import load_series
from oracle.sources.replay.csv_file import load_csv

FORMAT = "card-benchmark-v1"

SERIES = ("sp500", "nasdaq", "wti")
"""Of the packaged ones those that have history before START. `vix` begins in 2014."""

START = "2007-01-01"
"""The model that ships with the package was fitted on what is before."""

KINDS = ("spike_3", "spike_5", "spike_10", "spike_20")
SEED = 1
NORMALS = 64
PER_KIND = 16

HEARTBEAT = 86_400
DECIMALS = 8
LEAST_HISTORY = 250
"""Moves before `start` that sigma is estimated from, at least."""

MOST_BATCH = 64
MOST_BATCHES = 2**32 - 1

Window = tuple[int, ...]


@dataclass(frozen=True, slots=True)
class Recipe:
    """How windows are drawn from series.

    Attributes:
        series: Names of packaged series; of files, names of one's own.
        start: First day from which windows are; what is before gives each series' sigma.
        end: Last day; None: the last there is.
        seed: Of all that is drawn.
        features: n, the length of a window.
        normals: Normal windows of each series.
        per_kind: Windows of each series with each kind of fault.
        kinds: Of the fault catalogue, those that last one tick. A window's label is 1 + the kind's place here.
        heartbeat: Seconds, as a feed's.
        files: SHA-256 of the file of each series that is not packaged.
    """

    series: tuple[str, ...] = SERIES
    start: str = START
    end: str | None = None
    seed: int = SEED
    features: int = encoding.RING_SIZE + 2
    normals: int = NORMALS
    per_kind: int = PER_KIND
    kinds: tuple[str, ...] = KINDS
    heartbeat: int = HEARTBEAT
    files: Mapping[str, str] | None = None

    def __post_init__(self) -> None:
        if not self.series or len(set(self.series)) != len(self.series):
            raise DataError("a benchmark needs series of different names")
        if not 3 <= self.features <= encoding.RING_SIZE + 2:
            raise DataError(f"features = {self.features} must be from 3 to {encoding.RING_SIZE + 2}")
        if self.normals < 0 or self.per_kind < 0 or self.heartbeat < 1:
            raise DataError("numbers of windows can't be negative, and a heartbeat is a second at least")
        if len(self.kinds) > 255 or len(set(self.kinds)) != len(self.kinds):
            raise DataError("kinds of faults must be different, and 255 at most")
        self.faults()
        self.period()

    def faults(self) -> tuple[Fault, ...]:
        """The kinds' faults.

        Raises:
            DataError: The catalogue has none of this name, or one of several ticks or series.
        """
        known = {fault.kind: fault for fault in CATALOGUE if fault.ticks == 1 and fault.kind != "wrong_asset"}
        if unknown := [kind for kind in self.kinds if kind not in known]:
            raise DataError(f"{unknown[0]!r} is no fault of one tick and one series; there are: {', '.join(known)}")
        return tuple(known[kind] for kind in self.kinds)

    def period(self) -> tuple[int, int]:
        """From when on, and before when, windows are; unix seconds."""
        try:
            first = dt.date.fromisoformat(self.start)
            last = dt.date.max if self.end is None else dt.date.fromisoformat(self.end) + dt.timedelta(days=1)
        except (TypeError, ValueError, OverflowError) as error:
            raise DataError(f"start and end are days like 2007-01-01: {error}") from error
        return tuple(  # type: ignore[return-value]
            int(dt.datetime.combine(day, dt.time(), dt.UTC).timestamp()) for day in (first, last)
        )


@dataclass(frozen=True)
class Benchmark:
    """Labelled windows in batches.

    Attributes:
        batch: Windows per batch; the last one may have fewer.
        features: n.
        kinds: Names of the labels from 1 on; 0 is normal.
        windows: Integers within ±CLIP.
        labels: One for each window.
        recipe: What they were drawn by; None if they were brought.
    """

    batch: int
    features: int
    kinds: tuple[str, ...]
    windows: tuple[Window, ...]
    labels: tuple[int, ...]
    recipe: Recipe | None = None

    def __post_init__(self) -> None:
        if not 1 <= self.batch <= MOST_BATCH:
            raise DataError(f"batch = {self.batch} must be from 1 to {MOST_BATCH}")
        if not self.windows or len(self.labels) != len(self.windows):
            raise DataError(f"a benchmark of {len(self.windows)} windows and {len(self.labels)} labels is none")
        for number, window in enumerate(self.windows):
            if len(window) != self.features:
                raise DataError(f"window {number} has {len(window)} features instead of {self.features}")
            if not all(type(value) is int and abs(value) <= encoding.CLIP for value in window):
                raise DataError(f"window {number} is not of integers within ±{encoding.CLIP}")
        if not all(type(label) is int and 0 <= label <= len(self.kinds) for label in self.labels):
            raise DataError(f"labels are from 0 (normal) to {len(self.kinds)}, the number of kinds")
        if len(self.kinds) > 255:
            raise DataError("a benchmark has 255 kinds of faults at most")

    @property
    def batches(self) -> int:
        """How many batches there are."""
        return -(-len(self.windows) // self.batch)

    def windows_of(self, index: int) -> tuple[Window, ...]:
        """The windows of a batch."""
        return self.windows[index * self.batch : (index + 1) * self.batch]

    def labels_of(self, index: int) -> tuple[int, ...]:
        """The labels of a batch."""
        return self.labels[index * self.batch : (index + 1) * self.batch]

    def packed(self, index: int) -> tuple[bytes, bytes]:
        """Windows and labels of a batch as `ModelCard.submitBatch` takes them."""
        values = (value for window in self.windows_of(index) for value in window)
        return b"".join(value.to_bytes(2, "big", signed=True) for value in values), bytes(self.labels_of(index))

    def tree(self) -> MerkleTree:
        """Of the batches."""
        return MerkleTree([_leaf(index, self.batches, *self.packed(index)) for index in range(self.batches)])

    @property
    def root(self) -> bytes:
        """Names the benchmark: its batches, their order and their number. Names of kinds are not in it."""
        return self.tree().root

    def document(self) -> dict[str, Any]:
        """As JSON. Each row is a label and the window."""
        return {
            "format": FORMAT,
            "root": "0x" + self.root.hex(),
            "batch": self.batch,
            "features": self.features,
            "kinds": list(self.kinds),
            "recipe": None if self.recipe is None else asdict(self.recipe),
            "windows": [[label, *window] for label, window in zip(self.labels, self.windows, strict=True)],
        }

    @staticmethod
    def from_document(document: Any, where: str) -> Benchmark:
        """The inverse of `document`.

        Args:
            where: The file, for messages.

        Raises:
            DataError: It is none, or its root is not its windows'.
        """
        try:
            if document["format"] != FORMAT:
                raise ValueError(f"format {document['format']!r} is not {FORMAT!r}")
            rows = [tuple(row) for row in document["windows"]]
            recipe = document["recipe"]
            found = Benchmark(
                batch=_int(document["batch"]),
                features=_int(document["features"]),
                kinds=tuple(str(kind) for kind in document["kinds"]),
                windows=tuple(row[1:] for row in rows),
                labels=tuple(row[0] for row in rows),
                recipe=None if recipe is None else _recipe(recipe),
            )
            root = document.get("root")
        except (DataError, IndexError, KeyError, TypeError, ValueError, AttributeError) as error:
            what = f"{error.args[0]!r} is missing" if isinstance(error, KeyError) else error
            raise DataError(f"{where} is no benchmark: {what}") from error
        if root is not None and root != "0x" + found.root.hex():
            raise DataError(f"{where}: its windows have the root 0x{found.root.hex()}, it says {root}: it was altered")
        return found

    @staticmethod
    def load(path: Path) -> Benchmark:
        """Read a benchmark's file. Raises: DataError."""
        return Benchmark.from_document(read_json(path), str(path))

    def save(self, path: Path) -> None:
        """Write the file: a window to a line. Raises: DataError."""
        write_json(path, self.document())


def build(recipe: Recipe, batch: int, files: Mapping[str, Path] | None = None) -> Benchmark:
    """Draw a benchmark by its recipe.

    Args:
        batch: Windows per batch.
        files: Where the series are that are not packaged: CSV with a column of times and one of values, the first two.

    Raises:
        DataError: A file is missing or another one than the recipe's, or a series is too short.
        ToolMissing: The packaged series are not installed.
    """
    drawn: list[tuple[int, Window]] = []
    for series in recipe.series:
        drawn += _draw(series, _readings(recipe, series, files or {}), recipe)
    _shuffle(drawn, random.Random(f"model-card:{recipe.seed}"))
    return Benchmark(
        batch=batch,
        features=recipe.features,
        kinds=recipe.kinds,
        windows=tuple(window for _, window in drawn),
        labels=tuple(label for label, _ in drawn),
        recipe=recipe,
    )


class MerkleTree:
    """A tree by the rules of OpenZeppelin's `MerkleProof`: pairs are sorted; an odd node goes up a level as it is."""

    def __init__(self, leaves: Sequence[bytes]) -> None:
        if not leaves:
            raise ValueError("a tree has a leaf at least")
        self._levels = [list(leaves)]
        while len(level := self._levels[-1]) > 1:
            pairs = [level[at : at + 2] for at in range(0, len(level), 2)]
            self._levels.append([_keccak(b"".join(sorted(pair))) if len(pair) == 2 else pair[0] for pair in pairs])

    @property
    def root(self) -> bytes:
        return self._levels[-1][0]

    def proof(self, index: int) -> tuple[bytes, ...]:
        """What leads from a leaf to the root."""
        found = []
        for level in self._levels[:-1]:
            if index ^ 1 < len(level):
                found.append(level[index ^ 1])
            index //= 2
        return tuple(found)


# --- drawing -------------------------------------------------------------------------------------------------------


def _readings(recipe: Recipe, series: str, files: Mapping[str, Path]) -> Sequence[Reading]:
    expected = (recipe.files or {}).get(series)
    if expected is None:
        return load_series(series)
    if series not in files:
        raise DataError(f"series {series} is of a file of SHA-256 {expected}: name it with --csv {series}=FILE")
    if (found := file_hash(files[series])) != expected:
        raise DataError(f"{files[series]} has the SHA-256 {found}, series {series} is of {expected}")
    return load_csv(files[series], *_columns(files[series]), series)


def _columns(path: Path) -> tuple[str, str]:
    """The names of a file's first two columns."""
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        header = next(csv.reader(file), [])
    if len(header) < 2:
        raise DataError(f"{path}:1: expected a line of names: a column of times, and one of values")
    return header[0], header[1]


def _draw(series: str, readings: Sequence[Reading], recipe: Recipe) -> list[tuple[int, Window]]:
    """Labelled windows of one series."""
    first, last = recipe.period()
    answers = [encoding.answer_from_decimal(reading.value, DECIMALS) for reading in readings]
    times = [reading.observed_at for reading in readings]
    sigma = _sigma(series, [answer for answer, time in zip(answers, times, strict=True) if time < first])
    past = recipe.features - 2
    ticks = [
        tick
        for tick in range(past + 1, len(answers))
        if first <= times[tick] < last and min(answers[tick - past - 1 : tick + 1]) > 0
    ]
    rng = random.Random(f"model-card:{recipe.seed}:{series}")
    _shuffle(ticks, rng)
    found: list[tuple[int, Window]] = []
    for label, wanted in [(0, recipe.normals), *((1 + at, recipe.per_kind) for at in range(len(recipe.kinds)))]:
        enough = len(found) + wanted
        while len(found) < enough:
            if not ticks:
                raise DataError(f"series {series}: too few ticks from {recipe.start} on for so many windows")
            tick = ticks.pop()
            answer = answers[tick]
            if label:
                around = Surroundings((readings[tick].value,), readings[tick - 1].value, ())
                (seen,) = recipe.faults()[label - 1].apply(around, rng)
                answer = encoding.answer_from_decimal(seen, DECIMALS)
            moves = [
                encoding.move(Kind.RELATIVE, sigma, now, before)
                for now, before in ((answer, answers[tick - 1]), *_steps(answers, tick, past))
            ]
            if answer > 0 and abs(moves[0]) < encoding.CLIP:
                found.append((label, (*moves, encoding.gap(times[tick], times[tick - 1], recipe.heartbeat))))
    return found


def _steps(answers: Sequence[int], tick: int, past: int) -> list[tuple[int, int]]:
    """The steps before a tick, newest first."""
    return [(answers[at], answers[at - 1]) for at in range(tick - 1, tick - 1 - past, -1)]


def _sigma(series: str, answers: Sequence[int]) -> int:
    """Root mean square of the moves, in ppm."""
    pairs = [(now, before) for before, now in itertools.pairwise(answers) if min(now, before) > 0]
    if len(pairs) < LEAST_HISTORY:
        raise DataError(
            f"series {series}: {len(pairs)} moves before the benchmark begins, sigma needs {LEAST_HISTORY}: "
            "let it begin later"
        )
    squares = sum(encoding.truncated_quotient((now - before) * 10**6, min(now, before)) ** 2 for now, before in pairs)
    return max(1, math.isqrt(squares // len(pairs)))


def _shuffle(items: list[Any], rng: random.Random) -> None:
    # Of `random`, only the sequence of `random()` is promised to stay the same between versions of Python.
    for at in range(len(items) - 1, 0, -1):
        other = int(rng.random() * (at + 1))
        items[at], items[other] = items[other], items[at]


# --- details -------------------------------------------------------------------------------------------------------


def _leaf(index: int, batches: int, windows: bytes, labels: bytes) -> bytes:
    from eth_abi.abi import encode

    return _keccak(_keccak(encode(["uint256", "uint256", "bytes", "bytes"], [index, batches, windows, labels])))


def _recipe(document: Mapping[str, Any]) -> Recipe:
    values = dict(document)
    if set(values) != {field.name for field in fields(Recipe)}:
        raise ValueError("its recipe has other keys than one of this release")
    for key in ("series", "kinds"):
        values[key] = tuple(str(each) for each in values[key])
    for key in ("seed", "features", "normals", "per_kind", "heartbeat"):
        _int(values[key])
    return Recipe(**values)


def _int(value: Any) -> int:
    if type(value) is not int:
        raise TypeError(f"{value!r} is not an integer")
    return value


def _keccak(data: bytes) -> bytes:
    from eth_utils.crypto import keccak

    return bytes(keccak(data))
