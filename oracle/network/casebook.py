"""The casebook: evidence of members' faults, on disk, once for each fault, and never more than fits.

Whoever floods a node with faults must not fill its disk, nor make it write all day. So of each member and kind, only
so many documents a day are kept, of a bounded size together. Whatever is over is counted.
"""

from __future__ import annotations

import asyncio
import json
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Mapping
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
import structlog

from oracle.core.documents import parse_json
from oracle.core.errors import OracleError
from oracle.core.formats import checksum_address, keccak, one_line, to_hex
from oracle.core.types import SECONDS_A_DAY
from oracle.feeds.journal.schema import network
from oracle.feeds.journal.store import Store
from oracle.network.evidence import FaultKind, MemberFault

__all__ = ["KEPT_A_DAY", "Case", "Casebook", "count_faults", "read_cases"]

log = structlog.get_logger(__name__)

KEPT_A_DAY = 24
"""The most documents of one member and kind that are kept of one day."""

BYTES_A_DAY = 4 << 20
"""The most bytes that they have together."""

_PAUSE_S = 0.2
"""Seconds between two writings: what comes meanwhile is written together."""

_WAITING = 256
"""The most faults that wait to be written."""

_REMEMBERED = 4_096
"""The latest faults that are known to be kept, without asking the disk."""

_MAX_SUMMARY = 1_000

_AT_ONCE = 500
"""The most rows of a table that are dropped in one transaction."""

OnFault = Callable[[str, FaultKind], None]


@dataclass(frozen=True, slots=True)
class Case:
    """Evidence of one fault, as it was kept.

    Attributes:
        number: Its number in this node's journal.
        kind: The kind.
        member: The member's reporter address, checksummed.
        turn: The turn that it belongs to.
        at: When it was noted, unix seconds.
        summary: The fault in one sentence.
        document: What proves it: answers, request and details, and the feed's id.
    """

    number: int
    kind: FaultKind
    member: str
    turn: int
    at: float
    summary: str
    document: Mapping[str, Any]


