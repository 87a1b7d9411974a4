"""All metric names in one place, counted in this process.

`Metrics` is what the rest writes to; an exporter reads `snapshot`. Nothing else knows how metrics are kept.
"""

from __future__ import annotations

import statistics
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum

__all__ = ["Counter", "Distribution", "Metrics", "Summary", "percentile"]

KEPT = 4_096
"""Latest values of a distribution that its percentiles are of: a daemon's memory must not grow."""


class Counter(StrEnum):
    """Things that are counted, for each feed."""

    OBSERVATIONS = "oracle_observations_total"
    ACCEPTED = "oracle_accepted_total"
    HELD = "oracle_held_total"
    SUPERSEDED = "oracle_superseded_total"
    FAILED = "oracle_failed_total"
    SOURCE_FAILURES = "oracle_source_failures_total"


class Distribution(StrEnum):
    """Things that are measured, for each feed."""

    PROVE_SECONDS = "oracle_prove_seconds"
    LATENCY_SECONDS = "oracle_observed_to_confirmed_seconds"
    GAS = "oracle_submission_gas"


@dataclass(frozen=True, slots=True)
class Summary:
    """What is known of a distribution. Percentiles and the largest are of the latest `KEPT` values."""

    count: int
    total: float
    p50: float
    p95: float
    largest: float


class Metrics:
    """Counters and distributions by feed. Not for several threads at once."""

    def __init__(self) -> None:
        self._counters: dict[tuple[Counter, str], int] = {}
        self._values: dict[tuple[Distribution, str], deque[float]] = {}
        self._totals: dict[tuple[Distribution, str], tuple[int, float]] = {}

    def count(self, counter: Counter, feed: str, by: int = 1) -> None:
        """Add to a counter; counters never go down."""
        if by < 0:
            raise ValueError(f"{counter.value} can't go down by {-by}")
        self._counters[counter, feed] = self._counters.get((counter, feed), 0) + by

    def observe(self, distribution: Distribution, feed: str, value: float) -> None:
        """Add a value to a distribution."""
        key = distribution, feed
        self._values.setdefault(key, deque(maxlen=KEPT)).append(value)
        count, total = self._totals.get(key, (0, 0.0))
        self._totals[key] = count + 1, total + value

    def counted(self, counter: Counter, feed: str | None = None) -> int:
        """A counter's value: of one feed, or of all."""
        return sum(n for (which, of), n in self._counters.items() if which is counter and feed in (None, of))

    def summary(self, distribution: Distribution, feed: str | None = None) -> Summary | None:
        """A distribution of one feed, or of all; None if nothing was measured."""
        keys = [key for key in self._values if key[0] is distribution and feed in (None, key[1])]
        values = [value for key in keys for value in self._values[key]]
        if not values:
            return None
        return Summary(
            count=sum(self._totals[key][0] for key in keys),
            total=sum(self._totals[key][1] for key in keys),
            p50=percentile(values, 50),
            p95=percentile(values, 95),
            largest=max(values),
        )

    def snapshot(self) -> Mapping[tuple[str, str], int | Summary]:
        """Everything, by metric name and feed."""
        taken: dict[tuple[str, str], int | Summary] = {
            (counter.value, feed): value for (counter, feed), value in self._counters.items()
        }
        for distribution, feed in self._values:
            summary = self.summary(distribution, feed)
            if summary is not None:
                taken[distribution.value, feed] = summary
        return taken


def percentile(values: Iterable[float], rank: int) -> float:
    """The percentile of some values, interpolated between the two nearest.

    Args:
        values: At least one.
        rank: 1 to 99.

    Raises:
        ValueError: There are no values, or the rank is out of range.
    """
    data = list(values)
    if not data or not 1 <= rank <= 99:
        raise ValueError(f"no percentile {rank} of {len(data)} values")
    if len(data) == 1:
        return data[0]
    return statistics.quantiles(data, n=100, method="inclusive")[rank - 1]
