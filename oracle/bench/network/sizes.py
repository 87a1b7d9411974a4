"""The networks that are measured."""

from __future__ import annotations

from dataclasses import dataclass

__all__ = ["SIZES", "NetworkSize"]


@dataclass(frozen=True, slots=True)
class NetworkSize:
    """The numbers of a network.

    Attributes:
        members: All members, n.
        quorum: Members that have to answer, q.
        faulty: Members that may be silent or lie, f.
    """

    members: int
    quorum: int
    faulty: int

    @property
    def honest(self) -> int:
        """Members that do not lie if as many as may do."""
        return self.members - self.faulty

    def __str__(self) -> str:
        return f"{self.members}, {self.quorum}, {self.faulty}"


SIZES = (NetworkSize(4, 3, 1), NetworkSize(7, 5, 2), NetworkSize(16, 11, 5), NetworkSize(31, 21, 10))
"""The sizes that are measured, each with the most faulty members that it bears: q = 2f + 1 and n ≥ 3f + 1."""
