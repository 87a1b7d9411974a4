"""The board keeps what each source said when it was last read, and how the members of a network stand.

`/sources` shows the first, and `oracle status` asks for it. `/network` shows the second.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from oracle.sources.interface import Reading

__all__ = ["Board", "SourceStatus"]


@dataclass(frozen=True, slots=True)
class SourceStatus:
    """The answer of one source when it was last read.

    Attributes:
        state: "agrees": its value is among those that agree; "outlier": it was left out; "unused": there were too few
            values; "failed" or "suspended": it gave none.
        value: A decimal number; empty if the source gave none.
        observed_at: Unix seconds; 0 if the source gave no value.
        detail: How far off the value is, or why there is none.
    """

    source: str
    state: Literal["agrees", "outlier", "unused", "failed", "suspended"]
    value: str = ""
    observed_at: int = 0
    detail: str = ""

    @classmethod
    def from_reading(
        cls, reading: Reading, state: Literal["agrees", "outlier", "unused"], detail: str = ""
    ) -> SourceStatus:
        """Return the status of a source that gave a value."""
        return cls(reading.source, state, f"{reading.value:f}", reading.observed_at, detail)


@dataclass
class Board:
    """The latest answers of the sources of each feed.

    Attributes:
        network: The state of the network as this node sees it, for JSON; None: there is none.
    """

    network: Mapping[str, Any] | None = None
    _feeds: dict[str, tuple[int, tuple[SourceStatus, ...]]] = field(default_factory=dict)

    def update(self, feed: str, at: int, said: Sequence[SourceStatus]) -> None:
        """Take over the latest answers of a feed's sources.

        Args:
            at: When they were read, in unix seconds.
            said: One for each source.
        """
        self._feeds[feed] = (at, tuple(said))

    def document(self) -> Mapping[str, Any]:
        """Return the board as JSON has it: by feed, when its sources were read and what each said."""
        return {
            feed: {
                "looked_at": at,
                "sources": [
                    {
                        "source": each.source,
                        "state": each.state,
                        "value": each.value,
                        "observed_at": each.observed_at,
                        "detail": each.detail,
                    }
                    for each in said
                ],
            }
            for feed, (at, said) in self._feeds.items()
        }
