"""The rate at which two models disagree, as it was measured, and what follows from that for a shadow period. Pure."""

from __future__ import annotations

from dataclasses import dataclass
from math import exp, lgamma

__all__ = ["LIKELY", "Disagreement"]

LIKELY = 0.99
"""The probability with which a shadow period passes under the terms that are proposed, if reports go on as measured."""


@dataclass(frozen=True, slots=True)
class Disagreement:
    """A count of reports that two models judged, and of those that only one of them accepts.

    Attributes:
        reports: Reports that both models judged.
        differing: Those of them that one model accepts and the other does not.
    """

    reports: int
    differing: int

    def __post_init__(self) -> None:
        if not 0 <= self.differing <= self.reports:
            raise ValueError(f"{self.differing} of {self.reports} reports can't differ")

    def chance(self, compared: int, allowed: int) -> float:
        """Return the probability that at most `allowed` of the next `compared` reports differ.

        The rate itself is known only as well as so many reports tell it: it has Jeffreys' prior, so the number that
        differs is beta-binomial.
        """
        return min(1.0, sum(self._likelihood(compared, each) for each in range(min(allowed, compared) + 1)))

    def allowance(self, compared: int) -> int:
        """Return the least number of disagreements to allow so that `compared` reports stay within it: see `LIKELY`."""
        total = 0.0
        for allowed in range(compared):
            total += self._likelihood(compared, allowed)
            if total >= LIKELY:
                return allowed
        return compared

    def _likelihood(self, compared: int, differing: int) -> float:
        """Return the probability that exactly so many of the next reports differ."""
        yes, no = self.differing + 0.5, self.reports - self.differing + 0.5
        return exp(
            _log_beta(differing + yes, compared - differing + no)
            - _log_beta(yes, no)
            + lgamma(compared + 1)
            - lgamma(differing + 1)
            - lgamma(compared - differing + 1)
        )


def _log_beta(a: float, b: float) -> float:
    return lgamma(a) + lgamma(b) - lgamma(a + b)
