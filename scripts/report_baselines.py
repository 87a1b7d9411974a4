"""Detectors that a data scientist would take: three of PyOD, River's HalfSpaceTrees, a GARCH(1,1) limit of `arch`.

Each learns from the windows of a series' first half, with the same features that the hub derives for every model. Each
gives a window a score; its limit is the score that the budget's share of those windows exceeds. So the evaluation can
replay it behind the gate like any detector, though none of them could be proven as it is.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np

from oracle.core import encoding
from oracle.core.encoding import Feature
from oracle.core.errors import ToolMissing
from oracle.detectors.evaluation.replay import Scoring
from oracle.detectors.interface import Explanation
from oracle.detectors.kinds.imported import ImportedDetector
from oracle.detectors.kinds.quadratic import QuadraticModel

__all__ = [
    "BASELINES",
    "Baseline",
    "Measured",
    "Score",
    "graded",
    "in_units",
    "kept_features",
    "require",
    "scalable",
]

Score = Callable[[np.ndarray], np.ndarray]
"""Windows as floats, in sigmas and heartbeats, to a score each: the larger, the more anomalous."""

_MEMORY = 1 - 2.0**-encoding.VARIANCE_MEMORY


@dataclass(frozen=True)
class Baseline:
    """A score with a limit, as the evaluation takes a detector.

    Attributes:
        name: Its name.
        features: What a window has.
        score: The score.
        limit: Scores above it are objected to.
        spread: The severity grows by a factor of e with so much score.
        score_unit: The score that is shown as 1.
    """

    name: str
    features: tuple[Feature, ...]
    score: Score
    limit: float
    spread: float
    score_unit: int = 1

    def severity_many(self, windows: np.ndarray) -> np.ndarray:
        """Return how near each window is to the limit: 1 is the limit."""
        above = (self.score(in_units(windows)) - self.limit) / self.spread
        found: np.ndarray = np.exp(np.clip(above, -50, 50))
        return found

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        """Return 1 for each window that is objected to, and -1 for each other."""
        return np.where(self.severity_many(np.asarray(windows)) > 1, 1, -1)[:, None]

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the same of one window."""
        return (int(self.score_many([features])[0, 0]),)

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        """Return the severity."""
        value = float(self.severity_many(np.array([features]))[0])
        return (Explanation("score", value - 1, {}, value, 1.0, "the score, in parts of its limit"),)


Severity = Callable[[np.ndarray], np.ndarray]
"""Windows in integers, to how near each is to the limit: 1 is the limit."""


class Measured:
    """A detector with a measure of its own of how near a window is to the limit, remembered for single windows."""

    def __init__(self, inner: Scoring, severity: Severity) -> None:
        self._inner, self._severity = inner, severity
        self._known: dict[bytes, np.ndarray] = {}
        self.name, self.features, self.score_unit = inner.name, inner.features, inner.score_unit

    def severity_many(self, windows: np.ndarray) -> np.ndarray:
        """Return how near each window is to the limit. A search for limits asks for the same single ones many times."""
        if len(windows) != 1:
            return self._severity(windows)
        key = np.asarray(windows, dtype=np.int64).tobytes()
        if key not in self._known:
            self._known[key] = self._severity(windows)
        return self._known[key]

    def score_many(self, windows: Sequence[Sequence[int]] | np.ndarray) -> np.ndarray:
        """Return the detector's scores."""
        return self._inner.score_many(windows)

    def score_int(self, features: Sequence[int]) -> tuple[int, ...]:
        """Return the detector's scores of one window."""
        return self._inner.score_int(features)

    def explain(self, features: Sequence[int]) -> tuple[Explanation, ...]:
        """Return the severity."""
        value = float(self.severity_many(np.array([features]))[0])
        return (Explanation("severity", value - 1, {}, value, 1.0, "in parts of the limits"),)


def scalable(detector: Scoring) -> Scoring:
    """Return a detector whose severity is in proportion to its limits, so that scaling is fair to it, and fast."""
    if isinstance(detector, ImportedDetector) and "guard" in detector.training:
        return Measured(detector, lambda windows: _autoencoder_severity(detector, windows))
    if isinstance(detector, QuadraticModel):
        return Measured(detector, lambda windows: _quadratic_severity(detector, windows))
    if hasattr(detector, "severity_many"):
        graded_: Severity = detector.severity_many
        return Measured(detector, graded_)
    return detector


