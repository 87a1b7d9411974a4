"""Seams of a network's node, for tests and demonstrations: a part is passed through a function before it is used.

No configuration reaches them: `oracle run` uses every part as it is.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Protocol

from aiohttp.typedefs import Middleware

from oracle.feeds.interface import ReportListener, Signers, TransactionSender
from oracle.network.messages import AnswerMessage, SignedRequest

__all__ = ["AnsweringMember", "NodeSeams"]


class AnsweringMember(Protocol):
    """Answers requests, and looks at what its own key is said to have signed: `oracle.network.member.Member`."""

    async def answer(self, signed: SignedRequest) -> AnswerMessage:
        """Return this node's answers to a report."""
        ...

    async def heard_own(self, message: AnswerMessage) -> None:
        """Look at a message that this node's own key has signed, and that somebody else has sent."""
        ...


def _same_member(member: AnsweringMember) -> AnsweringMember:
    return member


def _same_signers(signers: Signers) -> Signers:
    return signers


def _same_sender(sender: TransactionSender) -> TransactionSender:
    return sender


@dataclass(frozen=True)
class NodeSeams:
    """The functions that a node's parts are passed through.

    Attributes:
        member: For what answers requests.
        signers: For what collects.
        sender: For what sends reports.
        middlewares: What the server for members passes requests through, once they are admitted.
        listener: Hears what becomes of reports, beside the node's own listener.
    """

    member: Callable[[AnsweringMember], AnsweringMember] = _same_member
    signers: Callable[[Signers], Signers] = _same_signers
    sender: Callable[[TransactionSender], TransactionSender] = _same_sender
    middlewares: Sequence[Middleware] = ()
    listener: ReportListener | None = None
