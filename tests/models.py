"""The benchmark's models in the smallest size, for tests that build them often."""

from __future__ import annotations

from collections.abc import Callable

from oracle.bench.zoo import (
    Built,
    autoencoder,
    cnn,
    linear,
    logistic,
    mlp,
    model,
    node,
    points,
    trees,
    weights,
)

__all__ = ["ALL", "autoencoder", "cnn", "linear", "logistic", "mlp", "model", "node", "points", "trees", "weights"]

ALL: dict[str, Callable[[], Built]] = {each.__name__: each for each in (linear, logistic, mlp, autoencoder, trees, cnn)}
