"""Faults of members, and whoever takes note of them.

A fault is noted where it is seen: by the server (requests, told answers), by the transmitter (answers to its requests)
and by the watcher of the chain (what transmitters brought). `oracle.network.casebook` keeps it, once, with the signed
messages that prove it; `oracle.network.proofs` judges from these messages alone whether they do.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Protocol

__all__ = ["EvidenceSink", "FaultKind", "MemberFault", "NoEvidence"]


class FaultKind(StrEnum):
    """A kind of fault. Its proof is what a `MemberFault` has to carry for it."""

    CONTRADICTION = "contradiction"
    """Two valid signatures of one key for one feed and turn, with different times or answers. Answers: both."""
    INVALID_SIGNATURE = "invalid_signature"
    """An answer whose signature is not the member's. Answers: it. Anybody could have sent it: no proof for others."""
    FOREIGN = "foreign"
    """A valid signature for another round, feed, hub, chain or epoch than asked for. Answers: it; and the request."""
    BEYOND_SPREAD = "beyond_spread"
    """An answer further from the others than the feed's spread allows. Answers: the member's first, then the others."""
    SILENCE = "silence"
    """No answer to a request, in time. Only the word of the node that asked."""
    REFUSAL = "refusal"
    """A refusal of a request that seems to be in order. Only the word of the node that asked."""
    LEFT_OUT = "left_out"
    """A transmitter left out answers that were heard in time. Answers: those. When they came is this node's word."""
    WITHHELD = "withheld"
    """The holder of a turn asked for answers, and nothing came onto the chain. Request: the holder's."""
    BAD_REQUEST = "bad_request"
    """A signed request out of turn, or of another time or network. Request: it. Asking is provable, its time is not."""
    FLOOD = "flood"
    """More requests or messages than the limit. Only this node's word."""
    READINGS = "readings"
    """Readings are missing, or the answer does not follow from them. Answers: theirs; `document` in the details."""


@dataclass(frozen=True, slots=True)
class MemberFault:
    """A fault of a member, as it was seen.

    It is kept once for each kind, member, turn and feed, however often it is noted.

    Attributes:
        kind: The kind.
        member: The member's reporter address, checksummed. Whoever is no member is not noted, only counted.
        turn: The turn that it belongs to.
        summary: The fault in one sentence, with the figures that matter; without secrets.
        feed_id: The feed that it is about, 32 bytes; None if it is about none in particular.
        answers: Answer messages that prove it, as they came, parsed from JSON.
        request: The signed request that belongs to it, as it came, parsed from JSON.
        details: Further facts that this node says itself, for JSON.
    """

    kind: FaultKind
    member: str
    turn: int
    summary: str
    feed_id: bytes | None = None
    answers: tuple[Mapping[str, Any], ...] = ()
    request: Mapping[str, Any] | None = None
    details: Mapping[str, Any] = field(default_factory=dict)


class EvidenceSink(Protocol):
    """Takes note of faults."""

    def note(self, fault: MemberFault) -> None:
        """Take note of a fault. Returns at once (the disk is written later, elsewhere), and never raises."""
        ...


class NoEvidence:
    """Takes note of nothing."""

    def note(self, fault: MemberFault) -> None:
        """Do nothing."""
