"""The windows of a lesson as the trainer of the type `peers` uses them: columns in sigmas and heartbeats."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
from numpy.typing import NDArray

from oracle.core.encoding import PAST, PEER_FEATURES, Feature
from oracle.detectors.interface import Lesson

Floats = NDArray[np.float64]

FIT_CLIP = 10.0
"""Moves are cut to this many sigmas before coefficients are fitted: one fault in a recording must not decide them."""


@dataclass(frozen=True)
class Columns:
    """Features of windows, one row a window.

    Attributes:
        move: The own move, in sigmas.
        past: The accepted moves before it, newest first [count, 12], in sigmas.
        variance: The running variance, in sigma² a heartbeat.
        gap: In heartbeats.
        peers: The peers' moves [count, peers], in the peers' sigmas.
        seen: True where a peer's move could be measured [count, peers].
        spread: The spread of the sources, in sigmas.
    """

    move: Floats
    past: Floats
    variance: Floats
    gap: Floats
    peers: Floats
    seen: NDArray[np.bool_]
    spread: Floats

    def __len__(self) -> int:
        return len(self.move)

    def near(self, count: int) -> Floats:
        """Return the mean square of the latest accepted moves."""
        mean: Floats = (self.past[:, :count] ** 2).mean(axis=1)
        return mean

    def cut(self) -> Columns:
        """Return the columns with moves cut to `FIT_CLIP`."""
        return replace(
            self,
            move=np.clip(self.move, -FIT_CLIP, FIT_CLIP),
            peers=np.clip(self.peers, -FIT_CLIP, FIT_CLIP),
            spread=np.clip(self.spread, 0, FIT_CLIP),
        )

    def with_peer_moved(self, peer: int, sigmas: float) -> Columns:
        """Return the columns as they are if one peer lies by this much, where it is seen."""
        peers = self.peers.copy()
        peers[:, peer] += sigmas
        return replace(self, peers=peers)


def columns(windows: Sequence[Sequence[int]], features: Sequence[Feature], peers: int) -> Columns:
    """Return the columns of windows.

    Args:
        windows: The windows.
        features: Their feature list, with all features that there are.
        peers: How many peers are used.
    """
    table = np.array(windows, dtype=np.float64).reshape(len(windows), len(features))

    def of(*wanted: Feature) -> Floats:
        return table[:, [features.index(feature) for feature in wanted]]

    used = PEER_FEATURES[:peers]
    return Columns(
        move=of(Feature.MOVE)[:, 0] / 1_000,
        past=of(*PAST) / 1_000,
        variance=of(Feature.VARIANCE)[:, 0] / 1_000,
        gap=of(Feature.GAP)[:, 0] / 1_000,
        peers=of(*(moved for moved, _ in used)) / 1_000,
        seen=of(*(seen for _, seen in used)) > 0,
        spread=of(Feature.SPREAD)[:, 0] / 1_000,
    )


def fit_columns(lesson: Lesson) -> Columns:
    """Return the columns of the windows that coefficients are fitted to, with moves cut."""
    return columns(lesson.fit, lesson.features, lesson.peers).cut()


def series_columns(lesson: Lesson) -> list[Columns]:
    """Return the columns of the calibration windows, of one series after the other."""
    return [columns(lesson.calibrate[each.calibrate], lesson.features, lesson.peers) for each in lesson.series]
