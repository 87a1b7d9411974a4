"""Small models for claims."""

from __future__ import annotations

import numpy as np

from oracle.claims import ClaimFeature, ModelSpec
from tests.models import model, node, weights

QUARTERS = ("low", "middle", "high", "top")


def linear(matrix: np.ndarray, bias: np.ndarray, names: tuple[str, ...]) -> ModelSpec:
    """Return a model of features in [0, 1] with an output for each column."""
    features, count = matrix.shape
    graph = model(
        [node("Gemm", ["x", "w", "b"])],
        ["N", features],
        [weights("w", matrix), weights("b", bias)],
    )
    assert len(bias) == count
    return ModelSpec("linear", graph, tuple(ClaimFeature(f"x{at}") for at in range(features)), classes=names)


def centroids() -> ModelSpec:
    """Return four classes by the nearest of drawn centroids: |x − c|² is least where 2 c·x − |c|² is largest."""
    draw = np.random.default_rng(4)
    centres = np.array([draw.normal(0.2 + 0.2 * at, 0.05, (50, 3)).mean(axis=0) for at in range(len(QUARTERS))])
    return linear(2 * centres.T, -(centres**2).sum(axis=1), QUARTERS)


def several(name: str = "several", *, changes: bool) -> ModelSpec:
    """Return a linear model of three features in [0, 1] with three outputs: a, b and c."""
    draw = np.random.default_rng(6)
    graph = model(
        [node("Gemm", ["x", "w", "b"])],
        ["N", 3],
        [weights("w", draw.normal(size=(3, 3))), weights("b", draw.normal(size=3))],
    )
    features = tuple(ClaimFeature(f"x{at}") for at in range(3))
    return ModelSpec(name, graph, features, outputs=("a", "b", "c"), changes=changes)
