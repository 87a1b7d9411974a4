"""The guard band: how an output of an approximate circuit is read, so that neither its error nor its prover decides."""

from __future__ import annotations

from collections.abc import Sequence
from enum import StrEnum
from fractions import Fraction
from typing import Protocol

from oracle.core.errors import DataError


class Banded(Protocol):
    """The outputs, as the manifest of a circuit, or of a split model, describes them; see `Manifest`."""

    @property
    def name(self) -> str: ...
    @property
    def outputs(self) -> int: ...
    @property
    def score_unit(self) -> int: ...
    @property
    def disclosure(self) -> str: ...
    @property
    def exact(self) -> bool: ...
    @property
    def guard_band(self) -> tuple[int, ...]: ...


class Side(StrEnum):
    """The sides of a threshold on which an output can be."""

    ABOVE = "above"
    BELOW = "below"
    UNDECIDED = "undecided"


def side_of(manifest: Banded, score: int, threshold: float, output: int = 0) -> Side:
    """Return the side of a threshold on which a published output is.

    An output of an exact circuit that is equal to the threshold is not above it. Nothing of an exact circuit is
    undecided.

    Args:
        manifest: The one of the model whose proof was verified.
        score: The published integer.
        threshold: In units of the model's output.
        output: The output's index.

    Raises:
        DataError: The artifact has no such output, or the threshold is not finite.
    """
    _require_scores(manifest)
    if not 0 <= output < manifest.outputs:
        raise DataError(f"{manifest.name} has {manifest.outputs} outputs, counted from 0; there is no output {output}")
    try:
        over = score - Fraction(threshold) * manifest.score_unit
    except (OverflowError, ValueError) as error:
        raise DataError(f"a threshold of {threshold} is no number") from error
    band = 0 if manifest.exact else manifest.guard_band[output]
    if over > band:
        return Side.ABOVE
    return Side.BELOW if manifest.exact or over < -band else Side.UNDECIDED


def largest_of(manifest: Banded, scores: Sequence[int]) -> int | None:
    """Return the index of the largest published output, the first of equal ones; None if it is undecided.

    Args:
        manifest: The one of the model whose proof was verified.
        scores: The published integers.

    Raises:
        DataError: They are not as many as the artifact's outputs.
    """
    _require_scores(manifest)
    if len(scores) != manifest.outputs:
        raise DataError(f"{len(scores)} scores; {manifest.name} has {manifest.outputs} outputs")
    best = max(range(len(scores)), key=lambda at: (scores[at], -at))
    if manifest.exact:
        return best
    bands = manifest.guard_band
    rivals = [each for at, each in enumerate(scores) if at != best and each + bands[at] >= scores[best] - bands[best]]
    return None if rivals else best


def _require_scores(manifest: Banded) -> None:
    if manifest.disclosure != "score":
        raise DataError(f"{manifest.name} publishes verdicts, which need no threshold")
