"""A contract's events over a range of blocks, from a node that gives as many at once as it likes.

What comes back is what was asked for: each event once, in the chain's order. Of what a node adds (events of others,
events outside of the range, those that a reorganisation removed) nothing is kept, and the log says so. A node that says
two things about one event is not believed. What a node leaves out can't be seen here.
"""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Awaitable, Callable, Mapping, Sequence
from typing import Any, TypeAlias

import structlog

from oracle.chain.transport import answers
from oracle.chain.transport.answers import Log
from oracle.chain.transport.interface import (
    BlockMissing,
    HistoryMissing,
    MethodMissing,
    NodeError,
    NullRound,
    TooMuchAsked,
)
from oracle.core.errors import AnswerNotBelieved
from oracle.core.formats import to_hex

log = structlog.get_logger(__name__)

Topics: TypeAlias = Sequence[Sequence[bytes] | None]
"""For each position, the values that match; None matches all."""

Ask: TypeAlias = Callable[[dict[str, Any]], Awaitable[Any]]
"""Makes one `eth_getLogs` request."""

_BLOCK_PAUSES_S = (0.5, 2.0)
_TAKEN_UNTIL_WIDER = 8
_TAKEN_UNTIL_TRIED_AGAIN, _TAKEN_AT_MOST = 32, 1_024
_REFUSALS_UNTIL_CERTAIN = 3
_NULL_ROUNDS = 16
"""Blocks in a row that nobody made, at most, at an end of a range."""

_CERTAIN = (BlockMissing, HistoryMissing, MethodMissing)
"""Errors that no smaller range mends."""


