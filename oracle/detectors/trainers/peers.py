"""The trainer of the type `peers`: a feed's own move, and its move beside those of its peers, against one limit.

With the own move x, a peer's move y and the limit L = gap · (ω + a · near past + f · variance), it objects if

    own       x² > L                                     or
    peer      P · x² − Q · x · y − R · y² > L            for a peer that is seen, or
    drift     D · (x + all past moves)² > L              if wanted, or
    spread    s² > ω_s + f_s · variance                  if wanted.

The output beside a peer is the residual's square (x − b·y)² against L/P + d·y², in other words: the more the peer
moves, the more is allowed. As d exceeds b², it is P·x² − Q·x·y − R·y² ≤ x² · (P + Q²/4R), whatever y is: a peer that
lies alone can lower the own limit by that factor, and not hold a feed that hardly moves. One that lies together with
the feed meets the own limit.
"""

from __future__ import annotations

import hashlib
import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from oracle.core.encoding import PAST, PEER_FEATURES, RING_SIZE, Feature
from oracle.core.errors import DataError
from oracle.detectors.interface import Lesson
from oracle.detectors.kinds.polynomial import MOST_OUTPUTS, PolynomialModel
from oracle.detectors.trainers.estimation import rounded_up
from oracle.detectors.trainers.peers_data import Columns, Floats, fit_columns, series_columns
from oracle.detectors.trainers.peers_fit import MoveLimit, limit_of, slopes, spread_limit, tail
from oracle.detectors.trainers.peers_model import Numbers, PeerNumbers, model_of
from oracle.detectors.trainers.peers_replay import MARGIN, threshold
from oracle.detectors.trainers.windows import check_lesson, cut

OWN_SHARE = 0.1
"""The share of the budget of the own output where a peer is seen: joint lies are all that only it sees."""

EXTRA_SHARE = 0.1
"""The share of each further output without a peer."""

SLOPE_FACTOR = 1.5
"""Q over P, in slopes. In a residual's square it is 2; with less, a lying peer holds less, and joint lies are seen."""

PEER_SQUARES = (1.0, 1.5, 2.0, 3.0, 4.0)
"""R over P: the first with which a lying peer holds few honest windows."""

LIE = 3.0
"""The lie of a peer, in its sigmas, that must not hold the honest feed."""

VARIED = {"slope": 0.25, "square": 0.7, "share": 0.7, "floor": 0.7, "near": 0.5}
"""The distance that `vary = 1` draws each number from its best, as the logarithm of a factor: some point of recall."""


@dataclass(frozen=True)
class _Measured:
    """The outputs' measures, before the budget decides how much of each is too much."""

    limit: MoveLimit
    slope: tuple[float, ...]
    square: float
    slope_factor: float = SLOPE_FACTOR
    drift: bool = False
    spread: tuple[float, float] | None = None

    def ratios(self, data: Columns) -> dict[str, Floats]:
        """Return what each output measures, over the limit, of each window."""
        limit = self.limit.of(data)
        found = {"own": data.move**2 / limit}
        for at, slope in enumerate(self.slope):
            if slope:
                move, peer = data.move, data.peers[:, at]
                beside = move * (move - self.slope_factor * slope * peer) - self.square * peer**2
                found[f"peer-{at}"] = np.where(data.seen[:, at], np.maximum(beside, 0.0), 0.0) / limit
        if self.drift:
            found["drift"] = (data.move + data.past.sum(axis=1)) ** 2 / limit
        if self.spread:
            found["spread"] = data.spread**2 / (self.spread[0] + self.spread[1] * data.variance)
        return found


