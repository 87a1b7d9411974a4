"""Read a hub's history from one or several endpoints: its logs in order, the transactions behind them, their calls.

Each event is taken once, in the order of the chain, whatever order the endpoints give them in. What an endpoint lacks
and another one has is taken from that one, and said.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncGenerator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import TypeAlias, TypeVar

from oracle.audit.calls import JudgedEvent, TransactionCalls, lasting_calls
from oracle.audit.confirmed import first_denied
from oracle.audit.history import AdminEvent, HistoryEntry, ReportEvents
from oracle.audit.pinned import read_rounds
from oracle.audit.progress import AuditStep, Progress
from oracle.audit.record import AuditRecord
from oracle.audit.report import ProblemKind, ReportDraft
from oracle.audit.transactions import NOT_FOUND, calls_in
from oracle.audit.withheld import begins_with_the_creation
from oracle.chain.deploy.origin import first_block
from oracle.chain.hub import Hub, RoundAccepted, ShadowScored, hub_interface, round_event, shadow_event
from oracle.chain.rpc import LOG_BLOCKS, Rpc
from oracle.chain.transport.answers import Block, Log
from oracle.chain.transport.interface import NodeError
from oracle.core.errors import AnswerNotBelieved, ChainUnavailable, OracleError
from oracle.core.formats import from_hex, to_hex

_AHEAD = 24
"""Transactions that are fetched at once, ahead of the replay."""

_BLOCKS_CHECKED = 3
"""The latest blocks with events that are looked at: endpoints behind one name may follow different chains."""

_SPAN = 10 * LOG_BLOCKS
"""Blocks after whose logs the progress is told."""

_BLOCKS_KNOWN = 4_096
"""Block times that are remembered: neighbouring events are of the same blocks."""

T = TypeVar("T")

HubEvent: TypeAlias = AdminEvent | JudgedEvent


@dataclass(frozen=True)
class ReadEvent:
    """An event of the hub, with its log."""

    log: Log
    event: HubEvent


class HistoryReader:
    """Reads what happened at a hub up to the pinned block.

    Args:
        rpcs: The endpoints.
        hub: Reads the hub, through the first of them.
        pinned: The pinned block.
        draft: Takes what is wrong.
        record: The record of what earlier audits fetched.
        progress: Is told how far it is.

    Attributes:
        contradiction: How blocks contradict each other, as in a reorganisation; empty if they don't.
    """

    def __init__(
        self, rpcs: Sequence[Rpc], hub: Hub, pinned: Block, draft: ReportDraft, record: AuditRecord, progress: Progress
    ) -> None:
        self.contradiction = ""
        self._rpcs = rpcs
        self._hub = hub
        self._pinned = pinned
        self._draft = draft
        self._record = record
        self._progress = progress
        self._times: dict[tuple[int, bytes], int] = {}

    async def events(self, first: int | None) -> list[ReadEvent]:
        """Return the hub's events, in the order of the chain.

        Args:
            first: A block from which on to read; if the hub is older, what is before it is read, too. None: the block
                of the hub's creation is looked for.

        Raises:
            ChainUnavailable: No endpoint answers at all.
        """
        if first is None:
            first = await first_block(self._rpcs[0], self._hub.address, self._pinned.number)
        first = min(first, self._pinned.number)
        found = await self._logs(first, self._pinned.number)
        events = self._decoded(found)
        if first and not begins_with_the_creation(events[0].event if events else None):
            events = self._decoded([*await self._logs(0, first - 1), *found])
        await self._check_blocks([each.log for each in events])
        return events

    async def entries(self, events: Sequence[ReadEvent]) -> AsyncGenerator[HistoryEntry, None]:
        """Yield what happened, oldest first, with the transactions behind it. Some are fetched ahead.

        Raises:
            ChainUnavailable: No endpoint answers at all.
        """
        groups = _grouped(events)
        by_transaction: dict[bytes, list[Sequence[JudgedEvent]]] = {}
        for group in groups:
            if not isinstance(group, ReadEvent):
                by_transaction.setdefault(group[0].log.tx_hash, []).append(_judged(group))
        calls: dict[bytes, asyncio.Task[TransactionCalls]] = {}
        waiting: deque[asyncio.Task[HistoryEntry]] = deque()
        done, total = 0, len(groups)
        try:
            for group in groups:
                if not isinstance(group, ReadEvent):
                    tx_hash = group[0].log.tx_hash
                    if tx_hash not in calls:
                        if len(calls) > 2 * _AHEAD:
                            del calls[next(iter(calls))]
                        of = self._calls(tx_hash, by_transaction[tx_hash])
                        calls[tx_hash] = asyncio.create_task(of)
                    waiting.append(asyncio.create_task(self._reports(group, calls[tx_hash])))
                else:
                    waiting.append(asyncio.create_task(self._administered(group)))
                if len(waiting) >= _AHEAD:
                    yield await waiting.popleft()
                    done += 1
                    self._progress(AuditStep.SUBMISSIONS, done, total)
            while waiting:
                yield await waiting.popleft()
                done += 1
                self._progress(AuditStep.SUBMISSIONS, done, total)
        finally:
            for task in (*waiting, *calls.values()):
                task.cancel()
            await asyncio.gather(*waiting, *calls.values(), return_exceptions=True)

    async def traced(self, entry: ReportEvents) -> ReportEvents | None:
        """Return a relay's transaction with the calls that its trace shows; None if no node can trace it."""
        traced = await self._trace(from_hex(entry.tx_hash))
        return None if traced is None else replace(entry, calls=replace(entry.calls, inputs=b"", traced=traced))

    async def is_still_there(self) -> bool:
        """Return True if the pinned block is still part of the chain."""
        try:
            return (await self._rpcs[0].block(self._pinned.number)).hash == self._pinned.hash
        except ChainUnavailable:
            return False

    # --- logs --------------------------------------------------------------------------------------------------

    async def _logs(self, first: int, last: int) -> list[Log]:
        """Return the logs of all endpoints, united and in order."""
        found: dict[str, list[Log]] = {}
        asked: dict[str, Rpc] = {}
        errors: list[ChainUnavailable] = []
        names = [rpc.name for rpc in self._rpcs]
        for at, rpc in enumerate(self._rpcs, start=1):
            # A name has no secrets, so two endpoints of one provider have the same.
            name = f"{rpc.name} (endpoint {at})" if names.count(rpc.name) > 1 else rpc.name
            asked[name] = rpc
            try:
                found[name] = await self._logs_of(rpc, first, last)
            except ChainUnavailable as error:
                errors.append(error)
                kind = ProblemKind.CHAIN if isinstance(error, AnswerNotBelieved) else ProblemKind.NODE
                self._draft.problem(kind, f"{name} does not give the hub's logs: {error}")
        if not found and not any(isinstance(error, NodeError | AnswerNotBelieved) for error in errors):
            raise errors[0]
        united = self._united(found)
        for name, logs in found.items():
            await self._check_lacking(name, asked[name], logs, united)
        return united

    async def _logs_of(self, rpc: Rpc, first: int, last: int) -> list[Log]:
        found: list[Log] = []
        for begin in range(first, last + 1, _SPAN):
            end = min(last, begin + _SPAN - 1)
            found += await rpc.logs(self._hub.address, begin, end)
            self._progress(AuditStep.HISTORY, end, last)
        return found

    async def _check_blocks(self, logs: Sequence[Log]) -> None:
        """Check that the latest logs are of blocks of this chain: a block's hash depends on all blocks before it."""
        latest = {log.block_number: log.block_hash for log in logs if log.block_hash}
        for number in sorted(latest)[-_BLOCKS_CHECKED:]:
            if (await self._rpcs[0].block(number)).hash != latest[number]:
                self._contradict(number)

    def _united(self, found: Mapping[str, Sequence[Log]]) -> list[Log]:
        united: dict[tuple[int, bytes, int], Log] = {}
        said_by: dict[tuple[int, bytes, int], str] = {}
        blocks: dict[bytes, int] = {}
        for name, logs in found.items():
            for log in logs:
                key = (log.block_number, log.tx_hash, log.log_index)
                if key in united and _content(united[key]) != _content(log):
                    self._draft.problem(
                        ProblemKind.CHAIN,
                        f"log {log.log_index} of block {log.block_number} is not the same "
                        + (f"at {said_by[key]} and at {name}" if said_by[key] != name else f"each time at {name}"),
                    )
                    if united[key].block_hash != log.block_hash:
                        self._contradict(log.block_number)
                if blocks.setdefault(log.tx_hash, log.block_number) != log.block_number:
                    self._contradict(log.block_number)  # a transaction is in one block of a chain
                if key in united and len({united[key].block_time, log.block_time} - {None}) > 1:
                    text = f"log {log.log_index} of block {log.block_number} is not of one time at {said_by[key]}"
                    self._draft.problem(ProblemKind.CHAIN, f"{text} and at {name}")
                united.setdefault(key, log)
                said_by.setdefault(key, name)
        return sorted(united.values(), key=lambda log: log.place)

    async def _check_lacking(self, name: str, rpc: Rpc, logs: Sequence[Log], united: Sequence[Log]) -> None:
        """Say which events an endpoint did not tell: it withholds them, or another endpoint has invented them."""
        own = {(log.block_number, log.tx_hash, log.log_index) for log in logs}
        lacking = [log for log in united if (log.block_number, log.tx_hash, log.log_index) not in own]
        if not lacking:
            return
        if (denied := await first_denied(rpc, lacking)) is not None:
            text = f"another endpoint tells log {denied.log_index} of block {denied.block_number}"
            self._draft.problem(
                ProblemKind.CHAIN,
                f"the endpoints contradict each other: {text}, and {name} shows that transaction or block without it",
            )
            return
        self._draft.notes.append(
            f"{name} withholds {len(lacking)} of {len(united)} events of the hub, the first of block "
            f"{lacking[0].block_number}; they were read from another endpoint"
        )

    def _decoded(self, logs: Sequence[Log]) -> list[ReadEvent]:
        events = []
        for log in logs:
            try:
                event = _event(log)
            except OracleError as error:
                self._draft.problem(ProblemKind.HISTORY, f"log {log.log_index} of block {log.block_number}: {error}")
                continue
            if event is None:
                self._draft.problem(
                    ProblemKind.CODE,
                    f"the hub emitted an event that this release does not know, in block {log.block_number}",
                )
            else:
                events.append(ReadEvent(log, event))
        return events

    # --- transactions ------------------------------------------------------------------------------------------

    async def _administered(self, read: ReadEvent) -> AdminEvent:
        event = read.event
        assert isinstance(event, AdminEvent)
        time = await self._time(read.log)
        return AdminEvent(event.name, event.values, event.block_number, time, event.tx_hash, event.log_index)

    async def _reports(self, group: Sequence[ReadEvent], calls: asyncio.Task[TransactionCalls]) -> ReportEvents:
        log, events = group[0].log, _judged(group)
        found = await asyncio.shield(calls)
        rounds = {}
        if found.direct is None:
            # More than one submission may fit, or none may be found: the rounds themselves tell more.
            keys = [(event.feed_id, event.round_id) for event in events if isinstance(event, RoundAccepted)]
            try:
                rounds = await read_rounds(self._hub, keys, self._pinned.number)
            except OracleError:
                pass  # then less is known
        return ReportEvents(to_hex(log.tx_hash), log.block_number, await self._time(log), tuple(events), found, rounds)

    async def _calls(self, tx_hash: bytes, groups: Sequence[Sequence[JudgedEvent]]) -> TransactionCalls:
        """Return where a transaction's submissions are. What can't be had is said there."""
        transaction = self._record.transaction(tx_hash)
        try:
            if transaction is None:
                transaction = await self._ask(lambda rpc: rpc.transaction(tx_hash))
                if transaction is not None:
                    self._record.keep_transaction(tx_hash, transaction)
        except NodeError as error:
            return TransactionCalls(missing=f"its transaction can't be read: {error}")
        if transaction is None:
            return TransactionCalls(missing="the node does not have its transaction")
        found = calls_in(transaction, self._hub.address)
        if found.is_settled(groups):
            return found
        traced = await self._trace(tx_hash)
        if traced is None:
            return TransactionCalls(inputs=found.inputs, missing=f"{NOT_FOUND}, and the node can't trace it")
        missing = "its submission is neither in the transaction's input nor in its trace"
        return TransactionCalls(inputs=found.inputs, traced=traced, missing=missing)

    async def _trace(self, tx_hash: bytes) -> tuple[bytes, ...] | None:
        """Return the calls of the hub that a transaction's trace shows; None if no node can trace it."""
        traced = self._record.calls(tx_hash)
        if traced is None:
            try:
                trace = await self._ask(lambda rpc: rpc.trace(tx_hash))
            except ChainUnavailable:
                trace = None
            if trace is None:
                return None
            traced = list(lasting_calls(trace, self._hub.address))
            self._record.keep_calls(tx_hash, traced)
        return tuple(traced)

    async def _time(self, log: Log) -> int:
        """Return the time of a log's block; where only the block tells it, check that it is the same block."""
        key = (log.block_number, log.block_hash)
        if key in self._times:
            return self._times[key]
        time = log.block_time
        if time is None and log.block_hash:
            time = self._record.block_time(log.block_hash)
        if time is None:
            block = await self._rpcs[0].block(log.block_number)
            if log.block_hash and block.hash != log.block_hash:
                self._contradict(log.block_number)
            else:
                self._record.keep_block_time(block.hash, block.timestamp)
            time = block.timestamp
        if len(self._times) >= _BLOCKS_KNOWN:
            self._times.clear()
        self._times[key] = time
        return time

    async def _ask(self, question: Callable[[Rpc], Awaitable[T | None]]) -> T | None:
        """Ask the endpoints one after the other until one has an answer; None if they have none."""
        errors: list[ChainUnavailable] = []
        for rpc in self._rpcs:
            try:
                if (found := await question(rpc)) is not None:
                    return found
            except ChainUnavailable as error:
                errors.append(error)
        if len(errors) == len(self._rpcs):
            raise errors[0]
        return None

    def _contradict(self, block: int) -> None:
        self.contradiction = self.contradiction or f"block {block} is not the same block each time it is read"


