"""The terms of a feed's adapters, from which their addresses follow."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum

from oracle.core.formats import NOBODY

NO_FEED = NOBODY


class AdapterMode(IntEnum):
    """The rule by which an adapter gives the latest round, as the contract's number for it."""

    PLAIN = 0
    STRICT = 1
    LAST_GOOD = 2


@dataclass(frozen=True, slots=True)
class AdapterTerms:
    """The terms of an adapter, from which its address follows: `IZkAggregator.Terms`, in its order.

    Attributes:
        bound: The largest age of an answer in seconds (LAST_GOOD); else 0.
        uptime_feed: The chain's feed of its sequencer's uptime; the zero address: no guard.
        grace: Seconds after the sequencer's return without an answer; 0 without a guard.
    """

    mode: AdapterMode = AdapterMode.PLAIN
    bound: int = 0
    uptime_feed: str = NO_FEED
    grace: int = 0

    @property
    def values(self) -> tuple[int, int, str, int]:
        """The terms as arguments of the factory."""
        return (int(self.mode), self.bound, self.uptime_feed, self.grace)

    @property
    def is_guarded(self) -> bool:
        """True if the adapter looks at the sequencer."""
        return self.uptime_feed != NO_FEED

    def __str__(self) -> str:
        """Return the terms in a few words, as in a step's name: "last-good 7200 s"."""
        words = self.mode.name.lower().replace("_", "-")
        words += f" {self.bound} s" if self.bound else ""
        return words + (f" guarded by {self.uptime_feed} ({self.grace} s)" if self.is_guarded else "")


PLAIN = AdapterTerms()
"""The terms of the adapter that a hub links."""