@dataclass(frozen=True)
class _Leveled:
    """Outputs with their levels: each objects to a window whose ratio is above its level."""

    shape: _Measured
    levels: Mapping[str, float]

    def severity(self, data: Columns) -> Floats:
        """Return the largest ratio of each window in parts of its level; above 1, an output objects."""
        return self._severity(data, self.levels)

    def alone(self, data: Columns) -> Floats:
        """Return the same of the outputs that see no peer."""
        return self._severity(data, [name for name in self.levels if not name.startswith("peer")])

    def beside(self, data: Columns) -> Floats:
        """Return the same of the outputs beside peers; infinite where another one objects."""
        peers = self._severity(data, [name for name in self.levels if name.startswith("peer")])
        return np.where(self.alone(data) > 1, np.inf, peers)

    def scaled(self, factor: float, peers: bool) -> _Leveled:
        """Return the outputs with another level of those beside peers, or of the others."""
        scaled = {name: level * factor for name, level in self.levels.items() if name.startswith("peer") is peers}
        return replace(self, levels={**self.levels, **scaled})

    def _severity(self, data: Columns, names: Iterable[str]) -> Floats:
        ratios = self.shape.ratios(data)
        severity: Floats = np.max([ratios[name] / self.levels[name] for name in names], axis=0)
        return severity


@dataclass(frozen=True, slots=True)
class Peers:
    """A trainer of limits on a feed's own move, and on its move beside up to two peers.

    Attributes:
        near: How many accepted moves are the near past.
        drift: True for an output on the sum of all moves of the window.
        spread: True for an output on the spread of the sources.
        vary: How far the salt moves what nearly any value would do for, from 0 to 1: somebody who trains again on the
            same data gets other limits. See `VARIED`.
        peer_lie: Share of honest windows that may be held as one peer lies by `LIE` sigmas. With more, more faults are
            seen.
    """

    near: int = 3
    drift: bool = False
    spread: bool = False
    vary: float = 0.0
    peer_lie: float = 0.04

    def fit(self, name: str, lesson: Lesson) -> PolynomialModel:
        """Fit the outputs; see `Trainer`."""
        check_lesson(lesson)
        if not 1 <= self.near <= RING_SIZE:
            raise DataError(f"near = {self.near}: the hub keeps {RING_SIZE} moves, so it must be from 1 to {RING_SIZE}")
        if self.spread and not lesson.spread:
            raise DataError("spread = true needs several value columns: one source has no spread to learn from")
        if lesson.peers + self.drift + self.spread >= MOST_OUTPUTS:
            raise DataError(f"two peers, drift and spread are too much: a model has {MOST_OUTPUTS} outputs at most")
        data, series = fit_columns(lesson), series_columns(lesson)
        found, holds = self._leveled(data, series, lesson)
        features = self.features(max((at + 1 for at, slope in enumerate(found.shape.slope) if slope), default=0))
        windows = cut(lesson.calibrate, lesson.features, features)
        allowed = int((np.concatenate([found.severity(each) for each in series]) > 1).sum())
        while True:
            levels = {output: rounded_up(level) for output, level in found.levels.items()}
            model = model_of(name, features, _numbers(found.shape, levels), lesson.salt.hex())
            if int((model.score_many(windows) > 0).any(axis=1).sum()) <= allowed:
                return replace(model, training=_told(found.shape, levels, holds, lesson))
            found = replace(found, levels={output: level * MARGIN for output, level in found.levels.items()})

    def features(self, peers: int) -> tuple[Feature, ...]:
        """Return the model's feature list.

        Args:
            peers: How many peers it judges a feed beside.
        """
        past = PAST if self.drift else PAST[: self.near]
        beside = [feature for pair in PEER_FEATURES[:peers] for feature in pair]
        spread = [Feature.SPREAD] if self.spread else []
        return (Feature.MOVE, *past, Feature.VARIANCE, *beside, *spread, Feature.GAP)

    def _leveled(self, data: Columns, series: Sequence[Columns], lesson: Lesson) -> tuple[_Leveled, int]:
        """Return the outputs with their levels, and how many calibration windows these hold."""

        def drawn(what: str) -> float:
            return math.exp(float(self.vary) * VARIED[what] * _uniform(lesson, what)) if self.vary else 1.0

        limit = limit_of(data, self.near)
        limit = replace(limit, floor=limit.floor * drawn("floor"), near=limit.near * drawn("near"))
        spread = spread_limit(data) if self.spread else None
        shape = _Measured(
            limit, tuple(slopes(data)), PEER_SQUARES[0], SLOPE_FACTOR * drawn("slope"), self.drift, spread
        )
        for square in PEER_SQUARES:
            shape = replace(shape, square=square * drawn("square"))
            found, holds = _calibrated(shape, data, series, float(lesson.budget), OWN_SHARE * drawn("share"))
            if _lie_holds(found, series) <= self.peer_lie:
                break
        return found, holds


