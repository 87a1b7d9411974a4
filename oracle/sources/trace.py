"""The trace of one reading: what a source found on its way to a value, for whoever tries it before trusting it.

A source that has more to show than a value has a method `read_traced`. It does what `read` does, and adds to a `Trace`
as it goes: what it found is there although the reading fails.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, Protocol, runtime_checkable

from oracle.sources.interface import Reading

__all__ = ["Match", "Trace", "Traceable"]


@dataclass(frozen=True, slots=True)
class Match:
    """A value that was found where the configuration says.

    Attributes:
        where: The configuration's word for the place: a JSONPath, a column, a function of a contract.
        found: The value as the source wrote it.
    """

    where: str
    found: str


@dataclass(slots=True)
class Trace:
    """The steps of one reading.

    Attributes:
        matches: The values that were found where the configuration says, in the order of the steps.
        document: The answer as it was parsed; None if there is none, or the source has no documents.
        sought: The JSONPath that was looked for in vain in the document; empty if none was.
        is_refused: True if the other side answered, and what it said needs a person: a wrong URL, missing credentials.
        notes: Facts about the source that no value shows: the rows of a recording, the rounds of a feed.
        suggestions: Changes of the configuration that would fit what was found, the best first.
    """

    matches: list[Match] = field(default_factory=list)
    document: Any = None
    sought: str = ""
    is_refused: bool = False
    notes: list[str] = field(default_factory=list)
    suggestions: list[str] = field(default_factory=list)


@runtime_checkable
class Traceable(Protocol):
    """A source that tells what it finds on its way to a value."""

    async def read_traced(self, trace: Trace) -> Reading:
        """Return the present value, as `Source.read` does, and add to `trace` what is found on the way.

        Raises:
            SourceUnavailable, DataError: As `Source.read`; the trace has what was found before.
        """
