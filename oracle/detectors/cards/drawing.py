"""The windows of a benchmark, drawn from recorded series by its recipe.

Everything is computed in integers and exact decimals: the same recipe gives the same windows, and the same root, on
every machine.
"""

from __future__ import annotations

import csv
import itertools
import math
import random
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from oracle.core import encoding
from oracle.core.documents import file_hash
from oracle.core.errors import DataError
from oracle.core.types import Kind
from oracle.detectors.cards.benchmark import Benchmark, Window
from oracle.detectors.cards.recipe import Recipe
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
    drawn: list[tuple[int, Window]] = []
    for series in recipe.series:
        drawn += _draw(series, _readings(recipe, series, files or {}), recipe)
    _shuffle(drawn, random.Random(f"model-card:{recipe.seed}"))
    return Benchmark(
        batch=batch,
        width=recipe.width,
        kinds=recipe.kinds,
        windows=tuple(window for _, window in drawn),
        labels=tuple(label for label, _ in drawn),
        recipe=recipe,
    )


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


def _draw(series: str, readings: Sequence[Reading], recipe: Recipe) -> list[tuple[int, Window]]:
    """Return labelled windows of one series."""
    first, last = recipe.period()
    answers = [encoding.answer_from_decimal(reading.value, DECIMALS) for reading in readings]
    times = [reading.observed_at for reading in readings]
    sigma = _sigma(series, [answer for answer, time in zip(answers, times, strict=True) if time < first])
    past = recipe.width - 2
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
                raise DataError(f"series {series}: too few ticks from {recipe.start} on for this many windows")
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
    """Return the steps before a tick, newest first."""
    return [(answers[at], answers[at - 1]) for at in range(tick - 1, tick - 1 - past, -1)]


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
