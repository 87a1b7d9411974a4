"""The hub's integer arithmetic on arrays: moves, gaps and variances of many feeds at once, exactly.

Every function is `oracle.core.encoding`'s of the same name, element by element. Answers are int64 where they are small
enough, and Python's integers (dtype object) where not; see `answers_array`.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from oracle.core import encoding
from oracle.core.encoding import CLIP, GAP_ONE, VARIANCE_BITS, VARIANCE_MEMORY
from oracle.core.types import Kind

__all__ = ["Column", "answers_array", "fit_int64", "gaps", "moves", "near", "peer_moves", "variances"]

Column = np.ndarray

_HALF = 2**62
"""A divisor below this leaves room for its double in an int64."""


def fit_int64(answers: Sequence[int], sigmas: Sequence[int]) -> bool:
    """Return True if moves between these answers can be computed in int64: `moves` needs answer · sigma below 2^62."""
    return max(map(abs, answers), default=0) * max(1, *sigmas) < _HALF


def answers_array(answers: Sequence[int], *, small: bool) -> Column:
    """Return answers as int64 if they are small (see `fit_int64`), else as Python's integers."""
    return np.array(answers, dtype=np.int64 if small else object)


def moves(kind: Kind, sigma: int, answers: Column, references: Column) -> Column:
    """Return the moves from references to answers, in thousandths of sigma, clipped: int64.

    There is none from a reference of 0 or less on a relative feed: what is returned for it has no meaning.
    """
    if answers.dtype == object or references.dtype == object:
        known = np.where(references > 0, references, 1) if kind is Kind.RELATIVE else references
        pairs = zip(answers.tolist(), known.tolist(), strict=True)
        return np.array([encoding.move(kind, sigma, answer, before) for answer, before in pairs], dtype=np.int64)
    if kind is Kind.ABSOLUTE:
        return _clipped_quotient(answers - references, 1_000, np.full(len(answers), sigma, dtype=np.int64))
    positive = (answers > 0) & (references > 0)
    divisor = np.where(positive, np.minimum(answers, references), 1) * np.int64(sigma)
    found = _clipped_quotient(answers - references, 10**9, divisor)
    return np.where(answers > 0, found, -CLIP)


def _clipped_quotient(difference: Column, factor: int, divisor: Column) -> Column:
    """Return difference · factor / divisor, truncated and clipped, without the product, which would not fit.

    The float's quotient is at most 1 off where it is within the clip. The remainder, which is below 2 divisors, is
    exact modulo 2^64, and tells which of the three it is.
    """
    magnitude = np.abs(difference)
    estimate = magnitude.astype(np.float64) * factor / divisor.astype(np.float64)
    beyond = estimate > CLIP + 1
    quotient = np.where(beyond, 0, estimate).astype(np.int64)
    with np.errstate(over="ignore"):
        remainder = magnitude * np.int64(factor) - quotient * divisor
    quotient += (remainder >= divisor).astype(np.int64) - (remainder < 0)
    return np.where(difference < 0, -1, 1) * np.where(beyond, CLIP, np.minimum(quotient, CLIP))


def near(kind: Kind, sigma: int, answers: Column, references: Column, tolerance: int) -> np.ndarray:
    """Return where two answers are within `tolerance`."""
    within: np.ndarray = np.abs(moves(kind, sigma, answers, references)) <= tolerance
    if kind is Kind.RELATIVE:
        within &= (answers > 0).astype(bool) & (references > 0).astype(bool)
    return within


def gaps(times: Column, last: Column, heartbeat: int) -> Column:
    """Return the times since the last accepted observations, in thousandths of the heartbeat: int64."""
    found: Column = np.clip((times - last) * 1_000 // heartbeat, GAP_ONE, CLIP)
    return found


def variances(stored: Column, moved: Column, gap: Column) -> Column:
    """Return the running variances after one more round."""
    squares = np.minimum(moved * moved // gap, CLIP)
    found: Column = stored - (stored >> VARIANCE_MEMORY) + (squares << (VARIANCE_BITS - VARIANCE_MEMORY))
    return found


def peer_moves(kind: Kind, sigma: int, answers: Column, kept: Column) -> tuple[Column, Column]:
    """Return how far peers moved, and 1 where that could be measured, else 0."""
    if kind is Kind.RELATIVE:
        known = (answers > 0).astype(bool) & (kept > 0).astype(bool)
    else:
        known = np.ones(len(answers), dtype=bool)
    moved = np.where(known, moves(kind, sigma, answers, np.where(known, kept, 1)), 0)
    return moved, (known & (np.abs(moved) < CLIP)).astype(np.int64)
