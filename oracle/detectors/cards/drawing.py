"""The windows of a benchmark, drawn from recorded series by its recipe.

A window is what the hub derives for a feed that has accepted all recorded values before it, beside the feed's peers.
Everything is computed in integers and exact decimals: the same recipe gives the same windows, and the same root, on
every machine.
"""

from __future__ import annotations

import csv
import itertools
import math
import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from oracle.core import encoding
from oracle.core.documents import file_hash
from oracle.core.errors import DataError
from oracle.core.types import Kind
from oracle.detectors.cards.benchmark import Benchmark, Window
from oracle.detectors.cards.recipe import Recipe
from oracle.detectors.training.reports import (
    FEATURES,
    FIRST_WINDOW,
    ReportedPeer,
    Reports,
    Terms,
    counted,
    last_places,
    oldest_answer,
    windows,
)
from oracle.sources.faults import Surroundings
from oracle.sources.interface import Reading
from oracle.sources.packaged.series import load_series
from oracle.sources.recordings import read_table

DECIMALS = 8

LEAST_HISTORY = 250
"""Least number of moves before `start`, from which sigma is estimated."""


def build(recipe: Recipe, batch: int, files: Mapping[str, Path] | None = None) -> Benchmark:
    """Draw a benchmark by its recipe.

    Args:
        recipe: The recipe.
        batch: Windows per batch.
        files: Files of the series that are not packaged: CSV, whose first two columns are times and values.

    Raises:
        DataError: A file is missing or is not the recipe's, or a series is too short.
        ToolMissing: The packaged series are not installed.
    """
    names = {*recipe.series, *(peer for peers in recipe.peers.values() for peer in peers)}
    recorded = {name: _recorded(name, _readings(recipe, name, files or {}), recipe) for name in sorted(names)}
    drawn: list[tuple[int, Window]] = []
    for series in recipe.series:
        drawn += _draw(recorded[series], [recorded[name] for name in recipe.peers.get(series, ())], recipe)
    _shuffle(drawn, random.Random(f"model-card:{recipe.seed}"))
    return Benchmark(
        batch=batch,
        width=recipe.width,
        kinds=recipe.kinds,
        windows=tuple(window for _, window in drawn),
        labels=tuple(label for label, _ in drawn),
        recipe=recipe,
    )


@dataclass(frozen=True, slots=True)
class _Recorded:
    """A series: its values, as readings and in answer units, and its sigma in ppm."""

    name: str
    readings: Sequence[Reading]
    times: tuple[int, ...]
    answers: tuple[int, ...]
    sigma: int


def _recorded(name: str, readings: Sequence[Reading], recipe: Recipe) -> _Recorded:
    times = tuple(reading.observed_at for reading in readings)
    answers = tuple(encoding.answer_from_decimal(reading.value, DECIMALS) for reading in readings)
    first, _ = recipe.period()
    sigma = _sigma(name, [answer for answer, time in zip(answers, times, strict=True) if time < first])
    return _Recorded(name, readings, times, answers, sigma)


def _readings(recipe: Recipe, series: str, files: Mapping[str, Path]) -> Sequence[Reading]:
    expected = (recipe.files or {}).get(series)
    if expected is None:
        return load_series(series)
    if series not in files:
        raise DataError(f"series {series} is of a file of SHA-256 {expected}: name it with --csv {series}=FILE")
    if (found := file_hash(files[series])) != expected:
        raise DataError(f"{files[series]} has the SHA-256 {found}, series {series} is of {expected}")
    time, value = _columns(files[series])
    return read_table(files[series], time, (value,)).readings(value, series)


def _columns(path: Path) -> tuple[str, str]:
    """Return the names of a file's first two columns."""
    with path.open(encoding="utf-8-sig", newline="", errors="replace") as file:
        header = next(csv.reader(file), [])
    if len(header) < 2:
        raise DataError(f"{path}:1: expected a line of names: a column of times, and one of values")
    return header[0], header[1]


def _reports(own: _Recorded, peers: Sequence[_Recorded], recipe: Recipe) -> Reports:
    """Return a series as a feed's reports. The hub accepts no answer of 0 or less, so these are nobody's past."""
    max_age = oldest_answer(recipe.heartbeat)
    beside = []
    for peer in peers:
        places = last_places(own.times, peer.times, max_age)
        known = tuple(None if place is None else peer.answers[place] for place in places)
        beside.append(ReportedPeer(peer.name, Kind.RELATIVE, DECIMALS, peer.sigma, known, max_age))
    refused = tuple((time, time) for time, answer in zip(own.times, own.answers, strict=True) if answer <= 0)
    return Reports(Kind.RELATIVE, DECIMALS, own.times, own.answers, peers=tuple(beside), bad=refused)


def _draw(own: _Recorded, peers: Sequence[_Recorded], recipe: Recipe) -> list[tuple[int, Window]]:
    """Return labelled windows of one series."""
    first, last = recipe.period()
    reports = _reports(own, peers, recipe)
    derived = windows(reports, Terms(own.sigma, recipe.heartbeat))
    taken = [FEATURES.index(feature) for feature in encoding.parse_features(recipe.features)]
    good = counted(reports)
    # The tick before is the feed's last accepted report, so that a fault is one of this tick's value alone.
    ticks = [at for at, time in enumerate(own.times) if first <= time < last and good[at] and own.answers[at - 1] > 0]
    rng = random.Random(f"model-card:{recipe.seed}:{own.name}")
    _shuffle(ticks, rng)
    found: list[tuple[int, Window]] = []
    for label, wanted in [(0, recipe.normals), *((1 + at, recipe.per_kind) for at in range(len(recipe.kinds)))]:
        enough = len(found) + wanted
        while len(found) < enough:
            if not ticks:
                raise DataError(f"series {own.name}: too few ticks from {recipe.start} on for this many windows")
            tick = ticks.pop()
            answer, before = own.answers[tick], own.answers[tick - 1]
            if label:
                around = Surroundings((own.readings[tick].value,), own.readings[tick - 1].value, ())
                (seen,) = recipe.faults()[label - 1].apply(around, rng)
                answer = encoding.answer_from_decimal(seen, DECIMALS)
            # Of all that the hub derives, the move alone depends on the value at the tick.
            move = encoding.move(Kind.RELATIVE, own.sigma, answer, before)
            window = (move, *derived[tick - FIRST_WINDOW][1:])
            if answer > 0 and abs(move) < encoding.CLIP:
                found.append((label, tuple(window[at] for at in taken)))
    return found


def _sigma(series: str, answers: Sequence[int]) -> int:
    """Return the root mean square of the moves, in ppm."""
    pairs = [(now, before) for before, now in itertools.pairwise(answers) if min(now, before) > 0]
    if len(pairs) < LEAST_HISTORY:
        raise DataError(
            f"series {series}: {len(pairs)} moves before the benchmark begins, sigma needs {LEAST_HISTORY}: "
            "let it begin later"
        )
    squares = sum(encoding.truncated_quotient((now - before) * 10**6, min(now, before)) ** 2 for now, before in pairs)
    return max(1, math.isqrt(squares // len(pairs)))


def _shuffle(items: list[Any], rng: random.Random) -> None:
    # Python promises only that `random()` gives the same sequence in all versions, not that `shuffle` does.
    for at in range(len(items) - 1, 0, -1):
        other = int(rng.random() * (at + 1))
        items[at], items[other] = items[other], items[at]
