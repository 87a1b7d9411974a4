"""Rates by group, and how groups differ, with confidence intervals."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from oracle.core.statistics import clopper_pearson, newcombe, wilson

CONFIDENCE = 0.95


@dataclass(frozen=True, slots=True)
class GroupRate:
    """The share of a group's rows for which a claim would hold.

    Attributes:
        rows: The number of rows in the group.
        within: The number of those for which the claim would hold.
        low, high: Clopper and Pearson's interval of the share, at `CONFIDENCE`.
    """

    group: str
    rows: int
    within: int
    low: float
    high: float

    @property
    def share(self) -> float:
        """The share of rows for which the claim would hold."""
        return self.within / self.rows


@dataclass(frozen=True, slots=True)
class GroupDifference:
    """A group's share less that of the largest group, the reference, with Newcombe's interval at `CONFIDENCE`."""

    group: str
    reference: str
    difference: float
    low: float
    high: float


def rates(groups: Sequence[str], verdicts: Sequence[int]) -> tuple[GroupRate, ...]:
    """Return the rate of each group, in the order of their names.

    Args:
        groups: The group of each row.
        verdicts: 1 for each row for which the claim would hold, else 0.

    Raises:
        ToolMissing: scipy is not installed.
    """
    found = []
    for group in sorted(set(groups)):
        own = [verdict for each, verdict in zip(groups, verdicts, strict=True) if each == group]
        found.append(GroupRate(group, len(own), sum(own), *clopper_pearson(sum(own), len(own), CONFIDENCE)))
    return tuple(found)


def differences(found: Sequence[GroupRate]) -> tuple[GroupDifference, ...]:
    """Return how each other group differs from the largest one.

    Intervals are Newcombe's (1998, method 10), made of Wilson's.
    """
    if not found:
        return ()
    reference = max(found, key=lambda each: each.rows)
    other = wilson(reference.within, reference.rows)
    told = []
    for each in found:
        if each is not reference:
            told.append(GroupDifference(each.group, reference.group, *newcombe(wilson(each.within, each.rows), other)))
    return tuple(told)
