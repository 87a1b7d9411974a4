"""The price that the sources of a test's network follow."""

from __future__ import annotations

import math


def price(feed: str, now: float) -> float:
    """Return a price that moves in each turn, and never far."""
    return 100.0 + 0.2 * math.sin(now / 7.0)
