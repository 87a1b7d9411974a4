"""Shares with confidence intervals, and percentiles.

The standard library has no intervals of shares, and scipy is an extra. So Wilson's and Newcombe's formulas are written
out here, from their sources; for Clopper and Pearson's, scipy inverts the beta function, and numpy draws the samples of
a bootstrap.
"""

from __future__ import annotations

import math
import statistics
from collections.abc import Hashable, Iterable, Sequence
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import TYPE_CHECKING

from oracle.core.errors import ToolMissing

if TYPE_CHECKING:
    import numpy as np

__all__ = ["Rate", "block_bootstrap", "clopper_pearson", "clustered", "newcombe", "percentile", "widened", "wilson"]


@dataclass(frozen=True, slots=True)
class Rate:
    """A share with its interval.

    Attributes:
        hits: The number of hits.
        of: The total.
        share: hits / of; None if the total is 0.
        low: Lower end of the interval.
        high: Upper end of the interval.
    """

    hits: int
    of: int
    share: float | None
    low: float
    high: float


def wilson(hits: int, of: int, z: float = 1.959964) -> Rate:
    """Return a share with Wilson's score interval (1927), which is good for few hits too.

    Args:
        hits: At most `of`.
        of: The total; 0 means that the share is not known, and the interval is 0 to 1.
        z: Quantile of the normal distribution; the default gives 95 %.
    """
    if of == 0:
        return Rate(0, 0, None, 0.0, 1.0)
    share = hits / of
    middle = (share + z * z / (2 * of)) / (1 + z * z / of)
    half = z / (1 + z * z / of) * math.sqrt(share * (1 - share) / of + z * z / (4 * of * of))
    low = 0.0 if hits == 0 else max(0.0, middle - half)
    high = 1.0 if hits == of else min(1.0, middle + half)
    return Rate(hits, of, share, low, high)


def clustered(hits: int, episodes: int, of: int) -> Rate:
    """Return the share of hits that come in episodes, with an interval that takes account of it.

    Hits of one episode are not independent: counted one by one they would make the interval too narrow. So the interval
    is that of the episodes, in a total divided by the mean size of an episode (Kish's effective sample size).
    """
    size = hits / episodes if episodes else 1.0
    apart = wilson(episodes, round(of / size))
    return Rate(hits, of, hits / of if of else None, apart.low, apart.high)


def newcombe(one: Rate, other: Rate) -> tuple[float, float, float]:
    """Return the difference of two shares, and the ends of its interval, from the intervals of the two.

    The formula is method 10 of R. Newcombe, Statistics in Medicine 17 (1998), p. 873.

    Args:
        one: A share with Wilson's interval; its total is not 0.
        other: The share that is subtracted, likewise.
    """
    assert one.share is not None and other.share is not None
    difference = one.share - other.share
    low = difference - math.hypot(one.share - one.low, other.high - other.share)
    high = difference + math.hypot(one.high - one.share, other.share - other.low)
    return difference, low, high


def clopper_pearson(hits: float, of: float, confidence: float) -> tuple[float, float]:
    """Return Clopper and Pearson's interval of a share (1934).

    The interval is exact: it covers the share at least as often as it says, for 0 hits too.

    Args:
        hits: At most `of`. Both may be fractions, as an effective sample size is.
        of: The total.
        confidence: For instance 0.95.

    Raises:
        ToolMissing: scipy is not installed.
    """
    try:
        from scipy.special import betaincinv  # an optional extra
    except ImportError as error:
        raise ToolMissing("intervals need scipy: pip install 'verifiable-oracle[train]'") from error
    tail = (1 - confidence) / 2
    low = 0.0 if hits <= 0 else float(betaincinv(hits, of - hits + 1, tail))
    high = 1.0 if hits >= of else float(betaincinv(hits + 1, of - hits, 1 - tail))
    return low, high


def block_bootstrap(
    blocks: Sequence[Hashable],
    hits: Sequence[bool] | np.ndarray,
    *,
    draws: int = 1_000,
    confidence: float = 0.95,
) -> tuple[float, float]:
    """Return the interval of a share by Efron's percentile bootstrap over blocks, each of which hangs together.

    Blocks (days, say) are drawn whole, each a Poisson number of times, and the interval is of the shares in the draws.
    Where all blocks are alike, as where nothing was hit, it has no width: combine it with another one (see `widened`).

    Args:
        blocks: The block of each event.
        hits: True for each event that is a hit.
        draws: How often all blocks are drawn.
        confidence: For instance 0.95.

    Returns:
        Both ends, the same for the same events; 0 and 1 if there is none.

    Raises:
        ToolMissing: numpy is not installed.
    """
    try:
        import numpy as np  # an optional extra
    except ImportError as error:
        raise ToolMissing("a bootstrap needs numpy: pip install 'verifiable-oracle[train]'") from error
    if not len(hits):
        return 0.0, 1.0
    _, places = np.unique(np.asarray(blocks), return_inverse=True)
    total = np.bincount(places)
    counts = np.stack([np.bincount(places, weights=np.asarray(hits, dtype=float)), total]).astype(np.float32)
    drawn = _drawn(draws, 1 << (len(total) - 1).bit_length())[:, : len(total)] @ counts.T
    known = drawn[:, 1] > 0
    tail = (1 - confidence) / 2
    low, high = np.quantile(drawn[known, 0] / drawn[known, 1], (tail, 1 - tail))
    return float(low), float(high)


@lru_cache(maxsize=4)
def _drawn(draws: int, blocks: int) -> np.ndarray:
    """Return how often each block is in each draw: [draws, blocks]."""
    import numpy as np

    return np.random.default_rng(1).poisson(1.0, (draws, blocks)).astype(np.float32)


def widened(rate: Rate, interval: tuple[float, float]) -> Rate:
    """Return a share whose interval covers another interval of it too: what neither of the two excludes."""
    return replace(rate, low=min(rate.low, interval[0]), high=max(rate.high, interval[1]))


def percentile(values: Iterable[float], rank: int) -> float:
    """Return a percentile of some values, interpolated between the two nearest values.

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
