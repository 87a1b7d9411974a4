"""The recall of a cap on a move's size with as many objections as a model: without it, the model's own says nothing."""

from __future__ import annotations

from oracle.core import encoding
from oracle.core.encoding import Feature
from oracle.core.types import Kind
from oracle.detectors.training.lies import SPIKES
from oracle.detectors.training.reports import FIRST_WINDOW, features_of
from oracle.detectors.training.series import LearntSeries

__all__ = ["cap_recall"]


def cap_recall(series: LearntSeries, objections: int) -> dict[str, float]:
    """Return the share of single-tick spikes in the test split, by size, that a cap with as many objections there sees.

    Args:
        series: The series.
        objections: How many moves of the test split are over the cap.
    """
    reports, sigma = series.reports, series.terms.sigma
    relative = reports.kind is Kind.RELATIVE
    places, good = series.places(series.ends[1], len(reports)), reports.good()
    before = dict(zip(good[1:], good, strict=False))
    moved = features_of(reports).index(Feature.MOVE)
    sizes = sorted((abs(series.windows[at - FIRST_WINDOW][moved]) for at in places), reverse=True)
    limit = sizes[min(objections, len(sizes) - 1)]
    found = {}
    for size in SPIKES:
        seen = 0
        for at in places:
            answer = reports.answers[at]
            step = answer * size // 100 if relative else sigma * size
            for wrong in (answer + step, answer - step):
                seen += abs(encoding.move(reports.kind, sigma, wrong, reports.answers[before[at]])) > limit
        found[f"{size} %" if relative else f"{size} sigmas"] = round(seen / (2 * len(places)), 3)
    return found
