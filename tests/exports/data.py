"""Data that come with scikit-learn: features and targets."""

from __future__ import annotations

import numpy as np
from sklearn import datasets

Table = tuple[np.ndarray, np.ndarray]


def _table(load: object) -> Table:
    features, target = load(return_X_y=True)  # type: ignore[operator]
    return features.astype(np.float32), target


def cancer() -> Table:
    """Return 569 tumours with 30 features of very different sizes, and two classes."""
    return _table(datasets.load_breast_cancer)


def iris() -> Table:
    """Return 150 flowers with four features, and three classes."""
    return _table(datasets.load_iris)


def wine() -> Table:
    """Return 178 wines with 13 features of different sizes, and three classes."""
    return _table(datasets.load_wine)


def diabetes() -> Table:
    """Return 442 patients with ten features of like size, and a number to predict."""
    return _table(datasets.load_diabetes)


def digits() -> Table:
    """Return 1,797 images of 8×8 pixels from 0 to 16, and ten classes."""
    return _table(datasets.load_digits)
