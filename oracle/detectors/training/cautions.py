"""Warnings: what makes a detector's figures mean less than they seem to. Training and evaluation share them."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from itertools import pairwise

from oracle.core import encoding
from oracle.core.errors import ToolMissing
from oracle.core.types import Kind

__all__ = ["FAR", "FAR_FLOOR", "clipped", "disagreeing", "far_over", "holding", "tail_sigma", "unlike"]

ROOM = 16
"""A sigma fits a tail if the largest move is at most so many of it: half of what the hub can measure."""

FAR = 10
"""A model that holds so many times its budget, and FAR_FLOOR or more, is of no use."""

FAR_FLOOR = 100
"""Holds of 10,000 honest reports."""

DISTANCE = 0.2
"""Two samples are unlike each other from this distance of their distributions on."""

RATIO = 2.0
"""Or from this ratio of their sizes on."""

SIGNIFICANCE = 0.001
"""Two samples of one distribution are called unlike less often than this."""

DISAGREES = 3
"""A venue that is so many sigmas from the median disagrees."""

OFTEN = 0.01
"""From this share of the rows on that is told."""

_LEAST = 30
"""Values that each of two samples needs to be compared."""


def tail_sigma(kind: Kind, answers: Sequence[int]) -> int:
    """Return the sigma with which the largest move between neighbours is ROOM sigmas: ppm, or answer units."""
    largest = 0.0
    for before, after in pairwise(answers):
        if kind is Kind.ABSOLUTE:
            largest = max(largest, abs(after - before))
        elif min(before, after) > 0:
            largest = max(largest, abs(after - before) / min(after, before) * 1_000_000)
    return max(1, math.ceil(largest / ROOM))


def clipped(
    what: str, kind: Kind, sigma: int, moves: Sequence[int], budget: float, answers: Sequence[int]
) -> str | None:
    """Return a warning if the clip is the detector: if it alone holds more than the budget.

    Args:
        what: Whose moves they are.
        kind: The feed's.
        sigma: The feed's.
        moves: The moves, in thousandths of sigma.
        budget: Holds of 10,000 that are allowed.
        answers: The answers, to propose a sigma that fits them.
    """
    beyond = sum(abs(move) >= encoding.CLIP for move in moves)
    if not moves or beyond / len(moves) * 10_000 <= budget:
        return None
    most = encoding.CLIP / 1_000 * sigma
    limit = f"{most / 10_000:.2g} %" if kind is Kind.RELATIVE else f"{most:,.0f} answer units"
    unit = " ppm" if kind is Kind.RELATIVE else ""
    return (
        f"{what}: {beyond:,} of {len(moves):,} moves are clipped: the hub holds whatever moves more than {limit}, "
        f"{encoding.CLIP / 1_000:.1f} sigmas, and no model is asked. Sigma {sigma:,}{unit} is too small for such "
        f"moves; with a sigma of {tail_sigma(kind, answers):,}{unit} all of them can be measured"
    )


def holding(what: str, per_10k: float, low: float, budget: float) -> str | None:
    """Return a warning if more honest reports are held than the budget allows, beyond the interval.

    Args:
        what: Whose holds they are.
        per_10k: Held reports of 10,000.
        low: The lower end of their interval.
        budget: How many are allowed.
    """
    if low <= budget:
        return None
    return f"{what}: {per_10k:,.4g} of 10,000 honest reports are held; the budget is {budget:g}"


def far_over(per_10k: float, low: float, budget: float) -> bool:
    """Return True if honest reports are held so often that the model is of no use."""
    return low > budget and per_10k >= max(FAR * budget, FAR_FLOOR)


def unlike(what: str, own: Sequence[float], others: Sequence[float], than: str, measure: str) -> str | None:
    """Return a warning if a part of the data is unlike another: by Kolmogorov and Smirnov's test, and in size.

    Long samples always differ, so that they do must matter too: DISTANCE, or RATIO of the root mean squares.

    Args:
        what: The part.
        own: Its values.
        others: Those of the other part.
        than: The other part.
        measure: What the values are.

    Raises:
        ToolMissing: scipy is not installed.
    """
    if min(len(own), len(others)) < _LEAST:
        return None
    try:
        from scipy.stats import ks_2samp  # an extra
    except ImportError as error:
        raise ToolMissing("comparing samples needs scipy: pip install 'verifiable-oracle[train]'") from error
    found = ks_2samp(own, others, method="asymp")
    size, other = (math.sqrt(math.fsum(value * value for value in sample) / len(sample)) for sample in (own, others))
    ratio = size / other if other else math.inf
    matters = found.statistic >= DISTANCE or not 1 / RATIO <= ratio <= RATIO
    if found.pvalue >= SIGNIFICANCE or not matters:
        return None
    how = f"{ratio:.2g} times" if other else "far more than"
    return (
        f"{what} is unlike {than}: its {measure} are {how} as large, Kolmogorov-Smirnov distance "
        f"{found.statistic:.2f}, p = {found.pvalue:.0e}; a limit of one says little of the other"
    )


def disagreeing(
    what: str, kind: Kind, sigma: int, venues: Mapping[str, Sequence[int | None]], rows: Sequence[int]
) -> str | None:
    """Return a warning that names the venues which are often far from the median of all.

    Args:
        what: The part of the data.
        kind: The feed's.
        sigma: The feed's.
        venues: The answers of each venue by row; None where it gave none.
        rows: The rows of the part.
    """
    if len(venues) < 2 or not rows:
        return None
    far: dict[str, list[float]] = {name: [] for name in venues}
    spoke = dict.fromkeys(venues, 0)
    for row in rows:
        told = {name: answer for name, answers in venues.items() if (answer := answers[row]) is not None}
        if len(told) < 2:
            continue
        middle = statistics.median(told.values())
        for name, answer in told.items():
            spoke[name] += 1
            off = abs(answer - middle) if kind is Kind.ABSOLUTE else abs(answer - middle) / max(1.0, middle) * 1_000_000
            if off > DISAGREES * sigma:
                far[name].append(off)
    shares = {name: len(far[name]) / spoke[name] for name in venues if spoke[name]}
    least = min(shares.values(), default=0.0)
    named = [name for name, share in shares.items() if share >= OFTEN and share >= 2 * least]
    if not named and least >= OFTEN:
        named = list(shares)
    if not named:
        return None
    said = []
    for name in sorted(named, key=lambda each: -shares[each]):
        typical = statistics.median(far[name])
        distance = f"{typical / 10_000:.2g} %" if kind is Kind.RELATIVE else f"{typical:,.0f} answer units"
        said.append(f"{name} in {shares[name]:.1%} of the rows, then typically by {distance}")
    return (
        f"{what}: venues disagree by more than {DISAGREES} sigmas from the median: {'; '.join(said)}. Leave out what "
        "quotes another thing (a coin off its peg, say), or raise sigma"
    )
