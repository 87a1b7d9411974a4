"""Telling all members what was signed: a moment later, once, and without waiting for anybody.

Each member has a queue and a sender of its own, so one that is slow, or gone, delays nobody else. What does not get
through is lost: whoever misses an answer knows a little less, and nothing depends on it.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Mapping

import structlog

from oracle.core.concurrency import together
from oracle.network.client import MemberClient, MemberInvalid, MemberSilent
from oracle.network.messages import AnswerMessage, Refused

__all__ = ["TOLD_AFTER_S", "Teller"]

log = structlog.get_logger(__name__)

TOLD_AFTER_S = 0.1
"""Seconds for which a message waits: whoever asked gets its answer first, and machines and lines are free for that."""

MOST_WAITING = 64
"""The most messages that wait for one member; the oldest gives way."""


class Teller:
    """Tells members messages."""

    def __init__(self, members: Mapping[str, MemberClient], after_s: float = TOLD_AFTER_S) -> None:
        """Prepare to tell.

        Args:
            members: The members, by the addresses of their reporters. If this node is among them, it tells itself: at
                its public URL, another process with the same key may answer, which has to hear of it.
            after_s: Seconds for which a message waits before it is told.
        """
        self._queues = {reporter: _Queue(client, after_s) for reporter, client in members.items()}

    def tell(self, message: AnswerMessage) -> None:
        """Tell all members a message. Returns at once."""
        for queue in self._queues.values():
            queue.put(message)

    async def run(self) -> None:
        """Send until cancelled."""
        await together(*(each.run() for each in self._queues.values()))


class _Queue:
    """The messages that one member is still to be told."""

    def __init__(self, client: MemberClient, after_s: float) -> None:
        self._client = client
        self._after_s = after_s
        self._waiting: deque[AnswerMessage] = deque(maxlen=MOST_WAITING)
        self._wake = asyncio.Event()
        self._told = ""

    def put(self, message: AnswerMessage) -> None:
        self._waiting.append(message)
        self._wake.set()

    async def run(self) -> None:
        while True:
            await self._wake.wait()
            await asyncio.sleep(self._after_s)
            self._wake.clear()
            while self._waiting:
                await self._send(self._waiting.popleft())

    async def _send(self, message: AnswerMessage) -> None:
        problem = ""
        try:
            await self._client.tell(message)
        except (MemberSilent, MemberInvalid, Refused) as error:
            problem = str(error)
        if problem != self._told:  # said when it changes, not for each message
            if problem:
                log.info("a member does not take what it is told", member=self._client.name, reason=problem)
            else:
                log.info("a member takes what it is told again", member=self._client.name)
        self._told = problem
