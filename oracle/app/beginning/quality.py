"""The quality of a trained model, beside a cap on a move's size."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

from oracle.core import encoding
from oracle.core.types import Kind
from oracle.detectors.training.reports import Reports


@dataclass(frozen=True)
class SeriesQuality:
    """The figures of a model on the part of a series that it was not fitted to.

    Attributes:
        name: The series' name.
        reports: Its reports there.
        holds_per_10k: How many of 10,000 reports are held, all of them counted as false.
        interval_per_10k: The interval of that.
        recall: By size of a spike, the share that the model sees, and the share that a cap with as many objections
            sees.
    """

    name: str
    reports: int
    holds_per_10k: float
    interval_per_10k: tuple[float, float]
    recall: Mapping[str, tuple[float, float]]


def qualities(card: Mapping[str, Any], found: Mapping[str, Reports]) -> list[SeriesQuality]:
    """Return the quality of a model on each series of its card.

    Args:
        card: The model's card.
        found: The series' reports, by name; a card of one series may call it otherwise.
    """
    told = []
    share = Decimal(card["split"]["train"]) + Decimal(card["split"]["validation"])
    for section, name in zip(card["series"], found, strict=True):
        test, data = section["splits"]["test"], section["data"]
        reports = found[name]
        begin = int(len(reports) * share)
        cap = cap_limit(reports, data["sigma"], begin, int(test["objections"]["count"]))
        recall = {
            size: (seen, cap_recall(reports, data["sigma"], begin, cap, int(size.split()[0])))
            for size, seen in section["spikes"].items()
        }
        low, high = test["holds"]["interval_per_10k"]
        told.append(SeriesQuality(name, test["holds"]["reports"], test["holds"]["per_10k"], (low, high), recall))
    return told


def cap_limit(reports: Reports, sigma: int, begin: int, objections: int) -> int:
    """Return the smallest limit on a move with at most so many objections from a report on, in thousandths of sigma.

    Args:
        reports: The reports.
        sigma: The feed's sigma.
        begin: The first report that counts.
        objections: How many moves may be larger.
    """
    moves = sorted((abs(_move(reports, sigma, at)) for at in range(max(1, begin), len(reports))), reverse=True)
    return moves[objections] if objections < len(moves) else 0


def cap_recall(reports: Reports, sigma: int, begin: int, limit: int, size: int) -> float:
    """Return the share of single spikes that a cap sees, of one at every report in both directions.

    Args:
        reports: The reports.
        sigma: The feed's sigma.
        begin: The first report that counts.
        limit: The cap, in thousandths of sigma.
        size: The spike, in per cent of the answer, or in sigmas on absolute feeds.
    """
    seen = total = 0
    for at in range(max(1, begin), len(reports)):
        step = reports.answers[at] * size // 100 if reports.kind is Kind.RELATIVE else sigma * size
        for wrong in (reports.answers[at] + step, reports.answers[at] - step):
            seen += abs(encoding.move(reports.kind, sigma, wrong, reports.answers[at - 1])) > limit
            total += 1
    return round(seen / total, 3) if total else 0.0


def warnings(card: Mapping[str, Any], found: Sequence[SeriesQuality]) -> list[str]:
    """Return what a person should look at before the model is used, the card's own warnings first."""
    told = [str(each) for each in card.get("warnings", ())]
    budget = float(card["budget"]["false_holds_per_10k"])
    told += [
        f"{each.name}: {each.holds_per_10k:g} of 10,000 reports are held on the part that it was not fitted to, where "
        f"{budget:g} are allowed: look for faults in the data, or for a change in how it moves"
        for each in found
        if each.interval_per_10k[0] > budget
    ]
    return told


def _move(reports: Reports, sigma: int, at: int) -> int:
    return encoding.move(reports.kind, sigma, reports.answers[at], reports.answers[at - 1])
