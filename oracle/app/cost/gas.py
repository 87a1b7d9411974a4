"""The gas of a transaction with several feeds."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

__all__ = ["BENCHMARK", "GasOfReports"]


@dataclass(frozen=True, slots=True)
class GasOfReports:
    """The gas of a transaction, by the number of feeds that it carries.

    Attributes:
        base: Gas of the transaction itself and of its proof.
        feed: Gas of each feed.
    """

    base: float
    feed: float

    def of(self, feeds: int) -> float:
        """Return the gas of a transaction with so many feeds."""
        return self.base + self.feed * feeds

    @classmethod
    def measured(cls, transactions: Iterable[tuple[int, int]]) -> GasOfReports | None:
        """Return the line through transactions, by least squares; None if there are none.

        With one size only, the benchmark says how much of it each feed adds.

        Args:
            transactions: The number of feeds and the gas of each.
        """
        found = list(transactions)
        if not found:
            return None
        count = len(found)
        size, gas = sum(n for n, _ in found) / count, sum(used for _, used in found) / count
        spread = sum((n - size) ** 2 for n, _ in found)
        slope = BENCHMARK.feed if not spread else sum((n - size) * (used - gas) for n, used in found) / spread
        slope = min(max(slope, 0.0), gas / size)
        return cls(gas - slope * size, slope)


BENCHMARK = GasOfReports(547_694, 66_863)
"""The packaged model, as docs/performance.md measures it: 614,557 gas of one feed, 16 times 101,094 of sixteen."""
