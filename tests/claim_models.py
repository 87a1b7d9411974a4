"""Small models for claims."""

from __future__ import annotations

from functools import cache
from typing import Any

import numpy as np
import pytest

import oracle
from oracle.claims import ClaimFeature, ModelSpec
from oracle.proving.exporting import ExportedModel
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


SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {
        "a": {"type": "number", "minimum": -1, "maximum": 1},
        "b": {"type": "number", "minimum": 0, "maximum": 4},
        "home": {"enum": ["rents", "owns"]},
    },
}
_DRAW = np.random.default_rng(3)
WEIGHTS = weights("w", 0.5 * _DRAW.normal(size=(4, 3)))
LAST = weights("v", _DRAW.normal(size=(3, 1)))
ATTENDED = [node("MatMul", ["x", "w"], "s"), node("Softmax", ["s"], "p", axis=1)]
APPROXIMATE: dict[str, tuple[bytes, dict[str, Any]]] = {
    "number": (model([*ATTENDED, node("MatMul", ["p", "v"])], ["N", 4], [WEIGHTS, LAST]), {"changes": True}),
    "probability": (
        model([*ATTENDED, node("MatMul", ["p", "v"], "l"), node("Sigmoid", ["l"])], ["N", 4], [WEIGHTS, LAST]),
        {},
    ),
    "numbers": (model([*ATTENDED, node("Mul", ["p", "s"])], ["N", 4], [WEIGHTS]), {"names": ("k", "l", "m")}),
    "classes": (model([*ATTENDED, node("Mul", ["p", "s"])], ["N", 4], [WEIGHTS]), {"classes": ("k", "l", "m")}),
    "probabilities": (
        model([*ATTENDED, node("Mul", ["p", "s"], "t"), node("Softmax", ["t"])], ["N", 4], [WEIGHTS]),
        {"names": ("k", "l", "m")},
    ),
}


@cache
def approximate(name: str) -> ModelSpec:
    """Return an approximate model at the coarsest scale, which leaves its prover most."""
    onnx, more = APPROXIMATE[name]
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oracle.claims.measuring.LEVELS", (8,))
        return oracle.claim_model(
            name,
            ExportedModel(name, onnx),
            SCHEMA,
            approximate=True,
            tolerance=1.0 if "classes" in more else 5.0,
            **more,
        )