# --- details -------------------------------------------------------------------------------------------------------


def _content(log: Log) -> tuple[object, ...]:
    return log.topics, log.data, log.block_hash


def _event(log: Log) -> HubEvent | None:
    if (found := round_event(log) or shadow_event(log)) is not None:
        return found
    try:
        decoded = hub_interface().decode_log(log)
    except ValueError as error:
        raise ChainUnavailable(f"it is malformed: {error}") from error
    if decoded is None:
        return None
    return AdminEvent(*decoded, log.block_number, 0, to_hex(log.tx_hash), log.log_index)


def _judged(group: Sequence[ReadEvent]) -> list[JudgedEvent]:
    return [each.event for each in group if not isinstance(each.event, AdminEvent)]


def _grouped(events: Sequence[ReadEvent]) -> list[ReadEvent | list[ReadEvent]]:
    """Return the events with those on reports together that follow each other in a transaction, of one kind.

    The hub compares a feed's last shadow report just before it counts the next one. That belongs to the feed alone, so
    it is put before the group, and does not divide a report of several feeds.
    """
    grouped: list[ReadEvent | list[ReadEvent]] = []
    group: list[ReadEvent] = []
    for read in events:
        event = read.event
        if isinstance(event, AdminEvent):
            feeds = {each.feed_id for each in _judged(group)}
            is_within = event.name == "ShadowCompared" and group and group[0].log.tx_hash == read.log.tx_hash
            if is_within and event.values["feedId"] not in feeds:
                grouped.insert(len(grouped) - 1, read)
            else:
                grouped.append(read)
                group = []
        elif group and group[0].log.tx_hash == read.log.tx_hash and _is_shadow(group[0]) == _is_shadow(read):
            group.append(read)
        else:
            group = [read]
            grouped.append(group)
    return grouped


def _is_shadow(read: ReadEvent) -> bool:
    return isinstance(read.event, ShadowScored)
