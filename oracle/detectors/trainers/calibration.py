"""Calibration: the factors of shapes from the budget of false positives."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from fractions import Fraction

import numpy as np

from oracle.core.encoding import Feature
from oracle.detectors.interface import Lesson
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.trainers.estimation import rounded_up
from oracle.detectors.trainers.shapes import PARAM_SCALE, Shape, fold
from oracle.detectors.trainers.windows import cut, in_sigmas


def factors(shapes: Sequence[Shape], windows: Sequence[Sequence[int]], budget: Fraction) -> list[float]:
    """Return the factors, to three digits, at which all outputs together object to at most the budget.

    From limits to which nothing objects, the outputs in turn give up one window more each, while the budget lasts.

    Args:
        shapes: The outputs.
        windows: The calibration windows, in integers.
        budget: Share of the windows that may be held.
    """
    table = in_sigmas(windows)
    ratios = [shape.ratios(table) for shape in shapes]
    ordered = [np.sort(ratio)[::-1] for ratio in ratios]
    allowed = int(len(windows) * budget)

    def at(given_up: Sequence[int]) -> list[float]:
        return [rounded_up(float(order[count])) for order, count in zip(ordered, given_up, strict=True)]

    def objecting(found: Sequence[float]) -> int:
        union = np.zeros(len(windows), dtype=bool)
        for ratio, factor in zip(ratios, found, strict=True):
            union |= ratio > factor
        return int(union.sum())

    given_up = [0] * len(shapes)
    growing = set(range(len(shapes)))
    while growing:
        for output in sorted(growing):
            more = [count + (index == output) for index, count in enumerate(given_up)]
            if more[output] < len(windows) and objecting(at(more)) <= allowed:
                given_up = more
            else:
                growing.discard(output)
    return at(given_up)


def calibrated(
    name: str,
    shapes: Sequence[Shape],
    features: tuple[Feature, ...],
    lesson: Lesson,
    *,
    param_scale: int = PARAM_SCALE,
) -> PolynomialModel:
    """Return the model whose integer scores object to at most the budget's share of the calibration windows.

    Args:
        name: The model's name.
        shapes: Its outputs.
        features: Its feature list.
        lesson: Calibration windows, budget and salt.
        param_scale: p.
    """
    windows = cut(lesson.calibrate, lesson.features, features)
    allowed = int(len(windows) * lesson.budget)
    found = factors(shapes, windows, lesson.budget)
    while True:
        model = fold(name, shapes, found, features, param_scale=param_scale, salt=lesson.salt.hex())
        objecting = int((model.score_many(windows) > 0).any(axis=1).sum())
        if objecting <= allowed:
            told = {f"factor_{shape.name}": factor for shape, factor in zip(shapes, found, strict=True)}
            return replace(model, training=told)
        found = [rounded_up(factor * 1.005) for factor in found]
