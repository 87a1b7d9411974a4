"""Made-up recordings: seeded, with volatility that clusters like a market's."""

from __future__ import annotations

import random
from pathlib import Path


def walk(count: int, seed: int = 1, sigma: float = 0.002, sources: int = 1) -> list[tuple[int, list[float]]]:
    """Return rows of (time, values): a GARCH-like walk, one row a minute.

    Args:
        sigma: The size of a move in a calm time; it is three times as large in a volatile one.
        sources: The number of values in a row, which differ by a fraction of the move.
    """
    draw = random.Random(seed)
    price, variance, rows = 1_000.0, 1.0, []
    for index in range(count):
        shock = draw.gauss(0, 1) * variance**0.5
        variance = 0.1 + 0.1 * shock * shock + 0.8 * variance
        price *= 1 + sigma * shock
        values = [price * (1 + draw.gauss(0, sigma / 10)) for _ in range(sources)] if sources > 1 else [price]
        rows.append((1_700_000_000 + 60 * index, values))
    return rows


def write_csv(path: Path, rows: list[tuple[int, list[float]]], names: tuple[str, ...] = ("value",)) -> Path:
    """Write rows as a recording with a header."""
    lines = [",".join(("time", *names))]
    lines += [",".join((str(time), *(f"{value:.8f}" for value in values))) for time, values in rows]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path
