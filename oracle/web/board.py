"""What each source said when it was last read: for `/sources`, and `oracle status`, which asks for it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

from oracle.sources.interface import Reading

__all__ = ["Board", "Said"]


@dataclass(frozen=True, slots=True)
class Said:
    """What became of one source at the latest look.

    Attributes:
        state: Whether its value was among those that agree, was left out, was one of too few, or there was none.
        value: A decimal number; empty if there was none.
        observed_at: Unix seconds; 0 if there was none.
        detail: How far off, or why there was none.
    """

    source: str
    state: Literal["agrees", "outlier", "unused", "failed", "suspended"]
    value: str = ""
    observed_at: int = 0
    detail: str = ""

    @classmethod
    def of(cls, reading: Reading, state: Literal["agrees", "outlier", "unused"], detail: str = "") -> Said:
        """Of a source that gave a value."""
        return cls(reading.source, state, f"{reading.value:f}", reading.observed_at, detail)


@dataclass
class Board:
    """The latest look at each feed's sources."""

    _feeds: dict[str, tuple[int, tuple[Said, ...]]] = field(default_factory=dict)

    def looked(self, feed: str, at: int, said: Sequence[Said]) -> None:
        """A feed's sources were read.

        Args:
            at: Unix seconds.
            said: One for each source.
        """
        self._feeds[feed] = (at, tuple(said))

    def document(self) -> Mapping[str, Any]:
        """As JSON has it: by feed, the time of the look and what each source said."""
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
