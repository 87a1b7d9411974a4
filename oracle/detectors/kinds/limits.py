"""Limits that the circuit sets to every kind: names, weights and scores."""

from __future__ import annotations

import re

from oracle.core.errors import DataError
from oracle.detectors.interface import Disclosure

MAX_SCORE_BITS = 126
"""Witness values are i128: scores and all intermediates stay below this."""

VERDICT_SCORE_BITS = 71
"""Verdict circuits compare within this many bits at most."""

FLOAT32_BITS = 24
"""Significant bits of a 32-bit float, which is what ONNX keeps of a weight."""

_NAME = re.compile(r"[a-z0-9][a-z0-9-]{0,62}")


def is_name(text: str) -> bool:
    """Return True if a text can name a model or an output: lower-case letters, digits and hyphens."""
    return _NAME.fullmatch(text) is not None


def check_name(name: str) -> None:
    """Raise an error if a model can't have this name.

    Raises:
        DataError: It can't.
    """
    if not is_name(name):
        raise DataError(f"model name {name!r} must be lower-case letters, digits and hyphens")


def check_scale(name: str, param_scale: int, least: int = 0) -> None:
    """Raise an error if a model can't have this parameter scale: `least` to 30.

    Raises:
        DataError: It can't.
    """
    if not least <= param_scale <= 30:
        raise DataError(f"model {name}: param_scale {param_scale} must be from {least} to 30")


def is_exact_float(weight: int) -> bool:
    """Return True if a weight is the same number as a 32-bit float."""
    magnitude = abs(weight)
    zeros = (magnitude & -magnitude).bit_length() - 1 if magnitude else 0
    return magnitude.bit_length() - zeros <= FLOAT32_BITS


def check_bound(name: str, bound: int, disclosure: Disclosure) -> None:
    """Raise an error if scores could exceed the circuit.

    Args:
        name: The model's name.
        bound: No intermediate value exceeds it in magnitude.
        disclosure: What the circuit publishes.

    Raises:
        DataError: They could.
    """
    bits = bound.bit_length()
    limit = VERDICT_SCORE_BITS if disclosure is Disclosure.VERDICT else MAX_SCORE_BITS
    if bits > limit:
        raise DataError(f"model {name}: scores need {bits} bits; the circuit has {limit}. Use smaller weights")