def _autoencoder_severity(detector: ImportedDetector, windows: np.ndarray) -> np.ndarray:
    """Return the squared error of each window, in parts of what is allowed after such a past."""
    told, table = detector.training, np.asarray(windows, dtype=np.float64) / 2**detector.input_scale
    share = float(told["factor"]) * (1 - float(told["guard"])) / (1_000 / 2**detector.input_scale)
    allowed = share * table[:, -1] * (1 + (table[:, 1:-1] ** 2).sum(axis=1))
    scores = detector.score_many(windows)[:, 0].astype(np.float64) / detector.score_unit
    found: np.ndarray = 1 + scores / allowed
    return found


def _quadratic_severity(model: QuadraticModel, windows: np.ndarray) -> np.ndarray:
    """Return the square of the move, or of the sum of all moves, in parts of its limit."""
    table = np.asarray(windows, dtype=np.float64)
    squares, gap, one = table[:, 1:-1] ** 2, table[:, -1], 2.0**model.param_scale
    spike = gap * (model.floor + squares @ np.array(model.past, dtype=np.float64)) / one
    drift = gap * (model.drift_floor + model.drift_past * squares.sum(axis=1)) / one
    found: np.ndarray = np.maximum(table[:, 0] ** 2 / spike, table[:, :-1].sum(axis=1) ** 2 / drift)
    return found


def kept_features(peers: int) -> tuple[Feature, ...]:
    """Return what a window has: the moves, the running variance, the peers' moves and the gap."""
    beside = [moved for moved, _ in encoding.PEER_FEATURES[:peers]]
    return (Feature.MOVE, *encoding.PAST, Feature.VARIANCE, *beside, Feature.GAP)


def in_units(windows: np.ndarray) -> np.ndarray:
    """Return windows as floats, in sigmas and heartbeats."""
    return np.asarray(windows, dtype=np.float64) / 1_000


def graded(name: str, features: tuple[Feature, ...], score: Score, learnt: np.ndarray, budget: float) -> Baseline:
    """Return a score with the limit that at most the budget's share of the learnt windows exceed."""
    found = score(learnt)
    over = min(len(found) - 1, int(budget * len(found)))
    limit = float(np.sort(found)[::-1][over])
    return Baseline(name, features, score, limit, max(1e-9, (limit - float(np.median(found))) / 4))


def _ecod(learnt: np.ndarray, seed: int) -> Score:
    """Return ECOD's score: the sum over features of the log of how rare a value is, in the tail that counts most.

    The formula is PyOD's, with the tails of the learnt windows. PyOD takes those of the judged windows too, so that
    faults which are judged together would hide each other.
    """
    return _tails(learnt, copula=False)


def _copod(learnt: np.ndarray, seed: int) -> Score:
    """Return COPOD's score, likewise."""
    return _tails(learnt, copula=True)


def _tails(learnt: np.ndarray, *, copula: bool) -> Score:
    from scipy.stats import skew

    ordered = np.sort(learnt, axis=0)
    with warnings.catch_warnings():
        # Where a value never changes.
        warnings.simplefilter("ignore", RuntimeWarning)
        signs = np.sign(skew(learnt, axis=0))
    rows = len(learnt)

    def score(windows: np.ndarray) -> np.ndarray:
        left, right = np.empty(windows.shape), np.empty(windows.shape)
        for column in range(windows.shape[1]):
            known, asked = ordered[:, column], windows[:, column]
            left[:, column] = np.searchsorted(known, asked, side="right") + 1
            right[:, column] = rows - np.searchsorted(known, asked, side="left") + 1
        left, right = -np.log(left / (rows + 1)), -np.log(right / (rows + 1))
        skewed = left * -np.sign(signs - 1) + right * np.sign(signs + 1)
        if copula:
            found: np.ndarray = np.maximum(skewed, (left + right) / 2).sum(axis=1)
            return found
        found = np.maximum(skewed, np.maximum(left, right)).sum(axis=1)
        return found

    return score