class Ranges:
    """The number of blocks to ask a node for at once. It is kept from one query to the next.

    A limit that the node names is used as it is. Without a name it is searched: between what was taken and what was
    refused. Where the limit is one of results it moves, so what was refused is tried again, more and more rarely.

    Attributes:
        width: That number.
    """

    def __init__(self) -> None:
        self.width = 0
        self._most: int | None = None
        self._good = 0
        self._refused: int | None = None
        self._before: int | None = None
        self._taken = 0
        self._patience = _TAKEN_UNTIL_TRIED_AGAIN

    def begin(self, chunk: int) -> None:
        """Begin a query that would like to ask for `chunk` blocks at once."""
        self.width = min(chunk, self.width) if self.width else chunk

    def refused(self, first: int, last: int, error: NodeError) -> None:
        """Ask for less: as much as the node suggests, or names, or as was taken before, or half."""
        asked = last - first + 1
        self._taken = 0
        suggested = error.suggested if isinstance(error, TooMuchAsked) else None
        if suggested is not None and suggested[0] == first and suggested[1] < last:
            self.width = suggested[1] - first + 1
            return
        named = [size for size in error.sizes if size < asked] if isinstance(error, TooMuchAsked) else []
        if named:
            self._most = self.width = max(named)
            return
        if self._refused is None and self._good:
            # Nothing has changed: what was found before still holds.
            self._patience, self._refused = min(2 * self._patience, _TAKEN_AT_MOST), self._before
        self._refused = min(asked, self._refused or asked)
        if self._good >= asked:
            self._good, self._before = 0, None
        self.width = self._good or max(1, asked // 2)

    def taken(self, asked: int, chunk: int) -> None:
        """Note that the node took a range. After some, ask for more."""
        if asked < self.width:
            return
        self._good = self.width
        self._taken += 1
        most = min(chunk, self._most or chunk)
        if self._refused is not None and self.width + 1 >= self._refused:
            if self._taken < self._patience:
                return
            self._refused, self._before = None, self._refused
        if self._taken >= _TAKEN_UNTIL_WIDER and self.width < most:
            wider = 2 * self.width
            self.width = min(most, wider if self._refused is None else min(wider, (self.width + self._refused) // 2))
            self._taken = 0


async def read_logs(
    ask: Ask, name: str, ranges: Ranges, address: str, first: int, last: int, topics: Topics, chunk: int
) -> list[Log]:
    """Return a contract's events in blocks `first` to `last`, in order.

    Args:
        name: The endpoint, for messages.
        chunk: The most blocks to ask for at once.

    Raises:
        AnswerNotBelieved: The node says two things about one event.
        ChainUnavailable: No answer, or one that is malformed.
    """
    wanted = [None if any_of is None else [to_hex(topic) for topic in any_of] for any_of in topics]
    query = {"address": address, "topics": wanted}
    found = _Events(name, answers.address(address, "a query for logs"), topics)
    ranges.begin(chunk)
    refusals = 0
    while first <= last:
        until = min(last, first + ranges.width - 1)
        try:
            answer = await _ask_range(ask, query, first, until)
        except _CERTAIN:
            raise
        except NodeError as error:
            if first == until:
                if not isinstance(error, TooMuchAsked):
                    raise
                found.add(await _one_block(ask, query, first, error), first, first)
                first += 1
                continue
            refusals += 1
            # The node may refuse the query for another reason, which no range mends: one block shows it.
            if not isinstance(error, TooMuchAsked) or refusals == _REFUSALS_UNTIL_CERTAIN:
                found.add(await _one_block(ask, query, first, error), first, first)
                first += 1
                if first > last:
                    break
            ranges.refused(first, until, error)
            continue
        refusals = 0
        found.add(answer, first, until)
        ranges.taken(until - first + 1, chunk)
        first = until + 1
    return found.in_order()


async def _one_block(ask: Ask, query: dict[str, Any], block: int, before: NodeError) -> Any:
    """Return the answer for one block. Raises `before`, why it or several were refused, if it is refused likewise.

    One block that is too much may be a limit of the rate, which some nodes tell in the same words: it is waited for.
    """
    for pause in (*_BLOCK_PAUSES_S, None):
        try:
            return await _ask_range(ask, query, block, block)
        except _CERTAIN:
            raise
        except TooMuchAsked:
            if pause is None:
                raise
            await asyncio.sleep(pause)
        except NodeError:
            raise before from None
    raise AssertionError


async def _ask_range(ask: Ask, query: dict[str, Any], first: int, last: int) -> Any:
    """Ask for a range. If nobody made the block at one end of it, that end is left out."""

    async def asked(since: int, until: int) -> Any:
        return await ask(query | {"fromBlock": hex(since), "toBlock": hex(until)})

    async def is_null(block: int) -> bool:
        try:
            await asked(block, block)
        except NullRound:
            return True
        return False

    for _ in range(_NULL_ROUNDS):
        try:
            return await asked(first, last)
        except NullRound:
            if first == last:
                return []
            # The message may name either end, or none.
            if await is_null(last):
                last -= 1
            elif await is_null(first):
                first += 1
            else:
                raise
    return await asked(first, last)


class _Events:
    """The events found so far.

    Args:
        name: The endpoint, for messages.
        address: The contract, with its checksum.
    """

    def __init__(self, name: str, address: str, topics: Topics) -> None:
        self._name = name
        self._address = address
        self._topics = topics
        self._logs: dict[tuple[int, bytes, int], Log] = {}
        self._blocks: dict[int, Log] = {}
        self._places: dict[tuple[int, int, int], Log] = {}
        self._dropped: Counter[str] = Counter()

    def add(self, answer: Any, first: int, last: int) -> None:
        """Add the answer for a range of blocks."""
        for each in answers.items(answer):
            if isinstance(each, Mapping) and each.get("removed") is True:
                self._dropped["removed by a reorganisation"] += 1
                continue
            if isinstance(each, Mapping) and each.get("blockNumber", "") is None:
                self._dropped["not in a block yet"] += 1
                continue
            event = answers.log(each)
            if unwanted := self._unwanted(event, first, last):
                self._dropped[unwanted] += 1
                continue
            self._keep(event)

    def in_order(self) -> list[Log]:
        """Return the events by their places on the chain, and say in the log what was left out."""
        if self._dropped:
            log.warning(
                "the RPC endpoint gave events that were not asked for: they are left out",
                endpoint=self._name,
                events=dict(self._dropped),
            )
        return sorted(self._logs.values(), key=lambda event: event.place)

    def _unwanted(self, event: Log, first: int, last: int) -> str:
        """Return why an event is not one that was asked for; empty if it is."""
        if event.address != self._address:
            return "of another contract"
        if not first <= event.block_number <= last:
            return "outside of the range"
        for position, any_of in enumerate(self._topics):
            if any_of and (len(event.topics) <= position or event.topics[position] not in any_of):
                return "with other topics"
        return ""

    def _keep(self, event: Log) -> None:
        same_block = self._blocks.setdefault(event.block_number, event)
        if same_block.block_hash != event.block_hash:
            raise AnswerNotBelieved(
                f"RPC endpoint {self._name} gives events of two blocks with number {event.block_number}, "
                f"{to_hex(same_block.block_hash)} and {to_hex(event.block_hash)}: the chain was reorganised meanwhile, "
                "or the endpoint contradicts itself; try again"
            )
        # An index may be counted anew in each transaction. In one transaction, it is one event's.
        same = self._logs.setdefault((event.block_number, event.tx_hash, event.log_index), event)
        same = self._places.setdefault(event.place, same)
        if same != event:
            raise AnswerNotBelieved(
                f"RPC endpoint {self._name} contradicts itself: it gives two different events {event.log_index} of "
                f"block {event.block_number}, in transactions {to_hex(same.tx_hash)} and {to_hex(event.tx_hash)}"
            )
