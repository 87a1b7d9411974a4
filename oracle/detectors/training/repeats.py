"""The repeat rule of a feed, from what its past calls usual: a source that was dead for a while doesn't set it."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import pairwise

from oracle.core import encoding

__all__ = ["runs_of", "usual_repeats"]

MARGIN = 2
"""Repetitions that the repeat rule allows beyond the longest usual run."""

DAYS = 3
"""A run of repetitions is usual if there are runs at least as long on so many days."""

_DAY = 86_400


def usual_repeats(times: Sequence[int], answers: Sequence[int]) -> int:
    """Return how many exact repetitions a feed should allow: MARGIN more than its longest usual run; at most 255.

    A run is usual if runs at least as long happened on DAYS different days (as over each weekend), or if it is at most
    MARGIN longer than twice the next shorter one (as the longest of many). A dead source makes one run that is far
    longer than all others, and such a run must not be what the rule allows.

    Args:
        times: Unix seconds, rising.
        answers: The answers, in answer units.
    """
    runs = runs_of(times, answers)
    by_day: dict[int, int] = {}
    for day, length in runs:
        by_day[day] = max(length, by_day.get(day, 0))
    longest = sorted(by_day.values(), reverse=True)
    usual = longest[DAYS - 1] if len(longest) >= DAYS else 0
    for length in sorted({length for _, length in runs if length > usual}):
        if length > 2 * usual + MARGIN:
            break
        usual = length
    return min(encoding.UINT8_MAX, usual + MARGIN)


def runs_of(times: Sequence[int], answers: Sequence[int]) -> list[tuple[int, int]]:
    """Return the runs of exact repetitions: the day (since 1970) on which each begins, and its repetitions."""
    found: list[tuple[int, int]] = []
    run = 0
    for time, (earlier, later) in zip(times, pairwise(answers), strict=False):
        if later != earlier:
            run = 0
            continue
        run += 1
        if run == 1:
            found.append((time // _DAY, 1))
        else:
            found[-1] = (found[-1][0], run)
    return found
