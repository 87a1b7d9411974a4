"""Windows and scores as tables of Python's integers: exact, however large."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oracle.core.encoding import CLIP


def clipped_table(windows: Sequence[Sequence[int]] | np.ndarray, features: int) -> np.ndarray:
    """Return windows as Python's integers [count, features], of dtype object.

    Raises:
        ValueError: A window has another number of features, or one that is not clipped.
    """
    if not len(windows):
        return np.zeros((0, features), dtype=object)
    # NumPy's integers would overflow, so they are converted too.
    rows = windows.tolist() if isinstance(windows, np.ndarray) else [list(row) for row in windows]
    table = np.array(rows, dtype=object)
    if table.ndim != 2 or table.shape[1] != features:
        raise ValueError(f"windows of shape {table.shape}; the model has {features} features")
    if abs(table).max() > CLIP:
        raise ValueError(f"features must be within ±{CLIP}")
    return table


def verdict(scores: np.ndarray) -> np.ndarray:
    """Return 1 for each window of which a score is positive, else 0: Python's integers, [count, 1]."""
    held = (scores > 0).astype(bool).any(axis=1)
    return np.where(held, 1, 0).astype(object).reshape(-1, 1)
