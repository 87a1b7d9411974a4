"""The lies that a card tells about: spikes of the feed alone, with its peer, unseen by it, and lies of the peer alone.

They are put into windows of the test split, as if all before had been accepted; an evaluation plays them through the
whole gate.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Sequence
from typing import Any

from oracle.core import encoding
from oracle.core.encoding import CLIP, Feature
from oracle.core.types import Kind
from oracle.detectors.interface import Detector
from oracle.detectors.trainers.windows import cut
from oracle.detectors.training.reports import FIRST_WINDOW, features_of
from oracle.detectors.training.series import LearntSeries

__all__ = ["PEER_LIES", "SPIKED", "SPIKES", "lies"]

SPIKES = (1, 2, 3, 5, 10, 20)
"""Sizes of the spikes that a card tells about: per cent (relative feeds), or sigmas (absolute ones)."""

PEER_LIES = (1, 3, 10)
"""Sizes of the peer's lies, in its sigmas."""

SPIKED = 500
"""Windows of the test split into which each lie is put."""

Changed = Callable[[int, int], tuple[int, int]]
"""Makes the feed's and the first peer's answer at a report those of a lie."""


def lies(series: LearntSeries, detector: Detector, seed: int) -> dict[str, Any]:
    """Return the share of the lies of each size to which the model objects.

    Returns:
        "spikes" by size; and where the series has a peer, "joint_recall" and "unseen_recall" by size, and
        "peer_lie_holds_own" by the peer's sigmas, "clipped" and "missing".
    """
    found: dict[str, Any] = {"spikes": {}}
    drawn = _drawn(series, seed)
    relative = series.reports.kind is Kind.RELATIVE
    peers = series.reports.peers
    if peers:
        found |= {"joint_recall": {}, "unseen_recall": {}, "peer_lie_holds_own": {}}
    for size in SPIKES:
        key = f"{size} %" if relative else f"{size} sigmas"
        own = [(_spiked(series, at, sign * size), None, True) for at, sign in drawn]
        found["spikes"][key] = _share(series, detector, drawn, own)
        if peers:
            joint = [
                (answer, _joined(series, at, answer), True) for (at, _), (answer, _, _) in zip(drawn, own, strict=True)
            ]
            found["joint_recall"][key] = _share(series, detector, drawn, joint)
            unseen = [(answer, None, False) for answer, _, _ in own]
            found["unseen_recall"][key] = _share(series, detector, drawn, unseen)
    if peers:
        honest = [series.reports.answers[at] for at, _ in drawn]
        for size in PEER_LIES:
            told = [
                (answer, _lied(series, at, sign * size), True) for answer, (at, sign) in zip(honest, drawn, strict=True)
            ]
            found["peer_lie_holds_own"][f"{size} sigmas"] = _share(series, detector, drawn, told)
        missing = [(answer, None, False) for answer in honest]
        found["peer_lie_holds_own"]["missing"] = _share(series, detector, drawn, missing)
        clipped = [
            (answer, _lied(series, at, 4 * CLIP // 1_000), True) for answer, (at, _) in zip(honest, drawn, strict=True)
        ]
        found["peer_lie_holds_own"]["clipped"] = _share(series, detector, drawn, clipped)
    return found


def _drawn(series: LearntSeries, seed: int) -> list[tuple[int, int]]:
    """Return the places of the test split, and the sign of the lie at each."""
    draw = random.Random(seed)
    places = series.places(series.ends[1], len(series.reports))
    return [(draw.choice(places), draw.choice((1, -1))) for _ in range(SPIKED)]


def _spiked(series: LearntSeries, at: int, size: int) -> int:
    answer = series.reports.answers[at]
    return answer + (answer * size // 100 if series.reports.kind is Kind.RELATIVE else series.terms.sigma * size)


def _joined(series: LearntSeries, at: int, wrong: int) -> int | None:
    """Return what the first peer says if it lies by the same step: as a share, or on absolute feeds in sigmas."""
    peer, true = series.reports.peers[0], series.reports.answers[at]
    now = peer.answers[at]
    if now is None:
        return None
    if series.reports.kind is Kind.ABSOLUTE:
        return _lied(series, at, round((wrong - true) / series.terms.sigma))
    if peer.kind is Kind.RELATIVE:
        return now + encoding.truncated_quotient(now * (wrong - true), true)
    return now + encoding.truncated_quotient((wrong - true) * 10**6 * peer.sigma, true * series.terms.sigma)


def _lied(series: LearntSeries, at: int, sigmas: int) -> int | None:
    """Return the first peer's answer so many of its sigmas away."""
    peer = series.reports.peers[0]
    now = peer.answers[at]
    if now is None:
        return None
    if peer.kind is Kind.ABSOLUTE:
        return now + sigmas * peer.sigma
    step = abs(sigmas) * peer.sigma
    return now * (10**6 + step) // 10**6 if sigmas > 0 else now * 10**6 // (10**6 + step)


def _share(
    series: LearntSeries,
    detector: Detector,
    drawn: Sequence[tuple[int, int]],
    told: Sequence[tuple[int, int | None, bool]],
) -> float:
    """Return the share of windows to which the model objects.

    Args:
        series: The series.
        detector: The model.
        drawn: The places.
        told: The feed's answer at each; the first peer's, None as it was; and False where it isn't seen.
    """
    reports, features = series.reports, features_of(series.reports)
    move, peer_move, peer_seen = (
        features.index(feature) for feature in (Feature.MOVE, Feature.PEER_MOVE_0, Feature.PEER_SEEN_0)
    )
    good = reports.good()
    before = dict(zip(good[1:], good, strict=False))
    windows = []
    for (at, _), (answer, other, seen) in zip(drawn, told, strict=True):
        window = list(series.windows[at - FIRST_WINDOW])
        window[move] = encoding.move(reports.kind, series.terms.sigma, answer, reports.answers[before[at]])
        if other is not None:
            peer = reports.peers[0]
            kept = peer.answers[before[at]]
            if kept is not None:
                told_by = encoding.PeerAnswer(peer.kind, peer.sigma, other)
                window[peer_move], window[peer_seen] = encoding.peer_move(told_by, kept)
        if not seen:
            window[peer_move] = window[peer_seen] = 0
        windows.append(tuple(window))
    scores = detector.score_many(cut(windows, features, detector.features)).tolist()
    objecting = sum(bool(max(each) > 0) for each in scores)
    return round(objecting / len(windows), 3)
