"""Networks and trees that learn from faults: does one beat the polynomial on the same features and the same budget?

One network is made for all series: a series gives it its own constants (how a move's variance follows from the past,
and how its moves go with its peer's), and the network says how anomalous a window is. Its inputs are squares and
products of what the hub derives, so the graph is exact in integers, and its verdict does not change if a market becomes
calmer or wilder as a whole. It learns to tell honest windows of all first halves from the same windows with a fault: a
spike of the feed, of the feed and its peer together, and, as an honest window, a lie of the peer alone.
"""

from __future__ import annotations

import math
import warnings
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from oracle.core import encoding
from oracle.core.encoding import Feature

__all__ = [
    "FEATURES",
    "Learnt",
    "Networks",
    "OfSeries",
    "Pool",
    "Terms",
    "Trees",
    "learn",
    "learn_all",
    "pooled",
    "terms_of",
]

FEATURES = (Feature.MOVE, *encoding.PAST, Feature.VARIANCE, Feature.PEER_MOVE_0, Feature.GAP)
"""The features of a window. A peer that isn't there, or isn't seen, does not move."""

_MOVE, _PAST, _VARIANCE, _PEER, _GAP = 0, slice(1, 13), 13, 14, 15
_NEAR = 3
_CUT = 100.0
_MOST = encoding.CLIP / 1_000
HONEST_WEIGHT = 30.0
"""The weight of an honest window that is called faulty, beside a fault that is missed: few may be held."""

SIZES = (0.7, 12.0)
"""Sizes of the faults that are learned from, in sigmas: spread evenly over their logarithms."""

UNITS, MEMBERS, ROUNDS, EPOCHS, TREES = 16, 4, 8, 8, 100
"""Hidden units of a network; networks whose scores are added up; copies of each window with faults; passes; trees."""

ROWS = 6_000
"""Windows of a series that are learned from, at most, so that long series don't count more than short ones."""


@dataclass(frozen=True)
class Terms:
    """A series' own constants.

    Attributes:
        variance: A move's variance: floor, weight of the mean square of the last moves, weight of the running variance.
        beta: The feed's move that goes with one of its peer's.
        correlation: How closely they go together.
    """

    variance: tuple[float, float, float]
    beta: float
    correlation: float

    def limit(self, windows: np.ndarray) -> np.ndarray:
        """Return the variance of each window's move."""
        floor, near, running = self.variance
        square = (windows[:, 1 : 1 + _NEAR] ** 2).mean(axis=1)
        found: np.ndarray = windows[:, _GAP] * (floor + near * square + running * windows[:, _VARIANCE])
        return found

    def inputs(self, windows: np.ndarray) -> np.ndarray:
        """Return the network's inputs: squares and products, over the variance of the move."""
        move, peer, gap = windows[:, _MOVE], self.beta * windows[:, _PEER], windows[:, _GAP]
        squares = windows[:, _PAST] ** 2
        residual = (move - peer) ** 2 * (self.correlation != 0)
        one = self.limit(windows)
        columns = (
            move**2,
            residual,
            peer**2,
            gap * squares[:, 0],
            gap * squares[:, :_NEAR].mean(axis=1),
            gap * squares[:, 4:].mean(axis=1),
            gap * windows[:, _VARIANCE],
            gap,
            move * windows[:, 1],
            move * windows[:, _PAST].sum(axis=1),
            self.correlation * one,
            self.correlation * residual,
            self.correlation * move**2,
        )
        found: np.ndarray = np.stack(columns, axis=1) / one[:, None]
        return found


def terms_of(windows: np.ndarray) -> Terms:
    """Return a series' constants, from windows of its first half in sigmas."""
    from scipy.optimize import minimize

    squared = np.minimum(windows[:, _MOVE] ** 2, _CUT)

    def unlikely(logs: np.ndarray) -> float:
        limit = Terms(tuple(np.exp(logs)), 0, 0).limit(windows)
        return float(np.mean(np.log(limit) + squared / limit))

    found = minimize(unlikely, np.log([0.3, 0.3, 0.4]), method="L-BFGS-B", bounds=[(-4, 3)] * 3)
    floor, near, running = (float(value) for value in np.exp(found.x))
    bare = Terms((floor, near, running), 0, 0)
    move, peer = windows[:, _MOVE], windows[:, _PEER]
    if not peer.any():
        return bare
    scale = np.sqrt(bare.limit(windows))
    return Terms(
        bare.variance, float(move @ peer / (peer @ peer)), float(np.corrcoef(move / scale, peer / scale)[0, 1])
    )


@dataclass(frozen=True)
class Pool:
    """Windows of all series to learn from: inputs, whether they are faulty, and how much they count."""

    inputs: np.ndarray
    faulty: np.ndarray
    weights: np.ndarray