class Casebook:
    """Keeps evidence. `note` only takes note; `run`, or `flush`, writes it.

    Attributes:
        on_fault: Told of each fault of a member, duplicates included: it is counted.
    """

    def __init__(
        self,
        store: Store,
        members: Collection[str],
        *,
        clock: Callable[[], float],
        on_fault: OnFault = lambda member, kind: None,
    ) -> None:
        """Open the casebook.

        Args:
            store: The journal's database.
            members: The reporters' addresses. Of anybody else nothing is kept.
            clock: Unix seconds.
            on_fault: See the attribute.
        """
        self._store = store
        self._members = {each.lower() for each in members}
        self._clock = clock
        self.on_fault = on_fault
        self._lock = threading.Lock()
        self._waiting: list[_Noted] = []
        self._counts: dict[tuple[str, str, int], int] = {}
        self._known: OrderedDict[bytes, None] = OrderedDict()
        self._wake: asyncio.Event | None = None
        self._loop: asyncio.AbstractEventLoop | None = None

    def note(self, fault: MemberFault) -> None:
        """Take note of a fault. Returns at once, never raises, and may be called by any thread."""
        try:
            self._note(fault)
        except Exception as error:  # whoever notes a fault is in the middle of something more important
            log.error("fault not noted", kind=str(fault.kind), error=f"{type(error).__name__}: {error}")

    async def run(self) -> None:
        """Write what is noted, in a thread, until cancelled; then once more."""
        self._loop, self._wake = asyncio.get_running_loop(), asyncio.Event()
        try:
            while True:
                await self._wake.wait()
                self._wake.clear()
                try:
                    await asyncio.to_thread(self.flush)
                except OracleError as error:
                    log.warning("evidence not written, will try again", error=str(error))
                    self._wake.set()
                await asyncio.sleep(_PAUSE_S)
        finally:
            self._wake = None
            with suppress(OracleError):
                self.flush()

    def flush(self) -> None:
        """Write what is noted.

        Raises:
            JournalError, JournalUnavailable: It can't be written; it is tried again with the next call.
        """
        with self._lock:
            waiting, counts = self._waiting, self._counts
            self._waiting, self._counts = [], {}
        if not counts:
            return
        try:
            with self._store.transaction() as connection:
                for (member, kind, day), seen in counts.items():
                    _count(connection, member, kind, day, seen)
                kept = [noted for noted in waiting if _keep(connection, noted)]
        except OracleError:
            with self._lock:
                self._waiting = (waiting + self._waiting)[:_WAITING]
                for key, seen in counts.items():
                    self._counts[key] = self._counts.get(key, 0) + seen
            raise
        for each in kept:
            log.warning("fault of a member", fault=each.kind, member=each.member, turn=each.turn, summary=each.summary)

    def forget(self, before: float) -> bool:
        """Drop evidence that was noted before a time, and what transmitters brought before it, some of it at once.

        Returns:
            True if there may be more: call it again.

        Raises:
            JournalError, JournalUnavailable: It can't be written.
        """
        is_more = False
        with self._store.transaction() as connection:
            for table in (network.evidence, network.brought):
                query = sa.select(table.c.id).where(table.c.at < before).order_by(table.c.id).limit(_AT_ONCE)
                old = connection.scalars(query).all()
                if old:
                    connection.execute(table.delete().where(table.c.id.in_(old)))
                is_more = is_more or len(old) == _AT_ONCE
            connection.execute(network.faults.delete().where(network.faults.c.day < int(before // SECONDS_A_DAY)))
        return is_more

    def _note(self, fault: MemberFault) -> None:
        if fault.member.lower() not in self._members:
            return
        noted = _Noted.of(fault, self._clock())
        key = noted.member, noted.kind, noted.day
        with self._lock:
            self._counts[key] = self._counts.get(key, 0) + 1
            if noted.digest in self._known:
                self._known.move_to_end(noted.digest)
            elif len(self._waiting) < _WAITING:
                self._waiting.append(noted)
                self._known[noted.digest] = None
                if len(self._known) > _REMEMBERED:
                    self._known.popitem(last=False)
        self.on_fault(noted.member, fault.kind)
        if self._loop is not None and self._wake is not None:
            with suppress(RuntimeError):  # the loop is closed: the last flush has been, or comes
                self._loop.call_soon_threadsafe(self._wake.set)


def read_cases(
    connection: sa.Connection, *, member: str | None = None, kind: FaultKind | None = None, since: float = 0.0
) -> list[Case]:
    """Return the evidence that is kept, oldest first.

    Args:
        connection: A connection in a transaction.
        member: Of this member only, by its checksummed address.
        kind: Of this kind only.
        since: Of faults that were noted at this time or later, unix seconds.
    """
    table = network.evidence
    query = sa.select(table).where(table.c.at >= since).order_by(table.c.id)
    if member is not None:
        query = query.where(table.c.member == member)
    if kind is not None:
        query = query.where(table.c.kind == str(kind))
    return [
        Case(row.id, FaultKind(row.kind), row.member, row.turn, row.at, row.summary, parse_json(row.document))
        for row in connection.execute(query)
    ]


def count_faults(connection: sa.Connection, since: float = 0.0) -> dict[str, dict[FaultKind, int]]:
    """Return how many faults were seen, by member and kind, also of those of which no evidence is kept.

    Args:
        connection: A connection in a transaction.
        since: From the day of this time on, unix seconds.
    """
    table = network.faults
    query = (
        sa.select(table.c.member, table.c.kind, sa.func.sum(table.c.seen))
        .where(table.c.day >= int(since // SECONDS_A_DAY))
        .group_by(table.c.member, table.c.kind)
    )
    found: dict[str, dict[FaultKind, int]] = {}
    for member, kind, seen in connection.execute(query):
        found.setdefault(member, {})[FaultKind(kind)] = int(seen)
    return found


# --- details -------------------------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class _Noted:
    """A fault that waits to be written. `digest` is a hash of what makes it this fault: it is kept once."""

    digest: bytes
    kind: str
    member: str
    turn: int
    at: float
    summary: str
    document: str

    @property
    def day(self) -> int:
        return int(self.at // SECONDS_A_DAY)

    @classmethod
    def of(cls, fault: MemberFault, at: float) -> _Noted:
        if not 0 <= fault.turn < 2**32:
            raise ValueError(f"there is no turn {fault.turn}")
        feed = None if fault.feed_id is None else to_hex(fault.feed_id)
        document = {
            "feed": feed,
            "answers": list(fault.answers),
            "request": fault.request,
            "details": dict(fault.details),
        }
        return cls(
            digest=keccak(f"{fault.kind}:{fault.member.lower()}:{fault.turn}:{feed}".encode()),
            kind=str(fault.kind),
            member=checksum_address(fault.member),
            turn=fault.turn,
            at=at,
            summary=one_line(fault.summary, _MAX_SUMMARY),
            document=json.dumps(document, separators=(",", ":")),
        )


def _keep(connection: sa.Connection, noted: _Noted) -> bool:
    """Write evidence, and return True, if it is not there and there is room for it today."""
    table, counted = network.evidence, network.faults.c
    if connection.scalar(sa.select(table.c.id).where(table.c.fault == noted.digest)) is not None:
        return False
    row = sa.and_(counted.member == noted.member, counted.kind == noted.kind, counted.day == noted.day)
    kept, size = connection.execute(sa.select(counted.kept, counted.bytes).where(row)).one()
    size += len(noted.document)
    if kept >= KEPT_A_DAY or size > BYTES_A_DAY:
        return False
    values = {"kind": noted.kind, "member": noted.member, "turn": noted.turn, "summary": noted.summary}
    values |= {"document": noted.document, "fault": noted.digest, "at": noted.at}
    connection.execute(table.insert().values(**values))
    connection.execute(network.faults.update().where(row).values(kept=kept + 1, bytes=size))
    return True


def _count(connection: sa.Connection, member: str, kind: str, day: int, seen: int) -> None:
    table = network.faults
    row = sa.and_(table.c.member == member, table.c.kind == kind, table.c.day == day)
    changed = connection.execute(table.update().where(row).values(seen=table.c.seen + seen)).rowcount
    if not changed:
        connection.execute(table.insert().values(member=member, kind=kind, day=day, seen=seen, kept=0, bytes=0))
