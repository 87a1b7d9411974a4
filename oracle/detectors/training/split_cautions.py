"""The warnings of a card: what makes the figures of one series mean less than they seem to."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

from oracle.core.encoding import GAP_ONE, Feature
from oracle.detectors.training.cautions import clipped, disagreeing, holding, unlike
from oracle.detectors.training.reports import features_of
from oracle.detectors.training.series import LearntSeries

__all__ = ["warnings_of"]


def warnings_of(
    series: LearntSeries,
    splits: Mapping[str, Mapping[str, Any]],
    bounds: Mapping[str, tuple[int, int]],
    pressures: Mapping[str, Sequence[float]],
    budget: float,
) -> list[str]:
    """Return the warnings of one series.

    Args:
        series: The series.
        splits: What the card says of each split.
        bounds: First row of each split, and the row after its last.
        pressures: How near windows of each split are to the limit, thinned so that they share no move.
        budget: Holds of 10,000 that are allowed.
    """
    found: list[str | None] = []
    reports, terms = series.reports, series.terms
    features = features_of(reports)
    moved, gap = features.index(Feature.MOVE), features.index(Feature.GAP)
    good = [reports.answers[at] for at in reports.good()]
    moves, sizes = {}, {}
    for name, (begin, end) in bounds.items():
        windows = series.seen(begin, end)
        moves[name] = [window[moved] for window in windows]
        sizes[name] = [abs(window[moved]) / math.sqrt(window[gap] / GAP_ONE) for window in windows]
    for name, told in splits.items():
        rate = told["judged_holds"]
        found.append(holding(f"the {name} split", rate["per_10k"], rate["interval_per_10k"][0], budget))
        found.append(clipped(f"the {name} split", reports.kind, terms.sigma, moves[name], budget, good))
        if repeated := told["reasons"].get("repeated", 0):
            found.append(
                f"the {name} split: {repeated:,} reports are held because they repeat the one before more often than "
                "is usual; if the source was dead then, mark the stretch as bad"
            )
        others = [each for each in splits if each != name]
        found.append(
            unlike(f"the {name} split", *_parted(sizes, name, others), "the others", "moves")
            or unlike(f"the {name} split", *_parted(pressures, name, others), "the others", "pressures on the limit")
        )
        found.append(
            disagreeing(
                f"the {name} split", reports.kind, terms.sigma, series.data.venues, series.places(*bounds[name])
            )
        )
    return [each for each in dict.fromkeys(found) if each is not None]


def _parted(values: Mapping[str, Sequence[float]], name: str, others: Sequence[str]) -> tuple[list[float], list[float]]:
    """Return the values of a split, and those of all others."""
    return list(values[name]), [value for other in others for value in values[other]]
