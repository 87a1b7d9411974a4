"""The shelf: reports that are proven and kept, for whoever brings them to the chain.

It has the newest one of each feed, in the journal and so over a restart. What is served of it is tried against the
chain first: see `oracle.app.updates`.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Collection, Iterable, Sequence
from typing import Protocol

from oracle.core.stages import KeptReport, Proven
from oracle.core.types import FeedState, Outcome

__all__ = ["KEPT", "Shelf", "ShelfJournal"]

KEPT = "kept for whoever brings it"


class ShelfJournal(Protocol):
    """The journal, as the shelf needs it."""

    def kept(self) -> Sequence[KeptReport]:
        """Return the newest report that is kept, of each feed that has one."""
        ...

    def offer(self, kept: Collection[KeptReport], keys: Collection[str], reason: str) -> None:
        """Journal that observations ended, as their report is kept: all of it, or nothing."""

    def outcome(self, key: str) -> Outcome | None:
        """Return how an observation ended; None if it is open, or not in the journal."""
        ...


class Shelf:
    """Keeps the newest report of each feed. It is used from one event loop."""

    def __init__(
        self,
        journal: ShelfJournal,
        pack: Callable[[Proven], Awaitable[bytes]],
        pulled: Callable[[str, FeedState], None] = lambda feed, state: None,
    ) -> None:
        """Open the shelf with what the journal has.

        Args:
            journal: Has what was kept.
            pack: Simulates a report, and returns the call with which anyone can bring it.
            pulled: Called with a feed and its state when the chain shows that somebody has brought one of its reports.

        Raises:
            JournalError, JournalUnavailable: It can't be read.
        """
        self._journal = journal
        self._pack = pack
        self._pulled = pulled
        self._kept = {each.feed: each for each in journal.kept()}
        self._seen: dict[str, int] = {}

    def kept(self, feed: str) -> KeptReport | None:
        """Return the feed's newest report that is kept; the chain may have it by now, or a later one."""
        return self._kept.get(feed)

    async def put(self, proven: Proven) -> None:
        """Simulate a proven report, keep it, and journal that its observations have ended so.

        Raises:
            StateMoved, ContractRejected, ChainUnavailable: The chain would not take it now.
            JournalError, JournalUnavailable: It can't be written down; then nothing is kept.
        """
        calldata = await self._pack(proven)
        signed, rounds = proven.scored.signed, proven.scored.round_ids
        kept = [
            KeptReport(
                each.feed,
                each.feed_id,
                round_id,
                signed.median(signed.report.feed_ids.index(each.feed_id)),
                each.observed_at,
                calldata,
            )
            for each, round_id in zip(proven.due, rounds, strict=True)
        ]
        self._journal.offer(kept, proven.keys, KEPT)
        self._kept |= {each.feed: each for each in kept}

    def looked(self, states: Iterable[tuple[str, FeedState]]) -> None:
        """Look at feeds' states on the chain for reports that somebody has brought.

        Raises:
            JournalError, JournalUnavailable: It can't be read.
        """
        for feed, state in states:
            before, self._seen[feed] = self._seen.get(feed), state.last_report_at
            if before is None or before == state.last_report_at:
                continue
            # What this daemon itself brought has another outcome.
            if self._journal.outcome(f"{feed}@{state.last_report_at}") is Outcome.OFFERED:
                self._pulled(feed, state)