def _iforest(learnt: np.ndarray, seed: int) -> Score:
    from pyod.models.iforest import IForest

    forest = IForest(random_state=seed)
    forest.fit(learnt)

    def score(windows: np.ndarray) -> np.ndarray:
        return np.asarray(forest.decision_function(windows))

    return score


def _half_space(learnt: np.ndarray, seed: int) -> Score:
    """Return the score of half-space trees that have seen the learnt windows, each value scaled to 0 to 1.

    River's trees are walked as arrays: one by one a report's windows would take an hour.
    """
    from river.anomaly import HalfSpaceTrees

    low, high = learnt.min(axis=0), learnt.max(axis=0)
    width = np.where(high > low, high - low, 1)
    trees = HalfSpaceTrees(n_trees=25, height=8, window_size=250, seed=seed)
    for row in ((learnt - low) / width).tolist():
        trees.learn_one(dict(enumerate(row)))
    height, least = trees.height, 0.1 * trees.window_size
    tables = []
    for tree in trees.trees:
        level, nodes = [tree], []
        for _ in range(height + 1):
            nodes += level
            level = [child for node in level for child in getattr(node, "children", ())]
        inner = [(node.feature, node.threshold) if hasattr(node, "threshold") else (0, 0.0) for node in nodes]
        tables.append(
            (np.array([at for at, _ in inner]), np.array([at for _, at in inner]), np.array([n.r_mass for n in nodes]))
        )
    most = trees.n_trees * trees.window_size * (2 ** (height + 1) - 1)

    def score(windows: np.ndarray) -> np.ndarray:
        scaled = (windows - low) / width
        rows, found = np.arange(len(scaled)), np.zeros(len(scaled))
        for feature, threshold, mass in tables:
            at, going = np.zeros(len(scaled), dtype=np.int64), np.ones(len(scaled), dtype=bool)
            for depth in range(height + 1):
                found += np.where(going, mass[at] * 2.0**depth, 0)
                going &= mass[at] >= least
                if depth < height:
                    # A level lies behind the one above it: the children of node n are 2n + 1 and 2n + 2.
                    at = 2 * at + 1 + (scaled[rows, feature[at]] >= threshold[at])
        whole: np.ndarray = 1 - found / most
        return whole

    return score


def _garch(learnt: np.ndarray, seed: int) -> Score:
    """Return the squared move over the variance that a GARCH(1,1) predicts, as a log.

    Its three parameters are fitted to the first half, with Student's t, and stay. The forecast rolls over the last
    twelve moves; what came before them is the feed's running variance as it was then.
    """
    from arch import arch_model

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        fitted = arch_model(learnt[:, 0], mean="Zero", vol="GARCH", p=1, q=1, dist="t", rescale=False).fit(disp="off")
    omega, alpha, beta = (float(fitted.params[key]) for key in ("omega", "alpha[1]", "beta[1]"))
    past, at_variance = encoding.RING_SIZE, 1 + encoding.RING_SIZE

    def score(windows: np.ndarray) -> np.ndarray:
        variance = windows[:, at_variance]
        for age in range(past):
            # The newest round first, out of the running variance again.
            squared = np.minimum(windows[:, 1 + age] ** 2, encoding.CLIP / 1_000)
            variance = np.maximum(0, variance - (1 - _MEMORY) * squared) / _MEMORY
        for age in reversed(range(past)):
            variance = omega + alpha * windows[:, 1 + age] ** 2 + beta * variance
        found: np.ndarray = np.log(np.maximum(windows[:, 0] ** 2, 1e-9) / (variance * windows[:, -1]))
        return found

    return score


BASELINES: dict[str, Callable[[np.ndarray, int], Score]] = {
    "ecod": _ecod,
    "copod": _copod,
    "iforest": _iforest,
    "half-space-trees": _half_space,
    "garch": _garch,
}
"""By name: windows to learn from and a seed, to the score."""


def require() -> None:
    """Raise an error if a library of the baselines is missing.

    Raises:
        ToolMissing: One is.
    """
    from importlib.util import find_spec

    missing = [name for name in ("pyod", "river", "arch", "sklearn", "scipy") if find_spec(name) is None]
    if missing:
        raise ToolMissing(
            f"the report's baselines need {', '.join(missing)}, which are not installed; `make detector-report "
            "DATA=FOLDER` installs them, and --without-baselines leaves them out"
        )
