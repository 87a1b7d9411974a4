"""Durations and shares as people read them."""

from __future__ import annotations

import math

from oracle.core.statistics import Rate

__all__ = ["duration", "recall_text", "rounds"]


def duration(seconds: float) -> str:
    """Return seconds for people: "45 s", "12 min", "3 h", "2 d"."""
    for unit, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length * (2 if unit == "d" else 1):
            return f"{seconds / length:.3g} {unit}"
    return f"{seconds:.3g} s"


def recall_text(rate: Rate) -> str:
    """Return a share in percent with its interval, for instance "98.3 (96–99)"."""
    if rate.share is None:
        return "–"
    low, high = math.floor(rate.low * 100), math.ceil(rate.high * 100)
    return f"{rate.share * 100:.1f} ({low}–{high})"


def rounds(count: int) -> str:
    """Return a number of rounds: "1 round", "2 rounds"."""
    return f"{count} round" if count == 1 else f"{count} rounds"
