"""Parting: after a failure, the feed at fault is left out of a report, and the rest is signed again.

A report is signed and proven as a whole, so one feed can make it fail for all. If the error names the feed, the feed
goes on by itself. If it names none, the report goes on in two halves, and so on, until the feed at fault is alone.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from oracle.core.errors import (
    ArtifactError,
    ContractRejected,
    MemoryExceeded,
    OracleError,
    ProofInvalid,
    ProverUnavailable,
    StateMoved,
)
from oracle.core.stages import Decided

__all__ = ["Parts", "part"]

_OF_ANY = (ArtifactError, ContractRejected, MemoryExceeded, ProofInvalid, ProverUnavailable)
"""Errors that one feed of a report can cause for the others, without being named."""


@dataclass(frozen=True, slots=True)
class Parts:
    """The parts in which a report goes on.

    Attributes:
        at_fault: The observations that the error is about; None if it is not known, or about none of them.
        rest: What is signed again, each by itself.
    """

    at_fault: Decided | None
    rest: tuple[Decided, ...]


def part(decided: Decided, error: OracleError, peers: Mapping[bytes, Sequence[bytes]]) -> Parts | None:
    """Return how a report goes on after an error; None if the error is nobody's, and has to pass.

    Args:
        decided: The report, of one observation or several.
        error: What made it fail.
        peers: The peers of each feed that is due, by its id: an error about a peer is about the feed.
    """
    feed_id = getattr(error, "feed_id", None)
    about = [
        each.key
        for each in decided.due
        if feed_id is not None and (feed_id == each.feed_id or feed_id in peers.get(each.feed_id, ()))
    ]
    if about:
        rest = decided.only([key for key in decided.keys if key not in about])
        return Parts(decided.only(about), () if rest is None else (rest,))
    if len(decided.due) == 1:
        return Parts(decided, ()) if isinstance(error, StateMoved | ContractRejected) else None
    if isinstance(error, StateMoved):  # about the transaction, which can't be mined any more, or about the committee
        return Parts(None, (decided,))
    return Parts(None, halves(decided)) if isinstance(error, _OF_ANY) else None


def halves(decided: Decided) -> tuple[Decided, ...]:
    """Return a report of several observations as two."""
    middle = (len(decided.keys) + 1) // 2
    found = (decided.only(decided.keys[:middle]), decided.only(decided.keys[middle:]))
    return tuple(each for each in found if each is not None)
