"""The numbers of the type `peers` as a polynomial model of integers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from fractions import Fraction

from oracle.core.encoding import PAST, PEER_FEATURES, Feature
from oracle.detectors.kinds.polynomial import PolynomialModel
from oracle.detectors.kinds.polynomial_parts import STEP, Allowance, Limit, Output, Power, Product, Sum
from oracle.detectors.trainers.estimation import significant

PARAM_SCALE = 18
SIGNIFICANT_BITS = 12
LEAST_SCALE = 8

MOST_BITS = 62
"""The most bits of a compared number: more digits would take more rows of the circuit."""


@dataclass(frozen=True)
class PeerNumbers:
    """The measure of the output beside a peer: own · x² − cross · x · y − square · y².

    Attributes:
        peer: Number of the peer.
        own: P.
        cross: Q.
        square: R.
    """

    peer: int
    own: float
    cross: float
    square: float


@dataclass(frozen=True)
class Numbers:
    """The numbers of a model, in sigmas and heartbeats.

    Attributes:
        floor: ω of the own output's limit, in sigma².
        near: Weight of each of the last moves' squares.
        far: Weight of the variance.
        near_count: How many moves are the last ones.
        peers: The outputs beside peers.
        drift: Weight of the squared sum of all moves; None without that output.
        spread: Limit of the squared spread: constant, and weight of the variance; None without that output.
    """

    floor: float
    near: float
    far: float
    near_count: int
    peers: tuple[PeerNumbers, ...]
    drift: float | None
    spread: tuple[float, float] | None


class _Weights:
    """Numbers as weights over 2^p: multiples of STEP, all different, as ezkl's reader merges equal constants."""

    def __init__(self, param_scale: int) -> None:
        self._scale = param_scale
        self._taken: set[int] = set()

    def of(self, value: float) -> int:
        """Return the weight of a number above or below zero."""
        scaled = Fraction(abs(value)) * (1 << self._scale) / STEP
        weight = max(1, significant(scaled, SIGNIFICANT_BITS)) * STEP
        while weight in self._taken:
            weight += STEP << max(0, (weight // STEP).bit_length() - SIGNIFICANT_BITS)
        self._taken.add(weight)
        return weight if value >= 0 else -weight


def model_of(name: str, features: Sequence[Feature], numbers: Numbers, salt: str) -> PolynomialModel:
    """Return the model of integers, with as fine weights as fit the circuit.

    Args:
        name: The model's name.
        features: Its feature list.
        numbers: Its numbers.
        salt: Its salt; empty for a public model.
    """
    for param_scale in range(PARAM_SCALE, LEAST_SCALE, -1):
        model = _model_at(param_scale, name, features, numbers, salt)
        if model.score_bound().bit_length() <= MOST_BITS:
            return model
    return _model_at(LEAST_SCALE, name, features, numbers, salt)


def _model_at(param_scale: int, name: str, features: Sequence[Feature], numbers: Numbers, salt: str) -> PolynomialModel:
    """Return the model of integers over 2^param_scale.

    Squares of moves are in 10^-6 sigma², gap and variance in thousandths. So the limit's constant is 1,000 times ω, the
    squares' weights are a thousandth of theirs, and the variance's is as it is; without the gap, all are a thousand
    times as large.
    """
    values: list[Feature] = [feature for feature in features if feature is not Feature.GAP]
    at, weights = values.index, _Weights(param_scale)
    move, past, variance = at(Feature.MOVE), at(PAST[0]), at(Feature.VARIANCE)
    allowed = []
    if numbers.near:
        end = past + numbers.near_count
        allowed.append(Allowance(past, end, (weights.of(numbers.near / 1_000),)))
    if numbers.far:
        allowed.append(Allowance(variance, variance + 1, (weights.of(numbers.far),), Power.VALUES))
    limit = Limit(weights.of(numbers.floor * 1_000), tuple(allowed))
    outputs = [Output("own", (Sum(move, move + 1),), limit)]
    for each in numbers.peers:
        moved, seen = PEER_FEATURES[each.peer]
        beside = at(moved)
        measured = (
            Product(move, move, weights.of(each.own)),
            Product(move, beside, weights.of(-each.cross)),
            Product(beside, beside, weights.of(-each.square)),
        )
        outputs.append(Output(f"peer-{each.peer}", measured, "own", (seen,)))
    if numbers.drift is not None:
        outputs.append(Output("drift", (Sum(move, past + len(PAST), weights.of(numbers.drift)),), "own"))
    if numbers.spread is not None:
        floor, far = numbers.spread
        spread = at(Feature.SPREAD)
        also = (Allowance(variance, variance + 1, (weights.of(far * 1_000),), Power.VALUES),) if far else ()
        outputs.append(Output("spread", (Sum(spread, spread + 1),), Limit(weights.of(floor * 10**6), also, gap=False)))
    return PolynomialModel(name, tuple(features), tuple(outputs), param_scale, salt=salt)
