"""A prover that uses its freedom: either side at each division, and at each checked function a result beside it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import pytest

from oracle.proving.lowering.program import CHECKED
from oracle.proving.reference.circuit import Circuit
from oracle.proving.reference.functions import results

Pick: TypeAlias = Callable[[tuple[int, ...]], Any]
"""Takes a shape, and returns −1, 0 or 1 for each number: down, or up if positive."""


def picks(seed: int = 1) -> tuple[Pick, Pick, Pick]:
    """Return provers that always take less, always more, and either at random."""
    rng = np.random.default_rng(seed)
    return (
        lambda shape: np.full(shape, -1),
        lambda shape: np.full(shape, 1),
        lambda shape: rng.integers(-1, 2, size=shape),
    )


def published(circuit: Circuit, windows: Any, pick: Pick) -> Any:
    """Return what a circuit publishes of windows if its prover picks [count, outputs]."""

    def quotient(value: Any, drop: int) -> Any:
        return np.where(pick(value.shape) > 0, -(-value >> drop), value >> drop)

    def result(function: str, values: Any, scale: int) -> Any:
        made = results(function, values, scale)
        return made + pick(made.shape).astype(object) if function in CHECKED else made

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("oracle.proving.reference.circuit.quotient", quotient)
        patch.setattr("oracle.proving.reference.arithmetic.results", result)
        return circuit.evaluate_exactly(windows)
