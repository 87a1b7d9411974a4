"""The warnings of an evaluation: what makes its figures mean less than they seem to."""

from __future__ import annotations

import math
from collections.abc import Sequence

from oracle.core import encoding
from oracle.core.types import Kind
from oracle.detectors.evaluation.prepared import Prepared
from oracle.detectors.evaluation.results import PER, Evaluation
from oracle.detectors.training.cautions import clipped, disagreeing, holding, unlike

__all__ = ["of_detector", "of_recording"]

_SILENT = 0.05
"""A feed that is silent for this share of its ticks is told."""

_OFF = 0.05
"""A reader who was off by so much while reports were held is told, on relative feeds."""

_PART = "the evaluated part"


def of_recording(prepared: Prepared, budget: float) -> tuple[str, ...]:
    """Return the warnings that hold for every detector.

    Args:
        prepared: The recording.
        budget: False holds of 10,000 that are allowed.
    """
    history, feed = prepared.history, prepared.feed
    begin = history.number(prepared.begin)
    counted = [number for number in range(1, len(history)) if history.indices[number] not in prepared.bad]
    late = [number for number in counted if number >= begin]
    early = [number for number in counted if number < begin]
    moves = [history.moves[number] for number in late]
    found = [clipped(_PART, feed.kind, feed.sigma, moves, budget, [history.answers[number] for number in counted])]
    found.append(unlike(_PART, _sizes(prepared, late), _sizes(prepared, early), "what is before it", "moves"))
    venues = {
        name: [None if value is None else encoding.answer_from_decimal(value, feed.decimals) for value in values]
        for name, values in prepared.recording.venues.items()
    }
    rows = [row for row in range(prepared.begin, len(prepared.ticks)) if row not in prepared.bad]
    found.append(disagreeing(_PART, feed.kind, feed.sigma, venues, rows))
    silent = sum(prepared.ticks[row].answer is None for row in rows)
    if rows and silent / len(rows) > _SILENT:
        found.append(
            f"{_PART}: {silent:,} of {len(rows):,} ticks have no answer: too few venues spoke, or they disagreed; no "
            "figure below counts them"
        )
    return tuple(each for each in found if each is not None)


def _sizes(prepared: Prepared, numbers: Sequence[int]) -> list[float]:
    """Return moves in parts of what their time gap allows."""
    history = prepared.history
    return [abs(history.moves[number]) / math.sqrt(history.gaps[number] / encoding.GAP_ONE) for number in numbers]


def of_detector(evaluation: Evaluation, prepared: Prepared, budget: float) -> tuple[str, ...]:
    """Return the warnings about one detector.

    Args:
        evaluation: What it does.
        prepared: The recording.
        budget: False holds of 10,000 that are allowed.
    """
    rate = evaluation.false_holds
    found = [holding(_PART, (rate.share or 0.0) * PER, rate.low * PER, budget)]
    if prepared.feed.kind is Kind.RELATIVE and evaluation.worst_held > _OFF:
        found.append(f"while honest reports were held a reader was off by up to {evaluation.worst_held:.0%}")
    return tuple(each for each in found if each is not None)