def _told(shape: _Measured, levels: Mapping[str, float], holds: int, lesson: Lesson) -> dict[str, float | int]:
    """Return what is written beside a model for people: of a private one, only how many windows it holds."""
    told: dict[str, float | int] = {"held_of_calibration": holds, "calibration_windows": len(lesson.calibrate)}
    if not lesson.salt:
        told |= {f"level_{name.replace('-', '_')}": level for name, level in levels.items()}
        told |= {f"slope_{at}": slope for at, slope in enumerate(shape.slope)}
    return told


def _numbers(shape: _Measured, levels: Mapping[str, float]) -> Numbers:
    """Return the numbers of the model: limits are those of the own output, and the others measure in its parts."""
    own, limit = levels["own"], shape.limit
    beside = []
    for at, slope in enumerate(shape.slope):
        if level := levels.get(f"peer-{at}"):
            share = own / level
            beside.append(PeerNumbers(at, share, share * shape.slope_factor * slope, share * shape.square))
    return Numbers(
        floor=own * limit.floor,
        near=own * limit.near / limit.count,
        far=own * limit.far,
        near_count=limit.count,
        peers=tuple(beside),
        drift=own / levels["drift"] if shape.drift else None,
        spread=None
        if shape.spread is None
        else (levels["spread"] * shape.spread[0], levels["spread"] * shape.spread[1]),
    )


def _calibrated(
    shape: _Measured, data: Columns, series: Sequence[Columns], budget: float, own: float
) -> tuple[_Leveled, int]:
    """Return the outputs with levels that keep the budget with accepted-only history, and how many windows they hold.

    First the outputs that see no peer have their share of the budget, then those beside peers have what is left. Where
    no peer is seen, the former have it all.

    Args:
        shape: The outputs.
        data: The windows of the fit.
        series: The calibration windows.
        budget: Share of the windows that may be held.
        own: The share of it that the outputs without a peer have where one is seen.
    """
    ratios = shape.ratios(data)
    beside = [name for name in ratios if name.startswith("peer")]
    extra = [name for name in ratios if name in ("drift", "spread")]
    unseen = float((~data.seen.any(axis=1)).mean()) if beside else 1.0
    alone = unseen + (1 - unseen) * min(1.0, own + EXTRA_SHARE * len(extra))
    levels = {name: tail(ratios[name], budget * EXTRA_SHARE) for name in extra}
    levels["own"] = tail(ratios["own"], budget * (alone - (1 - unseen) * EXTRA_SHARE * len(extra)))
    for name in beside:
        seen = data.seen[:, int(name.removeprefix("peer-"))]
        levels[name] = tail(ratios[name][seen], budget * (1 - own) / len(beside))
    found, allowed = _Leveled(shape, levels), int(sum(map(len, series)) * budget)
    factor, holds = threshold(series, found.alone, int(allowed * alone))
    # A share of less than one window says nothing of how low a level may be; the tail does.
    found = found.scaled(factor if int(allowed * alone) else max(1.0, factor), peers=False)
    if beside:
        factor, more = threshold(series, found.beside, allowed - holds)
        found, holds = found.scaled(factor, peers=True), holds + more
    return found, holds


def _lie_holds(leveled: _Leveled, series: Sequence[Columns]) -> float:
    """Return the largest share of honest windows that are held because one peer lies by `LIE` sigmas."""
    most = 0.0
    for peer in range(len(leveled.shape.slope)):
        held = seen = 0.0
        for data in series:
            of_them = data.seen[:, peer]
            for lie in (LIE, -LIE):
                severity = leveled.severity(data.with_peer_moved(peer, lie))
                held += float((severity[of_them] > 1).sum())
                seen += float(of_them.sum())
        most = max(most, held / seen if seen else 0.0)
    return most


def _uniform(lesson: Lesson, what: str) -> float:
    """Return a number from -1 to 1 that the salt decides."""
    drawn = hashlib.sha256(b"peers:" + what.encode() + b":" + lesson.salt).digest()
    return int.from_bytes(drawn[:4], "big") / 2**31 - 1