def pooled(halves: Mapping[str, np.ndarray], terms: Mapping[str, Terms], seed: int) -> Pool:
    """Return honest windows and faults of all first halves."""
    rng = np.random.default_rng(seed)
    inputs, faulty, weights = [], [], []
    for key, half in halves.items():
        rows = half[rng.permutation(len(half))[:ROWS]]
        own = terms[key]
        scale, paired = np.sqrt(own.limit(rows)), bool(rows[:, _PEER].any())
        share = ROWS / len(rows) / ROUNDS
        # Counted as if every series had as many windows.
        parts = [(rows, False, HONEST_WEIGHT * ROUNDS * share)]
        for _ in range(ROUNDS):
            step = rng.choice((-1, 1), len(rows)) * np.exp(
                rng.uniform(math.log(SIZES[0]), math.log(SIZES[1]), len(rows))
            )
            step *= np.where(rng.random(len(rows)) < 0.5, scale, 1)
            parts.append((_moved(rows, step, 0), True, share))
            if paired:
                parts.append((_moved(rows, step, step), True, 0.2 * 0.2 * share))
                lie = rng.choice((-1, 1), len(rows)) * np.exp(rng.uniform(0, np.log(10), len(rows)))
                parts.append((_moved(rows, 0, lie), False, HONEST_WEIGHT * 0.02 * share))
        for windows, is_faulty, weight in parts:
            inputs.append(own.inputs(windows))
            faulty.append(np.full(len(windows), is_faulty))
            weights.append(np.full(len(windows), weight))
    return Pool(np.concatenate(inputs), np.concatenate(faulty), np.concatenate(weights))


def _moved(windows: np.ndarray, own: np.ndarray | float, peer: np.ndarray | float) -> np.ndarray:
    found = windows.copy()
    found[:, _MOVE] = np.clip(found[:, _MOVE] + own, -_MOST, _MOST)
    found[:, _PEER] = np.clip(found[:, _PEER] + peer, -_MOST, _MOST)
    return found


@dataclass(frozen=True)
class Networks:
    """Small ReLU networks whose scores are added up: which is one network again.

    Attributes:
        scale: What each input is divided by.
        layers: Of each network: weights and biases of the hidden layer, then of the score.
    """

    scale: np.ndarray
    layers: tuple[tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray], ...]

    @property
    def weights(self) -> int:
        """The number of weights and biases."""
        return sum(part.size for layer in self.layers for part in layer)

    def score(self, inputs: np.ndarray) -> np.ndarray:
        """Return the score of each row of inputs."""
        scaled = inputs / self.scale
        found = np.zeros(len(inputs))
        for weights, biases, out, bias in self.layers:
            found += (np.maximum(scaled @ weights + biases, 0) @ out + bias)[:, 0]
        return found


@dataclass(frozen=True)
class Trees:
    """Boosted trees on the same inputs."""

    model: Any

    def score(self, inputs: np.ndarray) -> np.ndarray:
        """Return the score of each row of inputs."""
        return np.asarray(self.model.decision_function(inputs))


@dataclass(frozen=True)
class OfSeries:
    """A network's score of a series' windows, or the trees'."""

    model: Networks | Trees
    terms: Terms

    def __call__(self, windows: np.ndarray) -> np.ndarray:
        return self.model.score(self.terms.inputs(windows))


@dataclass(frozen=True)
class Learnt:
    """The lesson of all series, for one of them: the models by name, and the series' own constants."""

    models: Mapping[str, Networks | Trees]
    terms: Terms


def learn_all(halves: Mapping[str, np.ndarray], seed: int) -> dict[str, Learnt]:
    """Return what the first halves of all series teach, for each of them.

    Args:
        halves: Windows of FEATURES in sigmas, by series.
        seed: Seed of all draws.
    """
    terms = {key: terms_of(half) for key, half in halves.items()}
    models = learn(pooled(halves, terms, seed), seed)
    return {key: Learnt(models, terms[key]) for key in halves}


def learn(pool: Pool, seed: int) -> dict[str, Networks | Trees]:
    """Return networks and boosted trees that tell faulty windows from honest ones, by name."""
    from sklearn.ensemble import HistGradientBoostingClassifier
    from sklearn.exceptions import ConvergenceWarning
    from sklearn.neural_network import MLPClassifier
    from threadpoolctl import threadpool_limits

    scale = np.sqrt((pool.inputs[~pool.faulty] ** 2).mean(axis=0)) + 1e-6
    scaled = pool.inputs / scale
    weights = pool.weights / pool.weights.mean()
    layers = []
    # Threads wait for each other longer than such small layers take.
    with warnings.catch_warnings(), threadpool_limits(1):
        warnings.simplefilter("ignore", ConvergenceWarning)
        for member in range(MEMBERS):
            network = MLPClassifier(
                (UNITS,), batch_size=2_048, learning_rate_init=4e-3, max_iter=EPOCHS, random_state=seed + member
            )
            network.fit(scaled, pool.faulty, sample_weight=weights)
            (first, last), (biases, bias) = network.coefs_, network.intercepts_
            layers.append((first, biases, last, bias))
        trees = HistGradientBoostingClassifier(max_iter=TREES, max_leaf_nodes=15, random_state=seed)
        trees.fit(pool.inputs, pool.faulty, sample_weight=weights)
    return {"network": Networks(scale, tuple(layers)), "trees": Trees(trees)}
