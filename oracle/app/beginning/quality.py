"""The quality of a trained model, as its card tells it: beside a cap on a move's size."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


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


def qualities(card: Mapping[str, Any]) -> list[SeriesQuality]:
    """Return the quality of a model on each series of its card."""
    told = []
    for section in card["series"]:
        holds = section["splits"]["test"]["holds"]
        low, high = holds["interval_per_10k"]
        caps = section["cap_spikes"]
        recall = {size: (seen, caps[size]) for size, seen in section["spikes"].items()}
        told.append(SeriesQuality(section["name"], holds["reports"], holds["per_10k"], (low, high), recall))
    return told
