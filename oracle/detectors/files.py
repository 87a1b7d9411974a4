"""What readers of model files share: each mistake is one line that names the file and the key."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from oracle.core.encoding import CLIP
from oracle.core.errors import DataError

if TYPE_CHECKING:
    import numpy as np


def checked_mapping(value: object, where: str, keys: set[str]) -> dict[str, Any]:
    """A JSON object with exactly these keys."""
    if not isinstance(value, dict):
        raise DataError(f"{where} must be an object with the keys {', '.join(sorted(keys))}")
    wrong = sorted(keys.symmetric_difference(value))
    if wrong:
        kind = "missing" if wrong[0] in keys else "unknown"
        raise DataError(f"{where}: {kind} key {wrong[0]!r}; expected {', '.join(sorted(keys))}")
    return value


def integer(value: object, where: str) -> int:
    """A JSON integer."""
    if not isinstance(value, int) or isinstance(value, bool):
        raise DataError(f"{where}: {value!r} is not an integer")
    return value


def integers(value: object, where: str) -> tuple[int, ...]:
    """A JSON list of integers."""
    if not isinstance(value, list):
        raise DataError(f"{where} must be a list of integers")
    return tuple(integer(each, where) for each in value)


def text_of(value: object, where: str) -> str:
    """A JSON text."""
    if not isinstance(value, str):
        raise DataError(f"{where}: {value!r} is not a text")
    return value


def clipped_table(windows: Sequence[Sequence[int]] | np.ndarray, features: int) -> np.ndarray:
    """Windows as Python's integers [count, features].

    Raises:
        ValueError: Another number of features, or one that is not clipped.
    """
    import numpy as np

    if not len(windows):
        return np.zeros((0, features), dtype=object)
    # From NumPy's integers too: they would overflow.
    rows = windows.tolist() if isinstance(windows, np.ndarray) else [list(row) for row in windows]
    table = np.array(rows, dtype=object)
    if table.ndim != 2 or table.shape[1] != features:
        raise ValueError(f"windows of shape {table.shape}; the model has {features} features")
    if abs(table).max() > CLIP:
        raise ValueError(f"features must be within ±{CLIP}")
    return table


def verdicts(scores: np.ndarray) -> np.ndarray:
    """1 where a score is positive, 0 where not, as Python's integers."""
    import numpy as np

    return np.where((scores > 0).astype(bool), 1, 0).astype(object)
